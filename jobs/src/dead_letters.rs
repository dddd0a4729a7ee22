//! Jobs that fail: a person lists them, has them tried again, or gives them up.
//!
//! A job that fails is tried again for about a day; one that cannot be read, or that fails still, is dead: neither workers
//! nor the sweep take it up again. What it was about stays open until a person decides.

use doorstep_core::Timestamp;
use doorstep_engine::{Store, store::GivenUp};
use serde::Serialize;

use crate::{
    JobsError, deliver, enrich_event, fall_back, fetch_attachment, notify, notify_due,
    schema::Tables,
};

/// A job that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedJob {
    /// Its identifier.
    pub id: String,
    /// Its queue: what it does.
    pub queue: String,
    /// What it is about: the identifier of an event, a delivery, …
    pub subject: String,
    /// How often it was tried.
    pub attempts: i64,
    /// What it failed with last.
    pub error: String,
    /// When it is tried again; `None`: it is dead.
    pub next_try: Option<Timestamp>,
}

/// What became of a wish about a failed job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It is done.
    Done,
    /// No failed job has this identifier.
    Unknown,
}

/// The failed jobs of a store's queue.
pub struct DeadLetters {
    store: Store,
    tables: Tables,
}

impl DeadLetters {
    /// Of this store; `None` when its database has no queue.
    pub fn of(store: &Store) -> Option<Self> {
        Some(Self {
            store: store.clone(),
            tables: Tables::of(store.database())?,
        })
    }

    /// Every failed job, the dead first, then by when they are tried again.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn list(&self) -> Result<Vec<FailedJob>, JobsError> {
        Ok(self.tables.failed().await?)
    }

    /// Has a failed job tried again at once, with as many attempts as a new one. Running workers take it up at their next
    /// sweep.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn retry(&self, id: &str) -> Result<Done, JobsError> {
        let now = self.store.ambient().now().timestamp();
        Ok(match self.tables.retry(id, now).await? {
            true => Done::Done,
            false => Done::Unknown,
        })
    }

    /// Gives a failed job up, and what it is about: its event is decided for nobody, its message not sent.
    ///
    /// # Errors
    /// The database did not answer; what it is about may be given up already.
    pub async fn discard(&self, id: &str) -> Result<Done, JobsError> {
        let failed = self.tables.failed().await?;
        let Some(job) = failed.into_iter().find(|job| job.id == id) else {
            return Ok(Done::Unknown);
        };
        // Of what cannot be read nothing is known that could be given up.
        if let Some(subject) = subject_of(&job) {
            self.store.give_up(subject).await?;
        }
        self.tables.remove(id).await?;
        Ok(Done::Done)
    }
}

fn subject_of(job: &FailedJob) -> Option<GivenUp> {
    let subject = job.subject.as_str();
    Some(match job.queue.as_str() {
        enrich_event::QUEUE | notify::QUEUE => GivenUp::Event(subject.parse().ok()?),
        notify_due::QUEUE => GivenUp::News(subject.parse().ok()?),
        fall_back::QUEUE => GivenUp::Fallback(subject.parse().ok()?),
        fetch_attachment::QUEUE => GivenUp::Attachment(fetch_attachment::parse(subject)?.0),
        queue if queue.starts_with(deliver::QUEUE) => GivenUp::Delivery(deliver::parse(subject)?.0),
        _ => return None,
    })
}
