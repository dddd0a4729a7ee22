//! Asking a shop's or a carrier's HTTP interface: time-outs, repetitions, the provider's pace, pages; and errors that tell status and request,
//! never a token.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use doorstep_core::{Health, SourceName, health::PortError};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};
use reqwest::{Client, Request, Response, Url, redirect::Policy};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, sleep_until};

use crate::BuildError;

/// How often a request is made at most.
const ATTEMPTS: u32 = 4;
/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause that a provider's word is followed for; who asks for more gets no more questions for now.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Largest answer that is read.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
/// Shopify's bucket: how many calls are made of how many.
const BUCKET: &str = "x-shopify-shop-api-call-limit";
/// Room left in the bucket before calls are spaced out, and how long one takes to leak away.
const ROOM: u32 = 4;
const LEAK: Duration = Duration::from_millis(500);
/// Headers that name a request to its provider's support.
const REQUEST_IDS: [&str; 2] = ["x-request-id", "cf-ray"];

/// How an interface is reached.
pub(crate) struct Endpoint<'a> {
    /// The configured name of the shop or carrier.
    pub(crate) name: &'a SourceName,
    /// Which of the two it is: `shop` or `carrier`.
    pub(crate) role: &'static str,
    /// What every path is appended to; without a slash at the end.
    pub(crate) base: &'a str,
    /// What proves us, where it is the same for every request.
    pub(crate) credentials: Option<(HeaderName, HeaderValue)>,
    /// How long one request may take.
    pub(crate) timeout: Duration,
    /// How far apart requests are kept.
    pub(crate) spacing: Duration,
}

/// A provider's HTTP interface.
pub(crate) struct Api {
    client: Client,
    port: String,
    base: Url,
    first_pause: Duration,
    spacing: Duration,
    /// When the provider's pace allows the next request.
    not_before: Mutex<Option<Instant>>,
    /// Why the last question was not answered.
    trouble: Mutex<Option<String>>,
}

/// A provider's answer.
pub(crate) struct Answer {
    body: Vec<u8>,
    port: String,
    /// The page after this one (RFC 8288), as a path for [`Api::get`].
    pub(crate) next: Option<String>,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, PortError> {
        let mut json = serde_json::Deserializer::from_slice(&self.body);
        serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let field = error.path().to_string();
            PortError::new(
                &self.port,
                format!("the answer's `{field}` is not as documented"),
            )
        })
    }

    /// The body itself.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }
}

/// What to do after an attempt.
enum Attempt {
    Answered(Response),
    /// Not this time; after this pause, if the provider named one.
    Again(Option<Duration>, String),
    Failed(StatusCode, String),
}

