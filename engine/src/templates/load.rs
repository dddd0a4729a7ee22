//! From files to compiled templates.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use doorstep_core::{ConfigFiles, Language, Problem};
use minijinja::{Environment, UndefinedBehavior, escape_formatter, syntax::SyntaxConfig};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    Glossary, Key, Kind, Place, Templates,
    approved::{self, ApprovedForm},
    filters::{self, NearDayNames},
    lint,
};
use crate::{intents, yaml};

/// Where the built-in replies of a language stand that has a file of the merchant's: it replaces them sentence by sentence, so
/// that whoever changes one need not copy, and keep up with, all the others.
const BUILT_IN_REPLIES: &str = "built-in/replies";

/// A template before it is compiled.
struct Source {
    key: Key,
    place: Place,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontMatter {
    subject: Spanned<String>,
    approved: Option<Spanned<approved::Section>>,
}

pub(super) fn load(
    files: &ConfigFiles,
    default_language: &Language,
) -> Result<Templates, Vec<Problem>> {
    let mut sources = Vec::new();
    let mut problems = Vec::new();
    for (file, text) in files.under("replies", "yaml") {
        collect(read_replies(file, text), &mut sources, &mut problems);
    }
    let mut built_in = Vec::new();
    for (file, text) in files.under(BUILT_IN_REPLIES, "yaml") {
        collect(read_replies(file, text), &mut built_in, &mut problems);
    }
    let own: BTreeSet<Key> = sources.iter().map(|source| source.key.clone()).collect();
    built_in.retain(|source| !own.contains(&source.key));
    sources.append(&mut built_in);
    let mut approved = BTreeMap::new();
    for (file, text) in files.under("templates", "md") {
        let read = read_notification(file, text, &mut approved);
        collect(read, &mut sources, &mut problems);
    }
    if problems.is_empty() && !speaks(&sources, default_language) {
        problems.push(no_default_language(default_language));
    }
    let glossary = Glossary::load(files).unwrap_or_else(|mut found| {
        problems.append(&mut found);
        Glossary::default()
    });
    let mut environment = new_environment();
    filters::add_to(&mut environment, Arc::new(near_days(&sources)));
    let mut places = BTreeMap::new();
    for source in sources {
        match lint::compile(&mut environment, &source.key, &source.place, source.text) {
            Ok(()) => {
                places.insert(source.key, source.place);
            }
            Err(mut found) => problems.append(&mut found),
        }
    }
    if problems.is_empty() {
        let mut strict = environment.clone();
        strict.set_formatter(lint::write_text_alone);
        Ok(Templates {
            environment,
            strict,
            default_language: default_language.clone(),
            places,
            approved,
            fixed: fixed(files),
            glossary,
        })
    } else {
        Err(problems)
    }
}

/// What merchants wrote for their own intents. Mistakes there are told when the flows are loaded.
fn fixed(files: &ConfigFiles) -> BTreeMap<String, BTreeMap<String, String>> {
    let own = intents::load(files).unwrap_or_default();
    own.into_iter()
        .flat_map(|intent| {
            [
                (intent.reply(), intent.answer.clone()),
                (intent.label_reply(), intent.label.clone()),
            ]
        })
        .collect()
}

fn collect(
    read: Result<Vec<Source>, Problem>,
    sources: &mut Vec<Source>,
    problems: &mut Vec<Problem>,
) {
    match read {
        Ok(mut found) => sources.append(&mut found),
        Err(problem) => problems.push(problem),
    }
}

/// Control lines leave no trace, so that a reply reads as it is laid out; nor does what is nothing: no customer reads "None".
fn new_environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build();
    environment.set_syntax(syntax.unwrap_or_default());
    environment.set_formatter(|out, state, value| match value.is_none() {
        true => Ok(()),
        false => escape_formatter(out, state, value),
    });
    environment
}

fn read_replies(file: &str, text: &str) -> Result<Vec<Source>, Problem> {
    let stem = file.rsplit('/').next().unwrap_or(file);
    let language = language_tag(file, stem.trim_end_matches(".yaml"))?;
    let replies: yaml::Entries<Spanned<String>> = yaml::read(file, text)?;
    let source = |(name, text): (Spanned<String>, Spanned<String>)| Source {
        key: Key::new(Kind::Reply, &language, &name.value),
        place: Place {
            file: file.to_owned(),
            first_line: yaml::line(&text),
            field: name.value,
        },
        text: text.value,
    };
    Ok(replies.0.into_iter().map(source).collect())
}

