//! `doorstep eval`: measures on messages, questions, parcels and searches whose right answer is known.

pub(super) mod answers;
mod bounds;
mod builtin;
pub(super) mod eta;
mod messages;
mod parcels;
mod search;

use std::{collections::BTreeSet, path::Path, time::Instant};

use doorstep_nlu::{Answer, Basis, Example, Head, HeadSettings, LocalNlu, Model, Report};
use serde_json::{Value, json};

use self::messages::Message;
pub(super) use self::search::search;
use super::{Failure, load_named_config, print};
use crate::{
    app::{start_nlu, start_nlu_with},
    cli::{Cli, EvalIntents},
};

/// The share of wrong answers to accept without another wish.
const MAX_WRONG: f32 = 0.05;
/// How many messages are read one by one to see how long one takes.
const TIMED: usize = 200;

/// `doorstep eval intents`
pub(super) async fn intents(cli: &Cli, arguments: &EvalIntents) -> Result<(), Failure> {
    let test = messages::read(&arguments.test)?;
    let figures = match &arguments.train {
        Some(train) => trained(cli, arguments, messages::read(train)?, test).await?,
        None => builtin::measure(cli, arguments, test).await?,
    };
    match cli.json {
        true => print(figures),
        false => table(&figures),
    }
}

/// The configured model, or the one of `--model`.
async fn start(cli: &Cli, arguments: &EvalIntents) -> Result<LocalNlu, Failure> {
    let mut section = load_named_config(cli)?.nlu;
    if let Some(max_wrong) = arguments.max_wrong {
        section.max_wrong = max_wrong;
    }
    let model = arguments.model.as_deref().map(model_in).transpose()?;
    tokio::task::spawn_blocking(move || match model {
        Some(model) => start_nlu_with(model, &section),
        None => start_nlu(&section),
    })
    .await
    .map_err(Failure::finding)?
    .map_err(Failure::finding)
}

fn model_in(folder: &Path) -> Result<Model, Failure> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path)
            .map_err(|error| Failure::Misuse(format!("{}: {error}", path.display())))
    };
    let metadata = read("understanding.json")?;
    Model::new(
        read("understanding.onnx")?,
        read("tokenizer.json")?,
        &String::from_utf8_lossy(&metadata),
    )
    .map_err(|error| Failure::Misuse(format!("{}: {error}", folder.display())))
}

/// Trains a head for each seed, and means what they do on the test.
async fn trained(
    cli: &Cli,
    arguments: &EvalIntents,
    train: Vec<Message>,
    test: Vec<Message>,
) -> Result<Value, Failure> {
    let nlu = start(cli, arguments).await?;
    let settings = HeadSettings {
        max_wrong: arguments.max_wrong.unwrap_or(MAX_WRONG),
        background: arguments.oos_label.clone(),
        ..HeadSettings::default()
    };
    let started = Instant::now();
    let examples = read_all(&nlu, train).await?;
    let read_s = started.elapsed().as_secs_f64() / examples.len().max(1) as f64;
    let test = read_all(&nlu, test).await?;
    let mut runs = Vec::new();
    for seed in 1..=u64::from(arguments.seeds) {
        let drawn = match arguments.shots {
            Some(shots) => draw(&examples, shots, seed, arguments.oos_label.as_deref()),
            None => examples.clone(),
        };
        let settings = HeadSettings {
            seed,
            ..settings.clone()
        };
        runs.push(run(drawn, &settings, read_s, &test).await?);
    }
    let Some(last) = runs.last() else {
        return Err(Failure::Misuse("there is no seed".to_owned()));
    };
    let p50_ms = p50_ms(&nlu, &last.head, &test).await?;
    let reports: Vec<&Report> = runs.iter().map(|run| &run.report).collect();
    let mut figures = summary(&reports);
    let labels: BTreeSet<&String> = examples.iter().map(|example| &example.label).collect();
    let shared = json!({
        "train_s": round(mean(runs.iter().map(|run| run.train_s))),
        "p50_ms": round(p50_ms),
        "max_wrong": decimal(settings.max_wrong),
        "threshold": round(mean(runs.iter().map(|run| f64::from(run.head.threshold())))),
        "threshold_rests_on": rests_on(last.head.basis()),
        "labels": labels.len(),
        "examples": mean(runs.iter().map(|run| run.examples as f64)) as usize,
        "seeds": runs.len(),
        "backend": doorstep_core::nlu::Nlu::backend(&nlu),
    });
    merge(&mut figures, shared);
    Ok(figures)
}

async fn read_all(nlu: &LocalNlu, messages: Vec<Message>) -> Result<Vec<Example>, Failure> {
    let (texts, labels): (Vec<String>, Vec<String>) = messages
        .into_iter()
        .map(|message| {
            // As messages arrive: what is stored, learnt and read has no card number in it.
            let text = doorstep_core::mask::mask_card_numbers(&message.text).into_owned();
            (text, message.label)
        })
        .unzip();
    let outputs = nlu.read_all(&texts).await.map_err(Failure::finding)?;
    let examples = labels.into_iter().zip(texts).zip(outputs);
    Ok(examples
        .map(|((label, text), output)| Example {
            label,
            text,
            output,
        })
        .collect())
}

