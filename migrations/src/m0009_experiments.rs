//! Experiments: which variant a customer got, and whether they followed the link.

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
    // Both NULL where no experiment was on the rule, and where nobody would have been told anyway.
    "ALTER TABLE notifications ADD COLUMN experiment TEXT",
    "ALTER TABLE notifications ADD COLUMN variant TEXT",
    // When the customer first opened the order's tracking page after it was told.
    "ALTER TABLE notifications ADD COLUMN followed_at BIGINT",
    "CREATE INDEX notifications_in_experiments ON notifications (experiment, created_at) WHERE experiment IS NOT NULL",
];

const DOWN: &[&str] = &[
    "DROP INDEX notifications_in_experiments",
    "ALTER TABLE notifications DROP COLUMN followed_at",
    "ALTER TABLE notifications DROP COLUMN variant",
    "ALTER TABLE notifications DROP COLUMN experiment",
];
