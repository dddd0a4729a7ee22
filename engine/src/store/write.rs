//! One transaction a type, and group commit for the one writer of SQLite.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use async_trait::async_trait;
use futures::FutureExt;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, TransactionTrait};
use tokio::sync::{mpsc, oneshot};

use super::{
    StoreError, Transaction, crash_point,
    sqlite::{File, Writing},
};

/// How many writes one SQLite transaction takes at most.
const BATCH: usize = 64;
/// How many writes may wait for the writer before callers wait to hand theirs in.
const QUEUE: usize = 4096;

/// One transaction of the store: all of it happens, or nothing. It may be run again after a rollback, so it holds its
/// input, changes nothing but the database, and waits for nothing else. A refusal (a lost compare-and-swap) is an
/// `Output`, returned before the first change, because on SQLite several writes share one commit.
#[async_trait]
pub(crate) trait Write: Send + Sync + 'static {
    /// What the caller gets once it is durable.
    type Output: Send + 'static;
    /// Its name, for crash points and logs.
    const NAME: &'static str;
    /// Whether it must be on disk before it is reported. Only for bookkeeping that makes itself good after a power cut
    /// may it be `false`; a crash of the process never undoes it either way.
    const DURABLE: bool = true;
    /// Does it.
    async fn run(&self, transaction: &Transaction<'_>) -> Result<Self::Output, DbErr>;
}

/// Runs [`Write`]s durably.
pub(crate) enum Writer {
    /// Through a queue to the thread of the one writing connection; what waits is committed together (group commit), so
    /// that a sync to disk is shared. If one write of a group fails, the group is rolled back and each is run alone.
    Sqlite(mpsc::Sender<Waiting>),
    /// Each on its own connection; PostgreSQL groups commits itself.
    Postgres(DatabaseConnection),
}

pub(crate) struct Waiting {
    write: Box<dyn ErasedWrite>,
    done: oneshot::Sender<Result<Box<dyn Any + Send>, DbErr>>,
}

#[async_trait]
trait ErasedWrite: Send + Sync {
    async fn run(&self, transaction: &Transaction<'_>) -> Result<Box<dyn Any + Send>, DbErr>;
    fn name(&self) -> &'static str;
    fn durable(&self) -> bool;
}

#[async_trait]
impl<W: Write> ErasedWrite for W {
    async fn run(&self, transaction: &Transaction<'_>) -> Result<Box<dyn Any + Send>, DbErr> {
        Ok(Box::new(Write::run(self, transaction).await?))
    }

    fn name(&self) -> &'static str {
        W::NAME
    }

    fn durable(&self) -> bool {
        W::DURABLE
    }
}

impl Writer {
    /// A writer for SQLite; its thread ends when the last handle is dropped.
    pub(crate) fn sqlite(file: &File) -> Result<Self, StoreError> {
        let unusable = |reason: String| StoreError::Open {
            place: file.path().display().to_string(),
            reason,
        };
        let connection = Connection {
            writing: file
                .open_writer()
                .map_err(|error| unusable(error.to_string()))?,
            syncs: true,
        };
        let (queue, waiting) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || commit_groups(connection, waiting))
            .map_err(|error| unusable(error.to_string()))?;
        Ok(Self::Sqlite(queue))
    }

    /// Runs one write; returns once it is durable.
    pub(crate) async fn write<W: Write>(&self, write: W) -> Result<W::Output, StoreError> {
        match self {
            Self::Postgres(connection) => {
                let transaction = connection.begin().await?;
                if !W::DURABLE {
                    let relaxed = "SET LOCAL synchronous_commit TO OFF";
                    transaction.execute_unprepared(relaxed).await?;
                }
                let output = Write::run(&write, &Transaction::postgres(&transaction)).await?;
                crash_point(W::NAME, "before_commit");
                transaction.commit().await?;
                crash_point(W::NAME, "after_commit");
                Ok(output)
            }
            Self::Sqlite(queue) => {
                let (done, outcome) = oneshot::channel();
                let waiting = Waiting {
                    write: Box::new(write),
                    done,
                };
                queue.send(waiting).await.map_err(|_| StoreError::Closed)?;
                let output = outcome.await.map_err(|_| StoreError::Closed)??;
                output
                    .downcast()
                    .map(|output| *output)
                    .map_err(|_| StoreError::Closed)
            }
        }
    }
}

