//! The shop's people at their desk: who waits for one of them, and giving the conversation back.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use doorstep_core::{HandoffId, Language, message::Content};
use doorstep_engine::{
    dialogue::handed_back,
    store::{Farewell, Handoff},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, Shared, awaited, demo_of};
use crate::{app::App, merchant::MerchantFiles, opening::shop_profile};

/// Who closes requests, in the audit.
const ACTOR: &str = "demo";

#[derive(Deserialize)]
pub(super) struct HandoffsQuery {
    /// What an earlier answer called the state that the page shows.
    #[serde(default)]
    seen: String,
    #[serde(default)]
    wait: u64,
}

/// `GET /demo/handoffs`: who waits for a person; waits for that to be other than what was `seen`.
pub(super) async fn list(
    State(app): State<Shared>,
    Query(query): Query<HandoffsQuery>,
) -> Result<Json<Value>, ApiError> {
    demo_of(&app)?;
    let changed = awaited(&app, query.wait, || other_than(&app, &query.seen)).await?;
    let open = match changed {
        Some(open) => open,
        None => app.store.open_handoffs().await?,
    };
    let shown: Vec<Value> = open.iter().map(shown).collect();
    Ok(Json(json!({ "handoffs": shown, "seen": mark(&open) })))
}

async fn other_than(app: &App, seen: &str) -> Result<Option<Vec<Handoff>>, ApiError> {
    let open = app.store.open_handoffs().await?;
    Ok((mark(&open) != seen).then_some(open))
}

/// Names a state of the desk by who waits there.
fn mark(open: &[Handoff]) -> String {
    let mut hasher = DefaultHasher::new();
    for handoff in open {
        handoff.id.hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

fn shown(handoff: &Handoff) -> Value {
    json!({
        "id": handoff.id,
        "channel": handoff.address.channel,
        "address": handoff.address.id,
        "name": handoff.name,
        "language": handoff.language,
        "reason": handoff.reason,
        "urgent": handoff.urgent,
        "since": handoff.requested_at,
        "summary": handoff.summary,
    })
}

/// `POST /demo/handoffs/{id}/close`: gives the conversation back to the assistant, which says so to the customer.
pub(super) async fn close(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    demo_of(&app)?;
    let nobody = || ApiError::not_found("nobody waits under this identifier");
    let id: HandoffId = id.parse().map_err(|_| nobody())?;
    let handoff = app.store.find_handoff(id).await?.ok_or_else(nobody)?;
    let farewell = farewell(&app, handoff).await?;
    if !app.store.close_handoff(id, farewell, ACTOR).await? {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "closed_before",
            "the conversation was given back before",
        ));
    }
    Ok(Json(json!({ "closed": id })))
}

/// What the customer is told; nothing on a channel that is not there any more.
async fn farewell(app: &Shared, handoff: Handoff) -> Result<Option<Farewell>, ApiError> {
    let Some(channel) = app.channels.all.get(&handoff.address.channel) else {
        return Ok(None);
    };
    let delivers = !channel.capabilities().mailbox;
    let writer = app.clone();
    let written = tokio::task::spawn_blocking(move || words(&writer, &handoff)).await;
    let unwritten = "the customer cannot be told that the assistant is back";
    let (content, language) = written
        .map_err(|error| ApiError::internal(unwritten, &error))?
        .map_err(|error| ApiError::internal(unwritten, &error))?;
    Ok(Some(Farewell {
        content,
        language,
        delivers,
    }))
}

/// The words as the merchant's files have them now: they may have changed since the start.
fn words(app: &App, handoff: &Handoff) -> Result<(Content, Language), String> {
    let merchant = MerchantFiles::load(&app.config).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        problems.join("; ")
    })?;
    let profile = shop_profile(&app.config);
    handed_back(
        &merchant.templates,
        &profile,
        handoff,
        None,
        app.ambient.now(),
    )
    .map_err(|error| error.to_string())
}
