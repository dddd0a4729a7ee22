//! Telephone numbers, by the numbering plans of libphonenumber.

use std::sync::LazyLock;

use doorstep_core::understanding::EntityKind;
use phonenumber::{Mode, country};
use regex::Regex;

use super::{Found, Reading, Trust, fixed, order_number::announces_an_order};

/// E.164 allows no more digits; no plan here has fewer.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// So many parts of one run of digits are tried. A table of numbers is no telephone number.
const MOST_TRIES: usize = 12;

/// And so many runs of a message.
const MOST_RUNS: usize = 16;

/// Digits in groups, perhaps with a plus sign or brackets.
static RUN: LazyLock<Regex> =
    LazyLock::new(|| fixed(r"(?:\(?\+)?\(?[0-9](?:[ \x{a0}\x{202f}]?[(./-]?[ ]?[0-9][)]?){5,24}"));

/// Words before a number that make it a telephone number, in seven languages.
static CUE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)(?:phone|\btel|mobile|m[óo]vil|handy|t[eé]l[eéè]f|cell|celular|telem[óo]vel|whatsapp|\bsms\b|\bcall\b|\btext\b|\bring\b|ll[áa]ma|\bligue|\bligar|appel|joindre|\bruf|anruf|erreich|chiama|cellulare|телеф|звон|номер моб|мобильн|тел\.)",
    )
});

/// So many characters may stand between such a word and the number, none of them a digit.
const BETWEEN: usize = 24;

pub(super) fn find(reading: &Reading<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for run in RUN.find_iter(reading.text).take(MOST_RUNS) {
        found.extend(in_run(reading, run.range()));
    }
    found
}

/// The longest number in a run of digits, which may hold an order's number beside it.
fn in_run(reading: &Reading<'_>, run: std::ops::Range<usize>) -> Option<Found> {
    let text = &reading.text[run.clone()];
    let is_space = |c: char| matches!(c, ' ' | '\u{a0}' | '\u{202f}');
    let starts: Vec<usize> = std::iter::once(0)
        .chain(
            text.match_indices(is_space)
                .map(|(at, space)| at + space.len()),
        )
        .collect();
    let ends: Vec<usize> = text
        .match_indices(is_space)
        .map(|(at, _)| at)
        .chain([text.len()])
        .collect();
    let mut spans: Vec<(usize, usize)> = starts
        .iter()
        .flat_map(|start| ends.iter().map(move |end| (*start, *end)))
        .filter(|(start, end)| start < end)
        .filter(|(start, end)| {
            let digits = text[*start..*end]
                .bytes()
                .filter(u8::is_ascii_digit)
                .count();
            DIGITS.contains(&digits)
        })
        .collect();
    spans.sort_by_key(|(start, end)| (std::cmp::Reverse(end - start), *start));
    spans
        .into_iter()
        .take(MOST_TRIES)
        .find_map(|(start, end)| number(reading, run.start + start..run.start + end))
}

fn number(reading: &Reading<'_>, range: std::ops::Range<usize>) -> Option<Found> {
    let text = reading.text;
    if !has_edges(text, &range) {
        return None;
    }
    let written = &text[range.clone()];
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    let international = written
        .trim_start_matches('(')
        .starts_with('+')
        .then(|| digits.clone())
        .or_else(|| digits.strip_prefix("00").map(str::to_owned));
    let before = before(text, range.start);
    let has_cue = CUE
        .find_iter(before)
        .last()
        .is_some_and(|cue| before[cue.end()..].chars().count() <= BETWEEN);
    let is_of_an_order = announces_an_order(before, &CUE);
    let whole_message = written == text.trim();
    if let Some(digits) = international {
        let value = e164(None, &format!("+{digits}"))?;
        // Two noughts begin many a parcel's number as well.
        let trust = if written.contains('+') || has_cue {
            Trust::Certain
        } else {
            Trust::Guess
        };
        return Some(Found::new(EntityKind::Phone, value, range).trusted(trust));
    }
    let value = regions(reading)
        .into_iter()
        .flatten()
        .filter(|region| has_cue || whole_message || is_grouped_like_one(written, *region))
        .find_map(|region| e164(Some(region), &digits))?;
    // In groups and with its nought, it is a telephone number also where one of the groups could be an order's.
    let is_written_like_one = has_nought(written) && groups(written) >= 2;
    let trust = if (has_cue || is_written_like_one) && !is_of_an_order {
        Trust::Likely
    } else {
        Trust::Guess
    };
    Some(Found::new(EntityKind::Phone, value, range).trusted(trust))
}

