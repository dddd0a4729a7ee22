//! What the law asks of whoever stores people's data: a customer's are erased when their shop says so, and a request for a
//! copy becomes an entry that a person sees (GDPR articles 15 and 17; Shopify's mandatory topics).
//!
//! Erased is erased: names, addresses, texts, bodies of webhooks and of orders are overwritten in the transaction that
//! takes the request, the request itself among them. Files that they sent leave the storage right after it; their rows stay
//! until they have. Orders keep their number, days, goods and amounts, parcels their states, and the audit a line that holds
//! nothing of the person.

mod erasure;
mod news;
mod traces;

use std::sync::Arc;

use async_trait::async_trait;
use doorstep_core::{
    Ambient, CommerceEventId, SourceName, Timestamp,
    event::{CommerceEvent, CommerceEventKind, DataSubject},
};
use sea_orm::DbErr;
use serde::Serialize;
use uuid::Uuid;

use self::{erasure::Erased, traces::Traces};
use super::{
    Store, StoreError, Transaction, events, execute, people, query, row::Row, write::Write,
};
use crate::queue::{JobQueue, QueueName};

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
                erasure::blank_event(transaction, self.event).await?;
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
        let (erased, jobs) = erasure::erase(transaction, traces, now).await?;
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

#[cfg(test)]
mod tests;
