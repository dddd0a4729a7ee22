//! Merchants' own intents beside the built-in ones.
//!
//! A [`Lesson`] holds the merchant's examples and those of the built-in taxonomy. [`LocalNlu::learn`] has the model read
//! them (after everything that customers wait for) and trains a [`Head`] that tells all of them apart: the built-in intents
//! take part as intents of their own, so that "where is my order" does not become gift wrapping, and out-of-scope messages
//! as its background.
//!
//! A message of several clauses may wish for something of the merchant's beside something built in: `clauses.rs`.
//!
//! What is read once is kept on disk for the next start (`known.rs`). `review.rs` tells a merchant what will be confused.

mod choose;
mod clauses;
mod review;

use std::{
    collections::{BTreeSet, HashSet},
    path::Path,
    sync::Arc,
};

use doorstep_core::{
    nlu::NluError,
    understanding::{ScoredIntent, Understanding},
};

pub use self::review::{Doubt, Review};
pub(crate) use self::{
    clauses::{clauses, is_whole},
    review::review,
};
use crate::{
    LocalNlu, Output,
    head::{Basis, Example, Head, HeadSettings},
    known::{Kind, Known},
    session::truncate,
};

/// The intent of messages about nothing that a shop deals with.
const OUT_OF_SCOPE: &str = "out_of_scope";

/// An own intent that has less than this share of what the likeliest one has is not what any part of a message asks for. Of
/// the demo shop's own, messages that ask for it among up to three things have 0.09 and more, others hardly ever 0.06.
const FAINT: f32 = 0.08;

/// A message and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Utterance {
    /// The intent's name.
    pub intent: String,
    /// What a customer writes.
    pub text: String,
}

/// What own intents are learnt from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lesson {
    /// Messages of the merchant's own intents.
    pub own: Vec<Utterance>,
    /// Messages of the built-in intents, out of scope among them.
    pub background: Vec<Utterance>,
}

impl Lesson {
    fn texts(&self) -> Vec<String> {
        let both = self.own.iter().chain(&self.background);
        both.map(|utterance| truncate(&utterance.text).to_owned())
            .collect()
    }
}

/// A merchant's own intents could not be learnt.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LearnError {
    /// The model did not read the examples.
    #[error(transparent)]
    Nlu(#[from] NluError),
    /// The examples leave nothing to learn.
    #[error("the own intents cannot be learnt: {0}")]
    Head(String),
}

/// What was learnt of a merchant's own intents.
pub(crate) struct OwnIntents {
    head: Head,
    names: BTreeSet<String>,
    /// The examples' words: a message that repeats one is what the merchant said it is.
    words: HashSet<(String, String)>,
}

impl OwnIntents {
    /// Trains a head on examples that were read. Blocks for tenths of a second.
    pub(crate) fn train(
        lesson: &Lesson,
        outputs: &[Arc<Output>],
        max_wrong: f32,
    ) -> Result<Self, LearnError> {
        let both = lesson.own.iter().chain(&lesson.background);
        let examples: Vec<Example> = both
            .zip(outputs)
            .map(|(utterance, output)| Example {
                label: utterance.intent.clone(),
                text: utterance.text.clone(),
                output: Output::clone(output),
            })
            .collect();
        let settings = HeadSettings {
            max_wrong,
            background: Some(OUT_OF_SCOPE.to_owned()),
            ..HeadSettings::default()
        };
        let head = Head::train(&examples, &settings)
            .map_err(|error| LearnError::Head(error.to_string()))?;
        tracing::debug!(threshold = head.threshold(), basis = ?head.basis(), examples = examples.len(), "own intents are learnt");
        Ok(Self {
            head,
            names: lesson.own.iter().map(|own| own.intent.clone()).collect(),
            words: lesson
                .own
                .iter()
                .map(|own| (words_of(&own.text), own.intent.clone()))
                .collect(),
        })
    }

    /// What the least confidence to act on an own intent rests on.
    pub(crate) fn basis(&self) -> Basis {
        self.head.basis()
    }

