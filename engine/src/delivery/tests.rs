//! Deliveries on real databases, with a provider that answers what a test tells it to.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use doorstep_core::{
    ChannelName, DeliveryId, Health,
    channel::{
        Capabilities, Channel, Inbox, Receipt, ReceiptStatus, ReceiptUpdate, SendError,
        WebhookOutcome,
    },
    message::{Address, OutboundMessage},
    webhook::{WebhookRejection, WebhookRequest},
};
use tokio_util::sync::CancellationToken;

use super::{Delivery, DeliveryConfig};
use crate::{
    queue::Job,
    store::{ReleasedClaims, Settlement},
    testing::{TestStore, stores, tell_shipped},
};

/// Answers as told, then takes everything; keeps what it took.
pub(super) struct Provider {
    name: ChannelName,
    capabilities: Capabilities,
    answers: Mutex<VecDeque<SendError>>,
    taken: Mutex<Vec<OutboundMessage>>,
}

impl Provider {
    pub(super) fn new(idempotent: bool, answers: impl IntoIterator<Item = SendError>) -> Arc<Self> {
        Self::named("email", idempotent, answers)
    }

    pub(super) fn named(
        name: &str,
        idempotent: bool,
        answers: impl IntoIterator<Item = SendError>,
    ) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            capabilities: Capabilities {
                mailbox: false,
                buttons: false,
                cards: false,
                html: false,
                subject: true,
                idempotent,
                max_text: 10_000,
                ..Capabilities::default()
            },
            answers: Mutex::new(answers.into_iter().collect()),
            taken: Mutex::default(),
        })
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.lock().unwrap().len()
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

    async fn send(&self, _: &Address, message: &OutboundMessage) -> Result<Receipt, SendError> {
        if let Some(answer) = self.answers.lock().unwrap().pop_front() {
            return Err(answer);
        }
        self.taken.lock().unwrap().push(message.clone());
        Ok(Receipt {
            provider_id: format!("provider-{}", message.id),
        })
    }

    async fn healthcheck(&self) -> Health {
        Health::Ok
    }
}

fn busy(after: Option<u64>) -> SendError {
    SendError::Retry {
        after: after.map(Duration::from_secs),
        reason: "busy".to_owned(),
    }
}

fn silent() -> SendError {
    SendError::Ambiguous {
        reason: "no answer".to_owned(),
    }
}

fn delivery(test: &TestStore, provider: &Arc<Provider>) -> Delivery {
    let channel: Arc<dyn Channel> = provider.clone();
    Delivery::new(test.store.clone(), [channel], DeliveryConfig::default())
}

/// A delivery that waits to be attempted, as the notification of a parcel left it.
async fn waiting(test: &TestStore) -> DeliveryId {
    tell_shipped(test, "e1", "1001").await;
    let jobs = test.queue.take();
    let delivery = jobs.iter().find_map(|job| match job {
        Job::Deliver { delivery, .. } => Some(*delivery),
        _ => None,
    });
    delivery.expect("the news became a delivery")
}

