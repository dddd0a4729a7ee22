//! What customers want to hear: where they say it, and what they told the shop, on real databases.

use std::time::Duration;

use doorstep_core::{
    CustomerId, Timestamp,
    customer::MarketingConsent,
    event::{CommerceEvent, CommerceEventKind},
    message::Content,
    notification::Topic,
    shipment::TrackingStatus,
};

use super::Outcome;
use crate::{
    page_token::{PageKey, PageLinks},
    store::Preference,
    testing::{TestStore, order, stores, tracking},
};

const TWO_TOPICS: &str = "rules:
  - {on: in_transit, template: wishes, channels: [email]}
  - {on: delivered, template: plain, topic: marketing, channels: [email]}
";

/// What is told of a parcel, in full.
async fn hear(test: &TestStore, id: &str, status: TrackingStatus) -> Vec<Content> {
    let links = PageLinks::new(
        "https://shop.example".to_owned(),
        PageKey::new("key".into()),
    );
    let notifier = test.notifier(TWO_TOPICS).with_pages(links);
    let event = test.happen(tracking(id, Some("1001"), "T1", status)).await;
    let outcome = notifier.decide(event).await.unwrap();
    assert!(matches!(outcome, Outcome::Decided(_)), "{outcome:?}");
    let explained = test.store.explain_event(event).await.unwrap();
    let messages = explained.into_iter().flat_map(|one| one.messages);
    messages.map(|message| message.content).collect()
}

#[tokio::test]
async fn every_mail_says_where_such_messages_are_stopped() {
    for test in stores().await {
        let told = hear(&test, "e1", TrackingStatus::InTransit).await;
        let stop = told[0].unsubscribe.as_deref().unwrap();
        assert!(stop.starts_with("https://shop.example/preferences/"));
        assert!(stop.ends_with("?topic=order"), "{stop}");
        assert_eq!(told[0].text, format!("Choose: {stop}"));

        let ada = ada(&test).await;
        test.wish(ada, Topic::Marketing, "email", true).await;
        let sold = hear(&test, "e2", TrackingStatus::Delivered).await;
        let stop = sold[0].unsubscribe.as_deref().unwrap();
        assert!(!stop.contains("topic"), "offers alone: {stop}");
    }
}

async fn ada(test: &TestStore) -> CustomerId {
    let order = test.store.find_order(&"1001".into()).await.unwrap();
    order.unwrap().customer.unwrap()
}

/// The shop tells of an order of Ada's, changed at `at`, and of what she told it.
async fn tell_order(test: &TestStore, number: &str, at: &str, granted: bool, said: &str) {
    let mut order = order(number);
    order.customer.marketing = Some(MarketingConsent {
        granted,
        at: time(said),
    });
    let event = CommerceEvent {
        source: "test".into(),
        external_id: format!("{number} {at}"),
        occurred_at: time(at),
        kind: CommerceEventKind::OrderUpdated {
            order: Box::new(order),
        },
    };
    test.happen(event).await;
}

fn time(text: &str) -> Timestamp {
    format!("2026-11-{text}:00Z").parse().unwrap()
}

async fn agrees(test: &TestStore) -> Option<bool> {
    let email = "email".into();
    let ada = ada(test).await;
    let agrees = test.store.preference(ada, Topic::Marketing, &email).await;
    agrees.unwrap()
}

#[tokio::test]
async fn what_was_agreed_to_at_the_checkout_holds_until_the_customer_says_otherwise() {
    for test in stores().await {
        tell_order(&test, "1001", "18T09:00", true, "18T09:00").await;
        assert_eq!(agrees(&test).await, Some(true));
        let sold = hear(&test, "e1", TrackingStatus::Delivered).await;
        assert_eq!(sold.len(), 1, "so she is told of offers");

        let no = Preference {
            topic: Topic::Marketing,
            channel: "email".into(),
            allowed: false,
        };
        let ada = ada(&test).await;
        let known = test.store.set_preferences(ada, vec![no], "preference page");
        assert!(known.await.unwrap());
        test.clock.advance(Duration::from_hours(1));
        tell_order(&test, "1001", "21T10:30", true, "18T09:00").await;
        assert_eq!(agrees(&test).await, Some(false), "that was before");

        tell_order(&test, "1002", "22T09:00", true, "22T09:00").await;
        assert_eq!(agrees(&test).await, Some(true), "she agreed anew");
        tell_order(&test, "1003", "20T09:00", false, "20T09:00").await;
        assert_eq!(agrees(&test).await, Some(true), "told late");

        let rows = test
            .store
            .query("SELECT granted, how FROM consents ORDER BY at", [])
            .await
            .unwrap();
        let history: Vec<(bool, String)> = rows
            .iter()
            .map(|row| (row.get("granted").unwrap(), row.get("how").unwrap()))
            .collect();
        let expected = [
            (true, "order 1001 at the shop for email"),
            (false, "preference page for email"),
            (true, "order 1002 at the shop for email"),
        ];
        assert_eq!(
            history,
            expected.map(|(granted, how)| (granted, how.to_owned()))
        );
    }
}

#[tokio::test]
async fn consents_lead_to_the_same_end_in_every_order() {
    let said = [
        ("1001", true, "18T09:00"),
        ("1002", false, "19T09:00"),
        ("1003", true, "19T09:00"),
    ];
    for turn in 0..said.len() {
        for test in stores().await {
            let mut said = said;
            said.rotate_left(turn);
            for (number, granted, at) in said {
                tell_order(&test, number, at, granted, at).await;
            }
            assert_eq!(agrees(&test).await, Some(false), "turn {turn}");
        }
    }
}
