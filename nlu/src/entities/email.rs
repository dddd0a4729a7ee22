//! E-mail addresses.

use std::sync::LazyLock;

use doorstep_core::understanding::EntityKind;
use regex::Regex;

use super::{Found, Reading, fixed};

/// The longest address that can be delivered to (RFC 5321, section 4.5.3.1, with RFC 3696 erratum 1690).
const LONGEST: usize = 254;

/// What people type as an address: a small part of what RFC 5322 allows, in ASCII.
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)[a-z0-9][a-z0-9._%+'-]{0,63}@[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+",
    )
});

pub(super) fn find(reading: &Reading<'_>) -> Vec<Found> {
    ADDRESS
        .find_iter(reading.text)
        .filter(|address| address.len() <= LONGEST)
        .map(|address| {
            let value = address.as_str().to_ascii_lowercase();
            Found::new(EntityKind::Email, value, address.range())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::values;
    use super::*;

    #[test]
    fn addresses_are_found_in_lower_case_without_the_full_stop_after_them() {
        assert_eq!(
            values(
                EntityKind::Email,
                "en",
                "it's Ana+Shop@Example.CO.uk. Thanks"
            ),
            ["ana+shop@example.co.uk"]
        );
        assert_eq!(
            values(
                EntityKind::Email,
                "en",
                "<max_m+1@mail.example.org>, or bob@example.com!"
            ),
            ["max_m+1@mail.example.org", "bob@example.com"]
        );
        assert!(values(EntityKind::Email, "en", "@shop a@b x@.com").is_empty());
    }
}
