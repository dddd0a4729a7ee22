//! The queue's tables for a person and for jobs done by hand: small statements, few of them hot.

use doorstep_core::Timestamp;
use sqlx::Row;

use crate::{
    dead_letters::FailedJob,
    queue,
    schema::{DueJob, Tables},
};

/// Jobs that fail and are tried again, and those that are not; no worker has them.
const FAILED: &str = "status IN ('Killed', 'Failed')";
/// Jobs that wait for their time.
const WAITING: &str =
    "((status = 'Pending' AND lock_by IS NULL) OR (status = 'Failed' AND attempts < max_attempts))";

impl Tables {
    /// Runs a statement whose only parameter is `$1`, one text.
    async fn change(&self, sqlite: String, postgres: String, id: &str) -> Result<u64, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => {
                let done = sqlx::query(sqlx::AssertSqlSafe(sqlite))
                    .bind(id)
                    .execute(pool);
                done.await?.rows_affected()
            }
            Self::Postgres(pool) => {
                let done = sqlx::query(sqlx::AssertSqlSafe(postgres))
                    .bind(id)
                    .execute(pool);
                done.await?.rows_affected()
            }
        })
    }

    /// Every failed job.
    pub(crate) async fn failed(&self) -> Result<Vec<FailedJob>, sqlx::Error> {
        let dead = "(status = 'Killed' OR attempts >= max_attempts)";
        let mut failed: Vec<FailedJob> = match self {
            Self::Sqlite(pool) => {
                let sql = format!(
                    "SELECT id, job_type, CAST(job AS BLOB) AS job, CAST(attempts AS BIGINT) AS attempts,
                            CAST(last_result AS TEXT) AS error, CAST(run_at AS BIGINT) AS run_at, {dead} AS dead
                        FROM Jobs WHERE {FAILED} ORDER BY dead DESC, run_at, id"
                );
                let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                    .fetch_all(pool)
                    .await?;
                rows.iter().map(read_failed).collect::<Result<_, _>>()?
            }
            Self::Postgres(pool) => {
                let sql = format!(
                    "SELECT id, job_type, job, attempts::bigint AS attempts, last_result::text AS error,
                            EXTRACT(EPOCH FROM run_at)::bigint AS run_at, {dead} AS dead
                        FROM apalis.jobs WHERE {FAILED} ORDER BY dead DESC, run_at, id"
                );
                let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                    .fetch_all(pool)
                    .await?;
                rows.iter().map(read_failed).collect::<Result<_, _>>()?
            }
        };
        for job in &mut failed {
            job.error = said(&job.error);
        }
        Ok(failed)
    }

    /// Makes a failed job due at `second` as if it were new; `false`: there is none.
    pub(crate) async fn retry(&self, id: &str, second: i64) -> Result<bool, sqlx::Error> {
        let sql = |table: &str, run_at: String| {
            format!(
                "UPDATE {table} SET status = 'Pending', attempts = 0, run_at = {run_at}, lock_by = NULL, lock_at = NULL,
                        done_at = NULL, last_result = NULL WHERE id = $1 AND {FAILED}"
            )
        };
        let sqlite = sql("Jobs", second.to_string());
        let postgres = sql("apalis.jobs", format!("to_timestamp({second})"));
        Ok(self.change(sqlite, postgres, id).await? > 0)
    }

    /// Removes a failed job.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), sqlx::Error> {
        let sqlite = format!("DELETE FROM Jobs WHERE id = $1 AND {FAILED}");
        let postgres = format!("DELETE FROM apalis.jobs WHERE id = $1 AND {FAILED}");
        self.change(sqlite, postgres, id).await.map(drop)
    }

    /// Jobs that are due at a second, oldest first.
    pub(crate) async fn due(&self, second: i64, limit: i64) -> Result<Vec<DueJob>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => {
                let sql = format!(
                    "SELECT id, job_type, CAST(job AS BLOB) AS job, CAST(attempts AS INTEGER) AS attempts FROM Jobs
                        WHERE {WAITING} AND run_at <= $1 ORDER BY run_at, id LIMIT $2"
                );
                let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                    .bind(second)
                    .bind(limit);
                let rows = rows.fetch_all(pool).await?;
                rows.iter().map(read_due).collect::<Result<_, _>>()?
            }
            Self::Postgres(pool) => {
                let sql = format!(
                    "SELECT id, job_type, job, attempts FROM apalis.jobs
                        WHERE {WAITING} AND run_at <= to_timestamp($1::bigint) ORDER BY run_at, id LIMIT $2"
                );
                let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                    .bind(second)
                    .bind(limit);
                let rows = rows.fetch_all(pool).await?;
                rows.iter().map(read_due).collect::<Result<_, _>>()?
            }
        })
    }

    /// The second at which the next job is due.
    pub(crate) async fn next_due(&self) -> Result<Option<i64>, sqlx::Error> {
        match self {
            Self::Sqlite(pool) => {
                let sql = format!("SELECT CAST(MIN(run_at) AS BIGINT) FROM Jobs WHERE {WAITING}");
                sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                    .fetch_one(pool)
                    .await
            }
            Self::Postgres(pool) => {
                let sql = format!(
                    "SELECT EXTRACT(EPOCH FROM MIN(run_at))::bigint FROM apalis.jobs WHERE {WAITING}"
                );
                sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                    .fetch_one(pool)
                    .await
            }
        }
    }

    /// Writes down that jobs are done.
    pub(crate) async fn settle(&self, ids: &[String], second: i64) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(pool) => {
                let ids = serde_json::Value::from(ids.to_vec()).to_string();
                let sql = "UPDATE Jobs SET status = 'Done', done_at = $1
                    WHERE id IN (SELECT value FROM json_each($2))";
                sqlx::query(sql)
                    .bind(second)
                    .bind(ids)
                    .execute(pool)
                    .await?;
            }
            Self::Postgres(pool) => {
                let sql =
                    "UPDATE apalis.jobs SET status = 'Done', done_at = to_timestamp($1::bigint)
                    WHERE id = ANY($2)";
                sqlx::query(sql)
                    .bind(second)
                    .bind(ids)
                    .execute(pool)
                    .await?;
            }
        }
        Ok(())
    }

    /// Writes down that a job failed; for good, or to be tried again at `run_at`.
    pub(crate) async fn fail(
        &self,
        id: &str,
        attempts: i32,
        error: &str,
        run_at: i64,
        for_good: bool,
    ) -> Result<(), sqlx::Error> {
        let status = if for_good { "Killed" } else { "Failed" };
        let result = serde_json::json!({ "Err": error }).to_string();
        match self {
            Self::Sqlite(pool) => {
                let sql = "UPDATE Jobs SET status = $1, attempts = $2, last_result = $3, run_at = $4 WHERE id = $5";
                let update = sqlx::query(sql).bind(status).bind(attempts).bind(result);
                update.bind(run_at).bind(id).execute(pool).await?;
            }
            Self::Postgres(pool) => {
                let sql =
                    "UPDATE apalis.jobs SET status = $1, attempts = $2, last_result = $3::jsonb,
                    run_at = to_timestamp($4::bigint) WHERE id = $5";
                let update = sqlx::query(sql).bind(status).bind(attempts).bind(result);
                update.bind(run_at).bind(id).execute(pool).await?;
            }
        }
        Ok(())
    }
}

