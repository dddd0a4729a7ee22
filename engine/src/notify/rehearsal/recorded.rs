//! What was really decided in the past, in the words of a rehearsal.

use std::collections::HashSet;

use doorstep_core::{NotificationId, message::Content};

use super::{Foreseen, Span, masked_customer, tell};
use crate::store::{Explained, Store, StoreError, is_fallback};

/// What was decided about the events that were admitted in `span`, from its `since` on. Not told are events that are not
/// decided yet, those whose customer was erased, and the messages on a next channel because one did not arrive: in a
/// rehearsal everything arrives.
///
/// # Errors
/// The store could not be read.
pub async fn recorded(real: &Store, span: Span) -> Result<Vec<Foreseen>, StoreError> {
    let mut all = Vec::new();
    for past in real.events_between(span.since, span.until).await? {
        let decisions = real.explain_event(past.id).await?;
        if !decisions.iter().any(is_erased) {
            all.extend(decisions);
        }
    }
    let fell_back = all.iter().filter(|decision| is_fallback(&decision.reason));
    let fell_back: HashSet<NotificationId> =
        fell_back.map(|decision| decision.notification).collect();
    let mut recorded = Vec::with_capacity(all.len());
    for mut decision in all {
        let speaker = decision.told_with.unwrap_or(decision.notification);
        if fell_back.contains(&speaker) {
            // Only what is sent to the first channel falls back: one message, and it is the oldest.
            decision.messages.truncate(1);
        }
        let customer = masked_customer(real, &decision).await?;
        recorded.push(tell(Some(decision.event_id), customer, decision));
    }
    Ok(recorded)
}

fn is_erased(decision: &Explained) -> bool {
    let nothing = Content::default();
    decision.messages.iter().any(|said| said.content == nothing)
}
