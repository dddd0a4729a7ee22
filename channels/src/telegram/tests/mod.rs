//! Telegram as a customer, an operator and the Bot API see it.

mod emulator;
mod files;
mod inbound;
mod outbound;
mod polling;
mod published;
mod volume;

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use doorstep_core::{
    Ambient, Language, OutboundMessageId,
    channel::{Channel, WebhookOutcome},
    message::{Content, InboundMessage, OutboundMessage},
    webhook::{WebhookRejection, WebhookRequest},
};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    Config, SECRET_HEADER, Telegram,
    simulator::{self, Options, TOKEN, USERNAME},
};
use crate::{
    conformance::{Stage, front::Front},
    simulator::{Act, Simulator},
    testing::{Memory, TestClock, TestEntropy, ambient},
};

const UPDATES: &str = include_str!("fixtures/updates.json");

/// A bot, the Telegram it talks with, and the inbox it writes to.
struct Fixture {
    clock: Arc<TestClock>,
    memory: Arc<Memory>,
    simulator: Arc<simulator::Telegram>,
    telegram: Arc<Telegram>,
    entropy: TestEntropy,
}

impl Fixture {
    async fn new() -> Self {
        let clock = TestClock::new();
        let memory = Memory::new(&clock);
        let simulator = simulator::start(Options::new(clock.clone())).await.unwrap();
        let config = config(&simulator.api_url());
        Self {
            telegram: bot(&config, &memory, ambient(&clock)),
            simulator: Arc::new(simulator),
            clock,
            memory,
            entropy: TestEntropy::default(),
        }
    }

    /// The bot as another process, with the same store.
    fn restarted(&self) -> Arc<Telegram> {
        let config = config(&self.simulator.api_url());
        bot(&config, &self.memory, ambient(&self.clock))
    }

    /// Listens until the guard is dropped.
    fn listen(&self) -> DropGuard {
        let stop = CancellationToken::new();
        let (telegram, memory) = (self.telegram.clone(), self.memory.clone());
        let token = stop.clone();
        tokio::spawn(async move { telegram.listen(memory, token).await });
        stop.drop_guard()
    }

    async fn act(&self, act: Act) {
        self.simulator.act("ana", act).await.unwrap();
    }

    /// Waits until something holds that polls or calls bring about.
    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let mut handed_in = self.memory.changes();
        let waiting = async {
            let mut seen = u64::MAX;
            while !holds(self) {
                tokio::select! {
                    now = self.simulator.changed(seen) => seen = now,
                    _ = handed_in.changed() => {}
                }
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
        assert!(waited.is_ok(), "waited in vain for {what}");
    }

    fn admitted(&self) -> Vec<InboundMessage> {
        self.memory.admitted.lock().unwrap().clone()
    }

    fn texts(&self) -> Vec<String> {
        self.admitted()
            .into_iter()
            .map(|message| message.text)
            .collect()
    }

    /// What the simulator would deliver, handed to the webhook.
    async fn webhook(&self, update: &Value) -> Result<WebhookOutcome, WebhookRejection> {
        let secret = self.telegram.webhook_secret.clone();
        let request = request(&secret, &update.to_string());
        self.telegram.receive_webhook(&request).await
    }

    fn message(&self, content: Content) -> OutboundMessage {
        OutboundMessage {
            id: OutboundMessageId::new(&*self.clock, &self.entropy),
            content,
            language: Language::ENGLISH,
            in_reply_to: None,
            thread: Default::default(),
        }
    }
}

/// A stage with a bot that polls.
pub(crate) async fn stage() -> Stage {
    staged(false).await
}

/// A stage with a bot that Telegram calls.
pub(crate) async fn called_stage() -> Stage {
    staged(true).await
}

async fn staged(called: bool) -> Stage {
    let fixture = Fixture::new().await;
    let front = Front::listen(&fixture.clock, &fixture.memory).await;
    let mut config = config(&fixture.simulator.api_url());
    if called {
        config.webhook_url = front.webhook();
    }
    let telegram = bot(&config, &fixture.memory, ambient(&fixture.clock));
    let between = (fixture.memory, fixture.clock);
    Stage::open(telegram, fixture.simulator, front, between, "4242", ())
}

fn config(api_url: &str) -> Config {
    Config {
        token: TOKEN.into(),
        username: USERNAME.to_owned(),
        api_url: api_url.to_owned(),
        ..Config::default()
    }
}

fn bot(config: &Config, memory: &Arc<Memory>, ambient: Ambient) -> Arc<Telegram> {
    Arc::new(Telegram::new(config, memory.clone(), ambient).unwrap())
}

fn request(secret: &str, body: &str) -> WebhookRequest {
    let mut headers = HeaderMap::new();
    headers.insert(SECRET_HEADER, HeaderValue::from_str(secret).unwrap());
    WebhookRequest {
        method: Method::POST,
        query: String::new(),
        headers,
        body: body.to_owned().into(),
        received_at: "2026-11-21T10:00:00Z".parse().unwrap(),
    }
}

/// The updates that the fixtures hold.
fn updates() -> Vec<Value> {
    serde_json::from_str(UPDATES).unwrap()
}

/// One of them, by any number.
fn any_update(number: usize) -> Value {
    static PARSED: LazyLock<Vec<Value>> = LazyLock::new(updates);
    PARSED[number % PARSED.len()].clone()
}

fn update(kind: &str, value: Value) -> Value {
    json!({"update_id": 1, kind: value})
}
