//! How many webhooks a source may send.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Mutex, sync::PoisonError};

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