/// So many examples of each intent; of the background, all.
fn draw(examples: &[Example], shots: u32, seed: u64, background: Option<&str>) -> Vec<Example> {
    let mut taken = std::collections::BTreeMap::<&str, u32>::new();
    let mut order: Vec<usize> = (0..examples.len()).collect();
    doorstep_nlu::shuffle(&mut order, seed);
    order.retain(|place| {
        let label = examples[*place].label.as_str();
        let taken = taken.entry(label).or_default();
        *taken += 1;
        *taken <= shots || Some(label) == background
    });
    order
        .into_iter()
        .map(|place| examples[place].clone())
        .collect()
}

/// One training and what came of it.
struct Run {
    head: Head,
    report: Report,
    /// With the encoder's reading of the examples.
    train_s: f64,
    examples: usize,
}

async fn run(
    drawn: Vec<Example>,
    settings: &HeadSettings,
    read_s: f64,
    test: &[Example],
) -> Result<Run, Failure> {
    let settings = settings.clone();
    let background = settings.background.clone();
    let count = drawn.len();
    let started = Instant::now();
    let head = tokio::task::spawn_blocking(move || Head::train(&drawn, &settings))
        .await
        .map_err(Failure::finding)?
        .map_err(Failure::finding)?;
    let train_s = started.elapsed().as_secs_f64() + read_s * count as f64;
    let answers: Vec<Answer> = test
        .iter()
        .filter_map(|message| {
            let best = head
                .score(&message.text, &message.output)
                .into_iter()
                .next()?;
            Some(Answer {
                label: message.label.clone(),
                is_given: best.confidence >= head.threshold(),
                best: best.name,
                confidence: best.confidence,
            })
        })
        .collect();
    Ok(Run {
        report: Report::new(&answers, background.as_deref()),
        head,
        train_s,
        examples: count,
    })
}

/// How long reading one message takes, model and head together.
async fn p50_ms(nlu: &LocalNlu, head: &Head, test: &[Example]) -> Result<f64, Failure> {
    let mut times = Vec::new();
    for Example { text, .. } in test.iter().take(TIMED) {
        let started = Instant::now();
        let outputs = nlu
            .read_all(std::slice::from_ref(text))
            .await
            .map_err(Failure::finding)?;
        for output in &outputs {
            std::hint::black_box(head.score(text, output));
        }
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(median(times))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The figures of one report, or the means of several; the confusions are the last one's.
fn summary(reports: &[&Report]) -> Value {
    let of = |figure: fn(&Report) -> Option<f64>| {
        let told: Vec<f64> = reports.iter().filter_map(|report| figure(report)).collect();
        (!told.is_empty()).then(|| round(mean(told.into_iter())))
    };
    let last = reports.last();
    json!({
        "n": last.map_or(0, |report| report.n),
        "accuracy": of(|report| report.accuracy),
        "in_scope_accuracy": of(|report| report.in_scope_accuracy),
        "oos_auroc": of(|report| report.oos_auroc),
        "coverage": of(|report| report.coverage),
        "error": of(|report| report.error),
        "macro_f1": of(|report| report.macro_f1),
        "confusions": last.map(|report| &report.confusions),
    })
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn rests_on(basis: Basis) -> &'static str {
    match basis {
        Basis::Proven => "held_out_examples",
        Basis::TooFew => "too_few_examples",
        Basis::Impossible => "nothing_is_sure_enough",
    }
}

/// The decimal that was written, not the nearest binary number.
fn decimal(share: f32) -> f64 {
    round(f64::from(share))
}

fn round(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

fn merge(figures: &mut Value, more: Value) {
    if let (Value::Object(figures), Value::Object(more)) = (figures, more) {
        figures.extend(more);
    }
}

/// One figure a line, then lists.
fn table(figures: &Value) -> Result<(), Failure> {
    let Value::Object(figures) = figures else {
        return Ok(());
    };
    for (name, figure) in figures {
        match figure {
            Value::Null => print(format!("{name:<24} –"))?,
            Value::String(text) => print(format!("{name:<24} {text}"))?,
            Value::Array(_) | Value::Object(_) => {}
            number => print(format!("{name:<24} {number}"))?,
        }
    }
    for name in ["languages", "overlap_at_10", "several"] {
        let Some(Value::Object(languages)) = figures.get(name) else {
            continue;
        };
        print(name)?;
        for (language, share) in languages {
            print(format!("  {language:<22} {share}"))?;
        }
    }
    if let Some(Value::Object(thresholds)) = figures.get("thresholds") {
        print("thresholds               sure from   answered      wrong")?;
        for (language, told) in thresholds {
            let told = |name: &str| told[name].to_string();
            print(format!(
                "  {language:<22} {:>9} {:>10} {:>10}",
                told("threshold"),
                told("coverage"),
                told("error"),
            ))?;
        }
    }
    if let Some(Value::Array(confusions)) = figures.get("confusions")
        && !confusions.is_empty()
    {
        print("taken for another, most often first")?;
        for confusion in confusions {
            let name = |key: &str| confusion[key].as_str().unwrap_or_default().to_owned();
            print(format!(
                "  {:>5}  {} → {}",
                confusion["count"],
                name("label"),
                name("taken_for")
            ))?;
        }
    }
    bounds::table(figures.get("bounds"))
}
