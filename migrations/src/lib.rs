//! The schema, as sea-orm migrations that run alike on SQLite and PostgreSQL.
//!
//! Conventions: identifiers are UUID version 7; instants (`*_at`) are milliseconds since 1970 in UTC, so that they
//! compare and index alike on both databases; structured values are JSON in text. A migration that was released is
//! never edited: add the next one to [`Migrator::migrations`].

use sea_orm_migration::prelude::*;

mod m0001_conversations;
mod m0002_commerce;
mod m0003_outbound;
mod m0004_channels;
mod m0005_eta;
mod m0006_order_ids;
mod m0007_notify;
mod m0008_model_usage;
mod m0009_experiments;
mod m0010_told_window;
mod m0011_polls;
mod m0012_imports;
mod m0013_news;
mod m0014_visitor_zone;
mod m0015_taken_back;

/// All migrations, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_conversations::Migration),
            Box::new(m0002_commerce::Migration),
            Box::new(m0003_outbound::Migration),
            Box::new(m0004_channels::Migration),
            Box::new(m0005_eta::Migration),
            Box::new(m0006_order_ids::Migration),
            Box::new(m0007_notify::Migration),
            Box::new(m0008_model_usage::Migration),
            Box::new(m0009_experiments::Migration),
            Box::new(m0010_told_window::Migration),
            Box::new(m0011_polls::Migration),
            Box::new(m0012_imports::Migration),
            Box::new(m0013_news::Migration),
            Box::new(m0014_visitor_zone::Migration),
            Box::new(m0015_taken_back::Migration),
        ]
    }
}

/// Creates tables and indexes by plain SQL that both databases take; types differ only where [`types`] says.
pub(crate) async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    let (uuid, blob) = types(manager);
    for statement in statements {
        let sql = statement.replace("{uuid}", uuid).replace("{blob}", blob);
        manager.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}

/// The database's words for a UUID and for bytes.
fn types(manager: &SchemaManager<'_>) -> (&'static str, &'static str) {
    match manager.get_database_backend() {
        sea_orm_migration::sea_orm::DatabaseBackend::Postgres => ("UUID", "BYTEA"),
        _ => ("BLOB", "BLOB"),
    }
}

/// Drops tables, newest first.
pub(crate) async fn drop_tables(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    for table in tables {
        manager
            .get_connection()
            .execute_unprepared(&format!("DROP TABLE {table}"))
            .await?;
    }
    Ok(())
}
