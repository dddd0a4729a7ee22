//! From a merchant's `max_wrong` to the least confidence at which an answer is given.
//!
//! Conformal risk control (Angelopoulos, Bates, Fisch, Lei and Schuster, "Conformal Risk Control", 2022), read
//! selectively: what is controlled is the share of wrong answers *among those given*. For a threshold `t` and a message
//! with confidence `c`, the loss is `wrong - max_wrong` when `c >= t`, and 0 when nothing is answered; its expectation is
//! at most 0 exactly when at most `max_wrong` of the answers are wrong. On `n` messages held out from training, the
//! paper's condition `n / (n + 1) * mean loss + worst loss / (n + 1) <= 0`, with the worst loss `1 - max_wrong`, is
//!
//! ```text
//! (wrong answers at t + 1) / (answers at t + 1) <= max_wrong
//! ```
//!
//! The `+ 1` is the message to come, taken for wrong: few messages hold a threshold up, and fewer than `1 / max_wrong - 1`
//! answers never do. The loss does not fall steadily with `t`, so the paper's guarantee holds in the limit and not to the
//! last decimal; the test below shows by how little it is missed.

/// Above every confidence: nothing is sure enough.
pub(crate) const NEVER: f32 = 1.01;

/// The least confidence at which so few answers are wrong, by messages that the model was not trained on: the smallest
/// threshold at which (wrong answers + 1) / (answers + 1) is at most `max_wrong`. [`NEVER`] when there is none.
///
/// `confidence` (0 to 1) and `right` belong together by place, a message that should not be answered at all is not right;
/// `max_wrong` is a share, above 0.
///
/// Confidences that are equal are answered together or not at all.
pub(crate) fn accept(confidence: &[f32], right: &[bool], max_wrong: f32) -> f32 {
    let judged = confidence.iter().zip(right);
    accept_of(
        judged.map(|(&confidence, &right)| Judged {
            confidence,
            right,
            weight: 1.0,
        }),
        max_wrong,
    )
}

/// A held-out message and what became of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged {
    /// How sure the model was, 0 to 1.
    pub(crate) confidence: f32,
    /// Whether its answer was right.
    pub(crate) right: bool,
    /// How much it counts, 0 to 1.
    pub(crate) weight: f32,
}

/// [`accept`] where some messages count less than others.
pub(crate) fn accept_of(messages: impl Iterator<Item = Judged>, max_wrong: f32) -> f32 {
    let mut messages: Vec<Judged> = messages
        .filter(|message| message.confidence.is_finite())
        .collect();
    messages.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let (mut answers, mut wrong) = (1.0_f64, 1.0_f64);
    let mut threshold = NEVER;
    for (place, message) in messages.iter().enumerate() {
        answers += f64::from(message.weight);
        if !message.right {
            wrong += f64::from(message.weight);
        }
        let is_last_of_its_kind = messages
            .get(place + 1)
            .is_none_or(|next| next.confidence < message.confidence);
        if is_last_of_its_kind && wrong <= f64::from(max_wrong) * answers {
            threshold = message.confidence;
        }
    }
    threshold
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Repeatable numbers between 0 and 1 (SplitMix64).
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> f32 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1_u64 << 24) as f32
        }

        /// A message of a model that is right as often as `skill` and its confidence make it.
        fn message(&mut self, skill: f32) -> (f32, bool) {
            let confidence = self.roll();
            (confidence, self.roll() < confidence.powf(1.0 / skill))
        }

        fn messages(&mut self, count: usize, skill: f32) -> (Vec<f32>, Vec<bool>) {
            (0..count).map(|_| self.message(skill)).unzip()
        }
    }

    /// The share of wrong answers at a threshold; none were given: none were wrong.
    fn wrong_share(confidence: &[f32], right: &[bool], threshold: f32) -> f64 {
        let given: Vec<bool> = confidence
            .iter()
            .zip(right)
            .filter(|(confidence, _)| **confidence >= threshold)
            .map(|(_, right)| *right)
            .collect();
        let wrong = given.iter().filter(|right| !**right).count();
        wrong as f64 / given.len().max(1) as f64
    }

    #[test]
    fn what_is_asked_for_holds_on_messages_never_seen() {
        for (max_wrong, count, skill) in [
            (0.05, 200, 8.0),
            (0.05, 1000, 8.0),
            (0.03, 600, 12.0),
            (0.1, 100, 6.0),
            (0.2, 300, 3.0),
        ] {
            let mut dice = Dice(7);
            const DRAWS: usize = 200;
            let mean: f64 = (0..DRAWS)
                .map(|_| {
                    let (confidence, right) = dice.messages(count, skill);
                    let threshold = accept(&confidence, &right, max_wrong);
                    let (confidence, right) = dice.messages(2000, skill);
                    wrong_share(&confidence, &right, threshold)
                })
                .sum::<f64>()
                / DRAWS as f64;
            assert!(
                mean <= f64::from(max_wrong) * 1.1,
                "{mean} of the answers are wrong where {max_wrong} may be, by {count} messages"
            );
        }
    }

    #[test]
    fn too_few_messages_hold_nothing_up() {
        assert_eq!(accept(&[], &[], 0.5), NEVER);
        assert_eq!(accept(&[0.9; 18], &[true; 18], 0.05), NEVER);
        assert_eq!(accept(&[0.9; 19], &[true; 19], 0.05), 0.9);
        assert_eq!(accept(&[0.9; 400], &[false; 400], 0.5), NEVER);
    }

    proptest! {
        #[test]
        fn the_threshold_keeps_its_word_and_falls_as_more_is_allowed(
            messages in prop::collection::vec((0.0_f32..=1.0, any::<bool>()), 0..300),
            max_wrong in 0.01_f32..0.5,
        ) {
            let (confidence, right): (Vec<f32>, Vec<bool>) = messages.into_iter().unzip();
            let threshold = accept(&confidence, &right, max_wrong);
            prop_assert!(wrong_share(&confidence, &right, threshold) <= f64::from(max_wrong));
            prop_assert!(threshold == NEVER || confidence.contains(&threshold));
            prop_assert!(accept(&confidence, &right, (max_wrong * 2.0).min(0.5)) <= threshold);
        }
    }
}
