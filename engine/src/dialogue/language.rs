//! In which language a message is answered: decided anew every time.

use doorstep_core::{Language, understanding::Understanding};

use super::slots::Reading;
use crate::{router::RouterParts, turn::Waiting};

/// Fewer letters than this, outside of numbers and names, tell no language: `ok`, `28012`, `M`.
const MIN_LETTERS: usize = 4;

/// The text decides when it is long enough and we have words in its language; else the conversation goes on in its own;
/// a new one begins in the channel's, else in the shop's.
pub(crate) fn decide(
    parts: &RouterParts,
    waiting: &Waiting,
    understanding: &Understanding,
    pressed: bool,
) -> Language {
    let reading = Reading {
        text: &waiting.text,
        understanding,
    };
    let tells = !pressed && letters_outside_entities(reading) >= MIN_LETTERS;
    let wanted = [
        tells.then_some(&understanding.language),
        waiting.conversation.language.as_ref(),
        waiting.language_hint.as_ref(),
    ];
    let spoken = wanted
        .into_iter()
        .flatten()
        .find_map(|language| parts.templates.language_of(language))
        .unwrap_or_else(|| parts.shop_profile.default_language.clone());
    // A region that the conversation or the channel knows is kept: `es` in the text of a customer in `es-MX`.
    [&waiting.conversation.language, &waiting.language_hint]
        .into_iter()
        .flatten()
        .find(|known| known.matches(&spoken))
        .cloned()
        .unwrap_or(spoken)
}

fn letters_outside_entities(reading: Reading<'_>) -> usize {
    let named = |at: usize| {
        reading
            .understanding
            .entities
            .iter()
            .any(|entity| (entity.start..entity.end).contains(&at))
    };
    reading
        .text
        .char_indices()
        .filter(|(at, c)| c.is_alphabetic() && !named(*at))
        .count()
}
