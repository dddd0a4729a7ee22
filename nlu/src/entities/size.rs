//! Sizes of clothes and shoes, for grown-ups and children.

use std::sync::LazyLock;

use doorstep_core::understanding::EntityKind;
use regex::{Captures, Regex};

use super::{Found, Reading, fixed, stands_alone};

const LETTERS: &str = r"XXXS|XXS|XS|S|M|L|XL|XXL|XXXL|XXXXL|[2-6]XL|[2-6]XS";
/// Between two sizes: `S/M`.
const DOUBLE_LETTERS: &str = r"XXS/XS|XS/S|S/M|M/L|L/XL|XL/XXL";
/// A number with a half: `42`, `9.5`, `9,5`, `9½`, `42 1/2`.
const NUMBER: &str = r"[0-9]{1,3}(?:[.,]5|\s?½|\s1/2)?";
const SYSTEMS: &str = "EU|UK|US|FR|IT|DE|ES";

/// Words that announce a size, with what may stand between.
const CUE: &str = r"(?:(?:shoe|kids'?|children's)\s)?sizes?|sz|talla|tallas|talle|tamanhos?|tam\.|tailles?|pointures?|(?:schuh|konfektions|kinder|kleider|körper)?gr(?:ö|oe)(?:ß|ss)en?|gr\.|tagli[ae]|misura|numer[oi]|número|размер[а-я]*|рост[а-я]*|height|altura|calzo(?:\sun|\sel)?|calço(?:\so)?|je\s(?:chausse|fais)\sdu|porto(?:\sil|\sla|\suna)?|ich\strage|ношу|i\swear(?:\san?)?";

const YEARS: &str = r"years?|yrs?|yo?|años?|anos?|ans?|jahren?|jahre|anni|anno|лет|года?";
const MONTHS: &str = r"months?|mos?|meses|mes|mois|monaten?|monate|mesi|месяц(?:ев|а)?|мес";

/// `size M`, `talla 42`, `Größe EU 42`, `size medium`, `W32/L34` as `32/34`, `taille 6 ans`, `Größe 116`.
static AFTER_A_CUE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(&format!(
        r"(?i)(?:^|[^\p{{L}}\p{{N}}])(?:{CUE})\s?:?\s?(?:is\s|es\s|é\s|est\s|ist\s|è\s|de\s|del\s|von\s)?(?P<size>(?P<waist>[2-5][0-9])\s?[/x]\s?(?P<length>[2-4][0-9])|(?:(?P<system>{SYSTEMS})\s?)?(?:(?P<letters>{DOUBLE_LETTERS}|{LETTERS})|(?P<word>{WORDS})|(?P<number>{NUMBER})(?:\s?[-–]\s?(?P<to>[0-9]{{1,3}}))?(?:[\s-]?(?:(?P<years>{YEARS})|(?P<months>{MONTHS})|(?P<cm>cm|см)))?(?:\s(?P<system2>EU|UK|US))?))(?:$|[^\p{{L}}\p{{N}}])",
        WORDS = word_pattern(),
    ))
});

/// `a girl aged 6`, `niño de 6 años`, `bambina di 18 mesi`: the child's age is the size.
static OF_A_CHILD: LazyLock<Regex> = LazyLock::new(|| {
    fixed(&format!(
        r"(?i)(?:^|[^\p{{L}}\p{{N}}])(?:(?:(?P<age>aged?|ages|edad|idade|alter|età|возраст)|(?:niñ[oa]s?|beb[eéê]s?|criança|menin[oa]|enfants?|fille|garçon|b[eé]b[eé])\sde|kind(?:er)?\s(?:von|mit|ab)|bambin[oaie]\sdi|(?:ребенк|ребёнк|девочк|мальчик)[а-я]*)\s(?P<size>(?P<number>[0-9]{{1,2}})(?:\s?[-–]\s?(?P<to>[0-9]{{1,2}}))?(?:\s?(?:(?P<years>{YEARS})|(?P<months>{MONTHS})))?)|(?P<size2>(?P<number2>[0-9]{{1,2}})[\s-]years?[\s-]old))(?:$|[^\p{{L}}\p{{N}}])"
    ))
});

/// `W32/L34`, `w32 l34`, `W32L34`.
static WAIST: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)(?-u:\b)(?P<size>W\s?(?P<waist>[2-5][0-9])\s?[/x,-]?\s?L\s?(?P<length>[2-4][0-9]))(?-u:\b)",
    )
});

