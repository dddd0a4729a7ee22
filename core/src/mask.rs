//! Payment card numbers never stay (G9).

use std::borrow::Cow;

/// Replaces every payment card number in `text` by `•••• 1234` (its last four digits). A card number is 13 to 19
/// digits (ISO/IEC 7812), possibly parted by single spaces or hyphens, that pass the Luhn check and begin with a digit
/// that payment networks use (2 to 6). Called at admission, before anything is stored, logged or understood.
pub fn mask_card_numbers(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut masked = String::new();
    let mut copied = 0;
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() || (at > 0 && bytes[at - 1].is_ascii_digit()) {
            at += 1;
            continue;
        }
        match card_number_at(bytes, at) {
            Some((end, last_four)) => {
                masked.push_str(&text[copied..at]);
                masked.push_str("•••• ");
                masked.extend(last_four.iter().map(|digit| char::from(b'0' + digit)));
                copied = end;
                at = end;
            }
            None => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    masked.push_str(&text[copied..]);
    Cow::Owned(masked)
}

/// The end of the longest card number that starts at `start`, and its last four digits.
fn card_number_at(bytes: &[u8], start: usize) -> Option<(usize, [u8; 4])> {
    let mut digits = Vec::with_capacity(19);
    let mut found = None;
    let mut at = start;
    while at < bytes.len() && digits.len() < 19 {
        let byte = bytes[at];
        if byte.is_ascii_digit() {
            digits.push(byte - b'0');
            at += 1;
            let ends_here = !bytes.get(at).is_some_and(u8::is_ascii_digit);
            if ends_here
                && digits.len() >= 13
                && (2..=6).contains(&digits[0])
                && passes_luhn(&digits)
            {
                let last = digits.len() - 4;
                found = Some((
                    at,
                    [
                        digits[last],
                        digits[last + 1],
                        digits[last + 2],
                        digits[last + 3],
                    ],
                ));
            }
        } else if matches!(byte, b' ' | b'-') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
            at += 1;
        } else {
            break;
        }
    }
    found
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_masked_with_and_without_separators() {
        assert_eq!(
            mask_card_numbers("pay 4111 1111 1111 1111 now"),
            "pay •••• 1111 now"
        );
        assert_eq!(mask_card_numbers("4111-1111-1111-1111"), "•••• 1111");
        assert_eq!(
            mask_card_numbers("a4111111111111111b 378282246310005"),
            "a•••• 1111b •••• 0005"
        );
    }

    #[test]
    fn order_and_tracking_numbers_stay() {
        for text in [
            "order 10234",
            "1Z999AA10123456784",
            "4111111111111112",
            "",
            "ü 2026-11-21 10:00",
        ] {
            assert_eq!(mask_card_numbers(text), text);
        }
    }
}
