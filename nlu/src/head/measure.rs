//! How good a head, or any reader of intents, is on messages whose right answer is known.

use std::collections::BTreeMap;

use serde::Serialize;

/// How many confusions are told.
const TOLD: usize = 10;

/// What was made of one message.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The right label.
    pub label: String,
    /// The likeliest intent.
    pub best: String,
    /// How sure that is, 0 to 1.
    pub confidence: f32,
    /// Whether it was acted on.
    pub is_given: bool,
}

/// Messages of one label that were taken for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// The right label.
    pub label: String,
    /// What they were taken for.
    pub taken_for: String,
    /// How many.
    pub count: usize,
}

/// Figures over messages. Shares are between 0 and 1; one of nothing is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// How many messages.
    pub n: usize,
    /// Share answered rightly: a message in scope with its intent, one out of scope with a refusal.
    pub accuracy: Option<f64>,
    /// Share of the messages in scope whose likeliest intent is right, refused or not.
    pub in_scope_accuracy: Option<f64>,
    /// How well confidence tells what is in scope from what is not: the probability that of one message of each the one in
    /// scope has more of it.
    pub oos_auroc: Option<f64>,
    /// Share of the messages in scope that were answered.
    pub coverage: Option<f64>,
    /// Share of wrong answers among those given; whatever is out of scope is answered wrongly.
    pub error: Option<f64>,
    /// Mean over the labels of the test, the out-of-scope label among them, of the harmonic mean of precision and recall;
    /// a refusal counts as the out-of-scope label.
    pub macro_f1: Option<f64>,
    /// What was confused most often among the messages in scope, refused or not.
    pub confusions: Vec<Confusion>,
}

impl Report {
    /// Counts. `out_of_scope` is the label of messages that should be refused.
    pub fn new(answers: &[Answer], out_of_scope: Option<&str>) -> Self {
        let is_known = |answer: &&Answer| Some(answer.label.as_str()) != out_of_scope;
        let known: Vec<&Answer> = answers.iter().filter(is_known).collect();
        let strangers: Vec<&Answer> = answers.iter().filter(|a| !is_known(a)).collect();
        let given: Vec<&Answer> = answers.iter().filter(|answer| answer.is_given).collect();
        let is_best = |answer: &&&Answer| answer.best == answer.label;
        let is_right = |answer: &Answer| match is_known(&answer) {
            true => answer.is_given && answer.best == answer.label,
            false => !answer.is_given,
        };
        let right = answers.iter().filter(|answer| is_right(answer)).count();
        let wrong = given.iter().filter(|answer| !is_right(answer)).count();
        let known_given = known.iter().filter(|answer| answer.is_given).count();
        let best = known.iter().filter(is_best).count();
        Self {
            n: answers.len(),
            accuracy: share(right, answers.len()),
            in_scope_accuracy: share(best, known.len()),
            oos_auroc: auroc(&known, &strangers),
            coverage: share(known_given, known.len()),
            error: share(wrong, given.len()),
            macro_f1: macro_f1(answers, out_of_scope),
            confusions: confusions(&known),
        }
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Area under the receiver operating characteristic by ranks (Mann and Whitney); equal confidences share their ranks.
fn auroc(known: &[&Answer], strangers: &[&Answer]) -> Option<f64> {
    if known.is_empty() || strangers.is_empty() {
        return None;
    }
    let mut all: Vec<(f32, bool)> = known
        .iter()
        .map(|answer| (answer.confidence, true))
        .chain(strangers.iter().map(|answer| (answer.confidence, false)))
        .collect();
    all.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let mut ranks = 0.0;
    let mut start = 0;
    while start < all.len() {
        let equal = all[start..]
            .iter()
            .take_while(|(confidence, _)| *confidence == all[start].0)
            .count()
            .max(1);
        let own = all[start..start + equal].iter().filter(|(_, known)| *known);
        // Ranks count from 1.
        ranks += own.count() as f64 * (start as f64 + (equal as f64 + 1.0) / 2.0);
        start += equal;
    }
    let (n, m) = (known.len() as f64, strangers.len() as f64);
    Some((ranks - n * (n + 1.0) / 2.0) / (n * m))
}

fn macro_f1(answers: &[Answer], out_of_scope: Option<&str>) -> Option<f64> {
    #[derive(Default)]
    struct Counts {
        right: usize,
        labelled: usize,
        told: usize,
    }
    let mut by_label: BTreeMap<&str, Counts> = BTreeMap::new();
    for answer in answers {
        by_label.entry(&answer.label).or_default().labelled += 1;
        let told = match answer.is_given {
            true => Some(answer.best.as_str()),
            false => out_of_scope,
        };
        if let Some(told) = told {
            by_label.entry(told).or_default().told += 1;
            if told == answer.label {
                by_label.entry(told).or_default().right += 1;
            }
        }
    }
    // A label that no message has cannot be recalled, and says nothing.
    let scores: Vec<f64> = by_label
        .values()
        .filter(|counts| counts.labelled > 0)
        .map(|counts| 2.0 * counts.right as f64 / (counts.labelled + counts.told) as f64)
        .collect();
    (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
}

fn confusions(known: &[&Answer]) -> Vec<Confusion> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for answer in known.iter().filter(|answer| answer.best != answer.label) {
        *counts.entry((&answer.label, &answer.best)).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    // Stable: equal counts stay in the order of their names.
    counts.sort_by(|(_, a), (_, b)| b.cmp(a));
    counts
        .into_iter()
        .take(TOLD)
        .map(|((label, taken_for), count)| Confusion {
            label: label.to_owned(),
            taken_for: taken_for.to_owned(),
            count,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(label: &str, best: &str, confidence: f32) -> Answer {
        Answer {
            label: label.to_owned(),
            best: best.to_owned(),
            confidence,
            is_given: confidence >= 0.5,
        }
    }

    #[test]
    fn figures_are_what_they_say() {
        let answers = [
            answer("a", "a", 0.9),
            answer("a", "b", 0.6),
            answer("b", "b", 0.4),
            answer("b", "a", 0.2),
            answer("oos", "a", 0.7),
            answer("oos", "b", 0.1),
        ];
        let report = Report::new(&answers, Some("oos"));
        let near = |figure: Option<f64>, expected: f64| {
            assert!((figure.unwrap() - expected).abs() < 1e-9, "{figure:?}");
        };
        assert_eq!(report.n, 6);
        near(report.accuracy, 2.0 / 6.0);
        near(report.in_scope_accuracy, 0.5);
        near(report.oos_auroc, 5.0 / 8.0);
        near(report.coverage, 0.5);
        near(report.error, 2.0 / 3.0);
        // a: 1 right of 2 labelled, 2 told; b: none; oos: 1 right of 2 labelled, 3 told.
        near(report.macro_f1, (0.5 + 0.0 + 0.4) / 3.0);
        assert_eq!(report.confusions.len(), 2);
    }

    #[test]
    fn what_is_not_there_has_no_figure() {
        let report = Report::new(&[answer("a", "a", 0.9)], Some("oos"));
        assert_eq!((report.accuracy, report.oos_auroc), (Some(1.0), None));
        assert_eq!(Report::new(&[], None).accuracy, None);
    }

    #[test]
    fn equal_confidences_are_no_better_than_chance() {
        let answers: Vec<Answer> = ["a", "oos", "a", "oos"]
            .map(|label| answer(label, "a", 0.5))
            .into();
        assert_eq!(Report::new(&answers, Some("oos")).oos_auroc, Some(0.5));
    }
}
