//! The web chat's transports: WebSocket, and HTTP with long polling. The protocol itself lives in `channels`.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::{
    Json,
    body::Bytes,
    extract::{
        ConnectInfo, FromRequestParts, Query, State, WebSocketUpgrade,
        rejection::{BytesRejection, JsonRejection, QueryRejection},
        ws::{CloseFrame, Message, WebSocket, close_code, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use doorstep_channels::webchat::{
    CreateSession, Incoming, OpenSocket, Session, WebChat, WebChatError,
};
use doorstep_core::Language;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    ApiError, Shared,
    pulse::{Beat, Pulse},
};

/// Buffers of a socket: small, because most sockets are idle most of the time. A frame larger than this takes several
/// reads.
const SOCKET_BUFFER: usize = 2048;

/// Where a request comes from.
pub(super) struct Caller {
    pub(super) origin: Option<String>,
    pub(super) host: Option<String>,
    pub(super) ip: IpAddr,
    language: Option<Language>,
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, ApiError> {
        let text = |name| {
            parts
                .headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0.ip());
        // Several lines are one list; the last entry is the proxy's own, whatever a caller sent along.
        let mut lines = parts.headers.get_all("x-forwarded-for").iter();
        let forwarded = lines
            .next_back()
            .and_then(|list| list.to_str().ok()?.rsplit(',').next())
            .and_then(|address| address.trim().parse().ok())
            .filter(|_| app.config.http.trust_forwarded_for);
        Ok(Self {
            origin: text(header::ORIGIN).map(str::to_owned),
            host: text(header::HOST).map(str::to_owned),
            ip: forwarded.or(peer).unwrap_or(IpAddr::from([0, 0, 0, 0])),
            language: text(header::ACCEPT_LANGUAGE).and_then(preferred_language),
        })
    }
}

/// The first tag of `Accept-Language` (RFC 9110, section 12.5.4); browsers put the preferred one first.
fn preferred_language(header: &str) -> Option<Language> {
    header.split([',', ';']).next()?.trim().parse().ok()
}

pub(super) fn web_chat(app: &Shared) -> Result<&WebChat, ApiError> {
    app.channels
        .web_chat
        .as_ref()
        .ok_or_else(|| ApiError::not_found("the web chat is off: [channels.webchat] is missing"))
}

/// CORS preflight of the HTTP transport; who may read the answer is said by [`super::cors`].
pub(super) async fn preflight(
    State(app): State<Shared>,
    caller: Caller,
) -> Result<Response, ApiError> {
    web_chat(&app)?.check_origin(caller.origin.as_deref(), caller.host.as_deref())?;
    let allowed = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "content-type, authorization",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    Ok((StatusCode::NO_CONTENT, allowed).into_response())
}

/// Body of `POST /chat/session`.
#[derive(Deserialize)]
pub(super) struct SessionRequest {
    locale: Option<String>,
    identity: Option<String>,
    session: Option<String>,
}

/// `POST /chat/session`
pub(super) async fn session(
    State(app): State<Shared>,
    caller: Caller,
    headers: HeaderMap,
    body: Result<Json<SessionRequest>, JsonRejection>,
) -> Result<Response, ApiError> {
    let chat = web_chat(&app)?;
    let Json(body) = body.map_err(|rejection| match rejection {
        JsonRejection::BytesRejection(rejection) => {
            unreadable(&app, app.config.http.max_body_bytes, &headers, &rejection)
        }
        rejection => no_session_request(&rejection),
    })?;
    let created = chat
        .create_session(CreateSession {
            locale: body
                .locale
                .and_then(|locale| locale.parse().ok())
                .or(caller.language.clone()),
            identity: body.identity,
            session: body.session,
            origin: caller.origin.clone(),
            host: caller.host.clone(),
            ip: caller.ip,
        })
        .await?;
    Ok(Json(created).into_response())
}

/// Query of `GET /chat/ws`.
#[derive(Deserialize)]
pub(super) struct SocketQuery {
    session: Option<String>,
    after: Option<i64>,
    locale: Option<String>,
}

/// `GET /chat/ws`
pub(super) async fn socket(
    State(app): State<Shared>,
    caller: Caller,
    query: Result<Query<SocketQuery>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let chat = web_chat(&app)?;
    let Query(query) = query.map_err(wrong_query)?;
    let upgrade = upgrade.map_err(|rejection| {
        let message = format!("{}; open it as a WebSocket", rejection.body_text());
        ApiError::new(rejection.status(), "invalid", message)
    })?;
    let session = chat
        .open(OpenSocket {
            session: query.session,
            after: query.after,
            origin: caller.origin,
            host: caller.host,
            ip: caller.ip,
            language: query
                .locale
                .and_then(|locale| locale.parse().ok())
                .or(caller.language),
        })
        .await?;
    let pulse = Pulse::new(chat.ping_every(), Instant::now());
    // A little more than a frame may have passes, so that its sender gets a sentence.
    let limit = chat.max_frame_bytes().saturating_mul(4);
    let stop = app.stop.clone();
    Ok(upgrade
        .read_buffer_size(SOCKET_BUFFER)
        .write_buffer_size(0)
        .max_message_size(limit)
        .max_frame_size(limit)
        .on_upgrade(move |socket| async move {
            tokio::select! {
                () = converse(socket, session, pulse, limit) => {}
                () = stop.cancelled() => {}
            }
        }))
}

/// Alternates between the client's frames and ours until one side ends or the client is gone.
async fn converse(mut socket: WebSocket, mut session: Session, mut pulse: Pulse, limit: usize) {
    loop {
        let due = pulse.due();
        tokio::select! {
            received = socket.recv() => {
                pulse.heard(Instant::now());
                match received {
                    Some(Ok(Message::Text(text))) => session.receive(Incoming::Text(&text)).await,
                    Some(Ok(Message::Binary(_))) => session.receive(Incoming::Binary).await,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Close(_))) | None => return,
                    Some(Err(error)) => return refuse_broken_frame(&mut socket, &error, limit).await,
                }
            }
            frame = session.next() => match frame {
                Some(frame) => {
                    if !taken(&mut socket, Message::Text(frame.into()), &pulse).await {
                        return;
                    }
                }
                None => return close(&mut socket, close_code::POLICY, "too many wrong frames").await,
            },
            () = sleep_until(due) => match pulse.beat(Instant::now()) {
                Beat::Wait => {}
                Beat::Ping => {
                    if !taken(&mut socket, Message::Ping(Bytes::new()), &pulse).await {
                        return;
                    }
                }
                Beat::Gone => return count_gone(),
            },
        }
    }
}

