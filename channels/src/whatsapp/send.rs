//! Sending: in the window as it is, outside it by the approved template, never otherwise.

use std::time::Duration;

use chrono::TimeDelta;
use doorstep_core::{
    Timestamp,
    channel::{Preview, Receipt, SendError},
    message::{OutboundMessage, Thread},
};
use serde_json::{Value, json};

use super::{
    WINDOW, WhatsApp,
    address::Route,
    error::{CallError, GraphError, Step},
    inbound::string,
    plan::{self, Part, Picture, Pictures, is_link},
    template::{self, Known},
    webhook::callback_data,
};

/// The window is taken as closed this much early: the message travels, and Meta's clock decides.
const MARGIN: TimeDelta = TimeDelta::seconds(30);
/// How often a later part is tried at once: an earlier one is with the customer already.
const PART_ATTEMPTS: u32 = 4;
/// The pause before that, and the longest that is waited for when Meta names one.
const PART_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PART_PAUSE: Duration = Duration::from_secs(2);

impl WhatsApp {
    pub(super) async fn send_all(
        &self,
        address: &doorstep_core::message::Address,
        message: &OutboundMessage,
    ) -> Result<Receipt, SendError> {
        let route = self.numbers.route(address)?;
        let now = self.ambient.now();
        if !is_open(&message.thread, now) {
            return self.send_template(&route, message).await;
        }
        let number = &route.number.phone_number_id;
        let addresses = plan::addresses(&message.content);
        let pictures = self.uploads.pictures(&self.graph, number, addresses, now);
        let pictures = pictures
            .await
            .map_err(|error| self.noted(error).into_unsent())?;
        let parts = plan::plan(&message.content, &message.language, &pictures);
        let Some((first, more)) = parts.split_first() else {
            return Err(SendError::Fail {
                reason: "there is nothing in the message to send".to_owned(),
            });
        };
        let count = parts.len();
        let mut sent = match self.send_part(&route, message, first, (0, count)).await {
            Ok(id) => id,
            Err(CallError::Refused(error)) if error.step() == Step::Template => {
                // Meta's clock runs ahead of ours, or the customer wrote to another number.
                return match &message.content.approved {
                    Some(_) => self.send_template(&route, message).await,
                    None => Err(error.into_send_error()),
                };
            }
            Err(error) => return Err(error.into_send_error()),
        };
        for (index, part) in more.iter().enumerate() {
            let place = (index + 1, count);
            sent = self.send_later_part(&route, message, part, place).await?;
        }
        Ok(Receipt { provider_id: sent })
    }

    async fn send_template(
        &self,
        route: &Route<'_>,
        message: &OutboundMessage,
    ) -> Result<Receipt, SendError> {
        let approved = message.content.approved.as_deref().ok_or_else(closed)?;
        let now = self.ambient.now();
        let known = self.templates.find(&self.graph, approved, now).await;
        if let Some(reason) = template::refuse(approved, &known) {
            return Err(SendError::Fail { reason });
        }
        let part = Part {
            body: template::body(approved, &known),
            text: String::new(),
        };
        let sent = self.send_part(route, message, &part, (0, 1)).await;
        let provider_id = sent.map_err(CallError::into_send_error)?;
        Ok(Receipt { provider_id })
    }

    /// A part after the first. What can be tried again is tried again here and now: tried again as a whole, the customer
    /// would get the earlier parts twice. When that does not help, the message counts as unknown: half of it arrived.
    async fn send_later_part(
        &self,
        route: &Route<'_>,
        message: &OutboundMessage,
        part: &Part,
        (index, count): (usize, usize),
    ) -> Result<String, SendError> {
        let mut attempt = 1;
        loop {
            let error = match self.send_part(route, message, part, (index, count)).await {
                Ok(id) => return Ok(id),
                Err(error) => error.into_send_error(),
            };
            match error {
                SendError::Retry { after, .. } if attempt < PART_ATTEMPTS => {
                    let pause = after.unwrap_or(PART_PAUSE * attempt);
                    tokio::time::sleep(pause.min(LONGEST_PART_PAUSE)).await;
                    attempt += 1;
                }
                error => {
                    return Err(SendError::Ambiguous {
                        reason: format!("part {} of {count}: {error}", index + 1),
                    });
                }
            }
        }
    }

    async fn send_part(
        &self,
        route: &Route<'_>,
        message: &OutboundMessage,
        part: &Part,
        (index, count): (usize, usize),
    ) -> Result<String, CallError> {
        let mut body = part.body.clone();
        body["messaging_product"] = json!("whatsapp");
        body["recipient_type"] = json!("individual");
        body["biz_opaque_callback_data"] = json!(callback_data(message.id, index, count));
        route.address(&mut body);
        let path = format!("{}/messages", route.number.phone_number_id);
        let answer = self.graph.post(&path, &body).await;
        let answer = answer.map_err(|error| self.noted(error))?;
        let id = string(&answer, "/messages/0/id").map(str::to_owned);
        id.ok_or_else(|| CallError::Unknown("the answer names no message".to_owned()))
    }

    /// A refused token is found by the next health check.
    fn noted(&self, error: CallError) -> CallError {
        if let CallError::Refused(refused) = &error
            && GraphError::is_about_the_token(refused)
        {
            self.remember_health(None);
        }
        error
    }

    /// What would be sent: where the window is not open and there is an approved template, that; else the message itself,
    /// with its pictures by their addresses.
    pub(super) fn preview_all(&self, message: &OutboundMessage) -> Result<Vec<Preview>, SendError> {
        let content = &message.content;
        let open = is_open(&message.thread, self.ambient.now());
        if let Some(approved) = content.approved.as_deref().filter(|_| !open) {
            let body = template::body(approved, &Known::Unknown);
            return Ok(vec![preview(&content.text, &body)]);
        }
        let links: Pictures = plan::addresses(content)
            .into_iter()
            .filter(|address| is_link(address))
            .map(|address| (address.to_owned(), Picture::Link(address.to_owned())))
            .collect();
        let parts = plan::plan(content, &message.language, &links);
        Ok(parts
            .iter()
            .map(|part| preview(&part.text, &part.body))
            .collect())
    }
}

fn preview(text: &str, body: &Value) -> Preview {
    Preview {
        text: text.to_owned(),
        html: None,
        payload: format!("{body:#}"),
    }
}

/// Whether anything may be written: the customer wrote less than 24 hours ago.
fn is_open(thread: &Thread, now: Timestamp) -> bool {
    let window = TimeDelta::from_std(WINDOW).unwrap_or_default() - MARGIN;
    thread
        .last_inbound_at
        .is_some_and(|last| now - last < window)
}

fn closed() -> SendError {
    SendError::Fail {
        reason: "the customer's last message is more than 24 hours old, or they never wrote: WhatsApp takes only an \
                 approved template then, and this message has none"
            .to_owned(),
    }
}
