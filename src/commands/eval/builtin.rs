//! The built-in intents, measured, beside those of the merchant.

use std::{collections::BTreeMap, time::Instant};

use doorstep_core::{
    nlu::{Nlu, NluContext},
    understanding::{Escalation, Understanding},
};
use doorstep_nlu::{Answer, Report};
use serde_json::{Value, json};

use super::{
    Failure, Message,
    bounds::{self, Bound, Limit},
    mean, median, merge, round, start, summary,
};
use crate::{
    ambient,
    cli::{Cli, EvalIntents},
    commands::{classify::with_own_intents, load_named_config},
};

/// The taxonomy's name for what no intent covers.
const OUT_OF_SCOPE: &str = "out_of_scope";
/// The share of wrong answers for which the model card bounds what is answered.
const CARD_MAX_WRONG: f32 = 0.05;

/// A message and what was understood.
struct Reading {
    message: Message,
    understanding: Understanding,
}

/// Reads the test and counts.
pub(super) async fn measure(
    cli: &Cli,
    arguments: &EvalIntents,
    test: Vec<Message>,
) -> Result<Value, Failure> {
    let config = load_named_config(cli)?;
    let (nlu, own) = with_own_intents(&config, start(cli, arguments).await?).await?;
    let mut labels = nlu.metadata().labels.clone();
    labels.extend(own);
    // One spelling wrong would quietly count as a wrong answer.
    for message in &test {
        let first = first_label(&message.label);
        if !labels.iter().any(|label| label == first) {
            return Err(Failure::Misuse(format!(
                "{}: `{first}` is neither in the taxonomy nor among the own intents of files_dir (message: {})",
                arguments.test.display(),
                message.text
            )));
        }
    }
    let context = NluContext {
        language_hint: None,
        time_zone: config.shop.time_zone,
        now: ambient::system().now(),
    };
    let mut readings = Vec::with_capacity(test.len());
    let mut times = Vec::with_capacity(test.len());
    for message in test {
        let text = doorstep_core::mask::mask_card_numbers(&message.text).into_owned();
        let started = Instant::now();
        let understanding = nlu
            .understand(&text, &context)
            .await
            .map_err(Failure::finding)?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
        readings.push(Reading {
            message,
            understanding,
        });
    }
    let answers: Vec<Answer> = readings.iter().map(answer).collect();
    let mut figures = summary(&[&Report::new(&answers, Some(OUT_OF_SCOPE))]);
    let max_wrong = arguments.max_wrong.unwrap_or(config.nlu.max_wrong);
    let own = json!({
        "likeliest_accuracy": share(&readings, is_likeliest),
        "max_wrong": round(f64::from(max_wrong)),
        "p50_ms": round(median(times)),
        "labels": labels.len(),
        "backend": nlu.backend(),
    });
    merge(&mut figures, own);
    merge(&mut figures, by_language(&readings));
    merge(&mut figures, escalation(&readings));
    merge(&mut figures, several(&readings));
    if figures["languages"].is_object() {
        let bounds = held_against(&figures, max_wrong);
        merge(&mut figures, bounds);
    }
    Ok(figures)
}

/// What the shipped model is held to on a test that tells languages (`models/README.md`).
fn held_against(figures: &Value, max_wrong: f32) -> Value {
    let by_language = figures["languages"].as_object();
    let accuracies: Vec<f64> = by_language
        .into_iter()
        .flatten()
        .filter_map(|(_, accuracy)| accuracy.as_f64())
        .collect();
    let lowest = accuracies.iter().copied().fold(f64::INFINITY, f64::min);
    let english = figures["languages"]["en"].as_f64();
    let derived = json!({
        "english": english,
        "behind_english": english.map(|english| round(english - lowest)),
    });
    let is_of_the_card = (max_wrong - CARD_MAX_WRONG).abs() < f32::EPSILON;
    let selective = [
        Bound::of(figures, "error", Limit::AtMost(0.06)),
        Bound::of(figures, "coverage", Limit::AtLeast(0.75)),
    ];
    let selective = selective.into_iter().filter(|_| is_of_the_card);
    let others = [
        Bound::of(&derived, "english", Limit::AtLeast(0.92)),
        Bound::of(&derived, "behind_english", Limit::AtMost(0.06)),
        Bound::of(figures, "escalation_recall", Limit::AtLeast(0.95)),
        Bound::of(figures, "escalation_false_alarms", Limit::AtMost(0.1)),
        Bound::of(figures, "language_accuracy", Limit::AtLeast(0.97)),
    ];
    bounds::told(others.into_iter().chain(selective).flatten())
}

fn first_label(label: &str) -> &str {
    label.split('|').next().unwrap_or(label).trim()
}

fn labels(message: &Message) -> Vec<&str> {
    message.label.split('|').map(str::trim).collect()
}

