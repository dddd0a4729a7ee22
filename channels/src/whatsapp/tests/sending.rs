//! What leaves: forms, limits, the window, pictures, parts.

use doorstep_core::{
    attachment::{AttachmentKind, AttachmentPlace},
    message::{Button, Card, Image},
};
use futures::StreamExt;
use proptest::prelude::*;

use super::*;
use crate::simulator::{Act, Faults, Shown};

fn button(label: &str, value: &str) -> Button {
    Button {
        label: label.to_owned(),
        value: value.to_owned(),
    }
}

async fn shown(content: Content) -> Vec<Shown> {
    let fixture = Fixture::new().await;
    fixture.say(content).await.unwrap();
    fixture.simulator.shown(ADA)
}

#[tokio::test]
async fn three_short_buttons_are_pressed_where_they_stand() {
    let fixture = Fixture::new().await.open().await;
    let content = Content {
        buttons: vec![
            button("Yes", "yes"),
            button("No", "no"),
            button("Later", " later "),
        ],
        ..Content::text("Is it this one?")
    };
    let receipt = fixture.say(content).await.unwrap();
    let shown = fixture.simulator.shown(ADA);
    assert_eq!(shown[0].buttons, ["Yes", "No", "Later"]);
    fixture
        .simulator
        .act(ADA, Act::Press("Later".to_owned()))
        .await
        .unwrap();
    let press = fixture
        .until(|| {
            let admitted = fixture.inbox.admitted.lock().unwrap();
            admitted
                .iter()
                .find(|message| message.button.is_some())
                .cloned()
        })
        .await;
    assert_eq!(press.button.as_deref(), Some(" later "));
    assert_eq!(press.answers, Some(receipt.provider_id));
}

#[tokio::test]
async fn more_or_longer_ones_become_a_list_and_what_is_over_is_said() {
    let long = "Tell me about the return of my last order";
    let buttons = (1..=11).map(|n| button(&format!("Choice {n}"), &n.to_string()));
    let shown = shown(Content {
        buttons: std::iter::once(button(long, "return"))
            .chain(buttons)
            .collect(),
        ..Content::text("What is it?")
    })
    .await;
    let [message] = &shown[..] else {
        panic!("{shown:?}");
    };
    assert_eq!(message.buttons.len(), 10);
    assert_eq!(message.buttons[0], "Tell me about the retur…");
    assert!(
        message.text.contains("– Choice 10\n\n– Choice 11"),
        "{}",
        message.text
    );
}

#[tokio::test]
async fn one_address_is_a_link_and_several_are_words() {
    let track = "https://shop.example/track/1";
    let one = shown(Content {
        buttons: vec![button("Track parcel", track)],
        ..Content::text("On its way.")
    })
    .await;
    assert_eq!(one[0].buttons, ["Track parcel"]);
    assert!(one[0].text.contains(track));
    let mixed = shown(Content {
        buttons: vec![button("Track parcel", track), button("A person", "handoff")],
        ..Content::text("On its way.")
    })
    .await;
    assert_eq!(mixed[0].buttons, ["A person"]);
    assert!(mixed[0].text.contains(&format!("Track parcel: {track}")));
}

#[tokio::test]
async fn a_long_text_with_buttons_keeps_both() {
    let sentence = "All of this is worth knowing, so we say it in full. ";
    let text = sentence.repeat(100);
    let parts = shown(Content {
        buttons: vec![button("Good", "good")],
        ..Content::text(text.trim())
    })
    .await;
    assert!(parts.len() >= 2);
    let words: Vec<&str> = parts
        .iter()
        .flat_map(|part| part.text.split_whitespace())
        .collect();
    assert_eq!(words, text.split_whitespace().collect::<Vec<_>>());
    assert_eq!(parts.last().unwrap().buttons, ["Good"]);
    assert!(
        parts
            .iter()
            .rev()
            .skip(1)
            .all(|part| part.buttons.is_empty())
    );
}

