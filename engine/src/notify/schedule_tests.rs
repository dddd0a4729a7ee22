//! News that nobody tells, on real databases.

use std::time::Duration;

use doorstep_core::{
    Language,
    event::{CommerceEvent, CommerceEventKind, Due},
    order::{DateWindow, Order, OrderStatus},
    shipment::TrackingStatus,
};

use super::{Notifier, Outcome, later_tests::ask_in_chat, tests};
use crate::{
    queue::Job,
    templates::Templates,
    testing::{TestStore, order, stores, tracking},
};

/// It is 24 hours since the events of these tests happened.
const RULES: &str = "rules:
  - {on: no_scan, after: 5d, template: plain, channels: [email], name: forgotten}
  - {on: was_it_fine, after: 2d, template: plain, channels: [email], name: fine, once_per: order}
  - {on: review_request, after: 5d, template: plain, channels: [email], name: review}
  - {on: late_dispatch, after: 2d, template: plain, channels: [email], name: unpacked, once_per: order}
  - {on: promise_missed, after: 12h, template: late, channels: [email], name: promise, once_per: order}
";

/// Finds what is due, and decides it; the rules' names with how many were told.
async fn look(test: &TestStore) -> Vec<(String, usize)> {
    let notifier = test.notifier(RULES);
    notifier.find_due().await.unwrap();
    let mut told = Vec::new();
    for job in test.queue.take() {
        let Job::EnrichEvent(event) = job else {
            continue;
        };
        test.enricher().enrich(event).await.unwrap();
        if let Outcome::Decided(decided) = notifier.decide(event).await.unwrap() {
            told.extend(decided.into_iter().map(|one| (one.rule, one.told)));
        }
    }
    told.sort();
    told
}

async fn parcel(test: &TestStore, id: &str, parcel: &str, status: TrackingStatus) {
    let event = tracking(id, Some("1001"), parcel, status);
    test.happen(event).await;
    test.queue.take();
}

fn one(rule: &str) -> Vec<(String, usize)> {
    vec![(rule.to_owned(), 1)]
}

#[tokio::test]
async fn a_parcel_without_a_scan_is_told_once() {
    for test in stores().await {
        parcel(&test, "e1", "T1", TrackingStatus::InTransit).await;
        test.clock.advance(Duration::from_hours(95));
        assert_eq!(look(&test).await, []);
        test.clock.advance(Duration::from_hours(1));
        assert_eq!(look(&test).await, one("forgotten"));
        assert_eq!(look(&test).await, []);
        test.clock.advance(Duration::from_hours(24));
        assert_eq!(look(&test).await, []);
    }
}

#[tokio::test]
async fn a_parcel_that_arrived_is_asked_about_unless_long_ago() {
    for test in stores().await {
        parcel(&test, "e1", "T1", TrackingStatus::Delivered).await;
        assert_eq!(look(&test).await, []);
        test.clock.advance(Duration::from_hours(24));
        assert_eq!(look(&test).await, one("fine"));
        test.clock.advance(Duration::from_hours(72));
        assert_eq!(look(&test).await, one("review"), "each in its own time");
        assert_eq!(look(&test).await, []);
    }
    for test in stores().await {
        parcel(&test, "e1", "T1", TrackingStatus::Delivered).await;
        test.clock.advance(Duration::from_hours(24 * 20));
        assert_eq!(look(&test).await, [], "the rule is newer than the parcel");
    }
}

