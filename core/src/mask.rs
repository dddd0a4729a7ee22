//! Payment card numbers never stay (G9), and e-mail addresses are not shown whole where others may look on.

use std::borrow::Cow;

/// How many digits a payment card number has (ISO/IEC 7812-1).
const LENGTHS: std::ops::RangeInclusive<usize> = 13..=19;

/// So many separators may stand between two digits of one number: " - ", or a line's end with spaces.
const MOST_SEPARATORS: usize = 3;

/// The longest group of digits beside a dot; in a decimal number like `41.38506389999999` there are more.
const LONGEST_BESIDE_A_DOT: usize = 6;

/// What stands in a masked number's place, before its last four digits.
const MASK: &str = "•••• ";

/// Replaces every payment card number in `text` by `•••• 1234` (its last four digits). A card number is 13 to 19
/// digits (ISO/IEC 7812-1), possibly in groups with up to three spaces, dashes, dots or ends of lines between them, that
/// pass the Luhn check and begin with a digit that payment networks use (2 to 6). Digits may be ASCII, full-width,
/// Arabic-Indic, Persian or Devanagari. A longer run of digits without separators is no card number, and neither are the
/// sixteen digits of a UPS number whose own check digit fits. Called at admission, before anything is stored, logged or
/// understood.
pub fn mask_card_numbers(text: &str) -> Cow<'_, str> {
    if text
        .chars()
        .filter(|c| digit(*c).is_some())
        .nth(LENGTHS.start() - 1)
        .is_none()
    {
        return Cow::Borrowed(text);
    }
    let mut masked = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(group) = next_group(text, at) {
        let Some(mut card) = card_number(text, group, &[]) else {
            at = end_of_group(text, group);
            continue;
        };
        masked.push_str(&text[copied..group]);
        // The last four digits that stay must not begin another number with what follows them.
        while let Some(next) = card_number(text, card.end, &card.last_four) {
            masked.push_str(MASK);
            card = next;
        }
        masked.push_str(MASK);
        masked.extend(card.last_four.iter().map(|digit| char::from(b'0' + digit)));
        copied = card.end;
        at = card.end;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    masked.push_str(&text[copied..]);
    Cow::Owned(masked)
}

/// An e-mail address as a terminal shows it: `a***@example.com`. What is no address becomes `***`.
pub fn mask_email(address: &str) -> String {
    let first = |local: &str| local.chars().next().map(String::from).unwrap_or_default();
    match address.rsplit_once('@') {
        Some((local, domain)) => format!("{}***@{domain}", first(local)),
        None => "***".to_owned(),
    }
}

/// A card number's end in the text, and what stays of it.
struct CardNumber {
    end: usize,
    last_four: [u8; 4],
}

/// The value of a decimal digit of the scripts that card numbers are typed in.
fn digit(c: char) -> Option<u8> {
    const ZEROS: [char; 4] = ['\u{660}', '\u{6f0}', '\u{966}', '\u{ff10}'];
    if c.is_ascii() {
        return u8::try_from(c)
            .ok()?
            .checked_sub(b'0')
            .filter(|value| *value < 10);
    }
    ZEROS
        .iter()
        .filter_map(|zero| u8::try_from(u32::from(c).checked_sub(u32::from(*zero))?).ok())
        .find(|value| *value < 10)
}

/// Spaces, ends of lines, dashes, dots, and what cannot be seen.
fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '-' | '.' | '_' | '·' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// Where the first group of digits at or after `at` begins.
fn next_group(text: &str, at: usize) -> Option<usize> {
    text[at..]
        .find(|c| digit(c).is_some())
        .map(|start| at + start)
}

fn end_of_group(text: &str, start: usize) -> usize {
    text[start..]
        .find(|c| digit(c).is_none())
        .map_or(text.len(), |length| start + length)
}

