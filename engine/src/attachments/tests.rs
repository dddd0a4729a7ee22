//! Files as the merchant's people find them: whole, once, and what they are.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use doorstep_core::{
    Health,
    attachment::{AttachmentKind, AttachmentStream},
    channel::{Capabilities, Inbox, Receipt, SendError, WebhookOutcome},
    message::{Address, InboundMessage, OutboundMessage},
    webhook::{WebhookRejection, WebhookRequest},
};
use futures::stream;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    queue::Job,
    store::NewAttachment,
    testing::{TestStore, stores},
};

const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n and the rest of it";

/// A provider with one file.
struct Provider {
    name: ChannelName,
    capabilities: Capabilities,
    file: Bytes,
    /// Answered first, in this order.
    failures: Mutex<Vec<FetchError>>,
    asked: AtomicUsize,
}

impl Provider {
    fn with(file: &'static [u8], failures: Vec<FetchError>) -> Arc<Self> {
        Arc::new(Self {
            name: "telegram".into(),
            capabilities: Capabilities::default(),
            file: Bytes::from_static(file),
            failures: Mutex::new(failures),
            asked: AtomicUsize::default(),
        })
    }
}

#[async_trait]
impl Channel for Provider {
    fn name(&self) -> &ChannelName {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn listen(&self, _: Arc<dyn Inbox>, _: CancellationToken) {}

    async fn receive_webhook(
        &self,
        _: &WebhookRequest,
    ) -> Result<WebhookOutcome, WebhookRejection> {
        Err(WebhookRejection::NotHere)
    }

    async fn send(&self, _: &Address, _: &OutboundMessage) -> Result<Receipt, SendError> {
        Err(SendError::Fail {
            reason: "sends nothing".to_owned(),
        })
    }

    async fn fetch(&self, _: &Attachment) -> Result<AttachmentStream, FetchError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if let Some(failure) = self.failures.lock().unwrap().pop() {
            return Err(failure);
        }
        let chunks: Vec<_> = self
            .file
            .chunks(7)
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
            .collect();
        Ok(stream::iter(chunks).boxed())
    }

    async fn healthcheck(&self) -> Health {
        Health::Ok
    }
}

fn picture(place: AttachmentPlace) -> Attachment {
    Attachment {
        kind: AttachmentKind::Image,
        place,
        name: Some("../../etc/passwd.html".to_owned()),
        media_type: Some("text/html".to_owned()),
        size: None,
    }
}

struct Fixture {
    fetcher: Fetcher,
    folder: tempfile::TempDir,
    id: AttachmentId,
}

/// A message with a file at the provider, admitted.
async fn admitted(test: &TestStore, provider: &Arc<Provider>) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let config = AttachmentsConfig {
        url: String::new(),
        max_bytes: 100,
    };
    let attachments = Attachments::open(&config, folder.path()).unwrap();
    let channel: Arc<dyn Channel> = provider.clone();
    let ambient = test.store.ambient().clone();
    let id = AttachmentId::new(&*ambient.clock, &*ambient.entropy);
    let new = NewAttachment {
        id,
        attachment: picture(AttachmentPlace::Provider("file-1".to_owned())),
        fetched: None,
    };
    let from = Address::new("telegram", "7");
    let message = InboundMessage::text(from, "t1", "look", ambient.now());
    test.store.admit_message(message, vec![new]).await.unwrap();
    Fixture {
        fetcher: Fetcher::new(test.store.clone(), attachments, [channel]),
        folder,
        id,
    }
}

async fn row(test: &TestStore) -> (String, Option<String>, Option<i64>) {
    let sql = "SELECT status, media_type, size FROM attachments";
    let rows = test.store.query(sql, []).await.unwrap();
    let row = &rows[0];
    (
        row.get("status").unwrap(),
        row.get("media_type").unwrap(),
        row.get("size").unwrap(),
    )
}

fn away() -> FetchError {
    FetchError::Retry {
        after: None,
        reason: "503".to_owned(),
    }
}

#[tokio::test]
async fn a_file_is_fetched_once_and_told_by_its_bytes() {
    for test in stores().await {
        let provider = Provider::with(PICTURE, Vec::new());
        let fixture = admitted(&test, &provider).await;
        let job = Job::FetchAttachment {
            attachment: fixture.id,
            attempt: 0,
            not_before: test.store.ambient().now(),
        };
        assert_eq!(test.queue.take(), [job]);
        fixture.fetcher.fetch(fixture.id, 0).await.unwrap();
        fixture.fetcher.fetch(fixture.id, 0).await.unwrap();
        assert_eq!(provider.asked.load(Ordering::Relaxed), 1);
        let size = PICTURE.len() as i64;
        let expected = (
            "stored".to_owned(),
            Some("image/png".to_owned()),
            Some(size),
        );
        assert_eq!(row(&test).await, expected);
        let stored = std::fs::read(fixture.folder.path().join(fixture.id.to_string()));
        assert_eq!(stored.unwrap(), PICTURE, "under our name, not the sender's");
    }
}

#[tokio::test]
async fn a_media_server_that_is_away_does_not_lose_the_file() {
    for test in stores().await {
        let provider = Provider::with(PICTURE, vec![away(), away()]);
        let fixture = admitted(&test, &provider).await;
        test.queue.take();
        for made in 0..2 {
            fixture.fetcher.fetch(fixture.id, made).await.unwrap();
            assert_eq!(row(&test).await.0, "waiting");
            assert_eq!(test.queue.take().len(), 1, "asked for again");
        }
        // The job was lost: the sweep finds it.
        test.clock.advance(Duration::from_hours(1));
        let now = test.store.ambient().now();
        assert_eq!(
            test.store.overdue_attachments(now, 10).await.unwrap().len(),
            1
        );
        fixture.fetcher.fetch(fixture.id, 2).await.unwrap();
        assert_eq!(row(&test).await.0, "stored");
        assert_eq!(test.store.overdue_attachments(now, 10).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_file_that_is_too_large_is_noted_and_not_kept() {
    for test in stores().await {
        let provider = Provider::with(&[b'x'; 101], Vec::new());
        let fixture = admitted(&test, &provider).await;
        fixture.fetcher.fetch(fixture.id, 0).await.unwrap();
        assert_eq!(row(&test).await.0, "refused");
        assert!(!fixture.folder.path().join(fixture.id.to_string()).exists());
    }
}

#[test]
fn an_address_that_is_none_is_told() {
    let config = AttachmentsConfig {
        url: "ftp://files".to_owned(),
        max_bytes: 1,
    };
    let error = Attachments::open(&config, Path::new("/nonexistent"))
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "attachments.url = \"ftp://files\": it is no s3:// address; leave it empty for a directory, or write s3://bucket/folder"
    );
}
