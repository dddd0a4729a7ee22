//! Limits, lost answers, and files.

use std::time::Duration;

use bytes::Bytes;
use doorstep_core::{
    attachment::{Attachment, AttachmentKind, AttachmentPlace, FetchError},
    channel::{Channel, SendError},
    message::{Content, Image},
};
use futures::StreamExt;

use super::Fixture;
use crate::simulator::{Act, Faults, Simulator};

#[tokio::test]
async fn a_bucket_is_waited_for_and_never_overdrawn() {
    let fixture = Fixture::with(
        |options| options.bucket = (3, Duration::from_millis(300)),
        |_| {},
    )
    .await;
    let ada = fixture.simulator.address_of("ada");
    for at in 0..10 {
        let message = fixture.message(Content::text(at.to_string()), None);
        fixture.channel.send(&ada, &message).await.unwrap();
    }
    assert_eq!(fixture.simulator.counts().rate_limited, 0);
    assert_eq!(fixture.shown("ada", 10).await.len(), 10);
}

#[tokio::test]
async fn a_bucket_that_takes_long_is_handed_back_with_the_time() {
    let fixture = Fixture::with(
        |options| options.bucket = (1, Duration::from_secs(60)),
        |_| {},
    )
    .await;
    let ada = fixture.simulator.address_of("ada");
    let first = fixture.message(Content::text("1"), None);
    fixture.channel.send(&ada, &first).await.unwrap();
    let second = fixture.message(Content::text("2"), None);
    let Err(SendError::Retry { after, .. }) = fixture.channel.send(&ada, &second).await else {
        panic!("there is no place left");
    };
    assert!(after.unwrap() > Duration::from_secs(50));
    assert_eq!(
        fixture.simulator.counts().rate_limited,
        0,
        "Discord was not even asked"
    );
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_without_a_second_message() {
    let fixture = Fixture::new().await;
    // One in two: with some seeds the first answer is lost and the second is not.
    for seed in 1..12 {
        fixture.simulator.inject(Faults {
            lost_answer: 0.5,
            seed,
            ..Faults::default()
        });
        let customer = format!("customer {seed}");
        let message = fixture.message(Content::text("It arrives today."), None);
        let address = fixture.simulator.address_of(&customer);
        let sent = fixture.channel.send(&address, &message).await;
        let unknown = matches!(sent, Err(SendError::Ambiguous { .. }));
        assert!(sent.is_ok() || unknown, "{sent:?}");
        assert_eq!(fixture.simulator.shown(&customer).len(), 1);
    }
    assert!(fixture.simulator.counts().lost_answers > 0);
}

#[tokio::test]
async fn a_message_that_stopped_half_way_goes_on_there() {
    let fixture = Fixture::with(
        |options| options.bucket = (2, Duration::from_secs(60)),
        |_| {},
    )
    .await;
    let ada = fixture.simulator.address_of("ada");
    let message = fixture.message(
        Content::text("A sentence of some length. ".repeat(200)),
        None,
    );
    let stopped = fixture.channel.send(&ada, &message).await;
    assert!(
        matches!(stopped, Err(SendError::Retry { .. })),
        "{stopped:?}"
    );
    assert_eq!(fixture.simulator.shown("ada").len(), 2);
    fixture
        .simulator
        .set_options(|options| options.bucket = (50, Duration::ZERO));
    let posts = |fixture: &Fixture| {
        let requests = fixture.simulator.requests();
        requests
            .iter()
            .filter(|(_, path, _)| path.ends_with("/messages"))
            .count()
    };
    let before = posts(&fixture);
    // A channel of another instance, which knows nothing of it, would be kept from doubling by the nonces.
    let other = super::Discord::new(
        fixture.simulator.config(),
        fixture.inbox.clone(),
        crate::testing::ambient(&fixture.clock),
    )
    .unwrap();
    other.send(&ada, &message).await.unwrap();
    assert_eq!(fixture.simulator.shown("ada").len(), 3);
    assert_eq!(posts(&fixture) - before, 3);
}

#[tokio::test]
async fn nobody_can_be_pinged() {
    let fixture = Fixture::new().await;
    let ada = fixture.simulator.address_of("ada");
    let text = "@everyone @here <@1> <@&2> hello";
    let message = fixture.message(Content::text(text), None);
    fixture.channel.send(&ada, &message).await.unwrap();
    assert_eq!(fixture.shown("ada", 1).await[0].text, text);
    let requests = fixture.simulator.requests();
    let (_, _, body) = requests
        .iter()
        .rfind(|(_, path, _)| path.ends_with("/messages"))
        .unwrap();
    let allowed = &body["allowed_mentions"];
    assert_eq!(allowed["parse"], serde_json::json!([]));
    assert_eq!(allowed["users"], serde_json::json!([]));
    assert_eq!(allowed["roles"], serde_json::json!([]));
    assert_eq!(body["enforce_nonce"], true);
}

#[tokio::test]
async fn a_file_whose_address_expired_is_fetched_by_a_new_one() {
    let fixture = Fixture::new().await;
    let act = Act::Send {
        name: "broken cup.jpg".to_owned(),
        media_type: "image/jpeg".to_owned(),
        bytes: Bytes::from_static(b"the picture"),
        caption: None,
    };
    fixture.act("ada", act).await;
    let attachment = fixture
        .admitted_are(1)
        .await
        .remove(0)
        .attachments
        .remove(0);
    fixture.simulator.expire_files();
    let mut stream = fixture.channel.fetch(&attachment).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    assert_eq!(bytes, b"the picture");
}

#[tokio::test]
async fn nothing_is_fetched_from_elsewhere() {
    let fixture = Fixture::new().await;
    for place in [
        "",
        "x",
        "1/2/3 http://169.254.169.254/latest",
        "sticker file:///etc/passwd",
        "1/2/3 https://cdn.discordapp.com.evil.example/x",
    ] {
        let attachment = Attachment {
            kind: AttachmentKind::Image,
            place: AttachmentPlace::Provider(place.to_owned()),
            name: None,
            media_type: None,
            size: None,
        };
        let fetched = fixture.channel.fetch(&attachment).await;
        assert!(matches!(fetched, Err(FetchError::Fail { .. })), "{place}");
    }
}

#[tokio::test]
async fn a_picture_that_cannot_be_read_is_shown_by_its_address() {
    let fixture = Fixture::new().await;
    let ada = fixture.simulator.address_of("ada");
    let image = |url: &str| Image {
        url: url.to_owned(),
        alt: "The jacket".to_owned(),
    };
    let content = Content {
        images: vec![image("http://127.0.0.1:9/jacket.png"), image("jacket.png")],
        ..Content::text("So:")
    };
    let message = fixture.message(content, None);
    fixture.channel.send(&ada, &message).await.unwrap();
    let shown = fixture.shown("ada", 1).await.remove(0);
    assert_eq!(shown.images, ["http://127.0.0.1:9/jacket.png"]);
    assert!(
        shown.text.contains("The jacket jacket.png"),
        "{}",
        shown.text
    );
}

/// The share of faults that every channel is run with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_arrive_once_or_are_known_to_be_unknown() {
    const MESSAGES: usize = 10_000;
    let fixture = Fixture::with(
        |options| options.bucket = (u32::MAX, Duration::from_secs(3600)),
        |config| config.register_commands = false,
    )
    .await;
    fixture.simulator.inject(Faults {
        rate_limited: 0.02,
        retry_after: Duration::ZERO,
        server_error: 0.02,
        lost_answer: 0.01,
        duplicate: 0.05,
        ..Faults::default()
    });
    let customers: Vec<_> = (0..50)
        .map(|at| fixture.simulator.address_of(&format!("customer {at}")))
        .collect();
    let (mut delivered, mut unknown, mut retried) = (0, Vec::new(), 0);
    for at in 0..MESSAGES {
        let message = fixture.message(Content::text(at.to_string()), None);
        loop {
            match fixture
                .channel
                .send(&customers[at % customers.len()], &message)
                .await
            {
                Ok(_) => break delivered += 1,
                Err(SendError::Retry { .. }) => retried += 1,
                Err(SendError::Ambiguous { .. }) => break unknown.push(message.id),
                Err(error) => panic!("{error}"),
            }
        }
    }
    let mut shown: Vec<usize> = (0..customers.len())
        .flat_map(|at| fixture.simulator.shown(&format!("customer {at}")))
        .map(|shown| shown.text.parse().unwrap())
        .collect();
    shown.sort_unstable();
    let counts = fixture.simulator.counts();
    println!(
        "discord: {delivered} delivered, {} unknown, {retried} tried again; {counts:?}",
        unknown.len()
    );
    assert_eq!(shown, (0..MESSAGES).collect::<Vec<_>>(), "each once");
    // What the answer did not tell, the gateway does.
    fixture
        .until_inbox("receipts settle what is unknown", || {
            let receipts = fixture.inbox.receipts.lock().unwrap();
            unknown
                .iter()
                .all(|id| receipts.iter().any(|receipt| receipt.message == Some(*id)))
        })
        .await;
}
