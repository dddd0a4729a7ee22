//! Amounts, and the least and the most that somebody wants to pay.

use std::sync::LazyLock;

use doorstep_core::understanding::EntityKind;
use regex::{Captures, Regex};

use super::{Found, Reading, fixed, stands_alone};

/// A number with or without thousands and decimals, in any of the usual ways to write them.
const AMOUNT: &str =
    r"[0-9]{1,3}(?:[.,'\x{a0}\x{202f} ][0-9]{3})+(?:[.,][0-9]{1,2})?|[0-9]{1,9}(?:[.,][0-9]{1,2})?";

/// Signs, codes and words of currencies. A bare `$` is taken for the US dollar, a `£` for the pound sterling.
const CURRENCIES: [(&str, &str); 12] = [
    ("EUR", r"€|euros?|eur|евро"),
    ("BRL", r"r\$|brl|rea(?:l|is)"),
    (
        "USD",
        r"us\$|\$|usd|dollars?|d[óo]lar(?:es)?|dollari|доллар[а-я]*|bucks?",
    ),
    (
        "GBP",
        r"£|gbp|pounds?|quid|libras?|livres?\ssterling|sterline",
    ),
    ("RUB", r"₽|rub|руб(?:\.|л[а-я]*)?"),
    ("JPY", r"¥|jpy|yen"),
    ("CHF", r"chf|franken"),
    ("PLN", r"zł|pln|zloty"),
    ("MXN", r"mxn"),
    ("CAD", r"ca\$|cad"),
    ("AUD", r"au\$|aud"),
    ("SEK", r"sek"),
];

/// What only a price is compared with: a number after it needs no currency.
const BELOW: &str = r"under|below|less than|cheaper than|no more than|not more than|at most|max(?:imum)?|budget(?: is| of| von| de|:)?|por debajo de|menos de|m[áa]ximo|no m[áa]s de|por menos de|presupuesto(?: de|:)?|abaixo de|no m[áa]ximo|or[çc]amento(?: de|:)?|moins de|en dessous de|pas plus de|unter|weniger als|h[öo]chstens|maximal|nicht mehr als|günstiger als|billiger als|meno di|sotto i|al massimo|massimo|не дороже|дешевле|не больше|не более|максимум|меньше|бюджет";

/// What time and place are compared with too: a number after it needs a currency.
const UP_TO: &str = r"up to|within|until|hasta|até|jusqu'à|jusqu’à|bis(?: zu)?|fino a|до|por";

/// What the least price comes after. Days and pieces are counted so too: a number after it needs a currency.
const ABOVE: &str = r"over|above|more than|at least|starting at|m[áa]s de|desde|a partir de|mais de|acima de|pelo menos|plus de|à partir de|au moins|über|mehr als|mindestens|ab|pi[ùu] di|oltre|almeno|a partire da|дороже|больше|более|не менее|от|минимум";

/// What two prices stand after and between; a currency must stand with one of them.
const BETWEEN: &str = r"between|from|entre|de|zwischen|von|tra|fra|da|между|от";
const AND: &str = r"\s?[-–—]\s?|\s(?:and|to|y|a|e|et|à|und|bis|до|и)\s";

/// Words after a number that make it no price.
const UNITS: &str = r"\s?(?:%|days?|d[ií]as?|jours?|tage?n?|giorn[oi]|дн|день|hours?|horas?|heures?|stunden?|ore\b|час|weeks?|semanas?|semaines?|wochen?|settiman|недел|months?|mes|mois|monat|minut|kg|g\b|cm|mm|m\b|km|l\b|ml|items?|pieces?|stück|years?|años|anos|ans|jahre?)";

static PRICE: LazyLock<Regex> = LazyLock::new(|| {
    let currencies: Vec<&str> = CURRENCIES.iter().map(|(_, words)| *words).collect();
    let currency = currencies.join("|");
    fixed(&format!(
        r"(?i)(?:(?:(?P<below>{BELOW})|(?P<upto>{UP_TO}))\s{{0,2}})?(?:(?P<c1>{currency})\s?)?(?P<amount>{AMOUNT})(?:\s?(?P<c2>{currency}))?(?P<after>\s?(?:max(?:imum|imal)?|or less|o menos|ou moins|oder weniger|o meno|ou menos|или меньше))?"
    ))
});

