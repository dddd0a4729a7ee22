//! Which days a parcel's customer was told, so that only days that moved are told again.

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

/// JSON with `from` and `to`.
const UP: &[&str] = &["ALTER TABLE shipments ADD COLUMN told_window TEXT"];

const DOWN: &[&str] = &["ALTER TABLE shipments DROP COLUMN told_window"];
