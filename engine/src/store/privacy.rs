//! What the law asks of whoever stores people's data: a customer's are erased when their shop says so, and a request for a
//! copy becomes an entry that a person sees (GDPR articles 15 and 17; Shopify's mandatory topics).
//!
//! Erased is erased: names, addresses, texts, bodies of webhooks and of orders are overwritten in the transaction that
//! takes the request, the request itself among them. Files that they sent leave the storage right after it; their rows stay
//! until they have. Orders keep their number, days, goods and amounts, parcels their states, and the audit a line that holds
//! nothing of the person.

mod news;

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use doorstep_core::{
    Ambient, CommerceEventId, SourceName, Timestamp,
    event::{CommerceEvent, CommerceEventKind, DataSubject},
    message::{Address, Content},
    order::{Order, OrderCustomer, OrderRef},
};
use sea_orm::{DbErr, Value};
use serde::Serialize;
use uuid::Uuid;

use super::{
    Store, StoreError, Transaction, attachments, events, execute, people, query,
    row::{Row, at, json},
    write::Write,
};
use crate::queue::{Job, JobQueue, QueueName};

/// Actions of the audit, as they are written there.
const ASKED: &str = "request_customer_data";
const ERASED: &str = "erase_customer";
const SHOP_ERASED: &str = "erase_shop";

/// What a source asks about people's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivacyRequest {
    source: SourceName,
    wish: Wish,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    Copy(DataSubject),
    Erase(DataSubject),
    EraseAll,
}

/// A line of the audit about people's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrivacyRecord {
    /// When.
    pub at: Timestamp,
    /// Which source asked: `source:shopify`.
    pub actor: String,
    /// What for: `request_customer_data`, `erase_customer` or `erase_shop`.
    pub action: String,
    /// The shop's identifier of the customer, of a request for a copy; nothing of the person otherwise.
    pub subject: String,
    /// What was found or erased, as JSON.
    pub detail: String,
}

impl PrivacyRequest {
    /// The request that an event is, if it is one.
    pub fn of(event: &CommerceEvent) -> Option<Self> {
        let wish = match &event.kind {
            CommerceEventKind::CustomerDataRequested { person } => Wish::Copy(person.clone()),
            CommerceEventKind::CustomerRedacted { person } => Wish::Erase(person.clone()),
            CommerceEventKind::ShopRedacted => Wish::EraseAll,
            _ => return None,
        };
        Some(Self {
            source: event.source.clone(),
            wish,
        })
    }
}

impl Store {
    /// Does what a privacy event asks, in one transaction with marking it done. `false`: it was done before.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn commit_privacy(
        &self,
        event: CommerceEventId,
        request: PrivacyRequest,
    ) -> Result<bool, StoreError> {
        let done = self
            .write(CommitPrivacy {
                event,
                request,
                queue: self.queue().clone(),
                ambient: self.ambient().clone(),
            })
            .await?;
        self.queue().wake_one(QueueName::FetchAttachment);
        Ok(done)
    }

    /// What was asked about people's data and what was done, newest first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn privacy_records(&self) -> Result<Vec<PrivacyRecord>, StoreError> {
        let sql = "SELECT at, actor, action, subject, detail FROM audit WHERE action IN ($1, $2, $3) ORDER BY at DESC, id DESC";
        let rows = self
            .query(sql, [ASKED.into(), ERASED.into(), SHOP_ERASED.into()])
            .await?;
        let read = |row: &Row| {
            Ok(PrivacyRecord {
                at: row.time("at")?,
                actor: row.get("actor")?,
                action: row.get("action")?,
                subject: row.get("subject")?,
                detail: row.get("detail")?,
            })
        };
        rows.iter().map(read).collect()
    }
}

struct CommitPrivacy {
    event: CommerceEventId,
    request: PrivacyRequest,
    queue: Arc<dyn JobQueue>,
    ambient: Ambient,
}

