//! Parcel numbers whose shape and check digit fit a carrier. Where digits alone would fit too much (telephone numbers,
//! order numbers), the message must speak of a parcel or hold nothing else.

use std::sync::LazyLock;

use doorstep_core::understanding::EntityKind;
use regex::Regex;

use super::{Found, Reading, fixed};

/// A carrier's numbers.
struct Format {
    shape: Regex,
    /// Whether these letters and digits, in upper case, are one of the carrier's numbers.
    check: fn(&[u8]) -> bool,
    /// Distinctive enough to be believed anywhere.
    is_distinctive: bool,
}

static FORMATS: LazyLock<Vec<Format>> = LazyLock::new(|| {
    let format = |shape: &str, check: fn(&[u8]) -> bool, is_distinctive: bool| Format {
        shape: fixed(&format!("(?i){shape}")),
        check,
        is_distinctive,
    };
    vec![
        format(r"1Z(?:[ -]?[0-9A-Z]){16}", ups, true),
        format(r"[A-Z]{2}(?:[ -]?[0-9]){9}[ -]?[A-Z]{2}", s10, true),
        format(r"9[1-5](?:[ ]?[0-9]){20}", gs1, true),
        format(
            r"[0-9]{4}[ ]?[0-9]{4}[ ]?[0-9]{4}[ ]?[0-9]{2}[0-9A-Z]",
            dpd_or_fedex_ground,
            false,
        ),
        format(r"[0-9]{14}", fourteen_digits, false),
        format(
            r"[0-9]{4}[ ]?[0-9]{4}[ ]?[0-9]{4}",
            fedex_express_or_gls,
            false,
        ),
        format(r"[0-9]{4}[ ]?[0-9]{4}[ ]?[0-9]{2}", dhl_express, false),
    ]
});

/// Words, in the seven languages, after which digits may be a parcel number.
static PARCEL: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)track|parcel|package|shipment|waybill|\bawb\b|carrier|courier|label|seguimiento|paquete|env[ií]o|rastre|encomenda|pacote|remessa|suivi|colis|exp[ée]dition|paket|sendung|verfolg|pacco|spedizione|tracciamento|посылк|отправлени|трек|\bups\b|\busps\b|fedex|\bdhl\b|\bdpd\b|\bgls\b|correos|почт",
    )
});

pub(super) fn find(reading: &Reading<'_>) -> Vec<Found> {
    let text = reading.text;
    let is_about_a_parcel = PARCEL.is_match(text);
    FORMATS
        .iter()
        .flat_map(|format| {
            format
                .shape
                .find_iter(text)
                .map(move |number| (format, number))
        })
        .filter(|(_, number)| has_edges(text, number.start(), number.end()))
        .filter_map(|(format, number)| {
            let value: String = number
                .as_str()
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|c| c.to_ascii_uppercase())
                .collect();
            let is_believed =
                format.is_distinctive || is_about_a_parcel || number.as_str() == text.trim();
            (is_believed && (format.check)(value.as_bytes())).then(|| Found {
                kind: EntityKind::TrackingNumber,
                value,
                start: number.start(),
                end: number.end(),
            })
        })
        .collect()
}

/// Neither a letter or digit nor a plus sign (of a telephone number) touches it.
fn has_edges(text: &str, start: usize, end: usize) -> bool {
    let before = text[..start].chars().next_back();
    let after = text[end..].chars().next();
    !before.is_some_and(|c| c.is_alphanumeric() || c == '+')
        && !after.is_some_and(char::is_alphanumeric)
}

fn digits(number: &[u8]) -> Option<Vec<u32>> {
    number
        .iter()
        .map(|byte| char::from(*byte).to_digit(10))
        .collect()
}

/// UPS: `1Z`, 15 letters or digits, and their check digit. Letters count as 2 for A, 3 for B and on, modulo 10; every
/// second character counts twice.
fn ups(number: &[u8]) -> bool {
    let Some((check, body)) = number.split_last().map(|(check, rest)| (check, &rest[2..])) else {
        return false;
    };
    let sum: u32 = body
        .iter()
        .enumerate()
        .map(|(place, &byte)| {
            let value = match byte {
                b'0'..=b'9' => u32::from(byte - b'0'),
                _ => (u32::from(byte) - 63) % 10,
            };
            if place % 2 == 0 { value } else { 2 * value }
        })
        .sum();
    char::from(*check).to_digit(10) == Some((10 - sum % 10) % 10)
}

/// The post of any country (UPU standard S10): two letters, eight digits, check digit, country. Royal Mail, Correos,
/// Russian Post, USPS and most others abroad.
fn s10(number: &[u8]) -> bool {
    const WEIGHTS: [u32; 8] = [8, 6, 4, 2, 3, 5, 9, 7];
    let Some(digits) = number.get(2..11).and_then(digits) else {
        return false;
    };
    let sum: u32 = digits
        .iter()
        .zip(WEIGHTS)
        .map(|(digit, weight)| digit * weight)
        .sum();
    let check = match 11 - sum % 11 {
        10 => 0,
        11 => 5,
        check => check,
    };
    digits[8] == check
}