#[tokio::test]
async fn cards_come_with_picture_and_link_and_many_become_words() {
    let fixture = Fixture::with(|_| (), |config| config.pictures = Pictures::Link).await;
    let card = |title: &str| Card {
        title: title.to_owned(),
        subtitle: None,
        image: Some("https://shop.example/a.jpg".to_owned()),
        price: Some("€89.00".to_owned()),
        stock: Some("3 left".to_owned()),
        url: Some("https://shop.example/p/1".to_owned()),
        buttons: Vec::new(),
    };
    let content = |count: usize| Content {
        cards: (0..count).map(|n| card(&format!("Jacket {n}"))).collect(),
        ..Content::text("These:")
    };
    fixture.say(content(2)).await.unwrap();
    let shown = fixture.simulator.shown(ADA);
    assert_eq!(shown.len(), 3);
    assert_eq!(shown[1].images, ["https://shop.example/a.jpg"]);
    assert_eq!(shown[1].buttons, ["View"]);
    assert!(shown[1].text.starts_with("Jacket 0\n€89.00 · 3 left"));
    fixture.say(content(5)).await.unwrap();
    let shown = fixture.simulator.shown(ADA);
    assert_eq!(shown.len(), 4, "five cards are one message");
    assert!(shown[3].text.contains("Jacket 4\n€89.00"));
}

#[tokio::test]
async fn a_picture_is_uploaded_once_and_used_for_29_days() {
    let fixture = Fixture::new().await;
    let picture = fixture.front.picture();
    let content = || Content {
        images: vec![Image {
            url: picture.clone(),
            alt: "The jacket".to_owned(),
        }],
        ..Content::text("So:")
    };
    fixture.say(content()).await.unwrap();
    fixture.clock.advance(Duration::from_hours(5));
    fixture.say(content()).await.unwrap();
    fixture.clock.advance(Duration::from_hours(30 * 24));
    fixture.say(content()).await.unwrap();
    let ids: Vec<String> = fixture
        .simulator
        .shown(ADA)
        .into_iter()
        .flat_map(|shown| shown.images)
        .collect();
    assert_eq!(ids[0], ids[1], "read anew, known by its content");
    assert_ne!(ids[1], ids[2], "Meta has forgotten it by then");
    assert!(ids.iter().all(|id| !id.contains("picture.png")), "{ids:?}");
}

#[tokio::test]
async fn a_picture_that_cannot_be_had_is_said_in_words() {
    let fixture = Fixture::new().await;
    let missing = fixture.front.picture().replace("picture.png", "none.png");
    let content = Content {
        images: vec![Image {
            url: missing.clone(),
            alt: "The jacket".to_owned(),
        }],
        ..Content::text("So:")
    };
    fixture.say(content).await.unwrap();
    let shown = fixture.simulator.shown(ADA);
    assert_eq!(shown[0].text, format!("So:\n\nThe jacket: {missing}"));
}

#[tokio::test]
async fn a_customers_file_is_read_and_a_strange_id_is_not_asked_for() {
    let fixture = Fixture::new().await.open().await;
    let act = Act::Send {
        name: "bill.pdf".to_owned(),
        media_type: "application/pdf".to_owned(),
        bytes: Bytes::from_static(b"%PDF-1.7 and so on"),
        caption: None,
    };
    fixture.simulator.act(ADA, act).await.unwrap();
    let admitted = fixture
        .until(|| fixture.inbox.admitted.lock().unwrap().first().cloned())
        .await;
    let file = &admitted.attachments[0];
    assert_eq!(file.kind, AttachmentKind::Document);
    assert_eq!(file.name.as_deref(), Some("bill.pdf"));
    let mut stream = fixture.channel.fetch(file).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    assert_eq!(bytes, b"%PDF-1.7 and so on");
    for id in ["", "../me", "12345678901234567890"] {
        let mut strange = file.clone();
        strange.place = AttachmentPlace::Provider(id.to_owned());
        let refused = fixture.channel.fetch(&strange).await;
        assert!(matches!(refused, Err(FetchError::Fail { .. })), "{id}");
    }
}

#[tokio::test]
async fn what_broke_in_the_middle_is_gone_on_with_and_not_repeated() {
    let fixture = Fixture::new().await;
    let text = "All of this is worth knowing. ".repeat(400);
    fixture.ada_writes().await;
    let message = fixture.answer(Content::text(text.trim()));
    // About every second send is refused; a part is tried four times.
    fixture.simulator.inject(Faults {
        rate_limited: 0.3,
        retry_after: Duration::ZERO,
        seed: 5,
        ..Faults::default()
    });
    let mut sent = fixture.channel.send(&fixture.ada(), &message).await;
    while let Err(SendError::Retry { .. }) = sent {
        sent = fixture.channel.send(&fixture.ada(), &message).await;
    }
    sent.unwrap();
    let shown = fixture.simulator.shown(ADA);
    let words: Vec<&str> = shown
        .iter()
        .flat_map(|part| part.text.split_whitespace())
        .collect();
    assert_eq!(words, text.split_whitespace().collect::<Vec<_>>());
    assert!(fixture.simulator.counts().rate_limited > 0);
}

