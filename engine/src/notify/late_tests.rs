//! No moment to sell, and nothing that the chat just told, on real databases.

use std::time::Duration;

use chrono::NaiveDate;
use doorstep_core::{
    Timestamp,
    event::{CommerceEvent, CommerceEventKind},
    notification::Topic,
    order::{DateWindow, Order, OrderRef, OrderStatus},
    shipment::TrackingStatus,
};

use super::{Outcome, later_tests::ask_in_chat};
use crate::testing::{TestStore, order, stores, tracking};

const SELLING: &str =
    "rules:\n  - {on: delivered, template: shipped, topic: marketing, channels: [email]}\n";
const DAY: Duration = Duration::from_hours(24);

/// Why Ada is told of no offer when parcel `parcel` of her order 1002 arrives; `None`: she is told.
async fn kept_back(test: &TestStore, rules: &str, parcel: &str) -> Option<String> {
    let mut event = tracking(parcel, Some("1002"), parcel, TrackingStatus::Delivered);
    let now = test.store.ambient().now();
    event.occurred_at = now;
    if let CommerceEventKind::Tracking { event, .. } = &mut event.kind {
        event.occurred_at = now;
    }
    let event = test.happen(event).await;
    let found = test.store.find_order(&"1002".into()).await.unwrap();
    let ada = found.unwrap().customer.unwrap();
    let email = "email".into();
    let asked = test.store.preference(ada, Topic::Marketing, &email).await;
    if asked.unwrap().is_none() {
        test.wish(ada, Topic::Marketing, "email", true).await;
    }
    match test.notifier(rules).decide(event).await.unwrap() {
        Outcome::Decided(decided) => decided[0].held.clone(),
        outcome => panic!("{outcome:?}"),
    }
}

async fn ordered(test: &TestStore, change: impl FnOnce(&mut Order)) {
    let mut order = order("1001");
    change(&mut order);
    let now = test.store.ambient().now();
    let event = CommerceEvent {
        source: "test".into(),
        external_id: format!("1001 {now}"),
        occurred_at: now,
        kind: CommerceEventKind::OrderUpdated {
            order: Box::new(order),
        },
    };
    test.happen(event).await;
}

/// Parcel T1 of order 1001, of which the carrier says something now.
async fn scanned(test: &TestStore, status: TrackingStatus, estimated: Option<DateWindow>) {
    let now = test.store.ambient().now();
    let mut scan = tracking(&format!("T1 {now}"), Some("1001"), "T1", status);
    scan.occurred_at = now;
    if let CommerceEventKind::Tracking { event, .. } = &mut scan.kind {
        event.occurred_at = now;
        event.estimated = estimated;
    }
    test.happen(scan).await;
}

/// A day of November; it is the 21st.
fn day(day: u32) -> DateWindow {
    let day = NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
    DateWindow { from: day, to: day }
}

#[tokio::test]
async fn nothing_is_sold_while_a_parcel_is_past_its_promised_day() {
    for test in stores().await {
        ordered(&test, |order| order.promised = Some(day(21))).await;
        scanned(&test, TrackingStatus::InTransit, None).await;
        assert_eq!(kept_back(&test, SELLING, "T2").await, None);
        test.clock.advance(DAY);
        assert_eq!(
            kept_back(&test, SELLING, "T3").await.as_deref(),
            Some("not the moment to sell: order 1001 is past its promised day")
        );
        scanned(&test, TrackingStatus::Delivered, None).await;
        assert_eq!(kept_back(&test, SELLING, "T4").await, None, "it is there");
    }
}

#[tokio::test]
async fn nothing_is_sold_while_a_parcel_is_past_its_expected_days() {
    for test in stores().await {
        scanned(&test, TrackingStatus::InTransit, Some(day(22))).await;
        assert_eq!(kept_back(&test, SELLING, "T2").await, None);
        test.clock.advance(2 * DAY);
        assert_eq!(
            kept_back(&test, SELLING, "T3").await.as_deref(),
            Some("not the moment to sell: a parcel of order 1001 is past its expected days")
        );
        scanned(&test, TrackingStatus::ReadyForPickup, None).await;
        assert_eq!(kept_back(&test, SELLING, "T4").await, None);
    }
}

#[tokio::test]
async fn nothing_is_sold_while_nobody_knows_where_a_parcel_is() {
    let patient =
        format!("{SELLING}  - {{on: no_scan, after: 10d, template: late, channels: [email]}}\n");
    for test in stores().await {
        scanned(&test, TrackingStatus::InTransit, None).await;
        assert_eq!(kept_back(&test, SELLING, "T2").await, None);
        test.clock.advance(5 * DAY);
        assert_eq!(
            kept_back(&test, SELLING, "T3").await.as_deref(),
            Some("not the moment to sell: a parcel of order 1001 has no news")
        );
        assert_eq!(
            kept_back(&test, &patient, "T4").await,
            None,
            "as the rule says"
        );
        scanned(&test, TrackingStatus::InTransit, None).await;
        assert_eq!(kept_back(&test, SELLING, "T5").await, None);
    }
}

#[tokio::test]
async fn nothing_is_sold_while_an_order_is_not_handed_over() {
    for test in stores().await {
        let placed = test.store.ambient().now();
        ordered(&test, |order| {
            order.status = OrderStatus::Processing;
            order.placed_at = placed;
        })
        .await;
        scanned(&test, TrackingStatus::PreTransit, None).await;
        assert_eq!(kept_back(&test, SELLING, "T2").await, None);
        test.clock.advance(3 * DAY);
        assert_eq!(
            kept_back(&test, SELLING, "T3").await.as_deref(),
            Some("not the moment to sell: order 1001 is not handed over yet")
        );
        scanned(&test, TrackingStatus::InTransit, None).await;
        assert_eq!(kept_back(&test, SELLING, "T4").await, None);
    }
}