/// `EU 42`, `UK 9.5`, `FR 40`: the systems in capitals, because "us 10 minutes" is no size.
static WITH_A_SYSTEM: LazyLock<Regex> = LazyLock::new(|| {
    fixed(&format!(
        r"(?-u:\b)(?P<size>(?P<system>EU|UK|US)\s?(?P<number>[0-9]{{1,2}}(?:[.,]5|\s?½|\s1/2)?)|(?P<system3>FR|IT)\s?(?P<number3>[3-6][0-9])|(?P<number2>{NUMBER})\s(?P<system2>EU|UK|US))(?:$|[^\p{{L}}\p{{N}}])"
    ))
});

/// Letters that are sizes wherever they stand, large and small: "got it in xl?".
static UNMISTAKABLE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)(?-u:\b)(?P<size>(?P<letters>XXXS|XXS|XS|XL|XXL|XXXL|XXXXL|[2-6]XL|[2-6]XS))(?-u:\b)",
    )
});

/// One capital after a preposition, before a full stop or at the end: "in M?", "en L".
static AFTER_A_PREPOSITION: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?:^|[^\p{L}\p{N}])(?:in|an?|en|em|la|una?|uma|una|die|in der|в|the) (?P<size>(?P<letters>[SML]))(?-u:\b)",
    )
});

/// Words that may follow a size and no amount, day or number of an order: "a 43 instead", "in 42 please".
const AND_NO_MORE: &str = r"instead|rather|too|also|please|pls|plz|en su lugar|en lugar|en vez|mejor|también|por favor|em vez|no lugar|também|à la place|au lieu|plutôt|aussi|svp|stp|s[’']il|stattdessen|statt|lieber|auch|bitte|invece|al posto|anche|per favore|perfavore|вместо|лучше|тоже|пожалуйста";

/// The same, or the end of what is said.
fn tail() -> String {
    format!(r"\s*(?:$|[?!.,;)…]|\s(?:{AND_NO_MORE})(?:$|[^\p{{L}}\p{{N}}]))")
}

/// `in 42?`, `a 43 instead`, `en la 38`: a number after a preposition or an article, with nothing behind it that would
/// make it an amount or a time ("in 42 minutes"). Portuguese says "no 38"; elsewhere that is something else.
static NUMBER_ALONE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(&format!(
        r"(?i)(?:^|[^\p{{L}}\p{{N}}])(?:in|en|em|en la|en el|en taille|in der|nella|nel|(?P<portuguese>n[oa])|в|an?|the|una?|la|uma?|une|du|le|eine[nr]?|die|der|il) (?P<size>(?P<bare>{NUMBER})){tail}",
        tail = tail(),
    ))
});

/// `instead of the 42`, `statt 42`, `au lieu du 38`: what it was before.
static IN_PLACE_OF: LazyLock<Regex> = LazyLock::new(|| {
    fixed(&format!(
        r"(?i)(?:^|[^\p{{L}}\p{{N}}])(?:instead of|rather than|en (?:vez|lugar) del?|em vez d[eoa]|au lieu d[eu]|à la place d[eu]|(?:an)?statt|invece (?:di|del|della)|al posto (?:di|del|della)|вместо)\s(?:(?:an?|the|la|una?|uma?|une|der|die|einer?|eines) )?(?P<size>(?P<bare>{NUMBER})){tail}",
        tail = tail(),
    ))
});

/// `in m?`, `en l por favor`: a small letter after a preposition, which is no word where nothing follows it.
static LETTER_ALONE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(&format!(
        r"(?i)(?:^|[^\p{{L}}\p{{N}}])(?:in|in an?|en|en la|en una|em|in der|in einer|nella|в) (?P<size>(?P<letters>[sml])){tail}",
        tail = tail(),
    ))
});

/// A whole message that goes on to another size: "what about M?", "¿y la L?", "und 43?".
static NEXT_ONE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(&format!(
        r"^[\s¿]*(?i:and|or|what about|how about|y|o|qué tal|que tal|e|ou|et|und|oder|was ist mit|а|и)(?i: (?:in|an?|the|en|em|el|la|una?|uma?|le|die|der|il|в))? (?P<size>(?P<letters>[SML])|(?P<bare>{NUMBER}))\s*\?\s*$"
    ))
});

/// `42 размер`, `42-й размер`: Russian puts the number first.
static BEFORE_THE_WORD: LazyLock<Regex> = LazyLock::new(|| {
    fixed(&format!(
        r"(?i)(?:^|[^\p{{L}}\p{{N}}])(?P<size>(?P<number>{NUMBER})(?:-?(?:й|ый|ой|го|ого|м|ом|му))?) размер(?:а|е|ом|у)?(?:$|[^\p{{L}}\p{{N}}])"
    ))
});

