//! From an error to the line that a merchant must change.

use std::collections::BTreeSet;

use doorstep_core::Problem;
use figment::error::{Actual, Kind};
use toml::de::{DeTable, DeValue};

use super::{DEFAULTS, Located, layers::IN_FILE, section_of, settings};

/// A TOML syntax error as a problem.
pub(super) fn syntax_error(file: &Located<'_>) -> Option<Problem> {
    // The first does not look at numbers, which may be too large.
    let error = DeTable::parse(file.text).err();
    let error = error.or_else(|| toml::from_str::<toml::Table>(file.text).err())?;
    let line = error
        .span()
        .map_or(0, |span| line_of(file.text, span.start));
    let (message, fix) = match error.message() {
        "duplicate key" => {
            let key = error.span().and_then(|span| file.text.get(span));
            (
                format!("`{}` stands here a second time", key.unwrap_or_default()),
                "put all of it in one place",
            )
        }
        other => (
            format!("this is not TOML: {other}"),
            "correct the line; a value is text in quotes, a number, true, false or [a list]",
        ),
    };
    Some(Problem {
        file: file.name.clone(),
        line,
        field: String::new(),
        message,
        fix: fix.to_owned(),
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

/// A mistake in a section.
pub(super) struct Mistake {
    /// The key that is meant, as the section knows it.
    pub(super) path: Vec<String>,
    /// Whether the key is not there.
    pub(super) is_missing: bool,
    /// Whether nobody reads the key.
    is_unknown: bool,
    /// What is said of it.
    pub(super) problem: Problem,
}

impl Mistake {
    /// Whether it is one only because of `earlier`, whose key was put aside: the same key, or the key that was meant.
    pub(super) fn follows_from(&self, earlier: &Self) -> bool {
        let is_meant = self.is_missing
            && earlier.is_unknown
            && table_of(&self.path) == table_of(&earlier.path);
        let is_gone = self.is_missing && earlier.path.starts_with(&self.path);
        self.path == earlier.path || is_meant || is_gone
    }
}

fn table_of(path: &[String]) -> &[String] {
    path.split_last().map_or(path, |(_, table)| table)
}

/// What an error says that reading found at a path.
pub(super) fn mistake(
    kind: &Kind,
    mut path: Vec<String>,
    file: &Located<'_>,
    from_files: &BTreeSet<Vec<String>>,
) -> Mistake {
    if let Kind::UnknownField(found, _) = kind
        && path.last() != Some(found)
    {
        path.push(found.clone());
    }
    if let Kind::MissingField(field) = kind {
        path.push(field.to_string());
    }
    let in_file = from_files.contains(&path);
    let (message, fix) = explain(kind, in_file);
    let written = as_written(&path, from_files);
    let (name, line) = place(file, &written);
    Mistake {
        is_missing: matches!(kind, Kind::MissingField(_)),
        is_unknown: matches!(kind, Kind::UnknownField(..)),
        problem: Problem {
            file: name,
            line,
            field: written.join("."),
            message,
            fix,
        },
        path,
    }
}

/// The path as somebody wrote it: `password_file` where the value stands in a file.
pub(super) fn as_written(path: &[String], from_files: &BTreeSet<Vec<String>>) -> Vec<String> {
    let mut written = path.to_vec();
    if let Some(last) = written.last_mut().filter(|_| from_files.contains(path)) {
        last.push_str(IN_FILE);
    }
    written
}

/// What is wrong and what to do. `in_file`: the value stands in a file of its own, which is a secret's place.
fn explain(kind: &Kind, in_file: bool) -> (String, String) {
    match kind {
        Kind::UnknownField(found, known) => {
            let fix = match nearest(found, known) {
                Some(word) if in_file => format!("did you mean `{word}{IN_FILE}`?"),
                _ => suggest(found, known),
            };
            ("there is no such key".to_owned(), fix)
        }
        Kind::UnknownVariant(..) if in_file => (
            "what the file holds is not a choice here".to_owned(),
            "write it here and not into a file; the key's comment in default.toml names the choices".to_owned(),
        ),
        Kind::UnknownVariant(found, known) => (
            format!("`{found}` is not a choice here"),
            suggest(found, known),
        ),
        Kind::MissingField(_) => (
            "this key is missing".to_owned(),
            "add it; default.toml says what it means".to_owned(),
        ),
        Kind::InvalidType(found, wanted) | Kind::InvalidValue(found, wanted) => (
            format!("found {}", shown(found, wanted, in_file)),
            format!("write {}", in_words(wanted)),
        ),
        Kind::Message(_) if in_file => (
            "what the file holds cannot be used here".to_owned(),
            "see the key's comment in default.toml".to_owned(),
        ),
        other => {
            let told = other.to_string();
            match told.strip_prefix("failed to parse timezone: ") {
                Some(zone) => (
                    format!("there is no time zone `{}`", zone.trim_matches('\'')),
                    "write one by its IANA name, like `Europe/Madrid`".to_owned(),
                ),
                None => (told, "see the key's comment in default.toml".to_owned()),
            }
        }
    }
}

/// Whether text is wanted, as serde tells it.
pub(super) fn is_text(wanted: &str) -> bool {
    wanted.contains("string")
}

fn is_table(wanted: &str) -> bool {
    wanted.starts_with("struct") || wanted.contains("map")
}

/// What was found. Where text or a table is wanted it may be a secret in the wrong place or of an unexpected form, and is
/// not shown.
fn shown(found: &Actual, wanted: &str, in_file: bool) -> String {
    let may_be_secret = in_file || is_text(wanted) || is_table(wanted);
    match found {
        Actual::Str(_) | Actual::Char(_) if may_be_secret => "text".to_owned(),
        Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) if may_be_secret => {
            "a number".to_owned()
        }
        Actual::Str(text) => format!("the text \"{text}\""),
        Actual::Char(text) => format!("the text \"{text}\""),
        Actual::Unsigned(number) => format!("the number {number}"),
        Actual::Signed(number) => format!("the number {number}"),
        Actual::Float(number) => format!("the number {number}"),
        Actual::Bool(_) => "true or false".to_owned(),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        _ => "something else".to_owned(),
    }
}

/// What is wanted, in a merchant's words instead of the program's types.
fn in_words(wanted: &str) -> String {
    let words = match wanted {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535, such as 20",
        "u32" | "u64" | "u128" | "usize" => "a whole number, such as 20",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number, such as 20 or -1",
        "f32" | "f64" => "a number, such as 0.5",
        "a boolean" => "true or false",
        "socket address" => "an address and a port in quotes, such as \"127.0.0.1:8080\"",
        wanted if wanted.contains("sequence") => "a list, such as [\"one\", \"two\"]",
        wanted if is_table(wanted) => "a section with keys of its own, as default.toml shows it",
        wanted if is_text(wanted) => "text in quotes, such as \"words\"",
        _ => "what the key's comment in default.toml names",
    };
    words.to_owned()
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

fn nearest<'a, T: AsRef<str>>(found: &str, known: &'a [T]) -> Option<&'a str> {
    let (_, word) = known
        .iter()
        .map(|word| (strsim::jaro_winkler(found, word.as_ref()), word.as_ref()))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(word)
}

/// The nearest known word, or all of them.
pub(crate) fn suggest<T: AsRef<str>>(found: &str, known: &[T]) -> String {
    match nearest(found, known) {
        Some(word) => format!("did you mean `{word}`?"),
        None => {
            let words: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
            format!("known here: {}", words.join(", "))
        }
    }
}
