//! A rehearsal foretells exactly what the road then does.

use std::time::Duration;

use doorstep_core::{Timestamp, customer::Proof, message::Address, shipment::TrackingStatus};

use super::rehearsal::{Foreseen, Span, compare, compare_with_past, recorded, rehearse};
use crate::{
    queue::Job,
    store::{Database, DatabaseConfig},
    testing::{TestStore, sent_in, stores, tracking},
};

const AS_IT_IS: &str = "rules:
  - {on: in_transit, template: shipped, channels: [email]}
  - {on: delayed, template: shipped, channels: [email], name: late}
";
/// For six hours nothing is told, parcels share a message, and delays are nobody's business.
const CHANGED: &str = "limits:
  quiet_hours: {from: \"12:00\", until: \"18:00\"}
rules:
  - {on: in_transit, template: shipped, channels: [email], digest: 2h}
";

/// Lives through a day by these rules: two parcels on their way, and a third that is late.
async fn live(test: &TestStore, rules: &str) {
    let notifier = test.notifier(rules);
    let sent = test.happen(sent_in("1001", &["T1", "T2", "T3"])).await;
    notifier.decide(sent).await.unwrap();
    for (id, parcel, status) in [
        ("e1", "T1", TrackingStatus::InTransit),
        ("e2", "T2", TrackingStatus::InTransit),
        ("e3", "T3", TrackingStatus::Delayed),
    ] {
        let event = test
            .happen(tracking(id, Some("1001"), parcel, status))
            .await;
        notifier.decide(event).await.unwrap();
        test.clock.advance(Duration::from_mins(30));
    }
    // Whatever waits, at its time.
    for hours in 0..10 {
        for job in test.queue.take() {
            match job {
                Job::NotifyDue { notification, .. } => {
                    notifier.decide_due(notification).await.unwrap();
                }
                Job::Notify(event) => {
                    notifier.decide(event).await.unwrap();
                }
                _ => {}
            }
        }
        let now = test.store.ambient().now();
        let found = test.store.overdue_jobs(now, 10).await.unwrap();
        test.store.enqueue(found).await.unwrap();
        if hours < 9 {
            test.clock.advance(Duration::from_hours(1));
        }
    }
}

async fn foresee(test: &TestStore, rules: &str) -> Vec<Foreseen> {
    foresee_until(test, rules, "2026-11-22T10:00:00Z").await
}

async fn foresee_until(test: &TestStore, rules: &str, until: &str) -> Vec<Foreseen> {
    let folder = tempfile::tempdir().unwrap();
    let config = DatabaseConfig::Sqlite {
        path: folder.path().join("rehearsal.db"),
    };
    let scratch = Database::open(&config);
    let setting = test.setting(rules);
    rehearse(&test.store, scratch.await.unwrap(), setting, span(until))
        .await
        .unwrap()
}

fn span(until: &str) -> Span {
    let since: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
    Span {
        lead_in: since,
        since,
        look_every: Duration::from_mins(5),
        until: until.parse().unwrap(),
    }
}

fn words(foreseen: &[Foreseen]) -> Vec<(String, String)> {
    let mut said: Vec<_> = foreseen
        .iter()
        .flat_map(|foreseen| &foreseen.deed.messages)
        .map(|said| (said.at, said.channel.clone(), said.text.clone()))
        .collect();
    said.sort();
    // The message that two parcels share is seen at both.
    said.dedup();
    said.into_iter()
        .map(|(_, channel, text)| (channel, text))
        .collect()
}

#[tokio::test]
async fn a_changed_rule_does_exactly_what_the_rehearsal_foretold() {
    let changed = stores().await;
    for (test, applied) in stores().await.into_iter().zip(changed) {
        live(&test, AS_IT_IS).await;
        let before = foresee(&test, AS_IT_IS).await;
        assert_eq!(words(&before), test.told().await, "the past, as it was");
        let notifications = || async {
            let sql = "SELECT COUNT(*) AS n FROM notifications";
            let rows = test.store.query(sql, []).await.unwrap();
            rows[0].get::<i64>("n").unwrap()
        };
        let written = notifications().await;
        let after = foresee(&test, CHANGED).await;
        assert_eq!(notifications().await, written, "a rehearsal writes nothing");
        live(&applied, CHANGED).await;
        assert_eq!(words(&after), applied.told().await);
        assert_eq!(
            words(&after),
            [("email".to_owned(), "Ada: 1001, T1, T2, DHL".to_owned())]
        );

        let same = compare(before.clone(), before.clone());
        assert!(same.values().all(|change| change.different.is_empty()));
        let changes = compare(before, after);
        let late = &changes["late"].different;
        assert_eq!(late.len(), 1);
        assert!(late[0].before.is_some() && late[0].after.is_none());
        assert_eq!(changes["in_transit:shipped"].different.len(), 2);
    }
}

#[tokio::test]
async fn what_was_really_told_is_compared_with_the_files_as_they_are() {
    for test in stores().await {
        live(&test, AS_IT_IS).await;
        let span = span("2026-11-22T10:00:00Z");
        let past = || async { recorded(&test.store, span).await.unwrap() };
        assert_eq!(words(&past().await), test.told().await);
        let unchanged = foresee(&test, AS_IT_IS).await;
        let same = compare_with_past(past().await, unchanged.clone(), span);
        let alike = ["in_transit:shipped", "late"].map(|rule| same[rule].alike);
        assert_eq!(alike, [2, 1], "{same:?}");
        assert!(same.values().all(|change| change.different.is_empty()));

        let after = foresee(&test, CHANGED).await;
        let changes = compare_with_past(past().await, after, span);
        let late = &changes["late"].different;
        assert!(late[0].before.is_some() && late[0].after.is_none());
        assert_eq!(changes["in_transit:shipped"].different.len(), 2);

        // Work that waited its turn is no difference, and hours are one.
        let lag = |minutes| {
            let mut past = unchanged.clone();
            for said in past.iter_mut().flat_map(|one| &mut one.deed.messages) {
                said.at += Duration::from_mins(minutes);
            }
            let changes = compare_with_past(past, unchanged.clone(), span);
            let different = changes.values().map(|change| change.different.len());
            different.sum::<usize>()
        };
        assert_eq!([lag(15), lag(16)], [0, 3]);

        // What is admitted and not decided yet was told to nobody, for no fault of the rules.
        let news = tracking("e4", Some("1001"), "T4", TrackingStatus::InTransit);
        test.happen(news).await;
        let undecided = compare_with_past(past().await, foresee(&test, AS_IT_IS).await, span);
        assert!(undecided.values().all(|change| change.different.is_empty()));
    }
}

/// Customers with WhatsApp hear it there first.
const BY_PHONE: &str = "rules:
  - {on: in_transit, template: shipped, channels: [whatsapp, email], send: first, fallback_after: 2h}
";

#[tokio::test]
async fn what_a_rehearsal_cannot_know_is_no_difference() {
    for test in stores().await {
        let ada = Proof {
            customer: Some("C-1".into()),
            email: None,
            name: None,
        };
        let number = Address::new("whatsapp", "+34600000000");
        test.store.prove(&number, &ada, None).await.unwrap();
        let news = tracking("e1", Some("1001"), "T1", TrackingStatus::InTransit);
        let event = test.happen(news).await;
        let notifier = test.notifier(BY_PHONE);
        notifier.decide(event).await.unwrap();
        let unread = test.queue.take().into_iter().find_map(|job| match job {
            Job::FallBack { delivery, .. } => Some(delivery),
            _ => None,
        });
        test.clock.advance(Duration::from_hours(3));
        notifier.fall_back(unread.unwrap()).await.unwrap();
        let channels: Vec<String> = test.told().await.into_iter().map(|(on, _)| on).collect();
        assert_eq!(channels, ["whatsapp", "email"]);

        let span = span("2026-11-22T10:00:00Z");
        let past = recorded(&test.store, span).await.unwrap();
        let after = foresee(&test, BY_PHONE).await;
        let different = |past: Vec<Foreseen>| {
            let changes = compare_with_past(past, after.clone(), span);
            let different = changes.values().map(|change| change.different.len());
            different.sum::<usize>()
        };
        assert_eq!(different(past.clone()), 0, "everything arrives: {past:?}");

        let mut asked = past;
        asked[0].deed.messages.clear();
        assert_eq!(different(asked.clone()), 1);
        asked[0].deed.reason = "just told in the chat".to_owned();
        assert_eq!(different(asked), 0);
    }
}

/// A parcel that nobody scanned after ten o'clock of the 20th, and what the rules on it make of that by the 28th.
const FORGOTTEN: &str = "rules:
  - {on: no_scan, after: 5d, template: plain, channels: [email], name: forgotten}
";

#[tokio::test]
async fn what_rules_on_schedule_wait_for_is_found_in_the_rehearsal() {
    for test in stores().await {
        let news = tracking("e1", Some("1001"), "T1", TrackingStatus::InTransit);
        test.happen(news).await;
        let until = "2026-11-28T10:00:00Z";
        let none = foresee_until(&test, "rules: []\n", until).await;
        let five = foresee_until(&test, FORGOTTEN, until).await;
        let told: Vec<_> = five.iter().filter(|one| one.rule == "forgotten").collect();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].deed.messages.len(), 1, "{:?}", told[0].deed);
        assert_eq!(
            told[0].at,
            "2026-11-25T10:00:00Z".parse::<Timestamp>().unwrap()
        );
        let of_ada = (told[0].order.as_deref(), told[0].customer.as_deref());
        assert_eq!(of_ada, (Some("1001"), Some("a***@example.org")));
        assert_eq!(told[0].event, None, "it is in no store but the rehearsal's");

        let changes = compare(none, five.clone());
        let added = &changes["forgotten"].different;
        assert_eq!(added.len(), 1);
        assert!(added[0].before.is_none() && added[0].after.is_some());
        let six = foresee_until(&test, &FORGOTTEN.replace("5d", "6d"), until).await;
        let later = &compare(five, six)["forgotten"].different;
        assert_eq!(later.len(), 1);
        let when = |deed: &Option<super::rehearsal::Deed>| deed.as_ref().unwrap().messages[0].at;
        assert_eq!(
            when(&later[0].after) - when(&later[0].before),
            chrono::TimeDelta::days(1)
        );

        // What was found to be due in earnest is known by its identifier, and not told a second time.
        test.clock.advance(Duration::from_hours(96));
        let notifier = test.notifier(FORGOTTEN);
        assert_eq!(notifier.find_due().await.unwrap(), 1);
        test.clock.advance(Duration::from_hours(72));
        let again = foresee_until(&test, FORGOTTEN, until).await;
        let again: Vec<_> = again.iter().filter(|one| one.rule == "forgotten").collect();
        assert_eq!(again.len(), 1);
        assert!(again[0].event.is_some());
    }
}
