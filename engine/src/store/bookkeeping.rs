//! Statements of other rooms that share the writer's commits.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, Statement, Value};

use super::{Store, StoreError, write::Write};

impl Store {
    /// Runs one statement together with whatever else is being committed; returns its rows. What it changes may be
    /// lost by a power cut (never by a crash of the process): only for bookkeeping that makes itself good, like the
    /// lock of a job that will then run again.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn keep_books(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<QueryResult>, StoreError> {
        self.write(KeepBooks { sql, values }).await
    }
}

struct KeepBooks {
    sql: &'static str,
    values: Vec<Value>,
}

#[async_trait]
impl Write for KeepBooks {
    type Output = Vec<QueryResult>;
    const NAME: &'static str = "keep_books";
    const DURABLE: bool = false;

    async fn run(&self, transaction: &DatabaseTransaction) -> Result<Self::Output, DbErr> {
        let backend = transaction.get_database_backend();
        let values = self.values.clone();
        let statement = Statement::from_sql_and_values(backend, self.sql, values);
        transaction.query_all_raw(statement).await
    }
}
