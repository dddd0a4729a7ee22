//! The HTTP API's side
//! (<https://discord.com/developers/docs/reference>; paths and limits as in Discord's published OpenAPI description).

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{State, WebSocketUpgrade},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Shared, TOKEN, check,
    payloads::{self, MessageParts, SUPPORT_CHANNEL},
    socket,
    world::{Room, World, id_of, text},
};

/// For how long a nonce is remembered: "the past few minutes".
const NONCE_LIFETIME: Duration = Duration::from_secs(180);

/// For how long an interaction may be answered first.
const INTERACTION_DEADLINE: Duration = Duration::from_secs(3);

pub(super) async fn gateway(
    State(shared): State<Arc<Shared>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.on_upgrade(move |socket| socket::serve(socket, shared))
}

/// A refusal: HTTP status, Discord's code and words.
struct Refusal(u16, u64, String);

fn refusal(status: u16, code: u64, words: &str) -> Refusal {
    Refusal(status, code, words.to_owned())
}

/// What a request is answered.
enum Answer {
    Json(Value),
    Empty,
    /// The connection breaks instead.
    Lost,
    /// Too many: for how long, and whose limit it is (`user`, or `shared` by all who use the resource).
    Limited(Duration, &'static str),
}

pub(super) async fn api(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut world = shared.world();
    let path = uri.path();
    if let Some(file) = path.strip_prefix("/cdn/") {
        return serve_file(&world, file);
    }
    let Some(path) = path.strip_prefix("/api/v10") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let body = check::json_of(&headers, &body);
    world
        .requests
        .push((method.to_string(), path.to_owned(), body.clone()));
    let authorized = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let answer = if world.faults.revoked || authorized != Some(&format!("Bot {TOKEN}")) {
        Err(refusal(401, 0, "401: Unauthorized"))
    } else {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        world.answer(&method, &segments, uri.query().unwrap_or_default(), &body)
    };
    let bucket = world.bucket_headers(path);
    drop(world);
    shared.change();
    let mut response = match answer {
        Ok(Answer::Json(json)) => (StatusCode::OK, axum::Json(json)).into_response(),
        Ok(Answer::Empty) => StatusCode::NO_CONTENT.into_response(),
        Ok(Answer::Lost) => {
            let broken = stream::once(async { Err::<Bytes, _>(std::io::Error::other("lost")) });
            return Body::from_stream(broken).into_response();
        }
        Ok(Answer::Limited(after, scope)) => limited(after, scope),
        Err(Refusal(status, code, words)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            (
                status,
                axum::Json(json!({ "code": code, "message": words })),
            )
                .into_response()
        }
    };
    for (name, value) in bucket {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn limited(after: Duration, scope: &str) -> Response {
    let body = json!({
        "message": "You are being rate limited.",
        "retry_after": after.as_secs_f64(),
        "global": false,
    });
    let seconds = after.as_secs_f64().ceil().to_string();
    let headers = [
        ("retry-after", seconds.as_str()),
        ("x-ratelimit-scope", scope),
    ];
    (StatusCode::TOO_MANY_REQUESTS, headers, axum::Json(body)).into_response()
}

fn serve_file(world: &World, path: &str) -> Response {
    if world.faults.media_away {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match world.files.get(path) {
        Some((bytes, media_type)) => {
            ([(header::CONTENT_TYPE, media_type.as_str())], bytes.clone()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

impl World {
    fn answer(
        &mut self,
        method: &Method,
        path: &[&str],
        query: &str,
        body: &Value,
    ) -> Result<Answer, Refusal> {
        let id = |text: &str| {
            text.parse::<u64>()
                .map_err(|_| refusal(400, 50035, "Invalid Form Body"))
        };
        match (method.as_str(), path) {
            ("GET", ["users", "@me"]) => Ok(Answer::Json(payloads::bot())),
            ("GET", ["gateway", "bot"]) => Ok(Answer::Json(json!({
                "url": format!("{}/gateway", self.base.replace("http://", "ws://")),
                "shards": 1,
                "session_start_limit": { "total": 1000, "remaining": 999, "reset_after": 86_215_796, "max_concurrency": 1 },
            }))),
            ("GET", ["applications", "@me"]) => Ok(Answer::Json(self.application())),
            ("GET", ["applications", _, "commands"]) => Ok(Answer::Json(self.commands.clone())),
            ("PUT", ["applications", _, "commands"]) => {
                self.commands = body.clone();
                Ok(Answer::Json(body.clone()))
            }
            ("POST", ["users", "@me", "channels"]) => {
                let recipient = id(&text(&body["recipient_id"]))?;
                let person = self.person_by_id(recipient);
                let person = person.ok_or_else(|| refusal(400, 50033, "Invalid Recipient(s)"))?;
                let user = payloads::user(person.id, &person.name);
                Ok(Answer::Json(payloads::dm(person.dm, user)))
            }
            ("POST", ["channels", channel, "messages"]) => self.post(id(channel)?, body),
            ("GET", ["channels", channel, "messages"]) => self.messages(id(channel)?, query),
            ("GET", ["channels", channel, "messages", message]) => {
                let (channel, message) = (id(channel)?, id(message)?);
                let found = self
                    .room(channel)?
                    .messages
                    .iter()
                    .find(|known| id_of(known) == message);
                let found = found.ok_or_else(|| refusal(404, 10008, "Unknown Message"))?;
                Ok(Answer::Json(found.clone()))
            }
            ("POST", ["channels", channel, "typing"]) => {
                self.room(id(channel)?)?;
                self.counts.marks += 1;
                Ok(Answer::Empty)
            }
            ("GET", ["channels", channel]) => {
                Ok(Answer::Json(self.room(id(channel)?)?.payload.clone()))
            }
            ("PATCH", ["channels", channel]) => {
                let room = self.room(id(channel)?)?;
                room.payload["thread_metadata"]["archived"] = body["archived"].clone();
                Ok(Answer::Json(room.payload.clone()))
            }
            ("POST", ["channels", channel, "threads"]) => self.open_thread(id(channel)?, body),
            ("PUT", ["channels", thread, "thread-members", user]) => {
                self.add_member(id(thread)?, id(user)?)
            }
            ("POST", ["interactions", _, token, "callback"]) => self.callback(token, body),
            ("PATCH", ["webhooks", _, token, "messages", "@original"]) => {
                self.edit_original(token, body)
            }
            ("GET", ["guilds", _, "roles"]) => Ok(Answer::Json(payloads::roles())),
            ("GET", ["guilds", _, "members", _]) => Ok(Answer::Json(
                json!({ "user": payloads::bot(), "roles": [] }),
            )),
            _ => Err(refusal(404, 0, "404: Not Found")),
        }
    }

    fn application(&self) -> Value {
        let granted = if self.options.grants_content {
            1 << 19
        } else {
            0
        };
        json!({
            "id": payloads::APPLICATION.to_string(),
            "name": "Doorstep",
            "flags": granted,
            "verify_key": super::public_key(),
            "interactions_endpoint_url": self.options.webhook,
        })
    }

    fn room(&mut self, channel: u64) -> Result<&mut Room, Refusal> {
        self.rooms
            .get_mut(&channel)
            .ok_or_else(|| refusal(404, 10003, "Unknown Channel"))
    }

    /// A send's faults; `Some` when it ends there.
    fn fault(&mut self) -> Option<Result<Answer, Refusal>> {
        if self.chance.happens(self.faults.rate_limited) {
            self.counts.rate_limited += 1;
            return Some(Ok(Answer::Limited(self.faults.retry_after, "shared")));
        }
        if self.chance.happens(self.faults.server_error) {
            self.counts.server_errors += 1;
            return Some(Err(refusal(500, 0, "500: Internal Server Error")));
        }
        None
    }

    /// The answer to a send that was taken, unless it gets lost.
    fn taken(&mut self, message: Value) -> Answer {
        if self.chance.happens(self.faults.lost_answer) {
            self.counts.lost_answers += 1;
            return Answer::Lost;
        }
        Answer::Json(message)
    }

    fn post(&mut self, channel: u64, body: &Value) -> Result<Answer, Refusal> {
        self.room(channel)?;
        if let Some(wait) = self.take_from_bucket(channel) {
            self.counts.rate_limited += 1;
            return Ok(Answer::Limited(wait, "user"));
        }
        if let Some(answer) = self.fault() {
            return answer;
        }
        check::message(body).map_err(|(code, words)| refusal(400, code, &words))?;
        if self.recipient(channel).is_some_and(|person| person.blocked) {
            return Err(refusal(403, 50007, "Cannot send messages to this user"));
        }
        let archived = &self.room(channel)?.payload["thread_metadata"];
        if archived["locked"] == true {
            return Err(refusal(400, 160005, "This thread is locked"));
        }
        let nonce = body["nonce"]
            .as_str()
            .map(|nonce| (channel, nonce.to_owned()));
        if let Some(known) = self.message_of_nonce(nonce.as_ref(), body["enforce_nonce"] == true) {
            return Ok(self.taken(known));
        }
        let message = self.ours(channel, body, None);
        if let Some(nonce) = nonce {
            self.nonces.insert(nonce, (id_of(&message), Instant::now()));
        }
        self.counts.shown += 1;
        self.dispatch("MESSAGE_CREATE", &message);
        Ok(self.taken(message))
    }

    /// The message that was made for a nonce.
    fn message_of_nonce(&mut self, nonce: Option<&(u64, String)>, enforced: bool) -> Option<Value> {
        let nonce = nonce.filter(|_| enforced)?;
        let (message, at) = *self.nonces.get(nonce)?;
        let room = self
            .rooms
            .get(&nonce.0)
            .filter(|_| at.elapsed() < NONCE_LIFETIME)?;
        room.messages
            .iter()
            .find(|known| id_of(known) == message)
            .cloned()
    }

    /// A message of the bot's, kept in its channel.
    fn ours(&mut self, channel: u64, body: &Value, known: Option<u64>) -> Value {
        let id = known.unwrap_or_else(|| self.next_id());
        let in_guild = self.rooms.get(&channel).is_some_and(|room| room.in_guild);
        let mut message = payloads::message(&MessageParts {
            id,
            channel,
            in_guild,
            author: payloads::bot(),
            content: body["content"].as_str().unwrap_or_default(),
            at: self.ambient.now(),
            mentions_bot: false,
        });
        for key in ["embeds", "components", "attachments"] {
            if body[key].is_array() {
                message[key] = body[key].clone();
            }
        }
        if body["nonce"].is_string() {
            message["nonce"] = body["nonce"].clone();
        }
        self.keep(channel, message.clone());
        message
    }

    fn messages(&mut self, channel: u64, query: &str) -> Result<Answer, Refusal> {
        let after = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("after=")?.parse::<u64>().ok());
        let after = after.unwrap_or(0);
        let room = self.room(channel)?;
        let newest_first = room
            .messages
            .iter()
            .rev()
            .filter(|message| id_of(message) > after);
        let mut found: Vec<Value> = newest_first.cloned().collect();
        for message in &mut found {
            // Over HTTP messages do not say where they were written.
            if let Some(fields) = message.as_object_mut() {
                for key in ["guild_id", "member", "channel_type"] {
                    fields.remove(key);
                }
            }
        }
        Ok(Answer::Json(Value::Array(found)))
    }

    fn open_thread(&mut self, channel: u64, body: &Value) -> Result<Answer, Refusal> {
        if channel != SUPPORT_CHANNEL || self.options.forbids_threads {
            return Err(refusal(403, 50013, "Missing Permissions"));
        }
        let name = text(&body["name"]);
        if name.is_empty() || name.chars().count() > 100 {
            return Err(refusal(400, 50035, "Invalid Form Body"));
        }
        let id = self.next_id();
        let payload = payloads::thread(id, &name, false, self.ambient.now());
        let room = Room {
            payload: payload.clone(),
            in_guild: true,
            messages: Vec::new(),
        };
        self.rooms.insert(id, room);
        self.dispatch("THREAD_CREATE", &payload);
        Ok(Answer::Json(payload))
    }

    fn add_member(&mut self, thread: u64, user: u64) -> Result<Answer, Refusal> {
        if self.room(thread)?.payload["thread_metadata"]["archived"] == true {
            return Err(refusal(400, 50083, "Thread is archived"));
        }
        let person = self.people.values_mut().find(|person| person.id == user);
        let person = person.ok_or_else(|| refusal(404, 10013, "Unknown User"))?;
        person.thread = Some(thread);
        Ok(Answer::Empty)
    }

    /// The first answer to an interaction.
    pub(super) fn take_callback(&mut self, token: &str, body: &Value) -> Result<(), (u64, String)> {
        let unknown = || (10062, "Unknown interaction".to_owned());
        let pressed = self.interactions.get_mut(token).ok_or_else(unknown)?;
        if pressed.created.elapsed() > INTERACTION_DEADLINE {
            return Err(unknown());
        }
        if pressed.acknowledged.is_some() {
            return Err((
                40060,
                "Interaction has already been acknowledged.".to_owned(),
            ));
        }
        let kind = body["type"].as_u64().unwrap_or(0);
        pressed.acknowledged = Some(kind);
        let (person, channel) = (pressed.person.clone(), pressed.channel);
        if kind == 4 && body["data"]["flags"].as_u64().unwrap_or(0) & 64 != 0 {
            let id = self.next_id();
            let whisper = payloads::message(&MessageParts {
                id,
                channel,
                in_guild: true,
                author: payloads::bot(),
                content: body["data"]["content"].as_str().unwrap_or_default(),
                at: self.ambient.now(),
                mentions_bot: false,
            });
            self.person(&person).whispers.push(whisper);
        }
        Ok(())
    }

    fn callback(&mut self, token: &str, body: &Value) -> Result<Answer, Refusal> {
        let taken = self.take_callback(token, body);
        taken
            .map_err(|(code, words)| Refusal(if code == 40060 { 400 } else { 404 }, code, words))?;
        Ok(Answer::Empty)
    }

    fn edit_original(&mut self, token: &str, body: &Value) -> Result<Answer, Refusal> {
        let deferred = self
            .interactions
            .get(token)
            .filter(|pressed| pressed.acknowledged == Some(5));
        let Some(pressed) = deferred else {
            return Err(refusal(404, 10015, "Unknown Webhook"));
        };
        let (channel, known) = (pressed.channel, pressed.answer);
        if let Some(answer) = self.fault() {
            return answer;
        }
        check::message(body).map_err(|(code, words)| refusal(400, code, &words))?;
        let mut message = self.ours(channel, body, known);
        message["type"] = 20.into();
        if known.is_none() {
            self.counts.shown += 1;
        }
        if let Some(pressed) = self.interactions.get_mut(token) {
            pressed.answer = Some(id_of(&message));
        }
        self.dispatch("MESSAGE_UPDATE", &message);
        Ok(self.taken(message))
    }

    /// Takes one place of the channel's bucket, or says how long to wait.
    fn take_from_bucket(&mut self, channel: u64) -> Option<Duration> {
        let (size, per) = self.options.bucket;
        let now = Instant::now();
        let (remaining, reset) = self.buckets.entry(channel).or_insert((size, now + per));
        if *reset <= now {
            (*remaining, *reset) = (size, now + per);
        }
        if *remaining == 0 {
            return Some(*reset - now);
        }
        *remaining -= 1;
        None
    }

    fn bucket_headers(&self, path: &str) -> Vec<(&'static str, String)> {
        let channel = path
            .strip_prefix("/channels/")
            .and_then(|rest| rest.strip_suffix("/messages"));
        let channel = channel.and_then(|id| id.parse::<u64>().ok());
        let Some((remaining, reset)) = channel.and_then(|channel| self.buckets.get(&channel))
        else {
            return Vec::new();
        };
        let after = reset
            .saturating_duration_since(Instant::now())
            .as_secs_f64();
        vec![
            ("x-ratelimit-limit", self.options.bucket.0.to_string()),
            ("x-ratelimit-remaining", remaining.to_string()),
            ("x-ratelimit-reset-after", format!("{after:.3}")),
            ("x-ratelimit-bucket", "0123456789abcdef".to_owned()),
        ]
    }
}
