//! The HTTP surface: routes, limits and headers. Handlers speak with the rooms in their own words; what goes wrong is
//! mapped to a status in `error`, and nowhere else.

mod chat;
mod connections;
mod cors;
mod demo;
mod error;
mod headers;
mod html;
mod openapi;
mod pages;
mod preferences;
mod pulse;
mod status;
mod suggest;
mod track;
mod visit;
mod webhooks;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
    serve::ListenerExt,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use error::ApiError;
pub(crate) use html::Html;
pub(crate) use webhooks::count_rejected_webhook;

use crate::app::App;

/// What handlers share.
pub(crate) type Shared = Arc<App>;

/// The routes of the program's role.
pub fn router(app: Shared) -> Router {
    let limit = app.config.http.max_body_bytes;
    let router = match app.role.receives() {
        true => watched()
            .merge(received(&app))
            .fallback(error::no_such_page),
        false => watched().fallback(error::not_on_a_worker),
    };
    let router = router
        .method_not_allowed_fallback(error::wrong_method)
        .layer(DefaultBodyLimit::max(limit))
        .layer(middleware::from_fn_with_state(app.clone(), cors::share));
    headers::wrap(router, &app).with_state(app)
}

/// What watches over the program asks; every role answers it.
fn watched() -> Router<Shared> {
    Router::new()
        .route("/healthz", get(status::healthz))
        .route("/readyz", get(status::readyz))
        .route("/metrics", get(status::metrics))
}

/// What customers, shops, carriers and providers reach.
fn received(app: &App) -> Router<Shared> {
    let router = Router::new()
        .route("/openapi.json", get(openapi::document))
        .route("/widget.js", get(pages::widget))
        .route(
            "/chat/session",
            post(chat::session).options(chat::preflight),
        )
        .route("/chat/ws", get(chat::socket))
        .route(
            "/chat/messages",
            post(chat::post_message)
                .get(chat::poll)
                .options(chat::preflight),
        )
        .route("/search/suggest", get(suggest::suggest))
        .route("/chat/links", post(chat::links).options(chat::preflight))
        .route(
            "/webhooks/channels/{name}",
            post(webhooks::channel).get(webhooks::channel),
        )
        .route("/webhooks/commerce/{name}", post(webhooks::commerce))
        .route(
            "/track/{token}",
            get(track::show).post(track::show_contents),
        )
        .route(
            "/preferences/{token}",
            get(preferences::show).post(preferences::change),
        )
        .route("/pages/{file}", get(pages::of_customers));
    match &app.demo {
        Some(_) => router.merge(demo::routes()),
        None => router,
    }
}

/// Serves until `stop`, then lets running requests finish for as long as the configuration grants.
pub async fn serve(app: Shared, listener: TcpListener, stop: CancellationToken) {
    let http = &app.config.http;
    let grace = Duration::from_secs(http.shutdown_grace_s);
    let patience = Duration::from_secs(http.request_timeout_s);
    let listener = listener.tap_io(|stream| {
        // Chat frames are small and wait for nothing.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
    });
    let server = connections::serve(listener, router(app), patience, stop.clone());
    tokio::pin!(server);
    tokio::select! {
        () = &mut server => return,
        () = stop.cancelled() => {}
    }
    if tokio::time::timeout(grace, server).await.is_err() {
        tracing::warn!(
            grace_s = grace.as_secs(),
            "requests were still running when the grace period ended"
        );
    }
}
