//! One of our messages as Telegram shows it: its pictures, its text, its cards with a photo each, its buttons under the
//! last of them. Several of Telegram's messages where one is too short; nothing is left out.

use doorstep_core::message::{Button, Card, Content};
use reqwest::Url;
use teloxide_core::types::{InlineKeyboardButton, InlineKeyboardMarkup};

use super::{
    buttons,
    html::{escape, length, pieces},
};
use crate::render::card_text;

/// Longest text of a message, after its markup was read. <https://core.telegram.org/bots/api#sendmessage>
pub(super) const MAX_TEXT: usize = 4096;

/// Longest text below a photo. <https://core.telegram.org/bots/api#sendphoto>
const MAX_CAPTION: usize = 1024;

/// Most photos of an album. <https://core.telegram.org/bots/api#sendmediagroup>
const MAX_ALBUM: usize = 10;

/// One of Telegram's messages.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub(super) body: Body,
    pub(super) buttons: Vec<Button>,
}

/// What a part shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Body {
    /// HTML.
    Text(String),
    /// One photo and the HTML below it.
    Photo(Photo),
    /// Two to ten photos.
    Album(Vec<Photo>),
}

/// A photo to upload.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Photo {
    pub(super) url: String,
    /// HTML below it.
    pub(super) caption: String,
    /// HTML that stands for it where it cannot be shown; empty when what follows says it all.
    pub(super) instead: String,
}

/// A message in Telegram's parts, in order; none when it says nothing.
pub(super) fn compose(content: &Content) -> Vec<Part> {
    let mut parts = Vec::new();
    let text = content.text.trim();
    let photos: Vec<Photo> = content.images.iter().map(image).collect();
    let last_is_album = text.is_empty() && content.cards.is_empty();
    if last_is_album && !content.buttons.is_empty() {
        // An album has no buttons.
        parts.extend(photos.into_iter().map(|photo| part(Body::Photo(photo))));
    } else {
        parts.extend(photos.chunks(MAX_ALBUM).map(|chunk| match chunk {
            [photo] => part(Body::Photo(photo.clone())),
            several => part(Body::Album(several.to_vec())),
        }));
    }
    if !text.is_empty() {
        let texts = pieces(text, MAX_TEXT).into_iter();
        parts.extend(texts.map(|piece| part(Body::Text(escape(piece).into_owned()))));
    }
    for shown in &content.cards {
        parts.extend(card(shown));
    }
    if let Some(last) = parts.last_mut() {
        last.buttons.extend(content.buttons.iter().cloned());
    }
    parts
}

/// The keyboard of a part, a button a row: labels are read in full.
pub(super) fn keyboard(shown: &[Button]) -> Option<InlineKeyboardMarkup> {
    let rows = shown.iter().map(|button| {
        [InlineKeyboardButton::callback(
            button.label.trim(),
            buttons::data(&button.value),
        )]
    });
    (!shown.is_empty()).then(|| InlineKeyboardMarkup::new(rows))
}

fn part(body: Body) -> Part {
    Part {
        body,
        buttons: Vec::new(),
    }
}

fn image(image: &doorstep_core::message::Image) -> Photo {
    let alt = image.alt.trim();
    let caption = pieces(alt, MAX_CAPTION).first().copied().unwrap_or("");
    let instead = match alt.is_empty() {
        true => image.url.clone(),
        false => format!("{alt}: {}", image.url),
    };
    Photo {
        url: image.url.clone(),
        caption: escape(caption).into_owned(),
        instead: escape(&instead).into_owned(),
    }
}

fn card(card: &Card) -> Vec<Part> {
    let plain = card_text(card);
    let url = card.url.as_deref().filter(|url| is_link(url));
    let title = match url {
        Some(url) => format!(
            "<b><a href=\"{}\">{}</a></b>",
            escape(url),
            escape(&card.title)
        ),
        None => format!("<b>{}</b>", escape(&card.title)),
    };
    let below = Card {
        title: String::new(),
        // The title leads there; an address of another kind is said.
        url: card.url.clone().filter(|_| url.is_none()),
        ..card.clone()
    };
    let below = card_text(&below);
    let styled = match below.is_empty() {
        true => title,
        false => format!("{title}\n{}", escape(&below)),
    };
    let photo = card.image.as_deref().filter(|image| is_link(image));
    let mut parts: Vec<Part> = match photo {
        Some(photo) if length(&plain) <= MAX_CAPTION => vec![part(Body::Photo(Photo {
            url: photo.to_owned(),
            caption: styled.clone(),
            instead: styled,
        }))],
        None if length(&plain) <= MAX_TEXT => vec![part(Body::Text(styled))],
        _ => {
            let photo = photo.map(|photo| {
                part(Body::Photo(Photo {
                    url: photo.to_owned(),
                    caption: String::new(),
                    instead: String::new(),
                }))
            });
            let texts = pieces(&plain, MAX_TEXT).into_iter();
            let texts = texts.map(|piece| part(Body::Text(escape(piece).into_owned())));
            photo.into_iter().chain(texts).collect()
        }
    };
    if let Some(last) = parts.last_mut() {
        last.buttons.clone_from(&card.buttons);
    }
    parts
}

fn is_link(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}
