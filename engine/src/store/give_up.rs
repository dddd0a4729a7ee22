//! What a person gives up because its job cannot be done: settled, so that nobody takes it up again, and written down.

use async_trait::async_trait;
use doorstep_core::{Ambient, AttachmentId, CommerceEventId, DeliveryId, NotificationId};
use sea_orm::DbErr;

use super::{Store, StoreError, Transaction, execute, people, row::at, write::Write};

/// Why it stands as it does.
const REASON: &str = "given up by a person";

/// What is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// An event: nobody hears of it.
    Event(CommerceEventId),
    /// News that waits: it is not told.
    News(NotificationId),
    /// A message's next channel: it does not get it.
    Fallback(DeliveryId),
    /// A message: it is not sent (any more).
    Delivery(DeliveryId),
    /// A file that a customer sent: it is not fetched.
    Attachment(AttachmentId),
}

impl Store {
    /// Gives something up. What is settled already stays as it is.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn give_up(&self, what: GivenUp) -> Result<(), StoreError> {
        self.write(GiveUp {
            what,
            ambient: self.ambient().clone(),
        })
        .await
    }
}

struct GiveUp {
    what: GivenUp,
    ambient: Ambient,
}

#[async_trait]
impl Write for GiveUp {
    type Output = ();
    const NAME: &'static str = "give_up";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<(), DbErr> {
        let now = at(self.ambient.now());
        let (sql, values, subject) = match self.what {
            GivenUp::Event(id) => (
                "UPDATE commerce_events SET enriched_at = COALESCE(enriched_at, $1), notified_at = $1
                    WHERE id = $2 AND notified_at IS NULL",
                vec![now, id.0.into()],
                id.to_string(),
            ),
            GivenUp::News(id) => (
                "UPDATE notifications SET decision = 'held', reason = $1, due_at = NULL
                    WHERE (id = $2 OR digest_id = $2) AND decision = 'waits'",
                vec![REASON.into(), id.0.into()],
                id.to_string(),
            ),
            GivenUp::Fallback(id) => (
                "UPDATE deliveries SET fallback_at = NULL WHERE id = $1",
                vec![id.0.into()],
                id.to_string(),
            ),
            GivenUp::Delivery(id) => (
                "UPDATE deliveries SET status = 'failed', settled_at = $1, reason = $2, next_attempt_at = NULL,
                        fallback_at = NULL, claimed_by = NULL, claimed_at = NULL
                    WHERE id = $3 AND settled_at IS NULL",
                vec![now, REASON.into(), id.0.into()],
                id.to_string(),
            ),
            GivenUp::Attachment(id) => (
                "UPDATE attachments SET status = 'refused', reason = $1, next_attempt_at = NULL
                    WHERE id = $2 AND status = 'waiting'",
                vec![REASON.into(), id.0.into()],
                id.to_string(),
            ),
        };
        execute(transaction, sql, values).await?;
        people::audit(
            transaction,
            &self.ambient,
            "operator",
            "give_up",
            &subject,
            &REASON,
        )
        .await
    }
}
