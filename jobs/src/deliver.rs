//! Job: attempt a delivery. Each channel has two queues of its own, so that a slow provider holds up nobody else, and
//! many notifications no answer.
//!
//! A send that is to be tried again is a new job of the delivery itself; this job only fails when the store does not
//! answer.

use doorstep_core::DeliveryId;
use doorstep_engine::{StoreError, delivery::Delivery};

use crate::queue;

/// The first part of its queues' names; the channel is the second: `deliver:email`, and `deliver:email:news` for
/// notifications.
pub const QUEUE: &str = "deliver";

/// What the job carries: the delivery's identifier, and how many attempts were made before.
pub(crate) fn payload(delivery: DeliveryId, attempt: i32) -> Vec<u8> {
    queue::encode(&format!("{delivery}:{attempt}"))
}

/// Reads [`payload`].
pub(crate) fn parse(payload: &str) -> Option<(DeliveryId, i32)> {
    let (delivery, attempt) = payload.rsplit_once(':')?;
    Some((delivery.parse().ok()?, attempt.parse().ok()?))
}

/// Runs it.
pub(crate) async fn run(
    delivery: &Delivery,
    id: DeliveryId,
    attempt: i32,
) -> Result<(), StoreError> {
    let outcome = delivery.attempt(id, attempt).await?;
    tracing::debug!(delivery.id = %id, ?outcome, "attempted");
    Ok(())
}
