//! Asking carriers for parcels: whose turn it is, and when each parcel is asked for again; and what sources say of parcels
//! themselves.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, DOWN).await
    }
}

const UP: &[&str] = &[
    // One row a source. Until `claimed_until` one instance asks; until `held_until` nobody does, after `failures` in a row.
    "CREATE TABLE poll_turns (
        source TEXT PRIMARY KEY,
        claimed_by TEXT NOT NULL,
        claimed_until BIGINT NOT NULL,
        held_until BIGINT NOT NULL,
        failures INTEGER NOT NULL
    )",
    // `since` is when a parcel was first to be asked for.
    "CREATE TABLE polled_parcels (
        source TEXT NOT NULL,
        tracking_number TEXT NOT NULL,
        since BIGINT NOT NULL,
        due_at BIGINT NOT NULL,
        failures INTEGER NOT NULL,
        PRIMARY KEY (source, tracking_number)
    )",
    "CREATE INDEX polled_parcels_due ON polled_parcels (source, due_at)",
    // Those that news are expected of.
    "CREATE INDEX shipments_open ON shipments (order_number)
        WHERE status NOT IN ('delivered', 'returned_to_sender', 'lost')",
    // Country and region, the carrier's product, and grams.
    "ALTER TABLE shipments ADD COLUMN origin TEXT",
    "ALTER TABLE shipments ADD COLUMN service TEXT",
    "ALTER TABLE shipments ADD COLUMN weight_g BIGINT",
];

const DOWN: &[&str] = &[
    "ALTER TABLE shipments DROP COLUMN weight_g",
    "ALTER TABLE shipments DROP COLUMN service",
    "ALTER TABLE shipments DROP COLUMN origin",
    "DROP INDEX shipments_open",
    "DROP TABLE polled_parcels",
    "DROP TABLE poll_turns",
];
