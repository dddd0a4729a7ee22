//! The server as the SDK speaks with it, and tasks, in which alone it says what became of a write. Tasks are asked for by the
//! SDK's plain request: its own type of them (0.33) knows no cancelled one, and waits on a thread.

use std::time::Duration;

use meilisearch_sdk::{
    client::Client,
    errors::Error,
    request::{HttpClient, Method},
    task_info::TaskInfo,
};
use secrecy::SecretString;
use serde::Deserialize;

use super::http::Http;

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
    Unfinished(u32),
}

impl ServerError {
    /// Whether the error has this code.
    pub(super) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }

    /// Whether the server blames a document other than that of `key`: of tasks that it takes in one batch, a bad document of
    /// one fails all.
    pub(super) fn blames_another(&self, key: &str) -> bool {
        let Self::Refused { message, .. } = self else {
            return false;
        };
        message.contains("document") && !message.contains(&format!("`{key}`"))
    }
}

impl From<reqwest::Error> for ServerError {
    fn from(error: reqwest::Error) -> Self {
        // The address may hold a password.
        Self::Away(error.without_url().to_string())
    }
}

impl From<ServerError> for Error {
    fn from(error: ServerError) -> Self {
        Self::Other(Box::new(error))
    }
}

impl From<Error> for ServerError {
    fn from(error: Error) -> Self {
        match error {
            Error::Other(error) => match error.downcast::<Self>() {
                Ok(own) => *own,
                Err(other) => Self::Garbled(other.to_string()),
            },
            error => Self::Garbled(error.to_string()),
        }
    }
}

/// An error as the server words it: <https://www.meilisearch.com/docs/reference/errors/overview>
#[derive(Deserialize)]
pub(super) struct Refusal {
    message: String,
    code: String,
}

impl From<Refusal> for ServerError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused {
            code: refusal.code,
            message: refusal.message,
        }
    }
}

/// <https://www.meilisearch.com/docs/reference/api/tasks>
#[derive(Deserialize)]
struct Task {
    status: String,
    error: Option<Refusal>,
}

/// One index of a server.
pub(super) type Index = meilisearch_sdk::indexes::Index<Http>;

/// One server.
pub(super) struct Server {
    http: Http,
    client: Client<Http>,
    url: String,
}

impl Server {
    pub(super) fn new(url: &str, key: SecretString) -> Result<Self, ServerError> {
        let http = Http::new(key)?;
        let url = url.trim_end_matches('/').to_owned();
        // The key stays with `http`: the SDK would show it to whoever prints its client.
        let client = Client::new_with_client(&url, None::<String>, http.clone());
        Ok(Self { http, client, url })
    }

    pub(super) fn client(&self) -> &Client<Http> {
        &self.client
    }

    pub(super) fn index(&self, name: &str) -> Index {
        self.client.index(name)
    }

    /// Has `write` done, and waits until the server has done it.
    pub(super) async fn done(
        &self,
        write: impl Future<Output = Result<TaskInfo, Error>>,
    ) -> Result<(), ServerError> {
        let uid = write.await?.task_uid;
        let url = format!("{}/tasks/{uid}", self.url);
        let (mut pause, mut waited) = (FIRST_POLL, Duration::ZERO);
        while waited < TASK {
            let get = Method::<(), ()>::Get { query: () };
            let task: Task = self.http.request(&url, get, 200).await?;
            match (task.status.as_str(), task.error) {
                ("succeeded", _) => return Ok(()),
                ("enqueued" | "processing", _) => {}
                (_, Some(error)) => return Err(error.into()),
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
}
