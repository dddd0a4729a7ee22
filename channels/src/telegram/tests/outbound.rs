//! What customers read.

use doorstep_core::{
    Health,
    channel::SendError,
    message::{Address, Card, Image, Thread},
};
use proptest::prelude::*;

use super::{inbound::button, *};
use crate::{
    conformance::{self, front::PICTURE},
    simulator::Faults,
    telegram::compose::{Body, compose},
};

impl Fixture {
    async fn say(&self, content: Content) -> Result<doorstep_core::channel::Receipt, SendError> {
        let address = self.simulator.address_of("ana");
        self.telegram.send(&address, &self.message(content)).await
    }

    fn called(&self, method: &str) -> Vec<Value> {
        let calls = self.simulator.calls().into_iter();
        let of_method = calls.filter(|(name, _)| name == method);
        of_method.map(|(_, parameters)| parameters).collect()
    }
}

/// A shop's server with one picture at `/picture.png` and none at `/away.png`.
async fn shop(fixture: &Fixture) -> String {
    let front = Front::listen(&fixture.clock, &fixture.memory).await;
    front.picture().replace("/picture.png", "")
}

fn card(title: &str, image: Option<String>) -> Card {
    Card {
        title: title.to_owned(),
        subtitle: Some("Three layers & taped".to_owned()),
        image,
        price: Some("€ 89.00".to_owned()),
        stock: Some("3 left".to_owned()),
        url: Some("https://shop.example/?a=1&b=\"2\"".to_owned()),
        buttons: vec![button(
            "In stock?",
            &format!("flow:stock_check;product={title}"),
        )],
    }
}

