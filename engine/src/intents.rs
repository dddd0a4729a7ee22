//! Merchants' own intents and frequently asked questions, as they write them in `intents/*.yaml`.
//!
//! ```yaml
//! - name: gift_wrapping              # lower-case letters, digits and `_`; not one of the taxonomy's
//!   definition: Whether and how an order is wrapped as a gift.
//!   label: {en: Gift wrapping}       # on a button; the name when left out
//!   examples:                        # three or more, as customers write; in any language, the more unlike the better
//!     - do you gift wrap
//!     - kann man das als geschenk verpacken
//!     - can you put a bow on it, it's a present
//!   answer:                          # said as it stands, in the customer's language; else in the shop's, else in English
//!     en: Yes. Tick “gift” in the basket, and we wrap it with a card in your words.
//! ```
//!
//! An intent without an `answer` is named in the `intents:` of one of the merchant's flows. The program learns to tell the
//! intents by their examples, when it starts and whenever a file changes.

mod taxonomy;

use std::collections::{BTreeMap, BTreeSet};

use doorstep_core::{ConfigFiles, Language, Problem, understanding::INTENTS};
use serde::Deserialize;
use serde_saphyr::Spanned;

pub use self::taxonomy::{Background, background};
use crate::{
    dialogue::press::is_name,
    yaml::{self, Entries},
};

/// Fewer examples than this tell nothing.
const LEAST_EXAMPLES: usize = 3;
/// Longest example in characters; customers' messages are shorter.
const LONGEST_EXAMPLE: usize = 1_000;

/// One intent of the merchant's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnIntent {
    /// Its name.
    pub name: String,
    /// The file that tells it, relative to the merchant's folder.
    pub file: String,
    /// The line of its name, from 1.
    pub line: usize,
    /// What it means, for people.
    pub definition: String,
    /// What customers write.
    pub examples: Vec<OwnExample>,
    /// What is answered, by language tag; empty when a flow answers.
    pub(crate) answer: BTreeMap<String, String>,
    /// What a button calls it, by language tag; English is always among them.
    pub(crate) label: BTreeMap<String, String>,
}

/// An example of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnExample {
    /// What a customer writes.
    pub text: String,
    /// Its line in the intent's file, from 1.
    pub line: usize,
}

impl OwnIntent {
    /// The name of the reply that answers it.
    pub(crate) fn reply(&self) -> String {
        format!("intent/{}", self.name)
    }

    /// The name of the reply that labels its button.
    pub(crate) fn label_reply(&self) -> String {
        format!("intent/{}/label", self.name)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIntent {
    name: Spanned<String>,
    #[serde(default)]
    definition: String,
    examples: Vec<Spanned<String>>,
    #[serde(default)]
    answer: Entries<Spanned<String>>,
    #[serde(default)]
    label: Entries<Spanned<String>>,
}

/// Reads `intents/*.yaml`.
///
/// # Errors
/// Everything that is wrong in any of the files.
pub fn load(files: &ConfigFiles) -> Result<Vec<OwnIntent>, Vec<Problem>> {
    let mut intents: Vec<OwnIntent> = Vec::new();
    let mut problems = Vec::new();
    for (file, text) in files.under("intents", "yaml") {
        if is_blank(text) {
            continue;
        }
        match yaml::read::<Vec<RawIntent>>(file, text) {
            Ok(raw) => {
                let mut reader = Reader {
                    file,
                    problems: &mut problems,
                };
                intents.extend(raw.into_iter().map(|raw| reader.intent(raw)));
            }
            Err(problem) => problems.push(problem),
        }
    }
    problems.extend(names_used_twice(&intents));
    problems.extend(examples_used_twice(&intents));
    if problems.is_empty() {
        Ok(intents)
    } else {
        Err(problems)
    }
}

/// Whether a file holds nothing but comments: its last intent was taken out.
fn is_blank(text: &str) -> bool {
    text.lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with('#'))
}

struct Reader<'a> {
    file: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn intent(&mut self, raw: RawIntent) -> OwnIntent {
        let line = yaml::line(&raw.name);
        let name = raw.name.value;
        if !is_name(&name) {
            self.problem(
                line,
                "name",
                format!("`{name}` cannot name an intent"),
                "use lower-case letters, digits and `_`",
            );
        }
        if INTENTS.contains(&name.as_str()) {
            self.problem(
                line,
                &format!("{name}.name"),
                "the built-in taxonomy has an intent of this name".to_owned(),
                "choose another name; a flow of your own can answer the built-in one",
            );
        }
        let examples = self.examples(&name, line, raw.examples);
        let answer = self.words(&format!("{name}.answer"), raw.answer);
        let mut label = self.words(&format!("{name}.label"), raw.label);
        label
            .entry("en".to_owned())
            .or_insert_with(|| readable(&name));
        OwnIntent {
            file: self.file.to_owned(),
            line,
            definition: raw.definition,
            examples,
            answer,
            label,
            name,
        }
    }

