//! Reading a merchant's YAML so that every mistake can be named with its line and field (G8).

use std::{fmt, marker::PhantomData};

use doorstep_core::Problem;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_saphyr::Spanned;

/// Parses `text`, the content of `file`.
///
/// # Errors
/// One [`Problem`] with the place of the first mistake.
pub(crate) fn read<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Problem> {
    serde_saphyr::from_str(text).map_err(|error| problem_of(file, text, error.without_snippet()))
}

fn problem_of(file: &str, text: &str, error: &serde_saphyr::Error) -> Problem {
    let line = error
        .location()
        .map_or(0, |location| usize::try_from(location.line()).unwrap_or(0));
    let whole = error.to_string();
    let message = whole.split(" at line ").next().unwrap_or(&whole).to_owned();
    let (field, fix) = match unknown_field(&message) {
        Some((found, known)) => (found.to_owned(), suggestion(found, known.iter().copied())),
        None => (key_on_line(text, line), fix_of(&message).to_owned()),
    };
    Problem {
        file: file.to_owned(),
        line,
        field,
        message,
        fix,
    }
}

fn fix_of(message: &str) -> &'static str {
    if message.starts_with("mapping values are not allowed") {
        "a text that holds a colon goes in quotes, or on its own lines below `name: |`"
    } else {
        "correct the YAML at this line"
    }
}

/// The found and the known names in serde's "unknown field `a`, expected one of b, c".
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (found, rest) = rest.split_once('`')?;
    let known = rest.split_once("expected")?.1;
    let known = known
        .trim_start_matches(" one of ")
        .split(',')
        .map(|name| name.trim().trim_matches('`'))
        .collect();
    Some((found, known))
}

fn key_on_line(text: &str, line: usize) -> String {
    text.lines()
        .nth(line.saturating_sub(1))
        .and_then(|line| line.split_once(':'))
        .map(|(key, _)| key.trim().trim_start_matches("- ").to_owned())
        .unwrap_or_default()
}

/// The line of a value, from 1.
pub(crate) fn line<T>(value: &Spanned<T>) -> usize {
    usize::try_from(value.referenced.line()).unwrap_or(0)
}

/// What to do about a name that is not known: the nearest known one, or all of them.
pub(crate) fn suggestion<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.into_iter().collect();
    known.sort_unstable();
    let nearest = known
        .iter()
        .map(|name| (strsim::jaro_winkler(found, name), name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, name)) if likeness > 0.8 => format!("did you mean `{name}`?"),
        _ if known.is_empty() => "remove it: nothing is allowed here".to_owned(),
        _ => format!("allowed: {}", known.join(", ")),
    }
}

/// A mapping whose keys keep their lines and their order.
#[derive(Debug)]
pub(crate) struct Entries<T>(pub(crate) Vec<(Spanned<String>, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}
