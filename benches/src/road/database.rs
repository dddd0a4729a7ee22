//! The databases that the road is driven on.

use std::{env, path::Path, time::Instant};

use sea_orm::{ConnectOptions, ConnectionTrait, Database as Connect, DatabaseConnection};

use crate::Outcome;

/// Names the server on which databases may be made, as in the tests.
const POSTGRES_URL: &str = "DOORSTEP_TEST_POSTGRES_URL";
/// Rows that are written one by one.
const ROWS: usize = 2000;
/// As much as an event's raw body.
const ROW_BYTES: usize = 400;

/// A database.
pub(super) enum Database {
    Sqlite,
    Postgres {
        /// Of the server, with a database to connect to.
        url: String,
    },
}

impl Database {
    /// Those that there are.
    pub(super) fn all() -> Vec<Self> {
        let mut all = vec![Self::Sqlite];
        match env::var(POSTGRES_URL) {
            Ok(url) => all.push(Self::Postgres { url }),
            Err(_) => eprintln!("skipped: PostgreSQL ({POSTGRES_URL} is not set)"),
        }
        all
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres { .. } => "PostgreSQL",
        }
    }

    /// The settings of a server on a database that nobody used. SQLite's lies in the server's own folder.
    pub(super) async fn empty(&self) -> Outcome<Vec<(String, String)>> {
        let Self::Postgres { url } = self else {
            return Ok(Vec::new());
        };
        let url = anew(url).await?;
        Ok(vec![
            ("database.kind".to_owned(), "postgres".to_owned()),
            ("database.url".to_owned(), url),
        ])
    }

    /// How many rows a second it takes over one connection, each durable before the next.
    pub(super) async fn bare_inserts_per_s(&self, folder: &Path) -> Outcome<f64> {
        let connection = match self {
            Self::Sqlite => {
                let path = folder.join("bare.db");
                let connection = connect(format!("sqlite://{}?mode=rwc", path.display())).await?;
                // As the server opens its own.
                for pragma in ["journal_mode = WAL", "synchronous = FULL"] {
                    connection
                        .execute_unprepared(&format!("PRAGMA {pragma}"))
                        .await?;
                }
                connection
            }
            Self::Postgres { url } => connect(anew(url).await?).await?,
        };
        connection
            .execute_unprepared(
                "CREATE TABLE bare (number INTEGER PRIMARY KEY, body TEXT NOT NULL)",
            )
            .await?;
        let body = "x".repeat(ROW_BYTES);
        let started = Instant::now();
        for number in 0..ROWS {
            let insert = format!("INSERT INTO bare (number, body) VALUES ({number}, '{body}')");
            connection.execute_unprepared(&insert).await?;
        }
        let rate = ROWS as f64 / started.elapsed().as_secs_f64();
        connection.close().await?;
        Ok(rate)
    }
}

async fn connect(url: String) -> Outcome<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Ok(Connect::connect(options).await?)
}

/// Makes the bench's database on the server anew; its address.
async fn anew(server: &str) -> Outcome<String> {
    const NAME: &str = "doorstep_bench";
    let connection = connect(server.to_owned()).await?;
    for statement in [
        format!("DROP DATABASE IF EXISTS {NAME} WITH (FORCE)"),
        format!("CREATE DATABASE {NAME}"),
    ] {
        connection.execute_unprepared(&statement).await?;
    }
    connection.close().await?;
    let (before, query) = match server.split_once('?') {
        Some((before, query)) => (before, format!("?{query}")),
        None => (server, String::new()),
    };
    let (host, _) = before
        .rsplit_once('/')
        .ok_or_else(|| format!("{POSTGRES_URL} names no database"))?;
    Ok(format!("{host}/{NAME}{query}"))
}
