//! Decisions who hears of an event: made once, and written down with their reason also when nobody does.

use std::sync::Arc;

use async_trait::async_trait;
use doorstep_core::{
    Ambient, CommerceEventId, CustomerId, Language, NotificationId, OrderNumber, Timestamp,
    TrackingNumber,
    message::{Address, Content},
    notification::Topic,
    order::DateWindow,
    shipment::TrackingStatus,
};
use sea_orm::DbErr;

use super::{
    Store, StoreError, Transaction, Trial, events, execute,
    orders::lock_order,
    query_one,
    row::{at, optional_text, optional_uuid},
    telling::{self, Said},
    write::Write,
};
use crate::queue::{Job, JobQueue};

/// What one rule decided about one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Names the news itself, so that it is told once, whoever reports it and however often.
    pub dedupe_key: DedupeKey,
    /// The rule's name; empty when there is no rule on the event.
    pub rule: String,
    /// The template.
    pub template: String,
    /// What it is about.
    pub topic: Topic,
    /// Whether it is told at any time and however much was told today.
    pub urgent: bool,
    /// How much may be told to its customer.
    pub at_most: Option<AtMost>,
    /// Whether it is told only where nothing else of the event is: that would say it too.
    pub only_alone: bool,
    /// By which conditions of the rule, as it is explained.
    pub conditions: Option<String>,
    /// Who hears it, or why nobody does.
    pub audience: Audience,
    /// The customer's place in the rule's experiment.
    pub trial: Option<Trial>,
}

/// What names a piece of news.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DedupeKey {
    /// Its name: what is written down.
    pub now: String,
    /// As it was named until templates' names were no part of it; what was told by that name is told.
    pub former: String,
}

/// How many notifications a customer hears since a time, urgent ones aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtMost {
    /// How many.
    pub notifications: u32,
    /// Since when.
    pub since: Timestamp,
    /// Until when what is too much is put off; `None`: it is not told at all.
    pub put_off_to: Option<Timestamp>,
}

/// Who hears a piece of news.
#[derive(Debug, Clone, PartialEq)]
pub enum Audience {
    /// These addresses.
    Told(Vec<Recipient>),
    /// Nobody yet: it is decided again.
    Waits(Wait),
    /// Nobody, for this reason.
    Held(String),
}

/// Until when news is put off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// Whether it is told together with other news of its order that waits by the same rule.
    pub joins: bool,
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
    /// When the next channel gets it, unless it arrived before.
    pub fallback_at: Option<Timestamp>,
    /// Whether only that it was read keeps it from the next channel.
    pub until_read: bool,
    /// The days that it names as expected.
    pub window: Option<DateWindow>,
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
    /// From when on the same status is news of its own; `None`: it never is.
    pub again_from: Option<Timestamp>,
    /// Until when it is news if nobody heard of it before; `None`: it does not grow old.
    pub news_until: Option<Timestamp>,
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
    /// The rule's name; empty when there is no rule on the event.
    pub rule: String,
    /// The template.
    pub template: String,
    /// To how many addresses it was told.
    pub told: usize,
    /// Until when it waits.
    pub waits: Option<Timestamp>,
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
            .sort_by(|a, b| (a.only_alone, &a.dedupe_key).cmp(&(b.only_alone, &b.dedupe_key)));
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
        self.announce_said(&committed.said);
        Ok(Verdict::Decided(committed.decided))
    }

    /// Lets devices fetch and workers send what was said.
    pub(super) fn announce_said(&self, said: &Said) {
        for (address, position) in &said.positions {
            self.bus().announce(address, *position);
        }
        self.queue().wake_for(&said.jobs, self.ambient().now());
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
    said: Said,
}

#[async_trait]
impl Write for CommitDecisions {
    type Output = Outcome;
    const NAME: &'static str = "commit_decisions";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Outcome, DbErr> {
        let now = self.ambient.now();
        let joins = self
            .decisions
            .iter()
            .any(|decision| matches!(&decision.audience, Audience::Waits(wait) if wait.joins));
        if let Some(order) = &self.subject.order
            && (joins || !self.subject.order_known)
        {
            lock_order(transaction, order).await?;
        }
        let parcel = self.subject.parcel.as_ref();
        let history = telling::history(transaction, parcel).await?;
        // Only now: what waits from here on was news when it came.
        let history = history.or_else(|| telling::outlived(parcel, now));
        if !self.subject.order_known && self.order_arrived(transaction).await? {
            return Ok(Outcome::Outdated);
        }
        if !events::mark_notified(transaction, self.event, now).await? {
            return Ok(Outcome::Before);
        }
        let mut committed = Committed::default();
        for decision in &self.decisions {
            let decided = self
                .carry_out(
                    transaction,
                    decision,
                    history.as_deref(),
                    &mut committed.said,
                )
                .await?;
            committed.said.anything |= decided.held.is_none();
            committed.decided.push(decided);
        }
        if !committed.said.jobs.is_empty() {
            self.queue
                .enqueue(transaction, &committed.said.jobs)
                .await?;
        }
        Ok(Outcome::Committed(committed))
    }
}

