//! Our messages as Discord's: text, embeds, buttons and select menus, within the limits of
//! <https://discord.com/developers/docs/resources/message#embed-object-embed-limits> and
//! <https://discord.com/developers/docs/components/reference>.

use doorstep_core::{
    Language, OutboundMessageId,
    message::{Button, Card, Content, Image, OutboundMessage},
};
use serenity::{
    builder::{
        CreateActionRow, CreateAllowedMentions, CreateButton, CreateEmbed, CreateMessage,
        CreateSelectMenu, CreateSelectMenuKind, CreateSelectMenuOption, EditInteractionResponse,
    },
    model::{application::ButtonStyle, channel::Nonce},
};

use super::{
    markdown::{MAX_TEXT, escape, pieces, shortened},
    words,
};
use crate::render::{button_text, card_text};

const MAX_LABEL: usize = 80;
const MAX_OPTION_LABEL: usize = 100;
const MAX_CUSTOM_ID: usize = 100;
const MAX_LINK: usize = 512;
const BUTTONS_PER_ROW: usize = 5;
const OPTIONS_PER_MENU: usize = 25;
const ROWS: usize = 5;
const EMBEDS: usize = 10;
const MAX_TITLE: usize = 256;
const MAX_DESCRIPTION: usize = 4000;
/// Of all embeds of one message together.
const MAX_EMBED_TEXT: usize = 6000;
const MAX_EMBED_URL: usize = 2048;
/// Nonces number a message's parts with two digits.
const MAX_PARTS: usize = 99;

/// One message of Discord's.
#[derive(Debug, Default, Clone)]
pub(super) struct Part {
    pub(super) text: String,
    pub(super) embeds: Vec<CreateEmbed>,
    pub(super) rows: Vec<CreateActionRow>,
    /// Pictures to send along as files.
    pub(super) images: Vec<Image>,
    /// Characters in the embeds.
    embed_text: usize,
}

impl Part {
    fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// As a new message that Discord makes once for its nonce, and in which nothing pings anybody.
    pub(super) fn create(&self, nonce: String) -> CreateMessage {
        let mut message = CreateMessage::new()
            .allowed_mentions(CreateAllowedMentions::new())
            .nonce(Nonce::String(nonce))
            .enforce_nonce(true)
            .embeds(self.embeds.clone())
            .components(self.rows.clone());
        if !self.text.is_empty() {
            message = message.content(self.text.clone());
        }
        message
    }

    /// As the answer to an interaction that was acknowledged.
    pub(super) fn edit(&self) -> EditInteractionResponse {
        EditInteractionResponse::new()
            .allowed_mentions(CreateAllowedMentions::new())
            .content(self.text.clone())
            .embeds(self.embeds.clone())
            .components(self.rows.clone())
    }
}

/// A message in as many parts as it needs, one at least. Nothing of it is left out: what there is no form for is said in
/// words. The last part has the buttons.
pub(super) fn parts(message: &OutboundMessage) -> Vec<Part> {
    let content = &message.content;
    let choices = Choices::of(&content.buttons, &message.language);
    let mut parts: Vec<Part> = pieces(&full_text(content, &choices))
        .into_iter()
        .map(Part::text)
        .collect();
    parts.retain(|part| !part.text.is_empty());
    for images in content.images.chunks(EMBEDS) {
        let images = images.to_vec();
        match parts.last_mut().filter(|part| part.images.is_empty()) {
            Some(part) => part.images = images,
            None => parts.push(Part {
                images,
                ..Part::default()
            }),
        }
    }
    add_cards(&content.cards, &message.language, &mut parts);
    if !choices.rows.is_empty() {
        match parts.last_mut().filter(|part| part.rows.is_empty()) {
            Some(part) => part.rows = choices.rows,
            // A message needs words beside its buttons.
            None => parts.push(Part {
                text: "⬇".to_owned(),
                rows: choices.rows,
                ..Part::default()
            }),
        }
    }
    parts.truncate(MAX_PARTS);
    parts
}

fn full_text(content: &Content, choices: &Choices) -> String {
    let mut text = content.text.trim().to_owned();
    if !choices.unshown.is_empty() {
        text = format!("{text}\n\n{}", button_text(&choices.unshown));
    }
    text
}

