//! The port to a channel, and what a channel asks of us.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{
    ChannelName, Health, Language, OutboundMessageId, Timestamp,
    attachment::{Attachment, AttachmentStream, FetchError},
    customer::Proof,
    message::{Address, Admission, InboundMessage, MailboxEntry, OutboundMessage},
    webhook::{WebhookRejection, WebhookRequest},
};

/// A place where customers and the shop talk. One folder in `channels/` each; how to add one is in that room's doc.
#[async_trait]
pub trait Channel: Send + Sync {
    /// The configured name.
    fn name(&self) -> &ChannelName;

    /// What it can show. Everything that differs between channels is here; nobody asks for its name.
    fn capabilities(&self) -> &Capabilities;

    /// Receives messages by a connection of its own (long polling, gateway, IMAP) until `stop`; channels that only
    /// have webhooks or sockets return at once.
    async fn listen(&self, inbox: Arc<dyn Inbox>, stop: CancellationToken);

    /// Verifies and parses a webhook. Nothing may be acknowledged before its messages are admitted.
    ///
    /// # Errors
    /// A [`WebhookRejection`] costs the sender a 4xx and us a counter (G6).
    async fn receive_webhook(
        &self,
        request: &WebhookRequest,
    ) -> Result<WebhookOutcome, WebhookRejection>;

    /// The largest webhook that the provider sends, in bytes, where that is known; smaller settings of the front door
    /// give way to it.
    fn max_webhook_bytes(&self) -> Option<usize> {
        None
    }

    /// Sends one message to one address, once.
    ///
    /// # Errors
    /// The error says what to do next.
    async fn send(
        &self,
        address: &Address,
        message: &OutboundMessage,
    ) -> Result<Receipt, SendError>;

    /// Opens an attachment that the channel handed in.
    ///
    /// # Errors
    /// The error says whether to try again. By default nothing can be fetched.
    async fn fetch(&self, attachment: &Attachment) -> Result<AttachmentStream, FetchError> {
        Err(FetchError::Fail {
            reason: format!(
                "channel `{}` has no attachments of kind {}",
                self.name(),
                attachment.kind.as_str()
            ),
        })
    }

    /// Lets the customer see that their message was read and an answer is being made (`message` is its
    /// [external id](InboundMessage::external_id)), where the provider can show it. Best effort: nothing depends on it.
    async fn show_typing(&self, address: &Address, message: &str) {
        let _ = (address, message);
    }

    /// The link that opens this channel with a link token in the customer's hand, where there is one:
    /// `https://t.me/shop_bot?start=…`.
    fn deep_link(&self, token: &str) -> Option<String> {
        let _ = token;
        None
    }

    /// What [`Self::send`] would hand to the provider, for a person to look at: `doorstep preview`. One part a message
    /// that would be sent.
    ///
    /// # Errors
    /// The message cannot be sent there.
    fn preview(&self, message: &OutboundMessage) -> Result<Vec<Preview>, SendError> {
        Ok(vec![Preview {
            text: message.content.text.clone(),
            html: None,
            payload: String::new(),
        }])
    }

    /// Whether the provider can be reached with our credentials.
    async fn healthcheck(&self) -> Health;

    /// What works at the provider and what is missing (token, webhook, permissions), without sending to anyone:
    /// `doorstep channels test`. By default the health check alone.
    async fn diagnose(&self) -> Vec<Diagnosis> {
        vec![Diagnosis {
            what: "the provider answers".to_owned(),
            health: self.healthcheck().await,
        }]
    }
}

/// One message as a provider would get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// As the customer would read it, in plain text.
    pub text: String,
    /// The page that the customer's program shows, where it shows one.
    pub html: Option<String>,
    /// The provider's own format, readable: a JSON body, a mail.
    pub payload: String,
}

/// One thing that [`Channel::diagnose`] looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// What was looked at: `the webhook is set`.
    pub what: String,
    /// What was found, and if it does not work what to do.
    pub health: Health,
}

