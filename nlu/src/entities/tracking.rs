//! Parcel numbers whose shape and check digit fit a carrier. Where digits alone would fit too much (telephone numbers,
//! order numbers), the message must speak of a parcel or hold nothing else.

use std::{cell::LazyCell, sync::LazyLock};

use doorstep_core::understanding::EntityKind;
use regex::Regex;

use super::{Found, Reading, Trust, fixed};

/// A carrier's numbers.
struct Format {
    shape: Regex,
    /// Whether these letters and digits, in upper case, are one of the carrier's numbers.
    check: fn(&[u8]) -> bool,
    belief: Belief,
}

/// Where a number of a format is believed to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Belief {
    /// Anywhere: it looks like nothing else.
    Anywhere,
    /// Where the message speaks of a parcel, or holds nothing else.
    WithAParcel,
    /// Where the message names GLS or a track id.
    WithGls,
    /// Where the message names DPD.
    WithDpd,
}

/// Each format with where it is published. `tracking_number_data` is the collection of carriers' formats at
/// github.com/jkeen/tracking_number_data, with the carriers' own examples.
static FORMATS: LazyLock<Vec<Format>> = LazyLock::new(|| {
    let format = |shape: &str, check: fn(&[u8]) -> bool, belief: Belief| Format {
        shape: fixed(&format!("(?i){shape}")),
        check,
        belief,
    };
    vec![
        // UPS: its "Tracking number format" page, and tracking_number_data.
        format(r"1Z(?:[ -]?[0-9A-Z]){16}", ups, Belief::Anywhere),
        // Postal items: UPU standard S10. Royal Mail, Correos, Russian Post, USPS and most others abroad.
        format(
            r"[A-Z]{2}(?:[ -]?[0-9]){9}[ -]?[A-Z]{2}",
            s10,
            Belief::Anywhere,
        ),
        // Correos at home: 23 characters. How its last letter is reckoned is not published; the shape is distinctive.
        format(
            r"[A-Z]{2}[0-9]{2}[A-Z]{2}[0-9]{16}[A-Z]",
            shape_alone,
            Belief::Anywhere,
        ),
        // USPS: Publication 199, Intelligent Mail package barcode, 22 or 26 digits; in front the ZIP code for routing.
        format(
            r"(?:420(?:[ ]?[0-9]){5}(?:(?:[ ]?[0-9]){4})??[ ]?)??9[ ]?[1-5](?:[ ]?[0-9]){20}",
            usps,
            Belief::Anywhere,
        ),
        format(r"9[1-5](?:[ ]?[0-9]){24}", gs1, Belief::Anywhere),
        // FedEx Ground "96" (tracking_number_data): the check digit is reckoned over the last fourteen digits before it.
        format(r"96(?:[ ]?[0-9]){20}", fedex_ground_96, Belief::Anywhere),
        // DHL's piece identifiers (JJD, JVGL) have no check digit; the letters are distinctive.
        format(
            r"J(?:JD|VGL)(?:[ ]?[0-9]){10,20}",
            shape_alone,
            Belief::Anywhere,
        ),
        // DHL Paket, GLS and others: the GS1 serial shipping container code with its identifier 00.
        format(r"00(?:[ ]?[0-9]){18}", sscc, Belief::WithAParcel),
        // USPS certified, insured and registered mail (Publication 199): 20 digits.
        format(
            r"(?:03|7[0-9]|23|81)(?:[ ]?[0-9]){18}",
            gs1,
            Belief::WithAParcel,
        ),
        // DPD: "Parcel label specification", 28 characters with the postcode in front, 15 on the tracking page.
        format(r"(?:[0-9][ ]?){27}[0-9A-Z]", dpd, Belief::WithAParcel),
        format(
            r"(?:[0-9]{4}[ ]?){3}[0-9]{2}[ ]?[0-9A-Z]",
            dpd_or_fedex_ground,
            Belief::WithAParcel,
        ),
        format(
            r"(?:[0-9]{4}[ ]){3}[0-9]{2}|[0-9]{14}",
            fourteen_digits,
            Belief::WithAParcel,
        ),
        // DPD's fourteen digits of any country; in the United Kingdom they begin with 15 or 16 ("your 14-digit parcel number",
        // dpd.com). Without the check character nothing tells them from other numbers but the carrier's name.
        format(
            r"(?:[0-9]{4}[ ]){3}[0-9]{2}|[0-9]{14}",
            shape_alone,
            Belief::WithDpd,
        ),
        // FedEx Express, and GLS: eleven digits that begin with its depot, and their check digit (paketda.de, "Paket-
        // Prüfziffern").
        format(
            r"(?:[0-9]{4}[ ]){2}[0-9]{4}|[0-9]{12}",
            fedex_express_or_gls,
            Belief::WithAParcel,
        ),
        // GLS's track id: eight letters and digits, in capitals (paketda.de, "GLS-Paketlabel"). Those of letters alone
        // look like any word that somebody shouts.
        format(r"(?-i:[0-9A-Z]{8})", gls_track_id, Belief::WithGls),
        // DHL Express: ten digits, or eleven.
        format(
            r"[0-9]{4}[ ][0-9]{4}[ ][0-9]{2}|[0-9]{2}[ ][0-9]{4}[ ][0-9]{4}|[0-9]{10,11}",
            dhl_express,
            Belief::WithAParcel,
        ),
    ]
});

