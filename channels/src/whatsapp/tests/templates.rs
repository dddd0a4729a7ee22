//! The 24-hour window, and the templates that are for outside it.

use chrono::TimeDelta;
use doorstep_core::message::ApprovedTemplate;

use super::*;
use crate::templates::TemplateUse;

fn listed() -> Vec<Value> {
    let shipped = |language: &str, status: &str| {
        json!({
            "name": "order_shipped",
            "language": language,
            "status": status,
            "category": "UTILITY",
            "parameter_format": "POSITIONAL",
            "components": [
                { "type": "HEADER", "format": "TEXT", "text": "Order {{1}}" },
                { "type": "BODY", "text": "Hello {{1}}, it arrives {{2}}." },
                { "type": "FOOTER", "text": "The Shop" },
                { "type": "BUTTONS", "buttons": [
                    { "type": "QUICK_REPLY", "text": "A person" },
                    { "type": "URL", "text": "Track", "url": "https://shop.example/track/{{1}}" },
                ] },
            ],
        })
    };
    vec![
        shipped("en", "APPROVED"),
        shipped("de", "PAUSED"),
        json!({ "name": "hello", "language": "en", "status": "APPROVED", "components": [
            { "type": "BODY", "text": "Hello!" },
        ] }),
        json!({ "name": "named", "language": "en", "status": "APPROVED", "parameter_format": "NAMED", "components": [
            { "type": "HEADER", "format": "IMAGE" },
            { "type": "BODY", "text": "{{first_name}}, your {{what}} is here." },
        ] }),
    ]
}

fn approved(language: &str) -> ApprovedTemplate {
    ApprovedTemplate {
        name: "order_shipped".to_owned(),
        language: language.to_owned(),
        header: vec!["10234".to_owned()],
        body: vec!["Ada".to_owned(), "today,\n9–11".to_owned()],
        buttons: vec!["abc".to_owned()],
    }
}

fn content(template: Option<ApprovedTemplate>) -> Content {
    Content {
        approved: template.map(Box::new),
        ..Content::text("Hello Ada, order 10234 arrives today.")
    }
}

async fn with_templates() -> Fixture {
    Fixture::with(|options| options.templates = listed(), |_| ()).await
}

#[tokio::test]
async fn free_text_leaves_within_24_hours_and_never_after() {
    let fixture = Fixture::new().await;
    fixture.ada_writes().await;
    let wrote_at = fixture.clock.now();
    let send = async || {
        let message = fixture.message(content(None), Some(wrote_at));
        fixture.channel.send(&fixture.ada(), &message).await
    };
    fixture.clock.advance(Duration::from_secs(24 * 3600 - 60));
    send().await.unwrap();
    for wait in [60, 3600] {
        fixture.clock.advance(Duration::from_secs(wait));
        let refused = send().await.unwrap_err();
        let SendError::Fail { reason } = refused else {
            panic!("{refused:?}");
        };
        assert!(
            reason.contains("24 hours") && reason.contains("template"),
            "{reason}"
        );
    }
    let first = fixture.message(content(None), None);
    assert!(matches!(
        fixture.channel.send(&fixture.ada(), &first).await,
        Err(SendError::Fail { .. })
    ));
    assert_eq!(fixture.simulator.shown(ADA).len(), 1);
}

#[tokio::test]
async fn outside_the_window_the_approved_template_leaves() {
    let fixture = with_templates().await;
    let message = fixture.message(content(Some(approved("en"))), None);
    fixture
        .channel
        .send(&fixture.ada(), &message)
        .await
        .unwrap();
    let shown = fixture.simulator.shown(ADA);
    assert_eq!(
        shown[0].text,
        "Order 10234\nHello Ada, it arrives today, 9–11.\nThe Shop\nhttps://shop.example/track/abc"
    );
    assert_eq!(shown[0].buttons, ["A person", "Track"]);
    // Within it the message itself does, with all that it can show.
    fixture.say(content(Some(approved("en")))).await.unwrap();
    let shown = fixture.simulator.shown(ADA);
    assert_eq!(shown[1].text, "Hello Ada, order 10234 arrives today.");
}

