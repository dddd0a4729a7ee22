//! The next channel of a rule, when a message did not arrive on the one before.
//!
//! `deliveries.fallback_at` is the promise that the next channel gets the message; whoever sets it to NULL keeps it, so
//! that it is kept once.

use std::sync::Arc;

use async_trait::async_trait;
use doorstep_core::{
    Ambient, ChannelName, CommerceEventId, DeliveryId, NotificationId, Timestamp,
    channel::{ReceiptStatus, ReceiptUpdate},
};
use sea_orm::DbErr;

use super::{
    News, Recipient, Store, StoreError, Transaction, execute, query_one,
    row::{at, optional_text},
    telling::{self, Said},
    write::Write,
};
use crate::queue::{Job, JobQueue};

/// A message whose next channel may get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FallingBack {
    /// Its delivery.
    pub delivery: DeliveryId,
    /// Where it may not have arrived.
    pub channel: ChannelName,
    /// Where the delivery stands.
    pub status: String,
    /// Whether it arrived, and was not read.
    pub arrived: bool,
    /// When the next channel gets it.
    pub fallback_at: Timestamp,
    /// What it told.
    pub notification: NotificationId,
    /// By which rule.
    pub rule: String,
    /// What happened: the events of all news in the message, oldest first.
    pub events: Vec<CommerceEventId>,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub enum FallenBack {
    /// These get it.
    Told(Vec<Recipient>),
    /// It is looked at again then.
    Waits(Timestamp),
    /// Nobody else does; why, unless it arrived.
    Ends(Option<String>),
}

impl Store {
    /// A message whose next channel may get it; `None` when it arrived, or the next channel has it.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn falling_back(
        &self,
        delivery: DeliveryId,
    ) -> Result<Option<FallingBack>, StoreError> {
        let sql =
            "SELECT d.channel, d.status, d.delivered_at, d.fallback_at, n.id AS notification_id, n.rule, m.event_id
            FROM deliveries d JOIN outbound_messages o ON o.id = d.outbound_id
            JOIN notifications n ON n.id = o.notification_id
            JOIN notifications m ON m.id = n.id OR (m.digest_id = n.id AND m.decision = 'told')
            WHERE d.id = $1 AND d.fallback_at IS NOT NULL ORDER BY m.created_at, m.id";
        let rows = self.query(sql, [delivery.0.into()]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let events = rows
            .iter()
            .map(|row| row.get("event_id").map(CommerceEventId));
        Ok(Some(FallingBack {
            delivery,
            channel: ChannelName(row.get("channel")?),
            status: row.get("status")?,
            arrived: row.optional_time("delivered_at")?.is_some(),
            fallback_at: row.time("fallback_at")?,
            notification: NotificationId(row.get("notification_id")?),
            rule: row.get::<Option<String>>("rule")?.unwrap_or_default(),
            events: events.collect::<Result<_, _>>()?,
        }))
    }

    /// Writes down what becomes of a message that did not arrive; the messages on the next channel are there with it.
    /// News that is history by now is told nowhere else. `false`: it arrived meanwhile, or is being sent this moment;
    /// nothing was changed.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn commit_fallback(
        &self,
        falling: &FallingBack,
        news: Vec<News>,
        outcome: FallenBack,
    ) -> Result<bool, StoreError> {
        let said = self
            .write(CommitFallback {
                falling: falling.clone(),
                news,
                outcome,
                ambient: self.ambient().clone(),
                queue: self.queue().clone(),
            })
            .await?;
        let Some(said) = said else { return Ok(false) };
        self.announce_said(&said);
        Ok(true)
    }
}

/// Why a message went to another channel, as it stands in its notification's reason.
const MISSED: [&str; 2] = ["did not arrive", "was not read"];

/// Whether a notification's reason says that another channel got its message too.
pub(crate) fn is_fallback(reason: &str) -> bool {
    MISSED
        .iter()
        .any(|missed| reason.contains(&format!("; {missed} on ")))
}

/// Makes the next channel's turn come now. Nothing happens to messages without a next channel.
pub(super) async fn bring_forward(
    transaction: &Transaction<'_>,
    queue: &Arc<dyn JobQueue>,
    delivery: DeliveryId,
    now: Timestamp,
) -> Result<(), DbErr> {
    let sql = "UPDATE deliveries SET fallback_at = $1 WHERE id = $2 AND fallback_at IS NOT NULL";
    if execute(transaction, sql, [at(now), delivery.0.into()]).await? == 0 {
        return Ok(());
    }
    let job = Job::FallBack {
        delivery,
        not_before: now,
    };
    queue.enqueue(transaction, &[job]).await
}

