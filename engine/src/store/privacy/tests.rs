//! A person asks for their data, and has them erased.

use doorstep_core::{
    event::{CommerceEvent, CommerceEventKind, DataSubject},
    message::{Address, InboundMessage},
    order::OrderRef,
    shipment::TrackingStatus,
};

use crate::{
    enrich::Enriched,
    queue::Job,
    store::Column,
    testing::{TestStore, order, stores, tell_shipped, tracking},
};

const TRACES: [&str; 3] = ["ada@example.org", "Ada Lovelace", "LS6 3HN"];
/// Where her device is.
const ZONE: &str = "Pacific/Chatham";

fn event(id: &str, kind: CommerceEventKind) -> CommerceEvent {
    CommerceEvent {
        source: "shopify".into(),
        external_id: id.to_owned(),
        occurred_at: "2026-11-20T12:00:00Z".parse().unwrap(),
        kind,
    }
}

fn ada() -> DataSubject {
    DataSubject {
        shop_id: Some("C-1".into()),
        email: Some("ada@example.org".to_owned()),
        phone: None,
        orders: vec![OrderRef::shop_id("77")],
    }
}

async fn take(test: &TestStore, event: CommerceEvent) -> doorstep_core::CommerceEventId {
    let raw = serde_json::to_vec(&event).unwrap();
    let source = event.source.clone();
    let admitted = test.store.admit_events(&source, &raw, vec![event]).await;
    let id = admitted.unwrap()[0].id;
    let enriched = test.enricher().enrich(id).await.unwrap();
    assert_eq!(enriched, Enriched::Committed);
    id
}

/// Ada ordered, was told that it is on its way, and the carrier left a word at her door.
async fn history(test: &TestStore) {
    let mut order = order("1001");
    order.shop_id = Some("77".into());
    let order = Box::new(order);
    take(test, event("e1", CommerceEventKind::OrderUpdated { order })).await;
    tell_shipped(test, "e2", "1001").await;
    let mut scan = tracking("e3", None, "T1", TrackingStatus::Delivered);
    if let CommerceEventKind::Tracking { event, .. } = &mut scan.kind {
        event.message = Some("Signed by Ada Lovelace".to_owned());
    }
    take(test, scan).await;
}

/// Every text column of every table that may hold something of a person.
async fn all_text(test: &TestStore) -> String {
    let mut all = String::new();
    for (table, columns) in [
        ("customers", &["shop_id", "name", "email"][..]),
        ("identities", &["address"]),
        (
            "conversations",
            &["address", "state", "closed_reason", "time_zone"],
        ),
        ("outbound_messages", &["content"]),
        ("deliveries", &["address", "reason", "provider_id"]),
        ("notifications", &["reason"]),
        ("orders", &["body"]),
        ("tracking_events", &["message", "location"]),
        ("commerce_events", &["parsed"]),
        ("audit", &["subject", "detail"]),
    ] {
        for column in columns {
            all += &column_text::<Option<String>>(test, table, column).await;
        }
    }
    let ids = test.store.query("SELECT id FROM commerce_events", []).await;
    for row in ids.unwrap() {
        let id = doorstep_core::CommerceEventId(row.get("id").unwrap());
        let raw = test.store.raw_event(id).await.unwrap().unwrap();
        all += &String::from_utf8_lossy(&raw);
    }
    all
}

async fn column_text<T: Column + std::fmt::Debug>(
    test: &TestStore,
    table: &str,
    column: &str,
) -> String {
    let sql = format!("SELECT {column} FROM {table}");
    let rows = test.store.query(&sql, []).await.unwrap();
    rows.iter()
        .map(|row| format!("{:?}\n", row.get::<T>(column).unwrap()))
        .collect()
}

#[tokio::test]
async fn nothing_of_an_erased_customer_is_left() {
    for test in stores().await {
        history(&test).await;
        let thanks = InboundMessage {
            time_zone: ZONE.parse().ok(),
            ..InboundMessage::text(
                Address::new("email", "ada@example.org"),
                "m1",
                "Thank you",
                "2026-11-20T12:00:00Z".parse().unwrap(),
            )
        };
        let admitted = test.store.admit_message(thanks, Vec::new()).await;
        admitted.unwrap();
        let before = all_text(&test).await;
        for trace in TRACES.iter().chain(&[ZONE]) {
            assert!(before.contains(trace), "{trace} was never there");
        }
        let wish = CommerceEventKind::CustomerRedacted { person: ada() };
        let id = take(&test, event("e4", wish)).await;
        let after = all_text(&test).await;
        for trace in TRACES.iter().chain(&["C-1", ZONE]) {
            assert!(!after.contains(trace), "{trace} is left: {after}");
        }
        let order = test.store.find_order(&"1001".into()).await.unwrap();
        let order = order.unwrap();
        assert_eq!(order.customer, None);
        assert_eq!(order.order.lines.len(), 1, "what was sold stays");
        let stored = test.store.load_event(id).await.unwrap().unwrap();
        assert!(stored.notified_at.is_some(), "nobody hears of it");
        let records = test.store.privacy_records().await.unwrap();
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].action, "erase_customer");
        assert_eq!(records[0].actor, "source:shopify");
        assert!(
            records[0].detail.contains("\"orders\":1"),
            "{}",
            records[0].detail
        );
    }
}

#[tokio::test]
async fn no_byte_of_an_erased_customer_is_left_in_the_file() {
    let test = crate::testing::sqlite_store().await;
    history(&test).await;
    let wish = CommerceEventKind::CustomerRedacted { person: ada() };
    take(&test, event("e4", wish)).await;
    let files = test.store.query("PRAGMA database_list", []).await.unwrap();
    let file: String = files[0].get("file").unwrap();
    // Moves the log into the database.
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let bytes = std::fs::read(&file).unwrap();
    for trace in TRACES {
        let found = bytes
            .windows(trace.len())
            .any(|window| window == trace.as_bytes());
        assert!(!found, "{trace} is in the file");
    }
}

