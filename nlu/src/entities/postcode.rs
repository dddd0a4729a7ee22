//! Postcodes of the countries that European shops and those of the Americas deliver to. Their digits are more often an order
//! number, so a postcode needs a word that announces it, or the message to itself.

use std::sync::LazyLock;

use doorstep_core::understanding::EntityKind;
use regex::Regex;

use super::{Found, Reading, fixed};

/// United Kingdom; Portugal, Brazil and the United States with their extensions, Poland; six digits (Russia), five (Spain,
/// Germany, France, Italy, United States). The shapes are those of the Universal Postal Union's "Postal addressing systems".
const SHAPE: &str = r"[A-Za-z]{1,2}[0-9][0-9A-Za-z]?\s?[0-9][A-Za-z]{2}|[0-9]{4}-[0-9]{3}|[0-9]{5}-[0-9]{3,4}|[0-9]{2}-[0-9]{3}|[0-9]{6}|[0-9]{5}";

/// The Netherlands: four digits and two letters, in capitals or together: "1234 in" is no postcode.
const DUTCH: &str = r"[1-9][0-9]{3}(?:\s?[A-Z]{2}|[a-z]{2})";

/// Austria, Switzerland, Belgium, Denmark, Norway, Hungary.
const FOUR_DIGITS: &str = r"[1-9][0-9]{3}";

/// Words after which four digits are no other thing; `cap` and `zip` have other meanings, and name longer ones.
const CUE: &str = r"post\s?code|postal code|c[óo]digo postal|code postal|plz|postleitzahl|npa|codice postale|kod pocztowy";

/// Between cue and postcode.
const LINK: &str = r"(?: is| es| est| ist| lautet| é| è)?\s?[:.]?\s?";

static AFTER_A_CUE: LazyLock<[Regex; 2]> = LazyLock::new(|| {
    let after = |cue: &str, shape: &str| {
        fixed(&format!(
            r"(?i)(?:^|[^\p{{L}}\p{{N}}])(?:{cue}){LINK}(?P<code>(?-i:{shape}))(?-u:\b)"
        ))
    };
    let others = r"zip(?: code)?|c\.?p\.?|cep|cap|(?:почтовый )?индекс";
    [
        after(&format!("{CUE}|{others}"), &format!("{SHAPE}|{DUTCH}")),
        after(CUE, FOUR_DIGITS),
    ]
});

static WHOLE_MESSAGE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(&format!(
        r"^\s*(?P<code>{SHAPE}|[1-9][0-9]{{3}}\s?[A-Za-z]{{2}}|{FOUR_DIGITS})\s*[.!]?\s*$"
    ))
});

/// Postcodes that a word announces.
pub(super) fn find(reading: &Reading<'_>) -> Vec<Found> {
    AFTER_A_CUE
        .iter()
        .flat_map(|pattern| pattern.captures_iter(reading.text))
        .filter_map(|captures| captures.name("code"))
        // "PLZ 1010-1020" is a range, "1012,50" an amount.
        .filter(|code| !goes_on(reading.text, code.end()))
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

/// Whether what stands there goes on as a number.
fn goes_on(text: &str, end: usize) -> bool {
    let mut after = text[end..].chars();
    after.next().is_some_and(|c| matches!(c, '-' | ',' | '.'))
        && after.next().is_some_and(|c| c.is_ascii_digit())
}

/// In upper case; a British one with its space before the last three, a Dutch one before its letters.
fn normalise(code: &str) -> String {
    let code: String = code.to_uppercase().split_whitespace().collect();
    let is_letter = |c: char| c.is_ascii_alphabetic();
    let letters_at = if code.starts_with(is_letter) {
        code.len().checked_sub(3)
    } else if code.ends_with(is_letter) {
        code.len().checked_sub(2)
    } else {
        None
    };
    match letters_at {
        Some(at) => format!("{} {}", &code[..at], &code[at..]),
        None => code,
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
            ("pt", "o meu código postal é 1000-205", "1000-205"),
            ("pt", "1000-205", "1000-205"),
            ("en", "my postcode is 1234 AB", "1234 AB"),
            ("en", "postcode 1234ab", "1234 AB"),
            ("en", "1234 ab", "1234 AB"),
            ("en", "00-001", "00-001"),
            ("en", "postal code: 00-001", "00-001"),
            ("de", "PLZ 1010 in Wien", "1010"),
            ("de", "meine Postleitzahl lautet 8001.", "8001"),
            ("fr", "NPA 1201", "1201"),
            ("de", "6020", "6020"),
        ] {
            assert_eq!(
                values(EntityKind::Postcode, language, text),
                [expected],
                "{text}"
            );
        }
        for text in [
            "order 28013 please",
            "the pack of 1010",
            "order 1234 by friday",
            "the blue cap 2024 edition",
            "zip 2024",
            "PLZ 1010-1020",
            "0123",
            "1234 and",
        ] {
            let found = values(EntityKind::Postcode, "en", text);
            assert!(found.is_empty(), "{text}: {found:?}");
        }
    }

    #[test]
    fn an_announced_postcode_is_no_order_number() {
        assert!(values(EntityKind::OrderNumber, "es", "código postal 28013").is_empty());
    }
}
