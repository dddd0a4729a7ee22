//! Which backend runs the model. The choice is global to the process, because `ort` keeps one table of functions; it is
//! made once, on the first call of [`Runtime::choose`].

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use doorstep_core::understanding::Backend;
use ort::{environment::Environment, logging::LogLevel};

use crate::{BackendChoice, NluConfig, NluStartError};

/// The library's file name on this system.
const LIBRARY: &str = if cfg!(target_os = "windows") {
    "onnxruntime.dll"
} else if cfg!(target_os = "macos") {
    "libonnxruntime.dylib"
} else {
    "libonnxruntime.so"
};

static CHOSEN: OnceLock<Runtime> = OnceLock::new();
static CHOOSING: Mutex<()> = Mutex::new(());

/// The backend in use and its environment, which must outlive every session.
#[derive(Debug)]
pub(crate) struct Runtime {
    pub(crate) backend: Backend,
    pub(crate) environment: Environment,
}

impl Runtime {
    /// The runtime of this process: chosen by `config` on the first call, afterwards only checked against it.
    pub(crate) fn choose(config: &NluConfig) -> Result<&'static Self, NluStartError> {
        let _one_at_a_time = CHOOSING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = CHOSEN.get() {
            return runtime.fits(config.backend);
        }
        let runtime = match config.backend {
            BackendChoice::Tract => tract()?,
            BackendChoice::Onnxruntime => {
                onnxruntime(config).map_err(|tried| NluStartError::OnnxruntimeMissing {
                    minimum: minimum_version(),
                    tried: tried.join("; "),
                })?
            }
            BackendChoice::Auto => match onnxruntime(config) {
                Ok(runtime) => runtime,
                Err(_) => tract()?,
            },
        };
        Ok(CHOSEN.get_or_init(|| runtime))
    }

    fn fits(&'static self, choice: BackendChoice) -> Result<&'static Self, NluStartError> {
        match (choice, self.backend) {
            (BackendChoice::Tract, Backend::Onnxruntime)
            | (BackendChoice::Onnxruntime, Backend::Tract) => Err(NluStartError::BackendTaken {
                active: self.backend,
            }),
            _ => Ok(self),
        }
    }
}

/// The first ONNX Runtime library that loads and is new enough, or what was wrong with each.
fn onnxruntime(config: &NluConfig) -> Result<Runtime, Vec<String>> {
    let mut tried = Vec::new();
    for candidate in candidates(config) {
        if candidate.is_path && !candidate.path.is_file() {
            let complaint = format!("{}: no such file", candidate.path.display());
            if candidate.is_asked_for {
                tracing::warn!(library = %candidate.path.display(), "the ONNX Runtime library that was asked for is not there");
            }
            tried.push(complaint);
            continue;
        }
        match load(&candidate.path) {
            Ok(environment) => {
                tracing::info!(library = %candidate.path.display(), "the model runs on ONNX Runtime");
                return Ok(Runtime {
                    backend: Backend::Onnxruntime,
                    environment,
                });
            }
            Err(reason) => {
                if candidate.is_path {
                    tracing::warn!(library = %candidate.path.display(), %reason, "this ONNX Runtime library cannot be used");
                }
                tried.push(format!("{}: {reason}", candidate.path.display()));
            }
        }
    }
    Err(tried)
}

/// A place where the library may be.
struct Candidate {
    path: PathBuf,
    /// Somebody named it, so its absence is worth a warning.
    is_asked_for: bool,
    /// A path; otherwise a bare name that the system's loader looks up.
    is_path: bool,
}

fn candidates(config: &NluConfig) -> Vec<Candidate> {
    let from_environment = env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty());
    let asked_for = config
        .onnxruntime
        .clone()
        .into_iter()
        .chain(from_environment.map(PathBuf::from))
        .map(|path| (absolute(path), true));
    let beside = env::current_exe()
        .ok()
        .and_then(|program| Some(program.parent()?.join(LIBRARY)));
    let usual = beside
        .into_iter()
        .chain(cache_folder().map(|cache| cache.join("doorstep/onnxruntime").join(LIBRARY)))
        .map(|path| (path, false));
    asked_for
        .chain(usual)
        .map(|(path, is_asked_for)| Candidate {
            path,
            is_asked_for,
            is_path: true,
        })
        .chain([Candidate {
            path: LIBRARY.into(),
            is_asked_for: false,
            is_path: false,
        }])
        .collect()
}

/// `ort` reads a relative path from beside the executable; people mean the current folder.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// The user's cache, where `scripts/onnxruntime` puts the library: `$XDG_CACHE_HOME`, else `~/.cache`.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    set("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache")))
}

/// Loads the library and builds the environment. `ort` checks the version and refuses an older one; a library that only
/// looks like ONNX Runtime can still make it panic, which is an error here and no more.
fn load(path: &Path) -> Result<Environment, String> {
    let attempt = AssertUnwindSafe(|| {
        let builder = ort::init_from(path).map_err(|error| error.to_string())?;
        environment(builder).map_err(|error| error.to_string())
    });
    catch_unwind(attempt).unwrap_or_else(|_| {
        Err(format!(
            "it does not offer the interface of ONNX Runtime {} or later",
            minimum_version()
        ))
    })
}

fn environment(builder: ort::environment::EnvironmentBuilder) -> ort::Result<Environment> {
    let environment = builder
        .with_name("doorstep")
        .with_telemetry(false)
        .with_logger(Arc::new(forward_log))
        .build()?;
    Ok(environment)
}

/// ONNX Runtime writes to standard output unless told otherwise.
fn forward_log(level: LogLevel, _category: &str, _id: &str, place: &str, message: &str) {
    match level {
        LogLevel::Error | LogLevel::Fatal => tracing::error!(place, "ONNX Runtime: {message}"),
        LogLevel::Warning => tracing::warn!(place, "ONNX Runtime: {message}"),
        LogLevel::Info | LogLevel::Verbose => tracing::trace!(place, "ONNX Runtime: {message}"),
    }
}

fn tract() -> Result<Runtime, NluStartError> {
    ort::set_api(ort_tract::api());
    let environment =
        environment(ort::init()).map_err(|error| NluStartError::Tract(error.to_string()))?;
    tracing::info!("the model runs on the built-in backend (tract)");
    Ok(Runtime {
        backend: Backend::Tract,
        environment,
    })
}

fn minimum_version() -> String {
    format!("1.{}", ort::MINOR_VERSION)
}
