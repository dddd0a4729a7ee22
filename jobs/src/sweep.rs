//! What a crash, a lost wake or a bug left behind: found by the store's own rows, whatever became of the jobs.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use doorstep_core::{Ambient, Timestamp};
use doorstep_engine::{
    Store, StoreError, delivery::Delivery, inbound::Inbound, notify::Notifier, queue::JobQueue,
};
use tokio_util::sync::CancellationToken;

use crate::{Parts, Queue, WorkersConfig, schema::Tables};

/// How long the schedule of an address is kept that nobody sends to.
const SCHEDULES_KEPT: Duration = Duration::from_hours(1);
/// How long between two looks for news that nobody tells.
const LOOK_EVERY: Duration = Duration::from_mins(5);
/// How much of each kind one sweep takes up.
const LIMIT: u64 = 500;

/// What a sweep took up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// News that nobody tells, found by rules on schedule.
    pub due: usize,
    /// Conversations with messages nobody handled.
    pub conversations: usize,
    /// Events nobody decided about and deliveries nobody attempted.
    pub jobs: usize,
    /// Deliveries that are due again because their worker fell silent.
    pub released: usize,
    /// Deliveries whose outcome is now unknown because their worker fell silent.
    pub ambiguous: usize,
}

/// The sweep of one instance.
pub struct Sweep {
    store: Store,
    queue: Queue,
    delivery: Arc<Delivery>,
    notifier: Arc<Notifier>,
    /// When news that nobody tells was looked for last, in milliseconds since 1970.
    looked_at: AtomicI64,
    inbound: Option<Inbound>,
    tables: Tables,
    /// The queues that workers here serve.
    queues: Vec<String>,
    config: WorkersConfig,
}

impl Sweep {
    pub(crate) fn new(parts: &Parts, tables: Tables, queues: Vec<String>) -> Self {
        Self {
            store: parts.store.clone(),
            queue: parts.queue.clone(),
            delivery: Arc::clone(&parts.delivery),
            notifier: Arc::clone(&parts.notifier),
            looked_at: AtomicI64::new(i64::MIN),
            inbound: parts.inbound.clone(),
            tables,
            queues,
            config: parts.config.clone(),
        }
    }

    fn ambient(&self) -> &Ambient {
        self.store.ambient()
    }

    /// The sweep at start. A SQLite file has one instance: what is unfinished now, nobody works on.
    pub(crate) async fn first(&self) {
        let (patience, lease) = match self.tables {
            Tables::Sqlite(_) => (Duration::ZERO, Duration::ZERO),
            Tables::Postgres(_) => (self.config.patience, self.config.claim_lease),
        };
        if let Err(error) = self.tables.give_back_all().await {
            tracing::warn!(%error, "jobs of the last run wait for their lease to end");
        }
        self.tell(self.sweep(patience, lease).await);
    }

    /// Sweeps until `stop`.
    pub(crate) async fn repeat(self, stop: CancellationToken) {
        let mut timer = tokio::time::interval(self.config.sweep_every);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        timer.tick().await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = timer.tick() => {}
            }
            self.tell(self.as_configured().await);
            // Whatever a lost wake left waiting.
            self.queue.wake();
        }
    }

    /// Takes up work that has waited as long as the configuration says.
    ///
    /// # Errors
    /// The store did not answer; the next sweep does the rest.
    pub async fn as_configured(&self) -> Result<Swept, StoreError> {
        self.sweep(self.config.patience, self.config.claim_lease)
            .await
    }

    /// Takes up work that has waited for `patience` and claims silent for `lease`.
    ///
    /// # Errors
    /// The store did not answer; the next sweep does the rest.
    pub async fn sweep(&self, patience: Duration, lease: Duration) -> Result<Swept, StoreError> {
        let now = self.ambient().now();
        let mut swept = Swept {
            due: self.look_for_due(now).await?,
            ..Swept::default()
        };
        if let Some(inbound) = &self.inbound {
            swept.conversations = inbound.recover(now - patience).await?;
        }
        let claims = self
            .store
            .release_claims(now - lease, self.delivery.idempotent_channels())
            .await?;
        swept.released = claims.released;
        swept.ambiguous = claims.ambiguous;
        let mut jobs = self.store.overdue_jobs(now - patience, LIMIT).await?;
        jobs.extend(
            self.store
                .overdue_attachments(now - patience, LIMIT)
                .await?,
        );
        swept.jobs = jobs.len();
        self.store.enqueue(jobs).await?;
        self.store.forget_schedules(now - SCHEDULES_KEPT).await?;
        self.measure(now).await?;
        Ok(swept)
    }

    /// Looks every few minutes for news that nobody tells: parcels without a scan, promises that are missed.
    async fn look_for_due(&self, now: Timestamp) -> Result<usize, StoreError> {
        let now = now.timestamp_millis();
        let last = self.looked_at.load(Ordering::Relaxed);
        let every = i64::try_from(LOOK_EVERY.as_millis()).unwrap_or(i64::MAX);
        if now.saturating_sub(last) < every {
            return Ok(0);
        }
        let found = self.notifier.find_due().await?;
        self.looked_at.store(now, Ordering::Relaxed);
        Ok(found)
    }

    async fn measure(&self, now: Timestamp) -> Result<(), StoreError> {
        let oldest = self.store.oldest_due().await?;
        let age = oldest.map_or(0.0, |oldest| {
            (now - oldest).to_std().unwrap_or_default().as_secs_f64()
        });
        metrics::gauge!("doorstep_oldest_due_seconds").set(age);
        match self.tables.depths().await {
            Ok(depths) => {
                let depths: HashMap<_, _> = depths.into_iter().collect();
                for queue in &self.queues {
                    let depth = depths.get(queue).copied().unwrap_or_default();
                    // Exact up to 2^53 jobs.
                    metrics::gauge!("doorstep_queue_depth", "queue" => queue.clone())
                        .set(depth as f64);
                }
            }
            Err(error) => tracing::warn!(%error, "the queues' depths are not known"),
        }
        match self.tables.vacuum(now).await {
            Ok(0) => {}
            Ok(removed) => tracing::debug!(removed, "removed jobs that ended long ago"),
            Err(error) => tracing::warn!(%error, "jobs that ended long ago were not removed"),
        }
        Ok(())
    }

    fn tell(&self, swept: Result<Swept, StoreError>) {
        match swept {
            Ok(swept) if swept == Swept::default() => {}
            Ok(swept) => {
                tracing::info!(?swept, "took up what was left behind");
                for (what, count) in [
                    ("due", swept.due),
                    ("conversations", swept.conversations),
                    ("jobs", swept.jobs),
                    ("released_deliveries", swept.released),
                    ("ambiguous_deliveries", swept.ambiguous),
                ] {
                    metrics::counter!("doorstep_swept_total", "what" => what)
                        .increment(u64::try_from(count).unwrap_or(u64::MAX));
                }
            }
            Err(error) => tracing::error!(%error, "the sweep failed and is repeated"),
        }
    }
}