/// Cards with buttons are messages of their own, so that one sees what they belong to; the others go together.
fn add_cards(cards: &[Card], language: &Language, parts: &mut Vec<Part>) {
    for card in cards {
        let choices = Choices::of(&card.buttons, language);
        let (embed, length) = embed(card, &choices.unshown);
        let with_others = |part: &&mut Part| {
            part.rows.is_empty()
                && part.images.len() + part.embeds.len() < EMBEDS
                && part.embed_text + length <= MAX_EMBED_TEXT
        };
        match parts.last_mut().filter(with_others) {
            Some(part) if choices.rows.is_empty() => {
                part.embeds.push(embed);
                part.embed_text += length;
            }
            _ => parts.push(Part {
                embeds: vec![embed],
                rows: choices.rows,
                embed_text: length,
                ..Part::default()
            }),
        }
    }
}

/// The card, and how many characters it has.
fn embed(card: &Card, unshown: &[Button]) -> (CreateEmbed, usize) {
    let facts = [card.price.as_deref(), card.stock.as_deref()];
    let facts: Vec<&str> = facts.into_iter().flatten().collect();
    let link = card
        .url
        .as_deref()
        .filter(|url| is_link(url, MAX_EMBED_URL));
    // An address that cannot be a link is still told.
    let told = card.url.as_deref().filter(|_| link.is_none());
    let buttons = button_text(unshown);
    let facts = facts.join(" · ");
    let lines = [card.subtitle.as_deref(), Some(&facts), told, Some(&buttons)];
    let lines: Vec<&str> = lines
        .into_iter()
        .flatten()
        .filter(|line| !line.is_empty())
        .collect();
    let lines = shortened(&escape(&lines.join("\n")), MAX_DESCRIPTION);
    let title = shortened(&escape(&card.title), MAX_TITLE);
    let length = title.chars().count() + lines.chars().count();
    let mut embed = CreateEmbed::new().title(title);
    if !lines.is_empty() {
        embed = embed.description(lines);
    }
    if let Some(link) = link {
        embed = embed.url(link);
    }
    if let Some(image) = card
        .image
        .as_deref()
        .filter(|url| is_link(url, MAX_EMBED_URL))
    {
        embed = embed.image(image);
    }
    (embed, length)
}

/// A picture that could not be sent along as a file: Discord fetches it itself, or it is told.
pub(super) fn picture(image: &Image) -> Result<CreateEmbed, String> {
    if !is_link(&image.url, MAX_EMBED_URL) {
        return Err(escape(&format!("{} {}", image.alt, image.url)));
    }
    let mut embed = CreateEmbed::new().image(image.url.clone());
    if !image.alt.is_empty() {
        embed = embed.description(shortened(&escape(&image.alt), MAX_TITLE));
    }
    Ok(embed)
}

/// Buttons in the form that there is for them.
struct Choices {
    rows: Vec<CreateActionRow>,
    /// Those for which there is none: they are said in words.
    unshown: Vec<Button>,
}

impl Choices {
    fn of(buttons: &[Button], language: &Language) -> Self {
        let (shown, mut unshown): (Vec<Button>, Vec<Button>) =
            buttons.iter().cloned().partition(can_be_pressed);
        let as_buttons = shown.len() <= BUTTONS_PER_ROW;
        let fits = |button: &Button| {
            let max = if as_buttons {
                MAX_LABEL
            } else {
                MAX_OPTION_LABEL
            };
            button.label.chars().count() <= max
        };
        // A label that must be shortened is said in full too.
        unshown.extend(shown.iter().filter(|button| !fits(button)).cloned());
        if as_buttons {
            let row: Vec<CreateButton> = numbered(&shown).map(|(at, b)| button(at, b)).collect();
            let rows = match row.is_empty() {
                true => Vec::new(),
                false => vec![CreateActionRow::Buttons(row)],
            };
            return Self { rows, unshown };
        }
        // A menu has no links.
        let (links, choices): (Vec<Button>, Vec<Button>) = shown
            .into_iter()
            .partition(|button| is_link(&button.value, MAX_LINK));
        unshown.extend(links.into_iter().map(|link| Button {
            label: format!("{}: {}", link.label, link.value),
            ..link
        }));
        unshown.extend(choices.iter().skip(ROWS * OPTIONS_PER_MENU).cloned());
        let numbered: Vec<(usize, &Button)> =
            numbered(&choices).take(ROWS * OPTIONS_PER_MENU).collect();
        let rows = numbered.chunks(OPTIONS_PER_MENU).enumerate();
        let rows = rows
            .map(|(row, options)| menu(row, options, language))
            .collect();
        Self { rows, unshown }
    }
}

