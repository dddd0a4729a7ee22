//! The port to understanding.

use async_trait::async_trait;
use chrono_tz::Tz;

use crate::{
    Language, Timestamp,
    understanding::{Backend, Entity, Understanding},
};

/// What is known around a text before it is read.
#[derive(Debug, Clone)]
pub struct NluContext {
    /// The language the channel or the last message suggests.
    pub language_hint: Option<Language>,
    /// Where "tomorrow" is meant.
    pub time_zone: Tz,
    /// When it was written.
    pub now: Timestamp,
}

/// Names the texts that will probably have to be read beside a message, by the language and the entities that rules find in it.
pub type Foresight<'a> = dyn Fn(&Language, &[Entity]) -> Vec<String> + Sync + 'a;

/// Text in, understanding out. Implemented by `nlu`.
#[async_trait]
pub trait Nlu: Send + Sync {
    /// Reads one message.
    async fn understand(&self, text: &str, context: &NluContext)
    -> Result<Understanding, NluError>;

    /// As [`Nlu::understand`]. A part of the model that has nothing to do meanwhile reads what `foresight` names, so that
    /// [`Nlu::embed`] knows it at once. By default nothing does.
    async fn understand_with(
        &self,
        text: &str,
        context: &NluContext,
        foresight: &Foresight<'_>,
    ) -> Result<Understanding, NluError> {
        let _ = foresight;
        self.understand(text, context).await
    }

    /// Tells that a text will be understood in a moment, so that the model may begin to read it. What is announced in
    /// vain costs one reading at most.
    fn expect(&self, _text: &str) {}

    /// Reads one message without the model: entities, language and a few certain intents. Cheap; never fails (G7).
    fn understand_by_rules(&self, text: &str, context: &NluContext) -> Understanding;

    /// Sentence vectors of unit length, one for each text, in order.
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, NluError>;

    /// What runs the model.
    fn backend(&self) -> Backend;

    /// How many texts wait for the model now.
    fn queue_depth(&self) -> usize;
}

/// Why a text was not read by the model.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NluError {
    /// The bounded queue before the model is full: answer by rules.
    #[error("the model's queue is full ({waiting} texts wait); the answer falls back to rules")]
    Overloaded {
        /// How many texts waited.
        waiting: usize,
    },
    /// The model failed on this text.
    #[error("the model failed: {reason}")]
    Failed {
        /// What the backend said.
        reason: String,
    },
}
