//! Order numbers, in the merchant's formats or the usual ones.

use doorstep_core::understanding::EntityKind;
use regex::{Regex, RegexBuilder};

use super::{Found, Reading, stands_alone};
use crate::NluStartError;

/// What most shops use: 5 to 8 digits, or a prefix of up to four letters before 4 to 10 digits.
const USUAL: [&str; 2] = [r"#?[0-9]{5,8}", r"#?[a-z]{1,4}-?[0-9]{4,10}"];

/// A merchant's pattern may not compile to more than this; it is far more than any format needs.
const LARGEST_PATTERN: usize = 1 << 18;

/// Compiled formats.
#[derive(Debug)]
pub(super) struct Patterns {
    patterns: Vec<Regex>,
    are_the_merchants: bool,
}

impl Patterns {
    pub(super) fn new(patterns: &[String]) -> Result<Self, NluStartError> {
        let are_the_merchants = !patterns.is_empty();
        let sources: Vec<&str> = if are_the_merchants {
            patterns.iter().map(String::as_str).collect()
        } else {
            USUAL.to_vec()
        };
        let patterns = sources
            .into_iter()
            .enumerate()
            .map(|(place, pattern)| compile(place + 1, pattern))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            patterns,
            are_the_merchants,
        })
    }

    pub(super) fn find(&self, reading: &Reading<'_>) -> Vec<Found> {
        let text = reading.text;
        self.patterns
            .iter()
            .flat_map(|pattern| pattern.find_iter(text))
            .filter(|number| !number.is_empty())
            // A merchant who writes `\d{10}` says nothing of what may stand beside it.
            .filter(|number| {
                stands_alone(text, number.start(), number.end())
                    || is_after_a_sign(text, number.start())
            })
            .filter(|number| self.are_the_merchants || !is_a_phone_number(text, number.start()))
            .map(|number| {
                let value = number.as_str().trim_start_matches('#').to_uppercase();
                Found::new(EntityKind::OrderNumber, value, number.range())
            })
            .collect()
    }
}

fn compile(number: usize, pattern: &str) -> Result<Regex, NluStartError> {
    let complain = |reason: String| NluStartError::OrderNumberPattern {
        number,
        pattern: pattern.to_owned(),
        reason,
    };
    let regex = RegexBuilder::new(pattern)
        .case_insensitive(true)
        .size_limit(LARGEST_PATTERN)
        .build()
        .map_err(|error| complain(error.to_string()))?;
    if regex.is_match("") {
        return Err(complain("it also fits no text at all".to_owned()));
    }
    Ok(regex)
}

/// `nº10234`, `№10234`, `no.10234`: the sign is no part of the number, and belongs before it.
fn is_after_a_sign(text: &str, start: usize) -> bool {
    let from = text[..start].char_indices().rev().nth(2);
    let before = text[from.map_or(0, |(at, _)| at)..start].to_lowercase();
    ["nº", "n°", "№", "no.", "nr."]
        .iter()
        .any(|sign| before.ends_with(sign))
}

/// Whether the words just before announce a telephone number, the first groups of it apart.
fn is_a_phone_number(text: &str, start: usize) -> bool {
    let is_in_number =
        |c: char| c.is_ascii_digit() || matches!(c, ' ' | '.' | '-' | '/' | '(' | ')');
    let before: String = text[..start]
        .trim_end_matches(is_in_number)
        .chars()
        .rev()
        .take(16)
        .collect();
    let before: String = before.chars().rev().collect::<String>().to_lowercase();
    [
        "phone",
        "tel",
        "mobile",
        "móvil",
        "movil",
        "handy",
        "celular",
        "cellulare",
        "téléfono",
        "теле",
        "whatsapp",
        "call me on",
        "call me at",
        "llámame al",
        "llamame al",
        "appelez-moi au",
        "ruf mich an",
        "chiamami al",
        "звоните",
    ]
    .iter()
    .any(|cue| before.contains(cue))
}

#[cfg(test)]
mod tests {
    use super::super::{
        EntityReader,
        tests::{context, values},
    };
    use super::*;

    fn orders(text: &str) -> Vec<String> {
        values(EntityKind::OrderNumber, "en", text)
    }

    #[test]
    fn usual_formats_are_found_in_upper_case_and_without_the_hash() {
        assert_eq!(orders("where is 10234?"), ["10234"]);
        assert_eq!(orders("order #10234, and fw-10234."), ["10234", "FW-10234"]);
        assert_eq!(orders("pedido nº10234"), ["10234"]);
        assert_eq!(orders("cancela mi pedido 10443 por favor"), ["10443"]);
    }

    #[test]
    fn other_numbers_are_left_alone() {
        for text in [
            "1234",
            "123456789",
            "size 42",
            "12.345,00",
            "2026-11-21",
            "call +34 600 123 456",
            "my phone is 6001234",
            "call me on 020 7946095",
            "3.14159",
            "v10234x",
            "10234-5678-9",
        ] {
            assert!(orders(text).is_empty(), "{text}: {:?}", orders(text));
        }
    }

    #[test]
    fn a_merchants_formats_replace_the_usual_ones() {
        let reader = EntityReader::new(&[r"SO/\d{4}/\d{3}".to_owned()]).unwrap();
        let found = reader.read(
            "so/2026/017 not 10234",
            &context(),
            &doorstep_core::Language::ENGLISH,
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].value, "SO/2026/017");
    }

    #[test]
    fn a_bad_pattern_is_named() {
        let error = EntityReader::new(&[r"\d+".into(), r"FW-(\d+".into()]).unwrap_err();
        assert!(
            error.to_string().contains("pattern 2 (`FW-(\\d+`)"),
            "{error}"
        );
        let error = EntityReader::new(&[r"\d*".into()]).unwrap_err();
        assert!(error.to_string().contains("no text at all"), "{error}");
        let error = EntityReader::new(&[r"(\d{1000}){1000}".into()]).unwrap_err();
        assert!(error.to_string().contains("pattern 1"), "{error}");
    }
}