#[async_trait]
impl Write for CommitPrivacy {
    type Output = bool;
    const NAME: &'static str = "commit_privacy";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<bool, DbErr> {
        let now = self.ambient.now();
        if !events::mark_enriched(transaction, self.event, now).await? {
            return Ok(false);
        }
        // Nobody hears of it.
        events::mark_notified(transaction, self.event, now).await?;
        overwrite_what_is_freed(transaction, true).await?;
        let done = self.fulfil(transaction, now).await;
        overwrite_what_is_freed(transaction, false).await?;
        done?;
        Ok(true)
    }
}

/// SQLite writes zeros over what is freed within pages that it writes anyway; now also over whole pages
/// (<https://www.sqlite.org/pragma.html#pragma_secure_delete>).
async fn overwrite_what_is_freed(transaction: &Transaction<'_>, on: bool) -> Result<(), DbErr> {
    if !transaction.is_postgres() {
        let sql = if on {
            "PRAGMA secure_delete = ON"
        } else {
            "PRAGMA secure_delete = FAST"
        };
        query(transaction, sql, []).await?;
    }
    Ok(())
}

impl CommitPrivacy {
    async fn fulfil(&self, transaction: &Transaction<'_>, now: Timestamp) -> Result<(), DbErr> {
        match &self.request.wish {
            Wish::Copy(person) => self.note_request(transaction, person).await?,
            Wish::Erase(person) => {
                let traces = Traces::of(transaction, person).await?;
                let erased = self.erase(transaction, &traces, now).await?;
                blank_event(transaction, self.event).await?;
                for name in [
                    person.shop_id.as_ref().map(|id| id.as_str()),
                    person.email.as_deref(),
                ] {
                    let sql =
                        "UPDATE audit SET subject = 'erased' WHERE action = $1 AND subject = $2";
                    let name = name.unwrap_or_default();
                    execute(transaction, sql, [ASKED.into(), name.into()]).await?;
                }
                self.audit(transaction, ERASED, "a customer", &erased)
                    .await?;
            }
            Wish::EraseAll => {
                let traces = Traces::of_source(transaction, &self.request.source).await?;
                let erased = self.erase(transaction, &traces, now).await?;
                self.audit(
                    transaction,
                    SHOP_ERASED,
                    self.request.source.as_str(),
                    &erased,
                )
                .await?;
            }
        }
        Ok(())
    }
}

impl CommitPrivacy {
    async fn erase(
        &self,
        transaction: &Transaction<'_>,
        traces: &Traces,
        now: Timestamp,
    ) -> Result<Erased, DbErr> {
        let (erased, jobs) = traces.erase(transaction, now).await?;
        self.queue.enqueue(transaction, &jobs).await?;
        Ok(erased)
    }

    /// The entry that a person answers: whose data, and how much there is.
    async fn note_request(
        &self,
        transaction: &Transaction<'_>,
        person: &DataSubject,
    ) -> Result<(), DbErr> {
        let traces = Traces::of(transaction, person).await?;
        let found = Found {
            customers: traces.customers.iter().map(Uuid::to_string).collect(),
            orders: traces.orders.iter().cloned().collect(),
            conversations: traces.conversations.len(),
        };
        let subject = match (&person.shop_id, &person.email) {
            (Some(id), _) => id.to_string(),
            (None, Some(email)) => email.clone(),
            (None, None) => "not named".to_owned(),
        };
        self.audit(transaction, ASKED, &subject, &found).await
    }

    async fn audit<T: Serialize + Sync>(
        &self,
        transaction: &Transaction<'_>,
        action: &str,
        subject: &str,
        detail: &T,
    ) -> Result<(), DbErr> {
        let actor = format!("source:{}", self.request.source);
        people::audit(transaction, &self.ambient, &actor, action, subject, detail).await
    }
}

/// What there is of a person.
#[derive(Serialize)]
struct Found {
    customers: Vec<String>,
    orders: Vec<String>,
    conversations: usize,
}

/// How much was erased.
#[derive(Serialize)]
struct Erased {
    customers: usize,
    orders: usize,
    conversations: usize,
    events: usize,
    files: usize,
}

