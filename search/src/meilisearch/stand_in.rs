//! A server for tests that answers in the shapes of Meilisearch 1.50: tasks for writes, errors as `{message, code, type,
//! link}`, one bad document failing its whole task. It knows as much of searching as our adapter asks for.

#![allow(clippy::unwrap_used)] // A test's server fails by panicking.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// The key that every request must carry.
pub const KEY: &str = "stand-in-key";

type Object = Map<String, Value>;
/// A success with its status, or `(status, code, message)`.
type Answer = Result<(u16, Value), Failed>;
type Failed = (u16, &'static str, String);
/// What became of a task: `(code, message)` where it failed.
type Done = Result<(), (&'static str, String)>;

#[derive(Default, Clone)]
struct Index {
    settings: Object,
    documents: BTreeMap<String, Object>,
    vectors: BTreeMap<String, Vec<f64>>,
}

#[derive(Default)]
struct Contents {
    indexes: BTreeMap<String, Index>,
    tasks: Vec<Done>,
    /// How often each kind of write was asked for: `POST documents`.
    writes: Vec<String>,
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
        let router = Router::new().fallback(answer).with_state(stand_in.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        stand_in
    }

    /// From now on the server answers nothing but errors of a proxy in front of it, or is back.
    pub fn away(&self, is_away: bool) {
        self.lock().is_away = is_away;
    }

    /// How many documents of an index have a vector, and how many there are.
    pub fn read_by_the_model(&self, index: &str) -> (usize, usize) {
        let contents = self.lock();
        let index = contents.indexes.get(index);
        index.map_or((0, 0), |index| (index.vectors.len(), index.documents.len()))
    }

    /// The writes so far.
    #[cfg(test)]
    pub(crate) fn writes(&self) -> Vec<String> {
        self.lock().writes.clone()
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
    let mut contents = stand_in.lock();
    if contents.is_away {
        return (StatusCode::BAD_GATEWAY, "<html>Bad Gateway</html>").into_response();
    }
    let key = headers
        .get("authorization")
        .map(|value| value.to_str().unwrap().to_owned());
    let answer = match key {
        None => Err((
            401,
            "missing_authorization_header",
            "The Authorization header is missing.".to_owned(),
        )),
        Some(key) if key != format!("Bearer {KEY}") => Err((
            403,
            "invalid_api_key",
            "The provided API key is invalid.".to_owned(),
        )),
        Some(_) => {
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            contents.answer(&method, uri.path(), &body)
        }
    };
    let (status, body) =
        answer.unwrap_or_else(|(status, code, message)| (status, error(code, &message)));
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

fn error(code: &str, message: &str) -> Value {
    json!({
        "message": message,
        "code": code,
        "type": "invalid_request",
        "link": format!("https://docs.meilisearch.com/errors#{code}"),
    })
}

fn missing(uid: &str) -> (u16, &'static str, String) {
    (404, "index_not_found", format!("Index `{uid}` not found."))
}

impl Contents {
    fn answer(&mut self, method: &Method, path: &str, body: &Value) -> Answer {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (method.as_str(), &parts[..]) {
            ("GET", ["tasks", uid]) => Ok((200, self.task(uid))),
            ("POST", ["indexes"]) => {
                let uid = body["uid"].as_str().unwrap().to_owned();
                let done = match self.indexes.contains_key(&uid) {
                    true => Err((
                        "index_already_exists",
                        format!("Index `{uid}` already exists."),
                    )),
                    false => Ok(()),
                };
                self.indexes.entry(uid).or_default();
                self.enqueued("POST indexes", done)
            }
            ("POST", ["swap-indexes"]) => {
                let [first, second] =
                    [0, 1].map(|place| body[0]["indexes"][place].as_str().unwrap());
                let both = (self.indexes.remove(first), self.indexes.remove(second));
                let (Some(a), Some(b)) = both else {
                    return Err(missing(first));
                };
                self.indexes.insert(first.to_owned(), b);
                self.indexes.insert(second.to_owned(), a);
                self.enqueued("POST swap-indexes", Ok(()))
            }
            ("POST", ["multi-search"]) => {
                let search = |query: &Value| {
                    let uid = query["indexUid"].as_str().unwrap();
                    self.indexes
                        .get(uid)
                        .ok_or_else(|| missing(uid))?
                        .search(query)
                };
                let results: Result<Vec<Value>, _> = body["queries"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(search)
                    .collect();
                Ok((200, json!({ "results": results? })))
            }
            ("DELETE", ["indexes", uid]) => {
                let done = self.indexes.remove(*uid).map(|_| ());
                let done = done.ok_or_else(|| ("index_not_found", missing(uid).2));
                self.enqueued("DELETE index", done)
            }
            (_, ["indexes", uid, rest @ ..]) => self.of_index(method, uid, rest, body),
            _ => Err((404, "not_found", "Not found".to_owned())),
        }
    }

    fn of_index(&mut self, method: &Method, uid: &str, rest: &[&str], body: &Value) -> Answer {
        let index = self.indexes.get_mut(uid).ok_or_else(|| missing(uid))?;
        match (method.as_str(), rest) {
            ("GET", ["settings"]) => Ok((200, Value::Object(index.settings.clone()))),
            ("GET", ["stats"]) => Ok((
                200,
                json!({ "numberOfDocuments": index.documents.len(), "isIndexing": false }),
            )),
            ("POST", ["search"]) => Ok((200, index.search(body)?)),
            ("POST", ["documents", "fetch"]) => Ok((200, index.fetch(body)?)),
            ("PATCH", ["settings"]) => {
                index.settings.extend(body.as_object().unwrap().clone());
                self.enqueued("PATCH settings", Ok(()))
            }
            ("POST", ["documents", "delete-batch"]) => {
                for id in body.as_array().unwrap() {
                    index.documents.remove(id.as_str().unwrap());
                    index.vectors.remove(id.as_str().unwrap());
                }
                self.enqueued("POST documents/delete-batch", Ok(()))
            }
            ("POST" | "PUT", ["documents"]) => {
                let mut changed = index.clone();
                let mut documents = body.as_array().unwrap().iter();
                let done: Done =
                    documents.try_for_each(|document| changed.put(document, method == Method::PUT));
                if done.is_ok() {
                    *index = changed;
                }
                self.enqueued(&format!("{method} documents"), done)
            }
            _ => Err((404, "not_found", "Not found".to_owned())),
        }
    }

    fn enqueued(&mut self, what: &str, done: Done) -> Answer {
        self.writes.push(what.to_owned());
        self.tasks.push(done);
        let uid = self.tasks.len() - 1;
        Ok((
            202,
            json!({ "taskUid": uid, "status": "enqueued", "enqueuedAt": "2026-01-01T00:00:00Z" }),
        ))
    }

    fn task(&self, uid: &str) -> Value {
        match &self.tasks[uid.parse::<usize>().unwrap()] {
            Ok(()) => json!({ "status": "succeeded", "error": null }),
            Err((code, message)) => json!({ "status": "failed", "error": error(code, message) }),
        }
    }
}

impl Index {
    fn dimensions(&self) -> usize {
        let dimensions = &self.settings["embedders"]["default"]["dimensions"];
        dimensions.as_u64().unwrap() as usize
    }

    fn put(&mut self, document: &Value, updates: bool) -> Done {
        let mut document = document.as_object().unwrap().clone();
        let id = document["id"].as_str().unwrap().to_owned();
        if id.is_empty()
            || !id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        {
            return Err((
                "invalid_document_id",
                format!("Document identifier `\"{id}\"` is invalid."),
            ));
        }
        match document
            .remove("_vectors")
            .map(|vectors| vectors["default"].clone())
        {
            None if updates && self.documents.contains_key(&id) => {}
            None => {
                return Err((
                    "vector_embedding_error",
                    format!("no vectors provided for document `{id}`"),
                ));
            }
            Some(Value::Null) => {
                self.vectors.remove(&id);
            }
            Some(vector) => {
                let vector: Vec<f64> = serde_json::from_value(vector).unwrap();
                if vector.len() != self.dimensions() {
                    return Err((
                        "invalid_vector_dimensions",
                        format!("Invalid vector dimensions in document with id `{id}`"),
                    ));
                }
                self.vectors.insert(id.clone(), vector);
            }
        }
        self.documents.insert(id, document);
        Ok(())
    }

    /// The documents that fulfil every condition.
    fn filtered(&self, filter: &Value) -> Result<Vec<(&String, &Object)>, Failed> {
        let filterable = self
            .settings
            .get("filterableAttributes")
            .and_then(Value::as_array);
        let mut conditions = Vec::new();
        for condition in filter.as_array().into_iter().flatten() {
            let mut parts = condition.as_str().unwrap().splitn(3, ' ');
            let [name, operator, value] = [(); 3].map(|()| parts.next().unwrap());
            if !filterable.is_some_and(|names| names.contains(&json!(name))) {
                return Err((
                    400,
                    "invalid_search_filter",
                    format!("Attribute `{name}` is not filterable."),
                ));
            }
            conditions.push((
                name,
                operator,
                serde_json::from_str::<Value>(value).unwrap(),
            ));
        }
        let holds = |document: &Object| {
            conditions.iter().all(|(name, operator, wanted)| {
                let found = &document[*name];
                match *operator {
                    ">=" => found
                        .as_i64()
                        .is_some_and(|found| found >= wanted.as_i64().unwrap()),
                    "<=" => found
                        .as_i64()
                        .is_some_and(|found| found <= wanted.as_i64().unwrap()),
                    "IN" => wanted.as_array().unwrap().contains(found),
                    _ => {
                        found == wanted
                            || found.as_array().is_some_and(|found| found.contains(wanted))
                    }
                }
            })
        };
        Ok(self
            .documents
            .iter()
            .filter(|(_, document)| holds(document))
            .collect())
    }

    fn fetch(&self, body: &Value) -> Result<Value, Failed> {
        let skipped = body["offset"].as_u64().unwrap_or(0) as usize;
        let limit = body["limit"].as_u64().unwrap_or(20) as usize;
        let found = self.filtered(&body["filter"])?;
        let total = found.len();
        let results: Vec<_> = found
            .into_iter()
            .skip(skipped)
            .take(limit)
            .map(|(_, document)| document)
            .collect();
        Ok(json!({ "results": results, "offset": skipped, "limit": limit, "total": total }))
    }

    fn search(&self, query: &Value) -> Result<Value, Failed> {
        let limit = query["limit"].as_u64().unwrap_or(20) as usize;
        let mut found = self.filtered(&query["filter"])?;
        let mut scores = BTreeMap::new();
        match query.get("vector") {
            Some(vector) => {
                if query.get("hybrid").is_none() {
                    return Err((
                        400,
                        "missing_search_hybrid",
                        "missing `hybrid` parameter".to_owned(),
                    ));
                }
                let vector: Vec<f64> = serde_json::from_value(vector.clone()).unwrap();
                if vector.len() != self.dimensions() {
                    return Err((
                        400,
                        "invalid_vector_dimensions",
                        "Invalid vector dimensions".to_owned(),
                    ));
                }
                for (id, _) in &found {
                    let score = self
                        .vectors
                        .get(*id)
                        .map_or(0.0, |own| (1.0 + cosine(own, &vector)) / 2.0);
                    scores.insert((*id).clone(), score);
                }
                found.sort_by(|a, b| scores[b.0].total_cmp(&scores[a.0]));
            }
            None => {
                let asked = query["q"].as_str().unwrap_or_default();
                let fields = query["attributesToSearchOn"].as_array().cloned();
                let fields = fields.unwrap_or_default();
                found.retain(|(_, document)| self.matches(document, &fields, asked));
            }
        }
        let total = found.len();
        let languages: BTreeSet<&str> = found
            .iter()
            .filter_map(|(_, document)| document["language"].as_str())
            .collect();
        let languages: Object = languages
            .into_iter()
            .map(|language| (language.to_owned(), json!(1)))
            .collect();
        let hits: Vec<Value> = found
            .into_iter()
            .take(limit)
            .map(|(id, document)| {
                let mut hit = document.clone();
                if let Some(score) = scores.get(id) {
                    hit.insert("_rankingScore".to_owned(), json!(score));
                }
                Value::Object(hit)
            })
            .collect();
        Ok(json!({
            "hits": hits, "estimatedTotalHits": total, "limit": limit, "processingTimeMs": 0,
            "facetDistribution": { "language": languages },
        }))
    }

    /// Whether every word of `asked` is in one of the fields: as it is within quotation marks, else with one typo where it
    /// is long enough, and the last one also where it only begins a word.
    fn matches(&self, document: &Object, fields: &[Value], asked: &str) -> bool {
        let tolerance = &self.settings["typoTolerance"];
        let long = tolerance["minWordSizeForTypos"]["oneTypo"]
            .as_u64()
            .unwrap() as usize;
        let exact = tolerance["disableOnAttributes"].as_array().unwrap();
        let asked_words: Vec<&str> = asked.split_whitespace().collect();
        let is_open = !asked.ends_with(' ');
        asked_words.iter().enumerate().all(|(place, word)| {
            let phrase = word
                .strip_prefix('"')
                .and_then(|word| word.strip_suffix('"'));
            let is_begun = phrase.is_none() && is_open && place + 1 == asked_words.len();
            let wanted = phrase.unwrap_or(word);
            fields.iter().any(|field| {
                let forgives =
                    phrase.is_none() && !exact.contains(field) && wanted.chars().count() >= long;
                let text = document[field.as_str().unwrap()].as_str().unwrap();
                text.split_whitespace().any(|own| {
                    own == wanted
                        || (is_begun && own.starts_with(wanted))
                        || (forgives && strsim::osa_distance(own, wanted) <= 1)
                })
            })
        })
    }
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
