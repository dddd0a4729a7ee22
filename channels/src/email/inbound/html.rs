//! HTML mail as text. The HTML itself is not kept anywhere, so there is nothing of it to sanitise.

use html2text::{
    config,
    render::{TextDecorator, TrivialDecorator},
};

/// Mails above this are laid out by programs, not written by people; more of it is not read.
const MAX_HTML: usize = 512 * 1024;
/// Wide enough that nobody's sentence is wrapped.
const WIDTH: usize = 2000;
/// Deeper nesting than any mail program writes; laying tables out within tables takes time that grows with depth.
const MAX_TABLES: usize = 200;

/// The text of an HTML mail: blocks are lines, quoted blocks begin with `>`, nothing is marked up.
pub(super) fn to_text(html: &str) -> String {
    let end = html.floor_char_boundary(MAX_HTML);
    let html = &html[..end];
    if html.matches("<table").take(MAX_TABLES + 1).count() > MAX_TABLES {
        return mail_parser::decoders::html::html_to_text(html);
    }
    let layout = config::with_decorator(Words(TrivialDecorator::new()))
        .raw_mode(true)
        .no_table_borders()
        .no_link_wrapping()
        .allow_width_overflow();
    match layout.string_from_read(html.as_bytes(), WIDTH) {
        Ok(text) => text,
        Err(_) => mail_parser::decoders::html::html_to_text(html),
    }
}

/// Plain words, but with quotes marked as in plain mail.
struct Words(TrivialDecorator);

impl TextDecorator for Words {
    type Annotation = ();

    fn decorate_link_start(&mut self, url: &str) -> (String, ()) {
        self.0.decorate_link_start(url)
    }

    fn decorate_link_end(&mut self) -> String {
        self.0.decorate_link_end()
    }

    fn decorate_em_start(&self) -> (String, ()) {
        self.0.decorate_em_start()
    }

    fn decorate_em_end(&self) -> String {
        self.0.decorate_em_end()
    }

    fn decorate_strong_start(&self) -> (String, ()) {
        self.0.decorate_strong_start()
    }

    fn decorate_strong_end(&self) -> String {
        self.0.decorate_strong_end()
    }

    fn decorate_strikeout_start(&self) -> (String, ()) {
        self.0.decorate_strikeout_start()
    }

    fn decorate_strikeout_end(&self) -> String {
        self.0.decorate_strikeout_end()
    }

    fn decorate_code_start(&self) -> (String, ()) {
        self.0.decorate_code_start()
    }

    fn decorate_code_end(&self) -> String {
        self.0.decorate_code_end()
    }

    fn decorate_preformat_first(&self) {}

    fn decorate_preformat_cont(&self) {}

    /// Pictures in mail are logos and trackers; those that were sent are attachments.
    fn decorate_image(&mut self, _src: &str, _title: &str) -> (String, ()) {
        (String::new(), ())
    }

    fn header_prefix(&self, _level: usize) -> String {
        String::new()
    }

    fn quote_prefix(&self) -> String {
        "> ".to_owned()
    }

    fn unordered_item_prefix(&self) -> String {
        "- ".to_owned()
    }

    fn ordered_item_prefix(&self, number: i64) -> String {
        format!("{number}. ")
    }

    fn make_subblock_decorator(&self) -> Self {
        Self(TrivialDecorator::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_lines_and_quotes_are_marked() {
        let html = "<html><head><title>x</title><style>p{color:red}</style></head><body><div>Where is <b>it</b>?</div>\
<div>I&nbsp;wait &amp; wait.<br clear=\"all\"></div><script>alert(1)</script><img src=\"https://t.example/p.gif\" alt=\"\">\
<ul><li>a bag</li></ul><div class=\"gmail_quote\"><div>On Sat, 21 Nov 2026 at 10:00, Shop &lt;a@shop.example&gt; wrote:<br></div>\
<blockquote><p>Hi Ana</p></blockquote></div></body></html>";
        let text = to_text(html);
        assert!(text.starts_with("Where is it?\n"), "{text}");
        assert!(text.contains("- a bag"), "{text}");
        assert!(text.contains("> Hi Ana"), "{text}");
        assert!(!text.contains("alert") && !text.contains("color"), "{text}");
        let own = super::super::reply::own_words(&text.replace('\u{a0}', " "));
        assert_eq!(own, "Where is it?\nI wait & wait.\n- a bag");
    }

    #[test]
    fn broken_and_endless_html_is_read_in_time() {
        for html in [
            "<".repeat(100_000),
            "<div>".repeat(2_000),
            "<table><tr><td>".repeat(150),
            "<table><tr><td>".repeat(5_000),
            "<blockquote>".repeat(300) + "x",
            "&#x110000;&#xd800;\u{0}<p".to_owned(),
        ] {
            let _ = to_text(&html);
        }
    }
}
