//! What the parsers share: reading hostile JSON, and the one spelling of numbers that `core` asks for.

use chrono::{Datelike, NaiveDate, NaiveDateTime, TimeDelta};
use chrono_tz::Tz;
use doorstep_core::{
    OrderNumber, Timestamp, TrackingNumber, order::DateWindow, webhook::WebhookRejection,
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use sha2::{Digest, Sha256};

/// Longest carrier's or shop's sentence that is kept, in characters; the raw body keeps the rest.
const LONGEST_TEXT: usize = 500;
/// Longest order number, tracking number or event id that is taken, in bytes.
const LONGEST_IDENTIFIER: usize = 128;

/// A refusal that names the field.
pub(crate) fn malformed(reason: impl Into<String>) -> WebhookRejection {
    WebhookRejection::Malformed {
        reason: reason.into(),
    }
}

/// Identifiers may come as text or as whole numbers.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected text or a whole number")]
pub(crate) enum TextOrNumber {
    Text(String),
    Number(u64),
}

impl TextOrNumber {
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}

impl std::fmt::Display for TextOrNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// Reads JSON; an error names the field, what was found and where.
pub(crate) fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, WebhookRejection> {
    let mut json = serde_json::Deserializer::from_str(utf8(body)?);
    let value = serde_path_to_error::deserialize(&mut json).map_err(in_field)?;
    json.end().map_err(|error| malformed(error.to_string()))?;
    Ok(value)
}

fn utf8(body: &[u8]) -> Result<&str, WebhookRejection> {
    std::str::from_utf8(body).map_err(|error| {
        malformed(format!(
            "not UTF-8 from byte {} on; send JSON in UTF-8",
            error.valid_up_to()
        ))
    })
}

/// Reads JSON that may stand alone or, as in answers of the same provider's API, as the only field `name` of an object.
pub(crate) fn parse_named<T: DeserializeOwned>(
    name: &str,
    body: &[u8],
) -> Result<T, WebhookRejection> {
    let mut value: serde_json::Value = parse_json(body)?;
    if let Some(fields) = value.as_object_mut()
        && fields.len() == 1
        && let Some(inner) = fields.remove(name)
    {
        value = inner;
    }
    serde_path_to_error::deserialize(value).map_err(in_field)
}

/// Names what was said by the said itself, for sources that give no identifier: the same parts, the same name. 128 bits
/// of SHA-256 over the parts, each with its length, in hexadecimal.
pub(crate) fn identity(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    crate::mac::hexadecimal(&hash.finalize()[..16])
}

fn in_field(error: serde_path_to_error::Error<serde_json::Error>) -> WebhookRejection {
    let field = error.path().to_string();
    let reason: String = error
        .inner()
        .to_string()
        .chars()
        .take(LONGEST_TEXT)
        .collect();
    match field.as_str() {
        "." | "?" => malformed(reason),
        _ => malformed(format!("`{}`: {reason}", shown(&field))),
    }
}

/// Reads what is good to know and no reason to refuse anything: nothing where it is something else.
pub(crate) fn if_readable<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(T::deserialize(value).ok())
}

/// A number that may come as text.
pub(crate) fn number(value: Option<&serde_json::Value>) -> Option<f64> {
    let value = value?;
    value
        .as_f64()
        .or_else(|| value.as_str()?.trim().parse().ok())
}

/// A stranger's text as it may stand in an error or a log: short and without control characters.
pub(crate) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// A sentence, trimmed and cut to a sane length; nothing when it is empty.
pub(crate) fn sentence(text: Option<String>) -> Option<String> {
    let text = text?;
    let kept: String = text
        .trim()
        .chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .take(LONGEST_TEXT)
        .collect();
    (!kept.is_empty()).then_some(kept)
}

/// An identifier of a source, checked for length and control characters.
pub(crate) fn identifier(field: &str, text: &str) -> Result<String, WebhookRejection> {
    let text = text.trim();
    if text.is_empty() {
        return Err(malformed(format!("`{field}` is empty")));
    }
    if text.len() > LONGEST_IDENTIFIER || text.chars().any(char::is_control) {
        return Err(malformed(format!(
            "`{field}` is longer than {LONGEST_IDENTIFIER} bytes or holds control characters"
        )));
    }
    Ok(text.to_owned())
}

