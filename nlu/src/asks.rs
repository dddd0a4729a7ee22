//! Several intents in one message.

use doorstep_core::understanding::ScoredIntent;

use crate::{Metadata, session::Output};

/// What is said beside a wish and is none itself.
const SMALL_TALK: [&str; 6] = ["greeting", "thanks", "goodbye", "yes", "no", "out_of_scope"];
/// Nobody asks for more at once; what comes after is noise.
const MOST: usize = 3;

/// The intents that a message asks for, in the order in which it does; nothing unless it asks for two or more.
///
/// They are the likeliest intent and every other one that is present at [`Metadata::presence`] or more, the most present
/// first when there are too many. Small talk asks for nothing. `intents` are the message's, the likeliest first.
pub(crate) fn asks(metadata: &Metadata, output: &Output, intents: &[ScoredIntent]) -> Vec<String> {
    let likeliest = intents.first().map(|intent| intent.name.as_str());
    let mut present: Vec<(&str, f32, f32)> = metadata
        .labels
        .iter()
        .zip(output.presence.iter().zip(&output.positions))
        .map(|(name, (presence, position))| (name.as_str(), *presence, *position))
        .filter(|(name, presence, _)| {
            !SMALL_TALK.contains(name)
                && (*presence >= metadata.presence || Some(*name) == likeliest)
        })
        .collect();
    present.sort_by(|(a, by_a, _), (b, by_b, _)| {
        let is_first = |name: &str| Some(name) == likeliest;
        is_first(b).cmp(&is_first(a)).then(by_b.total_cmp(by_a))
    });
    present.truncate(MOST);
    if present.len() < 2 {
        return Vec::new();
    }
    present.sort_by(|(_, _, a), (_, _, b)| a.total_cmp(b));
    present
        .into_iter()
        .map(|(name, _, _)| name.to_owned())
        .collect()
}

/// Whether the model hears this intent in the message, be it the likeliest or not.
pub(crate) fn is_heard(metadata: &Metadata, output: &Output, name: &str) -> bool {
    let mut heard = metadata.labels.iter().zip(&output.presence);
    heard.any(|(label, presence)| label == name && *presence >= metadata.presence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::GOOD;

    /// The asks of a message by each intent's confidence, presence and position.
    fn of(intents: &[(&str, f32, f32, f32)]) -> Vec<String> {
        let metadata = Metadata {
            labels: intents
                .iter()
                .map(|(name, ..)| (*name).to_owned())
                .collect(),
            ..Metadata::parse(GOOD).unwrap()
        };
        let output = Output {
            presence: intents
                .iter()
                .map(|(_, _, presence, _)| *presence)
                .collect(),
            positions: intents.iter().map(|(.., position)| *position).collect(),
            ..Output::default()
        };
        let mut scored: Vec<ScoredIntent> = intents
            .iter()
            .map(|(name, confidence, ..)| ScoredIntent {
                name: (*name).to_owned(),
                confidence: *confidence,
            })
            .collect();
        scored.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        asks(&metadata, &output, &scored)
    }

    #[test]
    fn wishes_come_in_the_order_of_the_text() {
        let asks = of(&[
            ("damaged_item", 0.5, 0.9, 0.8),
            ("payment_problem", 0.4, 0.9, 0.2),
            ("greeting", 0.05, 0.9, 0.0),
            ("warranty", 0.05, 0.4, 0.5),
        ]);
        assert_eq!(asks, ["payment_problem", "damaged_item"]);
    }

    #[test]
    fn the_likeliest_counts_and_three_are_the_most() {
        let asks = of(&[("invoice", 0.8, 0.1, 0.9), ("warranty", 0.1, 0.7, 0.1)]);
        assert_eq!(asks, ["warranty", "invoice"]);
        let asks = of(&[
            ("invoice", 0.8, 0.6, 0.9),
            ("warranty", 0.1, 0.7, 0.1),
            ("praise", 0.05, 0.8, 0.2),
            ("complaint", 0.05, 0.9, 0.3),
        ]);
        assert_eq!(asks, ["praise", "complaint", "invoice"]);
    }

    #[test]
    fn one_wish_is_no_list_nor_is_a_model_that_does_not_tell() {
        assert!(of(&[("invoice", 0.9, 0.9, 0.1), ("thanks", 0.1, 0.9, 0.9)]).is_empty());
        let metadata = Metadata::parse(GOOD).unwrap();
        assert!(asks(&metadata, &Output::default(), &[]).is_empty());
    }
}
