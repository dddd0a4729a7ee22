//! The inbound road from admission to commit: one lane a conversation.
//!
//! A lane handles its conversation's messages one after another (G3) while different conversations run side by side.
//! Lanes are only a means: what makes a message count once and in order, also across instances and crashes, is the
//! compare-and-swap in [`Store::commit_turn`]. A message whose lane died is found by [`Inbound::recover`].

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Instant,
};

use async_trait::async_trait;
use doorstep_core::{
    ChannelName, ConversationId, Language, Timestamp,
    channel::{AdmitError, Capabilities, Inbox, ReceiptUpdate},
    customer::Proof,
    message::{Address, Admission, InboundMessage},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Store, StoreError,
    attachments::Attachments,
    link::{self, LinkKey},
    router::Router,
    store::TurnOutcome,
    turn::Waiting,
};

/// Admits messages and has them answered.
#[derive(Clone)]
pub struct Inbound {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    router: Arc<Router>,
    links: LinkKey,
    attachments: Attachments,
    /// Set once: channels are opened after the inbox that they hand their messages into.
    capabilities: OnceLock<HashMap<ChannelName, Capabilities>>,
    /// Conversations that are being handled; `true` when news came meanwhile.
    lanes: Mutex<HashMap<ConversationId, bool>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Inbound {
    /// The inbound road over a store and a router; `links` signs link tokens, `attachments` keeps files.
    pub fn new(
        store: Store,
        router: Arc<Router>,
        links: LinkKey,
        attachments: Attachments,
    ) -> Self {
        let inner = Inner {
            store,
            router,
            links,
            attachments,
            capabilities: OnceLock::new(),
            lanes: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Says what the opened channels can do; until then, answers wait to be sent on every channel. Only the first call
    /// counts.
    pub fn open_channels(&self, capabilities: HashMap<ChannelName, Capabilities>) {
        let _ = self.inner.capabilities.set(capabilities);
    }

    /// Takes up messages admitted before `before` that nobody handled: after a crash, or of an instance that died.
    /// Returns how many conversations were taken up.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn recover(&self, before: Timestamp) -> Result<usize, StoreError> {
        let left_behind = self
            .inner
            .store
            .conversations_left_behind(before, 1000)
            .await?;
        for conversation in &left_behind {
            self.wake(*conversation);
        }
        Ok(left_behind.len())
    }

    /// A link token for the customer of an address: whoever brings it from elsewhere soon is the same customer.
    ///
    /// # Errors
    /// It could not be stored.
    pub async fn make_link(&self, address: &Address) -> Result<String, StoreError> {
        let Inner { store, links, .. } = &*self.inner;
        let token = links.make(&*store.ambient().entropy);
        if let Some(hash) = links.hash(&token) {
            store.keep_link(hash, address, link::LIFETIME).await?;
        }
        Ok(token)
    }

    /// Finishes the turns that are under way and starts no more. What is admitted but not handled waits in the store.
    pub async fn shut_down(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// Has the conversation's unhandled messages handled, here.
    fn wake(&self, conversation: ConversationId) {
        let mut lanes = self
            .inner
            .lanes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(news) = lanes.get_mut(&conversation) {
            *news = true;
            return;
        }
        lanes.insert(conversation, false);
        drop(lanes);
        let inbound = self.clone();
        self.inner
            .tasks
            .spawn(async move { inbound.run_lane(conversation).await });
    }

    async fn run_lane(&self, conversation: ConversationId) {
        let mut lane = Lane {
            inbound: self,
            conversation,
            open: true,
        };
        while lane.open {
            if let Err(error) = self.handle_waiting(conversation).await {
                tracing::error!(conversation = %conversation, %error, "a message waits for the next sweep");
            }
            lane.close_unless_news();
        }
    }

    /// Handles messages of the conversation until none waits.
    async fn handle_waiting(&self, conversation: ConversationId) -> Result<(), StoreError> {
        while !self.inner.stop.is_cancelled() {
            let Some(waiting) = self.inner.store.next_waiting(conversation).await? else {
                return Ok(());
            };
            let is_last = !waiting.more;
            let outcome = self.handle(&waiting).await?;
            // What was admitted here meanwhile has woken this lane, elsewhere another instance's: nothing to look for,
            // and the answer can leave at once.
            if is_last && outcome != TurnOutcome::Stale {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn handle(&self, waiting: &Waiting) -> Result<TurnOutcome, StoreError> {
        let Inner { store, router, .. } = &*self.inner;
        let address = &waiting.conversation.address;
        let started = Instant::now();
        store.bus().set_typing(address, true);
        let turn = router.answer(waiting).await;
        let replies = turn.replies.len() as u64;
        let outcome = store
            .commit_turn(waiting, turn, self.delivers(&address.channel))
            .await;
        store.bus().set_typing(address, false);
        let outcome = outcome?;
        match &outcome {
            TurnOutcome::Committed { .. } => {
                let channel = address.channel.to_string();
                metrics::histogram!("doorstep_turn_seconds", "channel" => channel.clone())
                    .record(started.elapsed().as_secs_f64());
                metrics::counter!("doorstep_messages_total", "direction" => "inbound", "channel" => channel.clone())
                    .increment(1);
                metrics::counter!("doorstep_messages_total", "direction" => "outbound", "channel" => channel)
                    .increment(replies);
            }
            TurnOutcome::Stale => metrics::counter!("doorstep_turns_stale_total").increment(1),
        }
        Ok(outcome)
    }

    fn delivers(&self, channel: &ChannelName) -> bool {
        let known = self
            .inner
            .capabilities
            .get()
            .and_then(|all| all.get(channel));
        known.is_none_or(|capabilities| !capabilities.mailbox)
    }
}

/// A conversation that is being handled. Dropping it (also by a panic) lets the next wake-up open it again.
struct Lane<'a> {
    inbound: &'a Inbound,
    conversation: ConversationId,
    open: bool,
}

impl Lane<'_> {
    /// Ends the lane, unless a message was admitted since it last looked.
    fn close_unless_news(&mut self) {
        let inner = &self.inbound.inner;
        let mut lanes = inner.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        match lanes.get_mut(&self.conversation) {
            Some(news) if *news && !inner.stop.is_cancelled() => *news = false,
            _ => {
                lanes.remove(&self.conversation);
                self.open = false;
            }
        }
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        if self.open {
            let mut lanes = self
                .inbound
                .inner
                .lanes
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            lanes.remove(&self.conversation);
        }
    }
}

#[async_trait]
impl Inbox for Inbound {
    async fn admit(&self, mut message: InboundMessage) -> Result<Admission, AdmitError> {
        let Inner {
            store,
            router,
            links,
            attachments,
            ..
        } = &*self.inner;
        message.link = message.link.and_then(|token| links.hash(&token));
        let files = std::mem::take(&mut message.attachments);
        if !files.is_empty() {
            // Its files are kept already.
            let known = store.find_admission(&message).await.map_err(unavailable)?;
            if let Some(known) = known {
                return Ok(known);
            }
        }
        let files = attachments.keep_all(store, files).await;
        let files = files.map_err(|error| AdmitError::Unavailable(error.to_string()))?;
        let text = message.button.is_none().then(|| message.text.clone());
        // In this order: the write is short and must not stand behind the model for a processor.
        let (admission, ()) = tokio::join!(store.admit_message(message, files), async {
            if let Some(text) = text {
                router.expect(&text);
            }
        });
        let admission = admission.map_err(unavailable)?;
        if !admission.duplicate {
            self.wake(admission.conversation);
        }
        Ok(admission)
    }

    async fn prove(
        &self,
        address: &Address,
        proof: &Proof,
        language: Option<&Language>,
    ) -> Result<(), AdmitError> {
        self.inner
            .store
            .prove(address, proof, language)
            .await
            .map_err(unavailable)
    }

    async fn settle(
        &self,
        channel: &ChannelName,
        receipt: ReceiptUpdate,
    ) -> Result<(), AdmitError> {
        let settled = self.inner.store.settle_by_receipt(channel, &receipt);
        settled.await.map(drop).map_err(unavailable)
    }

    async fn close(&self, address: &Address, reason: &str) -> Result<(), AdmitError> {
        let closed = self.inner.store.close_address(address, reason);
        closed.await.map_err(unavailable)
    }

    async fn cursor(
        &self,
        channel: &ChannelName,
        name: &str,
    ) -> Result<Option<String>, AdmitError> {
        let cursor = self.inner.store.cursor(channel, name);
        cursor.await.map_err(unavailable)
    }

    async fn set_cursor(
        &self,
        channel: &ChannelName,
        name: &str,
        value: &str,
    ) -> Result<(), AdmitError> {
        let stored = self.inner.store.set_cursor(channel, name, value);
        stored.await.map_err(unavailable)
    }

    async fn cursors(
        &self,
        channel: &ChannelName,
        prefix: &str,
    ) -> Result<Vec<(String, String)>, AdmitError> {
        let cursors = self.inner.store.cursors(channel, prefix);
        cursors.await.map_err(unavailable)
    }
}

fn unavailable(error: StoreError) -> AdmitError {
    AdmitError::Unavailable(error.to_string())
}
