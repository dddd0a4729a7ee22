//! WooCommerce's signature: `X-WC-Webhook-Signature`, the base64 of the HMAC-SHA256 of the raw body under the webhook's secret
//! (`WC_Webhook::generate_signature`).

use doorstep_core::webhook::{WebhookRejection, WebhookRequest};
use http::{HeaderMap, HeaderValue};
use secrecy::SecretString;

use crate::{
    BuildError,
    mac::{sign_base64, verify_base64},
    registry::Sending,
};

const SIGNATURE: &str = "x-wc-webhook-signature";
const TOPIC: &str = "x-wc-webhook-topic";
const DELIVERY_ID: &str = "x-wc-webhook-delivery-id";
/// Longest body of a ping: `webhook_id=` and a number.
const LONGEST_PING: usize = 40;

/// Checks the signature; returns the topic. The topic is not signed, but decides only whether the body is an order. Neither
/// is the delivery's identifier, and WooCommerce gives the same one to all deliveries of a webhook within a second: events
/// are named by what they say.
pub(super) fn verify(
    secret: &SecretString,
    request: &WebhookRequest,
) -> Result<String, WebhookRejection> {
    verify_base64(secret, SIGNATURE, request)?;
    Ok(request.header(TOPIC)?.trim().to_ascii_lowercase())
}

/// Whether this is the unsigned ping that WooCommerce sends when a webhook is saved (`WC_Webhook::deliver_ping`). It says
/// nothing and nothing follows from it, but WooCommerce wants to see it accepted.
pub(super) fn is_ping(request: &WebhookRequest) -> bool {
    let number = request.body.strip_prefix(b"webhook_id=");
    request.body.len() <= LONGEST_PING
        && number.is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

pub(super) fn sign(secret: &SecretString, sending: &Sending<'_>) -> Result<HeaderMap, BuildError> {
    let mut headers = sign_base64(secret, SIGNATURE, sending.body);
    for (name, value) in [
        (TOPIC, sending.event_type.unwrap_or("order.updated")),
        (DELIVERY_ID, sending.id),
    ] {
        let value = HeaderValue::from_str(value).map_err(|_| BuildError::InvalidId {
            id: value.to_owned(),
        })?;
        headers.insert(name, value);
    }
    Ok(headers)
}
