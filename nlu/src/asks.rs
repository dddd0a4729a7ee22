//! Several intents in one message.
//!
//! The model says of each intent how likely it is asked for (its presence). Where that leaves a second wish in doubt, the
//! message's clauses are read too, each as a message of its own:
//!
//! | the strongest second wish | the message | counts as asked for besides the likeliest |
//! |---|---|---|
//! | is faint, below [`FAINT`] | | nothing |
//! | | is whole | what is present at [`CLEAR_ALONE`]: nothing else can speak for it |
//! | is clear, from [`CLEAR`] on | has clauses | what is present at [`Metadata::presence`] |
//! | is in between | has clauses | what a clause is read as, when clause and message together make it likely |
//! | is in between | has clauses that were not read | what is present at [`Metadata::presence`] |
//!
//! The numbers were chosen on the messages of `training/utterances/calibration.tsv` and `several_dev.tsv`: of those with several
//! wishes all are found in 77 %, of the others 2.8 % are taken for several and 8 % have their clauses read. By presence alone it
//! was 56 % and 2.6 %. The model's card says what it comes to on `test.tsv`, by which nothing was chosen.
//! `training/wishes.py` is the same rule in Python.

use doorstep_core::understanding::ScoredIntent;

use crate::{Metadata, session::Output};

/// What is said beside a wish and is none itself.
const SMALL_TALK: [&str; 6] = ["greeting", "thanks", "goodbye", "yes", "no", "out_of_scope"];
/// Nobody asks for more at once; what comes after is noise.
const MOST: usize = 3;
/// Presence of a second wish below which no clause is worth reading.
const FAINT: f32 = 0.15;
/// Presence from which on a second wish needs no clause to speak for it.
const CLEAR: f32 = 0.95;
/// The same where there is no clause that could.
const CLEAR_ALONE: f32 = 0.98;
/// What the presence in the message weighs beside the share in the clause, both as log odds.
const WHOLE: f32 = 0.75;
/// The log odds that both must make together.
const NEEDED: f32 = 0.5;
/// Nothing is surer than this, or its log odds would outweigh everything.
const EDGE: f32 = 0.001;

/// What is known of a message's clauses.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Clauses<'a> {
    /// It has none.
    Whole,
    /// It has some, which were not read: there was no need, no time, or there are too many.
    Unread,
    /// The likeliest built-in intent of each.
    Read(&'a [ScoredIntent]),
}

/// What the model hears in a message.
pub(crate) struct Heard<'a> {
    metadata: &'a Metadata,
    output: &'a Output,
    /// The likeliest intent, small talk among them.
    likeliest: Option<&'a str>,
}

impl<'a> Heard<'a> {
    /// `intents` are the message's, the likeliest first.
    pub(crate) fn new(
        metadata: &'a Metadata,
        output: &'a Output,
        intents: &[ScoredIntent],
    ) -> Self {
        let is_first = |label: &&String| intents.first().is_some_and(|top| top.name == **label);
        let likeliest = metadata.labels.iter().find(is_first);
        Self {
            metadata,
            output,
            likeliest: likeliest.map(String::as_str),
        }
    }

    /// Whether a second wish is neither faint nor clear, so that the clauses should be read.
    pub(crate) fn is_in_doubt(&self) -> bool {
        (FAINT..CLEAR).contains(&self.second())
    }

    /// Whether nothing but the likeliest intent is heard at all, whatever clauses there are.
    pub(crate) fn is_one(&self) -> bool {
        self.second() < FAINT
    }

    /// Whether the model hears this intent in the message, be it the likeliest or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        let mut heard = self.metadata.labels.iter().zip(&self.output.presence);
        heard.any(|(label, presence)| label == name && *presence >= self.metadata.presence)
    }

    /// The intents that a message asks for, in the order in which it does; nothing unless it asks for two or more.
    ///
    /// They are the likeliest intent and what counts beside it (see above), the most present first when there are too many.
    /// Small talk asks for nothing.
    pub(crate) fn asks(&self, clauses: Clauses<'_>) -> Vec<String> {
        if self.is_one() {
            return Vec::new();
        }
        let mut wishes: Vec<Wish<'_>> = self
            .wishes()
            .filter(|wish| wish.is_likeliest || self.counts(wish, clauses))
            .collect();
        wishes.sort_by(|a, b| {
            let by_rank = b.is_likeliest.cmp(&a.is_likeliest);
            by_rank.then(b.presence.total_cmp(&a.presence))
        });
        wishes.truncate(MOST);
        if wishes.len() < 2 {
            return Vec::new();
        }
        wishes.sort_by(|a, b| a.position.total_cmp(&b.position));
        let names = wishes.into_iter().map(|wish| wish.name.to_owned());
        names.collect()
    }

    /// The presence of the most present wish other than the likeliest intent; 0 for a model that does not tell.
    fn second(&self) -> f32 {
        let others = self.wishes().filter(|wish| !wish.is_likeliest);
        others.map(|wish| wish.presence).fold(0.0, f32::max)
    }

    fn wishes(&self) -> impl Iterator<Item = Wish<'a>> {
        let likeliest = self.likeliest;
        let heard = self.output.presence.iter().zip(&self.output.positions);
        let all = self.metadata.labels.iter().zip(heard);
        all.filter(|(name, _)| !SMALL_TALK.contains(&name.as_str()))
            .map(move |(name, (presence, position))| Wish {
                name,
                presence: *presence,
                position: *position,
                is_likeliest: Some(name.as_str()) == likeliest,
            })
    }

    fn counts(&self, wish: &Wish<'_>, clauses: Clauses<'_>) -> bool {
        match clauses {
            Clauses::Whole => wish.presence >= CLEAR_ALONE,
            Clauses::Read(likeliest) if self.is_in_doubt() => {
                let alone = likeliest.iter().filter(|intent| intent.name == wish.name);
                let alone = alone.map(|intent| intent.confidence).reduce(f32::max);
                alone.is_some_and(|alone| {
                    log_odds(alone) + WHOLE * log_odds(wish.presence) >= NEEDED
                })
            }
            Clauses::Unread | Clauses::Read(_) => wish.presence >= self.metadata.presence,
        }
    }
}

