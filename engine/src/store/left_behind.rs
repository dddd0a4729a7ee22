//! What was left behind, found by the store's own rows whatever became of the jobs: the sweep's queries.

use std::sync::Arc;

use async_trait::async_trait;
use doorstep_core::{
    ChannelName, CommerceEventId, DeliveryId, Timestamp, notification::DeliveryStatus,
};
use sea_orm::DbErr;
use uuid::Uuid;

use super::{
    Store, StoreError, Transaction, deliveries::millis, execute, query, row::at, write::Write,
};
use crate::queue::{Job, JobQueue};

/// What became of claims whose worker fell silent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReleasedClaims {
    /// Due again, because sending twice has one effect there.
    pub released: usize,
    /// To be settled by a receipt or a person.
    pub ambiguous: usize,
}

impl Store {
    /// Jobs for what waits since before `before` although nothing seems to work on it: events nobody decided about,
    /// and deliveries that are due. The jobs may exist; enqueuing them again is harmless.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn overdue_jobs(
        &self,
        before: Timestamp,
        limit: u64,
    ) -> Result<Vec<Job>, StoreError> {
        let mut jobs = Vec::new();
        let events = self
            .query(
                "SELECT id, enriched_at FROM commerce_events WHERE notified_at IS NULL AND admitted_at <= $1
                    ORDER BY admitted_at LIMIT $2",
                [at(before), limit.into()],
            )
            .await?;
        for row in &events {
            let id = CommerceEventId(row.get("id")?);
            jobs.push(match row.optional_time("enriched_at")? {
                Some(_) => Job::Notify(id),
                None => Job::EnrichEvent(id),
            });
        }
        let deliveries = self
            .query(
                "SELECT d.id, d.channel, d.attempts, d.next_attempt_at, o.in_reply_to
                    FROM deliveries d JOIN outbound_messages o ON o.id = d.outbound_id
                    WHERE d.settled_at IS NULL AND d.status = 'pending' AND d.next_attempt_at <= $1
                    ORDER BY d.next_attempt_at LIMIT $2",
                [at(before), limit.into()],
            )
            .await?;
        for row in &deliveries {
            jobs.push(Job::Deliver {
                delivery: DeliveryId(row.get("id")?),
                channel: ChannelName(row.get("channel")?),
                news: row.get::<Option<Uuid>>("in_reply_to")?.is_none(),
                attempt: row.get("attempts")?,
                not_before: row.time("next_attempt_at")?,
            });
        }
        jobs.extend(self.overdue_news(before, limit).await?);
        Ok(jobs)
    }

    /// Enqueues jobs on their own.
    ///
    /// # Errors
    /// Nothing was enqueued.
    pub async fn enqueue(&self, jobs: Vec<Job>) -> Result<(), StoreError> {
        if jobs.is_empty() {
            return Ok(());
        }
        self.write(Enqueue {
            jobs: jobs.clone(),
            queue: self.queue().clone(),
        })
        .await?;
        self.queue().wake_for(&jobs, self.ambient().now());
        Ok(())
    }

    /// Takes claims made before `before` from workers that fell silent: deliveries on `idempotent` channels are due
    /// again, others become ambiguous (G2).
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn release_claims(
        &self,
        before: Timestamp,
        idempotent: Vec<ChannelName>,
    ) -> Result<ReleasedClaims, StoreError> {
        let released = self
            .write(ReleaseClaims {
                before,
                idempotent,
                now: self.ambient().now(),
                queue: self.queue().clone(),
            })
            .await?;
        if released.released > 0 {
            self.queue().wake();
        }
        Ok(released)
    }

    /// Since when the oldest unfinished work is due: a message nobody handled, an event nobody decided about, a
    /// delivery nobody attempted. `None`: all is done.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn oldest_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let rows = self
            .query(
                "SELECT MIN(due) AS due FROM (
                    SELECT MIN(admitted_at) AS due FROM inbound_messages WHERE handled_at IS NULL
                    UNION ALL SELECT MIN(admitted_at) FROM commerce_events WHERE notified_at IS NULL
                    UNION ALL SELECT MIN(next_attempt_at) FROM deliveries
                        WHERE settled_at IS NULL AND status = 'pending' AND next_attempt_at <= $1
                ) AS waiting",
                [at(self.ambient().now())],
            )
            .await?;
        Ok(rows
            .first()
            .map(|row| row.optional_time("due"))
            .transpose()?
            .flatten())
    }
}

struct Enqueue {
    jobs: Vec<Job>,
    queue: Arc<dyn JobQueue>,
}

#[async_trait]
impl Write for Enqueue {
    type Output = ();
    const NAME: &'static str = "enqueue";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<(), DbErr> {
        self.queue.enqueue(transaction, &self.jobs).await
    }
}

struct ReleaseClaims {
    before: Timestamp,
    idempotent: Vec<ChannelName>,
    now: Timestamp,
    queue: Arc<dyn JobQueue>,
}

#[async_trait]
impl Write for ReleaseClaims {
    type Output = ReleasedClaims;
    const NAME: &'static str = "release_claims";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<ReleasedClaims, DbErr> {
        let mut outcome = ReleasedClaims::default();
        let mut jobs = Vec::new();
        let silent = query(
            transaction,
            "SELECT d.id, d.channel, d.attempts, o.in_reply_to
                FROM deliveries d JOIN outbound_messages o ON o.id = d.outbound_id
                WHERE d.settled_at IS NULL AND d.status = 'sending' AND d.claimed_at <= $1 ORDER BY d.id",
            [at(self.before)],
        )
        .await?;
        for row in silent {
            let delivery = DeliveryId(row.get("id")?);
            let channel = ChannelName(row.get("channel")?);
            let attempt: i32 = row.get("attempts")?;
            let again = self.idempotent.contains(&channel);
            if !self.release(transaction, delivery, attempt, again).await? {
                continue;
            }
            if again {
                outcome.released += 1;
                jobs.push(Job::Deliver {
                    delivery,
                    channel,
                    news: row.get::<Option<Uuid>>("in_reply_to")?.is_none(),
                    attempt,
                    not_before: self.now,
                });
            } else {
                outcome.ambiguous += 1;
            }
        }
        if !jobs.is_empty() {
            self.queue.enqueue(transaction, &jobs).await?;
        }
        Ok(outcome)
    }
}

impl ReleaseClaims {
    async fn release(
        &self,
        transaction: &Transaction<'_>,
        delivery: DeliveryId,
        attempt: i32,
        again: bool,
    ) -> Result<bool, DbErr> {
        let reason = "the worker that sent it fell silent";
        let status = match again {
            true => DeliveryStatus::Pending,
            false => DeliveryStatus::Ambiguous,
        };
        let changed = execute(
            transaction,
            "UPDATE deliveries SET status = $1, next_attempt_at = $2, reason = $3, claimed_by = NULL, claimed_at = NULL
                WHERE id = $4 AND attempts = $5 AND status = 'sending'",
            [
                status.as_str().into(),
                millis(again.then_some(self.now)),
                reason.into(),
                delivery.0.into(),
                attempt.into(),
            ],
        )
        .await?;
        if changed == 0 {
            return Ok(false);
        }
        execute(
            transaction,
            "UPDATE delivery_attempts SET finished_at = $1, outcome = 'ambiguous', reason = $2
                WHERE delivery_id = $3 AND number = $4 AND finished_at IS NULL",
            [
                at(self.now),
                reason.into(),
                delivery.0.into(),
                attempt.into(),
            ],
        )
        .await?;
        Ok(true)
    }
}
