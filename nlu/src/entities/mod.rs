//! What a text names and rules find best: numbers with formats and check digits, addresses, days, amounts, sizes.
//!
//! One file a kind; each returns [`Found`]s over the same text, and [`EntityReader::read`] settles overlaps: the longer
//! one wins (an order number inside a tracking number is none), and of equally long ones the more specific kind.

mod date;
mod email;
mod money;
mod order_number;
mod postcode;
mod size;
mod tracking;

use chrono::NaiveDate;
use doorstep_core::{
    Language,
    nlu::NluContext,
    understanding::{Entity, EntityKind},
};
use regex::Regex;

use crate::{NluStartError, session::truncate};

/// No message that is a postcode and nothing else is longer, in bytes, spaces around it included.
const LONGEST_POSTCODE: usize = 64;

/// Finds entities; knows the merchant's order number formats.
#[derive(Debug)]
pub struct EntityReader {
    order_numbers: order_number::Patterns,
}

/// What the readers of single kinds are told.
pub(crate) struct Reading<'t> {
    /// The text, cut to [`crate::MAX_CHARACTERS`].
    pub(crate) text: &'t str,
    /// The customer's day.
    pub(crate) today: NaiveDate,
    /// Whether `11/12` is the 12th of November: in English, in an American time zone.
    pub(crate) month_first: bool,
    /// Primary subtag of the text's language.
    pub(crate) language: &'t str,
}

/// An entity and how much its rule trusts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) kind: EntityKind,
    pub(crate) value: String,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Found {
    fn len(&self) -> usize {
        self.end - self.start
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

impl EntityReader {
    /// Compiles the merchant's order number formats; none means the built-in ones.
    pub fn new(order_number_patterns: &[String]) -> Result<Self, NluStartError> {
        Ok(Self {
            order_numbers: order_number::Patterns::new(order_number_patterns)?,
        })
    }

    /// What the first [`crate::MAX_CHARACTERS`] characters of `text` name, in order of appearance.
    pub fn read(&self, text: &str, context: &NluContext, language: &Language) -> Vec<Entity> {
        let language = language.primary();
        let reading = Reading {
            text: truncate(text),
            today: context.now.with_timezone(&context.time_zone).date_naive(),
            month_first: language == "en" && context.time_zone.name().starts_with("America/"),
            language,
        };
        let mut found = settle(self.candidates(&reading));
        if reading.text.len() <= LONGEST_POSTCODE {
            found.extend(postcode::of_a_whole_message(&reading));
        }
        found.sort_by_key(|entity| entity.start);
        found
            .into_iter()
            .map(|entity| Entity {
                kind: entity.kind,
                value: entity.value,
                start: entity.start,
                end: entity.end,
            })
            .collect()
    }

    fn candidates(&self, reading: &Reading<'_>) -> Vec<Found> {
        let mut found = Vec::new();
        // Most messages hold neither: looking for what needs them would be most of the work.
        if reading.text.contains('@') {
            found.extend(email::find(reading));
        }
        let has_digits = reading.text.contains(|c: char| c.is_ascii_digit());
        if has_digits {
            found.extend(postcode::find(reading));
        }
        found.extend(self.order_numbers.find(reading));
        if has_digits {
            found.extend(tracking::find(reading));
        }
        found.extend(date::find(reading, has_digits));
        if has_digits {
            found.extend(money::find(reading));
        }
        found.extend(size::find(reading));
        found
    }
}

/// Keeps the longest of those that overlap; of equally long ones, the one that was found first.
fn settle(mut candidates: Vec<Found>) -> Vec<Found> {
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.len()));
    let mut kept: Vec<Found> = Vec::new();
    for candidate in candidates {
        if !kept.iter().any(|other| other.overlaps(&candidate)) {
            kept.push(candidate);
        }
    }
    kept
}

/// Compiles a pattern that stands in this crate.
pub(crate) fn fixed(pattern: &str) -> Regex {
    #[allow(clippy::expect_used)] // A constant; `every_fixed_pattern_compiles` runs them all.
    Regex::new(pattern).expect("a pattern of this crate")
}

