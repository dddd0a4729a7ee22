//! Embedded files for the browser.

use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::ApiError;
use crate::assets;

/// `/widget.js`: any page may load it.
pub(super) async fn widget(headers: HeaderMap) -> Response {
    let mut response = file("widget.js", &headers).into_response();
    response.headers_mut().insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::HeaderValue::from_static("*"),
    );
    response
}

/// `/pages/{file}`: what customers' pages load.
pub(super) async fn of_customers(
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    match name.as_str() {
        "pages.css" => file("pages/pages.css", &headers),
        "track.js" => file("pages/track.js", &headers),
        _ => Err(ApiError::not_found("there is no such file")),
    }
}

/// A file of `web/`, revalidated by its hash.
pub(super) fn file(path: &str, request: &HeaderMap) -> Result<Response, ApiError> {
    let file = assets::web(path).ok_or_else(|| ApiError::not_found("there is no such file"))?;
    let hash = file.metadata.sha256_hash();
    let tag = format!(
        "\"{}\"",
        hash[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    );
    let headers = [
        (header::ETAG, tag.clone()),
        (
            header::CACHE_CONTROL,
            "public, max-age=0, must-revalidate".to_owned(),
        ),
        (header::CONTENT_TYPE, content_type(path).to_owned()),
    ];
    let known = request
        .get(header::IF_NONE_MATCH)
        .is_some_and(|value| value.as_bytes() == tag.as_bytes());
    if known {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok((headers, file.data.into_owned()).into_response())
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
