//! The front door of a stage: webhooks in, and a picture out.

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use doorstep_core::{
    Clock,
    channel::{Channel, Inbox},
    webhook::WebhookRequest,
};

use crate::testing::{Memory, TestClock};

/// The smallest picture: one pixel.
pub(crate) const PICTURE: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, b'I', b'H', b'D', b'R', 0, 0, 0,
    1, 0, 0, 0, 1, 8, 6, 0, 0, 0, 0x1f, 0x15, 0xc4, 0x89, 0, 0, 0, 0x0d, b'I', b'D', b'A', b'T',
    0x78, 0xda, 0x63, 0xfc, 0xcf, 0xc0, 0xf0, 0x1f, 0, 5, 5, 2, 0, 0x5f, 0xc8, 0xf1, 0xd2, 0, 0, 0,
    0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82,
];

/// Listens on loopback. A simulator is started with its address, then the channel with the simulator's, then
/// [`Self::open`] lets webhooks through.
#[derive(Clone)]
pub(crate) struct Front {
    url: String,
    state: Arc<Behind>,
}

struct Behind {
    clock: Arc<TestClock>,
    inbox: Arc<Memory>,
    channel: OnceLock<Arc<dyn Channel>>,
}

impl Front {
    pub(crate) async fn listen(clock: &Arc<TestClock>, inbox: &Arc<Memory>) -> Self {
        let state = Arc::new(Behind {
            clock: clock.clone(),
            inbox: inbox.clone(),
            channel: OnceLock::new(),
        });
        let router = Router::new()
            .route("/webhook", any(webhook))
            .route("/picture.png", get(picture))
            .with_state(state.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    /// Where the provider sends webhooks.
    #[allow(dead_code)] // not every selection of features has a channel with webhooks
    pub(crate) fn webhook(&self) -> String {
        format!("{}/webhook", self.url)
    }

    /// A picture that providers can read.
    pub(crate) fn picture(&self) -> String {
        format!("{}/picture.png", self.url)
    }

    /// Webhooks are for this channel.
    pub(crate) fn open(&self, channel: Arc<dyn Channel>) {
        assert!(self.state.channel.set(channel).is_ok(), "opened twice");
    }
}

async fn picture() -> Response {
    ([(header::CONTENT_TYPE, "image/png")], PICTURE).into_response()
}

/// As the program's own front door does it: all is admitted before the provider is acknowledged.
async fn webhook(
    State(behind): State<Arc<Behind>>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(channel) = behind.channel.get() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let request = WebhookRequest {
        method,
        query: query.unwrap_or_default(),
        headers,
        body,
        received_at: behind.clock.now(),
    };
    let outcome = match channel.receive_webhook(&request).await {
        Ok(outcome) => outcome,
        Err(rejection) => return (StatusCode::UNAUTHORIZED, rejection.to_string()).into_response(),
    };
    for message in outcome.messages {
        behind.inbox.admit(message).await.unwrap();
    }
    for receipt in outcome.receipts {
        behind.inbox.settle(channel.name(), receipt).await.unwrap();
    }
    for (address, reason) in outcome.closed {
        behind.inbox.close(&address, &reason).await.unwrap();
    }
    outcome.reply.unwrap_or_default().into_response()
}
