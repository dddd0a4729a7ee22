//! The attempt chain of one message on one channel: claimed by one worker, settled once (G2).

use std::sync::Arc;

use async_trait::async_trait;
use doorstep_core::{
    Ambient, ChannelName, DeliveryId, Language, OutboundMessageId, Timestamp,
    channel::{ReceiptStatus, ReceiptUpdate},
    message::{Address, OutboundMessage, Thread},
    notification::DeliveryStatus,
};
use sea_orm::DbErr;
use uuid::Uuid;

use super::{
    Store, StoreError, Transaction, execute, fallbacks, people, query_one, reach,
    row::{Row, at, optional_text},
    write::Write,
};
use crate::queue::{Job, JobQueue, QueueName};

/// A delivery that this worker alone may attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedDelivery {
    /// Our identifier.
    pub id: DeliveryId,
    /// Which attempt this is, from 1.
    pub attempt: i32,
    /// When the first attempt became due.
    pub created_at: Timestamp,
    /// Where to.
    pub address: Address,
    /// What.
    pub message: OutboundMessage,
    /// Why nothing can be sent there, when that is known already.
    pub closed: Option<String>,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// The provider took it.
    Sent {
        /// The provider's identifier.
        provider_id: String,
    },
    /// Not sent; it is tried again.
    Retry {
        /// Not before this.
        at: Timestamp,
        /// What the provider said.
        reason: String,
    },
    /// Given up.
    Failed {
        /// Why.
        reason: String,
    },
    /// Given up, and nothing more is sent to the address until its customer writes.
    Gone {
        /// What the provider said.
        reason: String,
    },
    /// Whether it was sent is unknown.
    Ambiguous {
        /// What happened.
        reason: String,
    },
}

impl Settlement {
    /// Its name in metrics and in the list of attempts.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Sent { .. } => "sent",
            Self::Retry { .. } => "retry",
            Self::Failed { .. } => "failed",
            Self::Gone { .. } => "gone",
            Self::Ambiguous { .. } => "ambiguous",
        }
    }

    fn status(&self) -> DeliveryStatus {
        match self {
            Self::Sent { .. } => DeliveryStatus::Sent,
            Self::Retry { .. } => DeliveryStatus::Pending,
            Self::Failed { .. } | Self::Gone { .. } => DeliveryStatus::Failed,
            Self::Ambiguous { .. } => DeliveryStatus::Ambiguous,
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::Sent { .. } => None,
            Self::Retry { reason, .. }
            | Self::Failed { reason }
            | Self::Gone { reason }
            | Self::Ambiguous { reason } => Some(reason),
        }
    }
}

impl Store {
    /// Claims a delivery for its next attempt, `made` being how many were made before. `None`: it is not waiting for
    /// that attempt, because another worker has it or it is settled.
    ///
    /// # Errors
    /// Nothing was claimed.
    pub async fn claim_delivery(
        &self,
        delivery: DeliveryId,
        made: i32,
    ) -> Result<Option<ClaimedDelivery>, StoreError> {
        self.write(ClaimDelivery {
            delivery,
            made,
            instance: self.instance().to_owned(),
            now: self.ambient().now(),
        })
        .await
    }

    /// Settles an attempt. `false`: the claim was taken away meanwhile and the outcome no longer counts.
    ///
    /// # Errors
    /// Nothing was changed; the sweep will find the claim.
    pub async fn settle_delivery(
        &self,
        claimed: &ClaimedDelivery,
        settlement: &Settlement,
    ) -> Result<bool, StoreError> {
        let retried = matches!(settlement, Settlement::Retry { .. });
        let failed = settlement.status() == DeliveryStatus::Failed;
        let settled = self
            .write(SettleDelivery {
                delivery: claimed.id,
                attempt: claimed.attempt,
                address: claimed.address.clone(),
                news: claimed.message.is_news(),
                settlement: settlement.clone(),
                ambient: self.ambient().clone(),
                queue: self.queue().clone(),
            })
            .await?;
        if settled && retried {
            self.queue().wake_one(QueueName::Deliver {
                channel: &claimed.address.channel,
                news: claimed.message.is_news(),
            });
        }
        if settled && failed {
            self.queue().wake_one(QueueName::FallBack);
        }
        Ok(settled)
    }

    /// Settles a delivery by what its provider says of it, also an ambiguous one. `false`: we know of no such
    /// delivery, or the news changes nothing.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn settle_by_receipt(
        &self,
        channel: &ChannelName,
        receipt: &ReceiptUpdate,
    ) -> Result<bool, StoreError> {
        self.write(SettleByReceipt {
            channel: channel.clone(),
            receipt: receipt.clone(),
            ambient: self.ambient().clone(),
            queue: self.queue().clone(),
        })
        .await
    }

    /// Where a delivery stands.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn delivery_status(
        &self,
        delivery: DeliveryId,
    ) -> Result<Option<String>, StoreError> {
        let sql = "SELECT status FROM deliveries WHERE id = $1";
        let rows = self.query(sql, [delivery.0.into()]).await?;
        Ok(rows.first().map(|row| row.get("status")).transpose()?)
    }
}