fn read_notification(
    file: &str,
    text: &str,
    forms: &mut BTreeMap<Key, ApprovedForm>,
) -> Result<Vec<Source>, Problem> {
    let stem = file.rsplit('/').next().unwrap_or(file);
    let (name, tag) = stem
        .trim_end_matches(".md")
        .rsplit_once('.')
        .ok_or_else(|| Problem {
            file: file.to_owned(),
            line: 0,
            field: "file name".into(),
            message: "the file name does not name a language".into(),
            fix: "name it like `delayed.en.md`".into(),
        })?;
    let language = language_tag(file, tag)?;
    let (front, body) = front_matter(text).ok_or_else(|| Problem {
        file: file.to_owned(),
        line: 1,
        field: "subject".into(),
        message: "the file does not begin with front matter".into(),
        fix: "begin with a line `---`, a line `subject: …` and a line `---`".into(),
    })?;
    let body_line = front.lines().count() + 3;
    if body.trim().is_empty() {
        return Err(Problem {
            file: file.to_owned(),
            line: body_line,
            field: "text".into(),
            message: "there is no text".into(),
            fix:
                "write below the second `---` what customers read; to tell nothing, remove the rule"
                    .into(),
        });
    }
    let FrontMatter { subject, approved } = yaml::read(file, front).map_err(|problem| Problem {
        line: problem.line + 1,
        ..problem
    })?;
    let source = |kind, first_line, field: &str, text: String| Source {
        key: Key::new(kind, &language, name),
        place: Place {
            file: file.to_owned(),
            first_line,
            field: field.to_owned(),
        },
        text,
    };
    let mut sources = vec![
        source(
            Kind::Subject,
            yaml::line(&subject) + 1,
            "subject",
            subject.value,
        ),
        source(Kind::Body, body_line, "text", body.to_owned()),
    ];
    if let Some(section) = approved {
        let line = yaml::line(&section) + 1;
        let form = ApprovedForm::new(file, line, &language, &section.value);
        let parameters = section.value.in_one();
        sources.push(source(Kind::Approved, line, "approved", parameters));
        forms.insert(Key::new(Kind::Approved, &language, name), form);
    }
    Ok(sources)
}

/// What stands between the two `---` lines, and what follows.
fn front_matter(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("---\n")?;
    let end = rest.find("\n---\n")?;
    Some((&rest[..=end], &rest[end + 5..]))
}

pub(crate) fn language_tag(file: &str, tag: &str) -> Result<String, Problem> {
    tag.parse::<Language>()
        .map(|language| language.to_string())
        .map_err(|error| Problem {
            file: file.to_owned(),
            line: 0,
            field: "file name".into(),
            message: error.to_string(),
            fix: "name the language in the file name, like `en` or `pt-BR`".into(),
        })
}

fn speaks(sources: &[Source], language: &Language) -> bool {
    sources.iter().any(|source| {
        source.key.kind == Kind::Reply
            && (source.key.language == language.to_string()
                || source.key.language == language.primary())
    })
}

fn no_default_language(language: &Language) -> Problem {
    Problem {
        file: format!("replies/{}.yaml", language.primary()),
        line: 0,
        field: "default_language".into(),
        message: format!("the shop's default language `{language}` has no replies"),
        fix: "add this file (copy replies/en.yaml) or choose another default language".into(),
    }
}

fn near_days(sources: &[Source]) -> BTreeMap<String, NearDayNames> {
    let reply = |language: &str, name: &str| {
        sources
            .iter()
            .find(|source| source.key == Key::new(Kind::Reply, language, name))
            .map(|source| source.text.trim().to_owned())
    };
    let mut names = BTreeMap::new();
    for source in sources {
        let language = &source.key.language;
        if let (Some(today), Some(tomorrow)) =
            (reply(language, "today"), reply(language, "tomorrow"))
        {
            names.insert(language.clone(), NearDayNames { today, tomorrow });
        }
    }
    names
}
