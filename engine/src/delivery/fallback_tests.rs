//! What does not arrive on one channel is told on the next, once.

use std::{sync::Arc, time::Duration};

use doorstep_core::{
    DeliveryId, OutboundMessageId,
    channel::{Channel, ReceiptStatus, ReceiptUpdate, SendError},
    customer::Proof,
    message::Address,
    shipment::TrackingStatus,
};

use super::{Delivery, DeliveryConfig, tests::Provider};
use crate::{
    queue::Job,
    store::FallenBack,
    testing::{TestStore, stores, tracking},
};

const RULES: &str = "rules:
  - {on: in_transit, template: shipped, channels: [whatsapp, email], send: first, fallback_after: 30m}
";

struct Scene {
    rules: &'static str,
    test: TestStore,
    whatsapp: Arc<Provider>,
    email: Arc<Provider>,
    delivery: Delivery,
    /// To WhatsApp.
    first: DeliveryId,
}

/// Ada has WhatsApp, and her parcel is on its way.
async fn scenes(answers: impl Fn() -> Vec<SendError>) -> Vec<Scene> {
    scenes_by(RULES, answers).await
}

async fn scenes_by(rules: &'static str, answers: impl Fn() -> Vec<SendError>) -> Vec<Scene> {
    let mut scenes = Vec::new();
    for test in stores().await {
        let proof = Proof {
            customer: Some("C-1".into()),
            email: None,
            name: None,
        };
        let number = Address::new("whatsapp", "+34600000000");
        test.store.prove(&number, &proof, None).await.unwrap();
        let event = test
            .happen(tracking(
                "e1",
                Some("1001"),
                "T1",
                TrackingStatus::InTransit,
            ))
            .await;
        test.notifier(rules).decide(event).await.unwrap();
        let whatsapp = Provider::named("whatsapp", false, answers());
        let email = Provider::new(false, []);
        let channels: [Arc<dyn Channel>; 2] = [whatsapp.clone(), email.clone()];
        let delivery = Delivery::new(test.store.clone(), channels, DeliveryConfig::default());
        let (deliveries, fallbacks) = jobs(&test);
        assert_eq!((deliveries.len(), fallbacks.len()), (1, 1));
        let first = deliveries[0];
        delivery.attempt(first, 0).await.unwrap();
        scenes.push(Scene {
            rules,
            test,
            whatsapp,
            email,
            delivery,
            first,
        });
    }
    scenes
}

/// Deliveries and fallbacks that were enqueued since the last call.
fn jobs(test: &TestStore) -> (Vec<DeliveryId>, Vec<DeliveryId>) {
    let (mut deliveries, mut fallbacks) = (Vec::new(), Vec::new());
    for job in test.queue.take() {
        match job {
            Job::Deliver { delivery, .. } => deliveries.push(delivery),
            Job::FallBack { delivery, .. } => fallbacks.push(delivery),
            _ => {}
        }
    }
    (deliveries, fallbacks)
}

impl Scene {
    async fn fall_back(&self) -> Option<FallenBack> {
        let notifier = self.test.notifier(self.rules);
        let outcome = notifier.fall_back(self.first).await.unwrap();
        for delivery in jobs(&self.test).0 {
            self.delivery.attempt(delivery, 0).await.unwrap();
        }
        outcome
    }

    async fn receive(&self, status: ReceiptStatus) {
        let sql = "SELECT outbound_id FROM deliveries WHERE channel = 'whatsapp'";
        let rows = self.test.store.query(sql, []).await.unwrap();
        let receipt = ReceiptUpdate {
            provider_id: None,
            message: Some(OutboundMessageId(rows[0].get("outbound_id").unwrap())),
            status,
            at: self.test.store.ambient().now(),
        };
        let channel = "whatsapp".into();
        let settled = self.test.store.settle_by_receipt(&channel, &receipt).await;
        settled.unwrap();
    }

    fn taken(&self) -> (usize, usize) {
        (self.whatsapp.taken(), self.email.taken())
    }
}

fn gone() -> Vec<SendError> {
    vec![SendError::Gone {
        reason: "no such number".to_owned(),
    }]
}

fn silent() -> Vec<SendError> {
    vec![SendError::Ambiguous {
        reason: "no answer".to_owned(),
    }]
}

