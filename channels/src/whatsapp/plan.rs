//! What one message becomes on WhatsApp: a text, a picture, and at most three reply buttons, a list of ten, or a link.
//!
//! Limits: Meta, "Interactive reply buttons messages", "Interactive list messages", "Interactive Call-to-Action URL Button
//! Messages", "Text messages" and "Image messages"
//! (<https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/>). What has no form there is said in
//! words.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use doorstep_core::{
    Language,
    message::{Button, Card, Content, Image},
};
use serde_json::{Value, json};
use unicode_segmentation::UnicodeSegmentation;

use super::words;
use crate::render::{card_text, split};

/// Longest text message.
pub(super) const LONGEST_TEXT: usize = 4096;
/// Longest text above buttons, and below a picture.
pub(super) const LONGEST_BODY: usize = 1024;
pub(super) const MOST_REPLIES: usize = 3;
pub(super) const LONGEST_REPLY: usize = 20;
pub(super) const MOST_ROWS: usize = 10;
pub(super) const LONGEST_ROW: usize = 24;
pub(super) const LONGEST_DESCRIPTION: usize = 72;
/// The least of what reply buttons (256) and rows (200) take.
pub(super) const LONGEST_VALUE: usize = 200;
/// More cards than this are said in words: each would be a message of its own.
const MOST_CARDS: usize = 3;

/// One message to the API, still without its recipient.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    /// `type` and the object of that name.
    pub(super) body: Value,
    /// As the customer reads it.
    pub(super) text: String,
}

/// A picture as the API takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Picture {
    /// Uploaded.
    Id(String),
    /// To be read by Meta.
    Link(String),
}

impl Picture {
    pub(super) fn body(&self) -> Value {
        match self {
            Self::Id(id) => json!({ "id": id }),
            Self::Link(link) => json!({ "link": link }),
        }
    }
}

/// The pictures of a message that WhatsApp can show, by address.
pub(super) type Pictures = HashMap<String, Picture>;

/// The addresses of all pictures that [`plan`] would show.
pub(super) fn addresses(content: &Content) -> BTreeSet<&str> {
    let cards = match content.cards.len() <= MOST_CARDS {
        true => content.cards.as_slice(),
        false => &[],
    };
    let of_cards = cards.iter().filter_map(|card| card.image.as_deref());
    let own = content.images.iter().map(|image| image.url.as_str());
    own.chain(of_cards).collect()
}

/// The messages that show the content, in order.
pub(super) fn plan(content: &Content, language: &Language, pictures: &Pictures) -> Vec<Part> {
    let (shown, spoken) = match content.cards.len() <= MOST_CARDS {
        true => (content.cards.as_slice(), &[][..]),
        false => (&[][..], content.cards.as_slice()),
    };
    let mut text = vec![content.text.trim().to_owned()];
    text.extend(spoken.iter().map(card_text));
    let (images, words) = sort_images(&content.images, pictures);
    text.extend(words);
    let of_spoken = spoken.iter().flat_map(|card| &card.buttons);
    let (menu, words) = Menu::of(content.buttons.iter().chain(of_spoken));
    text.extend(words);
    let mut parts = compose(&join(text), &images, &menu, language);
    for card in shown {
        parts.extend(plan_card(card, language, pictures));
    }
    parts
}

fn plan_card(card: &Card, language: &Language, pictures: &Pictures) -> Vec<Part> {
    let picture = card.image.as_deref().and_then(|url| pictures.get(url));
    let images: Vec<(&Picture, &str)> = picture.map(|picture| (picture, "")).into_iter().collect();
    let (menu, words) = Menu::of(card.buttons.iter());
    let (menu, bare) = match (&menu, card.url.as_deref().filter(|url| is_link(url))) {
        (Menu::None, Some(url)) => {
            let label = words::view(language).to_owned();
            let bare = Card {
                url: None,
                ..card.clone()
            };
            (Menu::Link(label, url), bare)
        }
        _ => (menu, card.clone()),
    };
    let mut text = vec![card_text(&bare)];
    text.extend(words);
    compose(&join(text), &images, &menu, language)
}

