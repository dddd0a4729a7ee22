//! A visitor of the web chat, as the widget is one: a session, a socket, and the position it has shown.

use std::net::SocketAddr;

use doorstep_channels::webchat::{IdentityClaims, sign_identity};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, protocol::frame::coding::CloseCode},
};

use super::{server::IDENTITY_SECRET, wait::within};

/// The HTTP client of the tests.
pub(crate) fn http() -> reqwest::Client {
    doorstep::client::http().expect("an HTTP client")
}

/// A visitor with a session.
#[derive(Clone)]
pub(crate) struct Visitor {
    http: reqwest::Client,
    /// The token that opens sockets.
    pub(crate) session: String,
    /// The visitor's identifier: their address on the channel.
    pub(crate) id: String,
    /// Whether the shop said who they are.
    pub(crate) proven: bool,
}

impl Visitor {
    /// Somebody unknown, whose browser speaks `locale`.
    pub(crate) async fn anonymous(server: SocketAddr, locale: &str) -> Self {
        Self::create(server, json!({ "locale": locale }))
            .await
            .expect("a session")
    }

    /// A customer whom the shop's page signed in.
    pub(crate) async fn signed_in(server: SocketAddr, locale: &str, customer: &str) -> Self {
        let body = json!({ "locale": locale, "identity": identity_of(customer) });
        Self::create(server, body).await.expect("a session")
    }

    /// Asks for a session; an error is that nobody answered.
    pub(crate) async fn create(server: SocketAddr, body: Value) -> reqwest::Result<Self> {
        let http = http();
        let url = format!("http://{server}/chat/session");
        let answer = http
            .post(url)
            .json(&body)
            .send()
            .await?
            .error_for_status()?;
        let answer: Value = answer.json().await?;
        let text = |field: &str| answer[field].as_str().expect("a text").to_owned();
        Ok(Self {
            http,
            session: text("session"),
            id: text("visitor"),
            proven: answer["proven"] == true,
        })
    }

    /// Opens a socket that begins after position `after`.
    pub(crate) async fn connect(&self, server: SocketAddr, after: i64) -> Socket {
        self.try_connect(server, after).await.expect("a socket")
    }

    /// Opens a socket, if the server is there.
    pub(crate) async fn try_connect(
        &self,
        server: SocketAddr,
        after: i64,
    ) -> Result<Socket, tungstenite::Error> {
        let url = format!(
            "ws://{server}/chat/ws?session={}&after={after}",
            self.session
        );
        Ok(Socket {
            stream: connect_async(url).await?.0,
        })
    }

    /// Writes over HTTP; status and answer.
    pub(crate) async fn post(
        &self,
        server: SocketAddr,
        frame: &Value,
    ) -> reqwest::Result<(u16, Value)> {
        let url = format!("http://{server}/chat/messages");
        let request = self.http.post(url).bearer_auth(&self.session).json(frame);
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await.unwrap_or_default()))
    }

    /// As [`Self::post`], with a body as it stands.
    pub(crate) async fn post_text(
        &self,
        server: SocketAddr,
        body: &str,
    ) -> reqwest::Result<(u16, Value)> {
        let url = format!("http://{server}/chat/messages");
        let request = self.http.post(url).bearer_auth(&self.session);
        let answer = request.body(body.to_owned()).send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await.unwrap_or_default()))
    }

    /// Every message after position `after`, read over HTTP.
    pub(crate) async fn history(&self, server: SocketAddr, after: i64) -> Vec<Value> {
        let mut messages: Vec<Value> = Vec::new();
        let mut after = after;
        loop {
            let url = format!("http://{server}/chat/messages?after={after}");
            let answer = self
                .http
                .get(url)
                .bearer_auth(&self.session)
                .send()
                .await
                .expect("history");
            let answer: Value = answer.json().await.expect("history is JSON");
            let page = answer["messages"].as_array().expect("messages").clone();
            if page.is_empty() {
                return messages;
            }
            messages.extend(page);
            after = answer["position"].as_i64().expect("a position");
        }
    }

    /// Opens a socket for a whole conversation.
    pub(crate) async fn talk(&self, server: SocketAddr) -> Conversation {
        let socket = self.connect(server, 0).await;
        Conversation {
            visitor: self.clone(),
            server,
            socket,
            said: 0,
        }
    }
}

/// What a shop's page says of the customer who looks at it.
pub(crate) fn identity_of(customer: &str) -> String {
    let now = doorstep::ambient::system().now().timestamp();
    let claims = IdentityClaims {
        sub: customer.to_owned(),
        email: None,
        name: None,
        exp: now + 600,
        iat: Some(now),
    };
    sign_identity(&IDENTITY_SECRET.into(), &claims)
}

