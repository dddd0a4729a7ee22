//! What runs when: apalis workers over the queue that lives in the store's own database, and the sweep.
//!
//! | file | what it holds |
//! |---|---|
//! | [`queue`] | the [`doorstep_engine::queue::JobQueue`]: an enqueue rides the caller's transaction; wakes workers |
//! | `schema.rs` | everything we know of apalis's tables |
//! | `backend.rs` | apalis's backend over those tables, woken instead of polling |
//! | [`workers`] | one supervised worker a queue, graceful shutdown |
//! | [`enrich_event`], [`notify`], [`notify_due`], [`deliver`], [`fall_back`], [`fetch_attachment`] | one job each |
//! | [`learn_eta`] | how long parcels take, learnt from time to time |
//! | [`poll`] | carriers asked for parcels, from time to time |
//! | [`by_hand`] | the same jobs without workers, for a clock that is moved by hand |
//! | [`dead_letters`] | jobs that fail, for a person to list, retry or discard |
//! | `lull.rs` | acknowledging events comes before working on them |
//! | [`sweep`] | what a crash left behind |
//!
//! **To add a job:** a variant of [`doorstep_engine::queue::Job`], its row in [`queue`]'s `row_of`, a file here with
//! `run`, and a worker in [`workers::Workers::start`]. A job's payload is an identifier: the row it names is the truth,
//! so a job may run twice, and one that is lost is enqueued again by the sweep. What runs by the clock ([`sweep`],
//! [`learn_eta`], [`poll`]) has no queue: a file with `repeat`, a task there, and whose turn it is in the store.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod backend;
pub mod by_hand;
pub mod dead_letters;
pub mod deliver;
pub mod enrich_event;
mod failed;
pub mod fall_back;
pub mod fetch_attachment;
pub mod learn_eta;
mod lull;
pub mod notify;
pub mod notify_due;
pub mod poll;
pub mod queue;
mod schema;
pub mod sweep;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod wake;
pub mod workers;

pub use by_hand::ByHand;
pub use dead_letters::DeadLetters;
pub use queue::Queue;
pub use workers::{Parts, Workers, WorkersConfig};

/// The job queue could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum JobsError {
    /// Its tables could not be made.
    #[error("the job queue's tables could not be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The database did not answer.
    #[error("the job queue's database refused: {0}")]
    Database(#[from] sqlx::Error),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] doorstep_engine::StoreError),
    /// A row is not what this version writes.
    #[error("the job queue holds something this version cannot read: {0}")]
    Unreadable(#[from] sea_orm::DbErr),
    /// An outcome cannot be written.
    #[error("a job's outcome cannot be written as JSON: {0}")]
    Outcome(#[from] serde_json::Error),
    /// apalis on SQLite.
    #[error("the job queue failed: {0}")]
    Sqlite(#[from] apalis_sqlite::Error),
    /// apalis on PostgreSQL.
    #[error("the job queue failed: {0}")]
    Postgres(#[from] apalis_postgres::Error),
}
