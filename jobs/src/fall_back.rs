//! Job: write to the customer's next channel if a message did not arrive.

use doorstep_core::DeliveryId;
use doorstep_engine::notify::{Notifier, NotifyError};

use crate::queue;

/// Its queue.
pub const QUEUE: &str = "fall_back";

/// What the job carries: the identifier of the delivery that may have failed.
pub(crate) fn payload(delivery: DeliveryId) -> Vec<u8> {
    queue::encode(&delivery.to_string())
}

/// Runs it.
pub(crate) async fn run(notifier: &Notifier, delivery: DeliveryId) -> Result<(), NotifyError> {
    let outcome = notifier.fall_back(delivery).await?;
    tracing::debug!(delivery.id = %delivery, ?outcome, "looked at");
    Ok(())
}
