//! Orders as shops last told them, and committing what came of looking at an event.

use std::sync::Arc;

use async_trait::async_trait;
use doorstep_core::{
    Ambient, ChannelName, CommerceEventId, CustomerId, OrderNumber, ShopCustomerId, SourceName,
    Timestamp,
    message::Address,
    order::{Order, OrderCustomer, OrderRef, OrderStatus},
};
use sea_orm::DbErr;

use super::{
    ParcelTakenBack, Store, StoreError, Transaction, events, execute,
    parcels::{ParcelUpdate, keep_parcel, link_parcels, take_back},
    people, query, query_one,
    row::{Row, at, json, optional_text, optional_uuid},
    write::Write,
};
use crate::queue::{Job, JobQueue, QueueName};

/// An order as we keep it.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderRecord {
    /// The order.
    pub order: Order,
    /// Who told.
    pub source: SourceName,
    /// When they told, by their clock.
    pub as_of: Timestamp,
    /// Whose it is.
    pub customer: Option<CustomerId>,
}

/// What came of looking at an event: committed in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Enrichment {
    /// The event.
    pub event: CommerceEventId,
    /// The order as it was just told, by whom and as of when.
    pub order: Option<(Order, SourceName, Timestamp)>,
    /// What the event says of a parcel.
    pub parcel: Option<ParcelUpdate>,
    /// The parcel that is none any more.
    pub taken_back: Option<ParcelTakenBack>,
}

/// The identifier of an order's customer: the shop's, or the e-mail address of a guest.
pub fn customer_key(customer: &OrderCustomer) -> Option<ShopCustomerId> {
    let guest = || {
        let email = customer.email.as_deref()?;
        Some(ShopCustomerId(format!("email:{}", email.to_lowercase())))
    };
    customer.id.clone().or_else(guest)
}

impl Store {
    /// Our copy of an order, as last told.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn find_order(
        &self,
        number: &OrderNumber,
    ) -> Result<Option<OrderRecord>, StoreError> {
        let sql = "SELECT body, source, as_of, customer_id FROM orders WHERE number = $1";
        let rows = self.query(sql, [number.as_str().into()]).await?;
        Ok(rows.first().map(read_order).transpose()?)
    }

    /// Our copy of the order that a source names.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn resolve_order(&self, order: &OrderRef) -> Result<Option<OrderRecord>, StoreError> {
        let shop_id = match order {
            OrderRef::Number(number) => return self.find_order(number).await,
            OrderRef::ShopId { shop_id } => shop_id,
        };
        let sql = "SELECT body, source, as_of, customer_id FROM orders WHERE shop_id = $1";
        let rows = self.query(sql, [shop_id.as_str().into()]).await?;
        Ok(rows.first().map(read_order).transpose()?)
    }

    /// The newest orders of a shop's customer, newest first, as last told.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn orders_of(
        &self,
        customer: &ShopCustomerId,
        limit: usize,
    ) -> Result<Vec<Order>, StoreError> {
        let sql = "SELECT o.body FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.shop_id = $1";
        let rows = self.query(sql, [customer.0.as_str().into()]).await?;
        let orders = rows.iter().map(|row| row.json("body"));
        let mut orders: Vec<Order> = orders.collect::<Result<_, _>>()?;
        orders.sort_by_key(|order| std::cmp::Reverse(order.placed_at));
        orders.truncate(limit);
        Ok(orders)
    }

    /// Whether a customer placed another order before this one, as far as we were told.
    ///
    /// # Errors
    /// The store could not be read.
    pub(crate) async fn ordered_before(
        &self,
        customer: CustomerId,
        number: &OrderNumber,
        placed_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT body FROM orders WHERE customer_id = $1 AND number <> $2";
        let rows = self
            .query(sql, [customer.0.into(), number.as_str().into()])
            .await?;
        for row in &rows {
            let other: Order = row.json("body")?;
            if other.placed_at < placed_at {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Commits what came of looking at an event, and enqueues the decision who hears of it. `email` is the channel on
    /// which an order's e-mail address is an address. `false`: another worker was faster, nothing was changed.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn commit_enrichment(
        &self,
        enrichment: Enrichment,
        email: Option<ChannelName>,
    ) -> Result<bool, StoreError> {
        let write = CommitEnrichment {
            enrichment,
            email,
            now: self.ambient().now(),
            ambient: self.ambient().clone(),
            queue: self.queue().clone(),
        };
        let committed = self.write(write).await?;
        if committed {
            self.queue().wake_one(QueueName::Notify);
        }
        Ok(committed)
    }
}

fn read_order(row: &Row) -> Result<OrderRecord, DbErr> {
    Ok(OrderRecord {
        order: row.json("body")?,
        source: SourceName(row.get("source")?),
        as_of: row.time("as_of")?,
        customer: row
            .get::<Option<uuid::Uuid>>("customer_id")?
            .map(CustomerId),
    })
}

struct CommitEnrichment {
    enrichment: Enrichment,
    email: Option<ChannelName>,
    now: Timestamp,
    ambient: Ambient,
    queue: Arc<dyn JobQueue>,
}

#[async_trait]
impl Write for CommitEnrichment {
    type Output = bool;
    const NAME: &'static str = "commit_enrichment";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<bool, DbErr> {
        let event = self.enrichment.event;
        if !events::mark_enriched(transaction, event, self.now).await? {
            return Ok(false);
        }
        let mut decide = vec![event];
        if let Some((order, source, as_of)) = &self.enrichment.order {
            decide.extend(self.keep_order(transaction, order, source, *as_of).await?);
        }
        if let Some(news) = &self.enrichment.parcel {
            keep_parcel(transaction, event, news).await?;
        }
        if let Some(parcel) = &self.enrichment.taken_back {
            take_back(transaction, parcel).await?;
        }
        let jobs: Vec<Job> = decide.into_iter().map(Job::Notify).collect();
        self.queue.enqueue(transaction, &jobs).await?;
        Ok(true)
    }
}

