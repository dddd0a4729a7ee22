//! Commerce events: admitted once, many callers in one transaction.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use doorstep_core::{
    CommerceEventId, SourceName, Timestamp, event::CommerceEvent, mask::mask_card_numbers,
};
use sea_orm::{DbErr, Value};
use tokio::sync::{Semaphore, mpsc, oneshot};
use uuid::Uuid;

use super::{
    Store, StoreError, Transaction, execute, query,
    row::{Row, at},
    write::Write,
};
use crate::queue::{Job, JobQueue, QueueName};

/// How many events one transaction admits at most.
const BATCH: usize = 128;
/// How many callers may wait to be admitted before more wait to be let in.
const QUEUE: usize = 1024;

/// What became of an event handed to [`Store::admit_events`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventAdmission {
    /// Our identifier of the event.
    pub id: CommerceEventId,
    /// Whether the same event had been admitted before.
    pub duplicate: bool,
}

/// An event as the store holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Our identifier.
    pub id: CommerceEventId,
    /// What we read in the webhook.
    pub event: CommerceEvent,
    /// When it was admitted.
    pub admitted_at: Timestamp,
    /// When order and parcel were brought up to date with it.
    pub enriched_at: Option<Timestamp>,
    /// When it was decided who hears of it.
    pub notified_at: Option<Timestamp>,
}

impl Store {
    /// Stores the events of one webhook and enqueues their enrichment, or finds them stored before (G1, G2). `raw` is
    /// the body that was signed; card numbers are masked in it (G9). Callers that arrive while another admission is
    /// being written are admitted together.
    ///
    /// # Errors
    /// Nothing was stored; the source should deliver again.
    pub async fn admit_events(
        &self,
        source: &SourceName,
        raw: &[u8],
        events: Vec<CommerceEvent>,
    ) -> Result<Vec<EventAdmission>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let raw: Arc<str> = mask_card_numbers(&String::from_utf8_lossy(raw)).into();
        let events = events
            .into_iter()
            .map(|event| self.prepare(source, &raw, &event))
            .collect::<Result<Vec<_>, _>>()?;
        let (done, outcome) = oneshot::channel();
        let admission = Admission {
            events: events.into(),
            done,
        };
        let admissions = self.admissions();
        admissions
            .handed_in
            .fetch_add(admission.events.len() as u64, Ordering::Relaxed);
        admissions
            .waiting
            .send(admission)
            .await
            .map_err(|_| StoreError::Closed)?;
        outcome.await.map_err(|_| StoreError::Closed)?
    }

    /// How many events were handed in since the start, known ones included. Who wants to do something that can wait
    /// sees from it whether events come in thick and fast.
    pub fn events_handed_in(&self) -> u64 {
        self.admissions().handed_in.load(Ordering::Relaxed)
    }

    fn prepare(
        &self,
        source: &SourceName,
        raw: &Arc<str>,
        event: &CommerceEvent,
    ) -> Result<NewEvent, StoreError> {
        let ambient = self.ambient();
        let parsed = serde_json::to_string(event)
            .map_err(|error| DbErr::Custom(format!("an event cannot be written: {error}")))?;
        Ok(NewEvent {
            id: CommerceEventId::new(&*ambient.clock, &*ambient.entropy),
            source: source.clone(),
            external_id: event.external_id.clone(),
            kind: event.kind.label(),
            raw: raw.clone(),
            parsed: mask_free_text(parsed),
            occurred_at: event.occurred_at,
            admitted_at: ambient.now(),
        })
    }

    /// An event by our identifier.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn load_event(&self, id: CommerceEventId) -> Result<Option<StoredEvent>, StoreError> {
        let sql = "SELECT parsed, admitted_at, enriched_at, notified_at FROM commerce_events WHERE id = $1";
        let rows = self.query(sql, [id.0.into()]).await?;
        Ok(rows.first().map(|row| read_event(row, id)).transpose()?)
    }

    /// Which of these external ids of a source were admitted before.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn known_events(
        &self,
        source: &SourceName,
        external_ids: &[&str],
    ) -> Result<HashSet<String>, StoreError> {
        if external_ids.is_empty() {
            return Ok(HashSet::new());
        }
        let mut sql = String::from(
            "SELECT external_id FROM commerce_events WHERE source = $1 AND external_id IN (",
        );
        for place in 2..external_ids.len() + 2 {
            let comma = if place == 2 { "" } else { ", " };
            sql.push_str(&format!("{comma}${place}"));
        }
        sql.push(')');
        let ids = external_ids.iter().map(|&id| Value::from(id));
        let rows = self
            .query(&sql, std::iter::once(source.as_str().into()).chain(ids))
            .await?;
        let known = rows.iter().map(|row| row.get("external_id"));
        Ok(known.collect::<Result<_, _>>()?)
    }

    /// The raw body that brought an event, as it was admitted.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn raw_event(&self, id: CommerceEventId) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT raw FROM commerce_events WHERE id = $1";
        let rows = self.query(sql, [id.0.into()]).await?;
        Ok(rows.first().map(|row| row.get("raw")).transpose()?)
    }
}

