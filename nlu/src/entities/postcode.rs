//! Postcodes of the countries that European shops and those of the Americas deliver to. Their digits are more often an order
//! number, so a postcode needs a word that announces it, an address around it ([`super::address`]), or the message to itself.
//! Those of the United Kingdom, Canada and Ireland look like nothing else, and need none of it.

use std::sync::LazyLock;

use doorstep_core::understanding::EntityKind;
use regex::Regex;

use super::{Found, Reading, fixed, stands_alone};

/// United Kingdom, Canada, Ireland; Portugal, Brazil and the United States with their extensions, Poland; six digits (Russia),
/// five (Spain, Germany, France, Italy, United States). The shapes are those of the Universal Postal Union's "Postal
/// addressing systems".
const SHAPE: &str = r"[A-Za-z]{1,2}[0-9][0-9A-Za-z]?\s?[0-9][A-Za-z]{2}|[A-Za-z][0-9][A-Za-z]\s?[0-9][A-Za-z][0-9]|[A-Za-z][0-9][0-9Ww]\s[0-9A-Za-z]{4}|[0-9]{4}-[0-9]{3}|[0-9]{5}-[0-9]{3,4}|[0-9]{2}-[0-9]{3}|[0-9]{6}|[0-9]{5}";

/// The Netherlands: four digits and two letters, in capitals or together: "1234 in" is no postcode.
const DUTCH: &str = r"[1-9][0-9]{3}(?:\s?[A-Z]{2}|[a-z]{2})";

/// Austria, Switzerland, Belgium, Denmark, Norway, Hungary.
const FOUR_DIGITS: &str = r"[1-9][0-9]{3}";

/// Words after which four digits are no other thing; `cap` and `zip` have other meanings, and name longer ones.
const CUE: &str = r"post\s?code|postal code|c[óo]digo postal|code postal|plz|postleitzahl|npa|codice postale|kod pocztowy";

/// Between cue and postcode.
const LINK: &str = r"(?: is| es| est| ist| lautet| é| è)?\s?[:.]?\s?";

/// The United Kingdom: one of its areas, a district, a space, and a digit with two letters.
const BRITISH: &str = r"(?:A[BL]|B[ABDHLNRST]?|C[ABFHMORTVW]|D[ADEGHLNTY]|E[CHNX]?|F[KY]|G[LUY]?|H[ADGPRSUX]|I[GMPV]|JE|K[ATWY]|L[ADELNSU]?|M[EKL]?|N[EGNPRW]?|OL|OX|P[AEHLOR]|R[GHM]|S[AEGKLMNOPRSTWY]?|T[ADFNQRSW]|UB|W[ACDFNRSV]?|YO|ZE)[0-9][0-9A-HJ-NP-UW-Y]?\s[0-9][ABD-HJLNP-UW-Z]{2}";

/// Canada: letters and digits in turn.
const CANADIAN: &str = r"[ABCEGHJ-NPRSTVXY][0-9][ABCEGHJ-NPRSTV-Z][ -][0-9][ABCEGHJ-NPRSTV-Z][0-9]";

/// Ireland: an area of a letter and two digits (or D6W), a space, and four letters and digits.
const IRISH: &str = r"[AC-FHKNPRTV-Y](?:[0-9]{2}|6W)\s[0-9AC-FHKNPRTV-Y]{4}";

/// Postcodes that look like nothing else; Irish ones in capitals alone.
static UNMISTAKABLE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(&format!(
        r"(?-u:\b)(?P<code>(?i-u:{BRITISH}|{CANADIAN})|(?P<irish>{IRISH}))(?-u:\b)"
    ))
});

/// How ordinal numbers, sizes and measures end: "on LE5 3rd floor" and "pe2 5gb" hold no postcode.
const ENDS_OTHERWISE: [&str; 12] = [
    "st", "nd", "rd", "th", "gb", "tb", "lb", "pt", "hr", "ft", "xl", "xs",
];

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
        .chain(unmistakable(reading))
        .collect()
}

/// Those that need no word to announce them.
fn unmistakable(reading: &Reading<'_>) -> impl Iterator<Item = Found> {
    let captures = UNMISTAKABLE.captures_iter(reading.text);
    captures
        // Four digits or four letters behind a size or a model are a year or a word.
        .filter(|captures| {
            captures
                .name("irish")
                .is_none_or(|code| is_mixed(code.as_str()))
        })
        .filter_map(|captures| captures.name("code"))
        .filter(|code| {
            !ENDS_OTHERWISE
                .iter()
                .any(|end| code.as_str().ends_with(end))
        })
        .filter(|code| stands_alone(reading.text, code.start(), code.end()))
        .map(|code| found(code.as_str(), code.start()))
}

/// Whether both letters and digits are behind the space.
fn is_mixed(code: &str) -> bool {
    let behind = code.split_whitespace().next_back().unwrap_or_default();
    let digits = behind.bytes().filter(u8::is_ascii_digit).count();
    (1..behind.len()).contains(&digits)
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

/// In upper case; a British or Canadian one with its space before the last three, an Irish one before the last four, a Dutch
/// one before its letters.
fn normalise(code: &str) -> String {
    let code: String = code
        .to_uppercase()
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    let is_letter = |c: char| c.is_ascii_alphabetic();
    if !code.starts_with(is_letter) {
        let letters_at = code
            .len()
            .checked_sub(2)
            .filter(|_| code.ends_with(is_letter));
        return with_space(&code, letters_at);
    }
    let code = code.replace('-', "");
    // A British one of seven begins with two letters.
    let is_irish = code.len() == 7 && code.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    with_space(&code, code.len().checked_sub(if is_irish { 4 } else { 3 }))
}

fn with_space(code: &str, at: Option<usize>) -> String {
    match at {
        Some(at) => format!("{} {}", &code[..at], &code[at..]),
        None => code.to_owned(),
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
            ("en", "my postcode is k1a0b1", "K1A 0B1"),
            ("en", "eircode? postcode D02 X285", "D02 X285"),
            ("en", "d02 x285", "D02 X285"),
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
    fn british_canadian_and_irish_postcodes_need_no_cue() {
        for (language, text, expected) in [
            ("en", "do you ship to SW1A 1AA?", "SW1A 1AA"),
            ("en", "can i get it to ls6 3hn by friday", "LS6 3HN"),
            ("en", "I live in M1 1AE.", "M1 1AE"),
            ("es", "¿enviáis a W1A 0AX?", "W1A 0AX"),
            ("fr", "livrez-vous à K1A 0B1 ?", "K1A 0B1"),
            ("en", "shipping to h2x-1y4 please", "H2X 1Y4"),
            ("de", "liefert ihr nach A65 F4E2?", "A65 F4E2"),
            ("en", "what about D6W XY00", "D6W XY00"),
        ] {
            assert_eq!(
                values(EntityKind::Postcode, language, text),
                [expected],
                "{text}"
            );
        }
        for text in [
            "on LE5 3rd floor",
            "the pe2 5gb card",
            "trousers W32 L34",
            "the W32 2024 edition",
            "xSW1A 1AAx",
            "SW1A-1AA-3",
            "order AB-1234 1AA",
            "the kit A1B2C3",
            "5 in m2 2xl",
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
