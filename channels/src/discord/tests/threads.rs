//! The support channel, its private threads, and what is lost without the message-content intent.

use doorstep_core::{channel::Channel, message::Content};

use super::Fixture;
use crate::simulator::{Act, Simulator};

#[tokio::test]
async fn a_mention_in_the_support_channel_opens_a_private_thread() {
    let fixture = Fixture::new().await;
    fixture.write("#ada", "Where is my order?").await;
    let first = fixture.admitted_are(1).await.remove(0);
    assert_eq!(first.text, "Where is my order?");
    assert_eq!(first.from, fixture.simulator.address_of("#ada"));
    assert!(first.from.id.starts_with("thread:"), "{}", first.from.id);

    let answer = fixture.message(Content::text("In Madrid."), Some(&first));
    fixture.channel.send(&first.from, &answer).await.unwrap();
    assert_eq!(fixture.shown("#ada", 1).await[0].text, "In Madrid.");
    // The next message is written in the thread, and no other one is opened.
    fixture.write("#ada", "Thank you").await;
    assert_eq!(fixture.admitted_are(2).await[1].from, first.from);
    let threads = fixture.simulator.requests();
    let opened = threads
        .iter()
        .filter(|(_, path, _)| path.ends_with("/threads"));
    assert_eq!(opened.count(), 1);
}

#[tokio::test]
async fn the_shops_people_write_along_unheard() {
    let fixture = Fixture::new().await;
    fixture.write("#ada", "Hello").await;
    fixture.admitted_are(1).await;
    fixture
        .simulator
        .write_into_thread_of("#ada", "#staff", "I will look into it");
    fixture.write("#ada", "Thanks").await;
    fixture.admitted_are(2).await;
    assert_eq!(fixture.texts(), ["Hello", "Thanks"]);
}

#[tokio::test]
async fn what_cannot_be_read_is_said_once() {
    let mut fixture = Fixture::new().await;
    fixture.write("#ada", "Hello").await;
    fixture.admitted_are(1).await;
    fixture
        .simulator
        .write_without_mention("#ada", "Are you there?");
    fixture.simulator.write_without_mention("#ada", "Hello?");
    fixture.write("#ada", "Are you there?").await;
    fixture.admitted_are(2).await;
    fixture.stop().await;
    let shown = fixture.shown("#ada", 1).await;
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert!(shown[0].text.contains("mention me"), "{}", shown[0].text);
}

#[tokio::test]
async fn with_the_intent_all_is_read_in_a_thread() {
    let fixture = Fixture::with(
        |options| options.grants_content = true,
        |config| config.message_content = true,
    )
    .await;
    fixture.write("#ada", "Hello").await;
    fixture.admitted_are(1).await;
    fixture
        .simulator
        .write_without_mention("#ada", "Are you there?");
    fixture.admitted_are(2).await;
    assert_eq!(fixture.texts(), ["Hello", "Are you there?"]);
}

#[tokio::test]
async fn an_intent_that_is_not_granted_is_done_without() {
    let fixture = Fixture::with(|_| {}, |config| config.message_content = true).await;
    fixture.write("ada", "Hello").await;
    fixture.admitted_are(1).await;
    let found = fixture.channel.diagnose().await;
    let content = found
        .iter()
        .find(|found| found.what.contains("can be read"))
        .unwrap();
    assert!(format!("{:?}", content.health).contains("not granted"));
}

#[tokio::test]
async fn without_leave_to_open_threads_customers_are_answered_in_direct_messages() {
    let fixture = Fixture::with(|options| options.forbids_threads = true, |_| {}).await;
    fixture.write("#ada", "Hello").await;
    let first = fixture.admitted_are(1).await.remove(0);
    assert!(first.from.id.starts_with("dm:"), "{}", first.from.id);
    let answer = fixture.message(Content::text("Hello!"), None);
    fixture.channel.send(&first.from, &answer).await.unwrap();
    assert_eq!(fixture.shown("#ada", 1).await[0].text, "Hello!");
}

#[tokio::test]
async fn a_command_among_others_is_answered_in_private() {
    let fixture = Fixture::new().await;
    let order = Some(("number", "FW-1001"));
    fixture
        .simulator
        .use_command("#ada", "order", order, "fr")
        .await
        .unwrap();
    let first = fixture.admitted_are(1).await.remove(0);
    assert_eq!(first.text, "Où est ma commande FW-1001?");
    assert_eq!(first.from, fixture.simulator.address_of("#ada"));
    let shown = fixture.shown("#ada", 1).await;
    assert!(
        shown[0].text.starts_with("La suite ici"),
        "{}",
        shown[0].text
    );
    let answer = fixture.message(Content::text("À Madrid."), Some(&first));
    fixture.channel.send(&first.from, &answer).await.unwrap();
    assert_eq!(fixture.shown("#ada", 2).await[1].text, "À Madrid.");
}

#[tokio::test]
async fn a_deleted_thread_is_closed_and_the_next_mention_opens_another() {
    let fixture = Fixture::new().await;
    fixture.write("#ada", "Hello").await;
    let first = fixture.admitted_are(1).await.remove(0);
    fixture.simulator.close_thread_of("#ada", true);
    fixture
        .until_inbox("the address is closed", || {
            !fixture.inbox.closed.lock().unwrap().is_empty()
        })
        .await;
    assert_eq!(fixture.inbox.closed.lock().unwrap()[0].0, first.from);
    fixture.write("#ada", "Hello again").await;
    let second = fixture.admitted_are(2).await.remove(1);
    assert_ne!(second.from, first.from);
}

#[tokio::test]
async fn an_archived_thread_is_opened_again() {
    let fixture = Fixture::new().await;
    fixture.write("#ada", "Hello").await;
    let first = fixture.admitted_are(1).await.remove(0);
    fixture.simulator.close_thread_of("#ada", false);
    fixture
        .simulator
        .use_command("#ada", "person", None, "de")
        .await
        .unwrap();
    let second = fixture.admitted_are(2).await.remove(1);
    assert_eq!(second.from, first.from);
    assert_eq!(second.text, "Ich möchte mit einem Menschen sprechen");
}

#[tokio::test]
async fn an_edit_of_the_message_that_opened_the_thread_counts() {
    let fixture = Fixture::new().await;
    fixture.write("#ada", "Where is order 10234?").await;
    let first = fixture.admitted_are(1).await.remove(0);
    let changed = format!(
        "<@{}> Where is order 10243?",
        fixture.channel.known_me().unwrap()
    );
    fixture.act("#ada", Act::Edit(changed)).await;
    let edit = fixture.admitted_are(2).await.remove(1);
    assert_eq!(edit.edits, Some(first.external_id));
    assert_eq!(edit.text, "Where is order 10243?");
    assert_eq!(edit.from, first.from);
}

#[tokio::test]
async fn everything_is_diagnosed_without_writing_to_anyone() {
    let fixture = Fixture::new().await;
    let found = fixture.channel.diagnose().await;
    let whats: Vec<&str> = found.iter().map(|found| found.what.as_str()).collect();
    assert!(
        whats.contains(&"the support channel can be used"),
        "{whats:?}"
    );
    for found in &found {
        let down = matches!(found.health, doorstep_core::Health::Down { .. });
        assert!(!down, "{found:?}");
    }
    assert_eq!(fixture.simulator.counts().shown, 0);
}
