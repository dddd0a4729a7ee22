//! Headers of every answer, request ids, and the access log.

use std::sync::Arc;

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::{self, Next},
    response::Response,
};
use tracing::Instrument;

use super::Shared;
use crate::app::App;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; img-src 'self' data: https:; style-src 'self'; script-src 'self'; connect-src 'self'; \
     frame-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'",
);

/// Adds request ids, the access log and security headers to all routes.
pub(super) fn wrap(router: Router<Shared>, app: &Arc<App>) -> Router<Shared> {
    router.layer(middleware::from_fn_with_state(app.clone(), every_request))
}

async fn every_request(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let id = request_id(&request, &app);
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str)
        .to_owned();
    let span = tracing::info_span!("http", request = ?id, method = %request.method(), route);
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    span.in_scope(|| tracing::debug!(status = status.as_u16(), "answered"));
    metrics::counter!("doorstep_http_requests_total", "route" => route, "status" => status.as_u16().to_string())
        .increment(1);
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(CONTENT_POLICY);
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The caller's request id if it is a short, plain one; else a new one.
fn request_id(request: &Request, app: &App) -> HeaderValue {
    let plain = |value: &&HeaderValue| {
        value.len() <= 64
            && value
                .as_bytes()
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    if let Some(id) = request.headers().get(REQUEST_ID).filter(plain) {
        return id.clone();
    }
    let mut random = [0; 8];
    app.ambient.entropy.fill(&mut random);
    let id = format!("{:016x}", u64::from_be_bytes(random));
    HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("none"))
}
