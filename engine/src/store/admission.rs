//! Admitting what a customer wrote: the first end of a turn.

use async_trait::async_trait;
use doorstep_core::{
    Ambient, ConversationId, InboundMessageId, Timestamp,
    message::{Address, Admission, InboundMessage},
};
use sea_orm::{DbErr, Value};

use super::{
    NewAttachment, Row, Store, StoreError, Transaction, attachments, execute, links,
    mailbox::announce,
    people, query_one,
    row::{at, optional_json, optional_text},
    write::Write,
};
use crate::queue::{JobQueue, QueueName};

impl Store {
    /// Stores a message, or finds it stored before (G1, G2). Card numbers are masked first (G9). Its `link` is the hash of
    /// a token of ours.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn admit_message(
        &self,
        message: InboundMessage,
        attachments: Vec<NewAttachment>,
    ) -> Result<Admission, StoreError> {
        let ambient = self.ambient();
        let write = AdmitMessage {
            id: InboundMessageId::new(&*ambient.clock, &*ambient.entropy),
            new_conversation: ConversationId::new(&*ambient.clock, &*ambient.entropy),
            message: message.storable(),
            attachments: attachments
                .into_iter()
                .map(|file| NewAttachment {
                    attachment: file.attachment.storable(),
                    ..file
                })
                .collect(),
            queue: self.queue().clone(),
            ambient: ambient.clone(),
            now: ambient.now(),
        };
        let files_wait = write.attachments.iter().any(|file| file.fetched.is_none());
        let address = write.message.from.clone();
        let admission = match self.write(write.clone()).await {
            // Another instance admitted the same message at the same time: it is there now.
            Err(StoreError::Database(DbErr::RecordNotInserted)) => self.write(write).await?,
            outcome => outcome?,
        };
        if !admission.duplicate {
            self.bus().announce(&address, admission.position);
            if files_wait {
                self.queue().wake_one(QueueName::FetchAttachment);
            }
        }
        Ok(admission)
    }

    /// The admission of a message that was admitted before.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn find_admission(
        &self,
        message: &InboundMessage,
    ) -> Result<Option<Admission>, StoreError> {
        let rows = self.query(ADMITTED, admitted_as(message)).await?;
        Ok(rows.first().map(read_admitted).transpose()?)
    }
}

/// Finds a message that was admitted before, by [`admitted_as`].
const ADMITTED: &str = "SELECT id, conversation_id, position FROM inbound_messages WHERE channel = $1 AND external_id = $2";

fn admitted_as(message: &InboundMessage) -> [Value; 2] {
    [
        message.from.channel.as_str().into(),
        message.external_id.as_str().into(),
    ]
}

fn read_admitted(row: &Row) -> Result<Admission, DbErr> {
    Ok(Admission {
        id: InboundMessageId(row.get("id")?),
        conversation: ConversationId(row.get("conversation_id")?),
        position: row.get("position")?,
        duplicate: true,
    })
}

#[derive(Clone)]
struct AdmitMessage {
    id: InboundMessageId,
    new_conversation: ConversationId,
    /// With the hash of a known link token in place of the token.
    message: InboundMessage,
    attachments: Vec<NewAttachment>,
    queue: std::sync::Arc<dyn JobQueue>,
    ambient: Ambient,
    now: Timestamp,
}

