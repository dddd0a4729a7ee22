//! AfterShip's signature: `aftership-hmac-sha256`, the base64 of the HMAC-SHA256 of the raw body under the webhook secret
//! (<https://www.aftership.com/docs/tracking/webhook/webhook-signature>).

use doorstep_core::webhook::{WebhookRejection, WebhookRequest};
use http::HeaderMap;
use secrecy::SecretString;

use crate::mac::{sign_base64, verify_base64};

const HEADER: &str = "aftership-hmac-sha256";

pub(super) fn verify(
    secret: &SecretString,
    request: &WebhookRequest,
) -> Result<(), WebhookRejection> {
    verify_base64(secret, HEADER, request)
}

pub(super) fn sign(secret: &SecretString, body: &[u8]) -> HeaderMap {
    sign_base64(secret, HEADER, body)
}
