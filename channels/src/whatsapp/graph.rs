//! The Graph API over HTTP: one place that knows its address, its token and its errors.

use std::{error::Error as _, time::Duration};

use bytes::Bytes;
use reqwest::{
    Client, RequestBuilder, Response, StatusCode, Url,
    multipart::{Form, Part},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{
    config::Config,
    error::{CallError, GraphError},
};
use crate::InvalidSetting;

/// Answers are small; whoever sends more is not Meta.
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;
/// How long a customer's file may take; Meta takes files of up to 100 MB.
const LONGEST_DOWNLOAD: Duration = Duration::from_mins(5);
/// Hosts that Meta serves media from; the token goes nowhere else.
const MEDIA_HOSTS: &[&str] = &["fbsbx.com", "facebook.com", "fbcdn.net", "whatsapp.net"];

/// A client of the Graph API.
pub(super) struct Graph {
    http: Client,
    base: Url,
    version: String,
    token: SecretString,
}

impl Graph {
    /// Connects to nothing yet.
    pub(super) fn new(config: &Config) -> Result<Self, InvalidSetting> {
        let invalid = |reason: String| {
            let fix = "leave it out for \"https://graph.facebook.com\"";
            InvalidSetting::new(super::NAME, "api_url", reason, fix)
        };
        let base = Url::parse(&config.api_url).map_err(|error| invalid(error.to_string()))?;
        let http = client(Duration::from_secs(config.timeout_s.into()))
            .map_err(|error| invalid(error.to_string()))?;
        Ok(Self {
            http,
            base,
            version: config.api_version.clone(),
            token: config.access_token.clone(),
        })
    }

    /// Without the token: what anyone may read.
    pub(super) fn plain(&self) -> &Client {
        &self.http
    }

    /// `GET /{version}/{path}?{query}`
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, CallError> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.call(self.http.get(url)).await
    }

    /// `POST /{version}/{path}` with JSON.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, CallError> {
        self.call(self.http.post(self.url(path)?).json(body)).await
    }

    /// Uploads a file and returns its media id.
    pub(super) async fn upload(
        &self,
        phone_number_id: &str,
        bytes: Bytes,
        media_type: &'static str,
        name: &str,
    ) -> Result<String, CallError> {
        let file = Part::stream_with_length(bytes.clone(), bytes.len() as u64)
            .file_name(name.to_owned())
            .mime_str(media_type)
            .map_err(|error| CallError::NotSent(error.to_string()))?;
        let form = Form::new()
            .text("messaging_product", "whatsapp")
            .text("type", media_type)
            .part("file", file);
        let url = self.url(&format!("{phone_number_id}/media"))?;
        let answer = self.call(self.http.post(url).multipart(form)).await?;
        let id = answer["id"].as_str().map(str::to_owned);
        id.ok_or_else(|| CallError::Unknown("the answer to an upload has no id".to_owned()))
    }

    /// Opens a file at the address that the API named for it.
    pub(super) async fn download(&self, address: &str) -> Result<Response, CallError> {
        let url = Url::parse(address).ok().filter(|url| self.is_metas(url));
        let url = url.ok_or_else(|| {
            CallError::Refused(GraphError {
                message: "the file's address is not one of Meta's".to_owned(),
                ..GraphError::default()
            })
        })?;
        let response = self
            .send(self.http.get(url).timeout(LONGEST_DOWNLOAD))
            .await?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status => Err(CallError::Refused(self.refused(status, &response, &[]))),
        }
    }

    fn is_metas(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else {
            return false;
        };
        let own = url.origin() == self.base.origin();
        let known = MEDIA_HOSTS.iter().any(|known| {
            host.strip_suffix(known)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        });
        own || (url.scheme() == "https" && known)
    }

    fn url(&self, path: &str) -> Result<Url, CallError> {
        let text = format!(
            "{}/{}/{path}",
            self.base.as_str().trim_end_matches('/'),
            self.version
        );
        Url::parse(&text).map_err(|error| CallError::NotSent(error.to_string()))
    }

    async fn call(&self, request: RequestBuilder) -> Result<Value, CallError> {
        let mut response = self.send(request).await?;
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.unknown(&error))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST_ANSWER {
                return Err(CallError::Unknown("the answer is too long".to_owned()));
            }
        }
        let status = response.status();
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|error| CallError::Unknown(format!("the answer is not JSON: {error}")));
        }
        let error = self.refused(status, &response, &body);
        // A gateway that gave up may have passed the request on before.
        let gateway = matches!(
            status,
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT
        );
        if gateway && error.code.is_none() {
            return Err(CallError::Unknown(error.to_string()));
        }
        Err(CallError::Refused(error))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, CallError> {
        let request = request.bearer_auth(self.token.expose_secret());
        request.send().await.map_err(|error| {
            if error.is_connect() || error.is_builder() {
                CallError::NotSent(self.describe(&error))
            } else {
                self.unknown(&error)
            }
        })
    }

    fn unknown(&self, error: &reqwest::Error) -> CallError {
        CallError::Unknown(self.describe(error))
    }

    fn refused(&self, status: StatusCode, response: &Response, body: &[u8]) -> GraphError {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        let after = response.headers().get("retry-after");
        let after = after.and_then(|value| value.to_str().ok()?.parse().ok());
        let mut error = GraphError::read(&answer["error"]);
        error.status = status.as_u16();
        error.after = after.map(Duration::from_secs);
        error.message = self.hidden(&error.message);
        error
    }

    /// Meta repeats a malformed token in its complaint.
    fn hidden(&self, text: &str) -> String {
        let token = self.token.expose_secret();
        match token.is_empty() {
            true => text.to_owned(),
            false => text.replace(token, "…"),
        }
    }

    /// What went wrong, without the address: media addresses are secrets.
    fn describe(&self, error: &reqwest::Error) -> String {
        let kind = if error.is_timeout() {
            "no answer in time"
        } else if error.is_connect() {
            "no connection"
        } else {
            "the connection broke"
        };
        match innermost(error) {
            Some(cause) => self.hidden(&format!("{kind}: {cause}")),
            None => kind.to_owned(),
        }
    }
}

fn innermost(error: &reqwest::Error) -> Option<String> {
    let mut cause = error.source()?;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Some(cause.to_string())
}

/// A client with rustls over ring, the one TLS library in the tree.
pub(super) fn client(timeout: Duration) -> Result<Client, reqwest::Error> {
    // A second call finds the provider installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .timeout(timeout)
        .connect_timeout(timeout.min(Duration::from_secs(10)))
        .redirect(reqwest::redirect::Policy::limited(3))
        .user_agent("doorstep")
        .build()
}
