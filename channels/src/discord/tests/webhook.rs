//! The endpoint for interactions.

use bytes::Bytes;
use doorstep_core::{
    Clock,
    channel::Channel,
    webhook::{WebhookRejection, WebhookRequest},
};
use http::{HeaderMap, Method};
use serde_json::Value;

use super::Fixture;
use crate::discord::simulator::sign;

fn request(fixture: &Fixture, body: &str, age: i64, signed: &str) -> WebhookRequest {
    let now = fixture.clock.now();
    let timestamp = (now.timestamp() - age).to_string();
    let mut headers = HeaderMap::new();
    let signature = sign(&timestamp, signed);
    headers.insert("x-signature-ed25519", signature.parse().unwrap());
    headers.insert("x-signature-timestamp", timestamp.parse().unwrap());
    WebhookRequest {
        method: Method::POST,
        query: String::new(),
        headers,
        body: Bytes::from(body.to_owned()),
        received_at: now,
    }
}

const PING: &str = r#"{"id":"1","application_id":"2","type":1,"token":"t","version":1}"#;

#[tokio::test]
async fn a_ping_is_answered_and_stores_nothing() {
    let fixture = Fixture::new().await;
    let outcome = fixture
        .channel
        .receive_webhook(&request(&fixture, PING, 0, PING))
        .await
        .unwrap();
    let reply: Value = serde_json::from_str(&outcome.reply.unwrap()).unwrap();
    assert_eq!(reply["type"], 1);
    assert!(outcome.messages.is_empty());
}

#[tokio::test]
async fn what_discord_did_not_sign_now_is_refused() {
    let fixture = Fixture::new().await;
    let other = PING.replace('1', "3");
    let forged = fixture
        .channel
        .receive_webhook(&request(&fixture, PING, 0, &other))
        .await;
    assert_eq!(forged.unwrap_err(), WebhookRejection::BadSignature);
    let old = fixture
        .channel
        .receive_webhook(&request(&fixture, PING, 300, PING))
        .await;
    assert!(matches!(
        old,
        Err(WebhookRejection::OutsideReplayWindow { seconds: 300, .. })
    ));
    let future = fixture
        .channel
        .receive_webhook(&request(&fixture, PING, -300, PING))
        .await;
    assert!(matches!(
        future,
        Err(WebhookRejection::OutsideReplayWindow { .. })
    ));
    let mut cut = request(&fixture, PING, 0, PING);
    cut.headers
        .insert("x-signature-ed25519", "00ff".parse().unwrap());
    let cut = fixture.channel.receive_webhook(&cut).await;
    assert_eq!(cut.unwrap_err(), WebhookRejection::BadSignature);
    let senseless = fixture
        .channel
        .receive_webhook(&request(&fixture, "[]", 0, "[]"))
        .await;
    assert!(matches!(senseless, Err(WebhookRejection::Malformed { .. })));
}

#[tokio::test]
async fn without_a_key_there_is_no_endpoint() {
    let fixture = Fixture::with(|_| {}, |config| config.public_key = String::new()).await;
    let refused = fixture
        .channel
        .receive_webhook(&request(&fixture, PING, 0, PING))
        .await;
    assert_eq!(refused.unwrap_err(), WebhookRejection::NotHere);
}
