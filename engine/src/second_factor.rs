//! Comparing a second factor with an order: its e-mail address or its postcode opens it to whoever names both (G5).
//!
//! The same comparisons happen whether or not the order exists and whatever it lacks, in constant time.

use async_trait::async_trait;
use doorstep_core::{health::PortError, order::Order};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How many second factors may miss in a row: in one conversation, and for one order, whoever tries it wherever.
pub const MAX_WRONG_TRIES: u32 = 3;
/// After that, a conversation tries none for so long, and an order regains all its tries (one after a third of it).
pub const COOL_DOWN: chrono::TimeDelta = chrono::TimeDelta::minutes(30);

/// Whether a second factor may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Try {
    /// And another one after it.
    Allowed,
    /// If this one misses, none for a while.
    Last,
    /// Not now.
    Refused,
}

/// Counts tries of second factors by order. The store does; it is a port so that the dialogue can be tested without one.
#[async_trait]
pub trait Tries: Send + Sync {
    /// Takes a try before the factor is compared. `order` need not exist: whoever looks for one learns nothing from it.
    ///
    /// # Errors
    /// None was taken: nothing may be compared.
    async fn begin_try(&self, order: &str) -> Result<Try, PortError>;

    /// The factor fitted.
    ///
    /// # Errors
    /// The tries still count.
    async fn forget_tries(&self, order: &str) -> Result<(), PortError>;
}

/// Under what an order's tries are counted: a digest, because strangers may write anything in an order's place.
pub(crate) fn scope_of(order: &str) -> String {
    use std::fmt::Write;
    let digest = Sha256::digest(plain_form(order).as_bytes());
    let mut scope = "second_factor:".to_owned();
    for byte in digest {
        // Writing into a text does not fail.
        let _ = write!(scope, "{byte:02x}");
    }
    scope
}

/// Whether `factor` is the e-mail address or the postcode of the order. Nothing fits where there is no order.
pub fn opens(order: Option<&Order>, factor: &str) -> bool {
    let part =
        |read: fn(&Order) -> Option<&String>| order.and_then(read).map_or("", String::as_str);
    let email = fits(
        factor,
        part(|order| order.customer.email.as_ref()),
        email_form,
    );
    let postcode = fits(factor, part(|order| order.postcode.as_ref()), plain_form);
    (email | postcode) & order.is_some()
}

/// Compares digests, so that time tells neither length nor content. An empty secret fits nothing.
fn fits(given: &str, secret: &str, form: fn(&str) -> String) -> bool {
    let (given, secret) = (form(given), form(secret));
    let given = Sha256::digest(given.as_bytes());
    let is_empty = secret.is_empty();
    let secret = Sha256::digest(secret.as_bytes());
    bool::from(given.as_slice().ct_eq(secret.as_slice())) & !is_empty
}

fn email_form(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Postcodes are written with and without spaces and hyphens, orders with and without `#`.
fn plain_form(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_uppercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_postcode_fits_however_it_is_spaced_and_an_address_in_any_case() {
        assert!(fits("ls63hn", "LS6 3HN", plain_form));
        assert!(fits("1000-001", "1000 001", plain_form));
        assert!(fits(" Emily@Example.com", "emily@example.com", email_form));
    }

    #[test]
    fn nothing_fits_an_order_without_the_fact() {
        assert!(!fits("", "", email_form));
        assert!(!fits("-", "", plain_form));
        assert!(!opens(None, "28012"));
    }
}