struct ClaimDelivery {
    delivery: DeliveryId,
    made: i32,
    instance: String,
    now: Timestamp,
}

#[async_trait]
impl Write for ClaimDelivery {
    type Output = Option<ClaimedDelivery>;
    const NAME: &'static str = "claim_delivery";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Option<ClaimedDelivery>, DbErr> {
        let claimed = query_one(
            transaction,
            "UPDATE deliveries SET status = 'sending', claimed_by = $1, claimed_at = $2, attempts = attempts + 1
                WHERE id = $3 AND status = 'pending' AND attempts = $4
                RETURNING outbound_id, channel, address, attempts, created_at",
            [
                self.instance.as_str().into(),
                at(self.now),
                self.delivery.0.into(),
                self.made.into(),
            ],
        )
        .await?;
        let Some(claimed) = claimed else {
            return Ok(None);
        };
        let attempt: i32 = claimed.get("attempts")?;
        execute(
            transaction,
            "INSERT INTO delivery_attempts (delivery_id, number, started_at) VALUES ($1, $2, $3)",
            [self.delivery.0.into(), attempt.into(), at(self.now)],
        )
        .await?;
        let id: Uuid = claimed.get("outbound_id")?;
        let message = query_one(
            transaction,
            // The thread is what it answers, else what the customer wrote last.
            "SELECT o.id, o.content, o.language, o.in_reply_to, m.external_id AS answers, m.subject,
                    (SELECT MAX(l.sent_at) FROM inbound_messages l WHERE l.conversation_id = o.conversation_id)
                        AS last_inbound_at, c.closed_reason
                FROM outbound_messages o
                JOIN conversations c ON c.id = o.conversation_id
                LEFT JOIN inbound_messages m ON m.id = COALESCE(o.in_reply_to,
                    (SELECT n.id FROM inbound_messages n WHERE n.conversation_id = o.conversation_id
                        ORDER BY n.position DESC LIMIT 1))
                WHERE o.id = $1",
            [id.into()],
        )
        .await?
        .ok_or_else(|| DbErr::RecordNotFound(format!("outbound message {id}")))?;
        Ok(Some(ClaimedDelivery {
            id: self.delivery,
            attempt,
            created_at: claimed.time("created_at")?,
            address: Address::new(
                claimed.get::<String>("channel")?,
                claimed.get::<String>("address")?,
            ),
            message: read_message(&message)?,
            closed: message.get("closed_reason")?,
        }))
    }
}

fn read_message(row: &Row) -> Result<OutboundMessage, DbErr> {
    let in_reply_to: Option<Uuid> = row.get("in_reply_to")?;
    Ok(OutboundMessage {
        id: OutboundMessageId(row.get("id")?),
        content: row.json("content")?,
        language: row
            .optional_parsed("language")?
            .unwrap_or(Language::ENGLISH),
        in_reply_to: in_reply_to.map(doorstep_core::InboundMessageId),
        thread: Thread {
            answers: row.get("answers")?,
            subject: row.get("subject")?,
            last_inbound_at: row.optional_time("last_inbound_at")?,
        },
    })
}

struct SettleDelivery {
    delivery: DeliveryId,
    attempt: i32,
    address: Address,
    news: bool,
    settlement: Settlement,
    ambient: Ambient,
    queue: Arc<dyn JobQueue>,
}

