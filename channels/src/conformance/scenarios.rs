//! What every channel goes through, one function a scenario.

use std::time::Duration;

use bytes::Bytes;
use doorstep_core::{
    Health,
    attachment::{AttachmentKind, FetchError},
    channel::{ReceiptStatus, SendError},
    message::{Button, Card, Content, Image},
};
use futures::{FutureExt, StreamExt};

use super::{
    front::PICTURE,
    stage::{ADA, Stage},
};
use crate::simulator::{Act, Faults, Shown, SimulatorError};

/// How a scenario ended. A failure panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As promised.
    Kept,
    /// The provider has no such thing.
    NotThere,
}
use Outcome::{Kept, NotThere};

/// The customer's act, unless customers of this provider cannot do it.
macro_rules! act_or_leave {
    ($stage:expr, $act:expr) => {
        match $stage.act($act).await {
            Err(SimulatorError::NotThere { .. }) => return NotThere,
            done => done.unwrap(),
        }
    };
}

pub(super) async fn text(stage: Stage) -> Outcome {
    let admitted = stage.write("Where is my order?").await;
    assert_eq!(admitted.text.trim(), "Where is my order?");
    assert_eq!(admitted.from, stage.ada());
    assert_eq!(admitted.edits, None);
    let receipt = stage.say(Content::text("In Madrid.")).await.unwrap();
    assert!(!receipt.provider_id.is_empty());
    assert!(stage.shown().await[0].text.contains("In Madrid."));
    Kept
}

pub(super) async fn long_text(stage: Stage) -> Outcome {
    stage.write("Tell me everything").await;
    let max = stage.channel.capabilities().max_text.min(20_000);
    let sentence = "All of this is worth knowing, so we say it in full. ";
    let text = sentence.repeat(max * 5 / 2 / sentence.len());
    stage.say(Content::text(text.trim())).await.unwrap();
    let words = |text: &str| {
        let words = text.split_whitespace();
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let all = |shown: &[Shown]| -> Vec<String> {
        shown.iter().flat_map(|part| words(&part.text)).collect()
    };
    let count = words(&text).len();
    let shown = stage
        .shown_when("all of it is shown", |shown| all(shown).len() >= count)
        .await;
    assert_eq!(all(&shown), words(&text), "every word, in order, once");
    for part in &shown {
        assert!(part.text.trim_end().ends_with('.'), "cut within a sentence");
    }
    Kept
}

pub(super) async fn unicode(stage: Stage) -> Outcome {
    let text = "¿Dónde está? 👩‍👩‍👧 Где? מה & <b>\"it's\"</b> _so_ *it* [is](x)";
    assert_eq!(stage.write(text).await.text.trim(), text);
    stage.say(Content::text(text)).await.unwrap();
    let shown = stage.shown().await;
    assert!(shown[0].text.contains(text), "{shown:?}");
    Kept
}

fn choices() -> Vec<Button> {
    let button = |label: &str, value: &str| Button {
        label: label.to_owned(),
        value: value.to_owned(),
    };
    vec![
        button("Yes, that one", "choose:1"),
        button("No, another", "choose:2"),
        button("A person", &format!("handoff:{}", "long value ".repeat(8))),
    ]
}

pub(super) async fn buttons(stage: Stage) -> Outcome {
    stage.write("Hello").await;
    let content = Content {
        buttons: choices(),
        ..Content::text("Is it this one?")
    };
    stage.say(content).await.unwrap();
    let shown = stage.shown().await;
    let labels: Vec<String> = shown.iter().flat_map(|part| part.buttons.clone()).collect();
    if !stage.channel.capabilities().buttons {
        let text: String = shown.iter().map(|part| part.text.as_str()).collect();
        assert!(
            choices().iter().all(|choice| text.contains(&choice.label)),
            "{text}"
        );
        return Kept;
    }
    assert_eq!(labels, ["Yes, that one", "No, another", "A person"]);
    let before = stage.admitted().len();
    stage.act(Act::Press("A person".to_owned())).await.unwrap();
    let pressed = stage.admitted_after(before).await;
    assert_eq!(pressed.button.as_ref(), Some(&choices()[2].value));
    assert_eq!(pressed.from, stage.ada());
    Kept
}

pub(super) async fn cards(stage: Stage) -> Outcome {
    stage.write("Show me jackets").await;
    let card = |title: &str, price: &str| Card {
        title: title.to_owned(),
        subtitle: Some("Waterproof".to_owned()),
        image: Some(stage.front.picture()),
        price: Some(price.to_owned()),
        stock: Some("3 left".to_owned()),
        url: Some("https://shop.example/p/1".to_owned()),
        buttons: Vec::new(),
    };
    let content = Content {
        cards: vec![card("Rain jacket", "€89.00"), card("Wind jacket", "€59.00")],
        ..Content::text("These two:")
    };
    stage.say(content).await.unwrap();
    let everything = |shown: &[Shown]| -> String {
        let texts = shown.iter().map(|part| part.text.as_str());
        texts.collect::<Vec<_>>().join("\n")
    };
    let shown = stage
        .shown_when("the second card is shown", |shown| {
            everything(shown).contains("Wind jacket")
        })
        .await;
    let text = everything(&shown);
    for wanted in [
        "These two:",
        "Rain jacket",
        "€89.00",
        "Wind jacket",
        "€59.00",
        "3 left",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing in {text}");
    }
    Kept
}

pub(super) async fn image_out(stage: Stage) -> Outcome {
    stage.write("What does it look like?").await;
    let content = Content {
        images: vec![Image {
            url: stage.front.picture(),
            alt: "The jacket from behind".to_owned(),
        }],
        ..Content::text("So:")
    };
    stage.say(content).await.unwrap();
    let there = |part: &Shown| !part.images.is_empty() || part.text.contains("picture.png");
    stage
        .shown_when("the picture is shown", |shown| shown.iter().any(there))
        .await;
    Kept
}

fn picture(caption: &str) -> Act {
    Act::Send {
        name: "broken.png".to_owned(),
        media_type: "image/png".to_owned(),
        bytes: Bytes::from_static(PICTURE),
        caption: Some(caption.to_owned()),
    }
}

pub(super) async fn image_in(stage: Stage) -> Outcome {
    act_or_leave!(stage, picture("It arrived like this"));
    let admitted = stage.admitted_after(0).await;
    assert_eq!(admitted.text.trim(), "It arrived like this");
    let [attachment] = &admitted.attachments[..] else {
        panic!("one attachment: {admitted:?}");
    };
    assert_eq!(attachment.kind, AttachmentKind::Image);
    assert_eq!(read(&stage, attachment).await.unwrap(), PICTURE);
    Kept
}

async fn read(
    stage: &Stage,
    attachment: &doorstep_core::attachment::Attachment,
) -> Result<Vec<u8>, FetchError> {
    if let doorstep_core::attachment::AttachmentPlace::Inline(bytes) = &attachment.place {
        return Ok(bytes.to_vec());
    }
    let mut stream = stage.channel.fetch(attachment).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes)
}

