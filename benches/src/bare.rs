//! The floor: the model alone, in a process of its own, one thread, one text at a time.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{self, Command, Stdio},
    time::{Duration, Instant},
};

use doorstep::assets;
use doorstep_nlu::{BackendChoice, Model, NluConfig, Session};
use serde::{Deserialize, Serialize};

use crate::{Outcome, figures::Spread, machine, options::Options, texts};

/// Texts read before the clock starts.
const WARM_UP: usize = 50;

/// What bare inference takes: tokens and one forward pass of ONNX Runtime.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Bare {
    pub(crate) ms: Spread,
    pub(crate) texts_per_s: f64,
    pub(crate) rss_mb: f64,
}

impl Bare {
    /// What it takes between two times: a machine's speed drifts.
    pub(crate) fn between(before: Self, after: Self) -> Self {
        Self {
            ms: Spread::between(before.ms, after.ms),
            texts_per_s: f64::midpoint(before.texts_per_s, after.texts_per_s),
            rss_mb: f64::midpoint(before.rss_mb, after.rss_mb),
        }
    }
}

/// The child's part: measures, and prints the figures as JSON.
pub(crate) fn measure(options: &Options) -> Outcome<()> {
    let texts = texts::load(options.texts.as_deref())?;
    let count = options.counts().sequential;
    let mut session = open()?;
    for text in &texts[..WARM_UP] {
        session.run(text)?;
    }
    let mut took: Vec<Duration> = Vec::with_capacity(count);
    for text in texts.iter().cycle().take(count) {
        let started = Instant::now();
        session.run(text)?;
        took.push(started.elapsed());
    }
    let total: Duration = took.iter().sum();
    let bare = Bare {
        ms: Spread::of(&took).ok_or("there was nothing to read")?,
        texts_per_s: took.len() as f64 / total.as_secs_f64(),
        rss_mb: machine::rss_mb(process::id())?,
    };
    println!("{}", serde_json::to_string(&bare)?);
    Ok(())
}

fn open() -> Outcome<Session> {
    let config = NluConfig {
        threads: 1,
        // ONNX Runtime or an error that names scripts/onnxruntime.
        backend: BackendChoice::Onnxruntime,
        ..NluConfig::default()
    };
    let model = Model::new(assets::MODEL, assets::TOKENIZER, assets::MODEL_METADATA)?;
    Ok(Session::open(model, &config)?)
}

/// The parent's part: runs the child and reads its figures.
pub(crate) fn run() -> Outcome<Bare> {
    let mut child = Command::new(env::current_exe()?)
        .args(env::args_os().skip(1))
        .arg("--bare")
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    let status = child.wait()?;
    if !status.success() {
        return Err(format!("bare inference could not be measured ({status})").into());
    }
    Ok(serde_json::from_str(&line)?)
}
