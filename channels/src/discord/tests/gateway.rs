//! Nothing lost and nothing twice, however the connection breaks.

use std::{sync::atomic::Ordering, time::Duration};

use super::{Fixture, until};
use crate::simulator::Simulator;

#[tokio::test]
async fn a_broken_connection_is_taken_up_where_it_broke() {
    let fixture = Fixture::new().await;
    fixture.write("ada", "1").await;
    fixture.admitted_are(1).await;
    fixture.simulator.disconnect(4000);
    fixture.write("ada", "2").await;
    fixture.admitted_are(2).await;
    fixture.simulator.ask_to_reconnect();
    fixture.write("ada", "3").await;
    fixture.admitted_are(3).await;
    assert_eq!(fixture.texts(), ["1", "2", "3"]);
    assert_eq!(fixture.simulator.sessions().0, 1, "one session all along");
}

#[tokio::test]
async fn a_restart_takes_the_session_up_again() {
    let mut fixture = Fixture::new().await;
    fixture.write("ada", "1").await;
    fixture.admitted_are(1).await;
    fixture.stop().await;
    fixture.write("ada", "2").await;
    fixture.write("ada", "3").await;
    fixture.listen().await;
    fixture.write("ada", "4").await;
    fixture.admitted_are(4).await;
    assert_eq!(fixture.texts(), ["1", "2", "3", "4"]);
    assert_eq!(fixture.simulator.sessions().0, 1, "one session all along");
}

#[tokio::test]
async fn what_is_missed_between_two_sessions_is_asked_for() {
    let mut fixture = Fixture::new().await;
    fixture.write("ada", "1").await;
    fixture.write("#bob", "one").await;
    fixture.admitted_are(2).await;
    fixture.stop().await;
    fixture.simulator.forget_sessions();
    fixture.write("ada", "2").await;
    fixture.write("#bob", "two").await;
    fixture.listen().await;
    fixture.admitted_are(4).await;
    fixture.write("ada", "3").await;
    let admitted = fixture.admitted_are(5).await;
    let mut texts = fixture.texts();
    texts.sort();
    assert_eq!(texts, ["1", "2", "3", "one", "two"]);
    for message in admitted {
        let bobs = matches!(message.text.as_str(), "one" | "two");
        let customer = if bobs { "#bob" } else { "ada" };
        assert_eq!(message.from, fixture.simulator.address_of(customer));
    }
}

#[tokio::test]
async fn nothing_counts_as_read_before_it_is_stored() {
    let mut fixture = Fixture::new().await;
    for text in ["1", "2"] {
        fixture.write("ada", text).await;
        fixture.admitted_are(text.parse().unwrap()).await;
    }
    fixture.inbox.away.store(true, Ordering::Relaxed);
    for text in ["3", "4"] {
        fixture.write("ada", text).await;
    }
    fixture.stop().await;
    assert_eq!(fixture.texts(), ["1", "2"]);
    fixture.inbox.away.store(false, Ordering::Relaxed);
    fixture.listen().await;
    fixture.admitted_are(4).await;
    assert_eq!(fixture.texts(), ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_store_that_comes_back_gets_everything() {
    let fixture = Fixture::new().await;
    fixture.write("ada", "1").await;
    fixture.admitted_are(1).await;
    fixture.inbox.away.store(true, Ordering::Relaxed);
    for text in ["2", "3", "4"] {
        fixture.write("ada", text).await;
    }
    fixture.simulator.disconnect(4000);
    fixture.inbox.away.store(false, Ordering::Relaxed);
    fixture.admitted_are(4).await;
    assert_eq!(fixture.texts(), ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_connection_whose_heartbeats_are_not_answered_is_left() {
    let fixture = Fixture::with(
        |options| {
            options.heartbeat = Duration::from_millis(40);
            options.acknowledges = false;
        },
        |_| {},
    )
    .await;
    fixture.write("ada", "1").await;
    fixture.admitted_are(1).await;
    let requests = || {
        fixture
            .simulator
            .events()
            .iter()
            .filter(|event| event["t"] == "RESUMED")
            .count()
    };
    until(&fixture.simulator, "it is left and taken up again", || {
        requests() > 0
    })
    .await;
    fixture
        .simulator
        .set_options(|options| options.acknowledges = true);
    fixture.write("ada", "2").await;
    fixture.admitted_are(2).await;
    assert_eq!(fixture.texts(), ["1", "2"]);
}

#[tokio::test]
async fn many_messages_through_many_breaks_arrive_once_and_in_order() {
    let fixture = Fixture::new().await;
    for at in 0..200 {
        fixture.write("ada", &at.to_string()).await;
        if at % 40 == 20 {
            fixture.simulator.disconnect(4000);
        }
    }
    fixture.admitted_are(200).await;
    let wanted: Vec<String> = (0..200).map(|at| at.to_string()).collect();
    assert_eq!(fixture.texts(), wanted);
}
