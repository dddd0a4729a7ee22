//! What was said of whose a parcel is, each with its time: that it was packed, listed with its order, or taken back. Whose it
//! is follows from all of it, in whatever order it came. And since when an order is paid that was not when it was placed.

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
    // One row a parcel and order as a source names it: by its number, or by the shop's identifier.
    "CREATE TABLE parcel_claims (
        tracking_number TEXT NOT NULL,
        told_as TEXT NOT NULL,
        order_number TEXT,
        order_shop_id TEXT,
        packed_at BIGINT,
        listed_at BIGINT,
        taken_back_at BIGINT,
        PRIMARY KEY (tracking_number, told_as)
    )",
    "CREATE INDEX parcel_claims_by_order ON parcel_claims (order_number)",
    "CREATE INDEX parcel_claims_by_order_shop_id ON parcel_claims (order_shop_id)",
    "INSERT INTO parcel_claims (tracking_number, told_as, order_number)
        SELECT tracking_number, order_number, order_number FROM shipments WHERE order_number IS NOT NULL",
    "INSERT INTO parcel_claims (tracking_number, told_as, order_shop_id)
        SELECT tracking_number, 'shop id ' || order_shop_id, order_shop_id FROM shipments
        WHERE order_shop_id IS NOT NULL ON CONFLICT (tracking_number, told_as) DO NOTHING",
    // When the order last named its parcels.
    "ALTER TABLE orders ADD COLUMN parcels_listed_at BIGINT",
    // Whether it was ever told as not paid, and since when it was told as paid.
    "ALTER TABLE orders ADD COLUMN awaited_payment BOOLEAN NOT NULL DEFAULT FALSE",
    "ALTER TABLE orders ADD COLUMN paid_at BIGINT",
    "UPDATE orders SET awaited_payment = TRUE WHERE body LIKE '%\"status\":\"awaiting_payment\"%'",
    // When its carrier said that its label counts no more.
    "ALTER TABLE shipments ADD COLUMN void_at BIGINT",
    "DROP INDEX shipments_by_order_shop_id",
    "ALTER TABLE shipments DROP COLUMN order_shop_id",
];

const DOWN: &[&str] = &[
    "ALTER TABLE shipments ADD COLUMN order_shop_id TEXT",
    "CREATE INDEX shipments_by_order_shop_id ON shipments (order_shop_id)",
    "UPDATE shipments SET order_shop_id = (SELECT MIN(c.order_shop_id) FROM parcel_claims c
        WHERE c.tracking_number = shipments.tracking_number)",
    "ALTER TABLE shipments DROP COLUMN void_at",
    "ALTER TABLE orders DROP COLUMN paid_at",
    "ALTER TABLE orders DROP COLUMN awaited_payment",
    "ALTER TABLE orders DROP COLUMN parcels_listed_at",
    "DROP TABLE parcel_claims",
];
