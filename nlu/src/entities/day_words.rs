//! Days in words: "tomorrow", "pasado mañana", "el lunes pasado", "in 3 Tagen", "через неделю".

use std::sync::LazyLock;

use chrono::{Datelike, NaiveDate, Weekday};
use doorstep_core::understanding::EntityKind;
use regex::Regex;

use super::{
    Found, Reading,
    date::{nearest, of_day},
    fixed,
    named_days::{self, Day},
    time_words::{self, COUNT, UNIT, Unit, shift},
    words::Lexicon,
};

/// What a phrase says of a day.
#[derive(Clone, Copy)]
enum Meaning {
    /// So many days from today.
    FromToday(i64),
    /// A day of the week.
    On(Weekday),
    /// A day by another name, behind so many bytes of the phrase.
    Named(usize, Day),
    /// "Guten Morgen", "por la mañana": holds the word of a day and names none.
    Nothing,
}

/// Days that are named from today.
const FROM_TODAY: [(i64, &str); 5] = [
    (
        2,
        "day after tomorrow|pasado mañana|depois de amanhã|après-demain|übermorgen|uebermorgen|dopodomani|dopo domani|послезавтра",
    ),
    (
        -2,
        "day before yesterday|anteayer|antes de ayer|antier|anteontem|avant-hier|vorgestern|l'altro ieri|altro ieri|ieri l'altro|avantieri|позавчера",
    ),
    (
        1,
        "tomorrow|tmrw|tomorow|tommorow|mañana|amanhã|demain|morgen|domani|завтра|morgen früh",
    ),
    (
        -1,
        "yesterday|last night|ayer|anoche|ontem|hier|gestern|gestern morgen|ieri|ieri sera|вчера",
    ),
    (
        0,
        "today|tonight|this morning|hoy|esta mañana|esta noche|esta tarde|hoje|aujourd'hui|ce soir|ce matin|heute|heute morgen|oggi|stasera|stamattina|сегодня",
    ),
];

/// They hold a word of [`FROM_TODAY`].
const NO_DAYS: &str = "guten morgen|am morgen|jeden morgen|la mañana|por la mañana|de la mañana|en la mañana|na segunda vez|na segunda via|na segunda compra|na segunda encomenda|na segunda opção|na segunda tentativa|na terça parte|na quarta vez|na quinta vez|na sexta vez";

/// Whole names of weekdays; short ones are in [`named_days`].
const WEEKDAYS: [(Weekday, &str); 7] = [
    (
        Weekday::Mon,
        "monday|lunes|segunda-feira|lundi|montag|lunedì|понедельник|понедельника|понедельнику|понедельником",
    ),
    (
        Weekday::Tue,
        "tuesday|martes|terça-feira|mardi|dienstag|martedì|вторник|вторника|вторнику",
    ),
    (
        Weekday::Wed,
        "wednesday|miércoles|quarta-feira|mercredi|mittwoch|mercoledì|среда|среду|среды|среде",
    ),
    (
        Weekday::Thu,
        "thursday|jueves|quinta-feira|jeudi|donnerstag|giovedì|четверг|четверга|четвергу",
    ),
    (
        Weekday::Fri,
        "friday|viernes|sexta-feira|vendredi|freitag|venerdì|пятница|пятницу|пятницы|пятнице",
    ),
    (
        Weekday::Sat,
        "saturday|sábado|samedi|samstag|sonnabend|sabato|суббота|субботу|субботы|субботе",
    ),
    (
        Weekday::Sun,
        "sunday|domingo|dimanche|sonntag|domenica|воскресенье|воскресенья|воскресенью",
    ),
];

/// Portuguese says "na sexta"; alone, the word is an ordinal number.
const PORTUGUESE: [(Weekday, &str); 5] = [
    (Weekday::Mon, "segunda"),
    (Weekday::Tue, "terça"),
    (Weekday::Wed, "quarta"),
    (Weekday::Thu, "quinta"),
    (Weekday::Fri, "sexta"),
];
const PORTUGUESE_BEFORE: [&str; 6] = ["na", "nesta", "desta", "até", "próxima", "última"];

