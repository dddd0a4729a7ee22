//! Traffic that outlives crashes: customers who write and a shop that tells of their parcels, both of whom try again
//! until they are acknowledged, as the widget and every webhook sender do.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    chat::{Socket, Visitor, identity_of},
    hooks::{Hook, order_placed, parcel_news},
};

/// What customers write: one answer each, nothing that needs a person, and the open question last.
const TEXTS: [&str; 3] = [
    "Hello",
    "How long does delivery take?",
    "Where is my order?",
];
/// How many messages a customer writes.
pub(crate) const MESSAGES: usize = TEXTS.len();
/// How many events are told about a customer's order.
pub(crate) const EVENTS: usize = 2;

/// Where the server is now, for clients that come back after a crash.
#[derive(Clone)]
pub(crate) struct Address(watch::Receiver<Vec<SocketAddr>>);

impl Address {
    /// A place to publish addresses, and where clients look.
    pub(crate) fn publish() -> (watch::Sender<Vec<SocketAddr>>, Self) {
        let (sender, receiver) = watch::channel(Vec::new());
        (sender, Self(receiver))
    }

    /// An address that serves; with several instances the `turn`-th of them.
    async fn get(&mut self, turn: usize) -> SocketAddr {
        let addresses = self.0.wait_for(|addresses| !addresses.is_empty()).await;
        let addresses = addresses.expect("the test goes on");
        addresses[turn % addresses.len()]
    }
}

/// How much was acknowledged or answered so far.
#[derive(Clone)]
pub(crate) struct Progress(watch::Sender<u64>);

impl Progress {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    fn step(&self) {
        self.0.send_modify(|steps| *steps += 1);
    }

    /// Waits for so many more steps.
    pub(crate) async fn more(&self, steps: u64) {
        let mut receiver = self.0.subscribe();
        let goal = *receiver.borrow() + steps;
        receiver
            .wait_for(|now| *now >= goal)
            .await
            .expect("the sender is held here");
    }
}

/// A customer with an order, and what became of them.
pub(crate) struct Customer {
    number: usize,
}

/// What a customer's browser has at the end.
pub(crate) struct Lived {
    /// The visitor's identifier.
    pub(crate) visitor: String,
    /// The customer's e-mail address.
    pub(crate) email: String,
}

impl Customer {
    /// The `number`-th customer of the test.
    pub(crate) fn new(number: usize) -> Self {
        Self { number }
    }

    fn id(&self) -> String {
        format!("K-{}", self.number)
    }

    fn email(&self) -> String {
        format!("k-{}@example.com", self.number)
    }

    /// Signs in, writes, and is told of the parcel; through every crash.
    pub(crate) async fn live(self, server: Address, progress: Progress) -> Lived {
        let visitor = self.sign_in(server.clone()).await;
        progress.step();
        let telling = self.be_told_of(server.clone(), &progress);
        let mut browser = Browser::new(visitor.clone(), self.number);
        let writing = browser.write_and_read(server, &progress);
        tokio::join!(telling, writing);
        Lived {
            visitor: visitor.id,
            email: self.email(),
        }
    }

    async fn sign_in(&self, mut server: Address) -> Visitor {
        loop {
            let address = server.get(self.number).await;
            let body = json!({ "locale": "en", "identity": identity_of(&self.id()) });
            match Visitor::create(address, body).await {
                Ok(visitor) => {
                    assert!(visitor.proven, "the identity token is taken");
                    return visitor;
                }
                Err(_) => pause().await,
            }
        }
    }

    /// The shop tells of the order and its parcel, in either order, and everything twice.
    async fn be_told_of(&self, server: Address, progress: &Progress) {
        let number = format!("{}", 5_000_000 + self.number);
        let parcel = format!("PARCEL{}", self.number);
        let placed = order_placed(&number, &self.id(), &self.email(), &parcel);
        let news = parcel_news("shipment.out_for_delivery", &number, &parcel, 5);
        let mut hooks = [
            Hook::generic(&format!("placed-{}", self.number), &placed),
            Hook::generic(&format!("news-{}", self.number), &news),
        ];
        if self.number % 2 == 1 {
            hooks.reverse();
        }
        for (turn, hook) in hooks.iter().chain(&hooks).enumerate() {
            send_until_taken(hook, server.clone(), turn).await;
            progress.step();
        }
    }
}

