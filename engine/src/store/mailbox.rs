//! The conversation as a customer's device reads it, and the bus that wakes the device.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use doorstep_core::{
    InboundMessageId, OutboundMessageId, Timestamp,
    channel::{AdmitError, Mailbox, News, Subscription},
    message::{Address, MailboxEntry, MailboxMessage, OutboundMessage, Thread},
};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

use super::{Database, Store, StoreError, Transaction, execute, row::Row, write::Write};

/// PostgreSQL's channel for news between instances.
const CHANNEL: &str = "doorstep_news";

/// Entries of both directions after a position. Both halves are index scans that stop at the limit.
const ENTRIES: &str = "SELECT * FROM (
        SELECT m.position, m.admitted_at AS at, m.id, m.external_id, m.text, NULL AS content, NULL AS language,
            m.id AS in_reply_to, NULL AS answers
        FROM inbound_messages m JOIN conversations c ON c.id = m.conversation_id
        WHERE c.channel = $1 AND c.address = $2 AND m.position > $3
        UNION ALL
        SELECT o.position, o.created_at AS at, o.id, NULL, NULL, o.content, o.language, o.in_reply_to, q.external_id
        FROM outbound_messages o JOIN conversations c ON c.id = o.conversation_id
        LEFT JOIN inbound_messages q ON q.id = o.in_reply_to
        WHERE c.channel = $1 AND c.address = $2 AND o.position > $3
    ) AS entries ORDER BY position LIMIT $4";

/// Wakes subscribers of an address. Only addresses that somebody watches are held.
#[derive(Clone, Default)]
pub struct Bus {
    watched: Arc<Mutex<HashMap<Address, Watched>>>,
}

struct Watched {
    news: watch::Sender<News>,
    subscribers: usize,
}

impl Bus {
    /// Tells subscribers that everything up to `position` is committed.
    pub fn announce(&self, address: &Address, position: i64) {
        self.update(address, |news| {
            let newer = position > news.position;
            news.position = news.position.max(position);
            newer
        });
    }

    /// Hands subscribers what was committed just now: the answer that was in the making.
    pub(crate) fn hand_out(&self, address: &Address, entries: Vec<MailboxEntry>) {
        let Some(last) = entries.last() else { return };
        let position = last.position;
        self.update(address, |news| {
            news.position = news.position.max(position);
            news.entries = entries.into();
            news.typing = false;
            true
        });
    }

    /// Whether anybody watches the address here.
    pub(crate) fn is_watched(&self, address: &Address) -> bool {
        self.watched().contains_key(address)
    }

    /// Tells subscribers whether an answer is being made.
    pub fn set_typing(&self, address: &Address, typing: bool) {
        self.update(address, |news| {
            std::mem::replace(&mut news.typing, typing) != typing
        });
    }

    /// `change` says whether there is something to wake for.
    fn update(&self, address: &Address, change: impl FnOnce(&mut News) -> bool) {
        if let Some(watched) = self.watched().get(address) {
            watched.news.send_if_modified(change);
        }
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<Address, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribe(&self, address: &Address) -> Subscription {
        let mut watched = self.watched();
        let entry = watched.entry(address.clone()).or_insert_with(|| Watched {
            news: watch::Sender::new(News::default()),
            subscribers: 0,
        });
        entry.subscribers += 1;
        Subscription {
            news: entry.news.subscribe(),
            guard: Box::new(Registration {
                bus: self.clone(),
                address: address.clone(),
            }),
        }
    }
}

/// Ends a subscription when dropped.
struct Registration {
    bus: Bus,
    address: Address,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut watched = self.bus.watched();
        if let Some(entry) = watched.get_mut(&self.address) {
            entry.subscribers -= 1;
            if entry.subscribers == 0 {
                watched.remove(&self.address);
            }
        }
    }
}

/// What one instance tells the others through PostgreSQL.
#[derive(Serialize, Deserialize)]
struct Announcement {
    address: Address,
    position: i64,
}

/// Tells other instances, when the transaction commits. One SQLite file has one instance: nothing to tell.
pub(crate) async fn announce(
    transaction: &Transaction<'_>,
    address: &Address,
    position: i64,
) -> Result<(), DbErr> {
    if !transaction.is_postgres() {
        return Ok(());
    }
    let payload = super::row::json(&Announcement {
        address: address.clone(),
        position,
    })?;
    execute(
        transaction,
        "SELECT pg_notify($1, $2)",
        [CHANNEL.into(), payload],
    )
    .await?;
    Ok(())
}

