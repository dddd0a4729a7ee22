//! Postcodes of the United Kingdom, Spain, Germany, the United States and their neighbours. Five digits are more often
//! an order number, so a postcode needs a word that announces it, or the message to itself.

use std::sync::LazyLock;

use doorstep_core::understanding::EntityKind;
use regex::Regex;

use super::{Found, Reading, fixed};

/// UK, then six digits (Russia), five with a US extension, five (Spain, Germany, France, Italy, US), and Brazil.
const SHAPE: &str =
    r"(?P<code>[A-Z]{1,2}[0-9][0-9A-Z]?\s?[0-9][A-Z]{2}|[0-9]{6}|[0-9]{5}-[0-9]{3,4}|[0-9]{5})";

static AFTER_A_CUE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(&format!(
        r"(?i)(?:^|[^\p{{L}}\p{{N}}])(?:post\s?code|postal code|zip(?: code)?|c[óo]digo postal|c\.?p\.?|cep|code postal|plz|postleitzahl|cap|codice postale|(?:почтовый )?индекс)(?: is| es| est| ist| lautet| é| è)?\s?[:.]?\s?{SHAPE}(?-u:\b)"
    ))
});

static WHOLE_MESSAGE: LazyLock<Regex> =
    LazyLock::new(|| fixed(&format!(r"(?i)^\s*{SHAPE}\s*[.!]?\s*$")));

/// Postcodes that a word announces.
pub(super) fn find(reading: &Reading<'_>) -> Vec<Found> {
    AFTER_A_CUE
        .captures_iter(reading.text)
        .filter_map(|captures| captures.name("code"))
        .map(|code| found(code.as_str(), code.start()))
        .collect()
}

/// The postcode that a message consists of. It may be an order number as well: the router knows which one it asked for.
pub(super) fn of_a_whole_message(reading: &Reading<'_>) -> Option<Found> {
    let code = WHOLE_MESSAGE.captures(reading.text)?.name("code")?;
    Some(found(code.as_str(), code.start()))
}

fn found(code: &str, start: usize) -> Found {
    Found::new(
        EntityKind::Postcode,
        normalise(code),
        start..start + code.len(),
    )
}

/// In upper case; a British one with its space before the last three.
fn normalise(code: &str) -> String {
    let code: String = code.to_uppercase().split_whitespace().collect();
    match code.len().checked_sub(3) {
        Some(at) if code.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            format!("{} {}", &code[..at], &code[at..])
        }
        _ => code,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::values;
    use super::*;

    #[test]
    fn a_postcode_needs_a_cue_or_the_message_to_itself() {
        for (language, text, expected) in [
            ("en", "my postcode is sw1a1aa", "SW1A 1AA"),
            ("en", "M1 1AE", "M1 1AE"),
            ("en", "zip 90210-1234", "90210-1234"),
            ("es", "código postal 28013", "28013"),
            ("de", "PLZ: 10115", "10115"),
            ("pt", "CEP 01310-100", "01310-100"),
            ("ru", "индекс 101000", "101000"),
        ] {
            assert_eq!(
                values(EntityKind::Postcode, language, text),
                [expected],
                "{text}"
            );
        }
        assert!(values(EntityKind::Postcode, "en", "order 28013 please").is_empty());
    }

    #[test]
    fn an_announced_postcode_is_no_order_number() {
        assert!(values(EntityKind::OrderNumber, "es", "código postal 28013").is_empty());
    }
}
