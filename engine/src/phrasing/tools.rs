//! What a model may look up: the dialogue's own actions, for the customer of this conversation and with no more rights.
//!
//! Tools only read. An order opens by the proof that the conversation has (G5); a model cannot bring a second factor of its
//! own, and what it tries in vain is not counted against the customer. Whatever does not open gets the same answer, whether
//! or not it exists.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use doorstep_core::{
    Language, Money,
    language_model::{ToolCall, ToolParameter, ToolSpec},
    nlu::NluContext,
};
use serde_json::{Map, Value, json};

use super::{
    guard::{Evidence, Voice},
    states::State,
};
use crate::{
    actions::{self, Action, Call, Outcome},
    dialogue::{
        Scene,
        memory::{Frame, Memory},
    },
    flows::{Argument, Arguments},
    templates::format,
    turn::Waiting,
};

/// As much of a model's argument as is read, in characters.
const MAX_ARGUMENT: usize = 200;

const fn required(name: &'static str, description: &'static str) -> ToolParameter {
    ToolParameter {
        name,
        description,
        required: true,
    }
}

/// All tools.
pub(super) const TOOLS: [ToolSpec; 4] = [
    ToolSpec {
        name: "get_stock",
        description: "Price and stock of one product now",
        parameters: &[
            required("product", "The product's title"),
            ToolParameter {
                name: "size",
                description: "A size, if one is asked for",
                required: false,
            },
        ],
    },
    ToolSpec {
        name: "find_order",
        description: "An order of this customer, if they may see it",
        parameters: &[ToolParameter {
            name: "order_number",
            description: "The number; without it the customer's newest order",
            required: false,
        }],
    },
    ToolSpec {
        name: "search_products",
        description: "Products of the shop that fit a description",
        parameters: &[required(
            "query",
            "What is wished for, in the customer's words",
        )],
    },
    ToolSpec {
        name: "get_policy",
        description: "What the shop says about returns, shipping, payment and the like",
        parameters: &[required(
            "question",
            "The question, in the customer's words",
        )],
    },
];

/// Which action a tool is, and which of its arguments is the text that is asked about.
fn action_of(tool: &str) -> Option<(&'static dyn Action, Option<&'static str>)> {
    let (action, asks) = match tool {
        "get_stock" => ("check_stock", None),
        "find_order" => ("find_order", None),
        "search_products" => ("search_products", Some("query")),
        "get_policy" => ("answer_policy", Some("question")),
        _ => return None,
    };
    Some((actions::find(action)?, asks))
}

/// Runs a tool; `None` where there is no such tool or its arguments are no texts.
pub(super) async fn run(scene: &Scene<'_>, memory: &Memory, call: &ToolCall) -> Option<Outcome> {
    let (action, asks) = action_of(&call.name)?;
    let texts = texts(&call.arguments)?;
    let asked = match asks {
        Some(name) => Some(Asked::read(scene, texts.get(name)?).await),
        None => None,
    };
    let asked_scene = asked.as_ref().map(|asked| Scene {
        parts: scene.parts,
        waiting: &asked.waiting,
        understanding: &asked.understanding,
        language: scene.language,
        now: scene.now,
    });
    let arguments: Arguments = action
        .arguments()
        .iter()
        .filter(|argument| matches!(argument.takes, actions::Takes::Slot(_)))
        .map(|argument| {
            (
                argument.name.to_owned(),
                Argument::Slot(argument.name.to_owned()),
            )
        })
        .collect();
    // Whoever proves an order proves it to the dialogue.
    let slots = texts
        .into_iter()
        .filter(|(name, _)| name != "second_factor");
    let frame = Frame {
        slots: slots.collect(),
        ..Frame::default()
    };
    let facts = scene.session_facts();
    let mut memory = memory.clone();
    let mut call = Call {
        scene: asked_scene.as_ref().unwrap_or(scene),
        frame: &frame,
        arguments: &arguments,
        facts: &facts,
        follow_up: None,
        memory: &mut memory,
    };
    Some(action.run(&mut call).await)
}

/// A model's arguments: texts that say something.
fn texts(arguments: &str) -> Option<BTreeMap<String, String>> {
    let arguments = if arguments.trim().is_empty() {
        "{}"
    } else {
        arguments
    };
    let arguments: Map<String, Value> = serde_json::from_str(arguments).ok()?;
    let texts = arguments.into_iter().filter_map(|(name, value)| {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let text: String = text.trim().chars().take(MAX_ARGUMENT).collect();
        (!text.is_empty()).then_some((name, text))
    });
    Some(texts.collect())
}

