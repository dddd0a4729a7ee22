//! Many messages over a bad road: each arrives once, or is known to be in doubt.

use doorstep_core::channel::SendError;
use futures::StreamExt;

use super::*;
use crate::simulator::Faults;

/// Messages in each direction.
const MESSAGES: usize = 10_000;

/// Customers who take part.
const CUSTOMERS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_each_way_arrive_once_or_are_in_doubt() {
    let fixture = Fixture::new().await;
    fixture.simulator.inject(Faults {
        rate_limited: 0.02,
        server_error: 0.02,
        lost_answer: 0.01,
        duplicate: 0.05,
        reordered: 0.01,
        retry_after: Duration::from_secs(1),
        ..Faults::default()
    });
    let guard = fixture.listen();
    for number in 0..MESSAGES {
        let customer = format!("customer {}", number % CUSTOMERS);
        let text = Act::Write(format!("in {number}"));
        fixture.simulator.act(&customer, text).await.unwrap();
    }
    let sending = futures::stream::iter(0..MESSAGES).map(|number| {
        let fixture = &fixture;
        async move {
            let customer = format!("customer {}", number % CUSTOMERS);
            let address = fixture.simulator.address_of(&customer);
            let message = fixture.message(Content::text(format!("out {number}")));
            loop {
                match fixture.telegram.send(&address, &message).await {
                    Ok(_) => return true,
                    // Waiting is the engine's; here it would only take time.
                    Err(SendError::Retry { .. }) => {}
                    Err(SendError::Ambiguous { .. }) => return false,
                    Err(other) => panic!("{other}"),
                }
            }
        }
    });
    let outcomes: Vec<bool> = sending.buffer_unordered(16).collect().await;
    fixture
        .until("all messages", |fixture| {
            fixture.admitted().len() >= MESSAGES
        })
        .await;
    drop(guard);

    let certain = outcomes.iter().filter(|certain| **certain).count();
    let mut read = Vec::new();
    for number in 0..CUSTOMERS {
        let shown = fixture.simulator.shown(&format!("customer {number}"));
        read.extend(shown.into_iter().map(|shown| shown.text));
    }
    let counts = fixture.simulator.counts();
    println!(
        "out: {certain} certain, {} in doubt, {} read; {counts:?}",
        MESSAGES - certain,
        read.len()
    );
    assert_eq!(
        read.len(),
        MESSAGES,
        "nothing is lost and nothing is read twice"
    );
    assert_eq!(MESSAGES - certain, counts.lost_answers as usize);
    let mut heard = fixture.texts();
    println!("in: {} admitted of {MESSAGES}", heard.len());
    for texts in [&mut read, &mut heard] {
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), MESSAGES);
    }
    assert!(counts.duplicates > 0 && counts.rate_limited > 0 && counts.server_errors > 0);
}