/// Words of one who asks how long something is: then "in m" is in metres.
static MEASURES: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)length|how (?:long|wide|tall|high|deep)|width|height|wie (?:lang|breit|hoch|groß|tief)|länge|breite|höhe|largo|larga|ancho|ancha|alto|alta|mide|comprimento|largura|altura|mede|longue|large|haut|mesure|lung|largh|altezza|длин|ширин|высот|метр",
    )
});

/// The sizes of shoes and clothes that a bare number may be (EU). Smaller ones are counts and days, larger ones amounts.
const BARE: std::ops::RangeInclusive<u32> = 32..=54;

/// `M` or `m` and nothing else, as the answer to "which size?".
static WHOLE_MESSAGE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(&format!(
        r"(?i)^\s*(?P<size>(?P<letters>{DOUBLE_LETTERS}|{LETTERS}))\s*[.!?]?\s*$"
    ))
});

/// One size for everybody.
static ONE_SIZE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)(?:^|[^\p{L}\p{N}])(?P<size>(?P<one>one[\s-]size(?:\sfits\sall)?|talla\s[uú]nica|tamanho\s[uú]nico|taille\sunique|einheitsgr(?:ö|oe)(?:ß|ss)e|taglia\sunica|един(?:ый|ого)\sразмера?|безразмерн[а-я]*))(?:$|[^\p{L}\p{N}])",
    )
});

/// Sizes in words, after a cue.
const WORDS: [(&str, &str); 5] = [
    ("XS", "extra small|extra pequeñ[oa]|extra klein"),
    ("XL", "extra large|extra grande|extra groß"),
    (
        "S",
        "small|pequeñ[oa]|pequen[oa]|petite?|klein|piccol[oa]|маленьк[а-я]+",
    ),
    (
        "M",
        "medium|median[oa]|médi[oa]|moyenne?|mittel|medi[oa]|средн[а-я]+",
    ),
    ("L", "large|grande|groß|больш[а-я]+"),
];

fn word_pattern() -> String {
    WORDS.map(|(_, words)| words).join("|")
}

static WORD_SIZES: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    WORDS
        .iter()
        .map(|(size, words)| (*size, fixed(&format!("(?i)^(?:{words})$"))))
        .collect()
});

pub(super) fn find(reading: &Reading<'_>, has_digits: bool) -> Vec<Found> {
    let always: [&LazyLock<Regex>; 7] = [
        &AFTER_A_CUE,
        &NEXT_ONE,
        &UNMISTAKABLE,
        &AFTER_A_PREPOSITION,
        &LETTER_ALONE,
        &WHOLE_MESSAGE,
        &ONE_SIZE,
    ];
    let with_digits: [&LazyLock<Regex>; 6] = [
        &WITH_A_SYSTEM,
        &WAIST,
        &OF_A_CHILD,
        &NUMBER_ALONE,
        &IN_PLACE_OF,
        &BEFORE_THE_WORD,
    ];
    always
        .iter()
        .chain(with_digits.iter().filter(|_| has_digits))
        .flat_map(|pattern| pattern.captures_iter(reading.text))
        .filter_map(|captures| {
            let size = captures.name("size").or_else(|| captures.name("size2"))?;
            stands_alone(reading.text, size.start(), size.end()).then_some(())?;
            let is_foreign = captures.name("portuguese").is_some() && reading.language != "pt";
            let is_in_metres = size.as_str() == "m" && MEASURES.is_match(reading.text);
            if is_foreign || is_in_metres {
                return None;
            }
            Some(Found::new(
                EntityKind::Size,
                normalise(&captures)?,
                size.range(),
            ))
        })
        .collect()
}

/// `eu42` and `42 EU` to `EU 42`, `medium` to `M`, `9,5` to `9.5`, `6 años` to `6 years`; numbers that no size has are
/// refused.
fn normalise(captures: &Captures<'_>) -> Option<String> {
    let named = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| captures.name(name))
            .map(|part| part.as_str())
    };
    if named(&["one"]).is_some() {
        return Some("one size".to_owned());
    }
    if let (Some(waist), Some(length)) = (named(&["waist"]), named(&["length"])) {
        return Some(format!("W{waist}/L{length}"));
    }
    let system = named(&["system", "system2", "system3"]).map(str::to_uppercase);
    let with_system = |size: String| match &system {
        Some(system) => format!("{system} {size}"),
        None => size,
    };
    if let Some(letters) = named(&["letters"]) {
        return Some(with_system(letters.to_uppercase()));
    }
    if let Some(word) = named(&["word"]) {
        let (size, _) = WORD_SIZES.iter().find(|(_, words)| words.is_match(word))?;
        return Some(with_system((*size).to_owned()));
    }
    if let Some(bare) = named(&["bare"]) {
        return plain(bare, true).filter(|size| is_bare(size));
    }
    let number = named(&["number", "number2", "number3"])?;
    let to = named(&["to"]);
    if named(&["years", "size2"]).is_some() {
        return range(number, to, 1..=18, "years");
    }
    if named(&["months"]).is_some() {
        return range(number, to, 0..=36, "months");
    }
    if named(&["cm"]).is_some() {
        return range(number, to, 44..=200, "cm");
    }
    if named(&["age"]).is_some() {
        return range(number, to, 1..=18, "years");
    }
    if let Some(to) = to {
        return range(number, Some(to), 1..=64, "").map(with_system);
    }
    plain(number, system.is_some()).map(with_system)
}

