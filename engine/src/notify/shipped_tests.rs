//! The notifications that we ship: as they read, and as WhatsApp's approved templates.

use std::collections::BTreeSet;

use doorstep_core::{ConfigFiles, Language};

use super::{EVENTS, facts, tests};
use crate::templates::Templates;

const LANGUAGES: [&str; 7] = ["en", "es", "pt", "fr", "de", "it", "ru"];

fn templates(files: &ConfigFiles) -> Templates {
    Templates::load(files, &Language::ENGLISH).unwrap()
}

/// Every template with an event that it may tell of.
fn told_of(templates: &Templates) -> Vec<(String, Vec<&'static str>)> {
    let of = |name: &str| match name {
        "shipped" => vec!["in_transit"],
        "exception" => vec!["exception", "lost", "damaged"],
        name => EVENTS.into_iter().filter(|event| *event == name).collect(),
    };
    let names = templates.every_notification().into_iter();
    names.map(|name| (name.to_owned(), of(name))).collect()
}

#[test]
fn no_sentence_runs_into_the_next() {
    let templates = templates(&tests::shipped_files());
    for (name, events) in told_of(&templates) {
        assert!(!events.is_empty(), "{name} tells of nothing");
        for (event, language) in events
            .iter()
            .flat_map(|event| LANGUAGES.map(|language| (event, language)))
        {
            let language = language.parse().unwrap();
            for sample in facts::samples(event) {
                let said = templates.notification(&name, &language, &sample).unwrap();
                let words: Vec<char> = said.text.chars().collect();
                let runs_on = words.windows(3).find(|three| {
                    three[0].is_alphanumeric()
                        && matches!(three[1], '.' | '!' | '?')
                        && three[2].is_uppercase()
                });
                assert_eq!(runs_on, None, "{name} in {language}: {}", said.text);
            }
        }
    }
}

/// The texts that the page has people submit: language at Meta, and words.
fn submitted<'a>(page: &'a str, name: &str) -> Vec<(&'a str, &'a str)> {
    let heading = format!("\n## {name}\n");
    let (_, section) = page.split_once(&heading).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| {
        let line = line.strip_prefix("| `")?;
        let (language, text) = line.split_once("` | ")?;
        Some((language, text.strip_suffix(" |")?))
    });
    rows.collect()
}

#[test]
fn every_notification_names_an_approved_template_that_the_page_has_submitted() {
    let page = include_str!("../../../docs/channels/whatsapp-templates.md");
    let templates = templates(&tests::shipped_files());
    for (name, events) in told_of(&templates) {
        let texts = submitted(page, &name);
        assert_eq!(texts.len(), LANGUAGES.len(), "{name} on the page");
        for tag in LANGUAGES {
            let form = templates.approved_form(&name, tag);
            let form = form.unwrap_or_else(|| panic!("{name}.{tag}.md names none"));
            let text = texts
                .iter()
                .find(|(language, _)| *language == form.language);
            let (_, text) = text.unwrap_or_else(|| panic!("{name} in {}", form.language));
            assert_eq!(
                (form.name.as_str(), form.header, form.buttons),
                (name.as_str(), 0, 0)
            );
            let places: BTreeSet<String> = (1..=9)
                .map(|place| format!("{{{{{place}}}}}"))
                .filter(|place| text.contains(place))
                .collect();
            assert_eq!(places.len(), form.body, "{name} in {tag}: {text}");
            // Meta takes no parameter at either end of a text, and none that is empty or has line ends.
            let inner = text.trim_matches(|c: char| !c.is_alphanumeric() && c != '{' && c != '}');
            assert!(!inner.starts_with('{') && !inner.ends_with('}'), "{text}");
            let language = tag.parse().unwrap();
            for sample in events.iter().flat_map(|event| facts::samples(event)) {
                let said = templates.notification(&name, &language, &sample).unwrap();
                let approved = said.approved.unwrap();
                assert_eq!(approved.body[0], "1001");
                for parameter in &approved.body {
                    assert!(
                        !parameter.is_empty() && !parameter.contains('\n'),
                        "{approved:?}"
                    );
                }
            }
        }
    }
}
