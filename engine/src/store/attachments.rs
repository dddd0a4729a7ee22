//! Files that came with messages: admitted with them, fetched later, and erased with their customer.

use async_trait::async_trait;
use doorstep_core::{
    AttachmentId, ChannelName, InboundMessageId, Timestamp, attachment::Attachment,
};
use sea_orm::DbErr;
use uuid::Uuid;

use super::{
    Store, StoreError, Transaction, execute, query,
    row::{at, json, optional_text},
    write::Write,
};
use crate::queue::{Job, JobQueue, QueueName};

/// A file to be admitted with its message.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAttachment {
    /// Our identifier.
    pub id: AttachmentId,
    /// What the channel said of it.
    pub attachment: Attachment,
    /// What became of it, when its bytes came with the message.
    pub fetched: Option<FetchedAttachment>,
}

/// What came of fetching a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchedAttachment {
    /// It is in storage.
    Stored {
        /// Its name there.
        object: String,
        /// What it is, by its first bytes.
        media_type: String,
        /// How large, in bytes.
        size: u64,
    },
    /// It is not kept.
    Refused {
        /// Why.
        reason: String,
    },
    /// It is asked for again.
    Later {
        /// When.
        at: Timestamp,
        /// What the provider said.
        reason: String,
    },
}

impl FetchedAttachment {
    /// Its name in the store and in metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Stored { .. } => "stored",
            Self::Refused { .. } => "refused",
            Self::Later { .. } => "waiting",
        }
    }
}

/// What is to be done about a file.
#[derive(Debug, Clone, PartialEq)]
pub enum AttachmentWork {
    /// It waits to be fetched.
    Fetch(WaitingAttachment),
    /// Its customer was erased, or no message names it: it must leave the storage.
    Erase,
    /// Nothing, or another attempt does it.
    Nothing,
}

/// What the row tells of a file whose customer was erased, until it has left the storage.
const NOTHING_TOLD: &str = "null";

/// A file that waits to be fetched.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitingAttachment {
    /// Our identifier.
    pub id: AttachmentId,
    /// Who can fetch it.
    pub channel: ChannelName,
    /// What the channel said of it.
    pub attachment: Attachment,
}

impl Store {
    /// What the attempt that follows `made` earlier ones has to do.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn attachment_work(
        &self,
        id: AttachmentId,
        made: i32,
    ) -> Result<AttachmentWork, StoreError> {
        let sql = "SELECT a.told, a.status, a.attempts, m.channel FROM attachments a
            JOIN inbound_messages m ON m.id = a.inbound_id WHERE a.id = $1";
        let rows = self.query(sql, [id.0.into()]).await?;
        // Its message was never admitted, or an attempt was under way when the file was erased, and ended after it.
        let Some(row) = rows.first() else {
            return Ok(AttachmentWork::Erase);
        };
        let status: String = row.get("status")?;
        if status != "waiting" || row.get::<i32>("attempts")? != made {
            return Ok(AttachmentWork::Nothing);
        }
        if row.get::<String>("told")? == NOTHING_TOLD {
            return Ok(AttachmentWork::Erase);
        }
        Ok(AttachmentWork::Fetch(WaitingAttachment {
            id,
            channel: ChannelName(row.get("channel")?),
            attachment: row.json("told")?,
        }))
    }

    /// Writes down what came of an attempt, unless the file was settled or erased meanwhile; one that is made again later
    /// is a new job.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn settle_attachment(
        &self,
        id: AttachmentId,
        made: i32,
        fetched: FetchedAttachment,
    ) -> Result<(), StoreError> {
        let later = matches!(fetched, FetchedAttachment::Later { .. });
        self.write(SettleAttachment {
            id,
            made,
            fetched,
            queue: self.queue().clone(),
        })
        .await?;
        if later {
            self.queue().wake_one(QueueName::FetchAttachment);
        }
        Ok(())
    }

    /// Removes the row of an erased file, which has left the storage.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn forget_attachment(&self, id: AttachmentId) -> Result<(), StoreError> {
        self.write(ForgetAttachment(id)).await
    }

    /// Files of a message: what each is called and is, and what became of it, in order.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn attachments_of(
        &self,
        message: InboundMessageId,
    ) -> Result<Vec<(Attachment, String)>, StoreError> {
        let sql = "SELECT told, status FROM attachments WHERE inbound_id = $1 ORDER BY number";
        let rows = self.query(sql, [message.0.into()]).await?;
        rows.iter()
            .map(|row| Ok((row.json("told")?, row.get("status")?)))
            .collect()
    }

    /// Jobs for files that are due since before `before`.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn overdue_attachments(
        &self,
        before: Timestamp,
        limit: u64,
    ) -> Result<Vec<Job>, StoreError> {
        let sql = "SELECT id, attempts, next_attempt_at FROM attachments
            WHERE status = 'waiting' AND next_attempt_at <= $1 ORDER BY next_attempt_at LIMIT $2";
        let rows = self.query(sql, [at(before), limit.into()]).await?;
        rows.iter()
            .map(|row| {
                Ok(Job::FetchAttachment {
                    attachment: AttachmentId(row.get("id")?),
                    attempt: row.get("attempts")?,
                    not_before: row.time("next_attempt_at")?,
                })
            })
            .collect()
    }
}