fn read_event(row: &Row, id: CommerceEventId) -> Result<StoredEvent, DbErr> {
    Ok(StoredEvent {
        id,
        event: row.json("parsed")?,
        admitted_at: row.time("admitted_at")?,
        enriched_at: row.optional_time("enriched_at")?,
        notified_at: row.optional_time("notified_at")?,
    })
}

/// Fields that name things: masking one would make it name nothing, and some parcel numbers pass for card numbers.
const NAMES: [&str; 5] = ["tracking_number", "number", "order", "sku", "id"];

/// Masks card numbers in the free text of an event written as JSON.
fn mask_free_text(parsed: String) -> String {
    if matches!(mask_card_numbers(&parsed), std::borrow::Cow::Borrowed(_)) {
        return parsed;
    }
    let Ok(mut value) = serde_json::from_str(&parsed) else {
        return mask_card_numbers(&parsed).into_owned();
    };
    mask_value(&mut value);
    value.to_string()
}

fn mask_value(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => *text = mask_card_numbers(text).into_owned(),
        serde_json::Value::Array(values) => values.iter_mut().for_each(mask_value),
        serde_json::Value::Object(fields) => fields
            .iter_mut()
            .filter(|(name, value)| !(NAMES.contains(&name.as_str()) && value.is_string()))
            .for_each(|(_, value)| mask_value(value)),
        _ => {}
    }
}

#[derive(Debug)]
struct NewEvent {
    id: CommerceEventId,
    source: SourceName,
    external_id: String,
    kind: &'static str,
    raw: Arc<str>,
    parsed: String,
    occurred_at: Timestamp,
    admitted_at: Timestamp,
}

/// What one caller wants admitted.
struct Admission {
    events: Arc<[NewEvent]>,
    done: oneshot::Sender<Result<Vec<EventAdmission>, StoreError>>,
}

/// Where callers of [`Store::admit_events`] wait for each other.
pub(crate) struct Admissions {
    waiting: mpsc::Sender<Admission>,
    /// How many events were ever handed in.
    handed_in: AtomicU64,
}

/// The callers that wait, to be served once the store is complete.
pub(crate) struct WaitingAdmissions(mpsc::Receiver<Admission>);

impl Admissions {
    pub(crate) fn new() -> (Self, WaitingAdmissions) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let admissions = Self {
            waiting: sender,
            handed_in: AtomicU64::default(),
        };
        (admissions, WaitingAdmissions(receiver))
    }
}

impl WaitingAdmissions {
    /// Admits what waits, together, until the last handle of the store is dropped. `at_once` transactions run side by
    /// side: one on SQLite, whose writer is one; several on PostgreSQL.
    pub(crate) fn serve(mut self, store: std::sync::Weak<super::Inner>, at_once: usize) {
        let permits = Arc::new(Semaphore::new(at_once));
        tokio::spawn(async move {
            let mut group = Vec::new();
            while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
                if self.0.recv_many(&mut group, BATCH).await == 0 {
                    break;
                }
                let Some(inner) = store.upgrade() else { break };
                let store = Store { inner };
                let group = std::mem::take(&mut group);
                tokio::spawn(async move {
                    admit_group(&store, group).await;
                    drop(permit);
                });
            }
        });
    }
}

/// Admits a group in one transaction; if that fails, each caller's events alone, so that nobody fails for another.
async fn admit_group(store: &Store, group: Vec<Admission>) {
    let mut together = Vec::new();
    for admission in group {
        together.push(admission);
        let events: usize = together
            .iter()
            .map(|admission| admission.events.len())
            .sum();
        if events >= BATCH {
            admit_together(store, std::mem::take(&mut together)).await;
        }
    }
    if !together.is_empty() {
        admit_together(store, together).await;
    }
}

