//! One text through the model, on the thread that asks.

use std::{borrow::Cow, path::PathBuf, sync::Arc};

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

use crate::{
    Metadata, Model, NluConfig, NluStartError, dequantise,
    runtime::{Runtime, cache_folder},
    unpacked,
};

/// How many characters of a text the model reads; the tokenizer then cuts at [`Metadata::max_tokens`]. Generous enough
/// that only tokens decide in any language, small enough that a megabyte costs no more than a page.
pub const MAX_CHARACTERS: usize = 4_000;

/// Everything that sessions share: made once, cheap to clone.
#[derive(Clone)]
pub(crate) struct SessionSource {
    runtime: &'static Runtime,
    graph: Arc<Graph>,
    tokenizer: Arc<Tokenizer>,
    metadata: Arc<Metadata>,
}

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
    let folder = config
        .model_folder
        .clone()
        .or_else(|| Some(cache_folder()?.join("doorstep/models")))?;
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

/// What the model says of one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Sentence vector of unit length, [`Metadata::dimensions`] long.
    pub embedding: Vec<f32>,
    /// Probability of each intent, in the order of [`Metadata::labels`]; they sum to 1.
    pub intents: Vec<f32>,
    /// Probabilities of normal, escalate and urgent.
    pub escalation: [f32; 3],
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
        let tokens = self
            .tokenizer
            .encode_fast(truncate(text), true)
            .map_err(|error| SessionError::Tokenizer(error.to_string()))?;
        let ids: Vec<i64> = tokens.get_ids().iter().copied().map(i64::from).collect();
        let mask = vec![1_i64; ids.len()];
        let shape = [1, ids.len()];
        let outputs = self.ort.run(ort::inputs! {
            "input_ids" => TensorRef::from_array_view((shape, ids.as_slice()))?,
            "attention_mask" => TensorRef::from_array_view((shape, mask.as_slice()))?,
        })?;
        let embedding = values(&outputs, "embedding", self.metadata.dimensions)?.to_vec();
        let intents = softmax(values(
            &outputs,
            "intent_logits",
            self.metadata.labels.len(),
        )?);
        let escalation = softmax(values(&outputs, "escalation_logits", 3)?);
        Ok(Output {
            embedding,
            intents,
            escalation: [escalation[0], escalation[1], escalation[2]],
        })
    }
}

/// The first [`MAX_CHARACTERS`] characters.
pub(crate) fn truncate(text: &str) -> &str {
    match text.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

fn values<'o>(
    outputs: &'o SessionOutputs<'_>,
    name: &'static str,
    expected: usize,
) -> Result<&'o [f32], SessionError> {
    let missing = SessionError::Shape {
        name,
        expected,
        found: 0,
    };
    let (_, values) = outputs
        .get(name)
        .ok_or(missing)?
        .try_extract_tensor::<f32>()?;
    if values.len() != expected {
        return Err(SessionError::Shape {
            name,
            expected,
            found: values.len(),
        });
    }
    if !values.iter().all(|value| value.is_finite()) {
        return Err(SessionError::NotFinite(name));
    }
    Ok(values)
}

/// Logits to probabilities. `logits` is not empty and finite.
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
            embedding: vec![],
            intents: vec![],
            escalation,
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
