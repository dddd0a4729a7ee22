//! The browser's conversation on every channel, through the providers' simulators: a product question, an order behind its
//! second factor, a hand-over, in English and in Spanish; and begun in the web chat, continued elsewhere after proof.

use std::{net::SocketAddr, sync::Arc};

use doorstep::{
    ambient,
    app::App,
    cli::Role,
    config::{Config, Sources},
};
use doorstep_channels::simulator::{self, Act, Simulator, SimulatorError, Start, Started};
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    conversations::has_a_date,
    support::{
        chat::{Visitor, http},
        server::{Kind, Place},
        wait::PATIENCE,
    },
};

/// Order 10234 is Marta Ruiz's: with Correos, postcode 28012.
const QUESTION: &str = "Where is my order 10234?";
const FACTOR: &str = "28012";
const CARRIER: &str = "Correos";

/// What a customer says, and what tells that they were understood.
struct Story {
    language: &'static str,
    customer: &'static str,
    product: &'static str,
    order: &'static str,
    /// Asks for the second factor.
    factor_asked: &'static str,
    /// One of them is said of a parcel on its way.
    on_its_way: &'static [&'static str],
    problem: &'static str,
    /// Stays of the problem in the summary.
    words: &'static str,
    /// Tells who takes over.
    colleague: &'static str,
}

const STORIES: [Story; 2] = [
    Story {
        language: "en",
        customer: "marta",
        product: "Do you have a waterproof jacket under €150?",
        order: QUESTION,
        factor_asked: "postcode",
        on_its_way: &["on its way", "on the way", "in transit", "under way"],
        problem: "This arrived broken, I want my money back",
        words: "arrived broken",
        colleague: "colleague",
    },
    Story {
        language: "es",
        customer: "lucia",
        product: "¿Tienen una chaqueta impermeable por menos de 150 €?",
        order: "¿Dónde está mi pedido 10234?",
        factor_asked: "código postal",
        on_its_way: &["camino", "reparto", "tránsito"],
        problem: "Ha llegado roto, quiero que me devuelvan el dinero",
        words: "llegado roto",
        colleague: "compañero",
    },
];

/// The program with all four providers played beside it.
struct Town {
    program: SocketAddr,
    simulators: Vec<Arc<dyn Simulator>>,
    _folder: tempfile::TempDir,
    place: Place,
    _stop: DropGuard,
}

impl Town {
    async fn open() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(Kind::Sqlite).await.unwrap();
        // Providers must know the program's address before it starts.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let program = listener.local_addr().unwrap();
        let mut flags = place.settings();
        flags.push(("http.listen".to_owned(), program.to_string()));
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
            flags.extend(settings);
            simulators.push(simulator);
        }
        let sources = Sources {
            file: None,
            flags,
            environment: false,
        };
        let config = Config::load(&sources).unwrap_or_else(|problems| panic!("{problems:#?}"));
        let app = App::start(config, ambient::system(), Role::All, false).await;
        let app = app.unwrap_or_else(|error| panic!("{error}"));
        // What is found must not change between one channel and the next.
        doorstep::catalog::indexed(&app).await;
        let stop = CancellationToken::new();
        tokio::spawn(doorstep::serve(app, listener, stop.clone()));
        Self {
            program,
            simulators,
            _folder: folder,
            place,
            _stop: stop.drop_guard(),
        }
    }

    /// What the web chat shows on cards in answer to a question: titles, prices and stocks, each a fact that every other
    /// channel must tell too.
    async fn facts_on_cards(&self, language: &str, question: &str) -> Vec<String> {
        let visitor = Visitor::anonymous(self.program, language).await;
        let reply = visitor.talk(self.program).await.ask(question).await;
        assert!(!reply.cards().is_empty(), "{}", reply.text());
        let facts = reply.cards().into_iter().flat_map(|card| {
            ["title", "price", "stock"].map(|fact| card[fact].as_str().unwrap().to_owned())
        });
        facts.collect()
    }

    /// Summaries of what was handed over of a customer's conversation.
    async fn handed_over(&self, simulator: &dyn Simulator, customer: &str) -> Vec<String> {
        let address = simulator.address_of(customer);
        let sql = format!(
            "SELECT h.summary FROM handoffs h JOIN conversations c ON h.conversation_id = c.id
                WHERE c.channel = '{}' AND c.address = '{}'",
            address.channel, address.id
        );
        self.place.database().await.texts(&sql).await
    }
}

