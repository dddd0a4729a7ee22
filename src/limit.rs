//! How many webhooks a source may send, and how often customers' pages are visited.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
};

use doorstep_channels::webchat::network_of;
use doorstep_core::Timestamp;
use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use crate::config::HttpConfig;

/// One limiter a source. Names come from the configuration, so there are few.
pub(crate) struct WebhookLimits {
    quota: Quota,
    sources: Mutex<BTreeMap<String, DefaultDirectRateLimiter>>,
}

impl WebhookLimits {
    pub(crate) fn new(config: &HttpConfig) -> Self {
        let at_least_one = |value| NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(config.webhooks_per_second))
            .allow_burst(at_least_one(config.webhook_burst));
        Self {
            quota,
            sources: Mutex::default(),
        }
    }

    /// Takes one; or says after how many seconds there is one.
    pub(crate) fn take(&self, source: &str) -> Result<(), u64> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let limiter = sources
            .entry(source.to_owned())
            .or_insert_with(|| RateLimiter::direct(self.quota));
        limiter.check().map_err(|until| {
            until
                .wait_time_from(DefaultClock::default().now())
                .as_secs()
                + 1
        })
    }
}

/// Visits of customers' pages that one address may make in a minute.
const VISITS_PER_MINUTE: u32 = 240;
/// How many addresses are remembered; memory stays bounded whatever strangers do.
const MAX_REMEMBERED: usize = 20_000;

/// Suggestions likewise: one for each letter that somebody types.
const SUGGESTIONS_PER_MINUTE: u32 = 300;

/// How often customers' pages are visited and suggestions asked for, in the memory of this instance.
#[derive(Default)]
pub(crate) struct PageLimits {
    visits: PerMinute,
    suggestions: PerMinute,
}

impl PageLimits {
    /// Lets an address visit a page; or says after how many seconds it may.
    pub(crate) fn visit(&self, ip: IpAddr, now: Timestamp) -> Result<(), u64> {
        self.visits.take(ip, now, VISITS_PER_MINUTE)
    }

    /// Lets an address ask for suggestions; or says after how many seconds it may.
    pub(crate) fn suggest(&self, ip: IpAddr, now: Timestamp) -> Result<(), u64> {
        self.suggestions.take(ip, now, SUGGESTIONS_PER_MINUTE)
    }
}

/// How often each address did something in the current minute.
#[derive(Default)]
struct PerMinute(Mutex<HashMap<IpAddr, (i64, u32)>>);

impl PerMinute {
    fn take(&self, ip: IpAddr, now: Timestamp, most: u32) -> Result<(), u64> {
        let minute = now.timestamp().div_euclid(60);
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() >= MAX_REMEMBERED {
            taken.retain(|_, (of, _)| *of == minute);
            if taken.len() >= MAX_REMEMBERED {
                taken.clear();
            }
        }
        let entry = taken.entry(network_of(ip)).or_insert((minute, 0));
        if entry.0 != minute {
            *entry = (minute, 0);
        }
        entry.1 += 1;
        if entry.1 > most {
            return Err(now.timestamp().rem_euclid(60).abs_diff(60));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn an_address_visits_so_often_in_a_minute_and_again_in_the_next() {
        let limits = PageLimits::default();
        let now = Timestamp::UNIX_EPOCH + TimeDelta::seconds(10);
        let ip = IpAddr::from([127, 0, 0, 1]);
        for _ in 0..VISITS_PER_MINUTE {
            assert_eq!(limits.visit(ip, now), Ok(()));
        }
        assert_eq!(limits.visit(ip, now), Err(50));
        assert_eq!(limits.visit(IpAddr::from([127, 0, 0, 2]), now), Ok(()));
        assert_eq!(limits.visit(ip, now + TimeDelta::seconds(50)), Ok(()));
    }

    #[test]
    fn an_ipv4_visitor_of_an_ipv6_listener_is_counted_apart_and_an_ipv6_network_as_one() {
        let limits = PageLimits::default();
        let visit = |address: &str| limits.visit(address.parse().unwrap(), Timestamp::UNIX_EPOCH);
        for _ in 0..VISITS_PER_MINUTE {
            assert_eq!(visit("::ffff:192.0.2.1"), Ok(()));
            assert_eq!(visit("2001:db8::1"), Ok(()));
        }
        assert!(visit("::ffff:192.0.2.1").is_err());
        assert_eq!(visit("::ffff:192.0.2.2"), Ok(()));
        assert!(visit("2001:db8::2").is_err());
    }
}
