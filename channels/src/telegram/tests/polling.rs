//! Long polling and the webhook, as a Bot API server sees them.

use std::sync::atomic::Ordering;

use doorstep_core::Health;

use super::*;
use crate::telegram::commands;

fn write(text: impl Into<String>) -> Act {
    Act::Write(text.into())
}

#[tokio::test]
async fn the_menu_speaks_seven_languages() {
    let fixture = Fixture::new().await;
    let _guard = fixture.listen();
    fixture
        .until("the menu", |fixture| fixture.simulator.menu("ru").is_some())
        .await;
    let mut orders = Vec::new();
    for language in ["", "de", "es", "fr", "it", "pt", "ru"] {
        let menu = fixture.simulator.menu(language).unwrap();
        let order = &menu.as_array().unwrap()[1];
        assert_eq!(order["command"], "order");
        orders.push(order["description"].as_str().unwrap().to_owned());
    }
    orders.sort();
    orders.dedup();
    assert_eq!(orders.len(), 7, "{orders:?}");
    assert_eq!(commands::built_in().len(), 6);
}

#[tokio::test]
async fn the_offset_moves_only_after_admission() {
    let fixture = Fixture::new().await;
    fixture.memory.away.store(true, Ordering::Relaxed);
    let telegram = fixture.telegram.clone();
    fixture.act(write("first")).await;
    let taken = telegram.webhook_secret.len();
    assert_eq!(taken, 64);
    fixture.memory.away.store(false, Ordering::Relaxed);
    let guard = fixture.listen();
    fixture
        .until("the first", |fixture| fixture.texts() == ["first"])
        .await;
    fixture
        .until("the offset", |fixture| fixture.offset().is_some())
        .await;
    // The store goes away: what is fetched now is fetched again later.
    fixture.memory.away.store(true, Ordering::Relaxed);
    let before = fixture.offset();
    let polls = fixture.simulator.polls();
    fixture.act(write("second")).await;
    fixture.act(write("third")).await;
    fixture
        .until("two more polls", |fixture| {
            fixture.simulator.polls() > polls + 1
        })
        .await;
    assert_eq!(fixture.offset(), before);
    assert_eq!(fixture.texts(), ["first"]);
    fixture.memory.away.store(false, Ordering::Relaxed);
    fixture
        .until("all three", |fixture| {
            fixture.texts() == ["first", "second", "third"]
        })
        .await;
    drop(guard);
}

#[tokio::test]
async fn a_restart_goes_on_where_it_was() {
    let fixture = Fixture::new().await;
    let guard = fixture.listen();
    fixture.act(write("before")).await;
    fixture
        .until("the offset", |fixture| fixture.offset().is_some())
        .await;
    drop(guard);
    fixture.act(write("between")).await;
    let stop = CancellationToken::new();
    let (telegram, memory, token) = (fixture.restarted(), fixture.memory.clone(), stop.clone());
    let listening = tokio::spawn(async move { telegram.listen(memory, token).await });
    fixture
        .until("both", |fixture| fixture.texts() == ["before", "between"])
        .await;
    stop.cancel();
    listening.await.unwrap();
}

#[tokio::test]
async fn an_offset_of_last_week_hides_nothing() {
    let fixture = Fixture::new().await;
    let now = fixture.clock_seconds();
    let stale = format!("2000000000 {}", now - 7 * 24 * 3600);
    let cursors = &fixture.memory.cursors;
    cursors.lock().unwrap().insert("offset".to_owned(), stale);
    let _guard = fixture.listen();
    fixture.act(write("after a silent week")).await;
    fixture
        .until("the message", |fixture| fixture.texts().len() == 1)
        .await;
}

#[tokio::test]
async fn a_stalled_poll_is_begun_again() {
    let fixture = Fixture::new().await;
    fixture.simulator.stall(true);
    let _guard = fixture.listen();
    fixture
        .until("a poll", |fixture| fixture.simulator.polls() == 1)
        .await;
    fixture.act(write("anybody?")).await;
    fixture.clock.advance(Duration::from_secs(64));
    fixture.simulator.stall(false);
    assert_eq!(fixture.simulator.polls(), 1, "not before its time");
    fixture.clock.advance(Duration::from_secs(2));
    fixture
        .until("the message", |fixture| fixture.texts() == ["anybody?"])
        .await;
}

