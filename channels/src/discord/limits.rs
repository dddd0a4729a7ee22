//! Discord's rate limits: buckets that its answers tell of, and the global one
//! (<https://discord.com/developers/docs/topics/rate-limits>).

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::header::HeaderMap;
use tokio::time::Instant;

/// Above so many known buckets those that are full again are forgotten.
const MANY: usize = 1000;

/// What is known of the limits.
#[derive(Default)]
pub(super) struct Limits(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Routes and the bucket they share.
    buckets_of_routes: HashMap<String, String>,
    /// By bucket and major parameter (the channel).
    buckets: HashMap<(String, String), Bucket>,
    global_until: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Bucket {
    remaining: u32,
    reset: Instant,
}

/// A route without its parameters (`POST /channels/{id}/messages`), and the parameter that it is limited by.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) name: &'static str,
    pub(super) major: String,
    /// Interactions are answered whatever was sent before.
    pub(super) global: bool,
}

impl Limits {
    /// Takes one request's place; or says how long to wait for one.
    pub(super) fn take(&self, route: &Route, now: Instant) -> Result<(), Duration> {
        let mut known = self.known();
        if let Some(until) = known.global_until.filter(|_| route.global) {
            if until > now {
                return Err(until - now);
            }
            known.global_until = None;
        }
        let Some(bucket) = known.bucket(route) else {
            return Ok(());
        };
        if bucket.reset <= now {
            // Full again; how full, the answer will tell.
            return Ok(());
        }
        if bucket.remaining == 0 {
            return Err(bucket.reset - now);
        }
        bucket.remaining -= 1;
        Ok(())
    }

    /// Learns from the headers of an answer.
    pub(super) fn learn(&self, route: &Route, headers: &HeaderMap, now: Instant) {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let bucket = text("x-ratelimit-bucket");
        let remaining = text("x-ratelimit-remaining").and_then(|value| value.parse().ok());
        let reset = text("x-ratelimit-reset-after").and_then(seconds);
        let (Some(bucket), Some(remaining), Some(reset)) = (bucket, remaining, reset) else {
            return;
        };
        let mut known = self.known();
        if known.buckets.len() >= MANY {
            known.buckets.retain(|_, bucket| bucket.reset > now);
        }
        known
            .buckets_of_routes
            .insert(route.name.to_owned(), bucket.to_owned());
        let learnt = Bucket {
            remaining,
            reset: now + reset,
        };
        let key = (bucket.to_owned(), route.major.clone());
        known.buckets.insert(key, learnt);
    }

    /// Learns that nothing at all may be sent for a while. What a single bucket has left, the headers tell.
    pub(super) fn limited(&self, after: Duration, now: Instant) {
        self.known().global_until = Some(now + after);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn bucket(&mut self, route: &Route) -> Option<&mut Bucket> {
        let bucket = self.buckets_of_routes.get(route.name)?;
        self.buckets.get_mut(&(bucket.clone(), route.major.clone()))
    }
}

/// A time in seconds with decimals, as Discord writes it. An hour at most: what is longer is asked again.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    (seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(3600.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(channel: &str) -> Route {
        Route {
            name: "POST /channels/{id}/messages",
            major: channel.to_owned(),
            global: true,
        }
    }

    fn headers(remaining: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-ratelimit-bucket", "abcd1234"),
            ("x-ratelimit-remaining", remaining),
            ("x-ratelimit-reset-after", "4.5"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_bucket_is_emptied_and_fills_again_for_its_channel_alone() {
        let limits = Limits::default();
        let start = Instant::now();
        limits.take(&route("1"), start).unwrap();
        limits.learn(&route("1"), &headers("1"), start);
        limits.take(&route("1"), start).unwrap();
        assert_eq!(
            limits.take(&route("1"), start),
            Err(Duration::from_millis(4500))
        );
        limits.take(&route("2"), start).unwrap();
        limits
            .take(&route("1"), start + Duration::from_secs(5))
            .unwrap();
    }

    #[test]
    fn a_global_limit_holds_all_but_interactions() {
        let limits = Limits::default();
        let start = Instant::now();
        limits.limited(Duration::from_secs(3), start);
        assert_eq!(limits.take(&route("2"), start), Err(Duration::from_secs(3)));
        let interaction = Route {
            global: false,
            ..route("3")
        };
        limits.take(&interaction, start).unwrap();
        limits
            .take(&route("2"), start + Duration::from_secs(3))
            .unwrap();
    }
}
