//! Webhooks: that they come from Meta, and what they bring.
//!
//! Meta: "Create a webhook endpoint" (verification by `GET`, `X-Hub-Signature-256` over the raw body; redelivered for up to
//! seven days), "messages webhook reference" and "status messages webhook reference".

use chrono::TimeDelta;
use doorstep_core::{
    OutboundMessageId, Timestamp,
    channel::{ReceiptStatus, ReceiptUpdate, WebhookOutcome},
    webhook::{WebhookRejection, WebhookRequest},
};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{
    address::Numbers,
    error::{GraphError, Step},
    inbound::{self, Incoming, Place, string, timestamp},
};

/// A webhook whose newest news is older than this was not sent by Meta now: it redelivers for seven days.
const REPLAY_WINDOW: TimeDelta = TimeDelta::days(8);
/// Meta's challenges are numbers of some ten digits.
const LONGEST_CHALLENGE: usize = 200;
/// Marks the parts of a message before its last one in `biz_opaque_callback_data`.
const PART_MARK: char = '+';

/// Answers Meta's question whether the webhook's address is ours.
pub(super) fn verify(
    request: &WebhookRequest,
    token: &SecretString,
) -> Result<WebhookOutcome, WebhookRejection> {
    let url = format!("http://localhost/?{}", request.query);
    let url = reqwest::Url::parse(&url).map_err(|error| malformed(error.to_string()))?;
    let find = |name: &str| {
        url.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    if find("hub.mode").as_deref() != Some("subscribe") {
        return Err(malformed("hub.mode is not `subscribe`".to_owned()));
    }
    let shown = find("hub.verify_token").unwrap_or_default();
    let expected = token.expose_secret().as_bytes();
    if expected.is_empty() || !bool::from(shown.as_bytes().ct_eq(expected)) {
        return Err(WebhookRejection::BadSignature);
    }
    let challenge = find("hub.challenge").unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let usable = (1..=LONGEST_CHALLENGE).contains(&challenge.len());
    if !usable || !challenge.bytes().all(plain) {
        return Err(malformed(
            "hub.challenge is missing or no challenge".to_owned(),
        ));
    }
    Ok(WebhookOutcome {
        reply: Some(challenge),
        ..WebhookOutcome::default()
    })
}

/// Checks the signature of a webhook, in constant time and over exactly the bytes that came.
pub(super) fn check_signature(
    request: &WebhookRequest,
    secret: &SecretString,
) -> Result<(), WebhookRejection> {
    let header = request.header("x-hub-signature-256")?;
    let given = header
        .strip_prefix("sha256=")
        .and_then(from_hex)
        .ok_or(WebhookRejection::BadSignature)?;
    mac(secret.expose_secret().as_bytes(), &request.body)
        .and_then(|mac| mac.verify_slice(&given).ok())
        .ok_or(WebhookRejection::BadSignature)
}

fn mac(key: &[u8], body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(body);
    Some(mac)
}

/// HMAC-SHA256 as Meta writes it: in hexadecimal.
pub(super) fn sign(key: &[u8], body: &[u8]) -> String {
    let code = mac(key, body).map(|mac| mac.finalize().into_bytes());
    code.iter()
        .flatten()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pairs = text.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

/// What `biz_opaque_callback_data` says of a part of a message.
pub(super) fn callback_data(message: OutboundMessageId, part: usize, parts: usize) -> String {
    match part + 1 == parts {
        true => message.to_string(),
        false => format!("{message}{PART_MARK}{part}"),
    }
}

/// Reads a webhook whose signature was checked.
///
/// # Errors
/// It is not a webhook of WhatsApp, or an old one sent anew. A single message that cannot be read is no reason to refuse the
/// others beside it.
pub(super) fn read(
    request: &WebhookRequest,
    numbers: &Numbers,
) -> Result<WebhookOutcome, WebhookRejection> {
    let body: Value = serde_json::from_slice(&request.body)
        .map_err(|error| malformed(format!("it is not JSON: {error}")))?;
    match string(&body, "/object") {
        Some("whatsapp_business_account") => {}
        Some(other) => {
            return Err(WebhookRejection::Unsupported {
                found: other.chars().take(40).collect(),
                supported: "whatsapp_business_account".to_owned(),
            });
        }
        None => return Err(malformed("`object` is missing".to_owned())),
    }
    let mut reading = Reading {
        numbers,
        received_at: request.received_at,
        newest: None,
        outcome: WebhookOutcome::default(),
    };
    for entry in list(&body, "entry") {
        for change in list(entry, "changes") {
            reading.change(change);
        }
    }
    if let Some(age) = reading.newest.map(|newest| request.received_at - newest)
        && age > REPLAY_WINDOW
    {
        return Err(WebhookRejection::OutsideReplayWindow {
            seconds: age.num_seconds(),
            allowed: REPLAY_WINDOW.num_seconds(),
        });
    }
    Ok(reading.outcome)
}

struct Reading<'a> {
    numbers: &'a Numbers,
    received_at: Timestamp,
    newest: Option<Timestamp>,
    outcome: WebhookOutcome,
}

impl Reading<'_> {
    fn change(&mut self, change: &Value) {
        let value = &change["value"];
        match string(change, "/field") {
            Some("messages") => self.messages(value),
            Some(field) => about_the_account(field, value),
            None => tracing::warn!("a change in a webhook of WhatsApp does not name its field"),
        }
    }

    fn messages(&mut self, value: &Value) {
        let phone_number_id = string(value, "/metadata/phone_number_id").unwrap_or_default();
        if !self.numbers.holds(phone_number_id) {
            tracing::warn!(
                phone_number_id = %phone_number_id.chars().take(40).collect::<String>(),
                "WhatsApp told of a number that [channels.whatsapp] does not have"
            );
            return;
        }
        for error in list(value, "errors") {
            tracing::warn!(error = %GraphError::read(error), "WhatsApp told of an error");
        }
        let place = Place {
            numbers: self.numbers,
            phone_number_id,
            contacts: list(value, "contacts"),
            received_at: self.received_at,
        };
        for message in list(value, "messages") {
            self.newest = self.newest.max(timestamp(message));
            match inbound::read(message, &place) {
                Incoming::Message(message) => self.outcome.messages.push(*message),
                Incoming::Closed(address, reason) => self.outcome.closed.push((address, reason)),
                Incoming::Nothing(reason) => tracing::debug!(reason, "a message was left out"),
            }
        }
        for status in list(value, "statuses") {
            self.newest = self.newest.max(timestamp(status));
            let receipt = receipt(status, self.received_at);
            self.outcome.receipts.extend(receipt);
        }
    }
}