#[async_trait]
impl Write for SettleDelivery {
    type Output = bool;
    const NAME: &'static str = "settle_delivery";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<bool, DbErr> {
        let now = self.ambient.now();
        let settlement = &self.settlement;
        let (next, provider_id, settled) = match settlement {
            Settlement::Sent { provider_id } => (None, Some(provider_id.as_str()), Some(now)),
            Settlement::Retry { at, .. } => (Some(*at), None, None),
            Settlement::Failed { .. } | Settlement::Gone { .. } => (None, None, Some(now)),
            Settlement::Ambiguous { .. } => (None, None, None),
        };
        // An attempt that the sweep called ambiguous and whose outcome is now known is settled by it.
        let changed = execute(
            transaction,
            "UPDATE deliveries SET status = $1, next_attempt_at = $2, provider_id = $3, reason = $4, settled_at = $5,
                    claimed_by = NULL, claimed_at = NULL
                WHERE id = $6 AND attempts = $7 AND status IN ('sending', 'ambiguous')",
            [
                settlement.status().as_str().into(),
                millis(next),
                optional_text(provider_id),
                optional_text(settlement.reason()),
                millis(settled),
                self.delivery.0.into(),
                self.attempt.into(),
            ],
        )
        .await?;
        if changed == 0 {
            return Ok(false);
        }
        execute(
            transaction,
            "UPDATE delivery_attempts SET finished_at = $1, outcome = $2, reason = $3
                WHERE delivery_id = $4 AND number = $5",
            [
                at(now),
                settlement.as_str().into(),
                optional_text(settlement.reason()),
                self.delivery.0.into(),
                self.attempt.into(),
            ],
        )
        .await?;
        match settlement {
            Settlement::Retry { at, .. } => {
                let job = Job::Deliver {
                    delivery: self.delivery,
                    channel: self.address.channel.clone(),
                    news: self.news,
                    attempt: self.attempt,
                    not_before: *at,
                };
                self.queue.enqueue(transaction, &[job]).await?;
            }
            Settlement::Failed { reason } => {
                self.audit(transaction, "fail_delivery", reason).await?;
                fallbacks::bring_forward(transaction, &self.queue, self.delivery, now).await?;
            }
            Settlement::Gone { reason } => {
                reach::close(transaction, &self.address, reason, now).await?;
                self.audit(transaction, "fail_delivery", reason).await?;
                fallbacks::bring_forward(transaction, &self.queue, self.delivery, now).await?;
            }
            Settlement::Ambiguous { reason } => {
                self.audit(transaction, "lose_track_of_delivery", reason)
                    .await?;
            }
            Settlement::Sent { .. } => {}
        }
        Ok(true)
    }
}

impl SettleDelivery {
    async fn audit(
        &self,
        transaction: &Transaction<'_>,
        action: &str,
        reason: &str,
    ) -> Result<(), DbErr> {
        let subject = self.delivery.to_string();
        people::audit(
            transaction,
            &self.ambient,
            "delivery",
            action,
            &subject,
            &reason,
        )
        .await
    }
}

pub(super) fn millis(time: Option<Timestamp>) -> sea_orm::Value {
    sea_orm::Value::BigInt(time.map(|time| time.timestamp_millis()))
}

struct SettleByReceipt {
    channel: ChannelName,
    receipt: ReceiptUpdate,
    ambient: Ambient,
    queue: Arc<dyn JobQueue>,
}

#[async_trait]
impl Write for SettleByReceipt {
    type Output = bool;
    const NAME: &'static str = "settle_by_receipt";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<bool, DbErr> {
        let (status, from) = match &self.receipt.status {
            ReceiptStatus::Sent | ReceiptStatus::Delivered | ReceiptStatus::Read => {
                (DeliveryStatus::Sent, "('sending', 'ambiguous')")
            }
            ReceiptStatus::Failed { .. } => {
                (DeliveryStatus::Failed, "('sending', 'ambiguous', 'sent')")
            }
        };
        // A send whose answer was lost has no provider's identifier yet, but providers that take ours give it back.
        let ours = self.receipt.message.map(|id| id.0).unwrap_or_default();
        fallbacks::note_arrival(transaction, &self.channel, &self.receipt).await?;
        let sql = format!(
            "UPDATE deliveries SET status = $1, settled_at = $2, provider_id = COALESCE($3, provider_id), reason = $4,
                    claimed_by = NULL, claimed_at = NULL
                WHERE channel = $5 AND (provider_id = $3 OR outbound_id = $6) AND status IN {from} RETURNING id, address"
        );
        let failure = match &self.receipt.status {
            ReceiptStatus::Failed { reason, .. } => Some(reason.as_str()),
            _ => None,
        };
        let settled = query_one(
            transaction,
            &sql,
            [
                status.as_str().into(),
                at(self.ambient.now()),
                optional_text(self.receipt.provider_id.as_deref()),
                optional_text(failure),
                self.channel.as_str().into(),
                ours.into(),
            ],
        )
        .await?;
        let Some(settled) = settled else {
            return Ok(false);
        };
        if let ReceiptStatus::Failed { reason, gone: true } = &self.receipt.status {
            let address = Address::new(self.channel.clone(), settled.get::<String>("address")?);
            reach::close(transaction, &address, reason, self.ambient.now()).await?;
        }
        if failure.is_some() {
            let delivery = DeliveryId(settled.get("id")?);
            let now = self.ambient.now();
            fallbacks::bring_forward(transaction, &self.queue, delivery, now).await?;
            let subject = delivery.to_string();
            let (actor, action) = (self.channel.as_str(), "fail_delivery");
            people::audit(
                transaction,
                &self.ambient,
                actor,
                action,
                &subject,
                &"receipt",
            )
            .await?;
        }
        Ok(true)
    }
}
