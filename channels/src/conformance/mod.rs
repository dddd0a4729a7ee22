//! What every channel promises, whichever it is.
//!
//! [`check`] needs no provider's customers and runs on each transport of a channel. [`play`] runs all scenarios against
//! the channel's simulator; [`matrix`] says which channel keeps which, and the table in `docs/channels/README.md` is it.

pub(crate) mod front;
mod matrix;
mod scenarios;
pub(crate) mod stage;

use std::future::Future;

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

pub(crate) use scenarios::Outcome;
pub(crate) use stage::Stage;

/// Runs every scenario, each on a stage of its own, and says how each ended, by name. A broken promise panics.
pub(crate) async fn play<F: Future<Output = Stage>>(
    mut stage: impl FnMut() -> F,
) -> Vec<(&'static str, Outcome)> {
    let mut outcomes = Vec::new();
    macro_rules! scenarios {
        ($($what:literal => $scenario:ident,)+) => {
            $(
                let own = stage().await;
                let provider = own.simulator.provider();
                eprintln!("{provider}: {}", $what);
                let outcome = Box::pin(scenarios::$scenario(own)).await;
                outcomes.push(($what, outcome));
            )+
        };
    }
    scenarios! {
        "text" => text,
        "long text, split at sentence ends" => long_text,
        "Unicode, emoji, markup characters" => unicode,
        "buttons" => buttons,
        "cards" => cards,
        "image out" => image_out,
        "image in" => image_in,
        "media server away, then back" => media_server_away,
        "attachment too large" => attachment_too_large,
        "typing" => typing,
        "receipts" => receipts,
        "edits" => edits,
        "unknown update kinds" => unknown_kinds,
        "duplicate delivery" => duplicates,
        "out-of-order delivery" => out_of_order,
        "rate limit with a time to wait" => rate_limit,
        "server error" => server_error,
        "answer lost after acceptance" => lost_answer,
        "revoked token" => revoked_token,
        "blocked by the customer" => blocked,
        "recipient gone" => recipient_gone,
        "deep link with a token" => deep_link,
        "send dropped at shutdown" => dropped_send,
        "malformed payload" => malformed,
    }
    outcomes
}

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