#[tokio::test]
async fn a_preview_shows_what_would_be_sent() {
    let fixture = Fixture::new().await;
    let content = Content {
        buttons: vec![button("Yes", "yes")],
        ..Content::text("Is it this one?")
    };
    let previews = fixture.channel.preview(&fixture.answer(content)).unwrap();
    assert_eq!(previews[0].text, "Is it this one?\n[Yes]");
    let payload: Value = serde_json::from_str(&previews[0].payload).unwrap();
    assert_eq!(payload["interactive"]["type"], "button");
}

#[tokio::test]
async fn the_provider_refuses_what_its_pages_refuse() {
    let fixture = Fixture::new().await;
    fixture.ada_writes().await;
    let graph = graph::Graph::new(&fixture.simulator.config()).unwrap();
    let interactive =
        |interactive: Value| json!({ "type": "interactive", "interactive": interactive });
    let reply = |title: &str| json!({ "type": "reply", "reply": { "id": title, "title": title } });
    let buttons = |titles: &[&str]| {
        let buttons: Vec<Value> = titles.iter().map(|title| reply(title)).collect();
        interactive(
            json!({ "type": "button", "body": { "text": "?" }, "action": { "buttons": buttons } }),
        )
    };
    let list = |title: &str| {
        let row = json!({ "id": "1", "title": title });
        interactive(json!({ "type": "list", "body": { "text": "?" },
            "action": { "button": "Choose", "sections": [{ "rows": [row] }] } }))
    };
    let cases = [
        (131_009, buttons(&["1", "2", "3", "4"])),
        (131_009, buttons(&["a label of 21 letters"])),
        (131_009, buttons(&["twice", "twice"])),
        (131_009, buttons(&[" spaced"])),
        (131_009, list("a title of twenty-five ab")),
        (131_008, json!({ "type": "text", "text": {} })),
        (
            131_009,
            json!({ "type": "text", "text": { "body": "x".repeat(4097) } }),
        ),
        (100, json!({ "type": "image", "image": { "id": "404" } })),
        (
            132_001,
            json!({ "type": "template", "template": { "name": "none", "language": { "code": "en" } } }),
        ),
    ];
    for (code, mut body) in cases {
        body["messaging_product"] = json!("whatsapp");
        body["to"] = json!(fixture.ada().id);
        let refused = graph.post(&format!("{FIRST}/messages"), &body).await;
        match refused {
            Err(error::CallError::Refused(error)) => assert_eq!(error.code, Some(code), "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_provider_limits_speed_where_it_is_told_to() {
    let limits = |options: &mut simulator::Options| options.limits = true;
    let fixture = Fixture::with(limits, |_| ()).await;
    let mut taken = 0;
    let refused = loop {
        match fixture.say(Content::text("Again")).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 100);
    };
    assert_eq!(taken, 45, "the burst that Meta allows to one customer");
    assert!(
        matches!(refused, SendError::Retry { after: Some(after), .. } if after == Duration::from_secs(6))
    );
    fixture.clock.advance(Duration::from_secs(6));
    fixture.say(Content::text("Again")).await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the shop says, WhatsApp takes it, and every word and button of it is there.
    #[test]
    fn every_message_is_taken_and_complete(
        text in "[a-z .\n]{0,3000}",
        labels in prop::collection::vec("[A-Za-z ]{1,40}", 0..13),
        cards in prop::collection::vec("[A-Z][a-z]{1,30}", 0..5),
    ) {
        let content = Content {
            buttons: labels.iter().enumerate().map(|(n, label)| button(label, &format!("v{n}"))).collect(),
            cards: cards.iter().map(|title| Card {
                title: title.clone(), subtitle: None, image: None, price: None, stock: None,
                url: Some("https://shop.example/p".to_owned()), buttons: Vec::new(),
            }).collect(),
            ..Content::text(text.clone())
        };
        let parts = plan::plan(&content, &Language::ENGLISH, &Default::default());
        let mut all = String::new();
        for part in &parts {
            let sent = simulator::render_for_tests(&part.body);
            let sent = sent.unwrap_or_else(|refused| panic!("{refused:?}: {}", part.body));
            all.push_str(&sent);
            all.push('\n');
        }
        let missing = |words: &str| words.split_whitespace().any(|word| !all.contains(word));
        prop_assert!(!missing(&text), "{all}");
        prop_assert!(cards.iter().all(|card| all.contains(card)), "{all}");
        for label in labels.iter().map(|label| label.trim()).filter(|label| !label.is_empty()) {
            prop_assert!(all.contains(label), "{label} is missing in {all}");
        }
    }
}
