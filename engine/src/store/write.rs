//! One transaction a type, and group commit for the one writer of SQLite.

use std::any::Any;

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};
use tokio::sync::{mpsc, oneshot};

use super::{StoreError, crash_point};

/// How many writes one SQLite transaction takes at most.
const BATCH: usize = 64;
/// How many writes may wait for the writer before callers wait to hand theirs in.
const QUEUE: usize = 4096;

/// One transaction of the store: all of it happens, or nothing. It may be run again after a rollback, so it holds its
/// input and changes nothing but the database. A refusal (a lost compare-and-swap) is an `Output`, returned before the
/// first change, because on SQLite several writes share one commit.
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
    async fn run(&self, transaction: &DatabaseTransaction) -> Result<Self::Output, DbErr>;
}

/// Runs [`Write`]s durably.
pub(crate) enum Writer {
    /// Through a queue to the one writing connection; what waits is committed together (group commit), so that a sync
    /// to disk is shared. If one write of a group fails, the group is rolled back and each is run alone.
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
    async fn run(&self, transaction: &DatabaseTransaction) -> Result<Box<dyn Any + Send>, DbErr>;
    fn name(&self) -> &'static str;
    fn durable(&self) -> bool;
}

#[async_trait]
impl<W: Write> ErasedWrite for W {
    async fn run(&self, transaction: &DatabaseTransaction) -> Result<Box<dyn Any + Send>, DbErr> {
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
    /// A writer for SQLite; its task ends when the last handle is dropped.
    pub(crate) fn sqlite(connection: DatabaseConnection) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(commit_groups(connection, waiting));
        Self::Sqlite(queue)
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
                let output = Write::run(&write, &transaction).await?;
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

async fn commit_groups(connection: DatabaseConnection, mut waiting: mpsc::Receiver<Waiting>) {
    let mut group = Vec::with_capacity(BATCH);
    let mut writer = Connection {
        connection,
        syncs: true,
    };
    while waiting.recv_many(&mut group, BATCH).await > 0 {
        match writer.commit(&group).await {
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
                    let outcome = writer.commit(std::slice::from_ref(&alone)).await;
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
    tracing::debug!("the writer has no more callers and ends");
}

/// The one writing connection, and whether its commits are synced to disk.
struct Connection {
    connection: DatabaseConnection,
    syncs: bool,
}

impl Connection {
    async fn commit(&mut self, group: &[Waiting]) -> Result<Vec<Box<dyn Any + Send>>, DbErr> {
        self.set_sync(group.iter().any(|waiting| waiting.write.durable()))
            .await?;
        // IMMEDIATE: another process that writes is waited for here, not met in the middle.
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let transaction = self.connection.begin_with_options(options).await?;
        let mut outputs = Vec::with_capacity(group.len());
        for waiting in group {
            outputs.push(waiting.write.run(&transaction).await?);
        }
        for waiting in group {
            crash_point(waiting.write.name(), "before_commit");
        }
        transaction.commit().await?;
        for waiting in group {
            crash_point(waiting.write.name(), "after_commit");
        }
        Ok(outputs)
    }

    /// A commit that syncs also brings everything before it to disk
    /// (<https://www.sqlite.org/pragma.html#pragma_synchronous>). Without the switch no group begins.
    async fn set_sync(&mut self, wanted: bool) -> Result<(), DbErr> {
        if self.syncs == wanted {
            return Ok(());
        }
        let mode = if wanted { "FULL" } else { "NORMAL" };
        let switch = format!("PRAGMA synchronous = {mode}");
        self.connection.execute_unprepared(&switch).await?;
        self.syncs = wanted;
        Ok(())
    }
}

/// `DbErr` is not `Clone`; callers only tell its text.
fn clone_error(error: &DbErr) -> DbErr {
    DbErr::Custom(error.to_string())
}