/// `6 years`, `6-7 years`, in what is possible.
fn range(
    from: &str,
    to: Option<&str>,
    possible: std::ops::RangeInclusive<u32>,
    unit: &str,
) -> Option<String> {
    let number = |text: &str| {
        text.parse::<u32>()
            .ok()
            .filter(|number| possible.contains(number))
    };
    let from = number(from)?;
    let text = match to {
        Some(to) => {
            let to = number(to).filter(|to| *to > from)?;
            format!("{from}-{to} {unit}")
        }
        None => format!("{from} {unit}"),
    };
    Some(text.trim_end().to_owned())
}

/// A number on a label. Beyond the sizes of grown-ups, a child's height in centimetres: every six from 68 (EN 13402-3).
fn plain(number: &str, has_system: bool) -> Option<String> {
    let (whole, half) = match number.find(|c: char| !c.is_ascii_digit()) {
        Some(end) => (&number[..end], ".5"),
        None => (number, ""),
    };
    let value: u32 = whole.parse().ok()?;
    match value {
        1..=64 => Some(format!("{value}{half}")),
        68..=182 if half.is_empty() && !has_system && (value - 68).is_multiple_of(6) => {
            Some(format!("{value} cm"))
        }
        _ => None,
    }
}

fn is_bare(size: &str) -> bool {
    let whole = size.trim_end_matches(".5").parse();
    whole.is_ok_and(|whole: u32| BARE.contains(&whole))
}

#[cfg(test)]
mod tests {
    use super::super::tests::values;
    use super::*;

    #[test]
    fn sizes_are_found_and_normalised() {
        for (language, text, expected) in [
            ("en", "do you have it in size M?", "M"),
            ("en", "size medium please", "M"),
            ("en", "in M?", "M"),
            ("en", "m", "M"),
            ("en", "an XL", "XL"),
            ("en", "3XL", "3XL"),
            ("en", "size S/M", "S/M"),
            ("en", "EU 42", "EU 42"),
            ("en", "42 EU", "EU 42"),
            ("en", "UK9.5", "UK 9.5"),
            ("en", "US 9 1/2", "US 9.5"),
            ("en", "FR 40 or", "FR 40"),
            ("en", "size US M", "US M"),
            ("en", "shoe size 9½", "9.5"),
            ("es", "talla 38", "38"),
            ("es", "talla mediana", "M"),
            ("es", "calzo un 42", "42"),
            ("pt", "tamanho médio", "M"),
            ("pt", "calço 39", "39"),
            ("fr", "pointure 41", "41"),
            ("fr", "je chausse du 43", "43"),
            ("fr", "taille IT 44", "IT 44"),
            ("de", "Größe EU 42,5", "EU 42.5"),
            ("de", "Schuhgröße 44", "44"),
            ("it", "taglia L", "L"),
            ("it", "porto il 40", "40"),
            ("ru", "есть размер M?", "M"),
            ("ru", "ношу 42", "42"),
        ] {
            assert_eq!(
                values(EntityKind::Size, language, text),
                [expected],
                "{text}"
            );
        }
    }

