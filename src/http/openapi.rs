//! `/openapi.json`

use axum::{
    http::header,
    response::{IntoResponse, Response},
};

/// OpenAPI 3.1, written by hand beside the routes; a test holds it against them.
const DOCUMENT: &str = include_str!("openapi.json");

pub(super) async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}
