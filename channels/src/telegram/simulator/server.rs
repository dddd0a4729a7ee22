//! The Bot API over HTTP, and updates on their way to the bot.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Path, Request, State as Extract},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::any,
};
use futures::stream;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    MAX_PHOTO, Options,
    methods::{METHODS, Refused, call, reachable, shows},
    params::Params,
    state::{State, remember},
};

/// How long an update is held back to come after the next one, when none comes.
const HELD_AT_MOST: Duration = Duration::from_millis(300);

/// How long the bot may take to answer a webhook.
const WEBHOOK_PATIENCE: Duration = Duration::from_secs(60);

/// The wait after a webhook that was not taken.
const WEBHOOK_AGAIN: Duration = Duration::from_millis(100);

/// Most updates in one answer.
const MAX_BATCH: usize = 100;

/// What all connections share.
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) state: Mutex<State>,
    pub(super) http: reqwest::Client,
    /// Wakes those who wait for updates.
    pub(super) news: Notify,
    /// The newest long poll: it ends the one before.
    pub(super) polls: watch::Sender<u64>,
    /// Counts what customers or a test could see change.
    pub(super) changes: watch::Sender<u64>,
    pub(super) stop: CancellationToken,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
        self.news.notify_waiters();
        // For whoever begins to wait just now.
        self.news.notify_one();
    }

    /// Tells the bot something.
    pub(super) fn tell(self: &Arc<Self>, kind: &str, value: Value) {
        let held = self.lock().tell(kind, value);
        self.changed();
        if held {
            let shared = self.clone();
            tokio::spawn(async move {
                sleep(HELD_AT_MOST).await;
                shared.lock().release();
                shared.changed();
            });
        }
    }
}

/// Serves until told to stop.
pub(super) fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let stop = shared.stop.clone();
    let router = Router::new()
        .route("/{bot}/{method}", any(answer))
        .route("/file/{bot}/{*path}", any(download))
        .layer(DefaultBodyLimit::max(12 * MAX_PHOTO))
        .with_state(shared.clone());
    tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the simulated Telegram stopped");
        }
    }));
    tokio::spawn(stop.run_until_cancelled_owned(deliver(shared)));
}

/// `/bot<token>/<method>`
async fn answer(
    Extract(shared): Extract<Arc<Shared>>,
    Path((bot, method)): Path<(String, String)>,
    request: Request,
) -> Response {
    if let Err(refused) = authorised(&shared, &bot) {
        return refuse(refused);
    }
    let params = match Params::read(request).await {
        Ok(params) => params,
        Err(error) => return refuse(Refused::new(400, format!("Bad Request: {error}"))),
    };
    if !METHODS.contains(&method.as_str()) {
        return refuse(Refused::new(404, "Not Found"));
    }
    if method == "getUpdates" {
        return match poll(&shared, &params).await {
            Ok(updates) => accept(updates),
            Err(refused) => refuse(refused),
        };
    }
    let now = shared.options.clock.now();
    let (result, lost) = {
        let mut state = shared.lock();
        let given = Value::Object(params.fields.clone());
        remember(&mut state.calls, (method.clone(), given));
        // What is wrong with a request is told before anything else happens to it.
        let fault = match shows(&method) && reachable(&state, &params).is_ok() {
            true => fault(&mut state),
            false => None,
        };
        match fault {
            Some(refused) => (Err(refused), false),
            None => {
                let username = &shared.options.username;
                let result = call(&mut state, username, &method, &params, now);
                if let Ok(result) = &result {
                    remember(&mut state.results, (method.clone(), result.clone()));
                }
                let share = state.faults.lost_answer;
                let lost = shows(&method) && result.is_ok() && state.chance.happens(share);
                state.counts.lost_answers += u64::from(lost);
                (result, lost)
            }
        }
    };
    shared.changed();
    match result {
        Ok(_) if lost => broken_off(),
        Ok(result) => accept(result),
        Err(refused) => refuse(refused),
    }
}

/// Whether the request is the bot's.
fn authorised(shared: &Shared, bot: &str) -> Result<(), Refused> {
    let revoked = shared.lock().faults.revoked;
    let known = bot.strip_prefix("bot") == Some(shared.options.token.as_str());
    match known && !revoked {
        true => Ok(()),
        false => Err(Refused::new(401, "Unauthorized")),
    }
}

