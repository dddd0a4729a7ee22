//! Amounts as shops write them.

use doorstep_core::{Money, webhook::WebhookRejection};
use iso_currency::Currency;
use serde::Deserialize;

use crate::body::{malformed, shown};

/// An amount as people write it, `"129.90"` or `129.9`: the decimal point is a dot, the currency stands beside it.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected an amount like \"129.90\"")]
pub(crate) enum Amount {
    Text(String),
    Whole(i64),
    Decimal(f64),
}

impl Amount {
    /// In minor units, exactly: more digits than the currency has are an error, not rounded away.
    pub(crate) fn read(&self, field: &str, currency: Currency) -> Result<Money, WebhookRejection> {
        let text = match self {
            Self::Text(text) => text.trim().to_owned(),
            Self::Whole(whole) => whole.to_string(),
            // The shortest decimal that reads back as the same number, which is what was written.
            Self::Decimal(decimal) => decimal.to_string(),
        };
        let digits = usize::from(currency.exponent().unwrap_or(2));
        minor_units(&text, digits)
            .map(|minor| Money::new(minor, currency))
            .ok_or_else(|| {
                malformed(format!(
                    "`{field}` is `{}`; write an amount in {} like `{}`",
                    shown(&text),
                    currency.code(),
                    Money::new(12_990, currency).decimal(),
                ))
            })
    }
}

fn minor_units(text: &str, digits: usize) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let kept = fraction.trim_end_matches('0');
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let whole_digits = whole.strip_prefix('-').unwrap_or(whole);
    if kept.len() > digits
        || whole_digits.is_empty()
        || !all_digits(whole_digits)
        || !all_digits(fraction)
    {
        return None;
    }
    format!("{whole}{kept:0<digits$}").parse().ok()
}

/// An ISO 4217 currency.
pub(crate) fn currency(field: &str, code: Option<&str>) -> Result<Currency, WebhookRejection> {
    let code = code.ok_or_else(|| {
        malformed(format!(
            "`{field}` is missing; write an ISO 4217 code like `EUR`"
        ))
    })?;
    Currency::from_code(&code.trim().to_ascii_uppercase()).ok_or_else(|| {
        malformed(format!(
            "`{field}` is `{}`; write an ISO 4217 code like `EUR`",
            shown(code)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_in_every_currency() {
        assert_eq!(minor_units("129.90", 2), Some(12_990));
        assert_eq!(minor_units("129.9", 2), Some(12_990));
        assert_eq!(minor_units("-0.05", 2), Some(-5));
        assert_eq!(minor_units("1295.00", 0), Some(1295));
        assert_eq!(minor_units("1.234", 3), Some(1234));
        for wrong in [
            "",
            ".",
            "1.005",
            "1,50",
            "€5",
            "1e3",
            "--1",
            "9223372036854775807",
        ] {
            assert_eq!(minor_units(wrong, 2), None, "{wrong}");
        }
    }
}
