//! What shops and carriers tell: events, orders, parcels.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::drop_tables(
            manager,
            &["tracking_events", "shipments", "orders", "commerce_events"],
        )
        .await
    }
}

const UP: &[&str] = &[
    // `raw` is the body as it was signed; `parsed` what we read in it.
    "CREATE TABLE commerce_events (
        id {uuid} PRIMARY KEY,
        source TEXT NOT NULL,
        external_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        raw {blob} NOT NULL,
        parsed TEXT NOT NULL,
        occurred_at BIGINT NOT NULL,
        admitted_at BIGINT NOT NULL,
        enriched_at BIGINT,
        notified_at BIGINT,
        UNIQUE (source, external_id)
    )",
    "CREATE INDEX commerce_events_open ON commerce_events (admitted_at) WHERE notified_at IS NULL",
    "CREATE TABLE orders (
        number TEXT PRIMARY KEY,
        source TEXT NOT NULL,
        customer_id {uuid} REFERENCES customers (id),
        body TEXT NOT NULL,
        as_of BIGINT NOT NULL
    )",
    "CREATE INDEX orders_by_customer ON orders (customer_id)",
    "CREATE TABLE shipments (
        tracking_number TEXT PRIMARY KEY,
        order_number TEXT,
        carrier TEXT NOT NULL,
        status TEXT NOT NULL,
        status_at BIGINT NOT NULL,
        estimated TEXT
    )",
    "CREATE INDEX shipments_by_order ON shipments (order_number)",
    "CREATE TABLE tracking_events (
        event_id {uuid} PRIMARY KEY REFERENCES commerce_events (id),
        tracking_number TEXT NOT NULL,
        status TEXT NOT NULL,
        occurred_at BIGINT NOT NULL,
        message TEXT,
        location TEXT,
        estimated TEXT
    )",
    "CREATE INDEX tracking_events_by_parcel ON tracking_events (tracking_number, occurred_at)",
];
