//! What readers of days and of periods share: units of time, numbers in words, and the calendar's arithmetic.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use chrono::{Days, Months, NaiveDate};

use super::words::Folded;

/// A number of days, weeks or months, in folded text.
pub(super) const COUNT: &str = "[0-9]{1,3}|an?|one|two|three|four|five|six|seven|eight|nine|ten|couple of|una?|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|uma?|dois|duas|quatro|sete|oito|nove|dez|une|deux|trois|quatre|cinq|sept|huit|neuf|dix|eine[mnr]?|ein|zwei|drei|vier|funf|sechs|sieben|acht|neun|zehn|due|tre|quattro|cinque|sei|sette|otto|dieci|од(?:ин|на|ну)|дв[ае]|три|четыре|пять|шесть|семь|восемь|девять|десять|пару";

/// Units of time, in folded text.
pub(super) const UNIT: &str = "days?|dias?|jours?|tage?n?|giorn[oi]|дн(?:я|еи)|день|weeks?|semanas?|semaines?|wochen?|settiman[ae]|недел[яюи]|недель|months?|mes|meses|mois|monate?n?|mes[ei]|месяц(?:а|ев)?";

/// Beginnings of the words of [`UNIT`]. Cheap to look for, where its pattern is not.
static BEGINNINGS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let beginnings = [
        "day",
        "dia",
        "jour",
        "tag",
        "giorn",
        "дн",
        "ден",
        "week",
        "seman",
        "semain",
        "woche",
        "settiman",
        "недел",
        "month",
        "mes",
        "mois",
        "monat",
        "месяц",
    ];
    AhoCorasick::new(beginnings).ok()
});

/// Numbers in words, folded, by their value from 1.
const NUMBERS: [&str; 10] = [
    "a|an|one|un|una|uno|um|uma|une|ein|eine|einem|einen|einer|один|одна|одну",
    "two|couple of|dos|dois|duas|deux|zwei|due|два|две|пару",
    "three|tres|trois|drei|tre|три",
    "four|cuatro|quatro|quatre|vier|quattro|четыре",
    "five|cinco|cinq|funf|cinque|пять",
    "six|seis|sechs|sei|шесть",
    "seven|siete|sete|sept|sieben|sette|семь",
    "eight|ocho|oito|huit|acht|otto|восемь",
    "nine|nueve|nove|neuf|neun|девять",
    "ten|diez|dez|dix|zehn|dieci|десять",
];

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Days,
    Weeks,
    Months,
}

impl Unit {
    /// The unit that a word of [`UNIT`] names.
    pub(super) fn of(word: &str) -> Option<Self> {
        const BEGINNINGS: [(Unit, &[&str]); 3] = [
            (
                Unit::Weeks,
                &["week", "seman", "semain", "woche", "settiman", "недел"],
            ),
            (Unit::Months, &["month", "mes", "mois", "monat", "месяц"]),
            (
                Unit::Days,
                &["day", "dia", "jour", "tag", "giorn", "дн", "ден"],
            ),
        ];
        BEGINNINGS
            .iter()
            .find(|(_, beginnings)| {
                beginnings
                    .iter()
                    .any(|beginning| word.starts_with(beginning))
            })
            .map(|(unit, _)| *unit)
    }

    /// The day so many units after `day`, or before it.
    pub(super) fn from(self, day: NaiveDate, count: i64) -> Option<NaiveDate> {
        match self {
            Self::Days => shift(day, count),
            Self::Weeks => shift(day, 7 * count),
            Self::Months => shift_months(day, count),
        }
    }
}

/// The number that a match of [`COUNT`] stands for.
pub(super) fn count(word: &str) -> Option<i64> {
    if let Ok(number) = word.parse() {
        return Some(number);
    }
    let place = NUMBERS
        .iter()
        .position(|words| words.split('|').any(|known| known == word))?;
    i64::try_from(place + 1).ok()
}

/// Whether a word of [`UNIT`] may be in the text.
pub(super) fn speaks_of_units(text: &Folded) -> bool {
    BEGINNINGS
        .as_ref()
        .is_none_or(|beginnings| beginnings.is_match(text.as_str()))
}

/// The day so many days after `day`, or before it.
pub(super) fn shift(day: NaiveDate, by: i64) -> Option<NaiveDate> {
    let days = Days::new(by.unsigned_abs());
    if by < 0 {
        day.checked_sub_days(days)
    } else {
        day.checked_add_days(days)
    }
}

/// The same day so many months later, or earlier; the last of a month that is too short for it.
pub(super) fn shift_months(day: NaiveDate, by: i64) -> Option<NaiveDate> {
    let months = Months::new(u32::try_from(by.unsigned_abs()).ok()?);
    if by < 0 {
        day.checked_sub_months(months)
    } else {
        day.checked_add_months(months)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_in_the_pattern_is_known_and_the_reverse() {
        let pattern = super::super::fixed(&format!("^(?:{COUNT})$"));
        for (place, words) in NUMBERS.iter().enumerate() {
            for word in words.split('|') {
                assert!(pattern.is_match(word), "{word}");
                assert_eq!(count(word), i64::try_from(place + 1).ok(), "{word}");
            }
        }
        assert_eq!(count("14"), Some(14));
        assert_eq!(count("several"), None);
    }

    #[test]
    fn months_end_where_they_end() {
        let day = NaiveDate::from_ymd_opt(2026, 12, 31).unwrap();
        assert_eq!(shift_months(day, 2), NaiveDate::from_ymd_opt(2027, 2, 28));
        assert_eq!(Unit::of("semaines"), Some(Unit::Weeks));
        assert_eq!(Unit::of("mesi"), Some(Unit::Months));
        assert_eq!(Unit::of("дня"), Some(Unit::Days));
    }
}
