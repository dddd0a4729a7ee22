//! One supervised worker a queue: restarted when it ends or stalls, stopped when all that runs has finished.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use apalis::prelude::{AbortError, Attempt, BoxDynError, TaskId, WorkerBuilder, WorkerBuilderExt};
use doorstep_core::Timestamp;
use doorstep_engine::{
    Store, attachments::Fetcher, delivery::Delivery, enrich::Enricher, eta::Forecasts,
    inbound::Inbound, notify::Notifier, poll::Poller,
};
use futures::FutureExt;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    JobsError, Queue,
    backend::{Rows, Woken},
    deliver, enrich_event, fall_back, fetch_attachment, learn_eta, notify, notify_due, poll,
    queue::{decode, delivery_queue},
    schema::Tables,
    sweep::Sweep,
    wake::Wake,
};

/// The longest pause before a failed job is tried again.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);
/// How long a worker that ended by itself stays down.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// PostgreSQL's channel on which apalis's trigger tells of new jobs.
const INSERTED: &str = "apalis::job::insert";

/// How the workers run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkersConfig {
    /// After how long a worker that is not heard of is dead and its jobs are taken over. Whole seconds, at least 2.
    pub lease: Duration,
    /// How many jobs of one queue run at once.
    pub concurrency: usize,
    /// How long between two looks for what was left behind.
    pub sweep_every: Duration,
    /// How long work may wait before it counts as left behind.
    pub patience: Duration,
    /// How long a claimed delivery may be silent; longer than one attempt may take.
    pub claim_lease: Duration,
}

impl Default for WorkersConfig {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            concurrency: 16,
            sweep_every: Duration::from_secs(15),
            patience: Duration::from_secs(20),
            claim_lease: Duration::from_secs(60),
        }
    }
}

/// What the workers work with.
pub struct Parts {
    /// The store, over the same database as the queue.
    pub store: Store,
    /// The queue that the store was made with.
    pub queue: Queue,
    /// Brings orders and parcels up to date.
    pub enricher: Arc<Enricher>,
    /// Decides who hears of an event.
    pub notifier: Arc<Notifier>,
    /// Sends.
    pub delivery: Arc<Delivery>,
    /// Fetches files that customers sent.
    pub fetcher: Arc<Fetcher>,
    /// Learns how long parcels take.
    pub forecasts: Arc<Forecasts>,
    /// Ask carriers for parcels.
    pub pollers: Vec<Arc<Poller>>,
    /// Where every sweep has messages taken up that nobody handled; none for an instance that answers nobody.
    pub inbound: Option<Inbound>,
    /// How.
    pub config: WorkersConfig,
}

/// The running workers of this instance.
pub struct Workers {
    tasks: TaskTracker,
}

impl Workers {
    /// Sweeps once, then starts the workers and the timer of further sweeps. They run until `stop`.
    ///
    /// # Errors
    /// PostgreSQL refuses to listen for new jobs.
    pub async fn start(parts: Parts, stop: CancellationToken) -> Result<Self, JobsError> {
        let tasks = TaskTracker::new();
        let Some(tables) = Tables::of(parts.store.database()) else {
            return Ok(Self { tasks });
        };
        if let Tables::Postgres(pool) = &tables {
            let listener = listen(pool).await?;
            let wake = parts.queue.wakes().clone();
            tasks.spawn(pass_on(listener, wake, stop.clone()));
        }
        let ambient = parts.store.ambient().clone();
        let wake = parts.queue.wakes().clone();
        tasks.spawn(wake.clone().ring(ambient.clone(), stop.clone()));
        let queues = queues(&parts);
        let names = queues.iter().map(|(name, _)| name.clone()).collect();
        let sweep = Sweep::new(&parts, tables.clone(), names);
        sweep.first().await;
        for (queue, work) in queues {
            let slot = Slot {
                queue,
                work,
                tables: tables.clone(),
                store: parts.store.clone(),
                wake: wake.clone(),
                config: parts.config.clone(),
            };
            tasks.spawn(supervise(Arc::new(slot), stop.clone()));
        }
        tasks.spawn(learn_eta::repeat(
            Arc::clone(&parts.forecasts),
            stop.clone(),
        ));
        for poller in &parts.pollers {
            let (poller, every) = (Arc::clone(poller), parts.config.sweep_every);
            tasks.spawn(poll::repeat(poller, every, stop.clone()));
        }
        tasks.spawn(sweep.repeat(stop));
        tasks.close();
        Ok(Self { tasks })
    }