/// What a channel can show and how it sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Customers fetch their messages from the [`Mailbox`]: committing a message hands it over and no delivery job is
    /// made (web chat).
    pub mailbox: bool,
    /// Buttons can be pressed.
    pub buttons: bool,
    /// Cards with image and price.
    pub cards: bool,
    /// HTML bodies.
    pub html: bool,
    /// A subject line.
    pub subject: bool,
    /// Sending the same message twice has one effect, because the provider knows it by our identifier: an unknown
    /// outcome is settled by sending again. Without it, it becomes `ambiguous` (G2).
    pub idempotent: bool,
    /// Longest text in characters; longer texts are split at sentence ends.
    pub max_text: usize,
    /// Pictures in messages.
    pub images: bool,
    /// The provider says later what became of a message (delivered, read, failed): an ambiguous one may be settled by it.
    pub receipts: bool,
    /// It is told when a customer has read a message: by a receipt, or as far as somebody has read in the mailbox.
    pub reads: bool,
    /// How long after the customer's last message anything may be written; later only approved templates. `None`: always.
    pub reply_window: Option<Duration>,
    /// How fast may be sent. Kept across instances before a delivery is attempted.
    pub rates: SendRates,
}

impl Default for Capabilities {
    /// Plain text without limits on speed, sent again at one's peril.
    fn default() -> Self {
        Self {
            mailbox: false,
            buttons: false,
            cards: false,
            html: false,
            subject: false,
            idempotent: false,
            max_text: 4000,
            images: false,
            receipts: false,
            reads: false,
            reply_window: None,
            rates: SendRates::default(),
        }
    }
}

/// How fast may be sent on a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SendRates {
    /// To one address.
    pub per_address: Option<Rate>,
    /// Over all addresses.
    pub overall: Option<Rate>,
}

/// So many messages in such a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub messages: u32,
    /// In which time.
    pub per: Duration,
}

/// What a webhook of a channel brought.
#[derive(Debug, Default)]
pub struct WebhookOutcome {
    /// Messages to admit.
    pub messages: Vec<InboundMessage>,
    /// News about messages we sent.
    pub receipts: Vec<ReceiptUpdate>,
    /// Addresses that no longer take messages (the customer blocked us), each with what the provider said.
    pub closed: Vec<(Address, String)>,
    /// What the provider wants as the answer's body (verification challenges).
    pub reply: Option<String>,
}

/// What the provider said when it took a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The provider's identifier of the message.
    pub provider_id: String,
}

/// What the provider says later about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptUpdate {
    /// The provider's identifier of the message, where it names one.
    pub provider_id: Option<String>,
    /// Our identifier, where the provider gives back what we sent along: it settles also a message whose
    /// [`Receipt`] never arrived.
    pub message: Option<OutboundMessageId>,
    /// What became of it.
    pub status: ReceiptStatus,
    /// When.
    pub at: Timestamp,
}

/// What became of a sent message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptStatus {
    /// The provider passed it on.
    Sent,
    /// It reached the customer's device.
    Delivered,
    /// The customer opened it.
    Read,
    /// The provider gave up.
    Failed {
        /// What the provider said, with its code.
        reason: String,
        /// Whether nothing more can be sent to this address.
        gone: bool,
    },
}

/// Why a message was not sent, as the next step to take.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SendError {
    /// It certainly was not sent; try again.
    #[error("not sent, to be tried again{}: {reason}", after.map(|d| format!(" after {} s", d.as_secs())).unwrap_or_default())]
    Retry {
        /// Not before this; our own back-off when the provider does not say.
        after: Option<Duration>,
        /// What the provider said.
        reason: String,
    },
    /// It certainly was not sent, and trying again would not help; the next channel may.
    #[error("not sent for good: {reason}")]
    Fail {
        /// What the provider said.
        reason: String,
    },
    /// It certainly was not sent, and nothing more can be sent there until the customer writes: they blocked us, or the
    /// address is no more. The next channel may.
    #[error("nothing can be sent there any more: {reason}")]
    Gone {
        /// What the provider said.
        reason: String,
    },
    /// Whether it was sent is unknown (a time-out after the request left). Settled by a receipt or a person (G2).
    #[error("unknown whether it was sent: {reason}")]
    Ambiguous {
        /// What happened.
        reason: String,
    },
}

