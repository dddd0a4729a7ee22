//! Days as calendars write them: `2026-11-21`, `21.11.2026`, `11/24`, "Nov 24", "le 1er décembre".

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use chrono::{Datelike, NaiveDate};
use doorstep_core::understanding::EntityKind;
use regex::{Captures, Regex};

use super::{
    Found, Reading, fixed, stands_alone,
    words::{Folded, fold},
};

/// Nobody speaks to a shop of a day further away than this many days.
pub(super) const FURTHEST: i64 = 3_660;

/// Days written with digits.
pub(super) fn find(reading: &Reading<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    let names: &[_] = if names_a_month(&reading.folded) {
        &WITH_NAMES
    } else {
        &[]
    };
    for (pattern, read) in IN_DIGITS.iter().chain(names) {
        for captures in pattern.captures_iter(reading.text) {
            let Some(whole) = captures.get(0) else {
                continue;
            };
            if let Some(day) = read(&captures, reading) {
                found.extend(of_day(day, whole.range(), reading));
            }
        }
    }
    found
}

/// The day as an entity, unless it is too far away.
pub(super) fn of_day(
    day: NaiveDate,
    range: std::ops::Range<usize>,
    reading: &Reading<'_>,
) -> Option<Found> {
    let distance = day.signed_duration_since(reading.today).num_days().abs();
    (distance <= FURTHEST).then(|| Found::new(EntityKind::Date, day.to_string(), range))
}

type Read = fn(&Captures<'_>, &Reading<'_>) -> Option<NaiveDate>;

static IN_DIGITS: [(&LazyLock<Regex>, Read); 2] = [(&ISO, iso), (&NUMERIC, numeric)];

static WITH_NAMES: [(&LazyLock<Regex>, Read); 2] =
    [(&DAY_MONTH, named_month), (&MONTH_DAY, named_month)];

/// Whether a word begins like a month; cheap, while the patterns with the months' names are not.
fn names_a_month(text: &Folded) -> bool {
    static MONTHS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
        let beginnings = BEGINNINGS.iter().flat_map(|(_, names)| names.iter());
        AhoCorasick::new(beginnings.map(|name| fold(name))).ok()
    });
    let text = text.as_str();
    let begins_a_word = |at: usize| {
        at == 0 || text.as_bytes()[at - 1] == b' ' || text.as_bytes()[at - 1].is_ascii_digit()
    };
    MONTHS.as_ref().is_none_or(|months| {
        months
            .find_iter(text)
            .any(|found| begins_a_word(found.start()))
    })
}

/// `2026-11-21` (ISO 8601).
static ISO: LazyLock<Regex> = LazyLock::new(|| {
    fixed(r"(?-u:\b)(?P<y>20[0-9]{2})-(?P<m>[0-9]{1,2})-(?P<d>[0-9]{1,2})(?-u:\b)")
});

/// `21.11.2026`, `21/11/26`, `21-11-2026`, `21.11.`, `24/11`.
static NUMERIC: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?-u:\b)(?P<a>[0-9]{1,2})(?P<s>[./-])(?P<b>[0-9]{1,2})(?:(?P<t>[./-])(?P<y>20[0-9]{2}|[0-9]{2}(?-u:\b))?)?",
    )
});

