//! A customer waits for a person: the shop's people are mailed, see who waits and what for, and give the conversation back.

use serde_json::{Value, json};

use crate::support::{chat::Visitor, merchant::Shop, wait::eventually};

const DESK: &str = "desk@alder.example";

async fn say(shop: &Shop, visitor: &Visitor, id: &str, text: &str) {
    let frame = json!({ "id": id, "text": text });
    let (status, answer) = visitor.post(shop.process.address(), &frame).await.unwrap();
    assert_eq!(status, 200, "{answer}");
}

/// What the shop has said, once it has said so many things.
async fn said(shop: &Shop, visitor: &Visitor, count: usize) -> Vec<Value> {
    eventually("the answers", async || {
        let mut messages = visitor.history(shop.process.address(), 0).await;
        messages.retain(|message| message["from"] == "shop");
        (messages.len() >= count).then_some(messages)
    })
    .await
}

async fn waiting(shop: &Shop) -> Vec<Value> {
    let told = shop.run(&["--json", "handoffs", "list"]).await;
    told.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn open(shop: &Shop) -> Option<String> {
    let metrics = shop.get("/metrics").await;
    let open = metrics
        .lines()
        .find_map(|line| line.strip_prefix("doorstep_handoffs_open "));
    open.map(str::to_owned)
}

#[tokio::test]
async fn who_waits_for_a_person_is_told_to_the_shop_and_given_back_to_the_assistant() {
    let shop = Shop::with(&[("shop.handoff_mail", DESK)]).await;
    assert_eq!(open(&shop).await.as_deref(), Some("0"));
    let nobody = shop.run(&["handoffs", "list"]).await;
    assert_eq!(nobody.trim(), "nobody waits for a person");
    let visitor = Visitor::anonymous(shop.process.address(), "es").await;
    say(&shop, &visitor, "1", "Quiero hablar con una persona").await;
    said(&shop, &visitor, 1).await;
    // While a person has the conversation the customer is told once that their words arrive.
    say(&shop, &visitor, "2", "Mi mochila llegó rota").await;
    said(&shop, &visitor, 2).await;

    let waits = waiting(&shop).await;
    let [waits] = &waits[..] else {
        panic!("one customer waits: {waits:?}");
    };
    assert_eq!(waits["channel"], "webchat");
    assert_eq!(waits["address"], visitor.id.as_str());
    assert_eq!(waits["language"], "es");
    assert_eq!(open(&shop).await.as_deref(), Some("1"));
    let id = waits["id"].as_str().unwrap();
    let shown = shop.run(&["handoffs", "show", id]).await;
    assert!(shown.contains("Quiero hablar con una persona"), "{shown}");

    let mails = eventually("the mail to the shop's people", async || {
        let mails = shop.mails().await;
        (!mails.is_empty()).then_some(mails)
    })
    .await;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, DESK);
    assert_eq!(mails[0].subject, "A customer waits for a person");
    let close = format!("doorstep handoffs close {id}");
    assert!(mails[0].text.contains(&close), "{}", mails[0].text);
    assert!(
        !mails[0].text.contains("Quiero"),
        "the customer's words stay here"
    );

    let words = "Te enviamos otra mochila.";
    let closed = shop.run(&["handoffs", "close", id, "--say", words]).await;
    assert!(
        closed.contains("the assistant answers there again"),
        "{closed}"
    );
    let told = said(&shop, &visitor, 3).await;
    let told = told[2]["text"].as_str().unwrap();
    assert!(
        told.starts_with(words) && told.contains("el asistente de la tienda"),
        "{told}"
    );
    say(&shop, &visitor, "3", "¿Dónde está mi pedido?").await;
    let answered = said(&shop, &visitor, 4).await;
    let answered = answered[3]["text"].as_str().unwrap();
    assert!(answered.contains("número"), "{answered}");
    assert!(waiting(&shop).await.is_empty());
    assert_eq!(open(&shop).await.as_deref(), Some("0"));
    assert_eq!(shop.mails().await.len(), 1, "one mail a request");
}
