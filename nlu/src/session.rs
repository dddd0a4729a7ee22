//! One text through the model, on the thread that asks.

use std::{
    borrow::Cow,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use doorstep_core::understanding::{Backend, Escalation};
use ort::{
    ep,
    session::{
        Session as OrtSession, SessionOutputs,
        builder::{BuilderResult, GraphOptimizationLevel, SessionBuilder},
    },
    value::TensorRef,
};
use tokenizers::{Tokenizer, TruncationParams};

use crate::{Metadata, Model, NluConfig, NluStartError, dequantise, runtime::Runtime, unpacked};

/// How many characters of a text the model reads; the tokenizer then cuts at [`Metadata::max_tokens`]. Generous enough
/// that only tokens decide in any language, small enough that a megabyte costs no more than a page.
pub const MAX_CHARACTERS: usize = 4_000;

/// Most texts in one forward pass: more gain little, and make the first wait for the last.
const TEXTS_AT_ONCE: usize = 8;
/// A text in a batch must take so much less time than alone for the batch to be worth waiting for.
const WORTH_WAITING: f64 = 1.15;
/// How often speed is measured; the quickest counts, for nothing disturbed it.
const PROBES: usize = 6;
/// What it is measured with: a message of common length.
const PROBE: &str = "hello, where is my order and when does it come?";

/// Everything that sessions share: made once, cheap to clone.
#[derive(Clone)]
pub(crate) struct SessionSource {
    runtime: &'static Runtime,
    graph: Arc<Graph>,
    tokenizer: Arc<Tokenizer>,
    metadata: Arc<Metadata>,
}

/// A text as the model reads it: the numbers of its tokens.
pub(crate) type Tokens = Vec<i64>;

/// The graph as the backend wants it.
struct Graph {
    bytes: Cow<'static, [u8]>,
    /// The same as a file, to be preferred.
    file: Option<PathBuf>,
}

impl SessionSource {
    pub(crate) fn new(model: Model, config: &NluConfig) -> Result<Self, NluStartError> {
        let runtime = Runtime::choose(config)?;
        let tokenizer = load_tokenizer(&model.tokenizer, model.metadata.max_tokens)?;
        let graph = match runtime.backend {
            Backend::Tract => Graph {
                bytes: dequantise::to_float(&model.onnx)
                    .map_err(|error| NluStartError::Graph {
                        backend: Backend::Tract.as_str(),
                        reason: error.to_string(),
                    })?
                    .into(),
                file: None,
            },
            _ => Graph {
                file: unpack(&model, config),
                bytes: model.onnx,
            },
        };
        Ok(Self {
            runtime,
            graph: Arc::new(graph),
            tokenizer: Arc::new(tokenizer),
            metadata: Arc::new(model.metadata),
        })
    }

    pub(crate) fn backend(&self) -> Backend {
        self.runtime.backend
    }

    pub(crate) fn metadata(&self) -> &Arc<Metadata> {
        &self.metadata
    }

    /// What cuts a text into the tokens that sessions read.
    pub(crate) fn cutter(&self) -> impl Fn(&str) -> Result<Tokens, SessionError> + use<> {
        let tokenizer = Arc::clone(&self.tokenizer);
        move |text| cut(&tokenizer, text)
    }

    /// Builds a session of its own weights and buffers.
    pub(crate) fn open(&self) -> Result<Session, NluStartError> {
        let ort = self.build().map_err(|reason| NluStartError::Graph {
            backend: self.backend().as_str(),
            reason,
        })?;
        let mut session = Session {
            backend: self.backend(),
            ort,
            tokenizer: Arc::clone(&self.tokenizer),
            metadata: Arc::clone(&self.metadata),
        };
        // The first run allocates and, on tract, plans; a customer must not wait for that.
        session
            .run("warm-up")
            .map_err(|error| NluStartError::Mismatch(error.to_string()))?;
        Ok(session)
    }

    fn build(&self) -> Result<OrtSession, String> {
        if let Some(file) = &self.graph.file {
            let session = self
                .builder()
                .and_then(|mut builder| builder.commit_from_file(file));
            match session {
                Ok(session) => return Ok(session),
                Err(error) => {
                    tracing::warn!(file = %file.display(), %error, "the unpacked model does not load; remove it to have it unpacked again");
                }
            }
        }
        self.builder()
            .and_then(|mut builder| builder.commit_from_memory(&self.graph.bytes))
            .map_err(|error| error.to_string())
    }

    fn builder(&self) -> ort::Result<SessionBuilder> {
        let builder = OrtSession::builder(&self.runtime.environment)?
            .with_optimization_level(GraphOptimizationLevel::Level3)?;
        match self.backend() {
            Backend::Onnxruntime => Ok(one_thread(builder)?),
            _ => Ok(builder),
        }
    }
}

/// The model as files for ONNX Runtime to map; without a folder to write to, it works from memory and takes more of it.
fn unpack(model: &Model, config: &NluConfig) -> Option<PathBuf> {
    let folder = config.unpacking_folder()?;
    unpacked::unpack(model, &folder)
        .inspect_err(|error| {
            tracing::warn!(folder = %folder.display(), %error, "the model cannot be unpacked here, and will take about 50 MB more of memory");
        })
        .ok()
}

#[allow(clippy::result_large_err)] // `ort`'s own error, which hands the builder back; only seen at start.
/// The thread that asks does the work; nothing spins and nothing is kept for shapes that may not come again.
fn one_thread(builder: SessionBuilder) -> BuilderResult {
    builder
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_memory_pattern(false)?
        .with_log_level(ort::logging::LogLevel::Warning)?
        .with_execution_providers([ep::CPU::default().with_arena_allocator(true).build()])
}

fn load_tokenizer(bytes: &[u8], max_tokens: usize) -> Result<Tokenizer, NluStartError> {
    let mut tokenizer = Tokenizer::from_bytes(bytes)
        .map_err(|error| NluStartError::Tokenizer(error.to_string()))?;
    tokenizer
        .with_padding(None)
        .with_truncation(Some(TruncationParams {
            max_length: max_tokens,
            ..TruncationParams::default()
        }))
        .map_err(|error| NluStartError::Tokenizer(error.to_string()))?;
    Ok(tokenizer)
}

/// One loaded model that reads one text at a time, on the calling thread. [`crate::LocalNlu`] keeps one on each of its
/// threads; a benchmark that wants to know what the bare model costs opens one of its own.
pub struct Session {
    backend: Backend,
    ort: OrtSession,
    tokenizer: Arc<Tokenizer>,
    metadata: Arc<Metadata>,
}

/// What the model says of one text. What a graph of before does not tell is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Output {
    /// Sentence vector of unit length, [`Metadata::dimensions`] long.
    pub embedding: Vec<f32>,
    /// What a text is about, of unit length and as long: near for texts of one intent, where [`Output::embedding`] tells
    /// products apart. A merchant's own intents are learnt from both.
    pub topic: Vec<f32>,
    /// Probability of each intent, in the order of [`Metadata::labels`]; they sum to 1.
    pub intents: Vec<f32>,
    /// Probability that each intent is asked for at all, in the same order.
    pub presence: Vec<f32>,
    /// Where in the text each intent is asked for if it is, 0 at its beginning to 1 at its end, in the same order.
    pub positions: Vec<f32>,
    /// Probabilities of normal, escalate and urgent.
    pub escalation: [f32; 3],
    /// Probabilities of negative, neutral and positive.
    pub sentiment: Option<[f32; 3]>,
}

