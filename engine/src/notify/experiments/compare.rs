//! Shares of customers with their uncertainty: Wilson's interval of one, Newcombe's of the difference of two. Both hold
//! with few customers and with shares near none and all, where the textbook's do not.
//!
//! E. B. Wilson, Journal of the American Statistical Association 22 (1927) 209–212; R. G. Newcombe, Statistics in
//! Medicine 17 (1998) 873–890, method 10.

use serde::Serialize;

/// The 97.5 % quantile of the normal distribution: intervals hold 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many did it.
    pub count: u64,
    /// Of how many.
    pub of: u64,
}

/// A figure and where it lies with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The figure, as a share from 0 to 1, or the difference of two, from −1 to 1.
    pub value: f64,
    /// It is hardly less.
    pub low: f64,
    /// It is hardly more.
    pub high: f64,
}

impl Share {
    /// The share with its uncertainty; `None` of nobody.
    pub fn estimate(self) -> Option<Estimate> {
        if self.of == 0 {
            return None;
        }
        let n = self.of as f64;
        let value = self.count as f64 / n;
        let square = Z * Z;
        let middle = value + square / (2.0 * n);
        let reach = Z * (value * (1.0 - value) / n + square / (4.0 * n * n)).sqrt();
        let whole = 1.0 + square / n;
        Some(Estimate {
            value,
            low: ((middle - reach) / whole).max(0.0),
            high: ((middle + reach) / whole).min(1.0),
        })
    }

    /// How much more it is than another, with its uncertainty; `None` where one is of nobody.
    pub fn minus(self, other: Self) -> Option<Estimate> {
        let (own, other) = (self.estimate()?, other.estimate()?);
        let value = own.value - other.value;
        let below = (own.value - own.low).hypot(other.high - other.value);
        let above = (own.high - own.value).hypot(other.value - other.low);
        Some(Estimate {
            value,
            low: (value - below).max(-1.0),
            high: (value + above).min(1.0),
        })
    }
}

impl Estimate {
    /// Whether a difference is more than chance explains.
    pub fn is_sure(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: Option<Estimate>, low: f64, high: f64) {
        let found = found.unwrap();
        assert!((found.low - low).abs() < 5e-4, "{found:?}");
        assert!((found.high - high).abs() < 5e-4, "{found:?}");
    }

    #[test]
    fn shares_have_the_intervals_of_the_published_examples() {
        let share = |count, of| Share { count, of };
        // Newcombe's examples of single proportions, Statistics in Medicine 17 (1998) 857–872, table I, method 3.
        near(share(81, 263).estimate(), 0.2553, 0.3662);
        near(share(15, 148).estimate(), 0.0624, 0.1605);
        near(share(0, 20).estimate(), 0.0, 0.1611);
        near(share(1, 29).estimate(), 0.0061, 0.1718);
        // And of differences, table II, method 10.
        near(share(56, 70).minus(share(48, 80)), 0.0524, 0.3339);
        near(share(9, 10).minus(share(3, 10)), 0.1705, 0.8090);
        near(share(5, 56).minus(share(0, 29)), -0.0381, 0.1926);
        near(share(10, 10).minus(share(0, 10)), 0.6075, 1.0);
        assert_eq!(share(0, 0).estimate(), None);
        assert_eq!(share(1, 2).minus(share(0, 0)), None);
    }

    #[test]
    fn a_difference_is_sure_when_chance_hardly_makes_it() {
        let of = |count| Share { count, of: 1000 };
        assert!(of(120).minus(of(80)).unwrap().is_sure());
        assert!(!of(105).minus(of(100)).unwrap().is_sure());
    }
}
