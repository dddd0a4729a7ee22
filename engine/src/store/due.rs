//! News that waited, decided again when it is due.

use std::sync::Arc;

use async_trait::async_trait;
use doorstep_core::{
    Ambient, ChannelName, CommerceEventId, CustomerId, DeliveryId, NotificationId, Timestamp,
};
use sea_orm::DbErr;

use super::{
    AtMost, Audience, Decided, News, Store, StoreError, Transaction, execute,
    notifications::{held_key, with_conditions},
    query,
    row::{at, optional_uuid},
    telling::{self, Said},
    write::Write,
};
use crate::queue::{Job, JobQueue};

/// News that waits, with all that is to be told in its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingNews {
    /// The first of them; the message will be its.
    pub first: NotificationId,
    /// By which rule.
    pub rule: String,
    /// Its template.
    pub template: String,
    /// Until when it waits.
    pub due_at: Timestamp,
    /// The notifications and what happened, oldest first.
    pub members: Vec<(NotificationId, CommerceEventId)>,
}

/// One piece of news of a message, as it was decided again.
#[derive(Debug, Clone, PartialEq)]
pub struct DueMember {
    /// The notification.
    pub id: NotificationId,
    /// What happened.
    pub event: CommerceEventId,
    /// What it says of a parcel; decides whether it is news still.
    pub parcel: Option<News>,
}

/// What came of deciding again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DueVerdict {
    /// It is durable.
    Decided(Decided),
    /// Meanwhile more joined it, or part of it is history: decide again.
    Outdated,
}

impl Store {
    /// News that waits, by any notification that belongs to it; `None` when it was decided.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn waiting_news(
        &self,
        notification: NotificationId,
    ) -> Result<Option<WaitingNews>, StoreError> {
        let sql = "SELECT n.id, n.digest_id, n.event_id, n.rule, n.template, n.due_at FROM notifications n
            JOIN notifications asked ON asked.id = $1
                AND (n.id = COALESCE(asked.digest_id, asked.id) OR n.digest_id = COALESCE(asked.digest_id, asked.id))
            WHERE n.decision = 'waits' ORDER BY n.created_at, n.id";
        let rows = self.query(sql, [notification.0.into()]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let id: uuid::Uuid = row.get("id")?;
        let first = row.get::<Option<uuid::Uuid>>("digest_id")?.unwrap_or(id);
        let members = rows.iter().map(|row| {
            Ok::<_, DbErr>((
                NotificationId(row.get("id")?),
                CommerceEventId(row.get("event_id")?),
            ))
        });
        Ok(Some(WaitingNews {
            first: NotificationId(first),
            rule: row.get::<Option<String>>("rule")?.unwrap_or_default(),
            template: row.get("template")?,
            due_at: row.optional_time("due_at")?.unwrap_or_default(),
            members: members.collect::<Result<_, _>>()?,
        }))
    }

    /// Writes down what was decided about news that waited, and by which conditions of its rule, with its message; all
    /// or nothing.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn commit_due(
        &self,
        waiting: &WaitingNews,
        members: Vec<DueMember>,
        customer: Option<CustomerId>,
        at_most: Option<AtMost>,
        (audience, conditions): (Audience, Option<String>),
    ) -> Result<DueVerdict, StoreError> {
        let outcome = self
            .write(CommitDue {
                waiting: waiting.clone(),
                members,
                customer,
                at_most,
                audience,
                conditions,
                ambient: self.ambient().clone(),
                queue: self.queue().clone(),
            })
            .await?;
        let Some((decided, said)) = outcome else {
            return Ok(DueVerdict::Outdated);
        };
        self.announce_said(&said);
        Ok(DueVerdict::Decided(decided))
    }

    /// Jobs for news that is due and messages that did not arrive, since before `before`.
    pub(super) async fn overdue_news(
        &self,
        before: Timestamp,
        limit: u64,
    ) -> Result<Vec<Job>, StoreError> {
        let waiting = self
            .query(
                "SELECT id, due_at FROM notifications WHERE decision = 'waits' AND digest_id IS NULL AND due_at <= $1
                    ORDER BY due_at LIMIT $2",
                [at(before), limit.into()],
            )
            .await?;
        let falling = self
            .query(
                "SELECT id, channel, fallback_at FROM deliveries WHERE fallback_at IS NOT NULL AND fallback_at <= $1
                    ORDER BY fallback_at LIMIT $2",
                [at(before), limit.into()],
            )
            .await?;
        let mut jobs = Vec::with_capacity(waiting.len() + falling.len());
        for row in &waiting {
            jobs.push(Job::NotifyDue {
                notification: NotificationId(row.get("id")?),
                not_before: row.time("due_at")?,
            });
        }
        for row in &falling {
            jobs.push(Job::FallBack {
                delivery: DeliveryId(row.get("id")?),
                not_before: row.time("fallback_at")?,
            });
        }
        Ok(jobs)
    }

    /// Channels, in the order they were tried, on which a notification was told.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn channels_told(
        &self,
        notification: NotificationId,
    ) -> Result<Vec<ChannelName>, StoreError> {
        let sql = "SELECT c.channel FROM outbound_messages o JOIN conversations c ON c.id = o.conversation_id
            WHERE o.notification_id = $1 ORDER BY o.created_at, o.id";
        let rows = self.query(sql, [notification.0.into()]).await?;
        let channels = rows.iter().map(|row| row.get("channel").map(ChannelName));
        Ok(channels.collect::<Result<_, _>>()?)
    }
}