static RANGE: LazyLock<Regex> = LazyLock::new(|| {
    let currencies: Vec<&str> = CURRENCIES.iter().map(|(_, words)| *words).collect();
    let currency = currencies.join("|");
    fixed(&format!(
        r"(?i)(?:(?P<between>{BETWEEN})\s)?(?:(?P<c1>{currency})\s?)?(?P<least>{AMOUNT})(?:\s?(?P<c2>{currency}))?(?P<and>{AND})(?:(?P<c3>{currency})\s?)?(?P<most>{AMOUNT})(?:\s?(?P<c4>{currency}))?"
    ))
});

static LEAST: LazyLock<Regex> = LazyLock::new(|| {
    let currencies: Vec<&str> = CURRENCIES.iter().map(|(_, words)| *words).collect();
    let currency = currencies.join("|");
    fixed(&format!(
        r"(?i)(?P<above>{ABOVE})\s(?:(?P<c1>{currency})\s?)?(?P<amount>{AMOUNT})(?:\s?(?P<c2>{currency}))?"
    ))
});

static UNIT_FOLLOWS: LazyLock<Regex> = LazyLock::new(|| fixed(&format!(r"(?i)^{UNITS}")));

static CURRENCY: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    CURRENCIES
        .iter()
        .map(|(code, words)| (*code, fixed(&format!("(?i)^(?:{words})$"))))
        .collect()
});

pub(super) fn find(reading: &Reading<'_>) -> Vec<Found> {
    let text = reading.text;
    let prices = PRICE.captures_iter(text);
    let mut found: Vec<Found> = prices
        .filter_map(|captures| price(text, &captures))
        .collect();
    let least = LEAST.captures_iter(text);
    found.extend(least.filter_map(|captures| least_price(text, &captures)));
    let ranges = RANGE.captures_iter(text);
    found.extend(
        ranges
            .filter_map(|captures| range(text, &captures))
            .flatten(),
    );
    found
}

/// `over 50 €`; `not over 50 €` is longer and wins.
fn least_price(text: &str, captures: &Captures<'_>) -> Option<Found> {
    let (whole, amount) = (captures.get(0)?, captures.name("amount")?);
    let sign = captures.name("c1").or_else(|| captures.name("c2"))?;
    let negated = text[..whole.start()].trim_end().to_lowercase();
    let is_negated = ["not", "no", "não", "pas", "nicht", "non", "не"]
        .iter()
        .any(|word| negated.ends_with(word));
    if is_negated
        || !begins_a_word(text, whole.start())
        || touches_a_word(text, whole.start(), whole.end())
    {
        return None;
    }
    let value = normalise(amount.as_str(), currency_code(sign.as_str()))?;
    Some(Found::new(EntityKind::MinPrice, value, whole.range()))
}

/// `between 20 and 40 €`: the least up to the word between them, the most after it.
fn range(text: &str, captures: &Captures<'_>) -> Option<[Found; 2]> {
    let (whole, and) = (captures.get(0)?, captures.name("and")?);
    let (least, most) = (captures.name("least")?, captures.name("most")?);
    let sign = ["c4", "c3", "c2", "c1"]
        .iter()
        .find_map(|name| captures.name(name))?;
    let between = captures
        .name("between")
        .filter(|between| begins_a_word(text, between.start()));
    let least_start = captures
        .name("c1")
        .map_or(least.start(), |sign| sign.start());
    let start = between.map_or(least_start, |between| between.start());
    if touches_a_word(text, least_start, whole.end()) {
        return None;
    }
    let code = currency_code(sign.as_str());
    let (low, high) = (
        normalise(least.as_str(), code)?,
        normalise(most.as_str(), code)?,
    );
    if amount_of(&low) >= amount_of(&high) {
        return None;
    }
    Some([
        Found::new(EntityKind::MinPrice, low, start..and.start()),
        Found::new(EntityKind::MaxPrice, high, and.start()..whole.end()),
    ])
}

fn amount_of(value: &str) -> f64 {
    let number = value.rsplit(' ').next().unwrap_or_default();
    number.parse().unwrap_or_default()
}

