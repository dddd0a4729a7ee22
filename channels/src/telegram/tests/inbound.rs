//! What customers say.

use bytes::Bytes;
use chrono::TimeDelta;
use doorstep_core::{
    attachment::{AttachmentKind, AttachmentPlace},
    channel::Inbox,
};
use proptest::prelude::*;

use super::*;
use crate::telegram::{commands, config::Settings, inbound, update::Update};

#[tokio::test]
async fn only_telegram_with_the_secret_is_heard() {
    let stage = Fixture::new().await;
    let secret = stage.telegram.webhook_secret.clone();
    assert_eq!(secret.len(), 64);
    let update = updates()[0].to_string();
    for wrong in ["", "x", &secret[1..], &format!("{secret}0")] {
        let refused = stage
            .telegram
            .receive_webhook(&request(wrong, &update))
            .await;
        assert_eq!(refused.unwrap_err(), WebhookRejection::BadSignature);
    }
    let mut unsigned = request(&secret, &update);
    unsigned.headers.clear();
    let refused = stage.telegram.receive_webhook(&unsigned).await.unwrap_err();
    assert_eq!(refused.label(), "missing_header");
    for body in ["", "[]", "{", "7", "{\"message\": {}}", "\u{0}"] {
        let refused = stage
            .telegram
            .receive_webhook(&request(&secret, body))
            .await;
        assert_eq!(refused.unwrap_err().label(), "malformed", "{body}");
    }
    let taken = stage
        .telegram
        .receive_webhook(&request(&secret, &update))
        .await
        .unwrap();
    assert_eq!(taken.messages[0].text, "¿Dónde está mi pedido? 📦");
    assert_eq!(taken.messages[0].from.id, "5001");
    assert_eq!(taken.messages[0].external_id, "5001:1001");
    assert_eq!(taken.messages[0].language_hint, "es".parse().ok());
}

#[tokio::test]
async fn another_token_has_another_secret() {
    let stage = Fixture::new().await;
    let mut other = config("http://127.0.0.1:1");
    other.token = "123456789:another".into();
    let other = bot(&other, &stage.memory, ambient(&stage.clock));
    assert_ne!(other.webhook_secret, stage.telegram.webhook_secret);
    assert_eq!(
        stage.restarted().webhook_secret,
        stage.telegram.webhook_secret
    );
}

#[tokio::test]
async fn the_fixtures_are_heard_as_what_they_are() {
    let stage = Fixture::new().await;
    let mut heard = Vec::new();
    for update in updates() {
        let outcome = stage.webhook(&update).await.unwrap();
        for message in outcome.messages {
            let kinds = message.attachments.iter().map(|file| file.kind.as_str());
            let kinds: Vec<&str> = kinds.collect();
            let button = message.button.as_deref().unwrap_or("-");
            heard.push(format!("{} [{button}] {}", message.text, kinds.join(" ")));
        }
        heard.extend(
            outcome
                .closed
                .iter()
                .map(|(address, why)| format!("{}: {why}", address.id)),
        );
    }
    assert_eq!(
        heard,
        [
            "¿Dónde está mi pedido? 📦 [-] ",
            "Saludar [flow:greeting] ",
            "¿Dónde está mi pedido? [flow:order_status] ",
            "read https://x.example [-] ",
            "Llegó roto [-] image",
            " [-] document",
            " [-] voice",
            " [-] audio",
            "mira [-] video",
            " [-] video",
            " [-] video",
            "👍 [-] sticker",
            "48.137, 11.575 [-] ",
            "Packstation 101, Marienplatz 1 [-] ",
            "Ana García, +49301234567 [-] ",
            "🎲 [-] ",
            "where is my order? [-] ",
            "in a topic [-] ",
            "yes please [-] ",
            "¿Dónde está mi pedido 10234? [-] ",
            "Hablar con una persona [handoff] ",
            "5001: the customer blocked the bot",
        ]
    );
}

#[tokio::test]
async fn a_deep_link_brings_its_token() {
    let stage = Fixture::new().await;
    let outcome = stage.webhook(&updates()[1]).await.unwrap();
    assert_eq!(outcome.messages[0].link.as_deref(), Some("abc_DEF-123"));
    let link = stage.telegram.deep_link("abc_DEF-123").unwrap();
    assert_eq!(link, format!("https://t.me/{USERNAME}?start=abc_DEF-123"));
    for token in ["", "a b", "a.b", &"x".repeat(65)] {
        assert_eq!(stage.telegram.deep_link(token), None, "{token}");
    }
}

