//! What a merchant may set.

use std::path::PathBuf;

use crate::runtime::cache_folder;

/// How the model runs.
#[derive(Debug, Clone)]
pub struct NluConfig {
    /// Most threads that run the model, each with a session of its own; never more than the machine has cores.
    pub threads: usize,
    /// How many texts may wait for the model before [`doorstep_core::nlu::NluError::Overloaded`].
    pub queue: usize,
    /// The ONNX Runtime library to try first.
    pub onnxruntime: Option<PathBuf>,
    /// Where the model is unpacked for ONNX Runtime to map, once and by its checksum; without one
    /// `$XDG_CACHE_HOME/doorstep/models`, else `~/.cache/doorstep/models`. That saves about 50 MB of memory.
    pub model_folder: Option<PathBuf>,
    /// Which backend may run the model.
    pub backend: BackendChoice,
    /// The merchant's order number formats as regular expressions over the customer's text, case ignored. Empty: the
    /// built-in formats (5 to 8 digits, or up to four letters and 4 to 10 digits).
    pub order_number_patterns: Vec<String>,
    /// How many texts' results are kept; 0 keeps none.
    pub cache: usize,
    /// The largest share of wrong answers to accept, above 0 to 0.5; how sure an intent must be follows from it.
    pub max_wrong: f32,
    /// Whether vectors of indexed texts are kept beside the unpacked model: for an index that is made anew at every start. One
    /// that outlives the program keeps them itself.
    pub keep_indexed: bool,
}

impl Default for NluConfig {
    fn default() -> Self {
        Self {
            threads: usize::MAX,
            queue: 256,
            onnxruntime: None,
            model_folder: None,
            backend: BackendChoice::Auto,
            order_number_patterns: Vec::new(),
            cache: 512,
            max_wrong: 0.05,
            keep_indexed: false,
        }
    }
}

impl NluConfig {
    /// Where the model is unpacked, and what it said of examples is kept; none without a home.
    pub(crate) fn unpacking_folder(&self) -> Option<PathBuf> {
        self.model_folder
            .clone()
            .or_else(|| Some(cache_folder()?.join("doorstep/models")))
    }

    /// How many threads run the model: one a core, at most as many as configured, at least one.
    pub(crate) fn workers(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.clamp(1, cores)
    }
}

/// Which backend may run the model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendChoice {
    /// ONNX Runtime when its library is found, else tract.
    #[default]
    Auto,
    /// ONNX Runtime or an error.
    Onnxruntime,
    /// The built-in backend.
    Tract,
}
