//! The server's HTTP interface: JSON in, JSON out, and tasks, in which alone it says what became of a write.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(1);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// How often a task is asked for at first and at most.
const FIRST_POLL: Duration = Duration::from_millis(5);
const LONGEST_POLL: Duration = Duration::from_millis(250);
/// How long a task may take before we stop waiting for it.
const TASK: Duration = Duration::from_secs(120);

/// The server did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServerError {
    /// It cannot be reached or does not answer in time.
    #[error("Meilisearch cannot be reached: {0}")]
    Away(String),
    /// It answered with an error, or a task ended in one.
    #[error("Meilisearch refused it: {message} ({code})")]
    Refused { code: String, message: String },
    /// It answered with something else than its documentation says.
    #[error("Meilisearch answered unexpectedly: {0}")]
    Garbled(String),
    /// A task is not done yet.
    #[error("Meilisearch did not finish task {0} within {limit_s} s", limit_s = TASK.as_secs())]
    Unfinished(u64),
}

impl ServerError {
    /// Whether the error has this code.
    pub(super) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }
}

impl From<reqwest::Error> for ServerError {
    fn from(error: reqwest::Error) -> Self {
        // The address may hold a password.
        Self::Away(error.without_url().to_string())
    }
}

/// A task's number, as every write answers it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Enqueued {
    task_uid: u64,
}

#[derive(Deserialize)]
struct Task {
    status: String,
    error: Option<Refusal>,
}

/// <https://www.meilisearch.com/docs/reference/errors/overview>
#[derive(Deserialize)]
struct Refusal {
    message: String,
    code: String,
}

/// One server.
pub(super) struct Server {
    client: reqwest::Client,
    url: String,
    key: SecretString,
}

impl Server {
    pub(super) fn new(url: &str, key: SecretString) -> Result<Self, ServerError> {
        // A second call finds the provider installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .build()?;
        Ok(Self {
            client,
            url: url.trim_end_matches('/').to_owned(),
            key,
        })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ServerError> {
        self.request(Method::GET, path, None).await
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<T, ServerError> {
        self.request(Method::POST, path, Some(body)).await
    }

    /// Writes, and waits until it is done.
    pub(super) async fn write(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(), ServerError> {
        let enqueued: Enqueued = self.request(method, path, body).await?;
        self.finished(enqueued.task_uid).await
    }

    async fn finished(&self, uid: u64) -> Result<(), ServerError> {
        let path = format!("/tasks/{uid}");
        let (mut pause, mut waited) = (FIRST_POLL, Duration::ZERO);
        while waited < TASK {
            let task: Task = self.get(&path).await?;
            match (task.status.as_str(), task.error) {
                ("succeeded", _) => return Ok(()),
                ("enqueued" | "processing", _) => {}
                (_, Some(error)) => {
                    return Err(ServerError::Refused {
                        code: error.code,
                        message: error.message,
                    });
                }
                (status, None) => {
                    return Err(ServerError::Garbled(format!("task {uid} is {status}")));
                }
            }
            tokio::time::sleep(pause).await;
            waited += pause;
            pause = (pause * 2).min(LONGEST_POLL);
        }
        Err(ServerError::Unfinished(uid))
    }

    async fn request<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, ServerError> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(self.key.expose_secret());
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        if status.is_success() {
            return serde_json::from_str(&text)
                .map_err(|error| ServerError::Garbled(format!("to {path}: {error}")));
        }
        match serde_json::from_str::<Refusal>(&text) {
            Ok(refusal) => Err(ServerError::Refused {
                code: refusal.code,
                message: refusal.message,
            }),
            // A proxy in front of a server that is away says so in its own words.
            Err(_) if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(ServerError::Away(format!("HTTP status {status}")))
            }
            Err(_) => Err(ServerError::Garbled(format!(
                "HTTP status {status} to {path}"
            ))),
        }
    }
}