/// With two instances on one bot, whoever shuts down must not end the other's long poll.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_told_to_stop_asks_nothing_any_more() {
    let fixture = Fixture::new().await;
    let stop = CancellationToken::new();
    stop.cancel();
    for _ in 0..200 {
        // A connection is there for whoever would ask.
        assert_eq!(fixture.telegram.healthcheck().await, Health::Ok);
        let stopped = fixture
            .telegram
            .listen(fixture.memory.clone(), stop.clone());
        stopped.await;
    }
    let calls = fixture.simulator.calls();
    let asked: Vec<_> = calls
        .iter()
        .filter(|(method, _)| method != "getMe")
        .collect();
    assert!(asked.is_empty(), "{asked:?}");
}

#[tokio::test]
async fn a_webhook_is_set_with_its_secret_and_gives_way_to_polling() {
    let fixture = Fixture::new().await;
    let mut config = config(&fixture.simulator.api_url());
    config.webhook_url = "https://shop.example/webhooks/channels/telegram".to_owned();
    let called = bot(&config, &fixture.memory, ambient(&fixture.clock));
    let stop = CancellationToken::new();
    let (memory, token, listening) = (fixture.memory.clone(), stop.clone(), called.clone());
    let listening = tokio::spawn(async move { listening.listen(memory, token).await });
    fixture
        .until("the webhook", |fixture| {
            fixture.simulator.webhook().is_some()
        })
        .await;
    let calls = fixture.simulator.calls();
    let (_, call) = calls
        .iter()
        .find(|(method, _)| method == "setWebhook")
        .unwrap();
    assert_eq!(call["url"], config.webhook_url.as_str());
    assert_eq!(call["secret_token"], called.webhook_secret.as_str());
    assert_eq!(
        call["allowed_updates"],
        json!([
            "message",
            "edited_message",
            "callback_query",
            "my_chat_member"
        ])
    );
    stop.cancel();
    listening.await.unwrap();
    let _guard = fixture.listen();
    fixture.act(write("by polling now")).await;
    fixture
        .until("the message", |fixture| fixture.texts().len() == 1)
        .await;
    assert_eq!(fixture.simulator.webhook(), None);
}

#[tokio::test]
async fn a_customer_who_blocks_the_bot_is_closed_to() {
    let fixture = Fixture::new().await;
    let _guard = fixture.listen();
    fixture.act(Act::Block).await;
    fixture
        .until("the address is closed", |fixture| {
            !fixture.memory.closed.lock().unwrap().is_empty()
        })
        .await;
    let (address, reason) = fixture.memory.closed.lock().unwrap()[0].clone();
    assert_eq!(address, fixture.simulator.address_of("ana"));
    assert_eq!(reason, "the customer blocked the bot");
}

#[tokio::test]
async fn an_album_that_comes_in_by_polling_is_one_message() {
    let fixture = Fixture::new().await;
    let _guard = fixture.listen();
    let photo = bytes::Bytes::from_static(b"\xff\xd8\xff");
    let photos = vec![photo; 4];
    fixture
        .simulator
        .send_album("ana", &photos, Some("all four"));
    fixture.act(write("and words")).await;
    fixture
        .until("the words", |fixture| fixture.texts() == ["and words"])
        .await;
    fixture.clock.advance(Duration::from_secs(2));
    fixture
        .until("the album", |fixture| fixture.texts().len() == 2)
        .await;
    assert_eq!(fixture.admitted()[1].attachments.len(), 4);
}

impl Fixture {
    fn offset(&self) -> Option<String> {
        self.memory.cursors.lock().unwrap().get("offset").cloned()
    }

    fn clock_seconds(&self) -> i64 {
        doorstep_core::Clock::now(&*self.clock).timestamp()
    }
}
