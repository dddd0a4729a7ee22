//! Turns: what waits to be answered, and committing what came of it.

use async_trait::async_trait;
use chrono::SubsecRound;
use doorstep_core::{
    Ambient, ChannelName, ConversationId, DeliveryId, InboundMessageId, OutboundMessageId,
    Timestamp,
    channel::Subscription,
    message::{Address, Content, MailboxEntry, MailboxMessage, OutboundMessage, Thread},
    notification::Topic,
};
use sea_orm::DbErr;
use uuid::Uuid;

use super::{
    Store, StoreError, Transaction, execute, handoffs,
    mailbox::announce,
    outbound::NewOutbound,
    people, query_one,
    row::{Row, at, json, optional_json},
    write::Write,
};
use crate::{
    queue::{Job, JobQueue, QueueName},
    turn::{Conversation, Effect, StaffMail, Turn, Waiting},
};

/// What the customer's message waits for, joined with its conversation and its customer.
const WAITING: &str = "SELECT m.id, m.external_id, m.ordinal, m.position, m.text, m.button, m.language_hint, m.proof, m.sent_at,
        m.new_topic, c.id AS conversation_id, c.channel, c.address, c.language, c.state, c.state_at, c.handled_count,
        c.time_zone AS device_time_zone, c.inbound_count > m.ordinal AS more,
        p.id AS customer_id, p.shop_id, p.name, p.email, p.language AS customer_language, p.time_zone,
        (SELECT COUNT(*) FROM attachments a WHERE a.inbound_id = m.id) AS files,
        EXISTS (SELECT 1 FROM handoffs h WHERE h.conversation_id = c.id AND h.closed_at IS NULL) AS handed_over
    FROM inbound_messages m
    JOIN conversations c ON c.id = m.conversation_id
    LEFT JOIN identities i ON i.channel = c.channel AND i.address = c.address
    LEFT JOIN customers p ON p.id = i.customer_id";

/// What came of committing a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TurnOutcome {
    /// It is durable; replies are in the mailbox, and these deliveries wait to be sent.
    Committed {
        /// Deliveries to channels that we must send to.
        deliveries: Vec<DeliveryId>,
    },
    /// Another instance handled the message first, or an older one is still unhandled: nothing was changed.
    Stale,
}

impl Store {
    /// The oldest unhandled message of a conversation.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn next_waiting(
        &self,
        conversation: ConversationId,
    ) -> Result<Option<Waiting>, StoreError> {
        let sql = format!("{WAITING} WHERE c.id = $1 AND m.ordinal = c.handled_count + 1");
        let rows = self.query(&sql, [conversation.0.into()]).await?;
        Ok(rows.first().map(read_waiting).transpose()?)
    }

    /// Waits until a message is handled: its answers are in the mailbox. `subscription` is of its address, made before
    /// the message was admitted.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn handled(
        &self,
        message: InboundMessageId,
        subscription: &mut Subscription,
    ) -> Result<(), StoreError> {
        let sql = "SELECT 1 AS one FROM inbound_messages WHERE id = $1 AND handled_at IS NOT NULL";
        loop {
            subscription.news.borrow_and_update();
            if !self.query(sql, [message.0.into()]).await?.is_empty() {
                return Ok(());
            }
            subscription
                .news
                .changed()
                .await
                .map_err(|_| StoreError::Closed)?;
        }
    }

    /// Conversations with messages that were admitted before `before` and not handled: what a crash left behind.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn conversations_left_behind(
        &self,
        before: Timestamp,
        limit: u64,
    ) -> Result<Vec<ConversationId>, StoreError> {
        let sql = "SELECT DISTINCT conversation_id FROM inbound_messages
            WHERE handled_at IS NULL AND admitted_at <= $1 LIMIT $2";
        let rows = self.query(sql, [at(before), limit.into()]).await?;
        Ok(rows
            .iter()
            .map(|row| row.get("conversation_id").map(ConversationId))
            .collect::<Result<_, _>>()?)
    }

    /// Commits a turn: the message is handled, the dialogue's memory moves on, replies are in the mailbox and their
    /// deliveries with their jobs are there; all or nothing. `delivers` tells whether we must send on the
    /// conversation's channel (else the customer's device fetches from the mailbox).
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn commit_turn(
        &self,
        waiting: &Waiting,
        turn: Turn,
        delivers: bool,
    ) -> Result<TurnOutcome, StoreError> {
        let now = self.ambient().now();
        let replies = self.number_replies(&turn.replies);
        let address = &waiting.conversation.address;
        let answers = if self.bus().is_watched(address) {
            unplaced_entries(waiting, &turn, &replies, now)
        } else {
            Vec::new()
        };
        let mailed: Vec<ChannelName> = turn
            .effects
            .iter()
            .filter_map(|effect| Some(staff_mail(effect)?.to.channel.clone()))
            .collect();
        let write = CommitTurn {
            message: waiting.id,
            ordinal: waiting.ordinal,
            conversation: waiting.conversation.id,
            address: address.clone(),
            replies,
            delivers,
            turn,
            now,
            ambient: self.ambient().clone(),
            queue: self.queue().clone(),
        };
        let committed = self.write(write).await?;
        let Some(committed) = committed else {
            return Ok(TurnOutcome::Stale);
        };
        if answers.is_empty() {
            self.bus().announce(address, committed.position);
        } else {
            let answers = placed(answers, committed.position);
            self.bus().hand_out(address, answers);
        }
        for channel in &mailed {
            let news = false;
            self.queue().wake_one(QueueName::Deliver { channel, news });
        }
        if !committed.deliveries.is_empty() {
            self.queue().wake_one(QueueName::Deliver {
                channel: &address.channel,
                news: false,
            });
        }
        Ok(TurnOutcome::Committed {
            deliveries: committed.deliveries,
        })
    }

    fn number_replies(&self, replies: &[Content]) -> Vec<(OutboundMessageId, DeliveryId)> {
        let Ambient { clock, entropy } = self.ambient();
        replies
            .iter()
            .map(|_| {
                (
                    OutboundMessageId::new(&**clock, &**entropy),
                    DeliveryId::new(&**clock, &**entropy),
                )
            })
            .collect()
    }
}

