//! News that waits, shares a message, or is kept back, on real databases.

use std::time::Duration;

use doorstep_core::{
    NotificationId, Timestamp, event::CommerceEventKind, notification::Topic,
    shipment::TrackingStatus,
};

use super::Outcome;
use crate::{
    queue::Job,
    store::Decided,
    testing::{TestStore, stores, tracking},
};

/// It is ten in London, where Ada lives.
const QUIET: &str = "limits:\n  quiet_hours: {from: \"09:00\", until: \"12:00\"}\nrules:\n  - {on: in_transit, template: shipped, channels: [email]}\n";
const URGENT: &str = "limits:\n  quiet_hours: {from: \"09:00\", until: \"12:00\"}\n  per_day: 1\nrules:\n  - {on: in_transit, template: shipped, channels: [email], urgent: true}\n";
const DIGEST: &str =
    "rules:\n  - {on: in_transit, template: shipped, channels: [email], digest: 10m}\n";
const THROTTLED: &str =
    "limits: {per_day: 1}\nrules:\n  - {on: in_transit, template: shipped, channels: [email]}\n";
const SELLING: &str = "rules:\n  - {on: delivered, template: shipped, topic: marketing, channels: [email]}\n  - {on: delivered, template: shipped, channels: [email], name: thanks, once_per: order}\n";

async fn hear(
    test: &TestStore,
    rules: &str,
    id: &str,
    order: &str,
    parcel: &str,
    status: TrackingStatus,
) -> Vec<Decided> {
    let event = test.happen(tracking(id, Some(order), parcel, status)).await;
    let outcome = test.notifier(rules).decide(event).await.unwrap();
    let Outcome::Decided(decided) = outcome else {
        panic!("{outcome:?}")
    };
    decided
}

async fn on_its_way(test: &TestStore, rules: &str, id: &str, order: &str, parcel: &str) -> Decided {
    let status = TrackingStatus::InTransit;
    hear(test, rules, id, order, parcel, status).await.remove(0)
}

fn selling(decided: &[Decided]) -> &Decided {
    let mut decided = decided.iter();
    decided
        .find(|decided| decided.rule == "delivered:shipped")
        .unwrap()
}

fn waiting(test: &TestStore) -> Vec<(NotificationId, Timestamp)> {
    let jobs = test.queue.take().into_iter();
    jobs.filter_map(|job| match job {
        Job::NotifyDue {
            notification,
            not_before,
        } => Some((notification, not_before)),
        _ => None,
    })
    .collect()
}

#[tokio::test]
async fn what_happens_in_quiet_hours_is_told_when_they_end() {
    for test in stores().await {
        let decided = on_its_way(&test, QUIET, "e1", "1001", "T1").await;
        let noon: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        assert_eq!(
            (decided.told, decided.waits, &decided.held),
            (0, Some(noon), &None)
        );
        let [(waits, due)] = waiting(&test)[..] else {
            panic!("one piece of news waits")
        };
        assert_eq!(due, noon);
        assert_eq!(test.told().await, []);
        let again = on_its_way(&test, QUIET, "e2", "1001", "T1").await;
        assert_eq!(again.held.as_deref(), Some("told before"));
        let notifier = test.notifier(QUIET);
        assert_eq!(notifier.decide_due(waits).await.unwrap(), Outcome::NotYet);
        test.clock.advance(Duration::from_hours(2));
        // The job was lost; the row was not.
        let found = test.store.overdue_jobs(due, 10).await.unwrap();
        assert!(found.contains(&Job::NotifyDue {
            notification: waits,
            not_before: due
        }));
        let (one, two) = tokio::join!(notifier.decide_due(waits), notifier.decide_due(waits));
        let outcomes = [one.unwrap(), two.unwrap()];
        assert!(outcomes.contains(&Outcome::Before), "{outcomes:?}");
        assert_eq!(test.told().await.len(), 1);
    }
}

#[tokio::test]
async fn what_is_urgent_is_told_at_any_time_and_however_much_was_told() {
    for test in stores().await {
        assert_eq!(on_its_way(&test, URGENT, "e1", "1001", "T1").await.told, 1);
        assert_eq!(on_its_way(&test, URGENT, "e2", "1001", "T2").await.told, 1);
    }
}

#[tokio::test]
async fn what_is_history_by_the_end_of_quiet_hours_is_not_told() {
    for test in stores().await {
        on_its_way(&test, QUIET, "e1", "1001", "T1").await;
        let (waits, _) = waiting(&test)[0];
        test.happen(tracking(
            "e2",
            Some("1001"),
            "T1",
            TrackingStatus::Delivered,
        ))
        .await;
        test.clock.advance(Duration::from_hours(2));
        let outcome = test.notifier(QUIET).decide_due(waits).await.unwrap();
        assert_eq!(outcome, Outcome::Before, "nothing waits any more");
        assert_eq!(test.told().await, []);
        let rows = test
            .store
            .query("SELECT decision, reason FROM notifications", [])
            .await
            .unwrap();
        assert_eq!(rows[0].get::<String>("decision").unwrap(), "held");
        assert_eq!(
            rows[0].get::<String>("reason").unwrap(),
            "history: the parcel is already delivered"
        );
    }
}

