//! How a message looks as text and as HTML.
//!
//! Mail programs know little CSS: tables, inline styles, and for dark mode a `<style>` that overrides classes. What
//! comes from outside is escaped, and only `http` and `https` become links.

use std::fmt::Write;

use doorstep_core::{
    Language,
    accent::Accent,
    message::{Button, Card, Content, Image},
};

const FONT: &str = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;";

/// Its last rule, for links, and its end are written with the page.
const DARK_MODE: &str = ":root{color-scheme:light dark;supported-color-schemes:light dark}\
@media (prefers-color-scheme:dark){\
body,.page{background:#121417!important}\
.card{background:#1d2126!important;border-color:#30363d!important}\
.ink{color:#e8eaed!important}.soft{color:#a6adb7!important}\
.chip{background:#2a3038!important;color:#e8eaed!important}";

/// Links and buttons where the shop has no colour of its own: by day and by night.
const LINKS: [&str; 2] = ["#1f5fbf", "#8ab4f8"];

/// The complete message in plain text.
pub(super) fn plain(language: &Language, content: &Content) -> String {
    let mut text = content.text.trim_end().to_owned();
    for card in &content.cards {
        text.push_str("\n\n- ");
        text.push_str(&card.title);
        for detail in details(card) {
            text.push_str("\n  ");
            text.push_str(detail);
        }
        if let Some(url) = &card.url {
            text.push_str("\n  ");
            text.push_str(url);
        }
        push_plain_buttons(&mut text, "  ", &card.buttons);
    }
    if !content.buttons.is_empty() {
        text.push('\n');
    }
    push_plain_buttons(&mut text, "", &content.buttons);
    for image in &content.images {
        let alt = image.alt.trim();
        let gap = if alt.is_empty() { "" } else { ": " };
        let _ = write!(text, "\n\n{alt}{gap}{}", image.url);
    }
    if let Some(page) = unsubscribe_page(content).filter(|page| !text.contains(*page)) {
        let _ = write!(text, "\n\n{}: {page}", unsubscribe_label(language));
    }
    text.push('\n');
    text
}

fn push_plain_buttons(text: &mut String, indent: &str, buttons: &[Button]) {
    for button in buttons {
        let _ = write!(text, "\n{indent}- {}", button.label);
        if is_link(&button.value) {
            let _ = write!(text, ": {}", button.value);
        }
    }
}

/// Where such messages are stopped, where they can be.
fn unsubscribe_page(content: &Content) -> Option<&str> {
    content.unsubscribe.as_deref().filter(|page| is_link(page))
}

/// What the link to that page says.
fn unsubscribe_label(language: &Language) -> &'static str {
    let language = language.to_string();
    match language.split('-').next().unwrap_or_default() {
        "de" => "Abbestellen oder Nachrichten wählen",
        "es" => "Darse de baja o elegir mensajes",
        "fr" => "Se désabonner ou choisir ses messages",
        "it" => "Annulla l'iscrizione o scegli i messaggi",
        "pt" => "Cancelar a subscrição ou escolher mensagens",
        "ru" => "Отписаться или выбрать сообщения",
        _ => "Unsubscribe or choose messages",
    }
}

/// Whose mails these are, and in which colour.
pub(super) struct Look<'a> {
    shop: &'a str,
    /// Of links and buttons, by day and by night.
    links: [String; 2],
}

impl<'a> Look<'a> {
    /// In the shop's colour; in ours without.
    pub(super) fn new(shop: &'a str, accent: Option<Accent>) -> Self {
        let links = match accent {
            Some(accent) => [accent.day, accent.night].map(|colour| colour.to_string()),
            None => LINKS.map(str::to_owned),
        };
        Self { shop, links }
    }

    /// The message as an HTML page.
    pub(super) fn html(&self, language: &Language, content: &Content) -> String {
        let direction = if language.is_right_to_left() {
            "rtl"
        } else {
            "ltr"
        };
        let mut page = format!(
            "<!doctype html><html lang=\"{language}\" dir=\"{direction}\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
<meta name=\"color-scheme\" content=\"light dark\">\
<meta name=\"supported-color-schemes\" content=\"light dark\">\
<style>{DARK_MODE}.link{{color:{}!important}}}}</style></head>\n\
<body style=\"margin:0;padding:0;background:#f4f5f7;\">\
<table role=\"presentation\" class=\"page\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" \
style=\"background:#f4f5f7;\"><tr><td align=\"center\" style=\"padding:24px 12px;\">\
<table role=\"presentation\" class=\"card\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" \
style=\"max-width:560px;background:#ffffff;border:1px solid #e3e6ea;border-radius:12px;{FONT}\">\n\
<tr><td class=\"soft\" style=\"padding:24px 28px 0;color:#5b6470;font-size:14px;font-weight:600;\">{}</td></tr>\n\
<tr><td class=\"ink\" style=\"padding:8px 28px 24px;color:#1b1f24;font-size:16px;line-height:1.55;\">\n",
            self.links[1],
            escape(self.shop)
        );
        for paragraph in self.paragraphs(&content.text) {
            let _ = writeln!(page, "<p style=\"margin:12px 0;\">{paragraph}</p>");
        }
        for image in &content.images {
            push_image(&mut page, image);
        }
        for card in &content.cards {
            self.push_card(&mut page, card);
        }
        self.push_buttons(&mut page, &content.buttons);
        if let Some(url) = unsubscribe_page(content).filter(|url| !content.text.contains(*url)) {
            let _ = writeln!(
                page,
                "<p class=\"soft\" style=\"margin:24px 0 0;color:#5b6470;font-size:13px;\">{}</p>",
                self.link(url, unsubscribe_label(language))
            );
        }
        page.push_str("</td></tr></table></td></tr></table></body></html>\n");
        page
    }

