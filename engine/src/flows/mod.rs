//! Flows: what is done about an intent, as merchants write it in `flows/*.yaml`.
//!
//! ```yaml
//! flow: order_status
//! label: flow_order_status         # the reply that names it on a button
//! intents: [order_status]          # who leads here; every intent leads to one flow
//! on_entity: [order_number]        # a message that names nothing but one of these leads here too
//! slots:
//!   - name: order_number
//!     type: order_number           # order_number, tracking_number, email_or_postcode, product, size, text, yes_no
//!     required: false              # a required one is asked for before anything is done
//!     ask: ask_order_number        # the reply that asks for it
//!     retry: ask_order_number_again
//! resume: true                     # whether a question of the flow is asked again after another matter came in between
//! do:                              # actions, one after another
//!   - action: find_order
//!     with: {order_number: order_number, second_factor: second_factor}
//!     on:                          # every outcome of the action, and no other
//!       found: {say: order_status, then: stop}
//!       needs_second_factor: {ask: second_factor}
//!       unreachable: {say: shop_unreachable, buttons: [{label: button_person, value: handoff}]}
//!       # …
//! ```
//!
//! An outcome may `say` a reply, show `buttons`, and then either `ask` for a slot (saying the slot's question when it
//! says nothing else; the action runs again with the answer) or go on: `then: next` (the following action), `stop`
//! (the default) or `handoff` (a person takes over).
//!
//! Everything is checked when it is loaded: [`Flows::load`] names file, line, field and fix of every mistake, down to
//! the variables of every reply in every language.
//!
//! # How to add a flow
//! Write `flows/<name>.yaml` and its replies in `replies/<language>.yaml`. Take its intents away from the flow that had
//! them. `doorstep check` says what is missing.
//!
//! # How to add an action
//! 1. Write `actions/<name>.rs`: a unit struct that implements `actions::Action`: its arguments, its
//!    outcomes with sample facts (made by the same types as the real ones, so that they cannot drift apart), and `run`.
//! 2. Add it to the list in `actions/mod.rs`. Flows can use it from then on; the checks know it.

mod check;
mod load;
mod own;

use std::{collections::BTreeMap, fmt};

use doorstep_core::{ConfigFiles, Language, Problem, understanding::EntityKind};

use crate::{
    actions::Action,
    dialogue::press::Press,
    intents::{self, OwnIntent},
    templates::Templates,
};

/// All flows, checked.
#[derive(Debug)]
pub struct Flows {
    flows: BTreeMap<String, Flow>,
    by_intent: BTreeMap<String, String>,
    by_entity: Vec<(EntityKind, String)>,
    own_intents: Vec<OwnIntent>,
}

/// One flow.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) name: String,
    /// The reply that names it on a button.
    pub(crate) label: String,
    pub(crate) intents: Vec<String>,
    pub(crate) slots: Vec<Slot>,
    /// Whether its question is taken up again after another matter; else it is let go.
    pub(crate) resume: bool,
    pub(crate) steps: Vec<Step>,
}

/// Something a flow needs to know.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) kind: SlotKind,
    pub(crate) required: bool,
    /// The reply that asks for it.
    pub(crate) ask: Option<String>,
    /// The reply that asks again when the answer did not fit.
    pub(crate) retry: Option<String>,
}

/// One action of a flow, with what follows from each of its outcomes.
pub(crate) struct Step {
    pub(crate) action: &'static dyn Action,
    pub(crate) arguments: Arguments,
    pub(crate) on: BTreeMap<String, Branch>,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("action", &self.action.name())
            .field("arguments", &self.arguments)
            .field("on", &self.on)
            .finish()
    }
}

/// The arguments of an action by name.
pub(crate) type Arguments = BTreeMap<String, Argument>;

/// An argument of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Argument {
    /// The value of a slot.
    Slot(String),
    /// Words written in the flow.
    Words(Vec<String>),
}

/// What follows from an outcome.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) say: Option<String>,
    pub(crate) buttons: Vec<Choice>,
    pub(crate) then: Then,
}