impl CommitEnrichment {
    /// Keeps the order if nothing newer is kept. Returns events that were decided while their order was not known:
    /// they are to be decided again.
    async fn keep_order(
        &self,
        transaction: &Transaction<'_>,
        order: &Order,
        source: &SourceName,
        as_of: Timestamp,
    ) -> Result<Vec<CommerceEventId>, DbErr> {
        lock_order(transaction, &order.number).await?;
        let known = query_one(
            transaction,
            "SELECT as_of FROM orders WHERE number = $1",
            [order.number.as_str().into()],
        )
        .await?;
        if known.is_some() {
            keep_payment(transaction, order, as_of).await?;
        }
        if let Some(known) = &known
            && known.time("as_of")? > as_of
        {
            // Its parcels were its parcels all the same.
            let linked = link_parcels(transaction, order, as_of, false).await?;
            return reopen(transaction, &linked).await;
        }
        let customer = self.keep_customer(transaction, order).await?;
        execute(
            transaction,
            // The body breaks a tie, so that both arrivals of one instant end alike.
            "INSERT INTO orders (number, source, customer_id, body, as_of, shop_id, awaited_payment, paid_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                ON CONFLICT (number) DO UPDATE SET source = excluded.source, body = excluded.body,
                    customer_id = COALESCE(excluded.customer_id, orders.customer_id), as_of = excluded.as_of,
                    shop_id = COALESCE(excluded.shop_id, orders.shop_id)
                WHERE excluded.as_of > orders.as_of
                    OR (excluded.as_of = orders.as_of AND excluded.body > orders.body)",
            [
                order.number.as_str().into(),
                source.as_str().into(),
                optional_uuid(customer.map(|id| id.0)),
                json(order)?,
                at(as_of),
                optional_text(order.shop_id.as_ref()),
                awaits_payment(order).into(),
                paid_at(order, as_of),
            ],
        )
        .await?;
        let linked = link_parcels(transaction, order, as_of, known.is_none()).await?;
        reopen(transaction, &linked).await
    }

