//! Plain words in Discord's Markdown
//! (<https://support.discord.com/hc/en-us/articles/210298617>): shown as they were meant.

use crate::render;

/// Longest text of a message, in characters.
pub(super) const MAX_TEXT: usize = 2000;

/// The text with everything escaped that would be read as a style, a list, a mention or a link; addresses stay as they
/// are, because a backslash would become part of them.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            escaped.push('\n');
        }
        escape_line(line, &mut escaped);
    }
    escaped
}

fn escape_line(line: &str, escaped: &mut String) {
    let indent = line.len() - line.trim_start().len();
    let (space, rest) = line.split_at(indent);
    escaped.push_str(space);
    // Headings, quotes, small print and lists begin a line.
    if rest.starts_with(['#', '>', '-', '+']) {
        escaped.push('\\');
    }
    let mut rest = rest;
    // `1. ` begins a list that would be counted anew.
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0 && rest[digits..].starts_with(". ") {
        escaped.push_str(&rest[..digits]);
        escaped.push('\\');
        rest = &rest[digits..];
    }
    while let Some(letter) = rest.chars().next() {
        if rest.starts_with("https://") || rest.starts_with("http://") {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            escaped.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        if matches!(letter, '\\' | '*' | '_' | '~' | '`' | '|' | '<' | '[' | ']') {
            escaped.push('\\');
        }
        escaped.push(letter);
        rest = &rest[letter.len_utf8()..];
    }
}

/// The text escaped, in pieces that fit into a message each, cut at sentence ends.
pub(super) fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    fit(text, MAX_TEXT, &mut pieces);
    pieces
}

fn fit(text: &str, max: usize, pieces: &mut Vec<String>) {
    for piece in render::split(text, max) {
        let escaped = escape(piece);
        if escaped.chars().count() <= MAX_TEXT || max <= 1 {
            pieces.push(escaped);
        } else {
            // Escaping at most doubles a text, so halving ends.
            fit(piece, max / 2, pieces);
        }
    }
}

/// At most `max` characters, with an ellipsis where something was left out.
pub(super) fn shortened(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a client shows of escaped text.
    fn unescape(text: &str) -> String {
        crate::discord::simulator::plain(text)
    }

    #[test]
    fn styles_are_shown_as_written_and_addresses_stay_whole() {
        assert_eq!(
            escape("*Order* FW_10_01 at https://shop.example/a_b_c?x=*y* <@1>"),
            r"\*Order\* FW\_10\_01 at https://shop.example/a_b_c?x=*y* \<@1>"
        );
        assert_eq!(
            escape("# no heading\n- no list\n2. two"),
            "\\# no heading\n\\- no list\n2\\. two"
        );
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_shown_as_it_was(text in "(\\PC|[\n *_~`|<>#.1-]){0,300}") {
            prop_assert_eq!(unescape(&escape(&text)), text);
        }

        #[test]
        fn every_piece_fits(text in "([*_ab. \n]){0,6000}") {
            for piece in pieces(&text) {
                prop_assert!(piece.chars().count() <= MAX_TEXT);
            }
        }
    }
}