    fn examples(&mut self, name: &str, line: usize, raw: Vec<Spanned<String>>) -> Vec<OwnExample> {
        let mut examples = Vec::new();
        let mut seen = BTreeSet::new();
        for (place, example) in raw.into_iter().enumerate() {
            let at = yaml::line(&example);
            let text = example.value.trim().to_owned();
            let complaint = if text.is_empty() {
                "the example is empty"
            } else if text.chars().count() > LONGEST_EXAMPLE {
                "the example is longer than 1000 characters"
            } else if !seen.insert(text.to_lowercase()) {
                "the example stands here twice"
            } else {
                examples.push(OwnExample { text, line: at });
                continue;
            };
            self.problem(
                at,
                &format!("{name}.examples[{place}]"),
                complaint.to_owned(),
                "write what one customer would, or remove it",
            );
        }
        if examples.len() < LEAST_EXAMPLES {
            self.problem(
                line,
                &format!("{name}.examples"),
                format!("{} example(s) are too few to learn from", examples.len()),
                "write at least 3, better 10, each in other words",
            );
        }
        examples
    }

    /// Words by language.
    fn words(&mut self, field: &str, raw: Entries<Spanned<String>>) -> BTreeMap<String, String> {
        let mut words = BTreeMap::new();
        for (language, text) in raw.0 {
            let at = yaml::line(&language);
            let field = format!("{field}.{}", language.value);
            let said = text.value.trim();
            match language.value.parse::<Language>() {
                Err(error) => self.problem(
                    at,
                    &field,
                    error.to_string(),
                    "name the language of the words, like `en` or `pt-BR`",
                ),
                Ok(_) if said.is_empty() => self.problem(
                    yaml::line(&text),
                    &field,
                    "nothing is said".to_owned(),
                    "write the words, or remove the language",
                ),
                Ok(tag) => {
                    words.insert(tag.to_string(), said.to_owned());
                }
            }
        }
        words
    }

    fn problem(&mut self, line: usize, field: &str, message: String, fix: &str) {
        self.problems.push(Problem {
            file: self.file.to_owned(),
            line,
            field: field.to_owned(),
            message,
            fix: fix.to_owned(),
        });
    }
}

