//! The words, as merchants edit them: minijinja templates, one set a language.
//!
//! - `replies/<language>.yaml`: what the chat answers, name → text; a merchant's file replaces sentence by sentence.
//! - `glossary/<language>.yaml`: what customers call things, in the catalog's words;
//!   `dictionary/*.tsv`: the same in general, for catalogs in English.
//! - `templates/<name>.<language>.md`: what we tell unasked. Front matter with `subject:`, then the text. Where a provider lets
//!   us write first only in words that it approved, `approved:` names its template and what fills it (`approved.rs`).
//!
//! A language falls back: full tag → primary subtag → the shop's default language → English. Variables are strict: an
//! unknown one is an error, found when the files are loaded, because every use of a template is checked against sample
//! facts of the code that uses it ([`Templates::check_reply`], [`Templates::check_notification`]). The filters are in
//! `filters.rs`.
//!
//! To add a language, add `replies/<language>.yaml` (copy `en.yaml`); nothing else is needed: dates, money and plurals
//! come from CLDR.

mod approved;
mod dictionary;
mod facts;
mod filters;
pub mod format;
mod glossary;
mod lint;
mod load;
mod written;

use std::collections::{BTreeMap, BTreeSet};

use doorstep_core::{ConfigFiles, Language, Problem, message::Content};
use minijinja::{Environment, value::Serde};

pub use approved::ApprovedForm;
pub use dictionary::Dictionary;
pub use facts::Facts;
pub use glossary::Glossary;
pub(crate) use load::language_tag;
pub use written::written_out_in_answers;

/// All replies and notification templates, compiled and checked.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    /// The same, for checks: it refuses to write what is no text.
    strict: Environment<'static>,
    default_language: Language,
    places: BTreeMap<Key, Place>,
    /// The providers' templates, by notification template and language.
    approved: BTreeMap<Key, ApprovedForm>,
    /// Replies that are said as they stand, by name and language.
    fixed: BTreeMap<String, BTreeMap<String, String>>,
    glossary: Glossary,
}

/// Which template: what it is for, in which language, under which name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    kind: Kind,
    language: String,
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Reply,
    Subject,
    Body,
    /// What fills the provider's template, all in one.
    Approved,
}

impl Key {
    fn new(kind: Kind, language: &str, name: &str) -> Self {
        Self {
            kind,
            language: language.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The name in minijinja's environment.
    fn path(&self) -> String {
        let kind = match self.kind {
            Kind::Reply => "reply",
            Kind::Subject => "subject",
            Kind::Body => "body",
            Kind::Approved => "approved",
        };
        format!("{kind}/{}/{}", self.language, self.name)
    }
}

/// Where a template's text begins.
#[derive(Debug, Clone)]
struct Place {
    file: String,
    first_line: usize,
    field: String,
}

/// Why nothing could be said. Loading checks make both rare; the caller says something simpler instead.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TemplateError {
    /// No language has it.
    #[error("there is no {kind} `{name}` in `{language}` nor in the languages it falls back to")]
    Missing {
        /// `reply` or `notification template`.
        kind: &'static str,
        /// Which.
        name: String,
        /// The language that was asked for.
        language: String,
    },
    /// It could not be filled in.
    #[error("`{template}` could not be filled in: {reason}")]
    Failed {
        /// Which.
        template: String,
        /// What minijinja says.
        reason: String,
    },
}

impl Templates {
    /// Compiles `replies/*.yaml` and `templates/*.md`. `default_language` is the shop's.
    ///
    /// # Errors
    /// Everything that is wrong in the files: YAML, template syntax, unknown filters and tests, names of languages.
    pub fn load(files: &ConfigFiles, default_language: &Language) -> Result<Self, Vec<Problem>> {
        load::load(files, default_language)
    }

    /// A chat reply in `language` or what it falls back to.
    ///
    /// # Errors
    /// See [`TemplateError`].
    pub fn reply(
        &self,
        name: &str,
        language: &Language,
        facts: &Facts,
    ) -> Result<String, TemplateError> {
        if let Some(text) = self.fixed_in(name, language) {
            return Ok(text.to_owned());
        }
        let key = self
            .find(Kind::Reply, name, language)
            .ok_or_else(|| missing("reply", name, language))?;
        self.render(key, language, facts)
    }

    /// Subject, text and the provider's template of a notification in `language` or what it falls back to.
    ///
    /// # Errors
    /// See [`TemplateError`].
    pub fn notification(
        &self,
        name: &str,
        language: &Language,
        facts: &Facts,
    ) -> Result<Content, TemplateError> {
        let body = self
            .find(Kind::Body, name, language)
            .ok_or_else(|| missing("notification template", name, language))?;
        let subject = Key::new(Kind::Subject, &body.language, name);
        Ok(Content {
            subject: Some(self.render(&subject, language, facts)?),
            text: self.render(body, language, facts)?,
            approved: self.approved(name, &body.language, language, facts)?,
            ..Content::default()
        })
    }

    /// The language in which something asked for in `wanted` is said, if any has replies of its own.
    pub fn language_of(&self, wanted: &Language) -> Option<Language> {
        let known = |tag: &str| {
            self.places
                .keys()
                .any(|key| key.kind == Kind::Reply && key.language == tag)
        };
        let full = wanted.to_string();
        if known(&full) || known(wanted.primary()) {
            Some(wanted.clone())
        } else {
            None
        }
    }