impl CommitDecisions {
    async fn carry_out(
        &self,
        transaction: &Transaction<'_>,
        decision: &Decision,
        history: Option<&str>,
        said: &mut Said,
    ) -> Result<Decided, DbErr> {
        let audience = match (&decision.audience, history) {
            // Those held out are who else would have heard it: of history nobody would.
            (Audience::Held(_), Some(history)) if decision.trial.is_some() => {
                Audience::Held(history.to_owned())
            }
            (Audience::Held(reason), _) => Audience::Held(reason.clone()),
            (_, Some(history)) => Audience::Held(history.to_owned()),
            (audience, None) => match self.instead(transaction, decision, said).await? {
                Some(instead) => instead,
                None => audience.clone(),
            },
        };
        let held = match &audience {
            Audience::Held(reason) => Some(reason.clone()),
            Audience::Told(recipients) => {
                self.tell(transaction, decision, recipients, said).await?
            }
            Audience::Waits(wait) => self.put_off(transaction, decision, wait, said).await?,
        };
        if let Some(reason) = &held {
            self.hold(transaction, decision, reason).await?;
        }
        let (told, waits) = match (&audience, &held) {
            (Audience::Told(recipients), None) => (recipients.len(), None),
            (Audience::Waits(wait), None) => (0, Some(wait.until)),
            _ => (0, None),
        };
        Ok(Decided {
            rule: decision.rule.clone(),
            template: decision.template.clone(),
            told,
            waits,
            held,
        })
    }

    /// What becomes of news that is not told as decided: the event itself told it already, it was told before, or the
    /// customer heard enough today.
    async fn instead(
        &self,
        transaction: &Transaction<'_>,
        decision: &Decision,
        said: &Said,
    ) -> Result<Option<Audience>, DbErr> {
        if decision.only_alone && said.anything {
            return Ok(Some(Audience::Held(
                "told with the event's own news".to_owned(),
            )));
        }
        if matches!(decision.audience, Audience::Held(_)) {
            return Ok(None);
        }
        let DedupeKey { now, former } = &decision.dedupe_key;
        let known = query_one(
            transaction,
            "SELECT 1 AS one FROM notifications WHERE dedupe_key IN ($1, $2) LIMIT 1",
            [now.as_str().into(), former.as_str().into()],
        )
        .await?;
        if known.is_some() {
            return Ok(Some(Audience::Held("told before".to_owned())));
        }
        if matches!(decision.audience, Audience::Waits(_)) {
            return Ok(None);
        }
        telling::too_many(transaction, self.subject.customer, decision.at_most).await
    }

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

    /// Tells the recipients, unless the same news was told before: then why it is held.
    async fn tell(
        &self,
        transaction: &Transaction<'_>,
        decision: &Decision,
        recipients: &[Recipient],
        said: &mut Said,
    ) -> Result<Option<String>, DbErr> {
        let reason = format!("told at {} addresses", recipients.len());
        let reason = with_conditions(&reason, decision.conditions.as_deref());
        let key = &decision.dedupe_key.now;
        let note = Note::new(decision, key, "told", &reason);
        let Some(id) = self.note(transaction, note).await? else {
            return Ok(Some("told before".to_owned()));
        };
        telling::tell(transaction, &self.ambient, id, recipients, said).await?;
        let parcels = self.subject.parcel.iter();
        telling::note_window(transaction, parcels, recipients).await?;
        Ok(None)
    }

