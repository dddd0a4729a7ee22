//! Finding mistakes in templates before a customer does.

use std::collections::{BTreeMap, BTreeSet};

use doorstep_core::Problem;
use minijinja::{
    Environment, Error, ErrorKind, Output, State, Value, escape_formatter,
    value::{Serde, ValueKind},
};

use super::{Facts, Key, Kind, Place, Templates, filters};
use crate::yaml::suggestion;

/// minijinja's own filters that are worth suggesting.
const COMMON_FILTERS: [&str; 12] = [
    "default", "first", "indent", "join", "last", "length", "lower", "replace", "round", "title",
    "trim", "upper",
];

/// Adds a template to the environment.
///
/// Syntax errors come from minijinja; it looks filters and tests up only when they run, so their names are read off the
/// text here, also in branches that the samples do not reach.
pub(super) fn compile(
    environment: &mut Environment<'static>,
    key: &Key,
    place: &Place,
    text: String,
) -> Result<(), Vec<Problem>> {
    let unknown = unknown_names(environment, &text);
    if !unknown.is_empty() {
        return Err(unknown
            .into_iter()
            .map(|name| name.problem(place))
            .collect());
    }
    environment
        .add_template_owned(key.path(), text)
        .map_err(|error| {
            vec![problem_of(
                place,
                &error,
                "correct the template at this line",
            )]
        })
}

/// A filter or test that does not exist.
struct UnknownName {
    what: &'static str,
    name: String,
    line: usize,
}

impl UnknownName {
    fn problem(self, place: &Place) -> Problem {
        let known: Vec<&str> = match self.what {
            "filter" => filters::NAMES.into_iter().chain(COMMON_FILTERS).collect(),
            _ => vec![
                "defined", "none", "true", "false", "in", "eq", "string", "number",
            ],
        };
        Problem {
            file: place.file.clone(),
            line: place.first_line + self.line,
            field: place.field.clone(),
            message: format!("the {} `{}` does not exist", self.what, self.name),
            fix: suggestion(&self.name, known),
        }
    }
}

fn unknown_names(environment: &Environment<'_>, text: &str) -> Vec<UnknownName> {
    let mut state = environment.empty_state();
    let mut unknown = Vec::new();
    for (line, words) in expressions(text) {
        for pair in words.windows(2) {
            let name = pair[1].as_str();
            if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
                continue;
            }
            let what = match pair[0].as_str() {
                "|" if !filter_exists(&mut state, name) => "filter",
                "is" if name != "not" && !test_exists(&mut state, name) => "test",
                _ => continue,
            };
            unknown.push(UnknownName {
                what,
                name: name.to_owned(),
                line,
            });
        }
    }
    unknown
}

fn filter_exists(state: &mut State<'_, '_>, name: &str) -> bool {
    !matches!(state.apply_filter(name, &[]), Err(error) if error.kind() == ErrorKind::UnknownFilter)
}

fn test_exists(state: &mut State<'_, '_>, name: &str) -> bool {
    !matches!(state.perform_test(name, &[]), Err(error) if error.kind() == ErrorKind::UnknownTest)
}

/// The words and signs of every `{{ … }}` and `{% … %}` with the line they begin on (from 0); strings are left out.
fn expressions(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = ["{{", "{%"].iter().filter_map(|open| rest.find(open)).min() {
        let close = if rest[start..].starts_with("{{") {
            "}}"
        } else {
            "%}"
        };
        let inner = &rest[start + 2..];
        let end = inner.find(close).unwrap_or(inner.len());
        let offset = text.len() - inner.len();
        let line = text[..offset].matches('\n').count();
        found.push((line, words(&inner[..end])));
        rest = &inner[end..];
    }
    found
}

fn words(expression: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut quote = None;
    let mut joins = false;
    for c in expression.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                words.push("\"".into());
                joins = false;
            }
            None if c.is_alphanumeric() || c == '_' || c == '.' => {
                match words.last_mut() {
                    Some(word) if joins => word.push(c),
                    _ => words.push(c.into()),
                }
                joins = true;
            }
            None => {
                if !c.is_whitespace() {
                    words.push(c.into());
                }
                joins = false;
            }
        }
    }
    words
}

/// Fills a template in with every sample, in every language, and compares all variables with what the samples have.
pub(super) fn check(
    templates: &Templates,
    kinds: &[Kind],
    name: &str,
    samples: &[Facts],
) -> Vec<Problem> {
    let known: BTreeSet<String> = samples.iter().flat_map(Facts::paths).collect();
    let mut problems = Vec::new();
    for (key, place) in &templates.places {
        if kinds.contains(&key.kind) && key.name == name {
            let unknown = unknown_variables(templates, key, place, &known);
            if unknown.is_empty() {
                problems.extend(failing_sample(templates, key, place, samples, &known));
            }
            problems.extend(unknown);
        }
    }
    problems
}

