//! What a visitor may be about to ask for.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    ApiError, Shared,
    chat::{Caller, web_chat},
};

/// How many are suggested unless the caller says.
const SUGGESTED: usize = 5;
const MOST: usize = 20;

/// Query of `GET /search/suggest`.
#[derive(Deserialize)]
pub(super) struct SuggestQuery {
    q: String,
    limit: Option<usize>,
}

/// `GET /search/suggest?q=…&limit=…`: products whose titles hold the words, of which the last may be only begun. For pages
/// that may hold the widget.
pub(super) async fn suggest(
    State(app): State<Shared>,
    caller: Caller,
    query: Result<Query<SuggestQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let chat = web_chat(&app)?;
    chat.check_origin(caller.origin.as_deref(), caller.host.as_deref())?;
    if !chat.suggests() {
        return Err(ApiError::not_found(
            "suggestions are off: [channels.webchat] suggestions is false",
        ));
    }
    app.take_suggestion(caller.ip)?;
    let Query(query) = query.map_err(|rejection| ApiError::bad_request(rejection.body_text()))?;
    let limit = query.limit.unwrap_or(SUGGESTED).min(MOST);
    let found = app.search.suggest(&query.q, limit).await;
    let found = found.map_err(|error| ApiError::internal("the catalog did not answer", &error))?;
    Ok(Json(json!({ "suggestions": found })).into_response())
}