#[tokio::test]
async fn whether_it_was_fine_is_asked_once_everything_is_there() {
    for test in stores().await {
        parcel(&test, "e1", "T1", TrackingStatus::Delivered).await;
        parcel(&test, "e2", "T2", TrackingStatus::InTransit).await;
        test.clock.advance(Duration::from_hours(24));
        assert_eq!(look(&test).await, [], "the other is on its way");
        let mut arrives = tracking("e3", Some("1001"), "T2", TrackingStatus::Delivered);
        let now = test.store.ambient().now();
        if let CommerceEventKind::Tracking { event, .. } = &mut arrives.kind {
            event.occurred_at = now;
        }
        test.happen(arrives).await;
        test.queue.take();
        assert_eq!(look(&test).await, [], "it just came");
        test.clock.advance(Duration::from_hours(48));
        let asked = look(&test).await;
        let told: usize = asked.iter().map(|(_, told)| told).sum();
        assert_eq!(told, 1, "once for the order: {asked:?}");
    }
}

#[tokio::test]
async fn who_sends_something_back_is_not_asked_whether_it_was_fine() {
    for test in stores().await {
        parcel(&test, "e1", "T1", TrackingStatus::Delivered).await;
        let wish = CommerceEvent {
            source: "test".into(),
            external_id: "r1".to_owned(),
            occurred_at: test.store.ambient().now(),
            kind: CommerceEventKind::ReturnRequested {
                order: "1001".into(),
                id: None,
            },
        };
        let wish = test.happen(wish).await;
        test.notifier(RULES).decide(wish).await.unwrap();
        test.queue.take();
        test.clock.advance(Duration::from_hours(24));
        assert_eq!(look(&test).await, []);
    }
}

#[tokio::test]
async fn orders_that_stay_and_promises_that_are_missed_are_told() {
    for test in stores().await {
        let mut late = order("1007");
        late.status = OrderStatus::Processing;
        let day = test.store.ambient().now().date_naive();
        late.promised = Some(DateWindow { from: day, to: day });
        let event = CommerceEvent {
            source: "test".into(),
            external_id: "o1".to_owned(),
            occurred_at: late.placed_at,
            kind: CommerceEventKind::OrderUpdated {
                order: Box::new(late),
            },
        };
        test.happen(event).await;
        test.queue.take();
        assert_eq!(look(&test).await, one("unpacked"), "placed three days ago");
        test.clock.advance(Duration::from_hours(25));
        assert_eq!(look(&test).await, [], "the promised day ended in the night");
        test.clock.advance(Duration::from_hours(1));
        assert_eq!(look(&test).await, one("promise"));
        assert_eq!(look(&test).await, []);
    }
}

/// The shop tells of order 1001, which was placed three days ago and is sent.
async fn placed(test: &TestStore, change: impl FnOnce(&mut Order)) {
    let mut order = order("1001");
    change(&mut order);
    let event = CommerceEvent {
        source: "test".into(),
        external_id: "placed".to_owned(),
        occurred_at: order.placed_at,
        kind: CommerceEventKind::OrderUpdated {
            order: Box::new(order),
        },
    };
    test.happen(event).await;
    test.queue.take();
}

/// Promised for today.
fn promised(test: &TestStore) -> Option<DateWindow> {
    let day = test.store.ambient().now().date_naive();
    Some(DateWindow { from: day, to: day })
}

#[tokio::test]
async fn a_parcel_that_waits_for_its_customer_has_kept_the_promise() {
    for test in stores().await {
        placed(&test, |order| order.promised = promised(&test)).await;
        parcel(&test, "e1", "T1", TrackingStatus::ReadyForPickup).await;
        test.clock.advance(Duration::from_hours(26));
        assert_eq!(look(&test).await, []);
    }
    for test in stores().await {
        placed(&test, |order| order.promised = promised(&test)).await;
        parcel(&test, "e1", "T1", TrackingStatus::OutForDelivery).await;
        test.clock.advance(Duration::from_hours(26));
        assert_eq!(look(&test).await, one("promise"));
    }
}

#[tokio::test]
async fn of_an_order_that_was_sent_without_a_number_nobody_knows_whether_it_came() {
    for test in stores().await {
        placed(&test, |order| order.promised = promised(&test)).await;
        test.clock.advance(Duration::from_hours(26));
        assert_eq!(look(&test).await, []);
    }
}

