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

/// Compares what recent messages are read as with what the held-out ones were: the population stability index (Siddiqi 2006,
/// "Credit Risk Scorecards", chapter 6) of the confidence, as the gauge `doorstep_nlu_drift`, and of the likeliest intent, as
/// `doorstep_nlu_intent_drift`. Of the confidence, up to 0.1 means that nothing changed; above 0.25 customers write of other
/// things, or otherwise, than the thresholds were found with. The held-out messages hold every intent alike often, as no
/// shop's do: of the intents, what tells is that the index moves.
#[derive(Debug)]
pub(crate) struct Drift {
    confidence: Comparison,
    /// Nothing for a model that does not tell what the held-out messages were read as.
    intents: Option<Comparison>,
    labels: Vec<String>,
}

#[derive(Debug)]
struct Comparison {
    expected: Vec<f32>,
    recent: Mutex<Recent>,
}

#[derive(Debug)]
struct Recent {
    bins: VecDeque<usize>,
    counts: Vec<usize>,
}

impl Drift {
    /// Nothing for a model that does not tell its calibration.
    pub(crate) fn new(calibration: &[Calibration], labels: &[String]) -> Option<Self> {
        let confidences = calibration.iter().flat_map(|one| &one.confidence);
        let intents = calibration.iter().flat_map(|one| &one.intent);
        Some(Self {
            confidence: Comparison::with(BINS, confidences.map(|confidence| bin(*confidence)))?,
            intents: Comparison::with(labels.len(), intents.copied()),
            labels: labels.to_vec(),
        })
    }

    /// Counts a message, and reports how far the recent ones are from what was expected. An own intent of the merchant's is
    /// none that was expected, so its message counts for the confidence alone.
    pub(crate) fn note(&self, intent: &str, confidence: f32) {
        if let Some(index) = self.confidence.note(bin(confidence)) {
            metrics::gauge!("doorstep_nlu_drift").set(f64::from(index));
        }
        let place = self.labels.iter().position(|label| label == intent);
        if let (Some(intents), Some(place)) = (&self.intents, place)
            && let Some(index) = intents.note(place)
        {
            metrics::gauge!("doorstep_nlu_intent_drift").set(f64::from(index));
        }
    }
}

impl Comparison {
    /// With what was expected to fall into so many ranges; nothing where nothing was.
    fn with(ranges: usize, expected: impl Iterator<Item = usize>) -> Option<Self> {
        let mut counts = vec![0; ranges];
        for range in expected {
            *counts.get_mut(range)? += 1;
        }
        (counts.iter().sum::<usize>() > 0).then(|| Self {
            expected: shares(&counts),
            recent: Mutex::new(Recent::new(ranges)),
        })
    }

    /// How far the last messages are from what was expected, this one among them, once they are enough.
    fn note(&self, range: usize) -> Option<f32> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.add(range);
        (recent.bins.len() >= ENOUGH).then(|| stability(&self.expected, &shares(&recent.counts)))
    }
}

impl Recent {
    fn new(ranges: usize) -> Self {
        Self {
            bins: VecDeque::new(),
            counts: vec![0; ranges],
        }
    }

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

fn shares(counts: &[usize]) -> Vec<f32> {
    let all: usize = counts.iter().sum();
    counts
        .iter()
        .map(|count| (*count as f32).max(HALF_A_MESSAGE) / all.max(1) as f32)
        .collect()
}

fn stability(expected: &[f32], found: &[f32]) -> f32 {
    expected
        .iter()
        .zip(found)
        .map(|(expected, found)| (found - expected) * (found / expected).ln())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected() -> Vec<f32> {
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
        let mut recent = Recent::new(BINS);
        for _ in 0..WINDOW {
            recent.add(0);
        }
        for _ in 0..WINDOW {
            recent.add(9);
        }
        assert_eq!((recent.counts[0], recent.counts[9]), (0, WINDOW));
        assert_eq!(recent.bins.len(), WINDOW);
    }

    /// A calibration whose messages were read as these intents.
    fn calibration(intent: Vec<usize>) -> Calibration {
        let messages = intent.len();
        Calibration {
            language: "en".to_owned(),
            confidence: vec![0.95; messages],
            right: vec![1; messages],
            in_scope: vec![1; messages],
            intent,
        }
    }

    #[test]
    fn messages_of_other_intents_drift_and_own_ones_are_not_counted() {
        let labels = ["order_status", "invoice"].map(str::to_owned);
        let read_as = (0..200).map(|message| message % 2).collect();
        let drift = Drift::new(&[calibration(read_as)], &labels).unwrap();
        let intents = drift.intents.as_ref().unwrap();
        let mut index = None;
        for message in 0..ENOUGH {
            drift.note("gift_wrapping", 0.95);
            index = intents.note(message % 2);
        }
        assert!(index.unwrap() < 0.01, "{index:?}");
        for _ in 0..ENOUGH {
            index = intents.note(0);
        }
        assert!(index.unwrap() > 0.25, "{index:?}");
        let confidence = drift.confidence.note(bin(0.95)).unwrap();
        assert!(confidence < 0.01, "{confidence}");
    }

    #[test]
    fn a_model_that_does_not_tell_what_messages_were_read_as_has_no_drift_of_intents() {
        let labels = ["order_status".to_owned()];
        let silent = Calibration {
            intent: Vec::new(),
            ..calibration(vec![0; 10])
        };
        assert!(Drift::new(&[silent], &labels).unwrap().intents.is_none());
        assert!(Drift::new(&[], &labels).is_none());
    }

    #[test]
    fn every_confidence_has_its_range() {
        assert_eq!(
            [0.0, 0.05, 0.1, 0.999, 1.0, 1.5, f32::NAN].map(bin),
            [0, 0, 1, 9, 9, 9, 0]
        );
    }
}