/// An order number as customers write it: upper case, without `#`.
pub(crate) fn order_number(field: &str, text: &str) -> Result<OrderNumber, WebhookRejection> {
    let text = identifier(field, text.trim().trim_start_matches('#'))?;
    Ok(text.to_uppercase().into())
}

/// A tracking number: upper case, without spaces.
pub(crate) fn tracking_number(field: &str, text: &str) -> Result<TrackingNumber, WebhookRejection> {
    let text: String = text.split_whitespace().collect();
    Ok(TrackingNumber(identifier(field, &text)?.to_uppercase()))
}

/// An instant in RFC 3339.
pub(crate) fn instant(field: &str, text: &str) -> Result<Timestamp, WebhookRejection> {
    let parsed = chrono::DateTime::parse_from_rfc3339(text.trim()).map_err(|_| {
        malformed(format!(
            "`{field}` is `{}`; write it like `2026-11-21T09:30:00Z` (RFC 3339)",
            shown(text)
        ))
    })?;
    within_this_century(field, parsed.to_utc())
}

/// An instant in RFC 3339, or without an offset, which is then taken as UTC: carriers' own clocks often come without.
pub(crate) fn local_instant(field: &str, text: &str) -> Result<Timestamp, WebhookRejection> {
    local_instant_in(field, text, Tz::UTC)
}

/// The same, taken as of the clocks of a zone. What they showed twice is the first time, and what they skipped is an hour
/// later.
pub(crate) fn local_instant_in(
    field: &str,
    text: &str,
    zone: Tz,
) -> Result<Timestamp, WebhookRejection> {
    let naive = text.trim().replacen(' ', "T", 1).parse::<NaiveDateTime>();
    let Ok(naive) = naive else {
        return instant(field, text);
    };
    let there = |naive: NaiveDateTime| naive.and_local_timezone(zone).earliest();
    let later = || there(naive.checked_add_signed(TimeDelta::hours(1))?);
    let at = there(naive).or_else(later);
    within_this_century(field, at.map_or(naive.and_utc(), |at| at.to_utc()))
}

/// An instant in Unix seconds.
pub(crate) fn unix_seconds(field: &str, seconds: f64) -> Result<Timestamp, WebhookRejection> {
    // `as` saturates, and what it saturates to is no instant of this century.
    let instant = chrono::DateTime::from_timestamp(seconds.floor() as i64, 0)
        .ok_or_else(|| not_seconds(field))?;
    within_this_century(field, instant)
}

/// Catches milliseconds sent as seconds, and dates that no database column takes.
fn within_this_century(field: &str, instant: Timestamp) -> Result<Timestamp, WebhookRejection> {
    if (2000..2100).contains(&instant.year()) {
        Ok(instant)
    } else {
        Err(not_seconds(field))
    }
}

fn not_seconds(field: &str) -> WebhookRejection {
    malformed(format!(
        "`{field}` lies outside the years 2000 to 2099; Unix time is in seconds, not milliseconds"
    ))
}

/// A day: `2026-11-24`, or the date part of an RFC 3339 instant.
pub(crate) fn day(field: &str, text: &str) -> Result<NaiveDate, WebhookRejection> {
    let date = text.trim().get(..10).unwrap_or(text);
    let parsed: Option<NaiveDate> = date.parse().ok();
    parsed
        .filter(|day| (2000..2100).contains(&day.year()))
        .ok_or_else(|| {
            malformed(format!(
                "`{field}` is `{}`; write a day like `2026-11-24`",
                shown(text)
            ))
        })
}

/// A span of days.
pub(crate) fn window(
    field: &str,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<DateWindow, WebhookRejection> {
    if to < from {
        return Err(malformed(format!("`{field}` ends before it begins")));
    }
    Ok(DateWindow { from, to })
}
