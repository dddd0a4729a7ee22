//! From an error to the line that a merchant must change.

use doorstep_core::Problem;
use figment::error::{Actual, Kind};
use toml::de::{DeTable, DeValue};

use super::{DEFAULTS, Located};

/// A TOML syntax error as a problem.
pub(super) fn syntax_error(file: &Located<'_>) -> Option<Problem> {
    let error = DeTable::parse(file.text).err()?;
    let line = error
        .span()
        .map_or(0, |span| line_of(file.text, span.start));
    Some(Problem {
        file: file.name.clone(),
        line,
        field: String::new(),
        message: format!("this is not TOML: {}", error.message()),
        fix: "correct the line; a value is text in quotes, a number, true, false or [a list]"
            .to_owned(),
    })
}

/// Top-level keys that nothing reads.
pub(super) fn unknown_sections(file: &Located<'_>) -> Vec<Problem> {
    let (Ok(found), Ok(defaults)) = (DeTable::parse(file.text), DeTable::parse(DEFAULTS)) else {
        return Vec::new();
    };
    let known: Vec<&str> = defaults
        .get_ref()
        .keys()
        .map(|key| &**key.get_ref())
        .collect();
    found
        .get_ref()
        .keys()
        .filter(|key| !known.contains(&&**key.get_ref()))
        .map(|key| Problem {
            file: file.name.clone(),
            line: line_of(file.text, key.span().start),
            field: key.get_ref().to_string(),
            message: "there is no such key".to_owned(),
            fix: suggest(key.get_ref(), &known),
        })
        .collect()
}

/// A figment error below `section` as a problem.
pub(super) fn problem(error: &figment::Error, section: &str, file: &Located<'_>) -> Problem {
    let mut path = path_of(error, section);
    let (message, fix) = explain(&error.kind, &mut path);
    let field = path.join(".");
    let (file, line) = place(file, &path);
    Problem {
        file,
        line,
        field,
        message,
        fix,
    }
}

/// Where the error is. Figment tells the place inside the section first and the section after it.
fn path_of(error: &figment::Error, section: &str) -> Vec<String> {
    let section: Vec<String> = section.split('.').map(str::to_owned).collect();
    let inside = error
        .path
        .strip_suffix(section.as_slice())
        .unwrap_or(&error.path);
    section.iter().chain(inside).cloned().collect()
}

/// What is wrong and what to do. An unknown field is added to the path.
fn explain(kind: &Kind, path: &mut Vec<String>) -> (String, String) {
    match kind {
        Kind::UnknownField(found, known) => {
            if path.last() != Some(found) {
                path.push(found.clone());
            }
            ("there is no such key".to_owned(), suggest(found, known))
        }
        Kind::UnknownVariant(found, known) => (
            format!("`{found}` is not a choice here"),
            suggest(found, known),
        ),
        Kind::MissingField(field) => {
            path.push(field.to_string());
            (
                "this key is missing".to_owned(),
                "add it; default.toml says what it means".to_owned(),
            )
        }
        Kind::InvalidType(found, expected) => (
            format!("found {}", shown(found)),
            format!("write {expected}"),
        ),
        Kind::InvalidValue(found, expected) => (
            format!("found {}", shown(found)),
            format!("write {expected}"),
        ),
        other => (
            other.to_string(),
            "see the key's comment in default.toml".to_owned(),
        ),
    }
}

fn shown(found: &Actual) -> String {
    match found {
        Actual::Str(text) => format!("the text \"{text}\""),
        other => other.to_string(),
    }
}

/// The file (or the environment variable) and the line of a path.
fn place(file: &Located<'_>, path: &[String]) -> (String, usize) {
    let variable = format!("DOORSTEP_{}", path.join("__").to_uppercase());
    if std::env::var_os(&variable).is_some() {
        return (format!("environment variable {variable}"), 0);
    }
    (file.name.clone(), line_of_key(file.text, path))
}

/// The line of the deepest part of a dotted path that the text holds; 0 when it holds none.
pub(super) fn line_of_key(text: &str, path: &[String]) -> usize {
    let Ok(document) = DeTable::parse(text) else {
        return 0;
    };
    let mut table = document.get_ref();
    let mut line = 0;
    for part in path {
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == part.as_str())
        else {
            break;
        };
        line = line_of(text, key.span().start);
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    line
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())]
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count()
        + 1
}

/// The nearest known word, or all of them.
pub(super) fn suggest<T: AsRef<str>>(found: &str, known: &[T]) -> String {
    let nearest = known
        .iter()
        .map(|word| (strsim::jaro_winkler(found, word.as_ref()), word.as_ref()))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((_, word)) => format!("did you mean `{word}`?"),
        None => {
            let words: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
            format!("known here: {}", words.join(", "))
        }
    }
}
