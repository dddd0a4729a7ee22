//! Customers, their addresses, and what is said with them.

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
                "audit",
                "handoffs",
                "inbound_messages",
                "conversations",
                "identities",
                "customers",
            ],
        )
        .await
    }
}

const UP: &[&str] = &[
    "CREATE TABLE customers (
        id {uuid} PRIMARY KEY,
        shop_id TEXT UNIQUE,
        name TEXT,
        email TEXT,
        language TEXT,
        time_zone TEXT,
        created_at BIGINT NOT NULL
    )",
    "CREATE INDEX customers_by_email ON customers (email)",
    // An address that is proven to be a customer's.
    "CREATE TABLE identities (
        channel TEXT NOT NULL,
        address TEXT NOT NULL,
        customer_id {uuid} NOT NULL REFERENCES customers (id),
        proven_by TEXT NOT NULL,
        proven_at BIGINT NOT NULL,
        PRIMARY KEY (channel, address)
    )",
    "CREATE INDEX identities_by_customer ON identities (customer_id)",
    // `last_position` counts entries in both directions, `inbound_count` the customer's messages; `handled_count` is
    // the compare-and-swap that makes every message count once and in order (G2, G3).
    "CREATE TABLE conversations (
        id {uuid} PRIMARY KEY,
        channel TEXT NOT NULL,
        address TEXT NOT NULL,
        language TEXT,
        last_position BIGINT NOT NULL DEFAULT 0,
        read_position BIGINT NOT NULL DEFAULT 0,
        inbound_count BIGINT NOT NULL DEFAULT 0,
        handled_count BIGINT NOT NULL DEFAULT 0,
        state TEXT,
        state_at BIGINT,
        created_at BIGINT NOT NULL,
        UNIQUE (channel, address)
    )",
    "CREATE TABLE inbound_messages (
        id {uuid} PRIMARY KEY,
        conversation_id {uuid} NOT NULL REFERENCES conversations (id),
        position BIGINT NOT NULL,
        ordinal BIGINT NOT NULL,
        channel TEXT NOT NULL,
        external_id TEXT NOT NULL,
        text TEXT NOT NULL,
        button TEXT,
        language_hint TEXT,
        proof TEXT,
        sent_at BIGINT NOT NULL,
        admitted_at BIGINT NOT NULL,
        handled_at BIGINT,
        understanding TEXT,
        UNIQUE (channel, external_id),
        UNIQUE (conversation_id, ordinal)
    )",
    "CREATE INDEX inbound_messages_by_position ON inbound_messages (conversation_id, position)",
    "CREATE INDEX inbound_messages_unhandled ON inbound_messages (admitted_at) WHERE handled_at IS NULL",
    "CREATE TABLE handoffs (
        id {uuid} PRIMARY KEY,
        conversation_id {uuid} NOT NULL REFERENCES conversations (id),
        reason TEXT NOT NULL,
        summary TEXT NOT NULL,
        urgent BOOLEAN NOT NULL,
        requested_at BIGINT NOT NULL,
        closed_at BIGINT
    )",
    "CREATE INDEX handoffs_open ON handoffs (conversation_id) WHERE closed_at IS NULL",
    "CREATE TABLE audit (
        id {uuid} PRIMARY KEY,
        at BIGINT NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        detail TEXT NOT NULL
    )",
];