/// Neither a word nor another number touches it.
fn has_edges(text: &str, range: &std::ops::Range<usize>) -> bool {
    let joins = |c: char| c.is_alphanumeric() || matches!(c, '_' | '@' | '#' | '+');
    let before = text[..range.start].chars().next_back();
    let mut after = text[range.end..].chars();
    let (next, second) = (after.next(), after.next());
    let is_sign = |c: char| matches!(c, '-' | '/' | '.' | ',');
    let joined_before = before.is_some_and(|c| joins(c) || is_sign(c));
    let joined_after = next.is_some_and(joins)
        || (next.is_some_and(|c| is_sign(c) || c == ':')
            && second.is_some_and(char::is_alphanumeric));
    !joined_before && !joined_after
}

/// The last words before `start`, up to another number; a cue stands among them.
fn before(text: &str, start: usize) -> &str {
    let text = &text[..start];
    let from = text.char_indices().rev().nth(39).map_or(0, |(at, _)| at);
    let words = &text[from..];
    let after_digits = words.rfind(|c: char| c.is_ascii_digit());
    &words[after_digits.map_or(0, |at| at + 1)..]
}

/// How many groups of digits it is written in.
fn groups(written: &str) -> usize {
    written
        .split(|c: char| !c.is_ascii_digit())
        .filter(|group| !group.is_empty())
        .count()
}

/// Whether it begins with its nought, or with the code of a place in brackets.
fn has_nought(written: &str) -> bool {
    written.starts_with('0') || written.starts_with('(')
}

/// Digits in groups, as a number of that region is written: with its nought, or in three groups where it has none.
fn is_grouped_like_one(written: &str, region: country::Id) -> bool {
    let uses_nought = !matches!(
        region,
        country::ES
            | country::PT
            | country::IT
            | country::PL
            | country::US
            | country::CA
            | country::MX
    );
    let groups = groups(written);
    groups >= 2 && has_nought(written) || groups >= 3 && !uses_nought
}

fn e164(region: Option<country::Id>, digits: &str) -> Option<String> {
    if let Some(example) = of_examples(region, digits) {
        return Some(example);
    }
    let number = phonenumber::parse(region, digits).ok()?;
    number
        .is_valid()
        .then(|| number.format().mode(Mode::E164).to_string())
}

/// The British mobile numbers that nobody has: Ofcom keeps 07700 900000 to 900999 for examples ("Telephone numbers for use
/// in TV and radio drama programmes"), and whoever tries a shop out writes one.
fn of_examples(region: Option<country::Id>, digits: &str) -> Option<String> {
    let last = match region {
        Some(country::GB) => digits.strip_prefix("07700900"),
        None => digits.strip_prefix("+447700900"),
        Some(_) => None,
    }?;
    (last.len() == 3).then(|| format!("+447700900{last}"))
}

/// Where a number without a country is meant: where the customer's clock stands, then where the language is at home.
fn regions(reading: &Reading<'_>) -> [Option<country::Id>; 2] {
    let of_zone = ZONES
        .iter()
        .find(|(_, zones)| zones.contains(&reading.zone))
        .map(|(region, _)| *region);
    let of_language = match reading.language {
        "en" if reading.zone.starts_with("America/") => Some(country::US),
        "en" => Some(country::GB),
        "es" => Some(country::ES),
        "pt" => Some(country::PT),
        "fr" => Some(country::FR),
        "de" => Some(country::DE),
        "it" => Some(country::IT),
        "ru" => Some(country::RU),
        _ => None,
    };
    [
        of_zone,
        of_language.filter(|region| Some(*region) != of_zone),
    ]
}

