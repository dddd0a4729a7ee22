//! Webhooks in: a bad one costs us a 4xx and a counter (G6); a good one is acknowledged once it is durable (G1).

use axum::{
    Json,
    body::Bytes,
    extract::{
        DefaultBodyLimit, FromRequest, Path, RawQuery, Request, State,
        rejection::{BytesRejection, PathRejection},
    },
    http::{HeaderMap, Method, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use doorstep_core::{
    ChannelName,
    webhook::{WebhookRejection, WebhookRequest},
};
use serde_json::json;

use super::{ApiError, Shared};

/// `/webhooks/commerce/{name}`
pub(super) async fn commerce(
    State(app): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let name = named(path)?;
    let source = app
        .sources
        .get(name.as_str())
        .ok_or_else(|| rejected("unknown", WebhookRejection::NotHere))?;
    app.take_webhook_token(&name)?;
    let request = WebhookRequest {
        method: Method::POST,
        query: query.unwrap_or_default(),
        headers,
        body: readable(&name, body)?,
        received_at: app.ambient.now(),
    };
    let events = source
        .receive_webhook(&request)
        .map_err(|rejection| rejected(&name, rejection))?;
    let admitted = app
        .store
        .admit_events(source.name(), &request.body, events)
        .await?;
    let duplicates = admitted
        .iter()
        .filter(|admission| admission.duplicate)
        .count();
    metrics::counter!("doorstep_webhooks_total", "source" => name, "outcome" => "admitted")
        .increment(1);
    Ok(
        Json(json!({ "admitted": admitted.len() - duplicates, "duplicates": duplicates }))
            .into_response(),
    )
}

/// `/webhooks/channels/{name}`
pub(super) async fn channel(
    State(app): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    mut posted: Request,
) -> Result<Response, ApiError> {
    let name = named(path)?;
    let channel = app
        .channels
        .get(&ChannelName::from(name.as_str()))
        .ok_or_else(|| rejected("unknown", WebhookRejection::NotHere))?;
    app.take_webhook_token(&name)?;
    let ours = app.config.http.max_body_bytes;
    let limit = channel
        .max_webhook_bytes()
        .map_or(ours, |theirs| theirs.max(ours));
    DefaultBodyLimit::max(limit).apply(&mut posted);
    let request = WebhookRequest {
        method: posted.method().clone(),
        query: query.unwrap_or_default(),
        headers: posted.headers().clone(),
        body: readable(&name, Bytes::from_request(posted, &()).await)?,
        received_at: app.ambient.now(),
    };
    let outcome = channel
        .receive_webhook(&request)
        .await
        .map_err(|rejection| rejected(&name, rejection))?;
    for message in outcome.messages {
        app.inbox.admit(message).await?;
    }
    for receipt in outcome.receipts {
        app.inbox.settle(channel.name(), receipt).await?;
    }
    for (address, reason) in outcome.closed {
        app.inbox.close(&address, &reason).await?;
    }
    Ok(reply(outcome.reply.unwrap_or_default()))
}

/// What the provider wants to hear: JSON as such, else a word of its own (a verification challenge).
fn reply(reply: String) -> Response {
    if reply.starts_with('{') {
        return ([(CONTENT_TYPE, "application/json")], reply).into_response();
    }
    reply.into_response()
}

/// The body, or a counted refusal of one that is too large.
fn readable(name: &str, body: Result<Bytes, BytesRejection>) -> Result<Bytes, ApiError> {
    body.map_err(|rejection| {
        let status = rejection.status();
        let reason = if status == StatusCode::PAYLOAD_TOO_LARGE {
            "too_large"
        } else {
            "unreadable"
        };
        count_rejected_webhook(name, reason);
        ApiError::new(
            status,
            reason,
            "the body is larger than http.max_body_bytes allows, broke off, or took longer than http.request_timeout_s",
        )
    })
}

/// The name in the address; one that cannot be read is nobody's.
fn named(path: Result<Path<String>, PathRejection>) -> Result<String, ApiError> {
    match path {
        Ok(Path(name)) => Ok(name),
        Err(_) => Err(rejected("unknown", WebhookRejection::NotHere)),
    }
}

fn rejected(name: &str, rejection: WebhookRejection) -> ApiError {
    tracing::warn!(source = name, reason = rejection.label(), %rejection, "a webhook was refused");
    count_rejected_webhook(name, rejection.label());
    rejection.into()
}

pub(crate) fn count_rejected_webhook(name: &str, reason: &'static str) {
    metrics::counter!("doorstep_webhooks_rejected_total", "source" => name.to_owned(), "reason" => reason)
        .increment(1);
}
