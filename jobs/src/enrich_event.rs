//! Job: bring order, parcel and ETA up to date with an event.

use doorstep_core::CommerceEventId;
use doorstep_engine::enrich::{EnrichError, Enricher};

use crate::queue;

/// Its queue.
pub const QUEUE: &str = "enrich_event";

/// What the job carries: the event's identifier.
pub(crate) fn payload(event: CommerceEventId) -> Vec<u8> {
    queue::encode(&event.to_string())
}

/// Runs it. A shop that is down fails the job, which is then tried again later; one that hangs does so soon, and takes half of
/// this queue's places at most (`engine::enrich`).
pub(crate) async fn run(enricher: &Enricher, event: CommerceEventId) -> Result<(), EnrichError> {
    let outcome = enricher.enrich(event).await?;
    tracing::debug!(event.id = %event, ?outcome, "enriched");
    Ok(())
}
