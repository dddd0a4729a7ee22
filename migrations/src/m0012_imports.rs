//! Products that a feed brought, and whose turn it is to compare the catalog.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = &["catalog_turns", "imported_units", "imported_products"];
        crate::drop_tables(manager, tables).await
    }
}

const UP: &[&str] = &[
    // `body` is the product with price and stock as the feed told them; `imported_at` is when it told them last.
    "CREATE TABLE imported_products (
        id TEXT PRIMARY KEY,
        body TEXT NOT NULL,
        imported_at BIGINT NOT NULL
    )",
    // Whose variants they are.
    "CREATE TABLE imported_units (
        sku TEXT NOT NULL,
        product_id TEXT NOT NULL,
        PRIMARY KEY (sku, product_id)
    )",
    "CREATE INDEX imported_units_product ON imported_units (product_id)",
    // One row, shared by all instances. `imports` counts them; until `claimed_until` one instance compares the catalog.
    "CREATE TABLE catalog_turns (
        name TEXT PRIMARY KEY,
        imports BIGINT NOT NULL,
        claimed_by TEXT NOT NULL,
        claimed_until BIGINT NOT NULL
    )",
    "INSERT INTO catalog_turns (name, imports, claimed_by, claimed_until) VALUES ('catalog', 0, '', 0)",
];
