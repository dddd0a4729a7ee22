//! What is durable. `Store` is concrete: it speaks SQLite and PostgreSQL, and tests use the real ones.
//!
//! Every transaction is one `write::Write`; the guarantees rest on four of them:
//! `AdmitMessage` and `AdmitEvents` (G1, G2: stored before acknowledged, once), `CommitTurn` (G2, G3: the
//! compare-and-swap on `handled_count`), `ClaimDelivery`/`SettleDelivery` (G2: one attempt chain).
//! Statements are plain SQL with `$n` parameters, which both databases take; rows are read by name.

mod admission;
mod attachments;
mod bookkeeping;
mod claims;
mod database;
mod deliveries;
mod due;
mod eta;
mod events;
mod experiments;
mod explain;
mod fallbacks;
mod give_up;
mod handoffs;
mod imports;
mod lateness;
mod left_behind;
mod links;
mod mailbox;
mod model_usage;
mod notifications;
mod orders;
mod outbound;
mod pace;
mod parcels;
mod people;
mod polls;
mod preferences;
mod privacy;
mod reach;
mod rehearsal;
mod row;
mod schedule;
mod sqlite;
mod suppression;
mod telling;
mod tracking;
mod transaction;
mod tries;
mod turns;
pub(crate) mod write;

use std::sync::Arc;

use doorstep_core::Ambient;
use sea_orm::{ConnectionTrait, DbErr, Value};

pub use attachments::{AttachmentWork, FetchedAttachment, NewAttachment, WaitingAttachment};
pub use claims::ParcelTakenBack;
pub use database::{Database, DatabaseConfig};
pub use deliveries::{ClaimedDelivery, Settlement};
pub use due::{DueMember, DueVerdict, WaitingNews};
pub use eta::PastParcel;
pub use events::{EventAdmission, StoredEvent};
pub use experiments::{Deeds, HOLDOUT, Means, Outcomes, Trial};
pub use explain::{Explained, ExplainedDelivery, ExplainedMessage};
pub(crate) use fallbacks::is_fallback;
pub use fallbacks::{FallenBack, FallingBack};
pub use give_up::GivenUp;
pub use handoffs::{Farewell, Handoff};
pub use imports::{Import, ImportError, Imported, ImportedProduct, ImportedUnit, Kept, Removals};
pub use lateness::Patience;
pub use left_behind::ReleasedClaims;
pub use mailbox::Bus;
pub use notifications::{
    AtMost, Audience, Decided, Decision, DedupeKey, News, Recipient, Subject, Verdict, Wait,
};
pub use orders::{Enrichment, OrderRecord, customer_key};
pub use parcels::ParcelUpdate;
pub(crate) use parcels::rank;
pub use polls::{AskedParcel, DueParcel, PollPlan, PollTurn};
pub use preferences::Preference;
pub use privacy::{PrivacyRecord, PrivacyRequest};
pub use rehearsal::{PastEvent, People};
pub use row::{Column, Row};
pub(crate) use schedule::SOURCE as SCHEDULE_SOURCE;
pub use suppression::ChatNews;
pub use tracking::{ParcelHistory, Scan};
pub use transaction::Transaction;
pub(crate) use transaction::{execute, query, query_one};
pub use turns::TurnOutcome;
use write::Writer;

use crate::queue::JobQueue;

/// The store: cheap to clone, shared by all roads.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    writer: Writer,
    queue: Arc<dyn JobQueue>,
    admissions: events::Admissions,
    bus: Bus,
    ambient: Ambient,
    /// Names this instance in claims.
    instance: String,
}