/// A text that is asked about in the customer's place.
struct Asked {
    waiting: Waiting,
    understanding: doorstep_core::understanding::Understanding,
}

impl Asked {
    async fn read(scene: &Scene<'_>, text: &str) -> Self {
        let context = NluContext {
            language_hint: Some(scene.language.clone()),
            time_zone: scene.parts.time_zone_of(scene.waiting),
            now: scene.now,
        };
        let nlu = &scene.parts.nlu;
        let understanding = match nlu.understand(text, &context).await {
            Ok(understanding) => understanding,
            Err(_) => nlu.understand_by_rules(text, &context),
        };
        Self {
            waiting: Waiting {
                text: text.to_owned(),
                ..scene.waiting.clone()
            },
            understanding,
        }
    }
}

/// What came of a tool, as the model reads it: prices and days are written as the customer reads them.
pub(super) fn shown(scene: &Scene<'_>, outcome: &Outcome) -> Value {
    let zone = scene.parts.time_zone_of(scene.waiting);
    let facts: Map<String, Value> = outcome
        .facts
        .iter()
        .map(|(name, fact)| (name.clone(), written(fact, scene.language, zone)))
        .collect();
    let products: Vec<Value> = outcome
        .cards
        .iter()
        .map(|card| json!({ "title": card.title, "brand": card.subtitle, "price": card.price, "stock": card.stock }))
        .collect();
    let choices: Vec<&str> = outcome
        .buttons
        .iter()
        .map(|button| button.label.as_str())
        .collect();
    json!({ "outcome": outcome.name, "facts": facts, "products": products, "choices": choices })
}

fn written(fact: &Value, language: &Language, zone: Tz) -> Value {
    match fact {
        Value::Object(fields) => {
            if fields.contains_key("minor")
                && let Ok(amount) = serde_json::from_value::<Money>(fact.clone())
            {
                return format::money(language, &amount).into();
            }
            let field =
                |(name, fact): (&String, &Value)| (name.clone(), written(fact, language, zone));
            Value::Object(fields.iter().map(field).collect())
        }
        Value::Array(facts) => facts
            .iter()
            .map(|fact| written(fact, language, zone))
            .collect(),
        Value::String(text) => match day(text, zone) {
            Some(day) => format::date(language, day).into(),
            None => fact.clone(),
        },
        _ => fact.clone(),
    }
}

fn day(text: &str, zone: Tz) -> Option<NaiveDate> {
    let instant = text.parse::<DateTime<Utc>>().ok();
    instant
        .map(|instant| instant.with_timezone(&zone).date_naive())
        .or_else(|| text.parse().ok())
}

/// Takes what a look-up or a page told into the evidence. What a product is called and how it is described is somebody's text:
/// what it says of prices and stock does not count.
pub(super) fn tell(evidence: &mut Evidence, result: &Value, language: &Language, voice: Voice) {
    match result {
        Value::Object(fields) => {
            for (name, value) in fields {
                tell_state(evidence, name, value);
                let voice = match (name.as_str(), voice) {
                    ("outcome", _) => continue,
                    ("description", _)
                    | ("title" | "brand" | "items" | "choices", Voice::LookUp) => {
                        Voice::Description
                    }
                    _ => voice,
                };
                tell(evidence, value, language, voice);
            }
        }
        Value::Array(values) => values
            .iter()
            .for_each(|value| tell(evidence, value, language, voice)),
        Value::String(text) => evidence.take(text, language, voice),
        Value::Number(number) => evidence.take(&number.to_string(), language, voice),
        Value::Bool(_) | Value::Null => {}
    }
}

/// How stock or an order stands, where a fact says it by its name.
fn tell_state(evidence: &mut Evidence, name: &str, value: &Value) {
    match (name, value) {
        ("stage", Value::String(stage)) => evidence.add_stage(stage),
        ("outcome", Value::String(outcome)) if outcome == "in_stock" => {
            evidence.add_state(State::InStock);
        }
        ("outcome", Value::String(outcome)) if outcome == "sold_out" => {
            evidence.add_state(State::SoldOut);
        }
        ("in_stock", Value::Bool(true)) => evidence.add_state(State::InStock),
        ("in_stock", Value::Bool(false)) => evidence.add_state(State::SoldOut),
        // The sizes that can be had.
        ("sizes", Value::String(sizes)) if !sizes.is_empty() => {
            evidence.add_state(State::InStock);
        }
        ("late", Value::Bool(true)) => evidence.add_state(State::Late),
        _ => {}
    }
}