fn price(text: &str, captures: &Captures<'_>) -> Option<Found> {
    let whole = captures.get(0)?;
    let amount = captures.name("amount")?;
    let sign = captures.name("c1").or_else(|| captures.name("c2"));
    let cue = |name| {
        captures
            .name(name)
            .filter(|cue| begins_a_word(text, cue.start()))
    };
    let before = cue("below").or_else(|| cue("upto"));
    let is_most = before.is_some() || captures.name("after").is_some();
    let is_price_without_currency = cue("below").is_some()
        && !UNIT_FOLLOWS.is_match(&text[whole.end()..])
        && stands_alone(text, amount.start(), amount.end());
    if sign.is_none() && !is_price_without_currency {
        return None;
    }
    // The number must not continue a longer one, nor the currency's letters a longer word.
    let first = sign.map_or(amount.start(), |sign| sign.start().min(amount.start()));
    if touches_a_word(text, first, whole.end()) {
        return None;
    }
    let code = sign.and_then(|sign| currency_code(sign.as_str()));
    let kind = if is_most {
        EntityKind::MaxPrice
    } else {
        EntityKind::Money
    };
    let value = normalise(amount.as_str(), code)?;
    let start = before.map_or(first, |cue| cue.start());
    Some(Found::new(kind, value, start..whole.end()))
}

/// A cue is a word. Asked here and not by the pattern, whose search would be ten times as long beside other scripts.
fn begins_a_word(text: &str, at: usize) -> bool {
    !text[..at].ends_with(char::is_alphanumeric)
}

fn touches_a_word(text: &str, start: usize, end: usize) -> bool {
    let before = text[..start].chars().next_back();
    let begins_with_digit = text[start..].starts_with(|c: char| c.is_alphanumeric());
    let ends_with_word = text[..end]
        .chars()
        .next_back()
        .is_some_and(char::is_alphanumeric);
    let after = text[end..].chars().next();
    (begins_with_digit
        && before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | ',')))
        || (ends_with_word && after.is_some_and(char::is_alphanumeric))
}

fn currency_code(sign: &str) -> Option<&'static str> {
    CURRENCY
        .iter()
        .find(|(_, words)| words.is_match(sign))
        .map(|(code, _)| *code)
}

