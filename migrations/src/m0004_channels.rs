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
    "ALTER TABLE inbound_messages ADD COLUMN edits TEXT",
    "ALTER TABLE inbound_messages ADD COLUMN new_topic BOOLEAN NOT NULL DEFAULT FALSE",
    // When the next send of a limit would be on time, in microseconds since 1970.
    "CREATE TABLE send_schedules (
        scope TEXT PRIMARY KEY,
        next_at BIGINT NOT NULL
    )",
    // `told` is what the channel said of the file; what it is is in `media_type`.
    "CREATE TABLE attachments (
        id {uuid} PRIMARY KEY,
        inbound_id {uuid} NOT NULL REFERENCES inbound_messages (id),
        number INTEGER NOT NULL,
        kind TEXT NOT NULL,
        told TEXT NOT NULL,
        status TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        next_attempt_at BIGINT,
        object TEXT,
        media_type TEXT,
        size BIGINT,
        reason TEXT
    )",
    "CREATE INDEX attachments_by_message ON attachments (inbound_id)",
    "CREATE INDEX attachments_waiting ON attachments (next_attempt_at) WHERE status = 'waiting'",
    // Tokens with which a customer goes on elsewhere, by hash; each opens once.
    "CREATE TABLE link_tokens (
        hash TEXT PRIMARY KEY,
        channel TEXT NOT NULL,
        address TEXT NOT NULL,
        expires_at BIGINT NOT NULL,
        used_at BIGINT,
        used_channel TEXT,
        used_address TEXT
    )",
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
    "DROP TABLE link_tokens",
    "DROP TABLE attachments",
    "DROP TABLE send_schedules",
    "ALTER TABLE inbound_messages DROP COLUMN new_topic",
    "ALTER TABLE inbound_messages DROP COLUMN edits",
    "ALTER TABLE inbound_messages DROP COLUMN subject",
    "ALTER TABLE conversations DROP COLUMN closed_reason",
    "ALTER TABLE conversations DROP COLUMN closed_at",
];