/// A question that was not answered.
pub(crate) struct Unanswered {
    pub(crate) error: PortError,
    /// With what the question was refused; none when nobody answered or the provider has no time now.
    pub(crate) status: Option<StatusCode>,
    /// How long the provider asks to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

impl From<PortError> for Unanswered {
    fn from(error: PortError) -> Self {
        Self {
            error,
            status: None,
            retry_after: None,
        }
    }
}

impl From<Unanswered> for PortError {
    fn from(unanswered: Unanswered) -> Self {
        unanswered.error
    }
}

impl Api {
    /// # Errors
    /// The address is none, or plain http over the network: a token would be readable on its way.
    pub(crate) fn new(endpoint: &Endpoint<'_>) -> Result<Self, BuildError> {
        // A second call finds the provider installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let unusable = |reason: &str| BuildError::Endpoint {
            name: endpoint.name.clone(),
            reason: reason.to_owned(),
        };
        let base = Url::parse(endpoint.base).map_err(|error| unusable(&error.to_string()))?;
        if base.scheme() != "https" && !is_loopback(&base) {
            return Err(unusable("it must begin with https://"));
        }
        let mut headers = HeaderMap::new();
        if let Some((name, mut value)) = endpoint.credentials.clone() {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let client = Client::builder()
            .default_headers(headers)
            .timeout(endpoint.timeout)
            .connect_timeout(endpoint.timeout.min(Duration::from_secs(5)))
            // A redirection would carry the token elsewhere.
            .redirect(Policy::none())
            .user_agent(concat!("doorstep/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| unusable(&error.to_string()))?;
        Ok(Self {
            client,
            port: format!("{}:{}", endpoint.role, endpoint.name),
            base,
            first_pause: FIRST_PAUSE,
            spacing: endpoint.spacing,
            not_before: Mutex::default(),
            trouble: Mutex::default(),
        })
    }

    /// The same with shorter pauses, for tests.
    #[cfg(test)]
    pub(crate) fn hurried(mut self) -> Self {
        self.first_pause = Duration::from_millis(1);
        self.spacing = Duration::ZERO;
        self
    }

    /// Asks for what is at a path below the base; `None`: there is nothing (404).
    ///
    /// # Errors
    /// No answer after several attempts, or a refusal.
    pub(crate) async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<Answer>, PortError> {
        Ok(self.get_as(path, query, &HeaderMap::new()).await?)
    }

    /// The same with headers of this request.
    ///
    /// # Errors
    /// As [`Api::get`].
    pub(crate) async fn get_as(
        &self,
        path: &str,
        query: &[(&str, &str)],
        headers: &HeaderMap,
    ) -> Result<Option<Answer>, Unanswered> {
        let url = self.url(path, query)?;
        let request = || {
            let request = self.client.get(url.clone());
            request.headers(headers.clone()).build()
        };
        self.ask(path, request).await
    }

    /// Asks with a JSON body. Only for questions: it may be asked several times.
    ///
    /// # Errors
    /// As [`Api::get`].
    pub(crate) async fn query(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<Answer, PortError> {
        Ok(self.query_or_refusal(path, body).await?)
    }

    /// The same, telling how it was refused.
    ///
    /// # Errors
    /// As [`Api::get`].
    pub(crate) async fn query_or_refusal(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<Answer, Unanswered> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.post_as(path, &headers, body.to_string()).await
    }

    /// The same with any body and headers of this request, its type among them.
    ///
    /// # Errors
    /// As [`Api::get`].
    pub(crate) async fn post_as(
        &self,
        path: &str,
        headers: &HeaderMap,
        body: String,
    ) -> Result<Answer, Unanswered> {
        let url = self.url(path, &[])?;
        let request = || {
            let request = self.client.post(url.clone()).headers(headers.clone());
            request.body(body.clone()).build()
        };
        let answer = self.ask(path, request).await?;
        answer.ok_or_else(|| {
            self.error(format!("{path} does not exist there (404)"))
                .into()
        })
    }

    /// Waits before a further attempt at what was answered, but not with what was asked for.
    pub(crate) async fn rest(&self, attempt: u32) {
        sleep(self.first_pause * 2u32.saturating_pow(attempt.min(8))).await;
    }

    /// A failure of this interface.
    pub(crate) fn error(&self, reason: impl ToString) -> PortError {
        PortError::new(&self.port, reason)
    }

    /// As the last question went.
    pub(crate) fn health(&self) -> Health {
        match lock(&self.trouble).clone() {
            None => Health::Ok,
            Some(reason) => Health::Down { reason },
        }
    }

    fn url(&self, path: &str, query: &[(&str, &str)]) -> Result<Url, PortError> {
        let (path, rest) = path.split_once('?').unwrap_or((path, ""));
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url.set_query((!rest.is_empty()).then_some(rest));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn ask(
        &self,
        path: &str,
        request: impl Fn() -> reqwest::Result<Request>,
    ) -> Result<Option<Answer>, Unanswered> {
        let asked = self.ask_until_answered(path, request).await;
        // Who finds fault with the question itself is there.
        let trouble = asked.as_ref().err();
        let trouble = trouble.filter(|refused| refused.status != Some(StatusCode::BAD_REQUEST));
        *lock(&self.trouble) = trouble.map(|refused| refused.error.reason.clone());
        asked
    }

    async fn ask_until_answered(
        &self,
        path: &str,
        request: impl Fn() -> reqwest::Result<Request>,
    ) -> Result<Option<Answer>, Unanswered> {
        let path = path.split('?').next().unwrap_or_default();
        let mut pause = self.first_pause;
        let mut attempt = 1;
        loop {
            self.keep_pace().await;
            let request = request().map_err(|error| self.error(error.without_url()))?;
            let (wished, reason) = match self.attempt(path, request).await {
                Attempt::Answered(response) if response.status() == StatusCode::NOT_FOUND => {
                    return Ok(None);
                }
                Attempt::Answered(response) => {
                    return Ok(Some(self.read(path, response).await?));
                }
                Attempt::Failed(status, reason) => {
                    return Err(Unanswered {
                        status: Some(status),
                        ..self.error(reason).into()
                    });
                }
                Attempt::Again(wished, reason) => (wished, reason),
            };
            let rest = wished.unwrap_or(pause);
            if attempt == ATTEMPTS || rest > LONGEST_PAUSE {
                let reason = format!("{reason}; attempt {attempt} of {ATTEMPTS}");
                return Err(Unanswered {
                    retry_after: wished,
                    ..self.error(reason).into()
                });
            }
            tracing::debug!(port = %self.port, %reason, attempt, "it is asked again");
            sleep(rest).await;
            attempt += 1;
            pause *= 2;
        }
    }

    async fn attempt(&self, path: &str, request: Request) -> Attempt {
        let response = match self.client.execute(request).await {
            Ok(response) => response,
            Err(error) => {
                let error = error.without_url();
                return Attempt::Again(None, format!("{path}: {error}"));
            }
        };
        self.learn_pace(response.headers());
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_FOUND {
            return Attempt::Answered(response);
        }
        let told = format!("{path} answered {status}{}", request_id(response.headers()));
        match status {
            StatusCode::TOO_MANY_REQUESTS => Attempt::Again(retry_after(response.headers()), told),
            status if status.is_server_error() => {
                Attempt::Again(retry_after(response.headers()), told)
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Attempt::Failed(
                status,
                format!("{told}: check the access token and what it may read"),
            ),
            _ => Attempt::Failed(status, told),
        }
    }

    async fn read(&self, path: &str, mut response: Response) -> Result<Answer, PortError> {
        let next = response.headers().get(http::header::LINK);
        let next = next.and_then(|link| self.next_page(link.to_str().ok()?));
        let mut body = Vec::new();
        loop {
            let chunk = response.chunk().await;
            match chunk.map_err(|error| self.error(format!("{path}: {}", error.without_url())))? {
                Some(chunk) => body.extend_from_slice(&chunk),
                None => break,
            }
            if body.len() > LARGEST_ANSWER {
                return Err(self.error(format!("{path}: more than {LARGEST_ANSWER} bytes")));
            }
        }
        Ok(Answer {
            body,
            port: self.port.clone(),
            next,
        })
    }

    /// `<https://…/products?page=2>; rel="next"`, as a path below the base. A page elsewhere is none: the token stays here.
    fn next_page(&self, link: &str) -> Option<String> {
        let target = link.split(',').find_map(|part| {
            let (target, parameters) = part.split_once(';')?;
            let is_next = parameters.contains("rel=\"next\"") || parameters.contains("rel=next");
            is_next.then(|| target.trim().trim_start_matches('<').trim_end_matches('>'))
        })?;
        let url = Url::parse(target).ok()?;
        if url.origin() != self.base.origin() {
            return None;
        }
        let path = url
            .path()
            .strip_prefix(self.base.path().trim_end_matches('/'))?;
        Some(format!("{path}?{}", url.query().unwrap_or_default()))
    }

    async fn keep_pace(&self) {
        let not_before = *lock(&self.not_before);
        if let Some(not_before) = not_before {
            sleep_until(not_before).await;
        }
    }

    /// Keeps requests apart; a leaky bucket that is nearly full is given time to leak.
    fn learn_pace(&self, headers: &HeaderMap) {
        let used = headers.get(BUCKET).and_then(|value| {
            let (used, size) = value.to_str().ok()?.split_once('/')?;
            Some((used.parse::<u32>().ok()?, size.parse::<u32>().ok()?))
        });
        let full = used.is_some_and(|(used, size)| used.saturating_add(ROOM) >= size);
        let rest = if full { LEAK } else { self.spacing };
        *lock(&self.not_before) = (!rest.is_zero()).then(|| Instant::now() + rest);
    }
}

// A poisoned lock only says that another thread panicked between two assignments.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers
        .get(http::header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn request_id(headers: &HeaderMap) -> String {
    let id = REQUEST_IDS
        .iter()
        .find_map(|name| headers.get(*name)?.to_str().ok());
    id.map(|id| format!(" (request {})", crate::body::shown(id)))
        .unwrap_or_default()
}
