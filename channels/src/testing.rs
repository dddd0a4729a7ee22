//! What the tests of this room share: a clock moved by hand, repeatable randomness, and an inbox and mailbox in
//! memory. The real store is tested through the front door.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use doorstep_core::{
    Ambient, ChannelName, Clock, ConversationId, Entropy, InboundMessageId, Language,
    OutboundMessageId, Timestamp,
    channel::{AdmitError, Inbox, Mailbox, News, ReceiptUpdate, Subscription},
    customer::Proof,
    message::{
        Address, Admission, Content, InboundMessage, MailboxEntry, MailboxMessage, OutboundMessage,
    },
};
use tokio::sync::watch;

pub(crate) struct TestClock(Mutex<Timestamp>);

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        let start = "2026-11-21T10:00:00Z".parse().unwrap();
        Arc::new(Self(Mutex::new(start)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now += by;
    }

    pub(crate) fn set(&self, to: Timestamp) {
        *self.0.lock().unwrap() = to;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// SplitMix64: different bytes on every call, the same in every run.
#[derive(Default)]
pub(crate) struct TestEntropy(AtomicU64);

impl Entropy for TestEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            let mut mixed = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes()[..chunk.len()]);
        }
    }
}

pub(crate) fn ambient(clock: &Arc<TestClock>) -> Ambient {
    Ambient {
        clock: clock.clone(),
        entropy: Arc::new(TestEntropy::default()),
    }
}

/// Conversations in memory, behind the ports of the engine.
pub(crate) struct Memory {
    ambient: Ambient,
    conversations: Mutex<HashMap<Address, Conversation>>,
    /// Every admitted message.
    pub(crate) admitted: Mutex<Vec<InboundMessage>>,
    /// Every proof handed in without a message.
    pub(crate) proven: Mutex<Vec<(Address, Proof, Option<Language>)>>,
    /// Every receipt handed in by a connection.
    pub(crate) receipts: Mutex<Vec<ReceiptUpdate>>,
    /// Every address that was closed, with the reason.
    pub(crate) closed: Mutex<Vec<(Address, String)>>,
    /// How far connections have read.
    pub(crate) cursors: Mutex<HashMap<String, String>>,
    /// Every position marked as read.
    pub(crate) read: Mutex<Vec<i64>>,
    /// How often entries were read.
    pub(crate) reads: AtomicU64,
    /// Whether the store is away.
    pub(crate) away: AtomicBool,
    /// Counts what was handed in.
    changes: watch::Sender<u64>,
}

struct Conversation {
    id: ConversationId,
    entries: Vec<MailboxEntry>,
    news: watch::Sender<News>,
}

impl Memory {
    pub(crate) fn new(clock: &Arc<TestClock>) -> Arc<Self> {
        Arc::new(Self {
            ambient: ambient(clock),
            conversations: Mutex::default(),
            admitted: Mutex::default(),
            proven: Mutex::default(),
            receipts: Mutex::default(),
            closed: Mutex::default(),
            cursors: Mutex::default(),
            read: Mutex::default(),
            reads: AtomicU64::default(),
            away: AtomicBool::default(),
            changes: watch::Sender::default(),
        })
    }

    /// Wakes whenever something was handed in.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn change(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Puts a message where its customer fetches it.
    pub(crate) fn put(&self, address: &Address, message: OutboundMessage) {
        self.with(address, |conversation| {
            let message = MailboxMessage::Outbound {
                message,
                answers: None,
            };
            conversation.push(self.ambient.now(), message)
        });
        self.change();
    }

    /// What the shop says: in answer to the message `answers` (an external id), or on its own.
    pub(crate) fn say(&self, address: &Address, text: &str, answers: Option<&str>) -> i64 {
        let message = OutboundMessage {
            id: OutboundMessageId::new(&*self.ambient.clock, &*self.ambient.entropy),
            content: Content::text(text),
            language: Language::ENGLISH,
            in_reply_to: answers
                .map(|_| InboundMessageId::new(&*self.ambient.clock, &*self.ambient.entropy)),
            thread: Default::default(),
        };
        let answers = answers.map(ToOwned::to_owned);
        self.with(address, |conversation| {
            conversation.push(
                self.ambient.now(),
                MailboxMessage::Outbound { message, answers },
            )
        })
    }

    /// The same, with what was said handed to whoever watches.
    pub(crate) fn hand_out(&self, address: &Address, text: &str, answers: Option<&str>) {
        self.say(address, text, answers);
        self.with(address, |conversation| {
            let last = conversation.entries.last().cloned();
            conversation
                .news
                .send_modify(|news| news.entries = last.into_iter().collect());
        });
    }

    pub(crate) fn type_for(&self, address: &Address, typing: bool) {
        self.with(address, |conversation| {
            conversation.news.send_modify(|news| news.typing = typing);
        });
    }

