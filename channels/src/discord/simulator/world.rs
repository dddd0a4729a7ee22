//! What the simulated Discord knows: people, channels, messages, sessions.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use doorstep_core::Ambient;
use serde_json::{Value, json};
use tokio::{sync::mpsc::UnboundedSender, time::Instant};

use super::{
    Options,
    payloads::{self, BOT, InteractionParts, MessageParts, SUPPORT_CHANNEL},
};
use crate::simulator::{Chance, Counts, Faults};

/// The first second of 2015, from which identifiers count milliseconds.
const EPOCH: i64 = 1_420_070_400_000;

pub(super) struct World {
    pub(super) ambient: Ambient,
    /// `http://127.0.0.1:port`.
    pub(super) base: String,
    pub(super) options: Options,
    counter: u64,
    pub(super) people: BTreeMap<String, Person>,
    pub(super) rooms: HashMap<u64, Room>,
    pub(super) sessions: HashMap<String, Session>,
    /// Nonces by channel: the message that was made for each, and when.
    pub(super) nonces: HashMap<(u64, String), (u64, Instant)>,
    pub(super) files: HashMap<String, (Bytes, String)>,
    pub(super) interactions: HashMap<String, Pressed>,
    pub(super) buckets: HashMap<u64, (u32, Instant)>,
    pub(super) faults: Faults,
    pub(super) chance: Chance,
    pub(super) counts: Counts,
    pub(super) commands: Value,
    /// Every request that was made: method, path, JSON body.
    pub(super) requests: Vec<(String, String, Value)>,
    /// An event that is told after the next one.
    held: Option<(String, Value)>,
}

/// A customer.
pub(super) struct Person {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) blocked: bool,
    pub(super) dm: u64,
    pub(super) thread: Option<u64>,
    /// What they wrote last: channel and message.
    pub(super) last: Option<(u64, u64)>,
    /// What only they see.
    pub(super) whispers: Vec<Value>,
}

/// A channel.
pub(super) struct Room {
    pub(super) payload: Value,
    pub(super) in_guild: bool,
    pub(super) messages: Vec<Value>,
}

/// A session of the gateway.
pub(super) struct Session {
    pub(super) log: Vec<(u64, Value)>,
    pub(super) reads_content: bool,
    pub(super) sender: Option<UnboundedSender<Out>>,
}

/// What a connection of the gateway is told to do.
pub(super) enum Out {
    Frame(Value),
    Close(u16),
}

/// An interaction that waits for answers.
pub(super) struct Pressed {
    pub(super) person: String,
    pub(super) channel: u64,
    pub(super) created: Instant,
    /// The type of the first answer.
    pub(super) acknowledged: Option<u64>,
    /// The message that is its answer.
    pub(super) answer: Option<u64>,
}

impl World {
    pub(super) fn new(base: String, options: Options) -> Self {
        let mut rooms = HashMap::new();
        let support = Room {
            payload: payloads::support_channel(),
            in_guild: true,
            messages: Vec::new(),
        };
        rooms.insert(SUPPORT_CHANNEL, support);
        Self {
            ambient: options.ambient.clone(),
            base,
            options,
            counter: 0,
            people: BTreeMap::new(),
            rooms,
            sessions: HashMap::new(),
            nonces: HashMap::new(),
            files: HashMap::new(),
            interactions: HashMap::new(),
            buckets: HashMap::new(),
            faults: Faults::default(),
            chance: Chance::new(1),
            counts: Counts::default(),
            commands: json!([]),
            requests: Vec::new(),
            held: None,
        }
    }

    /// A new identifier, later than all before.
    pub(super) fn next_id(&mut self) -> u64 {
        let millis = self.ambient.now().timestamp_millis() - EPOCH;
        self.counter += 1;
        (u64::try_from(millis).unwrap_or(1) << 22) + self.counter
    }

    /// The customer of that name, made at first sight.
    pub(super) fn person(&mut self, name: &str) -> &mut Person {
        let known = self.people.get(name).map(|person| (person.id, person.dm));
        let shown = name.trim_start_matches('#').to_owned();
        let (id, dm) = known.unwrap_or_else(|| self.make_desk(&shown));
        self.people.entry(name.to_owned()).or_insert(Person {
            id,
            name: shown,
            blocked: false,
            dm,
            thread: None,
            last: None,
            whispers: Vec::new(),
        })
    }

    /// A new user's identifier, and their channel of direct messages.
    fn make_desk(&mut self, name: &str) -> (u64, u64) {
        let (id, dm) = (self.next_id(), self.next_id());
        let room = Room {
            payload: payloads::dm(dm, payloads::user(id, name)),
            in_guild: false,
            messages: Vec::new(),
        };
        self.rooms.insert(dm, room);
        (id, dm)
    }

    pub(super) fn person_by_id(&self, id: u64) -> Option<&Person> {
        self.people.values().find(|person| person.id == id)
    }

    /// Whose direct messages these are.
    pub(super) fn recipient(&self, channel: u64) -> Option<&Person> {
        self.people.values().find(|person| person.dm == channel)
    }

    /// Where a customer writes: those whose name begins with `#` on the server, the others in direct messages.
    pub(super) fn desk_of(&mut self, name: &str) -> u64 {
        let on_server = name.starts_with('#');
        let person = self.person(name);
        match (on_server, person.thread) {
            (false, _) => person.dm,
            (true, Some(thread)) => thread,
            (true, None) => SUPPORT_CHANNEL,
        }
    }