#[tokio::test]
async fn an_edit_names_what_it_changes_and_two_in_one_second_are_two() {
    let stage = Fixture::new().await;
    let mut edit = updates()
        .into_iter()
        .find(|update| update.get("edited_message").is_some())
        .unwrap();
    let first = stage.webhook(&edit).await.unwrap().messages.remove(0);
    assert_eq!(first.edits.as_deref(), Some("5001:1001"));
    assert_eq!(first.sent_at.timestamp(), 1_795_255_260);
    let again = stage.webhook(&edit).await.unwrap().messages.remove(0);
    assert_eq!(first.external_id, again.external_id);
    edit["update_id"] = 990_001.into();
    let second = stage.webhook(&edit).await.unwrap().messages.remove(0);
    assert_ne!(first.external_id, second.external_id);
}

#[tokio::test]
async fn a_group_is_heard_when_it_calls_us_and_topics_are_places_of_their_own() {
    let stage = Fixture::new().await;
    let guard = stage.listen();
    let simulator = &stage.simulator;
    simulator.write_in_group("flat", "ana", "nobody means you", None);
    simulator.write_in_group("flat", "ana", &format!("@{USERNAME} hello"), None);
    simulator.write_in_group("flat", "ben", &format!("/order@{USERNAME}"), Some(7));
    simulator.write_in_group("flat", "ben", "/order@another_bot", Some(7));
    simulator.write_in_group("flat", "ben", "@another_bot hello", None);
    stage.act(Act::Write("done".to_owned())).await;
    stage
        .until("the last message", |stage| {
            stage.texts().last().is_some_and(|text| text == "done")
        })
        .await;
    drop(guard);
    let group = simulator.address_of_group("flat").id;
    let heard = stage.admitted();
    let heard: Vec<(String, String)> = heard
        .into_iter()
        .map(|message| (message.from.id, message.text))
        .collect();
    assert_eq!(heard[0], (group.clone(), "hello".to_owned()));
    assert_eq!(
        heard[1],
        (format!("{group}:7"), "Where is my order?".to_owned())
    );
    assert_eq!(heard.len(), 3);
}

#[tokio::test]
async fn an_album_is_one_message_however_it_is_told() {
    let stage = Fixture::new().await;
    let photos = [
        Bytes::from_static(b"\xff\xd8\xff1"),
        Bytes::from_static(b"\xff\xd8\xff2"),
    ];
    stage.simulator.send_album(
        "ana",
        &photos,
        Some("It came like this, card 4111 1111 1111 1111"),
    );
    let parts = stage.simulator.updates();
    for part in [&parts[1], &parts[0], &parts[1]] {
        assert!(stage.webhook(part).await.unwrap().messages.is_empty());
    }
    for value in stage.memory.cursors.lock().unwrap().values() {
        assert!(!value.contains("4111 1111"), "{value}");
    }
    stage.telegram.albums.admit_complete().await;
    assert!(stage.admitted().is_empty(), "more may come");
    stage.clock.advance(Duration::from_secs(2));
    stage.telegram.albums.admit_complete().await;

    let admitted = stage.admitted();
    assert_eq!(admitted.len(), 1);
    assert!(admitted[0].text.starts_with("It came like this"));
    assert_eq!(admitted[0].attachments.len(), 2);
    assert_eq!(admitted[0].attachments[0].kind, AttachmentKind::Image);
    let first = parts[0]["message"]["message_id"].as_i64().unwrap();
    assert_eq!(
        admitted[0].external_id,
        format!("{}:{first}", admitted[0].from.id)
    );

    // Told again a day later, and edited.
    stage.clock.advance(Duration::from_secs(20 * 3600));
    assert!(stage.webhook(&parts[1]).await.unwrap().messages.is_empty());
    let mut edited = parts[0].clone();
    let message = edited["message"].take();
    edited = json!({"update_id": 880_001, "edited_message": message});
    edited["edited_message"]["caption"] = "It came broken".into();
    let edit = stage.webhook(&edited).await.unwrap().messages.remove(0);
    assert_eq!(edit.edits.as_ref(), Some(&admitted[0].external_id));
    assert_eq!(edit.text, "It came broken");
    stage.clock.advance(Duration::from_secs(60));
    stage.telegram.albums.admit_complete().await;
    assert_eq!(stage.admitted().len(), 1);
}

