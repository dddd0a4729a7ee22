//! The methods of the Bot API that the channel uses, and a few beside them, with what Telegram checks and says.

use bytes::Bytes;
use doorstep_core::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    BOT_ID, MAX_PHOTO, markup,
    params::Params,
    state::{State, Webhook},
};
use crate::telegram::{html::length, pictures::is_photo};

/// What went wrong, as Telegram says it.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) code: u16,
    pub(super) description: String,
    pub(super) retry_after: Option<u64>,
}

impl Refused {
    pub(super) fn new(code: u16, description: impl Into<String>) -> Self {
        Self {
            code,
            description: description.into(),
            retry_after: None,
        }
    }

    fn bad(description: &str) -> Self {
        Self::new(400, format!("Bad Request: {description}"))
    }
}

type Answer = Result<Value, Refused>;

/// The methods by their names in the description, long polling apart.
pub(super) const METHODS: [&str; 16] = [
    "getMe",
    "setWebhook",
    "deleteWebhook",
    "getWebhookInfo",
    "setMyCommands",
    "getMyCommands",
    "sendMessage",
    "sendPhoto",
    "sendMediaGroup",
    "sendChatAction",
    "editMessageText",
    "editMessageReplyMarkup",
    "deleteMessage",
    "answerCallbackQuery",
    "getFile",
    "getUpdates",
];

/// Methods that show something to a customer: faults happen to them.
pub(super) fn shows(method: &str) -> bool {
    matches!(method, "sendMessage" | "sendPhoto" | "sendMediaGroup")
}

/// Does what a method does.
pub(super) fn call(
    state: &mut State,
    username: &str,
    method: &str,
    params: &Params,
    now: Timestamp,
) -> Answer {
    match method {
        "getMe" => Ok(me(username)),
        "setWebhook" => set_webhook(state, params),
        "deleteWebhook" => {
            state.webhook = None;
            Ok(true.into())
        }
        "getWebhookInfo" => Ok(webhook_info(state)),
        "setMyCommands" => set_commands(state, params),
        "getMyCommands" => {
            let language = params.text("language_code").unwrap_or_default();
            let menu = state.menus.get(language).cloned();
            Ok(menu.unwrap_or_else(|| json!([])))
        }
        "sendMessage" => send_message(state, username, params, now),
        "sendPhoto" => send_photo(state, username, params, now),
        "sendMediaGroup" => send_album(state, username, params, now),
        "sendChatAction" => {
            reachable(state, params)?;
            state.counts.marks += 1;
            Ok(true.into())
        }
        "editMessageText" => {
            let text = body(params, "text", 4096)?;
            let text = text.ok_or_else(|| Refused::bad("message text is empty"))?;
            edit(state, params, now, |message| message["text"] = text.into())
        }
        "editMessageReplyMarkup" => edit(state, params, now, |_| ()),
        "deleteMessage" => delete(state, params),
        "answerCallbackQuery" => answer_press(state, params),
        "getFile" => get_file(state, params),
        _ => Err(Refused::new(404, "Not Found")),
    }
}

fn me(username: &str) -> Value {
    json!({
        "id": BOT_ID, "is_bot": true, "first_name": "Shop", "username": username,
        "can_join_groups": true, "can_read_all_group_messages": false,
        "supports_inline_queries": false, "can_connect_to_business": false,
        "has_main_web_app": false,
    })
}

fn set_webhook(state: &mut State, params: &Params) -> Answer {
    let url = params.text("url").unwrap_or_default().to_owned();
    let secret = params.text("secret_token").map(ToOwned::to_owned);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if let Some(secret) = &secret
        && !((1..=256).contains(&secret.len()) && secret.bytes().all(allowed))
    {
        return Err(Refused::bad("secret token contains unallowed characters"));
    }
    state.webhook = (!url.is_empty()).then_some(Webhook {
        url,
        secret,
        last_error: None,
    });
    Ok(true.into())
}

fn webhook_info(state: &State) -> Value {
    let webhook = state.webhook.clone().unwrap_or_default();
    let mut info = json!({
        "url": webhook.url,
        "has_custom_certificate": false,
        "pending_update_count": state.waiting.len(),
    });
    if let Some((at, error)) = webhook.last_error {
        info["last_error_date"] = at.into();
        info["last_error_message"] = error.into();
    }
    info
}

