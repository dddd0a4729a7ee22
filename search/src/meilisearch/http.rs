//! HTTP for the SDK, by the client that the rest of the program uses: with time-outs, and with errors that keep the server's
//! own code (the SDK's list of codes ends before vectors) and show neither address nor key.

use std::{pin::pin, time::Duration};

use async_trait::async_trait;
use futures::io::{AsyncRead, AsyncReadExt};
use meilisearch_sdk::{
    errors::Error,
    request::{HttpClient, Method},
};
use reqwest::{StatusCode, header::CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};

use super::server::{Refusal, ServerError};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(1);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// The SDK's way to a server. Every error is a [`ServerError`] within the SDK's.
#[derive(Clone)]
pub(super) struct Http {
    client: reqwest::Client,
    key: SecretString,
}

/// A body and its media type.
struct Body {
    bytes: Vec<u8>,
    media_type: String,
}

impl Http {
    pub(super) fn new(key: SecretString) -> Result<Self, ServerError> {
        // A second call finds the provider installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .build()?;
        Ok(Self { client, key })
    }

    async fn send<Output: DeserializeOwned>(
        &self,
        verb: reqwest::Method,
        url: String,
        body: Option<Body>,
        expected: u16,
    ) -> Result<Output, ServerError> {
        let request = self.client.request(verb, url);
        let mut request = request.bearer_auth(self.key.expose_secret());
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, body.media_type);
            request = request.body(body.bytes);
        }
        let request = request.build()?;
        let path = request.url().path().to_owned();
        let response = self.client.execute(request).await?;
        let status = response.status();
        let text = response.text().await?;
        if status.as_u16() == expected {
            return serde_json::from_str(&text)
                .map_err(|error| ServerError::Garbled(format!("to {path}: {error}")));
        }
        match serde_json::from_str::<Refusal>(&text) {
            Ok(refusal) => Err(refusal.into()),
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

#[async_trait]
impl HttpClient for Http {
    async fn request<Query, Content, Output>(
        &self,
        url: &str,
        method: Method<Query, Content>,
        expected_status_code: u16,
    ) -> Result<Output, Error>
    where
        Query: Serialize + Send + Sync,
        Content: Serialize + Send + Sync,
        Output: DeserializeOwned + 'static + Send,
    {
        let url = with_query(url, &method)?;
        let bytes = method.body().map(serde_json::to_vec).transpose()?;
        let body = bytes.map(|bytes| Body {
            bytes,
            media_type: "application/json".to_owned(),
        });
        Ok(self
            .send(verb(&method), url, body, expected_status_code)
            .await?)
    }

    async fn stream_request<
        Query: Serialize + Send + Sync,
        Content: AsyncRead + Send + Sync + 'static,
        Output: DeserializeOwned + 'static,
    >(
        &self,
        url: &str,
        method: Method<Query, Content>,
        content_type: &str,
        expected_status_code: u16,
    ) -> Result<Output, Error> {
        let (verb, url) = (verb(&method), with_query(url, &method)?);
        let body = match method.into_body() {
            Some(content) => {
                let mut bytes = Vec::new();
                let read = pin!(content).read_to_end(&mut bytes).await;
                read.map_err(|error| Error::Other(Box::new(error)))?;
                Some(Body {
                    bytes,
                    media_type: content_type.to_owned(),
                })
            }
            None => None,
        };
        Ok(self.send(verb, url, body, expected_status_code).await?)
    }

    fn is_tokio(&self) -> bool {
        true
    }
}

/// The address with the query as the SDK writes it.
fn with_query<Q: Serialize, B>(url: &str, method: &Method<Q, B>) -> Result<String, Error> {
    Ok(format!("{url}{}", yaup::to_string(method.query())?))
}

fn verb<Q, B>(method: &Method<Q, B>) -> reqwest::Method {
    match method {
        Method::Get { .. } => reqwest::Method::GET,
        Method::Post { .. } => reqwest::Method::POST,
        Method::Patch { .. } => reqwest::Method::PATCH,
        Method::Put { .. } => reqwest::Method::PUT,
        Method::Delete { .. } => reqwest::Method::DELETE,
    }
}
