//! What customers call things, in the words of the catalog.
//!
//! `glossary/<language>.yaml` maps words of that language to words of the catalog's. A search for products by somebody
//! who writes another language finds by them what the model's vectors, which know English best, would miss.

use std::collections::BTreeMap;

use doorstep_core::{ConfigFiles, Language, Problem};
use serde_saphyr::Spanned;

use super::{dictionary::Dictionary, load::language_tag};
use crate::yaml;

/// The glossaries of all languages.
#[derive(Debug, Default)]
pub struct Glossary {
    /// Primary language → what they say and what the catalog says, longest first.
    terms: BTreeMap<String, Vec<(String, String)>>,
    /// What the merchant did not write.
    dictionary: Dictionary,
}

impl Glossary {
    pub(super) fn load(files: &ConfigFiles) -> Result<Self, Vec<Problem>> {
        let mut terms = BTreeMap::new();
        let mut problems = Vec::new();
        for (file, text) in files.under("glossary", "yaml") {
            match read(file, text) {
                Ok((language, words)) => {
                    terms.insert(language, words);
                }
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            Ok(Self {
                terms,
                dictionary: Dictionary::load(files),
            })
        } else {
            Err(problems)
        }
    }

    /// `text` in the words of a catalog in the language `catalog`, as far as they are known; `None` when none of it is.
    pub fn translate(&self, text: &str, language: &Language, catalog: &Language) -> Option<String> {
        let by_merchant = self.replace(text, language);
        let known = by_merchant.as_deref().unwrap_or(text);
        let in_general = catalog
            .matches(&Language::ENGLISH)
            .then(|| self.dictionary.translate(known, language))
            .flatten();
        in_general.or(by_merchant)
    }

    /// Whether `text` holds a word that the merchant wrote down.
    pub fn knows(&self, text: &str, language: &Language) -> bool {
        let text = text.to_lowercase();
        let mut terms = self.terms.get(language.primary()).into_iter().flatten();
        terms.any(|(theirs, _)| word_start(&text, theirs).is_some())
    }

    /// The merchant's words. The beginning of a word counts as the word: `chaqueta` is in `chaquetas` too.
    fn replace(&self, text: &str, language: &Language) -> Option<String> {
        let terms = self.terms.get(language.primary())?;
        let mut translated = text.to_lowercase();
        let mut is_known = false;
        for (theirs, ours) in terms {
            while let Some(start) = word_start(&translated, theirs) {
                let rest = &translated[start + theirs.len()..];
                let tail = rest
                    .find(|c: char| !c.is_alphanumeric())
                    .unwrap_or(rest.len());
                let end = start + theirs.len() + tail;
                translated.replace_range(start..end, ours);
                is_known = true;
                if ours.contains(theirs.as_str()) {
                    break;
                }
            }
        }
        is_known.then_some(translated)
    }
}

/// Where a word of `text` begins with `term`.
fn word_start(text: &str, term: &str) -> Option<usize> {
    text.match_indices(term)
        .map(|(at, _)| at)
        .find(|at| !text[..*at].ends_with(char::is_alphanumeric))
}

type Terms = Vec<(String, String)>;

fn read(file: &str, text: &str) -> Result<(String, Terms), Problem> {
    let stem = file.rsplit('/').next().unwrap_or(file);
    let language = language_tag(file, stem.trim_end_matches(".yaml"))?;
    let entries: yaml::Entries<Spanned<String>> = yaml::read(file, text)?;
    let mut terms = Vec::new();
    for (theirs, ours) in entries.0 {
        if theirs.value.trim().is_empty() || ours.value.trim().is_empty() {
            return Err(Problem {
                file: file.to_owned(),
                line: yaml::line(&theirs),
                field: theirs.value,
                message: "a word or its translation is empty".into(),
                fix: "write it like `chaqueta: jacket`, or remove the line".into(),
            });
        }
        terms.push((theirs.value.to_lowercase(), ours.value));
    }
    // The longer term first: `saco de dormir` before `saco`.
    terms.sort_by_key(|(theirs, _)| std::cmp::Reverse(theirs.len()));
    Ok((language, terms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_customer_become_words_of_the_catalog() {
        let files = ConfigFiles::new([(
            "glossary/es.yaml",
            "chaqueta: jacket\nimpermeable: waterproof\nsaco de dormir: sleeping bag\nsaco: bag\n",
        )]);
        let glossary = Glossary::load(&files).unwrap();
        let mexican: Language = "es-MX".parse().unwrap();
        let translated = |text: &str| glossary.translate(text, &mexican, &Language::ENGLISH);
        assert_eq!(
            translated("¿Tenéis chaquetas impermeables?").as_deref(),
            Some("¿tenéis jacket waterproof?")
        );
        assert_eq!(
            translated("un saco de dormir Ostra").as_deref(),
            Some("un sleeping bag ostra")
        );
        assert_eq!(translated("quiero otra cosa"), None);
        let english = Language::ENGLISH;
        assert_eq!(glossary.translate("chaqueta", &english, &english), None);
    }

    #[test]
    fn an_empty_translation_is_named_with_its_line() {
        let files = ConfigFiles::new([("glossary/es.yaml", "bota: boot\nsaco: ''\n")]);
        let problems = Glossary::load(&files).unwrap_err();
        assert!(
            problems[0]
                .to_string()
                .starts_with("glossary/es.yaml:2: saco")
        );
    }
}
