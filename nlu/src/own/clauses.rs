//! Own intents among several wishes: "do you gift wrap, and where is 10234".
//!
//! The model tells which built-in intents a message asks for and where. Of own intents it knows nothing, and the vector of a
//! message with two wishes lies between them. So a message of several clauses is read clause by clause, each as a message of
//! its own, and counts as several wishes when at least two clauses surely wish for different things and one of these is the
//! merchant's. What a clause wishes for that is built in must be heard in the whole message too: "engrave rings and watches"
//! asks for no watches.

use std::{ops::Range, sync::LazyLock};

use doorstep_core::understanding::{ScoredIntent, Understanding};
use regex::Regex;

use super::choose::NO_WISHES;
use crate::{entities::fixed, language};

/// Shorter clauses belong to the next one, and so do those that are polite and nothing else: "Good morning", "please".
const FEWEST_WORDS: usize = 2;
/// A message of more clauses tells a story; nobody waits for the model to read all of it.
const MOST: usize = 4;

/// Ends of sentences, commas, and the words that join clauses in seven languages.
static JOINTS: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)[.?!;…]+\s+|\s*\n\s*|,?\s+(?:and also|and|also|plus|y también|y|e também|e|et aussi|et|und auch|und|e anche|ed|и ещё|и|а также|а)\s+|,\s+",
    )
});

/// The clauses of a message, two to [`MOST`]; none of one that is whole or longer.
pub(crate) fn clauses(text: &str) -> Vec<&str> {
    let parts = parts(text);
    if (2..=MOST).contains(&parts.len()) {
        parts
    } else {
        Vec::new()
    }
}

/// Whether a message has no clauses at all.
pub(crate) fn is_whole(text: &str) -> bool {
    parts(text).len() < 2
}

/// A message cut at its joints.
fn parts(text: &str) -> Vec<&str> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for joint in JOINTS.find_iter(text) {
        let mark = joint.as_str().trim_start_matches(['.', '?', '!', ';', '…']);
        // A question keeps its mark.
        parts.push(start..joint.end() - mark.len());
        start = joint.end();
    }
    parts.push(start..text.len());
    let is_short =
        |part: &Range<usize>| language::beyond_courtesy(&text[part.clone()]) < FEWEST_WORDS;
    let mut joined: Vec<Range<usize>> = Vec::new();
    for part in parts {
        match joined.last_mut() {
            Some(last) if is_short(last) || is_short(&part) => last.end = part.end,
            _ => joined.push(part),
        }
    }
    joined.into_iter().map(|part| text[part].trim()).collect()
}

/// Makes several wishes of the likeliest intents of a message's clauses, where that is what they are; see above. Whether
/// they are.
pub(super) fn join(
    likeliest: Vec<ScoredIntent>,
    is_own: impl Fn(&str) -> bool,
    is_heard: impl Fn(&str) -> bool,
    understanding: &mut Understanding,
) -> bool {
    let mut wishes: Vec<ScoredIntent> = Vec::new();
    for intent in likeliest {
        let is_sure = intent.confidence >= understanding.accept
            && !NO_WISHES.contains(&intent.name.as_str())
            && (is_own(&intent.name) || is_heard(&intent.name));
        if is_sure && !wishes.iter().any(|known| known.name == intent.name) {
            wishes.push(intent);
        }
    }
    if wishes.len() < 2 || !wishes.iter().any(|wish| is_own(&wish.name)) {
        return false;
    }
    understanding.asks = wishes.iter().map(|wish| wish.name.clone()).collect();
    // Wishes of one message share its confidence.
    let share = 1.0 / wishes.len() as f32;
    for wish in &mut wishes {
        wish.confidence *= share;
    }
    wishes.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let least = wishes.last().map_or(0.0, |wish| wish.confidence);
    let others = std::mem::take(&mut understanding.intents);
    let others = others
        .into_iter()
        .filter(|other| !understanding.asks.contains(&other.name))
        .map(|other| ScoredIntent {
            confidence: other.confidence.min(least),
            ..other
        });
    wishes.extend(others);
    understanding.intents = wishes;
    true
}

#[cfg(test)]
mod tests {
    use doorstep_core::{
        Language,
        understanding::{Backend, Escalation, Sentiment},
    };

