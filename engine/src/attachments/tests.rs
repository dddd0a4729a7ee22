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
    customer::Proof,
    event::{CommerceEvent, CommerceEventKind, DataSubject},
    message::{Address, InboundMessage, OutboundMessage},
    webhook::{WebhookRejection, WebhookRequest},
};
use futures::stream;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::testing::{TestStore, stores};

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

/// The shop has the sender of the file erased; the jobs that follow.
async fn erase_sender(test: &TestStore) -> Vec<Job> {
    let sender = Address::new("telegram", "7");
    let proof = Proof {
        customer: Some("C-1".into()),
        ..Proof::default()
    };
    test.store.prove(&sender, &proof, None).await.unwrap();
    let event = CommerceEvent {
        source: "shopify".into(),
        external_id: "e1".to_owned(),
        occurred_at: test.store.ambient().now(),
        kind: CommerceEventKind::CustomerRedacted {
            person: DataSubject {
                shop_id: Some("C-1".into()),
                ..DataSubject::default()
            },
        },
    };
    let source = event.source.clone();
    let admitted = test.store.admit_events(&source, b"{}", vec![event]).await;
    let id = admitted.unwrap()[0].id;
    test.queue.take();
    test.enricher().enrich(id).await.unwrap();
    test.queue.take()
}

async fn rows(test: &TestStore) -> Vec<String> {
    let sql = "SELECT told FROM attachments";
    let rows = test.store.query(sql, []).await.unwrap();
    rows.iter().map(|row| row.get("told").unwrap()).collect()
}

impl Fixture {
    fn is_stored(&self) -> bool {
        self.folder.path().join(self.id.to_string()).exists()
    }

    /// Does the one job that is due for the file.
    async fn work(&self, jobs: &[Job]) {
        let [
            Job::FetchAttachment {
                attachment,
                attempt,
                ..
            },
        ] = jobs
        else {
            panic!("{jobs:?}");
        };
        assert_eq!(*attachment, self.id);
        self.fetcher.fetch(self.id, *attempt).await.unwrap();
    }
}

#[tokio::test]
async fn an_erased_customers_file_leaves_the_storage_and_then_the_store() {
    for test in stores().await {
        let provider = Provider::with(PICTURE, Vec::new());
        let fixture = admitted(&test, &provider).await;
        fixture.fetcher.fetch(fixture.id, 0).await.unwrap();
        assert!(fixture.is_stored());
        let jobs = erase_sender(&test).await;
        assert_eq!(rows(&test).await, ["null"], "nothing is told of it at once");
        let records = test.store.privacy_records().await.unwrap();
        let detail = &records[0].detail;
        assert!(detail.contains("\"files\":1"), "{detail}");

        // The storage is away: the file is not forgotten before it is gone.
        let path = fixture.folder.path().join(fixture.id.to_string());
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir_all(path.join("in the way")).unwrap();
        fixture.work(&jobs).await;
        assert_eq!(rows(&test).await.len(), 1);
        let again = test.queue.take();
        std::fs::remove_dir_all(&path).unwrap();
        std::fs::write(&path, PICTURE).unwrap();

        // Nor when its job was lost.
        test.clock.advance(Duration::from_hours(1));
        let now = test.store.ambient().now();
        assert_eq!(
            test.store.overdue_attachments(now, 10).await.unwrap(),
            again
        );
        fixture.work(&again).await;
        assert!(!fixture.is_stored());
        assert_eq!(rows(&test).await, [""; 0]);
        assert_eq!(provider.asked.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn a_file_that_was_not_fetched_before_its_customer_was_erased_never_is() {
    for test in stores().await {
        let provider = Provider::with(PICTURE, Vec::new());
        let fixture = admitted(&test, &provider).await;
        let jobs = erase_sender(&test).await;
        // The job that was to fetch it comes late.
        fixture.fetcher.fetch(fixture.id, 0).await.unwrap();
        fixture.work(&jobs).await;
        fixture.fetcher.fetch(fixture.id, 0).await.unwrap();
        assert_eq!(provider.asked.load(Ordering::Relaxed), 0);
        assert!(!fixture.is_stored());
        assert_eq!(rows(&test).await, [""; 0]);
    }
}

#[tokio::test]
async fn what_an_attempt_stored_while_its_customer_was_erased_is_removed() {
    for test in stores().await {
        let provider = Provider::with(PICTURE, Vec::new());
        let fixture = admitted(&test, &provider).await;
        let work = test.store.attachment_work(fixture.id, 0).await.unwrap();
        let AttachmentWork::Fetch(waiting) = work else {
            panic!("{work:?}");
        };
        let jobs = erase_sender(&test).await;
        fixture.work(&jobs).await;
        // The bytes came after the row had gone.
        let fetcher = &fixture.fetcher;
        fetcher.fetch_waiting(&waiting, 0).await.unwrap();
        assert!(fixture.is_stored());
        fetcher.fetch(fixture.id, 0).await.unwrap();
        assert!(!fixture.is_stored());
    }
}

#[tokio::test]
async fn bytes_that_came_with_a_message_stay_only_if_it_was_admitted() {
    for test in stores().await {
        let folder = tempfile::tempdir().unwrap();
        let config = AttachmentsConfig {
            url: String::new(),
            max_bytes: 100,
        };
        let attachments = Attachments::open(&config, folder.path()).unwrap();
        let channels: [Arc<dyn Channel>; 0] = [];
        let fetcher = Fetcher::new(test.store.clone(), attachments.clone(), channels);
        let keep = async || {
            let inline = AttachmentPlace::Inline(Bytes::from_static(PICTURE));
            let kept = attachments.keep_all(&test.store, vec![picture(inline)]);
            kept.await.unwrap()
        };
        let admitted = keep().await;
        // The program ended before it could admit this one.
        let lost = keep().await;
        let from = Address::new("email", "ana@example.org");
        let message = InboundMessage::text(from, "m1", "look", test.store.ambient().now());
        let known = message.clone();
        let path = |kept: &[NewAttachment]| folder.path().join(kept[0].id.to_string());
        let (named, unnamed) = (path(&admitted), path(&lost));
        assert_eq!(test.store.find_admission(&known).await.unwrap(), None);
        test.store.admit_message(message, admitted).await.unwrap();
        let found = test.store.find_admission(&known).await.unwrap();
        assert!(found.unwrap().duplicate);
        assert!(named.exists() && unnamed.exists());

        test.clock.advance(UNNAMED_FOR);
        for job in test.queue.take() {
            let Job::FetchAttachment {
                attachment,
                attempt,
                not_before,
            } = job
            else {
                panic!("{job:?}");
            };
            assert!(not_before <= test.store.ambient().now());
            fetcher.fetch(attachment, attempt).await.unwrap();
        }
        assert!(named.exists() && !unnamed.exists());
        assert_eq!(row(&test).await.0, "stored");
        assert_eq!(test.queue.take(), []);
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
