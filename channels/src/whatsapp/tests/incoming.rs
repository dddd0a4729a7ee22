//! Webhooks: who may send them, and what customers can say.

use doorstep_core::{
    attachment::{AttachmentKind, AttachmentPlace},
    channel::ReceiptStatus,
};

use super::*;
use crate::simulator::Act;

pub(super) fn now() -> Timestamp {
    TestClock::new().now()
}

pub(super) fn get(query: &str) -> WebhookRequest {
    WebhookRequest {
        method: Method::GET,
        query: query.to_owned(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        received_at: now(),
    }
}

#[tokio::test]
async fn the_address_is_verified_by_token_and_challenge() {
    let channel = deaf(&[FIRST]);
    let right = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=verify-me";
    let outcome = channel.receive_webhook(&get(right)).await.unwrap();
    assert_eq!(outcome.reply.as_deref(), Some("1158201444"));
    for wrong in [
        "",
        "hub.mode=subscribe&hub.challenge=1&hub.verify_token=verify-mf",
        "hub.mode=subscribe&hub.challenge=1&hub.verify_token=",
        "hub.mode=subscribe&hub.challenge=1",
        "hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=verify-me",
        "hub.mode=subscribe&hub.verify_token=verify-me",
        "hub.mode=subscribe&hub.challenge=%3Cscript%3E&hub.verify_token=verify-me",
    ] {
        assert!(
            channel.receive_webhook(&get(wrong)).await.is_err(),
            "{wrong}"
        );
    }
    let fixture = Fixture::new().await.open().await;
    fixture.simulator.verify_webhook().await.unwrap();
}

#[tokio::test]
async fn only_meta_may_send_webhooks() {
    let channel = deaf(&[FIRST]);
    let body = envelope(FIRST, json!({ "messages": [text_message("1", "Hello")] })).to_string();
    let body = body.as_bytes();
    let good = signed("app-secret", body, now());
    assert_eq!(
        channel.receive_webhook(&good).await.unwrap().messages.len(),
        1
    );

    let forged = signed("another-secret", body, now());
    let mut changed = good.clone();
    changed.body = Bytes::from([body, b" "].concat());
    let mut odd = good.clone();
    odd.headers
        .insert("x-hub-signature-256", "sha256=abc".parse().unwrap());
    let mut sha1 = good.clone();
    sha1.headers
        .insert("x-hub-signature-256", "sha1=00".parse().unwrap());
    for request in [forged, changed, odd, sha1] {
        let refused = channel.receive_webhook(&request).await.unwrap_err();
        assert_eq!(refused, WebhookRejection::BadSignature);
    }
    let mut unsigned = good.clone();
    unsigned.headers.clear();
    let refused = channel.receive_webhook(&unsigned).await.unwrap_err();
    assert_eq!(refused.label(), "missing_header");
}

#[tokio::test]
async fn a_webhook_replayed_long_after_is_refused() {
    let channel = deaf(&[FIRST]);
    let body = envelope(FIRST, json!({ "messages": [text_message("1", "Hello")] })).to_string();
    let within = now() + chrono::TimeDelta::days(7);
    let late = now() + chrono::TimeDelta::days(9);
    let request = |at| signed("app-secret", body.as_bytes(), at);
    assert!(channel.receive_webhook(&request(within)).await.is_ok());
    let refused = channel.receive_webhook(&request(late)).await.unwrap_err();
    assert_eq!(refused.label(), "outside_replay_window");
}

#[tokio::test]
async fn a_redelivered_answer_is_not_the_answer_to_the_next_question() {
    let fixture = Fixture::new().await.open().await;
    let twice = crate::simulator::Faults {
        duplicate: 1.0,
        ..Default::default()
    };
    fixture.simulator.inject(twice);
    fixture
        .simulator
        .act(ADA, Act::Write("Yes".to_owned()))
        .await
        .unwrap();
    fixture.simulator.inject(Default::default());
    fixture
        .simulator
        .act(ADA, Act::Write("Then".to_owned()))
        .await
        .unwrap();
    let admitted = fixture
        .until(|| {
            let admitted = fixture.inbox.admitted.lock().unwrap();
            (admitted.last()?.text == "Then").then(|| admitted.clone())
        })
        .await;
    let texts: Vec<&str> = admitted
        .iter()
        .map(|message| message.text.as_str())
        .collect();
    assert_eq!(texts, ["Yes", "Then"]);
    assert_eq!(fixture.simulator.counts().duplicates, 1);
}

pub(super) fn text_message(id: &str, body: &str) -> Value {
    json!({
        "from": "4915112345678",
        "id": format!("wamid.{id}"),
        "timestamp": now().timestamp().to_string(),
        "type": "text",
        "text": { "body": body },
    })
}

/// What a message of Ada's becomes.
async fn said(message: Value) -> InboundMessageOrNothing {
    let channel = deaf(&[FIRST]);
    let mut message = message;
    message["from"] = json!("4915112345678");
    message["id"] = json!("wamid.1");
    message["timestamp"] = json!(now().timestamp().to_string());
    let body = envelope(FIRST, json!({ "messages": [message] }));
    receive(&channel, &body, now()).await.messages.pop()
}

type InboundMessageOrNothing = Option<doorstep_core::message::InboundMessage>;

#[tokio::test]
async fn customers_can_say_it_in_every_form() {
    let place = json!({ "type": "location", "location": { "latitude": 52.5, "longitude": 13.4, "name": "Depot", "address": "Ring 1" } });
    assert_eq!(
        said(place).await.unwrap().text,
        "Depot, Ring 1 (52.5, 13.4)"
    );

    let card = json!({ "type": "contacts", "contacts": [
        { "name": { "formatted_name": "Ben" }, "phones": [{ "phone": "+49 30 1" }], "emails": [{ "email": "ben@shop.example" }] },
    ] });
    assert_eq!(
        said(card).await.unwrap().text,
        "Ben: +49 30 1, ben@shop.example"
    );

    let order = json!({ "type": "order", "order": { "text": "Soon, please", "product_items": [
        { "product_retailer_id": "JACKET-M", "quantity": 2, "item_price": 89.5, "currency": "EUR" },
    ] } });
    assert_eq!(
        said(order).await.unwrap().text,
        "Soon, please\n2 × JACKET-M (89.5 EUR)"
    );

    let voice = json!({ "type": "audio", "audio": { "id": "77", "mime_type": "audio/ogg", "voice": true } });
    let voice = said(voice).await.unwrap();
    assert_eq!(voice.attachments[0].kind, AttachmentKind::Voice);
    assert_eq!(
        voice.attachments[0].place,
        AttachmentPlace::Provider("77".to_owned())
    );

    let reaction =
        json!({ "type": "reaction", "reaction": { "message_id": "wamid.9", "emoji": "👍" } });
    let reaction = said(reaction).await.unwrap();
    assert_eq!(
        (reaction.text.as_str(), reaction.answers.as_deref()),
        ("👍", Some("wamid.9"))
    );
    let taken_back = json!({ "type": "reaction", "reaction": { "message_id": "wamid.9" } });
    assert_eq!(said(taken_back).await, None);

    let press = json!({
        "type": "interactive",
        "context": { "from": "15550783881", "id": "wamid.5" },
        "interactive": { "type": "list_reply", "list_reply": { "id": "choose:2", "title": "No, another" } },
    });
    let press = said(press).await.unwrap();
    assert_eq!(press.button.as_deref(), Some("choose:2"));
    assert_eq!(press.answers.as_deref(), Some("wamid.5"));

    let unread = said(json!({ "type": "poll" })).await.unwrap();
    assert_eq!(
        unread.text, "",
        "the customer hears that nobody could read it"
    );
    assert_eq!(said(json!({ "type": "revoke", "revoke": {} })).await, None);
    assert_eq!(
        said(json!({ "type": "text", "text": { "body": "x" }, "group_id": "g" })).await,
        None
    );
}

#[tokio::test]
async fn a_customer_with_a_user_name_is_known_by_user_id_and_answered_there() {
    let fixture = Fixture::new().await.open().await;
    let write = Act::Write("Where is my order?".to_owned());
    fixture.simulator.act("@ada", write).await.unwrap();
    let admitted = fixture
        .until(|| fixture.inbox.admitted.lock().unwrap().first().cloned())
        .await;
    assert_eq!(admitted.from, fixture.simulator.address_of("@ada"));
    assert!(admitted.from.id.starts_with("DE."), "{}", admitted.from.id);
    let answer = fixture.answer(Content::text("In Madrid."));
    fixture.channel.send(&admitted.from, &answer).await.unwrap();
    assert_eq!(fixture.simulator.shown("@ada")[0].text, "In Madrid.");
    let settled = fixture
        .until(|| fixture.inbox.receipts.lock().unwrap().last().cloned())
        .await;
    assert_eq!(settled.message, Some(answer.id));
}

#[tokio::test]
async fn a_new_number_closes_the_old_address() {
    let channel = deaf(&[FIRST]);
    let changed = json!({
        "from": "4915112345678",
        "id": "wamid.1",
        "timestamp": now().timestamp().to_string(),
        "type": "system",
        "system": { "type": "user_changed_number", "wa_id": "4915187654321", "body": "User changed" },
    });
    let mut user_id = changed.clone();
    user_id["system"] =
        json!({ "type": "user_changed_user_id", "previous_user_id": "DE.1", "user_id": "DE.2" });
    let body = envelope(FIRST, json!({ "messages": [changed, user_id] }));
    let outcome = receive(&channel, &body, now()).await;
    let closed: Vec<&str> = outcome
        .closed
        .iter()
        .map(|(address, _)| address.id.as_str())
        .collect();
    assert_eq!(closed, ["4915112345678", "DE.1"]);
    assert!(
        outcome
            .closed
            .iter()
            .all(|(_, reason)| !reason.contains("49151"))
    );
    assert!(outcome.messages.is_empty());
}

#[tokio::test]
async fn several_numbers_live_in_one_program() {
    let two = |options: &mut simulator::Options| {
        options.numbers.push(Number {
            phone_number_id: SECOND.to_owned(),
            number: "+49 30 1234567".to_owned(),
        });
    };
    let fixture = Fixture::with(two, |_| ()).await.open().await;
    let hello = json!({ "type": "text", "text": { "body": "Hello" } });
    fixture.simulator.send_to(1, ADA, hello);
    let admitted = fixture
        .until(|| fixture.inbox.admitted.lock().unwrap().first().cloned())
        .await;
    assert!(admitted.from.id.starts_with(&format!("{SECOND}:")));
    let answer = fixture.answer(Content::text("From the second number."));
    fixture.channel.send(&admitted.from, &answer).await.unwrap();
    assert_eq!(fixture.simulator.shown(ADA).len(), 1);
    // She never wrote to the first one.
    let refused = fixture.channel.send(&fixture.ada(), &answer).await;
    assert!(
        matches!(&refused, Err(SendError::Fail { reason }) if reason.contains("131047")),
        "{refused:?}"
    );
    let foreign = Address::new(NAME, "1:4915112345678");
    let refused = fixture.channel.send(&foreign, &answer).await;
    assert!(
        matches!(refused, Err(SendError::Fail { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_number_that_is_not_ours_and_a_broken_message_stop_nobody() {
    let channel = deaf(&[FIRST]);
    let strange = envelope(
        "424242",
        json!({ "messages": [text_message("1", "Hello")] }),
    );
    assert!(receive(&channel, &strange, now()).await.messages.is_empty());
    let messages = json!([
        { "type": "text" },
        { "id": 5, "type": [] },
        { "id": "wamid.x", "type": "image", "from": "4915112345678" },
        null,
        text_message("2", "Still there?"),
    ]);
    let mixed = envelope(
        FIRST,
        json!({ "messages": messages, "statuses": [null, { "status": 4 }] }),
    );
    let outcome = receive(&channel, &mixed, now()).await;
    assert_eq!(outcome.messages.len(), 1);
    assert_eq!(outcome.messages[0].text, "Still there?");
    assert!(outcome.receipts.is_empty());
}

#[tokio::test]
async fn statuses_settle_messages_by_their_id_and_ours() {
    let channel = deaf(&[FIRST]);
    let ours = "01936c00-0000-7000-8000-000000000001";
    let status = |status: &str, data: &str| {
        json!({
            "id": "wamid.7",
            "status": status,
            "timestamp": now().timestamp().to_string(),
            "recipient_id": "4915112345678",
            "biz_opaque_callback_data": data,
            "errors": [{ "code": 131_026, "title": "Message undeliverable" }],
        })
    };
    let statuses = json!([
        status("sent", ours),
        status("delivered", ours),
        status("read", ours),
        status("played", "not ours"),
        status("failed", ours),
        status("sent", &format!("{ours}+0")),
        status("failed", &format!("{ours}+0")),
        status("warming up", ours),
    ]);
    let outcome = receive(
        &channel,
        &envelope(FIRST, json!({ "statuses": statuses })),
        now(),
    )
    .await;
    let receipts = outcome.receipts;
    let kinds: Vec<&ReceiptStatus> = receipts.iter().map(|receipt| &receipt.status).collect();
    assert!(
        matches!(
            kinds[..],
            [
                ReceiptStatus::Sent,
                ReceiptStatus::Delivered,
                ReceiptStatus::Read,
                ReceiptStatus::Read,
                ReceiptStatus::Failed { gone: true, .. },
                ReceiptStatus::Failed { gone: true, .. },
            ]
        ),
        "{kinds:?}"
    );
    assert_eq!(receipts[0].message, Some(ours.parse().unwrap()));
    assert_eq!(receipts[0].provider_id.as_deref(), Some("wamid.7"));
    assert_eq!(receipts[3].message, None);
    // A part before the last one tells only that it failed, and not under the message's own id there.
    assert_eq!(
        (&receipts[5].provider_id, receipts[5].message),
        (&None, Some(ours.parse().unwrap()))
    );
}

#[tokio::test]
async fn a_link_carries_its_token_through_the_customers_message() {
    let fixture = Fixture::new().await.open().await;
    let token = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4-_9vYmFyYmF";
    let link = fixture.channel.deep_link(token).unwrap();
    assert!(
        link.starts_with("https://wa.me/15550783881?text="),
        "{link}"
    );
    let opened = reqwest::Url::parse(&link).unwrap();
    let text = opened.query_pairs().next().unwrap().1.into_owned();
    fixture
        .simulator
        .act(ADA, Act::Write(format!("{text} and more")))
        .await
        .unwrap();
    let admitted = fixture
        .until(|| fixture.inbox.admitted.lock().unwrap().first().cloned())
        .await;
    assert_eq!(admitted.link.as_deref(), Some(token));
    assert_eq!(admitted.text, "👋 and more");
    assert_eq!(fixture.channel.deep_link("not a token"), None);
}
