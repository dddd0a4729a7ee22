//! What the simulated Telegram knows: customers, chats, messages, files, updates that were not fetched yet.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use doorstep_core::Timestamp;
use serde_json::{Value, json};

use super::MAX_DOWNLOAD;
use crate::simulator::{Chance, Counts, Faults, Shown};

/// A chat between the bot and a customer, or a group.
#[derive(Debug, Default)]
pub(super) struct Chat {
    pub(super) name: String,
    pub(super) group: bool,
    /// The customer blocked the bot, or the group removed it.
    pub(super) blocked: bool,
    /// Messages of the bot, as Telegram keeps them.
    pub(super) shown: Vec<Value>,
    /// What the customer wrote last.
    pub(super) last: Option<Value>,
}

/// An update that waits for the bot.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) update: Value,
    /// It is told a second time, although the bot confirmed it.
    pub(super) again: bool,
}

/// Where updates go.
#[derive(Debug, Clone, Default)]
pub(super) struct Webhook {
    pub(super) url: String,
    pub(super) secret: Option<String>,
    pub(super) last_error: Option<(i64, String)>,
}

/// A file that customers sent or the bot uploaded.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) path: String,
    pub(super) bytes: Bytes,
}

/// Everything.
#[derive(Debug)]
pub(super) struct State {
    pub(super) customers: BTreeMap<String, i64>,
    pub(super) chats: HashMap<i64, Chat>,
    pub(super) files: BTreeMap<String, Stored>,
    pub(super) waiting: VecDeque<Waiting>,
    /// An update that is told after the next one.
    pub(super) held: Option<Value>,
    pub(super) webhook: Option<Webhook>,
    /// The menus, by language.
    pub(super) menus: BTreeMap<String, Value>,
    /// Answers to pressed buttons: the query and what was said.
    pub(super) answered: Vec<(String, Option<String>)>,
    pub(super) faults: Faults,
    pub(super) chance: Chance,
    pub(super) counts: Counts,
    /// Long polls never answer.
    pub(super) stalled: bool,
    /// Long polls that were begun.
    pub(super) polls: u64,
    /// What the bot called, with its parameters.
    pub(super) calls: Vec<(String, Value)>,
    /// What it was answered, refusals apart.
    pub(super) results: Vec<(String, Value)>,
    /// Every update that was told.
    pub(super) told: Vec<Value>,
    next_id: i64,
    next_update: i64,
}

/// How much of what happened is kept at least.
const MAX_LOG: usize = 10_000;

/// Identifiers of customers' chats begin here.
const FIRST_CUSTOMER: i64 = 5001;

/// Identifiers of supergroups begin here, downwards.
const FIRST_GROUP: i64 = -1_001_000_000_001;

impl State {
    pub(super) fn new() -> Self {
        let faults = Faults::default();
        Self {
            customers: BTreeMap::new(),
            chats: HashMap::new(),
            files: BTreeMap::new(),
            waiting: VecDeque::new(),
            held: None,
            webhook: None,
            menus: BTreeMap::new(),
            answered: Vec::new(),
            chance: Chance::new(faults.seed),
            faults,
            counts: Counts::default(),
            stalled: false,
            polls: 0,
            calls: Vec::new(),
            results: Vec::new(),
            told: Vec::new(),
            next_id: 100,
            next_update: 700_001,
        }
    }

    pub(super) fn next_id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    /// The customer's chat, made at first sight. A customer and their private chat have the same identifier.
    pub(super) fn customer(&mut self, name: &str) -> i64 {
        if let Some(id) = self.customers.get(name) {
            return *id;
        }
        let id = FIRST_CUSTOMER + self.customers.len() as i64;
        self.customers.insert(name.to_owned(), id);
        self.chats.insert(
            id,
            Chat {
                name: name.to_owned(),
                ..Chat::default()
            },
        );
        id
    }

    /// The group of that name, made at first sight.
    pub(super) fn group(&mut self, name: &str) -> i64 {
        let found = self
            .chats
            .iter()
            .find(|(_, chat)| chat.group && chat.name == name);
        if let Some((id, _)) = found {
            return *id;
        }
        let groups = self.chats.values().filter(|chat| chat.group).count();
        let id = FIRST_GROUP - groups as i64;
        self.chats.insert(
            id,
            Chat {
                name: name.to_owned(),
                group: true,
                ..Chat::default()
            },
        );
        id
    }

    /// A `User`. <https://core.telegram.org/bots/api#user>
    pub(super) fn user(&mut self, name: &str) -> Value {
        let id = self.customer(name);
        json!({"id": id, "is_bot": false, "first_name": name, "language_code": "en"})
    }