/// The longest card number of `before` and the groups of digits from `start`; with digits in `before`, at least one
/// group must follow them.
fn card_number(text: &str, start: usize, before: &[u8]) -> Option<CardNumber> {
    let mut digits: Vec<u8> = before.to_vec();
    let mut found = None;
    let mut at = start;
    let mut last_group = before.len();
    loop {
        if !digits.is_empty() {
            let Some(next) = after_separators(text, at, last_group) else {
                return found;
            };
            at = next;
        }
        let begun = digits.len();
        let mut end = at;
        for c in text[at..].chars() {
            let Some(value) = digit(c) else { break };
            if digits.len() == *LENGTHS.end() {
                return found;
            }
            digits.push(value);
            end += c.len_utf8();
        }
        last_group = digits.len() - begun;
        let is_card = LENGTHS.contains(&digits.len())
            && (2..=6).contains(&digits[0])
            && passes_luhn(&digits)
            && !(begun == 0 && is_ups(text, start, &digits));
        if is_card && let Some(last_four) = digits.last_chunk() {
            found = Some(CardNumber {
                end,
                last_four: *last_four,
            });
        }
        at = end;
    }
}

/// Where the next group of digits begins after the separators at `at`; none when it is no part of the same number.
fn after_separators(text: &str, at: usize, last_group: usize) -> Option<usize> {
    let mut has_dot = false;
    for (count, (offset, c)) in text[at..].char_indices().enumerate() {
        if digit(c).is_some() {
            let start = at + offset;
            let group = text[start..]
                .chars()
                .take(LONGEST_BESIDE_A_DOT + 1)
                .take_while(|c| digit(*c).is_some())
                .count();
            let is_decimal = has_dot && last_group.max(group) > LONGEST_BESIDE_A_DOT;
            return (count > 0 && !is_decimal).then_some(start);
        }
        if count == MOST_SEPARATORS || !is_separator(c) {
            return None;
        }
        has_dot |= c == '.';
    }
    None
}