fn set_commands(state: &mut State, params: &Params) -> Answer {
    let commands = params.fields.get("commands").and_then(Value::as_array);
    let commands = commands.ok_or_else(|| Refused::bad("object expected as commands"))?;
    for command in commands {
        let name = command["command"].as_str().unwrap_or_default();
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !(1..=32).contains(&name.len()) || !name.bytes().all(is_name) {
            return Err(Refused::bad("BOT_COMMAND_INVALID"));
        }
        let text = command["description"].as_str().unwrap_or_default();
        if !(1..=256).contains(&length(text)) {
            return Err(Refused::bad("BOT_COMMAND_DESCRIPTION_INVALID"));
        }
    }
    let language = params.text("language_code").unwrap_or_default();
    let menu = Value::from(commands.clone());
    state.menus.insert(language.to_owned(), menu);
    Ok(true.into())
}

fn send_message(state: &mut State, username: &str, params: &Params, now: Timestamp) -> Answer {
    let chat = reachable(state, params)?;
    let text = body(params, "text", 4096)?;
    let text = text.ok_or_else(|| Refused::bad("message text is empty"))?;
    let mut message = sent(state, username, chat, params, now)?;
    message["text"] = text.into();
    Ok(show(state, chat, message))
}

fn send_photo(state: &mut State, username: &str, params: &Params, now: Timestamp) -> Answer {
    let chat = reachable(state, params)?;
    let photo = params.text("photo").unwrap_or_default().to_owned();
    let caption = body(params, "caption", 1024)?;
    let sizes = photo_of(state, params, &photo)?;
    let mut message = sent(state, username, chat, params, now)?;
    message["photo"] = sizes;
    if let Some(caption) = caption {
        message["caption"] = caption.into();
    }
    Ok(show(state, chat, message))
}

fn send_album(state: &mut State, username: &str, params: &Params, now: Timestamp) -> Answer {
    let chat = reachable(state, params)?;
    let media = params
        .fields
        .get("media")
        .and_then(Value::as_array)
        .cloned();
    let media = media.filter(|media| (2..=10).contains(&media.len()));
    let media = media.ok_or_else(|| Refused::bad("wrong number of media in the album"))?;
    let album = state.next_id().to_string();
    let mut messages = Vec::new();
    for item in &media {
        let photo = item["media"].as_str().unwrap_or_default();
        let sizes = photo_of(state, params, photo)?;
        let fields = item.as_object().cloned().unwrap_or_default();
        let caption = html(&fields, "caption", 1024)?;
        let mut message = sent(state, username, chat, params, now)?;
        message["photo"] = sizes;
        message["media_group_id"] = album.clone().into();
        if let Some(caption) = caption {
            message["caption"] = caption.into();
        }
        messages.push(message);
    }
    let shown = messages
        .into_iter()
        .map(|message| show(state, chat, message));
    Ok(shown.collect::<Vec<_>>().into())
}

/// Text after its markup was read; nothing when there is none.
fn body(params: &Params, name: &str, max: usize) -> Result<Option<String>, Refused> {
    html(&params.fields, name, max)
}

fn html(fields: &Map<String, Value>, name: &str, max: usize) -> Result<Option<String>, Refused> {
    let text = fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let text = match fields.get("parse_mode").and_then(Value::as_str) {
        Some("HTML") => markup::read(text)
            .map_err(|error| Refused::bad(&format!("can't parse entities: {error}")))?,
        None => text.to_owned(),
        Some(_) => return Err(Refused::bad("unsupported parse_mode")),
    };
    let text = text.trim();
    match length(text) {
        0 => Ok(None),
        length if length > max => Err(Refused::bad(match name {
            "caption" => "message caption is too long",
            _ => "message is too long",
        })),
        _ => Ok(Some(text.to_owned())),
    }
}

/// The photo's sizes, from an identifier or from what was uploaded with it.
fn photo_of(state: &mut State, params: &Params, named: &str) -> Answer {
    let bytes = match named.strip_prefix("attach://") {
        Some(name) => {
            let bytes = params.files.get(name).cloned();
            bytes.ok_or_else(|| Refused::bad("there is no photo in the request"))?
        }
        None if named.starts_with("http") => {
            return Err(Refused::bad("failed to get HTTP URL content"));
        }
        None => {
            let known = state.files.contains_key(named);
            let known = known.then(|| photo_sizes(named, Bytes::new().len()));
            return known.ok_or_else(|| Refused::bad("wrong file identifier/HTTP URL specified"));
        }
    };
    if bytes.len() > MAX_PHOTO {
        return Err(Refused::new(413, "Request Entity Too Large"));
    }
    if !is_photo(&bytes) {
        return Err(Refused::bad("IMAGE_PROCESS_FAILED"));
    }
    let size = bytes.len();
    let id = state.store("photos", "photo.jpg", bytes);
    Ok(photo_sizes(&id, size))
}

/// `PhotoSize`s of a file. <https://core.telegram.org/bots/api#photosize>
pub(super) fn photo_sizes(id: &str, bytes: usize) -> Value {
    json!([{
        "file_id": id, "file_unique_id": format!("u{id}"), "width": 1280, "height": 960, "file_size": bytes,
    }])
}

