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
    let (field, message, fix) = match unknown_field(&message) {
        Some((found, known)) => {
            let fix = suggestion(found, known.iter().copied());
            (found.to_owned(), message.clone(), fix)
        }
        None => {
            let field = key_on_line(text, line);
            let written = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
            let (said, fix) = in_plain_words(&message, written);
            (field, said, fix.to_owned())
        }
    };
    Problem {
        file: file.to_owned(),
        line,
        field,
        message,
        fix,
    }
}

/// The reader's message for people who write no programs, and what to do. `written` is the line.
fn in_plain_words(message: &str, written: &str) -> (String, &'static str) {
    if let Some(rest) = message.strip_prefix("duplicate mapping key") {
        let key = rest.trim_start_matches([':', ' ']);
        let key = key.split(", set ").next().unwrap_or(key);
        let said = format!("`{key}` stands here a second time");
        return (said, "remove one of the two");
    }
    if let Some(field) = message.strip_prefix("missing field ") {
        return (
            format!("{field} is missing"),
            "add it; if it is there, indent it as far as the line that this begins with",
        );
    }
    let (said, fix) = match message {
        "expected sequence start" => (
            "this is no list",
            "write [one, two] behind the name, or each on a line of its own that begins with `- `",
        ),
        "expected mapping start" => (
            "there are no names with values here",
            "write each as `name: value` on a line of its own, indented alike",
        ),
        "expected string scalar" if written.contains("{{") => (
            "this is no text",
            "a text that begins with { goes in quotes: \"{{ … }}\"",
        ),
        "expected string scalar" => (
            "this is no text",
            "write one word or sentence; one with a colon goes in quotes",
        ),
        "invalid boolean" => ("this is neither true nor false", "write true or false"),
        whole if whole.starts_with("tabs disallowed") => (
            "the line begins with a tab",
            "indent with spaces: YAML takes no tabs",
        ),
        whole if is_no_number(whole) => (
            "this is no whole number",
            "write one like 3, without quotes",
        ),
        whole if whole.starts_with("mapping values are not allowed") => (
            whole,
            "a text that holds a colon goes in quotes, or on its own lines below `name: |`",
        ),
        whole => (whole, "correct the YAML at this line"),
    };
    (said.to_owned(), fix)
}

/// "invalid i64" and its like.
fn is_no_number(message: &str) -> bool {
    let kind = message.strip_prefix("invalid ").unwrap_or_default();
    let bits = kind.trim_start_matches(['i', 'u']);
    kind != bits && bits.parse::<u32>().is_ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what is said of mistakes is looked at")]
    struct Note {
        name: Spanned<String>,
        #[serde(default)]
        places: Vec<String>,
        #[serde(default)]
        many: u32,
        #[serde(default)]
        loud: bool,
    }

    #[test]
    fn a_mistake_is_told_in_words_for_people_who_write_no_programs() {
        for (text, told) in [
            (
                "name: a\nname: b\n",
                "x.yaml:2: name: `name` stands here a second time; remove one of the two",
            ),
            (
                "places: [a]\n",
                "x.yaml:1: places: `name` is missing; add it; if",
            ),
            (
                "name: a\nplaces: b\n",
                "x.yaml:2: places: this is no list; write [one, two]",
            ),
            (
                "name: {{ a }}\n",
                "x.yaml:1: name: this is no text; a text that begins with { goes in quotes",
            ),
            (
                "name: [a]\n",
                "x.yaml:1: name: this is no text; write one word",
            ),
            (
                "name: a\nmany: three\n",
                "x.yaml:2: many: this is no whole number; write one like 3",
            ),
            (
                "name: a\nloud: perhaps\n",
                "x.yaml:2: loud: this is neither true nor false; write true or false",
            ),
            (
                "name: a\nplaces:\n\t- b\n",
                "x.yaml:3: the line begins with a tab; indent with spaces",
            ),
        ] {
            let problem = read::<Note>("x.yaml", text).expect_err(text).to_string();
            assert!(problem.starts_with(told), "{text}: {problem}");
        }
    }
}