pub(super) async fn media_server_away(stage: Stage) -> Outcome {
    act_or_leave!(stage, picture("See"));
    let admitted = stage.admitted_after(0).await;
    let attachment = &admitted.attachments[0];
    stage.fail(Faults {
        media_away: true,
        ..Faults::default()
    });
    match read(&stage, attachment).await {
        Err(FetchError::Retry { .. }) => {}
        Ok(_)
            if matches!(
                attachment.place,
                doorstep_core::attachment::AttachmentPlace::Inline(_)
            ) =>
        {
            return NotThere;
        }
        other => panic!("{other:?}"),
    }
    stage.fail(Faults::default());
    assert_eq!(read(&stage, attachment).await.unwrap(), PICTURE);
    Kept
}

pub(super) async fn attachment_too_large(stage: Stage) -> Outcome {
    let act = Act::Send {
        name: "film.mp4".to_owned(),
        media_type: "video/mp4".to_owned(),
        bytes: Bytes::from(vec![0; 30 << 20]),
        caption: Some("Look at this".to_owned()),
    };
    act_or_leave!(stage, act);
    let admitted = stage.admitted_after(0).await;
    assert!(
        admitted.text.contains("Look at this"),
        "the words are not lost"
    );
    let inline: usize = admitted
        .attachments
        .iter()
        .map(|attachment| match &attachment.place {
            doorstep_core::attachment::AttachmentPlace::Inline(bytes) => bytes.len(),
            doorstep_core::attachment::AttachmentPlace::Provider(_) => 0,
        })
        .sum();
    assert!(inline < 30 << 20, "taken whole into memory");
    assert_eq!(
        stage.write("Still there?").await.text.trim(),
        "Still there?"
    );
    Kept
}

