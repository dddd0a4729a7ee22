//! Requests for a person: who waits for one, telling the shop's people of it, and giving the conversation back.

use async_trait::async_trait;
use doorstep_core::{
    Ambient, ConversationId, DeliveryId, HandoffId, InboundMessageId, Language, OutboundMessageId,
    Timestamp,
    message::{Address, Content},
};
use sea_orm::DbErr;
use uuid::Uuid;

use super::{
    Row, Store, StoreError, Transaction,
    admission::ensure_conversation,
    execute,
    mailbox::announce,
    outbound::{NewOutbound, take_positions},
    people, query_one,
    row::at,
    write::Write,
};
use crate::{
    queue::{Job, JobQueue, QueueName},
    turn::StaffMail,
};

/// A customer who was promised a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handoff {
    /// Our identifier.
    pub id: HandoffId,
    /// Where the customer waits.
    pub address: Address,
    /// The language of the conversation, once anything was said in it.
    pub language: Option<Language>,
    /// The customer's name, where they are known.
    pub name: Option<String>,
    /// Their e-mail address, likewise.
    pub email: Option<String>,
    /// An intent, `urgent` or `not_understood`.
    pub reason: String,
    /// What a person needs to know, in the merchant's language; empty once the customer's data were erased.
    pub summary: String,
    /// Whether it cannot wait.
    pub urgent: bool,
    /// Since when they wait.
    pub requested_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
}

/// What the customer is told when their request is closed.
#[derive(Debug, Clone, PartialEq)]
pub struct Farewell {
    /// The words.
    pub content: Content,
    /// Their language.
    pub language: Language,
    /// Whether we must send on the conversation's channel (else the customer's device fetches from the mailbox).
    pub delivers: bool,
}

const HANDOFFS: &str =
    "SELECT h.id, h.reason, h.summary, h.urgent, h.requested_at, h.closed_at, c.channel, c.address,
        c.language, p.name, p.email
    FROM handoffs h
    JOIN conversations c ON c.id = h.conversation_id
    LEFT JOIN identities i ON i.channel = c.channel AND i.address = c.address
    LEFT JOIN customers p ON p.id = i.customer_id";

impl Store {
    /// Who waits for a person: what cannot wait first, then whoever waits longest.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn open_handoffs(&self) -> Result<Vec<Handoff>, StoreError> {
        let sql =
            format!("{HANDOFFS} WHERE h.closed_at IS NULL ORDER BY h.urgent DESC, h.requested_at");
        let rows = self.query(&sql, []).await?;
        Ok(rows.iter().map(read_handoff).collect::<Result<_, _>>()?)
    }

    /// How many wait.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn count_open_handoffs(&self) -> Result<i64, StoreError> {
        let sql = "SELECT COUNT(*) AS open FROM handoffs WHERE closed_at IS NULL";
        let rows = self.query(sql, []).await?;
        let open = rows.first().map(|row| row.get("open")).transpose()?;
        Ok(open.unwrap_or(0))
    }

    /// One request, open or closed.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn find_handoff(&self, id: HandoffId) -> Result<Option<Handoff>, StoreError> {
        let rows = self
            .query(&format!("{HANDOFFS} WHERE h.id = $1"), [id.0.into()])
            .await?;
        Ok(rows.first().map(read_handoff).transpose()?)
    }

    /// Closes a request and what else its conversation waits for: from now on the dialogue answers there again, and the
    /// customer is told so in the same transaction. Whether there was anything to close.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn close_handoff(
        &self,
        id: HandoffId,
        farewell: Option<Farewell>,
        actor: &str,
    ) -> Result<bool, StoreError> {
        let ambient = self.ambient();
        let close = CloseHandoff {
            id,
            message: OutboundMessageId::new(&*ambient.clock, &*ambient.entropy),
            delivery: DeliveryId::new(&*ambient.clock, &*ambient.entropy),
            farewell,
            actor: actor.to_owned(),
            ambient: ambient.clone(),
            queue: self.queue().clone(),
        };
        let Some((address, position)) = self.write(close).await? else {
            return Ok(false);
        };
        if let Some(position) = position {
            self.bus().announce(&address, position);
            self.queue().wake_one(QueueName::Deliver {
                channel: &address.channel,
                news: false,
            });
        }
        Ok(true)
    }
}

