//! Where a customer's device is by the clock, as the web chat tells it: answers count days from there while the shop knows no
//! better.

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

const UP: &[&str] = &["ALTER TABLE conversations ADD COLUMN time_zone TEXT"];

const DOWN: &[&str] = &["ALTER TABLE conversations DROP COLUMN time_zone"];
