//! Telegram's HTML (<https://core.telegram.org/bots/api#html-style>): text that cannot break out of it, and pieces that
//! are not longer than a message may be.

use std::borrow::Cow;

use crate::render;

/// Escapes text for use between tags and in attributes.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['<', '>', '&', '"']) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

/// What a customer reads of HTML that was made here.
pub(super) fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut inside = false;
    for letter in html.chars() {
        match letter {
            '<' => inside = true,
            '>' => inside = false,
            other if !inside => text.push(other),
            _ => {}
        }
    }
    let text = text.replace("&lt;", "<").replace("&gt;", ">");
    text.replace("&quot;", "\"").replace("&amp;", "&")
}

/// How long Telegram counts a text: in UTF-16 code units, as everywhere in its protocol.
pub(super) fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The text in pieces of at most `max` as [`length`] counts, cut where [`render::split`] cuts.
pub(super) fn pieces(text: &str, max: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    for piece in render::split(text, max) {
        if length(piece) <= max {
            pieces.push(piece);
        } else {
            // No character counts more than two.
            pieces.extend(render::split(piece, max / 2));
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn escaped_text_holds_no_markup_and_reads_as_before(text in "(\\PC|[<>&\";ltgampquo#]){0,80}") {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(['<', '>', '"']));
            prop_assert_eq!(plain(&format!("<b>{escaped}</b>")), text);
        }

        #[test]
        fn no_piece_is_too_long_and_nothing_is_lost(text in "(\\PC|[ \n.👍😀]){0,120}", max in 2usize..40) {
            let pieces = pieces(&text, max);
            for piece in &pieces {
                prop_assert!(length(piece) <= max);
            }
            let kept: String = pieces.concat().split_whitespace().collect();
            let given: String = text.split_whitespace().collect();
            prop_assert_eq!(kept, given);
        }
    }
}
