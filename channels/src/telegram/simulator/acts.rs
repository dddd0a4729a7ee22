//! What customers do, as the updates that Telegram makes of it.

use std::sync::Arc;

use bytes::Bytes;
use doorstep_core::Timestamp;
use serde_json::{Value, json};

use super::{
    BOT_ID,
    methods::photo_sizes,
    server::Shared,
    state::{Chat, State},
};
use crate::{
    simulator::{Act, SimulatorError},
    telegram::{NAME, html::length},
};

/// A customer does something.
pub(super) fn act(shared: &Arc<Shared>, customer: &str, act: Act) -> Result<(), SimulatorError> {
    let now = shared.options.clock.now();
    let (kind, value) = {
        let mut state = shared.lock();
        let chat = state.customer(customer);
        update(&mut state, customer, chat, act, now)?
    };
    shared.tell(kind, value);
    Ok(())
}

fn update(
    state: &mut State,
    customer: &str,
    chat: i64,
    act: Act,
    now: Timestamp,
) -> Result<(&'static str, Value), SimulatorError> {
    let told = match act {
        Act::Write(text) => ("message", write(state, customer, chat, &text, now)),
        Act::Follow(token) => {
            let text = format!("/start {token}");
            ("message", write(state, customer, chat, &text, now))
        }
        Act::Edit(text) => ("edited_message", edit(state, chat, &text, now)?),
        Act::Press(label) => ("callback_query", press(state, customer, chat, &label)?),
        Act::Send {
            name,
            media_type,
            bytes,
            caption,
        } => {
            let mut message = state.message(customer, chat, now);
            attach(state, &mut message, &name, &media_type, bytes);
            if let Some(caption) = caption {
                message["caption"] = caption.into();
            }
            remember(state, chat, &message);
            ("message", message)
        }
        Act::DoSomethingElse => {
            let mut message = state.message(customer, chat, now);
            message["story"] = json!({"chat": state.chat(chat), "id": 1});
            ("message", message)
        }
        Act::Block => (
            "my_chat_member",
            membership(state, customer, chat, true, now),
        ),
        Act::Unblock => (
            "my_chat_member",
            membership(state, customer, chat, false, now),
        ),
    };
    Ok(told)
}

fn write(state: &mut State, customer: &str, chat: i64, text: &str, now: Timestamp) -> Value {
    let mut message = state.message(customer, chat, now);
    message["text"] = text.into();
    let entities = entities(text);
    if !entities.is_empty() {
        message["entities"] = entities.into();
    }
    remember(state, chat, &message);
    message
}

fn edit(state: &mut State, chat: i64, text: &str, now: Timestamp) -> Result<Value, SimulatorError> {
    let last = chat_of(state, chat).and_then(|chat| chat.last.clone());
    let mut message = last.ok_or_else(|| not_there("edit what was never written"))?;
    let words = match message.get("text").is_some() {
        true => "text",
        false => "caption",
    };
    message[words] = text.into();
    message["edit_date"] = now.timestamp().into();
    remember(state, chat, &message);
    Ok(message)
}

fn press(
    state: &mut State,
    customer: &str,
    chat: i64,
    label: &str,
) -> Result<Value, SimulatorError> {
    let shown = chat_of(state, chat).map(|chat| chat.shown.clone());
    let shown = shown.unwrap_or_default();
    let found = shown.iter().rev().find_map(|message| {
        let rows = message["reply_markup"]["inline_keyboard"].as_array()?;
        let mut keys = rows.iter().filter_map(Value::as_array).flatten();
        let key = keys.find(|key| key["text"].as_str() == Some(label))?;
        Some((message, key["callback_data"].clone()))
    });
    let (message, data) =
        found.ok_or_else(|| not_there(&format!("press `{label}`, which is not shown")))?;
    Ok(json!({
        "id": state.next_id().to_string(),
        "from": state.user(customer),
        "message": message,
        "chat_instance": chat.to_string(),
        "data": data,
    }))
}

fn attach(state: &mut State, message: &mut Value, name: &str, media_type: &str, bytes: Bytes) {
    let size = bytes.len();
    let file = |id: &str| {
        json!({
            "file_id": id, "file_unique_id": format!("u{id}"), "mime_type": media_type, "file_size": size,
        })
    };
    match media_type {
        "image/jpeg" | "image/png" => {
            let id = state.store("photos", name, bytes);
            message["photo"] = photo_sizes(&id, size);
        }
        "audio/ogg" => {
            let id = state.store("voice", name, bytes);
            message["voice"] = file(&id);
            message["voice"]["duration"] = 3.into();
        }
        "video/mp4" => {
            let id = state.store("videos", name, bytes);
            message["video"] = file(&id);
            message["video"]["file_name"] = name.into();
            for (field, value) in [("width", 640), ("height", 480), ("duration", 5)] {
                message["video"][field] = value.into();
            }
        }
        _ => {
            let id = state.store("documents", name, bytes);
            message["document"] = file(&id);
            message["document"]["file_name"] = name.into();
        }
    }
}

/// `ChatMemberUpdated`. <https://core.telegram.org/bots/api#chatmemberupdated>
fn membership(
    state: &mut State,
    customer: &str,
    chat: i64,
    blocked: bool,
    now: Timestamp,
) -> Value {
    if let Some(chat) = state.chats.get_mut(&chat) {
        chat.blocked = blocked;
    }
    let bot = json!({"id": BOT_ID, "is_bot": true, "first_name": "Shop"});
    let member = |gone: bool| match gone {
        true => json!({"status": "kicked", "user": bot, "until_date": 0}),
        false => json!({"status": "member", "user": bot}),
    };
    json!({
        "chat": state.chat(chat),
        "from": state.user(customer),
        "date": now.timestamp(),
        "old_chat_member": member(!blocked),
        "new_chat_member": member(blocked),
    })
}

/// Commands and mentions, which Telegram marks itself.
pub(super) fn entities(text: &str) -> Vec<Value> {
    let mut entities = Vec::new();
    let mut offset = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let name = word.trim_end();
        let kind = match name.as_bytes().first() {
            Some(b'/') if offset == 0 && name.len() > 1 => Some("bot_command"),
            Some(b'@') if name.len() > 1 => Some("mention"),
            _ => None,
        };
        if let Some(kind) = kind {
            entities.push(json!({"type": kind, "offset": offset, "length": length(name)}));
        }
        offset += length(word);
    }
    entities
}

fn remember(state: &mut State, chat: i64, message: &Value) {
    if let Some(chat) = state.chats.get_mut(&chat) {
        chat.last = Some(message.clone());
    }
}

fn chat_of(state: &State, chat: i64) -> Option<&Chat> {
    state.chats.get(&chat)
}

fn not_there(what: &str) -> SimulatorError {
    SimulatorError::NotThere {
        provider: NAME,
        what: what.to_owned(),
    }
}