/// Time zones of one country each (the zone names of the IANA time zone database, `zone.tab`).
const ZONES: [(country::Id, &[&str]); 25] = [
    (
        country::ES,
        &["Europe/Madrid", "Atlantic/Canary", "Africa/Ceuta"],
    ),
    (
        country::PT,
        &["Europe/Lisbon", "Atlantic/Madeira", "Atlantic/Azores"],
    ),
    (country::FR, &["Europe/Paris"]),
    (country::DE, &["Europe/Berlin", "Europe/Busingen"]),
    (country::IT, &["Europe/Rome"]),
    (country::GB, &["Europe/London"]),
    (country::IE, &["Europe/Dublin"]),
    (country::AT, &["Europe/Vienna"]),
    (country::CH, &["Europe/Zurich"]),
    (country::BE, &["Europe/Brussels"]),
    (country::NL, &["Europe/Amsterdam"]),
    (country::PL, &["Europe/Warsaw"]),
    (country::UA, &["Europe/Kyiv", "Europe/Kiev"]),
    (
        country::RU,
        &[
            "Europe/Moscow",
            "Europe/Samara",
            "Europe/Kaliningrad",
            "Europe/Volgograd",
            "Asia/Yekaterinburg",
            "Asia/Omsk",
            "Asia/Novosibirsk",
            "Asia/Krasnoyarsk",
            "Asia/Irkutsk",
            "Asia/Yakutsk",
            "Asia/Vladivostok",
        ],
    ),
    (country::KZ, &["Asia/Almaty"]),
    (
        country::US,
        &[
            "America/New_York",
            "America/Chicago",
            "America/Denver",
            "America/Phoenix",
            "America/Los_Angeles",
            "America/Anchorage",
            "America/Detroit",
            "Pacific/Honolulu",
        ],
    ),
    (
        country::CA,
        &[
            "America/Toronto",
            "America/Montreal",
            "America/Vancouver",
            "America/Winnipeg",
            "America/Edmonton",
            "America/Halifax",
        ],
    ),
    (
        country::MX,
        &[
            "America/Mexico_City",
            "America/Tijuana",
            "America/Cancun",
            "America/Monterrey",
        ],
    ),
    (
        country::BR,
        &[
            "America/Sao_Paulo",
            "America/Bahia",
            "America/Fortaleza",
            "America/Manaus",
            "America/Recife",
        ],
    ),
    (
        country::AR,
        &["America/Argentina/Buenos_Aires", "America/Buenos_Aires"],
    ),
    (country::CO, &["America/Bogota"]),
    (country::CL, &["America/Santiago"]),
    (country::PE, &["America/Lima"]),
    (
        country::AU,
        &[
            "Australia/Sydney",
            "Australia/Melbourne",
            "Australia/Brisbane",
            "Australia/Perth",
            "Australia/Adelaide",
        ],
    ),
    (country::NZ, &["Pacific/Auckland"]),
];

#[cfg(test)]
mod tests {
    use super::super::{
        EntityReader,
        tests::{context, values},
    };
    use super::*;

    fn phones(language: &str, text: &str) -> Vec<String> {
        values(EntityKind::Phone, language, text)
    }

    #[test]
    fn numbers_with_a_country_are_found_everywhere() {
        for (language, text, expected) in [
            ("en", "it's +34 600 123 456, thanks", "+34600123456"),
            ("en", "+44 (0)20 7946 0958", "+442079460958"),
            ("de", "+49 151 23456789", "+4915123456789"),
            ("ru", "мой номер +7 (916) 123-45-67", "+79161234567"),
            ("es", "llámame al 0034 600 123 456", "+34600123456"),
            ("en", "+1-202-456-1111", "+12024561111"),
        ] {
            assert_eq!(phones(language, text), [expected], "{text}");
        }
    }

    #[test]
    fn numbers_without_one_are_of_the_customers_region() {
        // The time zone is Madrid's; what is no Spanish number is one of the language's country.
        for (language, text, expected) in [
            ("en", "my phone is 600 123 456", "+34600123456"),
            ("es", "600123456", "+34600123456"),
            ("es", "mi móvil: 600123456", "+34600123456"),
            ("pt", "o meu telemóvel é 912 345 678", "+34912345678"),
            ("fr", "mon téléphone : 06 12 34 56 78", "+33612345678"),
            ("de", "Telefon 030 22345678", "+493022345678"),
            ("it", "chiamami al 320 1234567", "+393201234567"),
            ("ru", "телефон 8 916 123-45-67", "+79161234567"),
            ("en", "call me on 020 7946 0958", "+442079460958"),
        ] {
            assert_eq!(phones(language, text), [expected], "{text}");
        }
    }

    #[test]
    fn a_region_follows_the_time_zone() {
        let reader = EntityReader::new(&[]).unwrap();
        let mut there = context();
        there.time_zone = chrono_tz::America::New_York;
        let found = reader.read(
            "call (202) 456-1111",
            &there,
            &doorstep_core::Language::ENGLISH,
        );
        assert_eq!(found[0].value, "+12024561111");
    }

    #[test]
    fn other_numbers_are_no_telephone_numbers() {
        for text in [
            "order 10234",
            "where is 600123456 please",
            "parcel 3318810025",
            "1Z999AA10123456784",
            "2026-11-21",
            "21.11.2026 10:00",
            "38 40 42 44",
            "10234-5678-9",
            "1.299.000 €",
            "ES91 2100 0418 4502 0005 1332",
        ] {
            assert!(
                phones("en", text).is_empty(),
                "{text}: {:?}",
                phones("en", text)
            );
        }
    }

    #[test]
    fn an_order_number_of_the_merchant_is_never_a_telephone_number() {
        let reader = EntityReader::new(&[r"\d{9}".to_owned()]).unwrap();
        let found = reader.read("600123456", &context(), &doorstep_core::Language::ENGLISH);
        assert_eq!(found[0].kind, EntityKind::OrderNumber);
        assert_eq!(found.len(), 1);
    }
}
