//! A server for tests that answers as Meilisearch 1.50 does: tasks for writes, its errors, one bad document failing its whole
//! batch. It knows as much of searching as our adapter asks for and as recorded conversations with the real server hold
//! (`transcripts.rs` replays them against it).

#![allow(clippy::unwrap_used)] // A test's server fails by panicking.

mod facets;
mod filter;
mod index;
mod keyword;
mod routes;
mod search;
mod settings;
mod tasks;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Query, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use index::Index;
use routes::Request;
use tasks::Tasks;

/// The key that every request must carry.
pub const KEY: &str = "stand-in-key";
/// The largest body it takes, as the real server does.
const MAX_BODY_BYTES: usize = 100 << 20;
/// Its clock stands still.
const NOW: &str = "2026-01-01T00:00:00Z";

type Object = Map<String, Value>;
/// A success with its status.
type Answer = Result<(u16, Value), Failed>;
/// What became of a task.
type Done = Result<(), Failed>;

/// Why a request or a task failed.
#[derive(Clone)]
struct Failed {
    code: &'static str,
    message: String,
}

#[derive(Default)]
struct Contents {
    indexes: BTreeMap<String, Index>,
    tasks: Tasks,
    keys: Vec<Value>,
    is_away: bool,
}

/// A running stand-in.
#[derive(Clone, Default)]
pub struct StandIn {
    contents: Arc<Mutex<Contents>>,
    /// Where it listens.
    pub url: String,
}

impl StandIn {
    /// Starts one on a port of the system's choice; it runs as long as the runtime.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stand_in = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            ..Self::default()
        };
        let router = Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .with_state(stand_in.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        stand_in
    }

    /// From now on the server answers nothing but errors of a proxy in front of it, or is back.
    pub fn away(&self, is_away: bool) {
        self.lock().is_away = is_away;
    }

    /// Forgets its indexes with everything in them, as a server does that was set up anew without its data.
    pub fn forget(&self) {
        self.lock().indexes.clear();
    }

    /// From now on documents that come in wait, or those that waited are taken in one batch.
    pub fn hold(&self, is_holding: bool) {
        self.lock().hold(is_holding);
    }

    /// Cancels every task that waits.
    pub fn cancel(&self) {
        self.lock().tasks.cancel();
    }

    /// How many documents of an index have a vector, and how many there are.
    pub fn read_by_the_model(&self, index: &str) -> (usize, usize) {
        let contents = self.lock();
        let index = contents.indexes.get(index);
        index.map_or((0, 0), |index| {
            (index.embedded_documents(), index.documents.len())
        })
    }

    /// The writes of documents so far, as `POST documents`, and how many wait.
    #[cfg(test)]
    pub(crate) fn writes(&self) -> (Vec<String>, usize) {
        let contents = self.lock();
        (contents.tasks.writes.clone(), contents.tasks.waiting())
    }

    /// The names of its indexes.
    pub fn indexes(&self) -> Vec<String> {
        self.lock().indexes.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap()
    }
}

async fn answer(
    State(stand_in): State<StandIn>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap());
    let mut contents = stand_in.lock();
    if contents.is_away {
        return (StatusCode::BAD_GATEWAY, "<html>Bad Gateway</html>").into_response();
    }
    let answer = allowed(uri.path(), header("authorization")).and_then(|()| {
        let request = Request {
            method: method.as_str(),
            path: uri.path().trim_matches('/').split('/').collect(),
            query: Query::try_from_uri(&uri).map(|Query(query)| query).unwrap(),
            body: read(&body, header("content-type").unwrap_or_default())?,
        };
        contents.answer(&request)
    });
    let (status, body) = answer.unwrap_or_else(|failed| (failed.status(), failed.json()));
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

fn allowed(path: &str, key: Option<&str>) -> Result<(), Failed> {
    match key.map(|key| key.strip_prefix("Bearer ")) {
        _ if path == "/health" => Ok(()),
        Some(Some(KEY)) => Ok(()),
        Some(Some(_)) => Err(Failed::new(
            "invalid_api_key",
            "The provided API key is invalid.",
        )),
        _ => Err(Failed::new(
            "missing_authorization_header",
            "The Authorization header is missing. It must use the bearer authorization method.",
        )),
    }
}

/// A body of JSON, or of JSON lines as an array.
fn read(body: &[u8], media_type: &str) -> Result<Value, Failed> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let read = match media_type {
        "application/x-ndjson" => serde_json::Deserializer::from_slice(body)
            .into_iter()
            .collect::<Result<Vec<Value>, _>>()
            .map(Value::Array),
        _ => serde_json::from_slice(body),
    };
    read.map_err(|error| {
        Failed::new(
            "malformed_payload",
            format!("The JSON payload provided is malformed. `{error}`."),
        )
    })
}

impl Failed {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    fn no_index(uid: &str) -> Self {
        Self::new("index_not_found", format!("Index `{uid}` not found."))
    }

    fn status(&self) -> u16 {
        match self.code {
            "missing_authorization_header" => 401,
            "invalid_api_key" => 403,
            "index_not_found" | "document_not_found" | "task_not_found" | "not_found" => 404,
            _ => 400,
        }
    }

    fn json(&self) -> Value {
        let kind = match self.status() {
            401 | 403 => "auth",
            _ => "invalid_request",
        };
        json!({
            "message": self.message,
            "code": self.code,
            "type": kind,
            "link": format!("https://docs.meilisearch.com/errors#{}", self.code),
        })
    }
}
