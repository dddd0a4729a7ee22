//! 17TRACK's signature: `sign`, the hexadecimal SHA-256 of the raw body, a slash and the account's API key.

use doorstep_core::webhook::{WebhookRejection, WebhookRequest};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::mac::{equal, hexadecimal};

const HEADER: &str = "sign";

fn signature(key: &SecretString, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(body);
    hash.update(b"/");
    hash.update(key.expose_secret().trim().as_bytes());
    hexadecimal(&hash.finalize())
}

pub(super) fn verify(key: &SecretString, request: &WebhookRequest) -> Result<(), WebhookRejection> {
    let given = request.header(HEADER)?.trim().to_ascii_lowercase();
    if equal(given.as_bytes(), signature(key, &request.body).as_bytes()) {
        Ok(())
    } else {
        Err(WebhookRejection::BadSignature)
    }
}

pub(super) fn sign(key: &SecretString, body: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&signature(key, body)) {
        headers.insert(HEADER, value);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}
