//! What is one piece of news and what is two, on real databases: told once whoever tells it, and not less often.

use doorstep_core::{
    Money, Timestamp,
    event::{CommerceEvent, CommerceEventKind},
    shipment::TrackingStatus::{
        self, Damaged, Delayed, DeliveryAttempt, Exception, InTransit, Lost, OutForDelivery,
        PreTransit,
    },
};
use sea_orm::ConnectionTrait;

use super::Outcome;
use crate::testing::{TestStore, stores, tracking};

/// As the rules we ship do, several events have the same words.
const RULES: &str = "rules:
  - {on: pre_transit, template: shipped, channels: [email]}
  - {on: fulfilled, template: shipped, channels: [email]}
  - {on: in_transit, template: shipped, channels: [email]}
  - {on: out_for_delivery, template: plain, channels: [email]}
  - {on: delivery_attempt, template: plain, channels: [email]}
  - {on: delayed, template: late, channels: [email]}
  - {on: exception, template: late, channels: [email]}
  - {on: damaged, template: late, channels: [email]}
  - {on: lost, template: late, channels: [email]}
  - {on: return_requested, template: plain, channels: [email], once_per: order}
  - {on: return_received, template: plain, channels: [email], once_per: order}
  - {on: refund_issued, template: plain, channels: [email], once_per: order}
";

/// What a source says of parcel T1 at a time of November.
fn scan(id: &str, status: TrackingStatus, time: &str) -> CommerceEvent {
    let mut scan = tracking(id, Some("1001"), "T1", status);
    scan.occurred_at = on(time);
    if let CommerceEventKind::Tracking { event, .. } = &mut scan.kind {
        event.occurred_at = scan.occurred_at;
    }
    scan
}

fn on(time: &str) -> Timestamp {
    format!("2026-11-{time}:00Z").parse().unwrap()
}

fn shop(id: &str, kind: CommerceEventKind) -> CommerceEvent {
    CommerceEvent {
        kind,
        ..scan(id, InTransit, "20T10:00")
    }
}

fn refund(event: &str, refund: Option<&str>, cents: i64) -> CommerceEvent {
    let kind = CommerceEventKind::RefundIssued {
        order: "1001".into(),
        amount: Some(Money::new(cents, iso_currency::Currency::EUR)),
        id: refund.map(str::to_owned),
    };
    shop(event, kind)
}

/// What is said of each event: `told`, or why not.
async fn hear(test: &TestStore, events: Vec<CommerceEvent>) -> Vec<String> {
    hear_by(test, RULES, events).await
}

async fn hear_by(test: &TestStore, rules: &str, events: Vec<CommerceEvent>) -> Vec<String> {
    let notifier = test.notifier(rules);
    let mut heard = Vec::new();
    for event in events {
        let event = test.happen(event).await;
        let Outcome::Decided(decided) = notifier.decide(event).await.unwrap() else {
            panic!("it is decided")
        };
        let held = decided[0].held.clone();
        heard.push(held.unwrap_or_else(|| "told".to_owned()));
    }
    heard
}

#[tokio::test]
async fn a_parcel_with_a_problem_that_is_then_lost_is_told_both() {
    for test in stores().await {
        let events = vec![
            scan("e1", Exception, "20T10:00"),
            scan("e2", Exception, "20T11:00"),
            scan("e3", Damaged, "20T12:00"),
            scan("e4", Lost, "20T13:00"),
            scan("e5", Lost, "20T14:00"),
        ];
        let expected = ["told", "told before", "told", "told", "told before"];
        assert_eq!(hear(&test, events).await, expected);
    }
}

#[tokio::test]
async fn a_problem_that_is_heard_of_after_the_loss_is_history() {
    for test in stores().await {
        let events = vec![
            scan("e1", Lost, "20T13:00"),
            scan("e2", Exception, "20T10:00"),
        ];
        let expected = ["told", "history: the parcel is already lost"];
        assert_eq!(hear(&test, events).await, expected);
    }
}

