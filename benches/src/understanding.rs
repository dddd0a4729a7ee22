//! What understanding costs beside the model, and the model beside its other forms: `--understanding`.
//!
//! Everything is a ratio within one run. Readings of the same text by each form follow one another, so that other work
//! on the machine disturbs all alike; tract, whose choice is for a whole process, is measured in a child.

use std::{
    env, fs,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use doorstep::assets;
use doorstep_core::{
    Timestamp,
    nlu::{Nlu, NluContext},
};
use doorstep_nlu::{BackendChoice, LocalNlu, Model, NluConfig, Session};
use futures::{StreamExt, stream};
use serde_json::json;

use crate::{Outcome, figures, options::Options, texts};

/// Texts read before the clock starts.
const WARM_UP: usize = 30;
/// Messages that wait at once.
const AT_ONCE: usize = 32;
/// Rounds of all waiting messages.
const ROUNDS: usize = 12;

/// One ratio, its bound, and whether more or less is better.
struct Ratio {
    name: &'static str,
    value: f64,
    bound: f64,
    at_most: bool,
}

impl Ratio {
    fn is_met(&self) -> bool {
        if self.at_most {
            self.value <= self.bound
        } else {
            self.value >= self.bound
        }
    }
}

/// Measures and prints; exits with 1 if a bound is missed.
pub(crate) fn measure(options: &Options) -> Outcome<ExitCode> {
    let texts = texts::load(options.texts.as_deref())?;
    let texts: Vec<String> = texts
        .into_iter()
        .take(options.counts().sequential)
        .collect();
    if options.tract {
        println!("{}", bare_p50_ms(&mut open(BackendChoice::Tract)?, &texts)?);
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut ratios = runtime.block_on(beside_the_model(&texts))?;
    match &options.plain {
        Some(plain) => ratios.push(beside_float32(plain, &texts)?),
        None => eprintln!(
            "not measured: int8 beside float32. Name the float32 graph with --plain FILE; training leaves it in training/build/plain.onnx"
        ),
    }
    ratios.push(beside_tract(&texts)?);
    report(options, &ratios)
}

fn report(options: &Options, ratios: &[Ratio]) -> Outcome<ExitCode> {
    for ratio in ratios {
        println!(
            "{:<64} {:>6.2}  ({} {}){}",
            ratio.name,
            ratio.value,
            if ratio.at_most { "at most" } else { "at least" },
            ratio.bound,
            if ratio.is_met() { "" } else { "  MISSED" },
        );
    }
    if let Some(path) = &options.json {
        let all: Vec<_> = ratios
            .iter()
            .map(|ratio| json!({"name": ratio.name, "value": ratio.value, "bound": ratio.bound, "at_most": ratio.at_most, "met": ratio.is_met()}))
            .collect();
        fs::write(path, serde_json::to_string_pretty(&all)?)?;
    }
    let all_met = ratios.iter().all(Ratio::is_met);
    Ok(if all_met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn config(backend: BackendChoice) -> NluConfig {
    NluConfig {
        backend,
        cache: 0,
        ..NluConfig::default()
    }
}

fn model() -> Outcome<Model> {
    Ok(Model::new(
        assets::MODEL,
        assets::TOKENIZER,
        assets::MODEL_METADATA,
    )?)
}

fn open(backend: BackendChoice) -> Outcome<Session> {
    Ok(Session::open(model()?, &config(backend))?)
}

fn timed<T>(took: &mut Vec<f64>, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    took.push(started.elapsed().as_secs_f64() * 1000.0);
    result
}

fn median(values: &[f64]) -> Outcome<f64> {
    figures::median(values).ok_or_else(|| "there was nothing to read".into())
}

fn bare_p50_ms(session: &mut Session, texts: &[String]) -> Outcome<f64> {
    let mut took = Vec::with_capacity(texts.len());
    for text in texts.iter().take(WARM_UP) {
        session.run(text)?;
    }
    for text in texts {
        timed(&mut took, || session.run(text))?;
    }
    median(&took)
}

/// `understand` beside the bare model, and many at once beside one at a time.
async fn beside_the_model(texts: &[String]) -> Outcome<Vec<Ratio>> {
    let nlu = LocalNlu::start(model()?, config(BackendChoice::Onnxruntime))?;
    let mut session = open(BackendChoice::Onnxruntime)?;
    let context = NluContext {
        language_hint: None,
        time_zone: chrono_tz::Tz::UTC,
        now: Timestamp::default(),
    };
    let (mut bare, mut whole) = (Vec::new(), Vec::new());
    for text in texts.iter().take(WARM_UP) {
        session.run(text)?;
        nlu.understand(text, &context).await?;
    }
    for text in texts {
        timed(&mut bare, || session.run(text))?;
        let started = Instant::now();
        nlu.understand(text, &context).await?;
        whole.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    let crowd: Vec<&String> = texts.iter().take(AT_ONCE).collect();
    let (mut alone, mut together) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for text in &crowd {
            nlu.understand(text, &context).await?;
        }
        alone += started.elapsed();
        let started = Instant::now();
        let mut answers = stream::iter(&crowd)
            .map(|text| nlu.understand(text, &context))
            .buffer_unordered(AT_ONCE);
        while let Some(answer) = answers.next().await {
            answer?;
        }
        together += started.elapsed();
    }
    Ok(vec![
        Ratio {
            name: "understand / bare model, p50",
            value: median(&whole)? / median(&bare)?,
            bound: 1.3,
            at_most: true,
        },
        Ratio {
            name: "32 at once / one at a time, texts a second",
            value: alone.as_secs_f64() / together.as_secs_f64(),
            bound: 1.9,
            at_most: false,
        },
    ])
}

/// The int8 graph beside the float32 one that it was made of.
fn beside_float32(plain: &std::path::Path, texts: &[String]) -> Outcome<Ratio> {
    let folder = tempfile::tempdir()?;
    let exact = Model {
        onnx: fs::read(plain)?.into(),
        ..model()?
    };
    let settings = NluConfig {
        // Its own, for a model is unpacked under its checksum, and this one borrows the other's description.
        model_folder: Some(folder.path().to_owned()),
        ..config(BackendChoice::Onnxruntime)
    };
    let mut exact = Session::open(exact, &settings)?;
    let mut session = open(BackendChoice::Onnxruntime)?;
    let (mut int8, mut float32) = (Vec::new(), Vec::new());
    for text in texts {
        timed(&mut int8, || session.run(text))?;
        timed(&mut float32, || exact.run(text))?;
    }
    Ok(Ratio {
        name: "int8 / float32 on ONNX Runtime, p50",
        value: median(&int8)? / median(&float32)?,
        bound: 0.65,
        at_most: true,
    })
}

/// tract beside ONNX Runtime, one text at a time.
fn beside_tract(texts: &[String]) -> Outcome<Ratio> {
    let child = Command::new(env::current_exe()?)
        .args(env::args_os().skip(1))
        .arg("--tract")
        .stderr(Stdio::inherit())
        .output()?;
    let tract: f64 = String::from_utf8(child.stdout)?.trim().parse()?;
    Ok(Ratio {
        name: "tract / ONNX Runtime, p50",
        value: tract / bare_p50_ms(&mut open(BackendChoice::Onnxruntime)?, texts)?,
        bound: 4.0,
        at_most: true,
    })
}