/// Whether a number at `start..end` stands alone: no letter, digit or joining sign touches it.
pub(crate) fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let before = text[..start].chars().next_back();
    let mut after = text[end..].chars();
    let (next, second) = (after.next(), after.next());
    let joined_before = before
        .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '+' | '-' | '.' | ',' | '/'));
    let joined_after = next.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '@'))
        || (next.is_some_and(|c| matches!(c, '-' | '.' | ',' | '/' | ':'))
            && second.is_some_and(char::is_alphanumeric));
    !joined_before && !joined_after
}

#[cfg(test)]
pub(crate) mod tests {
    use chrono::{TimeZone, Utc};
    use doorstep_core::nlu::NluContext;
    use proptest::prelude::*;

    use super::*;

    /// Saturday, 21 November 2026, ten in the morning in Madrid.
    pub(crate) fn context() -> NluContext {
        NluContext {
            language_hint: None,
            time_zone: chrono_tz::Europe::Madrid,
            now: Utc.with_ymd_and_hms(2026, 11, 21, 9, 0, 0).unwrap(),
        }
    }

    /// The values of `kind` in `text`, written in `language`.
    pub(crate) fn values(kind: EntityKind, language: &str, text: &str) -> Vec<String> {
        let reader = EntityReader::new(&[]).unwrap();
        reader
            .read(text, &context(), &language.parse().unwrap())
            .into_iter()
            .filter(|entity| entity.kind == kind)
            .map(|entity| entity.value)
            .collect()
    }

    fn kinds(text: &str) -> Vec<(EntityKind, String)> {
        let reader = EntityReader::new(&[]).unwrap();
        reader
            .read(text, &context(), &Language::ENGLISH)
            .into_iter()
            .map(|entity| (entity.kind, entity.value))
            .collect()
    }

    #[test]
    fn an_order_number_inside_something_longer_is_none() {
        for text in [
            "1Z999AA10123456784",
            "RB123456785GB",
            "10234@example.com",
            "€12345.00",
        ] {
            let found = kinds(text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert_ne!(found[0].0, EntityKind::OrderNumber, "{text}");
        }
    }

    #[test]
    fn five_digits_alone_may_be_an_order_number_or_a_postcode() {
        let found = kinds(" 28013 ");
        assert!(
            found.contains(&(EntityKind::OrderNumber, "28013".into())),
            "{found:?}"
        );
        assert!(
            found.contains(&(EntityKind::Postcode, "28013".into())),
            "{found:?}"
        );
    }

    #[test]
    fn offsets_are_bytes_of_the_original_text() {
        let text = "¿Dónde está el pedido nº10234? 🙂 escribidme a Ana@Example.com";
        let reader = EntityReader::new(&[]).unwrap();
        let found = reader.read(text, &context(), &"es".parse().unwrap());
        let spans: Vec<&str> = found
            .iter()
            .map(|entity| &text[entity.start..entity.end])
            .collect();
        assert_eq!(spans, ["10234", "Ana@Example.com"]);
        assert_eq!(found[1].value, "ana@example.com");
    }

    #[test]
    fn a_whole_message_is_taken_apart_in_order() {
        assert_eq!(
            kinds("order FW-10234 to ana@example.com by Nov 24, size M, under 50 €"),
            [
                (EntityKind::OrderNumber, "FW-10234".into()),
                (EntityKind::Email, "ana@example.com".into()),
                (EntityKind::Date, "2026-11-24".into()),
                (EntityKind::Size, "M".into()),
                (EntityKind::MaxPrice, "EUR 50.00".into()),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_every_span_is_inside_it(
            text in r#"(\PC|[0-9#€$ .,/:@-]|1Z|RA|size|under|mañana|nov|в|\x00|\u{202e}){0,200}"#
        ) {
            let reader = EntityReader::new(&[]).unwrap();
            for language in ["en", "es", "ru"] {
                for entity in reader.read(&text, &context(), &language.parse().unwrap()) {
                    prop_assert!(entity.start < entity.end);
                    prop_assert!(text.get(entity.start..entity.end).is_some());
                    prop_assert!(!entity.value.is_empty());
                }
            }
        }
    }
}
