//! What names a piece of news says what happened, so that a problem with a parcel and its loss are two; and the next channel
//! may have a message that arrived and was not read.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let place = match manager.get_database_backend() {
            sea_orm_migration::sea_orm::DatabaseBackend::Postgres => "strpos",
            _ => "instr",
        };
        let keys = KEYS.replace("{place}", place);
        crate::run(manager, &[keys.as_str(), UNTIL_READ]).await
    }

    /// The keys stay: two of them may be one in the older form, and what is told by them is told.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, DOWN).await
    }
}

/// `shipped:parcel:T1` becomes `shipped:in_transit:parcel:T1`. News of expected days names them instead, and stays.
const KEYS: &str =
    "UPDATE notifications SET dedupe_key = substr(dedupe_key, 1, {place}(dedupe_key, ':'))
        || (SELECT CASE e.kind WHEN 'fulfilled' THEN 'pre_transit' ELSE e.kind END
            FROM commerce_events e WHERE e.id = notifications.event_id)
        || substr(dedupe_key, {place}(dedupe_key, ':'))
    WHERE decision <> 'held' AND (dedupe_key LIKE '%:parcel:%' OR dedupe_key LIKE '%:order:%')
        AND dedupe_key NOT LIKE '%:____-__-__/____-__-__'";

/// Whether only reading it, and not that it arrived, keeps it from the next channel.
const UNTIL_READ: &str =
    "ALTER TABLE deliveries ADD COLUMN fallback_until_read BOOLEAN NOT NULL DEFAULT FALSE";

const DOWN: &[&str] = &["ALTER TABLE deliveries DROP COLUMN fallback_until_read"];