/// What became of one of our messages; `None` for calls, groups, states that we do not know, and the good news of a part
/// that is not the last.
fn receipt(status: &Value, received_at: Timestamp) -> Option<ReceiptUpdate> {
    let one_of_many = string(status, "/recipient_type") == Some("group");
    if one_of_many || string(status, "/type") == Some("call") {
        return None;
    }
    let data = string(status, "/biz_opaque_callback_data").unwrap_or_default();
    let (message, part) = match data.split_once(PART_MARK) {
        Some((message, _)) => (message, true),
        None => (data, false),
    };
    let message: Option<OutboundMessageId> = message.parse().ok();
    let part = part && message.is_some();
    let status_now = match string(status, "/status")? {
        "failed" => failure(status),
        _ if part => return None,
        "sent" => ReceiptStatus::Sent,
        "delivered" => ReceiptStatus::Delivered,
        "read" | "played" => ReceiptStatus::Read,
        _ => return None,
    };
    let id = string(status, "/id").filter(|id| !part && !id.is_empty());
    if id.is_none() && message.is_none() {
        return None;
    }
    Some(ReceiptUpdate {
        provider_id: id.map(str::to_owned),
        message,
        status: status_now,
        at: timestamp(status).unwrap_or(received_at),
    })
}

fn failure(status: &Value) -> ReceiptStatus {
    let error = list(status, "errors").first().map(GraphError::read);
    let Some(error) = error else {
        return ReceiptStatus::Failed {
            reason: "WhatsApp did not deliver it and does not say why".to_owned(),
            gone: false,
        };
    };
    ReceiptStatus::Failed {
        reason: error.to_string(),
        gone: error.step() == Step::Gone,
    }
}

/// News of the account, the numbers and the templates: for the operator, in the log.
fn about_the_account(field: &str, value: &Value) {
    let field: String = field.chars().take(60).collect();
    let event: String = string(value, "/event")
        .unwrap_or_default()
        .chars()
        .take(60)
        .collect();
    match field.as_str() {
        "message_template_status_update" => {
            let template = string(value, "/message_template_name").unwrap_or_default();
            let reason = string(value, "/reason").unwrap_or_default();
            tracing::warn!(template, event, reason, "the state of a template changed");
        }
        "account_alerts"
        | "account_review_update"
        | "account_update"
        | "business_capability_update"
        | "phone_number_name_update"
        | "phone_number_quality_update"
        | "template_category_update"
        | "message_template_quality_update" => {
            tracing::warn!(field, event, "WhatsApp has news of the account");
        }
        _ => tracing::debug!(field, "a webhook of WhatsApp was left out"),
    }
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

fn malformed(reason: String) -> WebhookRejection {
    WebhookRejection::Malformed { reason }
}