fn numbered(buttons: &[Button]) -> impl Iterator<Item = (usize, &Button)> {
    buttons.iter().enumerate()
}

fn can_be_pressed(button: &Button) -> bool {
    !button.label.trim().is_empty()
        && (is_link(&button.value, MAX_LINK)
            || button.value.chars().count() + "124:".len() <= MAX_CUSTOM_ID)
}

fn button(at: usize, button: &Button) -> CreateButton {
    let created = match is_link(&button.value, MAX_LINK) {
        true => CreateButton::new_link(button.value.clone()),
        false => CreateButton::new(custom_id(at, button)).style(ButtonStyle::Secondary),
    };
    created.label(shortened(&button.label, MAX_LABEL))
}

fn menu(row: usize, options: &[(usize, &Button)], language: &Language) -> CreateActionRow {
    let options = options.iter().map(|(at, button)| {
        CreateSelectMenuOption::new(
            shortened(&button.label, MAX_OPTION_LABEL),
            custom_id(*at, button),
        )
    });
    let kind = CreateSelectMenuKind::String {
        options: options.collect(),
    };
    let menu = CreateSelectMenu::new(format!("menu:{row}"), kind)
        .placeholder(words::say(&words::CHOOSE, Some(language)))
        .min_values(1)
        .max_values(1);
    CreateActionRow::SelectMenu(menu)
}

/// Discord wants identifiers that differ within a message; values may repeat.
fn custom_id(at: usize, button: &Button) -> String {
    format!("{at}:{}", button.value)
}

/// The value of a pressed button, from the identifier that was given to it.
pub(super) fn pressed_value(custom_id: &str) -> Option<&str> {
    let (at, value) = custom_id.split_once(':')?;
    (!at.is_empty() && at.bytes().all(|byte| byte.is_ascii_digit())).then_some(value)
}

fn is_link(text: &str, max: usize) -> bool {
    text.len() <= max
        && reqwest::Url::parse(text)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Text alone, as the channel itself says it.
pub(super) fn note(text: &str) -> Part {
    Part::text(shortened(&escape(text), MAX_TEXT))
}

/// What Discord knows a part by, in 25 characters: the message's identifier, the part's number, and whether it is the
/// last. It comes back with the message over the gateway.
pub(super) fn nonce(message: OutboundMessageId, part: usize, last: bool) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let id = URL_SAFE_NO_PAD.encode(message.0.as_bytes());
    let end = if last { '.' } else { ',' };
    format!("{id}{part:02}{end}")
}

/// The message whose last part has this nonce.
pub(super) fn message_of_nonce(nonce: &str) -> Option<OutboundMessageId> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let id = nonce.strip_suffix('.')?;
    let (id, part) = id.split_at_checked(22)?;
    if part.len() != 2 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let bytes: [u8; 16] = URL_SAFE_NO_PAD.decode(id).ok()?.try_into().ok()?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.parse().ok()
}

/// As the customer would read it, in plain text.
pub(super) fn plain(message: &OutboundMessage) -> String {
    let content = &message.content;
    let mut lines = vec![content.text.clone()];
    lines.extend(
        content
            .images
            .iter()
            .map(|image| format!("[{}]", image.alt)),
    );
    for card in &content.cards {
        lines.push(card_text(card));
        lines.extend(
            card.buttons
                .iter()
                .map(|button| format!("[{}]", button.label)),
        );
    }
    let buttons = content
        .buttons
        .iter()
        .map(|button| format!("[{}]", button.label));
    lines.push(buttons.collect::<Vec<_>>().join(" "));
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}