/// What a reading takes the message to ask for, in order.
fn wishes(understanding: &Understanding) -> Vec<&str> {
    if understanding.asks.is_empty() {
        let top = understanding.top_intent();
        return top.map(|top| top.name.as_str()).into_iter().collect();
    }
    understanding.asks.iter().map(String::as_str).collect()
}

/// Whether several wishes of one message are found. Nothing when no message of the test has several.
fn several(readings: &[Reading]) -> Value {
    let has_several = |reading: &&Reading| labels(&reading.message).len() > 1;
    let messages = readings.iter().filter(has_several).count();
    if messages == 0 {
        return Value::Null;
    }
    let among = |is: fn(&[&str], &[&str]) -> bool| {
        share(readings, move |reading| {
            let wanted = labels(&reading.message);
            (wanted.len() > 1).then(|| is(&wanted, &wishes(&reading.understanding)))
        })
    };
    let imagined = share(readings, |reading| {
        let is_one = labels(&reading.message).len() == 1;
        is_one.then_some(reading.understanding.asks.len() > 1)
    });
    json!({ "several": {
        "messages": messages,
        "all_found": among(|wanted, found| wanted.iter().all(|name| found.contains(name))),
        "in_order": among(|wanted, found| wanted == found),
        "singles_taken_for_several": imagined,
    }})
}

/// The likeliest intent other than that there is none, and whether it was acted on.
fn answer(reading: &Reading) -> Answer {
    let understanding = &reading.understanding;
    let is_refused = understanding
        .top_intent()
        .is_none_or(|top| top.name == OUT_OF_SCOPE || top.confidence < understanding.accept);
    let best = understanding
        .intents
        .iter()
        .find(|intent| intent.name != OUT_OF_SCOPE);
    Answer {
        label: first_label(&reading.message.label).to_owned(),
        best: best.map(|intent| intent.name.clone()).unwrap_or_default(),
        confidence: best.map_or(0.0, |intent| intent.confidence),
        is_given: !is_refused,
    }
}

/// Whether the label is the right one that is answered first, whatever the threshold: the likeliest, out of scope among them,
/// or the first of several wishes.
fn is_likeliest(reading: &Reading) -> Option<bool> {
    let understanding = &reading.understanding;
    let top = understanding.top_intent()?;
    let first = understanding.asks.first().unwrap_or(&top.name);
    Some(first == first_label(&reading.message.label))
}

/// The share of readings for which `is` holds, among those that it says anything of.
fn share(readings: &[Reading], is: impl Fn(&Reading) -> Option<bool>) -> Option<f64> {
    let said: Vec<f64> = readings.iter().filter_map(is).map(f64::from).collect();
    (!said.is_empty()).then(|| round(mean(said.into_iter())))
}

/// Nothing when the test does not tell languages.
fn by_language(readings: &[Reading]) -> Value {
    let mut parts: BTreeMap<&str, Vec<&Reading>> = BTreeMap::new();
    for reading in readings {
        if let Some(language) = &reading.message.language {
            parts.entry(language).or_default().push(reading);
        }
    }
    if parts.is_empty() {
        return Value::Null;
    }
    let right = |part: &[&Reading]| {
        let right = part.iter().map(|one| is_likeliest(one).unwrap_or(false));
        round(mean(right.map(f64::from)))
    };
    let languages: BTreeMap<&str, f64> = parts
        .iter()
        .map(|(language, part)| (*language, right(part)))
        .collect();
    let thresholds: BTreeMap<&str, Value> = parts
        .iter()
        .map(|(language, part)| (*language, threshold(part)))
        .collect();
    let language_accuracy = share(readings, |reading| {
        let told = reading.message.language.as_deref()?;
        let primary = told.split('-').next().unwrap_or(told);
        Some(reading.understanding.language.primary() == primary)
    });
    json!({
        "languages": languages,
        "language_accuracy": language_accuracy,
        "thresholds": thresholds,
    })
}

/// How sure the program must be of messages in one language, and what that leads to.
fn threshold(part: &[&Reading]) -> Value {
    let answers: Vec<Answer> = part.iter().map(|reading| answer(reading)).collect();
    let report = Report::new(&answers, Some(OUT_OF_SCOPE));
    // That of most: some are read as another language than the test says.
    let mut accepted: Vec<f64> = part
        .iter()
        .map(|reading| f64::from(reading.understanding.accept))
        .collect();
    accepted.sort_by(f64::total_cmp);
    json!({
        "threshold": round(median(accepted)),
        "coverage": report.coverage.map(round),
        "error": report.error.map(round),
    })
}

/// Nothing when the test does not tell escalations.
fn escalation(readings: &[Reading]) -> Value {
    if readings.iter().all(|r| r.message.escalation.is_none()) {
        return Value::Null;
    }
    let raised = |wanted: bool| {
        share(readings, move |reading| {
            let needed = reading.message.escalation? != Escalation::Normal;
            let is = reading.understanding.escalation != Escalation::Normal;
            (needed == wanted).then_some(is)
        })
    };
    json!({ "escalation_recall": raised(true), "escalation_false_alarms": raised(false) })
}
