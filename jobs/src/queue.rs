//! The job queue: rows in the store's own database, written within the caller's transaction.

use async_trait::async_trait;
use doorstep_core::{Ambient, ChannelName, Timestamp};
use doorstep_engine::{
    queue::{Job, JobQueue, QueueName},
    store::{Database, Transaction},
};
use sea_orm::DbErr;

use crate::{
    JobsError, deliver, enrich_event, fall_back, fetch_attachment, notify, notify_due,
    schema::{self, NewRow},
    wake::Wake,
};

/// The job queue of one instance. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    ambient: Ambient,
    wake: Wake,
}

impl Queue {
    /// A queue; its jobs become due by `ambient`'s clock. apalis itself reads the system's clock: a test clock must not
    /// be ahead of it.
    pub fn new(ambient: Ambient) -> Self {
        Self {
            ambient,
            wake: Wake::default(),
        }
    }

    /// Brings the queue's tables in `database` up to date. Run it beside the store's own migrations.
    ///
    /// # Errors
    /// A migration failed.
    pub async fn migrate(database: &Database) -> Result<(), JobsError> {
        schema::migrate(database).await
    }

    pub(crate) fn wakes(&self) -> &Wake {
        &self.wake
    }

    fn row_of(&self, job: &Job, now: Timestamp) -> NewRow {
        let (key, payload, not_before) = match job {
            Job::EnrichEvent(event) => (event.to_string(), enrich_event::payload(*event), now),
            Job::Notify(event) => (event.to_string(), notify::payload(*event), now),
            Job::NotifyDue {
                notification,
                not_before,
            } => (
                format!("{notification}:{}", not_before.timestamp_millis()),
                notify_due::payload(*notification),
                *not_before,
            ),
            Job::FallBack {
                delivery,
                not_before,
            } => (
                format!("{delivery}:{}", not_before.timestamp_millis()),
                fall_back::payload(*delivery),
                *not_before,
            ),
            Job::FetchAttachment {
                attachment,
                attempt,
                not_before,
            } => (
                format!("{attachment}:{attempt}"),
                fetch_attachment::payload(*attachment, *attempt),
                *not_before,
            ),
            Job::Deliver {
                delivery,
                attempt,
                not_before,
                ..
            } => (
                format!("{delivery}:{attempt}"),
                deliver::payload(*delivery, *attempt),
                *not_before,
            ),
        };
        let mut random = [0; 10];
        self.ambient.entropy.fill(&mut random);
        NewRow {
            id: schema::ulid(now, random),
            queue: name_of(job.queue()),
            key,
            payload,
            run_at: run_at(not_before, now),
        }
    }
}

/// A payload as apalis's own codec writes it: a JSON string.
pub(crate) fn encode(payload: &str) -> Vec<u8> {
    serde_json::Value::from(payload).to_string().into_bytes()
}

/// Reads [`encode`].
pub(crate) fn decode(payload: &[u8]) -> Result<String, serde_json::Error> {
    serde_json::from_slice(payload)
}

/// What a queue is called in the database.
fn name_of(queue: QueueName<'_>) -> String {
    match queue {
        QueueName::EnrichEvent => enrich_event::QUEUE.to_owned(),
        QueueName::Notify => notify::QUEUE.to_owned(),
        QueueName::NotifyDue => notify_due::QUEUE.to_owned(),
        QueueName::FallBack => fall_back::QUEUE.to_owned(),
        QueueName::FetchAttachment => fetch_attachment::QUEUE.to_owned(),
        QueueName::Deliver { channel, news } => delivery_queue(channel, news),
    }
}

/// The queue of a channel's deliveries.
pub(crate) fn delivery_queue(channel: &ChannelName, news: bool) -> String {
    let kind = if news { ":news" } else { "" };
    format!("{}:{channel}{kind}", deliver::QUEUE)
}

/// When a job becomes due, in apalis's whole seconds: never early, and at once when it is due now.
fn run_at(not_before: Timestamp, now: Timestamp) -> i64 {
    if not_before <= now {
        return now.timestamp();
    }
    let whole = not_before.timestamp_subsec_nanos() == 0;
    not_before.timestamp() + i64::from(!whole)
}

#[async_trait]
impl JobQueue for Queue {
    async fn enqueue(&self, transaction: &Transaction<'_>, jobs: &[Job]) -> Result<(), DbErr> {
        let now = self.ambient.now();
        let rows: Vec<NewRow> = jobs.iter().map(|job| self.row_of(job, now)).collect();
        schema::insert(transaction, &rows).await?;
        for row in rows.iter().filter(|row| row.run_at > now.timestamp()) {
            self.wake.at(row.run_at);
        }
        Ok(())
    }

    fn wake(&self) {
        self.wake.all();
    }

    fn wake_one(&self, queue: QueueName<'_>) {
        self.wake.one(&name_of(queue));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_due_at_once_or_never_early() {
        let now: Timestamp = "2026-11-21T10:00:00.900Z".parse().unwrap();
        let later = "2026-11-21T10:00:01.100Z".parse().unwrap();
        assert_eq!(run_at(now, now), now.timestamp());
        assert_eq!(run_at(later, now), now.timestamp() + 2);
    }
}