/// Folded words beside a weekday that make it the last one.
const LAST_BEFORE: &[&str] = &[
    "last",
    "pasado",
    "ultimo",
    "ultima",
    "letzten",
    "letzte",
    "letzter",
    "vergangenen",
    "scorso",
    "scorsa",
    "прошлый",
    "прошлую",
    "прошлои",
    "прошлое",
    "прошлыи",
    "прошлого",
    "прошедшии",
    "прошедшую",
];
const LAST_AFTER: &[&str] = &[
    "pasado", "passado", "passada", "dernier", "passe", "scorso", "scorsa",
];

static PHRASES: LazyLock<Lexicon<Meaning>> = LazyLock::new(|| {
    let mut entries: Vec<(String, Meaning)> = Vec::new();
    let mut add = |phrases: &str, meaning| {
        entries.extend(
            phrases
                .split('|')
                .map(|phrase| (phrase.to_owned(), meaning)),
        );
    };
    add(NO_DAYS, Meaning::Nothing);
    add(named_days::NO_DAYS, Meaning::Nothing);
    for (days, phrases) in FROM_TODAY {
        add(phrases, Meaning::FromToday(days));
    }
    for (weekday, phrases) in WEEKDAYS {
        add(phrases, Meaning::On(weekday));
    }
    for (weekday, name) in PORTUGUESE {
        for before in PORTUGUESE_BEFORE {
            add(
                &format!("{before} {name}|{before} {name}-feira"),
                Meaning::On(weekday),
            );
        }
    }
    let named = named_days::phrases().into_iter();
    entries.extend(named.map(|phrase| (phrase.text, Meaning::Named(phrase.skip, phrase.day))));
    Lexicon::fixed(entries)
});

/// `in 3 days`, `dentro de 3 días`, `3 days ago`, `hace 3 días`, `через неделю`, in folded text.
static OFFSET: LazyLock<Regex> = LazyLock::new(|| {
    fixed(&format!(
        r"(?:^| )(?P<whole>(?:(?P<back>hace|ha|il y a|vor)|(?P<on>in|en|dentro de|em|daqui a|dans|tra|fra|через)) (?:(?P<n>{count}) )?(?P<unit>{UNIT})(?P<ago1> ago)?|(?:(?P<n2>{count}) )?(?P<unit2>{UNIT}) (?P<ago2>ago|earlier|fa|назад|atras)) ",
        count = *COUNT,
    ))
});

pub(super) fn find(reading: &Reading<'_>) -> Vec<Found> {
    let mut found: Vec<Found> = PHRASES
        .find(&reading.folded)
        .filter_map(|hit| named(*hit.meaning, hit.range, reading))
        .collect();
    if time_words::speaks_of_units(&reading.folded) {
        found.extend(offsets(reading));
    }
    found
}

fn named(
    meaning: Meaning,
    mut range: std::ops::Range<usize>,
    reading: &Reading<'_>,
) -> Option<Found> {
    let text = reading.folded.as_str();
    let phrase = &text[range.clone()];
    match meaning {
        Meaning::Nothing => None,
        // "Hier" is here, in German.
        Meaning::FromToday(_) if phrase == "hier" && reading.language == "de" => None,
        Meaning::FromToday(days) => of_day(
            shift(reading.today, days)?,
            reading.folded.origin(range)?,
            reading,
        ),
        Meaning::On(weekday) => of_weekday(weekday, range, reading),
        Meaning::Named(skip, day) => {
            range.start += skip;
            match day {
                Day::Of(weekday) => of_weekday(weekday, range, reading),
                Day::Feast(month, day) => of_day(
                    nearest(month, day, reading.today)?,
                    reading.folded.origin(range)?,
                    reading,
                ),
            }
        }
    }
}

fn of_weekday(
    weekday: Weekday,
    range: std::ops::Range<usize>,
    reading: &Reading<'_>,
) -> Option<Found> {
    let (range, is_past) = with_last(reading.folded.as_str(), range);
    let day = on(weekday, is_past, reading.today)?;
    of_day(day, reading.folded.origin(range)?, reading)
}

/// The range with the word that makes the weekday the last one, and without a Portuguese preposition; and whether there
/// is such a word.
fn with_last(text: &str, mut range: std::ops::Range<usize>) -> (std::ops::Range<usize>, bool) {
    let phrase = &text[range.clone()];
    let first = phrase.split(' ').next().unwrap_or_default();
    let mut is_past = first == "ultima";
    if matches!(first, "na" | "nesta" | "desta" | "ate") {
        range.start += first.len() + 1;
    }
    if let Some(last) = text[..range.start].split_whitespace().next_back()
        && LAST_BEFORE.contains(&last)
    {
        range.start -= last.len() + 1;
        is_past = true;
    }
    if let Some(last) = text[range.end..].split_whitespace().next()
        && LAST_AFTER.contains(&last)
    {
        range.end += last.len() + 1;
        is_past = true;
    }
    (range, is_past)
}