/// A turn's replies as the mailbox will hold them, save for their places.
fn unplaced_entries(
    waiting: &Waiting,
    turn: &Turn,
    replies: &[(OutboundMessageId, DeliveryId)],
    now: Timestamp,
) -> Vec<MailboxEntry> {
    let entry = |(content, (id, _)): (&Content, &(OutboundMessageId, DeliveryId))| MailboxEntry {
        position: 0,
        at: now.trunc_subsecs(3),
        message: MailboxMessage::Outbound {
            message: OutboundMessage {
                id: *id,
                content: content.clone(),
                language: turn.language.clone(),
                in_reply_to: Some(waiting.id),
                thread: Thread::default(),
            },
            answers: Some(waiting.external_id.clone()),
        },
    };
    turn.replies.iter().zip(replies).map(entry).collect()
}

/// Gives entries their places, of which `last` is the last.
fn placed(mut entries: Vec<MailboxEntry>, last: i64) -> Vec<MailboxEntry> {
    for (entry, position) in entries.iter_mut().rev().zip((1..=last).rev()) {
        entry.position = position;
    }
    entries
}

struct CommitTurn {
    message: InboundMessageId,
    ordinal: i64,
    conversation: ConversationId,
    address: Address,
    turn: Turn,
    replies: Vec<(OutboundMessageId, DeliveryId)>,
    delivers: bool,
    now: Timestamp,
    ambient: Ambient,
    queue: std::sync::Arc<dyn JobQueue>,
}

struct Committed {
    position: i64,
    deliveries: Vec<DeliveryId>,
}

#[async_trait]
impl Write for CommitTurn {
    /// `None`: the compare-and-swap was lost.
    type Output = Option<Committed>;
    const NAME: &'static str = "commit_turn";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Option<Committed>, DbErr> {
        let now = self.now;
        let Some(last) = self.advance_conversation(transaction, now).await? else {
            return Ok(None);
        };
        execute(
            transaction,
            "UPDATE inbound_messages SET handled_at = $1, understanding = $2 WHERE id = $3",
            [
                at(now),
                json(&self.turn.understanding)?,
                self.message.0.into(),
            ],
        )
        .await?;
        let mut jobs = Vec::new();
        for effect in &self.turn.effects {
            self.apply(transaction, effect, now).await?;
            if let Some(mail) = staff_mail(effect) {
                jobs.push(handoffs::mail_staff(transaction, &self.ambient, mail, now).await?);
            }
        }
        let first = last - self.replies.len() as i64;
        let mut deliveries = Vec::new();
        for (index, (content, (id, delivery))) in
            self.turn.replies.iter().zip(&self.replies).enumerate()
        {
            let message = NewOutbound {
                id: *id,
                conversation: self.conversation,
                position: first + 1 + index as i64,
                content,
                language: self.turn.language.to_string(),
                in_reply_to: Some(self.message),
                notification: None,
                delivery: *delivery,
                address: &self.address,
                delivers: self.delivers,
            };
            message.insert(transaction, now).await?;
            if self.delivers {
                deliveries.push(*delivery);
            }
        }
        jobs.extend(deliveries.iter().map(|&delivery| Job::Deliver {
            delivery,
            channel: self.address.channel.clone(),
            news: false,
            attempt: 0,
            not_before: now,
        }));
        if !jobs.is_empty() {
            self.queue.enqueue(transaction, &jobs).await?;
        }
        announce(transaction, &self.address, last).await?;
        Ok(Some(Committed {
            position: last,
            deliveries,
        }))
    }
}

