//! Weekdays in short ("by thurs", "am Di.", "el jue", "до чт") and feasts ("before Christmas", "bis Silvester").
//!
//! Most short names are words of their own (sat, mar, do), and a feast is as often what something is for ("Christmas
//! jumpers"): these count behind a word that makes a day of them.

use chrono::Weekday::{self, Fri, Mon, Sat, Sun, Thu, Tue, Wed};

use super::words::fold;

/// A day by its name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Day {
    Of(Weekday),
    /// Month and day, in whichever year is nearest.
    Feast(u32, u32),
}

/// A phrase, and how many bytes of it, folded, stand before the day's name.
pub(super) struct Phrase {
    pub(super) text: String,
    pub(super) skip: usize,
    pub(super) day: Day,
}

/// Short names that are nothing else.
const SHORT: [(Weekday, &str); 7] = [
    (Mon, "lun|пн|2a feira"),
    (Tue, "tues|3a feira"),
    (Wed, "weds|4a feira"),
    (Thu, "thur|thurs|jue|чт|5a feira"),
    (Fri, "fri|пт|6a feira"),
    (Sat, "sáb|сб"),
    (Sun, "вс"),
];

/// Words of one language before a short name, and the short names that they make days of.
struct Shorts {
    before: &'static str,
    names: &'static [(Weekday, &'static str)],
}

const SHORT_BEHIND: [Shorts; 6] = [
    Shorts {
        before: "on|by|next|last|until|till|before|since",
        names: &[
            (Mon, "mon"),
            (Tue, "tue"),
            (Wed, "wed"),
            (Thu, "thu"),
            (Sat, "sat"),
        ],
    },
    Shorts {
        before: "el|este|para el|hasta el|antes del",
        names: &[(Wed, "mié"), (Fri, "vie"), (Sun, "dom")],
    },
    Shorts {
        before: "na|até|próxima|última",
        names: &[(Mon, "seg"), (Wed, "qua"), (Thu, "qui")],
    },
    Shorts {
        before: "avant|depuis|dès|jusqu'à|d'ici",
        names: &[
            (Tue, "mar"),
            (Wed, "mer"),
            (Thu, "jeu"),
            (Fri, "ven"),
            (Sat, "sam"),
            (Sun, "dim"),
        ],
    },
    Shorts {
        before: "am|bis|ab|seit|nächsten|letzten|diesen",
        names: &[
            (Mon, "mo"),
            (Tue, "di"),
            (Wed, "mi"),
            (Thu, "do"),
            (Fri, "fr"),
            (Sat, "sa"),
        ],
    },
    Shorts {
        before: "в|во|до|на|к|ко|с",
        names: &[(Tue, "вт"), (Wed, "ср")],
    },
];

/// Italian has its short names behind "by" alone: "gio" is a name, "ven" a Spanish word.
const ITALIAN: Shorts = Shorts {
    before: "entro|entro il|fino a",
    names: &[
        (Tue, "mar"),
        (Wed, "mer"),
        (Thu, "gio"),
        (Fri, "ven"),
        (Sun, "dom"),
    ],
};

/// Feasts of one language, and the words before them that make days of them.
struct Feasts {
    before: &'static str,
    /// Month, day, names.
    names: &'static [(u32, u32, &'static str)],
}

const FEASTS: [Feasts; 7] = [
    Feasts {
        before: "by|before|until|till|at|for|after|around|over|since|on",
        names: &[
            (12, 25, "christmas|xmas|x-mas|christmas day"),
            (12, 24, "christmas eve|xmas eve"),
            (12, 31, "new year's eve|new years eve|nye"),
            (
                1,
                1,
                "new year|new year's|new years|the new year|new year's day|new years day",
            ),
        ],
    },
    Feasts {
        before: "antes de|para|por|en|hasta|después de|desde",
        names: &[
            (12, 25, "navidad|navidades|el día de navidad"),
            (12, 24, "nochebuena"),
            (12, 31, "nochevieja|fin de año"),
            (1, 1, "año nuevo"),
            (1, 6, "reyes"),
        ],
    },
    Feasts {
        before: "antes do|até|até o|até ao|para o|pelo|no|depois do|desde o",
        names: &[
            (12, 25, "natal"),
            (12, 31, "réveillon|fim de ano|fim do ano"),
            (1, 1, "ano novo"),
        ],
    },
    Feasts {
        before: "avant|pour|à|jusqu'à|après|d'ici|depuis",
        names: &[
            (12, 25, "noël"),
            (12, 31, "la saint-sylvestre"),
            (1, 1, "le nouvel an|nouvel an|le jour de l'an"),
        ],
    },
    Feasts {
        before: "vor|bis|bis zu|zu|an|nach|seit|über",
        names: &[
            (12, 25, "weihnachten"),
            (12, 31, "silvester"),
            (1, 1, "neujahr"),
        ],
    },
    Feasts {
        before: "prima di|per|a|entro|fino a|dopo|da",
        names: &[
            (12, 25, "natale"),
            (12, 31, "san silvestro"),
            (1, 1, "capodanno"),
        ],
    },
    // The Orthodox Christmas.
    Feasts {
        before: "до|к|на|после|перед|с",
        names: &[
            (1, 7, "рождества|рождеству|рождество|рождеством"),
            (1, 1, "нового года|новому году|новый год|новым годом"),
        ],
    },
];

