//! What channels with a provider need: closed addresses, subjects, edits, and how far a connection has read.

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
    // Set while nothing can be sent there: the customer blocked us, or the address is no more.
    "ALTER TABLE conversations ADD COLUMN closed_at BIGINT",
    "ALTER TABLE conversations ADD COLUMN closed_reason TEXT",
    "ALTER TABLE inbound_messages ADD COLUMN subject TEXT",
    // How far a listening channel has read (`uid:INBOX`, `session`).
    "CREATE TABLE cursors (
        channel TEXT NOT NULL,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        changed_at BIGINT NOT NULL,
        PRIMARY KEY (channel, name)
    )",
];

const DOWN: &[&str] = &[
    "DROP TABLE cursors",
    "ALTER TABLE inbound_messages DROP COLUMN subject",
    "ALTER TABLE conversations DROP COLUMN closed_reason",
    "ALTER TABLE conversations DROP COLUMN closed_at",
];