/// A customer before their device.
struct Customer<'a> {
    simulator: &'a dyn Simulator,
    name: &'a str,
    /// How many messages they had read when they last wrote.
    read: usize,
}

impl<'a> Customer<'a> {
    fn new(simulator: &'a dyn Simulator, name: &'a str) -> Self {
        let read = 0;
        Self {
            simulator,
            name,
            read,
        }
    }

    async fn act(&mut self, act: Act) {
        self.read = self.simulator.shown(self.name).len();
        self.simulator.act(self.name, act).await.unwrap();
    }

    /// Writes, and waits until an answer came in which all of `wanted` stands; all of the answer that is there.
    async fn asks(&mut self, text: &str, wanted: &[impl AsRef<str>]) -> String {
        self.act(Act::Write(text.to_owned())).await;
        let hearing = async {
            let mut changes = 0;
            loop {
                let answer = self.answer();
                let told = |fact| answer.contains(&in_one_line(fact));
                if !answer.is_empty() && wanted.iter().all(|fact| told(fact.as_ref())) {
                    return answer;
                }
                changes = self.simulator.changed(changes).await;
            }
        };
        let heard = timeout(PATIENCE, hearing).await;
        heard.unwrap_or_else(|_| {
            let wanted: Vec<&str> = wanted.iter().map(AsRef::as_ref).collect();
            let (provider, answer) = (self.simulator.provider(), self.answer());
            panic!("{provider}: to `{text}` was said `{answer}`, which has not all of {wanted:?}")
        })
    }

    fn answer(&self) -> String {
        let shown = self.simulator.shown(self.name);
        let texts: Vec<String> = shown
            .into_iter()
            .skip(self.read)
            .map(|message| message.text)
            .collect();
        in_one_line(&texts.join(" "))
    }
}

/// Channels break lines and space where they must.
fn in_one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// The whole of a story on one channel.
async fn play(town: &Town, simulator: &dyn Simulator, story: &Story, facts: &[String]) {
    let mut customer = Customer::new(simulator, story.customer);
    customer.asks(story.product, facts).await;

    let asked = customer.asks(story.order, &[story.factor_asked]).await;
    let wrong = customer.asks("99999", &[""]).await;
    for refused in [asked, wrong] {
        assert!(!refused.contains(CARRIER), "told before proof: {refused}");
    }
    let status = customer.asks(FACTOR, &[CARRIER]).await;
    let says = |words: &&str| status.contains(words);
    assert!(story.on_its_way.iter().any(says), "no state: {status}");
    assert!(has_a_date(&status), "no date to expect it: {status}");

    customer.asks(story.problem, &[story.colleague]).await;
    let summaries = town.handed_over(simulator, story.customer).await;
    assert_eq!(summaries.len(), 1, "one request for a person");
    assert!(summaries[0].contains(story.words), "{}", summaries[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_browsers_conversation_is_held_on_every_channel_and_continued_on_another() {
    let town = Town::open().await;
    for story in &STORIES {
        let facts = town.facts_on_cards(story.language, story.product).await;
        for simulator in &town.simulators {
            let (provider, language) = (simulator.provider(), story.language);
            println!("{provider}, {language}: cards, second factor, status, hand-over");
            play(&town, &**simulator, story, &facts).await;
        }
    }
    for simulator in &town.simulators {
        continue_after_proof(&town, &**simulator).await;
    }
}

/// What was opened in the web chat is open where its link is followed, and only there.
async fn continue_after_proof(town: &Town, simulator: &dyn Simulator) {
    let token = begin_in_the_web_chat(town.program).await;
    let mut luis = Customer::new(simulator, "luis");
    let follow = Act::Follow(token.clone());
    let provider = simulator.provider();
    match simulator.act("luis", follow.clone()).await {
        Ok(()) => println!("webchat, then {provider}: continued after proof"),
        Err(SimulatorError::NotThere { .. }) => {
            println!("webchat, then {provider}: its customers have no such links");
            return;
        }
        Err(error) => panic!("{provider}: {error}"),
    }
    luis.asks(QUESTION, &[CARRIER]).await;
    // The link opened once: whoever brings it again is asked.
    let mut thief = Customer::new(simulator, "thief");
    thief.act(follow).await;
    let asked = thief.asks(QUESTION, &["postcode"]).await;
    assert!(!asked.contains(CARRIER), "{asked}");
}

/// A visitor opens the order with its second factor and asks for links; returns the token that they carry.
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
    let url = telegram.unwrap()["url"].as_str().unwrap();
    url.rsplit_once("start=").unwrap().1.to_owned()
}