/// Feasts that are nothing but days.
const FEASTS_ALONE: [(u32, u32, &str); 3] = [
    (
        12,
        24,
        "christmas eve|nochebuena|véspera de natal|veille de noël|heiligabend|heiliger abend|vigilia di natale",
    ),
    (
        12,
        25,
        "christmas day|dia de natal|jour de noël|weihnachtstag",
    ),
    (
        12,
        31,
        "new year's eve|new years eve|nochevieja|silvesterabend",
    ),
];

/// It holds a phrase of this file and names no day.
pub(super) const NO_DAYS: &str = "on sat nav";

/// All of them.
pub(super) fn phrases() -> Vec<Phrase> {
    let mut phrases = Vec::new();
    for (weekday, names) in SHORT {
        phrases.extend(alone(names, Day::Of(weekday)));
    }
    for shorts in SHORT_BEHIND.iter().chain([&ITALIAN]) {
        for (weekday, name) in shorts.names {
            phrases.extend(behind(shorts.before, name, Day::Of(*weekday)));
        }
    }
    for feasts in &FEASTS {
        for (month, day, names) in feasts.names {
            phrases.extend(behind(feasts.before, names, Day::Feast(*month, *day)));
        }
    }
    for (month, day, names) in FEASTS_ALONE {
        phrases.extend(alone(names, Day::Feast(month, day)));
    }
    phrases
}

fn alone(names: &str, day: Day) -> Vec<Phrase> {
    let phrase = |name: &str| Phrase {
        text: name.to_owned(),
        skip: 0,
        day,
    };
    names.split('|').map(phrase).collect()
}

fn behind(before: &str, names: &str, day: Day) -> Vec<Phrase> {
    let mut phrases = Vec::new();
    for before in before.split('|') {
        for name in names.split('|') {
            phrases.push(Phrase {
                text: format!("{before} {name}"),
                skip: fold(before).len() + 1,
                day,
            });
        }
    }
    phrases
}

#[cfg(test)]
mod tests {
    use doorstep_core::understanding::EntityKind;

    use super::super::tests::values;

    fn days(language: &str, text: &str) -> Vec<String> {
        values(EntityKind::Date, language, text)
    }

    #[test]
    fn short_weekdays_are_the_next_ones_unless_they_are_past() {
        // Today is Saturday, 21 November 2026.
        for (language, text, expected) in [
            ("en", "will it be here by Thurs?", "2026-11-26"),
            ("en", "Tues works for me", "2026-11-24"),
            ("en", "deliver it on mon", "2026-11-23"),
            ("en", "it came last wed", "2026-11-18"),
            ("es", "llega el jue?", "2026-11-26"),
            ("es", "para el vie. por favor", "2026-11-27"),
            ("pt", "chega na 6ª feira?", "2026-11-27"),
            ("pt", "até qui.", "2026-11-26"),
            ("fr", "avant jeu. si possible", "2026-11-26"),
            ("fr", "livré lun. ?", "2026-11-23"),
            ("de", "kommt es am Di.?", "2026-11-24"),
            ("de", "bis Do bitte", "2026-11-26"),
            ("de", "letzten Mi bestellt", "2026-11-18"),
            ("it", "entro gio", "2026-11-26"),
            ("ru", "привезут в пн?", "2026-11-23"),
            ("ru", "до ср", "2026-11-25"),
        ] {
            assert_eq!(days(language, text), [expected], "{text}");
        }
    }

    #[test]
    fn feasts_are_the_nearest_ones_in_seven_languages() {
        for (language, text, expected) in [
            ("en", "will it arrive before Christmas?", "2026-12-25"),
            ("en", "by Xmas", "2026-12-25"),
            ("en", "I need it on Christmas Eve", "2026-12-24"),
            ("en", "do you deliver on New Year's Eve?", "2026-12-31"),
            ("en", "after New Year", "2027-01-01"),
            ("es", "¿llega antes de Navidad?", "2026-12-25"),
            ("es", "en Nochebuena", "2026-12-24"),
            ("es", "para Reyes", "2027-01-06"),
            ("es", "después de Año Nuevo", "2027-01-01"),
            ("pt", "chega antes do Natal?", "2026-12-25"),
            ("pt", "depois do Ano Novo", "2027-01-01"),
            ("fr", "avant Noël", "2026-12-25"),
            ("fr", "après le Nouvel An", "2027-01-01"),
            ("de", "kommt es vor Weihnachten?", "2026-12-25"),
            ("de", "bis Silvester", "2026-12-31"),
            ("de", "an Heiligabend", "2026-12-24"),
            ("de", "nach Neujahr", "2027-01-01"),
            ("it", "arriva prima di Natale?", "2026-12-25"),
            ("it", "entro Capodanno", "2027-01-01"),
            ("ru", "придёт до Нового года?", "2027-01-01"),
            ("ru", "к Рождеству", "2027-01-07"),
        ] {
            assert_eq!(days(language, text), [expected], "{text}");
        }
    }

    #[test]
    fn words_that_only_look_like_days_are_left_alone() {
        for (language, text) in [
            ("en", "do you have christmas jumpers?"),
            ("en", "I sat on it, sun cream too"),
            ("en", "a guide on sat nav"),
            ("en", "they wed in May"),
            ("es", "una toalla para el mar"),
            ("es", "ven aquí"),
            ("pt", "a sua sex shop"),
            ("fr", "mon colis, le jeu et la mer"),
            ("fr", "un cadeau de Noël"),
            ("de", "Weihnachtspullover, so ein Mist"),
            ("de", "wie geht es dir, ich tue das nicht"),
            ("it", "il pacco di Gio"),
            ("ru", "лампа 20 Вт, ср. цена"),
        ] {
            let found = days(language, text);
            assert!(found.is_empty(), "{text}: {found:?}");
        }
    }
}
