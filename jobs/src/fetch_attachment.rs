//! Job: fetch a file that a customer sent, or remove it once its customer is erased or when no message names it.
//!
//! A file that is to be asked for again is a new job of its own; this job only fails when the store does not answer.

use doorstep_core::AttachmentId;
use doorstep_engine::{StoreError, attachments::Fetcher};

use crate::queue;

/// Its queue's name.
pub const QUEUE: &str = "fetch_attachment";

/// What the job carries: the file's identifier, and how many attempts were made before.
pub(crate) fn payload(attachment: AttachmentId, attempt: i32) -> Vec<u8> {
    queue::encode(&format!("{attachment}:{attempt}"))
}

/// Reads [`payload`].
pub(crate) fn parse(payload: &str) -> Option<(AttachmentId, i32)> {
    let (attachment, attempt) = payload.rsplit_once(':')?;
    Some((attachment.parse().ok()?, attempt.parse().ok()?))
}

/// Runs it.
pub(crate) async fn run(
    fetcher: &Fetcher,
    id: AttachmentId,
    attempt: i32,
) -> Result<(), StoreError> {
    fetcher.fetch(id, attempt).await
}
