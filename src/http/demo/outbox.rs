//! The page's inbox: mails as the customer would see them.

use std::{path::PathBuf, time::Duration};

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use doorstep_channels::email::outbox;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, LONGEST_WAIT_S, Shared, demo_of};
use crate::app::App;

/// Mails that one answer holds at most; the next one holds those that follow.
const MAILS: usize = 200;

#[derive(Deserialize)]
pub(super) struct OutboxQuery {
    #[serde(default)]
    after: usize,
    #[serde(default)]
    wait: u64,
}

/// `GET /demo/outbox`: mails after the n-th, oldest first; waits for one.
pub(super) async fn list(
    State(app): State<Shared>,
    Query(query): Query<OutboxQuery>,
) -> Result<Json<Value>, ApiError> {
    let mut mails = demo_of(&app)?.mails.subscribe();
    let mut fresh = mails_after(&app, query.after).await?;
    if fresh.mails.is_empty() {
        let wait = Duration::from_secs(query.wait.min(LONGEST_WAIT_S));
        tokio::select! {
            // Answered with what there is, however the wait ended.
            _ = tokio::time::timeout(wait, mails.changed()) => {}
            () = app.stop.cancelled() => {}
        }
        fresh = mails_after(&app, query.after).await?;
    }
    Ok(Json(json!({ "emails": fresh.mails, "last": fresh.last })))
}

/// Mails, and the number of the last one that was looked at.
struct Fresh {
    mails: Vec<Value>,
    last: usize,
}

async fn mails_after(app: &App, after: usize) -> Result<Fresh, ApiError> {
    let folder = outbox_folder(app);
    let lying = outbox::ids(&folder).await.map_err(unreadable)?;
    let mut fresh = Fresh {
        mails: Vec::new(),
        last: after,
    };
    for (number, id) in demo_of(app)?.mails_after(lying, after, MAILS) {
        fresh.last = number;
        let mail = outbox::read(&folder, &id).await.map_err(unreadable)?;
        fresh.mails.extend(mail.map(|mail| {
            json!({
                "n": number,
                "id": mail.id,
                "to": mail.to,
                "subject": mail.subject,
                "at": mail.at,
                "text": mail.text,
                "html_url": format!("/demo/outbox/{}", mail.id),
            })
        }));
    }
    Ok(fresh)
}

/// `GET /demo/outbox/{id}`: one mail as HTML, to be shown in a sandboxed frame.
pub(super) async fn show(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let no_such_mail = || ApiError::not_found("there is no such mail");
    let id = id.parse().map_err(|_| no_such_mail())?;
    let mail = outbox::read(&outbox_folder(&app), &id)
        .await
        .map_err(unreadable)?
        .ok_or_else(no_such_mail)?;
    let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data: https:; frame-ancestors 'self'; sandbox";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    Ok((StatusCode::OK, headers, mail.html).into_response())
}

fn outbox_folder(app: &App) -> PathBuf {
    let folder = app
        .config
        .channels
        .email
        .as_ref()
        .map(|email| email.outbox.clone())
        .unwrap_or_default();
    app.config.data_dir.join(folder)
}

fn unreadable(error: std::io::Error) -> ApiError {
    ApiError::internal("the outbox cannot be read", &error)
}
