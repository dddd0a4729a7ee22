//! Days: "tomorrow", "mañana", "21.11.2026", "Nov 21", "el lunes", "in 3 Tagen", as the customer's calendar has them.

use std::{collections::HashSet, sync::LazyLock};

use chrono::{Datelike, Days, NaiveDate, Weekday};
use doorstep_core::understanding::EntityKind;
use regex::{Captures, Regex};

use super::{Found, Reading, fixed, stands_alone};

/// Nobody speaks to a shop of a day further away than this many days.
const FURTHEST: i64 = 3_660;

pub(super) fn find(reading: &Reading<'_>, has_digits: bool) -> Vec<Found> {
    let mut found = Vec::new();
    let with_words: &[_] = if names_a_day(reading.text) {
        &WITH_WORDS
    } else {
        &[]
    };
    let with_digits: &[_] = if has_digits { &WITH_DIGITS } else { &[] };
    for (pattern, read) in with_digits.iter().chain(with_words) {
        for captures in pattern.captures_iter(reading.text) {
            let Some(whole) = captures.get(0) else {
                continue;
            };
            let day = read(&captures, reading).filter(|day| {
                day.signed_duration_since(reading.today).num_days().abs() <= FURTHEST
            });
            if let Some(day) = day {
                found.push(Found {
                    kind: EntityKind::Date,
                    value: day.to_string(),
                    start: whole.start(),
                    end: whole.end(),
                });
            }
        }
    }
    found
}

type Read = fn(&Captures<'_>, &Reading<'_>) -> Option<NaiveDate>;

static WITH_DIGITS: [(&LazyLock<Regex>, Read); 5] = [
    (&ISO, iso),
    (&NUMERIC, numeric),
    (&DAY_MONTH, named_month),
    (&MONTH_DAY, named_month),
    (&IN_DAYS, in_days),
];

static WITH_WORDS: [(&LazyLock<Regex>, Read); 2] = [(&RELATIVE, relative), (&WEEKDAY, weekday)];

/// The first words of what [`WITH_WORDS`] looks for.
static FIRST_WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let relative = RELATIVE_WORDS.iter().map(|(_, phrases)| phrases);
    let weekdays = WEEKDAYS.iter().map(|(_, phrases)| phrases);
    relative
        .chain(weekdays)
        .flat_map(|phrases| phrases.split('|'))
        .filter_map(|phrase| words(phrase).next())
        .collect()
});

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// Whether a phrase of [`WITH_WORDS`] may begin somewhere; cheap, while the patterns are not.
fn names_a_day(text: &str) -> bool {
    words(&text.to_lowercase()).any(|word| FIRST_WORDS.contains(word))
}

/// `2026-11-21` (ISO 8601).
static ISO: LazyLock<Regex> =
    LazyLock::new(|| fixed(r"\b(?P<y>20[0-9]{2})-(?P<m>[0-9]{1,2})-(?P<d>[0-9]{1,2})\b"));

/// `21.11.2026`, `21/11/26`, `21-11-2026`, `21.11.`, `24/11`.
static NUMERIC: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"\b(?P<a>[0-9]{1,2})(?P<s>[./-])(?P<b>[0-9]{1,2})(?:(?P<t>[./-])(?P<y>20[0-9]{2}|[0-9]{2}\b)?)?",
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

/// Days that are named from today. The longer phrase stands before the shorter one that it contains.
const RELATIVE_WORDS: [(i64, &str); 5] = [
    (
        2,
        "day after tomorrow|pasado mañana|pasado manana|depois de amanhã|après-demain|apres-demain|après demain|übermorgen|uebermorgen|dopodomani|послезавтра",
    ),
    (
        -2,
        "day before yesterday|anteayer|antes de ayer|anteontem|avant-hier|vorgestern|l'altro ieri|позавчера",
    ),
    (
        1,
        "tomorrow|tmrw|tomorow|mañana|amanhã|amanha|demain|morgen|domani|завтра",
    ),
    (-1, "yesterday|ayer|ontem|hier|gestern|ieri|вчера"),
    (
        0,
        "today|tonight|hoy|hoje|aujourd'hui|aujourd’hui|heute|oggi|сегодня",
    ),
];