/// Stores a message's files; returns the jobs that fetch those that are not there.
pub(super) async fn admit(
    transaction: &Transaction<'_>,
    message: InboundMessageId,
    new: &[NewAttachment],
    now: Timestamp,
) -> Result<Vec<Job>, DbErr> {
    let mut jobs = Vec::new();
    for (number, file) in new.iter().enumerate() {
        execute(
            transaction,
            "INSERT INTO attachments (id, inbound_id, number, kind, told, status, attempts, next_attempt_at)
                VALUES ($1, $2, $3, $4, $5, 'waiting', 0, $6)",
            [
                file.id.0.into(),
                message.0.into(),
                i32::try_from(number).unwrap_or(i32::MAX).into(),
                file.attachment.kind.as_str().into(),
                json(&file.attachment)?,
                at(now),
            ],
        )
        .await?;
        match &file.fetched {
            Some(fetched) => write_down(transaction, file.id, 0, fetched).await?,
            None => jobs.push(Job::FetchAttachment {
                attachment: file.id,
                attempt: 0,
                not_before: now,
            }),
        }
    }
    Ok(jobs)
}

/// Blanks what was told of a conversation's files; returns the jobs that remove them from the storage. The rows stay until
/// that is done, so that a crash in between leaves none behind.
pub(super) async fn blank(
    transaction: &Transaction<'_>,
    conversation: Uuid,
    now: Timestamp,
) -> Result<Vec<Job>, DbErr> {
    // An attempt that is under way does not find its number any more.
    let sql = "UPDATE attachments SET told = $1, status = 'waiting', attempts = attempts + 1, next_attempt_at = $2,
            media_type = NULL, size = NULL, reason = NULL
        WHERE inbound_id IN (SELECT id FROM inbound_messages WHERE conversation_id = $3) RETURNING id, attempts";
    let values = [NOTHING_TOLD.into(), at(now), conversation.into()];
    let rows = query(transaction, sql, values).await?;
    rows.iter()
        .map(|row| {
            Ok(Job::FetchAttachment {
                attachment: AttachmentId(row.get("id")?),
                attempt: row.get("attempts")?,
                not_before: now,
            })
        })
        .collect()
}

async fn write_down(
    transaction: &Transaction<'_>,
    id: AttachmentId,
    made: i32,
    fetched: &FetchedAttachment,
) -> Result<(), DbErr> {
    let (object, media_type, size) = match fetched {
        FetchedAttachment::Stored {
            object,
            media_type,
            size,
        } => (Some(object), Some(media_type), Some(*size)),
        _ => (None, None, None),
    };
    let (next, reason) = match fetched {
        FetchedAttachment::Later { at, reason } => (Some(at.timestamp_millis()), Some(reason)),
        FetchedAttachment::Refused { reason } => (None, Some(reason)),
        FetchedAttachment::Stored { .. } => (None, None),
    };
    execute(
        transaction,
        "UPDATE attachments SET status = $1, object = $2, media_type = $3, size = $4, reason = $5,
                next_attempt_at = $6, attempts = attempts + 1
            WHERE id = $7 AND attempts = $8",
        [
            fetched.as_str().into(),
            optional_text(object),
            optional_text(media_type),
            size.map(|size| i64::try_from(size).unwrap_or(i64::MAX))
                .into(),
            optional_text(reason),
            next.into(),
            id.0.into(),
            made.into(),
        ],
    )
    .await?;
    Ok(())
}

struct ForgetAttachment(AttachmentId);

#[async_trait]
impl Write for ForgetAttachment {
    type Output = ();
    const NAME: &'static str = "forget_attachment";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<(), DbErr> {
        let sql = "DELETE FROM attachments WHERE id = $1 AND told = $2";
        execute(transaction, sql, [self.0.0.into(), NOTHING_TOLD.into()]).await?;
        Ok(())
    }
}

struct SettleAttachment {
    id: AttachmentId,
    made: i32,
    fetched: FetchedAttachment,
    queue: std::sync::Arc<dyn JobQueue>,
}

#[async_trait]
impl Write for SettleAttachment {
    type Output = ();
    const NAME: &'static str = "settle_attachment";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<(), DbErr> {
        write_down(transaction, self.id, self.made, &self.fetched).await?;
        if let FetchedAttachment::Later { at, .. } = &self.fetched {
            let job = Job::FetchAttachment {
                attachment: self.id,
                attempt: self.made + 1,
                not_before: *at,
            };
            self.queue.enqueue(transaction, &[job]).await?;
        }
        Ok(())
    }
}
