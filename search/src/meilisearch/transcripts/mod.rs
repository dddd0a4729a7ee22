//! Recorded conversations with a real server, which are lent for tests and not ours to publish: the stand-in must answer as it
//! did, and the adapter must understand what it said.

mod reading;

use std::sync::{Arc, Mutex};

use axum::{Router, extract::State, http::StatusCode, http::Uri};
use meilisearch_sdk::{documents::DocumentsQuery, request::HttpClient, settings::Settings};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::{
    http::Http,
    server::{Server, ServerError},
    stand_in::{KEY, StandIn},
};
use reading::{Body, Exchange, Step, TaskLine, same, transcripts};

type Object = Map<String, Value>;

#[tokio::test]
async fn the_stand_in_answers_as_the_real_server_did() {
    let Some(steps) = transcripts() else {
        return;
    };
    let stand_in = StandIn::start().await;
    let replay = Replay {
        client: reqwest::Client::new(),
        stand_in,
        movies: rest_of_the_movies(&steps),
    };
    let (mut answered, mut wrong) = (0, Vec::new());
    for step in &steps {
        match step {
            Step::Exchange(exchange) => {
                wrong.extend(replay.exchange(exchange).await.err());
                answered += 1;
            }
            Step::Task(task) => wrong.extend(replay.unrecorded(task).await.err()),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(answered >= 60, "only {answered} requests were found");
}

struct Replay {
    client: reqwest::Client,
    stand_in: StandIn,
    /// The documents that the recording cuts off.
    movies: Vec<Value>,
}

impl Replay {
    async fn exchange(&self, exchange: &Exchange) -> Result<(), String> {
        let key = match exchange.status {
            401 => None,
            403 => Some("another-key"),
            _ => Some(KEY),
        };
        let (body, media_type) = match &exchange.body {
            Body::None => (None, "application/json"),
            Body::Json(body) => (Some(body.to_string()), "application/json"),
            Body::Lines(lines) => (Some(lines.clone()), "application/x-ndjson"),
            Body::CutOff(complete) => {
                let all: Vec<&Value> = complete.iter().chain(&self.movies).collect();
                (Some(json!(all).to_string()), "application/json")
            }
        };
        let (status, answer) = self
            .send(&exchange.method, &exchange.path, body, media_type, key)
            .await;
        let what = exchange.what();
        if status != exchange.status {
            return Err(format!("{what}: {status} instead of {}", exchange.status));
        }
        if let Some(recorded) = &exchange.answer {
            same(recorded, &answer).map_err(|error| format!("{what}: {error}\n{answer}"))?;
        }
        match &exchange.task {
            Some(task) => self.task(task).await,
            None => Ok(()),
        }
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<String>,
        media_type: &str,
        key: Option<&str>,
    ) -> (u16, Value) {
        let url = format!("{}{path}", self.stand_in.url);
        let mut request = self.client.request(method.parse().unwrap(), url);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.header("content-type", media_type).body(body);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn task(&self, recorded: &TaskLine) -> Result<(), String> {
        let path = format!("/tasks/{}", recorded.uid);
        let (_, task) = self.send("GET", &path, None, "", Some(KEY)).await;
        let code = task["error"]["code"].as_str().map(str::to_owned);
        let is_same = task["status"] == recorded.status
            && task["type"] == recorded.kind
            && task["details"] == recorded.details
            && code == recorded.code;
        is_same
            .then_some(())
            .ok_or_else(|| format!("task {}: {task}\ninstead of {recorded:?}", recorded.uid))
    }

    /// Tasks whose requests were not recorded: three documents at once, of which one is bad, and many.
    async fn unrecorded(&self, recorded: &TaskLine) -> Result<(), String> {
        let write = async |index: &str, documents: Value| {
            let path = format!("/indexes/{index}/documents");
            let body = Some(documents.to_string());
            self.send("POST", &path, body, "application/json", Some(KEY))
                .await
        };
        let document =
            |id: usize, vector: Vec<f32>| json!({ "id": id, "t": "", "_vectors": { "e": vector } });
        match recorded.uid {
            16 => {
                write("x", json!([document(3, vec![0.0, 0.0, 1.0])])).await;
                self.stand_in.hold(true);
                write("x", json!([document(4, vec![0.0, 1.0])])).await;
                write("x", json!([document(5, vec![0.0, 1.0, 0.0])])).await;
                self.stand_in.hold(false);
            }
            25 => {
                let many = (0..2000).map(|id| document(id, vec![1.0; 384]));
                write("v", json!(many.collect::<Vec<Value>>())).await;
            }
            _ => {}
        }
        self.task(recorded).await
    }
}

/// How near the six documents that the recording cuts off are to the question that it asks, and to document 5, as scores of the
/// server. Nothing is known of document 4 but that a filter deletes it.
const CUT_OFF: [(u64, f64, f64); 6] = [
    (4, 0.5, 0.5),
    (5, 0.5, 1.0),
    (6, 0.607_635_4, 0.956_013_6),
    (7, 0.622_787_8, 0.961_094_7),
    (8, 0.924_878_4, 0.5),
    (9, 0.996_255, 0.5),
];

/// Those documents: their fields as far as an answer shows them, and vectors that have these scores.
fn rest_of_the_movies(steps: &[Step]) -> Vec<Value> {
    let hits = steps.iter().filter_map(|step| match step {
        Step::Exchange(exchange) => exchange.answer.as_ref()?["hits"].as_array(),
        Step::Task(_) => None,
    });
    let hits: Vec<&Value> = hits.flatten().collect();
    let movie = |(id, to_question, to_five): (u64, f64, f64)| {
        let mut movie = json!({ "title": "", "overview": "", "genre": "adventure", "year": 0 });
        if id > 7 {
            movie["genre"] = json!("");
        }
        for hit in hits.iter().filter(|hit| hit["id"] == id) {
            for (name, value) in hit.as_object().into_iter().flatten() {
                if !name.starts_with('_') {
                    movie[name] = value.clone();
                }
            }
        }
        let along = 2.0 * to_question - 1.0;
        let across = (1.0 - along * along).sqrt();
        let fourth = 2.0 * to_five - 1.0;
        let third = (across * across - fourth * fourth).max(0.0).sqrt();
        let length = f64::hypot(0.9, 0.1);
        let (first, second) = (0.9 * along / length, 0.1 * along / length);
        movie["id"] = json!(id);
        movie["_vectors"] = json!({ "default": [first, second, third, fourth] });
        movie
    };
    CUT_OFF.into_iter().map(movie).collect()
}

#[tokio::test]
async fn the_adapter_understands_what_the_real_server_said() {
    let Some(steps) = transcripts() else {
        return;
    };
    let said = Said::start().await;
    let server = Server::new(&said.url, KEY.to_owned().into()).unwrap();
    for step in steps {
        let Step::Exchange(exchange) = step else {
            continue;
        };
        let Some(answer) = exchange.answer.clone() else {
            continue;
        };
        let what = exchange.what();
        said.say(&exchange, &answer);
        let understood = understand(&said, &server, &exchange).await;
        let code = answer["code"].as_str().map(str::to_owned);
        let failed = exchange.task.and_then(|task| task.code);
        match (understood, code.or(failed)) {
            (Ok(understood), None) => assert_eq!(understood, counted(&answer), "{what}"),
            (Err(error), Some(code)) => assert!(error.is(&code), "{what}: {error}"),
            (understood, code) => panic!("{what}: {understood:?} instead of {code:?}"),
        }
    }
}

/// How many things an answer has, by which it is seen that nothing was lost.
fn counted(answer: &Value) -> usize {
    let lists = ["hits", "results"].map(|name| answer[name].as_array().map(Vec::len));
    lists.into_iter().flatten().sum()
}

/// Asks what the adapter asks for, and is answered as recorded.
async fn understand(
    said: &Said,
    server: &Server,
    exchange: &Exchange,
) -> Result<usize, ServerError> {
    let index = server.index("movies");
    let (path, _) = exchange
        .path
        .split_once('?')
        .unwrap_or((&exchange.path, ""));
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let none: [Value; 0] = [];
    let client = server.client();
    match (exchange.method.as_str(), &parts[..]) {
        (_, ["indexes", _, "search"]) => {
            let found = index.search().execute::<Object>().await?;
            Ok(found.hits.len())
        }
        (_, ["indexes", _, "similar"]) => {
            let found = index
                .similar_search("5", "default")
                .execute::<Object>()
                .await?;
            Ok(found.hits.len())
        }
        ("POST", ["multi-search"]) if !exchange.is_federated() => {
            let asked = client.multi_search();
            let found = client.execute_multi_search_query::<Object>(&asked).await?;
            Ok(found.results.len())
        }
        (_, ["indexes", _, "documents"]) if exchange.method == "GET" => {
            Ok(index.get_documents::<Object>().await?.results.len())
        }
        (_, ["indexes", _, "documents", "fetch"]) => {
            let mut fetch = DocumentsQuery::new(&index);
            fetch.with_filter("kind = product");
            Ok(fetch.execute::<Object>().await?.results.len())
        }
        ("GET", ["indexes", _, "settings", "embedders"]) => {
            index.get_embedders().await?;
            Ok(0)
        }
        ("GET", ["indexes", _, "stats"]) => {
            index.get_stats().await?;
            Ok(0)
        }
        ("POST", ["indexes"]) => server
            .done(client.create_index("x", None))
            .await
            .map(|()| 0),
        ("DELETE", ["indexes", _]) => server.done(client.delete_index("x")).await.map(|()| 0),
        ("POST", ["indexes", _, "documents"]) => {
            server.done(index.add_or_replace(&none, None)).await?;
            Ok(0)
        }
        ("PUT", ["indexes", _, "documents"]) => {
            server.done(index.add_or_update(&none, None)).await?;
            Ok(0)
        }
        ("POST", ["indexes", _, "documents", _]) => {
            server.done(index.delete_documents(&none)).await?;
            Ok(0)
        }
        ("PATCH" | "DELETE", ["indexes", _, "settings", ..]) => {
            let settings = Settings::new();
            server.done(index.set_settings(&settings)).await?;
            Ok(0)
        }
        // What the adapter never asks for is read all the same.
        _ => {
            let http = Http::new(KEY.to_owned().into())?;
            let get = meilisearch_sdk::request::Method::<(), ()>::Get { query: () };
            let url = format!("{}/anything", said.url);
            let expected = if exchange.status < 400 {
                exchange.status
            } else {
                200
            };
            let answer: Value = http.request(&url, get, expected).await?;
            Ok(counted(&answer))
        }
    }
}

/// A server that says what was recorded, whatever it is asked.
struct Said {
    answers: Arc<Mutex<Answers>>,
    url: String,
}

#[derive(Default)]
struct Answers {
    status: u16,
    body: String,
    task: String,
}

impl Said {
    async fn start() -> Self {
        let answers: Arc<Mutex<Answers>> = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(say).with_state(answers.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { answers, url }
    }

    fn say(&self, exchange: &Exchange, answer: &Value) {
        let task = exchange.task.as_ref().map(|task| {
            let error = task.code.as_ref();
            let error = error.map(|code| json!({ "message": "", "code": code }));
            json!({ "status": task.status, "error": error }).to_string()
        });
        *self.answers.lock().unwrap() = Answers {
            status: exchange.status,
            body: answer.to_string(),
            task: task.unwrap_or_default(),
        };
    }
}

async fn say(State(answers): State<Arc<Mutex<Answers>>>, uri: Uri) -> (StatusCode, String) {
    let answers = answers.lock().unwrap();
    if uri.path().starts_with("/tasks/") {
        return (StatusCode::OK, answers.task.clone());
    }
    let status = StatusCode::from_u16(answers.status).unwrap();
    (status, answers.body.clone())
}
