//! A shop that is not the demo shop: what it has not written, nobody is told in its name, and what it told, its customers are.

use serde_json::json;

use crate::support::{
    chat::{Conversation, Visitor},
    hooks::{Hook, order_placed},
    merchant::Shop,
    wait::eventually,
};

/// A Shopify shop that nobody listens at: its own words are asked for here.
const SETTINGS: [(&str, &str); 4] = [
    ("shop.name", "Alder & Ash"),
    ("shop.kind", "shopify"),
    ("shop.shopify.shop", "127.0.0.1:9"),
    ("shop.shopify.access_token", "a token of the tests"),
];
/// What the demo shop says about these, and about itself.
const QUESTIONS: [(&str, &[&str]); 4] = [
    (
        "How long do I have to return something?",
        &["30 days", "31 January"],
    ),
    ("Who pays for the return?", &["Austria", "free"]),
    ("Where do I send a return?", &["Berlin", "Westhafen"]),
    ("Do you gift wrap?", &["recycled paper", "basket"]),
];

async fn talk(shop: &Shop) -> Conversation {
    let address = shop.process.address();
    Visitor::anonymous(address, "en").await.talk(address).await
}

#[tokio::test]
async fn a_shops_customers_are_told_its_own_terms_and_no_others() {
    let pages = [(
        "knowledge/en/visit.md",
        "# Visiting us\n\n## Where can I park my car?\nBehind the house, two hours at no charge.\n",
    )];
    let shop = Shop::with_files(&SETTINGS, &pages).await;
    eventually("the shop's page is quoted", async || {
        let answer = talk(&shop).await.ask("Where can I park my car?").await;
        answer
            .text()
            .contains("two hours at no charge")
            .then_some(())
    })
    .await;
    for (question, others) in QUESTIONS {
        let answer = talk(&shop).await.ask(question).await;
        answer.assert_hides(&["Fernweh"]);
        answer.assert_hides(others);
    }
}

#[tokio::test]
async fn a_shop_that_has_written_nothing_claims_nothing_and_offers_a_person() {
    let shop = Shop::with(&SETTINGS).await;
    for question in [
        "How long do I have to return something?",
        "Who pays for the return?",
    ] {
        let answer = talk(&shop).await.ask(question).await;
        answer.assert_says(&["I would rather not guess"]);
        let buttons = answer.buttons();
        assert!(
            buttons
                .iter()
                .any(|button| button["value"] == json!("handoff")),
            "{buttons:?}"
        );
    }
    let checked = shop.run(&["--json", "check"]).await;
    assert!(
        checked.contains("the shop has no page of its own"),
        "{checked}"
    );
}

#[tokio::test]
async fn a_shop_known_by_its_webhooks_answers_of_what_it_told_and_sells_nobody_elses_goods() {
    let shop = Shop::with(&[("shop.name", "Alder & Ash"), ("shop.kind", "webhooks")]).await;
    let order = order_placed("73011", "W-1", "robin@alder.example", "PT7301");
    Hook::generic("told-7301", &order)
        .deliver(shop.process.address())
        .await;
    shop.told_everything().await;

    let mut customer = talk(&shop).await;
    let asked = customer.ask("Where is my order 73011?").await;
    asked.assert_says(&["e-mail", "email"]);
    asked.assert_hides(&["Correos", "Kolmar"]);
    let told = customer.ask("robin@alder.example").await;
    told.assert_says(&["73011"]);
    told.assert_says(&["Kolmar Rain Jacket"]);

    let searched = talk(&shop).await.ask("Do you have tents?").await;
    assert!(searched.cards().is_empty(), "{}", searched.text());
}
