//! What Discord refuses of a message
//! (<https://discord.com/developers/docs/resources/message#create-message>, component and embed limits).

use std::collections::HashSet;

use axum::http::{HeaderMap, header};
use serde_json::Value;

/// The JSON of a body: the whole of it, or the part `payload_json` of a form.
pub(super) fn json_of(headers: &HeaderMap, body: &[u8]) -> Value {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let boundary = media_type.and_then(|media| media.split_once("boundary="));
    let json = match boundary {
        Some((_, boundary)) => payload_json(body, boundary.trim_matches('"')),
        None => Some(body),
    };
    json.and_then(|json| serde_json::from_slice(json).ok())
        .unwrap_or(Value::Null)
}

fn payload_json<'a>(body: &'a [u8], boundary: &str) -> Option<&'a [u8]> {
    let delimiter = format!("\r\n--{boundary}");
    let start = find(body, b"name=\"payload_json\"")?;
    let part = &body[start..];
    let part = &part[find(part, b"\r\n\r\n")? + 4..];
    Some(&part[..find(part, delimiter.as_bytes())?])
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn length(value: &Value) -> usize {
    value.as_str().map_or(0, |text| text.chars().count())
}

/// # Errors
/// Discord's code, and what is wrong.
pub(super) fn message(body: &Value) -> Result<(), (u64, String)> {
    let list = |key: &str| body[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let invalid = |what: &str| Err((50035, format!("Invalid Form Body: {what}")));
    if length(&body["content"]) > 2000 {
        return invalid("content is longer than 2000");
    }
    if length(&body["nonce"]) > 25 {
        return invalid("nonce is longer than 25");
    }
    let (embeds, rows) = (list("embeds"), list("components"));
    if length(&body["content"]) == 0 && embeds.is_empty() && list("attachments").is_empty() {
        return Err((50006, "Cannot send an empty message".to_owned()));
    }
    let text: usize = embeds
        .iter()
        .map(|embed| length(&embed["title"]) + length(&embed["description"]))
        .sum();
    if embeds.len() > 10 || text > 6000 {
        return invalid("embeds are too many or too long");
    }
    if embeds
        .iter()
        .any(|embed| length(&embed["title"]) > 256 || length(&embed["description"]) > 4096)
    {
        return invalid("an embed is too long");
    }
    if rows.len() > 5 {
        return invalid("more than 5 rows");
    }
    let mut ids = HashSet::new();
    for row in rows {
        let components = row["components"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        if row["type"] != 1 || components.is_empty() || components.len() > 5 {
            return invalid("a row has none or more than 5 components");
        }
        for component in components {
            component_fits(component)?;
            let id = component["custom_id"].as_str();
            if id.is_some_and(|id| !ids.insert(id)) {
                return invalid("custom_id is used twice");
            }
        }
    }
    Ok(())
}

fn component_fits(component: &Value) -> Result<(), (u64, String)> {
    let invalid = |what: &str| Err((50035, format!("Invalid Form Body: {what}")));
    if length(&component["custom_id"]) > 100 {
        return invalid("custom_id is longer than 100");
    }
    match component["type"].as_u64() {
        Some(2) => {
            let linked = component["style"] == 5;
            let named = if linked {
                &component["url"]
            } else {
                &component["custom_id"]
            };
            match length(named) > 0 && (1..=80).contains(&length(&component["label"])) {
                true => Ok(()),
                false => invalid("a button has no label or nothing to do"),
            }
        }
        Some(3) => {
            let options = component["options"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            let values: HashSet<&str> = options
                .iter()
                .filter_map(|option| option["value"].as_str())
                .collect();
            let fit = options.iter().all(|option| {
                (1..=100).contains(&length(&option["label"]))
                    && (1..=100).contains(&length(&option["value"]))
            });
            match fit && (1..=25).contains(&options.len()) && values.len() == options.len() {
                true => Ok(()),
                false => invalid("a menu has none, too many or too long options"),
            }
        }
        _ => invalid("a component is neither button nor menu"),
    }
}