    /// A customer's new message, kept and not yet told.
    pub(super) fn write(&mut self, name: &str, content: &str, mention: bool) -> Value {
        let channel = self.desk_of(name);
        let id = self.next_id();
        let at = self.ambient.now();
        let in_guild = self.rooms.get(&channel).is_some_and(|room| room.in_guild);
        let person = self.person(name);
        person.last = Some((channel, id));
        let content = match mention {
            true => format!("<@{BOT}> {content}"),
            false => content.to_owned(),
        };
        let message = payloads::message(&MessageParts {
            id,
            channel,
            in_guild,
            author: payloads::user(person.id, &person.name),
            content: &content,
            at,
            mentions_bot: mention,
        });
        self.keep(channel, message.clone());
        message
    }

    /// Keeps a message in its channel, or puts it in the place of the one with its identifier.
    pub(super) fn keep(&mut self, channel: u64, message: Value) {
        let Some(room) = self.rooms.get_mut(&channel) else {
            return;
        };
        match room
            .messages
            .iter_mut()
            .find(|known| known["id"] == message["id"])
        {
            Some(known) => *known = message,
            None => room.messages.push(message),
        }
    }

    /// The newest message of ours that the customer can press this label on: its JSON, the identifier of what is
    /// pressed, and of the menu it is in.
    pub(super) fn find_button(
        &self,
        name: &str,
        label: &str,
    ) -> Option<(Value, String, Option<String>)> {
        let person = self.people.get(name)?;
        let rooms = [Some(person.dm), person.thread];
        let rooms = rooms
            .into_iter()
            .flatten()
            .filter_map(|room| self.rooms.get(&room));
        let mut messages: Vec<&Value> = rooms.flat_map(|room| &room.messages).collect();
        messages.sort_by_key(|message| id_of(message));
        messages.into_iter().rev().find_map(|message| {
            let rows = message["components"].as_array()?;
            let components = rows
                .iter()
                .filter_map(|row| row["components"].as_array())
                .flatten();
            for component in components {
                if component["label"] == label && component["custom_id"].is_string() {
                    return Some((message.clone(), text(&component["custom_id"]), None));
                }
                let mut options = component["options"].as_array().into_iter().flatten();
                if let Some(option) = options.find(|option| option["label"] == label) {
                    let menu = Some(text(&component["custom_id"]));
                    return Some((message.clone(), text(&option["value"]), menu));
                }
            }
            None
        })
    }

    /// A new interaction.
    pub(super) fn interaction(
        &mut self,
        name: &str,
        kind: u8,
        data: Value,
        message: Option<Value>,
        locale: &str,
    ) -> (String, Value) {
        let desk = self.desk_of(name);
        let shown_in = message.as_ref().map(|message| text(&message["channel_id"]));
        let channel = shown_in
            .and_then(|channel| channel.parse().ok())
            .unwrap_or(desk);
        let in_guild = self.rooms.get(&channel).is_some_and(|room| room.in_guild);
        let id = self.next_id();
        let token = format!("simulated-interaction-{id}");
        let person = self.person(name);
        let payload = payloads::interaction(&InteractionParts {
            id,
            token: &token,
            kind,
            channel,
            in_guild,
            user: payloads::user(person.id, &person.name),
            locale,
            data,
            message,
        });
        let pressed = Pressed {
            person: name.to_owned(),
            channel,
            created: Instant::now(),
            acknowledged: None,
            answer: None,
        };
        self.interactions.insert(token.clone(), pressed);
        (token, payload)
    }

    /// Tells what a customer did, perhaps twice or late.
    pub(super) fn tell(&mut self, name: &str, data: Value) {
        if self.held.is_none() && self.chance.happens(self.faults.reordered) {
            self.held = Some((name.to_owned(), data));
            return;
        }
        let twice = self.chance.happens(self.faults.duplicate);
        self.dispatch(name, &data);
        if twice {
            self.counts.duplicates += 1;
            self.dispatch(name, &data);
        }
        if let Some((name, data)) = self.held.take() {
            self.dispatch(&name, &data);
        }
    }

    /// Tells every session of an event.
    pub(super) fn dispatch(&mut self, name: &str, data: &Value) {
        for session in self.sessions.values_mut() {
            session.dispatch(name, data);
        }
    }
}

impl Session {
    pub(super) fn dispatch(&mut self, name: &str, data: &Value) {
        let sequence = self.log.last().map_or(0, |(sequence, _)| *sequence) + 1;
        let mut data = data.clone();
        if !self.reads_content {
            hide_content(name, &mut data);
        }
        let frame = json!({ "op": 0, "t": name, "s": sequence, "d": data });
        self.log.push((sequence, frame.clone()));
        if let Some(sender) = &self.sender {
            // A connection that is gone gets it when it resumes.
            let _ = sender.send(Out::Frame(frame));
        }
    }
}

/// What a bot without the message-content intent is not told
/// (<https://discord.com/developers/docs/events/gateway#message-content-intent>).
fn hide_content(name: &str, data: &mut Value) {
    let is_message = matches!(name, "MESSAGE_CREATE" | "MESSAGE_UPDATE");
    let bot = BOT.to_string();
    let own = data["author"]["id"] == bot;
    let mentioned = data["mentions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|user| user["id"] == bot);
    if !is_message || data["guild_id"].is_null() || own || mentioned {
        return;
    }
    data["content"] = "".into();
    for list in ["attachments", "embeds", "components"] {
        data[list] = json!([]);
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(super) fn id_of(message: &Value) -> u64 {
    text(&message["id"]).parse().unwrap_or(0)
}
