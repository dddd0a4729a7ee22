//! Colours in seven languages, by their English base word.

use std::sync::LazyLock;

use doorstep_core::understanding::EntityKind;

use super::{
    Found, Reading,
    words::{Folded, Lexicon},
};

/// What a word says, and in which languages; in all of them when none is named.
struct Shade {
    base: &'static str,
    languages: &'static [&'static str],
}

/// Words that are the same in every sentence: English, and every form of Spanish, Portuguese, French and Italian.
const WORDS: [(&str, &str); 23] = [
    (
        "black",
        "black|negro|negra|negros|negras|preto|preta|pretos|pretas|noir|noire|noirs|noires|nero|nera|neri|nere",
    ),
    (
        "white",
        "white|blanco|blanca|blancos|blancas|branco|branca|brancos|brancas|blanc|blanche|blancs|blanches|bianco|bianca|bianchi|bianche",
    ),
    (
        "grey",
        "grey|gray|gris|grises|cinza|cinzas|cinzento|cinzenta|cinzentos|cinzentas|grise|grigio|grigia|grigi|grigie|anthracite|antracita|antracite|anthrazit|charcoal",
    ),
    (
        "red",
        "red|rojo|roja|rojos|rojas|vermelho|vermelha|vermelhos|vermelhas|rouge|rouges|rosso|rossa|rossi|rosse",
    ),
    ("blue", "blue|azul|azules|azuis|bleu|bleue|bleus|bleues|blu"),
    (
        "navy",
        "navy|navy blue|dark blue|azul marino|azul oscuro|azul marinho|azul escuro|bleu marine|bleu foncé|blu navy|blu scuro|blu marino",
    ),
    (
        "light blue",
        "light blue|sky blue|baby blue|azul claro|azul celeste|celeste|celestes|bleu clair|bleu ciel|azzurro|azzurra|azzurri|azzurre|celesti",
    ),
    (
        "green",
        "green|verde|verdes|vert|verte|verts|vertes|verdi|olive green|dark green|light green",
    ),
    (
        "yellow",
        "yellow|amarillo|amarilla|amarillos|amarillas|amarelo|amarela|amarelos|amarelas|jaune|jaunes|giallo|gialla|gialli|gialle",
    ),
    (
        "orange",
        "orange|naranja|naranjas|anaranjado|anaranjada|laranja|laranjas|alaranjado|alaranjada|oranges|arancione|arancioni",
    ),
    (
        "purple",
        "purple|violet|lilac|morado|morada|morados|moradas|violeta|violetas|púrpura|lila|lilas|roxo|roxa|roxos|roxas|violette|violets|violettes",
    ),
    (
        "pink",
        "pink|fucsia|fuchsia|fúcsia|cor de rosa|rosado|rosada|rosados|rosadas",
    ),
    (
        "brown",
        "brown|marrón|marrones|castaño|castaña|marrom|marrons|castanho|castanha|castanhos|castanhas|brun|brune|bruns|brunes|marrone|marroni",
    ),
    ("beige", "beige|beiges|beis|bege|beges"),
    (
        "ivory",
        "ivory|off white|marfil|marfim|ivoire|elfenbein|avorio|blanco roto|blanc cassé",
    ),
    (
        "gold",
        "gold|golden|dorado|dorada|dorados|doradas|dourado|dourada|dourados|douradas|doré|dorée|dorés|dorées|dorato|dorata|dorati|dorate",
    ),
    (
        "silver",
        "silver|plateado|plateada|plateados|plateadas|prateado|prateada|prateados|prateadas|argenté|argentée|argentés|argentées|argentato|argentata|argentati|argentate",
    ),
    (
        "burgundy",
        "burgundy|maroon|bordeaux|burdeos|granate|granates|bordô|bordò",
    ),
    (
        "turquoise",
        "turquoise|turquoises|teal|turquesa|turquesas|turchese|turchesi",
    ),
    ("khaki", "khaki|khakis|caqui|cáqui|kaki|хаки"),
    (
        "rose gold",
        "rose gold|oro rosa|or rose|roségold|rosé gold|ouro rosé",
    ),
    (
        "multicolour",
        "multicolour|multicolor|multicolored|multicoloured|multicolore|mehrfarbig|bunt|разноцветный|разноцветная|разноцветные",
    ),
    ("navy", "marineblau|dunkelblau"),
];

/// Words that mean something else in other languages: a rose, to rot, a viola.
const AMBIGUOUS: [(&str, &[&str], &str); 5] = [
    ("pink", &["es", "pt", "de", "it"], "rosa|rosas|rosafarben"),
    ("pink", &["fr"], "rose|roses"),
    ("purple", &["it"], "viola"),
    ("brown", &["fr"], "marron"),
    ("red", &["de"], "rot"),
];

/// German stems, which take endings.
const GERMAN: [(&str, &str); 17] = [
    ("black", "schwarz"),
    ("white", "weiß"),
    ("grey", "grau"),
    ("blue", "blau"),
    ("navy", "dunkelblau"),
    ("navy", "marineblau"),
    ("light blue", "hellblau"),
    ("green", "grün"),
    ("yellow", "gelb"),
    ("brown", "braun"),
    ("gold", "golden"),
    ("silver", "silbern"),
    ("purple", "violett"),
    ("turquoise", "türkis"),
    ("burgundy", "weinrot"),
    ("orange", "orangefarben"),
    ("green", "dunkelgrün"),
];
const GERMAN_ENDINGS: [&str; 6] = ["", "e", "en", "er", "es", "em"];
/// Of `rot` and `lila`, what cannot be mistaken for a word of another language.
const GERMAN_WORDS: [(&str, &str); 4] = [
    ("red", "rote|roten|roter|rotes|rotem"),
    ("pink", "pinke|pinken|pinker|pinkes"),
    ("gold", "goldfarben"),
    ("silver", "silber|silberfarben"),
];

