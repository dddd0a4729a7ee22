//! Everything we know of apalis's tables: `Jobs` and `Workers` on SQLite (apalis-sqlite 1.0), `apalis.jobs` and
//! `apalis.workers` on PostgreSQL (apalis-postgres 1.0). A row is written as apalis's own push writes it
//! (`queries/task/sink.sql` of either crate); a test has apalis's own storage read our rows.

use std::time::Duration;

use doorstep_core::Timestamp;
use doorstep_engine::store::{Database, Transaction};
use sea_orm::{DbErr, Value};
use sqlx::{PgPool, Row, SqlitePool};

use crate::JobsError;

/// How often a failing job is tried before it is dead: with its pauses, for about a day.
const MAX_ATTEMPTS: i32 = 160;
/// Rows of one INSERT.
const CHUNK: usize = 256;
/// How long ended jobs are kept for a person to look at.
const KEEP_ENDED: Duration = Duration::from_hours(1);
/// How long silent workers are kept.
const KEEP_WORKERS: Duration = Duration::from_hours(24);
/// How many ended jobs one sweep removes.
const REMOVE: i64 = 5000;

/// A job to be written.
pub(crate) struct NewRow {
    pub(crate) id: String,
    pub(crate) queue: String,
    /// Names the job within its queue.
    pub(crate) key: String,
    pub(crate) payload: Vec<u8>,
    /// Seconds since 1970.
    pub(crate) run_at: i64,
}

/// Runs apalis's migrations. Not its `setup`, which on SQLite also switches syncing to disk off for the connection
/// that everything is written on.
pub(crate) async fn migrate(database: &Database) -> Result<(), JobsError> {
    if let Some(pool) = database.sqlite_pool() {
        apalis_sqlite::SqliteStorage::migrations().run(pool).await?;
    }
    if let Some(pool) = database.postgres_pool() {
        apalis_postgres::PostgresStorage::migrations()
            .run(pool)
            .await?;
    }
    Ok(())
}

/// Writes jobs. One that waits or runs already is left alone; one that is done becomes due again. A dead one stays dead:
/// a person decides about it.
pub(crate) async fn insert(transaction: &Transaction<'_>, rows: &[NewRow]) -> Result<(), DbErr> {
    for rows in rows.chunks(CHUNK) {
        let sql = insert_sql(transaction.is_postgres(), rows.len());
        let values = rows.iter().flat_map(|row| -> [Value; 5] {
            [
                row.payload.clone().into(),
                row.id.as_str().into(),
                row.queue.as_str().into(),
                row.run_at.into(),
                row.key.as_str().into(),
            ]
        });
        transaction.execute(&sql, values).await?;
    }
    Ok(())
}

fn insert_sql(postgres: bool, rows: usize) -> String {
    use std::fmt::Write;
    let (table, metadata) = if postgres {
        ("apalis.jobs", "NULL")
    } else {
        ("Jobs", "'{}'")
    };
    let mut sql = format!(
        "INSERT INTO {table} AS old
            (job, id, job_type, run_at, idempotency_key, status, attempts, max_attempts, priority, metadata) VALUES "
    );
    for row in 0..rows {
        let [job, id, queue, run_at, key] = std::array::from_fn(|column| row * 5 + column + 1);
        let run_at = if postgres {
            format!("to_timestamp(${run_at}::bigint)")
        } else {
            format!("${run_at}")
        };
        let comma = if row == 0 { "" } else { ", " };
        // Writing into a String cannot fail.
        let _ = write!(
            sql,
            "{comma}(${job}, ${id}, ${queue}, {run_at}, ${key}, 'Pending', 0, {MAX_ATTEMPTS}, 0, {metadata})"
        );
    }
    sql.push_str(
        " ON CONFLICT (job_type, idempotency_key) DO UPDATE SET status = 'Pending', attempts = 0,
            run_at = excluded.run_at, lock_by = NULL, lock_at = NULL, done_at = NULL, last_result = NULL
        WHERE old.status = 'Done'",
    );
    sql
}

/// A ULID (<https://github.com/ulid/spec>): apalis reads identifiers as such.
pub(crate) fn ulid(now: Timestamp, random: [u8; 10]) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    let mut value = u128::from(millis & 0xffff_ffff_ffff) << 80;
    for (place, byte) in random.iter().enumerate() {
        value |= u128::from(*byte) << (8 * (9 - place));
    }
    (0..26)
        .rev()
        .map(|digit| char::from(DIGITS[((value >> (5 * digit)) & 31) as usize]))
        .collect()
}

