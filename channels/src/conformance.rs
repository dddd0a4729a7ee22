//! What every channel promises, whichever it is. Each channel's tests run it on each of its transports.

use std::time::Duration;

use bytes::Bytes;
use doorstep_core::{
    Health, Language, OutboundMessageId,
    channel::{Channel, SendError},
    message::{Address, Content, OutboundMessage},
    webhook::WebhookRequest,
};
use http::{HeaderMap, Method};
use tokio_util::sync::CancellationToken;

use crate::testing::{Memory, TestClock, TestEntropy};

/// Checks a channel whose provider works. `reachable` is an address it can send to.
pub(crate) async fn check(channel: &dyn Channel, reachable: &Address) {
    assert!(!channel.name().as_str().is_empty());
    assert_eq!(&reachable.channel, channel.name());
    assert!(channel.capabilities().max_text > 0);
    assert_eq!(channel.healthcheck().await, Health::Ok);
    listening_ends_when_it_is_asked_to(channel).await;
    an_unsigned_webhook_is_refused(channel).await;
    a_message_gets_a_receipt(channel, reachable).await;
    a_senseless_address_fails_for_good(channel).await;
}

async fn listening_ends_when_it_is_asked_to(channel: &dyn Channel) {
    let stop = CancellationToken::new();
    stop.cancel();
    let listening = channel.listen(Memory::new(&TestClock::new()), stop);
    let ended = tokio::time::timeout(Duration::from_secs(10), listening).await;
    assert!(ended.is_ok(), "listen must return when it is told to stop");
}

async fn an_unsigned_webhook_is_refused(channel: &dyn Channel) {
    for body in [&b""[..], b"{}", b"\xff\xfe", b"[[[[[[[["] {
        let request = WebhookRequest {
            method: Method::POST,
            query: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(body),
            received_at: "2026-11-21T10:00:00Z".parse().unwrap(),
        };
        let refused = channel.receive_webhook(&request).await;
        assert!(refused.is_err(), "{body:?} was taken");
    }
}

async fn a_message_gets_a_receipt(channel: &dyn Channel, reachable: &Address) {
    let entropy = TestEntropy::default();
    for text in ["Hello", "¡Hola! 🎉 שלום\n\nhttps://shop.example/?a=1&b=2"] {
        let receipt = channel.send(reachable, &message(text, &entropy)).await;
        let receipt = receipt.expect("a reachable address takes a message");
        assert!(!receipt.provider_id.is_empty());
    }
}

async fn a_senseless_address_fails_for_good(channel: &dyn Channel) {
    if channel.capabilities().mailbox {
        return; // nothing is sent anywhere
    }
    let entropy = TestEntropy::default();
    for id in ["", "\r\n", "nobody\r\nBcc: everybody@shop.example"] {
        let address = Address::new(channel.name().clone(), id);
        let sent = channel.send(&address, &message("Hello", &entropy)).await;
        assert!(
            matches!(sent, Err(SendError::Fail { .. })),
            "{id:?}: {sent:?}"
        );
    }
}

fn message(text: &str, entropy: &TestEntropy) -> OutboundMessage {
    OutboundMessage {
        id: OutboundMessageId::new(&*TestClock::new(), entropy),
        content: Content::text(text),
        language: Language::ENGLISH,
        in_reply_to: None,
        thread: Default::default(),
    }
}