/// `gift_wrapping` as a button says it.
fn readable(name: &str) -> String {
    let spaced = name.replace('_', " ");
    let mut letters = spaced.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

fn names_used_twice(intents: &[OwnIntent]) -> Vec<Problem> {
    let mut seen: BTreeMap<&str, &OwnIntent> = BTreeMap::new();
    let mut problems = Vec::new();
    for intent in intents {
        if let Some(other) = seen.insert(&intent.name, intent) {
            problems.push(Problem {
                file: intent.file.clone(),
                line: intent.line,
                field: format!("{}.name", intent.name),
                message: format!(
                    "{}:{} has an intent of this name too",
                    other.file, other.line
                ),
                fix: "put their examples together, or give one another name".to_owned(),
            });
        }
    }
    problems
}

/// The same words cannot mean two things.
fn examples_used_twice(intents: &[OwnIntent]) -> Vec<Problem> {
    let mut seen: BTreeMap<String, (&OwnIntent, &OwnExample)> = BTreeMap::new();
    let mut problems = Vec::new();
    for intent in intents {
        for example in &intent.examples {
            match seen.get(&example.text.to_lowercase()) {
                Some((other, first)) if other.name != intent.name => problems.push(Problem {
                    file: intent.file.clone(),
                    line: example.line,
                    field: format!("{}.examples", intent.name),
                    message: format!(
                        "“{}” is an example of `{}` too ({}:{})",
                        example.text, other.name, other.file, first.line
                    ),
                    fix: "keep it where it belongs".to_owned(),
                }),
                Some(_) => {}
                None => {
                    seen.insert(example.text.to_lowercase(), (intent, example));
                }
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIFTS: &str = "- name: gift_wrapping
  definition: Wrapping as a gift.
  examples: [do you gift wrap, can you wrap it, \"kann man das als geschenk verpacken\"]
  answer:
    en: Yes, for {{ 3 }} euros.
    es: Sí.
";

    fn problems(files: &[(&str, &str)]) -> Vec<String> {
        let files = ConfigFiles::new(files.iter().copied());
        let problems = load(&files).err().unwrap_or_default();
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_intent_is_read_with_the_lines_of_its_examples() {
        let files = ConfigFiles::new([
            ("intents/gifts.yaml", GIFTS),
            ("intents/none.yaml", "# later\n"),
        ]);
        let intents = load(&files).unwrap();
        let [gifts] = intents.as_slice() else {
            panic!("{intents:?}")
        };
        assert_eq!((gifts.name.as_str(), gifts.line), ("gift_wrapping", 1));
        assert_eq!(gifts.examples.len(), 3);
        assert_eq!(gifts.examples[0].line, 3);
        assert_eq!(gifts.answer["en"], "Yes, for {{ 3 }} euros.");
        assert_eq!(gifts.label["en"], "Gift wrapping");
    }

    #[test]
    fn every_mistake_is_named_with_file_line_field_and_fix() {
        for (file, said) in [
            (
                "- name: refund_status\n  examples: [a b, c d, e f]\n",
                "intents/x.yaml:1: refund_status.name: the built-in taxonomy has an intent of this name; choose another \
                 name; a flow of your own can answer the built-in one",
            ),
            (
                "- name: Gifts\n  examples: [a b, c d, e f]\n",
                "intents/x.yaml:1: name: `Gifts` cannot name an intent; use lower-case letters, digits and `_`",
            ),
            (
                "- name: gifts\n  examples: [a b, A B]\n",
                "intents/x.yaml:2: gifts.examples[1]: the example stands here twice; write what one customer would, or \
                 remove it",
            ),
            (
                "- name: gifts\n  examples: [a b, c d]\n",
                "intents/x.yaml:1: gifts.examples: 2 example(s) are too few to learn from; write at least 3, better 10, \
                 each in other words",
            ),
            (
                "- name: gifts\n  examples: [a b, c d, e f]\n  answer:\n    english language: Yes\n",
                "intents/x.yaml:4: gifts.answer.english language: `english language` is not a language tag; write one \
                 like `en` or `pt-BR` (BCP 47); name the language of the words, like `en` or `pt-BR`",
            ),
            (
                "- name: gifts\n  examples: [a b, c d, e f]\n- name: bows\n  examples:\n    - g h\n    - a b\n    - i j\n",
                "intents/x.yaml:6: bows.examples: “a b” is an example of `gifts` too (intents/x.yaml:2); keep it where \
                 it belongs",
            ),
            (
                "- name: gifts\n  exmples: [a]\n",
                "intents/x.yaml:2: exmples: unknown field `exmples`, expected one of name, definition, examples, answer, label; \
                 did you mean `examples`?",
            ),
        ] {
            let told = problems(&[("intents/x.yaml", file)]);
            assert!(told.iter().any(|told| told == said), "{told:#?}");
        }
        let twice = problems(&[
            ("intents/a.yaml", GIFTS),
            (
                "intents/b.yaml",
                "- name: gift_wrapping\n  examples: [a b, c d, e f]\n",
            ),
        ]);
        assert!(
            twice[0].contains("intents/a.yaml:1 has an intent of this name too"),
            "{twice:?}"
        );
    }
}
