//! Many mails over a bad road: each arrives once, or is known to be in doubt.

use std::collections::BTreeSet;

use doorstep_core::{
    Language, OutboundMessageId,
    channel::SendError,
    message::{Content, OutboundMessage, Thread},
};
use futures::{StreamExt, stream};

use super::receiving_tests::stage;
use crate::simulator::{Act, Faults};

/// Mails in each direction.
const MAILS: usize = 10_000;

/// Customers who take part.
const CUSTOMERS: usize = 200;

fn customer(number: usize) -> String {
    format!("customer {}", number % CUSTOMERS)
}

/// Every customer writes and is answered. One in fifty mails is refused for speed and one in fifty for a fault of the
/// server (4xx, RFC 5321: to be sent again), after one in a hundred the connection breaks before the server has said that
/// it took it, and one in twenty of the customers' is delivered twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_mails_each_way_arrive_once_or_are_in_doubt() {
    let stage = stage().await;
    stage.fail(Faults {
        rate_limited: 0.02,
        server_error: 0.02,
        lost_answer: 0.01,
        duplicate: 0.05,
        ..Faults::default()
    });
    let exchange = async |number: usize| {
        let customer = customer(number);
        let question = Act::Write(format!("in {number}"));
        stage.simulator.act(&customer, question).await.unwrap();
        let address = stage.simulator.address_of(&customer);
        let message = OutboundMessage {
            id: OutboundMessageId::new(&*stage.clock, &stage.entropy),
            content: Content::text(format!("out {number}")),
            language: Language::ENGLISH,
            in_reply_to: None,
            thread: Thread::default(),
        };
        let mut refusals = 0;
        loop {
            match stage.channel.send(&address, &message).await {
                Ok(_) => return (true, refusals),
                // Waiting is the engine's; here it would only take time.
                Err(SendError::Retry { .. }) => refusals += 1,
                Err(SendError::Ambiguous { .. }) => return (false, refusals),
                Err(other) => panic!("{number}: {other}"),
            }
        }
    };
    // Most of a send is waiting for the server's kernel to confirm what it got.
    let exchanges = stream::iter(0..MAILS).map(exchange).buffer_unordered(64);
    let outcomes: Vec<(bool, u64)> = exchanges.collect().await;
    // Waited for in parts: patience is for a listener that stands still, not for a slow machine.
    for part in (200..=MAILS).step_by(200) {
        let admitted = || stage.inbox.admitted.lock().unwrap().len();
        let what = format!("{part} mails are admitted");
        stage
            .until(&what, || (admitted() >= part).then_some(()))
            .await;
    }

    let certain = outcomes.iter().filter(|(certain, _)| *certain).count();
    let refusals: u64 = outcomes.iter().map(|(_, refusals)| refusals).sum();
    let mails = (0..CUSTOMERS).flat_map(|number| stage.simulator.shown(&customer(number)));
    let read: Vec<String> = mails.map(|mail| mail.text).collect();
    let heard: Vec<String> = stage.admitted().into_iter().map(|mail| mail.text).collect();
    let counts = stage.simulator.counts();
    println!(
        "e-mail: {certain} certain, {} in doubt, {} read, {} admitted, {refusals} tried again; {counts:?}",
        MAILS - certain,
        read.len(),
        heard.len()
    );
    for (texts, way) in [(read, "out"), (heard, "in")] {
        assert_eq!(texts.len(), MAILS, "{way}: nothing lost, nothing twice");
        let distinct: BTreeSet<&str> = texts.iter().map(|text| text.trim()).collect();
        assert!((0..MAILS).all(|number| distinct.contains(&*format!("{way} {number}"))));
    }
    assert_eq!(MAILS - certain, counts.lost_answers as usize);
    assert_eq!(refusals, counts.rate_limited + counts.server_errors);
    assert!(counts.duplicates > 0 && counts.rate_limited > 0 && counts.server_errors > 0);
}
