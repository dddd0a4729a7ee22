//! The replay window: how far a sender's timestamp may be away from now.

use doorstep_core::{Timestamp, webhook::WebhookRejection};

/// How far a sender's clock may run ahead where only the past is open for longer, in seconds.
const AHEAD_S: i64 = 300;

/// Refuses what was sent too long ago, or what claims to come from the future. A provider that keeps an event's time over
/// its retries needs `past_s` to be as long as it retries; the future is never open for longer than clocks differ.
pub(crate) fn check(
    received_at: Timestamp,
    sent_at: Timestamp,
    past_s: u32,
) -> Result<(), WebhookRejection> {
    let seconds = (received_at - sent_at).num_seconds();
    let past = i64::from(past_s);
    let allowed = if seconds < 0 { past.min(AHEAD_S) } else { past };
    if seconds.saturating_abs() > allowed {
        return Err(WebhookRejection::OutsideReplayWindow {
            seconds: seconds.saturating_abs(),
            allowed,
        });
    }
    Ok(())
}
