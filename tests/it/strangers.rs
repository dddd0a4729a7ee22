//! Strangers who want to see an order that is not theirs (G5).

use doorstep::config::{Config, Sources};
use doorstep_channels::webchat::RateLimit;
use futures::future::join_all;

use crate::support::{
    chat::{Reply, Visitor},
    server::shared,
};

/// What nobody may hear of order 10225 without proof.
const PRIVATE: [&str; 3] = ["DHL", "ليلى", "layla"];
/// Its postcode.
const RIGHT: &str = "20250";

async fn guess(order: &str, postcode: &str) -> Reply {
    let shared = shared().await;
    let visitor = Visitor::anonymous(shared.address, "en").await;
    let mut conversation = visitor.talk(shared.address).await;
    let asked = conversation
        .ask(&format!("Where is my order {order}?"))
        .await;
    asked.assert_says(&["postcode"]);
    conversation.ask(postcode).await
}

#[tokio::test]
async fn many_strangers_who_guess_at_one_order_have_no_more_tries_than_one() {
    let guesses =
        (0..8).map(|guessed| async move { guess("10225", &format!("2020{guessed}")).await });
    let mut answers = join_all(guesses).await;
    // Now not even the right one opens it, and nothing tells that it was right.
    answers.push(guess("10225", RIGHT).await);
    answers.push(guess("10299", RIGHT).await);
    for answer in &answers {
        answer.assert_hides(&PRIVATE);
        assert_eq!(answer.text(), answers[0].text());
    }
    answers[0].assert_says(&["I cannot find an order that fits"]);
}

#[test]
fn one_address_opens_few_sessions_at_once_unless_a_merchant_says_otherwise() {
    let config =
        Config::load(&Sources::default()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let limit = config.channels.webchat.map(|chat| chat.sessions_per_ip);
    let few = RateLimit {
        burst: 60,
        per_minute: 60,
    };
    assert_eq!(limit, Some(few));
}