static RELATIVE: LazyLock<Regex> = LazyLock::new(|| {
    let words: Vec<&str> = RELATIVE_WORDS.iter().map(|(_, words)| *words).collect();
    fixed(&format!(
        r"(?i)\b(?P<article>la\s|por la\s|de la\s|guten\s)?(?P<word>{})\b",
        words.join("|")
    ))
});

/// Weekdays from Monday; only whole names, because short ones are words of their own (sun, sat, mar).
const WEEKDAYS: [(Weekday, &str); 7] = [
    (
        Weekday::Mon,
        "monday|lunes|segunda-feira|segunda feira|lundi|montag|lunedì|lunedi|понедельник",
    ),
    (
        Weekday::Tue,
        "tuesday|martes|terça-feira|terça feira|terca-feira|mardi|dienstag|martedì|martedi|вторник",
    ),
    (
        Weekday::Wed,
        "wednesday|miércoles|miercoles|quarta-feira|quarta feira|mercredi|mittwoch|mercoledì|mercoledi|среду|среда",
    ),
    (
        Weekday::Thu,
        "thursday|jueves|quinta-feira|quinta feira|jeudi|donnerstag|giovedì|giovedi|четверг",
    ),
    (
        Weekday::Fri,
        "friday|viernes|sexta-feira|sexta feira|vendredi|freitag|venerdì|venerdi|пятницу|пятница",
    ),
    (
        Weekday::Sat,
        "saturday|sábado|sabado|samedi|samstag|sonnabend|sabato|субботу|суббота",
    ),
    (
        Weekday::Sun,
        "sunday|domingo|dimanche|sonntag|domenica|воскресенье",
    ),
];

static WEEKDAY: LazyLock<Regex> = LazyLock::new(|| {
    let words: Vec<&str> = WEEKDAYS.iter().map(|(_, words)| *words).collect();
    fixed(&format!(
        r"(?i)\b(?P<last>last\s|letzten\s|letzte\s|vergangenen\s|прошл[а-я]+\s)?(?P<word>{})\b(?P<past>\s(?:pasado|passado|passada|dernier|scorso|scorsa))?",
        words.join("|")
    ))
});

/// `in 3 days`, `dentro de 3 días`, `3 days ago`, `hace 3 días`: a number of days or weeks from now or back.
static IN_DAYS: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)\b(?:(?P<back>hace|há|il y a|vor)|(?P<on>in|within|en|dentro de|em|daqui a|dans|tra|fra|через))\s(?P<n>[0-9]{1,3})\s(?P<unit>days?|d[ií]as?|jours?|tage?n?|giorn[oi]|дн[а-я]*|день|weeks?|semanas?|semaines?|wochen?|settiman[ae]|недел[а-я]*)\b(?P<ago1>\sago)?|\b(?P<n2>[0-9]{1,3})\s(?P<unit2>days?|giorn[oi]|дн[а-я]*|weeks?|settiman[ae]|недел[а-я]*)\s(?P<ago2>ago|fa|назад)\b",
    )
});

fn number<T: std::str::FromStr>(captures: &Captures<'_>, name: &str) -> Option<T> {
    captures.name(name)?.as_str().parse().ok()
}

fn shift(day: NaiveDate, by: i64) -> Option<NaiveDate> {
    let days = Days::new(by.unsigned_abs());
    if by < 0 {
        day.checked_sub_days(days)
    } else {
        day.checked_add_days(days)
    }
}