    #[test]
    fn sizes_are_found_as_customers_write_them() {
        for (language, text, expected) in [
            ("en", "got it in xl?", &["XL"][..]),
            ("en", "2xl please", &["2XL"]),
            ("en", "do you have this in m?", &["M"]),
            ("en", "in 42?", &["42"]),
            ("en", "could I get a 43 instead", &["43"]),
            ("en", "a 43 instead of a 42", &["43", "42"]),
            ("en", "in 42.5, please", &["42.5"]),
            ("es", "¿la tenéis en la 38?", &["38"]),
            ("es", "en l por favor", &["L"]),
            ("es", "una 40 en vez de la 38", &["40", "38"]),
            ("pt", "tem no 38?", &["38"]),
            ("pt", "em m, por favor", &["M"]),
            ("fr", "taille 38", &["38"]),
            ("fr", "vous l'avez en 39 ?", &["39"]),
            ("fr", "du 41 au lieu du 40", &["41", "40"]),
            ("de", "größe l", &["L"]),
            ("de", "gibt es die in 44?", &["44"]),
            ("de", "eine 43 statt der 42", &["43", "42"]),
            ("it", "ce l'avete in 45?", &["45"]),
            ("it", "una 44 invece della 42", &["44", "42"]),
            ("ru", "а в 43?", &["43"]),
            ("ru", "есть 42-й размер", &["42"]),
            ("ru", "42 размера нет?", &["42"]),
            ("ru", "43 вместо 42", &["42"]),
            ("en", "what about M?", &["M"]),
            ("en", "and L?", &["L"]),
            ("en", "how about 43?", &["43"]),
            ("es", "¿y la M?", &["M"]),
            ("fr", "et M ?", &["M"]),
            ("de", "und 43?", &["43"]),
            ("it", "e la L?", &["L"]),
            ("ru", "а M?", &["M"]),
        ] {
            assert_eq!(values(EntityKind::Size, language, text), expected, "{text}");
        }
    }

    #[test]
    fn amounts_days_and_measures_are_no_sizes() {
        for (language, text) in [
            ("en", "it comes in 2 days"),
            ("en", "in 42 minutes"),
            ("en", "in 2?"),
            ("en", "a 50% discount"),
            ("en", "a 45 euro voucher"),
            ("en", "in 42,50 €"),
            ("en", "order no 42."),
            ("en", "is it the 31?"),
            ("en", "and 31?"),
            ("en", "and 42 euros?"),
            ("en", "a 100 instead"),
            ("en", "how long is it in m?"),
            ("en", "I paid 42 instead of 40 euros"),
            ("es", "llega en 48 horas"),
            ("pt", "chega em 48 horas"),
            ("fr", "dans 48 heures"),
            ("de", "in 40 Minuten"),
            ("de", "wie breit ist es in m?"),
            ("it", "il 31 dicembre"),
            ("ru", "в 42 магазинах"),
        ] {
            let found = values(EntityKind::Size, language, text);
            assert!(found.is_empty(), "{text}: {found:?}");
        }
    }

    #[test]
    fn trousers_have_a_waist_and_a_length() {
        for text in ["W32/L34", "w32 l34", "W32L34", "size 32/34", "Größe 32x34"] {
            assert_eq!(values(EntityKind::Size, "en", text), ["W32/L34"], "{text}");
        }
    }

    #[test]
    fn one_size_is_a_size_in_seven_languages() {
        for text in [
            "is it one size?",
            "talla única",
            "tamanho único",
            "taille unique",
            "Einheitsgröße",
            "taglia unica",
            "единый размер",
        ] {
            assert_eq!(values(EntityKind::Size, "en", text), ["one size"], "{text}");
        }
    }

    #[test]
    fn children_have_ages_and_heights_in_seven_languages() {
        for (language, text, expected) in [
            ("en", "size 6-7 years", "6-7 years"),
            ("en", "for a 6 year old", "6 years"),
            ("en", "for a girl aged 8", "8 years"),
            ("en", "size 6-9 months", "6-9 months"),
            ("es", "talla 4 años", "4 years"),
            ("es", "para un niño de 6 años", "6 years"),
            ("pt", "tamanho 4 anos", "4 years"),
            ("fr", "taille 18 mois", "18 months"),
            ("fr", "un enfant de 6 ans", "6 years"),
            ("de", "Größe 116", "116 cm"),
            ("de", "Größe 122 cm", "122 cm"),
            ("it", "taglia 4 anni", "4 years"),
            ("it", "bambina di 18 mesi", "18 months"),
            ("ru", "рост 116 см", "116 cm"),
            ("ru", "размер 6 лет", "6 years"),
        ] {
            assert_eq!(
                values(EntityKind::Size, language, text),
                [expected],
                "{text}"
            );
        }
    }

    #[test]
    fn letters_and_numbers_that_are_no_sizes_are_left_alone() {
        for text in [
            "I'm here",
            "give us 10 minutes",
            "size 420",
            "size 100",
            "S. Smith",
            "what's the size?",
            "L'ordine",
            "42",
            "the warranty is 2 years",
            "116 cm of rope",
            "size 42.75",
        ] {
            let found = values(EntityKind::Size, "en", text);
            assert!(found.is_empty(), "{text}: {found:?}");
        }
    }
}
