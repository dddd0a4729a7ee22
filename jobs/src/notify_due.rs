//! Job: decide again about news that waits.

use doorstep_core::NotificationId;
use doorstep_engine::notify::{Notifier, NotifyError};

use crate::queue;

/// Its queue.
pub const QUEUE: &str = "notify_due";

/// What the job carries: the waiting notification's identifier.
pub(crate) fn payload(notification: NotificationId) -> Vec<u8> {
    queue::encode(&notification.to_string())
}

/// Runs it.
pub(crate) async fn run(
    notifier: &Notifier,
    notification: NotificationId,
) -> Result<(), NotifyError> {
    let outcome = notifier.decide_due(notification).await?;
    tracing::debug!(notification.id = %notification, ?outcome, "decided again");
    Ok(())
}
