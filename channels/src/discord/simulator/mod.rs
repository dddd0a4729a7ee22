//! Discord played on loopback: the gateway (version 10, JSON) and the HTTP API, as far as a bot for customers needs them.
//!
//! It rests on Discord's developer documentation, section "Gateway" for the connection's life (hello, identify, ready,
//! heartbeats, resume with replay, invalid session, reconnect, close codes), "Rate Limits" for buckets, "Receiving and
//! Responding" for interactions and their three seconds, and on Discord's published OpenAPI description for paths and
//! limits; its payloads have the keys of captured ones. The tests of this room compare both.
//!
//! Customers whose name begins with `#` write on the shop's server, first in the support channel, then in their thread;
//! all others write direct messages. Their interactions come over the gateway, or signed to a webhook
//! ([`Options::webhook`]).

mod acts;
mod check;
mod http;
mod payloads;
mod socket;
mod world;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use axum::{Router, extract::DefaultBodyLimit, routing::any};
use doorstep_core::{Ambient, message::Address};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::world::{Out, World, id_of, text};
use super::{Config, NAME};
use crate::simulator::{Act, Chance, Counts, Faults, Shown, Simulator, SimulatorError};

/// The token of the simulated bot.
pub(super) const TOKEN: &str = "simulated-discord-token";

/// The seed of the simulated application's key pair.
const KEY_SEED: [u8; 32] = [7; 32];

/// How a simulated Discord is started.
#[derive(Clone)]
pub struct Options {
    /// Where to listen; port 0 is any. Loopback only is meant.
    pub listen: SocketAddr,
    /// Clock and randomness; identifiers hold the time.
    pub ambient: Ambient,
    /// Where interactions are posted to, signed; without it they come over the gateway.
    pub webhook: Option<String>,
    /// Time between heartbeats.
    pub heartbeat: Duration,
    /// Whether heartbeats are acknowledged.
    pub acknowledges: bool,
    /// Whether the message-content intent is granted.
    pub grants_content: bool,
    /// Whether the bot may open no threads.
    pub forbids_threads: bool,
    /// How many messages a channel takes in what time.
    pub bucket: (u32, Duration),
}

impl Options {
    /// As Discord usually is, on any port.
    pub fn new(ambient: Ambient) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            ambient,
            webhook: None,
            heartbeat: Duration::from_millis(41_250),
            acknowledges: true,
            grants_content: false,
            forbids_threads: false,
            bucket: (5, Duration::from_secs(5)),
        }
    }
}

/// A simulated Discord. It stops when dropped.
pub struct DiscordSimulator {
    shared: Arc<Shared>,
    base: String,
    client: reqwest::Client,
    server: tokio::task::JoinHandle<()>,
}

/// What its connections share.
struct Shared {
    world: Mutex<World>,
    changes: watch::Sender<u64>,
    stop: CancellationToken,
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }
}

/// Starts a simulated Discord.
///
/// # Errors
/// It cannot listen there.
pub async fn start(options: Options) -> Result<DiscordSimulator, SimulatorError> {
    let failed = |reason: String| SimulatorError::Failed { reason };
    let listener = tokio::net::TcpListener::bind(options.listen).await;
    let listener = listener.map_err(|error| failed(error.to_string()))?;
    let address = listener
        .local_addr()
        .map_err(|error| failed(error.to_string()))?;
    let base = format!("http://{address}");
    let shared = Arc::new(Shared {
        world: Mutex::new(World::new(base.clone(), options)),
        changes: watch::Sender::new(0),
        stop: CancellationToken::new(),
    });
    let app = Router::new()
        .route("/gateway", any(http::gateway))
        .route("/gateway/", any(http::gateway))
        .fallback(http::api)
        .layer(DefaultBodyLimit::disable())
        .with_state(shared.clone());
    // Whoever installed one before, keeps it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(3))
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let server = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::error!(%error, "the simulated Discord stopped");
        }
    });
    Ok(DiscordSimulator {
        shared,
        base,
        client,
        server,
    })
}

impl Drop for DiscordSimulator {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        self.server.abort();
    }
}

