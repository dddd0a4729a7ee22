//! Why the model did not start.

use doorstep_core::understanding::Backend;

/// Why [`crate::LocalNlu::start`] failed.
#[derive(Debug, thiserror::Error)]
pub enum NluStartError {
    /// `understanding.json` does not fit this program.
    #[error("the model's metadata (understanding.json) cannot be used: {0}")]
    Metadata(String),
    /// `tokenizer.json` does not load.
    #[error("the model's tokenizer (tokenizer.json) does not load: {0}")]
    Tokenizer(String),
    /// `understanding.onnx` does not load.
    #[error("the model's graph (understanding.onnx) does not load in {backend}: {reason}")]
    Graph {
        /// Which backend refused it.
        backend: &'static str,
        /// What it said.
        reason: String,
    },
    /// The graph's outputs do not fit the metadata.
    #[error("the model's graph does not fit its metadata: {0}")]
    Mismatch(String),
    /// A merchant's order number format is not a regular expression.
    #[error("order number pattern {number} (`{pattern}`) is not a regular expression: {reason}")]
    OrderNumberPattern {
        /// Its place in the list, from 1.
        number: usize,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// ONNX Runtime was demanded and is not there.
    #[error(
        "ONNX Runtime {minimum} or later was not found; run scripts/onnxruntime, or name the library in `nlu.onnxruntime` or ORT_DYLIB_PATH. Tried: {tried}"
    )]
    OnnxruntimeMissing {
        /// Least version that works.
        minimum: String,
        /// Where it was looked for, and what was wrong there.
        tried: String,
    },
    /// The process runs on another backend already; the choice is made once a process.
    #[error("this process already runs the model on {active:?}; one process has one backend")]
    BackendTaken {
        /// What runs.
        active: Backend,
    },
    /// The built-in backend could not be put in place.
    #[error("the built-in backend does not start: {0}")]
    Tract(String),
    /// The system gave no thread.
    #[error("no thread for the model: {0}")]
    Thread(#[from] std::io::Error),
}
