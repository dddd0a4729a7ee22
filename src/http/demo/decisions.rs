//! What came of an event: who was told, or why nobody was.

use axum::{
    Json,
    extract::{Query, State},
};
use doorstep_core::SourceName;
use doorstep_engine::store::Explained;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, Shared, awaited, demo_of};
use crate::app::App;

#[derive(Deserialize)]
pub(super) struct DecisionQuery {
    /// Who told the event.
    source: SourceName,
    /// Its identifier there.
    event: String,
    #[serde(default)]
    wait: u64,
}

/// `GET /demo/decisions`: what `doorstep explain` says of an event; waits until it is decided. None when it was not by
/// then.
pub(super) async fn list(
    State(app): State<Shared>,
    Query(query): Query<DecisionQuery>,
) -> Result<Json<Value>, ApiError> {
    demo_of(&app)?;
    let decided = awaited(&app, query.wait, || decisions(&app, &query)).await?;
    let decided = decided.unwrap_or_default();
    let shown: Vec<Value> = decided.iter().map(shown).collect();
    Ok(Json(json!({ "decisions": shown })))
}

async fn decisions(app: &App, query: &DecisionQuery) -> Result<Option<Vec<Explained>>, ApiError> {
    let explained = app
        .store
        .explain_event_of(&query.source, &query.event)
        .await?;
    Ok((!explained.is_empty()).then_some(explained))
}

fn shown(decision: &Explained) -> Value {
    let messages = decision.messages.iter();
    let told: Vec<Value> = messages
        .map(|message| json!({ "channel": message.channel, "language": message.language }))
        .collect();
    json!({
        "decision": decision.decision,
        "reason": decision.reason,
        "rule": decision.rule,
        "template": decision.template,
        "due_at": decision.due_at,
        "told": told,
    })
}