/// Names of the months, by beginnings that no other month and few other words share.
const MONTHS: &str = r"(?P<name>jan(?:uar(?:y|i)?)?|january|januar|janvier|janv|enero|ene|janeiro|gennaio|genn|янв[а-я]*|feb(?:ruary|ruar|rero|braio)?|f[ée]v(?:rier|ereiro)?|фев[а-я]*|mar(?:ch|zo|ço|s)?|märz|мар(?:т|та|те)|apr(?:il|ile)?|avr(?:il)?|abr(?:il)?|апр[а-я]*|may(?:o)?|mai(?:o)?|mag(?:gio)?|ма[йяе]|jun(?:e|io|ho|i)?|juin|giugno|giu|июн[а-я]*|jul(?:y|io|ho|i)?|juil(?:let)?|luglio|lug|июл[а-я]*|aug(?:ust)?|ago(?:sto)?|août|aout|авг[а-я]*|sep(?:t|tember|tiembre|tembre|t\.)?|set(?:embro|tembre|iembre)?|сен[а-я]*|oct(?:ober|ubre|obre)?|okt(?:ober)?|out(?:ubro)?|ott(?:obre)?|окт[а-я]*|nov(?:ember|iembre|embre|embro)?|ноя[а-я]*|dec(?:ember)?|dez(?:ember|embro)?|dic(?:iembre|embre)?|d[ée]c(?:embre)?|дек[а-я]*)";

static DAY_MONTH: LazyLock<Regex> = LazyLock::new(|| {
    fixed(&format!(
        r"(?i)\b(?P<d>[0-9]{{1,2}})(?:st|nd|rd|th|er|º|°|\.)?\s?(?:de\s|of\s|-)?{MONTHS}\b\.?(?:,?\s(?:de\s|del\s)?(?P<y>20[0-9]{{2}})\b)?"
    ))
});

static MONTH_DAY: LazyLock<Regex> = LazyLock::new(|| {
    fixed(&format!(
        r"(?i)\b{MONTHS}\b\.?\s(?:the\s)?(?P<d>[0-9]{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s(?P<y>20[0-9]{{2}})\b)?"
    ))
});

fn number<T: std::str::FromStr>(captures: &Captures<'_>, name: &str) -> Option<T> {
    captures.name(name)?.as_str().parse().ok()
}

/// The day in the year that puts it nearest to today, for a date without a year.
pub(super) fn nearest(month: u32, day: u32, today: NaiveDate) -> Option<NaiveDate> {
    (today.year() - 1..=today.year() + 1)
        .filter_map(|year| NaiveDate::from_ymd_opt(year, month, day))
        .min_by_key(|date| date.signed_duration_since(today).num_days().abs())
}

fn iso(captures: &Captures<'_>, _: &Reading<'_>) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(
        number(captures, "y")?,
        number(captures, "m")?,
        number(captures, "d")?,
    )
}

fn numeric(captures: &Captures<'_>, reading: &Reading<'_>) -> Option<NaiveDate> {
    let whole = captures.get(0)?;
    if !stands_alone(reading.text, whole.start(), whole.end()) {
        return None;
    }
    let (a, b): (u32, u32) = (number(captures, "a")?, number(captures, "b")?);
    let separator = &captures["s"];
    let month_first = separator != "." && (reading.month_first || b > 12) && a <= 12;
    let (day, month) = if month_first { (b, a) } else { (a, b) };
    let year: Option<i32> =
        number(captures, "y").map(|year: i32| if year < 100 { 2000 + year } else { year });
    match (year, captures.name("t").map(|sign| sign.as_str())) {
        (Some(year), Some(second)) if second == separator => {
            NaiveDate::from_ymd_opt(year, month, day)
        }
        // `21.11.` is how German writes a day; `21.11` may be a price, `1/2` a half, `10-12` a range.
        (None, Some(".")) if separator == "." => nearest(month, day, reading.today),
        (None, None) if separator == "/" && whole.len() >= 4 => nearest(month, day, reading.today),
        _ => None,
    }
}

fn named_month(captures: &Captures<'_>, reading: &Reading<'_>) -> Option<NaiveDate> {
    let name = captures["name"].to_lowercase();
    let month = month(&name, reading.language)?;
    let day = number(captures, "d")?;
    match number(captures, "y") {
        Some(year) => NaiveDate::from_ymd_opt(year, month, day),
        None => nearest(month, day, reading.today),
    }
}

