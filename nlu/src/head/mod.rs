//! Merchants' own intents: a head that is trained here, in seconds, from a few examples of each, on the encoder's vectors
//! and the texts' words.
//!
//! 1. `features.rs` makes one row of numbers of what the encoder said of a text, `words.rs` takes its words apart.
//! 2. `reader.rs` fits a multinomial logistic regression to the examples' rows, adds what `words.rs` learnt of their words
//!    to its scores, and keeps the rows, to tell how alike a new text is to them.
//! 3. `folds.rs` holds examples out, and some intents whole: their messages are to those that remain what a stranger's
//!    question is to a finished head. So the head learns what it does not know without ever being given an example of it.
//! 4. `confidence.rs` learns from these held-out messages how likely an answer is right, and [`crate::conformal`] how sure
//!    the head has to be.
//!
//! The same examples, settings and seed make the same head.

mod confidence;
mod features;
mod folds;
mod lbfgs;
mod logistic;
mod measure;
mod reader;
mod words;

pub use measure::{Answer, Confusion, Report};

use std::collections::BTreeSet;

use doorstep_core::understanding::ScoredIntent;
use ndarray::ArrayView2;

use crate::{Output, conformal};
use confidence::Confidence;
use folds::{Dice, Fold, folds};
use reader::{Reader, Text, Thought};
use words::Words;

/// With less to go by, an answer has to be this sure.
const UNPROVEN: f32 = 0.7;

/// One example of an intent.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// The intent's name.
    pub label: String,
    /// What a customer writes.
    pub text: String,
    /// What the model says of it.
    pub output: Output,
}

/// How a head is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadSettings {
    /// Largest share of wrong answers among those given, above 0 and below 1.
    pub max_wrong: f32,
    /// The label of examples that belong to no intent. They are learnt from, and never answered.
    pub background: Option<String>,
    /// How many of 100 messages are taken to be about nothing that the examples cover; by it, held-out intents and
    /// background enter the threshold.
    pub strangers: u8,
    /// Decides which examples are held out together.
    pub seed: u64,
}

impl Default for HeadSettings {
    fn default() -> Self {
        Self {
            max_wrong: 0.05,
            background: None,
            strangers: 15,
            seed: 1,
        }
    }
}

/// What the least confidence rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Held-out messages: at most `max_wrong` of the answers are wrong.
    Proven,
    /// There are too few examples for any threshold to be proven; a careful one is taken.
    TooFew,
    /// There are enough, but no threshold keeps the share of wrong answers down: nothing is answered.
    Impossible,
}

/// Why a head cannot be trained.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HeadError {
    /// There is nothing to tell apart.
    #[error(
        "{found} intents have examples; a head tells at least two apart (the background counts as one)"
    )]
    TooFewIntents {
        /// How many there are.
        found: usize,
    },
    /// All examples are background.
    #[error("every example is labelled `{label}`, which is no intent")]
    OnlyBackground {
        /// The background's label.
        label: String,
    },
    /// Examples come from different models, or from none.
    #[error("the vector of example {example} has {found} values where the first has {expected}")]
    Shape {
        /// Its place, from 0.
        example: usize,
        /// The first example's length.
        expected: usize,
        /// Its length.
        found: usize,
    },
    /// The share of wrong answers to accept is none.
    #[error("`max_wrong` is {0}; it is a share above 0 and below 1")]
    MaxWrong(String),
}

/// A trained head.
#[derive(Debug, Clone)]
pub struct Head {
    labels: Vec<String>,
    background: Option<usize>,
    reader: Reader,
    confidence: Confidence,
    threshold: f32,
    basis: Basis,
    width: usize,
}

impl Head {
    /// Trains a head. Takes six trainings of a regression, two at a time: a second or two for a hundred intents of twenty
    /// examples.
    ///
    /// # Errors
    /// [`HeadError`], when the examples or settings leave nothing to learn.
    pub fn train(examples: &[Example], settings: &HeadSettings) -> Result<Self, HeadError> {
        if !(settings.max_wrong > 0.0 && settings.max_wrong < 1.0) {
            return Err(HeadError::MaxWrong(settings.max_wrong.to_string()));
        }
        let (labels, classes) = classes_of(examples);
        let background = settings
            .background
            .as_ref()
            .and_then(|background| labels.binary_search(background).ok());
        match (labels.as_slice(), background) {
            ([label], Some(_)) => {
                return Err(HeadError::OnlyBackground {
                    label: label.clone(),
                });
            }
            ([] | [_], _) => {
                return Err(HeadError::TooFewIntents {
                    found: labels.len(),
                });
            }
            _ => {}
        }
        let rows = features::rows(examples)?;
        let words: Vec<Words> = examples.iter().map(|e| Words::of(&e.text)).collect();
        let course = Course {
            rows: rows.view(),
            words: &words,
            classes: &classes,
            count: labels.len(),
            background,
        };
        let mut dice = Dice(settings.seed);
        let folds = folds(&classes, labels.len(), background, &mut dice);
        let (reader, held) = course.finish(&folds);
        let messages = held.mixed(settings.strangers, &mut dice);
        let confidence = Confidence::learn(&messages);
        let (threshold, basis) = threshold(&messages, &confidence, settings.max_wrong);
        Ok(Self {
            reader,
            labels,
            background,
            confidence,
            threshold,
            basis,
            width: rows.ncols(),
        })
    }

