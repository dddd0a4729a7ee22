//! From a message of a webhook to an [`InboundMessage`].
//!
//! Meta: "messages webhook reference" and its pages for each type
//! (<https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages>),
//! "Business-scoped user IDs".

use doorstep_core::{
    Timestamp,
    attachment::{Attachment, AttachmentKind, AttachmentPlace},
    message::{Address, InboundMessage},
};
use serde_json::Value;

use super::{
    address::{Numbers, is_phone, is_user_id},
    link,
    plan::button_value,
};

/// Longer identifiers are not Meta's.
const LONGEST_ID: usize = 512;
/// More contacts or products in one message are cut off.
const MOST_ITEMS: usize = 50;

/// What a message turned out to be.
#[derive(Debug)]
pub(super) enum Incoming {
    /// The customer says something.
    Message(Box<InboundMessage>),
    /// The address leads nowhere any more.
    Closed(Address, String),
    /// Nothing for a conversation, and why.
    Nothing(&'static str),
}

/// What was said, whichever way.
#[derive(Debug, Default)]
struct Said {
    text: String,
    button: Option<String>,
    attachments: Vec<Attachment>,
    answers: Option<String>,
}

/// Where a message was found.
pub(super) struct Place<'a> {
    /// The shop's numbers.
    pub(super) numbers: &'a Numbers,
    /// The one that was written to.
    pub(super) phone_number_id: &'a str,
    /// `contacts` beside the message.
    pub(super) contacts: &'a [Value],
    /// When the webhook came.
    pub(super) received_at: Timestamp,
}

impl Place<'_> {
    fn address(&self, customer: &str) -> Address {
        self.numbers.address_of(self.phone_number_id, customer)
    }
}

/// Reads one message.
pub(super) fn read(message: &Value, place: &Place<'_>) -> Incoming {
    let Some(id) = string(message, "/id").filter(|id| id.len() <= LONGEST_ID) else {
        return Incoming::Nothing("it has no id");
    };
    if message.get("group_id").is_some() {
        return Incoming::Nothing("it was written in a group");
    }
    let kind = string(message, "/type").unwrap_or_default();
    if kind == "system" {
        return system(message, place);
    }
    let Some(customer) = customer(message, place.contacts) else {
        return Incoming::Nothing("its sender has neither a number nor a user id");
    };
    let (content, edits) = match kind {
        "edit" => match string(message, "/edit/original_message_id") {
            Some(original) => (&message["edit"]["message"], Some(original.to_owned())),
            None => return Incoming::Nothing("it does not say what it changes"),
        },
        _ => (message, None),
    };
    let kind = string(content, "/type").unwrap_or_default();
    let Some(said) = said(kind, content) else {
        return Incoming::Nothing("it says nothing that could be answered");
    };
    let (text, link) = link::take(&said.text);
    let sent_at = timestamp(message).unwrap_or(place.received_at);
    let mut inbound = InboundMessage::text(place.address(customer), id, text, sent_at);
    inbound.button = said.button;
    inbound.attachments = said.attachments;
    inbound.answers = said.answers.or_else(|| quoted(content, message));
    inbound.edits = edits;
    inbound.link = link;
    Incoming::Message(Box::new(inbound))
}

/// Who wrote: by telephone number where there is one, else by user id.
fn customer<'a>(message: &'a Value, contacts: &'a [Value]) -> Option<&'a str> {
    let phone = |value: &'a Value, field| string(value, field).filter(|id| is_phone(id));
    let user = |value: &'a Value, field| string(value, field).filter(|id| is_user_id(id));
    let by_user_id = user(message, "/from_user_id");
    let contact = match by_user_id {
        Some(id) => contacts
            .iter()
            .find(|contact| string(contact, "/user_id") == Some(id)),
        None => contacts.first(),
    };
    phone(message, "/from")
        .or_else(|| contact.and_then(|contact| phone(contact, "/wa_id")))
        .or(by_user_id)
        .or_else(|| user(message, "/from"))
        .or_else(|| contact.and_then(|contact| user(contact, "/user_id")))
}

/// The message that is answered, unless it is the customer's own. Edited messages quote `M0`, which is none.
fn quoted(content: &Value, message: &Value) -> Option<String> {
    let id = string(content, "/context/id").filter(|id| id.starts_with("wamid."))?;
    let from = string(content, "/context/from");
    let own = from.is_some() && from == string(message, "/from");
    (!own && id.len() <= LONGEST_ID).then(|| id.to_owned())
}

/// When Meta says it was written, in seconds since 1970, as text or number.
pub(super) fn timestamp(value: &Value) -> Option<Timestamp> {
    let stamp = &value["timestamp"];
    let seconds = stamp.as_i64().or_else(|| stamp.as_str()?.parse().ok())?;
    Timestamp::from_timestamp(seconds, 0)
}

/// What a message of this kind says. Kinds that we do not know come in without words, so that the customer is told that
/// nobody could read them.
fn said(kind: &str, content: &Value) -> Option<Said> {
    let text = |pointer| string(content, pointer).unwrap_or_default().to_owned();
    let words = |text: String| {
        Some(Said {
            text,
            ..Said::default()
        })
    };
    match kind {
        "text" => words(text("/text/body")),
        "image" => file(content, "image", AttachmentKind::Image),
        "video" => file(content, "video", AttachmentKind::Video),
        "document" => file(content, "document", AttachmentKind::Document),
        "sticker" => file(content, "sticker", AttachmentKind::Sticker),
        "audio" if content["audio"]["voice"].as_bool() == Some(true) => {
            file(content, "audio", AttachmentKind::Voice)
        }
        "audio" => file(content, "audio", AttachmentKind::Audio),
        "location" => words(location(&content["location"])),
        "contacts" => words(contacts(&content["contacts"])),
        "order" => words(order(&content["order"])),
        "button" => Some(Said {
            text: text("/button/text"),
            button: string(content, "/button/payload").map(str::to_owned),
            ..Said::default()
        }),
        "interactive" => Some(interactive(&content["interactive"])),
        "reaction" => reaction(&content["reaction"]),
        "revoke" | "request_welcome" => None,
        _ => words(String::new()),
    }
}