    fn with<T>(&self, address: &Address, change: impl FnOnce(&mut Conversation) -> T) -> T {
        let mut conversations = self.conversations.lock().unwrap();
        let conversation = conversations
            .entry(address.clone())
            .or_insert_with(|| Conversation {
                id: ConversationId::new(&*self.ambient.clock, &*self.ambient.entropy),
                entries: Vec::new(),
                news: watch::Sender::default(),
            });
        change(conversation)
    }

    fn there(&self) -> Result<(), AdmitError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(AdmitError::Unavailable("the disk is full".to_owned()));
        }
        Ok(())
    }
}

impl Conversation {
    fn push(&mut self, at: Timestamp, message: MailboxMessage) -> i64 {
        let position = self.entries.len() as i64 + 1;
        self.entries.push(MailboxEntry {
            position,
            at,
            message,
        });
        self.news.send_modify(|news| news.position = position);
        position
    }

    fn find(&self, wanted: &str) -> Option<(i64, InboundMessageId)> {
        self.entries.iter().find_map(|entry| match &entry.message {
            MailboxMessage::Inbound {
                id, external_id, ..
            } if external_id == wanted => Some((entry.position, *id)),
            _ => None,
        })
    }
}

#[async_trait]
impl Inbox for Memory {
    async fn admit(&self, message: InboundMessage) -> Result<Admission, AdmitError> {
        self.there()?;
        let new_id = InboundMessageId::new(&*self.ambient.clock, &*self.ambient.entropy);
        let admission = self.with(&message.from, |conversation| {
            let found = conversation.find(&message.external_id);
            let (position, id) = found.unwrap_or_else(|| {
                let entry = MailboxMessage::Inbound {
                    id: new_id,
                    external_id: message.external_id.clone(),
                    text: message.text.clone(),
                };
                (conversation.push(self.ambient.now(), entry), new_id)
            });
            Admission {
                id,
                conversation: conversation.id,
                position,
                duplicate: found.is_some(),
            }
        });
        if !admission.duplicate {
            self.admitted.lock().unwrap().push(message);
        }
        self.change();
        Ok(admission)
    }

    async fn prove(
        &self,
        address: &Address,
        proof: &Proof,
        language: Option<&Language>,
    ) -> Result<(), AdmitError> {
        self.there()?;
        let proven = (address.clone(), proof.clone(), language.cloned());
        self.proven.lock().unwrap().push(proven);
        Ok(())
    }

    async fn settle(
        &self,
        _channel: &ChannelName,
        receipt: ReceiptUpdate,
    ) -> Result<(), AdmitError> {
        self.there()?;
        self.receipts.lock().unwrap().push(receipt);
        self.change();
        Ok(())
    }

    async fn close(&self, address: &Address, reason: &str) -> Result<(), AdmitError> {
        self.there()?;
        let closed = (address.clone(), reason.to_owned());
        self.closed.lock().unwrap().push(closed);
        self.change();
        Ok(())
    }

    async fn cursor(
        &self,
        _channel: &ChannelName,
        name: &str,
    ) -> Result<Option<String>, AdmitError> {
        self.there()?;
        Ok(self.cursors.lock().unwrap().get(name).cloned())
    }

    async fn set_cursor(
        &self,
        _channel: &ChannelName,
        name: &str,
        value: &str,
    ) -> Result<(), AdmitError> {
        self.there()?;
        let mut cursors = self.cursors.lock().unwrap();
        match value.is_empty() {
            true => cursors.remove(name),
            false => cursors.insert(name.to_owned(), value.to_owned()),
        };
        Ok(())
    }

    async fn cursors(
        &self,
        _channel: &ChannelName,
        prefix: &str,
    ) -> Result<Vec<(String, String)>, AdmitError> {
        self.there()?;
        let cursors = self.cursors.lock().unwrap();
        let found = cursors.iter().filter(|(name, _)| name.starts_with(prefix));
        Ok(found
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect())
    }
}

#[async_trait]
impl Mailbox for Memory {
    async fn entries_after(
        &self,
        address: &Address,
        position: i64,
        limit: u64,
    ) -> Result<Vec<MailboxEntry>, AdmitError> {
        self.there()?;
        self.reads.fetch_add(1, Ordering::Relaxed);
        Ok(self.with(address, |conversation| {
            let after = conversation.entries.iter().skip(position as usize);
            after.take(limit as usize).cloned().collect()
        }))
    }

    fn subscribe(&self, address: &Address) -> Subscription {
        Subscription {
            news: self.with(address, |conversation| conversation.news.subscribe()),
            guard: Box::new(()),
        }
    }

    async fn mark_read(&self, _address: &Address, position: i64) -> Result<(), AdmitError> {
        self.there()?;
        self.read.lock().unwrap().push(position);
        Ok(())
    }
}