async fn admit_together(store: &Store, group: Vec<Admission>) {
    let events = group
        .iter()
        .map(|admission| Arc::clone(&admission.events))
        .collect();
    match admit(store, events).await {
        Ok(admissions) => {
            let mut admissions = admissions.into_iter();
            for caller in group {
                let own = admissions.by_ref().take(caller.events.len()).collect();
                // The caller may have gone away; the events stand.
                let _ = caller.done.send(Ok(own));
            }
        }
        Err(error) if group.len() == 1 => {
            for caller in group {
                let _ = caller
                    .done
                    .send(Err(StoreError::Database(DbErr::Custom(error.to_string()))));
            }
        }
        Err(_) => {
            for caller in group {
                let alone = admit(store, vec![Arc::clone(&caller.events)]).await;
                let _ = caller.done.send(alone);
            }
        }
    }
}

async fn admit(
    store: &Store,
    events: Vec<Arc<[NewEvent]>>,
) -> Result<Vec<EventAdmission>, StoreError> {
    let write = AdmitEvents {
        events,
        queue: store.queue().clone(),
    };
    let admissions = store.write(write).await?;
    if admissions.iter().any(|admission| !admission.duplicate) {
        store.queue().wake_one(QueueName::EnrichEvent);
    }
    Ok(admissions)
}

struct AdmitEvents {
    events: Vec<Arc<[NewEvent]>>,
    queue: Arc<dyn JobQueue>,
}

#[async_trait]
impl Write for AdmitEvents {
    type Output = Vec<EventAdmission>;
    const NAME: &'static str = "admit_events";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Self::Output, DbErr> {
        let events: Vec<&NewEvent> = self
            .events
            .iter()
            .flat_map(|events| events.iter())
            .collect();
        // Always in the same order, so that two transactions that meet in the same events do not lock each other out.
        let mut sorted = events.clone();
        sorted.sort_unstable_by_key(|event| (&event.source, &event.external_id));
        let mut inserted = HashSet::with_capacity(events.len());
        for events in sorted.chunks(BATCH) {
            inserted.extend(insert(transaction, events).await?);
        }
        let mut admissions = Vec::with_capacity(events.len());
        for event in events {
            admissions.push(match inserted.contains(&event.id.0) {
                true => EventAdmission {
                    id: event.id,
                    duplicate: false,
                },
                false => find_admitted(transaction, event).await?,
            });
        }
        let jobs: Vec<Job> = admissions
            .iter()
            .filter(|admission| !admission.duplicate)
            .map(|admission| Job::EnrichEvent(admission.id))
            .collect();
        if !jobs.is_empty() {
            self.queue.enqueue(transaction, &jobs).await?;
        }
        Ok(admissions)
    }
}

/// Inserts those that are new, in one statement; returns their identifiers.
async fn insert(
    transaction: &Transaction<'_>,
    events: &[&NewEvent],
) -> Result<HashSet<Uuid>, DbErr> {
    let mut sql = String::from(
        "INSERT INTO commerce_events (id, source, external_id, kind, raw, parsed, occurred_at, admitted_at) VALUES ",
    );
    super::row::placeholders(&mut sql, events.len(), 8);
    sql.push_str(" ON CONFLICT (source, external_id) DO NOTHING RETURNING id");
    let values = events.iter().flat_map(|event| -> [Value; 8] {
        [
            event.id.0.into(),
            event.source.as_str().into(),
            event.external_id.as_str().into(),
            event.kind.into(),
            event.raw.as_bytes().into(),
            event.parsed.as_str().into(),
            at(event.occurred_at),
            at(event.admitted_at),
        ]
    });
    let rows = query(transaction, &sql, values).await?;
    rows.iter().map(|row| row.get("id")).collect()
}

async fn find_admitted(
    transaction: &Transaction<'_>,
    event: &NewEvent,
) -> Result<EventAdmission, DbErr> {
    let rows = query(
        transaction,
        "SELECT id FROM commerce_events WHERE source = $1 AND external_id = $2",
        [
            event.source.as_str().into(),
            event.external_id.as_str().into(),
        ],
    )
    .await?;
    let row = rows.first().ok_or(DbErr::RecordNotInserted)?;
    Ok(EventAdmission {
        id: CommerceEventId(row.get("id")?),
        duplicate: true,
    })
}

/// Marks an event as enriched; `false` when it already was.
pub(crate) async fn mark_enriched(
    transaction: &Transaction<'_>,
    event: CommerceEventId,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let sql = "UPDATE commerce_events SET enriched_at = $1 WHERE id = $2 AND enriched_at IS NULL";
    Ok(execute(transaction, sql, [at(now), event.0.into()]).await? == 1)
}

/// Marks an event as decided; `false` when it already was.
pub(crate) async fn mark_notified(
    transaction: &Transaction<'_>,
    event: CommerceEventId,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let sql = "UPDATE commerce_events SET notified_at = $1 WHERE id = $2 AND notified_at IS NULL";
    Ok(execute(transaction, sql, [at(now), event.0.into()]).await? == 1)
}
