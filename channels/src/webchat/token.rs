//! Session tokens: who a visitor is, signed by us and kept by their browser.
//!
//! `base64url(claims) "." base64url(HMAC-SHA256(key, CONTEXT claims))`. Opaque to everybody else; the context keeps a
//! token of another kind that happens to be signed with the same key from being taken for a session.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doorstep_core::{Entropy, Language, Timestamp, customer::Proof};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;

use super::error::WebChatError;

const CONTEXT: &[u8] = b"doorstep webchat session 1\n";

/// No session token of ours is longer; longer ones are not even decoded.
const MAX_TOKEN_BYTES: usize = 4096;

/// How far two clocks may differ, in seconds.
pub(super) const CLOCK_SKEW_SECONDS: i64 = 60;

/// A random visitor identifier of 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct VisitorId(u128);

impl VisitorId {
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for VisitorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for VisitorId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

impl Serialize for VisitorId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VisitorId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A proof and how long it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct DatedProof {
    /// Who the visitor was proven to be.
    pub(super) proof: Proof,
    /// Until when, in Unix seconds.
    pub(super) until: i64,
}

impl DatedProof {
    /// The proof, while it holds.
    pub(super) fn current(&self, now: Timestamp) -> Option<&Proof> {
        (now.timestamp() < self.until).then_some(&self.proof)
    }
}

/// What a session token says. Short names: it travels with every socket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SessionClaims {
    /// The visitor.
    #[serde(rename = "v")]
    pub(super) visitor: VisitorId,
    /// When this token was issued, in Unix seconds.
    #[serde(rename = "i")]
    issued: i64,
    /// The visitor's language.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub(super) language: Option<Language>,
    /// Who the visitor was proven to be. An expired proof stays: the conversation is still that customer's.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub(super) proof: Option<DatedProof>,
}

impl SessionClaims {
    pub(super) fn new(visitor: VisitorId, now: Timestamp) -> Self {
        Self {
            visitor,
            issued: now.timestamp(),
            language: None,
            proof: None,
        }
    }

    /// Whether the visitor may be the customer of `proof`: they were nobody yet, or the same.
    pub(super) fn may_belong_to(&self, proof: Option<&Proof>) -> bool {
        match (&self.proof, proof) {
            (Some(held), Some(new)) => held.proof.customer == new.customer,
            _ => true,
        }
    }

    pub(super) fn current_proof(&self, now: Timestamp) -> Option<&Proof> {
        self.proof.as_ref().and_then(|dated| dated.current(now))
    }

    /// Makes the claims of a fresh token; without a new proof the old one keeps its date.
    pub(super) fn renew(&mut self, now: Timestamp, proof: Option<DatedProof>) {
        self.issued = now.timestamp();
        self.proof = proof.or(self.proof.take());
    }
}

/// Signs and verifies session tokens.
pub(super) struct SessionTokens {
    key: SecretString,
    lifetime_seconds: i64,
}

impl SessionTokens {
    pub(super) fn new(key: SecretString, days: u32) -> Self {
        Self {
            key,
            lifetime_seconds: i64::from(days) * 86_400,
        }
    }

    pub(super) fn sign(&self, claims: &SessionClaims) -> String {
        let body = URL_SAFE_NO_PAD.encode(to_json(claims));
        let signature = self.mac(&body).finalize().into_bytes();
        format!("{body}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// What the token says, if we signed it and it is not too old.
    pub(super) fn verify(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<SessionClaims, WebChatError> {
        self.verified(token, now)
            .ok_or(WebChatError::InvalidSession)
    }

    fn verified(&self, token: &str, now: Timestamp) -> Option<SessionClaims> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let (body, signature) = token.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.mac(body).verify_slice(&signature).ok()?;
        let claims: SessionClaims =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
        let age = now.timestamp() - claims.issued;
        (-CLOCK_SKEW_SECONDS..self.lifetime_seconds)
            .contains(&age)
            .then_some(claims)
    }

    fn mac(&self, body: &str) -> Hmac<Sha256> {
        let mut mac = keyed(&self.key);
        mac.update(CONTEXT);
        mac.update(body.as_bytes());
        mac
    }
}

/// HMAC-SHA256 with `key`.
pub(super) fn keyed(key: &SecretString) -> Hmac<Sha256> {
    #[allow(clippy::expect_used)]
    // RFC 2104: keys of every length are taken, the crate's error is never made
    Hmac::new_from_slice(key.expose_secret().as_bytes()).expect("HMAC takes keys of every length")
}

/// JSON of our own types.
pub(super) fn to_json(value: &impl Serialize) -> String {
    #[allow(clippy::expect_used)]
    // structs of strings and numbers without maps cannot fail to serialise
    serde_json::to_string(value).expect("plain structs serialise")
}
