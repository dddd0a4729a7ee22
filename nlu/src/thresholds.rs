//! How sure is sure, for each language: what the merchant accepts, and what the model got right on held-out messages.

use std::collections::BTreeMap;

use doorstep_core::Language;
use serde::Deserialize;

use crate::conformal::{self, Judged};

/// A language with fewer held-out messages than this goes by those of all languages together; so does one whose messages
/// are too few to prove any threshold for what the merchant accepts.
const ENOUGH: usize = 60;

/// What a message of another language counts for a language's threshold: a hundred messages of its own say too little to
/// accept few wrong answers by, and the languages share one model. The same as in `training/evaluate.py`.
const OTHER_LANGUAGES: f32 = 0.25;

/// What the model said of one language's messages that it was not trained on, one value a message in each list.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Calibration {
    /// Primary subtag: `es`.
    pub language: String,
    /// Confidence in the likeliest intent, 0 to 1.
    pub confidence: Vec<f32>,
    /// 1 when that intent was the right one, else 0.
    pub right: Vec<u8>,
    /// 1 when the message was about something that the taxonomy covers, else 0.
    pub in_scope: Vec<u8>,
    /// The likeliest intent, by its place among [`crate::Metadata::labels`]; empty for a model of before.
    #[serde(default)]
    pub intent: Vec<usize>,
}

impl Calibration {
    /// Whether the lists belong together, for a model of so many intents.
    pub(crate) fn is_whole(&self, labels: usize) -> bool {
        let messages = self.confidence.len();
        messages == self.right.len()
            && messages == self.in_scope.len()
            && (self.intent.is_empty() || messages == self.intent.len())
            && self.intent.iter().all(|intent| *intent < labels)
            && self
                .confidence
                .iter()
                .all(|confidence| (0.0..=1.0).contains(confidence))
    }
}

/// The least confidence to act on, by language.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Thresholds {
    everywhere: f32,
    by_language: BTreeMap<String, f32>,
}

impl Thresholds {
    /// What follows from a calibration and the largest share of wrong answers to accept. Without a calibration it is
    /// `otherwise`, for every language.
    pub(crate) fn new(calibration: &[Calibration], max_wrong: f32, otherwise: f32) -> Self {
        let of = |language: Option<&str>| {
            let judged = calibration.iter().flat_map(|one| {
                let is_foreign = language.is_some_and(|language| language != one.language);
                let weight = if is_foreign { OTHER_LANGUAGES } else { 1.0 };
                let messages = one.confidence.iter().zip(&one.right);
                messages.map(move |(&confidence, &right)| Judged {
                    confidence,
                    right: right == 1,
                    weight,
                })
            });
            conformal::accept_of(judged, max_wrong)
        };
        let is_known = calibration.iter().any(|one| !one.confidence.is_empty());
        Self {
            everywhere: if is_known { of(None) } else { otherwise },
            by_language: calibration
                .iter()
                .filter(|one| one.confidence.len() >= ENOUGH)
                .map(|one| (one.language.clone(), of(Some(&one.language))))
                .filter(|(_, threshold)| *threshold < conformal::NEVER)
                .collect(),
        }
    }

    /// Whether any message can be acted on, of a language that does not go by its own messages.
    pub(crate) fn allow_answers(&self) -> bool {
        self.everywhere < conformal::NEVER
    }

    /// The least confidence at which an intent of a message in `language` is acted on.
    pub(crate) fn of(&self, language: &Language) -> f32 {
        self.by_language
            .get(language.primary())
            .copied()
            .unwrap_or(self.everywhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` messages, of which every `wrong`th is misread, the less sure ones first.
    fn calibration(language: &str, count: usize, wrong: usize) -> Calibration {
        Calibration {
            language: language.to_owned(),
            confidence: (0..count).map(|n| n as f32 / count as f32).collect(),
            right: (0..count)
                .map(|n| u8::from(n >= count / 2 || n % wrong != 0))
                .collect(),
            in_scope: vec![1; count],
            intent: Vec::new(),
        }
    }

    #[test]
    fn a_language_goes_by_its_own_messages_when_there_are_enough() {
        let (spanish, few): (Language, Language) =
            ("es-MX".parse().unwrap(), "it".parse().unwrap());
        let calibration = [
            calibration("en", 1000, 10),
            calibration("es", 400, 2),
            calibration("it", 59, 1),
        ];
        let thresholds = Thresholds::new(&calibration, 0.05, 0.7);
        let own = thresholds.of(&spanish);
        let english = thresholds.of(&Language::ENGLISH);
        assert!(own > english, "{own} {english}");
        assert_eq!(thresholds.of(&few), thresholds.everywhere);
        assert!(thresholds.allow_answers());
        // Who accepts more is answered more.
        let lenient = Thresholds::new(&calibration, 0.2, 0.7);
        assert!(lenient.of(&spanish) < own);
    }

    #[test]
    fn a_model_without_a_calibration_keeps_its_own_threshold() {
        let thresholds = Thresholds::new(&[], 0.03, 0.7);
        assert_eq!(thresholds.of(&Language::ENGLISH), 0.7);
    }
}
