//! Rates, in bounded memory. Not the `governor` crate: its keyed store grows with every new key that has not
//! recovered yet, and a clock that steps back locks its keys out until it has caught up.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use doorstep_core::{Clock, Timestamp};

use super::config::RateLimit;

/// Token buckets by key. Two generations of `capacity` keys each: when the young one is full it becomes the old one,
/// and what was not asked for since is forgotten, so that memory stays bounded whatever strangers do.
pub(super) struct Limiter<K> {
    rate: RateLimit,
    capacity: usize,
    clock: Arc<dyn Clock>,
    buckets: Mutex<Generations<K>>,
}

struct Generations<K> {
    young: HashMap<K, Bucket>,
    old: HashMap<K, Bucket>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl<K: Eq + Hash> Limiter<K> {
    pub(super) fn new(rate: RateLimit, capacity: usize, clock: Arc<dyn Clock>) -> Self {
        Self {
            rate,
            capacity,
            clock,
            buckets: Mutex::new(Generations {
                young: HashMap::new(),
                old: HashMap::new(),
            }),
        }
    }

    /// Lets `key` through once.
    ///
    /// # Errors
    /// How long until it is let through.
    pub(super) fn take(&self, key: K) -> Result<(), Duration> {
        let now = self.clock.now();
        // A panic while the lock was held cannot leave a bucket half written.
        let mut generations = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let remembered = generations.recall(&key);
        let mut bucket = self.refilled(remembered, now);
        let answer = if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            Ok(())
        } else {
            Err(Duration::from_secs_f64(
                (1.0 - bucket.tokens) / self.per_second(),
            ))
        };
        generations.remember(key, bucket, self.capacity);
        answer
    }

    fn refilled(&self, remembered: Option<Bucket>, now: Timestamp) -> Bucket {
        let full = f64::from(self.rate.burst);
        let tokens = remembered.map_or(full, |bucket| {
            // A clock that stepped back refills nothing and takes nothing.
            let elapsed = (now - bucket.at).to_std().unwrap_or_default();
            (bucket.tokens + elapsed.as_secs_f64() * self.per_second()).min(full)
        });
        Bucket { tokens, at: now }
    }

    fn per_second(&self) -> f64 {
        f64::from(self.rate.per_minute) / 60.0
    }
}

impl<K: Eq + Hash> Generations<K> {
    fn recall(&mut self, key: &K) -> Option<Bucket> {
        let young = self.young.get(key).copied();
        young.or_else(|| self.old.remove(key))
    }

    fn remember(&mut self, key: K, bucket: Bucket, capacity: usize) {
        if self.young.len() >= capacity && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, bucket);
    }
}

/// What counts as one place for rates: an IPv4 address, also one that is written as IPv6, or the /64 that an IPv6 customer
/// usually has to themselves.
pub fn network_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => {
            let network = u128::from(v6) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestClock;

    const RATE: RateLimit = RateLimit {
        burst: 2,
        per_minute: 60,
    };

    #[test]
    fn a_burst_then_a_steady_rate() {
        let clock = TestClock::new();
        let limiter = Limiter::new(RATE, 10, clock.clone());
        assert!(limiter.take(1).is_ok());
        assert!(limiter.take(1).is_ok());
        let wait = limiter.take(1).unwrap_err();
        assert_eq!(wait, Duration::from_secs(1));
        assert!(limiter.take(2).is_ok(), "others are not affected");
        clock.advance(wait);
        assert!(limiter.take(1).is_ok());
        assert!(limiter.take(1).is_err());
    }

    #[test]
    fn a_clock_that_steps_back_locks_nobody_out() {
        let clock = TestClock::new();
        let limiter = Limiter::new(RATE, 10, clock.clone());
        assert!(limiter.take(1).is_ok());
        clock.set(clock.now() - chrono::Duration::hours(1));
        assert!(limiter.take(1).is_ok());
        assert!(limiter.take(1).is_err());
        clock.advance(Duration::from_secs(1));
        assert!(limiter.take(1).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_the_busy_stay_remembered() {
        let limiter = Limiter::new(RATE, 10, TestClock::new());
        assert!(limiter.take(0).is_ok());
        assert!(limiter.take(0).is_ok());
        for stranger in 1..1000 {
            let _ = limiter.take(stranger);
            assert!(limiter.take(0).is_err(), "after {stranger} strangers");
        }
        let generations = limiter.buckets.lock().unwrap();
        assert!(generations.young.len() + generations.old.len() <= 20);
    }

    #[test]
    fn an_ipv6_network_counts_as_one() {
        let network = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:2"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
