//! What a text names and rules find best: numbers with formats and check digits, addresses, days, amounts, sizes,
//! colours, and what the catalog calls its products.
//!
//! One file a kind; each returns [`Found`]s over the same text, and [`EntityReader::read`] settles overlaps: what is
//! trusted more goes before, then the longer one wins (an order number inside a tracking number is none), and of equally
//! long ones the more specific kind. Two overlaps are left to the reader of the result, who knows what was asked: a
//! message that is a postcode may be an order number too, and a deadline ("by friday") is a period beside its day.

mod address;
mod colour;
mod date;
mod day_words;
mod email;
mod money;
mod named_days;
mod order_number;
mod period;
mod phone;
mod postcode;
mod size;
mod time_words;
mod titles;
mod tracking;
mod vocabulary;
mod words;

use std::{
    ops::Range,
    sync::{Arc, PoisonError, RwLock},
};

use chrono::NaiveDate;
use doorstep_core::{
    Language,
    nlu::NluContext,
    understanding::{Entity, EntityKind},
};
use regex::Regex;

pub use vocabulary::Vocabulary;

use crate::{NluStartError, session::truncate};
pub(crate) use words::Folded;

/// No message that is a postcode and nothing else is longer, in bytes, spaces around it included.
const LONGEST_POSTCODE: usize = 64;

/// Finds entities; knows the merchant's order number formats and, once it was told, the catalog's words.
#[derive(Debug)]
pub struct EntityReader {
    order_numbers: order_number::Patterns,
    vocabulary: RwLock<Arc<Vocabulary>>,
}

/// What the readers of single kinds are told.
pub(crate) struct Reading<'t> {
    /// The text, cut to [`crate::MAX_CHARACTERS`].
    pub(crate) text: &'t str,
    /// The text as words are compared.
    pub(crate) folded: Folded,
    /// The customer's day.
    pub(crate) today: NaiveDate,
    /// Name of the customer's time zone: `Europe/Madrid`.
    pub(crate) zone: &'static str,
    /// Whether `11/12` is the 12th of November: in English, in an American time zone.
    pub(crate) month_first: bool,
    /// Primary subtag of the text's language.
    pub(crate) language: &'t str,
}

/// How sure a rule is of what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trust {
    /// Gives way to whatever else it may be.
    Guess,
    /// Gives way to what is certain.
    Likely,
    /// Gives way to what is longer.
    Certain,
}

/// An entity and how much its rule trusts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) kind: EntityKind,
    pub(crate) value: String,
    pub(crate) start: usize,
    pub(crate) end: usize,
    trust: Trust,
}

impl Found {
    /// A certain one, at these bytes of the text.
    pub(crate) fn new(kind: EntityKind, value: String, range: Range<usize>) -> Self {
        Self {
            kind,
            value,
            start: range.start,
            end: range.end,
            trust: Trust::Certain,
        }
    }

