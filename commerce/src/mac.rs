//! HMAC-SHA256 (RFC 2104) and comparison in constant time, for every source that signs with it.

use std::fmt::Write;

use base64::{Engine, prelude::BASE64_STANDARD};
use doorstep_core::webhook::{WebhookRejection, WebhookRequest};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The authentication code of the concatenated `parts`.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length: `InvalidLength` does not occur.
    #[allow(clippy::expect_used)]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Whether two signatures are equal, in a time that tells nothing about where they differ.
pub(crate) fn equal(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// Checks a header that holds the base64 of the HMAC-SHA256 of the raw body.
pub(crate) fn verify_base64(
    secret: &SecretString,
    header: &'static str,
    request: &WebhookRequest,
) -> Result<(), WebhookRejection> {
    let given = request.header(header)?.trim();
    let key = secret.expose_secret().trim().as_bytes();
    let expected = BASE64_STANDARD.encode(hmac_sha256(key, &[&request.body]));
    if equal(given.as_bytes(), expected.as_bytes()) {
        Ok(())
    } else {
        Err(WebhookRejection::BadSignature)
    }
}

/// The headers that [`verify_base64`] accepts, with the body's type.
pub(crate) fn sign_base64(secret: &SecretString, header: &'static str, body: &[u8]) -> HeaderMap {
    let key = secret.expose_secret().trim().as_bytes();
    let signature = BASE64_STANDARD.encode(hmac_sha256(key, &[body]));
    let mut headers = HeaderMap::new();
    // Base64 is visible ASCII.
    if let Ok(value) = HeaderValue::from_str(&signature) {
        headers.insert(header, value);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}

/// Lower-case hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_that_of_rfc_4231() {
        let code = hmac_sha256(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(code[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        assert_eq!(code[28..], [0x64, 0xec, 0x38, 0x43]);
    }
}
