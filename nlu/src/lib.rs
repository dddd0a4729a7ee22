//! Text in, understanding out: the encoder, entities by rules, language by a library.
//!
//! [`LocalNlu`] implements [`doorstep_core::nlu::Nlu`]. A message goes through it like this:
//!
//! 1. [`LocalNlu`] looks its text up in the cache of recent results; else
//! 2. it cuts the text into tokens and puts them into the bounded lane of the worker threads, where
//! 3. a thread's own [`Session`] runs the model once, for vector, intents and escalation;
//! 4. meanwhile, on the caller's task, rules find language and entities.
//!
//! A merchant's own intents, which [`LocalNlu::learn`] adds, compete with the model's after step 3.
//!
//! [`ChatCompletions`] asks a language model elsewhere to phrase answers; it is off unless it is configured.
//!
//! A text that was announced by [`doorstep_core::nlu::Nlu::expect`] is at step 2 or 3 already.
//!
//! The model runs on ONNX Runtime when its library is found, else on tract, in pure Rust; `runtime.rs` says where it
//! looks, and `dequantise.rs` what tract needs done to the graph.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod asks;
mod chat_completions;
mod config;
mod conformal;
mod dequantise;
mod drift;
mod entities;
mod error;
mod head;
mod in_place;
mod known;
mod language;
mod local;
mod model;
mod own;
mod rules;
mod runtime;
mod session;
mod thresholds;
mod unpacked;
mod workers;

pub use chat_completions::{ChatCompletions, ChatCompletionsConfig};
pub use config::{BackendChoice, NluConfig};
pub use entities::{EntityReader, Vocabulary};
pub use error::NluStartError;
pub use head::{Answer, Basis, Confusion, Example, Head, HeadError, HeadSettings, Report, shuffle};
pub use language::detect as detect_language;
pub use local::LocalNlu;
pub use model::{Metadata, Model, Threshold};
pub use own::{Doubt, LearnError, Lesson, Review, Utterance};
pub use session::{MAX_CHARACTERS, Output, Session, SessionError};
pub use thresholds::Calibration;
