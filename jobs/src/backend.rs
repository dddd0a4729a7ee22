//! apalis's backend over its own tables and its own queries, with three differences from the stock one:
//!
//! - A worker fetches when it is woken, and only then. A wake that comes while a fetch is under way counts (the stock
//!   stream strategy swallows it, and the job waits for the next heartbeat).
//! - A database that does not answer is waited for; it does not end the worker.
//! - On SQLite a reader looks first whether anything is due, so that looking in vain costs the writer nothing; what is
//!   taken and acknowledged shares the commits of the store's one writer, and never makes them wait for the disk.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use apalis_core::{
    backend::{
        Backend, BackendConfig, WorkerFilter,
        finalize::Ephemeral,
        persistence::{Persisted, Persistence, State, TaskEvent, TaskPersistLayer},
    },
    task::{Task, builder::TaskBuilder, task_id::TaskId},
    worker::context::WorkerContext,
};
use apalis_sqlite::JsonCodec;
use doorstep_engine::{
    Store,
    store::{Row, crash_point},
};
use sea_orm::DbErr;
use serde_json::Value;
use tokio_util::task::TaskTracker;

use crate::{
    JobsError, enrich_event,
    lull::Lull,
    notify,
    schema::{ACKNOWLEDGE_SQLITE, FETCH_SQLITE, IS_DUE_SQLITE, Tables},
    wake::{Listener, Wake},
};

/// How long to wait before asking a database again that did not answer.
const PAUSE: Duration = Duration::from_secs(1);

// The queue's own transactions, as `tests/it/crash.rs` names them. On SQLite jobs are fetched and acknowledged by the
// store's writer, which has crash points already.
const FETCH: &str = "fetch_jobs";
const BEAT: &str = "beat";
const ACKNOWLEDGE: &str = "acknowledge_jobs";

/// One queue as one worker sees it.
#[derive(Clone)]
pub(crate) struct Rows {
    tables: Tables,
    queue: String,
    batch: usize,
    /// After how long a worker that is not heard of is dead.
    lease: Duration,
    store: Store,
    wake: Wake,
    /// When this worker was last seen alive, in seconds since 1970.
    seen: Arc<AtomicI64>,
    /// Fetches that are under way, also those whose worker stopped waiting for them.
    fetches: TaskTracker,
    /// For jobs of events, which let the events themselves go first.
    lull: Option<Lull>,
}

impl Rows {
    pub(crate) fn new(
        tables: Tables,
        queue: String,
        batch: usize,
        lease: Duration,
        store: Store,
        wake: Wake,
    ) -> Self {
        let seen = Arc::new(AtomicI64::new(store.ambient().now().timestamp()));
        let is_of_events = [enrich_event::QUEUE, notify::QUEUE].contains(&queue.as_str());
        Self {
            lull: is_of_events.then(|| Lull::new(store.clone())),
            tables,
            queue,
            batch,
            lease,
            store,
            wake,
            seen,
            fetches: TaskTracker::new(),
        }
    }

    /// Waits until no fetch is under way: only then is it known what the worker had taken.
    pub(crate) async fn settled(&self) {
        self.fetches.close();
        self.fetches.wait().await;
    }

