//! WhatsApp played on loopback: the Graph API, and signed webhooks to the channel.
//!
//! Its fidelity rests on Meta's pages, all below <https://developers.facebook.com/documentation/business-messaging/whatsapp/>
//! as of November 2026:
//!
//! | what | page |
//! |---|---|
//! | `POST /{number}/messages`, its answer, `to` and `recipient` | "Send messages", "Business-scoped user IDs" |
//! | what a message may hold | "Text messages", "Image messages", "Interactive reply buttons messages", "Interactive list messages", "Interactive Call-to-Action URL Button Messages", "Template messages" |
//! | the 24-hour window | "Customer service windows" |
//! | errors | "Error codes" |
//! | read marks and typing | "Mark messages as read", "Typing indicators" |
//! | files | "Media" |
//! | the list of templates | "Template management" |
//! | webhooks, their signature and redelivery | "Create a webhook endpoint", "messages webhook reference" |
//! | speed | "Throughput", "Pair rate limits" |
//!
//! What differs on purpose: refusals that Meta may tell some seconds later in a status (131026, 131047) are told at once,
//! unless [`WhatsAppSimulator::fail_later`] asks for the other way; a refusal for speed names `Retry-After`; a redelivery comes
//! after fractions of a second instead of minutes; numbers that begin with 999, which no country has, are not on WhatsApp.

mod api;
mod customers;
mod rules;
mod webhooks;

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use doorstep_core::{Clock, Timestamp, message::Address};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use self::{customers::Customers, rules::Limits, webhooks::Courier};
use super::{Config, NAME, Number, address::Numbers, link};
use crate::simulator::{Act, Chance, Counts, Faults, Shown, Simulator, SimulatorError};

/// How a simulator is set up.
#[derive(Clone)]
pub struct Options {
    /// Where the Graph API listens; port 0 for any.
    pub listen: SocketAddr,
    /// Where webhooks go.
    pub webhook: String,
    /// The token that the API takes.
    pub access_token: String,
    /// Webhooks are signed with it.
    pub app_secret: String,
    /// What is shown when the webhook's address is verified.
    pub verify_token: String,
    /// The business account.
    pub business_account: String,
    /// The shop's numbers.
    pub numbers: Vec<Number>,
    /// The business account's templates, as `GET message_templates` lists them.
    pub templates: Vec<Value>,
    /// Whether sending too fast is refused (130429, 131056).
    pub limits: bool,
    /// Tells the time: of messages, and of the 24-hour window.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// One number, no templates, no limits of speed, any port.
    pub fn new(webhook: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            webhook: webhook.into(),
            access_token: "simulated-access-token".to_owned(),
            app_secret: "simulated-app-secret".to_owned(),
            verify_token: "simulated-verify-token".to_owned(),
            business_account: "102290129340398".to_owned(),
            numbers: vec![Number {
                phone_number_id: "106540352242922".to_owned(),
                number: "+1 555 078 3881".to_owned(),
            }],
            templates: Vec::new(),
            limits: false,
            clock,
        }
    }
}

/// WhatsApp on loopback. It stops when dropped.
pub struct WhatsAppSimulator {
    world: Arc<World>,
    local: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

/// What the API, the customers and the webhooks share.
struct World {
    options: Options,
    /// Where files are downloaded from.
    base: String,
    state: Mutex<State>,
    courier: Courier,
    changes: watch::Sender<u64>,
}

struct State {
    customers: Customers,
    media: HashMap<String, Media>,
    limits: Limits,
    faults: Faults,
    chance: Chance,
    counts: Counts,
    refusals: VecDeque<i64>,
    later_failures: VecDeque<i64>,
    /// What was done and is told after what is done next.
    held: Option<Value>,
    made: u64,
}

/// A file, from either side.
#[derive(Clone)]
struct Media {
    media_type: String,
    bytes: Bytes,
}

/// Starts WhatsApp on loopback.
///
/// # Errors
/// The address cannot be listened on, or is not on loopback.
pub async fn start(options: Options) -> Result<WhatsAppSimulator, SimulatorError> {
    let failed = |reason: String| SimulatorError::Failed { reason };
    if !options.listen.ip().is_loopback() {
        return Err(failed(format!("{} is not on loopback", options.listen)));
    }
    if options.numbers.is_empty() {
        return Err(failed("it has no number of the shop".to_owned()));
    }
    let listener = TcpListener::bind(options.listen);
    let listener = listener.await.map_err(|error| failed(error.to_string()))?;
    let local = listener
        .local_addr()
        .map_err(|error| failed(error.to_string()))?;
    let (courier, running) = Courier::start(&options)?;
    let world = Arc::new(World {
        base: format!("http://{local}"),
        state: Mutex::new(State {
            customers: Customers::default(),
            media: HashMap::new(),
            limits: Limits::default(),
            faults: Faults::default(),
            chance: Chance::new(Faults::default().seed),
            counts: Counts::default(),
            refusals: VecDeque::new(),
            later_failures: VecDeque::new(),
            held: None,
            made: 0,
        }),
        courier,
        changes: watch::Sender::default(),
        options,
    });
    let router = api::router(world.clone());
    let serving = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::warn!(%error, "the simulated Graph API ended");
        }
    });
    Ok(WhatsAppSimulator {
        world,
        local,
        tasks: vec![serving, running],
    })
}