fn read_due<'r, R: Row>(row: &'r R) -> Result<DueJob, sqlx::Error>
where
    &'static str: sqlx::ColumnIndex<R>,
    String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    Vec<u8>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    i32: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
{
    Ok(DueJob {
        id: row.try_get("id")?,
        queue: row.try_get("job_type")?,
        payload: row.try_get("job")?,
        attempts: row.try_get("attempts")?,
    })
}

fn read_failed<'r, R: Row>(row: &'r R) -> Result<FailedJob, sqlx::Error>
where
    &'static str: sqlx::ColumnIndex<R>,
    String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    Vec<u8>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    bool: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
{
    let payload: Vec<u8> = row.try_get("job")?;
    let second = Timestamp::from_timestamp(row.try_get("run_at")?, 0);
    let dead: bool = row.try_get("dead")?;
    Ok(FailedJob {
        id: row.try_get("id")?,
        queue: row.try_get("job_type")?,
        subject: queue::decode(&payload).unwrap_or_else(|_| "unreadable".to_owned()),
        attempts: row.try_get("attempts")?,
        error: row
            .try_get::<Option<String>, _>("error")?
            .unwrap_or_default(),
        next_try: second.filter(|_| !dead),
    })
}

/// What a job failed with, out of the JSON that apalis keeps.
fn said(result: &str) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(result).ok();
    let error = parsed.as_ref().and_then(|parsed| parsed.get("Err"));
    match error.and_then(serde_json::Value::as_str) {
        Some(error) => error.to_owned(),
        None => result.to_owned(),
    }
}