    /// How sure the head is of own and built-in intents, the likeliest first.
    pub(crate) fn score(&self, text: &str, output: &Output) -> Vec<ScoredIntent> {
        self.head.score(text, output)
    }

    /// Lets the own intents compete with the built-in ones; see `choose.rs`. `scored` is what [`Self::score`] says of the text.
    pub(crate) fn take_part(
        &self,
        text: &str,
        scored: &[ScoredIntent],
        margin: f32,
        in_it: &mut Understanding,
    ) {
        let rival = self.best(text, scored, in_it.accept);
        if let Some(rival) = rival {
            choose::settle(rival, margin, in_it);
        }
    }

    /// Whether a message may ask for an own intent among other things: one is not [`FAINT`]. Its clauses are then read too,
    /// which costs as much as the message, so most messages must not be.
    pub(crate) fn may_be_asked_for(&self, scored: &[ScoredIntent]) -> bool {
        not_faint(scored).any(|intent| self.names.contains(&intent.name))
    }

    /// Makes a message that asks for an own intent beside something else ask for both. `likeliest` are the intents of its
    /// clauses, `is_heard` tells what the model hears in the whole of it. Whether it does.
    pub(crate) fn join(
        &self,
        likeliest: Vec<ScoredIntent>,
        is_heard: impl Fn(&str) -> bool,
        in_it: &mut Understanding,
    ) -> bool {
        clauses::join(likeliest, |name| self.names.contains(name), is_heard, in_it)
    }

    /// The likeliest own intent with its confidence on the built-in intents' scale: what the head just acts on has exactly
    /// `accept`. Nothing when the message is likelier about something built in.
    fn best(&self, text: &str, scored: &[ScoredIntent], accept: f32) -> Option<ScoredIntent> {
        let words = words_of(text);
        let repeated = self
            .names
            .iter()
            .find(|name| self.words.contains(&(words.clone(), (*name).clone())));
        if let Some(name) = repeated {
            return Some(ScoredIntent {
                name: name.clone(),
                // Acted on even where the model alone is never sure enough.
                confidence: accept.max(1.0),
            });
        }
        let likeliest = scored.first()?;
        if !self.names.contains(&likeliest.name) {
            return None;
        }
        let confidence = choose::mapped(likeliest.confidence, self.head.threshold(), accept);
        Some(ScoredIntent {
            name: likeliest.name.clone(),
            confidence,
        })
    }
}

/// Those that some part of the message may ask for.
fn not_faint(scored: &[ScoredIntent]) -> impl Iterator<Item = &ScoredIntent> {
    let most = scored.first().map_or(0.0, |likeliest| likeliest.confidence);
    scored
        .iter()
        .take_while(move |intent| intent.confidence >= FAINT * most)
}

/// A message's words alone, in lower case.
fn words_of(text: &str) -> String {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Has the model read a lesson's texts, as long as customers leave it time, and keeps what it says of them for the next
/// start. `folder` is where; nothing is kept without one.
pub(crate) async fn read(
    nlu: &LocalNlu,
    folder: Option<&Path>,
    lesson: &Lesson,
) -> Result<Vec<Arc<Output>>, NluError> {
    let texts = lesson.texts();
    let mut known = Known::open(folder, Kind::Examples, nlu.metadata());
    let outputs = nlu.read_unknown(&mut known, &texts).await?;
    known.keep(&texts);
    Ok(outputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_faint_beside_the_likeliest_is_not_asked_for() {
        let scored: Vec<ScoredIntent> = [
            ("order_status", 0.9),
            ("gift_wrapping", 0.08),
            ("invoice", 0.05),
        ]
        .into_iter()
        .map(|(name, confidence)| ScoredIntent {
            name: name.to_owned(),
            confidence,
        })
        .collect();
        let names: Vec<&str> = not_faint(&scored)
            .map(|intent| intent.name.as_str())
            .collect();
        assert_eq!(names, ["order_status", "gift_wrapping"]);
        assert_eq!(not_faint(&[]).count(), 0);
    }
}
