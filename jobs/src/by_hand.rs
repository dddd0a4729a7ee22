//! The jobs without the workers: one after another, by the store's clock, when told to.
//!
//! apalis reads the system's clock, so its workers cannot follow a clock that is moved by hand. What runs is the same: the
//! same rows, the same work, the same pauses after a failure, the same sweep.

use std::collections::BTreeMap;

use apalis::prelude::AbortError;
use doorstep_core::Timestamp;
use doorstep_engine::{Store, StoreError};

use crate::{
    JobsError, Parts,
    schema::{DueJob, Tables},
    sweep::{Sweep, Swept},
    workers::{Work, pause, queues},
};

/// How many jobs are looked up at once.
const BATCH: i64 = 256;

/// Does jobs when told to.
pub struct ByHand {
    store: Store,
    tables: Tables,
    work: BTreeMap<String, Work>,
    sweep: Sweep,
}

impl ByHand {
    /// Over these parts; `None` when the database has no queue.
    pub fn new(parts: &Parts) -> Option<Self> {
        let tables = Tables::of(parts.store.database())?;
        let work: BTreeMap<_, _> = queues(parts).into_iter().collect();
        let names = work.keys().cloned().collect();
        Some(Self {
            store: parts.store.clone(),
            sweep: Sweep::new(parts, tables.clone(), names),
            tables,
            work,
        })
    }

    /// What workers do at their start: takes up what a process that is gone left behind.
    pub async fn begin(&self) {
        self.sweep.first().await;
    }

    /// Looks for what was left behind.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn sweep(&self) -> Result<Swept, StoreError> {
        self.sweep.as_configured().await
    }

    /// Does all that is due, and what becomes due by it; returns how many jobs ran. A job that is dropped while it runs is
    /// due again, as after a crash.
    ///
    /// # Errors
    /// The queue's tables did not answer.
    pub async fn run_due(&self) -> Result<usize, JobsError> {
        let mut ran = 0;
        loop {
            let now = self.store.ambient().now();
            let due = self.tables.due(now.timestamp(), BATCH).await?;
            let mut done = Vec::new();
            for job in due {
                // A queue of a channel that is no more keeps its jobs.
                let Some(work) = self.work.get(&job.queue) else {
                    continue;
                };
                ran += 1;
                match work.clone().run(job.payload.clone()).await {
                    Ok(()) => done.push(job.id),
                    Err(error) => {
                        let for_good = error.is::<AbortError>();
                        self.fail(&job, &error.to_string(), for_good).await?;
                    }
                }
            }
            if done.is_empty() {
                return Ok(ran);
            }
            self.tables.settle(&done, now.timestamp()).await?;
        }
    }

    async fn fail(&self, job: &DueJob, error: &str, for_good: bool) -> Result<(), JobsError> {
        let attempts = job.attempts + 1;
        let tried = usize::try_from(attempts).unwrap_or(usize::MAX);
        let run_at = self.store.ambient().now() + pause(tried);
        self.tables
            .fail(&job.id, attempts, error, run_at.timestamp() + 1, for_good)
            .await?;
        Ok(())
    }

    /// When the next job is due; `None` when none waits.
    ///
    /// # Errors
    /// The queue's tables did not answer.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, JobsError> {
        let second = self.tables.next_due().await?;
        Ok(second.and_then(|second| Timestamp::from_timestamp(second, 0)))
    }
}
