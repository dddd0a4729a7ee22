//! Time and randomness, passed in so that every test is repeatable. The globals are banned in `clippy.toml`.

use std::sync::Arc;

use chrono::{DateTime, Utc};

/// An instant in UTC. A customer's time zone is kept beside it where it matters, never inside it.
pub type Timestamp = DateTime<Utc>;

/// Tells the time. Production uses the system clock of the front door; tests move theirs by hand.
pub trait Clock: Send + Sync {
    /// The current instant.
    fn now(&self) -> Timestamp;
}

/// Gives random bytes. Production uses the operating system's generator; tests a seeded one.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with random data.
    fn fill(&self, bytes: &mut [u8]);
}

/// Clock and randomness together, as most rooms need both.
#[derive(Clone)]
pub struct Ambient {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Ambient {
    /// The current instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