/// The simulated application's public key, in hexadecimal.
fn public_key() -> String {
    let Ok(pair) = Ed25519KeyPair::from_seed_unchecked(&KEY_SEED) else {
        return String::new();
    };
    hex(pair.public_key().as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The signature over timestamp and body that Discord would make.
pub(super) fn sign(timestamp: &str, body: &str) -> String {
    let Ok(pair) = Ed25519KeyPair::from_seed_unchecked(&KEY_SEED) else {
        return String::new();
    };
    hex(pair.sign(format!("{timestamp}{body}").as_bytes()).as_ref())
}

/// Escaped text as a client shows it: without the backslashes before punctuation, which addresses keep.
pub(super) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if rest.starts_with("https://") || rest.starts_with("http://") {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            shown.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        rest = &rest[letter.len_utf8()..];
        match rest.chars().next() {
            Some(next) if letter == '\\' && next.is_ascii_punctuation() => {
                shown.push(next);
                rest = &rest[next.len_utf8()..];
            }
            _ => shown.push(letter),
        }
    }
    shown
}

impl DiscordSimulator {
    /// The section `[channels.discord]` with which a channel finds it.
    pub fn config(&self) -> Config {
        Config {
            token: TOKEN.into(),
            application_id: payloads::APPLICATION.to_string(),
            public_key: public_key(),
            support_channel: payloads::SUPPORT_CHANNEL.to_string(),
            message_content: false,
            gateway: true,
            register_commands: true,
            timeout_seconds: 5,
            api_url: format!("{}/api/v10", self.base),
        }
    }

    /// Every request of the channel so far: method, path below the API's version, JSON body.
    pub fn requests(&self) -> Vec<(String, String, Value)> {
        self.shared.world().requests.clone()
    }

    /// The slash commands that were registered.
    pub fn commands(&self) -> Value {
        self.shared.world().commands.clone()
    }

    /// How many sessions were begun, and how many are connected.
    pub fn sessions(&self) -> (usize, usize) {
        let world = self.shared.world();
        let connected = |session: &&world::Session| {
            session
                .sender
                .as_ref()
                .is_some_and(|sender| !sender.is_closed())
        };
        (
            world.sessions.len(),
            world.sessions.values().filter(connected).count(),
        )
    }

    /// Every event of all sessions.
    pub fn events(&self) -> Vec<Value> {
        let world = self.shared.world();
        let frames = world.sessions.values().flat_map(|session| &session.log);
        frames.map(|(_, frame)| frame.clone()).collect()
    }

    /// Closes every connection with a code.
    pub fn disconnect(&self, code: u16) {
        self.order(|| Out::Close(code));
    }

    /// Asks every connection to connect again (opcode 7).
    pub fn ask_to_reconnect(&self) {
        self.order(|| Out::Frame(json!({ "op": 7, "t": null, "s": null, "d": null })));
    }

    /// Forgets every session and closes the connections: what happens meanwhile is not replayed.
    pub fn forget_sessions(&self) {
        self.disconnect(4009);
        self.shared.world().sessions.clear();
        self.shared.change();
    }

    fn order(&self, out: impl Fn() -> Out) {
        for session in self.shared.world().sessions.values_mut() {
            if let Some(sender) = session.sender.take() {
                // Gone already.
                let _ = sender.send(out());
            }
        }
        self.shared.change();
    }

    /// Changes how it behaves from now on; buckets are full again.
    pub fn set_options(&self, change: impl FnOnce(&mut Options)) {
        let mut world = self.shared.world();
        change(&mut world.options);
        world.buckets.clear();
    }

    /// A customer of the server writes in their thread without mentioning the bot.
    pub fn write_without_mention(&self, customer: &str, content: &str) {
        let mut world = self.shared.world();
        let message = world.write(customer, content, false);
        world.tell("MESSAGE_CREATE", message);
        drop(world);
        self.shared.change();
    }

    /// Somebody else writes in a customer's thread.
    pub fn write_into_thread_of(&self, customer: &str, author: &str, content: &str) {
        let mut world = self.shared.world();
        world.person(author).thread = world.people.get(customer).and_then(|person| person.thread);
        let message = world.write(author, content, true);
        world.tell("MESSAGE_CREATE", message);
        drop(world);
        self.shared.change();
    }

    /// Deletes or archives a customer's thread.
    pub fn close_thread_of(&self, customer: &str, deleted: bool) {
        let mut world = self.shared.world();
        let Some(thread) = world.people.get(customer).and_then(|person| person.thread) else {
            return;
        };
        if !deleted {
            if let Some(room) = world.rooms.get_mut(&thread) {
                room.payload["thread_metadata"]["archived"] = true.into();
            }
            return;
        }
        world.rooms.remove(&thread);
        world.person(customer).thread = None;
        let gone = json!({
            "id": thread.to_string(),
            "guild_id": payloads::GUILD.to_string(),
            "parent_id": payloads::SUPPORT_CHANNEL.to_string(),
            "type": 12,
        });
        world.dispatch("THREAD_DELETE", &gone);
        drop(world);
        self.shared.change();
    }

    /// Files' addresses are no longer good; asked for again, their messages tell new ones.
    pub fn expire_files(&self) {
        let mut world = self.shared.world();
        let files = std::mem::take(&mut world.files);
        world.files = files
            .into_iter()
            .map(|(path, file)| (format!("fresh/{path}"), file))
            .collect();
        for room in world.rooms.values_mut() {
            for message in &mut room.messages {
                let files = message["attachments"].as_array_mut().into_iter().flatten();
                for file in files.filter(|file| file["url"].is_string()) {
                    file["url"] = text(&file["url"]).replace("/cdn/", "/cdn/fresh/").into();
                }
            }
        }
    }
}

#[async_trait]
impl Simulator for DiscordSimulator {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn address_of(&self, customer: &str) -> Address {
        let mut world = self.shared.world();
        let person = world.person(customer);
        match person.thread {
            Some(thread) => Address::new(NAME, format!("thread:{thread}:{}", person.id)),
            None => Address::new(NAME, format!("dm:{}", person.id)),
        }
    }

    async fn act(&self, customer: &str, act: Act) -> Result<(), SimulatorError> {
        let mention = customer.starts_with('#');
        let done = match act {
            Act::Write(words) => {
                let mut world = self.shared.world();
                let message = world.write(customer, &words, mention);
                world.tell("MESSAGE_CREATE", message);
                Ok(())
            }
            Act::Edit(words) => self.edit(customer, &words),
            Act::Press(label) => self.press(customer, &label).await,
            Act::Send {
                name,
                media_type,
                bytes,
                caption,
            } => {
                let words = caption.unwrap_or_default();
                self.send_file(customer, &name, &media_type, bytes, &words);
                Ok(())
            }
            Act::Follow(token) => {
                self.use_command(customer, "link", Some(("code", &token)), "en-US")
                    .await
            }
            Act::DoSomethingElse => {
                self.do_something_else(customer);
                Ok(())
            }
            Act::Block => {
                self.shared.world().person(customer).blocked = true;
                Ok(())
            }
            Act::Unblock => {
                self.shared.world().person(customer).blocked = false;
                Ok(())
            }
        };
        self.shared.change();
        done
    }

    fn shown(&self, customer: &str) -> Vec<Shown> {
        let mut world = self.shared.world();
        let person = world.person(customer);
        let rooms = [Some(person.dm), person.thread];
        let mut messages = person.whispers.clone();
        let bot = payloads::BOT.to_string();
        for room in rooms
            .into_iter()
            .flatten()
            .filter_map(|room| world.rooms.get(&room))
        {
            let ours = room
                .messages
                .iter()
                .filter(|message| message["author"]["id"] == bot);
            messages.extend(ours.cloned());
        }
        messages.sort_by_key(id_of);
        messages.iter().map(shown).collect()
    }

    fn inject(&self, faults: Faults) {
        let mut world = self.shared.world();
        world.chance = Chance::new(faults.seed);
        let revoked = faults.revoked && !world.faults.revoked;
        world.faults = faults;
        drop(world);
        if revoked {
            self.disconnect(4004);
        }
    }

    fn counts(&self) -> Counts {
        self.shared.world().counts
    }

    async fn changed(&self, seen: u64) -> u64 {
        let mut changes = self.shared.changes.subscribe();
        // The sender lives as long as we.
        let now = changes
            .wait_for(|changes| *changes > seen)
            .await
            .map(|changes| *changes);
        now.unwrap_or(seen)
    }
}

/// A message as the customer's device shows it.
fn shown(message: &Value) -> Shown {
    let list = |key: &str| {
        message[key]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
    };
    let mut lines = vec![text(&message["content"])];
    let mut images = Vec::new();
    for embed in list("embeds") {
        lines.extend(["title", "description", "url"].map(|key| text(&embed[key])));
        images.push(text(&embed["image"]["url"]));
    }
    images.extend(
        list("attachments")
            .iter()
            .map(|file| text(&file["filename"])),
    );
    images.retain(|image| !image.is_empty());
    lines.retain(|line| !line.is_empty());
    let components = list("components")
        .iter()
        .filter_map(|row| row["components"].as_array())
        .flatten();
    let mut buttons = Vec::new();
    for component in components {
        let options = component["options"].as_array().into_iter().flatten();
        buttons.extend(options.map(|option| text(&option["label"])));
        buttons.push(text(&component["label"]));
    }
    buttons.retain(|label| !label.is_empty());
    Shown {
        id: text(&message["id"]),
        text: plain(&lines.join("\n")),
        buttons,
        images,
    }
}

/// By [`crate::simulator::start`].
pub(crate) async fn by_name(
    how: crate::simulator::Start,
) -> Result<(Arc<dyn Simulator>, Vec<(&'static str, String)>), SimulatorError> {
    let mut options = Options::new(how.ambient);
    options.listen = how.listen;
    let simulator = start(options).await?;
    let config = simulator.config();
    let settings = vec![
        ("token", TOKEN.to_owned()),
        ("application_id", format!("\"{}\"", config.application_id)),
        ("public_key", config.public_key),
        ("support_channel", format!("\"{}\"", config.support_channel)),
        ("api_url", config.api_url),
    ];
    Ok((Arc::new(simulator), settings))
}