#[async_trait]
impl Write for AdmitMessage {
    type Output = Admission;
    const NAME: &'static str = "admit_message";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Admission, DbErr> {
        let message = &self.message;
        if let Some(known) = query_one(transaction, ADMITTED, admitted_as(message)).await? {
            return read_admitted(&known);
        }
        let conversation =
            ensure_conversation(transaction, &message.from, self.new_conversation, self.now)
                .await?;
        if let Some(proof) = &message.proof {
            let language = message.language_hint.as_ref();
            people::link(
                transaction,
                &message.from,
                proof,
                "signed_token",
                language,
                self.now,
            )
            .await?;
        }
        if let Some(hash) = &message.link {
            links::redeem(transaction, &self.ambient, hash, &message.from, self.now).await?;
        }
        // The conversation's row is locked from here on, so that numbers have no gaps on PostgreSQL either.
        let counted = query_one(
            transaction,
            "UPDATE conversations SET inbound_count = inbound_count + 1, last_position = last_position + 1,
                    closed_at = NULL, closed_reason = NULL, time_zone = COALESCE($2, time_zone)
                WHERE id = $1 RETURNING inbound_count, last_position",
            [conversation.0.into(), optional_text(message.time_zone)],
        )
        .await?
        .ok_or_else(|| DbErr::RecordNotFound(format!("conversation {conversation}")))?;
        let position: i64 = counted.get("last_position")?;
        let inserted = execute(
            transaction,
            "INSERT INTO inbound_messages (id, conversation_id, position, ordinal, channel, external_id, text, button,
                    language_hint, proof, sent_at, admitted_at, subject, edits, new_topic)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
                ON CONFLICT (channel, external_id) DO NOTHING",
            [
                self.id.0.into(),
                conversation.0.into(),
                position.into(),
                counted.get::<i64>("inbound_count")?.into(),
                message.from.channel.as_str().into(),
                message.external_id.as_str().into(),
                message.text.as_str().into(),
                optional_text(message.button.as_deref()),
                optional_text(message.language_hint.as_ref()),
                optional_json(message.proof.as_ref())?,
                at(message.sent_at),
                at(self.now),
                optional_text(message.subject.as_deref()),
                optional_text(message.edits.as_deref()),
                message.new_topic.into(),
            ],
        )
        .await?;
        if inserted == 0 {
            // Another instance admitted it between our look and our insert; the roll-back undoes the count.
            return Err(DbErr::RecordNotInserted);
        }
        let jobs = attachments::admit(transaction, self.id, &self.attachments, self.now).await?;
        if !jobs.is_empty() {
            self.queue.enqueue(transaction, &jobs).await?;
        }
        announce(transaction, &message.from, position).await?;
        Ok(Admission {
            id: self.id,
            conversation,
            position,
            duplicate: false,
        })
    }
}

/// The conversation of an address, made if it is the first contact.
pub(crate) async fn ensure_conversation(
    transaction: &Transaction<'_>,
    address: &Address,
    new: ConversationId,
    now: Timestamp,
) -> Result<ConversationId, DbErr> {
    let find = || {
        query_one(
            transaction,
            "SELECT id FROM conversations WHERE channel = $1 AND address = $2",
            [address.channel.as_str().into(), address.id.as_str().into()],
        )
    };
    if let Some(row) = find().await? {
        return Ok(ConversationId(row.get("id")?));
    }
    execute(
        transaction,
        "INSERT INTO conversations (id, channel, address, created_at) VALUES ($1, $2, $3, $4)
            ON CONFLICT (channel, address) DO NOTHING",
        [
            new.0.into(),
            address.channel.as_str().into(),
            address.id.as_str().into(),
            at(now),
        ],
    )
    .await?;
    let row = find().await?.ok_or(DbErr::RecordNotInserted)?;
    Ok(ConversationId(row.get("id")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::stores;

    #[tokio::test]
    async fn a_message_is_stored_without_card_numbers_and_without_what_postgresql_refuses() {
        for test in stores().await {
            let from = Address::new("telegram", "7");
            let text = "Hello\u{0}, 4111\u{0}1111 1111 1111";
            let message = InboundMessage {
                button: Some("4111111111111111\u{0}".to_owned()),
                subject: Some("Card 4111 1111 1111 1111".to_owned()),
                ..InboundMessage::text(from, "t1", text, test.store.ambient().now())
            };
            let admitted = test.store.admit_message(message, Vec::new()).await.unwrap();
            assert!(!admitted.duplicate);
            let sql = "SELECT text, button, subject FROM inbound_messages";
            let rows = test.store.query(sql, []).await.unwrap();
            let stored: Vec<String> = ["text", "button", "subject"]
                .map(|column| rows[0].get(column).unwrap())
                .to_vec();
            assert_eq!(stored, ["Hello, •••• 1111", "•••• 1111", "Card •••• 1111"]);
        }
    }
}
