//! One conversation on every channel, through the providers' simulators: asked, second factor, answered; and begun in the
//! web chat, continued on Telegram after proof.

use std::{net::SocketAddr, sync::Arc};

use doorstep::ambient;
use doorstep_channels::simulator::{self, Act, Simulator, Start, Started};
use serde_json::Value;

use crate::support::{
    chat::{Visitor, http},
    server::{Kind, Launch, Place, Process},
    wait::within,
};

/// Order 10234 is Marta Ruiz's: with Correos, postcode 28012.
const QUESTION: &str = "Where is my order 10234?";
const FACTOR: &str = "28012";
const CARRIER: &str = "Correos";

/// The program with all four providers played beside it.
struct Town {
    process: Process,
    simulators: Vec<Arc<dyn Simulator>>,
    _folder: tempfile::TempDir,
    _place: Place,
}

/// A port that was free a moment ago: providers must know the program's address before it starts.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Town {
    async fn open() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(Kind::Sqlite).await.unwrap();
        let program = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut launch = Launch::serve(&place).set("http.listen", &program.to_string());
        let mut simulators = Vec::new();
        for provider in ["telegram", "whatsapp", "discord", "email"] {
            let started = simulator::start(
                provider,
                Start {
                    listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                    webhook: format!("http://{program}/webhooks/channels/{provider}"),
                    folder: folder.path().join(provider),
                    ambient: ambient::system(),
                },
            );
            let Started {
                simulator,
                settings,
            } = started.await.unwrap();
            for (key, value) in settings {
                launch = launch.set(&key, &value);
            }
            simulators.push(simulator);
        }
        Self {
            process: launch.start().await,
            simulators,
            _folder: folder,
            _place: place,
        }
    }

    fn of(&self, provider: &str) -> &dyn Simulator {
        let found = self
            .simulators
            .iter()
            .find(|simulator| simulator.provider() == provider);
        &**found.unwrap()
    }
}

/// Waits until the customer's device shows a message with these words, after the first `seen`; returns how many it shows.
async fn hears(simulator: &dyn Simulator, customer: &str, seen: usize, words: &str) -> usize {
    let hearing = async {
        let mut changes = 0;
        loop {
            let shown = simulator.shown(customer);
            if shown
                .iter()
                .skip(seen)
                .any(|message| message.text.contains(words))
            {
                return shown.len();
            }
            changes = simulator.changed(changes).await;
        }
    };
    within(
        &format!("{} shows `{words}`", simulator.provider()),
        hearing,
    )
    .await
}

async fn writes(simulator: &dyn Simulator, customer: &str, text: &str) {
    simulator
        .act(customer, Act::Write(text.to_owned()))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_conversation_is_held_on_every_channel_and_continued_on_another() {
    let town = Town::open().await;
    for simulator in &town.simulators {
        let simulator = &**simulator;
        println!("{}: asked, second factor, answered", simulator.provider());
        writes(simulator, "marta", QUESTION).await;
        let seen = hears(simulator, "marta", 0, "postcode").await;
        assert!(
            simulator
                .shown("marta")
                .iter()
                .all(|message| !message.text.contains(CARRIER)),
            "told before proof"
        );
        writes(simulator, "marta", FACTOR).await;
        hears(simulator, "marta", seen, CARRIER).await;
    }
    let link = begin_in_the_web_chat(town.process.address()).await;
    let token = link.rsplit_once("start=").unwrap().1.to_owned();
    println!("webchat, then telegram: continued after proof");
    let telegram = town.of("telegram");
    telegram
        .act("luis", Act::Follow(token.clone()))
        .await
        .unwrap();
    writes(telegram, "luis", QUESTION).await;
    hears(telegram, "luis", 0, CARRIER).await;
    // The link opened once: whoever brings it again is asked.
    telegram.act("thief", Act::Follow(token)).await.unwrap();
    writes(telegram, "thief", QUESTION).await;
    hears(telegram, "thief", 0, "postcode").await;
}

/// A visitor opens the order with its second factor and asks for links; returns Telegram's.
async fn begin_in_the_web_chat(server: SocketAddr) -> String {
    let visitor = Visitor::anonymous(server, "en").await;
    let mut conversation = visitor.talk(server).await;
    assert!(conversation.ask(QUESTION).await.text().contains("postcode"));
    assert!(conversation.ask(FACTOR).await.text().contains(CARRIER));
    let answer = http()
        .post(format!("http://{server}/chat/links"))
        .bearer_auth(&visitor.session)
        .send()
        .await
        .unwrap();
    let links: Value = answer.json().await.unwrap();
    let links = links["links"].as_array().unwrap().clone();
    let telegram = links.iter().find(|link| link["channel"] == "telegram");
    telegram.unwrap()["url"].as_str().unwrap().to_owned()
}
