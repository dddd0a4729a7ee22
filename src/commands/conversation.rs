//! A conversation with the shop inside this process, as a customer holds it.

use doorstep_core::{
    Language, ShopCustomerId,
    channel::Mailbox,
    customer::Proof,
    message::{Address, InboundMessage, MailboxMessage, OutboundMessage},
};

use super::Failure;
use crate::app::App;

/// The conversations' channel.
const CHANNEL: &str = "webchat";

/// One conversation.
pub(super) struct Conversation<'a> {
    app: &'a App,
    address: Address,
    /// The customer's language, as their browser would tell it.
    pub(super) language: Option<Language>,
    /// Who the customer is, as if signed in.
    pub(super) customer: Option<String>,
    said: usize,
}

impl<'a> Conversation<'a> {
    /// A new one, which never mixes with a visitor's.
    pub(super) fn new(app: &'a App) -> Self {
        let mut random = [0; 8];
        app.ambient.entropy.fill(&mut random);
        Self {
            app,
            address: Address::new(CHANNEL, format!("say-{:016x}", u64::from_be_bytes(random))),
            language: None,
            customer: None,
            said: 0,
        }
    }

    /// Says one message and waits for its answers.
    pub(super) async fn say(&mut self, text: &str) -> Result<Vec<OutboundMessage>, Failure> {
        self.said += 1;
        let store = &self.app.store;
        let mut subscription = store.subscribe(&self.address);
        let admission = self
            .app
            .inbox
            .admit(InboundMessage {
                language_hint: self.language.clone(),
                proof: self.customer.as_ref().map(|customer| Proof {
                    customer: Some(ShopCustomerId(customer.clone())),
                    email: None,
                    name: None,
                }),
                ..InboundMessage::text(
                    self.address.clone(),
                    format!("{}:{}", self.address.id, self.said),
                    text,
                    self.app.ambient.now(),
                )
            })
            .await
            .map_err(Failure::finding)?;
        store
            .handled(admission.id, &mut subscription)
            .await
            .map_err(Failure::finding)?;
        let entries = store
            .entries_after(&self.address, admission.position, 100)
            .await
            .map_err(Failure::finding)?;
        Ok(entries
            .into_iter()
            .filter_map(|entry| match entry.message {
                MailboxMessage::Outbound { message, .. } => Some(message),
                MailboxMessage::Inbound { .. } => None,
            })
            .collect())
    }
}