    /// Waits until everything that ran at `stop` has finished and is written down.
    pub async fn finished(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

pub(crate) fn queues(parts: &Parts) -> Vec<(String, Work)> {
    let enrich = Work::Enrich(Arc::clone(&parts.enricher));
    let notify = Work::Notify(Arc::clone(&parts.notifier));
    let mut queues = vec![
        (enrich_event::QUEUE.to_owned(), enrich),
        (notify::QUEUE.to_owned(), notify),
        (
            notify_due::QUEUE.to_owned(),
            Work::NotifyDue(Arc::clone(&parts.notifier)),
        ),
        (
            fall_back::QUEUE.to_owned(),
            Work::FallBack(Arc::clone(&parts.notifier)),
        ),
        (
            fetch_attachment::QUEUE.to_owned(),
            Work::FetchAttachment(Arc::clone(&parts.fetcher)),
        ),
    ];
    for channel in parts.delivery.channels() {
        for news in [false, true] {
            let work = Work::Deliver(Arc::clone(&parts.delivery));
            queues.push((delivery_queue(&channel, news), work));
        }
    }
    queues
}

/// What the jobs of a queue do.
#[derive(Clone)]
pub(crate) enum Work {
    Enrich(Arc<Enricher>),
    Notify(Arc<Notifier>),
    NotifyDue(Arc<Notifier>),
    FallBack(Arc<Notifier>),
    Deliver(Arc<Delivery>),
    FetchAttachment(Arc<Fetcher>),
}

impl Work {
    pub(crate) async fn run(self, payload: Vec<u8>) -> Result<(), BoxDynError> {
        let payload = decode(&payload).map_err(unreadable)?;
        match self {
            Self::Enrich(enricher) => {
                let event = payload.parse().map_err(unreadable)?;
                enrich_event::run(&enricher, event).await?;
            }
            Self::Notify(notifier) => {
                let event = payload.parse().map_err(unreadable)?;
                notify::run(&notifier, event).await?;
            }
            Self::NotifyDue(notifier) => {
                let notification = payload.parse().map_err(unreadable)?;
                notify_due::run(&notifier, notification).await?;
            }
            Self::FallBack(notifier) => {
                let delivery = payload.parse().map_err(unreadable)?;
                fall_back::run(&notifier, delivery).await?;
            }
            Self::FetchAttachment(fetcher) => {
                let (id, attempt) = fetch_attachment::parse(&payload)
                    .ok_or_else(|| unreadable(format!("`{payload}` is no file and attempt")))?;
                fetch_attachment::run(&fetcher, id, attempt).await?;
            }
            Self::Deliver(delivery) => {
                let (id, attempt) = deliver::parse(&payload)
                    .ok_or_else(|| unreadable(format!("`{payload}` is no delivery and attempt")))?;
                deliver::run(&delivery, id, attempt).await?;
            }
        }
        Ok(())
    }
}

/// A payload that cannot be read now never can: the job is not tried again.
fn unreadable(error: impl Into<BoxDynError>) -> BoxDynError {
    Box::new(AbortError::new(error))
}

/// One queue's worker, across its restarts.
struct Slot {
    queue: String,
    work: Work,
    tables: Tables,
    store: Store,
    wake: Wake,
    config: WorkersConfig,
}

impl Slot {
    fn name(&self, restarts: u32) -> String {
        format!("{}/{}/{restarts}", self.store.instance(), self.queue)
    }

    fn rows(&self) -> Rows {
        Rows::new(
            self.tables.clone(),
            self.queue.clone(),
            self.config.concurrency,
            self.config.lease,
            self.store.clone(),
            self.wake.clone(),
        )
    }

    /// Runs one job on a task of its own, so that jobs use all cores and a panic stays with its job.
    async fn run(
        self: Arc<Self>,
        payload: Vec<u8>,
        id: TaskId,
        attempt: usize,
    ) -> Result<(), BoxDynError> {
        let outcome = match tokio::spawn(self.work.clone().run(payload)).await {
            Ok(outcome) => outcome,
            Err(panic) => Err(format!("the job panicked: {panic}").into()),
        };
        let label = if outcome.is_ok() { "done" } else { "failed" };
        metrics::counter!("doorstep_jobs_total", "queue" => self.queue.clone(), "outcome" => label)
            .increment(1);
        let Err(error) = outcome else { return Ok(()) };
        if error.is::<AbortError>() {
            tracing::error!(queue = self.queue, job = %id, %error, "a job cannot be read and is dropped");
            return Err(error);
        }
        let run_at = (self.store.ambient().now() + pause(attempt)).timestamp() + 1;
        tracing::warn!(queue = self.queue, job = %id, attempt, %error, run_at, "a job failed and is tried again");
        if let Err(error) = self.tables.postpone(&id.to_string(), run_at).await {
            tracing::warn!(queue = self.queue, job = %id, %error, "the job could not be put off");
        }
        self.wake.at(run_at);
        Err(error)
    }
}

/// One second after the first failure, then twice as long each time.
pub(crate) fn pause(attempt: usize) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    let pause = Duration::from_secs(1).saturating_mul(1 << doublings.min(20));
    pause.min(LONGEST_PAUSE)
}

/// Runs the worker of a queue until `stop`, again and again if need be.
async fn supervise(slot: Arc<Slot>, stop: CancellationToken) {
    let mut restarts = 0;
    loop {
        let name = slot.name(restarts);
        let rows = slot.rows();
        run_worker(&slot, rows.clone(), &name, &stop).await;
        if tokio::time::timeout(slot.config.lease, rows.settled())
            .await
            .is_err()
        {
            tracing::warn!(
                queue = slot.queue,
                "a fetch does not end; what it took waits for the lease to end"
            );
        }
        if let Err(error) = slot.tables.give_back(&name).await {
            tracing::warn!(queue = slot.queue, %error, "unfinished jobs wait for the lease to end");
        }
        if stop.is_cancelled() {
            return;
        }
        metrics::counter!("doorstep_worker_restarts_total", "queue" => slot.queue.clone())
            .increment(1);
        restarts += 1;
        tokio::time::sleep(RESTART_PAUSE).await;
    }
}

async fn run_worker(slot: &Arc<Slot>, rows: Rows, name: &str, stop: &CancellationToken) {
    let seen = rows.seen();
    let runner = Arc::clone(slot);
    let worker = WorkerBuilder::new(name)
        .backend(Woken::new(rows))
        .concurrency(slot.config.concurrency)
        .build(move |payload: Vec<u8>, id: TaskId, attempt: Attempt| {
            Arc::clone(&runner).run(payload, id, attempt.current())
        });
    let stopped = stop
        .clone()
        .cancelled_owned()
        .map(Ok::<(), apalis::prelude::WorkerError>);
    tokio::select! {
        outcome = worker.run_until(stopped) => {
            if let Err(error) = outcome {
                tracing::error!(queue = slot.queue, %error, "the worker ended and is started again");
            }
        }
        () = stalled(&seen, slot) => {
            tracing::error!(queue = slot.queue, "the worker stalled and is started again");
        }
    }
}

/// Ends when the worker was not seen alive for three leases.
async fn stalled(seen: &AtomicI64, slot: &Slot) {
    let patience = slot.config.lease * 3;
    let mut look = tokio::time::interval(slot.config.lease);
    loop {
        look.tick().await;
        let seen = Timestamp::from_timestamp(seen.load(Ordering::Relaxed), 0);
        let silent = seen.and_then(|seen| (slot.store.ambient().now() - seen).to_std().ok());
        if silent.is_some_and(|silent| silent > patience) {
            return;
        }
    }
}

async fn listen(pool: &sqlx::PgPool) -> Result<sqlx::postgres::PgListener, JobsError> {
    let mut listener = sqlx::postgres::PgListener::connect_with(pool).await?;
    listener.listen(INSERTED).await?;
    Ok(listener)
}

/// What apalis's trigger tells.
#[derive(serde::Deserialize)]
struct Inserted {
    job_type: String,
}

/// Wakes this instance's workers for jobs of other instances. sqlx's listener reconnects by itself; what it misses
/// meanwhile, the next sweep's wake finds.
async fn pass_on(mut listener: sqlx::postgres::PgListener, wake: Wake, stop: CancellationToken) {
    loop {
        let news = tokio::select! {
            () = stop.cancelled() => return,
            news = listener.recv() => news,
        };
        match news.map(|news| serde_json::from_str::<Inserted>(news.payload())) {
            Ok(Ok(inserted)) => wake.one(&inserted.job_type),
            Ok(Err(_)) => wake.all(),
            Err(sqlx::Error::PoolClosed) => return,
            Err(error) => {
                tracing::warn!(%error, "news of jobs are interrupted; reconnecting");
                wake.all();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_job_waits_longer_each_time() {
        assert_eq!(pause(1), Duration::from_secs(1));
        assert_eq!(pause(4), Duration::from_secs(8));
        assert_eq!(pause(40), LONGEST_PAUSE);
    }
}
