//! Acknowledging comes first: while events come in thick and fast, work that can wait does.
//!
//! A shop that prints a thousand labels sends a thousand webhooks, and whoever is not answered in time sends them again.
//! So jobs of events begin when the burst is over; one that lasts is shared with after [`PATIENCE`].

use std::time::Duration;

use doorstep_engine::Store;
use tokio::time::Instant;

/// How long events are watched to see how fast they come.
const WATCH: Duration = Duration::from_millis(2);
/// So many within [`WATCH`] are a burst: two thousand a second.
const BURST: u64 = 4;
/// A burst that lasts longer is no reason to wait any more.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether a burst is under way, and since when.
#[derive(Clone)]
pub(crate) struct Lull {
    store: Store,
    seen: u64,
    burst: Option<Instant>,
}

impl Lull {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            seen: 0,
            burst: None,
        }
    }

    /// Returns when no burst is under way, or this one has lasted too long. At once when few events came since last
    /// time.
    pub(crate) async fn wait(&mut self) {
        while !self.may_begin(self.store.events_handed_in(), Instant::now()) {
            tokio::time::sleep(WATCH).await;
        }
    }

    /// Whether work may begin `now`, when so many events were ever handed in.
    fn may_begin(&mut self, handed_in: u64, now: Instant) -> bool {
        let news = handed_in - std::mem::replace(&mut self.seen, handed_in);
        if news <= BURST {
            self.burst = None;
            return true;
        }
        let since = *self.burst.get_or_insert(now);
        now - since >= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sqlite_road;

    #[tokio::test(flavor = "multi_thread")]
    async fn work_waits_for_a_burst_to_end_but_not_for_ever() {
        let road = sqlite_road().await;
        let mut lull = Lull::new(road.store.clone());
        let start = Instant::now();
        assert!(lull.may_begin(1, start), "a single event");
        assert!(!lull.may_begin(40, start), "a burst");
        assert!(!lull.may_begin(80, start + PATIENCE / 2));
        assert!(lull.may_begin(120, start + PATIENCE), "it lasts");
        assert!(lull.may_begin(121, start + PATIENCE), "it is over");
        assert!(!lull.may_begin(200, start + PATIENCE), "a new one");
    }
}