    /// What customers call things.
    pub fn glossary(&self) -> &Glossary {
        &self.glossary
    }

    /// Names of the chat replies that the default language has.
    pub fn reply_names(&self) -> impl Iterator<Item = &str> {
        self.names(Kind::Reply)
    }

    /// Names of the notification templates that the default language has.
    pub fn notification_names(&self) -> impl Iterator<Item = &str> {
        self.names(Kind::Body)
    }

    /// Names of all notification templates, in whichever language.
    pub fn every_notification(&self) -> BTreeSet<&str> {
        self.bodies().map(|key| key.name.as_str()).collect()
    }

    /// The languages in which a notification template has words.
    pub fn languages_of(&self, notification: &str) -> BTreeSet<&str> {
        let own = self.bodies().filter(|key| key.name == notification);
        own.map(|key| key.language.as_str()).collect()
    }

    /// The languages in which a notification template has no words: of `spoken`, or of those in which any has, where
    /// `spoken` is empty.
    pub fn languages_without(&self, notification: &str, spoken: &[Language]) -> BTreeSet<String> {
        let told = self.languages_of(notification);
        let spoken: Vec<String> = match spoken {
            [] => self.bodies().map(|key| key.language.clone()).collect(),
            spoken => spoken.iter().map(Language::to_string).collect(),
        };
        let has_words = |tag: &String| {
            let primary = tag.split('-').next().unwrap_or_default();
            told.contains(tag.as_str()) || told.contains(primary)
        };
        spoken.into_iter().filter(|tag| !has_words(tag)).collect()
    }

    fn bodies(&self) -> impl Iterator<Item = &Key> {
        self.places.keys().filter(|key| key.kind == Kind::Body)
    }

    /// The dotted names of all variables that a chat reply tells in any language.
    pub fn variables_of_reply(&self, name: &str) -> BTreeSet<String> {
        self.places
            .keys()
            .filter(|key| key.kind == Kind::Reply && key.name == name)
            .filter_map(|key| self.environment.get_template(&key.path()).ok())
            .flat_map(|template| template.undeclared_variables(true))
            .collect()
    }

    /// Checks a chat reply in every language against facts that its user may give it.
    pub fn check_reply(&self, name: &str, samples: &[Facts]) -> Vec<Problem> {
        lint::check(self, &[Kind::Reply], name, samples)
    }

    /// Checks a notification template in every language against facts that its user may give it.
    pub fn check_notification(&self, name: &str, samples: &[Facts]) -> Vec<Problem> {
        let kinds = [Kind::Subject, Kind::Body, Kind::Approved];
        lint::check(self, &kinds, name, samples)
    }

    fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.places
            .keys()
            .filter(move |key| {
                key.kind == kind
                    && (key.language == self.default_language.to_string()
                        || key.language == self.default_language.primary())
            })
            .map(|key| key.name.as_str())
    }

    /// Whether a reply that is said as it stands is there for a customer of any language.
    pub(crate) fn is_said_to_all(&self, name: &str) -> bool {
        self.fixed_in(name, &self.default_language).is_some()
    }

    /// A reply that is said as it stands, in `language` or what it falls back to.
    fn fixed_in(&self, name: &str, language: &Language) -> Option<&str> {
        let texts = self.fixed.get(name)?;
        self.fallbacks(language)
            .iter()
            .find_map(|tag| texts.get(tag))
            .map(String::as_str)
    }

    fn find(&self, kind: Kind, name: &str, language: &Language) -> Option<&Key> {
        self.fallbacks(language).iter().find_map(|tag| {
            self.places
                .get_key_value(&Key::new(kind, tag, name))
                .map(|(key, _)| key)
        })
    }

    /// A language's tag and those it falls back to.
    fn fallbacks(&self, language: &Language) -> [String; 5] {
        [
            language.to_string(),
            language.primary().to_owned(),
            self.default_language.to_string(),
            self.default_language.primary().to_owned(),
            "en".to_owned(),
        ]
    }

    /// The filters write as the customer's region does, but always in the language of the template, so that a fallback
    /// is in one language throughout.
    fn render(&self, key: &Key, wanted: &Language, facts: &Facts) -> Result<String, TemplateError> {
        let own: Option<Language> = key.language.parse().ok();
        let language = match own {
            Some(own) if !own.matches(wanted) => own,
            _ => wanted.clone(),
        };
        let failed = |error: &minijinja::Error| TemplateError::Failed {
            template: key.path(),
            reason: error.to_string(),
        };
        let path = key.path();
        let template = self
            .environment
            .get_template(&path)
            .map_err(|error| failed(&error))?;
        let text = template
            .render(Serde(facts.context(&language)))
            .map_err(|error| failed(&error))?;
        Ok(text.trim().to_owned())
    }
}

fn missing(kind: &'static str, name: &str, language: &Language) -> TemplateError {
    TemplateError::Missing {
        kind,
        name: name.to_owned(),
        language: language.to_string(),
    }
}

#[cfg(test)]
mod tests;