#[tokio::test]
async fn the_bot_keeps_the_promises_of_a_channel() {
    let fixture = Fixture::new().await;
    let address = fixture.simulator.address_of("ana");
    conformance::check(&*fixture.telegram, &address).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_telegram_calls_goes_through_all_scenarios() {
    conformance::play(called_stage).await;
}

#[tokio::test]
async fn a_card_is_a_photo_with_its_words_and_buttons() {
    let fixture = Fixture::new().await;
    let shop = shop(&fixture).await;
    let picture = format!("{shop}/picture.png");
    let content = Content {
        cards: vec![
            card("Rain <Jacket>", Some(picture.clone())),
            card("Shell", Some(picture)),
            card("Hat", Some("/art/hat.svg".to_owned())),
        ],
        buttons: vec![button("A person", "handoff")],
        ..Content::text("Three jackets:")
    };
    let receipt = fixture.say(content).await.unwrap();
    let shown = fixture.simulator.shown("ana");
    assert_eq!(shown[0].text, "Three jackets:");
    assert_eq!(
        shown[1].text,
        "Rain <Jacket>\nThree layers & taped\n€ 89.00 · 3 left"
    );
    assert_eq!(shown[1].images.len(), 1);
    assert_eq!(shown[1].buttons, ["In stock?"]);
    assert_eq!(shown[3].buttons, ["In stock?", "A person"]);
    assert!(shown[3].images.is_empty(), "no photo, but all its words");
    assert_eq!(receipt.provider_id, shown[3].id);
    // The second card has the same picture: it was uploaded once.
    assert_eq!(shown[1].images, shown[2].images);
    let photos = fixture.called("sendPhoto");
    assert_eq!(photos[0]["photo"], "attach://picture0");
    assert_eq!(photos[1]["photo"], shown[1].images[0].as_str());
}

#[tokio::test]
async fn pictures_come_together_and_a_missing_one_is_said() {
    let fixture = Fixture::new().await;
    let shop = shop(&fixture).await;
    let image = |name: &str| Image {
        url: format!("{shop}/{name}"),
        alt: format!("The {name}"),
    };
    let content = Content {
        images: vec![image("picture.png"), image("picture.png")],
        ..Content::text("So:")
    };
    fixture.say(content).await.unwrap();
    let shown = fixture.simulator.shown("ana");
    assert_eq!(shown.len(), 3);
    assert_eq!(shown[1].images.len(), 1);
    assert_eq!(shown[1].text, "The picture.png");
    let content = Content {
        images: vec![image("picture.png"), image("away.png")],
        ..Content::default()
    };
    fixture.say(content).await.unwrap();
    let last = fixture.simulator.shown("ana").pop().unwrap();
    assert!(
        last.text.contains(&format!("{shop}/away.png")),
        "{}",
        last.text
    );
    assert!(PICTURE.starts_with(b"\x89PNG"));
}

#[tokio::test]
async fn what_was_sent_is_not_sent_again_after_a_wait() {
    let fixture = Fixture::new().await;
    let text = "One sentence that fills the message. ".repeat(300);
    let message = fixture.message(Content::text(text.trim()));
    let parts = compose(&message.content).len();
    assert_eq!(parts, 3);
    let address = fixture.simulator.address_of("ana");
    fixture.simulator.inject(Faults {
        rate_limited: 0.5,
        retry_after: Duration::from_secs(7),
        seed: 5,
        ..Faults::default()
    });
    let mut waits = 0;
    let receipt = loop {
        // Each attempt by another process.
        match fixture.restarted().send(&address, &message).await {
            Ok(receipt) => break receipt,
            Err(SendError::Retry { after, .. }) => {
                assert_eq!(after, Some(Duration::from_secs(7)));
                waits += 1;
            }
            Err(other) => panic!("{other}"),
        }
    };
    assert!(waits > 0, "choose another seed");
    let shown = fixture.simulator.shown("ana");
    assert_eq!(shown.len(), parts);
    assert_eq!(shown.last().unwrap().id, receipt.provider_id);
    let progress = fixture.memory.cursors.lock().unwrap();
    assert!(progress.is_empty(), "{progress:?}");
}

#[tokio::test]
async fn what_went_wrong_decides_what_to_do_next() {
    let fixture = Fixture::new().await;
    let address = fixture.simulator.address_of("ana");
    let say = async |address: &Address| {
        let message = fixture.message(Content::text("Hello"));
        fixture.telegram.send(address, &message).await
    };
    let faults = |change: fn(&mut Faults)| {
        let mut faults = Faults::default();
        change(&mut faults);
        fixture.simulator.inject(faults);
    };
    faults(|faults| faults.server_error = 1.0);
    assert!(matches!(say(&address).await, Err(SendError::Retry { .. })));
    faults(|faults| faults.lost_answer = 1.0);
    assert!(matches!(
        say(&address).await,
        Err(SendError::Ambiguous { .. })
    ));
    faults(|faults| faults.revoked = true);
    assert!(matches!(say(&address).await, Err(SendError::Retry { .. })));
    let Health::Down { reason } = fixture.telegram.healthcheck().await else {
        panic!("the token is no longer valid");
    };
    assert!(!reason.contains("simulated-token"), "{reason}");
    faults(|_| ());
    for gone in ["999", "-1001000000009", "-1001000000009:4"] {
        let gone = Address::new("telegram", gone);
        assert!(matches!(say(&gone).await, Err(SendError::Gone { .. })));
    }
    for senseless in ["0", "+5", "007", "5:0", "5:x", "5:", ":5", "@ana"] {
        let senseless = Address::new("telegram", senseless);
        assert!(matches!(say(&senseless).await, Err(SendError::Fail { .. })));
    }
    let group = fixture.simulator.address_of_group("flat");
    fixture.simulator.remove_from_group("flat");
    assert!(matches!(say(&group).await, Err(SendError::Gone { .. })));
    let nothing = fixture.say(Content::default()).await;
    assert!(matches!(nothing, Err(SendError::Fail { .. })));

    // A server that is not there: nothing was sent, and the token is not told.
    let away = config("http://127.0.0.1:9");
    let away = bot(&away, &fixture.memory, ambient(&fixture.clock));
    let message = fixture.message(Content::text("Hello"));
    let Err(SendError::Retry { reason, .. }) = away.send(&address, &message).await else {
        panic!("it was certainly not sent");
    };
    assert!(!reason.contains("simulated-token"), "{reason}");
}

#[tokio::test]
async fn a_group_takes_twenty_a_minute_and_sees_whom_we_answer() {
    let fixture = Fixture::new().await;
    let mut group = fixture.simulator.address_of_group("flat");
    let mut message = fixture.message(Content::text("Hello"));
    message.thread = Thread {
        answers: Some(format!("{}:77", group.id)),
        ..Thread::default()
    };
    group.id = format!("{}:7", group.id);
    for _ in 0..20 {
        fixture.telegram.send(&group, &message).await.unwrap();
    }
    fixture.clock.advance(Duration::from_secs(10));
    let Err(SendError::Retry { after, .. }) = fixture.telegram.send(&group, &message).await else {
        panic!("twenty a minute");
    };
    assert_eq!(after, Some(Duration::from_secs(50)));
    fixture.clock.advance(Duration::from_secs(50));
    fixture.telegram.send(&group, &message).await.unwrap();
    let call = fixture.called("sendMessage").remove(0);
    assert_eq!(call["message_thread_id"], 7);
    assert_eq!(call["reply_parameters"]["message_id"], 77);
    assert_eq!(
        call["reply_parameters"]["allow_sending_without_reply"],
        true
    );
}

#[tokio::test]
async fn a_preview_shows_words_and_the_request() {
    let fixture = Fixture::new().await;
    let content = Content {
        cards: vec![card(
            "Rain <Jacket>",
            Some("https://shop.example/a.png".to_owned()),
        )],
        ..Content::text("Look & see")
    };
    let previews = fixture.telegram.preview(&fixture.message(content)).unwrap();
    assert_eq!(previews[0].text, "Look & see");
    assert!(previews[0].payload.contains("Look &amp; see"));
    assert!(
        previews[1]
            .text
            .starts_with("Rain <Jacket>\nThree layers & taped")
    );
    assert!(previews[1].text.ends_with("[In stock?]"));
    let payload: Value = serde_json::from_str(&previews[1].payload).unwrap();
    assert_eq!(payload["photo"], "https://shop.example/a.png");
}

#[tokio::test]
async fn what_is_missing_at_telegram_is_told() {
    let fixture = Fixture::new().await;
    let found = fixture.telegram.diagnose().await;
    assert_eq!(found.len(), 4);
    assert!(
        matches!(found[3].health, Health::Degraded { .. }),
        "the menu is not set yet"
    );
    let guard = fixture.listen();
    fixture
        .until("the menu", |fixture| fixture.simulator.menu("ru").is_some())
        .await;
    fixture
        .until("a poll", |fixture| fixture.simulator.polls() > 0)
        .await;
    drop(guard);
    for diagnosis in fixture.telegram.diagnose().await {
        assert_eq!(diagnosis.health, Health::Ok, "{}", diagnosis.what);
    }
    let mut other = config(&fixture.simulator.api_url());
    other.username = "@another_bot".to_owned();
    other.webhook_url = "https://shop.example/webhooks/channels/telegram".to_owned();
    let other = bot(&other, &fixture.memory, ambient(&fixture.clock));
    let found = other.diagnose().await;
    assert!(matches!(&found[1].health, Health::Degraded { reason } if reason.contains(USERNAME)));
    assert!(matches!(&found[2].health, Health::Degraded { .. }));
    assert!(matches!(other.healthcheck().await, Health::Degraded { .. }));
}

#[test]
fn settings_that_cannot_work_are_told() {
    let wrong = |change: fn(&mut Config)| {
        let mut config = config("https://api.telegram.org");
        change(&mut config);
        crate::telegram::check(&config).unwrap_err().field
    };
    assert!(crate::telegram::check(&config("https://api.telegram.org")).is_ok());
    assert_eq!(
        wrong(|config| config.token = "".into()),
        "channels.telegram.token"
    );
    assert_eq!(
        wrong(|config| config.token = "abc".into()),
        "channels.telegram.token"
    );
    assert_eq!(
        wrong(|config| config.token = "12:a/b".into()),
        "channels.telegram.token"
    );
    assert_eq!(
        wrong(|config| config.username = "a b".into()),
        "channels.telegram.username"
    );
    assert_eq!(
        wrong(|config| config.api_url = "ftp://x".into()),
        "channels.telegram.api_url"
    );
    assert_eq!(
        wrong(|config| config.poll_timeout_s = 0),
        "channels.telegram.poll_timeout_s"
    );
    let url = |config: &mut Config| config.webhook_url = "http://shop.example/".into();
    assert_eq!(wrong(url), "channels.telegram.webhook_url");
    let command = |config: &mut Config| {
        config.commands = vec![crate::telegram::Command {
            name: "Order!".to_owned(),
            value: "handoff".to_owned(),
            description: [("en".to_owned(), "x".to_owned())].into(),
        }];
    };
    assert_eq!(wrong(command), "channels.telegram.commands");
}

fn any_text() -> impl Strategy<Value = String> {
    "(\\PC|[<>&\"'_*`~\\[\\]()\n]|</?b>|&lt;|&#60;|😀){0,60}"
}

fn any_content() -> impl Strategy<Value = Content> {
    let buttons = || proptest::collection::vec((any_text(), any_text()), 0..3);
    let buttons = move || {
        buttons().prop_map(|all| {
            let full = all
                .into_iter()
                .filter(|(label, value)| !label.trim().is_empty() && !value.is_empty());
            full.map(|(label, value)| button(&label, &value))
                .collect::<Vec<_>>()
        })
    };
    let card = (any_text(), any_text(), any_text(), buttons()).prop_map(
        |(title, subtitle, url, buttons)| Card {
            title,
            subtitle: Some(subtitle),
            image: None,
            price: None,
            stock: None,
            url: Some(format!("https://shop.example/{url}")),
            buttons,
        },
    );
    (any_text(), proptest::collection::vec(card, 0..3), buttons()).prop_map(
        |(text, cards, buttons)| Content {
            cards,
            buttons,
            ..Content::text(text)
        },
    )
}

proptest! {
    #[test]
    fn no_text_breaks_out_of_its_markup(content in any_content()) {
        for part in compose(&content) {
            let html = match part.body {
                Body::Text(html) => html,
                Body::Photo(_) | Body::Album(_) => continue,
            };
            let read = simulator::read_markup(&html);
            prop_assert_eq!(read.unwrap(), crate::telegram::html::plain(&html));
        }
    }

    #[test]
    fn no_word_is_lost(content in any_content()) {
        let all: String = compose(&content).iter().map(|part| match &part.body {
            Body::Text(html) => crate::telegram::html::plain(html) + "\n",
            Body::Photo(_) | Body::Album(_) => String::new(),
        }).collect();
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let shown = words(&all);
        for card in &content.cards {
            for word in words(&card.title) {
                prop_assert!(shown.contains(&word), "{word:?} of {all:?}");
            }
        }
        for word in words(&content.text) {
            prop_assert!(shown.contains(&word), "{word:?} of {all:?}");
        }
    }
}