pub(super) async fn typing(stage: Stage) -> Outcome {
    let admitted = stage.write("Hello").await;
    if stage.channel.capabilities().mailbox {
        return Kept; // shown to whoever watches the mailbox
    }
    stage
        .channel
        .show_typing(&stage.ada(), &admitted.external_id)
        .await;
    match stage.simulator.counts().marks {
        0 => NotThere,
        _ => Kept,
    }
}

pub(super) async fn receipts(stage: Stage) -> Outcome {
    stage.write("Hello").await;
    if !stage.channel.capabilities().receipts {
        return NotThere;
    }
    let message = stage.message(Content::text("It arrives today."));
    let receipt = stage.send(&message).await.unwrap();
    let of_this = |update: &doorstep_core::channel::ReceiptUpdate| {
        update.message == Some(message.id)
            || update.provider_id.as_ref() == Some(&receipt.provider_id)
    };
    stage
        .until("the message is delivered", || {
            let receipts = stage.inbox.receipts.lock().unwrap();
            let delivered = |update: &&doorstep_core::channel::ReceiptUpdate| {
                of_this(update)
                    && matches!(
                        update.status,
                        ReceiptStatus::Delivered | ReceiptStatus::Read
                    )
            };
            receipts.iter().find(delivered).map(drop)
        })
        .await;
    Kept
}

pub(super) async fn edits(stage: Stage) -> Outcome {
    let first = stage.write("Where is order 10234?").await;
    act_or_leave!(stage, Act::Edit("Where is order 10243?".to_owned()));
    let edited = stage.admitted_after(1).await;
    assert_eq!(edited.text.trim(), "Where is order 10243?");
    assert_eq!(edited.edits, Some(first.external_id.clone()));
    assert_ne!(edited.external_id, first.external_id);
    Kept
}

pub(super) async fn unknown_kinds(stage: Stage) -> Outcome {
    act_or_leave!(stage, Act::DoSomethingElse);
    stage
        .act(Act::Write("Still there?".to_owned()))
        .await
        .unwrap();
    stage
        .until("the next message is admitted", || {
            stage
                .admitted()
                .iter()
                .find(|message| message.text.trim() == "Still there?")
                .map(drop)
        })
        .await;
    Kept
}

pub(super) async fn duplicates(stage: Stage) -> Outcome {
    stage.fail(Faults {
        duplicate: 1.0,
        ..Faults::default()
    });
    stage.write("Once").await;
    stage.fail(Faults::default());
    stage.write("Then").await;
    let texts: Vec<String> = stage
        .admitted()
        .iter()
        .map(|message| message.text.trim().to_owned())
        .collect();
    assert_eq!(texts, ["Once", "Then"]);
    match stage.simulator.counts().duplicates {
        0 => NotThere,
        _ => Kept,
    }
}

pub(super) async fn out_of_order(stage: Stage) -> Outcome {
    stage.fail(Faults {
        reordered: 1.0,
        ..Faults::default()
    });
    stage.act(Act::Write("First".to_owned())).await.unwrap();
    stage.act(Act::Write("Second".to_owned())).await.unwrap();
    stage.fail(Faults::default());
    stage.act(Act::Write("Third".to_owned())).await.unwrap();
    let texts = stage
        .until("all three are admitted", || {
            let admitted = stage.admitted();
            (admitted.len() >= 3).then(|| {
                admitted
                    .into_iter()
                    .map(|message| message.text)
                    .collect::<Vec<_>>()
            })
        })
        .await;
    for text in ["First", "Second", "Third"] {
        assert_eq!(
            texts.iter().filter(|found| found.trim() == text).count(),
            1,
            "{texts:?}"
        );
    }
    Kept
}

pub(super) async fn rate_limit(stage: Stage) -> Outcome {
    stage.write("Hello").await;
    if stage.channel.capabilities().mailbox {
        return NotThere;
    }
    stage.fail(Faults {
        rate_limited: 1.0,
        retry_after: Duration::from_secs(7),
        ..Faults::default()
    });
    let message = stage.message(Content::text("Soon."));
    match stage.send(&message).await {
        Err(SendError::Retry { after, .. }) => {
            assert!(
                after.is_none_or(|after| after >= Duration::from_secs(7)),
                "{after:?}"
            );
        }
        other => panic!("{other:?}"),
    }
    stage.fail(Faults::default());
    stage.send(&message).await.unwrap();
    assert_eq!(stage.shown().await.len(), 1);
    Kept
}

