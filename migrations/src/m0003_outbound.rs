//! What we say: notifications, messages, deliveries, and what customers allow.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::drop_tables(
            manager,
            &[
                "consents",
                "preferences",
                "delivery_attempts",
                "deliveries",
                "outbound_messages",
                "notifications",
            ],
        )
        .await
    }
}

const UP: &[&str] = &[
    // `dedupe_key` names the news itself (template and parcel), so that it is told once whoever reports it.
    "CREATE TABLE notifications (
        id {uuid} PRIMARY KEY,
        dedupe_key TEXT NOT NULL UNIQUE,
        event_id {uuid} NOT NULL REFERENCES commerce_events (id),
        customer_id {uuid} REFERENCES customers (id),
        order_number TEXT,
        topic TEXT NOT NULL,
        template TEXT NOT NULL,
        decision TEXT NOT NULL,
        reason TEXT NOT NULL,
        created_at BIGINT NOT NULL
    )",
    "CREATE INDEX notifications_by_customer ON notifications (customer_id, created_at)",
    "CREATE TABLE outbound_messages (
        id {uuid} PRIMARY KEY,
        conversation_id {uuid} NOT NULL REFERENCES conversations (id),
        position BIGINT NOT NULL,
        content TEXT NOT NULL,
        language TEXT NOT NULL,
        in_reply_to {uuid} REFERENCES inbound_messages (id),
        notification_id {uuid} REFERENCES notifications (id),
        created_at BIGINT NOT NULL,
        UNIQUE (conversation_id, position)
    )",
    "CREATE TABLE deliveries (
        id {uuid} PRIMARY KEY,
        outbound_id {uuid} NOT NULL UNIQUE REFERENCES outbound_messages (id),
        channel TEXT NOT NULL,
        address TEXT NOT NULL,
        status TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        claimed_by TEXT,
        claimed_at BIGINT,
        next_attempt_at BIGINT,
        provider_id TEXT,
        reason TEXT,
        created_at BIGINT NOT NULL,
        settled_at BIGINT
    )",
    "CREATE INDEX deliveries_open ON deliveries (status, next_attempt_at) WHERE settled_at IS NULL",
    "CREATE INDEX deliveries_by_provider_id ON deliveries (channel, provider_id)",
    "CREATE TABLE delivery_attempts (
        delivery_id {uuid} NOT NULL REFERENCES deliveries (id),
        number INTEGER NOT NULL,
        started_at BIGINT NOT NULL,
        finished_at BIGINT,
        outcome TEXT,
        reason TEXT,
        PRIMARY KEY (delivery_id, number)
    )",
    "CREATE TABLE preferences (
        customer_id {uuid} NOT NULL REFERENCES customers (id),
        topic TEXT NOT NULL,
        channel TEXT NOT NULL,
        allowed BOOLEAN NOT NULL,
        changed_at BIGINT NOT NULL,
        PRIMARY KEY (customer_id, topic, channel)
    )",
    // Append-only: what a customer agreed to or revoked, and how.
    "CREATE TABLE consents (
        id {uuid} PRIMARY KEY,
        customer_id {uuid} NOT NULL REFERENCES customers (id),
        topic TEXT NOT NULL,
        granted BOOLEAN NOT NULL,
        how TEXT NOT NULL,
        at BIGINT NOT NULL
    )",
    "CREATE INDEX consents_by_customer ON consents (customer_id, topic, at)",
];
