//! Telegram on loopback: a Bot API server with customers.
//!
//! It follows the Bot API's description (<https://core.telegram.org/bots/api>, "Making requests", "Getting updates" and each
//! method's own page): the shape of answers and errors, `retry_after`, confirmation of updates by the offset, one poll at a
//! time, no poll while a webhook is set, the webhook's secret header, updates of a chat delivered one after another and
//! again until they are taken, HTML entities, and the limits of texts, captions, buttons, albums, photos and downloads. The
//! wording of errors is that of the server's source (<https://github.com/tdlib/telegram-bot-api>). Its methods and the
//! fields of everything it says are held against the published description in the tests.

mod acts;
mod markup;
mod methods;
mod params;
mod server;
mod state;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use doorstep_core::{Clock, message::Address};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::{
    methods::photo_sizes,
    server::{Shared, serve},
    state::State,
};
use super::{NAME, place::Place};
use crate::simulator::{Act, Counts, Faults, Shown, Simulator, SimulatorError};

/// The bot's own identifier: what stands before the colon of [`TOKEN`].
const BOT_ID: i64 = 123_456_789;

/// The bot's token, where no other is given.
pub const TOKEN: &str = "123456789:simulated-token";

/// The bot's user name, where no other is given.
pub const USERNAME: &str = "simulated_shop_bot";

/// Largest photo that may be uploaded, in bytes.
const MAX_PHOTO: usize = 10 * 1024 * 1024;

/// Largest file that a bot may download, in bytes.
const MAX_DOWNLOAD: usize = 20 * 1024 * 1024;

/// How the simulator is started.
#[derive(Clone)]
pub struct Options {
    /// Where it listens; port 0 for any.
    pub listen: SocketAddr,
    /// The bot's token, which begins with `123456789:`.
    pub token: String,
    /// The bot's user name.
    pub username: String,
    /// Tells when things happen.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// On any port of this machine, with the simulator's own bot.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            token: TOKEN.to_owned(),
            username: USERNAME.to_owned(),
            clock,
        }
    }
}

/// A simulated Telegram.
pub struct Telegram {
    shared: Arc<Shared>,
    address: SocketAddr,
    _stop: DropGuard,
}

/// The text of HTML, or what Telegram would say of it.
#[cfg(test)]
pub(super) fn read_markup(html: &str) -> Result<String, String> {
    markup::read(html)
}

/// The methods that are offered.
#[cfg(test)]
pub(super) fn methods_offered() -> &'static [&'static str] {
    &methods::METHODS
}

/// Starts a simulated Telegram.
///
/// # Errors
/// It cannot listen there.
pub async fn start(options: Options) -> Result<Telegram, SimulatorError> {
    let failed = |error: &dyn std::fmt::Display| SimulatorError::Failed {
        reason: error.to_string(),
    };
    let http = super::api::client().map_err(|error| failed(&error))?;
    let listener = tokio::net::TcpListener::bind(options.listen).await;
    let listener = listener.map_err(|error| failed(&error))?;
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    let shared = Arc::new(Shared {
        options,
        state: Mutex::new(State::new()),
        http,
        news: Notify::new(),
        polls: watch::Sender::new(0),
        changes: watch::Sender::new(0),
        stop: CancellationToken::new(),
    });
    let stop = shared.stop.clone().drop_guard();
    serve(shared.clone(), listener);
    Ok(Telegram {
        shared,
        address,
        _stop: stop,
    })
}

impl Telegram {
    /// What the channel's `api_url` has to be.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Customers' long polls and webhooks apart: one who writes in a group, perhaps in a topic of it.
    pub fn write_in_group(&self, group: &str, customer: &str, text: &str, topic: Option<i64>) {
        let now = self.shared.options.clock.now();
        let mut state = self.lock();
        let chat = state.group(group);
        let mut message = state.message(customer, chat, now);
        message["text"] = text.into();
        let entities = acts::entities(text);
        if !entities.is_empty() {
            message["entities"] = entities.into();
        }
        if let Some(topic) = topic {
            message["message_thread_id"] = topic.into();
            message["is_topic_message"] = true.into();
        }
        drop(state);
        self.shared.tell("message", message);
    }