/// The Luhn check (ISO/IEC 7812-1, annex B).
fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| {
            let digit = u32::from(digit);
            match (place % 2, digit) {
                (0, d) => d,
                (_, d) if d > 4 => 2 * d - 9,
                (_, d) => 2 * d,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether sixteen digits after `1Z` are a UPS tracking number: its check digit is reckoned over all but the last, every
/// second one doubled.
fn is_ups(text: &str, start: usize, digits: &[u8]) -> bool {
    let mut before = text[..start].chars().rev();
    let is_announced = matches!(before.next(), Some('Z' | 'z')) && before.next() == Some('1');
    let stands_alone = !before.next().is_some_and(char::is_alphanumeric)
        && !text[end_of_group(text, start)..].starts_with(char::is_alphanumeric);
    let sum: u32 = digits
        .iter()
        .take(15)
        .enumerate()
        .map(|(place, digit)| u32::from(*digit) * if place % 2 == 0 { 1 } else { 2 })
        .sum();
    is_announced
        && stands_alone
        && digits.len() == 16
        && digits.last().map(|check| u32::from(*check)) == Some((10 - sum % 10) % 10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_an_email_address_its_first_letter_and_its_domain_are_shown() {
        for (address, shown) in [
            ("ada@example.org", "a***@example.org"),
            ("\"a@b\"@example.org", "\"***@example.org"),
            ("élise@example.fr", "é***@example.fr"),
            ("@example.org", "***@example.org"),
            ("ada", "***"),
        ] {
            assert_eq!(mask_email(address), shown);
        }
    }

    #[test]
    fn card_numbers_are_masked_with_and_without_separators() {
        for (text, expected) in [
            ("pay 4111 1111 1111 1111 now", "pay •••• 1111 now"),
            ("4111-1111-1111-1111", "•••• 1111"),
            ("4111.1111.1111.1111.", "•••• 1111."),
            ("4111 - 1111 - 1111 - 1111", "•••• 1111"),
            ("4111\n1111\r\n1111 \n1111", "•••• 1111"),
            ("4111\u{a0}1111\u{2011}1111\u{200b}1111", "•••• 1111"),
            (
                "a4111111111111111b 378282246310005",
                "a•••• 1111b •••• 0005",
            ),
            (
                "card:5555555555554444,exp 12/28",
                "card:•••• 4444,exp 12/28",
            ),
            ("٤١١١ ١١١١ ١١١١ ١١١١", "•••• 1111"),
            ("۴۱۱۱۱۱۱۱۱۱۱۱۱۱۱۱", "•••• 1111"),
            ("４１１１１１１１１１１１１１１１", "•••• 1111"),
            ("4222222222222", "•••• 2222"),
            ("6304000000000000000", "•••• 0000"),
        ] {
            assert_eq!(mask_card_numbers(text), expected, "{text}");
        }
    }

    #[test]
    fn order_and_tracking_numbers_stay() {
        for text in [
            "order 10234",
            "1Z999AA10123456784",
            // Passes Luhn, and UPS's check as well.
            UPS_AND_LUHN,
            "9400111202555842332669",
            "00340434161094042557",
            "41111111111111111111111111",
            "4111111111111112",
            "41.38506389999999",
            "4111 (1111) 1111 1111",
            "",
            "ü 2026-11-21 10:00",
        ] {
            assert_eq!(mask_card_numbers(text), text);
        }
    }

    const UPS_AND_LUHN: &str = "1Z4111111111111160";

    #[test]
    fn what_stays_of_one_number_begins_no_other() {
        // 4242 4242 4242 4242, whose last four and the twelve digits after them are a card number too.
        assert_eq!(
            mask_card_numbers("4242 4242 4242 4242 4242 4242 4242"),
            "•••• •••• 4242"
        );
    }

    #[test]
    fn a_megabyte_is_masked() {
        let text = "4111 1111 1111 1111 ".repeat(52_000);
        assert!(!mask_card_numbers(&text).contains("4111"));
        let text = "7".repeat(1 << 20);
        assert_eq!(mask_card_numbers(&text), text);
    }

    /// Digits, separators and a little else, so that card numbers are frequent.
    fn digits_and_separators() -> impl Strategy<Value = String> {
        prop_oneof![
            r"([0-9]{1,6}[ .\n-]{0,2}){0,14}[a-z]?([0-9]{1,6}[ .-]{0,3}){0,8}",
            r"(4111|1111|4242|[0-9٠-٩０-９]{4}|[ -]| - |x){0,24}",
            any::<String>(),
        ]
    }

    /// Every run of 13 to 19 digits of whole groups, told apart more simply than above.
    fn holds_a_card_number(text: &str) -> bool {
        let groups = text.char_indices().filter(|(at, c)| {
            digit(*c).is_some()
                && text[..*at]
                    .chars()
                    .next_back()
                    .is_none_or(|c| digit(c).is_none())
        });
        groups
            .into_iter()
            .any(|(start, _)| card_number(text, start, &[]).is_some())
    }

    proptest! {
        #[test]
        fn nothing_that_passes_luhn_is_left(text in digits_and_separators()) {
            let masked = mask_card_numbers(&text);
            prop_assert!(!holds_a_card_number(&masked), "{text:?} -> {masked:?}");
        }

        #[test]
        fn masking_again_changes_nothing(text in digits_and_separators()) {
            let masked = mask_card_numbers(&text);
            prop_assert_eq!(mask_card_numbers(&masked), masked.as_ref());
        }

        #[test]
        fn text_without_digits_is_unchanged(text in r"[^\p{Nd}]{0,200}") {
            prop_assert!(matches!(mask_card_numbers(&text), Cow::Borrowed(same) if same == text));
        }

        #[test]
        fn a_card_number_is_masked_in_any_grouping(
            body in prop::collection::vec(0u8..10, 11..18),
            first in 2u8..=6,
            separator in prop::sample::select(vec!["", " ", "-", "\n", " - ", "\u{a0}"]),
            group in 2usize..7,
        ) {
            let mut digits = vec![first];
            digits.extend(body);
            digits.push(0);
            let last = digits.len() - 1;
            digits[last] = (0..10).find(|check| {
                let mut whole = digits.clone();
                whole[last] = *check;
                passes_luhn(&whole)
            }).unwrap();
            let groups: Vec<String> = digits
                .chunks(group)
                .map(|group| group.iter().map(|digit| char::from(b'0' + digit)).collect())
                .collect();
            let text = format!("card {} ok", groups.join(separator));
            let kept: String = digits[last - 3..].iter().map(|digit| char::from(b'0' + digit)).collect();
            prop_assert_eq!(mask_card_numbers(&text), format!("card •••• {kept} ok"));
        }
    }
}
