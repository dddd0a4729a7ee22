//! Ten thousand messages on a bad day.

use std::collections::{BTreeMap, HashSet};

use futures::{StreamExt, stream};

use super::*;
use crate::simulator::{Act, Faults};

const MESSAGES: usize = 10_000;

/// How a message ended, as the engine would store it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Sent,
    Settled,
}

/// Each is shown exactly once, though one in fifty sends is refused for speed, one in fifty for an outage, and of one in a
/// hundred the answer is lost; and each whose outcome was unknown is settled by its status.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_arrives_once_on_a_bad_day() {
    let fixture = Fixture::new().await.open().await;
    let customers: Vec<String> = (0..100).map(|n| format!("customer {n}")).collect();
    fixture.simulator.inject(Faults {
        rate_limited: 0.02,
        retry_after: Duration::ZERO,
        server_error: 0.02,
        lost_answer: 0.01,
        duplicate: 0.05,
        ..Faults::default()
    });
    for customer in &customers {
        let write = Act::Write("Hello".to_owned());
        fixture.simulator.act(customer, write).await.unwrap();
    }
    let send = async |n: usize| {
        let address = fixture
            .simulator
            .address_of(&customers[n % customers.len()]);
        let message = fixture.answer(Content::text(format!("Message {n}.")));
        loop {
            match fixture.channel.send(&address, &message).await {
                Ok(_) => return (message.id, End::Sent),
                Err(SendError::Retry { .. }) => {}
                Err(SendError::Ambiguous { .. }) => return (message.id, End::Settled),
                Err(other) => panic!("{n}: {other}"),
            }
        }
    };
    let ends: Vec<(OutboundMessageId, End)> = stream::iter(0..MESSAGES)
        .map(send)
        .buffer_unordered(16)
        .collect()
        .await;
    let unknown: HashSet<OutboundMessageId> = ends
        .iter()
        .filter(|(_, end)| *end == End::Settled)
        .map(|(id, _)| *id)
        .collect();
    fixture
        .until(|| {
            let receipts = fixture.inbox.receipts.lock().unwrap();
            (receipts.len() == 2 * MESSAGES).then_some(())
        })
        .await;
    let receipts = fixture.inbox.receipts.lock().unwrap().clone();
    let settled: HashSet<_> = receipts.iter().filter_map(|one| one.message).collect();
    assert!(unknown.is_subset(&settled), "a lost answer is settled");
    let shown = customers
        .iter()
        .flat_map(|name| fixture.simulator.shown(name));
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    for message in shown {
        *times.entry(message.text).or_default() += 1;
    }
    assert_eq!(times.len(), MESSAGES, "none is missing");
    assert!(times.values().all(|times| *times == 1), "none came twice");
    let counts = fixture.simulator.counts();
    assert_eq!(counts.lost_answers as usize, unknown.len());
    let admitted = fixture.inbox.admitted.lock().unwrap().len();
    assert_eq!(
        admitted,
        customers.len(),
        "what was told twice is one message"
    );
    println!(
        "{MESSAGES} messages: {} sent, {} unknown and settled by a status; {counts:?}",
        MESSAGES - unknown.len(),
        unknown.len()
    );
}
