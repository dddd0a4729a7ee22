//! A head without its sense of what it does not know: rows and words in, scores and evidence out.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

use super::{
    logistic::Logistic,
    words::{Lexicon, Words},
};

/// Examples of an intent that a message is compared with. More would cost more than they tell.
const KEPT: usize = 64;
/// How many of them, the most alike, count.
const NEAREST: usize = 3;
/// The prior on the weights, by sum; see [`Logistic::fit`].
const PENALTY: f32 = 0.03;

/// How many values speak for or against the likeliest intent.
pub(super) const EVIDENCE: usize = 3;

/// What is thought of one message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Thought {
    /// Share of each class, the background among them; they sum to 1.
    pub(super) shares: Vec<f32>,
    /// The likeliest intent, which is never the background.
    pub(super) best: usize,
    /// What speaks for it: the log-odds of its share; how strongly the message calls for any intent at all (the
    /// logarithm of the summed exponentials of the scores, less the background's: Liu et al. 2020, "Energy-based
    /// Out-of-distribution Detection"); how alike its nearest examples are (mean cosine).
    pub(super) evidence: [f32; EVIDENCE],
}

/// What is read of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    /// What the encoder said of it; see `features.rs`.
    pub(super) row: ArrayView1<'a, f32>,
    pub(super) words: &'a Words,
}

/// The regression, the words and the examples that it goes by.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    regression: Logistic,
    lexicon: Lexicon,
    /// Rows of each intent, of unit length but for the constant column.
    examples: Vec<Array2<f32>>,
    background: Option<usize>,
}

impl Reader {
    /// Trains on the rows and words at `places`. `classes` has one for each of them, below `count`.
    pub(super) fn train(
        rows: ArrayView2<'_, f32>,
        words: &[Words],
        classes: &[usize],
        places: &[usize],
        count: usize,
        background: Option<usize>,
    ) -> Self {
        let own = rows.select(Axis(0), places);
        let own_classes: Vec<usize> = places.iter().map(|place| classes[*place]).collect();
        let regression = Logistic::fit(own.view(), &own_classes, count, PENALTY);
        let examples = (0..count)
            .map(|class| {
                let kept: Vec<usize> = (0..own_classes.len())
                    .filter(|place| own_classes[*place] == class)
                    .take(KEPT)
                    .collect();
                own.select(Axis(0), &kept)
            })
            .collect();
        Self {
            regression,
            lexicon: Lexicon::learn(words, classes, places),
            examples,
            background,
        }
    }

    /// Reads one text.
    pub(super) fn think(&self, text: Text<'_>) -> Thought {
        let mut scores = self.regression.scores(text.row);
        self.lexicon.add_to(&mut scores, text.words);
        // Classes without an example would take part in every share.
        for (score, examples) in scores.iter_mut().zip(&self.examples) {
            if examples.is_empty() {
                *score = f32::NEG_INFINITY;
            }
        }
        let highest = scores.iter().copied().fold(f32::MIN, f32::max);
        let mut shares: Vec<f32> = scores.iter().map(|score| (score - highest).exp()).collect();
        let sum: f32 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share /= sum);
        let is_intent = |class: &usize| Some(*class) != self.background;
        let best = (0..scores.len())
            .filter(is_intent)
            .max_by(|a, b| scores[*a].total_cmp(&scores[*b]))
            .unwrap_or(0);
        let others: f32 = (0..scores.len())
            .filter(|class| *class != best)
            .map(|class| (scores[class] - highest).exp())
            .sum();
        // Ten is a certainty of 0.99995; beyond, floating point would speak and not the message.
        let odds = (scores[best] - highest - others.max(f32::MIN_POSITIVE).ln()).clamp(-10.0, 10.0);
        let called = (0..scores.len())
            .filter(is_intent)
            .map(|class| (scores[class] - highest).exp())
            .sum::<f32>()
            .max(f32::MIN_POSITIVE)
            .ln()
            + highest
            - self
                .background
                .map_or(0.0, |class| scores[class].max(-20.0));
        Thought {
            evidence: [odds, called, self.likeness(best, text.row)],
            shares,
            best,
        }
    }

    /// Mean cosine of the nearest examples of an intent.
    fn likeness(&self, class: usize, row: ArrayView1<'_, f32>) -> f32 {
        let mut likenesses = self.examples[class].dot(&row).to_vec();
        likenesses.sort_by(|a, b| b.total_cmp(a));
        likenesses.truncate(NEAREST);
        // The constant column adds the same to all.
        likenesses.iter().sum::<f32>() / likenesses.len().max(1) as f32
    }
}