/// An open socket.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    /// Sends a frame; an error says that the connection is gone.
    pub(crate) async fn send(&mut self, frame: &Value) -> Result<(), tungstenite::Error> {
        self.stream.send(Message::text(frame.to_string())).await
    }

    /// Sends a frame as it stands.
    pub(crate) async fn send_text(&mut self, frame: &str) -> Result<(), tungstenite::Error> {
        self.stream.send(Message::text(frame.to_owned())).await
    }

    /// Sends bytes, which the protocol does not have.
    pub(crate) async fn send_binary(&mut self, bytes: Vec<u8>) -> Result<(), tungstenite::Error> {
        self.stream.send(Message::binary(bytes)).await
    }

    /// The next frame; `None` when the connection is gone. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            match self.stream.next().await? {
                Ok(Message::Text(text)) => {
                    return Some(serde_json::from_str(&text).expect("frames are JSON"));
                }
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Reads until the server closes; the frames before, and the close code if it gave one.
    pub(crate) async fn until_closed(&mut self) -> (Vec<Value>, Option<CloseCode>) {
        let mut frames = Vec::new();
        loop {
            match within("the close", self.stream.next()).await {
                Some(Ok(Message::Text(text))) => frames.push(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return (frames, frame.map(|frame| frame.code)),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return (frames, None),
            }
        }
    }

    /// The next frame of a type, passing over others.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Value {
        let found = async {
            loop {
                let frame = self
                    .next()
                    .await
                    .unwrap_or_else(|| panic!("closed before a {kind}"));
                if frame["type"] == kind {
                    return frame;
                }
            }
        };
        within(kind, found).await
    }
}

/// A conversation over one socket.
pub(crate) struct Conversation {
    /// Who talks.
    pub(crate) visitor: Visitor,
    server: SocketAddr,
    socket: Socket,
    said: usize,
}

impl Conversation {
    /// Says something and waits for everything that is answered.
    pub(crate) async fn ask(&mut self, text: &str) -> Reply {
        self.send(json!({ "text": text })).await
    }

    /// As [`Self::ask`], on a device that says it is in this time zone.
    pub(crate) async fn ask_from(&mut self, time_zone: &str, text: &str) -> Reply {
        self.send(json!({ "text": text, "time_zone": time_zone }))
            .await
    }

    /// Presses a button.
    pub(crate) async fn press(&mut self, button: &Value) -> Reply {
        let frame = json!({ "text": button["label"], "button": button["value"] });
        self.send(frame).await
    }

    async fn send(&mut self, mut frame: Value) -> Reply {
        self.said += 1;
        let id = format!("m{}", self.said);
        frame["id"] = json!(id);
        self.socket.send(&frame).await.expect("an open socket");
        let receipt = self.socket.next_of("receipt").await;
        assert_eq!(receipt["id"], id, "{receipt}");
        assert_eq!(receipt["status"], "admitted", "{receipt}");
        let first = self.next_message().await;
        assert_eq!(first["in_reply_to"], id, "{first}");
        // A turn is committed as a whole: what belongs to the answer can be read now.
        let position = receipt["position"].as_i64().expect("a position");
        let all = self.visitor.history(self.server, position).await;
        let mut messages = vec![first];
        while messages.len() < all.len() {
            messages.push(self.next_message().await);
        }
        assert_eq!(messages, all, "the socket and the history tell the same");
        Reply(messages)
    }

    /// The next message of the shop.
    pub(crate) async fn next_message(&mut self) -> Value {
        self.socket.next_of("message").await
    }
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Reply(pub(crate) Vec<Value>);

impl Reply {
    /// All texts.
    pub(crate) fn text(&self) -> String {
        let texts: Vec<&str> = self
            .0
            .iter()
            .filter_map(|message| message["text"].as_str())
            .collect();
        texts.join("\n")
    }

    /// All cards.
    pub(crate) fn cards(&self) -> Vec<&Value> {
        self.0
            .iter()
            .filter_map(|message| message["cards"].as_array())
            .flatten()
            .collect()
    }

    /// All buttons that are not a card's.
    pub(crate) fn buttons(&self) -> Vec<Value> {
        let buttons = self.0.iter();
        buttons
            .filter_map(|message| message["buttons"].as_array())
            .flatten()
            .cloned()
            .collect()
    }

    /// Fails unless one of `words` is said, in any case.
    pub(crate) fn assert_says(&self, words: &[&str]) {
        let text = self.text().to_lowercase();
        assert!(
            words.iter().any(|word| text.contains(&word.to_lowercase())),
            "none of {words:?} is in: {}",
            self.text()
        );
    }

    /// Fails if one of `words` is said, in any case.
    pub(crate) fn assert_hides(&self, words: &[&str]) {
        let all = serde_json::to_string(&self.0).expect("JSON").to_lowercase();
        for word in words {
            assert!(!all.contains(&word.to_lowercase()), "{word} is told: {all}");
        }
    }
}