/// Writes down that a message arrived or was read: no other channel gets it then, unless only reading counts.
pub(super) async fn note_arrival(
    transaction: &Transaction<'_>,
    channel: &ChannelName,
    receipt: &ReceiptUpdate,
) -> Result<(), DbErr> {
    let read = match receipt.status {
        ReceiptStatus::Read => true,
        ReceiptStatus::Delivered => false,
        ReceiptStatus::Sent | ReceiptStatus::Failed { .. } => return Ok(()),
    };
    let ours = receipt.message.map(|id| id.0).unwrap_or_default();
    let mut sql = "UPDATE deliveries SET delivered_at = COALESCE(delivered_at, $1)".to_owned();
    sql.push_str(match read {
        true => ", read_at = COALESCE(read_at, $1), fallback_at = NULL",
        false => ", fallback_at = CASE WHEN fallback_until_read THEN fallback_at ELSE NULL END",
    });
    sql.push_str(" WHERE channel = $2 AND (provider_id = $3 OR outbound_id = $4)");
    let values = [
        at(receipt.at),
        channel.as_str().into(),
        optional_text(receipt.provider_id.as_deref()),
        ours.into(),
    ];
    execute(transaction, &sql, values).await.map(drop)
}

struct CommitFallback {
    falling: FallingBack,
    news: Vec<News>,
    outcome: FallenBack,
    ambient: Ambient,
    queue: Arc<dyn JobQueue>,
}

#[async_trait]
impl Write for CommitFallback {
    type Output = Option<Said>;
    const NAME: &'static str = "commit_fallback";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Option<Said>, DbErr> {
        let mut said = Said::default();
        match &self.outcome {
            FallenBack::Waits(until) => {
                let delivery = self.falling.delivery;
                let sql = "UPDATE deliveries SET fallback_at = $1 WHERE id = $2 AND fallback_at IS NOT NULL";
                if execute(transaction, sql, [at(*until), delivery.0.into()]).await? == 0 {
                    return Ok(None);
                }
                said.jobs.push(Job::FallBack {
                    delivery,
                    not_before: *until,
                });
            }
            FallenBack::Ends(reason) => {
                if !self.end(transaction, false).await? {
                    return Ok(None);
                }
                if let Some(reason) = reason {
                    self.add_reason(transaction, reason).await?;
                }
            }
            FallenBack::Told(recipients) => {
                let mut past = None;
                for news in &self.news {
                    let history = telling::history(transaction, Some(news)).await?;
                    past = past.or(history);
                }
                if !self.end(transaction, past.is_none()).await? {
                    return Ok(None);
                }
                if let Some(past) = past {
                    self.add_reason(transaction, &format!("on no other channel: {past}"))
                        .await?;
                    return Ok(Some(said));
                }
                let id = self.falling.notification;
                telling::tell(transaction, &self.ambient, id, recipients, &mut said).await?;
                telling::note_window(transaction, &self.news, recipients).await?;
                let names: Vec<&str> = recipients
                    .iter()
                    .map(|recipient| recipient.address.channel.as_str())
                    .collect();
                let missed = MISSED[usize::from(self.falling.arrived)];
                let reason = format!(
                    "{missed} on {}, told on {}",
                    self.falling.channel,
                    names.join(", ")
                );
                self.add_reason(transaction, &reason).await?;
            }
        }
        if !said.jobs.is_empty() {
            self.queue.enqueue(transaction, &said.jobs).await?;
        }
        Ok(Some(said))
    }
}

impl CommitFallback {
    /// Keeps the promise, once; an attempt that still waits is given up when another channel takes over.
    async fn end(&self, transaction: &Transaction<'_>, passed_on: bool) -> Result<bool, DbErr> {
        let row = query_one(
            transaction,
            "UPDATE deliveries SET fallback_at = NULL
                WHERE id = $1 AND fallback_at IS NOT NULL AND status <> 'sending' RETURNING status",
            [self.falling.delivery.0.into()],
        )
        .await?;
        let Some(row) = row else { return Ok(false) };
        if passed_on && row.get::<String>("status")? == "pending" {
            execute(
                transaction,
                "UPDATE deliveries SET status = 'failed', next_attempt_at = NULL, settled_at = $1,
                        reason = 'not sent in time; the next channel has it' WHERE id = $2",
                [at(self.ambient.now()), self.falling.delivery.0.into()],
            )
            .await?;
        }
        Ok(true)
    }

    async fn add_reason(&self, transaction: &Transaction<'_>, reason: &str) -> Result<(), DbErr> {
        let sql = "UPDATE notifications SET reason = reason || $1 WHERE id = $2";
        let values = [
            format!("; {reason}").into(),
            self.falling.notification.0.into(),
        ];
        execute(transaction, sql, values).await.map(drop)
    }
}
