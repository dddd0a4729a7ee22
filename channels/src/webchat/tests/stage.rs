//! The widget as the stage's simulator: our own protocol needs no provider.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use doorstep_core::message::Address;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;
use crate::{
    conformance::{Stage, front::Front},
    simulator::{Act, Chance, Counts, Faults, Shown, Simulator, SimulatorError},
};

/// A stage with the web chat on it.
pub(crate) async fn stage() -> Stage {
    let fixture = Fixture::new();
    let front = Front::listen(&fixture.clock, &fixture.store).await;
    let chat = Arc::new(fixture.chat);
    let widgets = Arc::new(Widgets::new(chat.clone()));
    widgets.open("ada").await;
    let between = (fixture.store, fixture.clock);
    Stage::open(chat, widgets, front, between, "nobody", ())
}

/// Customers' browsers.
struct Widgets {
    chat: Arc<WebChat>,
    sessions: Mutex<HashMap<String, SessionCreated>>,
    shown: Arc<Mutex<HashMap<String, Vec<Shown>>>>,
    faults: Mutex<(Faults, Chance)>,
    counts: Mutex<Counts>,
    /// A frame that is told after the next one.
    held: Mutex<Option<(String, Value)>>,
    written: Mutex<u64>,
    changes: Arc<watch::Sender<u64>>,
}

impl Widgets {
    fn new(chat: Arc<WebChat>) -> Self {
        Self {
            chat,
            sessions: Mutex::default(),
            shown: Arc::default(),
            faults: Mutex::new((Faults::default(), Chance::new(1))),
            counts: Mutex::default(),
            held: Mutex::default(),
            written: Mutex::default(),
            changes: Arc::default(),
        }
    }

    /// Opens a browser with a socket whose messages are shown.
    async fn open(&self, customer: &str) {
        let request = CreateSession {
            locale: None,
            identity: None,
            session: None,
            origin: Some(ORIGIN.to_owned()),
            host: Some("chat.example".to_owned()),
            ip: ip(),
        };
        let session = self.chat.create_session(request).await.unwrap();
        let socket = OpenSocket {
            session: Some(session.session.clone()),
            after: None,
            origin: Some(ORIGIN.to_owned()),
            host: Some("chat.example".to_owned()),
            ip: ip(),
            language: None,
        };
        let socket = self.chat.open(socket).await.unwrap();
        let shown = self.shown.clone();
        let changes = self.changes.clone();
        let name = customer.to_owned();
        tokio::spawn(show(socket, name, shown, changes));
        self.sessions
            .lock()
            .unwrap()
            .insert(customer.to_owned(), session);
    }

    fn session(&self, customer: &str) -> SessionCreated {
        self.sessions.lock().unwrap()[customer].clone()
    }

    async fn post(&self, customer: &str, frame: &Value) {
        let session = self.session(customer).session;
        // What the web chat refuses, its visitor is told; a stage looks at what is admitted.
        let _ = self
            .chat
            .post_message(&session, frame.to_string().as_bytes())
            .await;
    }

    async fn write(&self, customer: &str, mut frame: Value) {
        let (duplicate, reordered) = {
            let mut faults = self.faults.lock().unwrap();
            let (duplicate, reordered) = (faults.0.duplicate, faults.0.reordered);
            (faults.1.happens(duplicate), faults.1.happens(reordered))
        };
        let number = {
            let mut written = self.written.lock().unwrap();
            *written += 1;
            *written
        };
        frame["id"] = json!(format!("m{number}"));
        let held = self.held.lock().unwrap().take();
        if reordered && held.is_none() {
            *self.held.lock().unwrap() = Some((customer.to_owned(), frame));
            return;
        }
        self.post(customer, &frame).await;
        if duplicate {
            self.counts.lock().unwrap().duplicates += 1;
            self.post(customer, &frame).await;
        }
        if let Some((customer, frame)) = held {
            self.post(&customer, &frame).await;
        }
    }

    fn value_of(&self, customer: &str, label: &str) -> Option<String> {
        let shown = self.shown.lock().unwrap();
        let all = shown.get(customer)?.iter().flat_map(|part| &part.buttons);
        let pressed = all.filter_map(|button| button.split_once('\u{0}'));
        let mut pressed = pressed.filter(|(found, _)| *found == label);
        pressed.next_back().map(|(_, value)| value.to_owned())
    }
}

/// Keeps what comes over the socket; a button is its label and, behind a NUL, its value.
async fn show(
    mut socket: Session,
    customer: String,
    shown: Arc<Mutex<HashMap<String, Vec<Shown>>>>,
    changes: Arc<watch::Sender<u64>>,
) {
    while let Some(frame) = socket.next().await {
        let frame: Value = serde_json::from_str(&frame).unwrap();
        if frame["type"] == "message" && frame["from"] == "shop" {
            let mut all = shown.lock().unwrap();
            all.entry(customer.clone()).or_default().push(read(&frame));
        }
        changes.send_modify(|count| *count += 1);
    }
}

fn read(frame: &Value) -> Shown {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut lines = vec![text(&frame["text"])];
    for card in list(&frame["cards"]) {
        lines.extend(["title", "subtitle", "price", "stock"].map(|field| text(&card[field])));
    }
    let pictures = list(&frame["images"]);
    Shown {
        id: text(&frame["id"]),
        text: lines.join("\n"),
        buttons: list(&frame["buttons"])
            .iter()
            .map(|button| format!("{}\u{0}{}", text(&button["label"]), text(&button["value"])))
            .collect(),
        images: pictures
            .iter()
            .map(|picture| text(&picture["url"]))
            .collect(),
    }
}

#[async_trait]
impl Simulator for Widgets {
    fn provider(&self) -> &'static str {
        "webchat"
    }

    fn address_of(&self, customer: &str) -> Address {
        Address::new(NAME, self.session(customer).visitor)
    }

    async fn act(&self, customer: &str, act: Act) -> Result<(), SimulatorError> {
        let frame = match act {
            Act::Write(text) => json!({ "text": text }),
            Act::Press(label) => {
                let value = self.value_of(customer, &label);
                json!({ "text": label, "button": value })
            }
            Act::DoSomethingElse => json!({ "type": "dance" }),
            other => {
                return Err(SimulatorError::NotThere {
                    provider: "webchat",
                    what: format!("{other:?}").chars().take(20).collect(),
                });
            }
        };
        self.write(customer, frame).await;
        Ok(())
    }

    fn shown(&self, customer: &str) -> Vec<Shown> {
        let shown = self.shown.lock().unwrap();
        let mut shown = shown.get(customer).cloned().unwrap_or_default();
        for part in &mut shown {
            for button in &mut part.buttons {
                button.truncate(button.find('\u{0}').unwrap_or(button.len()));
            }
        }
        shown
    }

    fn inject(&self, faults: Faults) {
        let chance = Chance::new(faults.seed);
        *self.faults.lock().unwrap() = (faults, chance);
    }

    fn counts(&self) -> Counts {
        *self.counts.lock().unwrap()
    }

    async fn changed(&self, seen: u64) -> u64 {
        let mut changes = self.changes.subscribe();
        let now = changes.wait_for(|count| *count > seen).await;
        *now.unwrap()
    }
}
