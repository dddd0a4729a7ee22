//! Whatever comes over the wire, nothing panics.

use proptest::prelude::*;
use serde_json::{Value, json};
use serenity::model::id::UserId;
use tokio::runtime::Runtime;

use super::Fixture;
use crate::discord::{
    render::{message_of_nonce, pressed_value},
    wire::{Event, Frame, Interaction, Message},
};

/// One of each, with everything in it that is read.
fn payloads() -> Vec<(&'static str, Value)> {
    let user = json!({ "id": "80351110224678912", "username": "nelly", "global_name": "Nelly" });
    vec![
        (
            "READY",
            json!({ "session_id": "s", "resume_gateway_url": "wss://gateway.discord.gg", "user": user }),
        ),
        (
            "MESSAGE_CREATE",
            json!({
                "id": "1", "channel_id": "2", "guild_id": null, "author": user, "type": 19, "flags": 8192,
                "content": "Hello <@80351110224678912> <:cup:1> <a:b:2> < <@", "nonce": "abc",
                "timestamp": "2026-02-27T23:56:48.287000+00:00", "edited_timestamp": "2026-02-27T23:57:48.287000+00:00",
                "mentions": [user], "message_reference": { "type": 0, "message_id": "3" },
                "attachments": [{ "id": "4", "filename": "a.ogg", "content_type": "audio/ogg", "size": 3, "url": "https://cdn.discordapp.com/a" }],
                "sticker_items": [{ "id": "5", "name": "wave", "format_type": 4 }],
            }),
        ),
        (
            "INTERACTION_CREATE",
            json!({
                "id": "6", "type": 3, "token": "t", "channel_id": "2", "user": user, "locale": "pt-BR",
                "data": { "custom_id": "0:yes", "component_type": 2, "values": ["3:no"], "name": "order", "options": [{ "name": "n", "value": "FW-1" }] },
                "message": { "id": "7", "components": [{ "type": 1, "components": [{ "type": 2, "label": "Yes", "custom_id": "0:yes" }] }] },
            }),
        ),
        (
            "THREAD_DELETE",
            json!({ "id": "8", "guild_id": "9", "type": 12 }),
        ),
    ]
}

/// Replaces the `at`th value in it.
fn mutate(value: &mut Value, at: &mut usize, by: &Value) {
    if *at == 0 {
        *value = by.clone();
    }
    *at = at.wrapping_sub(1);
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| mutate(value, at, by)),
        Value::Object(fields) => fields.values_mut().for_each(|value| mutate(value, at, by)),
        _ => {}
    }
}

fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[<>@!:&#a0-9]{0,12}".prop_map(Value::from),
        "[0-9]{1,22}".prop_map(Value::from),
        Just(json!([[], {}, null])),
        Just(json!({ "id": 0 })),
    ]
}

/// All that is done with a dispatch before the store is asked.
fn read(fixture: &Fixture, runtime: &Runtime, name: &str, data: Value) {
    let Ok(event) = Event::read(name, data) else {
        return;
    };
    let me = UserId::new(1);
    match event {
        // On a server the API would be asked.
        Event::Message(mut message) | Event::Edit(mut message) => {
            message.guild_id = None;
            let _ = runtime.block_on(fixture.channel.read_message(&message, me));
            let _ = runtime.block_on(fixture.channel.read_edit(&message, me));
        }
        Event::Interaction(mut interaction) => {
            interaction.guild_id = None;
            let _ = runtime.block_on(fixture.channel.read_interaction(&interaction));
        }
        _ => {}
    }
}

/// Reads bytes as each of the forms that come over the wire.
fn read_bytes(bytes: &[u8]) {
    let _ = serde_json::from_slice::<Frame>(bytes);
    let _ = serde_json::from_slice::<Message>(bytes);
    let _ = serde_json::from_slice::<Interaction>(bytes);
}

/// So many cases, or `PROPTEST_CASES` when that is more.
fn cases(least: u32) -> ProptestConfig {
    let mut config = ProptestConfig::default();
    config.cases = config.cases.max(least);
    config
}

fn fixture() -> (Fixture, Runtime) {
    let runtime = Runtime::new().unwrap();
    let fixture = runtime.block_on(Fixture::with(|_| {}, |_| {}));
    runtime.shutdown_background();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    (fixture, runtime)
}

#[test]
fn mutated_payloads_are_read_or_left_out() {
    let (fixture, runtime) = fixture();
    let payloads = payloads();
    for (name, payload) in &payloads {
        assert!(Event::read(name, payload.clone()).is_ok(), "{name}");
    }
    proptest!(cases(4000), |(which in 0..payloads.len(), at in 0usize..40, by in anything())| {
        let (name, mut payload) = payloads[which].clone();
        let mut at = at;
        mutate(&mut payload, &mut at, &by);
        read(&fixture, &runtime, name, payload);
    });
}

#[test]
fn captured_payloads_are_read_and_may_be_mutated() {
    let (fixture, runtime) = fixture();
    let Some(captured) = super::spec::captured() else {
        return;
    };
    let frames: Vec<(String, Value)> = captured
        .into_iter()
        .filter_map(|frame| Some((frame["t"].as_str()?.to_owned(), frame["d"].clone())))
        .collect();
    for (name, data) in &frames {
        assert!(Event::read(name, data.clone()).is_ok(), "{name}");
    }
    proptest!(cases(2000), |(which in 0..frames.len(), at in 0usize..120, by in anything())| {
        let (name, mut payload) = frames[which].clone();
        let mut at = at;
        mutate(&mut payload, &mut at, &by);
        read(&fixture, &runtime, &name, payload);
    });
}

proptest! {
    #[test]
    fn senseless_bytes_are_no_frame(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        read_bytes(&bytes);
    }

    /// Frames of the gateway as they stand on the wire, with bytes changed and cut.
    #[test]
    fn changed_bytes_are_read_or_refused(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let (name, data) = which.get(&payloads()).clone();
        let frame = json!({ "op": 0, "s": 1, "t": name, "d": data }).to_string();
        for text in [frame, data.to_string()] {
            let mut bytes = text.into_bytes();
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            read_bytes(&bytes);
        }
    }

    #[test]
    fn senseless_identifiers_are_none_of_ours(text in "\\PC{0,30}") {
        let _ = message_of_nonce(&text);
        let _ = pressed_value(&text);
    }
}