    fn push_card(&self, page: &mut String, card: &Card) {
        page.push_str(
        "<table role=\"presentation\" class=\"card\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" \
style=\"margin:12px 0;background:#ffffff;border:1px solid #e3e6ea;border-radius:10px;\"><tr>",
    );
        if let Some(image) = card.image.as_deref().filter(|image| is_link(image)) {
            let _ = write!(
                page,
                "<td width=\"96\" valign=\"top\" style=\"padding:12px;\"><img src=\"{}\" width=\"96\" alt=\"{}\" \
style=\"display:block;width:96px;height:auto;border:0;border-radius:8px;\"></td>",
                escape(image),
                escape(&card.title)
            );
        }
        page.push_str(
        "<td class=\"ink\" valign=\"top\" style=\"padding:12px;color:#1b1f24;font-size:15px;line-height:1.45;\">",
    );
        let title = format!("<strong>{}</strong>", escape(&card.title));
        match card.url.as_deref().filter(|url| is_link(url)) {
            Some(url) => page.push_str(&self.link(url, &title)),
            None => page.push_str(&title),
        }
        for detail in details(card) {
            let _ = write!(
                page,
                "<br><span class=\"soft\" style=\"color:#5b6470;\">{}</span>",
                escape(detail)
            );
        }
        self.push_buttons(page, &card.buttons);
        page.push_str("</td></tr></table>\n");
    }

    fn push_buttons(&self, page: &mut String, buttons: &[Button]) {
        if buttons.is_empty() {
            return;
        }
        page.push_str("<p style=\"margin:16px 0 4px;\">");
        for button in buttons {
            let label = escape(&button.label);
            let shape =
                "display:inline-block;margin:0 4px 8px 0;padding:10px 16px;border-radius:8px;";
            if is_link(&button.value) {
                let _ = write!(
                    page,
                    "<a href=\"{}\" style=\"{shape}background:{};color:#ffffff;text-decoration:none;\">{label}</a> ",
                    escape(&button.value),
                    self.links[0]
                );
            } else {
                let _ = write!(
                    page,
                    "<span class=\"chip\" style=\"{shape}background:#eef0f3;color:#1b1f24;\">{label}</span> "
                );
            }
        }
        page.push_str("</p>\n");
    }

    /// Blank lines part paragraphs; other line breaks stay.
    fn paragraphs(&self, text: &str) -> impl Iterator<Item = String> {
        text.split("\n\n")
            .map(str::trim)
            .filter(|paragraph| !paragraph.is_empty())
            .map(|paragraph| {
                let lines: Vec<String> = paragraph.lines().map(|line| self.linked(line)).collect();
                lines.join("<br>\n")
            })
    }

    /// The line, escaped, its addresses made links.
    fn linked(&self, line: &str) -> String {
        let mut html = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(start) = next_link(rest) {
            let (before, from_link) = rest.split_at(start);
            let end = from_link
                .find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"'))
                .unwrap_or(from_link.len());
            // A sentence's full stop or closing bracket is not part of the address.
            let url = from_link[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '\'']);
            html.push_str(&escape(before));
            html.push_str(&self.link(url, &escape(url)));
            rest = &from_link[url.len()..];
        }
        html.push_str(&escape(rest));
        html
    }

    fn link(&self, url: &str, label: &str) -> String {
        format!(
            "<a class=\"link\" href=\"{}\" style=\"color:{};\">{label}</a>",
            escape(url),
            self.links[0]
        )
    }
}

fn push_image(page: &mut String, image: &Image) {
    let alt = escape(image.alt.trim());
    if !is_link(&image.url) {
        let _ = writeln!(page, "<p style=\"margin:12px 0;\">{alt}</p>");
        return;
    }
    // Old programs read the attribute, new ones the style.
    let _ = writeln!(
        page,
        "<p style=\"margin:12px 0;\"><img src=\"{}\" width=\"504\" alt=\"{alt}\" \
style=\"display:block;width:100%;max-width:504px;height:auto;border:0;border-radius:8px;\"></p>",
        escape(&image.url)
    );
}