/// Sends a hook until it is answered with success.
pub(crate) async fn send_until_taken(hook: &Hook, mut server: Address, turn: usize) {
    loop {
        let address = server.get(turn).await;
        match hook.try_send(address).await {
            Ok(answer) if answer.status == 200 => return,
            Ok(answer) if answer.status != 503 => panic!("{}: {}", answer.status, answer.body),
            _ => pause().await,
        }
    }
}

/// Between two tries to reach a server that is away.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// A browser that keeps what it was shown, as the widget does.
struct Browser {
    visitor: Visitor,
    turn: usize,
    /// Message id by position.
    shown: BTreeMap<i64, String>,
    /// Position by our own identifier of the message.
    receipts: HashMap<String, i64>,
    /// How many answers each of our messages got.
    answers: HashMap<String, usize>,
    proactive: usize,
}

impl Browser {
    fn new(visitor: Visitor, turn: usize) -> Self {
        Self {
            visitor,
            turn,
            shown: BTreeMap::new(),
            receipts: HashMap::new(),
            answers: HashMap::new(),
            proactive: 0,
        }
    }

    /// Writes everything, and reads until everything is answered and the parcel's news is there.
    async fn write_and_read(&mut self, mut server: Address, progress: &Progress) {
        while !self.is_done() {
            self.turn += 1;
            let address = server.get(self.turn).await;
            match self.visitor.try_connect(address, self.cursor()).await {
                Ok(socket) => self.use_socket(socket, progress).await,
                Err(_) => pause().await,
            }
        }
    }

    /// Until it breaks or everything is done.
    async fn use_socket(&mut self, mut socket: Socket, progress: &Progress) {
        for (index, text) in TEXTS.iter().enumerate() {
            let id = name(index);
            if !self.receipts.contains_key(&id)
                && socket
                    .send(&json!({ "id": id, "text": text }))
                    .await
                    .is_err()
            {
                return;
            }
        }
        let mut newest = self.cursor();
        while !self.is_done() {
            let Some(frame) = socket.next().await else {
                return;
            };
            match frame["type"].as_str() {
                Some("receipt") if frame["status"] != "read" => self.note_receipt(&frame),
                Some("message") => {
                    let position = frame["position"].as_i64().expect("a position");
                    assert!(position > newest, "{position} after {newest} on one socket");
                    newest = position;
                    self.show(position, &frame);
                    let _ = socket
                        .send(&json!({ "type": "read", "position": position }))
                        .await;
                }
                Some("error") => panic!("{frame}"),
                _ => continue,
            }
            progress.step();
        }
    }

    fn note_receipt(&mut self, frame: &Value) {
        let id = frame["id"]
            .as_str()
            .expect("receipts name their message")
            .to_owned();
        let position = frame["position"].as_i64().expect("a position");
        let before = self.receipts.insert(id, position);
        assert!(
            before.is_none_or(|before| before == position),
            "a message moved: {frame}"
        );
    }

    fn show(&mut self, position: i64, frame: &Value) {
        let id = frame["id"].as_str().expect("an id").to_owned();
        match self.shown.get(&position) {
            // Shown on an earlier socket: a browser shows it once, but it must be the same.
            Some(known) => assert_eq!(*known, id, "position {position} holds another message"),
            None => {
                if let Some(answered) = frame["in_reply_to"].as_str() {
                    *self.answers.entry(answered.to_owned()).or_default() += 1;
                }
                self.proactive +=
                    usize::from(frame["from"] == "shop" && frame["proactive"] == true);
                self.shown.insert(position, id);
            }
        }
    }

    /// Everything up to here was shown or receipted.
    fn cursor(&self) -> i64 {
        let known = |position| {
            self.shown.contains_key(&position) || self.receipts.values().any(|own| *own == position)
        };
        (1..)
            .take_while(|position| known(*position))
            .last()
            .unwrap_or(0)
    }

    fn is_done(&self) -> bool {
        assert!(
            self.proactive <= 1,
            "the news was told {} times",
            self.proactive
        );
        assert!(
            self.answers.values().all(|count| *count == 1),
            "{:?}",
            self.answers
        );
        self.proactive == 1 && self.receipts.len() == MESSAGES && self.answers.len() == MESSAGES
    }
}

fn name(index: usize) -> String {
    format!("m{index}")
}

/// Our own identifier of the message that is stored under `external_id`, and its place among what the customer wrote.
pub(crate) fn place_of(external_id: &str) -> (&str, usize) {
    let (visitor, id) = external_id.split_once(':').expect("visitor and id");
    (
        visitor,
        id.trim_start_matches('m').parse().expect("a number"),
    )
}
