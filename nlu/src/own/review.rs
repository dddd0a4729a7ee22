//! What a merchant should know of their examples before customers do: which of them are read as something else.

use std::{collections::BTreeMap, sync::Arc};

use super::{LearnError, Lesson};
use crate::{Output, head::Basis};

/// How many of the most alike examples of an intent speak for it; one alone may be a stray.
const NEAREST: usize = 2;
/// An intent with fewer other examples is judged by the most alike one alone: a stray among so few would count for half.
const ENOUGH: usize = 5;

/// What would come of a [`Lesson`].
#[derive(Debug, Clone)]
pub struct Review {
    /// The examples that are read as something else.
    pub doubts: Vec<Doubt>,
    /// What the least confidence would rest on; with [`Basis::Impossible`] no own intent is ever acted on, but for messages
    /// that repeat an example. The error says why nothing can be learnt.
    pub learnt: Result<Basis, LearnError>,
}

/// An example of an own intent that is more like the examples of another one.
#[derive(Debug, Clone, PartialEq)]
pub struct Doubt {
    /// Its place in [`Lesson::own`].
    pub place: usize,
    /// The intent that it is read as: another own one, or a built-in one.
    pub read_as: String,
    /// The example of that intent that is most like it.
    pub like: String,
    /// By how much it is more like them, as a difference of cosines: above 0, up to 2.
    pub lead: f32,
}

/// Compares every own example with all others, itself left out. `outputs` are what the model says of the lesson's texts,
/// own ones first.
pub(crate) fn review(lesson: &Lesson, outputs: &[Arc<Output>]) -> Vec<Doubt> {
    let all: Vec<(&str, &str, &Output)> = lesson
        .own
        .iter()
        .chain(&lesson.background)
        .zip(outputs)
        .map(|(utterance, output)| {
            (
                utterance.intent.as_str(),
                utterance.text.as_str(),
                &**output,
            )
        })
        .collect();
    let own = all.iter().take(lesson.own.len()).enumerate();
    own.filter_map(|(place, (intent, _, output))| {
        let mut alike: BTreeMap<&str, Vec<(f32, &str)>> = BTreeMap::new();
        for (other, (name, text, example)) in all.iter().enumerate() {
            if other != place {
                let likeness = likeness(output, example);
                alike.entry(name).or_default().push((likeness, text));
            }
        }
        // All intents are judged alike.
        let others = alike.get(intent).map_or(0, Vec::len);
        let nearest = if others < ENOUGH { 1 } else { NEAREST };
        for examples in alike.values_mut() {
            examples.sort_by(|(a, _), (b, _)| b.total_cmp(a));
            examples.truncate(nearest);
        }
        let mean = |examples: &[(f32, &str)]| {
            examples.iter().map(|(likeness, _)| likeness).sum::<f32>()
                / examples.len().max(1) as f32
        };
        let right = alike.get(intent).map_or(-1.0, |examples| mean(examples));
        let (read_as, examples) = alike
            .iter()
            .max_by(|(_, a), (_, b)| mean(a).total_cmp(&mean(b)))?;
        let lead = mean(examples) - right;
        (read_as != intent && lead > 0.0).then(|| Doubt {
            place,
            read_as: (*read_as).to_owned(),
            like: examples
                .first()
                .map(|(_, text)| *text)
                .unwrap_or_default()
                .to_owned(),
            lead,
        })
    })
    .collect()
}

/// Mean cosine of meaning and topic; both vectors are of unit length.
fn likeness(a: &Output, b: &Output) -> f32 {
    let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let meaning = cosine(&a.embedding, &b.embedding);
    if a.topic.is_empty() || b.topic.is_empty() {
        return meaning;
    }
    f32::midpoint(meaning, cosine(&a.topic, &b.topic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::own::Utterance;

    fn utterance(intent: &str, text: &str) -> Utterance {
        Utterance {
            intent: intent.to_owned(),
            text: text.to_owned(),
        }
    }

    fn towards(x: f32, y: f32) -> Arc<Output> {
        let length = x.hypot(y);
        Arc::new(Output {
            embedding: vec![x / length, y / length],
            ..Output::default()
        })
    }

    #[test]
    fn an_example_among_those_of_another_intent_is_doubted() {
        let lesson = Lesson {
            own: vec![
                utterance("gifts", "wrap it"),
                utterance("gifts", "as a present"),
                utterance("gifts", "any vouchers?"),
                utterance("hours", "when do you open"),
                utterance("hours", "open on sunday?"),
            ],
            background: vec![
                utterance("discount_code", "a voucher please"),
                utterance("discount_code", "voucher"),
            ],
        };
        let outputs = [
            towards(1.0, 0.0),
            towards(1.0, 0.1),
            towards(0.0, 1.0),
            towards(1.0, 0.9),
            towards(1.0, 1.0),
            towards(0.1, 1.0),
            towards(0.0, 1.0),
        ];
        let doubts = review(&lesson, &outputs);
        let [doubt] = doubts.as_slice() else {
            panic!("{doubts:?}")
        };
        assert_eq!((doubt.place, doubt.read_as.as_str()), (2, "discount_code"));
        assert_eq!(doubt.like, "voucher");
        assert!(doubt.lead > 0.5, "{doubt:?}");
    }
}
