//! WhatsApp as customers, operators and Meta see it, against the provider on loopback.

mod errors;
mod fuzz;
mod incoming;
mod payloads;
mod sending;
mod templates;
mod volume;

use std::sync::Arc;

use bytes::Bytes;
use doorstep_core::{
    Clock, Language, OutboundMessageId,
    message::{Content, Thread},
};
use http::{HeaderMap, Method};
use serde_json::Value;

use super::{simulator::WhatsAppSimulator, *};
use crate::{
    conformance::{Stage, front::Front},
    simulator::Simulator,
    testing::{Memory, TestClock, TestEntropy, ambient},
};

const ADA: &str = "ada";
const FIRST: &str = "106540352242922";
const SECOND: &str = "106540352242933";

/// A stage with WhatsApp on it.
pub(crate) async fn stage() -> Stage {
    let fixture = Fixture::new().await;
    let between = (fixture.inbox, fixture.clock);
    let simulator = Arc::new(fixture.simulator);
    // Nobody has a number that begins with 999.
    Stage::open(
        fixture.channel,
        simulator,
        fixture.front,
        between,
        "999100200300",
        (),
    )
}

/// A channel, the provider on loopback, and the inbox between them. Webhooks go nowhere until the front is opened.
struct Fixture {
    clock: Arc<TestClock>,
    inbox: Arc<Memory>,
    front: Front,
    simulator: WhatsAppSimulator,
    channel: Arc<WhatsApp>,
    entropy: TestEntropy,
}

impl Fixture {
    async fn new() -> Self {
        Self::with(|_| (), |_| ()).await
    }

    async fn with(
        options: impl FnOnce(&mut simulator::Options),
        config: impl FnOnce(&mut Config),
    ) -> Self {
        let clock = TestClock::new();
        let inbox = Memory::new(&clock);
        let front = Front::listen(&clock, &inbox).await;
        let mut set_up = simulator::Options::new(front.webhook(), clock.clone());
        options(&mut set_up);
        let simulator = simulator::start(set_up).await.unwrap();
        let mut section = simulator.config();
        config(&mut section);
        let channel = Arc::new(WhatsApp::new(section, ambient(&clock)).unwrap());
        Self {
            clock,
            inbox,
            front,
            simulator,
            channel,
            entropy: TestEntropy::default(),
        }
    }

    /// Lets webhooks through to the channel.
    async fn open(self) -> Self {
        self.front.open(self.channel.clone());
        self
    }

    fn ada(&self) -> Address {
        self.simulator.address_of(ADA)
    }

    /// A message to a customer who wrote a moment ago.
    fn answer(&self, content: Content) -> OutboundMessage {
        self.message(content, Some(self.clock.now()))
    }

    fn message(&self, content: Content, last_inbound_at: Option<Timestamp>) -> OutboundMessage {
        OutboundMessage {
            id: OutboundMessageId::new(&*self.clock, &self.entropy),
            content,
            language: Language::ENGLISH,
            in_reply_to: None,
            thread: Thread {
                last_inbound_at,
                ..Thread::default()
            },
        }
    }

    /// Ada writes, so that her window is open at the provider; what the channel makes of it does not matter here.
    async fn ada_writes(&self) {
        let write = crate::simulator::Act::Write("Hello".to_owned());
        self.simulator.act(ADA, write).await.unwrap();
    }

    /// Sends to Ada within her window.
    async fn say(&self, content: Content) -> Result<Receipt, SendError> {
        self.ada_writes().await;
        self.channel.send(&self.ada(), &self.answer(content)).await
    }

    /// Waits for what the webhooks bring.
    async fn until<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
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
        let found = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        found.expect("the webhook brings it")
    }
}

/// A webhook as Meta sends it, signed with `secret`.
fn signed(secret: &str, body: &[u8], received_at: Timestamp) -> WebhookRequest {
    let signature = format!("sha256={}", webhook::sign(secret.as_bytes(), body));
    let mut headers = HeaderMap::new();
    headers.insert("x-hub-signature-256", signature.parse().unwrap());
    WebhookRequest {
        method: Method::POST,
        query: String::new(),
        headers,
        body: Bytes::copy_from_slice(body),
        received_at,
    }
}

/// A channel that is spoken with by webhooks alone; the Graph API is nowhere.
fn deaf(phone_number_ids: &[&str]) -> WhatsApp {
    let config = Config {
        access_token: "token".into(),
        app_secret: "app-secret".into(),
        verify_token: "verify-me".into(),
        api_url: "http://127.0.0.1:9".to_owned(),
        numbers: phone_number_ids
            .iter()
            .map(|id| Number {
                phone_number_id: (*id).to_owned(),
                number: String::new(),
            })
            .collect(),
        ..Config::default()
    };
    WhatsApp::new(config, ambient(&TestClock::new())).unwrap()
}

async fn receive(channel: &WhatsApp, body: &Value, at: Timestamp) -> WebhookOutcome {
    let request = signed("app-secret", body.to_string().as_bytes(), at);
    channel.receive_webhook(&request).await.unwrap()
}

/// A webhook of the field `messages`.
fn envelope(phone_number_id: &str, value: Value) -> Value {
    let mut value = value;
    value["messaging_product"] = json!("whatsapp");
    value["metadata"] =
        json!({ "display_phone_number": "15550783881", "phone_number_id": phone_number_id });
    json!({
        "object": "whatsapp_business_account",
        "entry": [{ "id": "1", "changes": [{ "field": "messages", "value": value }] }],
    })
}

#[test]
fn a_section_that_cannot_work_is_told_with_field_and_fix() {
    let whole = || Config {
        access_token: "token".into(),
        app_secret: "secret".into(),
        verify_token: "verify".into(),
        numbers: vec![Number {
            phone_number_id: FIRST.to_owned(),
            number: "+1 555 078 3881".to_owned(),
        }],
        ..Config::default()
    };
    assert_eq!(super::check(&whole()), Ok(()));
    type Change = fn(&mut Config);
    let changes: [(&str, Change); 10] = [
        ("access_token", |c| c.access_token = "".into()),
        ("access_token", |c| c.access_token = "a b".into()),
        ("app_secret", |c| c.app_secret = "".into()),
        ("verify_token", |c| c.verify_token = "".into()),
        ("numbers", |c| c.numbers.clear()),
        ("numbers[0].phone_number_id", |c| {
            c.numbers[0].phone_number_id = "+49 1".to_owned();
        }),
        ("numbers[0].number", |c| {
            c.numbers[0].number = "call me".to_owned()
        }),
        ("api_version", |c| c.api_version = "26".to_owned()),
        ("api_url", |c| c.api_url = "graph.facebook.com".to_owned()),
        ("timeout_s", |c| c.timeout_s = 0),
    ];
    for (field, change) in changes {
        let mut config = whole();
        change(&mut config);
        let found = super::check(&config).unwrap_err();
        assert_eq!(found.field, format!("channels.whatsapp.{field}"));
        assert!(!found.fix.is_empty());
    }
}
