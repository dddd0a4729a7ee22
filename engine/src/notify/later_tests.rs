//! News that waits, shares a message, or is kept back, on real databases.

use std::time::Duration;

use doorstep_core::{
    Language, NotificationId, Timestamp,
    customer::Proof,
    event::{CommerceEvent, CommerceEventKind},
    message::{Address, Content, FactSource, InboundMessage},
    notification::Topic,
    order::DateWindow,
    shipment::TrackingStatus,
    understanding::{Backend, Escalation, Sentiment, Understanding},
};

use super::Outcome;
use crate::{
    queue::Job,
    store::Decided,
    testing::{TestStore, sent_in, stores, tracking},
    turn::Turn,
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
async fn a_later_scan_that_says_the_same_does_not_make_waiting_news_history() {
    for test in stores().await {
        on_its_way(&test, QUIET, "e1", "1001", "T1").await;
        let (waits, _) = waiting(&test)[0];
        let again = expected("e2", 11, "2026-11-24");
        let again = test.happen(again).await;
        let notifier = test.notifier(QUIET);
        notifier.decide(again).await.unwrap();
        test.clock.advance(Duration::from_hours(2));
        notifier.decide_due(waits).await.unwrap();
        assert_eq!(test.told().await.len(), 1);
    }
}

#[tokio::test]
async fn parcels_of_one_order_with_the_same_news_share_a_message() {
    for test in stores().await {
        test.happen(sent_in("1001", &["T1", "T2"])).await;
        test.happen(sent_in("1002", &["T3", "T4"])).await;
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
async fn what_is_too_much_for_a_day_is_told_the_next_morning() {
    for test in stores().await {
        let first = on_its_way(&test, THROTTLED, "e1", "1001", "T1").await;
        assert_eq!(first.told, 1);
        let second = on_its_way(&test, THROTTLED, "e2", "1002", "T2").await;
        let morning: Timestamp = "2026-11-22T09:00:00Z".parse().unwrap();
        assert_eq!((second.waits, &second.held), (Some(morning), &None));
        let third = on_its_way(&test, THROTTLED, "e3", "1003", "T3").await;
        assert_eq!(third.waits, Some(morning));
        let [(second, _), (third, _)] = waiting(&test)[..] else {
            panic!("two wait")
        };
        test.clock.advance(Duration::from_hours(23));
        let notifier = test.notifier(THROTTLED);
        notifier.decide_due(second).await.unwrap();
        let Outcome::Decided(again) = notifier.decide_due(third).await.unwrap() else {
            panic!("it is due")
        };
        let next = "2026-11-23T09:00:00Z".parse().unwrap();
        assert_eq!(again[0].waits, Some(next), "one a day");
        let told = test.told().await;
        assert_eq!(told.len(), 2);
        assert_eq!(told[1].1, "Ada: 1002, T2, DHL");
    }
}

#[tokio::test]
async fn what_sells_is_not_put_off_but_left_untold_when_it_is_too_much() {
    let rules = format!(
        "{THROTTLED}  - {{on: delivered, template: late, topic: marketing, channels: [email]}}\n"
    );
    for test in stores().await {
        on_its_way(&test, &rules, "e1", "1001", "T1").await;
        let order = test.store.find_order(&"1001".into()).await.unwrap();
        let ada = order.unwrap().customer.unwrap();
        test.wish(ada, Topic::Marketing, "email", true).await;
        let offer = hear(&test, &rules, "e2", "1001", "T1", TrackingStatus::Delivered).await;
        let reason = offer[0].held.as_deref();
        assert_eq!(reason, Some("throttled: 1 told today already"));
    }
}

/// What a carrier tells of a parcel at an hour of 20 November, with the day it expects.
fn expected(id: &str, hour: u32, day: &str) -> CommerceEvent {
    let mut scan = tracking(id, Some("1001"), "T1", TrackingStatus::InTransit);
    scan.occurred_at = format!("2026-11-20T{hour}:00:00Z").parse().unwrap();
    if let CommerceEventKind::Tracking { event, .. } = &mut scan.kind {
        let day = day.parse().unwrap();
        event.occurred_at = scan.occurred_at;
        event.estimated = Some(DateWindow { from: day, to: day });
    }
    scan
}

#[tokio::test]
async fn expected_days_are_told_again_only_when_they_moved() {
    let rules = "rules:
  - {on: in_transit, template: shipped, channels: [email]}
  - {on: eta_moved, template: late, channels: [email]}
";
    for test in stores().await {
        let notifier = test.notifier(rules);
        let tell = async |scan: CommerceEvent| {
            let event = test.happen(scan).await;
            let Outcome::Decided(decided) = notifier.decide(event).await.unwrap() else {
                panic!("it is decided")
            };
            let told = decided.iter().filter(|decided| decided.told > 0);
            told.map(|decided| decided.template.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(tell(expected("e1", 10, "2026-11-24")).await, ["shipped"]);
        let none: [&str; 0] = [];
        assert_eq!(tell(expected("e2", 11, "2026-11-24")).await, none);
        assert_eq!(tell(expected("e3", 12, "2026-11-26")).await, ["late"]);
        assert_eq!(tell(expected("e4", 13, "2026-11-26")).await, none);
        assert_eq!(tell(expected("e5", 14, "2026-11-24")).await, ["late"]);
    }
}

#[tokio::test]
async fn expected_days_are_not_told_beside_news_that_names_them() {
    let rules = "rules:
  - {on: in_transit, template: shipped, channels: [email]}
  - {on: delayed, template: plain, channels: [email]}
  - {on: eta_moved, template: late, channels: [email]}
";
    for test in stores().await {
        let notifier = test.notifier(rules);
        let event = test.happen(expected("e1", 10, "2026-11-24")).await;
        notifier.decide(event).await.unwrap();
        let mut delayed = expected("e2", 11, "2026-11-28");
        if let CommerceEventKind::Tracking { event, .. } = &mut delayed.kind {
            event.status = TrackingStatus::Delayed;
        }
        let event = test.happen(delayed).await;
        let Outcome::Decided(decided) = notifier.decide(event).await.unwrap() else {
            panic!("it is decided")
        };
        let held = decided.iter().find_map(|decided| decided.held.as_deref());
        assert_eq!(
            (decided.len(), held),
            (2, Some("told with the event's own news"))
        );
    }
}

/// Ada asks in the chat and is told what `source` said at a time.
pub(super) async fn ask_in_chat(test: &TestStore, source: &str, as_of: Timestamp) {
    let chat = Address::new("webchat", "visitor-1");
    let ada = Proof {
        customer: Some("C-1".into()),
        email: None,
        name: None,
    };
    test.store.prove(&chat, &ada, None).await.unwrap();
    let now = test.store.ambient().now();
    let asked = InboundMessage::text(chat, "m1", "Where is my order?", now);
    let admitted = test.store.admit_message(asked, Vec::new()).await.unwrap();
    let waiting = test.store.next_waiting(admitted.conversation).await;
    let answer = Content {
        text: "It is on its way.".to_owned(),
        sources: vec![FactSource {
            name: source.to_owned(),
            as_of,
        }],
        ..Content::default()
    };
    let turn = Turn {
        understanding: Understanding {
            language: Language::ENGLISH,
            intents: Vec::new(),
            asks: Vec::new(),
            accept: 1.0,
            escalation: Escalation::Normal,
            sentiment: Sentiment::default(),
            entities: Vec::new(),
            vector: None,
            backend: Backend::Rules,
        },
        language: Language::ENGLISH,
        state: None,
        replies: vec![answer],
        effects: Vec::new(),
    };
    let waiting = waiting.unwrap().unwrap();
    test.store.commit_turn(&waiting, turn, false).await.unwrap();
}

#[tokio::test]
async fn what_the_chat_just_told_is_not_told_again() {
    let rules = "rules:\n  - {on: in_transit, template: shipped, channels: [email]}\n";
    for test in stores().await {
        let scanned = test
            .happen(tracking(
                "e1",
                Some("1001"),
                "T1",
                TrackingStatus::InTransit,
            ))
            .await;
        let scanned_at = "2026-11-20T10:00:00Z".parse().unwrap();
        ask_in_chat(&test, "tracking:dhl", scanned_at).await;
        let notifier = test.notifier(rules);
        let Outcome::Decided(decided) = notifier.decide(scanned).await.unwrap() else {
            panic!("it is decided")
        };
        assert_eq!(decided[0].held.as_deref(), Some("just told in the chat"));
        // Of another parcel nothing was said; and what was said long ago may be forgotten.
        let mut later = tracking("e2", Some("1001"), "T2", TrackingStatus::InTransit);
        if let CommerceEventKind::Tracking { event, .. } = &mut later.kind {
            event.occurred_at += Duration::from_mins(1);
        }
        let later = test.happen(later).await;
        assert_told(&notifier.decide(later).await.unwrap());
        test.clock.advance(Duration::from_mins(16));
        let again = test
            .happen(tracking(
                "e3",
                Some("1001"),
                "T3",
                TrackingStatus::InTransit,
            ))
            .await;
        assert_told(&notifier.decide(again).await.unwrap());
    }
}

fn assert_told(outcome: &Outcome) {
    let Outcome::Decided(decided) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((decided[0].told, &decided[0].held), (1, &None));
}

#[tokio::test]
async fn renewed_rules_and_words_decide_from_then_on() {
    for test in stores().await {
        let notifier = test.notifier("rules: []\n");
        let event = test
            .happen(tracking(
                "e1",
                Some("1001"),
                "T1",
                TrackingStatus::InTransit,
            ))
            .await;
        notifier.decide(event).await.unwrap();
        assert_eq!(test.told().await, []);
        let setting = test.setting(THROTTLED);
        notifier.renew(setting.rules, setting.templates);
        let event = test
            .happen(tracking(
                "e2",
                Some("1001"),
                "T1",
                TrackingStatus::InTransit,
            ))
            .await;
        notifier.decide(event).await.unwrap();
        assert_eq!(test.told().await.len(), 1);
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
            id: None,
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