/// The store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It could not be opened.
    #[error("the database at {place} cannot be opened: {reason}")]
    Open {
        /// File, or host and database.
        place: String,
        /// What the database said.
        reason: String,
    },
    /// A statement failed.
    #[error("the database refused: {0}")]
    Database(#[from] DbErr),
    /// What is stored is not what this version writes.
    #[error("{what} holds something this version cannot read: {reason}")]
    Unreadable {
        /// Table and column.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The store is shutting down.
    #[error("the store is shutting down")]
    Closed,
}

impl Store {
    /// The store over an open, migrated database.
    ///
    /// # Errors
    /// PostgreSQL refuses to listen for news of other instances, or SQLite's file cannot be written.
    pub async fn new(
        database: Database,
        queue: Arc<dyn JobQueue>,
        ambient: Ambient,
    ) -> Result<Self, StoreError> {
        let bus = Bus::default();
        let writer = match &database.file {
            Some(file) => Writer::sqlite(file)?,
            None => {
                mailbox::listen_for_news(&database, bus.clone()).await?;
                Writer::Postgres(database.pool.clone())
            }
        };
        let mut random = [0; 8];
        ambient.entropy.fill(&mut random);
        let instance = format!("{:016x}", u64::from_be_bytes(random));
        let (admissions, waiting) = events::Admissions::new();
        let at_once = if database.is_postgres() { 4 } else { 1 };
        let inner = Inner {
            database,
            writer,
            queue,
            admissions,
            bus,
            ambient,
            instance,
        };
        let store = Self {
            inner: Arc::new(inner),
        };
        waiting.serve(Arc::downgrade(&store.inner), at_once);
        Ok(store)
    }

    /// Clock and randomness.
    pub fn ambient(&self) -> &Ambient {
        &self.inner.ambient
    }

    /// The open database.
    pub fn database(&self) -> &Database {
        &self.inner.database
    }

    /// Names this instance in claims.
    pub fn instance(&self) -> &str {
        &self.inner.instance
    }

    /// News for sockets and long polls.
    pub fn bus(&self) -> &Bus {
        &self.inner.bus
    }

    /// The job queue; to be woken after a commit that enqueued.
    pub(crate) fn queue(&self) -> &Arc<dyn JobQueue> {
        &self.inner.queue
    }

    /// Where commerce events wait to be admitted together.
    fn admissions(&self) -> &events::Admissions {
        &self.inner.admissions
    }

    pub(crate) async fn write<W: write::Write>(&self, write: W) -> Result<W::Output, StoreError> {
        self.inner.writer.write(write).await
    }

    /// Rows of a query outside any transaction.
    pub(crate) async fn query(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Row>, StoreError> {
        let database = &self.inner.database;
        if let Some(file) = &database.file {
            let values: Vec<Value> = values.into_iter().collect();
            return Ok(file.read(sql, &values)?);
        }
        let statement = transaction::postgres_statement(sql, values);
        let rows = database.pool.query_all_raw(statement).await?;
        Ok(rows.into_iter().map(Row::of_postgres).collect())
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.query("SELECT 1 AS one", []).await.map(drop)
    }
}

/// Where the crash test kills the process: debug builds end by SIGKILL at the n-th pass of the point that
/// `DOORSTEP_CRASH_AT=<write>:<point>:<n>` names. Release builds have no such thing. Public for the job queue's own
/// transactions.
pub fn crash_point(write: &str, point: &str) {
    #[cfg(debug_assertions)]
    crash::pass(write, point);
    #[cfg(not(debug_assertions))]
    let _ = (write, point);
}

#[cfg(debug_assertions)]
mod crash {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    };

    static WANTED: LazyLock<Option<(String, u32)>> = LazyLock::new(|| {
        let wanted = std::env::var("DOORSTEP_CRASH_AT").ok()?;
        let (place, pass) = wanted.rsplit_once(':')?;
        Some((place.to_owned(), pass.parse().ok()?))
    });
    static PASSES: AtomicU32 = AtomicU32::new(0);

    pub(super) fn pass(write: &str, point: &str) {
        let Some((place, wanted)) = WANTED.as_ref() else {
            return;
        };
        if *place != format!("{write}:{point}") {
            return;
        }
        if PASSES.fetch_add(1, Ordering::SeqCst) + 1 == *wanted {
            kill_self();
        }
    }

    /// SIGKILL: nothing is flushed, closed or unwound.
    fn kill_self() -> ! {
        let pid = std::process::id().to_string();
        let _ = std::process::Command::new("kill")
            .args(["-KILL", &pid])
            .status();
        // Only reached where there is no `kill`: as abrupt as the standard library can be.
        std::process::abort()
    }
}
