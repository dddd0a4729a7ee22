//! A rehearsal foretells exactly what the road then does.

use std::time::Duration;

use doorstep_core::{Timestamp, shipment::TrackingStatus};

use super::rehearsal::{Foreseen, Span, compare, rehearse};
use crate::{
    queue::Job,
    store::{Database, DatabaseConfig},
    testing::{TestStore, stores, tracking},
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
    let folder = tempfile::tempdir().unwrap();
    let config = DatabaseConfig::Sqlite {
        path: folder.path().join("rehearsal.db"),
    };
    let scratch = Database::open(&config);
    let until: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    let span = Span {
        lead_in: until - Duration::from_hours(48),
        since: until - Duration::from_hours(48),
        until,
    };
    rehearse(
        &test.store,
        scratch.await.unwrap(),
        test.setting(rules),
        span,
    )
    .await
    .unwrap()
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
