//! Mutated input of the provider: nothing brings the channel down. `PROPTEST_CASES=1000000` runs a million of each.

use proptest::{prelude::*, sample::Index};

use super::{
    incoming::{get, now, text_message},
    *,
};
use crate::templates::TemplateUse;

/// Answers of the Graph API whose bytes are mutated below.
const ANSWERS: &[&str] = &[
    r#"{"error":{"message":"(#131047) Re-engagement","type":"OAuthException","code":131047,"error_subcode":1,"error_data":{"details":"x"},"fbtrace_id":"A"}}"#,
    r#"{"data":[{"name":"a","language":"en","status":"APPROVED","parameter_format":"NAMED","components":[{"type":"HEADER","format":"IMAGE"},{"type":"BODY","text":"{{a}} {{1}} {{"},{"type":"BUTTONS","buttons":[{"type":"URL","url":"https://x/{{1}}"}]}]}]}"#,
];

/// What is done to the bytes: where, with which byte, and how.
fn changes() -> impl Strategy<Value = Vec<(Index, u8, u8)>> {
    prop::collection::vec((any::<Index>(), any::<u8>(), 0u8..4), 1..8)
}

fn mutated(seed: &[u8], changes: &[(Index, u8, u8)]) -> Vec<u8> {
    let mut body = seed.to_vec();
    for (at, byte, kind) in changes {
        if body.is_empty() {
            break;
        }
        let at = at.index(body.len());
        match kind {
            0 => body[at] = *byte,
            1 => body.truncate(at),
            2 => body.insert(at, *byte),
            _ => {
                body.remove(at);
            }
        }
    }
    body
}

/// Fixtures whose bytes are mutated below.
fn seeds() -> Vec<Vec<u8>> {
    let message = |message: Value| {
        envelope(
            FIRST,
            json!({ "contacts": [{ "wa_id": "4915112345678" }], "messages": [message] }),
        )
    };
    let all = [
        message(text_message("1", "Hello [link:abc]")),
        message(
            json!({ "id": "wamid.1", "from": "4915112345678", "timestamp": "1763719200", "type": "edit",
            "edit": { "original_message_id": "wamid.0", "message": { "type": "image", "image": { "id": "1", "caption": "x" } } } }),
        ),
        message(
            json!({ "id": "wamid.1", "from_user_id": "DE.12", "timestamp": 1_763_719_200, "type": "interactive",
            "interactive": { "type": "nfm_reply", "nfm_reply": { "response_json": "{\"a\":1}" } } }),
        ),
        message(
            json!({ "id": "wamid.1", "from": "4915112345678", "type": "order",
            "order": { "product_items": [{ "product_retailer_id": "A", "quantity": 1, "item_price": 2, "currency": "EUR" }] } }),
        ),
        envelope(
            FIRST,
            json!({ "statuses": [{ "id": "wamid.1", "status": "failed", "timestamp": "1763719200",
            "biz_opaque_callback_data": "01936c00-0000-7000-8000-000000000001+0", "errors": [{ "code": 131_049 }] }] }),
        ),
    ];
    let own = all.iter().map(|body| body.to_string().into_bytes());
    let captured = super::payloads::shared_bodies().into_iter().map(|body| {
        let text = String::from_utf8(body).unwrap();
        text.replace("1122334455667", FIRST).into_bytes()
    });
    own.chain(captured).collect()
}

/// Reads a webhook that was signed, whatever it holds.
fn read(body: &[u8]) {
    let numbers = Numbers::new(
        NAME.into(),
        vec![Number {
            phone_number_id: FIRST.to_owned(),
            number: String::new(),
        }],
    );
    let request = WebhookRequest {
        method: Method::POST,
        query: String::new(),
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body),
        received_at: now(),
    };
    let _ = webhook::read(&request, &numbers);
}

/// Pointers to everything in a document (RFC 6901).
fn places(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                places(inner, format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                places(inner, format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
    found.push(at);
}

/// What stands somewhere it does not belong.
fn odd_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
        Just(json!([])),
        Just(json!([[null, {}]])),
        Just(json!({ "id": 1, "type": {} })),
    ]
}

proptest! {
    /// Our own and the captured payloads, with bytes changed, cut and added: never a panic.
    #[test]
    fn no_payload_brings_it_down(seed in any::<Index>(), changes in changes()) {
        let all = SEEDS.get_or_init(seeds);
        read(&mutated(&all[seed.index(all.len())], &changes));
    }

    /// The same with values where others belong, so that it stays JSON.
    #[test]
    fn no_shape_brings_it_down(
        seed in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), odd_value()), 1..4),
    ) {
        let all = SEEDS.get_or_init(seeds);
        let mut body: Value = serde_json::from_slice(&all[seed.index(all.len())]).unwrap();
        for (at, odd) in changes {
            let mut found = Vec::new();
            places(&body, String::new(), &mut found);
            if let Some(place) = body.pointer_mut(&found[at.index(found.len())]) {
                *place = odd;
            }
        }
        read(body.to_string().as_bytes());
    }

    /// Answers of the Graph API, likewise.
    #[test]
    fn no_answer_brings_it_down(seed in any::<Index>(), changes in changes()) {
        let body = mutated(seed.get(ANSWERS).as_bytes(), &changes);
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let _ = error::GraphError::read(&answer["error"]).to_string();
        let listed = template::Listed::read(&answer["data"][0]);
        let wanted = TemplateUse { name: "a".to_owned(), language: "en".to_owned(), header: 1, body: 1, buttons: 1 };
        let _ = template::compare(&[wanted], &listed.into_iter().collect::<Vec<_>>());
    }

    /// Queries of a verification, whatever stands in them.
    #[test]
    fn no_query_brings_it_down(query in "\\PC{0,60}|hub\\.mode=subscribe&hub\\.verify_token=\\PC{0,20}&hub\\.challenge=\\PC{0,20}") {
        let channel = CHANNEL.get_or_init(|| deaf(&[FIRST]));
        let _ = futures::executor::block_on(channel.receive_webhook(&get(&query)));
    }
}

static SEEDS: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
static CHANNEL: std::sync::OnceLock<WhatsApp> = std::sync::OnceLock::new();