    /// The intents and how sure the head is of each, the likeliest first, without the background. The first confidence is
    /// the probability that it is right, a stranger's message reckoned with; the others stand to it as their shares do.
    /// `output` is what the model says of `text`. Empty for that of a model other than the one that the examples come from.
    pub fn score(&self, text: &str, output: &Output) -> Vec<ScoredIntent> {
        let row = features::row(output);
        if row.len() != self.width {
            return Vec::new();
        }
        let thought = self.reader.think(Text {
            row: row.view(),
            words: &Words::of(text),
        });
        let sure = self.confidence.of(&thought);
        let highest = thought.shares[thought.best].max(f32::MIN_POSITIVE);
        let mut scored: Vec<ScoredIntent> = self
            .labels
            .iter()
            .zip(&thought.shares)
            .enumerate()
            .filter(|(class, _)| Some(*class) != self.background)
            .map(|(_, (label, share))| ScoredIntent {
                name: label.clone(),
                confidence: sure * (share / highest).min(1.0),
            })
            .collect();
        scored.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        scored
    }

    /// The least confidence at which the first intent is acted on. Above 1: nothing is sure enough.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// What [`Head::threshold`] rests on.
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// The labels, the background's among them, in order.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }
}

/// Brings a list into an order of chance that depends on the seed alone.
pub fn shuffle<T>(list: &mut [T], seed: u64) {
    Dice(seed).shuffle(list);
}

/// The labels in order, and each example's place among them.
fn classes_of(examples: &[Example]) -> (Vec<String>, Vec<usize>) {
    let labels: BTreeSet<&String> = examples.iter().map(|example| &example.label).collect();
    let labels: Vec<String> = labels.into_iter().cloned().collect();
    let classes = examples
        .iter()
        // Every label is in the list, which was made of them.
        .filter_map(|example| labels.binary_search(&example.label).ok())
        .collect();
    (labels, classes)
}

/// What all trainings of one head share.
struct Course<'a> {
    rows: ArrayView2<'a, f32>,
    words: &'a [Words],
    classes: &'a [usize],
    /// How many classes there are.
    count: usize,
    background: Option<usize>,
}

impl Course<'_> {
    /// A reader of all examples, and what readers of each fold think of what they did not see. Half of the work is done in
    /// a thread of its own; which half is fixed, and so is what comes of it.
    fn finish(&self, folds: &[Fold]) -> (Reader, Held) {
        let examine =
            |folds: &[Fold]| -> Vec<Held> { folds.iter().map(|fold| self.examine(fold)).collect() };
        let (here, there) = folds.split_at(folds.len() / 2);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| examine(there));
            let everything: Vec<usize> = (0..self.classes.len()).collect();
            let reader = self.teach(&everything);
            let mut all = Held::default();
            examine(here).into_iter().for_each(|held| all.add(held));
            match other.join() {
                Ok(more) => more.into_iter().for_each(|held| all.add(held)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
            (reader, all)
        })
    }

    fn teach(&self, places: &[usize]) -> Reader {
        Reader::train(
            self.rows,
            self.words,
            self.classes,
            places,
            self.count,
            self.background,
        )
    }

    fn examine(&self, fold: &Fold) -> Held {
        let mut held = Held::default();
        let taught: BTreeSet<usize> = fold.train.iter().map(|at| self.classes[*at]).collect();
        // At least one of two has to be an intent that can be answered.
        if taught.len() < 2 {
            return held;
        }
        let reader = self.teach(&fold.train);
        for place in &fold.held {
            let thought = reader.think(Text {
                row: self.rows.row(*place),
                words: &self.words[*place],
            });
            let class = self.classes[*place];
            if Some(class) == self.background || !taught.contains(&class) {
                held.strangers.push((thought, false));
            } else {
                let right = thought.best == class;
                held.known.push((thought, right));
            }
        }
        held
    }
}

/// What was thought of messages by readers that had not seen them, and whether it was right.
#[derive(Default)]
struct Held {
    known: Vec<(Thought, bool)>,
    strangers: Vec<(Thought, bool)>,
}

impl Held {
    fn add(&mut self, mut more: Self) {
        self.known.append(&mut more.known);
        self.strangers.append(&mut more.strangers);
    }

    /// Both together, with as many strangers in a hundred as asked for, or all there are; which ones, chance decides.
    fn mixed(mut self, in_hundred: u8, dice: &mut Dice) -> Vec<(Thought, bool)> {
        let share = usize::from(in_hundred.min(90));
        dice.shuffle(&mut self.strangers);
        self.strangers
            .truncate(self.known.len() * share / (100 - share));
        self.known.append(&mut self.strangers);
        self.known
    }
}

fn threshold(
    messages: &[(Thought, bool)],
    confidence: &Confidence,
    max_wrong: f32,
) -> (f32, Basis) {
    let sure: Vec<f32> = messages
        .iter()
        .map(|(thought, _)| confidence.of(thought))
        .collect();
    let right: Vec<bool> = messages.iter().map(|(_, right)| *right).collect();
    let needed = (1.0 / max_wrong) as usize;
    let threshold = conformal::accept(&sure, &right, max_wrong);
    if threshold < conformal::NEVER {
        (threshold, Basis::Proven)
    } else if messages.len() < 2 * needed {
        (UNPROVEN, Basis::TooFew)
    } else {
        (threshold, Basis::Impossible)
    }
}

#[cfg(test)]
mod tests;