impl Drop for WhatsAppSimulator {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl World {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Tells the channel what a customer did, as the faults want it.
    fn tell(self: &Arc<Self>, event: Value) {
        let mut state = self.state();
        let share = state.faults.duplicate;
        let twice = state.chance.happens(share);
        state.counts.duplicates += u64::from(twice);
        let share = state.faults.reordered;
        let hold = state.held.is_none() && state.chance.happens(share);
        if hold {
            state.held = Some(event);
            drop(state);
            self.release_later();
            return;
        }
        let held = state.held.take();
        drop(state);
        self.courier.post(event.clone());
        if twice {
            self.courier.post(event);
        }
        if let Some(held) = held {
            self.courier.post(held);
        }
        self.changed();
    }

    /// Where nothing follows, what is held goes out by itself.
    fn release_later(self: &Arc<Self>) {
        let world = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
            let held = world.state().held.take();
            if let Some(held) = held {
                world.courier.post(held);
            }
        });
    }
}

impl State {
    /// An identifier that was not used before.
    fn next(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    fn next_message(&mut self) -> String {
        format!("wamid.SIM{:020}", self.next())
    }

    fn keep(&mut self, media: Media) -> String {
        let id = format!("{}", 700_000_000_000_000_u64 + self.next());
        self.media.insert(id.clone(), media);
        id
    }
}

impl WhatsAppSimulator {
    /// Where the Graph API is.
    pub fn url(&self) -> String {
        format!("http://{}", self.local)
    }

    /// The section `[channels.whatsapp]` that points a channel here.
    pub fn config(&self) -> Config {
        let options = &self.world.options;
        Config {
            access_token: SecretString::from(options.access_token.clone()),
            app_secret: SecretString::from(options.app_secret.clone()),
            verify_token: SecretString::from(options.verify_token.clone()),
            business_account: options.business_account.clone(),
            numbers: options.numbers.clone(),
            api_url: self.url(),
            ..Config::default()
        }
    }

    /// Asks the webhook's address for the challenge, as Meta does when it is set.
    ///
    /// # Errors
    /// It did not answer as it must.
    pub async fn verify_webhook(&self) -> Result<(), SimulatorError> {
        self.world.courier.verify().await
    }

    /// Refuses the next message with this code.
    pub fn refuse_next(&self, code: i64) {
        self.world.state().refusals.push_back(code);
    }

    /// Takes the next message and tells in a status that it failed with this code.
    pub fn fail_later(&self, code: i64) {
        self.world.state().later_failures.push_back(code);
    }

    /// Lets a customer send a message of any kind: `message` holds `type` and the object of that name.
    pub fn send(&self, customer: &str, message: Value) {
        self.send_to(0, customer, message);
    }

    /// The same, to another one of the shop's numbers than the first, by its place in [`Options::numbers`].
    pub fn send_to(&self, number: usize, customer: &str, message: Value) {
        let event = self.written(number, customer, message);
        self.world.tell(event);
    }

    /// A webhook with a message, and the customer's window opened.
    fn written(&self, number: usize, customer: &str, mut message: Value) -> Value {
        let now = self.world.now();
        let numbers = &self.world.options.numbers;
        let number = &numbers[number.min(numbers.len() - 1)];
        let mut state = self.world.state();
        let id = state.next_message();
        let customer = state.customers.named(customer);
        customer.wrote(&number.phone_number_id, now);
        if message["type"] != "edit" {
            customer.last_written = Some(id.clone());
        }
        if let Some(phone) = &customer.phone {
            message["from"] = json!(phone);
        }
        message["from_user_id"] = json!(customer.user_id);
        message["id"] = json!(id);
        message["timestamp"] = json!(now.timestamp().to_string());
        let contact = customer.contact();
        webhooks::messages(
            &self.world.options,
            number,
            json!({ "contacts": [contact], "messages": [message] }),
        )
    }

    /// The message that presses a button shown to the customer.
    fn press(&self, customer: &str, label: &str) -> Result<Value, SimulatorError> {
        let mut state = self.world.state();
        let own = self.world.options.numbers[0].number.clone();
        let pressed = state.customers.named(customer).find_button(label);
        let Some((message, reply)) = pressed else {
            return Err(SimulatorError::NotThere {
                provider: NAME,
                what: format!("press `{label}`: it is not shown"),
            });
        };
        let mut pressed = reply;
        pressed["context"] = json!({ "from": own, "id": message });
        Ok(pressed)
    }