#[tokio::test]
async fn who_comes_back_after_being_erased_is_a_new_customer() {
    for test in stores().await {
        history(&test).await;
        let wish = CommerceEventKind::CustomerRedacted { person: ada() };
        take(&test, event("e4", wish)).await;
        let order = Box::new(order("1002"));
        take(
            &test,
            event("e5", CommerceEventKind::OrderUpdated { order }),
        )
        .await;
        let kept = test.store.find_order(&"1002".into()).await.unwrap();
        assert!(kept.unwrap().customer.is_some());
    }
}

#[tokio::test]
async fn other_customers_keep_their_data() {
    for test in stores().await {
        let mut other = order("2001");
        other.customer.id = Some("C-2".into());
        other.customer.email = Some("grace@example.org".to_owned());
        let order = Box::new(other);
        take(
            &test,
            event("g1", CommerceEventKind::OrderUpdated { order }),
        )
        .await;
        history(&test).await;
        let wish = CommerceEventKind::CustomerRedacted { person: ada() };
        take(&test, event("e4", wish)).await;
        let kept = test
            .store
            .find_order(&"2001".into())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            kept.order.customer.email.as_deref(),
            Some("grace@example.org")
        );
        let customer = test.store.find_customer(kept.customer.unwrap()).await;
        assert_eq!(
            customer.unwrap().unwrap().name.as_deref(),
            Some("Ada Lovelace")
        );
    }
}

#[tokio::test]
async fn a_request_for_a_copy_is_an_entry_that_a_person_sees() {
    for test in stores().await {
        history(&test).await;
        let wish = CommerceEventKind::CustomerDataRequested { person: ada() };
        take(&test, event("e4", wish)).await;
        let records = test.store.privacy_records().await.unwrap();
        assert_eq!(records[0].action, "request_customer_data");
        assert_eq!(records[0].subject, "C-1");
        assert!(
            records[0].detail.contains("\"1001\""),
            "{}",
            records[0].detail
        );
    }
}

#[tokio::test]
async fn a_shop_that_leaves_takes_everybody_along() {
    for test in stores().await {
        history(&test).await;
        take(&test, event("e4", CommerceEventKind::ShopRedacted)).await;
        let after = all_text(&test).await;
        for trace in TRACES {
            assert!(!after.contains(trace), "{trace} is left: {after}");
        }
    }
}

/// What Ada is still to be told when she has herself erased: one piece of news waits for others of its order, one for the
/// morning, and one for a receipt that may not come.
#[tokio::test]
async fn news_that_waits_is_not_told_to_an_erased_customer() {
    let rules = "limits:
  quiet_hours: {from: \"09:00\", until: \"12:00\"}
rules:
  - {on: in_transit, template: shipped, channels: [email], digest: 3h}
  - {on: delayed, template: shipped, channels: [email], name: late}
  - {on: lost, template: shipped, channels: [whatsapp, email], send: first, fallback_after: 1h, urgent: true, name: lost}
";
    for test in stores().await {
        let placed = Box::new(order("1001"));
        let placed = take(
            &test,
            event("e0", CommerceEventKind::OrderUpdated { order: placed }),
        )
        .await;
        test.notifier(rules).decide(placed).await.unwrap();
        let phone = doorstep_core::message::Address::new("whatsapp", "447700900123");
        let proof = doorstep_core::customer::Proof {
            customer: Some("C-1".into()),
            email: None,
            name: None,
        };
        test.store.prove(&phone, &proof, None).await.unwrap();
        let notifier = test.notifier(rules);
        for (id, parcel, status) in [
            ("e1", "T1", TrackingStatus::InTransit),
            ("e2", "T2", TrackingStatus::InTransit),
            ("e3", "T3", TrackingStatus::Delayed),
            ("e4", "T4", TrackingStatus::Lost),
        ] {
            let happened = take(&test, tracking(id, Some("1001"), parcel, status)).await;
            notifier.decide(happened).await.unwrap();
        }
        let jobs = test.queue.take();
        let waits = jobs
            .iter()
            .filter(|job| matches!(job, Job::NotifyDue { .. }));
        assert_eq!(waits.count(), 2, "two wait, one of them for two parcels");
        let told = test.told().await.len();
        assert_eq!(told, 1, "the lost parcel, on the phone");

        let wish = CommerceEventKind::CustomerRedacted { person: ada() };
        take(&test, event("e5", wish)).await;
        test.clock.advance(std::time::Duration::from_hours(48));
        for job in &jobs {
            match job {
                Job::NotifyDue { notification, .. } => {
                    let outcome = notifier.decide_due(*notification).await.unwrap();
                    assert_eq!(outcome, crate::notify::Outcome::Before);
                }
                Job::FallBack { delivery, .. } => {
                    assert_eq!(notifier.fall_back(*delivery).await.unwrap(), None);
                }
                Job::Deliver { delivery, .. } => {
                    let claimed = test.store.claim_delivery(*delivery, 0).await.unwrap();
                    assert_eq!(claimed, None);
                }
                _ => {}
            }
        }
        assert_eq!(test.told().await.len(), told);
        let now = test.store.ambient().now();
        let found = test.store.overdue_jobs(now, 100).await.unwrap();
        assert_eq!(found, [], "the sweep finds nothing to tell either");
        let left = all_text(&test).await;
        for trace in ["447700900123", "Europe/London"] {
            assert!(!left.contains(trace), "{trace} is left: {left}");
        }
    }
}
