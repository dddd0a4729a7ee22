//! Sizes of clothes and shoes.

use std::sync::LazyLock;

use doorstep_core::understanding::EntityKind;
use regex::Regex;

use super::{Found, Reading, fixed, stands_alone};

const LETTERS: &str = r"XXXS|XXS|XS|S|M|L|XL|XXL|XXXL|[2-6]XL";

/// `size M`, `talla 42`, `Größe EU 42`, `size medium`.
static AFTER_A_CUE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(&format!(
        r"(?i)\b(?:size|sizes|sz|talla|talle|tamanho|tam\.|taille|pointure|gr(?:ö|oe)(?:ß|ss)e|gr\.|taglia|numero|número|размер[а-я]*)\s?:?\s?(?P<size>(?:(?:EU|UK|US|FR|IT|DE)\s?)?(?:{LETTERS}|small|medium|large|[0-9]{{1,2}}(?:[.,]5)?))\b"
    ))
});

/// `EU 42`, `UK 9.5`: the systems in capitals, because "us 10 minutes" is no size.
static WITH_A_SYSTEM: LazyLock<Regex> = LazyLock::new(|| {
    fixed(r"\b(?:(?:EU|UK|US)\s?[0-9]{1,2}(?:[.,]5)?|[0-9]{1,2}(?:[.,]5)?\s(?:EU|UK|US))\b")
});

/// Letters that are sizes wherever they stand.
static UNMISTAKABLE: LazyLock<Regex> =
    LazyLock::new(|| fixed(r"\b(?:XXXS|XXS|XS|XL|XXL|XXXL|[2-6]XL)\b"));

/// One capital after a preposition, before a full stop or at the end: "in M?", "en L".
static AFTER_A_PREPOSITION: LazyLock<Regex> =
    LazyLock::new(|| fixed(r"\b(?:in|an?|en|em|la|una?|in der|в|the) (?P<size>[SML])\b"));

/// `M` or `m` and nothing else, as the answer to "which size?".
static WHOLE_MESSAGE: LazyLock<Regex> =
    LazyLock::new(|| fixed(&format!(r"(?i)^\s*(?P<size>{LETTERS})\s*[.!?]?\s*$")));

pub(super) fn find(reading: &Reading<'_>) -> Vec<Found> {
    let patterns = [
        &AFTER_A_CUE,
        &WITH_A_SYSTEM,
        &UNMISTAKABLE,
        &AFTER_A_PREPOSITION,
        &WHOLE_MESSAGE,
    ];
    patterns
        .iter()
        .flat_map(|pattern| pattern.captures_iter(reading.text))
        .filter_map(|captures| captures.name("size").or_else(|| captures.get(0)))
        .filter(|size| stands_alone(reading.text, size.start(), size.end()))
        .filter_map(|size| {
            Some(Found {
                kind: EntityKind::Size,
                value: normalise(size.as_str())?,
                start: size.start(),
                end: size.end(),
            })
        })
        .collect()
}

/// `eu42` and `42 EU` to `EU 42`, `medium` to `M`, `9,5` to `9.5`; numbers that no size has are refused.
fn normalise(size: &str) -> Option<String> {
    let size = size.to_uppercase().replace(',', ".");
    let word = match size.as_str() {
        "SMALL" => "S",
        "MEDIUM" => "M",
        "LARGE" => "L",
        other => other,
    };
    let digits: String = word
        .chars()
        .filter(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let letters: String = word.chars().filter(char::is_ascii_alphabetic).collect();
    if digits.is_empty() || letters.ends_with("XL") {
        let (system, letters) = split_system(word);
        return Some(if system.is_empty() {
            letters.to_owned()
        } else {
            format!("{system} {letters}")
        });
    }
    let number: f32 = digits.parse().ok()?;
    if !(1.0..=64.0).contains(&number) {
        return None;
    }
    Some(if letters.is_empty() {
        digits
    } else {
        format!("{letters} {digits}")
    })
}

fn split_system(size: &str) -> (&str, &str) {
    ["EU", "UK", "US", "FR", "IT", "DE"]
        .iter()
        .find_map(|system| Some((*system, size.strip_prefix(system)?.trim_start())))
        .unwrap_or(("", size))
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
            ("en", "EU 42", "EU 42"),
            ("en", "42 EU", "EU 42"),
            ("en", "UK9.5", "UK 9.5"),
            ("es", "talla 38", "38"),
            ("de", "Größe EU 42,5", "EU 42.5"),
            ("fr", "pointure 41", "41"),
            ("it", "taglia L", "L"),
            ("ru", "есть размер M?", "M"),
            ("en", "size US M", "US M"),
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
            "S. Smith",
            "what's the size?",
            "L'ordine",
            "42",
        ] {
            assert!(values(EntityKind::Size, "en", text).is_empty(), "{text}");
        }
    }
}
