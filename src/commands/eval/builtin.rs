//! The built-in intents, measured.

use std::{collections::BTreeMap, time::Instant};

use doorstep_core::{
    nlu::{Nlu, NluContext},
    understanding::{Escalation, Understanding},
};
use doorstep_nlu::{Answer, Report};
use serde_json::{Value, json};

use super::{Failure, Message, mean, median, merge, round, start, summary};
use crate::{
    ambient,
    cli::{Cli, EvalIntents},
    commands::load_config,
};

/// The taxonomy's name for what no intent covers.
const OUT_OF_SCOPE: &str = "out_of_scope";

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
    let config = load_config(cli)?;
    let nlu = start(cli, arguments).await?;
    let labels = nlu.metadata().labels.clone();
    // One spelling wrong would quietly count as a wrong answer.
    for message in &test {
        let first = first_label(&message.label);
        if !labels.iter().any(|label| label == first) {
            return Err(Failure::Misuse(format!(
                "{}: `{first}` is not in the taxonomy (message: {})",
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
    Ok(figures)
}

fn first_label(label: &str) -> &str {
    label.split('|').next().unwrap_or(label).trim()
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

/// Whether the likeliest label, out of scope among them, is the right one, whatever the threshold.
fn is_likeliest(reading: &Reading) -> Option<bool> {
    let top = reading.understanding.top_intent()?;
    Some(top.name == first_label(&reading.message.label))
}

/// The share of readings for which `is` holds, among those that it says anything of.
fn share(readings: &[Reading], is: impl Fn(&Reading) -> Option<bool>) -> Option<f64> {
    let said: Vec<f64> = readings.iter().filter_map(is).map(f64::from).collect();
    (!said.is_empty()).then(|| round(mean(said.into_iter())))
}

/// Nothing when the test does not tell languages.
fn by_language(readings: &[Reading]) -> Value {
    let mut counts: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for reading in readings {
        if let Some(language) = &reading.message.language {
            let counts = counts.entry(language).or_default();
            counts.0 += f64::from(is_likeliest(reading).unwrap_or(false));
            counts.1 += 1.0;
        }
    }
    if counts.is_empty() {
        return Value::Null;
    }
    let languages: BTreeMap<&str, f64> = counts
        .into_iter()
        .map(|(language, (right, all))| (language, round(right / all)))
        .collect();
    let language_accuracy = share(readings, |reading| {
        let told = reading.message.language.as_deref()?;
        let primary = told.split('-').next().unwrap_or(told);
        Some(reading.understanding.language.primary() == primary)
    });
    json!({ "languages": languages, "language_accuracy": language_accuracy })
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
