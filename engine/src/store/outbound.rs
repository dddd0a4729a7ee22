//! Messages that go out: their rows, and their places in the conversation.

use doorstep_core::{
    ConversationId, DeliveryId, InboundMessageId, NotificationId, OutboundMessageId, Timestamp,
    message::{Address, Content},
    notification::DeliveryStatus,
};
use sea_orm::DbErr;

use super::{
    Transaction, execute, query,
    row::{at, json, optional_uuid},
};

/// An outbound message to be stored with its delivery.
pub(crate) struct NewOutbound<'a> {
    pub(crate) id: OutboundMessageId,
    pub(crate) conversation: ConversationId,
    pub(crate) position: i64,
    pub(crate) content: &'a Content,
    pub(crate) language: String,
    pub(crate) in_reply_to: Option<InboundMessageId>,
    pub(crate) notification: Option<NotificationId>,
    pub(crate) delivery: DeliveryId,
    pub(crate) address: &'a Address,
    /// Whether we must send it; else committing it hands it over and the delivery is settled with it.
    pub(crate) delivers: bool,
}

impl NewOutbound<'_> {
    /// Stores the message and its delivery.
    pub(crate) async fn insert(
        &self,
        transaction: &Transaction<'_>,
        now: Timestamp,
    ) -> Result<(), DbErr> {
        execute(
            transaction,
            "INSERT INTO outbound_messages (id, conversation_id, position, content, language, in_reply_to,
                    notification_id, created_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            [
                self.id.0.into(),
                self.conversation.0.into(),
                self.position.into(),
                json(self.content)?,
                self.language.as_str().into(),
                optional_uuid(self.in_reply_to.map(|id| id.0)),
                optional_uuid(self.notification.map(|id| id.0)),
                at(now),
            ],
        )
        .await?;
        if !self.delivers {
            return Ok(());
        }
        execute(
            transaction,
            "INSERT INTO deliveries (id, outbound_id, channel, address, status, next_attempt_at, created_at)
                VALUES ($1, $2, $3, $4, $5, $6, $6)",
            [
                self.delivery.0.into(),
                self.id.0.into(),
                self.address.channel.as_str().into(),
                self.address.id.as_str().into(),
                DeliveryStatus::Pending.as_str().into(),
                at(now),
            ],
        )
        .await?;
        Ok(())
    }
}

/// Takes the next `count` positions of a conversation; returns the first of them. Locks its row.
pub(crate) async fn take_positions(
    transaction: &Transaction<'_>,
    conversation: ConversationId,
    count: i64,
) -> Result<i64, DbErr> {
    let rows = query(
        transaction,
        "UPDATE conversations SET last_position = last_position + $1 WHERE id = $2 RETURNING last_position",
        [count.into(), conversation.0.into()],
    )
    .await?;
    let row = rows
        .first()
        .ok_or_else(|| DbErr::RecordNotFound(format!("conversation {conversation}")))?;
    Ok(row.get::<i64>("last_position")? - count + 1)
}