#[tokio::test]
async fn parcels_of_one_order_with_the_same_news_share_a_message() {
    for test in stores().await {
        on_its_way(&test, DIGEST, "e1", "1001", "T1").await;
        test.clock.advance(Duration::from_mins(4));
        on_its_way(&test, DIGEST, "e2", "1001", "T2").await;
        on_its_way(&test, DIGEST, "e3", "1002", "T3").await;
        let waiting = waiting(&test);
        assert_eq!(waiting.len(), 2, "one for each order");
        test.clock.advance(Duration::from_mins(6));
        let notifier = test.notifier(DIGEST);
        notifier.decide_due(waiting[0].0).await.unwrap();
        let told = test.told().await;
        let words: Vec<&str> = told.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(words, ["Ada: 1001, T1, T2, DHL"]);
        test.clock.advance(Duration::from_mins(4));
        notifier.decide_due(waiting[1].0).await.unwrap();
        assert_eq!(test.told().await[1].1, "Ada: 1002, T3, DHL");
    }
}

#[tokio::test]
async fn a_customer_hears_no_more_a_day_than_the_shop_wants() {
    for test in stores().await {
        assert_eq!(
            on_its_way(&test, THROTTLED, "e1", "1001", "T1").await.told,
            1
        );
        let held = on_its_way(&test, THROTTLED, "e2", "1002", "T2").await;
        assert_eq!(
            held.held.as_deref(),
            Some("throttled: 1 told today already")
        );
        test.clock.advance(Duration::from_hours(14));
        assert_eq!(
            on_its_way(&test, THROTTLED, "e3", "1003", "T3").await.told,
            1
        );
    }
}

#[tokio::test]
async fn nothing_is_sold_while_something_is_late_until_it_is_paid_back() {
    for test in stores().await {
        hear(
            &test,
            "rules: []\n",
            "e1",
            "1001",
            "T1",
            TrackingStatus::Delayed,
        )
        .await;
        let order = test.store.find_order(&"1001".into()).await.unwrap();
        let ada = order.unwrap().customer.unwrap();
        test.wish(ada, Topic::Marketing, "email", true).await;
        let decided = hear(
            &test,
            SELLING,
            "e2",
            "1002",
            "T2",
            TrackingStatus::Delivered,
        )
        .await;
        assert_eq!(
            selling(&decided).held.as_deref(),
            Some("not the moment to sell: a parcel of order 1001 is delayed")
        );
        let thanks = decided.iter().find(|decided| decided.rule == "thanks");
        assert_eq!(thanks.unwrap().told, 1, "what is no advertisement is told");
        let mut refund = tracking("e3", None, "T1", TrackingStatus::Delayed);
        refund.kind = CommerceEventKind::RefundIssued {
            order: "1001".into(),
            amount: None,
        };
        let refund = test.happen(refund).await;
        test.notifier(SELLING).decide(refund).await.unwrap();
        let decided = hear(
            &test,
            SELLING,
            "e4",
            "1003",
            "T3",
            TrackingStatus::Delivered,
        )
        .await;
        assert_eq!(selling(&decided).told, 1);
    }
}

#[tokio::test]
async fn every_decision_can_be_explained() {
    for test in stores().await {
        let event = test
            .happen(tracking(
                "e1",
                Some("1001"),
                "T1",
                TrackingStatus::InTransit,
            ))
            .await;
        test.notifier(THROTTLED).decide(event).await.unwrap();
        let explained = test.store.explain_event(event).await.unwrap();
        let [decision] = &explained[..] else {
            panic!("{explained:?}")
        };
        assert_eq!(decision.rule.as_deref(), Some("in_transit:shipped"));
        assert_eq!(
            (decision.decision.as_str(), decision.messages.len()),
            ("told", 1)
        );
        let message = &decision.messages[0];
        let delivery = message.delivery.as_ref().unwrap();
        assert_eq!(
            (message.channel.as_str(), delivery.status.as_str()),
            ("email", "pending")
        );
        let by_message = test.store.explain_message(message.id).await.unwrap();
        assert_eq!(by_message.as_ref(), Some(decision));
        let silent = test
            .happen(tracking("e2", Some("1001"), "T1", TrackingStatus::Delayed))
            .await;
        test.notifier(THROTTLED).decide(silent).await.unwrap();
        let explained = test.store.explain_event(silent).await.unwrap();
        assert_eq!(explained[0].reason, "no rule on `delayed`");
    }
}
