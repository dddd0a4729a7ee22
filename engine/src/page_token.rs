//! Tokens of the pages that customers open from a message: whoever has the link may see that page, and nothing else.
//!
//! `base64url(end in hours since 1970, customer, order number; first 128 bits of HMAC-SHA256(key, CONTEXT before))`. The
//! signature makes them unguessable and holds what they are for, so no table is needed. The tracking page and the
//! preference page have a context each, so that a token of one never opens the other.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use doorstep_core::{CustomerId, OrderNumber, Timestamp, notification::Topic};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

const TRACKING: &[u8] = b"doorstep tracking page 1\n";
const PREFERENCES: &[u8] = b"doorstep preference page 1\n";
/// What stands before a tracking page's token.
pub(crate) const TRACKING_PATH: &str = "/track/";
const PREFERENCES_PATH: &str = "/preferences/";
const SIGNATURE: usize = 16;
const END: usize = 4;
const CUSTOMER: usize = 16;
/// Longer ones are not ours and are not looked at.
const MAX_TOKEN: usize = 512;
const HOUR_SECONDS: i64 = 3600;

/// How long a tracking page opens: long enough for a return.
pub const TRACKING_LIFETIME: TimeDelta = TimeDelta::days(90);
/// How long a preference page opens: people unsubscribe by mails that they find again.
pub const PREFERENCES_LIFETIME: TimeDelta = TimeDelta::days(400);

/// Signs the tokens of customers' pages.
#[derive(Debug, Clone)]
pub struct PageKey(SecretString);

/// What a tracking page shows: one order of one customer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TrackingScope {
    /// Whose.
    pub customer: CustomerId,
    /// Which.
    pub order: OrderNumber,
}

impl PageKey {
    /// Over a secret of the program's own.
    pub fn new(secret: SecretString) -> Self {
        Self(secret)
    }

    /// A token that opens one order's tracking page from `now` on for [`TRACKING_LIFETIME`].
    pub fn tracking_token(&self, scope: &TrackingScope, now: Timestamp) -> String {
        let end = now + TRACKING_LIFETIME;
        self.seal(TRACKING, end, scope.customer, scope.order.as_str())
    }

    /// What a tracking token opens at `now`; `None` when it was not made here or has ended.
    pub fn open_tracking(&self, token: &str, now: Timestamp) -> Option<TrackingScope> {
        let (customer, order) = self.unseal(TRACKING, token, now)?;
        Some(TrackingScope {
            customer,
            order: OrderNumber(order),
        })
    }

    /// A token that opens one customer's preference page from `now` on for [`PREFERENCES_LIFETIME`].
    pub fn preference_token(&self, customer: CustomerId, now: Timestamp) -> String {
        self.seal(PREFERENCES, now + PREFERENCES_LIFETIME, customer, "")
    }

    /// Whose preferences a token opens at `now`; `None` when it was not made here or has ended.
    pub fn open_preferences(&self, token: &str, now: Timestamp) -> Option<CustomerId> {
        let (customer, rest) = self.unseal(PREFERENCES, token, now)?;
        rest.is_empty().then_some(customer)
    }

    fn seal(&self, context: &[u8], end: Timestamp, customer: CustomerId, order: &str) -> String {
        let end = u32::try_from(end.timestamp() / HOUR_SECONDS).unwrap_or(u32::MAX);
        let mut bytes = end.to_be_bytes().to_vec();
        bytes.extend(customer.0.as_bytes());
        bytes.extend(order.as_bytes());
        let signature = self.sign(context, &bytes);
        bytes.extend(signature);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn unseal(&self, context: &[u8], token: &str, now: Timestamp) -> Option<(CustomerId, String)> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (told, signature) = bytes.split_at_checked(bytes.len().checked_sub(SIGNATURE)?)?;
        if !bool::from(self.sign(context, told).ct_eq(signature)) {
            return None;
        }
        let (end, rest) = told.split_first_chunk::<END>()?;
        let (customer, order) = rest.split_first_chunk::<CUSTOMER>()?;
        if now.timestamp() / HOUR_SECONDS >= i64::from(u32::from_be_bytes(*end)) {
            return None;
        }
        let order = String::from_utf8(order.to_vec()).ok()?;
        Some((CustomerId(uuid::Uuid::from_bytes(*customer)), order))
    }