/// Russian stems: with hard endings (красный), and with soft ones (синий).
const RUSSIAN_HARD: [(&str, &str); 18] = [
    ("black", "черн"),
    ("white", "бел"),
    ("grey", "сер"),
    ("red", "красн"),
    ("light blue", "голуб"),
    ("green", "зелен"),
    ("yellow", "желт"),
    ("orange", "оранжев"),
    ("purple", "фиолетов"),
    ("purple", "сиренев"),
    ("pink", "розов"),
    ("brown", "коричнев"),
    ("beige", "бежев"),
    ("gold", "золот"),
    ("gold", "золотист"),
    ("silver", "серебрист"),
    ("burgundy", "бордов"),
    ("turquoise", "бирюзов"),
];
const RUSSIAN_SOFT: [(&str, &str); 3] = [
    ("blue", "син"),
    ("navy", "темно-син"),
    ("light blue", "светло-син"),
];
const HARD_ENDINGS: [&str; 12] = [
    "ый", "ой", "ая", "ое", "ые", "ого", "ому", "ую", "ым", "ых", "ыми", "ом",
];
const SOFT_ENDINGS: [&str; 12] = [
    "ий", "яя", "ее", "ие", "его", "ей", "ему", "юю", "им", "их", "ими", "ем",
];

static COLOURS: LazyLock<Lexicon<Shade>> = LazyLock::new(|| {
    let everywhere = |base| Shade {
        base,
        languages: &[],
    };
    let mut entries: Vec<(String, Shade)> = Vec::new();
    for (base, words) in WORDS.into_iter().chain(GERMAN_WORDS) {
        entries.extend(
            words
                .split('|')
                .map(|word| (word.to_owned(), everywhere(base))),
        );
    }
    for (base, languages, words) in AMBIGUOUS {
        entries.extend(
            words
                .split('|')
                .map(|word| (word.to_owned(), Shade { base, languages })),
        );
    }
    let stems = [
        (&GERMAN[..], &GERMAN_ENDINGS[..]),
        (&RUSSIAN_HARD[..], &HARD_ENDINGS[..]),
        (&RUSSIAN_SOFT[..], &SOFT_ENDINGS[..]),
    ];
    for (stems, endings) in stems {
        for (base, stem) in stems {
            entries.extend(
                endings
                    .iter()
                    .map(|ending| (format!("{stem}{ending}"), everywhere(base))),
            );
        }
    }
    Lexicon::fixed(entries)
});

pub(super) fn find(reading: &Reading<'_>) -> Vec<Found> {
    COLOURS
        .find(&reading.folded)
        .filter(|hit| {
            let languages = hit.meaning.languages;
            languages.is_empty() || languages.contains(&reading.language)
        })
        .filter_map(|hit| {
            let range = reading.folded.origin(hit.range)?;
            Some(Found::new(
                EntityKind::Colour,
                hit.meaning.base.to_owned(),
                range,
            ))
        })
        .collect()
}

/// Whether a word names a colour in any language.
pub(super) fn is_one(word: &str) -> bool {
    COLOURS.find(&Folded::new(word)).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::super::tests::values;
    use super::*;

    #[test]
    fn colours_are_named_in_english_whatever_the_language_and_form() {
        for (language, text, expected) in [
            ("en", "the red one in navy blue", &["red", "navy"][..]),
            ("en", "Grey or GRAY?", &["grey", "grey"]),
            ("es", "la chaqueta roja o azul marino", &["red", "navy"]),
            ("es", "en marrón", &["brown"]),
            ("es", "camisetas rosas", &["pink"]),
            ("pt", "o vestido vermelho, cor-de-rosa", &["red", "pink"]),
            ("pt", "calças pretas", &["black"]),
            ("fr", "la robe verte ou rose", &["green", "pink"]),
            ("fr", "en bleu foncé", &["navy"]),
            ("de", "die schwarzen Schuhe in weiß", &["black", "white"]),
            ("de", "in rot oder dunkelblauer", &["red", "navy"]),
            ("it", "la giacca azzurra o viola", &["light blue", "purple"]),
            ("ru", "чёрную куртку или синие джинсы", &["black", "blue"]),
            ("ru", "тёмно-синий", &["navy"]),
            ("ru", "золотой", &["gold"]),
        ] {
            assert_eq!(
                values(EntityKind::Colour, language, text),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn words_that_only_look_like_colours_are_left_alone() {
        for (language, text) in [
            ("en", "it began to rot"),
            ("en", "I credited the redwood"),
            ("en", "yes or no"),
            ("fr", "rendez mon argent"),
            ("en", "a rose for Rosa"),
            ("es", "blancura"),
        ] {
            assert!(
                values(EntityKind::Colour, language, text).is_empty(),
                "{text}"
            );
        }
    }
}
