//! Where settings come from, one layer over the other: defaults ← file ← environment ← flags.

use figment::{
    providers::Env,
    util::nest,
    value::{Dict, Value},
};

use super::{DEFAULTS, Sources};

/// What ends the name of a key whose value stands in a file: `password_file` names the file of `password`.
pub(super) const IN_FILE: &str = "_file";

/// The embedded defaults.
pub(super) fn defaults() -> Dict {
    dict_of(DEFAULTS)
}

/// All layers put together. `text` is TOML; that was made sure before.
pub(super) fn merged(text: &str, environment: Option<&Env>, sources: &Sources) -> Dict {
    let mut settings = defaults();
    put_over(&mut settings, dict_of(text));
    if let Some(environment) = environment {
        put_over(&mut settings, of_environment(environment));
    }
    for (key, value) in &sources.flags {
        put_over(&mut settings, nested(key, of_flag(value)));
    }
    settings
}

/// Puts one layer over others. A value that it sets is not asked of a file that a lower layer names.
fn put_over(below: &mut Dict, above: Dict) {
    for (key, value) in above {
        if !key.ends_with(IN_FILE) {
            below.remove(&format!("{key}{IN_FILE}"));
        }
        match (below.get_mut(&key), value) {
            (Some(Value::Dict(_, inner)), Value::Dict(_, value)) => put_over(inner, value),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

fn dict_of(text: &str) -> Dict {
    let table: toml::Table = toml::from_str(text).unwrap_or_default();
    let value = Value::serialize(table).ok();
    value.and_then(Value::into_dict).unwrap_or_default()
}

fn of_environment(environment: &Env) -> Dict {
    let mut variables: Vec<(String, String)> = environment
        .iter()
        .map(|(key, text)| (key.as_str().to_owned(), text))
        .collect();
    // Else it would be left to chance which of a variable and that of its file counts.
    variables.sort();
    let mut layer = Dict::new();
    for (key, text) in variables {
        let Ok(value) = text.parse::<Value>();
        put_over(&mut layer, nested(&key, value));
    }
    layer
}

/// A dotted key with its value, as tables in tables.
fn nested(key: &str, value: Value) -> Dict {
    nest(key, value).into_dict().unwrap_or_default()
}

/// A flag's value as TOML where it reads as TOML (`8`, `true`, `["a"]`), else as text.
fn of_flag(text: &str) -> Value {
    let read = toml::from_str::<toml::Table>(&format!("value = {text}"));
    let value = read.ok().and_then(|mut table| table.remove("value"));
    value
        .and_then(|value| Value::serialize(value).ok())
        .unwrap_or_else(|| Value::from(text))
}

/// The text that a flag or a variable holds for a dotted key, before it was read as a number or a list.
pub(super) fn text_of(
    path: &[String],
    environment: Option<&Env>,
    sources: &Sources,
) -> Option<String> {
    let key = path.join(".");
    let flag = sources.flags.iter().rev().find(|(name, _)| *name == key);
    if let Some((_, text)) = flag {
        return Some(text.trim().to_owned());
    }
    let mut variables = environment?.iter();
    let variable = variables.find(|(name, _)| name.as_str() == key);
    variable.map(|(_, text)| text.trim().to_owned())
}

/// The value at a path of tables.
pub(super) fn at<'a>(settings: &'a Dict, path: &[String]) -> Option<&'a Value> {
    let (last, tables) = path.split_last()?;
    let mut table = settings;
    for part in tables {
        table = table.get(part)?.as_dict()?;
    }
    table.get(last)
}

/// Sets or removes the value at a path; whether its table is there.
pub(super) fn set(settings: &mut Dict, path: &[String], value: Option<Value>) -> bool {
    let Some((last, tables)) = path.split_last() else {
        return false;
    };
    let mut table = settings;
    for part in tables {
        match table.get_mut(part) {
            Some(Value::Dict(_, inner)) => table = inner,
            _ => return false,
        }
    }
    match value {
        Some(value) => {
            table.insert(last.clone(), value);
            true
        }
        None => table.remove(last).is_some(),
    }
}