    /// A customer sends several photos at once.
    pub fn send_album(&self, customer: &str, photos: &[Bytes], caption: Option<&str>) {
        let now = self.shared.options.clock.now();
        let mut state = self.lock();
        let chat = state.customer(customer);
        let album = state.next_id().to_string();
        let mut messages = Vec::new();
        for (number, photo) in photos.iter().enumerate() {
            let id = state.store("photos", "album.jpg", photo.clone());
            let mut message = state.message(customer, chat, now);
            message["media_group_id"] = album.clone().into();
            message["photo"] = photo_sizes(&id, photo.len());
            if let Some(caption) = caption.filter(|_| number == 0) {
                message["caption"] = caption.into();
            }
            messages.push(message);
        }
        drop(state);
        for message in messages {
            self.shared.tell("message", message);
        }
    }

    /// A customer presses a button that carries `data`, on a message that may be long gone.
    pub fn press_stale(&self, customer: &str, data: &str) {
        let mut state = self.lock();
        let chat = state.customer(customer);
        let press = json!({
            "id": state.next_id().to_string(),
            "from": state.user(customer),
            // An old message: <https://core.telegram.org/bots/api#inaccessiblemessage>
            "message": {"chat": state.chat(chat), "message_id": 1, "date": 0},
            "chat_instance": "1",
            "data": data,
        });
        drop(state);
        self.shared.tell("callback_query", press);
    }

    /// Something happens of which only the update's kind and content are given.
    pub fn tell(&self, kind: &str, value: Value) {
        self.shared.tell(kind, value);
    }

    /// The address of a group.
    pub fn address_of_group(&self, group: &str) -> Address {
        let chat = self.lock().group(group);
        Place { chat, topic: None }.address()
    }

    /// Removes the bot from a group.
    pub fn remove_from_group(&self, group: &str) {
        let mut state = self.lock();
        let chat = state.group(group);
        if let Some(chat) = state.chats.get_mut(&chat) {
            chat.blocked = true;
        }
    }

    /// The menu of commands in a language; the empty one is everybody else's.
    pub fn menu(&self, language: &str) -> Option<Value> {
        self.lock().menus.get(language).cloned()
    }

    /// What was said to customers who pressed a button: the press and the words.
    pub fn answers_to_presses(&self) -> Vec<(String, Option<String>)> {
        self.lock().answered.clone()
    }

    /// Whether a webhook is set, and where.
    pub fn webhook(&self) -> Option<String> {
        self.lock()
            .webhook
            .as_ref()
            .map(|webhook| webhook.url.clone())
    }

    /// How many long polls were begun.
    pub fn polls(&self) -> u64 {
        self.lock().polls
    }

    /// Lets long polls begin that never end, or no longer.
    pub fn stall(&self, stalled: bool) {
        self.lock().stalled = stalled;
    }

    /// Every call of the bot: method and parameters.
    pub fn calls(&self) -> Vec<(String, Value)> {
        self.lock().calls.clone()
    }

    /// Every result that the bot was given, by method.
    pub fn results(&self) -> Vec<(String, Value)> {
        self.lock().results.clone()
    }

    /// Every update that there was.
    pub fn updates(&self) -> Vec<Value> {
        self.lock().told.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Simulator for Telegram {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn address_of(&self, customer: &str) -> Address {
        let chat = self.lock().customer(customer);
        Place { chat, topic: None }.address()
    }

    async fn act(&self, customer: &str, act: Act) -> Result<(), SimulatorError> {
        acts::act(&self.shared, customer, act)
    }

    fn shown(&self, customer: &str) -> Vec<Shown> {
        let mut state = self.lock();
        let chat = state.customer(customer);
        state.shown(chat)
    }

    fn inject(&self, faults: Faults) {
        let mut state = self.lock();
        state.chance = crate::simulator::Chance::new(faults.seed);
        state.faults = faults;
        state.release();
        drop(state);
        self.shared.changed();
    }

    fn counts(&self) -> Counts {
        self.lock().counts
    }

    async fn changed(&self, seen: u64) -> u64 {
        let mut changes = self.shared.changes.subscribe();
        let changed = changes.wait_for(|changes| *changes != seen).await;
        changed.map(|changes| *changes).unwrap_or(seen)
    }
}

/// By [`crate::simulator::start`].
pub(crate) async fn by_name(
    how: crate::simulator::Start,
) -> Result<(Arc<dyn Simulator>, Vec<(&'static str, String)>), SimulatorError> {
    let options = Options {
        listen: how.listen,
        ..Options::new(how.ambient.clock)
    };
    let simulator = start(options).await?;
    let settings = vec![
        ("token", TOKEN.to_owned()),
        ("username", USERNAME.to_owned()),
        ("api_url", simulator.api_url()),
    ];
    Ok((Arc::new(simulator), settings))
}