/// How the months' names begin.
const BEGINNINGS: [(u32, &[&str]); 12] = [
    (1, &["jan", "ene", "gen", "янв"]),
    (2, &["feb", "fev", "fév", "фев"]),
    (3, &["mar", "mär", "мар"]),
    (4, &["apr", "abr", "avr", "апр"]),
    (5, &["may", "mai", "mag", "май", "мая", "мае"]),
    (6, &["jun", "juin", "giu", "июн"]),
    (7, &["jul", "juil", "lug", "июл"]),
    (8, &["aug", "ago", "aoû", "aou", "авг"]),
    (9, &["sep", "set", "сен"]),
    (10, &["oct", "okt", "out", "ott", "окт"]),
    (11, &["nov", "ноя"]),
    (12, &["dec", "dez", "dic", "déc", "дек"]),
];

/// The month that a name begins. Short names that are other words elsewhere count only where they are months.
pub(super) fn month(name: &str, language: &str) -> Option<u32> {
    match (name, language) {
        ("set", "pt" | "it") => return Some(9),
        ("ago", "es" | "pt" | "it") => return Some(8),
        ("out", "pt") => return Some(10),
        ("set" | "ago" | "out", _) => return None,
        _ => {}
    }
    BEGINNINGS
        .iter()
        .find(|(_, beginnings)| {
            beginnings
                .iter()
                .any(|beginning| name.starts_with(beginning))
        })
        .map(|(month, _)| *month)
}

#[cfg(test)]
mod tests {
    use super::super::EntityReader;
    use super::super::tests::{context, values};
    use super::*;

    fn days(language: &str, text: &str) -> Vec<String> {
        values(EntityKind::Date, language, text)
    }

    #[test]
    fn written_dates_are_read_as_the_customers_calendar_writes_them() {
        for (language, text, expected) in [
            ("en", "2026-11-30", "2026-11-30"),
            ("de", "am 21.11.2026", "2026-11-21"),
            ("de", "bis 24.12. bitte", "2026-12-24"),
            ("es", "el 03/12/2026", "2026-12-03"),
            ("en", "on 11/24/2026", "2026-11-24"),
            ("en", "Nov 24", "2026-11-24"),
            ("en", "24th of November, 2026", "2026-11-24"),
            ("en", "January 5", "2027-01-05"),
            ("es", "el 24 de diciembre", "2026-12-24"),
            ("fr", "le 1er décembre", "2026-12-01"),
            ("de", "3. März 2027", "2027-03-03"),
            ("it", "il 5 dicembre", "2026-12-05"),
            ("pt", "5 de dezembro de 2026", "2026-12-05"),
            ("ru", "25 декабря", "2026-12-25"),
        ] {
            assert_eq!(days(language, text), [expected], "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_date_is_left_alone() {
        for (language, text) in [
            ("en", "1/2 price"),
            ("en", "31.02.2026"),
            ("en", "may I return it?"),
            ("en", "set 12"),
            ("en", "it costs 21.11"),
            ("en", "10-12 days"),
            ("en", "2026-13-01"),
        ] {
            assert!(
                days(language, text).is_empty(),
                "{text}: {:?}",
                days(language, text)
            );
        }
    }

    #[test]
    fn today_is_the_customers_day() {
        let reader = EntityReader::new(&[]).unwrap();
        let mut elsewhere = context();
        elsewhere.now = "2026-11-21T23:30:00Z".parse().unwrap();
        let english = doorstep_core::Language::ENGLISH;
        // Half past midnight in Madrid.
        assert_eq!(
            reader.read("today", &elsewhere, &english)[0].value,
            "2026-11-22"
        );
        elsewhere.time_zone = chrono_tz::America::New_York;
        assert_eq!(
            reader.read("today", &elsewhere, &english)[0].value,
            "2026-11-21"
        );
        // In the United States the month comes first.
        assert_eq!(
            reader.read("11/12/2026", &elsewhere, &english)[0].value,
            "2026-11-12"
        );
    }
}
