//! What keeps news back: an open problem of the customer, and what a conversation just told.

use chrono::TimeDelta;
use doorstep_core::{
    CustomerId, OrderNumber, Timestamp,
    event::{CommerceEvent, CommerceEventKind},
    message::{Content, FactSource},
    order::OrderStatus,
};

use super::{Patience, Store, StoreError, row::at};

/// How long a problem that nobody solved keeps back what sells.
const PROBLEM_LASTS: TimeDelta = TimeDelta::days(60);

/// What a conversation may have told before a push does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatNews<'a> {
    /// What a carrier said of a parcel, at that time.
    Scan(Timestamp),
    /// That an order stands in one of these ways, which it does since that time.
    Order(&'a OrderNumber, &'static [OrderStatus], Timestamp),
}

impl ChatNews<'_> {
    /// What an answer that tells how an order stands names as its source.
    pub(crate) fn source(order: &OrderNumber, status: OrderStatus, now: Timestamp) -> FactSource {
        FactSource {
            name: format!("order:{order}:{}", status.as_str()),
            as_of: now,
        }
    }

    fn is_told_by(&self, source: &FactSource) -> bool {
        match self {
            // The store keeps milliseconds.
            Self::Scan(occurred_at) => {
                source.name.starts_with("tracking:")
                    && source.as_of.timestamp_millis() == occurred_at.timestamp_millis()
            }
            Self::Order(order, statuses, since) => {
                source.as_of >= *since
                    && statuses
                        .iter()
                        .any(|status| source.name == Self::source(order, *status, *since).name)
            }
        }
    }
}

/// The order of a return that did not come to nothing, of what was told of a customer's returns by order.
fn open_return(told: &[(Option<String>, CommerceEvent)]) -> Option<&str> {
    let came_to_nothing =
        |order: &Option<String>, begun: &CommerceEvent, which: &Option<String>| {
            told.iter().any(|(other, event)| match &event.kind {
                CommerceEventKind::ReturnDeclined { id, .. }
                | CommerceEventKind::ReturnCancelled { id, .. } => {
                    other == order && id == which && event.occurred_at >= begun.occurred_at
                }
                _ => false,
            })
        };
    let open = told.iter().find(|(order, event)| match &event.kind {
        CommerceEventKind::ReturnRequested { id, .. }
        | CommerceEventKind::ReturnReceived { id, .. } => !came_to_nothing(order, event, id),
        _ => false,
    });
    open.map(|(order, _)| order.as_deref().unwrap_or_default())
}

impl Store {
    /// A parcel, order or return of the customer that is late, damaged, lost or being returned, in words; a refund of its
    /// order closes it, and a return is closed where it is declined or cancelled.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn open_problem(
        &self,
        customer: CustomerId,
        patience: Patience,
    ) -> Result<Option<String>, StoreError> {
        let since = at(self.ambient().now() - PROBLEM_LASTS);
        let refunded =
            "NOT EXISTS (SELECT 1 FROM notifications r JOIN commerce_events f ON f.id = r.event_id
                AND f.kind = 'refund_issued' WHERE r.customer_id = $1 AND r.order_number = ";
        let parcels = format!(
            "SELECT s.order_number, s.status FROM shipments s JOIN orders o ON o.number = s.order_number
                WHERE o.customer_id = $1 AND s.status_at >= $2
                    AND s.status IN ('delayed', 'exception', 'returned_to_sender', 'lost', 'damaged')
                    AND {refunded} s.order_number AND f.occurred_at >= s.status_at) LIMIT 1"
        );
        let rows = self
            .query(&parcels, [customer.0.into(), since.clone()])
            .await?;
        if let Some(row) = rows.first() {
            let order: String = row.get("order_number")?;
            let status: String = row.get("status")?;
            return Ok(Some(format!("a parcel of order {order} is {status}")));
        }
        let returns_sql = format!(
            "SELECT n.order_number, e.parsed FROM notifications n JOIN commerce_events e ON e.id = n.event_id
                WHERE n.customer_id = $1 AND e.occurred_at >= $2
                    AND e.kind IN ('return_requested', 'return_received', 'return_declined', 'return_cancelled')
                    AND {refunded} n.order_number AND f.occurred_at >= e.occurred_at)"
        );
        let mut returns = Vec::new();
        for row in self.query(&returns_sql, [customer.0.into(), since]).await? {
            returns.push((row.get("order_number")?, row.json("parsed")?));
        }
        match open_return(&returns) {
            Some(order) => Ok(Some(format!("order {order} is being returned"))),
            None => self.late_order(customer, patience, PROBLEM_LASTS).await,
        }
    }

    /// Whether an answer to the customer since `since` told the news.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn told_in_chat(
        &self,
        customer: CustomerId,
        news: ChatNews<'_>,
        since: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT o.content FROM identities i
            JOIN conversations c ON c.channel = i.channel AND c.address = i.address
            JOIN outbound_messages o ON o.conversation_id = c.id
            WHERE i.customer_id = $1 AND o.in_reply_to IS NOT NULL AND o.created_at >= $2";
        let rows = self.query(sql, [customer.0.into(), at(since)]).await?;
        for row in &rows {
            let content: Content = row.json("content")?;
            if content.sources.iter().any(|source| news.is_told_by(source)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
