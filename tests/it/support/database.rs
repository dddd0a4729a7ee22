//! The database behind a server, read by the tests alone.

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database as SeaOrm, DatabaseConnection, DbBackend, Statement,
};

use super::skip::skip;

/// A connection that only reads.
pub(crate) struct Database(DatabaseConnection);

impl Database {
    /// The SQLite file of a data directory.
    pub(crate) async fn sqlite(data_dir: &Path) -> Self {
        let url = format!(
            "sqlite://{}?mode=ro",
            data_dir.join("doorstep.db").display()
        );
        Self::connect(url).await
    }

    /// A PostgreSQL database.
    pub(crate) async fn postgres(url: &str) -> Self {
        Self::connect(url.to_owned()).await
    }

    async fn connect(url: String) -> Self {
        let mut options = ConnectOptions::new(url);
        options.max_connections(2).sqlx_logging(false);
        Self(SeaOrm::connect(options).await.expect("the database opens"))
    }

    /// The first column of the first row, a number.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let row = self.0.query_one_raw(self.statement(sql)).await.expect(sql);
        let row = row.unwrap_or_else(|| panic!("no row: {sql}"));
        row.try_get_by_index::<i64>(0)
            .or_else(|_| row.try_get_by_index::<i32>(0).map(i64::from))
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The first column of every row, as text.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self.0.query_all_raw(self.statement(sql)).await.expect(sql);
        rows.iter()
            .map(|row| {
                row.try_get_by_index::<Option<String>>(0)
                    .expect(sql)
                    .unwrap_or_default()
            })
            .collect()
    }

    /// Runs a statement that changes something: to make and drop databases.
    async fn execute(&self, sql: &str) {
        self.0.execute_raw(self.statement(sql)).await.expect(sql);
    }

    fn statement(&self, sql: &str) -> Statement {
        Statement::from_string(self.0.get_database_backend(), sql)
    }

    /// The name of the jobs' table: apalis keeps it in a schema of its own where there are schemas.
    pub(crate) fn jobs_table(&self) -> &'static str {
        match self.0.get_database_backend() {
            DbBackend::Postgres => "apalis.jobs",
            _ => "Jobs",
        }
    }
}

/// A PostgreSQL database of one test's own, dropped with it.
pub(crate) struct PostgresDatabase {
    server: String,
    name: String,
}

impl PostgresDatabase {
    /// A new, empty one; `None`, said visibly, without `DOORSTEP_TEST_POSTGRES_URL`.
    pub(crate) async fn create() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let Ok(server) = std::env::var("DOORSTEP_TEST_POSTGRES_URL") else {
            skip("DOORSTEP_TEST_POSTGRES_URL is not set; see scripts/services");
            return None;
        };
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("doorstep_it_{}_{count}", std::process::id());
        let admin = Database::postgres(&server).await;
        admin
            .execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            .await;
        admin.execute(&format!("CREATE DATABASE {name}")).await;
        Some(Self { server, name })
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        let (server, _) = self.server.rsplit_once('/').expect("a URL with a database");
        format!("{server}/{}", self.name)
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A runtime of its own, because the test's may be ending.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async {
                let admin = Database::postgres(&server).await;
                admin
                    .execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
                    .await;
            });
        });
        // Only a left-over database is lost by a failure here; the test's own outcome stands.
        let _ = dropped.join();
    }
}