/// Passes what other instances announce to the bus. sqlx's listener reconnects by itself; entries are read by cursor,
/// so that news lost in between only come late (with the next news or the next reconnect of the device).
pub(super) async fn listen_for_news(database: &Database, bus: Bus) -> Result<(), StoreError> {
    let Some(pool) = database.postgres_pool() else {
        return Ok(());
    };
    let failed = |error: sqlx::Error| DbErr::Custom(format!("LISTEN {CHANNEL}: {error}"));
    let mut listener = sqlx::postgres::PgListener::connect_with(pool)
        .await
        .map_err(failed)?;
    listener.listen(CHANNEL).await.map_err(failed)?;
    tokio::spawn(async move {
        loop {
            match listener.recv().await {
                Ok(notification) => {
                    match serde_json::from_str::<Announcement>(notification.payload()) {
                        Ok(news) => bus.announce(&news.address, news.position),
                        Err(error) => {
                            tracing::warn!(%error, "another instance announced something unreadable")
                        }
                    }
                }
                Err(sqlx::Error::PoolClosed) => break,
                Err(error) => {
                    tracing::warn!(%error, "news of other instances are interrupted; reconnecting");
                }
            }
        }
    });
    Ok(())
}

#[async_trait]
impl Mailbox for Store {
    async fn entries_after(
        &self,
        address: &Address,
        position: i64,
        limit: u64,
    ) -> Result<Vec<MailboxEntry>, AdmitError> {
        let values = [
            address.channel.as_str().into(),
            address.id.as_str().into(),
            position.into(),
            limit.into(),
        ];
        let rows = self.query(ENTRIES, values).await.map_err(unavailable)?;
        rows.iter()
            .map(|row| read_entry(row).map_err(|error| unavailable(error.into())))
            .collect()
    }

    async fn newest_position(&self, address: &Address) -> Result<i64, AdmitError> {
        let sql = "SELECT last_position FROM conversations WHERE channel = $1 AND address = $2";
        let values = [address.channel.as_str().into(), address.id.as_str().into()];
        let rows = self.query(sql, values).await.map_err(unavailable)?;
        let position = rows.first().map(|row| row.get("last_position")).transpose();
        Ok(position
            .map_err(|error| unavailable(error.into()))?
            .unwrap_or(0))
    }

    fn subscribe(&self, address: &Address) -> Subscription {
        self.bus().subscribe(address)
    }

    async fn mark_read(&self, address: &Address, position: i64) -> Result<(), AdmitError> {
        self.write(MarkRead {
            address: address.clone(),
            position,
        })
        .await
        .map_err(unavailable)
    }
}

fn unavailable(error: StoreError) -> AdmitError {
    AdmitError::Unavailable(error.to_string())
}

fn read_entry(row: &Row) -> Result<MailboxEntry, DbErr> {
    let at: Timestamp = row.time("at")?;
    let position = row.get("position")?;
    let message = match row.get::<Option<String>>("text")? {
        Some(text) => MailboxMessage::Inbound {
            id: InboundMessageId(row.get("id")?),
            external_id: row.get("external_id")?,
            text,
        },
        None => MailboxMessage::Outbound {
            message: OutboundMessage {
                id: OutboundMessageId(row.get("id")?),
                content: row.json("content")?,
                language: row
                    .optional_parsed("language")?
                    .unwrap_or(doorstep_core::Language::ENGLISH),
                in_reply_to: row
                    .get::<Option<Uuid>>("in_reply_to")?
                    .map(InboundMessageId),
                thread: Thread::default(),
            },
            answers: row.get("answers")?,
        },
    };
    Ok(MailboxEntry {
        position,
        at,
        message,
    })
}

struct MarkRead {
    address: Address,
    position: i64,
}

#[async_trait]
impl Write for MarkRead {
    type Output = ();
    const NAME: &'static str = "mark_read";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<(), DbErr> {
        // Never beyond what there is, never backwards.
        execute(
            transaction,
            "UPDATE conversations SET read_position = $1
                WHERE channel = $2 AND address = $3 AND read_position < $1 AND last_position >= $1",
            [
                self.position.into(),
                self.address.channel.as_str().into(),
                self.address.id.as_str().into(),
            ],
        )
        .await?;
        Ok(())
    }
}