#[tokio::test]
async fn what_fails_is_told_on_the_next_channel_at_once_and_once() {
    for scene in scenes(gone).await {
        assert_eq!(
            jobs(&scene.test).1,
            [scene.first],
            "the failure makes it due"
        );
        assert!(matches!(scene.fall_back().await, Some(FallenBack::Told(_))));
        assert_eq!(scene.fall_back().await, None);
        assert_eq!(scene.taken(), (0, 1));
        let sql = "SELECT reason FROM notifications";
        let rows = scene.test.store.query(sql, []).await.unwrap();
        assert_eq!(
            rows[0].get::<String>("reason").unwrap(),
            "told at 1 addresses; did not arrive on whatsapp, told on email"
        );
    }
}

#[tokio::test]
async fn what_is_not_delivered_in_time_is_told_on_the_next_channel() {
    for scene in scenes(Vec::new).await {
        assert_eq!(scene.fall_back().await, None, "there is time yet");
        scene.test.clock.advance(Duration::from_mins(30));
        let now = scene.test.store.ambient().now();
        let found = scene.test.store.overdue_jobs(now, 10).await.unwrap();
        assert!(
            found.iter().any(
                |job| matches!(job, Job::FallBack { delivery, .. } if *delivery == scene.first)
            )
        );
        assert!(matches!(scene.fall_back().await, Some(FallenBack::Told(_))));
        assert_eq!(scene.taken(), (1, 1));
        // A receipt that comes late changes nothing.
        scene.receive(ReceiptStatus::Delivered).await;
        assert_eq!(scene.fall_back().await, None);
        assert_eq!(scene.taken(), (1, 1));
    }
}

#[tokio::test]
async fn what_arrived_is_told_nowhere_else() {
    for status in [ReceiptStatus::Delivered, ReceiptStatus::Read] {
        for scene in scenes(Vec::new).await {
            scene.receive(status.clone()).await;
            scene.test.clock.advance(Duration::from_mins(31));
            assert_eq!(scene.fall_back().await, None);
            assert_eq!(scene.taken(), (1, 0));
        }
    }
}

/// It may lie there unread.
const UNLESS_READ: &str = "rules:
  - {on: in_transit, template: shipped, channels: [whatsapp, email], send: first, fallback_after: 30m, unless: read}
";

#[tokio::test]
async fn what_arrived_and_is_not_read_in_time_is_told_on_the_next_channel_where_the_rule_says_so() {
    for scene in scenes_by(UNLESS_READ, Vec::new).await {
        scene.receive(ReceiptStatus::Delivered).await;
        assert_eq!(scene.fall_back().await, None, "there is time yet");
        scene.test.clock.advance(Duration::from_mins(30));
        assert!(matches!(scene.fall_back().await, Some(FallenBack::Told(_))));
        assert_eq!(scene.taken(), (1, 1));
        let sql = "SELECT reason FROM notifications";
        let rows = scene.test.store.query(sql, []).await.unwrap();
        assert_eq!(
            rows[0].get::<String>("reason").unwrap(),
            "told at 1 addresses; was not read on whatsapp, told on email"
        );
    }
    for scene in scenes_by(UNLESS_READ, Vec::new).await {
        scene.receive(ReceiptStatus::Delivered).await;
        scene.receive(ReceiptStatus::Read).await;
        scene.test.clock.advance(Duration::from_mins(31));
        assert_eq!(scene.fall_back().await, None);
        assert_eq!(scene.taken(), (1, 0));
    }
}

#[tokio::test]
async fn an_unknown_outcome_waits_for_its_receipt_until_the_time_is_up() {
    for scene in scenes(silent).await {
        assert_eq!(scene.fall_back().await, None);
        scene.test.clock.advance(Duration::from_mins(31));
        assert!(matches!(scene.fall_back().await, Some(FallenBack::Told(_))));
        assert_eq!(scene.taken(), (0, 1));
    }
    for scene in scenes(silent).await {
        let failed = ReceiptStatus::Failed {
            reason: "131026".to_owned(),
            gone: false,
        };
        scene.receive(failed).await;
        assert!(matches!(scene.fall_back().await, Some(FallenBack::Told(_))));
        assert_eq!(scene.taken(), (0, 1));
    }
}

#[tokio::test]
async fn history_is_told_on_no_other_channel() {
    for scene in scenes(gone).await {
        let delivered = tracking("e2", Some("1001"), "T1", TrackingStatus::Delivered);
        scene.test.happen(delivered).await;
        scene.fall_back().await;
        assert_eq!(scene.taken(), (0, 0));
    }
}
