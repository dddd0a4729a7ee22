//! Slash commands, buttons and menus.

use std::time::Duration;

use doorstep_core::{
    channel::Channel,
    message::{Button, Card, Content},
};
use serde_json::json;

use super::Fixture;
use crate::simulator::Act;

#[tokio::test]
async fn a_command_is_acknowledged_and_its_answer_takes_the_place() {
    let fixture = Fixture::new().await;
    let order = Some(("number", "FW-1001"));
    fixture
        .simulator
        .use_command("ada", "order", order, "de")
        .await
        .unwrap();
    let asked = fixture.admitted_are(1).await.remove(0);
    assert_eq!(asked.text, "Wo ist meine Bestellung FW-1001?");
    assert_eq!(asked.language_hint.as_ref().unwrap().primary(), "de");
    let answer = fixture.message(Content::text("In Madrid."), Some(&asked));
    let receipt = fixture.channel.send(&asked.from, &answer).await.unwrap();
    // Sent again, the same answer is still one.
    let again = fixture.channel.send(&asked.from, &answer).await.unwrap();
    assert_eq!(receipt, again);
    let shown = fixture.shown("ada", 1).await;
    assert_eq!((shown.len(), shown[0].text.as_str()), (1, "In Madrid."));
    // A second message does not overwrite it.
    let more = fixture.message(Content::text("It comes tomorrow."), Some(&asked));
    fixture.channel.send(&asked.from, &more).await.unwrap();
    let shown = fixture.shown("ada", 2).await;
    assert_eq!(shown[0].text, "In Madrid.");
    let requests = fixture.simulator.requests();
    let (_, _, acknowledged) = requests
        .iter()
        .find(|(_, path, _)| path.ends_with("/callback"))
        .unwrap();
    assert_eq!(acknowledged["type"], 5);
}

#[tokio::test]
async fn an_answer_after_a_restart_still_takes_the_place_and_a_late_one_is_a_message() {
    let mut fixture = Fixture::new().await;
    fixture
        .simulator
        .use_command("ada", "return", None, "en-US")
        .await
        .unwrap();
    let asked = fixture.admitted_are(1).await.remove(0);
    fixture.stop().await;
    let answer = fixture.message(Content::text("Which one?"), Some(&asked));
    fixture.channel.send(&asked.from, &answer).await.unwrap();
    let edited = |fixture: &Fixture| {
        let requests = fixture.simulator.requests();
        requests
            .iter()
            .filter(|(method, path, _)| method == "PATCH" && path.ends_with("@original"))
            .count()
    };
    assert!(edited(&fixture) > 0);

    fixture.listen().await;
    fixture
        .simulator
        .use_command("ada", "return", None, "en-US")
        .await
        .unwrap();
    let asked = fixture.admitted_are(2).await.remove(1);
    let before = edited(&fixture);
    fixture.clock.advance(Duration::from_secs(15 * 60));
    let answer = fixture.message(Content::text("Which one?"), Some(&asked));
    fixture.channel.send(&asked.from, &answer).await.unwrap();
    assert_eq!(edited(&fixture), before);
    fixture.shown("ada", 2).await;
}

#[tokio::test]
async fn a_store_that_is_slow_costs_no_interaction_its_three_seconds() {
    let fixture = Fixture::new().await;
    fixture
        .inbox
        .away
        .store(true, std::sync::atomic::Ordering::Relaxed);
    fixture
        .simulator
        .use_command("ada", "person", None, "en-US")
        .await
        .unwrap();
    let acknowledged = |fixture: &Fixture| {
        let requests = fixture.simulator.requests();
        requests
            .iter()
            .any(|(_, path, _)| path.ends_with("/callback"))
    };
    super::until(&fixture.simulator, "it is acknowledged", || {
        acknowledged(&fixture)
    })
    .await;
    assert!(fixture.admitted().is_empty());
    fixture
        .inbox
        .away
        .store(false, std::sync::atomic::Ordering::Relaxed);
    fixture.admitted_are(1).await;
}