    fn file(&self, name: &str, media_type: &str, bytes: Bytes, caption: Option<String>) -> Value {
        let kind = media_type.split('/').next();
        let kind = ["image", "video", "audio"]
            .into_iter()
            .find(|known| kind == Some(known))
            .unwrap_or("document");
        let mut file = json!({ "mime_type": media_type });
        let media_type = media_type.to_owned();
        let id = self.world.state().keep(Media { media_type, bytes });
        file["id"] = json!(id);
        if kind == "document" {
            file["filename"] = json!(name);
        }
        if let Some(caption) = caption {
            file["caption"] = json!(caption);
        }
        json!({ "type": kind, kind: file })
    }
}

#[async_trait]
impl Simulator for WhatsAppSimulator {
    fn provider(&self) -> &'static str {
        NAME
    }

    /// Customers whose name begins with `@` have a user name: the shop is not told their number.
    fn address_of(&self, customer: &str) -> Address {
        let options = &self.world.options;
        let numbers = Numbers::new(NAME.into(), options.numbers.clone());
        let first = &options.numbers[0].phone_number_id;
        // From here on the number is theirs, also when they never write.
        let mut state = self.world.state();
        numbers.address_of(first, state.customers.named(customer).id())
    }

    async fn act(&self, customer: &str, act: Act) -> Result<(), SimulatorError> {
        let text = |body: String| json!({ "type": "text", "text": { "body": body } });
        let message = match act {
            Act::Write(body) => text(body),
            Act::Follow(token) => text(link::text_with("👋", &token)),
            Act::Edit(body) => {
                let original = {
                    let mut state = self.world.state();
                    state.customers.named(customer).last_written.clone()
                };
                let original = original.ok_or_else(|| SimulatorError::NotThere {
                    provider: NAME,
                    what: "edit: nothing was written".to_owned(),
                })?;
                let edit = json!({ "original_message_id": original, "message": text(body) });
                json!({ "type": "edit", "edit": edit })
            }
            Act::Press(label) => self.press(customer, &label)?,
            Act::Send {
                name,
                media_type,
                bytes,
                caption,
            } => self.file(&name, &media_type, bytes, caption),
            Act::DoSomethingElse => json!({
                "type": "unsupported",
                "unsupported": { "type": "poll_creation" },
                "errors": [{
                    "code": 131_051,
                    "title": "Message type unknown",
                    "message": "Message type unknown",
                    "error_data": { "details": "Message type is currently not supported." },
                }],
            }),
            Act::Block | Act::Unblock => {
                let mut state = self.world.state();
                state.customers.named(customer).blocked = act == Act::Block;
                return Ok(());
            }
        };
        self.send(customer, message);
        Ok(())
    }

    fn shown(&self, customer: &str) -> Vec<Shown> {
        let mut state = self.world.state();
        let sent = &state.customers.named(customer).sent;
        sent.iter().map(|sent| sent.shown.clone()).collect()
    }

    fn inject(&self, faults: Faults) {
        let mut state = self.world.state();
        state.chance = Chance::new(faults.seed);
        state.faults = faults;
    }

    fn counts(&self) -> Counts {
        self.world.state().counts
    }

    async fn changed(&self, seen: u64) -> u64 {
        let mut changes = self.world.changes.subscribe();
        // The sender lives as long as this simulator.
        let changed = changes.wait_for(|count| *count != seen).await;
        changed.map_or(seen, |count| *count)
    }
}

/// What a device would show of a message, or why it is refused.
#[cfg(test)]
pub(super) fn render_for_tests(body: &Value) -> Result<String, (i64, String)> {
    let sent = rules::render(body, &[], |_| false)?;
    let labels = sent.replies.iter().flat_map(|reply| reply.labels.clone());
    let all = std::iter::once(sent.shown.text)
        .chain(sent.shown.buttons)
        .chain(labels);
    Ok(all.collect::<Vec<_>>().join("\n"))
}

/// By [`crate::simulator::start`].
pub(crate) async fn by_name(
    how: crate::simulator::Start,
) -> Result<(Arc<dyn Simulator>, Vec<(&'static str, String)>), SimulatorError> {
    let options = Options {
        listen: how.listen,
        ..Options::new(how.webhook, how.ambient.clock)
    };
    let simulator = start(options).await?;
    let options = &simulator.world.options;
    let numbers: Vec<String> = options
        .numbers
        .iter()
        .map(|number| {
            let Number {
                phone_number_id,
                number,
            } = number;
            format!("{{ phone_number_id = \"{phone_number_id}\", number = \"{number}\" }}")
        })
        .collect();
    let settings = vec![
        ("access_token", options.access_token.clone()),
        ("app_secret", options.app_secret.clone()),
        ("verify_token", options.verify_token.clone()),
        (
            "business_account",
            format!("\"{}\"", options.business_account),
        ),
        ("numbers", format!("[{}]", numbers.join(", "))),
        ("api_url", simulator.url()),
    ];
    Ok((Arc::new(simulator), settings))
}
