//! What the sources' tests share.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use doorstep_core::{
    Ambient, Entropy, Timestamp,
    event::{CommerceEvent, CommerceEventKind},
    shipment::TrackingEvent,
    shop::EventSource,
    webhook::{WebhookRejection, WebhookRequest},
};
use http::{HeaderMap, Method};

use crate::{
    SourceConfig,
    lookup::PollConfig,
    registry::{self, Sending},
};

pub(crate) const SECRET: &str = "shpss_0123456789abcdef";

pub(crate) fn now() -> Timestamp {
    "2026-11-21T09:30:00Z".parse().unwrap()
}

pub(crate) fn seconds_ago(seconds: i64) -> Timestamp {
    now() - chrono::TimeDelta::seconds(seconds)
}

pub(crate) fn config(kind: &str) -> SourceConfig {
    SourceConfig {
        kind: kind.to_owned(),
        name: kind.into(),
        secret: SECRET.into(),
        tolerance_s: None,
    }
}

/// How a carrier's stand-in at `url` is asked.
pub(crate) fn poll_config(url: &str) -> PollConfig {
    PollConfig {
        every_h: 4,
        carriers: None,
        client_id: "client-1".to_owned(),
        client_secret: "hunter2".into(),
        url: Some(url.to_owned()),
        timeout_s: 2,
    }
}

pub(crate) fn request(headers: HeaderMap, body: impl Into<Bytes>) -> WebhookRequest {
    WebhookRequest {
        method: Method::POST,
        query: String::new(),
        headers,
        body: body.into(),
        received_at: now(),
    }
}

/// A request as the source's sender would send it.
pub(crate) fn signed(
    kind: &str,
    event_type: Option<&str>,
    sent_at: Timestamp,
    body: &[u8],
) -> WebhookRequest {
    let sending = Sending {
        id: "delivery-1",
        event_type,
        sent_at,
        body,
    };
    let headers = registry::sign_as(&config(kind), &sending).unwrap();
    request(headers, body.to_vec())
}

/// What a source makes of a signed body.
pub(crate) fn receive(
    kind: &str,
    event_type: Option<&str>,
    body: &[u8],
) -> Result<Vec<CommerceEvent>, WebhookRejection> {
    let source = registry::build(&config(kind)).unwrap();
    source.receive_webhook(&signed(kind, event_type, now(), body))
}

pub(crate) fn source(kind: &str) -> std::sync::Arc<dyn EventSource> {
    registry::build(&config(kind)).unwrap()
}

pub(crate) fn news(event: &CommerceEvent) -> &TrackingEvent {
    match &event.kind {
        CommerceEventKind::Tracking { event, .. } | CommerceEventKind::Fulfilled { event, .. } => {
            event
        }
        other => panic!("no tracking: {other:?}"),
    }
}

/// A file that is lent for tests and not ours to publish: `easypost/event-body.json`. Where its folder is not here the test is
/// skipped and says so; a folder that lacks the file is not what the test was written for, and fails it.
pub(crate) fn lent(path: &str) -> Option<Vec<u8>> {
    let shared = std::env::var_os("DOORSTEP_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    lent_in(&shared.join("payloads"), path)
}

fn lent_in(payloads: &Path, path: &str) -> Option<Vec<u8>> {
    let file = payloads.join(path);
    let folder = file.parent().unwrap();
    if !folder.is_dir() {
        // Past the test harness, which shows nothing of a test that passes.
        let skipped = format!("skipped: {path} is not here (set DOORSTEP_SHARED)\n");
        let _ = std::io::stderr().write_all(skipped.as_bytes());
        return None;
    }
    match std::fs::read(&file) {
        Ok(bytes) => Some(bytes),
        Err(error) => panic!("{}: {error}", file.display()),
    }
}

#[test]
fn a_folder_that_nobody_lent_skips_a_test_and_a_file_that_is_missing_fails_it() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    assert!(lent_in(&here, "easypost/mod.rs").is_some());
    assert_eq!(lent_in(&here, "nobody/mod.rs"), None);
    let missing = std::panic::catch_unwind(|| lent_in(&here, "easypost/nothing.json"));
    assert!(missing.is_err());
}

/// A clock that stands still.
pub(crate) struct FixedClock;

impl FixedClock {
    pub(crate) fn shared() -> std::sync::Arc<dyn doorstep_core::Clock> {
        std::sync::Arc::new(Self)
    }
}

impl doorstep_core::Clock for FixedClock {
    fn now(&self) -> Timestamp {
        now()
    }
}

/// A clock that stands still, and bytes that are always the same.
pub(crate) fn ambient() -> Ambient {
    struct Sevens;
    impl Entropy for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }
    Ambient {
        clock: FixedClock::shared(),
        entropy: std::sync::Arc::new(Sevens),
    }
}

/// Serves a stand-in on loopback; returns its address.
pub(crate) async fn serve(routes: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}")
}
