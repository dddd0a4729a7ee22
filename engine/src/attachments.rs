//! Files that customers send: fetched from the provider once, streamed to storage, told by their first bytes, never run or
//! trusted.
//!
//! The row is admitted with its message (G1); a job fetches the bytes, and again later when the media server is away.
//! Bytes that come with a message are stored before it is admitted, and removed again if no message names them an hour
//! later: it was handed in twice, or never admitted. Storage is a directory by default and S3-compatible otherwise.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use doorstep_core::{
    AttachmentId, ChannelName,
    attachment::{Attachment, AttachmentPlace, FetchError},
    channel::Channel,
};
use futures::StreamExt;
use object_store::{
    ObjectStore, ObjectStoreExt, WriteMultipart, aws::AmazonS3Builder, local::LocalFileSystem,
    path::Path as ObjectPath,
};

use crate::{
    Store, StoreError,
    queue::Job,
    store::{AttachmentWork, FetchedAttachment, NewAttachment, WaitingAttachment},
};

/// How often a file is asked for at most.
const MAX_ATTEMPTS: i32 = 10;
/// The pause after the first failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// How much of a file tells what it is.
const HEAD: usize = 8192;
/// How many parts may be under way to storage.
const PARTS_AT_ONCE: usize = 2;
/// When bytes that came with a message are removed again, unless a message names them by then.
const UNNAMED_FOR: Duration = Duration::from_hours(1);
/// How long all bytes of a message may take to be stored: it must be admitted well before they would be removed.
const STORED_WITHIN: Duration = Duration::from_mins(30);

/// Where files are kept, and how large they may be.
#[derive(Debug, Clone)]
pub struct AttachmentsConfig {
    /// `s3://bucket/folder` (keys and endpoint by the `AWS_*` environment), or empty for a directory.
    pub url: String,
    /// The largest file in bytes.
    pub max_bytes: u64,
}

/// The storage cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "attachments.url = \"{url}\": {reason}; leave it empty for a directory, or write s3://bucket/folder"
)]
pub struct OpenStorageError {
    url: String,
    reason: String,
}

