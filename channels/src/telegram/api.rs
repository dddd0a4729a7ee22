//! Requests to a Bot API server.
//!
//! Methods and their parameters are teloxide's types; the request is made here, because what went wrong decides whether a
//! message may be sent again: it never left, it was refused, or nobody knows. The token is part of every address, so no
//! address is ever told.

use std::{fmt, time::Duration};

use reqwest::{
    Client, Response, StatusCode, Url,
    multipart::{Form, Part},
    redirect,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use teloxide_core::requests::Payload;

/// How long the server may take to answer anything but a long poll.
const PATIENCE: Duration = Duration::from_secs(25);

/// How long it may take to take in a file.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(60);

/// How long a connection may take to be made: shorter, because then nothing was sent for certain.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer that is read: more than a hundred updates are, which is as many as come at once.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// A bot's access to a Bot API server.
pub(super) struct BotApi {
    http: Client,
    url: Url,
    token: SecretString,
}

/// A file to upload, under the name by which the parameters refer to it (`attach://name`).
#[derive(Clone)]
pub(super) struct Upload {
    pub(super) name: String,
    pub(super) file_name: &'static str,
    pub(super) bytes: bytes::Bytes,
}

/// Why a method did not do what it should.
#[derive(Debug)]
pub(super) enum CallError {
    /// The request did not reach the server.
    NotSent(String),
    /// The server said no.
    Refused(Refusal),
    /// It may have been done.
    Unknown(String),
}

/// What the server said. <https://core.telegram.org/bots/api#making-requests>
#[derive(Debug, Clone, Default)]
pub(super) struct Refusal {
    /// Like an HTTP status.
    pub(super) code: u16,
    /// For people.
    pub(super) description: String,
    /// Too many requests: not before this.
    pub(super) retry_after: Option<Duration>,
    /// The group became a supergroup with this identifier.
    pub(super) migrate_to: Option<i64>,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(reason) | Self::Unknown(reason) => f.write_str(reason),
            Self::Refused(refusal) => write!(f, "{} {}", refusal.code, refusal.description),
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    ok: bool,
    #[serde(default)]
    result: Value,
    error_code: Option<u16>,
    description: Option<String>,
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
    migrate_to_chat_id: Option<i64>,
}

impl BotApi {
    pub(super) fn new(url: Url, token: SecretString) -> Result<Self, reqwest::Error> {
        let http = client()?;
        Ok(Self { http, url, token })
    }

    /// The client, for pictures that messages name.
    pub(super) fn http(&self) -> &Client {
        &self.http
    }

    /// Calls a method and reads its result.
    pub(super) async fn call<P, T>(&self, payload: &P) -> Result<T, CallError>
    where
        P: Payload + Serialize,
        T: DeserializeOwned,
    {
        let request = self.http.post(self.method_url(P::NAME)).json(payload);
        let response = request.timeout(PATIENCE).send().await;
        read(P::NAME, result(response).await?)
    }

    /// Calls a method whose result says nothing.
    pub(super) async fn tell<P: Payload + Serialize>(&self, payload: &P) -> Result<(), CallError> {
        self.call::<P, Value>(payload).await.map(drop)
    }

    /// Calls a method that the server answers when it has something to say. Whoever calls it watches the time.
    pub(super) async fn wait<P, T>(&self, payload: &P) -> Result<T, CallError>
    where
        P: Payload + Serialize,
        T: DeserializeOwned,
    {
        let request = self.http.post(self.method_url(P::NAME)).json(payload);
        read(P::NAME, result(request.send().await).await?)
    }

    /// Calls a method with files.
    pub(super) async fn upload<P, T>(&self, payload: &P, files: Vec<Upload>) -> Result<T, CallError>
    where
        P: Payload + Serialize,
        T: DeserializeOwned,
    {
        let fields = serde_json::to_value(payload)
            .map_err(|error| CallError::NotSent(format!("{}: {error}", P::NAME)))?;
        let mut form = Form::new();
        if let Value::Object(fields) = fields {
            for (name, value) in fields {
                form = match value {
                    Value::Null => form,
                    Value::String(text) => form.text(name, text),
                    other => form.text(name, other.to_string()),
                };
            }
        }
        for file in files {
            let length = file.bytes.len() as u64;
            let part = Part::stream_with_length(file.bytes, length).file_name(file.file_name);
            form = form.part(file.name, part);
        }
        let request = self.http.post(self.method_url(P::NAME)).multipart(form);
        let response = request.timeout(UPLOAD_PATIENCE).send().await;
        read(P::NAME, result(response).await?)
    }

    /// Opens a file by the path that `getFile` gave.
    pub(super) async fn download(&self, path: &str) -> Result<Response, reqwest::Error> {
        let mut url = self.url.clone();
        let base = url.path().trim_end_matches('/');
        let path = format!("{base}/file/bot{}/{path}", self.token.expose_secret());
        url.set_path(&path);
        let response = self.http.get(url).send().await;
        response.map_err(reqwest::Error::without_url)
    }

    fn method_url(&self, name: &str) -> Url {
        let mut method = name.to_owned();
        if let Some(first) = method.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        let mut url = self.url.clone();
        let base = url.path().trim_end_matches('/');
        let path = format!("{base}/bot{}/{method}", self.token.expose_secret());
        url.set_path(&path);
        url
    }
}

/// A client with rustls over ring.
pub(super) fn client() -> Result<Client, reqwest::Error> {
    // Whoever installed one before, keeps it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .connect_timeout(CONNECT_PATIENCE)
        .redirect(redirect::Policy::limited(3))
        .build()
}

async fn result(response: Result<Response, reqwest::Error>) -> Result<Value, CallError> {
    let response = response.map_err(|error| {
        let not_sent = error.is_connect() || error.is_builder();
        let reason = told(error);
        match not_sent {
            true => CallError::NotSent(reason),
            false => CallError::Unknown(reason),
        }
    })?;
    let status = response.status();
    let body = whole(response).await?;
    let Ok(envelope) = serde_json::from_slice::<Envelope>(&body) else {
        return Err(without_envelope(status));
    };
    if envelope.ok {
        return Ok(envelope.result);
    }
    let parameters = envelope.parameters;
    Err(CallError::Refused(Refusal {
        code: envelope.error_code.unwrap_or(status.as_u16()),
        description: envelope.description.unwrap_or_default(),
        retry_after: parameters
            .as_ref()
            .and_then(|given| given.retry_after)
            .map(Duration::from_secs),
        migrate_to: parameters.and_then(|given| given.migrate_to_chat_id),
    }))
}

/// The body of an answer.
async fn whole(mut response: Response) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > MAX_ANSWER => {
                let reason = format!("the answer is longer than {MAX_ANSWER} bytes");
                return Err(CallError::Unknown(reason));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => return Err(CallError::Unknown(told(error))),
        }
    }
}

/// Something between us and the server answered, or the server as nobody described it.
fn without_envelope(status: StatusCode) -> CallError {
    let answer = format!("answered {status} without a word of the Bot API");
    match status.as_u16() {
        // A gateway that did not pass it on.
        502 | 503 => CallError::Refused(Refusal {
            code: status.as_u16(),
            description: answer,
            ..Refusal::default()
        }),
        code if status.is_client_error() => CallError::Refused(Refusal {
            code,
            description: answer,
            ..Refusal::default()
        }),
        _ => CallError::Unknown(answer),
    }
}

fn read<T: DeserializeOwned>(method: &str, result: Value) -> Result<T, CallError> {
    // The error's text could hold what customers wrote.
    serde_json::from_value(result)
        .map_err(|_| CallError::Unknown(format!("{method}: the result is not understood")))
}

/// The error and its causes, without the address.
pub(super) fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