fn read_handoff(row: &Row) -> Result<Handoff, DbErr> {
    Ok(Handoff {
        id: HandoffId(row.get("id")?),
        address: Address::new(row.get::<String>("channel")?, row.get::<String>("address")?),
        language: row.optional_parsed("language")?,
        name: row.get("name")?,
        email: row.get("email")?,
        reason: row.get("reason")?,
        summary: row.get("summary")?,
        urgent: row.get("urgent")?,
        requested_at: row.time("requested_at")?,
        closed_at: row.optional_time("closed_at")?,
    })
}

/// Puts a mail to the shop's people beside what asks for them; its job is to be enqueued in the same transaction.
pub(super) async fn mail_staff(
    transaction: &Transaction<'_>,
    ambient: &Ambient,
    mail: &StaffMail,
    now: Timestamp,
) -> Result<Job, DbErr> {
    let Ambient { clock, entropy } = ambient;
    let new = ConversationId::new(&**clock, &**entropy);
    let conversation = ensure_conversation(transaction, &mail.to, new, now).await?;
    let delivery = DeliveryId::new(&**clock, &**entropy);
    let message = NewOutbound {
        id: OutboundMessageId::new(&**clock, &**entropy),
        conversation,
        position: take_positions(transaction, conversation, 1).await?,
        content: &mail.content,
        language: mail.language.to_string(),
        in_reply_to: None,
        notification: None,
        delivery,
        address: &mail.to,
        delivers: true,
    };
    message.insert(transaction, now).await?;
    Ok(send_now(delivery, &mail.to, now))
}

fn send_now(delivery: DeliveryId, to: &Address, now: Timestamp) -> Job {
    Job::Deliver {
        delivery,
        channel: to.channel.clone(),
        news: false,
        attempt: 0,
        not_before: now,
    }
}

struct CloseHandoff {
    id: HandoffId,
    message: OutboundMessageId,
    delivery: DeliveryId,
    farewell: Option<Farewell>,
    actor: String,
    ambient: Ambient,
    queue: std::sync::Arc<dyn JobQueue>,
}

#[async_trait]
impl Write for CloseHandoff {
    /// Where it was closed, and the place of what was said there; `None` when nothing was open.
    type Output = Option<(Address, Option<i64>)>;
    const NAME: &'static str = "close_handoff";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Self::Output, DbErr> {
        let now = self.ambient.now();
        let closed = query_one(
            transaction,
            "UPDATE handoffs SET closed_at = $1 WHERE closed_at IS NULL
                    AND conversation_id = (SELECT conversation_id FROM handoffs WHERE id = $2)
                RETURNING conversation_id",
            [at(now), self.id.0.into()],
        )
        .await?;
        let Some(closed) = closed else {
            return Ok(None);
        };
        let conversation = ConversationId(closed.get("conversation_id")?);
        let subject = self.id.to_string();
        people::audit(
            transaction,
            &self.ambient,
            &self.actor,
            "close_handoff",
            &subject,
            &self.farewell.is_some(),
        )
        .await?;
        let sql = "SELECT channel, address FROM conversations WHERE id = $1";
        let row = query_one(transaction, sql, [conversation.0.into()])
            .await?
            .ok_or_else(|| DbErr::RecordNotFound(format!("conversation {conversation}")))?;
        let address = Address::new(row.get::<String>("channel")?, row.get::<String>("address")?);
        let position = match &self.farewell {
            Some(farewell) => Some(
                self.say(transaction, conversation, &address, farewell, now)
                    .await?,
            ),
            None => None,
        };
        Ok(Some((address, position)))
    }
}

impl CloseHandoff {
    /// Says it as an answer to the customer's last message: within its thread, and within what a provider allows.
    async fn say(
        &self,
        transaction: &Transaction<'_>,
        conversation: ConversationId,
        address: &Address,
        farewell: &Farewell,
        now: Timestamp,
    ) -> Result<i64, DbErr> {
        let sql = "SELECT id FROM inbound_messages WHERE conversation_id = $1 ORDER BY ordinal DESC LIMIT 1";
        let last = query_one(transaction, sql, [conversation.0.into()]).await?;
        let last: Option<Uuid> = last.map(|row| row.get("id")).transpose()?;
        let position = take_positions(transaction, conversation, 1).await?;
        let message = NewOutbound {
            id: self.message,
            conversation,
            position,
            content: &farewell.content,
            language: farewell.language.to_string(),
            in_reply_to: last.map(InboundMessageId),
            notification: None,
            delivery: self.delivery,
            address,
            delivers: farewell.delivers,
        };
        message.insert(transaction, now).await?;
        if farewell.delivers {
            let job = send_now(self.delivery, address, now);
            self.queue.enqueue(transaction, &[job]).await?;
        }
        announce(transaction, address, position).await?;
        Ok(position)
    }
}

