//! The connection to the gateway: one session that is taken up again wherever it broke off
//! (<https://discord.com/developers/docs/events/gateway>).
//!
//! What is read here is only put in a queue; [`super::listen`] handles it, and keeps how far. So heartbeats go on while
//! the store is slow, and a full queue costs a connection and no message: Discord replays what was not taken.

use std::time::Duration;

use doorstep_core::Health;
use futures::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::mpsc, time::Instant};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Message as WsMessage,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    Discord,
    rest::CallError,
    wire::{Frame, Gateway, Ready},
};

/// How many dispatches may wait to be handled.
pub(super) const QUEUE: usize = 1024;

/// How long Discord may take to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(20);

/// How soon is connected again after a failure, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often the address that a session named is tried.
const RESUME_URL_TRIES: u32 = 4;

/// How soon is tried again what a person must put right.
const REFUSED_PAUSE: Duration = Duration::from_secs(300);

/// Closing with 1000 or 1001 would end the session; with another code it stays (section "Disconnecting").
const KEEP_SESSION: u16 = 4900;

const GUILDS: u64 = 1 << 0;
const GUILD_MESSAGES: u64 = 1 << 9;
const DIRECT_MESSAGES: u64 = 1 << 12;
const MESSAGE_CONTENT: u64 = 1 << 15;

/// A session of the gateway, and how far it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) id: String,
    /// Where it is taken up again.
    pub(super) url: String,
    pub(super) sequence: u64,
}

