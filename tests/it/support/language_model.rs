//! A language model that says what a test wrote, behind an endpoint as OpenAI's.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What the model does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Answers.
    Says(String),
    /// Asks for a tool, with these arguments.
    Calls(&'static str, Value),
    /// Answers something that is no answer of the protocol.
    Garbage(&'static str),
    /// Refuses the request with status 400, in these words.
    Refuses(&'static str),
    /// Never answers.
    Hangs,
}

/// A running stand-in; without an act it fails with status 500.
#[derive(Clone, Default)]
pub(crate) struct Model {
    acts: Arc<Mutex<VecDeque<Act>>>,
    asked: Arc<Mutex<Vec<Value>>>,
    url: String,
}

impl Model {
    /// Starts one on a port of the system's choice.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let model = Self {
            url: format!("http://{}/v1", listener.local_addr().unwrap()),
            ..Self::default()
        };
        let router = Router::new()
            .route("/v1/chat/completions", post(answer))
            .with_state(model.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        model
    }

    /// The settings with which a server asks it.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        [
            ("phrasing.enabled", "true"),
            ("phrasing.url", &self.url),
            ("phrasing.small_model", "little-one"),
            ("phrasing.large_model", "big-one"),
            ("phrasing.timeout_s", "2"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// What it does next, in order; what it had not done yet is forgotten.
    pub(crate) fn will(&self, acts: impl IntoIterator<Item = Act>) {
        *self.acts.lock().unwrap() = acts.into_iter().collect();
    }

    /// The requests since the last call.
    pub(crate) fn asked(&self) -> Vec<Value> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

async fn answer(State(model): State<Model>, Json(request): Json<Value>) -> Response {
    model.asked.lock().unwrap().push(request);
    let act = model.acts.lock().unwrap().pop_front();
    let message = match act {
        None => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Act::Hangs) => std::future::pending().await,
        Some(Act::Garbage(text)) => return text.into_response(),
        Some(Act::Refuses(text)) => return (StatusCode::BAD_REQUEST, text).into_response(),
        Some(Act::Says(text)) => json!({ "role": "assistant", "content": text }),
        Some(Act::Calls(name, arguments)) => json!({
            "role": "assistant",
            "content": null,
            "tool_calls": [{
                "id": "call_1",
                "type": "function",
                "function": { "name": name, "arguments": arguments.to_string() },
            }],
        }),
    };
    Json(json!({
        "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 400, "completion_tokens": 40, "total_tokens": 440 },
    }))
    .into_response()
}
