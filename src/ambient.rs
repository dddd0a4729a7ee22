//! The system's clock and randomness: the only place that asks the machine for either.

use std::sync::Arc;

use doorstep_core::{Ambient, Clock, Entropy, Timestamp};

struct SystemClock;

impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the clock that everything else is given"
    )]
    fn now(&self) -> Timestamp {
        chrono::Utc::now()
    }
}

struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the randomness that everything else is given"
    )]
    #[allow(
        clippy::expect_used,
        reason = "a system without randomness cannot sign sessions; nothing may run on it"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives randomness");
    }
}

/// The real clock and the operating system's random generator.
pub fn system() -> Ambient {
    Ambient {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    }
}