/// What a card says below its title.
fn details(card: &Card) -> impl Iterator<Item = &str> {
    [&card.subtitle, &card.price, &card.stock]
        .into_iter()
        .flatten()
        .map(String::as_str)
}

fn next_link(text: &str) -> Option<usize> {
    let secure = text.find("https://");
    let plain = text.find("http://");
    secure.into_iter().chain(plain).min()
}

fn is_link(value: &str) -> bool {
    value.starts_with("https://") || value.starts_with("http://")
}

/// HTML text and quoted attribute values.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> Content {
        Content {
            text: "Hi <Ana> & co,\nit is here: https://shop.example/a?b=1&c=\"x.\n\nBye."
                .to_owned(),
            buttons: vec![
                Button {
                    label: "Track".to_owned(),
                    value: "https://shop.example/track/1".to_owned(),
                },
                Button {
                    label: "Bad <b>".to_owned(),
                    value: "javascript:alert(1)".to_owned(),
                },
            ],
            cards: vec![Card {
                title: "Jacket \"X\"".to_owned(),
                subtitle: None,
                image: Some("javascript:alert(1)".to_owned()),
                price: Some("€ 12,95".to_owned()),
                stock: Some("3".to_owned()),
                url: Some("https://shop.example/p/1".to_owned()),
                buttons: Vec::new(),
            }],
            ..Content::default()
        }
    }

    #[test]
    fn the_page_escapes_what_comes_from_outside_and_links_only_the_web() {
        let page = Look::new("Nord & Co", None).html(&Language::ENGLISH, &content());
        assert!(page.contains("Nord &amp; Co"));
        assert!(page.contains("Hi &lt;Ana&gt; &amp; co,<br>"));
        assert!(page.contains("href=\"https://shop.example/a?b=1&amp;c=\""));
        assert!(page.contains("href=\"https://shop.example/track/1\""));
        assert!(page.contains("Bad &lt;b&gt;"));
        assert!(!page.contains("javascript:"));
        assert!(page.contains("prefers-color-scheme:dark"));
    }

    #[test]
    fn links_and_buttons_are_in_the_shops_colour_by_day_and_by_night() {
        let accent = Accent::of("#0a6647".parse().unwrap()).unwrap();
        let page = Look::new("Shop", Some(accent)).html(&Language::ENGLISH, &content());
        assert!(page.contains("style=\"color:#0a6647;\""), "{page}");
        assert!(page.contains("background:#0a6647;color:#ffffff;"), "{page}");
        let night = format!(".link{{color:{}!important}}}}</style>", accent.night);
        assert!(page.contains(&night), "{page}");
        for ours in LINKS {
            assert!(!page.contains(ours), "{ours} in {page}");
        }
    }

    #[test]
    fn a_right_to_left_language_turns_the_page() {
        let page = Look::new("Shop", None).html(&"ar".parse().unwrap(), &Content::text("مرحبا"));
        assert!(page.contains("<html lang=\"ar\" dir=\"rtl\">"));
    }

    #[test]
    fn the_plain_text_is_complete() {
        let text = plain(&Language::ENGLISH, &content());
        for part in [
            "Jacket \"X\"",
            "€ 12,95",
            "https://shop.example/p/1",
            "- Track: https://shop.example/track/1",
            "- Bad <b>",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn pictures_have_words_and_news_that_can_be_stopped_says_how() {
        let content = Content {
            images: vec![Image {
                url: "https://shop.example/a.png".to_owned(),
                alt: "The \"jacket\"".to_owned(),
            }],
            unsubscribe: Some("https://shop.example/stop?t=1&u=2".to_owned()),
            ..Content::text("Look:")
        };
        let spanish = "es".parse().unwrap();
        assert_eq!(
            plain(&spanish, &content),
            "Look:\n\nThe \"jacket\": https://shop.example/a.png\n\nDarse de baja o elegir mensajes: https://shop.example/stop?t=1&u=2\n"
        );
        let page = Look::new("Shop", None).html(&spanish, &content);
        assert!(page.contains("alt=\"The &quot;jacket&quot;\""), "{page}");
        assert!(page.contains("href=\"https://shop.example/stop?t=1&amp;u=2\""));
        assert!(page.contains(">Darse de baja o elegir mensajes</a>"));
    }

    #[test]
    fn a_sentence_may_end_with_an_address() {
        let look = Look::new("Shop", None);
        assert_eq!(
            look.linked("(see https://a.example/x)."),
            "(see <a class=\"link\" href=\"https://a.example/x\" style=\"color:#1f5fbf;\">https://a.example/x</a>)."
        );
        assert_eq!(look.linked("https://"), look.linked("https://"));
    }
}