async fn status(test: &TestStore, id: DeliveryId) -> String {
    test.store.delivery_status(id).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_message_is_sent_once_however_often_its_job_runs() {
    for test in stores().await {
        let provider = Provider::new(false, []);
        let delivery = delivery(&test, &provider);
        let id = waiting(&test).await;
        let (one, two) = tokio::join!(delivery.attempt(id, 0), delivery.attempt(id, 0));
        assert!(one.unwrap().is_some() != two.unwrap().is_some());
        assert_eq!(delivery.attempt(id, 0).await.unwrap(), None);
        assert_eq!(delivery.attempt(id, 1).await.unwrap(), None);
        assert_eq!(
            (provider.taken(), status(&test, id).await.as_str()),
            (1, "sent")
        );
    }
}

#[tokio::test]
async fn a_busy_provider_is_tried_again_when_it_says() {
    for test in stores().await {
        let provider = Provider::new(false, [busy(Some(90)), busy(None)]);
        let delivery = delivery(&test, &provider);
        let id = waiting(&test).await;
        let asked_at = test.store.ambient().now();
        delivery.attempt(id, 0).await.unwrap();
        let next = test.queue.take();
        let expected = Job::Deliver {
            delivery: id,
            channel: "email".into(),
            news: true,
            attempt: 1,
            not_before: asked_at + Duration::from_secs(90),
        };
        assert_eq!(next, [expected]);
        test.clock.advance(Duration::from_secs(90));
        let second = delivery.attempt(id, 1).await.unwrap();
        let Some(Settlement::Retry { at, .. }) = second else {
            panic!("{second:?}")
        };
        // Our own pause: 4 s after the second attempt, give or take a quarter.
        let pause = (at - test.store.ambient().now()).num_milliseconds();
        assert!((3000..=5000).contains(&pause), "{pause}");
        delivery.attempt(id, 2).await.unwrap();
        assert_eq!(
            (provider.taken(), status(&test, id).await.as_str()),
            (1, "sent")
        );
    }
}

#[tokio::test]
async fn what_never_succeeds_is_given_up_and_written_down() {
    for test in stores().await {
        let most = i32::try_from(DeliveryConfig::default().max_attempts).unwrap();
        let provider = Provider::new(false, (0..=most).map(|_| busy(None)));
        let delivery = delivery(&test, &provider);
        let id = waiting(&test).await;
        for made in 0..most {
            delivery.attempt(id, made).await.unwrap();
        }
        assert_eq!(status(&test, id).await, "failed");
        assert_eq!(delivery.attempt(id, most).await.unwrap(), None);
        let audit = test
            .store
            .query("SELECT action FROM audit", [])
            .await
            .unwrap();
        assert_eq!(audit[0].get::<String>("action").unwrap(), "fail_delivery");
    }
}

#[tokio::test]
async fn news_that_is_too_old_is_not_sent_any_more() {
    for test in stores().await {
        let provider = Provider::new(false, [busy(None)]);
        let delivery = delivery(&test, &provider);
        let id = waiting(&test).await;
        test.clock.advance(Duration::from_hours(25));
        delivery.attempt(id, 0).await.unwrap();
        assert_eq!(status(&test, id).await, "failed");
    }
}

#[tokio::test]
async fn an_address_that_does_not_exist_is_not_tried_again() {
    for test in stores().await {
        let unknown = SendError::Fail {
            reason: "no such mailbox".to_owned(),
        };
        let provider = Provider::new(false, [unknown]);
        let delivery = delivery(&test, &provider);
        let id = waiting(&test).await;
        delivery.attempt(id, 0).await.unwrap();
        assert_eq!(
            (test.queue.take().len(), status(&test, id).await.as_str()),
            (0, "failed")
        );
    }
}

#[tokio::test]
async fn an_unknown_outcome_is_never_sent_again_and_settled_by_the_receipt() {
    for test in stores().await {
        let provider = Provider::new(false, [silent()]);
        let delivery = delivery(&test, &provider);
        let id = waiting(&test).await;
        delivery.attempt(id, 0).await.unwrap();
        assert_eq!(status(&test, id).await, "ambiguous");
        assert_eq!(test.queue.take(), []);
        assert_eq!(delivery.attempt(id, 1).await.unwrap(), None);
        test.clock.advance(Duration::from_hours(1));
        let now = test.store.ambient().now();
        let swept = test.store.release_claims(now, Vec::new()).await.unwrap();
        assert_eq!(swept, ReleasedClaims::default());
        assert_eq!(test.store.overdue_jobs(now, 10).await.unwrap(), []);
        // The provider knows the message by our identifier.
        let outbound = test
            .store
            .query("SELECT outbound_id FROM deliveries", [])
            .await
            .unwrap();
        let outbound: uuid::Uuid = outbound[0].get("outbound_id").unwrap();
        let receipt = ReceiptUpdate {
            provider_id: None,
            message: Some(doorstep_core::OutboundMessageId(outbound)),
            status: ReceiptStatus::Delivered,
            at: now,
        };
        let email = "email".into();
        assert!(
            test.store
                .settle_by_receipt(&email, &receipt)
                .await
                .unwrap()
        );
        assert!(
            !test
                .store
                .settle_by_receipt(&email, &receipt)
                .await
                .unwrap()
        );
        assert_eq!(status(&test, id).await, "sent");
    }
}

#[tokio::test]
async fn an_unknown_outcome_is_sent_again_where_that_has_one_effect() {
    for test in stores().await {
        let provider = Provider::new(true, [silent()]);
        let delivery = delivery(&test, &provider);
        let id = waiting(&test).await;
        delivery.attempt(id, 0).await.unwrap();
        assert_eq!(test.queue.take().len(), 1);
        delivery.attempt(id, 1).await.unwrap();
        assert_eq!(
            (provider.taken(), status(&test, id).await.as_str()),
            (1, "sent")
        );
    }
}

#[tokio::test]
async fn a_claim_of_a_worker_that_died_is_released_or_called_ambiguous() {
    for (idempotent, expected) in [(true, "pending"), (false, "ambiguous")] {
        for test in stores().await {
            let provider = Provider::new(idempotent, []);
            let delivery = delivery(&test, &provider);
            let id = waiting(&test).await;
            let claimed = test.store.claim_delivery(id, 0).await.unwrap().unwrap();
            let claimed_at = test.store.ambient().now();
            test.clock.advance(Duration::from_secs(60));
            let idempotent = delivery.idempotent_channels();
            let early = claimed_at - Duration::from_secs(1);
            let swept = test
                .store
                .release_claims(early, idempotent.clone())
                .await
                .unwrap();
            assert_eq!(swept, ReleasedClaims::default(), "the lease has not ended");
            test.store
                .release_claims(claimed_at, idempotent)
                .await
                .unwrap();
            assert_eq!(status(&test, id).await, expected);
            // The worker was only slow: what it knows still settles what is ambiguous, and nothing else.
            let late = Settlement::Sent {
                provider_id: "p1".to_owned(),
            };
            let counted = test.store.settle_delivery(&claimed, &late).await.unwrap();
            assert_eq!(counted, expected == "ambiguous");
        }
    }
}

#[tokio::test]
async fn a_delivery_whose_job_was_lost_is_found_by_the_sweep() {
    for test in stores().await {
        let id = waiting(&test).await;
        let due = test.store.ambient().now();
        test.clock.advance(Duration::from_secs(30));
        assert_eq!(test.store.oldest_due().await.unwrap(), Some(due));
        let jobs = test.store.overdue_jobs(due, 10).await.unwrap();
        let expected = Job::Deliver {
            delivery: id,
            channel: "email".into(),
            news: true,
            attempt: 0,
            not_before: due,
        };
        assert_eq!(jobs, [expected]);
    }
}
