//! The shop's own identifiers of orders: some of a shop's events name nothing else.

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
];

const DOWN: &[&str] = &[
    "DROP INDEX orders_by_shop_id",
    "ALTER TABLE orders DROP COLUMN shop_id",
];
