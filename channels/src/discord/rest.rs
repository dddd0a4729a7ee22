//! The HTTP API, version 10, and what its refusals mean.

use std::time::Duration;

use doorstep_core::channel::SendError;
use reqwest::{
    Client, Method, Response, StatusCode, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT},
    multipart,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::Instant;

use super::limits::{Limits, Route, seconds};

/// How long a request waits for its rate limit here; for longer it is handed back.
const PATIENCE: Duration = Duration::from_secs(2);

/// Largest answer that is read, in bytes.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// Speaks to the HTTP API.
pub(super) struct Rest {
    client: Client,
    base: String,
    authorization: HeaderValue,
    limits: Limits,
}

/// What is sent.
pub(super) enum Body {
    Empty,
    Json(Value),
    /// The JSON with files, in the order of its `attachments`.
    Files(Value, Vec<Upload>),
}

/// A file that is sent along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Upload {
    pub(super) name: String,
    pub(super) media_type: &'static str,
    pub(super) bytes: bytes::Bytes,
}

/// Why a request had no success.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum CallError {
    /// Too many; nothing was done.
    #[error("too many requests, {} s to wait", after.as_secs_f32())]
    Limited { after: Duration },
    /// Discord refused it (4xx); nothing was done.
    #[error("Discord refused it: {status} {message} (code {code})")]
    Refused {
        status: u16,
        code: u64,
        message: String,
    },
    /// Discord failed (5xx); perhaps something was done.
    #[error("Discord failed with {status}")]
    Failed { status: u16 },
    /// No connection; nothing was done.
    #[error("Discord could not be reached: {0}")]
    NotReached(String),
    /// The request left and no whole answer came; perhaps something was done.
    #[error("Discord did not answer: {0}")]
    NoAnswer(String),
}

impl CallError {
    /// The error code of Discord's
    /// (<https://discord.com/developers/docs/topics/opcodes-and-status-codes#json-json-error-codes>).
    pub(super) fn code(&self) -> Option<u64> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// What a failed request means for the message it carried. An unknown outcome is [`SendError::Ambiguous`].
    pub(super) fn into_send_error(self) -> SendError {
        let reason = self.to_string();
        match self {
            Self::Limited { after } => SendError::Retry {
                after: Some(after),
                reason,
            },
            Self::NotReached(_) => SendError::Retry {
                after: None,
                reason,
            },
            // Sent again soon it has one effect, by its nonce.
            Self::Failed { .. } => SendError::Retry {
                after: Some(AFTER_FAILURE),
                reason,
            },
            Self::NoAnswer(_) => SendError::Ambiguous { reason },
            Self::Refused { status, code, .. } => match meaning(status, code) {
                Meaning::Gone => SendError::Gone { reason },
                Meaning::Fail => SendError::Fail { reason },
                Meaning::Later(after) => SendError::Retry {
                    after: Some(after),
                    reason,
                },
            },
        }
    }
}

/// How soon is asked again after a server error: well within the minutes for which Discord remembers a nonce.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// What a refusal means for a message.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    /// Nothing more can be sent to this address.
    Gone,
    /// Not this message.
    Fail,
    /// It concerns every message, or passes.
    Later(Duration),
}

const MINUTE: Duration = Duration::from_secs(60);

fn meaning(status: u16, code: u64) -> Meaning {
    match (code, status) {
        // Unknown channel; unknown user.
        (10003 | 10013, _) => Meaning::Gone,
        // Cannot send messages to this user (blocked us, or takes no direct messages); no server in common.
        (50007 | 50278, _) => Meaning::Gone,
        // The thread is archived for good or locked; not a member's any more.
        (50083 | 160005, _) => Meaning::Gone,
        // Direct messages opened too fast; slow mode; write limits of the server; the API is overloaded.
        (40003 | 20016 | 20028 | 20029 | 130000, _) => Meaning::Later(MINUTE),
        // The bot is held back for spam.
        (20026 | 340013, _) => Meaning::Later(10 * MINUTE),
        // The token is not valid: that concerns every message, and a person puts it right.
        (_, 401) => Meaning::Later(5 * MINUTE),
        // Unknown server, missing access or permission, a body or words that Discord will not take, and all else.
        _ => Meaning::Fail,
    }
}

/// The body of a refusal.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Refusal {
    code: u64,
    message: String,
    errors: Value,
    retry_after: Option<f64>,
    global: bool,
}