struct CommitDue {
    waiting: WaitingNews,
    members: Vec<DueMember>,
    customer: Option<CustomerId>,
    at_most: Option<AtMost>,
    audience: Audience,
    conditions: Option<String>,
    ambient: Ambient,
    queue: Arc<dyn JobQueue>,
}

#[async_trait]
impl Write for CommitDue {
    type Output = Option<(Decided, Said)>;
    const NAME: &'static str = "commit_due";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Self::Output, DbErr> {
        if !self.still_waits(transaction).await? {
            return Ok(None);
        }
        let mut past = false;
        // Always in the same order, so that two transactions never lock each other out.
        let mut members: Vec<&DueMember> = self.members.iter().collect();
        members.sort_by(|a, b| {
            let parcel = |member: &DueMember| {
                let parcel = member.parcel.as_ref();
                parcel.map(|news| news.tracking_number.clone())
            };
            parcel(a).cmp(&parcel(b))
        });
        for member in members {
            let history = telling::history(transaction, member.parcel.as_ref()).await?;
            if let Some(reason) = history {
                past = true;
                self.hold(transaction, member, &reason).await?;
            }
        }
        if past {
            return Ok(None);
        }
        let mut said = Said::default();
        let decided = self.carry_out(transaction, &mut said).await?;
        if !said.jobs.is_empty() {
            self.queue.enqueue(transaction, &said.jobs).await?;
        }
        Ok(Some((decided, said)))
    }
}

impl CommitDue {
    /// Whether exactly these wait still. Locks them.
    async fn still_waits(&self, transaction: &Transaction<'_>) -> Result<bool, DbErr> {
        let rows = query(
            transaction,
            "UPDATE notifications SET decision = decision
                WHERE (id = $1 OR digest_id = $1) AND decision = 'waits' RETURNING id",
            [self.waiting.first.0.into()],
        )
        .await?;
        let mut now: Vec<NotificationId> = rows
            .iter()
            .map(|row| row.get("id").map(NotificationId))
            .collect::<Result<_, _>>()?;
        let mut then: Vec<NotificationId> = self.members.iter().map(|member| member.id).collect();
        now.sort_unstable();
        then.sort_unstable();
        Ok(!now.is_empty() && now == then)
    }

    async fn carry_out(
        &self,
        transaction: &Transaction<'_>,
        said: &mut Said,
    ) -> Result<Decided, DbErr> {
        let mut decided = Decided {
            rule: self.waiting.rule.clone(),
            template: self.waiting.template.clone(),
            told: 0,
            waits: None,
            held: None,
        };
        let instead = match &self.audience {
            Audience::Told(_) => {
                telling::too_many(transaction, self.customer, self.at_most).await?
            }
            Audience::Waits(_) | Audience::Held(_) => None,
        };
        let recipients = match instead.as_ref().unwrap_or(&self.audience) {
            Audience::Told(recipients) => recipients,
            Audience::Waits(wait) => {
                let reason = with_conditions(&wait.reason, self.conditions.as_deref());
                for member in &self.members {
                    let sql = "UPDATE notifications SET due_at = $1, reason = $2 WHERE id = $3";
                    let values = [at(wait.until), reason.as_str().into(), member.id.0.into()];
                    execute(transaction, sql, values).await?;
                }
                said.jobs.push(Job::NotifyDue {
                    notification: self.waiting.first,
                    not_before: wait.until,
                });
                decided.waits = Some(wait.until);
                return Ok(decided);
            }
            Audience::Held(reason) => {
                decided.held = Some(reason.clone());
                return self.hold_all(transaction, decided).await;
            }
        };
        let Some(speaker) = self.speaker() else {
            return Ok(decided);
        };
        for member in &self.members {
            let (reason, digest) = if member.id == speaker {
                let reason = format!("told at {} addresses after waiting", recipients.len());
                let reason = with_conditions(&reason, self.conditions.as_deref());
                (reason, None)
            } else {
                let reason = "told in one message with other news of its order";
                (reason.to_owned(), Some(speaker))
            };
            execute(
                transaction,
                "UPDATE notifications SET decision = 'told', reason = $1, due_at = $2, digest_id = $3 WHERE id = $4",
                [
                    reason.into(),
                    at(self.ambient.now()),
                    optional_uuid(digest.map(|id| id.0)),
                    member.id.0.into(),
                ],
            )
            .await?;
        }
        telling::tell(transaction, &self.ambient, speaker, recipients, said).await?;
        let parcels = self
            .members
            .iter()
            .filter_map(|member| member.parcel.as_ref());
        telling::note_window(transaction, parcels, recipients).await?;
        decided.told = recipients.len();
        Ok(decided)
    }

    /// The notification whose the message is: the first, unless that became history.
    fn speaker(&self) -> Option<NotificationId> {
        let first = self.waiting.first;
        let ids = || self.members.iter().map(|member| member.id);
        ids().find(|id| *id == first).or_else(|| ids().next())
    }

    async fn hold_all(
        &self,
        transaction: &Transaction<'_>,
        decided: Decided,
    ) -> Result<Decided, DbErr> {
        for member in &self.members {
            let reason = decided.held.as_deref().unwrap_or_default();
            self.hold(transaction, member, reason).await?;
        }
        Ok(decided)
    }

    async fn hold(
        &self,
        transaction: &Transaction<'_>,
        member: &DueMember,
        reason: &str,
    ) -> Result<(), DbErr> {
        execute(
            transaction,
            "UPDATE notifications SET decision = 'held', reason = $1, dedupe_key = $2, due_at = NULL WHERE id = $3",
            [
                reason.into(),
                held_key(member.event, &self.waiting.rule).into(),
                member.id.0.into(),
            ],
        )
        .await?;
        Ok(())
    }
}