    use super::*;

    #[test]
    fn a_message_is_cut_where_its_clauses_end_in_seven_languages() {
        for (text, expected) in [
            (
                "do you gift wrap, and where is 10234",
                &["do you gift wrap", "where is 10234"][..],
            ),
            (
                "Do you gift wrap? Where is 10.234,50?",
                &["Do you gift wrap?", "Where is 10.234,50?"],
            ),
            (
                "hola, ¿envolvéis para regalo y dónde está mi pedido?",
                &["hola, ¿envolvéis para regalo", "dónde está mi pedido?"],
            ),
            (
                "vous emballez et où est ma commande, merci",
                &["vous emballez", "où est ma commande, merci"],
            ),
            (
                "packt ihr ein\nwo ist mein Paket",
                &["packt ihr ein", "wo ist mein Paket"],
            ),
            (
                "можно упаковать, и где мой заказ",
                &["можно упаковать", "где мой заказ"],
            ),
        ] {
            assert_eq!(clauses(text), expected, "{text}");
        }
        for text in [
            "",
            " , ",
            "do you gift wrap",
            "hat and scarf",
            "hi, and thanks",
            "Good morning, do you gift wrap? Thanks in advance.",
            "one two, three four, five six, seven eight, nine ten",
        ] {
            assert!(clauses(text).is_empty(), "{text}: {:?}", clauses(text));
        }
        assert!(is_whole("do you gift wrap") && !is_whole("wrap it, and where is it"));
        // Too long to be read clause by clause, but not whole.
        assert!(!is_whole(
            "one two, three four, five six, seven eight, nine ten"
        ));
    }

    fn intent(name: &str, confidence: f32) -> ScoredIntent {
        ScoredIntent {
            name: name.to_owned(),
            confidence,
        }
    }

    /// What clauses with these intents come to, where all but the stock is heard in the whole message.
    fn joined(clauses: &[(&str, f32)]) -> Option<Understanding> {
        let mut understanding = Understanding {
            language: Language::ENGLISH,
            intents: vec![intent("order_status", 0.7), intent("invoice", 0.6)],
            asks: Vec::new(),
            accept: 0.8,
            escalation: Escalation::Normal,
            sentiment: Sentiment::Neutral,
            entities: Vec::new(),
            vector: None,
            backend: Backend::Tract,
        };
        let likeliest = clauses.iter().map(|(name, sure)| intent(name, *sure));
        let is_several = join(
            likeliest.collect(),
            |name| name == "gifts" || name == "engraving",
            |name| name != "stock_check",
            &mut understanding,
        );
        is_several.then_some(understanding)
    }

    #[test]
    fn an_own_wish_and_a_built_in_one_are_both_asked_for() {
        let understanding = joined(&[("gifts", 0.9), ("order_status", 0.95)]).unwrap();
        assert_eq!(understanding.asks, ["gifts", "order_status"]);
        let names: Vec<&str> = understanding
            .intents
            .iter()
            .map(|intent| intent.name.as_str())
            .collect();
        assert_eq!(names, ["order_status", "gifts", "invoice"]);
        // Together they are sure enough to be acted on.
        let together: f32 = understanding.intents[..2]
            .iter()
            .map(|intent| intent.confidence)
            .sum();
        assert!(together >= understanding.accept);
        assert!(
            understanding
                .intents
                .is_sorted_by(|a, b| a.confidence >= b.confidence)
        );
        assert!(joined(&[("gifts", 0.9), ("engraving", 0.9)]).is_some());
    }

    #[test]
    fn one_wish_a_doubtful_one_or_one_that_is_not_heard_makes_no_list() {
        for clauses in [
            &[("gifts", 0.9), ("gifts", 0.95)][..],
            &[("gifts", 0.9), ("thanks", 0.99)],
            &[("gifts", 0.9), ("order_status", 0.5)],
            &[("gifts", 0.9), ("stock_check", 0.95)],
            // Without an own one, the model has said it all.
            &[("invoice", 0.9), ("order_status", 0.95)],
        ] {
            assert!(joined(clauses).is_none(), "{clauses:?}");
        }
    }
}
