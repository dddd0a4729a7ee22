//! Where a person stands in the store: what a request for a copy counts, and what an erasure overwrites.

use std::collections::BTreeSet;

use doorstep_core::{SourceName, event::DataSubject, order::OrderRef};
use sea_orm::{DbErr, Value};
use uuid::Uuid;

use super::super::{Transaction, query};

/// Where a person stands in the store.
#[derive(Default)]
pub(super) struct Traces {
    pub(super) customers: BTreeSet<Uuid>,
    /// Order numbers.
    pub(super) orders: BTreeSet<String>,
    pub(super) conversations: BTreeSet<Uuid>,
    pub(super) events: BTreeSet<Uuid>,
    /// What of a person may stand in an event that no order leads to: pieces of its JSON.
    needles: BTreeSet<String>,
}

impl Traces {
    /// Of a person.
    pub(super) async fn of(
        transaction: &Transaction<'_>,
        person: &DataSubject,
    ) -> Result<Self, DbErr> {
        let mut traces = Self::default();
        let email = person.email.as_deref().map(str::to_lowercase);
        if let Some(id) = &person.shop_id {
            traces
                .needles
                .insert(format!("\"id\":{}", quoted(id.as_str())));
            let asked_before = format!("\"person\":{{\"shop_id\":{}", quoted(id.as_str()));
            traces.needles.insert(asked_before);
            traces
                .customers_by(transaction, "shop_id", id.as_str())
                .await?;
        }
        if let Some(email) = &email {
            traces
                .needles
                .insert(format!("\"email\":{}", quoted(email)));
            traces.customers_by(transaction, "email", email).await?;
        }
        for order in &person.orders {
            traces.order(transaction, order).await?;
        }
        traces.follow_customers(transaction).await?;
        if let Some(email) = &email {
            let sql = "SELECT id FROM conversations WHERE address = $1";
            ids(
                transaction,
                sql,
                [email.as_str().into()],
                &mut traces.conversations,
            )
            .await?;
        }
        traces.find_events(transaction).await?;
        Ok(traces)
    }

    /// Everybody and everything that a source told of.
    pub(super) async fn of_source(
        transaction: &Transaction<'_>,
        source: &SourceName,
    ) -> Result<Self, DbErr> {
        let mut traces = Self::default();
        let rows = query(
            transaction,
            "SELECT number, customer_id FROM orders WHERE source = $1",
            [source.as_str().into()],
        )
        .await?;
        for row in rows {
            traces.orders.insert(row.get("number")?);
            traces
                .customers
                .extend(row.get::<Option<Uuid>>("customer_id")?);
        }
        traces.follow_customers(transaction).await?;
        let sql = "SELECT id FROM commerce_events WHERE source = $1";
        ids(
            transaction,
            sql,
            [source.as_str().into()],
            &mut traces.events,
        )
        .await?;
        traces.find_events(transaction).await?;
        Ok(traces)
    }

    async fn customers_by(
        &mut self,
        transaction: &Transaction<'_>,
        column: &str,
        value: &str,
    ) -> Result<(), DbErr> {
        let sql = format!("SELECT id FROM customers WHERE {column} = $1");
        ids(transaction, &sql, [value.into()], &mut self.customers).await
    }

    async fn order(
        &mut self,
        transaction: &Transaction<'_>,
        order: &OrderRef,
    ) -> Result<(), DbErr> {
        let (column, value) = match order {
            OrderRef::Number(number) => ("number", number.as_str()),
            OrderRef::ShopId { shop_id } => ("shop_id", shop_id.as_str()),
        };
        let sql = format!("SELECT number, customer_id FROM orders WHERE {column} = $1");
        for row in query(transaction, &sql, [value.into()]).await? {
            self.orders.insert(row.get("number")?);
            self.customers
                .extend(row.get::<Option<Uuid>>("customer_id")?);
        }
        Ok(())
    }

    /// From customers to their orders and conversations.
    async fn follow_customers(&mut self, transaction: &Transaction<'_>) -> Result<(), DbErr> {
        for customer in &self.customers {
            let sql = "SELECT number FROM orders WHERE customer_id = $1";
            for row in query(transaction, sql, [(*customer).into()]).await? {
                self.orders.insert(row.get("number")?);
            }
            let sql = "SELECT c.id FROM conversations c
                JOIN identities i ON i.channel = c.channel AND i.address = c.address WHERE i.customer_id = $1";
            ids(
                transaction,
                sql,
                [(*customer).into()],
                &mut self.conversations,
            )
            .await?;
        }
        Ok(())
    }

    /// From orders to what was told of them and of their parcels.
    async fn find_events(&mut self, transaction: &Transaction<'_>) -> Result<(), DbErr> {
        for order in &self.orders {
            self.needles.insert(format!("\"order\":{}", quoted(order)));
            self.needles.insert(format!("\"number\":{}", quoted(order)));
            // Also of parcels that were its once.
            let sql = "SELECT t.event_id AS id FROM tracking_events t
                JOIN shipments s ON s.tracking_number = t.tracking_number WHERE s.order_number = $1
                UNION SELECT t.event_id AS id FROM tracking_events t
                JOIN parcel_claims c ON c.tracking_number = t.tracking_number
                JOIN orders o ON o.number = c.order_number OR (c.order_number IS NULL AND o.shop_id = c.order_shop_id)
                WHERE o.number = $1
                    AND NOT EXISTS (SELECT 1 FROM shipments x WHERE x.tracking_number = t.tracking_number AND x.order_number <> $1)
                UNION SELECT event_id AS id FROM notifications WHERE order_number = $1";
            ids(transaction, sql, [order.as_str().into()], &mut self.events).await?;
            let sql = "SELECT shop_id FROM orders WHERE number = $1 AND shop_id IS NOT NULL";
            for row in query(transaction, sql, [order.as_str().into()]).await? {
                let id: String = row.get("shop_id")?;
                self.needles.insert(format!("\"shop_id\":{}", quoted(&id)));
            }
        }
        for needle in &self.needles {
            let pattern = format!("%{}%", like_literally(needle));
            let sql = "SELECT id FROM commerce_events WHERE parsed LIKE $1 ESCAPE '!'";
            ids(transaction, sql, [pattern.into()], &mut self.events).await?;
        }
        Ok(())
    }
}

async fn ids(
    transaction: &Transaction<'_>,
    sql: &str,
    values: impl IntoIterator<Item = Value> + Send,
    into: &mut BTreeSet<Uuid>,
) -> Result<(), DbErr> {
    for row in query(transaction, sql, values).await? {
        into.insert(row.get("id")?);
    }
    Ok(())
}

/// A text as it stands in JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A text as a pattern of LIKE that finds only itself.
fn like_literally(text: &str) -> String {
    text.replace('!', "!!")
        .replace('%', "!%")
        .replace('_', "!_")
}