/// An intent that may be asked for.
struct Wish<'a> {
    name: &'a str,
    presence: f32,
    position: f32,
    is_likeliest: bool,
}

fn log_odds(share: f32) -> f32 {
    let share = share.clamp(EDGE, 1.0 - EDGE);
    (share / (1.0 - share)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::GOOD;

    fn intent(name: &str, confidence: f32) -> ScoredIntent {
        ScoredIntent {
            name: name.to_owned(),
            confidence,
        }
    }

    /// What `then` makes of a message by each intent's confidence, presence and position.
    fn heard<T>(intents: &[(&str, f32, f32, f32)], then: impl FnOnce(&Heard<'_>) -> T) -> T {
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
        let scored = intents.iter().map(|(name, sure, ..)| intent(name, *sure));
        let mut scored: Vec<ScoredIntent> = scored.collect();
        scored.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        then(&Heard::new(&metadata, &output, &scored))
    }

    /// The asks where the clauses, if there are any, were not read.
    fn of(intents: &[(&str, f32, f32, f32)]) -> Vec<String> {
        heard(intents, |heard| heard.asks(Clauses::Unread))
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
        let output = Output::default();
        let silent = Heard::new(&metadata, &output, &[]);
        assert!(silent.is_one() && !silent.is_in_doubt());
        assert!(silent.asks(Clauses::Whole).is_empty());
    }

    #[test]
    fn a_whole_message_asks_for_a_second_thing_only_when_that_is_hardly_to_be_doubted() {
        let whole = |presence| {
            let intents = [
                ("damaged_item", 0.8, 0.99, 0.2),
                ("warranty", 0.1, presence, 0.7),
            ];
            heard(&intents, |heard| heard.asks(Clauses::Whole))
        };
        assert!(whole(0.96).is_empty());
        assert_eq!(whole(0.99), ["damaged_item", "warranty"]);
    }

    #[test]
    fn a_clause_decides_where_a_second_wish_is_in_doubt() {
        let by_clauses = |presence, clauses: &[ScoredIntent]| {
            let intents = [
                ("missing_item", 0.7, 0.99, 0.2),
                ("damaged_item", 0.2, presence, 0.8),
                ("invoice", 0.1, 0.3, 0.5),
            ];
            heard(&intents, |heard| {
                assert!(heard.is_in_doubt());
                heard.asks(Clauses::Read(clauses))
            })
        };
        let both = [intent("missing_item", 0.98), intent("damaged_item", 0.93)];
        assert_eq!(by_clauses(0.3, &both), ["missing_item", "damaged_item"]);
        // Hardly heard in the message, or hardly read in the clause.
        assert!(by_clauses(0.02, &both).is_empty());
        let vague = [intent("missing_item", 0.98), intent("damaged_item", 0.4)];
        assert!(by_clauses(0.3, &vague).is_empty());
        // However present: no clause is about it.
        let other = [intent("missing_item", 0.98), intent("thanks", 0.9)];
        assert!(by_clauses(0.9, &other).is_empty());
    }

    #[test]
    fn clauses_are_worth_reading_only_between_faint_and_clear() {
        for (presence, is_one, is_in_doubt) in [
            (0.05, true, false),
            (0.5, false, true),
            (0.97, false, false),
        ] {
            let intents = [
                ("order_status", 0.9, 0.99, 0.2),
                ("invoice", 0.05, presence, 0.8),
                ("greeting", 0.05, 0.9, 0.1),
            ];
            heard(&intents, |heard| {
                assert_eq!(heard.is_one(), is_one, "{presence}");
                assert_eq!(heard.is_in_doubt(), is_in_doubt, "{presence}");
            });
        }
    }
}
