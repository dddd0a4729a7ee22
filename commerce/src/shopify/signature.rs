//! Shopify's signature: `X-Shopify-Hmac-Sha256`, the base64 of the HMAC-SHA256 of the raw body under the app's client secret
//! (<https://shopify.dev/docs/apps/build/webhooks/subscribe/https>).

use doorstep_core::{
    Timestamp,
    webhook::{WebhookRejection, WebhookRequest},
};
use http::{HeaderMap, HeaderValue};
use secrecy::SecretString;

use crate::{
    BuildError,
    body::{identifier, instant},
    mac::{sign_base64, verify_base64},
    registry::Sending,
    window,
};

const SIGNATURE: &str = "x-shopify-hmac-sha256";
const TOPIC: &str = "x-shopify-topic";
const WEBHOOK_ID: &str = "x-shopify-webhook-id";
const EVENT_ID: &str = "x-shopify-event-id";
const TRIGGERED_AT: &str = "x-shopify-triggered-at";

/// What the headers of a verified delivery say.
pub(super) struct Delivery {
    pub(super) topic: String,
    /// The same on every repetition of this delivery.
    pub(super) id: String,
    /// When the event happened; for want of it, when it arrived.
    pub(super) triggered_at: Timestamp,
}

/// Checks the signature and, where Shopify tells it, the time.
pub(super) fn verify(
    secret: &SecretString,
    request: &WebhookRequest,
    tolerance_s: u32,
) -> Result<Delivery, WebhookRejection> {
    verify_base64(secret, SIGNATURE, request)?;
    let topic = request.header(TOPIC)?.trim().to_ascii_lowercase();
    let triggered_at = match request.header(TRIGGERED_AT) {
        Ok(text) => {
            let triggered_at = instant(TRIGGERED_AT, text)?;
            window::check(request.received_at, triggered_at, tolerance_s)?;
            triggered_at
        }
        Err(_) => request.received_at,
    };
    Ok(Delivery {
        id: delivery_id(request, &topic)?,
        topic,
        triggered_at,
    })
}

/// The delivery's own identifier, or the event's with the topic: one event may be told under several topics.
fn delivery_id(request: &WebhookRequest, topic: &str) -> Result<String, WebhookRejection> {
    match (request.header(WEBHOOK_ID), request.header(EVENT_ID)) {
        (Ok(id), _) => identifier(WEBHOOK_ID, id),
        (Err(_), Ok(id)) => identifier(EVENT_ID, &format!("{topic} {}", id.trim())),
        (Err(missing), Err(_)) => Err(missing),
    }
}

pub(super) fn sign(secret: &SecretString, sending: &Sending<'_>) -> Result<HeaderMap, BuildError> {
    let mut headers = sign_base64(secret, SIGNATURE, sending.body);
    let triggered_at = sending.sent_at.to_rfc3339();
    for (name, value) in [
        (TOPIC, sending.event_type.unwrap_or("orders/updated")),
        (WEBHOOK_ID, sending.id),
        (TRIGGERED_AT, &triggered_at),
    ] {
        let value = HeaderValue::from_str(value).map_err(|_| BuildError::InvalidId {
            id: value.to_owned(),
        })?;
        headers.insert(name, value);
    }
    Ok(headers)
}
