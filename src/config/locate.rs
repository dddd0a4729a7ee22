//! From an error to the line that a merchant must change.

use doorstep_core::Problem;
use figment::error::{Actual, Kind};
use toml::de::{DeTable, DeValue};

use super::{DEFAULTS, Located, section_of, settings};

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

/// Top-level keys that nothing reads: of the file, of flags, and of the environment.
pub(super) fn unknown_sections(file: &Located<'_>) -> Vec<Problem> {
    let (Ok(found), Ok(defaults)) = (DeTable::parse(file.text), DeTable::parse(DEFAULTS)) else {
        return Vec::new();
    };
    let defaults = defaults.get_ref();
    let known: Vec<&str> = defaults.keys().map(|key| &**key.get_ref()).collect();
    let unknown = |place: (String, usize), field: &str| Problem {
        file: place.0,
        line: place.1,
        field: field.to_owned(),
        message: "there is no such key".to_owned(),
        fix: suggest(section_of(field), &known),
    };
    let mut problems = Vec::new();
    for key in found.get_ref().keys() {
        if !known.contains(&&**key.get_ref()) {
            let line = line_of(file.text, key.span().start);
            problems.push(unknown((file.name.clone(), line), key.get_ref()));
        }
    }
    for (key, _) in &file.sources.flags {
        if !known.contains(&section_of(key)) {
            problems.push(unknown((format!("--set {key}"), 0), key));
        }
    }
    if file.sources.environment {
        for (key, _) in settings().iter() {
            let key = key.as_str();
            let variable = variable_of(key);
            if known.contains(&section_of(key)) {
                continue;
            }
            if key.contains('.') {
                problems.push(unknown((variable, 0), key));
            } else if let Some(meant) = joined(key, defaults) {
                problems.push(Problem {
                    file: variable,
                    line: 0,
                    field: key.to_owned(),
                    message: "there is no such key".to_owned(),
                    fix: format!("two underscores stand between section and key: {meant}"),
                });
            }
        }
    }
    problems
}

/// The variable that a name with one underscore too few was meant to be, `http_listen`. All else without two underscores is
/// left alone: others name variables like this program too (Kubernetes does, after a service).
fn joined(name: &str, defaults: &DeTable<'_>) -> Option<String> {
    defaults.iter().find_map(|(section, value)| {
        let section = section.get_ref();
        let key = name.strip_prefix(&**section)?.strip_prefix('_')?;
        let DeValue::Table(keys) = value.get_ref() else {
            return None;
        };
        keys.iter()
            .any(|(known, _)| known.get_ref() == key)
            .then(|| format!("DOORSTEP_{section}__{key}").to_uppercase())
    })
}

/// How problems name the environment variable of a dotted key.
fn variable_of(key: &str) -> String {
    let name = key.replace('.', "__").to_uppercase();
    format!("environment variable DOORSTEP_{name}")
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

/// Where a value was set: the flag, the environment variable, or the file and the line.
pub(super) fn place(file: &Located<'_>, path: &[String]) -> (String, usize) {
    let path_of_key = |key: &str| key.split('.').map(str::to_owned).collect::<Vec<_>>();
    let mut flags = file.sources.flags.iter().rev();
    // What a flag sets may be a table.
    if let Some((key, _)) = flags.find(|(key, _)| path.starts_with(&path_of_key(key))) {
        return (format!("--set {key}"), 0);
    }
    let key = path.join(".");
    let is_set = || settings().iter().any(|(name, _)| name.as_str() == key);
    if file.sources.environment && is_set() {
        return (variable_of(&key), 0);
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
