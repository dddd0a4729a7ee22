//! The web chat as a widget sees it.

mod access;
mod conversation;
mod hostile;
mod stage;

use std::{net::IpAddr, sync::Arc, time::Duration};

use doorstep_core::{
    Clock,
    message::{Address, InboundMessage},
};
use serde_json::Value;

pub(crate) use self::stage::stage;
use super::*;
use crate::testing::{Memory, TestClock, ambient};

const ORIGIN: &str = "https://shop.example";

struct Fixture {
    clock: Arc<TestClock>,
    store: Arc<Memory>,
    chat: WebChat,
}

impl Fixture {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            signing_secret: "signs sessions, 32 bytes or more!!".into(),
            identity_secret: Some(identity_secret()),
            allowed_origins: vec![ORIGIN.to_owned()],
            ..Config::default()
        };
        change(&mut config);
        let clock = TestClock::new();
        let store = Memory::new(&clock);
        let chat = WebChat::new(config, store.clone(), store.clone(), ambient(&clock)).unwrap();
        Self { clock, store, chat }
    }

    async fn create(&self, change: impl FnOnce(&mut CreateSession)) -> SessionCreated {
        self.try_create(change).await.unwrap()
    }

    async fn try_create(
        &self,
        change: impl FnOnce(&mut CreateSession),
    ) -> Result<SessionCreated, WebChatError> {
        let mut request = CreateSession {
            locale: None,
            identity: None,
            session: None,
            origin: Some(ORIGIN.to_owned()),
            host: Some("chat.example".to_owned()),
            ip: ip(),
        };
        change(&mut request);
        self.chat.create_session(request).await
    }

    async fn socket(&self, session: &SessionCreated, after: Option<i64>) -> Session {
        self.open(|request| {
            request.session = Some(session.session.clone());
            request.after = after;
        })
        .await
        .unwrap()
    }

    async fn open(&self, change: impl FnOnce(&mut OpenSocket)) -> Result<Session, WebChatError> {
        let mut request = OpenSocket {
            session: None,
            after: None,
            origin: Some(ORIGIN.to_owned()),
            host: Some("chat.example".to_owned()),
            ip: ip(),
            language: None,
        };
        change(&mut request);
        self.chat.open(request).await
    }

    fn identity(&self, customer: &str) -> String {
        let now = self.clock.now().timestamp();
        sign_identity(
            &identity_secret(),
            &IdentityClaims {
                sub: customer.to_owned(),
                email: Some(format!("{customer}@example.com")),
                name: None,
                exp: now + 300,
                iat: Some(now),
            },
        )
    }

    fn admitted(&self) -> Vec<InboundMessage> {
        self.store.admitted.lock().unwrap().clone()
    }
}

fn identity_secret() -> secrecy::SecretString {
    "signs customers, 32 bytes or more!".into()
}

fn ip() -> IpAddr {
    "192.0.2.7".parse().unwrap()
}

fn address_of(session: &SessionCreated) -> Address {
    Address::new(NAME, session.visitor.clone())
}

/// The frames that are there now. Every call drops a waiting `next`, as a transport's `select!` does.
async fn frames(session: &mut Session) -> Vec<Value> {
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = tokio::time::timeout(Duration::ZERO, session.next()).await {
        frames.push(serde_json::from_str(&frame).unwrap());
    }
    frames
}

async fn write(session: &mut Session, frame: Value) -> Vec<Value> {
    session.receive(Incoming::Text(&frame.to_string())).await;
    frames(session).await
}

fn texts(frames: &[Value]) -> Vec<&str> {
    let messages = frames.iter().filter(|frame| frame["type"] == "message");
    messages
        .filter_map(|frame| frame["text"].as_str())
        .collect()
}