    fn sign(&self, context: &[u8], told: &[u8]) -> [u8; SIGNATURE] {
        // Keys of any length are taken.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose_secret().as_bytes()) else {
            unreachable!("HMAC takes keys of any length")
        };
        mac.update(context);
        mac.update(told);
        let signature = mac.finalize().into_bytes();
        std::array::from_fn(|index| signature[index])
    }
}

/// Addresses of customers' pages.
#[derive(Debug, Clone)]
pub struct PageLinks {
    public_url: String,
    key: PageKey,
}

impl PageLinks {
    /// Below `public_url`, which has no slash at its end.
    pub fn new(public_url: String, key: PageKey) -> Self {
        Self { public_url, key }
    }

    /// Where one order's parcels are followed.
    pub fn tracking_url(&self, scope: &TrackingScope, now: Timestamp) -> String {
        let token = self.key.tracking_token(scope, now);
        format!("{}{TRACKING_PATH}{token}", self.public_url)
    }

    /// Where a customer says what they want to hear; the one-click POST of RFC 8058 stops `topic` there.
    pub fn preferences_url(&self, customer: CustomerId, topic: Topic, now: Timestamp) -> String {
        let token = self.key.preference_token(customer, now);
        let asked = match topic {
            Topic::Order => "?topic=order",
            Topic::Marketing => "",
        };
        format!("{}{PREFERENCES_PATH}{token}{asked}", self.public_url)
    }
}

/// A text without the tokens of the links in it: they tell when it was written, and nothing that is said.
pub(crate) fn without_tokens(text: &str) -> String {
    let is_token = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    [TRACKING_PATH, PREFERENCES_PATH]
        .into_iter()
        .fold(text.to_owned(), |text, path| {
            let mut parts = text.split(path);
            let mut kept = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                kept.push_str(path);
                kept.push_str(part.trim_start_matches(is_token));
            }
            kept
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> TrackingScope {
        TrackingScope {
            customer: CustomerId(uuid::Uuid::from_u128(7)),
            order: "10234".into(),
        }
    }

    #[test]
    fn a_token_opens_what_it_was_made_for_until_its_end() {
        let key = PageKey::new("a secret of this program".into());
        let now = Timestamp::UNIX_EPOCH + TimeDelta::days(20_000);
        let token = key.tracking_token(&scope(), now);
        let open = |after| key.open_tracking(&token, now + after);
        assert_eq!(open(TimeDelta::zero()), Some(scope()));
        assert_eq!(open(TimeDelta::days(89)), Some(scope()));
        assert_eq!(open(TimeDelta::days(90)), None);
        let mine = key.preference_token(scope().customer, now);
        assert_eq!(key.open_preferences(&mine, now), Some(scope().customer));
        assert_eq!(
            key.open_preferences(&mine, now + PREFERENCES_LIFETIME),
            None
        );
    }

    #[test]
    fn a_text_is_compared_without_what_only_its_links_say() {
        let now = Timestamp::UNIX_EPOCH;
        let links = |key| {
            let pages = PageLinks::new("https://shop.example".to_owned(), PageKey::new(key));
            let customer = scope().customer;
            let track = pages.tracking_url(&scope(), now);
            let choose = pages.preferences_url(customer, Topic::Order, now);
            without_tokens(&format!("Here: {track}. Or {choose}"))
        };
        let told =
            "Here: https://shop.example/track/. Or https://shop.example/preferences/?topic=order";
        assert_eq!(links("one".into()), told);
        assert_eq!(links("other".into()), told);
        assert_eq!(without_tokens("plain words"), "plain words");
    }

    #[test]
    fn only_our_own_tokens_open_and_each_only_its_own_page() {
        let key = PageKey::new("a secret of this program".into());
        let other = PageKey::new("another secret".into());
        let now = Timestamp::UNIX_EPOCH;
        let token = key.tracking_token(&scope(), now);
        for stranger in [
            other.tracking_token(&scope(), now),
            key.preference_token(scope().customer, now),
            String::new(),
            "x".to_owned(),
            token[1..].to_owned(),
            token.repeat(2),
            "A".repeat(100_000),
        ] {
            assert_eq!(key.open_tracking(&stranger, now), None, "{stranger}");
        }
        assert_eq!(key.open_preferences(&token, now), None);
        let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for index in 0..bytes.len() {
            bytes[index] ^= 1;
            let changed = URL_SAFE_NO_PAD.encode(&bytes);
            assert_eq!(key.open_tracking(&changed, now), None, "byte {index}");
            bytes[index] ^= 1;
        }
    }
}