/// The tables, outside any transaction of the store.
#[derive(Debug, Clone)]
pub(crate) enum Tables {
    /// On a connection beside the store's writer.
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Tables {
    pub(crate) fn of(database: &Database) -> Option<Self> {
        match (database.sqlite_pool(), database.postgres_pool()) {
            (Some(pool), _) => Some(Self::Sqlite(pool.clone())),
            (None, Some(pool)) => Some(Self::Postgres(pool.clone())),
            (None, None) => None,
        }
    }

    /// Makes a failing job due again at `run_at` instead of at once.
    pub(crate) async fn postpone(&self, id: &str, run_at: i64) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(pool) => {
                sqlx::query("UPDATE Jobs SET run_at = $1 WHERE id = $2")
                    .bind(run_at)
                    .bind(id)
                    .execute(pool)
                    .await?;
            }
            Self::Postgres(pool) => {
                sqlx::query(
                    "UPDATE apalis.jobs SET run_at = to_timestamp($1::bigint) WHERE id = $2",
                )
                .bind(run_at)
                .bind(id)
                .execute(pool)
                .await?;
            }
        }
        Ok(())
    }

    /// Gives back what a worker that stops had fetched and not begun.
    pub(crate) async fn give_back(&self, worker: &str) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(pool) => {
                sqlx::query(
                    "UPDATE Jobs SET status = 'Pending', lock_by = NULL, lock_at = NULL
                        WHERE lock_by = $1 AND status IN ('Queued', 'Running')",
                )
                .bind(worker)
                .execute(pool)
                .await?;
            }
            Self::Postgres(pool) => {
                sqlx::query(
                    "UPDATE apalis.jobs SET status = 'Pending', lock_by = NULL, lock_at = NULL
                        WHERE lock_by = $1 AND status IN ('Queued', 'Running')",
                )
                .bind(worker)
                .execute(pool)
                .await?;
            }
        }
        Ok(())
    }

    /// Makes every unfinished job due again that a process which is gone had fetched. Only SQLite, whose file has one
    /// instance, knows at start that all of them are.
    pub(crate) async fn give_back_all(&self) -> Result<(), sqlx::Error> {
        if let Self::Sqlite(pool) = self {
            let sql = "UPDATE Jobs SET status = 'Pending', lock_by = NULL, lock_at = NULL
                WHERE status IN ('Queued', 'Running')";
            sqlx::query(sql).execute(pool).await?;
        }
        Ok(())
    }

    /// How many jobs of each queue wait or run.
    pub(crate) async fn depths(&self) -> Result<Vec<(String, i64)>, sqlx::Error> {
        match self {
            Self::Sqlite(pool) => {
                let rows = sqlx::query(
                    "SELECT job_type, COUNT(*) AS depth FROM Jobs
                        WHERE status IN ('Pending', 'Queued', 'Running') GROUP BY job_type",
                )
                .fetch_all(pool)
                .await?;
                Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
            }
            Self::Postgres(pool) => {
                let rows = sqlx::query(
                    "SELECT job_type, COUNT(*) AS depth FROM apalis.jobs
                        WHERE status IN ('Pending', 'Queued', 'Running') GROUP BY job_type",
                )
                .fetch_all(pool)
                .await?;
                Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
            }
        }
    }

    /// Removes jobs that ended long ago and workers that fell silent long ago.
    pub(crate) async fn vacuum(&self, now: Timestamp) -> Result<u64, sqlx::Error> {
        let ended_before = (now - KEEP_ENDED).timestamp();
        let silent_before = (now - KEEP_WORKERS).timestamp();
        let ended = match self {
            Self::Sqlite(pool) => {
                let ended = sqlx::query(
                    "DELETE FROM Jobs WHERE id IN (SELECT id FROM Jobs
                        WHERE status = 'Done' AND done_at < $1 LIMIT $2)",
                )
                .bind(ended_before)
                .bind(REMOVE)
                .execute(pool)
                .await?;
                sqlx::query(
                    "DELETE FROM Workers WHERE last_seen < $1
                        AND NOT EXISTS (SELECT 1 FROM Jobs WHERE lock_by = Workers.id)",
                )
                .bind(silent_before)
                .execute(pool)
                .await?;
                ended.rows_affected()
            }
            Self::Postgres(pool) => {
                let ended = sqlx::query(
                    "DELETE FROM apalis.jobs WHERE id IN (SELECT id FROM apalis.jobs
                        WHERE status = 'Done' AND done_at < to_timestamp($1::bigint)
                        LIMIT $2 FOR UPDATE SKIP LOCKED)",
                )
                .bind(ended_before)
                .bind(REMOVE)
                .execute(pool)
                .await?;
                sqlx::query(
                    "DELETE FROM apalis.workers w WHERE w.last_seen < to_timestamp($1::bigint)
                        AND NOT EXISTS (SELECT 1 FROM apalis.jobs WHERE lock_by = w.id)",
                )
                .bind(silent_before)
                .execute(pool)
                .await?;
                ended.rows_affected()
            }
        };
        Ok(ended)
    }
}

