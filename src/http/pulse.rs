//! Whether anybody is at the other end of a socket: a client that says nothing is pinged (RFC 6455, section 5.5.2), and one
//! that does not answer is gone, though the network never said so (a phone that lost its network, a laptop that was shut).

use std::time::Duration;

use tokio::time::Instant;

/// A socket's signs of life. What time it is, it is told.
pub(super) struct Pulse {
    every: Duration,
    heard: Instant,
    pinged: Option<Instant>,
}

/// What is to be done about a silent client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing yet.
    Wait,
    /// Ping it.
    Ping,
    /// It is gone.
    Gone,
}

impl Pulse {
    /// A client that is pinged after `every` of silence, and again after as much, and is gone half of it later.
    pub(super) fn new(every: Duration, now: Instant) -> Self {
        Self {
            every,
            heard: now,
            pinged: None,
        }
    }

    /// It said something, be it a pong.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.pinged = None;
    }

    /// How long it may be silent before it is gone; how long it may take to take a frame from us, too.
    pub(super) fn patience(&self) -> Duration {
        self.every * 5 / 2
    }

    /// When to ask [`Self::beat`] next.
    pub(super) fn due(&self) -> Instant {
        let ping = self.pinged.unwrap_or(self.heard) + self.every;
        ping.min(self.heard + self.patience())
    }

    /// What is to be done now.
    pub(super) fn beat(&mut self, now: Instant) -> Beat {
        if now >= self.heard + self.patience() {
            return Beat::Gone;
        }
        if now < self.due() {
            return Beat::Wait;
        }
        self.pinged = Some(now);
        Beat::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(30);

    /// The beats of a client of whom nothing more is heard, with the seconds since.
    fn beats(pulse: &mut Pulse, start: Instant) -> Vec<(u64, Beat)> {
        let mut beats = Vec::new();
        loop {
            let now = pulse.due();
            let beat = pulse.beat(now);
            beats.push(((now - start).as_secs(), beat));
            if beat == Beat::Gone {
                return beats;
            }
        }
    }

    #[tokio::test]
    async fn a_silent_client_is_pinged_twice_and_then_gone() {
        let start = Instant::now();
        let mut pulse = Pulse::new(EVERY, start);
        let expected = [(30, Beat::Ping), (60, Beat::Ping), (75, Beat::Gone)];
        assert_eq!(beats(&mut pulse, start), expected);
    }

    #[tokio::test]
    async fn who_answers_or_speaks_stays_and_is_asked_again_later() {
        let start = Instant::now();
        let mut pulse = Pulse::new(EVERY, start);
        assert_eq!(pulse.beat(start + Duration::from_secs(29)), Beat::Wait);
        assert_eq!(pulse.beat(start + EVERY), Beat::Ping);
        let answered = start + Duration::from_secs(31);
        pulse.heard(answered);
        assert_eq!(pulse.beat(answered + Duration::from_secs(29)), Beat::Wait);
        let expected = [(30, Beat::Ping), (60, Beat::Ping), (75, Beat::Gone)];
        assert_eq!(beats(&mut pulse, answered), expected);
    }
}
