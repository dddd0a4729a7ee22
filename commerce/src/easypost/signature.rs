//! EasyPost's signature: `x-hmac-signature: hmac-sha256-hex=` + the hexadecimal HMAC-SHA256 of the raw body. The key is the
//! webhook secret in Unicode normal form NFKD, as UTF-8 (`validate_webhook` of EasyPost's client libraries).

use doorstep_core::webhook::{WebhookRejection, WebhookRequest};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use unicode_normalization::UnicodeNormalization;

use crate::mac::{equal, hexadecimal, hmac_sha256};

const HEADER: &str = "x-hmac-signature";
const PREFIX: &str = "hmac-sha256-hex=";

/// The key that a configured secret stands for.
pub(super) struct SigningKey(SecretSlice<u8>);

impl SigningKey {
    pub(super) fn parse(secret: &SecretString) -> Self {
        let normal: String = secret.expose_secret().nfkd().collect();
        Self(normal.into_bytes().into())
    }

    fn signature(&self, body: &[u8]) -> String {
        let code = hmac_sha256(self.0.expose_secret(), &[body]);
        format!("{PREFIX}{}", hexadecimal(&code))
    }

    pub(super) fn sign(&self, body: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(&self.signature(body)) {
            headers.insert(HEADER, value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers
    }
}

/// Checks the signature.
pub(super) fn verify(key: &SigningKey, request: &WebhookRequest) -> Result<(), WebhookRejection> {
    let given = request.header(HEADER)?.trim().to_ascii_lowercase();
    let expected = key.signature(&request.body);
    if equal(given.as_bytes(), expected.as_bytes()) {
        Ok(())
    } else {
        Err(WebhookRejection::BadSignature)
    }
}
