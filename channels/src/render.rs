//! What all channels do alike to fit a message to what they can show. Nothing of it is dropped: what a channel has no form
//! for is said in words.

use doorstep_core::{
    channel::Capabilities,
    message::{Button, Card, Content},
};
use unicode_segmentation::UnicodeSegmentation;

/// The message's text with everything that the channel cannot show otherwise: pictures and cards as lines with their
/// addresses, buttons as a list that can be answered by writing.
pub fn complete_text(content: &Content, capabilities: &Capabilities) -> String {
    let mut parts = vec![content.text.trim().to_owned()];
    if !capabilities.cards {
        parts.extend(content.cards.iter().map(card_text));
    }
    if !capabilities.images {
        parts.extend(content.images.iter().map(|image| {
            let alt = image.alt.trim();
            match alt.is_empty() {
                true => image.url.clone(),
                false => format!("{alt}: {}", image.url),
            }
        }));
    }
    if !capabilities.buttons && !content.buttons.is_empty() {
        parts.push(button_text(&content.buttons));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

/// A card in words: title, line below, price and stock, address.
pub fn card_text(card: &Card) -> String {
    let facts = [card.price.as_deref(), card.stock.as_deref()];
    let facts: Vec<&str> = facts.into_iter().flatten().collect();
    let facts = facts.join(" · ");
    let lines = [
        Some(card.title.as_str()),
        card.subtitle.as_deref(),
        Some(facts.as_str()),
        card.url.as_deref(),
    ];
    let lines: Vec<&str> = lines
        .into_iter()
        .flatten()
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("\n")
}

/// Buttons in words: one a line.
pub fn button_text(buttons: &[Button]) -> String {
    let lines: Vec<String> = buttons
        .iter()
        .map(|button| format!("– {}", button.label))
        .collect();
    lines.join("\n")
}

/// Cuts a text into pieces of at most `max` characters, at the end of a paragraph where one can be found in the piece's
/// second half, else of a line, a sentence, a word; else anywhere between characters that belong together. Joined again,
/// the pieces are the text but for the white space where it was cut.
pub fn split(text: &str, max: usize) -> Vec<&str> {
    let max = max.max(1);
    let mut pieces = Vec::new();
    let mut rest = text.trim();
    while let Some((limit, _)) = rest.char_indices().nth(max) {
        let cut = find_cut(rest, limit);
        let (piece, after) = rest.split_at(cut);
        let piece = piece.trim_end();
        if !piece.is_empty() {
            pieces.push(piece);
        }
        rest = after.trim_start();
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// Where to cut `text` within its first `limit` bytes: a position above 0.
fn find_cut(text: &str, limit: usize) -> usize {
    let (head, tail) = text.split_at(limit);
    let half = head.len() / 2;
    let last = |found: Option<usize>| found.filter(|cut| *cut > half);
    if tail.starts_with(char::is_whitespace) && ends_sentence(head) {
        return head.len();
    }
    let paragraph = || last(head.rfind("\n\n"));
    let line = || last(head.rfind('\n'));
    let sentence = || {
        let ends = head
            .char_indices()
            .rev()
            .find(|(at, letter)| letter.is_whitespace() && *at > 0 && ends_sentence(&head[..*at]));
        last(ends.map(|(at, _)| at))
    };
    let word = || {
        if tail.starts_with(char::is_whitespace) {
            return Some(head.len());
        }
        head.rfind(char::is_whitespace).filter(|cut| *cut > 0)
    };
    paragraph()
        .or_else(line)
        .or_else(sentence)
        .or_else(word)
        .unwrap_or_else(|| whole_characters(text, limit))
}

fn ends_sentence(text: &str) -> bool {
    let closing = |letter: char| matches!(letter, '"' | '\'' | ')' | '»' | '”' | '’');
    text.trim_end_matches(closing)
        .ends_with(['.', '!', '?', '…', '。', '！', '？'])
}

/// The end of the last whole character (an emoji with its skin colour, a letter with its accent) in the first `limit`
/// bytes; `limit` itself when there is none.
fn whole_characters(text: &str, limit: usize) -> usize {
    let starts = text.grapheme_indices(true).map(|(start, _)| start);
    let fitting = starts.take_while(|start| *start <= limit).last();
    fitting.filter(|cut| *cut > 0).unwrap_or(limit)
}

#[cfg(test)]
mod tests {
    use doorstep_core::message::Image;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_text_is_cut_at_the_end_of_a_sentence() {
        let text = "Your parcel is on its way. It will be there tomorrow! Is that all right?";
        assert_eq!(
            split(text, 60),
            [
                "Your parcel is on its way. It will be there tomorrow!",
                "Is that all right?"
            ]
        );
    }

    #[test]
    fn paragraphs_come_before_sentences_and_words_before_letters() {
        assert_eq!(
            split("One. Two.\n\nThree four", 14),
            ["One. Two.", "Three four"]
        );
        assert_eq!(split("abcdef ghi", 8), ["abcdef", "ghi"]);
        assert_eq!(split("abcdefghij", 4), ["abcd", "efgh", "ij"]);
    }

    #[test]
    fn an_emoji_is_not_torn() {
        let family = "👩\u{200d}👩\u{200d}👧";
        assert_eq!(split(&format!("ab{family}"), 6), ["ab", family]);
        assert_eq!(split("e\u{301}e\u{301}", 3), ["e\u{301}", "e\u{301}"]);
    }

    #[test]
    fn what_cannot_be_shown_is_said() {
        let content = Content {
            text: "Look:".to_owned(),
            buttons: vec![Button {
                label: "Yes".to_owned(),
                value: "yes".to_owned(),
            }],
            images: vec![Image {
                url: "https://shop.example/a.png".to_owned(),
                alt: "The jacket".to_owned(),
            }],
            ..Content::default()
        };
        assert_eq!(
            complete_text(&content, &Capabilities::default()),
            "Look:\n\nThe jacket: https://shop.example/a.png\n\n– Yes"
        );
    }

    proptest! {
        #[test]
        fn nothing_but_white_space_is_lost(text in "(\\PC|[ \n.!👍\u{1f3fd}\u{301}\u{200d}]){0,200}", max in 1usize..40) {
            let pieces = split(&text, max);
            let kept: String = pieces.concat().split_whitespace().collect();
            let given: String = text.split_whitespace().collect();
            prop_assert_eq!(kept, given);
            for piece in pieces {
                prop_assert!(piece.chars().count() <= max);
            }
        }
    }
}
