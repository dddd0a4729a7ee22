//! Pages for customers, rendered here so that they are complete without JavaScript: their layout, and their words in
//! seven languages.

use std::collections::BTreeMap;

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use doorstep_core::Language;
use minijinja::{Environment, UndefinedBehavior, value::Serde};
use serde::{Deserialize, Serialize};

use super::ApiError;
use crate::config::ShopConfig;

const TEMPLATES: [(&str, &str); 4] = [
    ("layout.html", include_str!("../../web/pages/layout.html")),
    ("missing.html", include_str!("../../web/pages/missing.html")),
    (
        "preferences.html",
        include_str!("../../web/pages/preferences.html"),
    ),
    ("track.html", include_str!("../../web/pages/track.html")),
];

const WORDS: [(&str, &str); 7] = [
    ("de", include_str!("../../web/pages/words/de.toml")),
    ("en", include_str!("../../web/pages/words/en.toml")),
    ("es", include_str!("../../web/pages/words/es.toml")),
    ("fr", include_str!("../../web/pages/words/fr.toml")),
    ("it", include_str!("../../web/pages/words/it.toml")),
    ("pt", include_str!("../../web/pages/words/pt.toml")),
    ("ru", include_str!("../../web/pages/words/ru.toml")),
];

/// What the pages say in one language. Each language must have all of it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    name: String,
    skip: String,
    languages: String,
    pub(super) order: String,
    pub(super) heading: String,
    pub(super) parcel: String,
    expected: String,
    pub(super) likely: String,
    carrier: String,
    tracking_number: String,
    history: String,
    no_parcel: String,
    contents: String,
    contents_why: String,
    factor: String,
    show: String,
    pub(super) missed: String,
    pub(super) locked: String,
    chat: String,
    pub(super) question: String,
    pub(super) preferences: String,
    preferences_why: String,
    pub(super) order_topic: String,
    pub(super) order_why: String,
    pub(super) marketing_topic: String,
    pub(super) marketing_why: String,
    save: String,
    pub(super) saved: String,
    stop: String,
    pub(super) stopped: String,
    pub(super) stopped_order: String,
    pub(super) missing: String,
    missing_why: String,
    status: BTreeMap<String, String>,
    order_status: BTreeMap<String, String>,
    channel: BTreeMap<String, String>,
}

impl Words {
    /// A parcel's status; its name where there is no word.
    pub(super) fn status<'a>(&'a self, name: &'a str) -> &'a str {
        self.status.get(name).map_or(name, String::as_str)
    }

    /// An order's status; its name where there is no word.
    pub(super) fn order_status<'a>(&'a self, name: &'a str) -> &'a str {
        self.order_status.get(name).map_or(name, String::as_str)
    }

    /// What a channel is called; its own name where there is no word.
    pub(super) fn channel<'a>(&'a self, name: &'a str) -> &'a str {
        self.channel.get(name).map_or(name, String::as_str)
    }
}

/// Puts values into the braces of a sentence: `Parcel {n} of {total}`.
pub(super) fn fill(sentence: &str, values: &[(&str, &str)]) -> String {
    values
        .iter()
        .fold(sentence.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), value)
        })
}

/// The pages' layout and words, ready to be filled in.
pub(crate) struct Html {
    environment: Environment<'static>,
    words: BTreeMap<&'static str, Words>,
}

/// The language of a page and its words.
#[derive(Clone, Copy)]
pub(super) struct Speech<'a> {
    /// BCP 47 tag.
    pub(super) tag: &'static str,
    /// The words.
    pub(super) words: &'a Words,
}

impl Speech<'_> {
    /// The same as a language, for dates.
    pub(super) fn language(&self) -> Language {
        self.tag.parse().unwrap_or(Language::ENGLISH)
    }
}

/// A page before its layout.
pub(super) struct Page<'a, T> {
    pub(super) status: StatusCode,
    pub(super) template: &'static str,
    pub(super) title: &'a str,
    pub(super) scripts: &'a [&'static str],
    pub(super) facts: T,
}

impl<'a> Page<'a, BTreeMap<String, String>> {
    /// The page of a link that opens nothing.
    pub(super) fn missing(speech: Speech<'a>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            template: "missing.html",
            title: &speech.words.missing,
            scripts: &[],
            facts: BTreeMap::new(),
        }
    }
}

#[derive(Serialize)]
struct Body<'a, T> {
    language: &'static str,
    words: &'a Words,
    #[serde(flatten)]
    facts: T,
}

