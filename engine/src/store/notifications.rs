//! Decisions who hears of an event: made once, and written down with their reason also when nobody does.

use std::sync::Arc;

use async_trait::async_trait;
use doorstep_core::{
    Ambient, CommerceEventId, ConversationId, CustomerId, DeliveryId, Language, NotificationId,
    OrderNumber, OutboundMessageId, Timestamp, TrackingNumber,
    message::{Address, Content},
    notification::Topic,
    shipment::TrackingStatus,
};
use sea_orm::DbErr;

use super::{
    Store, StoreError, Transaction, events, execute,
    mailbox::announce,
    messages::{NewOutbound, ensure_conversation, take_positions},
    orders::{lock_order, rank, read_status},
    query_one,
    row::{at, optional_text, optional_uuid},
    write::Write,
};
use crate::queue::{Job, JobQueue};

/// What one rule decided about one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Names the news itself, so that it is told once, whoever reports it and however often.
    pub dedupe_key: String,
    /// The template.
    pub template: String,
    /// What it is about.
    pub topic: Topic,
    /// Who hears it, or why nobody does.
    pub audience: Audience,
}

/// Who hears a piece of news.
#[derive(Debug, Clone, PartialEq)]
pub enum Audience {
    /// These addresses.
    Told(Vec<Recipient>),
    /// Nobody, for this reason.
    Held(String),
}

/// One address and what is said there.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipient {
    /// Where.
    pub address: Address,
    /// What.
    pub content: Content,
    /// In which language.
    pub language: Language,
    /// Whether we must send it; else the customer's device fetches it.
    pub delivers: bool,
}

/// Whom and what an event is about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Subject {
    /// Whose order it is.
    pub customer: Option<CustomerId>,
    /// The order.
    pub order: Option<OrderNumber>,
    /// Whether the order itself was known when it was decided, and not just its number.
    pub order_known: bool,
    /// What it says of a parcel; decides whether it is news.
    pub parcel: Option<News>,
}

/// What an event says of a parcel, and when it happened.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// Which parcel.
    pub tracking_number: TrackingNumber,
    /// What happened.
    pub status: TrackingStatus,
    /// When.
    pub occurred_at: Timestamp,
}

/// What came of committing decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They are durable.
    Decided(Vec<Decided>),
    /// The event was decided before; nothing was changed.
    Before,
    /// Meanwhile the order became known that was not when it was decided; nothing was changed, decide again.
    Outdated,
}

/// What came of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The template.
    pub template: String,
    /// To how many addresses it was told.
    pub told: usize,
    /// Why nobody hears it.
    pub held: Option<String>,
}

impl Store {
    /// The language last spoken with an address.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn language_of(&self, address: &Address) -> Result<Option<Language>, StoreError> {
        let sql = "SELECT language FROM conversations WHERE channel = $1 AND address = $2";
        let values = [address.channel.as_str().into(), address.id.as_str().into()];
        let rows = self.query(sql, values).await?;
        let language = rows.first().map(|row| row.optional_parsed("language"));
        Ok(language.transpose()?.flatten())
    }

    /// The parcel that an enriched event is about.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn parcel_of_event(
        &self,
        event: CommerceEventId,
    ) -> Result<Option<TrackingNumber>, StoreError> {
        let sql = "SELECT tracking_number FROM tracking_events WHERE event_id = $1";
        let rows = self.query(sql, [event.0.into()]).await?;
        let number: Option<String> = rows
            .first()
            .map(|row| row.get("tracking_number"))
            .transpose()?;
        Ok(number.map(TrackingNumber))
    }

    /// Writes down what was decided about an event; messages and their delivery jobs are there with it, all or nothing.
    /// A piece of news that was told before, or that a newer state of the parcel made history, is held.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn commit_decisions(
        &self,
        event: CommerceEventId,
        subject: Subject,
        decisions: Vec<Decision>,
    ) -> Result<Verdict, StoreError> {
        let mut write = CommitDecisions {
            event,
            subject,
            decisions,
            ambient: self.ambient().clone(),
            queue: self.queue().clone(),
        };
        // Always in the same order, so that two transactions never lock each other out.
        write
            .decisions
            .sort_by(|a, b| a.dedupe_key.cmp(&b.dedupe_key));
        for decision in &mut write.decisions {
            if let Audience::Told(recipients) = &mut decision.audience {
                recipients.sort_by(|a, b| {
                    (&a.address.channel, &a.address.id).cmp(&(&b.address.channel, &b.address.id))
                });
            }
        }
        let committed = match self.write(write).await? {
            Outcome::Committed(committed) => committed,
            Outcome::Before => return Ok(Verdict::Before),
            Outcome::Outdated => return Ok(Verdict::Outdated),
        };
        for (address, position) in &committed.positions {
            self.bus().announce(address, *position);
        }
        if committed.deliveries > 0 {
            self.queue().wake();
        }
        Ok(Verdict::Decided(committed.decided))
    }
}

