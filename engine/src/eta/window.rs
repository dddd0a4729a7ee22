//! When something arrives, as a distribution over hours; and the narrowest window that holds so much of it.

use super::history::day_of;

const HOURS_A_DAY: usize = 24;

/// A distribution of the moment of arrival.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Arrival {
    /// The day with which it begins.
    first_day: i32,
    /// Nothing arrives before this moment (days since 1970).
    from: f64,
    /// What has arrived by the start of each hour, from 0 to 1.
    arrived: Vec<f64>,
}

/// From when to when, in days since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span {
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Span {
    pub(crate) fn holds(&self, at: f64) -> bool {
        (self.from..=self.to).contains(&at)
    }

    /// This, widened so that it holds the other.
    pub(crate) fn around(self, inner: Self) -> Self {
        Self {
            from: self.from.min(inner.from),
            to: self.to.max(inner.to),
        }
    }
}

impl Arrival {
    /// `by_day` are the days' shares, from `first_day`; `hours` the hours' shares of a day.
    pub(crate) fn new(first_day: i32, by_day: &[f64], hours: &[f32; 24], from: f64) -> Self {
        // Below 24.
        let gone = ((from - f64::from(first_day)) * 24.0).clamp(0.0, 23.0) as usize;
        let mut arrived = Vec::with_capacity(by_day.len() * HOURS_A_DAY + 1);
        let mut sum = 0.0;
        arrived.push(sum);
        for (place, mass) in by_day.iter().enumerate() {
            let skipped = if place == 0 { gone } else { 0 };
            let ahead: f64 = hours[skipped..].iter().map(|share| f64::from(*share)).sum();
            for (hour, share) in hours.iter().enumerate() {
                sum += match (hour < skipped, ahead > 0.0) {
                    (true, _) => 0.0,
                    (false, true) => mass * f64::from(*share) / ahead,
                    (false, false) => mass / (HOURS_A_DAY - skipped) as f64,
                };
                arrived.push(sum);
            }
        }
        if sum > 0.0 {
            arrived.iter_mut().for_each(|share| *share /= sum);
        }
        Self {
            first_day,
            from,
            arrived,
        }
    }

    fn at(&self, hour: f64) -> f64 {
        f64::from(self.first_day) + hour / HOURS_A_DAY as f64
    }

    /// The moment by which half has arrived.
    pub(crate) fn median(&self) -> f64 {
        let after = self.arrived.partition_point(|share| *share < 0.5).max(1);
        let before = self.arrived[after - 1];
        let mass = self.arrived.get(after).map_or(0.0, |share| share - before);
        let part = if mass > 0.0 {
            (0.5 - before) / mass
        } else {
            0.0
        };
        self.at((after - 1) as f64 + part).max(self.from)
    }

    /// The narrowest span in which at least so much arrives.
    pub(crate) fn narrowest(&self, level: f64) -> Span {
        let last = self.arrived.len() - 1;
        let mut best = (0, last);
        let mut end = 0;
        for start in 0..last {
            // Rounding must not cost an hour.
            let wanted = self.arrived[start] + level - 1e-9;
            while end < last && self.arrived[end] < wanted {
                end += 1;
            }
            if self.arrived[end] < wanted {
                break;
            }
            if end - start < best.1 - best.0 {
                best = (start, end);
            }
        }
        Span {
            from: self.at(best.0 as f64).max(self.from),
            to: self.at(best.1 as f64).max(self.from),
        }
    }

    /// The least level whose narrowest span holds a moment: how surprising it is, from 0 to 1.
    pub(crate) fn surprise(&self, at: f64) -> f64 {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..10 {
            let middle = (low + high) / 2.0;
            match self.narrowest(middle).holds(at) {
                true => high = middle,
                false => low = middle,
            }
        }
        high
    }
}

/// The first and the last day of a span: one that ends at midnight ends the day before.
pub(crate) fn days_of(span: Span) -> (i32, i32) {
    let first = day_of(span.from);
    (first, day_of(span.to - 1e-6).max(first))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{calibrate::Calibration, learn::nested},
        *,
    };

    const EVEN: [f32; 24] = [1.0 / 24.0; 24];

    #[test]
    fn the_window_is_where_most_arrives() {
        let arrival = Arrival::new(10, &[0.1, 0.0, 0.4, 0.4, 0.0, 0.1], &EVEN, 10.0);
        assert_eq!(
            arrival.narrowest(0.8),
            Span {
                from: 12.0,
                to: 14.0
            }
        );
        assert_eq!(days_of(arrival.narrowest(0.8)), (12, 13));
        assert!((arrival.median() - 13.0).abs() < 1e-6);
        assert!(arrival.surprise(12.5) < arrival.surprise(15.5));
    }

    #[test]
    fn what_is_past_of_today_is_not_counted() {
        let arrival = Arrival::new(10, &[1.0], &EVEN, 10.75);
        let span = arrival.narrowest(0.5);
        assert!(span.from >= 10.75 && span.to <= 11.0, "{span:?}");
    }

    proptest! {
        #[test]
        fn windows_of_several_levels_are_nested(
            days in proptest::collection::vec(0.0_f64..1.0, 1..40),
            surprises in proptest::collection::vec(0.0_f64..1.0, 0..60),
            from in 10.0_f64..11.0,
        ) {
            let arrival = Arrival::new(10, &days, &EVEN, from);
            let mut calibration = Calibration::default();
            surprises.iter().for_each(|surprise| calibration.add(9.0, *surprise));
            let spans = nested(&arrival, &calibration, &[0.5, 0.8, 0.9], from);
            for span in &spans {
                prop_assert!(span.from >= from && span.to >= span.from);
            }
            for pair in spans.windows(2) {
                prop_assert!(pair[1].from <= pair[0].from && pair[1].to >= pair[0].to);
            }
        }
    }
}