    /// A `Chat`. <https://core.telegram.org/bots/api#chat>
    pub(super) fn chat(&self, id: i64) -> Value {
        let name = self
            .chats
            .get(&id)
            .map(|chat| chat.name.as_str())
            .unwrap_or_default();
        match id < 0 {
            true => json!({"id": id, "type": "supergroup", "title": name}),
            false => json!({"id": id, "type": "private", "first_name": name}),
        }
    }

    /// A customer's `Message` without content. <https://core.telegram.org/bots/api#message>
    pub(super) fn message(&mut self, name: &str, chat: i64, now: Timestamp) -> Value {
        let from = self.user(name);
        let id = self.next_id();
        json!({
            "message_id": id,
            "from": from,
            "chat": self.chat(chat),
            "date": now.timestamp(),
        })
    }

    /// Keeps a file; its identifier.
    pub(super) fn store(&mut self, folder: &str, name: &str, bytes: Bytes) -> String {
        let id = format!("AgACAgIAAx{:06}", self.next_id());
        let path = format!("{folder}/{id}-{name}");
        self.files.insert(id.clone(), Stored { path, bytes });
        id
    }

    /// The file, when it is small enough to be downloaded. <https://core.telegram.org/bots/api#getfile>
    pub(super) fn downloadable(&self, id: &str) -> Result<&Stored, &'static str> {
        let file = self
            .files
            .get(id)
            .ok_or("Bad Request: wrong file_id or the file is temporarily unavailable")?;
        match file.bytes.len() > MAX_DOWNLOAD {
            true => Err("Bad Request: file is too big"),
            false => Ok(file),
        }
    }

    /// Puts an update in the queue, as the faults tell. `true` when it is held back until the next one.
    pub(super) fn tell(&mut self, kind: &str, value: Value) -> bool {
        let id = self.next_update;
        self.next_update += 1;
        let update = json!({"update_id": id, kind: value});
        remember(&mut self.told, update.clone());
        if self.held.is_none() && self.chance.happens(self.faults.reordered) {
            self.held = Some(update);
            return true;
        }
        self.push(update, false);
        self.release();
        false
    }

    /// Tells what was held back.
    pub(super) fn release(&mut self) {
        if let Some(held) = self.held.take() {
            // Its number is below one that may have been confirmed.
            self.push(held, true);
        }
    }

    fn push(&mut self, update: Value, again: bool) {
        let twice = self.chance.happens(self.faults.duplicate);
        self.waiting.push_back(Waiting {
            update: update.clone(),
            again,
        });
        if twice {
            self.counts.duplicates += 1;
            self.waiting.push_back(Waiting {
                update,
                again: true,
            });
        }
    }

    /// Drops what the bot confirmed by asking beyond it.
    pub(super) fn confirm(&mut self, offset: i64) {
        self.waiting
            .retain(|waiting| waiting.again || number(&waiting.update) >= offset);
    }

    /// What the bot gets now.
    pub(super) fn batch(&mut self, limit: usize) -> Vec<Value> {
        let batch: Vec<Value> = self
            .waiting
            .iter()
            .take(limit)
            .map(|waiting| waiting.update.clone())
            .collect();
        // What is told again is told once.
        let mut left = limit;
        self.waiting.retain(|waiting| {
            let given = left > 0;
            left = left.saturating_sub(1);
            !(given && waiting.again)
        });
        batch
    }

    /// What a chat shows of the bot's messages.
    pub(super) fn shown(&self, chat: i64) -> Vec<Shown> {
        let messages = self.chats.get(&chat).map(|chat| chat.shown.as_slice());
        let messages = messages.unwrap_or_default().iter();
        messages.map(|message| show(chat, message)).collect()
    }
}

/// Keeps what happened last, so that a simulator that runs for days does not grow.
pub(super) fn remember<T>(log: &mut Vec<T>, happened: T) {
    if log.len() >= 2 * MAX_LOG {
        log.drain(..MAX_LOG);
    }
    log.push(happened);
}

/// The number of an update.
pub(super) fn number(update: &Value) -> i64 {
    update["update_id"].as_i64().unwrap_or_default()
}

fn show(chat: i64, message: &Value) -> Shown {
    let text = message["text"].as_str().or(message["caption"].as_str());
    let rows = message["reply_markup"]["inline_keyboard"].as_array();
    let keys = rows
        .into_iter()
        .flatten()
        .filter_map(Value::as_array)
        .flatten();
    let labels = keys.filter_map(|key| key["text"].as_str().map(ToOwned::to_owned));
    let photo = message["photo"].as_array().and_then(|sizes| sizes.last());
    let photo = photo.and_then(|size| size["file_id"].as_str());
    Shown {
        id: format!("{chat}:{}", message["message_id"]),
        text: text.unwrap_or_default().to_owned(),
        buttons: labels.collect(),
        images: photo.map(ToOwned::to_owned).into_iter().collect(),
    }
}