struct CommitDecisions {
    event: CommerceEventId,
    subject: Subject,
    decisions: Vec<Decision>,
    ambient: Ambient,
    queue: Arc<dyn JobQueue>,
}

/// As [`Verdict`], with what is announced after the commit.
enum Outcome {
    Committed(Committed),
    Before,
    Outdated,
}

#[derive(Default)]
struct Committed {
    decided: Vec<Decided>,
    positions: Vec<(Address, i64)>,
    deliveries: usize,
}

#[async_trait]
impl Write for CommitDecisions {
    type Output = Outcome;
    const NAME: &'static str = "commit_decisions";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Outcome, DbErr> {
        let now = self.ambient.now();
        if let (Some(order), false) = (&self.subject.order, self.subject.order_known) {
            lock_order(transaction, order).await?;
        }
        let history = self.history(transaction).await?;
        if !self.subject.order_known && self.order_arrived(transaction).await? {
            return Ok(Outcome::Outdated);
        }
        if !events::mark_notified(transaction, self.event, now).await? {
            return Ok(Outcome::Before);
        }
        let mut committed = Committed::default();
        let mut jobs = Vec::new();
        for decision in &self.decisions {
            let held = match (&decision.audience, &history) {
                (Audience::Held(reason), _) => Some(reason.clone()),
                (Audience::Told(_), Some(history)) => Some(history.clone()),
                (Audience::Told(recipients), None) => {
                    self.tell(
                        transaction,
                        decision,
                        recipients,
                        now,
                        &mut committed,
                        &mut jobs,
                    )
                    .await?
                }
            };
            if let Some(reason) = &held {
                self.hold(transaction, decision, reason, now).await?;
            }
            let told = match (&decision.audience, &held) {
                (Audience::Told(recipients), None) => recipients.len(),
                _ => 0,
            };
            committed.decided.push(Decided {
                template: decision.template.clone(),
                told,
                held,
            });
        }
        committed.deliveries = jobs.len();
        if !jobs.is_empty() {
            self.queue.enqueue(transaction, &jobs).await?;
        }
        Ok(Outcome::Committed(committed))
    }
}

impl CommitDecisions {
    /// Whether the order that was not known is there now. Order and parcel are locked, so that either this sees the
    /// order or the order's arrival sees this decision and has it made again: no news falls between the two.
    async fn order_arrived(&self, transaction: &Transaction<'_>) -> Result<bool, DbErr> {
        let parcel = self.subject.parcel.as_ref();
        let row = query_one(
            transaction,
            "SELECT 1 AS one FROM orders WHERE number =
                COALESCE($1, (SELECT order_number FROM shipments WHERE tracking_number = $2))",
            [
                optional_text(self.subject.order.as_ref()),
                optional_text(parcel.map(|news| &news.tracking_number)),
            ],
        )
        .await?;
        Ok(row.is_some())
    }

    /// Why the event is history, if the parcel's state is past it. Locks the parcel, so that two pieces of its news are
    /// told in the order they happened.
    async fn history(&self, transaction: &Transaction<'_>) -> Result<Option<String>, DbErr> {
        let Some(news) = &self.subject.parcel else {
            return Ok(None);
        };
        let row = query_one(
            transaction,
            "UPDATE shipments SET tracking_number = tracking_number WHERE tracking_number = $1
                RETURNING status, status_at",
            [news.tracking_number.as_str().into()],
        )
        .await?;
        let Some(row) = row else { return Ok(None) };
        let newest = read_status(&row.get::<String>("status")?)?;
        let newest_at = row.time("status_at")?;
        if (newest_at, rank(newest)) > (news.occurred_at, rank(news.status)) {
            return Ok(Some(format!(
                "history: the parcel is already {}",
                newest.as_str()
            )));
        }
        if is_progress(news.status) && self.was_final(transaction, news).await? {
            return Ok(Some(
                "history: the parcel had already arrived or was given up".to_owned(),
            ));
        }
        Ok(None)
    }

