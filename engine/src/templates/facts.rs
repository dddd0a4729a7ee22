//! What a template may say.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use doorstep_core::{Language, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};

/// The variables of one rendering, with the moment and the place they are told in.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    now: Timestamp,
    time_zone: Tz,
    values: BTreeMap<String, Value>,
}

impl Facts {
    /// No facts yet. `now` and `time_zone` (the customer's) decide what "today" is.
    pub fn new(now: Timestamp, time_zone: Tz) -> Self {
        Self {
            now,
            time_zone,
            values: BTreeMap::new(),
        }
    }

    /// These and one more. A value that cannot be written as JSON becomes `none`.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        self.set(name, value);
        self
    }

    /// Adds or replaces a fact.
    pub fn set(&mut self, name: impl Into<String>, value: impl Serialize) {
        let value = serde_json::to_value(value).unwrap_or_default();
        self.values.insert(name.into(), value);
    }

    /// Adds or replaces all of `other`'s facts.
    pub fn extend(&mut self, other: &BTreeMap<String, Value>) {
        self.values.extend(
            other
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
    }

    /// A fact by its name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// What the template engine sees: the facts, and `language`, `now` and `time_zone` for the filters.
    pub(super) fn context(&self, language: &Language) -> Value {
        let mut context: Map<String, Value> = self
            .values
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        context.insert("language".into(), language.to_string().into());
        context.insert("now".into(), self.now.to_rfc3339().into());
        context.insert("time_zone".into(), self.time_zone.name().into());
        Value::Object(context)
    }

    /// The dotted names of everything that can be said: `order`, `order.number`, …
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = vec!["language".into(), "now".into(), "time_zone".into()];
        for (name, value) in &self.values {
            collect_paths(name, value, &mut paths);
        }
        paths
    }
}

fn collect_paths(path: &str, value: &Value, into: &mut Vec<String>) {
    into.push(path.to_owned());
    if let Value::Object(fields) = value {
        for (name, value) in fields {
            collect_paths(&format!("{path}.{name}"), value, into);
        }
    }
}