#[tokio::test]
async fn commands_are_registered_in_every_language() {
    let fixture = Fixture::new().await;
    super::until(&fixture.simulator, "the commands are registered", || {
        fixture.simulator.commands() != json!([])
    })
    .await;
    let commands = fixture.simulator.commands();
    for command in commands.as_array().unwrap() {
        for locale in ["de", "es-ES", "fr", "it", "pt-BR", "ru"] {
            let name = command["name_localizations"][locale].as_str().unwrap();
            assert!(
                !name.contains(char::is_whitespace) && name == name.to_lowercase(),
                "{name}"
            );
            assert!(command["description_localizations"][locale].is_string());
        }
        assert_eq!(command["contexts"], json!([0, 1]));
    }
}

fn buttons(count: usize) -> Vec<Button> {
    let button = |at| Button {
        label: format!("Choice {at}"),
        value: "choose".to_owned(),
    };
    (1..=count).map(button).collect()
}

#[tokio::test]
async fn more_than_five_buttons_become_menus_and_more_than_those_hold_are_said() {
    let fixture = Fixture::new().await;
    fixture.write("ada", "Hello").await;
    let first = fixture.admitted_are(1).await.remove(0);
    let content = Content {
        buttons: buttons(130),
        ..Content::text("Which one?")
    };
    let message = fixture.message(content, Some(&first));
    let receipt = fixture.channel.send(&first.from, &message).await.unwrap();
    let shown = fixture.shown("ada", 1).await;
    assert_eq!(shown[0].buttons.len(), 125);
    assert!(shown[0].text.contains("– Choice 126") && shown[0].text.contains("– Choice 130"));
    fixture.act("ada", Act::Press("Choice 57".to_owned())).await;
    let pressed = fixture.admitted_are(2).await.remove(1);
    assert_eq!(pressed.text, "Choice 57");
    assert_eq!(pressed.button.as_deref(), Some("choose"));
    assert_eq!(pressed.answers, Some(receipt.provider_id));
}

#[tokio::test]
async fn nothing_that_has_no_form_is_left_out() {
    let fixture = Fixture::new().await;
    fixture.write("ada", "Hello").await;
    let first = fixture.admitted_are(1).await.remove(0);
    let long = "A label that is much longer than a button of Discord's may be, and goes on and on until the end";
    let card = |title: &str| Card {
        title: title.to_owned(),
        subtitle: Some("*Waterproof*".to_owned()),
        image: None,
        price: Some("€89.00".to_owned()),
        stock: None,
        url: Some("jackets/1".to_owned()),
        buttons: buttons(2),
    };
    let content = Content {
        buttons: vec![
            Button {
                label: long.to_owned(),
                value: "long".to_owned(),
            },
            Button {
                label: "No value fits".to_owned(),
                value: "x".repeat(101),
            },
            Button {
                label: "Track".to_owned(),
                value: "https://shop.example/t/1".to_owned(),
            },
        ],
        cards: vec![card("Rain jacket"), card("Wind jacket")],
        ..Content::text("These:")
    };
    let message = fixture.message(content, Some(&first));
    fixture.channel.send(&first.from, &message).await.unwrap();
    let shown = fixture.shown("ada", 4).await;
    let all: Vec<&str> = shown.iter().map(|part| part.text.as_str()).collect();
    let all = all.join("\n");
    for wanted in [
        long,
        "No value fits",
        "Rain jacket",
        "*Waterproof*",
        "jackets/1",
        "Wind jacket",
    ] {
        assert!(all.contains(wanted), "{wanted} is missing in {all}");
    }
    let labels: Vec<&String> = shown.iter().flat_map(|part| &part.buttons).collect();
    assert_eq!(
        labels
            .iter()
            .filter(|label| label.starts_with("Choice"))
            .count(),
        4
    );
    assert!(labels.iter().any(|label| *label == "Track"));
    // The same is previewed.
    let previews = fixture.channel.preview(&message).unwrap();
    assert_eq!(previews.len(), shown.len());
    assert!(previews[0].text.contains("No value fits"));
}