    /// Puts news off, together with other news of its order that waits by the same rule where the rule says so. Why it
    /// is held, when the same news was told before or waits already.
    async fn put_off(
        &self,
        transaction: &Transaction<'_>,
        decision: &Decision,
        wait: &Wait,
        said: &mut Said,
    ) -> Result<Option<String>, DbErr> {
        let digest = match (wait.joins, &self.subject.order) {
            (true, Some(order)) => {
                query_one(
                    transaction,
                    "SELECT id, due_at FROM notifications WHERE order_number = $1 AND rule = $2 AND decision = 'waits'
                        AND digest_id IS NULL AND due_at > $3 ORDER BY id LIMIT 1",
                    [
                        order.as_str().into(),
                        decision.rule.as_str().into(),
                        at(self.ambient.now()),
                    ],
                )
                .await?
            }
            _ => None,
        };
        let key = &decision.dedupe_key.now;
        let reason = with_conditions(&wait.reason, decision.conditions.as_deref());
        let mut note = Note::new(decision, key, "waits", &reason);
        match &digest {
            Some(first) => {
                note.digest = Some(NotificationId(first.get("id")?));
                note.due_at = first.optional_time("due_at")?;
                self.note(transaction, note).await
            }
            None => {
                note.due_at = Some(wait.until);
                let id = self.note(transaction, note).await?;
                said.jobs.extend(id.map(|notification| Job::NotifyDue {
                    notification,
                    not_before: wait.until,
                }));
                Ok(id)
            }
        }
        .map(|id| match id {
            Some(_) => None,
            None => Some("told before".to_owned()),
        })
    }

    async fn hold(
        &self,
        transaction: &Transaction<'_>,
        decision: &Decision,
        reason: &str,
    ) -> Result<(), DbErr> {
        let key = held_key(self.event, &decision.rule);
        let mut note = Note::new(decision, &key, "held", reason);
        // Held for its experiment's sake; for any other reason it is in no variant.
        let held_out = matches!(&decision.audience, Audience::Held(own) if own == reason);
        note.trial = note.trial.filter(|_| held_out);
        self.note(transaction, note).await.map(drop)
    }

    /// Writes a decision down; `None` when its key is taken.
    async fn note(
        &self,
        transaction: &Transaction<'_>,
        note: Note<'_>,
    ) -> Result<Option<NotificationId>, DbErr> {
        let id = NotificationId::new(&*self.ambient.clock, &*self.ambient.entropy);
        let decision = note.decision;
        let inserted = execute(
            transaction,
            "INSERT INTO notifications (id, dedupe_key, event_id, customer_id, order_number, topic, template, decision,
                    reason, created_at, rule, urgent, due_at, digest_id, experiment, variant)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
                ON CONFLICT (dedupe_key) DO NOTHING",
            [
                id.0.into(),
                note.key.into(),
                self.event.0.into(),
                optional_uuid(self.subject.customer.map(|id| id.0)),
                optional_text(self.subject.order.as_ref()),
                decision.topic.as_str().into(),
                decision.template.as_str().into(),
                note.verdict.into(),
                note.reason.into(),
                at(self.ambient.now()),
                optional_text(Some(&decision.rule).filter(|rule| !rule.is_empty())),
                decision.urgent.into(),
                sea_orm::Value::BigInt(note.due_at.map(|due| due.timestamp_millis())),
                optional_uuid(note.digest.map(|id| id.0)),
                optional_text(note.trial.map(|trial| &trial.experiment)),
                optional_text(note.trial.map(|trial| &trial.variant)),
            ],
        )
        .await?;
        Ok((inserted == 1).then_some(id))
    }
}

/// A key of its own: news that was held may still be told.
pub(super) fn held_key(event: CommerceEventId, rule: &str) -> String {
    format!("held:{event}:{rule}")
}

/// Why, with the rule's conditions that held.
pub(super) fn with_conditions(reason: &str, conditions: Option<&str>) -> String {
    conditions.map_or_else(
        || reason.to_owned(),
        |conditions| format!("{reason}; {conditions}"),
    )
}

/// One row of what was decided.
struct Note<'a> {
    decision: &'a Decision,
    key: &'a str,
    verdict: &'static str,
    reason: &'a str,
    due_at: Option<Timestamp>,
    digest: Option<NotificationId>,
    trial: Option<&'a Trial>,
}

impl<'a> Note<'a> {
    fn new(decision: &'a Decision, key: &'a str, verdict: &'static str, reason: &'a str) -> Self {
        Self {
            decision,
            key,
            verdict,
            reason,
            due_at: None,
            digest: None,
            trial: decision.trial.as_ref(),
        }
    }
}
