//! Opening SQLite or PostgreSQL.

use std::{path::PathBuf, str::FromStr, sync::Arc};

use doorstep_migrations::Migrator;
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseConnection, SqlxPostgresConnector,
    SqlxSqliteConnector, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
    },
};

use super::{
    StoreError,
    sqlite::{BUSY_TIMEOUT, File},
};

/// Taken while the schema is changed; the number is arbitrary and ours.
const MIGRATION_LOCK: &str = "SELECT pg_advisory_xact_lock(7291846035100)";

/// Which database, and how it is reached.
#[derive(Debug, Clone)]
pub enum DatabaseConfig {
    /// One file; it and its folder are made if missing.
    Sqlite {
        /// Path of the file.
        path: PathBuf,
    },
    /// A PostgreSQL server.
    Postgres {
        /// `postgres://user:password@host:port/database`; holds a password, hence a secret.
        url: SecretString,
        /// Connections of this instance.
        connections: u32,
    },
}

/// An open database.
#[derive(Clone)]
pub struct Database {
    /// PostgreSQL's connections. On SQLite one connection beside the writer's own, for the schema and for apalis.
    pub(crate) pool: DatabaseConnection,
    /// SQLite's file, which the store writes and reads directly.
    pub(crate) file: Option<Arc<File>>,
}

impl Database {
    /// Opens the database. SQLite runs in WAL mode with `synchronous = FULL`: a commit is on disk before it is
    /// reported, also through a power cut (<https://www.sqlite.org/pragma.html#pragma_synchronous>).
    ///
    /// # Errors
    /// The file cannot be made or opened, or the server does not answer.
    pub async fn open(config: &DatabaseConfig) -> Result<Self, StoreError> {
        match config {
            DatabaseConfig::Sqlite { path } => Self::open_sqlite(path).await,
            DatabaseConfig::Postgres { url, connections } => {
                Self::open_postgres(url, *connections).await
            }
        }
    }

    async fn open_sqlite(path: &std::path::Path) -> Result<Self, StoreError> {
        let unusable = |reason: String| StoreError::Open {
            place: path.display().to_string(),
            reason,
        };
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder)
                .await
                .map_err(|error| unusable(error.to_string()))?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options)
            .await
            .map_err(|error| unusable(error.to_string()))?;
        Ok(Self {
            pool: SqlxSqliteConnector::from_sqlx_sqlite_pool(pool),
            file: Some(Arc::new(File::new(path))),
        })
    }

    async fn open_postgres(url: &SecretString, connections: u32) -> Result<Self, StoreError> {
        let options =
            PgConnectOptions::from_str(url.expose_secret()).map_err(|_| StoreError::Open {
                place: "the PostgreSQL server".to_owned(),
                reason: "the URL is not of the form postgres://user:password@host:port/database"
                    .to_owned(),
            })?;
        let place = format!(
            "{}:{}/{}",
            options.get_host(),
            options.get_port(),
            options.get_database().unwrap_or("")
        );
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(BUSY_TIMEOUT)
            .test_before_acquire(false)
            .connect_with(options.application_name("doorstep"))
            .await
            .map_err(|error| StoreError::Open {
                place,
                reason: error.to_string(),
            })?;
        let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
        Ok(Self {
            pool: connection,
            file: None,
        })
    }

    /// Brings the schema up to date. Instances that start together do so one after another.
    ///
    /// # Errors
    /// A migration failed; the ones before it stay applied.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        if !self.is_postgres() {
            return Ok(Migrator::up(&self.pool, None).await?);
        }
        // Held on a connection of its own until the end of this transaction, however that comes.
        let lock = self.pool.begin().await?;
        lock.execute_unprepared(MIGRATION_LOCK).await?;
        Migrator::up(&self.pool, None).await?;
        Ok(lock.commit().await?)
    }

    /// Which migrations have not been applied, by name.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StoreError> {
        let pending = Migrator::get_pending_migrations(&self.pool).await?;
        Ok(pending
            .iter()
            .map(|migration| migration.name().to_owned())
            .collect())
    }

    /// Whether this is PostgreSQL (else SQLite).
    pub fn is_postgres(&self) -> bool {
        self.pool.get_database_backend() == DatabaseBackend::Postgres
    }

    /// SQLite's connection beside the writer's own: for the queue's tables at start, heartbeats and cleaning up. What
    /// is written often goes through the store, whose commits it shares.
    pub fn sqlite_pool(&self) -> Option<&SqlitePool> {
        (!self.is_postgres()).then(|| self.pool.get_sqlite_connection_pool())
    }

    /// PostgreSQL's pool, which the job queue shares.
    pub fn postgres_pool(&self) -> Option<&sqlx::PgPool> {
        self.is_postgres()
            .then(|| self.pool.get_postgres_connection_pool())
    }
}