/// The next such weekday, or the last. On a Friday, "Friday" is in a week: today has a word of its own.
fn on(weekday: Weekday, is_past: bool, today: NaiveDate) -> Option<NaiveDate> {
    let ahead = i64::from(
        (7 + weekday.num_days_from_monday() - today.weekday().num_days_from_monday()) % 7,
    );
    let days = match (is_past, ahead) {
        (true, 0) => -7,
        (true, _) => ahead - 7,
        (false, 0) => 7,
        (false, _) => ahead,
    };
    shift(today, days)
}

fn offsets(reading: &Reading<'_>) -> Vec<Found> {
    OFFSET
        .captures_iter(reading.folded.as_str())
        .filter_map(|captures| {
            let whole = captures.name("whole")?;
            let named = |name| captures.name(name).map(|part| part.as_str());
            let count = named("n").or_else(|| named("n2"));
            let is_russian = named("on") == Some("через") || named("ago2") == Some("назад");
            // "Il pacco ha 3 giorni di ritardo" has no "há" in it.
            if (named("back") == Some("ha") && reading.language != "pt")
                || (count.is_none() && !is_russian)
            {
                return None;
            }
            let count = count.map_or(Some(1), time_words::count)?;
            let unit = Unit::of(named("unit").or_else(|| named("unit2"))?)?;
            let is_back = ["back", "ago1", "ago2"]
                .iter()
                .any(|name| captures.name(name).is_some());
            let day = unit.from(reading.today, if is_back { -count } else { count })?;
            of_day(day, reading.folded.origin(whole.range())?, reading)
        })
        .filter(|found| found.kind == EntityKind::Date)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::values;
    use super::*;

    fn days(language: &str, text: &str) -> Vec<String> {
        values(EntityKind::Date, language, text)
    }

    #[test]
    fn days_near_today_are_understood_in_seven_languages() {
        for (language, text, expected) in [
            ("en", "will it come tomorrow?", "2026-11-22"),
            ("en", "the day after tomorrow", "2026-11-23"),
            ("en", "it came the day before yesterday", "2026-11-19"),
            ("es", "llega mañana?", "2026-11-22"),
            ("es", "mañana por la mañana", "2026-11-22"),
            ("es", "pasado manana por favor", "2026-11-23"),
            ("es", "anteayer", "2026-11-19"),
            ("pt", "chega amanhã?", "2026-11-22"),
            ("pt", "depois de amanhã", "2026-11-23"),
            ("pt", "anteontem", "2026-11-19"),
            ("fr", "après-demain", "2026-11-23"),
            ("fr", "aujourd’hui", "2026-11-21"),
            ("fr", "commandé hier", "2026-11-20"),
            ("de", "kommt es übermorgen", "2026-11-23"),
            ("de", "heute Morgen", "2026-11-21"),
            ("de", "vorgestern bestellt", "2026-11-19"),
            ("it", "arriva domani?", "2026-11-22"),
            ("it", "dopodomani", "2026-11-23"),
            ("it", "l'altro ieri", "2026-11-19"),
            ("ru", "привезут завтра?", "2026-11-22"),
            ("ru", "послезавтра", "2026-11-23"),
            ("ru", "позавчера", "2026-11-19"),
        ] {
            assert_eq!(days(language, text), [expected], "{text}");
        }
    }

    #[test]
    fn days_and_weeks_are_counted_from_today_in_seven_languages() {
        for (language, text, expected) in [
            ("en", "ordered 3 days ago", "2026-11-18"),
            ("en", "in two weeks", "2026-12-05"),
            ("en", "a week ago", "2026-11-14"),
            ("en", "2 months ago", "2026-09-21"),
            ("es", "hace 2 semanas", "2026-11-07"),
            ("es", "dentro de tres días", "2026-11-24"),
            ("pt", "há 3 dias", "2026-11-18"),
            ("pt", "3 dias atrás", "2026-11-18"),
            ("pt", "daqui a uma semana", "2026-11-28"),
            ("fr", "il y a 5 jours", "2026-11-16"),
            ("fr", "dans une semaine", "2026-11-28"),
            ("de", "in 3 Tagen", "2026-11-24"),
            ("de", "vor einer Woche", "2026-11-14"),
            ("it", "3 giorni fa", "2026-11-18"),
            ("it", "tra due settimane", "2026-12-05"),
            ("ru", "через 3 дня", "2026-11-24"),
            ("ru", "через неделю", "2026-11-28"),
            ("ru", "2 дня назад", "2026-11-19"),
            ("en", "a couple of days ago", "2026-11-19"),
            ("en", "in twenty-one days", "2026-12-12"),
            ("es", "hace quince días", "2026-11-06"),
            ("pt", "daqui a quinze dias", "2026-12-06"),
            ("fr", "il y a quinze jours", "2026-11-06"),
            ("fr", "dans vingt et un jours", "2026-12-12"),
            ("de", "in vierzehn Tagen", "2026-12-05"),
            ("de", "vor dreißig Tagen", "2026-10-22"),
            ("it", "ventitré giorni fa", "2026-10-29"),
            ("ru", "двадцать один день назад", "2026-10-31"),
            ("ru", "через сорок пять дней", "2027-01-05"),
        ] {
            assert_eq!(days(language, text), [expected], "{text}");
        }
    }

    #[test]
    fn years_are_counted_from_today_in_seven_languages() {
        for (language, text, expected) in [
            ("en", "I bought it 2 years ago", "2024-11-21"),
            ("en", "a year ago", "2025-11-21"),
            ("es", "lo compré hace dos años", "2024-11-21"),
            ("pt", "comprei há um ano", "2025-11-21"),
            ("pt", "3 anos atrás", "2023-11-21"),
            ("fr", "il y a un an", "2025-11-21"),
            ("fr", "il y a deux ans", "2024-11-21"),
            ("fr", "dans une année", "2027-11-21"),
            ("de", "vor einem Jahr gekauft", "2025-11-21"),
            ("de", "vor zwei Jahren", "2024-11-21"),
            ("it", "due anni fa", "2024-11-21"),
            ("it", "un anno fa", "2025-11-21"),
            ("ru", "купил год назад", "2025-11-21"),
            ("ru", "2 года назад", "2024-11-21"),
            ("ru", "пять лет назад", "2021-11-21"),
        ] {
            assert_eq!(days(language, text), [expected], "{text}");
        }
    }

    #[test]
    fn weekdays_are_the_next_ones_unless_they_are_past() {
        // Today is a Saturday.
        for (language, text, expected) in [
            ("en", "next Friday", "2026-11-27"),
            ("en", "on saturday", "2026-11-28"),
            ("en", "since last friday", "2026-11-20"),
            ("es", "el lunes", "2026-11-23"),
            ("es", "el lunes pasado", "2026-11-16"),
            ("de", "am freitag", "2026-11-27"),
            ("de", "letzten Montag", "2026-11-16"),
            ("fr", "lundi prochain", "2026-11-23"),
            ("fr", "mardi dernier", "2026-11-17"),
            ("pt", "na sexta-feira", "2026-11-27"),
            ("pt", "chega na sexta?", "2026-11-27"),
            ("pt", "sexta-feira passada", "2026-11-20"),
            ("it", "giovedì", "2026-11-26"),
            ("it", "lunedì scorso", "2026-11-16"),
            ("ru", "в пятницу", "2026-11-27"),
            ("ru", "в прошлую среду", "2026-11-18"),
        ] {
            assert_eq!(days(language, text), [expected], "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_day_is_left_alone() {
        for (language, text) in [
            ("es", "por la mañana"),
            ("de", "Guten Morgen"),
            ("de", "ist hier jemand"),
            ("pt", "na segunda vez"),
            ("it", "il pacco ha 3 giorni di ritardo"),
            ("en", "it takes 3 days"),
            ("en", "mondays in days"),
            ("en", "in 999 months"),
            ("en", "a 2 year warranty"),
            ("de", "2 Jahre Garantie"),
            ("es", "para un niño de 6 años"),
            ("it", "ha un anno di garanzia"),
        ] {
            assert!(
                days(language, text).is_empty(),
                "{text}: {:?}",
                days(language, text)
            );
        }
    }
}
