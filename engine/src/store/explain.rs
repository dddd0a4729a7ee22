//! Why a customer got a message, or did not.

use doorstep_core::{
    CommerceEventId, DeliveryId, NotificationId, OrderNumber, OutboundMessageId, SourceName,
    Timestamp, event::CommerceEvent, message::Content,
};
use sea_orm::{DbErr, Value};
use serde::Serialize;

use super::{Store, StoreError, row::Row};

/// One decision with all that came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained {
    /// The notification.
    pub notification: NotificationId,
    /// Our identifier of the event.
    pub event_id: CommerceEventId,
    /// What happened.
    pub event: CommerceEvent,
    /// The order it is about, where it is known.
    pub order: Option<OrderNumber>,
    /// When it was admitted.
    pub admitted_at: Timestamp,
    /// The rule's name, where there was one.
    pub rule: Option<String>,
    /// The template.
    pub template: String,
    /// `told`, `waits` or `held`.
    pub decision: String,
    /// Why.
    pub reason: String,
    /// The rule's experiment and the customer's variant of it, where it had one.
    pub experiment: Option<(String, String)>,
    /// When it was decided, or first put off.
    pub decided_at: Timestamp,
    /// While it waits, when it is decided again; once told, when that was, if it had waited.
    pub due_at: Option<Timestamp>,
    /// In whose message it is told, when several share one.
    pub told_with: Option<NotificationId>,
    /// What was said.
    pub messages: Vec<ExplainedMessage>,
}

/// A message of a notification.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedMessage {
    /// The message.
    pub id: OutboundMessageId,
    /// The channel.
    pub channel: String,
    /// What it says, with the sources of its facts.
    pub content: Content,
    /// Its language.
    pub language: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// How it was sent; `None` where customers fetch.
    pub delivery: Option<ExplainedDelivery>,
}

/// How a message was sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedDelivery {
    /// The delivery.
    pub id: DeliveryId,
    /// Where it stands.
    pub status: String,
    /// What the provider said last, unless it took the message.
    pub reason: Option<String>,
    /// The provider's identifier of the message.
    pub provider_id: Option<String>,
    /// When it reached the customer's device, by its receipt.
    pub delivered_at: Option<Timestamp>,
    /// When the customer opened it, by its receipt.
    pub read_at: Option<Timestamp>,
    /// When the next channel gets it, unless it arrives.
    pub fallback_at: Option<Timestamp>,
    /// The attempts: when each began, what came of it, and what the provider said.
    pub attempts: Vec<(Timestamp, Option<String>, Option<String>)>,
}