#[tokio::test]
async fn a_review_is_asked_for_once_everything_is_there() {
    for test in stores().await {
        parcel(&test, "e1", "T1", TrackingStatus::Delivered).await;
        parcel(&test, "e2", "T2", TrackingStatus::ReadyForPickup).await;
        test.clock.advance(Duration::from_hours(96));
        assert_eq!(look(&test).await, [], "the other waits at the shop");
    }
    for test in stores().await {
        parcel(&test, "e1", "T1", TrackingStatus::Delivered).await;
        parcel(&test, "e2", "T2", TrackingStatus::Lost).await;
        test.clock.advance(Duration::from_hours(96));
        assert_eq!(look(&test).await, one("fine"), "the other never comes");
    }
}

#[tokio::test]
async fn who_was_given_money_back_is_not_asked_for_a_review() {
    for test in stores().await {
        parcel(&test, "e1", "T1", TrackingStatus::Delivered).await;
        let refund = CommerceEvent {
            source: "test".into(),
            external_id: "r1".to_owned(),
            occurred_at: test.store.ambient().now(),
            kind: CommerceEventKind::RefundIssued {
                order: "1001".into(),
                amount: None,
                id: None,
            },
        };
        let refund = test.happen(refund).await;
        test.notifier(RULES).decide(refund).await.unwrap();
        test.queue.take();
        test.clock.advance(Duration::from_hours(96));
        assert_eq!(look(&test).await, []);
    }
}

#[tokio::test]
async fn a_parcel_whose_label_was_never_scanned_is_a_late_dispatch() {
    for test in stores().await {
        placed(&test, |_| {}).await;
        assert_eq!(look(&test).await, [], "nobody told of a parcel");
        parcel(&test, "e1", "T1", TrackingStatus::PreTransit).await;
        assert_eq!(look(&test).await, one("unpacked"));
        assert_eq!(look(&test).await, []);
    }
    for test in stores().await {
        placed(&test, |_| {}).await;
        parcel(&test, "e1", "T1", TrackingStatus::PreTransit).await;
        parcel(&test, "e2", "T1", TrackingStatus::InTransit).await;
        assert_eq!(look(&test).await, [], "it was");
    }
}

#[tokio::test]
async fn an_order_that_was_paid_late_is_late_by_when_it_was_paid() {
    for test in stores().await {
        placed(&test, |order| order.status = OrderStatus::AwaitingPayment).await;
        assert_eq!(look(&test).await, [], "the shop waits too");
        let mut paid = order("1001");
        paid.status = OrderStatus::Processing;
        let event = CommerceEvent {
            source: "test".into(),
            external_id: "paid".to_owned(),
            occurred_at: test.store.ambient().now(),
            kind: CommerceEventKind::OrderUpdated {
                order: Box::new(paid),
            },
        };
        test.happen(event).await;
        test.queue.take();
        test.clock.advance(Duration::from_hours(47));
        assert_eq!(look(&test).await, [], "two days are not over");
        test.clock.advance(Duration::from_hours(2));
        assert_eq!(look(&test).await, one("unpacked"));
    }
}

#[tokio::test]
async fn what_the_shop_packed_and_no_carrier_tells_of_is_no_late_dispatch() {
    for test in stores().await {
        placed(&test, |_| {}).await;
        let label = tracking("e1", Some("1001"), "T1", TrackingStatus::PreTransit);
        let CommerceEventKind::Tracking { event, .. } = label.kind.clone() else {
            unreachable!("it is a scan")
        };
        let kind = CommerceEventKind::Fulfilled {
            order: "1001".into(),
            carrier: None,
            tracking_number: Some("T1".into()),
            event,
        };
        test.happen(CommerceEvent { kind, ..label }).await;
        test.queue.take();
        assert_eq!(look(&test).await, []);
    }
}

