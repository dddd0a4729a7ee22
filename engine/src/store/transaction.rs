//! An open transaction of either database, and the statements that run in it.

use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseTransaction, DbErr, Statement, Value};

use super::{row::Row, sqlite::Writing};

/// An open transaction. Statements are plain SQL with `$n` parameters.
pub struct Transaction<'a>(Kind<'a>);

enum Kind<'a> {
    /// Statements run at once on the thread that writes; nothing is ever waited for.
    Sqlite(&'a Writing),
    Postgres(&'a DatabaseTransaction),
}

impl<'a> Transaction<'a> {
    pub(crate) fn sqlite(writing: &'a Writing) -> Self {
        Self(Kind::Sqlite(writing))
    }

    pub(crate) fn postgres(transaction: &'a DatabaseTransaction) -> Self {
        Self(Kind::Postgres(transaction))
    }

    /// Whether the database is PostgreSQL (else SQLite).
    pub fn is_postgres(&self) -> bool {
        matches!(self.0, Kind::Postgres(_))
    }

    /// Runs a statement; returns how many rows it changed.
    ///
    /// # Errors
    /// The database's; the transaction is rolled back with it.
    pub async fn execute(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<u64, DbErr> {
        match self.0 {
            Kind::Sqlite(writing) => writing.execute(sql, &collect(values)),
            Kind::Postgres(transaction) => {
                let statement = postgres_statement(sql, values);
                Ok(transaction.execute_raw(statement).await?.rows_affected())
            }
        }
    }

    /// Rows of a query.
    ///
    /// # Errors
    /// The database's; the transaction is rolled back with it.
    pub async fn query(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Row>, DbErr> {
        match self.0 {
            Kind::Sqlite(writing) => writing.query(sql, &collect(values)),
            Kind::Postgres(transaction) => {
                let statement = postgres_statement(sql, values);
                let rows = transaction.query_all_raw(statement).await?;
                Ok(rows.into_iter().map(Row::of_postgres).collect())
            }
        }
    }
}

fn collect(values: impl IntoIterator<Item = Value>) -> Vec<Value> {
    values.into_iter().collect()
}

/// A statement as sea-orm takes it.
pub(crate) fn postgres_statement(sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values)
}

/// Runs a statement in a transaction; returns how many rows it changed.
pub(crate) async fn execute(
    transaction: &Transaction<'_>,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<u64, DbErr> {
    transaction.execute(sql, values).await
}

/// Rows of a query in a transaction.
pub(crate) async fn query(
    transaction: &Transaction<'_>,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<Row>, DbErr> {
    transaction.query(sql, values).await
}

/// The first row of a query in a transaction.
pub(crate) async fn query_one(
    transaction: &Transaction<'_>,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Option<Row>, DbErr> {
    Ok(query(transaction, sql, values).await?.into_iter().next())
}