#[tokio::test]
async fn when_metas_clock_closes_the_window_first_the_template_leaves() {
    let fixture = with_templates().await;
    // Ada never wrote, as far as the provider knows.
    let message = fixture.answer(content(Some(approved("en"))));
    fixture
        .channel
        .send(&fixture.ada(), &message)
        .await
        .unwrap();
    assert!(
        fixture.simulator.shown(ADA)[0]
            .text
            .starts_with("Order 10234")
    );
}

#[tokio::test]
async fn named_parameters_and_pictures_fill_a_template() {
    let fixture = with_templates().await;
    let template = ApprovedTemplate {
        name: "named".to_owned(),
        language: "en".to_owned(),
        header: vec!["https://shop.example/a.jpg".to_owned()],
        body: vec!["Ada".to_owned(), "jacket".to_owned()],
        buttons: Vec::new(),
    };
    let message = fixture.message(content(Some(template)), None);
    fixture
        .channel
        .send(&fixture.ada(), &message)
        .await
        .unwrap();
    let shown = fixture.simulator.shown(ADA);
    assert_eq!(shown[0].text, "Ada, your jacket is here.");
    assert_eq!(shown[0].images, ["https://shop.example/a.jpg"]);
}

#[tokio::test]
async fn a_template_that_meta_would_refuse_is_not_sent() {
    let fixture = with_templates().await;
    let mut short = approved("en");
    short.body.pop();
    let cases = [
        (approved("de"), "PAUSED"),
        (approved("fr"), "not in Meta's list"),
        (short, "body has 2 parameters"),
    ];
    for (template, why) in cases {
        let message = fixture.message(content(Some(template)), None);
        let refused = fixture.channel.send(&fixture.ada(), &message).await;
        assert!(
            matches!(&refused, Err(SendError::Fail { reason }) if reason.contains(why)),
            "{refused:?}"
        );
    }
    // Without the list, Meta says it.
    let blind = Fixture::with(|_| (), |config| config.business_account = String::new()).await;
    let message = blind.message(content(Some(approved("en"))), None);
    let refused = blind.channel.send(&blind.ada(), &message).await;
    assert!(
        matches!(&refused, Err(SendError::Fail { reason }) if reason.contains("132001")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn our_templates_are_held_against_metas() {
    let fixture = with_templates().await;
    let mut more = approved("en");
    more.buttons.clear();
    let mut gone = approved("en");
    gone.name = "order_lost".to_owned();
    let ours = [approved("en"), approved("de"), approved("it"), more, gone];
    let ours: Vec<TemplateUse> = ours.iter().map(TemplateUse::from).collect();
    let folder = tempfile::tempdir().unwrap();
    let never = list::check(folder.path(), &ours).unwrap();
    assert_eq!((never.read_at, never.mismatches), (None, Vec::new()));

    // `doorstep channels test whatsapp` reads the list; from then on nobody needs to be asked.
    let config = fixture.simulator.config();
    let channel = WhatsApp::new(config, ambient(&fixture.clock)).unwrap();
    channel.keeping_templates_in(folder.path()).diagnose().await;
    fixture.clock.advance(Duration::from_hours(30));
    let check = list::check(folder.path(), &ours).unwrap();
    let found: Vec<(&str, &str, &str)> = check
        .mismatches
        .iter()
        .map(|one| {
            (
                one.wanted.name.as_str(),
                one.wanted.language.as_str(),
                one.message.as_str(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("order_lost", "en", "Meta's list does not have it"),
            ("order_shipped", "de", "its status at Meta is PAUSED"),
            (
                "order_shipped",
                "en",
                "its set of buttons has 1 parameters at Meta and 0 here"
            ),
            (
                "order_shipped",
                "it",
                "Meta's list has it in other languages only"
            ),
        ]
    );
    let age = fixture.clock.now() - check.read_at.unwrap();
    assert_eq!(age, TimeDelta::hours(30));

    std::fs::write(list::path_in(folder.path()), "{").unwrap();
    let broken = list::check(folder.path(), &ours).unwrap_err().to_string();
    assert!(
        broken.contains("doorstep channels test whatsapp"),
        "{broken}"
    );
}