/// Words, in the seven languages, after which digits may be a parcel number.
static PARCEL: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)track|parcel|package|shipment|waybill|(?-u:\b)awb(?-u:\b)|carrier|courier|label|seguimiento|paquete|env[ií]o|rastre|encomenda|pacote|remessa|suivi|colis|exp[ée]dition|paket|sendung|verfolg|pacco|spedizione|tracciamento|посылк|отправлени|трек|(?-u:\b)ups(?-u:\b)|(?-u:\b)usps(?-u:\b)|fedex|(?-u:\b)dhl(?-u:\b)|(?-u:\b)dpd(?-u:\b)|(?-u:\b)gls(?-u:\b)|correos|почт",
    )
});

static GLS: LazyLock<Regex> =
    LazyLock::new(|| fixed(r"(?i)(?-u:\b)gls(?-u:\b)|(?-u:\b)track[ -]?ids?(?-u:\b)"));

static DPD: LazyLock<Regex> = LazyLock::new(|| fixed(r"(?i)(?-u:\b)dpd(?-u:\b)"));

pub(super) fn find(reading: &Reading<'_>) -> Vec<Found> {
    let text = reading.text;
    // Asked only where it matters: most messages with digits hold nothing of any carrier's shape.
    let is_about_a_parcel = LazyCell::new(|| PARCEL.is_match(text));
    let is_about_gls = LazyCell::new(|| GLS.is_match(text));
    let is_about_dpd = LazyCell::new(|| DPD.is_match(text));
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
            let is_believed = match format.belief {
                Belief::Anywhere => true,
                Belief::WithAParcel => number.as_str() == text.trim() || *is_about_a_parcel,
                Belief::WithGls => *is_about_gls,
                Belief::WithDpd => *is_about_dpd,
            };
            if !is_believed || !(format.check)(value.as_bytes()) {
                return None;
            }
            // One in ten numbers has a fitting check digit by chance: the merchant's own formats go before.
            let trust = if format.belief == Belief::Anywhere {
                Trust::Certain
            } else {
                Trust::Likely
            };
            Some(Found::new(EntityKind::TrackingNumber, value, number.range()).trusted(trust))
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

/// GS1 check digit: from the right, weights 3 and 1 in turn. GS1 General Specifications, section 7.9.1.
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

/// The shape says it all: no check digit is published.
fn shape_alone(_: &[u8]) -> bool {
    true
}

/// The last 22 digits have the check digit; before them stands where the parcel goes.
fn usps(number: &[u8]) -> bool {
    matches!(number.len(), 22 | 30 | 34) && number.get(number.len() - 22..).is_some_and(gs1)
}

/// FedEx Ground 96: GS1 over the shipper's and the package's number and the check digit.
fn fedex_ground_96(number: &[u8]) -> bool {
    number.get(7..).is_some_and(gs1)
}

/// A serial shipping container code after its identifier 00.
fn sscc(number: &[u8]) -> bool {
    number
        .get(2..)
        .is_some_and(|code| gs1(code) && code.iter().any(|digit| *digit != b'0'))
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

/// Fourteen digits: Russian Post at home, six of its postcode (101000 to 694923), two of the month, five of the item and
/// a check digit as GS1's ("ШПИ", Russian Post's order 114-p of 2012); or DPD's without their check character, whose
/// first four are a depot and begin with 0.
fn fourteen_digits(number: &[u8]) -> bool {
    match number {
        [b'0', ..] => true,
        [b'1'..=b'6', ..] => gs1(number),
        _ => false,
    }
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

/// Letters and digits, more letters than an order's number has.
fn gls_track_id(number: &[u8]) -> bool {
    let digits = number.iter().filter(|c| c.is_ascii_digit()).count();
    (1..=4).contains(&digits)
}

/// DHL Express: nine or ten digits and their remainder by 7.
fn dhl_express(number: &[u8]) -> bool {
    let Some(digits) = digits(number) else {
        return false;
    };
    let Some((check, body)) = digits.split_last() else {
        return false;
    };
    body.iter()
        .fold(0, |remainder, digit| (remainder * 10 + digit) % 7)
        == *check
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
            "1Z999AA10123456784",                 // UPS
            "1Z5R89390357567127",                 // UPS
            "RB123456785GB",                      // Royal Mail
            "RA123456785ES",                      // Correos
            "EE123456785RU",                      // Russian Post
            "PK12AB1234567890123456X",            // Correos at home
            "10100080000017",                     // Russian Post at home
            "9400111202555842332669",             // USPS
            "420221539101026837331000039521",     // USPS with a ZIP code
            "4201028200009261290113185417468510", // USPS with a ZIP+4 code
            "92748931507708513018050063",         // USPS, 26 digits
            "03071790000523483741",               // USPS certified mail
            "9611020987654312345672",             // FedEx Ground 96
            "JJD0099999999123",                   // DHL piece
            "73891051146",                        // DHL Express, eleven digits
            "00340434161094042557",               // DHL Paket
            "008182709980000020033350276C",       // DPD label
            "09980000020033",                     // DPD without its check character
            "986578788855",                       // FedEx Express
            "568283610012734",                    // FedEx Ground
            "201012345670",                       // GLS, after its formula
            "3318810025",                         // DHL Express
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
            "10100080000018",
            "420221539101026837331000039522",
            "9611020987654312345671",
            "00340434161094042558",
            "008182709980000020033350276D",
            "RA123456784ES",
            "201012345671",
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
    fn a_track_id_of_gls_needs_its_name() {
        assert_eq!(parcels("GLS sagt XHAX4HDA"), ["XHAX4HDA"]);
        assert_eq!(parcels("the track id is XHAX4HDA"), ["XHAX4HDA"]);
        for text in [
            "XHAX4HDA",
            "my parcel XHAX4HDA",
            "GLS NEVER DELIVERS",
            "gls xhax4hda",
            "GLS order 12345678",
        ] {
            assert!(parcels(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn fourteen_digits_of_dpd_need_its_name() {
        for number in ["15501234567890", "16012345678901"] {
            assert_eq!(parcels(&format!("where is DPD {number}")), [number]);
            assert_eq!(parcels(&format!("el paquete de dpd {number}")), [number]);
        }
        assert_eq!(parcels("dpd 1550 1234 5678 90"), ["15501234567890"]);
        assert!(parcels("parcel 15501234567890").is_empty());
    }

    #[test]
    fn a_merchants_order_number_is_no_parcel_by_chance() {
        // It fits DHL Express, whose check digit one number in ten has.
        let reader = super::super::EntityReader::new(&[r"\d{10}".to_owned()]).unwrap();
        let english = doorstep_core::Language::ENGLISH;
        let found = reader.read(
            "parcel 3318810025",
            &super::super::tests::context(),
            &english,
        );
        assert_eq!(found[0].kind, EntityKind::OrderNumber);
        assert_eq!(found.len(), 1);
        // The usual formats do not reach that far.
        assert_eq!(parcels("parcel 3318810025 of order 10234"), ["3318810025"]);
    }

    #[test]
    fn dpd_numbers_carry_the_check_character_of_iso_7064() {
        // The standard's own example for MOD 37,36.
        assert!(dpd(b"A12425GABC1234002M"));
        assert!(!dpd(b"A12425GABC1234003M"));
        assert!(!dpd(b""));
    }
}
