//! Sockets whose client is gone without a word do not stay open.

use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::support::{
    merchant::Shop,
    wait::{eventually, within},
};

async fn sockets(shop: &Shop) -> Option<f64> {
    let metrics = shop.get("/metrics").await;
    let open = metrics
        .lines()
        .find_map(|line| line.strip_prefix("doorstep_webchat_sockets "))?;
    open.parse().ok()
}

#[tokio::test]
async fn a_silent_client_is_asked_whether_it_is_there_and_only_one_that_answers_stays() {
    let shop = Shop::with(&[("channels.webchat.ping_s", "2")]).await;
    let url = format!("ws://{}/chat/ws", shop.process.address());
    // A client answers pings while it reads.
    let (mut present, _) = connect_async(&url).await.unwrap();
    let began = Instant::now();
    let (absent, _) = connect_async(&url).await.unwrap();
    eventually("both sockets", async || {
        (sockets(&shop).await == Some(2.0)).then_some(())
    })
    .await;
    let gone = eventually("the end of the silent one", async || {
        // Reads for as long as the next ping takes.
        let frame = within("a ping", present.next()).await;
        assert!(matches!(frame, Some(Ok(Message::Ping(_)))), "{frame:?}");
        (sockets(&shop).await == Some(1.0)).then(|| began.elapsed())
    })
    .await;
    assert!(gone >= Duration::from_secs(5), "gone after {gone:?}");
    for _ in 0..2 {
        let frame = within("a ping", present.next()).await;
        assert!(matches!(frame, Some(Ok(Message::Ping(_)))), "{frame:?}");
    }
    assert_eq!(sockets(&shop).await, Some(1.0));
    drop(absent);
}
