//! Played against the simulated Discord, whose own fidelity `spec.rs` checks.

mod commands;
mod gateway;
mod hostile;
mod sending;
mod spec;
mod threads;
mod webhook;

use std::{sync::Arc, time::Duration};

use doorstep_core::{
    Language, OutboundMessageId,
    channel::{Channel, Inbox},
    message::{Content, InboundMessage, OutboundMessage, Thread},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    Config, Discord,
    simulator::{DiscordSimulator, Options, start},
};
use crate::{
    conformance::{Stage, front::Front},
    simulator::{Act, Shown, Simulator},
    testing::{Memory, TestClock, ambient},
};

/// Longer than anything takes; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The stage of the conformance suite: interactions come over the gateway.
pub(crate) async fn stage() -> Stage {
    staged(false).await
}

/// Interactions come over HTTP, signed.
pub(crate) async fn stage_with_endpoint() -> Stage {
    staged(true).await
}

async fn staged(endpoint: bool) -> Stage {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let clock = TestClock::new();
    let inbox = Memory::new(&clock);
    let front = Front::listen(&clock, &inbox).await;
    let mut options = Options::new(ambient(&clock));
    options.webhook = endpoint.then(|| front.webhook());
    let simulator = Arc::new(start(options).await.unwrap());
    let channel = Discord::new(simulator.config(), inbox.clone(), ambient(&clock)).unwrap();
    let nobody = "dm:80351110224678912";
    let stage = Stage::open(
        Arc::new(channel),
        simulator.clone(),
        front,
        (inbox, clock),
        nobody,
        (),
    );
    connected(&simulator).await;
    stage
}

/// Waits until the channel has a session.
async fn connected(simulator: &DiscordSimulator) {
    until(simulator, "the channel is connected", || {
        simulator.sessions().1 > 0
    })
    .await;
}

/// Waits until the simulator shows what is wanted.
async fn until(simulator: &DiscordSimulator, what: &str, enough: impl Fn() -> bool) {
    let waiting = async {
        let mut seen = 0;
        while !enough() {
            seen = simulator.changed(seen).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "waited in vain until {what}");
}

/// A channel that listens to a simulator.
struct Fixture {
    simulator: Arc<DiscordSimulator>,
    channel: Arc<Discord>,
    inbox: Arc<Memory>,
    clock: Arc<TestClock>,
    listening: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Fixture {
    async fn new() -> Self {
        Self::with(|_| {}, |_| {}).await
    }

    async fn with(options: impl FnOnce(&mut Options), configure: impl FnOnce(&mut Config)) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clock = TestClock::new();
        let inbox = Memory::new(&clock);
        let mut chosen = Options::new(ambient(&clock));
        options(&mut chosen);
        let simulator = Arc::new(start(chosen).await.unwrap());
        let mut config = simulator.config();
        configure(&mut config);
        let channel = Discord::new(config, inbox.clone(), ambient(&clock)).unwrap();
        let mut fixture = Self {
            simulator,
            channel: Arc::new(channel),
            inbox,
            clock,
            listening: None,
        };
        fixture.listen().await;
        fixture
    }

    async fn listen(&mut self) {
        let stop = CancellationToken::new();
        let channel = self.channel.clone();
        let (inbox, stopped): (Arc<dyn Inbox>, _) = (self.inbox.clone(), stop.clone());
        let listening = tokio::spawn(async move { channel.listen(inbox, stopped).await });
        self.listening = Some((stop, listening));
        connected(&self.simulator).await;
    }

    /// The program ends, and with it all that is only in memory.
    async fn stop(&mut self) {
        let (stop, listening) = self.listening.take().unwrap();
        stop.cancel();
        tokio::time::timeout(PATIENCE, listening)
            .await
            .unwrap()
            .unwrap();
        let config = self.channel.config.clone();
        let channel = Discord::new(config, self.inbox.clone(), ambient(&self.clock)).unwrap();
        self.channel = Arc::new(channel);
    }

    async fn act(&self, customer: &str, act: Act) {
        self.simulator.act(customer, act).await.unwrap();
    }

    async fn write(&self, customer: &str, text: &str) {
        self.act(customer, Act::Write(text.to_owned())).await;
    }

    fn admitted(&self) -> Vec<InboundMessage> {
        self.inbox.admitted.lock().unwrap().clone()
    }

    fn texts(&self) -> Vec<String> {
        self.admitted()
            .into_iter()
            .map(|message| message.text)
            .collect()
    }

    /// All that was admitted, once it is so much.
    async fn admitted_are(&self, count: usize) -> Vec<InboundMessage> {
        self.until_inbox("messages are admitted", || self.admitted().len() >= count)
            .await;
        self.admitted()
    }

    async fn until_inbox(&self, what: &str, enough: impl Fn() -> bool) {
        let mut changes = self.inbox.changes();
        let waiting = async {
            while !enough() {
                changes.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(
            waited.is_ok(),
            "waited in vain until {what}: {:#?}",
            self.admitted()
        );
    }

    /// What a customer sees, once it is so much.
    async fn shown(&self, customer: &str, count: usize) -> Vec<Shown> {
        until(&self.simulator, "messages are shown", || {
            self.simulator.shown(customer).len() >= count
        })
        .await;
        self.simulator.shown(customer)
    }

    fn message(&self, content: Content, answers: Option<&InboundMessage>) -> OutboundMessage {
        let entropy = &ambient(&self.clock).entropy;
        // Each gets a time of its own, and so an identifier.
        self.clock.advance(Duration::from_millis(1));
        OutboundMessage {
            id: OutboundMessageId::new(&*self.clock, &**entropy),
            content,
            language: Language::ENGLISH,
            in_reply_to: None,
            thread: Thread {
                answers: answers.map(|message| message.external_id.clone()),
                ..Thread::default()
            },
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interactions_over_http_keep_the_same_promises() {
    crate::conformance::play(stage_with_endpoint).await;
}
