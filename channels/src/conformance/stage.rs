//! A channel, its simulator, and the inbox between them.

use std::{sync::Arc, time::Duration};

use doorstep_core::{
    Clock, Language, OutboundMessageId,
    channel::{Channel, Receipt, SendError},
    message::{Address, Content, InboundMessage, OutboundMessage, Thread},
};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::front::Front;
use crate::{
    simulator::{Act, Faults, Shown, Simulator, SimulatorError},
    testing::{Memory, TestClock, TestEntropy},
};

/// Longer than anything takes; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// One run of a channel against its simulator. Every scenario gets its own.
pub(crate) struct Stage {
    pub(crate) channel: Arc<dyn Channel>,
    pub(crate) simulator: Arc<dyn Simulator>,
    pub(crate) inbox: Arc<Memory>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) front: Front,
    /// An address that has the channel's form and that nobody has.
    pub(crate) nobody: Address,
    pub(crate) entropy: TestEntropy,
    listening: JoinHandle<()>,
    /// Whatever else must live as long (folders).
    _kept: Box<dyn std::any::Any + Send + Sync>,
    _stop: DropGuard,
}

/// The customer of most scenarios.
pub(crate) const ADA: &str = "ada";

impl Stage {
    /// Lets the channel listen, and webhooks through to it.
    pub(crate) fn open(
        channel: Arc<dyn Channel>,
        simulator: Arc<dyn Simulator>,
        front: Front,
        (inbox, clock): (Arc<Memory>, Arc<TestClock>),
        nobody: &str,
        kept: impl std::any::Any + Send + Sync,
    ) -> Self {
        front.open(channel.clone());
        let stop = CancellationToken::new();
        let listening = {
            let (channel, inbox, stop) = (channel.clone(), inbox.clone(), stop.clone());
            tokio::spawn(async move { channel.listen(inbox, stop).await })
        };
        Self {
            nobody: Address::new(channel.name().clone(), nobody),
            channel,
            simulator,
            inbox,
            clock,
            front,
            entropy: TestEntropy::default(),
            listening,
            _kept: Box::new(kept),
            _stop: stop.drop_guard(),
        }
    }

    /// The customer does something.
    pub(crate) async fn act(&self, act: Act) -> Result<(), SimulatorError> {
        self.simulator.act(ADA, act).await
    }

    /// The customer writes, and the message is admitted.
    pub(crate) async fn write(&self, text: &str) -> InboundMessage {
        let before = self.admitted().len();
        self.act(Act::Write(text.to_owned())).await.unwrap();
        self.admitted_after(before).await
    }

    pub(crate) fn admitted(&self) -> Vec<InboundMessage> {
        self.inbox.admitted.lock().unwrap().clone()
    }

    /// The message admitted after the first `count`.
    pub(crate) async fn admitted_after(&self, count: usize) -> InboundMessage {
        self.until("a message is admitted", || {
            self.admitted().get(count).cloned()
        })
        .await
    }

    /// Waits until the inbox holds what is wanted.
    pub(crate) async fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let mut changes = self.inbox.changes();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = look() {
                    return found;
                }
                changes.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => panic!(
                "{}: waited in vain until {what}; admitted: {:#?}, listening ended: {}",
                self.simulator.provider(),
                self.admitted(),
                self.listening.is_finished()
            ),
        }
    }

    /// A message to the customer, as the engine hands it to a channel.
    pub(crate) fn message(&self, content: Content) -> OutboundMessage {
        let last = self
            .admitted()
            .into_iter()
            .rfind(|message| message.from == self.ada());
        OutboundMessage {
            id: OutboundMessageId::new(&*self.clock, &self.entropy),
            content,
            language: Language::ENGLISH,
            in_reply_to: None,
            thread: Thread {
                answers: last.as_ref().map(|message| message.external_id.clone()),
                subject: last.and_then(|message| message.subject),
                last_inbound_at: Some(self.clock.now()),
            },
        }
    }

    pub(crate) fn ada(&self) -> Address {
        self.simulator.address_of(ADA)
    }

    /// The shop says something to the customer. What customers fetch is put where they fetch it.
    pub(crate) async fn say(&self, content: Content) -> Result<Receipt, SendError> {
        self.send(&self.message(content)).await
    }

    pub(crate) async fn send(&self, message: &OutboundMessage) -> Result<Receipt, SendError> {
        if self.channel.capabilities().mailbox {
            self.inbox.put(&self.ada(), message.clone());
            return Ok(Receipt {
                provider_id: message.id.to_string(),
            });
        }
        tokio::time::timeout(PATIENCE, self.channel.send(&self.ada(), message))
            .await
            .expect("a send ends by itself")
    }

    /// All that the customer's device shows, once it shows anything.
    pub(crate) async fn shown(&self) -> Vec<Shown> {
        self.shown_when("anything is shown", |shown| !shown.is_empty())
            .await
    }

    /// All that the customer's device shows, once that is what is waited for.
    pub(crate) async fn shown_when(
        &self,
        what: &str,
        enough: impl Fn(&[Shown]) -> bool,
    ) -> Vec<Shown> {
        let waiting = async {
            let mut seen = 0;
            loop {
                let shown = self.simulator.shown(ADA);
                if enough(&shown) {
                    return shown;
                }
                seen = self.simulator.changed(seen).await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(shown) => shown,
            Err(_) => panic!(
                "{}: waited in vain until {what}; shown: {:#?}",
                self.simulator.provider(),
                self.simulator.shown(ADA)
            ),
        }
    }

    pub(crate) fn fail(&self, faults: Faults) {
        self.simulator.inject(faults);
    }
}
