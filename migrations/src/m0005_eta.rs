//! What was learnt of how long parcels take.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::drop_tables(manager, &["eta_models"]).await
    }
}

const UP: &[&str] = &[
    // One row, shared by all instances. `body` is empty while there is too little to learn from; `claimed_at` is when an
    // instance last began to learn.
    "CREATE TABLE eta_models (
        name TEXT PRIMARY KEY,
        claimed_at BIGINT NOT NULL,
        learned_at BIGINT NOT NULL,
        body TEXT NOT NULL
    )",
];
