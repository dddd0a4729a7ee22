//! Standard Webhooks signatures: HMAC-SHA256 of `{id}.{timestamp}.{body}`, in base64, as `v1,…`
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use base64::{Engine, prelude::BASE64_STANDARD};
use doorstep_core::{
    Timestamp,
    webhook::{WebhookRejection, WebhookRequest},
};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::mac::{equal, hmac_sha256};

pub(super) const ID_HEADER: &str = "webhook-id";
const TIMESTAMP_HEADER: &str = "webhook-timestamp";
const SIGNATURE_HEADER: &str = "webhook-signature";
const SECRET_PREFIX: &str = "whsec_";
/// Secrets that the specification generates have 24 to 64 bytes.
const GENERATED_SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Signatures looked at in one header: enough for a rotation, too few to be worth guessing with.
const MOST_SIGNATURES: usize = 8;

/// What cannot be signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSignatureInput {
    /// The secret promises base64 and is not.
    #[error("the secret begins with `whsec_` but is not base64 after it")]
    Secret,
    /// The id is not visible ASCII.
    #[error("the event's id cannot stand in a header: use visible ASCII characters")]
    Id,
}

/// The keys that a configured secret stands for.
pub(super) struct SigningKeys {
    signing: SecretSlice<u8>,
    /// Standard Webhooks libraries read a secret without prefix as base64, people's own scripts as it stands. Both come
    /// from the same secret, so both are accepted.
    also_accepted: Option<SecretSlice<u8>>,
}

impl SigningKeys {
    /// Reads `whsec_` + base64, or any other text as it stands.
    pub(super) fn parse(secret: &SecretString) -> Result<Self, InvalidSignatureInput> {
        let secret = secret.expose_secret().trim();
        if let Some(encoded) = secret.strip_prefix(SECRET_PREFIX) {
            let key = BASE64_STANDARD
                .decode(encoded)
                .ok()
                .filter(|key| !key.is_empty())
                .ok_or(InvalidSignatureInput::Secret)?;
            return Ok(Self {
                signing: key.into(),
                also_accepted: None,
            });
        }
        let decoded = BASE64_STANDARD
            .decode(secret)
            .ok()
            .filter(|key| GENERATED_SECRET_BYTES.contains(&key.len()));
        Ok(Self {
            signing: secret.as_bytes().to_vec().into(),
            also_accepted: decoded.map(Into::into),
        })
    }

    fn accepted(&self) -> impl Iterator<Item = &SecretSlice<u8>> {
        std::iter::once(&self.signing).chain(&self.also_accepted)
    }

    /// The headers of a signed request.
    pub(super) fn sign(
        &self,
        id: &str,
        sent_at: Timestamp,
        body: &[u8],
    ) -> Result<HeaderMap, InvalidSignatureInput> {
        let timestamp = sent_at.timestamp().to_string();
        let signature = format!("v1,{}", signature(&self.signing, id, &timestamp, body));
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (ID_HEADER, id),
            (TIMESTAMP_HEADER, timestamp.as_str()),
            (SIGNATURE_HEADER, signature.as_str()),
        ] {
            headers.insert(name, visible(value)?);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(headers)
    }
}

/// A header's value that every server reads back; of ours only the id can fail.
fn visible(value: &str) -> Result<HeaderValue, InvalidSignatureInput> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(InvalidSignatureInput::Id);
    }
    HeaderValue::from_str(value).map_err(|_| InvalidSignatureInput::Id)
}

/// The signature itself, in base64.
fn signature(key: &SecretSlice<u8>, id: &str, timestamp: &str, body: &[u8]) -> String {
    let parts = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    BASE64_STANDARD.encode(hmac_sha256(key.expose_secret(), &parts))
}

/// Checks signature and replay window; returns the event's id. The signature comes first: a stranger learns nothing about
/// our clock.
pub(super) fn verify<'a>(
    keys: &SigningKeys,
    tolerance_s: u32,
    request: &'a WebhookRequest,
) -> Result<&'a str, WebhookRejection> {
    let id = request.header(ID_HEADER)?;
    let timestamp = request.header(TIMESTAMP_HEADER)?;
    let signatures = request.header(SIGNATURE_HEADER)?;
    let seconds: i64 = timestamp
        .parse()
        .map_err(|_| WebhookRejection::MissingHeader {
            name: TIMESTAMP_HEADER,
        })?;
    if !any_fits(keys, id, timestamp, &request.body, signatures) {
        return Err(WebhookRejection::BadSignature);
    }
    let away = request
        .received_at
        .timestamp()
        .saturating_sub(seconds)
        .saturating_abs();
    let allowed = i64::from(tolerance_s);
    if away > allowed {
        return Err(WebhookRejection::OutsideReplayWindow {
            seconds: away,
            allowed,
        });
    }
    Ok(id)
}

/// Whether one of the space-separated signatures fits. Versions other than `v1` are somebody else's scheme.
fn any_fits(keys: &SigningKeys, id: &str, timestamp: &str, body: &[u8], signatures: &str) -> bool {
    let expected: Vec<String> = keys
        .accepted()
        .map(|key| signature(key, id, timestamp, body))
        .collect();
    signatures
        .split_ascii_whitespace()
        .filter_map(|signature| signature.strip_prefix("v1,"))
        .take(MOST_SIGNATURES)
        .any(|given| {
            expected
                .iter()
                .any(|expected| equal(given.as_bytes(), expected.as_bytes()))
        })
}
