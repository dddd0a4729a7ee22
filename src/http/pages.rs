//! Embedded files for the browser.

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use doorstep_channels::webchat::WebChat;
use doorstep_core::accent::{Accent, Colour};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{ApiError, Shared};
use crate::assets;

/// What the widget falls back to where a page sets no `--doorstep-accent`, by day and by night.
const WIDGET_ACCENTS: [&str; 2] = [
    "var(--doorstep-accent, #1f5c46)",
    "var(--doorstep-accent, #86cfae)",
];
/// What a tinted ground is mixed into on customers' pages, by day and by night: `--sheet` in `pages.css`.
const SHEETS: [&str; 2] = ["#fffcf4", "#19211d"];
/// How much of the accent is in the tint.
const TINT: f64 = 0.12;

/// `/widget.js`: any page may load it. In the shop's colour, where it has chosen one.
pub(super) async fn widget(State(app): State<Shared>, headers: HeaderMap) -> Response {
    let suggestions = app.channels.web_chat.as_ref();
    let settings = json!({ "suggestions": suggestions.is_some_and(WebChat::suggests) });
    let script = widget_script(&settings, app.config.shop.accent());
    let tag = format!("\"{}\"", hex(&Sha256::digest(&script)));
    let mut response = revalidated(script, tag, content_type("widget.js"), &headers);
    response.headers_mut().insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::HeaderValue::from_static("*"),
    );
    response
}

/// The parts of the widget as one function.
fn widget_script(settings: &Value, accent: Option<Accent>) -> String {
    let mut script = format!("(function () {{\n\"use strict\";\nconst SETTINGS = {settings};\n");
    for part in assets::widget() {
        script.push_str(&String::from_utf8_lossy(&part.data));
        script.push('\n');
    }
    script.push_str("})();\n");
    let Some(accent) = accent else {
        return script;
    };
    let colours = WIDGET_ACCENTS.into_iter().zip([accent.day, accent.night]);
    colours.fold(script, |script, (ours, colour)| {
        script.replace(ours, &format!("var(--doorstep-accent, {colour})"))
    })
}

/// `/pages/{file}`: what customers' pages load.
pub(super) async fn of_customers(
    State(app): State<Shared>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    match (name.as_str(), app.config.shop.accent()) {
        ("pages.css", _) => file("pages/pages.css", &headers),
        ("track.js", _) => file("pages/track.js", &headers),
        ("accent.css", Some(accent)) => {
            let tag = format!("\"{}\"", &accent.day.to_string()[1..]);
            let kind = content_type("accent.css");
            Ok(revalidated(accent_css(accent), tag, kind, &headers))
        }
        _ => Err(no_such_file()),
    }
}

/// The shop's colour in the place of ours, after `pages.css`.
fn accent_css(accent: Accent) -> String {
    let colours = |accent: Colour, on_accent: &str, sheet: &str| {
        let sheet: Colour = sheet.parse().unwrap_or(Colour::WHITE);
        let tint = accent.mixed(TINT, sheet);
        format!(":root {{ --accent: {accent}; --on-accent: {on_accent}; --tint: {tint}; }}")
    };
    let day = colours(accent.day, "#ffffff", SHEETS[0]);
    let night = colours(accent.night, "#000000", SHEETS[1]);
    format!("{day}\n@media (prefers-color-scheme: dark) {{ {night} }}\n")
}

fn no_such_file() -> ApiError {
    ApiError::not_found("there is no such file")
}

fn asset(path: &str) -> Result<rust_embed::EmbeddedFile, ApiError> {
    assets::web(path).ok_or_else(no_such_file)
}

/// The beginning of a hash, which is enough to tell versions of a file apart.
fn hex(hash: &[u8]) -> String {
    let bytes = hash.iter().take(8);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// A file of `web/`, revalidated by its hash.
pub(super) fn file(path: &str, request: &HeaderMap) -> Result<Response, ApiError> {
    let file = asset(path)?;
    let tag = format!("\"{}\"", hex(&file.metadata.sha256_hash()));
    let body = file.data.into_owned();
    Ok(revalidated(body, tag, content_type(path), request))
}

/// What is sent again only when its tag changed.
fn revalidated(
    body: impl Into<Bytes>,
    tag: String,
    content_type: &'static str,
    request: &HeaderMap,
) -> Response {
    let known = request
        .get(header::IF_NONE_MATCH)
        .is_some_and(|value| value.as_bytes() == tag.as_bytes());
    let headers = [
        (header::ETAG, tag),
        (
            header::CACHE_CONTROL,
            "public, max-age=0, must-revalidate".to_owned(),
        ),
        (header::CONTENT_TYPE, content_type.to_owned()),
    ];
    if known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, body.into()).into_response()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colours_that_are_replaced_are_there() {
        let widget = widget_script(&json!({}), None);
        for ours in WIDGET_ACCENTS {
            assert_eq!(widget.matches(ours).count(), 1, "{ours}");
        }
        let css = asset("pages/pages.css").unwrap().data;
        let css = String::from_utf8_lossy(&css);
        for sheet in SHEETS {
            assert!(css.contains(&format!("--sheet: {sheet};")), "{sheet}");
        }
    }
}
