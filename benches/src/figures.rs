//! Numbers of many.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long something took, over many times; milliseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` without any.
    pub(crate) fn of(durations: &[Duration]) -> Option<Self> {
        let mut ms: Vec<f64> = durations
            .iter()
            .map(|duration| duration.as_secs_f64() * 1e3)
            .collect();
        ms.sort_by(f64::total_cmp);
        let max = *ms.last()?;
        // The value that a share of `share` is below; the same as the peer's, so that figures compare.
        let at = |share: f64| ms[((share * ms.len() as f64) as usize).min(ms.len() - 1)];
        Some(Self {
            p50: median(&ms)?,
            p95: at(0.95),
            p99: at(0.99),
            max,
        })
    }

    /// Each figure half-way between two.
    pub(crate) fn between(a: Self, b: Self) -> Self {
        Self {
            p50: f64::midpoint(a.p50, b.p50),
            p95: f64::midpoint(a.p95, b.p95),
            p99: f64::midpoint(a.p99, b.p99),
            max: a.max.max(b.max),
        }
    }
}

/// The middle one, or between the middle two; `None` without any.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(match sorted.len() % 2 {
        0 => f64::midpoint(sorted[middle - 1], upper),
        _ => upper,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_read_off_the_sorted_values() {
        let durations: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        let spread = Spread::of(&durations).unwrap();
        assert!((spread.p50 - 50.5).abs() < 1e-9);
        assert!((spread.p95 - 96.0).abs() < 1e-9);
        assert!((spread.p99 - 100.0).abs() < 1e-9);
        assert!(Spread::of(&[]).is_none());
    }

    #[test]
    fn the_median_of_three_is_the_middle_one() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }
}