/// Pictures that can be shown, each with what it shows, and the others in words.
fn sort_images<'a>(
    images: &'a [Image],
    pictures: &'a Pictures,
) -> (Vec<(&'a Picture, &'a str)>, Vec<String>) {
    let mut shown = Vec::new();
    let mut words = Vec::new();
    for image in images {
        let alt = image.alt.trim();
        match pictures.get(&image.url) {
            Some(picture) => shown.push((picture, alt)),
            None if alt.is_empty() => words.push(image.url.clone()),
            None => words.push(format!("{alt}: {}", image.url)),
        }
    }
    (shown, words)
}

/// What can be pressed.
#[derive(Debug, PartialEq)]
enum Menu<'a> {
    None,
    Replies(Vec<&'a Button>),
    List(Vec<&'a Button>),
    /// Label and address.
    Link(String, &'a str),
}

impl<'a> Menu<'a> {
    /// The menu that shows most of the buttons, and the others in words.
    fn of(buttons: impl Iterator<Item = &'a Button>) -> (Self, Vec<String>) {
        let (links, choices): (Vec<_>, Vec<_>) = buttons.partition(|button| is_link(&button.value));
        if let ([link], []) = (links.as_slice(), choices.as_slice()) {
            let label = shorten(&link.label, LONGEST_REPLY);
            let words = (label != link.label.trim()).then(|| link.label.clone());
            let label = match label.is_empty() {
                true => "→".to_owned(),
                false => label,
            };
            return (Self::Link(label, &link.value), words.into_iter().collect());
        }
        let mut words: Vec<String> = links
            .iter()
            .map(|link| format!("{}: {}", link.label, link.value))
            .collect();
        let mut taken = BTreeSet::new();
        let (mut shown, unshown): (Vec<_>, Vec<_>) = choices.into_iter().partition(|button| {
            let length = button_id(&button.value).chars().count();
            let usable = (1..=LONGEST_VALUE).contains(&length);
            usable && !button.label.trim().is_empty() && taken.insert(&button.value)
        });
        let more = shown.split_off(shown.len().min(MOST_ROWS));
        words.extend(
            unshown
                .iter()
                .chain(&more)
                .filter(|button| !button.label.trim().is_empty())
                .map(|button| format!("– {}", button.label)),
        );
        let labels: BTreeSet<&str> = shown.iter().map(|button| button.label.trim()).collect();
        let short = labels
            .iter()
            .all(|label| label.chars().count() <= LONGEST_REPLY);
        let menu = match shown.len() {
            0 => Self::None,
            1..=MOST_REPLIES if short && labels.len() == shown.len() => Self::Replies(shown),
            _ => Self::List(shown),
        };
        (menu, words)
    }

    /// The `action` of an interactive message and its `type`.
    fn action(&self, language: &Language) -> Option<(&'static str, Value)> {
        match self {
            Self::None => None,
            Self::Replies(buttons) => {
                let buttons: Vec<Value> = buttons
                    .iter()
                    .map(|button| {
                        let reply =
                            json!({ "id": button_id(&button.value), "title": button.label.trim() });
                        json!({ "type": "reply", "reply": reply })
                    })
                    .collect();
                Some(("button", json!({ "buttons": buttons })))
            }
            Self::List(buttons) => {
                let rows: Vec<Value> = buttons.iter().map(|button| row(button)).collect();
                let sections = json!([{ "rows": rows }]);
                let button = words::choose(language);
                Some(("list", json!({ "button": button, "sections": sections })))
            }
            Self::Link(label, url) => {
                let parameters = json!({ "display_text": label, "url": url });
                let action = json!({ "name": "cta_url", "parameters": parameters });
                Some(("cta_url", action))
            }
        }
    }

    /// As a customer would read it.
    fn text(&self) -> String {
        let labels: Vec<String> = match self {
            Self::None => Vec::new(),
            Self::Replies(buttons) | Self::List(buttons) => buttons
                .iter()
                .map(|button| format!("[{}]", button.label.trim()))
                .collect(),
            Self::Link(label, url) => vec![format!("[{label}] {url}")],
        };
        labels.join(" ")
    }
}

fn row(button: &Button) -> Value {
    let label = button.label.trim();
    let title = shorten(label, LONGEST_ROW);
    let mut row = json!({ "id": button_id(&button.value), "title": title });
    if title != label {
        row["description"] = json!(shorten(label, LONGEST_DESCRIPTION));
    }
    row
}

/// Text, pictures and a menu as messages; the menu comes last, below as much of the text as it can hold.
fn compose(
    text: &str,
    images: &[(&Picture, &str)],
    menu: &Menu<'_>,
    language: &Language,
) -> Vec<Part> {
    let Some((kind, action)) = menu.action(language) else {
        return without_menu(text, images);
    };
    let mut parts: Vec<Part> = Vec::new();
    let (head, body) = last_piece(text);
    if !head.is_empty() {
        parts.extend(split(head, LONGEST_TEXT).into_iter().map(text_part));
    }
    // A list's header can only be text.
    let (header, before) = match images.split_first() {
        Some((first, more)) if kind != "list" => (Some(first.0), more),
        _ => (None, images),
    };
    parts.extend(before.iter().map(|(picture, alt)| image_part(picture, alt)));
    let body = match body.is_empty() {
        true => words::choose(language),
        false => body,
    };
    let mut interactive = json!({ "type": kind, "body": { "text": body }, "action": action });
    if let Some(picture) = header {
        interactive["header"] = json!({ "type": "image", "image": picture.body() });
    }
    parts.push(Part {
        body: json!({ "type": "interactive", "interactive": interactive }),
        text: format!("{body}\n{}", menu.text()),
    });
    parts
}

fn without_menu(text: &str, images: &[(&Picture, &str)]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut images = images.iter();
    if text.chars().count() <= LONGEST_BODY
        && let Some((picture, alt)) = images.next()
    {
        let caption = match text.is_empty() {
            true => alt,
            false => text,
        };
        parts.push(image_part(picture, caption));
    } else if !text.is_empty() {
        parts.extend(split(text, LONGEST_TEXT).into_iter().map(text_part));
    }
    parts.extend(images.map(|(picture, alt)| image_part(picture, alt)));
    parts
}

fn text_part(text: &str) -> Part {
    let preview = text.contains("https://");
    Part {
        body: json!({ "type": "text", "text": { "body": text, "preview_url": preview } }),
        text: text.to_owned(),
    }
}

fn image_part(picture: &Picture, caption: &str) -> Part {
    let mut image = picture.body();
    let caption = shorten(caption, LONGEST_BODY);
    if !caption.is_empty() {
        image["caption"] = json!(caption);
    }
    Part {
        body: json!({ "type": "image", "image": image }),
        text: caption,
    }
}

/// The text's last piece that fits above buttons, and what comes before it.
fn last_piece(text: &str) -> (&str, &str) {
    let text = text.trim();
    let last = split(text, LONGEST_BODY).pop().unwrap_or_default();
    // Pieces are cut from the text in order: the last one ends where it ends.
    let (head, body) = text.split_at(text.len() - last.len());
    (head.trim_end(), body)
}

fn join(mut parts: Vec<String>) -> String {
    parts.retain(|part| !part.trim().is_empty());
    parts.join("\n\n")
}

pub(super) fn is_link(value: &str) -> bool {
    value.starts_with("https://") || value.starts_with("http://")
}

/// A button's value as its id: Meta takes none that begins or ends with a space, so such a one is put between `=`.
pub(super) fn button_id(value: &str) -> Cow<'_, str> {
    match value.trim() == value && !(value.starts_with('=') && value.ends_with('=')) {
        true => Cow::Borrowed(value),
        false => Cow::Owned(format!("={value}=")),
    }
}

/// The value that became this id.
pub(super) fn button_value(id: &str) -> &str {
    let between = id.strip_prefix('=').and_then(|id| id.strip_suffix('='));
    between.unwrap_or(id)
}

/// The text in at most `max` characters, with `…` where something is left out.
fn shorten(text: &str, max: usize) -> String {
    let text = text.trim();
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut count = 0;
    for whole in text.graphemes(true) {
        count += whole.chars().count();
        if count >= max {
            break;
        }
        short.push_str(whole);
    }
    format!("{}…", short.trim_end())
}
