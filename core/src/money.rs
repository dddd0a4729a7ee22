//! Money in minor units.

use std::fmt;

use iso_currency::Currency;
use serde::{Deserialize, Serialize};

/// An amount in the minor unit of its currency (ISO 4217): 1295 EUR is €12.95, 1295 JPY is ¥1,295.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// How many minor units.
    pub minor: i64,
    /// ISO 4217 currency.
    pub currency: Currency,
}

impl Money {
    /// `minor` units of `currency`.
    pub fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// How many decimal digits the currency's minor unit has: 2 for EUR, 0 for JPY.
    pub fn exponent(&self) -> u16 {
        self.currency.exponent().unwrap_or(2)
    }

    /// The amount as a decimal, without the currency: `12.95`.
    pub fn decimal(&self) -> String {
        let digits = usize::from(self.exponent());
        let sign = if self.minor < 0 { "-" } else { "" };
        let text = format!("{:0>width$}", self.minor.unsigned_abs(), width = digits + 1);
        let (whole, fraction) = text.split_at(text.len() - digits);
        if digits == 0 {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{fraction}")
        }
    }
}

/// Code and decimal, `EUR 12.95`: for logs and machines. Templates format money for people.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.currency.code(), self.decimal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_units_follow_the_currency() {
        assert_eq!(Money::new(5, Currency::EUR).to_string(), "EUR 0.05");
        assert_eq!(Money::new(-1295, Currency::USD).to_string(), "USD -12.95");
        assert_eq!(Money::new(1295, Currency::JPY).to_string(), "JPY 1295");
    }
}