#[tokio::test]
async fn an_album_survives_a_crash_and_a_late_part_is_not_lost() {
    let stage = Fixture::new().await;
    let photo = Bytes::from_static(b"\xff\xd8\xff1");
    stage
        .simulator
        .send_album("ana", &[photo.clone(), photo.clone(), photo], None);
    let parts = stage.simulator.updates();
    for part in &parts[..2] {
        stage.webhook(part).await.unwrap();
    }
    let other = stage.restarted();
    stage.clock.advance(Duration::from_secs(5));
    other.albums.recover().await.unwrap();
    other.albums.admit_complete().await;
    assert_eq!(stage.admitted()[0].attachments.len(), 2);
    let late = stage.webhook(&parts[2]).await.unwrap().messages;
    assert_eq!(late.len(), 1, "it stands alone");
    assert_eq!(late[0].attachments.len(), 1);
    // What nobody tells again is forgotten.
    stage.clock.advance(Duration::from_secs(50 * 3600));
    other.albums.recover().await.unwrap();
    assert!(stage.memory.cursors.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_press_is_answered_and_a_double_click_is_one() {
    let stage = Fixture::new().await;
    let guard = stage.listen();
    let long = format!("flow:stock_check;product={}", "x".repeat(90));
    let content = Content {
        buttons: vec![button("Yes", "handoff"), button("In stock?", &long)],
        ..Content::text("Well?")
    };
    let address = stage.simulator.address_of("ana");
    let sent = stage
        .telegram
        .send(&address, &stage.message(content))
        .await
        .unwrap();
    for label in ["Yes", "Yes", "In stock?"] {
        stage.act(Act::Press(label.to_owned())).await;
    }
    stage
        .until("three answers", |stage| {
            stage.simulator.answers_to_presses().len() == 3
        })
        .await;
    stage
        .until("both presses", |stage| stage.admitted().len() == 2)
        .await;
    drop(guard);
    let admitted = stage.admitted();
    assert_eq!(admitted[0].button.as_deref(), Some("handoff"));
    assert_eq!(admitted[0].text, "Yes");
    assert_eq!(admitted[0].answers, Some(sent.provider_id));
    assert_eq!(admitted[1].button, Some(long));

    // The same button, later and by another process: it still means the same.
    stage.clock.advance(Duration::from_secs(60));
    stage.act(Act::Press("In stock?".to_owned())).await;
    let press = stage.simulator.updates().pop().unwrap();
    let secret = stage.telegram.webhook_secret.clone();
    let outcome = stage
        .restarted()
        .receive_webhook(&request(&secret, &press.to_string()))
        .await;
    assert_eq!(outcome.unwrap().messages[0].button, admitted[1].button);
}

#[tokio::test]
async fn a_stale_button_says_so() {
    let stage = Fixture::new().await;
    let guard = stage.listen();
    stage.simulator.press_stale("ana", "menu_7");
    stage.simulator.press_stale("ana", "#button:gone");
    stage
        .until("two answers", |stage| {
            stage.simulator.answers_to_presses().len() == 2
        })
        .await;
    drop(guard);
    for (_, said) in stage.simulator.answers_to_presses() {
        assert_eq!(said.as_deref(), Some(commands::stale(Some("en"))));
    }
    assert!(stage.admitted().is_empty());
}

#[tokio::test]
async fn a_store_that_is_away_loses_no_part_of_an_album() {
    let stage = Fixture::new().await;
    stage
        .simulator
        .send_album("ana", &[Bytes::from_static(b"\xff\xd8\xff")], None);
    stage
        .memory
        .away
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let update = stage.simulator.updates().remove(0);
    let outcome = stage.webhook(&update).await.unwrap();
    let refused = stage
        .memory
        .admit(outcome.messages.into_iter().next().unwrap())
        .await;
    assert!(refused.is_err(), "so Telegram is not answered with success");
}

#[tokio::test]
async fn an_unknown_part_does_not_cost_the_words() {
    let stage = Fixture::new().await;
    let mut newer = updates()[0].clone();
    newer["message"]["entities"] = json!([{"type": "hologram", "offset": {}, "length": "x"}, 7]);
    newer["message"]["reply_to_message"] = json!("?");
    newer["message"]["edit_date"] = json!([]);
    newer["aardvark"] = json!({});
    let outcome = stage.webhook(&newer).await.unwrap();
    assert_eq!(outcome.messages[0].text, "¿Dónde está mi pedido? 📦");
    for other in [
        update("message_reaction", json!({})),
        update("message", json!([1])),
        json!({"update_id": 5}),
    ] {
        let outcome = stage.webhook(&other).await.unwrap();
        assert!(outcome.messages.is_empty());
    }
}

pub(super) fn button(label: &str, value: &str) -> doorstep_core::message::Button {
    doorstep_core::message::Button {
        label: label.to_owned(),
        value: value.to_owned(),
    }
}

static SETTINGS: LazyLock<Settings> =
    LazyLock::new(|| config("http://127.0.0.1:1").settings().unwrap());

/// As many inputs as `PROPTEST_CASES` says, 2000 where it says less.
fn cases() -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig {
        cases: asked.cases.max(2000),
        ..asked
    }
}

/// Changes one value somewhere in a document.
fn mutate(value: &mut Value, path: &[usize], put: &Value) {
    let children: Vec<&mut Value> = match value {
        Value::Object(fields) => fields.values_mut().collect(),
        Value::Array(items) => items.iter_mut().collect(),
        _ => Vec::new(),
    };
    let count = children.len();
    match path.split_first() {
        Some((step, rest)) if count > 0 => {
            if let Some(child) = children.into_iter().nth(step % count) {
                mutate(child, rest, put);
            }
        }
        _ => *value = put.clone(),
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([{"type": "mention", "offset": 1, "length": i64::MAX}])),
        Just(json!([{"type": "bot_command", "offset": -1, "length": 2}])),
    ]
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_update_makes_it_panic(
        number in 0usize..100,
        changes in proptest::collection::vec((proptest::collection::vec(any::<usize>(), 1..6), any_value()), 1..4),
    ) {
        let mut update = any_update(number);
        for (path, put) in &changes {
            mutate(&mut update, path, put);
        }
        if let Ok(update) = Update::read(update) {
            inbound::hear(update, &SETTINGS, doorstep_core::Timestamp::default() + TimeDelta::days(1));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(number in 0usize..100, at in any::<usize>(), byte in any::<u8>(), cut in any::<usize>()) {
        let mut bytes = any_update(number).to_string().into_bytes();
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(cut % (2 * length) + 1);
        if let Ok(update) = Update::parse(&bytes) {
            inbound::hear(update, &SETTINGS, doorstep_core::Timestamp::default());
        }
    }

    #[test]
    fn mentions_at_hostile_places_cut_nothing_wrong(
        text in "(\\PC|[😀@/]){0,30}", offset in -3i64..40, length in -3i64..40,
    ) {
        let update = json!({"update_id": 1, "message": {
            "message_id": 1, "date": 1, "from": {"id": 1}, "chat": {"id": -1, "type": "group"}, "text": text,
            "entities": [{"type": "text_mention", "offset": offset, "length": length, "user": {"id": 123_456_789}}],
        }});
        inbound::hear(Update::read(update).unwrap(), &SETTINGS, doorstep_core::Timestamp::default());
    }
}

/// Whatever else Telegram's description says a message may have, its words are heard.
#[test]
fn every_described_part_leaves_the_words_alone() {
    let Some(description) = published::description() else {
        return;
    };
    let ours = [
        "message_id",
        "date",
        "chat",
        "from",
        "text",
        "media_group_id",
        "edit_date",
    ];
    let mut tried = 0;
    for (name, value) in description.examples("Message") {
        let mut update = any_update(0);
        if ours.contains(&name.as_str()) {
            continue;
        }
        update["message"][&name] = value;
        let text = update["message"]["text"].clone();
        let heard = inbound::hear(Update::read(update).unwrap(), &SETTINGS, Default::default());
        let inbound::Heard::Message(message) = heard else {
            panic!("`{name}` costs the words: {heard:?}");
        };
        assert_eq!(message.text, text.as_str().unwrap(), "{name}");
        tried += 1;
    }
    assert!(tried > 80, "{tried}");
    for (kind, value) in description.examples("Update") {
        if kind != "update_id" {
            let update = Update::read(update(&kind, value)).unwrap();
            inbound::hear(update, &SETTINGS, Default::default());
        }
    }
}

#[test]
fn an_attachment_is_named_by_its_file() {
    let update = Update::read(updates()[4].clone()).unwrap();
    let inbound::Heard::Message(message) = inbound::hear(update, &SETTINGS, Default::default())
    else {
        panic!("a message");
    };
    let place = AttachmentPlace::Provider("p-large".to_owned());
    assert_eq!(message.attachments[0].place, place);
}