/// GS1 check digit: from the right, weights 3 and 1 in turn. USPS, FedEx Ground, Russian Post.
fn gs1(number: &[u8]) -> bool {
    let Some((check, rest)) = digits(number).and_then(|digits| {
        digits
            .split_last()
            .map(|(check, rest)| (*check, rest.to_vec()))
    }) else {
        return false;
    };
    let sum: u32 = rest
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| if place % 2 == 0 { 3 * digit } else { *digit })
        .sum();
    check == (10 - sum % 10) % 10
}

/// Fifteen characters: FedEx Ground's digits, or DPD's fourteen and a check character (ISO 7064, mod 37,36).
fn dpd_or_fedex_ground(number: &[u8]) -> bool {
    gs1(number) || dpd(number)
}

fn dpd(number: &[u8]) -> bool {
    const CHARACTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let value = |byte: u8| CHARACTERS.iter().position(|&c| c == byte);
    let Some((check, body)) = number.split_last() else {
        return false;
    };
    let remainder = body.iter().try_fold(36, |remainder, &byte| {
        let sum = (remainder + value(byte)?) % 36;
        Some(2 * if sum == 0 { 36 } else { sum } % 37)
    });
    match (remainder, value(*check)) {
        (Some(remainder), Some(check)) => (37 - remainder) % 36 == check,
        _ => false,
    }
}

/// Fourteen digits: Russian Post at home has a check digit; DPD prints its numbers without theirs.
fn fourteen_digits(number: &[u8]) -> bool {
    gs1(number) || matches!(number, [b'0', ..])
}

/// Twelve digits: FedEx Express, or GLS with its own check digit.
fn fedex_express_or_gls(number: &[u8]) -> bool {
    fedex_express(number) || gls(number)
}

/// FedEx Express: weights 3, 1, 7 in turn, modulo 11, modulo 10.
fn fedex_express(number: &[u8]) -> bool {
    let Some(digits) = digits(number) else {
        return false;
    };
    let sum: u32 = digits[..11]
        .iter()
        .zip([3, 1, 7].into_iter().cycle())
        .map(|(digit, weight)| digit * weight)
        .sum();
    sum % 11 % 10 == digits[11]
}

/// GLS: as GS1, with one added to the sum.
fn gls(number: &[u8]) -> bool {
    let Some(digits) = digits(number) else {
        return false;
    };
    let sum: u32 = digits[..11]
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| if place % 2 == 0 { 3 * digit } else { *digit })
        .sum::<u32>()
        + 1;
    (10 - sum % 10) % 10 == digits[11]
}

/// DHL Express: nine digits and their remainder by 7.
fn dhl_express(number: &[u8]) -> bool {
    let Some(digits) = digits(number) else {
        return false;
    };
    digits[..9]
        .iter()
        .fold(0, |value, digit| value * 10 + digit)
        % 7
        == digits[9]
}

#[cfg(test)]
mod tests {
    use super::super::tests::values;
    use super::*;

    fn parcels(text: &str) -> Vec<String> {
        values(EntityKind::TrackingNumber, "en", text)
    }

    #[test]
    fn carriers_published_examples_are_recognised() {
        for number in [
            "1Z999AA10123456784",     // UPS
            "1Z5R89390357567127",     // UPS
            "RB123456785GB",          // Royal Mail
            "RA123456785ES",          // Correos
            "EE123456785RU",          // Russian Post
            "9400111202555842332669", // USPS
            "986578788855",           // FedEx Express
            "568283610012734",        // FedEx Ground
            "3318810025",             // DHL Express
        ] {
            assert_eq!(parcels(&format!("my parcel {number} is late")), [number]);
            assert_eq!(parcels(number), [number]);
        }
    }

    #[test]
    fn spaces_and_small_letters_do_not_matter() {
        assert_eq!(parcels("1z 999 aa1 01 2345 6784"), ["1Z999AA10123456784"]);
        assert_eq!(parcels("RB 123 456 785 GB?"), ["RB123456785GB"]);
    }

    #[test]
    fn a_wrong_check_digit_is_refused() {
        for number in [
            "1Z999AA10123456785",
            "RB123456784GB",
            "9400111202555842332668",
            "3318810026",
        ] {
            assert!(
                parcels(&format!("tracking {number}")).is_empty(),
                "{number}"
            );
        }
    }

    #[test]
    fn bare_digits_are_parcels_only_where_the_text_speaks_of_one() {
        assert!(parcels("call me at 3318810025 please").is_empty());
        assert!(parcels("parcel? my number is +3318810025").is_empty());
        assert_eq!(parcels("seguimiento DHL 3318810025"), ["3318810025"]);
    }

    #[test]
    fn dpd_numbers_carry_the_check_character_of_iso_7064() {
        // The standard's own example for MOD 37,36.
        assert!(dpd(b"A12425GABC1234002M"));
        assert!(!dpd(b"A12425GABC1234003M"));
        assert!(!dpd(b""));
    }
}
