//! What lets a shop's page read our answers (CORS, <https://fetch.spec.whatwg.org/#http-cors-protocol>).
//!
//! Around all of the web chat's pages rather than in their handlers: a browser shows a page only answers that carry these
//! headers, and the widget recovers from a refusal only if it can read it.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::Response,
};

use super::Shared;

/// Lets pages of allowed origins read every answer of the web chat and of the suggestions, refusals too; others read none.
pub(super) async fn share(State(app): State<Shared>, request: Request, next: Next) -> Response {
    if !is_for_pages(request.uri().path()) {
        return next.run(request).await;
    }
    let reader = allowed_origin(&app, request.headers());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = reader {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("retry-after"),
        );
    }
    response
}

/// Whether a page that holds the widget asks for it.
fn is_for_pages(path: &str) -> bool {
    path.starts_with("/chat/") || path == "/search/suggest"
}

/// The origin of the page that asks, if it may use the chat.
fn allowed_origin(app: &Shared, headers: &HeaderMap) -> Option<HeaderValue> {
    let chat = app.channels.web_chat.as_ref()?;
    let text = |name| {
        let value: &HeaderValue = headers.get(name)?;
        value.to_str().ok()
    };
    let allowed = chat.allows_origin(text(header::ORIGIN)?, text(header::HOST));
    allowed
        .then(|| headers.get(header::ORIGIN).cloned())
        .flatten()
}