/// Something that happened at Discord.
#[derive(Debug)]
pub(super) struct Dispatch {
    pub(super) sequence: u64,
    pub(super) name: String,
    pub(super) data: Value,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why a connection ended.
enum Ended {
    /// We were asked to.
    Stopped,
    /// It broke; the session goes on.
    Broken(String),
    /// The session cannot be taken up again.
    SessionOver,
    /// Too much waits to be handled.
    QueueFull,
    /// The message-content intent is not granted (close code 4014).
    IntentRefused,
    /// Nothing will help but a person.
    Refused(String),
}

impl Discord {
    /// Keeps a connection until `stop`, and puts what comes into the queue.
    pub(super) async fn read_gateway(
        &self,
        mut session: Option<Session>,
        queue: mpsc::Sender<Dispatch>,
        stop: &CancellationToken,
    ) {
        let mut with_content = self.config.message_content;
        let mut failures = 0;
        while !stop.is_cancelled() {
            let ended = self
                .connect(&mut session, &queue, with_content, &mut failures, stop)
                .await;
            let pause = match ended {
                Ended::Stopped => return,
                Ended::Broken(reason) => {
                    tracing::info!(%reason, resumes = session.is_some(), "the connection to Discord's gateway ended");
                    self.report(Health::Degraded {
                        reason: format!("the gateway is being connected again: {reason}"),
                    });
                    failures += 1;
                    self.pause_after(failures)
                }
                Ended::SessionOver => {
                    tracing::info!("Discord ended the gateway's session; a new one is begun");
                    session = None;
                    failures += 1;
                    self.pause_after(failures)
                }
                Ended::QueueFull => {
                    tracing::warn!(
                        "more comes from Discord than is handled; the rest is taken later"
                    );
                    // Room for half a queue, so that it is not full again at once.
                    let room = queue.reserve_many(QUEUE / 2);
                    tokio::select! {
                        _ = room => {}
                        () = stop.cancelled() => return,
                    }
                    Duration::ZERO
                }
                Ended::IntentRefused if with_content => {
                    tracing::error!(
                        "the message-content intent is not granted: switch it on in the developer portal, or set message_content = false; going on without"
                    );
                    with_content = false;
                    Duration::ZERO
                }
                Ended::IntentRefused => self.refused("the gateway refuses the bot's intents"),
                Ended::Refused(reason) => self.refused(&reason),
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn refused(&self, reason: &str) -> Duration {
        tracing::error!(%reason, "Discord's gateway refuses us");
        self.report(Health::Down {
            reason: reason.to_owned(),
        });
        REFUSED_PAUSE
    }

    async fn connect(
        &self,
        session: &mut Option<Session>,
        queue: &mpsc::Sender<Dispatch>,
        with_content: bool,
        failures: &mut u32,
        stop: &CancellationToken,
    ) -> Ended {
        let opening = async {
            let url = match session.as_ref() {
                Some(session) if *failures < RESUME_URL_TRIES => session.url.clone(),
                // Sessions can be taken up anywhere; their own address is only the better one.
                _ => self.new_session_url().await?,
            };
            let (socket, _) = connect_async(versioned(&url))
                .await
                .map_err(|error| Ended::Broken(error.to_string()))?;
            Ok(socket)
        };
        let opened = tokio::select! {
            biased;
            () = stop.cancelled() => return Ended::Stopped,
            opened = opening => opened,
        };
        match opened {
            Ok(mut socket) => {
                let mut connection = Connection {
                    discord: self,
                    socket: &mut socket,
                    session,
                    queue,
                    acknowledged: true,
                    failures,
                };
                let ended = connection.converse(with_content, stop).await;
                let code = CloseCode::from(KEEP_SESSION);
                let frame = CloseFrame {
                    code,
                    reason: "".into(),
                };
                // Whatever becomes of that: the connection is over.
                let _ =
                    tokio::time::timeout(Duration::from_secs(1), socket.close(Some(frame))).await;
                ended
            }
            Err(ended) => ended,
        }
    }

    /// Where a new session is begun, once one may be.
    async fn new_session_url(&self) -> Result<String, Ended> {
        let gateway: Gateway = self.rest.gateway().await.map_err(|error| match error {
            CallError::Refused { status: 401, .. } => {
                Ended::Refused("the bot's token is not valid: set a new one".to_owned())
            }
            error => Ended::Broken(error.to_string()),
        })?;
        let limit = gateway.session_start_limit;
        if limit.remaining == 0 {
            let wait = Duration::from_millis(limit.reset_after);
            tracing::warn!(
                wait_s = wait.as_secs(),
                "no more gateway sessions may be begun for now"
            );
            tokio::time::sleep(wait).await;
        }
        Ok(gateway.url)
    }

    fn pause_after(&self, failures: u32) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(1 << failures.min(10));
        doubled
            .min(LONGEST_PAUSE)
            .mul_f64(0.5 + self.chance() / 2.0)
    }

    /// A random number from 0 to 1.
    fn chance(&self) -> f64 {
        let mut bytes = [0; 4];
        self.ambient.entropy.fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
    }
}

/// One connection.
struct Connection<'a> {
    discord: &'a Discord,
    socket: &'a mut Socket,
    session: &'a mut Option<Session>,
    queue: &'a mpsc::Sender<Dispatch>,
    /// Whether the last heartbeat was answered.
    acknowledged: bool,
    /// Connections that failed one after another.
    failures: &'a mut u32,
}

impl Connection<'_> {
    async fn converse(&mut self, with_content: bool, stop: &CancellationToken) -> Ended {
        let hello = tokio::select! {
            hello = tokio::time::timeout(HELLO_TIMEOUT, self.hello()) => hello,
            () = stop.cancelled() => return Ended::Stopped,
        };
        let interval = match hello {
            Ok(Ok(interval)) => interval,
            Ok(Err(ended)) => return ended,
            Err(_) => return Ended::Broken("no hello in time".to_owned()),
        };
        let opening = match self.session.as_ref() {
            Some(session) => self.discord.resume(session),
            None => self.discord.identify(with_content),
        };
        if let Err(ended) = self.say(opening).await {
            return ended;
        }
        // The first one at a random moment, so that not all bots beat together after an outage.
        let mut beat = Instant::now() + interval.mul_f64(self.discord.chance());
        loop {
            let step = tokio::select! {
                () = stop.cancelled() => return Ended::Stopped,
                () = tokio::time::sleep_until(beat) => {
                    beat += interval;
                    self.beat().await
                }
                frame = self.read() => match frame {
                    Ok(frame) => self.take(frame).await,
                    Err(ended) => Err(ended),
                },
            };
            if let Err(ended) = step {
                return ended;
            }
        }
    }

    async fn hello(&mut self) -> Result<Duration, Ended> {
        let frame = self.read().await?;
        let interval = frame.d.get("heartbeat_interval").and_then(Value::as_u64);
        match (frame.op, interval) {
            (op::HELLO, Some(millis)) if millis > 0 => Ok(Duration::from_millis(millis)),
            _ => Err(Ended::Broken(format!(
                "opcode {} instead of hello",
                frame.op
            ))),
        }
    }

    /// A connection whose last heartbeat was not answered is dead, whatever TCP says.
    async fn beat(&mut self) -> Result<(), Ended> {
        if !self.acknowledged {
            return Err(Ended::Broken("a heartbeat was not answered".to_owned()));
        }
        self.acknowledged = false;
        self.heartbeat().await
    }

    async fn heartbeat(&mut self) -> Result<(), Ended> {
        let sequence = self.session.as_ref().map(|session| session.sequence);
        self.say(json!({ "op": op::HEARTBEAT, "d": sequence }))
            .await
    }

