//! Pictures and files that were sent together. Telegram tells each as a message of its own, with nothing that says how many
//! there are; a customer who sends three photos of a damaged parcel said one thing.
//!
//! Parts are kept in the store as they come, so that each can be acknowledged at once: Telegram tells the next one of a
//! chat only then. When no further part has come for [`QUIET`], the album is admitted as one message under its first part's
//! identifier, and the identifiers of its parts are remembered for as long as Telegram may tell them again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use chrono::TimeDelta;
use doorstep_core::{
    ChannelName, Clock, Timestamp,
    channel::{AdmitError, Inbox},
    message::InboundMessage,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::inbound::AlbumPart;

/// How long no further part has to come.
const QUIET: TimeDelta = TimeDelta::milliseconds(1500);

/// How long the parts of an admitted album are remembered: Telegram keeps updates for a day.
const REMEMBERED: TimeDelta = TimeDelta::hours(49);

/// Where albums that are still coming in are kept.
const OPEN: &str = "album:";

/// Where albums that were admitted are remembered.
const CLOSED: &str = "album-closed:";

/// Collects albums.
pub(super) struct Albums {
    channel: ChannelName,
    inbox: Arc<dyn Inbox>,
    clock: Arc<dyn Clock>,
    /// Albums that are coming in, and when the last part came.
    open: Mutex<HashMap<String, Timestamp>>,
    /// One change at a time: a stored album is read, changed and written.
    gate: tokio::sync::Mutex<()>,
}

/// What became of a part.
#[derive(Debug)]
pub(super) enum Collected {
    /// It waits for the others, was known, or is not for us.
    Kept,
    /// It stands alone: its album was admitted before it came, or it was edited since.
    Alone(Box<InboundMessage>),
}

#[derive(Serialize, Deserialize)]
struct Open {
    changed_at: Timestamp,
    parts: BTreeMap<i64, Part>,
}

#[derive(Serialize, Deserialize)]
struct Part {
    addressed: bool,
    message: InboundMessage,
}

#[derive(Serialize, Deserialize)]
struct Closed {
    at: Timestamp,
    first: String,
    parts: Vec<i64>,
}

impl Albums {
    pub(super) fn new(channel: ChannelName, inbox: Arc<dyn Inbox>, clock: Arc<dyn Clock>) -> Self {
        Self {
            channel,
            inbox,
            clock,
            open: Mutex::default(),
            gate: tokio::sync::Mutex::default(),
        }
    }

    /// Takes a part in; then it may be acknowledged.
    ///
    /// # Errors
    /// It was not stored.
    pub(super) async fn add(&self, part: &AlbumPart) -> Result<Collected, AdmitError> {
        let _gate = self.gate.lock().await;
        if let Some(closed) = self.read::<Closed>(CLOSED, &part.album).await? {
            return Ok(late(part, &closed));
        }
        let now = self.clock.now();
        let stored = self.read::<Open>(OPEN, &part.album).await?;
        if stored.is_none() && part.edited {
            // Its album was admitted so long ago that nobody remembers.
            return Ok(alone(part));
        }
        let mut open = stored.unwrap_or_else(|| Open {
            changed_at: now,
            parts: BTreeMap::new(),
        });
        let mut message = part.message.clone().storable();
        if let Some(original) = message.edits.take() {
            message.external_id = original;
        }
        let addressed = part.addressed;
        open.parts.insert(part.number, Part { addressed, message });
        open.changed_at = now;
        self.write(OPEN, &part.album, &open).await?;
        self.lock().insert(part.album.clone(), now);
        Ok(Collected::Kept)
    }

    /// Finds albums again that a crash, here or on another instance, left half-way, and forgets old ones.
    ///
    /// # Errors
    /// The store is away.
    pub(super) async fn recover(&self) -> Result<(), AdmitError> {
        for (name, value) in self.inbox.cursors(&self.channel, OPEN).await? {
            let (Some(album), Some(open)) = (name.strip_prefix(OPEN), decode::<Open>(&value))
            else {
                continue;
            };
            self.lock()
                .entry(album.to_owned())
                .or_insert(open.changed_at);
        }
        let now = self.clock.now();
        for (name, value) in self.inbox.cursors(&self.channel, CLOSED).await? {
            let old = decode::<Closed>(&value).is_none_or(|closed| now - closed.at > REMEMBERED);
            if old {
                self.inbox.set_cursor(&self.channel, &name, "").await?;
            }
        }
        Ok(())
    }

    /// Admits the albums of which nothing more is to be expected.
    pub(super) async fn admit_complete(&self) {
        let now = self.clock.now();
        let complete = |(album, changed_at): (&String, &Timestamp)| {
            (now - *changed_at >= QUIET).then(|| album.clone())
        };
        let complete: Vec<String> = self.lock().iter().filter_map(complete).collect();
        for album in complete {
            if let Err(error) = self.admit(&album, now).await {
                tracing::warn!(%error, "an album could not be admitted and waits");
            }
        }
    }

    async fn admit(&self, album: &str, now: Timestamp) -> Result<(), AdmitError> {
        let _gate = self.gate.lock().await;
        let Some(open) = self.read::<Open>(OPEN, album).await? else {
            // Another instance was faster.
            self.lock().remove(album);
            return Ok(());
        };
        if now - open.changed_at < QUIET {
            self.lock().insert(album.to_owned(), open.changed_at);
            return Ok(());
        }
        let addressed = open.parts.values().any(|part| part.addressed);
        let parts: Vec<i64> = open.parts.keys().copied().collect();
        let Some(message) = merge(open) else {
            return Ok(());
        };
        let closed = Closed {
            at: now,
            first: message.external_id.clone(),
            parts,
        };
        if addressed {
            self.inbox.admit(message).await?;
        }
        self.write(CLOSED, album, &closed).await?;
        let name = format!("{OPEN}{album}");
        self.inbox.set_cursor(&self.channel, &name, "").await?;
        self.lock().remove(album);
        Ok(())
    }

    async fn read<T: DeserializeOwned>(
        &self,
        kind: &str,
        album: &str,
    ) -> Result<Option<T>, AdmitError> {
        let name = format!("{kind}{album}");
        let stored = self.inbox.cursor(&self.channel, &name).await?;
        Ok(stored.as_deref().and_then(decode))
    }

    async fn write<T: Serialize>(
        &self,
        kind: &str,
        album: &str,
        value: &T,
    ) -> Result<(), AdmitError> {
        let value = serde_json::to_string(value)
            .map_err(|error| AdmitError::Unavailable(error.to_string()))?;
        let name = format!("{kind}{album}");
        self.inbox.set_cursor(&self.channel, &name, &value).await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Timestamp>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn decode<T: DeserializeOwned>(value: &str) -> Option<T> {
    serde_json::from_str(value).ok()
}

/// A part whose album was admitted: one of it told again, one of it edited, or one that came too late.
fn late(part: &AlbumPart, closed: &Closed) -> Collected {
    let known = closed.parts.contains(&part.number);
    match (part.edited, known) {
        (false, true) => Collected::Kept,
        (true, true) => {
            let mut message = part.message.clone();
            message.edits = Some(closed.first.clone());
            Collected::Alone(Box::new(message))
        }
        (_, false) => alone(part),
    }
}

fn alone(part: &AlbumPart) -> Collected {
    match part.addressed {
        true => Collected::Alone(Box::new(part.message.clone())),
        false => Collected::Kept,
    }
}

/// One message of all parts: the first one's identifier, everybody's words and files.
fn merge(open: Open) -> Option<InboundMessage> {
    let mut parts = open.parts.into_values().map(|part| part.message);
    let mut merged = parts.next()?;
    for part in parts {
        if !part.text.is_empty() && part.text != merged.text {
            let both = [merged.text.as_str(), part.text.as_str()];
            merged.text = both.join("\n").trim().to_owned();
        }
        merged.attachments.extend(part.attachments);
        merged.answers = merged.answers.or(part.answers);
    }
    Some(merged)
}
