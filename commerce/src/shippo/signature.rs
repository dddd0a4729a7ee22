//! How Shippo's webhooks are verified (<https://docs.goshippo.com/docs/tracking/webhooksecurity>), in the order of strength:
//!
//! - `Shippo-Auth-Signature: t=<Unix seconds>,v1=<hex>`, the HMAC-SHA256 of `<t>.<body>`; Shippo sets it up on request;
//! - `?token=<secret>` at the end of the webhook's address, for every account. It proves who speaks, not what is said, and
//!   covers no time.

use doorstep_core::{
    Timestamp,
    webhook::{WebhookRejection, WebhookRequest},
};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    mac::{equal, hexadecimal, hmac_sha256},
    window,
};

const HEADER: &str = "shippo-auth-signature";
const PARAMETER: &str = "token";

/// Checks the signature and its time where there is one, else the token.
pub(super) fn verify(
    secret: &SecretString,
    request: &WebhookRequest,
    tolerance_s: u32,
) -> Result<(), WebhookRejection> {
    if request.headers.contains_key(HEADER) {
        return verify_signature(secret, request, tolerance_s);
    }
    let token = token(&request.query).ok_or(WebhookRejection::MissingHeader { name: HEADER })?;
    if equal(token.as_bytes(), secret.expose_secret().trim().as_bytes()) {
        Ok(())
    } else {
        Err(WebhookRejection::BadSignature)
    }
}

fn verify_signature(
    secret: &SecretString,
    request: &WebhookRequest,
    tolerance_s: u32,
) -> Result<(), WebhookRejection> {
    let header = request.header(HEADER)?;
    let field = |name: &str| {
        header
            .split(',')
            .filter_map(|field| field.trim().split_once('='))
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    };
    let (Some(time), Some(given)) = (field("t"), field("v1")) else {
        return Err(WebhookRejection::MissingHeader { name: HEADER });
    };
    let expected = signature(secret, time, &request.body);
    if !equal(given.to_ascii_lowercase().as_bytes(), expected.as_bytes()) {
        return Err(WebhookRejection::BadSignature);
    }
    let sent_at = time
        .parse()
        .ok()
        .and_then(|seconds| Timestamp::from_timestamp(seconds, 0))
        .ok_or(WebhookRejection::MissingHeader { name: HEADER })?;
    window::check(request.received_at, sent_at, tolerance_s)
}

fn signature(secret: &SecretString, time: &str, body: &[u8]) -> String {
    let key = secret.expose_secret().trim().as_bytes();
    hexadecimal(&hmac_sha256(key, &[time.as_bytes(), b".", body]))
}

/// The token of a query string. Tokens are made of letters, digits, `-`, `.`, `_` and `~`, so that nothing is escaped.
fn token(query: &str) -> Option<&str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| *name == PARAMETER)
        .map(|(_, value)| value)
}

pub(super) fn sign(secret: &SecretString, sent_at: Timestamp, body: &[u8]) -> HeaderMap {
    let time = sent_at.timestamp().to_string();
    let value = format!("t={time},v1={}", signature(secret, &time, body));
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&value) {
        headers.insert(HEADER, value);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}
