//! What language models cost, by day.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::drop_tables(manager, &["model_usage"]).await
    }
}

const UP: &[&str] = &[
    // `day` counts days of the common era, in UTC; costs are in millionths.
    "CREATE TABLE model_usage (
        day BIGINT PRIMARY KEY,
        tokens BIGINT NOT NULL,
        cost_micros BIGINT NOT NULL
    )",
];