fn unknown_variables(
    templates: &Templates,
    key: &Key,
    place: &Place,
    known: &BTreeSet<String>,
) -> Vec<Problem> {
    let Ok(template) = templates.environment.get_template(&key.path()) else {
        return Vec::new();
    };
    let mut by_line = BTreeMap::new();
    for variable in template.undeclared_variables(true) {
        if !known.contains(&variable) {
            let line = line_of(template.source(), &variable);
            by_line.insert((line, variable.clone()), variable);
        }
    }
    by_line
        .into_iter()
        .map(|((line, _), variable)| Problem {
            file: place.file.clone(),
            line: place.first_line + line,
            field: place.field.clone(),
            message: format!("the variable `{variable}` does not exist here"),
            fix: suggestion(&variable, known.iter().map(String::as_str)),
        })
        .collect()
}

/// The first line (from 0) that holds `variable`.
fn line_of(source: &str, variable: &str) -> usize {
    source
        .lines()
        .position(|line| line.contains(variable))
        .unwrap_or(0)
}

fn failing_sample(
    templates: &Templates,
    key: &Key,
    place: &Place,
    samples: &[Facts],
    known: &BTreeSet<String>,
) -> Option<Problem> {
    let environment = match key.kind {
        // Samples of replies are wider than what can be: there, nothing is left out instead.
        Kind::Reply => &templates.environment,
        Kind::Subject | Kind::Body | Kind::Approved => &templates.strict,
    };
    let template = environment.get_template(&key.path()).ok()?;
    let language = key.language.parse().ok()?;
    let (facts, error) = samples.iter().find_map(|sample| {
        let facts = sample.context(&language);
        let error = template.render(Serde(&facts)).err()?;
        Some((facts, error))
    })?;
    let fix = match error.kind() {
        ErrorKind::UndefinedError => format!(
            "use one of: {}",
            known.iter().cloned().collect::<Vec<_>>().join(", ")
        ),
        _ => "some facts can be missing (`none`): ask `{% if … %}` before using them".to_owned(),
    };
    let problem = problem_of(place, &error, &fix);
    Some(match error.detail() {
        Some(NOTHING) => nothing(problem, culprit(template.source(), &error, &facts)),
        Some(NO_TEXT) => no_text(problem, culprit(template.source(), &error, &facts)),
        _ => problem,
    })
}

/// What [`write_text_alone`] says of a fact that this event or customer does not have.
const NOTHING: &str = "a fact is nothing";
/// What [`write_text_alone`] says of a list or of what a filter has to write.
const NO_TEXT: &str = "a fact is no text";

/// Writes texts and numbers, and refuses what a customer could not read.
pub(super) fn write_text_alone(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    let reason = match value.kind() {
        ValueKind::None => NOTHING,
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => NO_TEXT,
        _ => return escape_formatter(out, state, value),
    };
    Err(Error::new(ErrorKind::InvalidOperation, reason))
}

fn nothing(problem: Problem, name: Option<&str>) -> Problem {
    let message = match name {
        Some(name) => format!("`{name}` can be missing, and nothing would stand in its place"),
        None => "what is written here can be missing".to_owned(),
    };
    let name = name.unwrap_or("…");
    Problem {
        message,
        fix: format!(
            "ask first: {{% if {name} %}}… {{{{ {name} }}}} …{{% endif %}}, or write {{{{ {name} or \"other words\" }}}}"
        ),
        ..problem
    }
}

fn no_text(problem: Problem, name: Option<&str>) -> Problem {
    let name = name.map_or_else(
        || "what is written here".to_owned(),
        |name| format!("`{name}`"),
    );
    Problem {
        message: format!("{name} is no text that a customer could read"),
        fix: "a filter writes days and money, as in {{ window | window }} and {{ order.total | money }}; a list is gone \
              through: {% for item in order.items %}{{ item.quantity }} {{ item.title }} {% endfor %}"
            .to_owned(),
        ..problem
    }
}

/// The fact that is written as it is on the line of the error, and is nothing or no text.
fn culprit<'a>(source: &'a str, error: &Error, facts: &serde_json::Value) -> Option<&'a str> {
    let line = source.lines().nth(error.line()?.checked_sub(1)?)?;
    let written = line.split("{{").skip(1);
    let mut names = written.filter_map(|rest| Some(rest.split_once("}}")?.0.trim()));
    names.find(|name| {
        let value = name
            .split('.')
            .try_fold(facts, |value, part| value.get(part));
        value.is_some_and(|value| value.is_null() || value.is_array() || value.is_object())
    })
}

fn problem_of(place: &Place, error: &minijinja::Error, fix: &str) -> Problem {
    Problem {
        file: place.file.clone(),
        line: place.first_line + error.line().unwrap_or(1).saturating_sub(1),
        field: place.field.clone(),
        message: error
            .detail()
            .map_or_else(|| error.kind().to_string(), str::to_owned),
        fix: fix.to_owned(),
    }
}