/// Whether a client took a frame; one that is gone takes none once the network's buffers are full.
async fn taken(socket: &mut WebSocket, frame: Message, pulse: &Pulse) -> bool {
    match timeout(pulse.patience(), socket.send(frame)).await {
        Ok(sent) => sent.is_ok(),
        Err(_) => {
            count_gone();
            false
        }
    }
}

fn count_gone() {
    metrics::counter!("doorstep_webchat_gone_total").increment(1);
}

/// A frame that the transport could not take ends the socket, with a sentence where there is one to say.
async fn refuse_broken_frame(socket: &mut WebSocket, error: &axum::Error, allowed: usize) {
    let reason = error.to_string();
    if reason.contains("too long") || reason.contains("too big") || reason.contains("Space limit") {
        let refusal = WebChatError::TooLarge {
            found: allowed + 1,
            allowed,
            unit: "bytes",
        }
        .counted();
        // The connection is lost either way.
        let _ = socket.send(Message::Text(refusal.frame().into())).await;
        close(socket, close_code::SIZE, "the message is too long").await;
    } else if reason.contains("UTF-8") || reason.contains("utf-8") {
        metrics::counter!("doorstep_webchat_rejected_total", "reason" => "invalid").increment(1);
        close(socket, close_code::INVALID, "text frames are UTF-8").await;
    }
}

async fn close(socket: &mut WebSocket, code: u16, reason: &'static str) {
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    // The connection is lost either way.
    let _ = socket.send(Message::Close(Some(frame))).await;
}

/// The session token of an `Authorization: Bearer` header (RFC 6750).
fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(|| {
            ApiError::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "send the session of POST /chat/session as `Authorization: Bearer …`",
            )
        })
}

/// A query that is not understood, counted.
fn wrong_query(rejection: QueryRejection) -> ApiError {
    let reason = rejection.body_text();
    WebChatError::Invalid { reason }.counted().into()
}

/// A body that asks for no session, counted; it keeps the status that says how it is wrong.
fn no_session_request(rejection: &JsonRejection) -> ApiError {
    let reason = format!("{}; send {{\"locale\": \"en\"}}", rejection.body_text());
    let refusal = WebChatError::Invalid { reason }.counted();
    ApiError::new(rejection.status(), refusal.code(), refusal.to_string())
}

/// A body that was not read to its end, counted: it is longer than we read, or broke off. `allowed` bytes are taken.
fn unreadable(
    app: &Shared,
    allowed: usize,
    headers: &HeaderMap,
    rejection: &BytesRejection,
) -> ApiError {
    let refusal = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        // Its sender says how long it is; else it is at least longer than what we read.
        let told = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        WebChatError::TooLarge {
            found: told.unwrap_or(app.config.http.max_body_bytes.saturating_add(1)),
            allowed,
            unit: "bytes",
        }
    } else {
        WebChatError::Invalid {
            reason: "The body broke off before its end, or took too long. Send it again."
                .to_owned(),
        }
    };
    refusal.counted().into()
}

/// `POST /chat/messages`
pub(super) async fn post_message(
    State(app): State<Shared>,
    caller: Caller,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let chat = web_chat(&app)?;
    chat.check_origin(caller.origin.as_deref(), caller.host.as_deref())?;
    let body =
        body.map_err(|rejection| unreadable(&app, chat.max_frame_bytes(), &headers, &rejection))?;
    let frame = chat.post_message(bearer(&headers)?, &body).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], frame).into_response())
}

/// `POST /chat/links`: where the visitor can go on with this conversation.
pub(super) async fn links(
    State(app): State<Shared>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let chat = web_chat(&app)?;
    chat.check_origin(caller.origin.as_deref(), caller.host.as_deref())?;
    let address = chat.address_to_link(bearer(&headers)?)?;
    let links = app.make_links(&address).await?;
    let links: Vec<_> = links
        .into_iter()
        .map(|(channel, url)| json!({ "channel": channel, "url": url }))
        .collect();
    Ok(Json(json!({ "links": links })).into_response())
}

/// Query of `GET /chat/messages`.
#[derive(Deserialize)]
pub(super) struct PollQuery {
    after: Option<i64>,
    #[serde(default)]
    wait: u64,
}

/// `GET /chat/messages`
pub(super) async fn poll(
    State(app): State<Shared>,
    caller: Caller,
    headers: HeaderMap,
    query: Result<Query<PollQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let chat = web_chat(&app)?;
    chat.check_origin(caller.origin.as_deref(), caller.host.as_deref())?;
    let Query(query) = query.map_err(wrong_query)?;
    let wait = Duration::from_secs(query.wait);
    let session = bearer(&headers)?;
    let answer = tokio::select! {
        answer = chat.poll(session, query.after, wait) => answer?,
        () = app.stop.cancelled() => chat.poll(session, query.after, Duration::ZERO).await?,
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], answer).into_response())
}
