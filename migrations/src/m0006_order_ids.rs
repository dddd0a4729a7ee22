//! The shop's own identifiers of orders, which some of a shop's events name alone; and parcels as sources named them.

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
    "ALTER TABLE orders ADD COLUMN shop_id TEXT",
    "CREATE INDEX orders_by_shop_id ON orders (shop_id)",
    "ALTER TABLE shipments ADD COLUMN order_shop_id TEXT",
    "CREATE INDEX shipments_by_order_shop_id ON shipments (order_shop_id)",
    // The parcel as the source named it: news that named only an order move to its parcel once that is known.
    "ALTER TABLE tracking_events ADD COLUMN told_as TEXT",
    "UPDATE tracking_events SET told_as = tracking_number",
    "CREATE INDEX tracking_events_by_telling ON tracking_events (told_as)",
];

const DOWN: &[&str] = &[
    "DROP INDEX shipments_by_order_shop_id",
    "ALTER TABLE shipments DROP COLUMN order_shop_id",
    "DROP INDEX tracking_events_by_telling",
    "ALTER TABLE tracking_events DROP COLUMN told_as",
    "DROP INDEX orders_by_shop_id",
    "ALTER TABLE orders DROP COLUMN shop_id",
];