/// A customer's data go: nobody is to be answered any more.
pub(super) async fn forget(
    transaction: &Transaction<'_>,
    conversation: Uuid,
    now: Timestamp,
) -> Result<(), DbErr> {
    let sql = "UPDATE handoffs SET summary = '', closed_at = COALESCE(closed_at, $1) WHERE conversation_id = $2";
    execute(transaction, sql, [at(now), conversation.into()]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use doorstep_core::{
        message::InboundMessage,
        understanding::{Backend, Escalation, Sentiment, Understanding},
    };

    use super::*;
    use crate::{
        store::TurnOutcome,
        testing::{TestStore, stores},
        turn::{Effect, Turn, Waiting},
    };

    async fn write(test: &TestStore, id: &str) -> Waiting {
        let now = test.store.ambient().now();
        let message = InboundMessage::text(Address::new("telegram", "7"), id, "A person!", now);
        let admitted = test.store.admit_message(message, Vec::new()).await.unwrap();
        let waiting = test.store.next_waiting(admitted.conversation).await;
        waiting.unwrap().unwrap()
    }

    fn handed_over(id: HandoffId, language: &Language) -> Turn {
        Turn {
            understanding: Understanding {
                language: language.clone(),
                intents: Vec::new(),
                asks: Vec::new(),
                accept: 1.0,
                escalation: Escalation::Normal,
                sentiment: Sentiment::default(),
                entities: Vec::new(),
                vector: None,
                backend: Backend::Rules,
            },
            language: language.clone(),
            state: None,
            replies: vec![Content::text("A colleague answers.")],
            effects: vec![Effect::HandOff {
                id,
                reason: "human_agent".to_owned(),
                summary: "Wants a person".to_owned(),
                urgent: false,
                mail: Some(Box::new(StaffMail {
                    to: Address::new("email", "desk@shop.example"),
                    content: Content::text("Somebody waits."),
                    language: Language::ENGLISH,
                })),
            }],
        }
    }

    /// Where jobs send, in order.
    fn sent_to(jobs: Vec<Job>) -> Vec<String> {
        let channel = |job| match job {
            Job::Deliver { channel, .. } => channel.0,
            other => panic!("{other:?}"),
        };
        jobs.into_iter().map(channel).collect()
    }

    #[tokio::test]
    async fn a_request_is_mailed_once_listed_until_closed_and_closed_once() {
        for test in stores().await {
            let store = &test.store;
            let waiting = write(&test, "t1").await;
            let id = HandoffId::new(&*store.ambient().clock, &*store.ambient().entropy);
            let language: Language = "es".parse().unwrap();
            let turn = handed_over(id, &language);
            store
                .commit_turn(&waiting, turn.clone(), true)
                .await
                .unwrap();
            assert_eq!(sent_to(test.queue.take()), ["email", "telegram"]);
            // Another instance had the same message: nobody is asked twice.
            let again = store.commit_turn(&waiting, turn, true).await.unwrap();
            assert_eq!(again, TurnOutcome::Stale);
            assert!(test.queue.take().is_empty());

            let open = store.open_handoffs().await.unwrap();
            assert_eq!(open.len(), 1);
            assert_eq!(
                (open[0].id, open[0].language.as_ref()),
                (id, Some(&language))
            );
            assert_eq!(store.count_open_handoffs().await.unwrap(), 1);
            assert!(write(&test, "t2").await.conversation.handed_over);

            let farewell = Farewell {
                content: Content::text("Done."),
                language,
                delivers: true,
            };
            let close = || store.close_handoff(id, Some(farewell.clone()), "operator");
            assert!(close().await.unwrap());
            assert_eq!(sent_to(test.queue.take()), ["telegram"]);
            assert!(!close().await.unwrap());
            assert!(test.queue.take().is_empty());
            assert_eq!(store.count_open_handoffs().await.unwrap(), 0);
            let closed = store.find_handoff(id).await.unwrap().unwrap();
            assert_eq!(closed.closed_at, Some(store.ambient().now()));
            let waiting = store.next_waiting(waiting.conversation.id).await.unwrap();
            assert!(!waiting.unwrap().conversation.handed_over);
        }
    }
}
