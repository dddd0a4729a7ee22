//! How fast is sent: providers' limits, kept in the store and so across instances.
//!
//! Each limit is a virtual schedule (the generic cell rate algorithm of ITU-T I.371): a row holds when the next send would
//! be on time, and whoever sends moves it on. Notifications keep to three quarters of a channel's rate, so that a broadcast
//! leaves room for answers.

use std::time::Duration;

use doorstep_core::{
    channel::{Rate, SendRates},
    message::Address,
};

/// The share of a channel's rate that notifications may use.
const NEWS_SHARE: f64 = 0.75;

/// One limit that a send counts against.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Names it in the store: `telegram`, `telegram news`, `telegram to 1234`.
    pub scope: String,
    /// The time that one send takes of the schedule.
    pub interval: Duration,
    /// How far ahead of the schedule a burst may be.
    pub tolerance: Duration,
}

/// The limits that a send to `address` counts against.
pub(super) fn limits(rates: &SendRates, address: &Address, news: bool) -> Vec<Limit> {
    let channel = &address.channel;
    let mut limits = Vec::new();
    if let Some(rate) = rates.overall {
        limits.push(limit(channel.to_string(), rate, 1.0));
        if news {
            limits.push(limit(format!("{channel} news"), rate, NEWS_SHARE));
        }
    }
    if let Some(rate) = rates.per_address {
        limits.push(limit(format!("{channel} to {}", address.id), rate, 1.0));
    }
    limits
}

/// Half of a rate's messages may come at once: a full burst and the steady rate after it would be twice what the
/// provider counts within its window.
fn limit(scope: String, rate: Rate, share: f64) -> Limit {
    let interval = rate.per.div_f64(f64::from(rate.messages.max(1)) * share);
    Limit {
        scope,
        interval,
        tolerance: interval * (rate.messages.saturating_sub(1) / 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notifications_leave_a_quarter_to_answers() {
        let rates = SendRates {
            per_address: Some(Rate {
                messages: 1,
                per: Duration::from_secs(1),
            }),
            overall: Some(Rate {
                messages: 30,
                per: Duration::from_secs(3),
            }),
        };
        let address = Address::new("telegram", "7");
        let found = limits(&rates, &address, true);
        let scopes: Vec<_> = found.iter().map(|limit| limit.scope.as_str()).collect();
        assert_eq!(scopes, ["telegram", "telegram news", "telegram to 7"]);
        assert_eq!(found[0].interval, Duration::from_millis(100));
        assert_eq!(found[0].tolerance, Duration::from_millis(1400));
        assert_eq!(found[1].interval.as_micros(), 133_333);
        assert_eq!(found[2].tolerance, Duration::ZERO);
        assert_eq!(limits(&rates, &address, false).len(), 2);
    }
}