#[tokio::test]
async fn who_just_asked_in_the_chat_is_not_told_what_they_heard_there() {
    let silent = |rule: &str| vec![(rule.to_owned(), 0)];
    for test in stores().await {
        parcel(&test, "e1", "T1", TrackingStatus::InTransit).await;
        test.clock.advance(Duration::from_hours(96));
        let scanned_at = "2026-11-20T10:00:00Z".parse().unwrap();
        ask_in_chat(&test, "tracking:dhl", scanned_at).await;
        assert_eq!(look(&test).await, silent("forgotten"));
    }
    for test in stores().await {
        placed(&test, |order| order.status = OrderStatus::Processing).await;
        let now = test.store.ambient().now();
        ask_in_chat(&test, "order:1001:processing", now).await;
        assert_eq!(look(&test).await, silent("unpacked"));
    }
    for test in stores().await {
        placed(&test, |order| order.promised = promised(&test)).await;
        parcel(&test, "e1", "T1", TrackingStatus::OutForDelivery).await;
        test.clock.advance(Duration::from_hours(26));
        let now = test.store.ambient().now();
        ask_in_chat(&test, "order:1001:shipped", now).await;
        assert_eq!(look(&test).await, silent("promise"));
    }
}

#[test]
fn scheduled_rules_find_their_words_in_every_language() {
    let mut files = tests::shipped_files();
    // Some of those we ship are on schedule too, with times of their own.
    files.files.remove("rules/default.yaml");
    let rules = Due::ALL.map(|due| {
        let name = due.as_str();
        format!("  - {{on: {name}, after: 5d, template: {name}, channels: [email]}}\n")
    });
    let text = format!("rules:\n{}", rules.concat());
    files.files.insert("rules/schedule.yaml".to_owned(), text);
    let templates = Templates::load(&files, &Language::ENGLISH).unwrap();
    let rules = Notifier::load_rules(&files, &templates, &tests::channels()).unwrap();
    for due in Due::ALL {
        let rule = rules.on(due.as_str()).next().unwrap();
        for language in ["en", "es", "de", "fr", "pt", "it", "ru"] {
            let file = format!("templates/{}.{language}.md", rule.template);
            assert!(files.get(&file).is_some(), "{file} is missing");
            for sample in super::facts::samples(due.as_str()) {
                let language = language.parse().unwrap();
                let said = templates.notification(&rule.template, &language, &sample);
                let said = said.unwrap();
                assert!(said.subject.unwrap().contains("1001"), "{file}");
                assert!(!said.text.contains("\n\n\n"), "{file}: {}", said.text);
            }
        }
    }
}

#[test]
fn a_rule_on_schedule_needs_its_time() {
    for (rule, expected) in [
        (
            "{on: no_scan, template: shipped, channels: [email]}",
            "rules/shop.yaml:2: rules[0].after: `no_scan` needs a time to wait; add one, like `after: 5d`",
        ),
        (
            "{on: lost, after: 5d, template: shipped, channels: [email]}",
            "rules/shop.yaml:2: rules[0].after: `lost` is told when it happens; remove it",
        ),
        (
            "{on: lost, digest: 5x, template: shipped, channels: [email]}",
            "rules/shop.yaml:2: rules[0].digest: `5x` is no time; write one like 90s, 30m, 2h or 5d",
        ),
        (
            "{on: lost, unless: read, template: shipped, channels: [email]}",
            "rules/shop.yaml:2: rules[0].unless: there is no `fallback_after` that it could end; add one, like \
             `fallback_after: 2h`, or remove it",
        ),
        (
            "{on: lost, fallback_after: 5m, template: shipped, channels: [email]}",
            "rules/shop.yaml:2: rules[0].fallback_after: there is no channel to fall back to; write `send: first` and \
             two channels or more",
        ),
    ] {
        let problems = tests::load(&format!("rules:\n  - {rule}\n")).unwrap_err();
        assert_eq!(problems[0].to_string(), expected);
    }
}