/// Where channels hand in what customers wrote. Implemented by `engine`.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Stores the message, or finds it stored before; only then may the provider be acknowledged (G1, G2).
    ///
    /// # Errors
    /// Nothing was stored; the provider should deliver again.
    async fn admit(&self, message: InboundMessage) -> Result<Admission, AdmitError>;

    /// Links the address to the customer it was proven to be, before they wrote anything, so that news of their order
    /// reaches them there.
    ///
    /// # Errors
    /// Nothing was stored.
    async fn prove(
        &self,
        address: &Address,
        proof: &Proof,
        language: Option<&Language>,
    ) -> Result<(), AdmitError>;

    /// Settles a message by what its provider said of it, for channels that hear it on a connection of their own.
    /// Unknown messages are ignored.
    ///
    /// # Errors
    /// Nothing was stored; hand it in again.
    async fn settle(&self, channel: &ChannelName, receipt: ReceiptUpdate)
    -> Result<(), AdmitError>;

    /// Sends nothing more to the address until its customer writes again.
    ///
    /// # Errors
    /// Nothing was stored; hand it in again.
    async fn close(&self, address: &Address, reason: &str) -> Result<(), AdmitError>;

    /// What [`Self::set_cursor`] stored last under this name: how far a listening channel had read.
    ///
    /// # Errors
    /// The store could not be read; try again.
    async fn cursor(&self, channel: &ChannelName, name: &str)
    -> Result<Option<String>, AdmitError>;

    /// Stores how far a listening channel has read, after everything before was admitted (G1). An empty value forgets it.
    ///
    /// # Errors
    /// Nothing was stored.
    async fn set_cursor(
        &self,
        channel: &ChannelName,
        name: &str,
        value: &str,
    ) -> Result<(), AdmitError>;

    /// Everything stored by [`Self::set_cursor`] under names that begin with `prefix`: what was half-way when this or
    /// another instance stopped. By default nothing, for inboxes that do not outlive their process.
    ///
    /// # Errors
    /// The store could not be read; try again.
    async fn cursors(
        &self,
        channel: &ChannelName,
        prefix: &str,
    ) -> Result<Vec<(String, String)>, AdmitError> {
        let _ = (channel, prefix);
        Ok(Vec::new())
    }
}

/// Why a message was not admitted. Nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// The store could not take it now.
    #[error("the message could not be stored, deliver it again: {0}")]
    Unavailable(String),
}

/// The conversation as a customer's device reads it: a list that only grows, with a cursor. Implemented by `engine`.
#[async_trait]
pub trait Mailbox: Send + Sync {
    /// Entries of the address's conversation after `position`, oldest first, `limit` at most.
    ///
    /// # Errors
    /// The store could not be read; try again.
    async fn entries_after(
        &self,
        address: &Address,
        position: i64,
        limit: u64,
    ) -> Result<Vec<MailboxEntry>, AdmitError>;

    /// The newest position of the address's conversation, 0 when it has none: where a device starts that wants only
    /// what is new. The provided body pages through [`Self::entries_after`]; a store answers it with one query.
    ///
    /// # Errors
    /// The store could not be read; try again.
    async fn newest_position(&self, address: &Address) -> Result<i64, AdmitError> {
        const PAGE: u64 = 500;
        let mut newest = 0;
        while let Some(last) = self.entries_after(address, newest, PAGE).await?.last() {
            newest = last.position;
        }
        Ok(newest)
    }

    /// Wakes whenever the address has news, from this instance or another one.
    fn subscribe(&self, address: &Address) -> Subscription;

    /// The customer's device showed everything up to `position`.
    ///
    /// # Errors
    /// The store could not be written; try again.
    async fn mark_read(&self, address: &Address, position: i64) -> Result<(), AdmitError>;
}

/// News about one address. Dropping it unsubscribes.
pub struct Subscription {
    /// Holds the latest news; a receiver that lags sees only the newest, which is enough: entries are read by cursor.
    pub news: tokio::sync::watch::Receiver<News>,
    /// Keeps the registration until dropped.
    pub guard: Box<dyn std::any::Any + Send + Sync>,
}

/// What a subscriber is woken for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct News {
    /// The newest position known to be committed.
    pub position: i64,
    /// The entries that were committed last on this instance, in order: whoever has shown everything before them need
    /// not read the mailbox.
    pub entries: Arc<[MailboxEntry]>,
    /// Whether an answer is being made.
    pub typing: bool,
}