/// A button: the reply that labels it and what it means.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) label: String,
    pub(crate) press: Press,
}

/// How a flow goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Then {
    /// Waits for a slot, then runs the same action again.
    Ask(String),
    /// The following action.
    Next,
    /// It is done.
    Stop,
    /// A person takes over.
    HandOff,
}

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlotKind {
    OrderNumber,
    TrackingNumber,
    EmailOrPostcode,
    Product,
    Size,
    Text,
    YesNo,
}

impl SlotKind {
    pub(crate) const ALL: [Self; 7] = [
        Self::OrderNumber,
        Self::TrackingNumber,
        Self::EmailOrPostcode,
        Self::Product,
        Self::Size,
        Self::Text,
        Self::YesNo,
    ];

    /// Its name in a flow.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OrderNumber => "order_number",
            Self::TrackingNumber => "tracking_number",
            Self::EmailOrPostcode => "email_or_postcode",
            Self::Product => "product",
            Self::Size => "size",
            Self::Text => "text",
            Self::YesNo => "yes_no",
        }
    }
}

impl Flows {
    /// Parses and checks `flows/*.yaml` and `intents/*.yaml`.
    ///
    /// # Errors
    /// Everything that is wrong, in all files.
    pub fn load(files: &ConfigFiles, templates: &Templates) -> Result<Self, Vec<Problem>> {
        let own_intents = intents::load(files)?;
        let parsed = load::parse(files, &own_intents)?;
        let mut problems = check::check(&parsed, templates);
        problems.extend(own::check(&own_intents, &parsed, templates));
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut flows = Self {
            flows: BTreeMap::new(),
            by_intent: BTreeMap::new(),
            by_entity: Vec::new(),
            own_intents: Vec::new(),
        };
        for flow in own_intents.iter().filter_map(own::flow_of) {
            flows.by_intent.insert(flow.name.clone(), flow.name.clone());
            flows.flows.insert(flow.name.clone(), flow);
        }
        flows.own_intents = own_intents;
        for load::Parsed {
            flow, on_entity, ..
        } in parsed
        {
            for intent in &flow.intents {
                flows.by_intent.insert(intent.clone(), flow.name.clone());
            }
            let entities = on_entity
                .iter()
                .map(|found| (found.kind, flow.name.clone()));
            flows.by_entity.extend(entities);
            flows.flows.insert(flow.name.clone(), flow);
        }
        Ok(flows)
    }

    /// The flow that answers an intent.
    pub(crate) fn of_intent(&self, intent: &str) -> Option<&Flow> {
        self.get(self.by_intent.get(intent)?)
    }

    /// The flow that a message leads to which names nothing but an entity of `kind`.
    pub(crate) fn of_entity(&self, kind: EntityKind) -> Option<&Flow> {
        let (_, flow) = self.by_entity.iter().find(|(known, _)| *known == kind)?;
        self.get(flow)
    }

    /// A flow by its name.
    pub(crate) fn get(&self, name: &str) -> Option<&Flow> {
        self.flows.get(name)
    }

    /// The merchant's own intents, to be learnt.
    pub fn own_intents(&self) -> &[OwnIntent] {
        &self.own_intents
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }
}

impl Flow {
    /// A slot by its name.
    pub(crate) fn slot(&self, name: &str) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.name == name)
    }

    /// The first slot of a kind.
    pub(crate) fn slot_of(&self, kind: SlotKind) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.kind == kind)
    }
}

/// Loads templates and flows together, as `doorstep check` and the start do.
///
/// # Errors
/// Everything that is wrong in either; flows are checked only when the templates are right.
pub fn load(
    files: &ConfigFiles,
    default_language: &Language,
) -> Result<(Templates, Flows), Vec<Problem>> {
    let templates = Templates::load(files, default_language)?;
    let flows = Flows::load(files, &templates)?;
    Ok((templates, flows))
}

#[cfg(test)]
pub(crate) mod tests;