#[tokio::test]
async fn every_day_on_which_nobody_was_there_is_told_once() {
    for test in stores().await {
        let events = vec![
            scan("e1", OutForDelivery, "20T08:00"),
            scan("e2", DeliveryAttempt, "20T10:00"),
            // The aggregator says it too, as it happened and as it heard of it.
            scan("e3", DeliveryAttempt, "20T10:00"),
            scan("e4", DeliveryAttempt, "20T16:30"),
            scan("e5", OutForDelivery, "21T08:00"),
            scan("e6", DeliveryAttempt, "21T10:00"),
            scan("e7", OutForDelivery, "21T07:59"),
        ];
        let expected = [
            "told",
            "told",
            "told before",
            "told before",
            "told",
            "told",
            "history: the parcel is already delivery_attempt",
        ];
        assert_eq!(hear(&test, events).await, expected);
    }
}

#[tokio::test]
async fn yesterdays_attempt_that_is_heard_of_today_is_history() {
    for test in stores().await {
        let events = vec![
            scan("e1", DeliveryAttempt, "21T10:00"),
            scan("e2", DeliveryAttempt, "20T10:00"),
        ];
        let expected = ["told", "history: it happened again since"];
        assert_eq!(hear(&test, events).await, expected);
    }
}

#[tokio::test]
async fn a_parcel_that_goes_on_after_a_delay_is_not_shipped_again() {
    for test in stores().await {
        let packed = {
            let label = scan("e2", PreTransit, "17T09:00");
            let CommerceEventKind::Tracking { event, .. } = label.kind.clone() else {
                unreachable!("it is a scan")
            };
            let kind = CommerceEventKind::Fulfilled {
                order: "1001".into(),
                carrier: None,
                tracking_number: Some("T1".into()),
                event,
            };
            CommerceEvent { kind, ..label }
        };
        let events = vec![
            scan("e1", PreTransit, "17T09:00"),
            packed,
            scan("e3", InTransit, "20T08:00"),
            scan("e4", Delayed, "20T09:00"),
            scan("e5", InTransit, "20T10:00"),
            scan("e6", Delayed, "20T11:00"),
        ];
        let expected = [
            "told",
            "told before",
            "told",
            "told",
            "told before",
            "told before",
        ];
        assert_eq!(hear(&test, events).await, expected);
    }
}

#[tokio::test]
async fn every_refund_of_an_order_is_told_once() {
    for test in stores().await {
        let events = vec![
            refund("e1", Some("R1"), 1_000),
            refund("e2", Some("R2"), 1_000),
            // The shop's platform and its bookkeeping tell of the same.
            refund("e3", Some("R2"), 1_000),
            refund("e4", None, 500),
            refund("e5", None, 500),
        ];
        let expected = ["told", "told", "told before", "told", "told"];
        assert_eq!(hear(&test, events).await, expected);
    }
}

#[tokio::test]
async fn every_return_of_an_order_is_told_once_from_the_wish_to_the_end() {
    for test in stores().await {
        let order = || "1001".into();
        let requested = |event: &str, id: &str| {
            let id = Some(id.to_owned());
            shop(
                event,
                CommerceEventKind::ReturnRequested { order: order(), id },
            )
        };
        let received = |event: &str, id: &str| {
            let id = Some(id.to_owned());
            shop(
                event,
                CommerceEventKind::ReturnReceived { order: order(), id },
            )
        };
        let events = vec![
            requested("e1", "first"),
            // Granted: the same return.
            requested("e2", "first"),
            received("e3", "first"),
            requested("e4", "second"),
            received("e5", "second"),
            received("e6", "second"),
        ];
        let expected = ["told", "told before", "told", "told", "told", "told before"];
        assert_eq!(hear(&test, events).await, expected);
    }
}

#[tokio::test]
async fn what_was_told_by_the_version_before_is_not_told_again() {
    for test in stores().await {
        let told = scan("e1", InTransit, "20T10:00");
        hear(&test, vec![told, scan("e2", Exception, "20T11:00")]).await;
        let database = test.store.database();
        for sql in [
            // As that version named it.
            "UPDATE notifications SET dedupe_key = template || ':parcel:T1'",
            "ALTER TABLE deliveries DROP COLUMN fallback_until_read",
            "DELETE FROM seaql_migrations WHERE version = 'm0013_news'",
        ] {
            database.pool.execute_unprepared(sql).await.unwrap();
        }
        database.migrate().await.unwrap();
        let events = vec![
            scan("e3", Exception, "20T12:00"),
            scan("e4", Lost, "20T13:00"),
        ];
        assert_eq!(hear(&test, events).await, ["told before", "told"]);
    }
}