impl Store {
    /// The decision behind a message that we sent unasked; `None` when there is no such message.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn explain_message(
        &self,
        message: OutboundMessageId,
    ) -> Result<Option<Explained>, StoreError> {
        let sql = "SELECT notification_id FROM outbound_messages WHERE id = $1 AND notification_id IS NOT NULL";
        let rows = self.query(sql, [message.0.into()]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let id: uuid::Uuid = row.get("notification_id")?;
        let mut explained = self.explain("n.id = $1", [id.into()]).await?;
        Ok(explained.pop())
    }

    /// All that was decided about an event, in the order of the rules' names.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn explain_event(
        &self,
        event: CommerceEventId,
    ) -> Result<Vec<Explained>, StoreError> {
        self.explain("n.event_id = $1", [event.0.into()]).await
    }

    /// All that was decided about an event of a source, by the identifier that the source gave it; empty until it was
    /// decided.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn explain_event_of(
        &self,
        source: &SourceName,
        external_id: &str,
    ) -> Result<Vec<Explained>, StoreError> {
        let event = [source.as_str().into(), external_id.into()];
        self.explain("e.source = $1 AND e.external_id = $2", event)
            .await
    }

    /// All that was decided about an order and its parcels, oldest first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn explain_order(&self, order: &OrderNumber) -> Result<Vec<Explained>, StoreError> {
        let order = order.as_str().into();
        let mut explained = self.explain("n.order_number = $1", [order]).await?;
        explained.sort_by_key(|decision| (decision.decided_at, decision.notification));
        Ok(explained)
    }

    async fn explain(
        &self,
        which: &str,
        what: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Explained>, StoreError> {
        let sql = format!(
            "SELECT n.*, e.parsed, e.admitted_at FROM notifications n
                JOIN commerce_events e ON e.id = n.event_id WHERE {which} ORDER BY n.rule, n.id"
        );
        let rows = self.query(&sql, what).await?;
        let mut explained = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut decision = read_decision(row)?;
            let speaker = decision.told_with.unwrap_or(decision.notification);
            decision.messages = self.messages_of(speaker).await?;
            explained.push(decision);
        }
        Ok(explained)
    }

    async fn messages_of(
        &self,
        notification: NotificationId,
    ) -> Result<Vec<ExplainedMessage>, StoreError> {
        let sql = "SELECT o.id, o.content, o.language, o.created_at, c.channel, d.id AS delivery_id, d.status, d.reason,
                d.provider_id, d.delivered_at, d.read_at, d.fallback_at
            FROM outbound_messages o JOIN conversations c ON c.id = o.conversation_id
            LEFT JOIN deliveries d ON d.outbound_id = o.id
            WHERE o.notification_id = $1 ORDER BY o.created_at, o.id";
        let rows = self.query(sql, [notification.0.into()]).await?;
        let mut messages = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut message = read_message(row)?;
            if let Some(delivery) = &mut message.delivery {
                delivery.attempts = self.attempts_of(delivery.id).await?;
            }
            messages.push(message);
        }
        Ok(messages)
    }

    async fn attempts_of(
        &self,
        delivery: DeliveryId,
    ) -> Result<Vec<(Timestamp, Option<String>, Option<String>)>, StoreError> {
        let sql = "SELECT started_at, outcome, reason FROM delivery_attempts WHERE delivery_id = $1 ORDER BY number";
        let rows = self.query(sql, [delivery.0.into()]).await?;
        let attempts = rows.iter().map(|row| {
            Ok::<_, DbErr>((
                row.time("started_at")?,
                row.get("outcome")?,
                row.get("reason")?,
            ))
        });
        Ok(attempts.collect::<Result<_, _>>()?)
    }
}

fn read_decision(row: &Row) -> Result<Explained, DbErr> {
    Ok(Explained {
        notification: NotificationId(row.get("id")?),
        event_id: CommerceEventId(row.get("event_id")?),
        event: row.json("parsed")?,
        order: row.get::<Option<String>>("order_number")?.map(OrderNumber),
        admitted_at: row.time("admitted_at")?,
        rule: row.get("rule")?,
        template: row.get("template")?,
        decision: row.get("decision")?,
        reason: row.get("reason")?,
        experiment: row
            .get::<Option<String>>("experiment")?
            .zip(row.get("variant")?),
        decided_at: row.time("created_at")?,
        due_at: row.optional_time("due_at")?,
        told_with: row
            .get::<Option<uuid::Uuid>>("digest_id")?
            .map(NotificationId),
        messages: Vec::new(),
    })
}

fn read_message(row: &Row) -> Result<ExplainedMessage, DbErr> {
    let delivery = match row.get::<Option<uuid::Uuid>>("delivery_id")? {
        None => None,
        Some(id) => Some(ExplainedDelivery {
            id: DeliveryId(id),
            status: row.get("status")?,
            reason: row.get("reason")?,
            provider_id: row.get("provider_id")?,
            delivered_at: row.optional_time("delivered_at")?,
            read_at: row.optional_time("read_at")?,
            fallback_at: row.optional_time("fallback_at")?,
            attempts: Vec::new(),
        }),
    };
    Ok(ExplainedMessage {
        id: OutboundMessageId(row.get("id")?),
        channel: row.get("channel")?,
        content: row.json("content")?,
        language: row.get("language")?,
        created_at: row.time("created_at")?,
        delivery,
    })
}
