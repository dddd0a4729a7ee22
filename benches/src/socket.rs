//! One conversation over a WebSocket, as `docs/channels/webchat.md` describes it for a client that wants answers alone.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::{FutureExt, SinkExt, StreamExt};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, Utf8Bytes},
};

use crate::Outcome;

/// A message's frame, made before the clock starts.
pub(crate) fn frame(text: &str) -> Utf8Bytes {
    serde_json::json!({ "text": text }).to_string().into()
}

/// One visitor's open socket.
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// Position of the newest answer.
    last: i64,
}

#[derive(Deserialize)]
struct ServerFrame<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    from: Option<&'a str>,
    #[serde(default)]
    position: i64,
    #[serde(default)]
    proactive: bool,
}

impl Socket {
    pub(crate) async fn open(server: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let (stream, _) = client_async(format!("ws://{server}/chat/ws"), stream).await?;
        Ok(Self { stream, last: 0 })
    }

    /// Says something and waits for the answer: how long it took, or `None` when there was none within `patience`.
    pub(crate) async fn say(
        &mut self,
        frame: &Utf8Bytes,
        patience: Duration,
    ) -> Outcome<Option<Duration>> {
        let started = Instant::now();
        self.stream.send(Message::Text(frame.clone())).await?;
        match tokio::time::timeout(patience, self.answer()).await {
            Ok(answered) => answered.map(|()| Some(started.elapsed())),
            Err(_) => Ok(None),
        }
    }

    /// Waits for the first part of an answer to the last message.
    async fn answer(&mut self) -> Outcome<()> {
        loop {
            let text = self.next_text().await?;
            let frame: ServerFrame<'_> = serde_json::from_str(&text)
                .map_err(|error| format!("a frame is not understood ({error}): {text}"))?;
            if frame.kind == "error" {
                return Err(format!("the server refused a message: {text}").into());
            }
            if frame.kind != "message" || frame.from != Some("shop") || frame.proactive {
                continue;
            }
            // Our own message took a position between two answers; what follows the last answer directly is its second
            // part, and nothing to stop the clock for.
            let is_new = frame.position > self.last + 1;
            self.last = frame.position;
            if is_new {
                return Ok(());
            }
        }
    }

    async fn next_text(&mut self) -> Outcome<Utf8Bytes> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(reason))) => {
                    return Err(format!("the server closed a socket: {reason:?}").into());
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err("the server ended a socket".into()),
            }
        }
    }

    /// Whether an answer has come after all.
    pub(crate) async fn answered_late(&mut self) -> Outcome<bool> {
        match tokio::time::timeout(Duration::from_millis(20), self.answer()).await {
            Ok(answered) => answered.map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// Whether the server still holds it open.
    pub(crate) fn is_open(&mut self) -> bool {
        !matches!(
            self.stream.next().now_or_never(),
            Some(None | Some(Err(_) | Ok(Message::Close(_))))
        )
    }
}