fn commit_groups(mut connection: Connection, mut waiting: mpsc::Receiver<Waiting>) {
    let mut group = Vec::with_capacity(BATCH);
    while let Some(first) = waiting.blocking_recv() {
        group.push(first);
        while group.len() < BATCH
            && let Ok(next) = waiting.try_recv()
        {
            group.push(next);
        }
        commit_group(&mut connection, &mut group);
        connection.writing.tidy();
    }
    tracing::debug!("the writer has no more callers and ends");
}

/// Commits a group together; if that fails, each write alone, so that nobody fails for another.
fn commit_group(connection: &mut Connection, group: &mut Vec<Waiting>) {
    match connection.commit(group) {
        Ok(outputs) => {
            for (waiting, output) in group.drain(..).zip(outputs) {
                // The caller may have gone away; the write stands.
                let _ = waiting.done.send(Ok(output));
            }
        }
        Err(error) if group.len() == 1 => {
            for waiting in group.drain(..) {
                let _ = waiting.done.send(Err(clone_error(&error)));
            }
        }
        Err(_) => {
            for alone in group.drain(..) {
                let outcome = connection.commit(std::slice::from_ref(&alone));
                let outcome = outcome.and_then(|mut outputs| {
                    outputs
                        .pop()
                        .ok_or_else(|| DbErr::Custom("a write gave nothing".to_owned()))
                });
                let _ = alone.done.send(outcome);
            }
        }
    }
}

/// The one writing connection, and whether its commits are synced to disk.
struct Connection {
    writing: Writing,
    syncs: bool,
}

impl Connection {
    fn commit(&mut self, group: &[Waiting]) -> Result<Vec<Box<dyn Any + Send>>, DbErr> {
        self.set_sync(group.iter().any(|waiting| waiting.write.durable()))?;
        // IMMEDIATE: another connection that writes is waited for here, not met in the middle.
        self.writing.execute("BEGIN IMMEDIATE", &[])?;
        let outcome = self.run(group).and_then(|outputs| {
            for waiting in group {
                crash_point(waiting.write.name(), "before_commit");
            }
            self.writing.execute("COMMIT", &[])?;
            Ok(outputs)
        });
        match &outcome {
            Ok(_) => {
                for waiting in group {
                    crash_point(waiting.write.name(), "after_commit");
                }
            }
            Err(_) => {
                // Some errors have rolled back already, and there is nothing left to undo.
                let _ = self.writing.execute("ROLLBACK", &[]);
            }
        }
        outcome
    }

    fn run(&self, group: &[Waiting]) -> Result<Vec<Box<dyn Any + Send>>, DbErr> {
        let transaction = Transaction::sqlite(&self.writing);
        group
            .iter()
            .map(|waiting| run_now(&*waiting.write, &transaction))
            .collect()
    }

    /// A commit that syncs also brings everything before it to disk
    /// (<https://www.sqlite.org/pragma.html#pragma_synchronous>). Without the switch no group begins.
    fn set_sync(&mut self, wanted: bool) -> Result<(), DbErr> {
        if self.syncs == wanted {
            return Ok(());
        }
        let switch = if wanted {
            "PRAGMA synchronous = FULL"
        } else {
            "PRAGMA synchronous = NORMAL"
        };
        self.writing.execute(switch, &[])?;
        self.syncs = wanted;
        Ok(())
    }
}

/// Runs a write to its end, here: on SQLite its statements are done when they are called, so there is nothing to wait
/// for. One that panics fails alone.
fn run_now(
    write: &dyn ErasedWrite,
    transaction: &Transaction<'_>,
) -> Result<Box<dyn Any + Send>, DbErr> {
    let failed = |how: &str| DbErr::Custom(format!("the write {} {how}", write.name()));
    catch_unwind(AssertUnwindSafe(|| write.run(transaction).now_or_never()))
        .map_err(|_| failed("panicked"))?
        .ok_or_else(|| failed("waits for something other than its statements"))?
}

/// `DbErr` is not `Clone`; callers only tell its text.
fn clone_error(error: &DbErr) -> DbErr {
    DbErr::Custom(error.to_string())
}