/// What happens to a message instead of being sent.
fn fault(state: &mut State) -> Option<Refused> {
    let faults = state.faults.clone();
    if state.chance.happens(faults.rate_limited) {
        state.counts.rate_limited += 1;
        let seconds = faults.retry_after.as_secs().max(1);
        let mut refused = Refused::new(429, format!("Too Many Requests: retry after {seconds}"));
        refused.retry_after = Some(seconds);
        return Some(refused);
    }
    if state.chance.happens(faults.server_error) {
        state.counts.server_errors += 1;
        return Some(Refused::new(500, "Internal Server Error"));
    }
    None
}

fn accept(result: Value) -> Response {
    axum::Json(json!({"ok": true, "result": result})).into_response()
}

fn refuse(refused: Refused) -> Response {
    let mut body =
        json!({"ok": false, "error_code": refused.code, "description": refused.description});
    if let Some(seconds) = refused.retry_after {
        body["parameters"] = json!({"retry_after": seconds});
    }
    let status = StatusCode::from_u16(refused.code).unwrap_or(StatusCode::BAD_REQUEST);
    (status, axum::Json(body)).into_response()
}

/// An answer that never comes: the connection breaks after its first line.
fn broken_off() -> Response {
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let body = stream::iter([Err::<bytes::Bytes, _>(broken)]);
    Response::new(Body::from_stream(body))
}

/// `getUpdates`. <https://core.telegram.org/bots/api#getupdates>
async fn poll(shared: &Shared, params: &Params) -> Result<Value, Refused> {
    let seconds = params.number("timeout").unwrap_or(0).clamp(0, 90);
    let limit = params.number("limit").unwrap_or(MAX_BATCH as i64);
    let limit = usize::try_from(limit).unwrap_or(1).clamp(1, MAX_BATCH);
    let (mine, stalled) = {
        let mut state = shared.lock();
        if state.webhook.is_some() {
            return Err(Refused::new(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
            ));
        }
        if let Some(offset) = params.number("offset") {
            state.confirm(offset);
        }
        state.polls += 1;
        (state.polls, state.stalled)
    };
    let mut polls = shared.polls.subscribe();
    shared.polls.send_replace(mine);
    shared.changed();
    if stalled {
        std::future::pending::<()>().await;
    }
    let batch = async {
        loop {
            let news = shared.news.notified();
            let batch = shared.lock().batch(limit);
            if !batch.is_empty() {
                return batch;
            }
            news.await;
        }
    };
    let patience = Duration::from_secs(seconds.unsigned_abs());
    tokio::select! {
        biased;
        _ = polls.wait_for(|newest| *newest != mine) => Err(Refused::new(
            409,
            "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
        )),
        batch = timeout(patience, batch) => Ok(batch.unwrap_or_default().into()),
    }
}

/// `/file/bot<token>/<path>`
async fn download(
    Extract(shared): Extract<Arc<Shared>>,
    Path((bot, path)): Path<(String, String)>,
) -> Response {
    if let Err(refused) = authorised(&shared, &bot) {
        return refuse(refused);
    }
    let state = shared.lock();
    if state.faults.media_away {
        return refuse(Refused::new(502, "Bad Gateway"));
    }
    let file = state.files.values().find(|file| file.path == path);
    match file {
        Some(file) => file.bytes.clone().into_response(),
        None => refuse(Refused::new(404, "Not Found")),
    }
}

/// Delivers updates to the webhook, one after another, each until it is taken.
/// <https://core.telegram.org/bots/api#setwebhook>
async fn deliver(shared: Arc<Shared>) {
    loop {
        let news = shared.news.notified();
        let next = {
            let state = shared.lock();
            let webhook = state.webhook.clone();
            webhook.zip(state.waiting.front().map(|waiting| waiting.update.clone()))
        };
        let Some((webhook, update)) = next else {
            news.await;
            continue;
        };
        let mut request = shared.http.post(&webhook.url).json(&update);
        if let Some(secret) = &webhook.secret {
            request = request.header("X-Telegram-Bot-Api-Secret-Token", secret);
        }
        let answer = request.timeout(WEBHOOK_PATIENCE).send().await;
        let error = match answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!(
                "Wrong response from the webhook: {}",
                answer.status()
            )),
            Err(_) => Some("Connection refused".to_owned()),
        };
        let taken = error.is_none();
        {
            let now = shared.options.clock.now().timestamp();
            let mut state = shared.lock();
            if taken {
                state.waiting.pop_front();
            }
            if let Some(webhook) = state.webhook.as_mut() {
                webhook.last_error = error.map(|error| (now, error));
            }
        }
        shared.changed();
        if !taken {
            sleep(WEBHOOK_AGAIN).await;
        }
    }
}