    /// When this worker was last seen alive, in seconds since 1970.
    pub(crate) fn seen(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.seen)
    }

    fn heartbeat_interval(&self) -> Duration {
        self.lease / 4
    }

    fn sqlite_config(&self) -> apalis_sqlite::Config {
        apalis_sqlite::Config::default()
            .queue(&self.queue)
            .batch_size(self.batch)
            .heartbeat_interval(self.lease)
            .missed_heartbeats(1)
    }

    fn postgres_config(&self) -> apalis_postgres::Config {
        apalis_postgres::Config::default()
            .queue(&self.queue)
            .batch_size(self.batch)
    }

    async fn look(&self, worker: &WorkerContext) -> Result<Vec<Task<Vec<u8>>>, JobsError> {
        match &self.tables {
            Tables::Sqlite(_) => {
                let now = self.store.ambient().now().timestamp();
                let asked = vec![self.queue.as_str().into(), now.into()];
                if self.store.look_up(IS_DUE_SQLITE, asked).await?.is_empty() {
                    return Ok(Vec::new());
                }
                let values = vec![
                    worker.name().into(),
                    self.queue.as_str().into(),
                    now.into(),
                    u64::try_from(self.batch).unwrap_or(u64::MAX).into(),
                ];
                let rows = self.store.keep_books(FETCH_SQLITE, values).await?;
                let tasks: Result<Vec<_>, _> = rows.iter().map(read_task).collect();
                Ok(tasks?)
            }
            Tables::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                relax(&mut tx).await?;
                let config = self.postgres_config();
                let tasks = apalis_postgres::queries::fetch_next(&mut *tx, &config, worker).await?;
                // A fetch that brought nothing is no boundary: the first ones, at the start, never do.
                if tasks.is_empty() {
                    tx.commit().await?;
                } else {
                    commit(FETCH, tx).await?;
                }
                Ok(tasks)
            }
        }
    }

    async fn beat(&self, worker: &WorkerContext) -> Result<u64, JobsError> {
        let queue = self.queue.as_str();
        let lease = self.lease.as_secs();
        match &self.tables {
            Tables::Sqlite(writer) => {
                let mut tx = writer.begin().await?;
                let config = self.sqlite_config();
                apalis_sqlite::queries::keep_alive(&mut *tx, &config, worker).await?;
                let others = WorkerFilter::AllExcept(worker.name().to_owned());
                let lease = i64::try_from(lease).unwrap_or(i64::MAX);
                let orphans =
                    apalis_sqlite::queries::reenqueue_orphaned(&mut *tx, lease, queue, &others)
                        .await?;
                commit(BEAT, tx).await?;
                Ok(orphans)
            }
            Tables::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                apalis_postgres::queries::keep_alive(&mut *tx, queue, worker).await?;
                let orphans =
                    apalis_postgres::queries::reenqueue_orphaned(&mut *tx, queue, lease).await?;
                commit(BEAT, tx).await?;
                Ok(orphans)
            }
        }
    }

    async fn acknowledge(
        &self,
        events: &[TaskEvent<Value>],
        worker: &WorkerContext,
    ) -> Result<(), JobsError> {
        let results: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                TaskEvent::Complete(result) => Some(result),
                _ => None,
            })
            .collect();
        if results.is_empty() {
            return Ok(());
        }
        match &self.tables {
            Tables::Sqlite(_) => {
                let values = vec![
                    serde_json::to_string(&results)?.into(),
                    worker.name().into(),
                    self.store.ambient().now().timestamp().into(),
                ];
                self.store.keep_books(ACKNOWLEDGE_SQLITE, values).await?;
            }
            Tables::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                relax(&mut tx).await?;
                apalis_postgres::queries::handle_results(&mut *tx, &results, worker.name()).await?;
                commit(ACKNOWLEDGE, tx).await?;
            }
        }
        Ok(())
    }

    fn note_alive(&self) {
        self.seen
            .store(self.store.ambient().now().timestamp(), Ordering::Relaxed);
    }
}

fn read_task(row: &Row) -> Result<Task<Vec<u8>>, DbErr> {
    let attempts: i64 = row.get("attempts")?;
    Ok(TaskBuilder::new(row.get("job")?)
        .task_id(TaskId::from_string(row.get::<String>("id")?))
        .attempt(usize::try_from(attempts).unwrap_or_default())
        .build())
}

/// Commits one of the queue's own transactions; the crash test kills the program on both sides of it, as it does around
/// the store's.
async fn commit<D: sqlx::Database>(
    name: &str,
    tx: sqlx::Transaction<'_, D>,
) -> Result<(), sqlx::Error> {
    crash_point(name, "before_commit");
    tx.commit().await?;
    crash_point(name, "after_commit");
    Ok(())
}

/// Commits without waiting for the disk: after a power cut the job is taken or acknowledged again.
async fn relax(tx: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SET LOCAL synchronous_commit TO OFF")
        .execute(tx)
        .await?;
    Ok(())
}

impl Persistence for Rows {
    type Compact = Vec<u8>;
    type Response = Value;
    type Error = JobsError;

    async fn register(&mut self, worker: &WorkerContext) -> Result<(), JobsError> {
        match &self.tables {
            Tables::Sqlite(writer) => {
                let config = self.sqlite_config();
                apalis_sqlite::queries::register_worker(writer, &config, worker, "doorstep")
                    .await?;
            }
            Tables::Postgres(pool) => {
                sqlx::query(
                    "INSERT INTO apalis.workers (id, worker_type, storage_name, layers, last_seen)
                        VALUES ($1, $2, 'doorstep', $3, now())",
                )
                .bind(worker.name())
                .bind(&self.queue)
                .bind(worker.get_service())
                .execute(pool)
                .await?;
            }
        }
        self.note_alive();
        Ok(())
    }

