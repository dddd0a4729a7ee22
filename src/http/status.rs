//! How the program is: for load balancers, people and Prometheus.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use doorstep_core::Health;
use serde_json::{Map, Value, json};

use super::Shared;

/// The process runs and answers.
pub(super) async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Every part by name; 503 only when one that nothing can be done without is down.
pub(super) async fn readyz(State(app): State<Shared>) -> Response {
    let parts = app.health().await;
    let down = parts
        .iter()
        .any(|(_, health)| matches!(health, Health::Down { .. }));
    let degraded = parts
        .iter()
        .any(|(_, health)| matches!(health, Health::Degraded { .. }));
    let status = match (down, degraded) {
        (true, _) => "down",
        (_, true) => "degraded",
        _ => "ok",
    };
    let parts: Map<String, Value> = parts
        .into_iter()
        .map(|(name, health)| (name, serde_json::to_value(health).unwrap_or(Value::Null)))
        .collect();
    let code = if down {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (code, Json(json!({ "status": status, "parts": parts }))).into_response()
}

/// Prometheus text format.
pub(super) async fn metrics(State(app): State<Shared>) -> Response {
    app.refresh_gauges().await;
    let text = crate::observe::render_metrics();
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
        .into_response()
}