fn file(content: &Value, field: &str, kind: AttachmentKind) -> Option<Said> {
    let file = &content[field];
    let id = string(file, "/id")?;
    Some(Said {
        text: string(file, "/caption").unwrap_or_default().to_owned(),
        attachments: vec![Attachment {
            kind,
            place: AttachmentPlace::Provider(id.to_owned()),
            name: string(file, "/filename").map(str::to_owned),
            media_type: string(file, "/mime_type").map(str::to_owned),
            size: None,
        }],
        ..Said::default()
    })
}

fn interactive(reply: &Value) -> Said {
    let (words, button) = match string(reply, "/type") {
        Some(kind @ ("button_reply" | "list_reply")) => (
            string(&reply[kind], "/title")
                .unwrap_or_default()
                .to_owned(),
            string(&reply[kind], "/id").map(|id| button_value(id).to_owned()),
        ),
        Some("nfm_reply") => (form(&reply["nfm_reply"]), None),
        _ => (String::new(), None),
    };
    Said {
        text: words,
        button,
        ..Said::default()
    }
}

/// A filled-in form ("flow"): a line for each field.
fn form(reply: &Value) -> String {
    let fields: Option<serde_json::Map<String, Value>> =
        string(reply, "/response_json").and_then(|json| serde_json::from_str(json).ok());
    let fields = fields.unwrap_or_default();
    let lines: Vec<String> = fields
        .iter()
        .filter(|(name, _)| *name != "flow_token")
        .take(MOST_ITEMS)
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}: {text}"),
            other => format!("{name}: {other}"),
        })
        .collect();
    lines.join("\n")
}

/// An emoji to one of our messages; taking it back says nothing.
fn reaction(reaction: &Value) -> Option<Said> {
    let emoji = string(reaction, "/emoji").filter(|emoji| !emoji.is_empty())?;
    Some(Said {
        text: emoji.to_owned(),
        answers: string(reaction, "/message_id").map(str::to_owned),
        ..Said::default()
    })
}

fn location(place: &Value) -> String {
    let point = match (place["latitude"].as_f64(), place["longitude"].as_f64()) {
        (Some(latitude), Some(longitude)) => Some(format!("({latitude}, {longitude})")),
        _ => None,
    };
    let named = ["/name", "/address"].map(|field| string(place, field).map(str::to_owned));
    let [name, address] = named;
    let words: Vec<String> = [name, address].into_iter().flatten().collect();
    let words = words.join(", ");
    [Some(words), point]
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn contacts(contacts: &Value) -> String {
    let line = |contact: &Value| {
        let name = string(contact, "/name/formatted_name").unwrap_or_default();
        let values = |list: &str, field: &str| -> Vec<String> {
            let list = contact[list].as_array().map_or(&[][..], Vec::as_slice);
            list.iter()
                .take(MOST_ITEMS)
                .filter_map(|item| string(item, field).map(str::to_owned))
                .collect()
        };
        let mut reach = values("phones", "/phone");
        reach.extend(values("emails", "/email"));
        format!("{name}: {}", reach.join(", "))
    };
    items(contacts).map(line).collect::<Vec<_>>().join("\n")
}

fn order(order: &Value) -> String {
    let line = |item: &Value| {
        let product = string(item, "/product_retailer_id").unwrap_or_default();
        let quantity = &item["quantity"];
        let currency = string(item, "/currency").unwrap_or_default();
        format!("{quantity} × {product} ({} {currency})", item["item_price"])
    };
    let words = string(order, "/text").unwrap_or_default().to_owned();
    std::iter::once(words)
        .filter(|words| !words.is_empty())
        .chain(items(&order["product_items"]).map(line))
        .collect::<Vec<_>>()
        .join("\n")
}

/// News of the customer's account: a number or user id that leads elsewhere now.
fn system(message: &Value, place: &Place<'_>) -> Incoming {
    let usable = |id: &&str| is_phone(id) || is_user_id(id);
    match string(message, "/system/type") {
        Some("user_changed_number" | "customer_changed_number") => {
            match string(message, "/from").filter(usable) {
                Some(old) => {
                    let reason = "the customer changed their number".to_owned();
                    Incoming::Closed(place.address(old), reason)
                }
                None => Incoming::Nothing("it does not say whose number changed"),
            }
        }
        Some("user_changed_user_id") => {
            match string(message, "/system/previous_user_id").filter(usable) {
                Some(old) => {
                    let reason = "the customer's user id changed".to_owned();
                    Incoming::Closed(place.address(old), reason)
                }
                None => Incoming::Nothing("it does not say whose user id changed"),
            }
        }
        _ => Incoming::Nothing("it is news of the customer's account"),
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    let list = list.as_array().map_or(&[][..], Vec::as_slice);
    list.iter().take(MOST_ITEMS)
}

pub(super) fn string<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}
