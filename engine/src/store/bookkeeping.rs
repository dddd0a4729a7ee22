//! Statements of other rooms on the store's own connections.

use async_trait::async_trait;
use sea_orm::{DbErr, Value};

use super::{Row, Store, StoreError, Transaction, write::Write};

impl Store {
    /// Rows of a query outside any transaction, without waiting for the writer.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn look_up(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        self.query(sql, values).await
    }

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
    ) -> Result<Vec<Row>, StoreError> {
        self.write(KeepBooks { sql, values }).await
    }
}

struct KeepBooks {
    sql: &'static str,
    values: Vec<Value>,
}

#[async_trait]
impl Write for KeepBooks {
    type Output = Vec<Row>;
    const NAME: &'static str = "keep_books";
    const DURABLE: bool = false;

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Self::Output, DbErr> {
        transaction.query(self.sql, self.values.clone()).await
    }
}