/// A message's files were not kept; it is to be handed in again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    /// The storage did not take them.
    #[error("the storage of attachments: {0}")]
    Storage(#[from] object_store::Error),
    /// It took too long.
    #[error("the storage of attachments took longer than {} minutes", STORED_WITHIN.as_secs() / 60)]
    TooSlow,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps files. Cheap to clone.
#[derive(Clone)]
pub struct Attachments {
    objects: Arc<dyn ObjectStore>,
    folder: ObjectPath,
    max_bytes: u64,
}

impl Attachments {
    /// Opens the storage; without an address it is `directory`, which is made.
    ///
    /// # Errors
    /// The address is none, or the directory cannot be made.
    pub fn open(config: &AttachmentsConfig, directory: &Path) -> Result<Self, OpenStorageError> {
        let failed = |reason: String| OpenStorageError {
            url: config.url.clone(),
            reason,
        };
        let (objects, folder): (Arc<dyn ObjectStore>, &str) = match config.url.as_str() {
            "" => {
                std::fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;
                let local = LocalFileSystem::new_with_prefix(directory)
                    .map_err(|error| failed(error.to_string()))?;
                (Arc::new(local), "")
            }
            url => {
                let place = url
                    .strip_prefix("s3://")
                    .ok_or_else(|| failed("it is no s3:// address".to_owned()))?;
                let (bucket, folder) = place.split_once('/').unwrap_or((place, ""));
                let s3 = AmazonS3Builder::from_env()
                    .with_bucket_name(bucket)
                    .build()
                    .map_err(|error| failed(error.to_string()))?;
                (Arc::new(s3), folder)
            }
        };
        Ok(Self {
            objects,
            folder: ObjectPath::from(folder),
            max_bytes: config.max_bytes,
        })
    }

    /// Files as they are admitted with their message. Bytes that came with it are stored, behind jobs that remove them again
    /// if the message is not admitted.
    ///
    /// # Errors
    /// The message cannot be admitted now. Nothing that was stored stays.
    pub(crate) async fn keep_all(
        &self,
        store: &Store,
        files: Vec<Attachment>,
    ) -> Result<Vec<NewAttachment>, KeepError> {
        let ambient = store.ambient();
        let begun = ambient.now();
        let numbered = files.into_iter().map(|mut attachment| {
            let id = AttachmentId::new(&*ambient.clock, &*ambient.entropy);
            let bytes = inline_bytes(&mut attachment);
            (id, attachment, bytes)
        });
        let numbered: Vec<_> = numbered.collect();
        let removals = numbered.iter().filter(|(_, _, bytes)| bytes.is_some());
        let removals = removals.map(|(id, ..)| Job::FetchAttachment {
            attachment: *id,
            attempt: 0,
            not_before: begun + UNNAMED_FOR,
        });
        store.enqueue(removals.collect()).await?;
        let mut kept = Vec::with_capacity(numbered.len());
        for (id, attachment, bytes) in numbered {
            let fetched = match bytes {
                Some(bytes) => Some(self.keep(id, bytes).await?),
                None => None,
            };
            kept.push(NewAttachment {
                id,
                attachment,
                fetched,
            });
        }
        if ambient.now() > begun + STORED_WITHIN {
            return Err(KeepError::TooSlow);
        }
        Ok(kept)
    }

    /// Stores bytes that came with a message. Files that are too large are not stored.
    async fn keep(
        &self,
        id: AttachmentId,
        bytes: bytes::Bytes,
    ) -> Result<FetchedAttachment, object_store::Error> {
        if bytes.len() as u64 > self.max_bytes {
            return Ok(FetchedAttachment::Refused {
                reason: self.too_large(),
            });
        }
        let stored = FetchedAttachment::Stored {
            object: id.to_string(),
            media_type: sniff(&bytes),
            size: bytes.len() as u64,
        };
        self.objects.put(&self.path(id), bytes.into()).await?;
        Ok(stored)
    }

    /// Streams a file from its provider to storage.
    async fn fetch(
        &self,
        channel: &dyn Channel,
        id: AttachmentId,
        attachment: &Attachment,
    ) -> Result<FetchedAttachment, FetchError> {
        if attachment.size.is_some_and(|size| size > self.max_bytes) {
            return Ok(FetchedAttachment::Refused {
                reason: self.too_large(),
            });
        }
        let mut stream = channel.fetch(attachment).await?;
        let away = |error: object_store::Error| FetchError::Retry {
            after: None,
            reason: format!("the storage did not take it: {error}"),
        };
        let upload = self.objects.put_multipart(&self.path(id)).await;
        let mut upload = WriteMultipart::new(upload.map_err(away)?);
        let mut head = Vec::new();
        let mut size = 0;
        while let Some(chunk) = stream.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => {
                    give_up(upload).await;
                    return Err(error);
                }
            };
            size += chunk.len() as u64;
            if size > self.max_bytes {
                give_up(upload).await;
                return Ok(FetchedAttachment::Refused {
                    reason: self.too_large(),
                });
            }
            let wanted = HEAD.saturating_sub(head.len()).min(chunk.len());
            head.extend_from_slice(&chunk[..wanted]);
            upload
                .wait_for_capacity(PARTS_AT_ONCE)
                .await
                .map_err(away)?;
            upload.write(&chunk);
        }
        upload.finish().await.map_err(away)?;
        Ok(FetchedAttachment::Stored {
            object: id.to_string(),
            media_type: sniff(&head),
            size,
        })
    }

    /// Removes a file. One that is not there is removed.
    async fn erase(&self, id: AttachmentId) -> Result<(), object_store::Error> {
        match self.objects.delete(&self.path(id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn too_large(&self) -> String {
        format!("larger than attachments.max_bytes = {}", self.max_bytes)
    }

    fn path(&self, id: AttachmentId) -> ObjectPath {
        self.folder.clone().join(id.to_string())
    }
}

/// What was stored of it so far is removed; if that fails, the storage's own rules remove it.
async fn give_up(upload: WriteMultipart) {
    let _ = upload.abort().await;
}

/// What a file is, by its first bytes. Whatever is not known is bytes, so that no browser guesses.
fn sniff(head: &[u8]) -> String {
    let kind = infer::get(head).map(|kind| kind.mime_type());
    kind.unwrap_or("application/octet-stream").to_owned()
}

/// Fetches what waits.
pub struct Fetcher {
    store: Store,
    attachments: Attachments,
    channels: HashMap<ChannelName, Arc<dyn Channel>>,
}

impl Fetcher {
    /// From these channels into the storage.
    pub fn new(
        store: Store,
        attachments: Attachments,
        channels: impl IntoIterator<Item = Arc<dyn Channel>>,
    ) -> Self {
        let channels = channels
            .into_iter()
            .map(|channel| (channel.name().clone(), channel))
            .collect();
        Self {
            store,
            attachments,
            channels,
        }
    }

    /// Fetches one file, unless it was fetched, or removes it when its customer was erased or no message names it; `made`
    /// attempts were made before.
    ///
    /// # Errors
    /// The store did not answer; the sweep finds what waits.
    pub async fn fetch(&self, id: AttachmentId, made: i32) -> Result<(), StoreError> {
        match self.store.attachment_work(id, made).await? {
            AttachmentWork::Nothing => return Ok(()),
            AttachmentWork::Erase => return self.erase(id, made).await,
            AttachmentWork::Fetch(waiting) => self.fetch_waiting(&waiting, made).await?,
        }
        // Erased while it was fetched: the attempt stored what must not be there.
        match self.store.attachment_work(id, made + 1).await? {
            AttachmentWork::Erase => self.erase(id, made + 1).await,
            _ => Ok(()),
        }
    }

    async fn fetch_waiting(
        &self,
        waiting: &WaitingAttachment,
        made: i32,
    ) -> Result<(), StoreError> {
        let id = waiting.id;
        let outcome = self.try_to(waiting).await;
        let fetched = outcome.unwrap_or_else(|error| self.after(error, made));
        metrics::counter!("doorstep_attachments_total", "channel" => waiting.channel.to_string(), "outcome" => fetched.as_str())
            .increment(1);
        tracing::info!(attachment = %id, channel = %waiting.channel, outcome = fetched.as_str(), "an attachment was asked for");
        self.store.settle_attachment(id, made, fetched).await
    }

    /// Never given up: what must not be there must not stay.
    async fn erase(&self, id: AttachmentId, made: i32) -> Result<(), StoreError> {
        let Err(error) = self.attachments.erase(id).await else {
            tracing::info!(attachment = %id, "an attachment was removed");
            return self.store.forget_attachment(id).await;
        };
        tracing::warn!(attachment = %id, %error, "an attachment that is to be removed is still in the storage");
        let later = FetchedAttachment::Later {
            at: self.store.ambient().now() + pause_after(made),
            reason: format!("it could not be removed: {error}"),
        };
        self.store.settle_attachment(id, made, later).await
    }

    async fn try_to(&self, waiting: &WaitingAttachment) -> Result<FetchedAttachment, FetchError> {
        let channel = self.channels.get(&waiting.channel);
        let channel = channel.ok_or_else(|| FetchError::Fail {
            reason: format!("no channel `{}` is configured", waiting.channel),
        })?;
        let fetching = self
            .attachments
            .fetch(&**channel, waiting.id, &waiting.attachment);
        fetching.await
    }

    fn after(&self, error: FetchError, made: i32) -> FetchedAttachment {
        match error {
            FetchError::Fail { reason } => FetchedAttachment::Refused { reason },
            FetchError::Retry { reason, .. } if made + 1 >= MAX_ATTEMPTS => {
                FetchedAttachment::Refused {
                    reason: format!("given up after {} attempts: {reason}", made + 1),
                }
            }
            FetchError::Retry { after, reason } => FetchedAttachment::Later {
                at: self.store.ambient().now() + after.unwrap_or_else(|| pause_after(made)),
                reason,
            },
        }
    }
}

/// How long to wait after the attempt that followed `made` others.
fn pause_after(made: i32) -> Duration {
    let doublings = u32::try_from(made).unwrap_or(0).min(20);
    let pause = FIRST_PAUSE.saturating_mul(1 << doublings);
    pause.min(LONGEST_PAUSE)
}

/// Takes bytes that came with a message out of it; what is left is as a provider would have handed it in.
fn inline_bytes(attachment: &mut Attachment) -> Option<bytes::Bytes> {
    let place = std::mem::replace(
        &mut attachment.place,
        AttachmentPlace::Provider(String::new()),
    );
    match place {
        AttachmentPlace::Inline(bytes) => Some(bytes),
        place @ AttachmentPlace::Provider(_) => {
            attachment.place = place;
            None
        }
    }
}

#[cfg(test)]
mod tests;