pub(super) async fn server_error(stage: Stage) -> Outcome {
    stage.write("Hello").await;
    if stage.channel.capabilities().mailbox {
        return NotThere;
    }
    stage.fail(Faults {
        server_error: 1.0,
        ..Faults::default()
    });
    let sent = stage.say(Content::text("Soon.")).await;
    assert!(
        matches!(
            sent,
            Err(SendError::Retry { .. } | SendError::Ambiguous { .. })
        ),
        "{sent:?}"
    );
    Kept
}

pub(super) async fn lost_answer(stage: Stage) -> Outcome {
    stage.write("Hello").await;
    if stage.channel.capabilities().mailbox {
        return NotThere;
    }
    stage.fail(Faults {
        lost_answer: 1.0,
        ..Faults::default()
    });
    let message = stage.message(Content::text("It arrives today."));
    let sent = stage.send(&message).await;
    assert!(matches!(sent, Err(SendError::Ambiguous { .. })), "{sent:?}");
    stage.fail(Faults::default());
    assert_eq!(stage.shown().await.len(), 1);
    if stage.channel.capabilities().idempotent {
        stage.send(&message).await.unwrap();
        assert_eq!(
            stage.simulator.shown(ADA).len(),
            1,
            "sent twice, shown twice"
        );
    } else if stage.channel.capabilities().receipts {
        stage
            .until("the provider's receipt settles it", || {
                let receipts = stage.inbox.receipts.lock().unwrap();
                receipts
                    .iter()
                    .find(|update| update.message == Some(message.id))
                    .map(drop)
            })
            .await;
    }
    Kept
}

pub(super) async fn revoked_token(stage: Stage) -> Outcome {
    stage.write("Hello").await;
    if stage.channel.capabilities().mailbox {
        return NotThere;
    }
    assert_eq!(stage.channel.healthcheck().await, Health::Ok);
    stage.fail(Faults {
        revoked: true,
        ..Faults::default()
    });
    let sent = stage.say(Content::text("Soon.")).await;
    assert!(
        matches!(sent, Err(SendError::Retry { .. } | SendError::Fail { .. })),
        "{sent:?}"
    );
    assert!(matches!(
        stage.channel.healthcheck().await,
        Health::Down { .. }
    ));
    Kept
}

pub(super) async fn blocked(stage: Stage) -> Outcome {
    stage.write("Hello").await;
    act_or_leave!(stage, Act::Block);
    let sent = stage.say(Content::text("It arrives today.")).await;
    let closed = stage.inbox.closed.lock().unwrap().len();
    assert!(
        matches!(sent, Err(SendError::Gone { .. })),
        "{sent:?}, {closed} closed"
    );
    stage.act(Act::Unblock).await.unwrap();
    stage.write("I am back").await;
    stage.say(Content::text("Welcome back.")).await.unwrap();
    Kept
}

pub(super) async fn recipient_gone(stage: Stage) -> Outcome {
    if stage.channel.capabilities().mailbox {
        return NotThere;
    }
    let message = stage.message(Content::text("Hello?"));
    let sent = stage.channel.send(&stage.nobody, &message).await;
    assert!(
        matches!(sent, Err(SendError::Gone { .. } | SendError::Fail { .. })),
        "{sent:?}"
    );
    Kept
}

pub(super) async fn deep_link(stage: Stage) -> Outcome {
    let token = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF";
    if let Some(link) = stage.channel.deep_link(token) {
        assert!(link.contains(token), "{link}");
    }
    act_or_leave!(stage, Act::Follow(token.to_owned()));
    let admitted = stage.admitted_after(0).await;
    assert_eq!(admitted.link.as_deref(), Some(token));
    Kept
}

/// A send that is dropped in the middle, as at shutdown, harms nothing: the next one goes through.
pub(super) async fn dropped_send(stage: Stage) -> Outcome {
    stage.write("Hello").await;
    let dropped = stage.message(Content::text("Never mind."));
    let _ = stage.send(&dropped).now_or_never();
    stage.say(Content::text("It arrives today.")).await.unwrap();
    let there = |part: &Shown| part.text.contains("It arrives today.");
    stage
        .shown_when("the second is shown", |shown| shown.iter().any(there))
        .await;
    Kept
}

pub(super) async fn malformed(stage: Stage) -> Outcome {
    super::an_unsigned_webhook_is_refused(&*stage.channel).await;
    super::a_senseless_address_fails_for_good(&*stage.channel).await;
    super::listening_ends_when_it_is_asked_to(&*stage.channel).await;
    assert_eq!(
        stage.write("Still there?").await.text.trim(),
        "Still there?"
    );
    Kept
}