/// `1.299,00` and `€` to `EUR 1299.00`; without a currency the number alone.
fn normalise(amount: &str, code: Option<&str>) -> Option<String> {
    let compact: String = amount
        .chars()
        .filter(|c| c.is_ascii_digit() || matches!(c, '.' | ','))
        .collect();
    let (whole, fraction) = match compact.rfind(['.', ',']) {
        // Three digits after the last sign are thousands.
        Some(at) if compact.len() - at - 1 < 3 => (&compact[..at], &compact[at + 1..]),
        _ => (compact.as_str(), ""),
    };
    let whole: String = whole.chars().filter(char::is_ascii_digit).collect();
    let whole: u64 = whole.parse().ok()?;
    Some(match code {
        Some("JPY") => format!("JPY {whole}"),
        Some(code) => format!("{code} {whole}.{fraction:0<2}"),
        None => format!("{whole}.{fraction:0<2}"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::values;
    use super::*;

    #[test]
    fn amounts_are_normalised_however_they_are_written() {
        for (text, expected) in [
            ("$1,299.00", "USD 1299.00"),
            ("1.299,00 €", "EUR 1299.00"),
            ("1 299 €", "EUR 1299.00"),
            ("€12,5", "EUR 12.50"),
            ("15 euros", "EUR 15.00"),
            ("£20", "GBP 20.00"),
            ("5000 руб.", "RUB 5000.00"),
            ("R$ 99,90", "BRL 99.90"),
            ("CHF 120", "CHF 120.00"),
            ("¥1500", "JPY 1500"),
            ("25 dólares", "USD 25.00"),
        ] {
            let text = format!("I paid {text} for it");
            assert_eq!(values(EntityKind::Money, "en", &text), [expected], "{text}");
        }
    }

    #[test]
    fn the_most_somebody_wants_to_pay_is_told_from_a_price() {
        for (language, text, expected) in [
            ("en", "boots under 50 €", "EUR 50.00"),
            ("en", "a jacket under 100", "100.00"),
            ("en", "up to $80 please", "USD 80.00"),
            ("es", "menos de 100 euros", "EUR 100.00"),
            ("es", "hasta 60€", "EUR 60.00"),
            ("pt", "até R$ 200", "BRL 200.00"),
            ("fr", "moins de 80 €", "EUR 80.00"),
            ("de", "unter 50 Euro", "EUR 50.00"),
            ("de", "bis 120 €", "EUR 120.00"),
            ("it", "meno di 40 euro", "EUR 40.00"),
            ("ru", "не дороже 5000 руб", "RUB 5000.00"),
            ("en", "my budget is 150", "150.00"),
            ("en", "€70 max", "EUR 70.00"),
        ] {
            assert_eq!(
                values(EntityKind::MaxPrice, language, text),
                [expected],
                "{text}"
            );
            assert!(
                values(EntityKind::Money, language, text).is_empty(),
                "{text}"
            );
        }
    }

    #[test]
    fn the_least_and_the_most_are_told_apart() {
        for (language, text, least, most) in [
            (
                "en",
                "boots between 20 and 40 €",
                Some("EUR 20.00"),
                Some("EUR 40.00"),
            ),
            (
                "en",
                "from $20 to $40",
                Some("USD 20.00"),
                Some("USD 40.00"),
            ),
            (
                "en",
                "something for 20-40 euros",
                Some("EUR 20.00"),
                Some("EUR 40.00"),
            ),
            (
                "es",
                "entre 20 y 40 euros",
                Some("EUR 20.00"),
                Some("EUR 40.00"),
            ),
            (
                "pt",
                "entre R$ 100 e R$ 200",
                Some("BRL 100.00"),
                Some("BRL 200.00"),
            ),
            (
                "fr",
                "entre 20 et 40 €",
                Some("EUR 20.00"),
                Some("EUR 40.00"),
            ),
            (
                "de",
                "zwischen 20 und 40 Euro",
                Some("EUR 20.00"),
                Some("EUR 40.00"),
            ),
            ("de", "20 bis 40 €", Some("EUR 20.00"), Some("EUR 40.00")),
            (
                "it",
                "tra 20 e 40 euro",
                Some("EUR 20.00"),
                Some("EUR 40.00"),
            ),
            (
                "ru",
                "от 2000 до 4000 рублей",
                Some("RUB 2000.00"),
                Some("RUB 4000.00"),
            ),
            ("en", "over 100 €", Some("EUR 100.00"), None),
            ("es", "más de 100 euros", Some("EUR 100.00"), None),
            ("de", "ab 100 €", Some("EUR 100.00"), None),
            ("ru", "дороже 5000 руб", Some("RUB 5000.00"), None),
            ("en", "not more than 100 €", None, Some("EUR 100.00")),
            ("es", "no más de 100 euros", None, Some("EUR 100.00")),
            ("de", "nicht mehr als 100 €", None, Some("EUR 100.00")),
            ("ru", "не дороже 5000 руб", None, Some("RUB 5000.00")),
            ("en", "between 3 and 5 days", None, None),
        ] {
            let one = |value: Option<&str>| value.map(str::to_owned).into_iter().collect();
            let (least, most): (Vec<String>, Vec<String>) = (one(least), one(most));
            assert_eq!(
                values(EntityKind::MinPrice, language, text),
                least,
                "{text}"
            );
            assert_eq!(values(EntityKind::MaxPrice, language, text), most, "{text}");
        }
    }

    #[test]
    fn numbers_that_are_no_prices_are_left_alone() {
        for text in [
            "less than 5 days",
            "up to 3 weeks",
            "within 14 days",
            "max 30%",
            "size 42",
            "order 10234",
            "bis 21.11.",
            "до 5 дней",
            "2 eurocases",
            "at most 3 items",
        ] {
            for kind in [EntityKind::Money, EntityKind::MaxPrice] {
                assert!(
                    values(kind, "en", text).is_empty(),
                    "{text}: {:?}",
                    values(kind, "en", text)
                );
            }
        }
    }
}
