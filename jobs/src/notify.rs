//! Job: decide who hears of an event.

use doorstep_core::CommerceEventId;
use doorstep_engine::notify::{Notifier, NotifyError};

use crate::queue;

/// Its queue.
pub const QUEUE: &str = "notify";

/// What the job carries: the event's identifier.
pub(crate) fn payload(event: CommerceEventId) -> Vec<u8> {
    queue::encode(&event.to_string())
}

/// Runs it.
pub(crate) async fn run(notifier: &Notifier, event: CommerceEventId) -> Result<(), NotifyError> {
    let outcome = notifier.decide(event).await?;
    tracing::debug!(event.id = %event, ?outcome, "decided");
    Ok(())
}