impl Output {
    /// The likeliest escalation.
    pub fn likeliest_escalation(&self) -> Escalation {
        let [normal, escalate, urgent] = self.escalation;
        if urgent > normal && urgent > escalate {
            Escalation::Urgent
        } else if escalate > normal {
            Escalation::Escalate
        } else {
            Escalation::Normal
        }
    }
}

/// The model failed on a text.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The text could not be cut into tokens.
    #[error("the text could not be tokenised: {0}")]
    Tokenizer(String),
    /// The backend reported an error.
    #[error("the backend failed: {0}")]
    Backend(#[from] ort::Error),
    /// An output is missing or has another shape than the metadata says.
    #[error("output `{name}` has {found} values where the metadata says {expected}")]
    Shape {
        /// Which one.
        name: &'static str,
        /// How many values the metadata asks for.
        expected: usize,
        /// How many there are; 0 when the output is missing.
        found: usize,
    },
    /// An output holds NaN or infinity.
    #[error("output `{0}` is not a number")]
    NotFinite(&'static str),
}

impl Session {
    /// Loads `model` for the calling thread. The backend is chosen as by [`crate::LocalNlu::start`].
    pub fn open(model: Model, config: &NluConfig) -> Result<Self, NluStartError> {
        SessionSource::new(model, config)?.open()
    }

    /// What runs the model.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Reads one text: tokens, one forward pass, softmax. Only the first [`MAX_CHARACTERS`] characters and
    /// [`Metadata::max_tokens`] tokens are read.
    pub fn run(&mut self, text: &str) -> Result<Output, SessionError> {
        let tokens = cut(&self.tokenizer, text)?;
        self.read_one(&tokens)
    }

    /// Reads several texts, those of like length in one forward pass; each is read as if it were alone, because the
    /// model's ranges are fixed. One result for each text, in order.
    pub fn run_many(&mut self, texts: &[&str]) -> Vec<Result<Output, SessionError>> {
        let cut: Vec<_> = texts
            .iter()
            .map(|text| cut(&self.tokenizer, text))
            .collect();
        let known: Vec<&[i64]> = cut.iter().flatten().map(Vec::as_slice).collect();
        let mut outputs = self.read(&known).into_iter();
        cut.into_iter()
            .map(|cut| cut.and_then(|_| outputs.next().unwrap_or_else(|| Err(lost()))))
            .collect()
    }

    /// The same for texts that were cut already.
    pub(crate) fn read(&mut self, texts: &[&[i64]]) -> Vec<Result<Output, SessionError>> {
        if self.backend == Backend::Tract || texts.len() == 1 {
            // Tract's plan is for one text.
            return texts.iter().map(|tokens| self.read_one(tokens)).collect();
        }
        let mut results: Vec<Option<Result<Output, SessionError>>> =
            texts.iter().map(|_| None).collect();
        let mut places: Vec<(usize, &[i64])> = texts.iter().copied().enumerate().collect();
        places.sort_by_key(|(_, tokens)| tokens.len());
        for group in of_like_length(&places) {
            self.read_group(group, &mut results);
        }
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(|| Err(lost())))
            .collect()
    }

    fn read_one(&mut self, tokens: &[i64]) -> Result<Output, SessionError> {
        self.forward(&[tokens])?.pop().ok_or_else(lost)
    }

    /// How many texts are best read at once when many wait: [`TEXTS_AT_ONCE`] if two of them take clearly less time a text
    /// than one, else 1. More would gain more, but other work on the machine would interrupt so long a reading sooner than
    /// a single one, and hide it.
    pub(crate) fn texts_at_once(&mut self) -> usize {
        if self.backend == Backend::Tract {
            return 1;
        }
        let (mut alone, mut pair) = (Duration::MAX, Duration::MAX);
        for _ in 0..PROBES {
            alone = alone.min(took(|| drop(self.run(PROBE))));
            pair = pair.min(took(|| drop(self.run_many(&[PROBE, PROBE]))));
        }
        if (pair / 2).mul_f64(WORTH_WAITING) < alone {
            TEXTS_AT_ONCE
        } else {
            1
        }
    }

    fn read_group(
        &mut self,
        group: &[(usize, &[i64])],
        results: &mut [Option<Result<Output, SessionError>>],
    ) {
        let texts: Vec<&[i64]> = group.iter().map(|(_, tokens)| *tokens).collect();
        match self.forward(&texts) {
            Ok(outputs) => {
                for ((place, _), output) in group.iter().zip(outputs) {
                    results[*place] = Some(Ok(output));
                }
            }
            // One text may be to blame: the others must not suffer.
            Err(_) => {
                for (place, tokens) in group {
                    results[*place] = Some(self.read_one(tokens));
                }
            }
        }
    }

    /// One forward pass over texts of like length; the shorter ones are padded, which the mask tells.
    fn forward(&mut self, texts: &[&[i64]]) -> Result<Vec<Output>, SessionError> {
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let mut ids = vec![0_i64; texts.len() * longest];
        let mut mask = vec![0_i64; texts.len() * longest];
        for (row, text) in texts.iter().enumerate() {
            let start = row * longest;
            ids[start..start + text.len()].copy_from_slice(text);
            mask[start..start + text.len()].fill(1);
        }
        let shape = [texts.len(), longest];
        let outputs = self.ort.run(ort::inputs! {
            "input_ids" => TensorRef::from_array_view((shape, ids.as_slice()))?,
            "attention_mask" => TensorRef::from_array_view((shape, mask.as_slice()))?,
        })?;
        let told = Told {
            outputs: &outputs,
            texts: texts.len(),
            dimensions: self.metadata.dimensions,
            labels: self.metadata.labels.len(),
        };
        told.all()
    }
}