/// The bot's own message without content.
fn sent(state: &mut State, username: &str, chat: i64, params: &Params, now: Timestamp) -> Answer {
    let keyboard = keyboard(params)?;
    let id = state.next_id();
    let mut message = json!({
        "message_id": id,
        "from": {"id": BOT_ID, "is_bot": true, "first_name": "Shop", "username": username},
        "chat": state.chat(chat),
        "date": now.timestamp(),
    });
    if let Some(keyboard) = keyboard {
        message["reply_markup"] = keyboard;
    }
    if let Some(topic) = params.number("message_thread_id") {
        message["message_thread_id"] = topic.into();
        message["is_topic_message"] = true.into();
    }
    Ok(message)
}

fn keyboard(params: &Params) -> Result<Option<Value>, Refused> {
    let Some(keyboard) = params.fields.get("reply_markup") else {
        return Ok(None);
    };
    let rows = keyboard["inline_keyboard"].as_array();
    let keys = rows
        .into_iter()
        .flatten()
        .filter_map(Value::as_array)
        .flatten();
    for key in keys {
        if key["text"].as_str().unwrap_or_default().trim().is_empty() {
            return Err(Refused::bad(
                "inline keyboard button text must be non-empty",
            ));
        }
        let data = key["callback_data"].as_str().unwrap_or_default();
        if !(1..=64).contains(&data.len()) {
            return Err(Refused::bad("BUTTON_DATA_INVALID"));
        }
    }
    Ok(Some(keyboard.clone()))
}

fn show(state: &mut State, chat: i64, message: Value) -> Value {
    state.counts.shown += 1;
    if let Some(chat) = state.chats.get_mut(&chat) {
        chat.shown.push(message.clone());
    }
    message
}

/// The chat of a call, when the bot may write there.
pub(super) fn reachable(state: &State, params: &Params) -> Result<i64, Refused> {
    let id = params.number("chat_id").unwrap_or_default();
    let chat = state.chats.get(&id);
    let chat = chat.ok_or_else(|| Refused::bad("chat not found"))?;
    match (chat.blocked, chat.group) {
        (false, _) => Ok(id),
        (true, false) => Err(Refused::new(403, "Forbidden: bot was blocked by the user")),
        (true, true) => Err(Refused::new(
            403,
            "Forbidden: bot was kicked from the supergroup chat",
        )),
    }
}

fn edit(
    state: &mut State,
    params: &Params,
    now: Timestamp,
    change: impl FnOnce(&mut Value),
) -> Answer {
    let id = reachable(state, params)?;
    let keyboard = keyboard(params)?;
    let number = params.number("message_id");
    let shown = state.chats.get_mut(&id).map(|chat| chat.shown.iter_mut());
    let mut shown = shown.into_iter().flatten();
    let message = shown.find(|message| message["message_id"].as_i64() == number);
    let message = message.ok_or_else(|| Refused::bad("message to edit not found"))?;
    let before = message.clone();
    change(message);
    match keyboard {
        Some(keyboard) => message["reply_markup"] = keyboard,
        None => {
            if let Some(fields) = message.as_object_mut() {
                fields.remove("reply_markup");
            }
        }
    }
    if *message == before {
        return Err(Refused::bad("message is not modified"));
    }
    message["edit_date"] = now.timestamp().into();
    Ok(message.clone())
}

fn delete(state: &mut State, params: &Params) -> Answer {
    let id = reachable(state, params)?;
    let number = params.number("message_id");
    let Some(chat) = state.chats.get_mut(&id) else {
        return Err(Refused::bad("chat not found"));
    };
    let before = chat.shown.len();
    chat.shown
        .retain(|message| message["message_id"].as_i64() != number);
    match chat.shown.len() < before {
        true => Ok(true.into()),
        false => Err(Refused::bad("message to delete not found")),
    }
}

fn answer_press(state: &mut State, params: &Params) -> Answer {
    let query = params.text("callback_query_id").unwrap_or_default();
    let known = state
        .told
        .iter()
        .any(|update| update["callback_query"]["id"].as_str() == Some(query));
    if !known {
        return Err(Refused::bad(
            "query is too old and response timeout expired or query ID is invalid",
        ));
    }
    let text = params.text("text").map(ToOwned::to_owned);
    state.answered.push((query.to_owned(), text));
    Ok(true.into())
}

fn get_file(state: &State, params: &Params) -> Answer {
    let id = params.text("file_id").unwrap_or_default();
    let file = state
        .downloadable(id)
        .map_err(|description| Refused::new(400, description))?;
    Ok(json!({
        "file_id": id, "file_unique_id": format!("u{id}"),
        "file_size": file.bytes.len(), "file_path": file.path,
    }))
}
