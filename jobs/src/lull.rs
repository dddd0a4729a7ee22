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
        while self.news() > BURST {
            let since = *self.burst.get_or_insert_with(Instant::now);
            if since.elapsed() >= PATIENCE {
                return;
            }
            tokio::time::sleep(WATCH).await;
        }
        self.burst = None;
    }

    /// How many events were handed in since it was last asked.
    fn news(&mut self) -> u64 {
        let before = std::mem::replace(&mut self.seen, self.store.events_handed_in());
        self.seen - before
    }
}