/// How long something takes on this machine.
fn took(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

/// Parts texts in order of length where one is so much longer than the first that padding would cost more than a pass.
fn of_like_length<'a, 't>(texts: &'a [(usize, &'t [i64])]) -> Vec<&'a [(usize, &'t [i64])]> {
    let mut groups = Vec::new();
    let mut rest = texts;
    while let Some((_, shortest)) = rest.first() {
        let most = shortest.len() + shortest.len() / 2 + 2;
        let end = rest
            .partition_point(|(_, tokens)| tokens.len() <= most)
            .max(1);
        let (group, others) = rest.split_at(end);
        groups.push(group);
        rest = others;
    }
    groups
}

/// The tokens of a text's first [`MAX_CHARACTERS`] characters.
fn cut(tokenizer: &Tokenizer, text: &str) -> Result<Tokens, SessionError> {
    let tokens = tokenizer
        .encode_fast(truncate(text), true)
        .map_err(|error| SessionError::Tokenizer(error.to_string()))?;
    Ok(tokens.get_ids().iter().copied().map(i64::from).collect())
}

/// A forward pass gave fewer results than it was given texts.
fn lost() -> SessionError {
    SessionError::Shape {
        name: "embedding",
        expected: 1,
        found: 0,
    }
}

/// What a forward pass gave.
struct Told<'o, 's> {
    outputs: &'o SessionOutputs<'s>,
    texts: usize,
    dimensions: usize,
    labels: usize,
}