    async fn keep_customer(
        &self,
        transaction: &Transaction<'_>,
        order: &Order,
    ) -> Result<Option<CustomerId>, DbErr> {
        let customer = &order.customer;
        let Some(key) = customer_key(customer) else {
            return Ok(None);
        };
        let record = people::ShopCustomer {
            shop_id: key.as_str(),
            name: customer.name.as_deref(),
            email: customer.email.as_deref(),
            language: customer.language.as_ref().map(ToString::to_string),
            time_zone: customer.time_zone.map(|zone| zone.to_string()),
        };
        let id = record.upsert(transaction, self.now).await?;
        if let (Some(channel), Some(email)) = (&self.email, &customer.email) {
            let address = Address::new(channel.as_str(), email.to_lowercase());
            let whose = query_one(
                transaction,
                "SELECT customer_id FROM identities WHERE channel = $1 AND address = $2",
                [address.channel.as_str().into(), address.id.as_str().into()],
            )
            .await?;
            let known = match whose {
                Some(row) => row.get::<uuid::Uuid>("customer_id")? == id.0,
                None => false,
            };
            if !known {
                people::set_identity(transaction, &address, id, "shop_record", self.now).await?;
            }
            if let Some(consent) = customer.marketing {
                let how = format!("order {} at the shop for {channel}", order.number);
                let ambient = &self.ambient;
                people::take_consent(transaction, ambient, id, channel, consent, &how).await?;
            }
        }
        Ok(Some(id))
    }
}

fn awaits_payment(order: &Order) -> bool {
    order.status == OrderStatus::AwaitingPayment
}

/// Since when it is paid, by this telling.
fn paid_at(order: &Order, as_of: Timestamp) -> sea_orm::Value {
    let paid_at = (!awaits_payment(order)).then(|| as_of.timestamp_millis());
    sea_orm::Value::BigInt(paid_at)
}

/// Remembers of an order whether it was told as not paid, and since when as paid, whichever came first.
async fn keep_payment(
    transaction: &Transaction<'_>,
    order: &Order,
    as_of: Timestamp,
) -> Result<(), DbErr> {
    let sql = "UPDATE orders SET awaited_payment = (awaited_payment OR $2),
            paid_at = CASE WHEN paid_at < $3 THEN paid_at ELSE COALESCE($3, paid_at) END WHERE number = $1";
    let values = [
        order.number.as_str().into(),
        awaits_payment(order).into(),
        paid_at(order, as_of),
    ];
    execute(transaction, sql, values).await.map(drop)
}

/// Makes deciding about an order's news and learning of the order happen one after the other, also while there is no row
/// to lock. SQLite has one writer.
pub(crate) async fn lock_order(
    transaction: &Transaction<'_>,
    order: &OrderNumber,
) -> Result<(), DbErr> {
    if transaction.is_postgres() {
        let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        execute(transaction, sql, [format!("order {order}").into()]).await?;
    }
    Ok(())
}

/// Has the events of parcels decided again.
async fn reopen(
    transaction: &Transaction<'_>,
    parcels: &[String],
) -> Result<Vec<CommerceEventId>, DbErr> {
    let mut reopened = Vec::new();
    for parcel in parcels {
        let rows = query(
            transaction,
            "UPDATE commerce_events SET notified_at = NULL WHERE notified_at IS NOT NULL
                AND id IN (SELECT event_id FROM tracking_events WHERE tracking_number = $1) RETURNING id",
            [parcel.as_str().into()],
        )
        .await?;
        for row in rows {
            reopened.push(CommerceEventId(row.get("id")?));
        }
    }
    Ok(reopened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_known_by_their_address() {
        let guest = OrderCustomer {
            id: None,
            name: None,
            marketing: None,
            email: Some("Ada@Example.org".to_owned()),
            language: None,
            time_zone: None,
        };
        assert_eq!(customer_key(&guest), Some("email:ada@example.org".into()));
    }
}
