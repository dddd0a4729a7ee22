//! The examples of `taxonomy.yaml`: what merchants' own intents are told apart from.

use doorstep_core::{ConfigFiles, Problem};
use serde::Deserialize;

use crate::yaml;

const FILE: &str = "taxonomy.yaml";

/// A message of a built-in intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Background {
    /// The intent.
    pub intent: String,
    /// What a customer writes.
    pub text: String,
}

/// Fields that only people and the training need are left alone.
#[derive(Deserialize)]
struct RawIntent {
    name: String,
    #[serde(default)]
    examples: Vec<String>,
    #[serde(default)]
    borderline: Vec<RawBorderline>,
}

#[derive(Deserialize)]
struct RawBorderline {
    text: String,
    but: String,
}

/// Reads the examples of every built-in intent, those of out-of-scope messages among them.
///
/// # Errors
/// The file is not there or cannot be read.
pub fn background(files: &ConfigFiles) -> Result<Vec<Background>, Problem> {
    let text = files.get(FILE).ok_or_else(|| Problem {
        file: FILE.to_owned(),
        line: 0,
        field: String::new(),
        message: "the taxonomy is missing".to_owned(),
        fix: "put the built-in file back".to_owned(),
    })?;
    let intents: Vec<RawIntent> = yaml::read(FILE, text)?;
    let mut background: Vec<Background> = Vec::new();
    for raw in intents {
        let own = raw
            .examples
            .into_iter()
            .map(|text| (raw.name.clone(), text));
        let others = raw.borderline.into_iter().map(|case| (case.but, case.text));
        for (intent, text) in own.chain(others) {
            if !background.iter().any(|known| known.text == text) {
                background.push(Background { intent, text });
            }
        }
    }
    Ok(background)
}

#[cfg(test)]
mod tests {
    use doorstep_core::understanding::INTENTS;

    use super::*;

    #[test]
    fn the_shipped_taxonomy_has_examples_of_every_intent() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/taxonomy.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        let background = background(&ConfigFiles::new([(FILE, text)])).unwrap();
        for intent in INTENTS {
            let examples = background.iter().filter(|example| example.intent == intent);
            assert!(examples.count() >= 3, "{intent}");
        }
        assert!(
            background
                .iter()
                .all(|example| INTENTS.contains(&example.intent.as_str()))
        );
    }
}