/// A job as it is done by hand.
pub(crate) struct DueJob {
    pub(crate) id: String,
    pub(crate) queue: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) attempts: i32,
}

/// Takes what is due, as apalis's `queries/backend/fetch_next.sql` does: worker, queue, now, how many at most of either
/// kind. The indexes are named because the planner prefers one that would have every waiting job sorted.
pub(crate) const FETCH_SQLITE: &str =
    "UPDATE Jobs SET status = 'Queued', lock_by = $1, lock_at = $3
    WHERE rowid IN (
        SELECT rowid FROM (SELECT rowid FROM Jobs INDEXED BY idx_jobs_pending
            WHERE job_type = $2 AND status = 'Pending' AND lock_by IS NULL AND run_at <= $3
            ORDER BY priority DESC, run_at ASC, id ASC LIMIT $4)
        UNION ALL SELECT rowid FROM (SELECT rowid FROM Jobs INDEXED BY idx_jobs_failed
            WHERE job_type = $2 AND status = 'Failed' AND attempts < max_attempts AND run_at <= $3
            ORDER BY priority DESC, run_at ASC, id ASC LIMIT $4)
    ) RETURNING id, job, attempts";

/// Writes outcomes down, as apalis's `queries/task/ack.sql` does: a JSON list of outcomes, worker, now. The list is read
/// once, and `+` keeps the planner from walking through every job that the worker ever had.
pub(crate) const ACKNOWLEDGE_SQLITE: &str = "WITH outcomes AS MATERIALIZED (
        SELECT value ->> 'task_id' AS id, value ->> 'attempt' AS attempt, value ->> 'result' AS result,
            value ->> 'status' AS status FROM json_each($1))
    UPDATE Jobs SET status = outcomes.status, attempts = outcomes.attempt, last_result = outcomes.result,
        done_at = $3
    FROM outcomes WHERE Jobs.id = outcomes.id AND +Jobs.lock_by = $2";

/// Whether a job of the queue is due, by the index that apalis fetches by; asked of a reader, so that looking in vain
/// never waits for the writer: queue, now.
pub(crate) const IS_DUE_SQLITE: &str = "SELECT 1 AS due WHERE EXISTS (SELECT 1 FROM Jobs
        WHERE job_type = $1 AND status = 'Pending' AND lock_by IS NULL AND run_at <= $2)
    OR EXISTS (SELECT 1 FROM Jobs
        WHERE job_type = $1 AND status = 'Failed' AND attempts < max_attempts AND run_at <= $2)";

#[cfg(test)]
mod tests {
    use doorstep_engine::store::DatabaseConfig;

    use super::*;
    use crate::Queue;

    /// How SQLite would go about a statement.
    async fn plan(pool: &SqlitePool, sql: &str) -> Vec<String> {
        let explained = format!("EXPLAIN QUERY PLAN {sql}");
        let rows = sqlx::query(sqlx::AssertSqlSafe(explained))
            .fetch_all(pool)
            .await
            .unwrap();
        rows.iter().map(|row| row.get("detail")).collect()
    }

    /// Both once walked through every job of the last hour, for each job that ended.
    #[tokio::test]
    async fn jobs_are_taken_and_settled_by_index() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let database = Database::open(&DatabaseConfig::Sqlite { path })
            .await
            .unwrap();
        database.migrate().await.unwrap();
        Queue::migrate(&database).await.unwrap();
        let pool = database.sqlite_pool().unwrap();

        let settled = plan(pool, ACKNOWLEDGE_SQLITE).await;
        let by_id = |step: &String| step.contains("SEARCH Jobs") && step.contains("(id=?)");
        assert!(settled.iter().any(by_id), "{settled:#?}");
        let taken = plan(pool, FETCH_SQLITE).await;
        assert!(
            !taken.iter().any(|step| step.contains("TEMP B-TREE")),
            "{taken:#?}"
        );
        for plan in [settled, taken] {
            assert!(
                !plan.iter().any(|step| step.starts_with("SCAN Jobs")),
                "{plan:#?}"
            );
        }
    }
}