    async fn was_final(&self, transaction: &Transaction<'_>, news: &News) -> Result<bool, DbErr> {
        let row = query_one(
            transaction,
            "SELECT 1 AS one FROM tracking_events WHERE tracking_number = $1
                AND status IN ('delivered', 'returned_to_sender', 'lost') LIMIT 1",
            [news.tracking_number.as_str().into()],
        )
        .await?;
        Ok(row.is_some())
    }

    /// Tells the recipients, unless the same news was told before: then why it is held.
    async fn tell(
        &self,
        transaction: &Transaction<'_>,
        decision: &Decision,
        recipients: &[Recipient],
        now: Timestamp,
        committed: &mut Committed,
        jobs: &mut Vec<Job>,
    ) -> Result<Option<String>, DbErr> {
        let reason = format!("told at {} addresses", recipients.len());
        let key = &decision.dedupe_key;
        let id = self
            .note(transaction, key, decision, "told", &reason, now)
            .await?;
        let Some(id) = id else {
            return Ok(Some("told before".to_owned()));
        };
        for recipient in recipients {
            let message = self.say(transaction, id, recipient, now).await?;
            committed
                .positions
                .push((recipient.address.clone(), message.position));
            if recipient.delivers {
                jobs.push(Job::Deliver {
                    delivery: message.delivery,
                    channel: recipient.address.channel.clone(),
                    news: true,
                    attempt: 0,
                    not_before: now,
                });
            }
        }
        Ok(None)
    }

    async fn hold(
        &self,
        transaction: &Transaction<'_>,
        decision: &Decision,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), DbErr> {
        // A key of its own: news that was held may still be told.
        let key = format!("held:{}:{}", self.event, decision.template);
        self.note(transaction, &key, decision, "held", reason, now)
            .await
            .map(drop)
    }

    /// Writes a decision down; `None` when its key is taken.
    async fn note(
        &self,
        transaction: &Transaction<'_>,
        key: &str,
        decision: &Decision,
        verdict: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<Option<NotificationId>, DbErr> {
        let id = NotificationId::new(&*self.ambient.clock, &*self.ambient.entropy);
        let inserted = execute(
            transaction,
            "INSERT INTO notifications (id, dedupe_key, event_id, customer_id, order_number, topic, template, decision,
                    reason, created_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (dedupe_key) DO NOTHING",
            [
                id.0.into(),
                key.into(),
                self.event.0.into(),
                optional_uuid(self.subject.customer.map(|id| id.0)),
                optional_text(self.subject.order.as_ref()),
                decision.topic.as_str().into(),
                decision.template.as_str().into(),
                verdict.into(),
                reason.into(),
                at(now),
            ],
        )
        .await?;
        Ok((inserted == 1).then_some(id))
    }

    /// Puts a message into the conversation with an address.
    async fn say(
        &self,
        transaction: &Transaction<'_>,
        notification: NotificationId,
        recipient: &Recipient,
        now: Timestamp,
    ) -> Result<Said, DbErr> {
        let Ambient { clock, entropy } = &self.ambient;
        let new = ConversationId::new(&**clock, &**entropy);
        let conversation = ensure_conversation(transaction, &recipient.address, new, now).await?;
        let position = take_positions(transaction, conversation, 1).await?;
        let delivery = DeliveryId::new(&**clock, &**entropy);
        let message = NewOutbound {
            id: OutboundMessageId::new(&**clock, &**entropy),
            conversation,
            position,
            content: &recipient.content,
            language: recipient.language.to_string(),
            in_reply_to: None,
            notification: Some(notification),
            delivery,
            address: &recipient.address,
            delivers: recipient.delivers,
        };
        message.insert(transaction, now).await?;
        announce(transaction, &recipient.address, position).await?;
        Ok(Said { position, delivery })
    }
}

struct Said {
    position: i64,
    delivery: DeliveryId,
}

/// Steps on the way, which nobody wants to hear of once the parcel has arrived.
fn is_progress(status: TrackingStatus) -> bool {
    matches!(
        status,
        TrackingStatus::PreTransit
            | TrackingStatus::InTransit
            | TrackingStatus::OutForDelivery
            | TrackingStatus::DeliveryAttempt
            | TrackingStatus::ReadyForPickup
            | TrackingStatus::Delayed
    )
}
