//! What flows can do. Facts come from ports at answer time and carry their source (G4); a port that does not answer is
//! an outcome of its own, never an error (G7). How to add an action is told in [`crate::flows`].
//!
//! | action | does |
//! |---|---|
//! | `find_order` | opens an order to the right person (G5) |
//! | `search_products` | finds products, with live price and stock |
//! | `describe_product` | what the shop says of one product |
//! | `check_stock` | whether a product, in a size, can be had now |
//! | `answer_policy` | quotes the passage that answers a question |
//! | `handoff` | asks a person to take over |
//! | `set_preference` | what a customer wants to hear |
//! | `say` | nothing: the flow says something |

mod catalog;
mod check_stock;
mod describe_product;
mod find_order;
mod handoff;
mod kinds;
mod narrowing;
pub(crate) mod offering;
pub(crate) mod order;
mod own_answer;
pub(crate) mod policy;
mod preference;
mod say;
mod search_products;
pub(crate) mod searching;

use std::collections::BTreeMap;

use async_trait::async_trait;
use doorstep_core::{
    health::PortError,
    message::{Button, Card, FactSource},
    understanding::{Entity, EntityKind},
};
use serde::Serialize;
use serde_json::Value;

pub(crate) use self::own_answer::{SAID as OWN_SAID, SOURCE as OWN_SOURCE};
use crate::{
    dialogue::{
        Scene,
        memory::{Frame, Memory},
        shown::FollowUp,
    },
    flows::{Argument, Arguments, SlotKind},
    templates::Facts,
    turn::Effect,
};

/// Facts by name, as templates say them.
pub(crate) type FactMap = BTreeMap<String, Value>;

/// Something a flow can do.
#[async_trait]
pub(crate) trait Action: Send + Sync {
    /// Its name in flows.
    fn name(&self) -> &'static str;

    /// What it takes.
    fn arguments(&self) -> &'static [ArgumentSpec];

    /// What can come of it; a flow covers all of them.
    fn outcomes(&self) -> &'static [OutcomeSpec];

    /// Does it.
    async fn run(&self, call: &mut Call<'_>) -> Outcome;
}

/// An argument that an action takes.
pub(crate) struct ArgumentSpec {
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
    pub(crate) required: bool,
}

/// What an argument may be.
pub(crate) enum Takes {
    /// A slot of one of these kinds.
    Slot(&'static [SlotKind]),
    /// One or more words; any when the list is empty.
    Words(&'static [&'static str]),
}

impl Takes {
    /// An example for a merchant.
    pub(crate) fn example(&self) -> &'static str {
        match self {
            Self::Slot(_) => "<name of a slot>",
            Self::Words(words) => words.first().copied().unwrap_or("<words>"),
        }
    }
}

/// One outcome: its name and examples of the facts it gives, one for each shape they can have.
pub(crate) struct OutcomeSpec {
    pub(crate) name: &'static str,
    pub(crate) samples: fn() -> Vec<FactMap>,
}

impl OutcomeSpec {
    /// An outcome without facts.
    const fn bare(name: &'static str) -> Self {
        Self {
            name,
            samples: || vec![FactMap::new()],
        }
    }
}

/// Everything an action may look at, and the memory it may change.
pub(crate) struct Call<'a> {
    pub(crate) scene: &'a Scene<'a>,
    pub(crate) frame: &'a Frame,
    pub(crate) arguments: &'a Arguments,
    /// The session's facts and those of the actions before.
    pub(crate) facts: &'a Facts,
    /// What the message wishes of the products that were shown.
    pub(crate) follow_up: Option<&'a FollowUp>,
    pub(crate) memory: &'a mut Memory,
}

impl Call<'_> {
    /// The value of an argument that names a slot.
    fn slot(&self, argument: &str) -> Option<&str> {
        match self.arguments.get(argument)? {
            Argument::Slot(name) => self.frame.slots.get(name).map(String::as_str),
            Argument::Words(_) => None,
        }
    }

    /// The words of an argument.
    fn words(&self, argument: &str) -> &[String] {
        match self.arguments.get(argument) {
            Some(Argument::Words(words)) => words,
            _ => &[],
        }
    }

    /// The name of the slot that an argument stands for.
    fn slot_name(&self, argument: &str) -> Option<&str> {
        match self.arguments.get(argument)? {
            Argument::Slot(name) => Some(name),
            Argument::Words(_) => None,
        }
    }

    fn entity(&self, kind: EntityKind) -> Option<&Entity> {
        self.scene.understanding.entity(kind)
    }

    /// A short reply of the dialogue's own (a label on a card or a button).
    fn label(&self, name: &str, facts: &Facts) -> String {
        let said = self
            .scene
            .parts
            .templates
            .reply(name, self.scene.language, facts);
        said.unwrap_or_else(|error| {
            tracing::error!(%error, "a label could not be said");
            name.to_owned()
        })
    }

    /// The source of what the shop just told (G4).
    fn shop_source(&self) -> FactSource {
        FactSource {
            name: format!("shop:{}", self.scene.parts.shop.name()),
            as_of: self.scene.now,
        }
    }
}

/// What came of an action.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) facts: FactMap,
    pub(crate) buttons: Vec<Button>,
    pub(crate) cards: Vec<Card>,
    pub(crate) sources: Vec<FactSource>,
    pub(crate) effects: Vec<Effect>,
}

impl Outcome {
    /// The outcome `name`, bare.
    fn of(name: &'static str) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// A port did not answer: said honestly, counted and logged once.
    fn unreachable(error: &PortError) -> Self {
        tracing::warn!(port = %error.port, reason = %error.reason, "a port did not answer; the customer is told so");
        metrics::counter!("doorstep_port_failures_total", "port" => error.port.clone())
            .increment(1);
        Self::of("unreachable")
    }

    fn with(mut self, name: &str, fact: impl Serialize) -> Self {
        self.facts.insert(name.to_owned(), json(fact));
        self
    }
}

/// A fact as templates see it; what cannot be written as JSON becomes `none`.
pub(crate) fn json(fact: impl Serialize) -> Value {
    serde_json::to_value(fact).unwrap_or_default()
}

/// Facts from names and values, for samples.
pub(crate) fn facts<const N: usize>(facts: [(&str, Value); N]) -> FactMap {
    facts
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// All actions. Adding one is adding it here.
static ACTIONS: [&dyn Action; 8] = [
    &find_order::FindOrder,
    &search_products::SearchProducts,
    &describe_product::DescribeProduct,
    &check_stock::CheckStock,
    &policy::AnswerPolicy,
    &handoff::HandOff,
    &preference::SetPreference,
    &say::Say,
];

/// Says what a merchant wrote as an answer; see [`crate::intents`].
pub(crate) static OWN_ANSWER: &dyn Action = &own_answer::OwnAnswer;

/// An action by its name in flows.
pub(crate) fn find(name: &str) -> Option<&'static dyn Action> {
    ACTIONS.into_iter().find(|action| action.name() == name)
}

/// The names of all actions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ACTIONS.into_iter().map(Action::name)
}
