//! What deciding remembers: the rule, news that waits, and when the next channel gets a message.

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
    // The rule's name; NULL in rows from before rules had names, and where no rule was on the event.
    "ALTER TABLE notifications ADD COLUMN rule TEXT",
    "ALTER TABLE notifications ADD COLUMN urgent BOOLEAN NOT NULL DEFAULT FALSE",
    // Set while `decision` is `waits`: when it is decided again.
    "ALTER TABLE notifications ADD COLUMN due_at BIGINT",
    // The notification in whose message this one is told, when parcels of one order share a message.
    "ALTER TABLE notifications ADD COLUMN digest_id {uuid} REFERENCES notifications (id)",
    "CREATE INDEX notifications_waiting ON notifications (due_at) WHERE decision = 'waits'",
    "CREATE INDEX notifications_by_event ON notifications (event_id)",
    "CREATE INDEX notifications_by_digest ON notifications (digest_id) WHERE digest_id IS NOT NULL",
    "CREATE INDEX outbound_messages_by_notification ON outbound_messages (notification_id)
        WHERE notification_id IS NOT NULL",
    // When the next channel of the rule gets the message, unless it arrived; NULL when none does.
    "ALTER TABLE deliveries ADD COLUMN fallback_at BIGINT",
    "ALTER TABLE deliveries ADD COLUMN delivered_at BIGINT",
    "ALTER TABLE deliveries ADD COLUMN read_at BIGINT",
    "CREATE INDEX deliveries_falling_back ON deliveries (fallback_at) WHERE fallback_at IS NOT NULL",
];

const DOWN: &[&str] = &[
    "DROP INDEX deliveries_falling_back",
    "ALTER TABLE deliveries DROP COLUMN read_at",
    "ALTER TABLE deliveries DROP COLUMN delivered_at",
    "ALTER TABLE deliveries DROP COLUMN fallback_at",
    "DROP INDEX outbound_messages_by_notification",
    "DROP INDEX notifications_by_digest",
    "DROP INDEX notifications_by_event",
    "DROP INDEX notifications_waiting",
    "ALTER TABLE notifications DROP COLUMN digest_id",
    "ALTER TABLE notifications DROP COLUMN due_at",
    "ALTER TABLE notifications DROP COLUMN urgent",
    "ALTER TABLE notifications DROP COLUMN rule",
];
