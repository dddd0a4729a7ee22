//! Whatever a page sends, nothing panics. `PROPTEST_CASES=1000000` runs a million of each.

use proptest::{prelude::*, sample::Index};
use serde_json::json;

use super::*;

/// Frames as widgets send them.
const FRAMES: [&str; 6] = [
    r#"{"text": "¿Dónde está mi pedido 10234? 📦", "id": "m1"}"#,
    r#"{"type": "message", "id": "m2", "text": "", "button": "flow:order_status"}"#,
    r#"{"type": "read", "position": 7}"#,
    r#"{"type": "typing"}"#,
    r#"{"text": "a\u0000b\ud83d\ude00", "more": [{"deep": null}]}"#,
    r#"{"text": "Tomorrow?", "id": "m3", "time_zone": "America/Los_Angeles"}"#,
];

/// Frames with half of a surrogate pair, which is no character.
const HALVES: [&str; 4] = [
    r#"{"text": "\ud83d", "id": "half"}"#,
    r#"{"text": "a\ude00b", "id": "half"}"#,
    r#"{"text": "\ud83d\ud83d", "id": "half"}"#,
    r#"{"text": "a", "id": "\ud83d"}"#,
];

fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,80}".prop_map(Value::from),
        "[mr]e[as][sd](age)?|typing".prop_map(Value::from),
        Just(json!([[], {}])),
    ]
}

fn changed(frame: &str, changes: &[(Index, u8, u8)]) -> Vec<u8> {
    let mut bytes = frame.as_bytes().to_vec();
    for (at, byte, how) in changes {
        if bytes.is_empty() {
            break;
        }
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = *byte,
            1 => bytes.insert(at, *byte),
            2 => drop(bytes.remove(at)),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

/// A frame is understood within its limits, or refused with a frame that says why.
fn read(frame: &[u8]) {
    match protocol::parse(frame, 400, 100) {
        Ok(protocol::ClientFrame::Write(written)) => {
            assert!(written.text.chars().count() <= 100);
            assert!(
                written
                    .id
                    .is_none_or(|id| (1..=64).contains(&id.chars().count()))
            );
        }
        Ok(protocol::ClientFrame::Read { position }) => assert!(position > 0),
        Ok(protocol::ClientFrame::Typing) => {}
        Err(refusal) => {
            let told: Value = serde_json::from_str(&refusal.frame()).unwrap();
            assert_eq!(told["type"], "error");
        }
    }
}

fn changes() -> impl Strategy<Value = Vec<(Index, u8, u8)>> {
    prop::collection::vec((any::<Index>(), any::<u8>(), 0..4_u8), 0..6)
}

proptest! {
    #[test]
    fn no_frame_brings_it_down(
        frame in any::<Index>(),
        values in prop::collection::vec(("type|id|text|button|position|time_zone", odd()), 0..3),
        changes in changes(),
    ) {
        let frame: &&str = frame.get(&FRAMES);
        let mut document: Value = serde_json::from_str(frame).unwrap();
        for (field, value) in values {
            document[field] = value;
        }
        read(&changed(&document.to_string(), &changes));
    }

    /// Tokens with which the shop's page signs a customer in, with odd claims and with bytes changed.
    #[test]
    fn no_token_brings_it_down(
        sub in ".{0,40}", email in prop::option::of(".{0,40}"), exp in any::<i64>(), iat in prop::option::of(any::<i64>()),
        changes in changes(),
    ) {
        let name = email.clone();
        let claims = IdentityClaims { sub, email, name, exp, iat };
        let token = sign_identity(&identity_secret(), &claims);
        let changed = changed(&token, &changes);
        let now = "2026-11-21T10:00:00Z".parse().unwrap();
        for token in [token.as_str(), &String::from_utf8_lossy(&changed)] {
            let _ = identity::verify_identity(&identity_secret(), token, now);
        }
    }
}

#[tokio::test]
async fn half_a_character_is_refused_with_a_sentence_and_the_socket_lives() {
    let fixture = Fixture::new();
    let session = fixture.create(|_| ()).await;
    let mut socket = fixture.socket(&session, None).await;
    for half in HALVES {
        socket.receive(Incoming::Text(half)).await;
        let told = frames(&mut socket).await;
        assert_eq!(told.len(), 1, "{half}: {told:?}");
        assert_eq!(told[0]["code"], "invalid", "{half}: {told:?}");
        let posted = fixture
            .chat
            .post_message(&session.session, half.as_bytes())
            .await;
        assert_eq!(posted.unwrap_err().code(), "invalid", "{half}");
    }
    assert!(fixture.admitted().is_empty());
    let receipt = write(&mut socket, json!({"text": "\u{1f600}", "id": "whole"})).await;
    assert_eq!(receipt[0]["status"], "admitted");
    assert_eq!(fixture.admitted()[0].text, "\u{1f600}");
}