#[tokio::test]
async fn nothing_is_sold_while_a_label_is_never_scanned() {
    for test in stores().await {
        let placed = test.store.ambient().now();
        ordered(&test, |order| {
            order.status = OrderStatus::Shipped;
            order.placed_at = placed;
        })
        .await;
        test.clock.advance(3 * DAY);
        assert_eq!(
            kept_back(&test, SELLING, "T2").await,
            None,
            "no carrier told of it"
        );
        scanned(&test, TrackingStatus::PreTransit, None).await;
        assert_eq!(
            kept_back(&test, SELLING, "T3").await.as_deref(),
            Some("not the moment to sell: order 1001 is not handed over yet")
        );
        test.clock.advance(Duration::from_hours(1));
        scanned(&test, TrackingStatus::InTransit, None).await;
        assert_eq!(kept_back(&test, SELLING, "T4").await, None);
    }
}

#[tokio::test]
async fn a_refund_closes_what_was_late() {
    for test in stores().await {
        ordered(&test, |order| order.promised = Some(day(20))).await;
        scanned(&test, TrackingStatus::InTransit, None).await;
        assert!(kept_back(&test, SELLING, "T2").await.is_some());
        happened(&test, "r1", refund(), test.store.ambient().now()).await;
        assert_eq!(kept_back(&test, SELLING, "T3").await, None);
    }
}

#[tokio::test]
async fn a_return_that_comes_to_nothing_keeps_nothing_back() {
    let id = |id: &str| Some(id.to_owned());
    let order = || OrderRef::Number("1001".into());
    let requested = |which| CommerceEventKind::ReturnRequested {
        order: order(),
        id: id(which),
    };
    let ends = [
        CommerceEventKind::ReturnDeclined {
            order: order(),
            id: id("r1"),
        },
        CommerceEventKind::ReturnCancelled {
            order: order(),
            id: id("r1"),
        },
    ];
    for end in ends {
        for test in stores().await {
            let now = test.store.ambient().now();
            happened(&test, "e1", requested("r1"), now).await;
            let returned = Some("not the moment to sell: order 1001 is being returned");
            assert_eq!(kept_back(&test, SELLING, "T2").await.as_deref(), returned);
            happened(&test, "e2", end.clone(), now + Duration::from_mins(5)).await;
            assert_eq!(kept_back(&test, SELLING, "T3").await, None);
            // Another return of the order is another matter.
            happened(&test, "e3", requested("r2"), now).await;
            assert_eq!(kept_back(&test, SELLING, "T4").await.as_deref(), returned);
        }
    }
}

fn refund() -> CommerceEventKind {
    CommerceEventKind::RefundIssued {
        order: "1001".into(),
        amount: None,
        id: None,
    }
}

fn goods_back() -> CommerceEventKind {
    CommerceEventKind::ReturnReceived {
        order: "1001".into(),
        id: None,
    }
}

/// What became of news of order 1001.
async fn happened(test: &TestStore, id: &str, kind: CommerceEventKind, at: Timestamp) -> Outcome {
    let rules = "rules:
  - {on: refund_issued, template: plain, channels: [email]}
  - {on: return_received, template: plain, channels: [email]}
  - {on: return_requested, template: plain, channels: [email]}
";
    let event = CommerceEvent {
        source: "test".into(),
        external_id: id.to_owned(),
        occurred_at: at,
        kind,
    };
    let event = test.happen(event).await;
    test.notifier(rules).decide(event).await.unwrap()
}

fn held(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Decided(decided) => decided[0].held.as_deref(),
        outcome => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn refunds_and_returns_that_the_chat_just_told_are_not_told_again() {
    for test in stores().await {
        ordered(&test, |order| order.status = OrderStatus::Refunded).await;
        let now = test.store.ambient().now();
        ask_in_chat(&test, "order:1001:refunded", now).await;
        let told = Some("just told in the chat");
        let refunded = happened(&test, "r1", refund(), now).await;
        assert_eq!(held(&refunded), told);
        let returned = happened(&test, "r2", goods_back(), now).await;
        assert_eq!(
            held(&returned),
            told,
            "who has the money knows of the goods"
        );
        // Another refund after the answer is news, and so is the same some time later.
        let later = now + Duration::from_mins(1);
        let another = happened(&test, "r3", refund(), later).await;
        assert_eq!(held(&another), None);
        test.clock.advance(Duration::from_mins(16));
        let again = happened(&test, "r4", refund(), now).await;
        assert_eq!(held(&again), None);
    }
}

#[tokio::test]
async fn a_return_that_the_chat_just_told_of_is_not_told_again() {
    let wish = || CommerceEventKind::ReturnRequested {
        order: "1001".into(),
        id: None,
    };
    for test in stores().await {
        ordered(&test, |order| order.status = OrderStatus::Returned).await;
        let now = test.store.ambient().now();
        let before = happened(&test, "r1", wish(), now).await;
        assert_eq!(held(&before), None);
        ask_in_chat(&test, "order:1001:returned", now).await;
        let after = happened(&test, "r2", wish(), now).await;
        assert_eq!(held(&after), Some("just told in the chat"));
    }
}