impl Rest {
    /// # Errors
    /// No client can be made, or the token is no header.
    pub(super) fn new(
        api_url: &str,
        token: &SecretString,
        timeout: Duration,
    ) -> Result<Self, String> {
        let mut authorization = HeaderValue::from_str(&format!("Bot {}", token.expose_secret()))
            .map_err(|_| "the token has characters that no token has".to_owned())?;
        authorization.set_sensitive(true);
        // Whoever installed one before, keeps it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(timeout)
            .connect_timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            client,
            base: api_url.trim_end_matches('/').to_owned(),
            authorization,
            limits: Limits::default(),
        })
    }

    /// Whether an address is on the host of the API. Only a simulator keeps files there.
    pub(super) fn is_own_host(&self, url: &Url) -> bool {
        Url::parse(&self.base).is_ok_and(|base| base.origin() == url.origin())
    }

    /// The client without our token, for files.
    pub(super) fn bare_client(&self) -> &Client {
        &self.client
    }

    /// Sends a request and reads its JSON answer.
    ///
    /// # Errors
    /// What [`CallError`] tells.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        route: Route,
        path: &str,
        body: Body,
    ) -> Result<T, CallError> {
        let bytes = self.request(method, &route, path, body).await?;
        // An answer without a body reads as `null`.
        let bytes = if bytes.is_empty() {
            &b"null"[..]
        } else {
            &bytes
        };
        serde_json::from_slice(bytes).map_err(|error| {
            CallError::NoAnswer(format!(
                "{} was answered with something else: {error}",
                route.name
            ))
        })
    }

    async fn request(
        &self,
        method: Method,
        route: &Route,
        path: &str,
        body: Body,
    ) -> Result<Vec<u8>, CallError> {
        self.wait_for(route).await?;
        let request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .header(AUTHORIZATION, self.authorization.clone())
            .header(
                USER_AGENT,
                concat!("DiscordBot (doorstep, ", env!("CARGO_PKG_VERSION"), ")"),
            );
        let request = match body {
            Body::Empty => request,
            Body::Json(json) => request.json(&json),
            Body::Files(json, files) => request.multipart(form(&json, files)),
        };
        let response = request.send().await.map_err(|error| {
            let reason = error.without_url();
            match reason.is_connect() || reason.is_builder() {
                true => CallError::NotReached(describe(&reason)),
                false => CallError::NoAnswer(describe(&reason)),
            }
        })?;
        self.limits.learn(route, response.headers(), Instant::now());
        let status = response.status();
        let headers = response.headers().clone();
        if status.is_success() {
            return read(response).await.map_err(CallError::NoAnswer);
        }
        // What a refusal says in its body is welcome, but it is one without it too.
        let body = read(response).await.unwrap_or_default();
        Err(self.refusal(route, status, &headers, &body))
    }

    /// Waits for the rate limit, unless that takes long.
    async fn wait_for(&self, route: &Route) -> Result<(), CallError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Instant::now();
            match self.limits.take(route, now) {
                Ok(()) => return Ok(()),
                Err(wait) if now + wait > deadline => {
                    return Err(CallError::Limited { after: wait });
                }
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    fn refusal(
        &self,
        route: &Route,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> CallError {
        let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let header = headers
                .get("retry-after")
                .and_then(|value| value.to_str().ok());
            let after = refusal.retry_after.map(|after| after.to_string());
            let after = after.as_deref().or(header).and_then(seconds);
            let after = after.unwrap_or(Duration::from_secs(1));
            let global = refusal.global || headers.contains_key("x-ratelimit-global");
            metrics::counter!("doorstep_discord_rate_limited_total", "route" => route.name)
                .increment(1);
            if global {
                self.limits.limited(after, Instant::now());
            }
            return CallError::Limited { after };
        }
        if status.is_server_error() {
            // The proxies before Discord gave up waiting: it may go on behind them.
            return match status.as_u16() {
                504 | 520..=524 => CallError::NoAnswer(format!("{status} from its proxy")),
                status => CallError::Failed { status },
            };
        }
        let mut message = refusal.message;
        if !refusal.errors.is_null() {
            message = format!("{message} {}", refusal.errors);
        }
        CallError::Refused {
            status: status.as_u16(),
            code: refusal.code,
            message: message.chars().take(300).collect(),
        }
    }
}

/// An error with its causes, without the address (which may hold an interaction's token).
fn describe(error: &reqwest::Error) -> String {
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        told = format!("{told}: {inner}");
        cause = inner.source();
    }
    told
}

async fn read(mut response: Response) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > MAX_ANSWER => {
                return Err("its answer is too large".to_owned());
            }
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(bytes),
            Err(error) => return Err(describe(&error.without_url())),
        }
    }
}

/// <https://discord.com/developers/docs/reference#uploading-files>
fn form(json: &Value, files: Vec<Upload>) -> multipart::Form {
    let json = multipart::Part::text(json.to_string());
    // A constant that is a media type; were it none, the part would go without.
    let json = json
        .mime_str("application/json")
        .unwrap_or_else(|_| multipart::Part::text(""));
    let mut form = multipart::Form::new().part("payload_json", json);
    for (at, file) in files.into_iter().enumerate() {
        let bare = multipart::Part::bytes(file.bytes.to_vec()).file_name(file.name.clone());
        let typed = bare.mime_str(file.media_type);
        let part = typed
            .unwrap_or_else(|_| multipart::Part::bytes(file.bytes.to_vec()).file_name(file.name));
        form = form.part(format!("files[{at}]"), part);
    }
    form
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_what_to_do_next() {
        assert_eq!(meaning(403, 50007), Meaning::Gone);
        assert_eq!(meaning(404, 10003), Meaning::Gone);
        assert_eq!(meaning(404, 10004), Meaning::Fail);
        assert_eq!(meaning(400, 50035), Meaning::Fail);
        assert_eq!(meaning(403, 50013), Meaning::Fail);
        assert_eq!(meaning(401, 0), Meaning::Later(5 * MINUTE));
        assert_eq!(meaning(400, 40003), Meaning::Later(MINUTE));
    }
}