    async fn take(&mut self, frame: Frame) -> Result<(), Ended> {
        match frame.op {
            op::DISPATCH => self.queue_up(frame),
            op::HEARTBEAT => self.heartbeat().await,
            op::HEARTBEAT_ACK => {
                self.acknowledged = true;
                Ok(())
            }
            op::RECONNECT => Err(Ended::Broken("Discord asks to connect again".to_owned())),
            op::INVALID_SESSION if frame.d == Value::Bool(true) => Err(Ended::Broken(
                "the session could not be taken up yet".to_owned(),
            )),
            op::INVALID_SESSION => Err(Ended::SessionOver),
            _ => Ok(()),
        }
    }

    /// Only what is in the queue counts as read.
    fn queue_up(&mut self, frame: Frame) -> Result<(), Ended> {
        let (Some(sequence), Some(name)) = (frame.s, frame.t) else {
            return Ok(());
        };
        if name == "READY" {
            let ready = serde_json::from_value::<Ready>(frame.d.clone())
                .map_err(|error| Ended::Broken(format!("READY is not understood: {error}")))?;
            *self.session = Some(Session {
                id: ready.session_id,
                url: ready.resume_gateway_url,
                sequence: 0,
            });
        }
        if matches!(name.as_str(), "READY" | "RESUMED") {
            *self.failures = 0;
            self.discord.report(Health::Ok);
        }
        let dispatch = Dispatch {
            sequence,
            name,
            data: frame.d,
        };
        self.queue
            .try_send(dispatch)
            .map_err(|_| Ended::QueueFull)?;
        if let Some(session) = self.session.as_mut() {
            session.sequence = sequence;
        }
        Ok(())
    }

    async fn say(&mut self, frame: Value) -> Result<(), Ended> {
        let sent = self.socket.send(WsMessage::text(frame.to_string())).await;
        sent.map_err(|error| Ended::Broken(error.to_string()))
    }

    /// The next frame; what is none is left out.
    async fn read(&mut self) -> Result<Frame, Ended> {
        loop {
            let message = match self.socket.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err(Ended::Broken(error.to_string())),
                None => return Err(Ended::Broken("the connection was closed".to_owned())),
            };
            match message {
                WsMessage::Text(text) => match serde_json::from_str(&text) {
                    Ok(frame) => return Ok(frame),
                    Err(error) => super::skipped("frame", &error),
                },
                WsMessage::Close(frame) => return Err(closed(frame)),
                _ => {}
            }
        }
    }
}

/// What a close code means
/// (<https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes>).
fn closed(frame: Option<CloseFrame>) -> Ended {
    let Some(frame) = frame else {
        return Ended::Broken("Discord closed the connection".to_owned());
    };
    match u16::from(frame.code) {
        4004 => Ended::Refused("the bot's token is not valid: set a new one".to_owned()),
        4014 => Ended::IntentRefused,
        code @ 4010..=4013 => Ended::Refused(format!("close code {code}: {}", frame.reason)),
        // Invalid sequence; session timed out.
        4007 | 4009 => Ended::SessionOver,
        code => Ended::Broken(format!("close code {code}: {}", frame.reason)),
    }
}

/// The address with the version and encoding that are read here.
fn versioned(url: &str) -> String {
    let bare = url.split('?').next().unwrap_or(url).trim_end_matches('/');
    format!("{bare}/?v=10&encoding=json")
}

impl Discord {
    fn identify(&self, with_content: bool) -> Value {
        use secrecy::ExposeSecret;
        let content = if with_content { MESSAGE_CONTENT } else { 0 };
        json!({
            "op": op::IDENTIFY,
            "d": {
                "token": self.config.token.expose_secret(),
                "intents": GUILDS | GUILD_MESSAGES | DIRECT_MESSAGES | content,
                "properties": {
                    "os": std::env::consts::OS,
                    "browser": "doorstep",
                    "device": "doorstep",
                },
            },
        })
    }

    fn resume(&self, session: &Session) -> Value {
        use secrecy::ExposeSecret;
        json!({
            "op": op::RESUME,
            "d": {
                "token": self.config.token.expose_secret(),
                "session_id": session.id,
                "seq": session.sequence,
            },
        })
    }
}

/// Opcodes (<https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-opcodes>).
pub(super) mod op {
    pub(in super::super) const DISPATCH: u8 = 0;
    pub(in super::super) const HEARTBEAT: u8 = 1;
    pub(in super::super) const IDENTIFY: u8 = 2;
    pub(in super::super) const RESUME: u8 = 6;
    pub(in super::super) const RECONNECT: u8 = 7;
    pub(in super::super) const INVALID_SESSION: u8 = 9;
    pub(in super::super) const HELLO: u8 = 10;
    pub(in super::super) const HEARTBEAT_ACK: u8 = 11;
}