#[tokio::test]
async fn a_template_that_gets_another_name_tells_nobody_again() {
    let shipped = "{on: in_transit, template: shipped,";
    assert!(RULES.contains(shipped));
    let renamed = RULES.replace(shipped, "{on: in_transit, template: wishes,");
    for test in stores().await {
        let told = hear(&test, vec![scan("e1", InTransit, "20T10:00")]).await;
        assert_eq!(told, ["told"]);
        let again = vec![scan("e2", InTransit, "20T11:00")];
        assert_eq!(hear_by(&test, &renamed, again).await, ["told before"]);
    }
}

#[tokio::test]
async fn what_was_told_by_its_templates_name_is_not_told_again() {
    for test in stores().await {
        let told = hear(&test, vec![scan("e1", InTransit, "20T10:00")]).await;
        assert_eq!(told, ["told"]);
        let sql = "UPDATE notifications SET dedupe_key = 'shipped:in_transit:parcel:T1'";
        let database = test.store.database();
        database.pool.execute_unprepared(sql).await.unwrap();
        let again = vec![scan("e2", InTransit, "20T11:00")];
        assert_eq!(hear(&test, again).await, ["told before"]);
    }
}

#[tokio::test]
async fn rules_that_say_different_things_of_one_event_are_each_told_once() {
    let rules = "rules:
  - {on: in_transit, template: shipped, channels: [email]}
  - {on: in_transit, template: plain, channels: [email]}
  - {on: in_transit, template: plain, channels: [whatsapp, email], name: again}
";
    for test in stores().await {
        hear_by(&test, rules, vec![scan("e1", InTransit, "20T10:00")]).await;
        assert_eq!(test.told().await.len(), 2);
        hear_by(&test, rules, vec![scan("e2", InTransit, "20T11:00")]).await;
        assert_eq!(test.told().await.len(), 2);
    }
}

/// It is the 21st, ten o'clock.
#[tokio::test]
async fn a_step_that_is_first_heard_of_days_later_is_history() {
    for (status, time, expected) in [
        (InTransit, "19T22:00", "told"),
        (InTransit, "19T21:59", "history: it happened 1 day ago"),
        (
            OutForDelivery,
            "19T08:00",
            "history: it happened 2 days ago",
        ),
        (
            DeliveryAttempt,
            "01T08:00",
            "history: it happened 20 days ago",
        ),
        (Delayed, "17T08:00", "told"),
        (Lost, "01T08:00", "told"),
    ] {
        for test in stores().await {
            let heard = hear(&test, vec![scan("e1", status, time)]).await;
            assert_eq!(heard, [expected], "{status:?} of {time}");
        }
    }
}

#[tokio::test]
async fn an_arrival_is_told_for_a_week() {
    let rules = "rules:\n  - {on: delivered, template: plain, channels: [email]}\n";
    for (time, expected) in [
        ("14T10:00", "told"),
        ("14T09:59", "history: it happened 7 days ago"),
    ] {
        for test in stores().await {
            let scan = scan("e1", TrackingStatus::Delivered, time);
            assert_eq!(hear_by(&test, rules, vec![scan]).await, [expected]);
        }
    }
}

#[tokio::test]
async fn news_that_waits_does_not_grow_old_by_it() {
    let rules = "limits: {per_day: 1}
rules:
  - {on: in_transit, template: shipped, channels: [email]}
";
    for test in stores().await {
        let notifier = test.notifier(rules);
        let mut other = scan("e2", InTransit, "20T00:00");
        if let CommerceEventKind::Tracking {
            tracking_number, ..
        } = &mut other.kind
        {
            *tracking_number = Some("T2".into());
        }
        let first = test.happen(scan("e1", InTransit, "20T10:00")).await;
        notifier.decide(first).await.unwrap();
        let second = test.happen(other).await;
        notifier.decide(second).await.unwrap();
        let explained = test.store.explain_event(second).await.unwrap();
        assert_eq!(explained[0].decision, "waits");
        // The next morning it is 57 hours ago.
        test.clock.advance(std::time::Duration::from_hours(23));
        let waits = explained[0].notification;
        notifier.decide_due(waits).await.unwrap();
        assert_eq!(test.told().await.len(), 2);
    }
}
