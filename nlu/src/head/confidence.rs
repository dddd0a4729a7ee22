//! From evidence to a probability of being right.

use ndarray::{Array1, Array2, ArrayView1, Axis, Zip};

use super::{
    logistic::Logistic,
    reader::{EVIDENCE, Thought},
};

/// Few messages must not make it sure of itself.
const PENALTY: f32 = 1.0;
/// With fewer messages, or with only right or only wrong ones, there is nothing to learn from.
const ENOUGH: usize = 20;

/// Tells how likely the likeliest intent is the right one: logistic regression (Platt 1999) on the evidence that held-out
/// messages had.
#[derive(Debug, Clone)]
pub(super) struct Confidence {
    learnt: Option<Learnt>,
}

#[derive(Debug, Clone)]
struct Learnt {
    mean: Array1<f32>,
    deviation: Array1<f32>,
    regression: Logistic,
}

impl Confidence {
    /// Learns from held-out messages: what was thought of each, and whether its likeliest intent was right.
    pub(super) fn learn(messages: &[(Thought, bool)]) -> Self {
        let right = messages.iter().filter(|(_, right)| *right).count();
        if messages.len() < ENOUGH || right == 0 || right == messages.len() {
            return Self { learnt: None };
        }
        let evidence = Array2::from_shape_fn((messages.len(), EVIDENCE), |(row, column)| {
            messages[row].0.evidence[column]
        });
        let mean = evidence.mean_axis(Axis(0)).unwrap_or_default();
        let deviation = evidence
            .std_axis(Axis(0), 0.0)
            .mapv(|deviation| deviation.max(1e-3));
        let rows =
            Array2::from_shape_fn(
                (messages.len(), EVIDENCE + 1),
                |(row, column)| match column {
                    EVIDENCE => 1.0,
                    _ => (evidence[(row, column)] - mean[column]) / deviation[column],
                },
            );
        let classes: Vec<usize> = messages
            .iter()
            .map(|(_, right)| usize::from(*right))
            .collect();
        Self {
            learnt: Some(Learnt {
                mean,
                deviation,
                regression: Logistic::fit(rows.view(), &classes, 2, PENALTY),
            }),
        }
    }

    /// The probability that the likeliest intent is right, 0 to 1; its bare share where nothing could be learnt.
    pub(super) fn of(&self, thought: &Thought) -> f32 {
        let Some(learnt) = &self.learnt else {
            return thought.shares.get(thought.best).copied().unwrap_or(0.0);
        };
        let evidence = ArrayView1::from(&thought.evidence);
        let mut row = Array1::ones(EVIDENCE + 1);
        Zip::from(row.slice_mut(ndarray::s![..EVIDENCE]))
            .and(&evidence)
            .and(&learnt.mean)
            .and(&learnt.deviation)
            .for_each(|to, value, mean, deviation| *to = (value - mean) / deviation);
        match learnt.regression.scores(row.view()).as_slice() {
            [wrong, right] => 1.0 / (1.0 + (wrong - right).exp()),
            _ => 0.0, // Not reached: there are two classes.
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thought(evidence: f32) -> Thought {
        Thought {
            shares: vec![0.7, 0.3],
            best: 0,
            evidence: [evidence, 1.0, 0.5],
        }
    }

    #[test]
    fn confidence_is_the_share_of_right_ones_at_like_evidence() {
        // At evidence e (0 to 9) e of 10 are right.
        let messages: Vec<(Thought, bool)> = (0..1000)
            .map(|place| (thought((place % 10) as f32), place / 10 % 10 < place % 10))
            .collect();
        let confidence = Confidence::learn(&messages);
        for tenth in [3, 5, 7] {
            let told = confidence.of(&thought(tenth as f32));
            assert!((told - tenth as f32 / 10.0).abs() < 0.1, "{tenth}: {told}");
        }
    }

    #[test]
    fn without_anything_to_learn_from_the_share_stands() {
        let confidence = Confidence::learn(&[(thought(1.0), true)]);
        assert_eq!(confidence.of(&thought(1.0)), 0.7);
    }
}