    async fn heartbeat(&mut self, worker: &WorkerContext) -> Result<(), JobsError> {
        self.note_alive();
        match self.beat(worker).await {
            Ok(0) => {}
            Ok(orphans) => {
                tracing::warn!(
                    queue = self.queue,
                    orphans,
                    "took over jobs of a worker that fell silent"
                );
                self.wake.one(&self.queue);
            }
            Err(error) => {
                tracing::warn!(queue = self.queue, %error, "the worker's heartbeat was not written");
            }
        }
        Ok(())
    }

    async fn fetch_next(
        &mut self,
        worker: &WorkerContext,
    ) -> Result<Vec<Task<Vec<u8>>>, JobsError> {
        self.note_alive();
        if let Some(lull) = &mut self.lull {
            lull.wait().await;
        }
        // On a task of its own, because a worker that stops drops what it waits for, and nobody would know whether a
        // dropped fetch was committed.
        let (rows, name) = (self.clone(), worker.clone());
        let looking = self.fetches.spawn(async move { rows.look(&name).await });
        match looking.await {
            Ok(Ok(tasks)) => Ok(tasks),
            Err(panic) => {
                tracing::error!(queue = self.queue, %panic, "fetching jobs panicked");
                Ok(Vec::new())
            }
            Ok(Err(error)) => {
                tracing::warn!(queue = self.queue, %error, "no jobs could be fetched; asking again");
                tokio::time::sleep(PAUSE).await;
                self.wake.one(&self.queue);
                Ok(Vec::new())
            }
        }
    }

    async fn reenqueue_abandoned(
        &mut self,
        tasks: Vec<Task<Vec<u8>>>,
        _: &WorkerContext,
    ) -> Result<u64, JobsError> {
        // Given back by the supervisor, once the outcomes of what ran are written.
        Ok(u64::try_from(tasks.len()).unwrap_or(u64::MAX))
    }

    async fn handle_events(
        &mut self,
        events: Vec<TaskEvent<Value>>,
        worker: &WorkerContext,
    ) -> Result<(), JobsError> {
        // An outcome that is not written makes the job run again: harmless, but not for want of patience.
        for _ in 0..3 {
            match self.acknowledge(&events, worker).await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    tracing::warn!(queue = self.queue, %error, "outcomes of jobs were not written; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        Ok(())
    }

    async fn push_tasks(&mut self, _: Vec<Task<Vec<u8>>>) -> Result<(), JobsError> {
        // Jobs are enqueued by the store's transactions alone (decision record 0003).
        Ok(())
    }
}

/// What an apalis worker polls.
pub(crate) struct Woken {
    persisted: Persisted<Rows>,
    listener: Arc<Listener>,
    /// The news as of the last fetch.
    fetched_at: Option<u64>,
    /// Whether the last fetch brought jobs: there may be more.
    more: bool,
}

impl Woken {
    pub(crate) fn new(rows: Rows) -> Self {
        let listener = rows.wake.listen(&rows.queue);
        Self {
            persisted: Persisted::new(rows),
            listener,
            fetched_at: None,
            more: false,
        }
    }

    fn is_idle(&self) -> bool {
        matches!(self.persisted.state(), State::Ready)
    }
}

impl Backend for Woken {
    type Task = Task<Vec<u8>>;
    type Error = JobsError;

    fn poll_ready(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Result<(), JobsError>> {
        let interval = self.persisted.heartbeat_interval();
        self.persisted.poll_ready(cx, worker, interval)
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, JobsError>>> {
        self.listener.register(cx.waker());
        loop {
            if self.is_idle() {
                let news = self.listener.news();
                if self.fetched_at == Some(news) && !self.more {
                    return Poll::Pending;
                }
                self.fetched_at = Some(news);
                self.more = false;
            }
            match self.persisted.poll_next(cx, worker) {
                Poll::Pending if self.is_idle() => {
                    // The fetch brought nothing. Outcomes that came meanwhile are written before anything else.
                    match self.poll_ready(cx, worker) {
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                        Poll::Pending => return Poll::Pending,
                    }
                }
                Poll::Ready(Some(Ok(task))) => {
                    self.more = true;
                    return Poll::Ready(Some(Ok(task)));
                }
                other => return other,
            }
        }
    }

    fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Result<(), JobsError>> {
        self.persisted.poll_close(cx, worker)
    }
}

impl BackendConfig for Woken {
    type Args = Vec<u8>;
    type Id = String;
    /// Payloads are decoded by the jobs themselves.
    type Kind = Ephemeral;
    type Config = ();
    type Layer = TaskPersistLayer<JsonCodec<Value>, Value>;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Self::Layer {
        let batch = self.persisted.batch;
        // A fetched job is already locked; marking it as running once more would only cost a transaction.
        self.persisted
            .layer(JsonCodec::default(), batch)
            .persist_results(true)
            .lock_tasks(false)
    }
}