impl CommitTurn {
    /// The compare-and-swap of G2 and G3: only the next unhandled message of the conversation can be committed, once.
    async fn advance_conversation(
        &self,
        transaction: &Transaction<'_>,
        now: Timestamp,
    ) -> Result<Option<i64>, DbErr> {
        let row = query_one(
            transaction,
            "UPDATE conversations SET handled_count = $1, last_position = last_position + $2, language = $3,
                    state = $4, state_at = $5
                WHERE id = $6 AND handled_count = $1 - 1 RETURNING last_position",
            [
                self.ordinal.into(),
                (self.replies.len() as i64).into(),
                self.turn.language.to_string().into(),
                optional_json(self.turn.state.as_ref())?,
                at(now),
                self.conversation.0.into(),
            ],
        )
        .await?;
        row.map(|row| row.get("last_position")).transpose()
    }

    async fn apply(
        &self,
        transaction: &Transaction<'_>,
        effect: &Effect,
        now: Timestamp,
    ) -> Result<(), DbErr> {
        match effect {
            Effect::HandOff {
                id,
                reason,
                summary,
                urgent,
                mail: _,
            } => {
                execute(
                    transaction,
                    "INSERT INTO handoffs (id, conversation_id, reason, summary, urgent, requested_at)
                        VALUES ($1, $2, $3, $4, $5, $6)",
                    [
                        id.0.into(),
                        self.conversation.0.into(),
                        reason.as_str().into(),
                        summary.as_str().into(),
                        (*urgent).into(),
                        at(now),
                    ],
                )
                .await?;
                Ok(())
            }
            Effect::Prove { order, proof } => {
                let language = Some(&self.turn.language);
                people::link(
                    transaction,
                    &self.address,
                    proof,
                    "second_factor",
                    language,
                    now,
                )
                .await?;
                people::audit(
                    transaction,
                    &self.ambient,
                    "customer",
                    "prove_by_order",
                    order.as_str(),
                    &self.address,
                )
                .await
            }
            Effect::SetPreference { topic, allowed } => {
                self.set_preference(transaction, *topic, *allowed, now)
                    .await
            }
        }
    }

    async fn set_preference(
        &self,
        transaction: &Transaction<'_>,
        topic: Topic,
        allowed: bool,
        now: Timestamp,
    ) -> Result<(), DbErr> {
        let new = doorstep_core::CustomerId::new(&*self.ambient.clock, &*self.ambient.entropy);
        let customer = people::ensure_customer_of(transaction, &self.address, new, now).await?;
        people::set_preference(
            transaction,
            &self.ambient,
            customer,
            topic,
            &self.address.channel,
            allowed,
            &format!("said on {}", self.address.channel),
        )
        .await
    }
}

fn staff_mail(effect: &Effect) -> Option<&StaffMail> {
    match effect {
        Effect::HandOff { mail, .. } => mail.as_deref(),
        Effect::Prove { .. } | Effect::SetPreference { .. } => None,
    }
}

fn read_waiting(row: &Row) -> Result<Waiting, DbErr> {
    Ok(Waiting {
        id: InboundMessageId(row.get("id")?),
        external_id: row.get("external_id")?,
        ordinal: row.get("ordinal")?,
        position: row.get("position")?,
        text: row.get("text")?,
        button: row.get("button")?,
        language_hint: row.optional_parsed("language_hint")?,
        proof: row.optional_json("proof")?,
        sent_at: row.time("sent_at")?,
        new_topic: row.get("new_topic")?,
        files: row.get("files")?,
        more: row.get("more")?,
        conversation: Conversation {
            id: ConversationId(row.get("conversation_id")?),
            address: Address::new(row.get::<String>("channel")?, row.get::<String>("address")?),
            customer: match row.get::<Option<Uuid>>("customer_id")? {
                Some(id) => Some(people::read_customer(row, id, "customer_language")?),
                None => None,
            },
            language: row.optional_parsed("language")?,
            time_zone: row.time_zone("device_time_zone")?,
            state: row.optional_json("state")?,
            state_at: row.optional_time("state_at")?,
            handled_count: row.get("handled_count")?,
            handed_over: row.get("handed_over")?,
        },
    })
}