/// Where a person stands in the store.
#[derive(Default)]
struct Traces {
    customers: BTreeSet<Uuid>,
    /// Order numbers.
    orders: BTreeSet<String>,
    conversations: BTreeSet<Uuid>,
    events: BTreeSet<Uuid>,
    /// What of a person may stand in an event that no order leads to: pieces of its JSON.
    needles: BTreeSet<String>,
}

impl Traces {
    async fn of(transaction: &Transaction<'_>, person: &DataSubject) -> Result<Self, DbErr> {
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
    async fn of_source(transaction: &Transaction<'_>, source: &SourceName) -> Result<Self, DbErr> {
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
            let sql = "SELECT t.event_id AS id FROM tracking_events t
                JOIN shipments s ON s.tracking_number = t.tracking_number WHERE s.order_number = $1
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

    /// Returns how much it was, and the jobs that remove files from the storage.
    async fn erase(
        &self,
        transaction: &Transaction<'_>,
        now: Timestamp,
    ) -> Result<(Erased, Vec<Job>), DbErr> {
        let mut files = Vec::new();
        for event in &self.events {
            blank_event(transaction, CommerceEventId(*event)).await?;
        }
        for conversation in &self.conversations {
            files.extend(attachments::blank(transaction, *conversation, now).await?);
            forget_links(transaction, *conversation).await?;
            blank_conversation(transaction, *conversation, now).await?;
            news::erase_traces_of_sending(transaction, *conversation).await?;
        }
        news::erase_decisions(transaction, &self.customers, &self.orders).await?;
        for order in &self.orders {
            blank_order(transaction, order).await?;
        }
        for customer in &self.customers {
            forget_customer(transaction, *customer).await?;
        }
        let erased = Erased {
            customers: self.customers.len(),
            orders: self.orders.len(),
            conversations: self.conversations.len(),
            events: self.events.len(),
            files: files.len(),
        };
        Ok((erased, files))
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

/// Overwrites a webhook's body and what was read in it; what remains still says what kind of thing happened when.
async fn blank_event(transaction: &Transaction<'_>, id: CommerceEventId) -> Result<(), DbErr> {
    let sql = "SELECT parsed FROM commerce_events WHERE id = $1";
    for row in query(transaction, sql, [id.0.into()]).await? {
        let mut event: CommerceEvent = row.json("parsed")?;
        blank_kind(&mut event.kind);
        execute(
            transaction,
            "UPDATE commerce_events SET raw = $1, parsed = $2 WHERE id = $3",
            [Vec::<u8>::new().into(), json(&event)?, id.0.into()],
        )
        .await?;
    }
    let sql = "UPDATE tracking_events SET message = NULL, location = NULL WHERE event_id = $1";
    execute(transaction, sql, [id.0.into()]).await?;
    Ok(())
}

fn blank_kind(kind: &mut CommerceEventKind) {
    match kind {
        CommerceEventKind::OrderUpdated { order } => forget_who_ordered(order),
        CommerceEventKind::OrderCancelled { order, reason } => {
            forget_who_ordered(order);
            *reason = None;
        }
        CommerceEventKind::Fulfilled { event, .. } | CommerceEventKind::Tracking { event, .. } => {
            event.message = None;
            event.location = None;
        }
        CommerceEventKind::Remark { words, .. } => words.clear(),
        CommerceEventKind::CustomerDataRequested { person }
        | CommerceEventKind::CustomerRedacted { person } => *person = DataSubject::default(),
        CommerceEventKind::ReturnRequested { .. }
        | CommerceEventKind::ReturnReceived { .. }
        | CommerceEventKind::RefundIssued { .. }
        | CommerceEventKind::ShopRedacted
        | CommerceEventKind::Due { .. } => {}
    }
}

fn forget_who_ordered(order: &mut Order) {
    order.customer = OrderCustomer {
        id: None,
        name: None,
        email: None,
        language: None,
        time_zone: None,
    };
    order.postcode = None;
}

async fn blank_order(transaction: &Transaction<'_>, number: &str) -> Result<(), DbErr> {
    let sql = "SELECT body FROM orders WHERE number = $1";
    for row in query(transaction, sql, [number.into()]).await? {
        let mut order: Order = row.json("body")?;
        forget_who_ordered(&mut order);
        execute(
            transaction,
            "UPDATE orders SET body = $1, customer_id = NULL WHERE number = $2",
            [json(&order)?, number.into()],
        )
        .await?;
    }
    // An order opened in chat left the address it was opened from.
    execute(
        transaction,
        "UPDATE audit SET detail = '\"erased\"' WHERE action = 'prove_by_order' AND subject = $1",
        [number.into()],
    )
    .await?;
    Ok(())
}

/// Overwrites everything that was said, and lets nothing more be sent.
async fn blank_conversation(
    transaction: &Transaction<'_>,
    id: Uuid,
    now: Timestamp,
) -> Result<(), DbErr> {
    execute(
        transaction,
        "UPDATE inbound_messages SET text = '', button = NULL, language_hint = NULL, proof = NULL, understanding = NULL,
                subject = NULL, edits = NULL
            WHERE conversation_id = $1",
        [id.into()],
    )
    .await?;
    execute(
        transaction,
        "UPDATE deliveries SET status = 'failed', settled_at = $1, reason = 'erased', claimed_by = NULL, claimed_at = NULL
            WHERE settled_at IS NULL AND outbound_id IN (SELECT id FROM outbound_messages WHERE conversation_id = $2)",
        [at(now), id.into()],
    )
    .await?;
    execute(
        transaction,
        // Providers repeat addresses in what they say.
        "UPDATE deliveries SET address = '', reason = CASE WHEN reason IS NULL THEN NULL ELSE 'erased' END WHERE outbound_id IN
            (SELECT id FROM outbound_messages WHERE conversation_id = $1)",
        [id.into()],
    )
    .await?;
    execute(
        transaction,
        "UPDATE delivery_attempts SET reason = NULL WHERE delivery_id IN
            (SELECT d.id FROM deliveries d JOIN outbound_messages m ON m.id = d.outbound_id WHERE m.conversation_id = $1)",
        [id.into()],
    )
    .await?;
    execute(
        transaction,
        "UPDATE outbound_messages SET content = $1 WHERE conversation_id = $2",
        [json(&Content::default())?, id.into()],
    )
    .await?;
    execute(
        transaction,
        "UPDATE handoffs SET summary = '' WHERE conversation_id = $1",
        [id.into()],
    )
    .await?;
    execute(
        transaction,
        "UPDATE conversations SET address = $1, state = NULL, state_at = NULL, closed_reason = NULL WHERE id = $2",
        [format!("erased {id}").into(), id.into()],
    )
    .await?;
    Ok(())
}

/// Forgets links from and to a conversation's address, which the audit names too.
async fn forget_links(transaction: &Transaction<'_>, conversation: Uuid) -> Result<(), DbErr> {
    let sql = "SELECT channel, address FROM conversations WHERE id = $1";
    for row in query(transaction, sql, [conversation.into()]).await? {
        let channel: String = row.get("channel")?;
        let address = Address::new(channel.as_str(), row.get::<String>("address")?);
        let sql = "DELETE FROM link_tokens
            WHERE channel = $1 AND address = $2 OR used_channel = $1 AND used_address = $2";
        let values = [channel.into(), address.id.as_str().into()];
        execute(transaction, sql, values).await?;
        let sql = "UPDATE audit SET detail = '\"erased\"' WHERE action IN ('link', 'unlink') AND detail = $1";
        execute(transaction, sql, [json(&address)?]).await?;
    }
    Ok(())
}

/// Removes a customer; what pointed at them points at nobody.
async fn forget_customer(transaction: &Transaction<'_>, id: Uuid) -> Result<(), DbErr> {
    for sql in [
        "DELETE FROM identities WHERE customer_id = $1",
        "DELETE FROM preferences WHERE customer_id = $1",
        "DELETE FROM consents WHERE customer_id = $1",
        "UPDATE notifications SET customer_id = NULL, experiment = NULL, variant = NULL, followed_at = NULL
            WHERE customer_id = $1",
        "UPDATE orders SET customer_id = NULL WHERE customer_id = $1",
        "DELETE FROM customers WHERE id = $1",
    ] {
        execute(transaction, sql, [id.into()]).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