#[derive(Serialize)]
struct Layout<'a> {
    title: &'a str,
    shop: &'a str,
    scripts: &'a [&'static str],
    /// Whether the shop has a colour of its own.
    accent: bool,
    languages: Vec<Other<'a>>,
    body: String,
}

#[derive(Serialize)]
struct Other<'a> {
    tag: &'static str,
    name: &'a str,
}

impl Html {
    /// Reads the templates and words that are built in.
    ///
    /// # Errors
    /// What is wrong in which of them.
    pub(crate) fn new() -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, source) in TEMPLATES {
            environment
                .add_template(name, source)
                .map_err(|error| format!("web/pages/{name}: {error}"))?;
        }
        let mut words = BTreeMap::new();
        for (tag, source) in WORDS {
            let read = toml::from_str(source)
                .map_err(|error| format!("web/pages/words/{tag}.toml: {error}"))?;
            words.insert(tag, read);
        }
        Ok(Self { environment, words })
    }

    /// The language of an answer: the one asked for in the address, else the first that the browser names and we speak,
    /// else the first of `known`, else English.
    pub(super) fn speak<'a>(
        &'a self,
        asked: Option<&str>,
        headers: &HeaderMap,
        known: &[Option<&Language>],
    ) -> Speech<'a> {
        let accepted = headers
            .get(header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        // Browsers list them by preference (RFC 9110, section 12.5.4).
        let accepted = accepted
            .split(',')
            .filter_map(|part| part.split(';').next());
        let wanted = asked.into_iter().chain(accepted).filter_map(primary);
        let known = known.iter().copied().flatten();
        let known = known.map(|language| language.primary().to_owned());
        wanted
            .chain(known)
            .find_map(|tag| self.words.get_key_value(tag.as_str()))
            .or_else(|| self.words.get_key_value("en"))
            .map_or_else(
                || unreachable!("English is built in"),
                |(tag, words)| Speech { tag, words },
            )
    }

    /// A page in its layout.
    ///
    /// # Errors
    /// It cannot be filled in, which the tests rule out for what is built in.
    pub(super) fn render<T: Serialize>(
        &self,
        shop: &ShopConfig,
        speech: Speech<'_>,
        page: Page<'_, T>,
    ) -> Result<Response, ApiError> {
        let (language, words) = (speech.tag, speech.words);
        let body = Body {
            language,
            words,
            facts: page.facts,
        };
        let body = self.fill_in(page.template, &body)?;
        let layout = Layout {
            title: page.title,
            shop: &shop.name,
            scripts: page.scripts,
            accent: shop.accent().is_some(),
            languages: self
                .words
                .iter()
                .map(|(tag, words)| Other {
                    tag,
                    name: &words.name,
                })
                .collect(),
            body,
        };
        let layout = Body {
            language,
            words,
            facts: layout,
        };
        let html = self.fill_in("layout.html", &layout)?;
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_LANGUAGE, language),
            (header::VARY, "Accept-Language"),
        ];
        Ok((page.status, headers, html).into_response())
    }

    fn fill_in<T: Serialize>(&self, name: &str, facts: &T) -> Result<String, ApiError> {
        self.environment
            .get_template(name)
            .and_then(|template| template.render(Serde(facts)))
            .map_err(|error| ApiError::internal("the page could not be made", &error))
    }
}

/// The language of a tag without its region; `None` for what is no tag.
fn primary(tag: &str) -> Option<String> {
    let language: Language = tag.trim().parse().ok()?;
    Some(language.primary().to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn spoken(asked: Option<&str>, accepted: &'static str) -> String {
        let html = Html::new().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(accepted));
        let italian: Language = "it".parse().unwrap();
        html.speak(asked, &headers, &[None, Some(&italian)])
            .tag
            .to_owned()
    }

    #[test]
    fn the_language_is_the_one_asked_for_or_the_browsers_or_the_customers() {
        assert_eq!(spoken(Some("ru"), "de"), "ru");
        assert_eq!(spoken(Some("<x>"), "ja, pt-BR;q=0.9, en;q=0.8"), "pt");
        assert_eq!(spoken(None, "ja"), "it");
    }

    #[test]
    fn every_language_has_a_word_for_every_status_and_keeps_every_brace() {
        let html = Html::new().unwrap();
        let braces = |words: &Words| {
            let text = serde_json::to_string(words).unwrap();
            (
                text.matches("{order}").count(),
                text.matches("{total}").count(),
            )
        };
        for words in html.words.values() {
            assert_eq!((words.status.len(), words.order_status.len()), (11, 7));
            assert_eq!(braces(words), braces(&html.words["en"]), "{}", words.name);
        }
    }
}