impl Told<'_, '_> {
    fn all(&self) -> Result<Vec<Output>, SessionError> {
        let embedding = self.needed("embedding", self.dimensions)?;
        let intents = self.needed("intent_logits", self.labels)?;
        let escalation = self.needed("escalation_logits", 3)?;
        let topic = self.optional("topic", self.dimensions)?;
        let presence = self.optional("presence_logits", self.labels)?;
        let positions = self.optional("positions", self.labels)?;
        let sentiment = self.optional("sentiment_logits", 3)?;
        let row = |values: &[f32], at: usize, width: usize| -> Vec<f32> {
            values
                .get(at * width..(at + 1) * width)
                .unwrap_or_default()
                .to_vec()
        };
        Ok((0..self.texts)
            .map(|at| Output {
                embedding: row(embedding, at, self.dimensions),
                topic: row(topic, at, self.dimensions),
                intents: softmax(&row(intents, at, self.labels)),
                presence: row(presence, at, self.labels)
                    .iter()
                    .map(|logit| sigmoid(*logit))
                    .collect(),
                positions: row(positions, at, self.labels),
                escalation: three(&softmax(&row(escalation, at, 3))).unwrap_or_default(),
                sentiment: three(&softmax(&row(sentiment, at, 3))),
            })
            .collect())
    }

    /// The values of an output that every graph has, `width` for each text.
    fn needed(&self, name: &'static str, width: usize) -> Result<&[f32], SessionError> {
        let values = self.optional(name, width)?;
        if values.is_empty() {
            return Err(SessionError::Shape {
                name,
                expected: width * self.texts,
                found: 0,
            });
        }
        Ok(values)
    }

    /// The same of an output that a graph may lack; nothing then.
    fn optional(&self, name: &'static str, width: usize) -> Result<&[f32], SessionError> {
        let Some(output) = self.outputs.get(name) else {
            return Ok(&[]);
        };
        let (_, values) = output.try_extract_tensor::<f32>()?;
        if values.len() != width * self.texts {
            return Err(SessionError::Shape {
                name,
                expected: width * self.texts,
                found: values.len(),
            });
        }
        if !values.iter().all(|value| value.is_finite()) {
            return Err(SessionError::NotFinite(name));
        }
        Ok(values)
    }
}

/// The first [`MAX_CHARACTERS`] characters.
pub(crate) fn truncate(text: &str) -> &str {
    match text.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

fn three(values: &[f32]) -> Option<[f32; 3]> {
    values.try_into().ok()
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// Logits to probabilities. `logits` are finite.
fn softmax(logits: &[f32]) -> Vec<f32> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut probabilities: Vec<f32> = logits.iter().map(|logit| (logit - highest).exp()).collect();
    let sum: f32 = probabilities.iter().sum();
    for probability in &mut probabilities {
        *probability /= sum;
    }
    probabilities
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_survives_large_logits_and_sums_to_one() {
        let probabilities = softmax(&[1000.0, 999.0, -1000.0]);
        assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(probabilities[0] > probabilities[1] && probabilities[2] < 1e-6);
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let text = "ж".repeat(MAX_CHARACTERS + 10);
        assert_eq!(truncate(&text).chars().count(), MAX_CHARACTERS);
        assert_eq!(truncate("short"), "short");
    }

    #[test]
    fn escalation_follows_the_likeliest_class() {
        let output = |escalation| Output {
            escalation,
            ..Output::default()
        };
        assert_eq!(
            output([0.5, 0.3, 0.2]).likeliest_escalation(),
            Escalation::Normal
        );
        assert_eq!(
            output([0.2, 0.5, 0.3]).likeliest_escalation(),
            Escalation::Escalate
        );
        assert_eq!(
            output([0.2, 0.3, 0.5]).likeliest_escalation(),
            Escalation::Urgent
        );
    }
}