/// The day in the year that puts it nearest to today, for a date without a year.
fn nearest(month: u32, day: u32, today: NaiveDate) -> Option<NaiveDate> {
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

/// The month that a name begins. Short names that are other words elsewhere count only where they are months.
fn month(name: &str, language: &str) -> Option<u32> {
    match (name, language) {
        ("set", "pt" | "it") => return Some(9),
        ("ago", "es" | "pt" | "it") => return Some(8),
        ("out", "pt") => return Some(10),
        ("set" | "ago" | "out", _) => return None,
        _ => {}
    }
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
    BEGINNINGS
        .iter()
        .find(|(_, beginnings)| {
            beginnings
                .iter()
                .any(|beginning| name.starts_with(beginning))
        })
        .map(|(month, _)| *month)
}

fn relative(captures: &Captures<'_>, reading: &Reading<'_>) -> Option<NaiveDate> {
    let word = captures["word"].to_lowercase();
    // "por la mañana" is the morning, "guten Morgen" a greeting.
    if captures.name("article").is_some() && matches!(word.as_str(), "mañana" | "morgen") {
        return None;
    }
    let (days, _) = RELATIVE_WORDS
        .iter()
        .find(|(_, words)| words.split('|').any(|known| known == word))?;
    shift(reading.today, *days)
}

fn weekday(captures: &Captures<'_>, reading: &Reading<'_>) -> Option<NaiveDate> {
    let word = captures["word"].to_lowercase();
    let (weekday, _) = WEEKDAYS
        .iter()
        .find(|(_, words)| words.split('|').any(|known| known == word))?;
    let ahead = i64::from(
        (7 + weekday.num_days_from_monday() - reading.today.weekday().num_days_from_monday()) % 7,
    );
    let is_past = captures.name("last").is_some() || captures.name("past").is_some();
    match (is_past, ahead) {
        (true, 0) => shift(reading.today, -7),
        (true, _) => shift(reading.today, ahead - 7),
        // On a Friday, "Friday" is the next one: today has a word of its own.
        (false, 0) => shift(reading.today, 7),
        (false, _) => shift(reading.today, ahead),
    }
}

fn in_days(captures: &Captures<'_>, reading: &Reading<'_>) -> Option<NaiveDate> {
    let count: i64 = number(captures, "n").or_else(|| number(captures, "n2"))?;
    let unit = captures
        .name("unit")
        .or_else(|| captures.name("unit2"))?
        .as_str()
        .to_lowercase();
    let is_weeks = ["week", "seman", "semaine", "woche", "settiman", "недел"]
        .iter()
        .any(|beginning| unit.starts_with(beginning));
    let is_back = ["back", "ago1", "ago2"]
        .iter()
        .any(|name| captures.name(name).is_some());
    let days = if is_weeks { 7 * count } else { count };
    shift(reading.today, if is_back { -days } else { days })
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
    fn days_near_today_are_understood_in_seven_languages() {
        for (language, text, expected) in [
            ("en", "will it come tomorrow?", "2026-11-22"),
            ("en", "the day after tomorrow", "2026-11-23"),
            ("es", "llega mañana?", "2026-11-22"),
            ("es", "pasado mañana por favor", "2026-11-23"),
            ("pt", "chega amanhã?", "2026-11-22"),
            ("fr", "après-demain", "2026-11-23"),
            ("fr", "aujourd'hui", "2026-11-21"),
            ("de", "kommt es übermorgen", "2026-11-23"),
            ("it", "arriva domani?", "2026-11-22"),
            ("ru", "привезут завтра?", "2026-11-22"),
            ("en", "ordered 3 days ago", "2026-11-18"),
            ("es", "hace 2 semanas", "2026-11-07"),
            ("de", "in 3 Tagen", "2026-11-24"),
            ("fr", "il y a 5 jours", "2026-11-16"),
            ("ru", "через 2 дня", "2026-11-23"),
            ("it", "3 giorni fa", "2026-11-18"),
        ] {
            assert_eq!(days(language, text), [expected], "{text}");
        }
    }

    #[test]
    fn weekdays_are_the_next_ones_unless_they_are_past() {
        // Today is a Saturday.
        for (language, text, expected) in [
            ("en", "next Friday", "2026-11-27"),
            ("en", "by saturday", "2026-11-28"),
            ("en", "since last friday", "2026-11-20"),
            ("es", "el lunes", "2026-11-23"),
            ("es", "el lunes pasado", "2026-11-16"),
            ("de", "noch vor freitag", "2026-11-27"),
            ("fr", "lundi prochain", "2026-11-23"),
            ("pt", "na sexta-feira", "2026-11-27"),
            ("ru", "в пятницу", "2026-11-27"),
        ] {
            assert_eq!(days(language, text), [expected], "{text}");
        }
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
            ("es", "por la mañana"),
            ("de", "Guten Morgen"),
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
