//! The dialogue: what a message means where the conversation stands, and what is done about it.
//!
//! | module | tells |
//! |---|---|
//! | [`memory`] | what is remembered for half an hour |
//! | [`press`] | what a button's value means |
//! | `language` | in which language is answered |
//! | `slots` | which value a message gives a slot |
//! | `decide` | what a message means here: an answer, a correction, another wish, or nothing we know |
//! | `act` | runs the flow and says what follows |
//! | `shown` | what a message says of the products that were shown last |
//! | `sorting` | in which order products are wished |
//! | `wishes` | several wishes in one message, and what it names for them |
//! | `speak` | from the names of replies to what is said |
//! | `handover` | what a person is told who takes over |
//! | `unclear` | what is said where a message is not clear |
//! | `replies` | what the dialogue itself says, beside the flows |

mod act;
mod alike;
pub(crate) mod cues;
mod decide;
pub(crate) mod handover;
mod language;
pub mod memory;
pub mod press;
pub(crate) mod replies;
pub(crate) mod shown;
mod slots;
pub(crate) mod sorting;
mod speak;
mod unclear;
mod wishes;

use chrono_tz::Tz;
use doorstep_core::{
    Language, Timestamp,
    understanding::{Escalation, Understanding},
};
use serde_json::json;

pub use self::handover::handed_back;
use self::{memory::Memory, press::Press, slots::Reading};
use crate::{
    router::RouterParts,
    templates::Facts,
    turn::{Turn, Waiting},
};

/// What a turn is decided from.
pub(crate) struct Scene<'a> {
    pub(crate) parts: &'a RouterParts,
    pub(crate) waiting: &'a Waiting,
    pub(crate) understanding: &'a Understanding,
    /// The language of the answer.
    pub(crate) language: &'a Language,
    pub(crate) now: Timestamp,
}

impl<'a> Scene<'a> {
    fn reading(&self) -> Reading<'a> {
        Reading {
            text: &self.waiting.text,
            understanding: self.understanding,
        }
    }

    /// Whether the customer sent files without a word.
    fn is_files_alone(&self) -> bool {
        self.waiting.files > 0 && self.waiting.text.trim().is_empty()
    }

    /// The message as the person reads it who takes over.
    fn line(&self) -> String {
        match self.waiting.files {
            0 => self.waiting.text.clone(),
            files => format!("{} [+{files}]", self.waiting.text)
                .trim()
                .to_owned(),
        }
    }

    fn needs_a_person(&self) -> bool {
        self.understanding.escalation >= Escalation::Escalate
    }

    pub(crate) fn is_urgent(&self) -> bool {
        self.understanding.escalation == Escalation::Urgent
    }

    /// What every reply may say.
    pub(crate) fn session_facts(&self) -> Facts {
        let proof = self.waiting.proof.as_ref();
        let customer = self.waiting.conversation.customer.as_ref();
        let name = customer
            .and_then(|customer| customer.name.clone())
            .or_else(|| proof.and_then(|proof| proof.name.clone()));
        Facts::new(self.now, self.parts.time_zone_of(self.waiting))
            .with("shop", json!({"name": self.parts.shop_profile.name}))
            .with("customer", json!({"name": name}))
    }
}

/// [`Scene::session_facts`] in the shapes they can have.
pub(crate) fn session_samples() -> Vec<Facts> {
    [json!("Ana García"), json!(null)]
        .into_iter()
        .map(|name| {
            Facts::new(Timestamp::default(), Tz::UTC)
                .with("shop", json!({"name": "Shop"}))
                .with("customer", json!({"name": name}))
        })
        .collect()
}

/// A message with what was understood, before anything is decided.
pub(crate) struct Heard {
    memory: Memory,
    press: Option<Press>,
}

impl Heard {
    /// Recalls the conversation and sees whether a button was pressed, or its label typed.
    pub(crate) fn new(waiting: &Waiting, now: Timestamp) -> Self {
        let mut memory = Memory::of(&waiting.conversation, now);
        if waiting.new_topic {
            memory = memory.for_another_matter();
        }
        let pressed = waiting.button.as_deref().and_then(Press::parse);
        let press = pressed.or_else(|| typed_label(&memory, &waiting.text));
        Self { memory, press }
    }

    /// Whether it is a press: there is no text to understand then.
    pub(crate) fn is_press(&self) -> bool {
        self.press.is_some()
    }

    /// The language of the answer.
    pub(crate) fn language(
        &self,
        parts: &RouterParts,
        waiting: &Waiting,
        understanding: &Understanding,
    ) -> Language {
        language::decide(parts, waiting, understanding, self.is_press())
    }

    /// Decides and answers.
    pub(crate) async fn answer(self, scene: &Scene<'_>) -> Turn {
        act::Answer::new(scene, self.memory).give(self.press).await
    }
}

/// Where a channel has no buttons, customers type what one says.
fn typed_label(memory: &Memory, text: &str) -> Option<Press> {
    let text = text.trim().to_lowercase();
    let button = memory
        .offered
        .iter()
        .find(|button| button.label.trim().to_lowercase() == text)?;
    Press::parse(&button.value)
}
