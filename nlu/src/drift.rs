//! Whether customers still write as those messages did that the thresholds follow from.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use crate::thresholds::Calibration;

/// Ranges of confidence that are counted apart.
const BINS: usize = 10;
/// How many of the last messages are compared.
const WINDOW: usize = 1000;
/// With fewer, chance alone looks like a change.
const ENOUGH: usize = 200;
/// What a range counts that nothing fell into, so that its logarithm exists.
const HALF_A_MESSAGE: f32 = 0.5;

/// Compares the confidence of recent messages with that of the held-out ones: the population stability index (Siddiqi
/// 2006, "Credit Risk Scorecards", chapter 6), as the gauge `doorstep_nlu_drift`. Up to 0.1 nothing changed; above 0.25 customers write of
/// other things, or otherwise, than the thresholds were found with.
#[derive(Debug)]
pub(crate) struct Drift {
    expected: [f32; BINS],
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    bins: VecDeque<usize>,
    counts: [usize; BINS],
}

impl Drift {
    /// Nothing for a model that does not tell its calibration.
    pub(crate) fn new(calibration: &[Calibration]) -> Option<Self> {
        let mut counts = [0; BINS];
        for confidence in calibration.iter().flat_map(|one| &one.confidence) {
            counts[bin(*confidence)] += 1;
        }
        (counts.iter().sum::<usize>() > 0).then(|| Self {
            expected: shares(&counts),
            recent: Mutex::default(),
        })
    }

    /// Counts a message's confidence, and reports how far the recent ones are from what was expected.
    pub(crate) fn note(&self, confidence: f32) {
        let index = {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.add(bin(confidence));
            (recent.bins.len() >= ENOUGH)
                .then(|| stability(&self.expected, &shares(&recent.counts)))
        };
        if let Some(index) = index {
            metrics::gauge!("doorstep_nlu_drift").set(f64::from(index));
        }
    }
}

impl Recent {
    fn add(&mut self, bin: usize) {
        if self.bins.len() == WINDOW
            && let Some(oldest) = self.bins.pop_front()
        {
            self.counts[oldest] -= 1;
        }
        self.bins.push_back(bin);
        self.counts[bin] += 1;
    }
}

/// The range that a confidence of 0 to 1 falls into.
fn bin(confidence: f32) -> usize {
    ((confidence.clamp(0.0, 1.0) * BINS as f32) as usize).min(BINS - 1)
}

fn shares(counts: &[usize; BINS]) -> [f32; BINS] {
    let all: usize = counts.iter().sum();
    counts.map(|count| (count as f32).max(HALF_A_MESSAGE) / all.max(1) as f32)
}

fn stability(expected: &[f32; BINS], found: &[f32; BINS]) -> f32 {
    expected
        .iter()
        .zip(found)
        .map(|(expected, found)| (found - expected) * (found / expected).ln())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected() -> [f32; BINS] {
        let mut counts = [10; BINS];
        counts[BINS - 1] = 110;
        shares(&counts)
    }

    #[test]
    fn like_messages_do_not_drift_and_doubtful_ones_do() {
        assert!(stability(&expected(), &expected()) < 1e-6);
        let doubtful = shares(&[60, 40, 30, 20, 10, 10, 10, 10, 5, 5]);
        assert!(stability(&expected(), &doubtful) > 0.25);
    }

    #[test]
    fn only_the_last_messages_count() {
        let mut recent = Recent::default();
        for _ in 0..WINDOW {
            recent.add(0);
        }
        for _ in 0..WINDOW {
            recent.add(9);
        }
        assert_eq!((recent.counts[0], recent.counts[9]), (0, WINDOW));
        assert_eq!(recent.bins.len(), WINDOW);
    }

    #[test]
    fn every_confidence_has_its_range() {
        assert_eq!(
            [0.0, 0.05, 0.1, 0.999, 1.0, 1.5, f32::NAN].map(bin),
            [0, 0, 1, 9, 9, 9, 0]
        );
    }
}