    /// The same, trusted so much.
    pub(crate) fn trusted(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    fn len(&self) -> usize {
        self.end - self.start
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Whether the other one is a part of it.
    fn holds(&self, other: &Self) -> bool {
        self.start <= other.start && other.end <= self.end && self.len() > other.len()
    }
}

impl EntityReader {
    /// Compiles the merchant's order number formats; none means the built-in ones.
    pub fn new(order_number_patterns: &[String]) -> Result<Self, NluStartError> {
        Ok(Self {
            order_numbers: order_number::Patterns::new(order_number_patterns)?,
            vocabulary: RwLock::default(),
        })
    }

    /// Takes the catalog's words, in place of those it had. Texts that are being read go on with the old ones.
    pub fn learn(&self, vocabulary: Vocabulary) {
        let vocabulary = Arc::new(vocabulary);
        *self
            .vocabulary
            .write()
            .unwrap_or_else(PoisonError::into_inner) = vocabulary;
    }

    fn vocabulary(&self) -> Arc<Vocabulary> {
        Arc::clone(
            &self
                .vocabulary
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// What the first [`crate::MAX_CHARACTERS`] characters of `text` name, in order of appearance. No two overlap, but
    /// for a postcode that may be an order number and a deadline with its day.
    pub fn read(&self, text: &str, context: &NluContext, language: &Language) -> Vec<Entity> {
        let language = language.primary();
        let text = truncate(text);
        let zone = context.time_zone.name();
        let reading = Reading {
            text,
            folded: Folded::new(text),
            today: context.now.with_timezone(&context.time_zone).date_naive(),
            zone,
            month_first: language == "en" && zone.starts_with("America/"),
            language,
        };
        let mut found = settle(self.candidates(&reading));
        found.sort_by_key(|entity| entity.start);
        period::join(&mut found, &reading);
        if reading.text.len() <= LONGEST_POSTCODE {
            let known = found.iter().any(|one| one.kind == EntityKind::Postcode);
            found.extend(postcode::of_a_whole_message(&reading).filter(|_| !known));
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
            found.extend(address::find(reading));
        }
        let phones = if has_digits {
            phone::find(reading)
        } else {
            Vec::new()
        };
        // "030 22345678" holds no order number, though the merchant's formats fit the half of it.
        let is_part_of_a_phone = |order: &Found| {
            phones
                .iter()
                .any(|phone| phone.trust > Trust::Guess && phone.holds(order))
        };
        let orders = self.order_numbers.find(reading).into_iter();
        found.extend(orders.filter(|order| !is_part_of_a_phone(order)));
        if has_digits {
            found.extend(tracking::find(reading));
            found.extend(date::find(reading));
        }
        found.extend(day_words::find(reading));
        found.extend(period::find(reading));
        if has_digits {
            found.extend(money::find(reading));
            found.extend(phones);
        }
        found.extend(size::find(reading, has_digits));
        found.extend(colour::find(reading));
        found.extend(self.vocabulary().find(reading));
        found
    }
}

/// Of those that overlap, keeps what is trusted most, then the longest, then what was found first.
fn settle(mut candidates: Vec<Found>) -> Vec<Found> {
    candidates.sort_by_key(|candidate| std::cmp::Reverse((candidate.trust, candidate.len())));
    let mut kept: Vec<Found> = Vec::new();
    for candidate in candidates {
        if !kept.iter().any(|other| other.overlaps(&candidate)) {
            kept.push(candidate);
        }
    }
    kept
}

/// Compiles a pattern that stands in this crate. Patterns that search whole messages say `(?-u:\b)` or name the
/// characters beside a word: a Unicode `\b` makes a search many times as long in any text that is not all ASCII.
pub(crate) fn fixed(pattern: &str) -> Regex {
    #[allow(clippy::expect_used)] // A constant; the tests of each kind run its patterns.
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
                (EntityKind::Period, "2026-11-21/2026-11-24".into()),
                (EntityKind::Date, "2026-11-24".into()),
                (EntityKind::Size, "M".into()),
                (EntityKind::MaxPrice, "EUR 50.00".into()),
            ]
        );
    }

    /// Whether these two may overlap: a postcode and what else it may be, a deadline and its day.
    fn may_overlap(one: &Entity, other: &Entity) -> bool {
        one.kind == EntityKind::Postcode
            || other.kind == EntityKind::Postcode
            || (one.kind == EntityKind::Period
                && other.kind == EntityKind::Date
                && one.end == other.end)
    }

    const LANGUAGES: [&str; 7] = ["en", "es", "pt", "fr", "de", "it", "ru"];

    fn assert_well_formed(text: &str, language: &str) -> Result<(), TestCaseError> {
        let reader = EntityReader::new(&[]).unwrap();
        reader.learn(Vocabulary::from_terms(
            [
                ("material".to_owned(), "wool".to_owned()),
                ("x".to_owned(), "\u{5e9}\u{5dc}\u{5d5}\u{5dd}".to_owned()),
            ],
            [("Größe Ñandú".to_owned(), "p1".to_owned())],
        ));
        let found = reader.read(text, &context(), &language.parse().unwrap());
        for entity in &found {
            let span = text.get(entity.start..entity.end);
            prop_assert!(span.is_some_and(|span| !span.is_empty()), "{entity:?}");
            prop_assert!(!entity.value.is_empty(), "{entity:?}");
        }
        for pair in found.windows(2) {
            prop_assert!(pair[0].start <= pair[1].start, "{pair:?}");
            let is_apart = pair[0].end <= pair[1].start;
            prop_assert!(is_apart || may_overlap(&pair[0], &pair[1]), "{pair:?}");
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn any_text_is_read_and_every_span_is_inside_it(
            text in any::<String>(),
            language in prop::sample::select(&LANGUAGES[..]),
        ) {
            assert_well_formed(&text, language)?;
        }

        #[test]
        fn text_full_of_cues_is_read_and_every_span_is_inside_it(
            text in r#"(\PC|[0-9#€$ .,/:@+()½-]|1Z|RA| size | under | mañana | nov | до | by friday| between 3 and | to | 5 december|\x00|\u{202e}|\u{301}|ß|İ|🙂|שלום| 30 12 | wool | next 10 days | W32|größe ñandú|\+34 600){0,60}"#,
            language in prop::sample::select(&LANGUAGES[..]),
        ) {
            assert_well_formed(&text, language)?;
        }
    }

    #[test]
    fn a_megabyte_is_cut_and_read() {
        for unit in [
            "1",
            "12 ",
            "é",
            "🙂",
            "\u{202e}\0",
            "+34 600 123 456 ",
            "by friday to ",
            "1Z999AA10123456784",
        ] {
            let text = unit.repeat((1 << 20) / unit.len());
            assert_well_formed(&text, "de").unwrap();
        }
        assert!(kinds("").is_empty());
        assert!(kinds("🙂🙂 \u{202e}\u{0}").is_empty());
    }
}
