//! Webhooks out: signed, in order, and delivered again until they are taken.

use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{Options, World};
use crate::{
    simulator::SimulatorError,
    whatsapp::{config::Number, graph, webhook::sign},
};

/// How often a webhook is delivered that is not taken; Meta tries for seven days.
const ATTEMPTS: u32 = 6;
/// The pause after the first attempt; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(50);

/// Carries webhooks to the channel.
pub(super) struct Courier {
    queue: mpsc::UnboundedSender<Value>,
    http: Client,
    webhook: String,
    verify_token: String,
}

impl Courier {
    pub(super) fn start(options: &Options) -> Result<(Self, JoinHandle<()>), SimulatorError> {
        let failed = |error: reqwest::Error| SimulatorError::Failed {
            reason: error.to_string(),
        };
        let http = graph::client(Duration::from_secs(10)).map_err(failed)?;
        let (queue, waiting) = mpsc::unbounded_channel();
        let running = tokio::spawn(carry(
            waiting,
            http.clone(),
            options.webhook.clone(),
            options.app_secret.clone(),
        ));
        let courier = Self {
            queue,
            http,
            webhook: options.webhook.clone(),
            verify_token: options.verify_token.clone(),
        };
        Ok((courier, running))
    }

    pub(super) fn post(&self, event: Value) {
        // Only a simulator that is being dropped has nobody to carry.
        let _ = self.queue.send(event);
    }

    pub(super) async fn verify(&self) -> Result<(), SimulatorError> {
        let failed = |reason: String| SimulatorError::Failed { reason };
        let mut url =
            reqwest::Url::parse(&self.webhook).map_err(|error| failed(error.to_string()))?;
        url.query_pairs_mut()
            .append_pair("hub.mode", "subscribe")
            .append_pair("hub.verify_token", &self.verify_token)
            .append_pair("hub.challenge", "1158201444");
        let answer = self.http.get(url).send().await;
        let answer = answer.map_err(|error| failed(error.to_string()))?;
        let status = answer.status();
        let body = answer.text().await;
        let body = body.map_err(|error| failed(error.to_string()))?;
        match status.is_success() && body == "1158201444" {
            true => Ok(()),
            false => Err(failed(format!(
                "the webhook answered {status} and not the challenge"
            ))),
        }
    }
}

async fn carry(
    mut waiting: mpsc::UnboundedReceiver<Value>,
    http: Client,
    webhook: String,
    secret: String,
) {
    while let Some(event) = waiting.recv().await {
        let body = event.to_string();
        let signature = format!("sha256={}", sign(secret.as_bytes(), body.as_bytes()));
        for attempt in 0..ATTEMPTS {
            let request = http
                .post(&webhook)
                .header("content-type", "application/json")
                .header("x-hub-signature-256", &signature)
                .body(body.clone());
            match request.send().await {
                Ok(answer) if answer.status().is_success() => break,
                Ok(answer) => tracing::warn!(status = %answer.status(), "a webhook was not taken"),
                Err(error) => {
                    tracing::warn!(error = %error.without_url(), "a webhook was not taken")
                }
            }
            tokio::time::sleep(PAUSE * 2_u32.pow(attempt)).await;
        }
    }
}

/// A webhook of the field `messages`; `value` holds what it brings.
pub(super) fn messages(options: &Options, number: &Number, mut value: Value) -> Value {
    let display: String = number.number.chars().filter(char::is_ascii_digit).collect();
    value["messaging_product"] = json!("whatsapp");
    value["metadata"] = json!({
        "display_phone_number": display,
        "phone_number_id": number.phone_number_id,
    });
    json!({
        "object": "whatsapp_business_account",
        "entry": [{
            "id": options.business_account,
            "changes": [{ "field": "messages", "value": value }],
        }],
    })
}

impl World {
    /// Tells what became of a message.
    pub(super) fn tell_statuses(
        &self,
        number: &Number,
        recipient: &Value,
        id: &str,
        body: &Value,
        mut statuses: Vec<Value>,
    ) {
        for status in &mut statuses {
            status["id"] = json!(id);
            status["timestamp"] = json!(self.now().timestamp().to_string());
            match recipient["wa_id"].as_str() {
                Some(phone) => status["recipient_id"] = json!(phone),
                None => status["recipient_user_id"] = recipient["user_id"].clone(),
            }
            if let Some(data) = body.get("biz_opaque_callback_data") {
                status["biz_opaque_callback_data"] = data.clone();
            }
        }
        let value = json!({ "contacts": [recipient], "statuses": statuses });
        self.courier.post(messages(&self.options, number, value));
    }
}
