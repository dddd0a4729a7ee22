//! What customers call things, in the words of the catalog.
//!
//! `glossary/<language>.yaml` maps words of that language to words of the catalog's. A search for products by somebody
//! who writes another language finds by them what the model's vectors, which know English best, would miss.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use doorstep_core::{
    ConfigFiles, Language, Problem,
    nlu::{Nlu, NluError},
};
use serde_saphyr::Spanned;

use super::load::language_tag;
use crate::yaml;

/// The glossaries of all languages.
#[derive(Debug, Default)]
pub struct Glossary {
    /// Primary language → what they say and what the catalog says, longest first.
    terms: BTreeMap<String, Vec<(String, String)>>,
    /// The vectors of the catalog's words, as they were first needed.
    vectors: Mutex<HashMap<String, Vec<f32>>>,
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
                vectors: Mutex::default(),
            })
        } else {
            Err(problems)
        }
    }

    /// `text` with every known word replaced by the catalog's; `None` when it holds none. The beginning of a word
    /// counts as the word: `chaqueta` is in `chaquetas` too.
    pub fn translate(&self, text: &str, language: &Language) -> Option<Translated> {
        let terms = self.terms.get(language.primary())?;
        let mut translated = text.to_lowercase();
        let mut found = Vec::new();
        for (theirs, ours) in terms {
            while let Some(start) = word_start(&translated, theirs) {
                let rest = &translated[start + theirs.len()..];
                let tail = rest
                    .find(|c: char| !c.is_alphanumeric())
                    .unwrap_or(rest.len());
                let end = start + theirs.len() + tail;
                translated.replace_range(start..end, ours);
                found.push(ours.clone());
                if ours.contains(theirs.as_str()) {
                    break;
                }
            }
        }
        (!found.is_empty()).then_some(Translated {
            text: translated,
            terms: found,
        })
    }

    /// Has the model read every word of the catalog that stands here, so that no customer waits for it.
    ///
    /// # Errors
    /// The model could not read them; they are read when they are needed.
    pub async fn learn(&self, nlu: &dyn Nlu) -> Result<(), NluError> {
        let words: BTreeSet<&String> = self
            .terms
            .values()
            .flatten()
            .map(|(_, ours)| ours)
            .collect();
        let words: Vec<String> = words.into_iter().cloned().collect();
        let read = nlu.embed(&words).await?;
        self.vectors().extend(words.into_iter().zip(read));
        Ok(())
    }

    /// What the catalog's words mean together: the mean of their vectors, of unit length. A word that was not
    /// learnt is read now, once. `None` when there is no vector to be had.
    ///
    /// # Errors
    /// The model could not read a word.
    pub async fn meaning(
        &self,
        nlu: &dyn Nlu,
        terms: &[String],
    ) -> Result<Option<Vec<f32>>, NluError> {
        let unknown: Vec<String> = {
            let vectors = self.vectors();
            let unknown = terms.iter().filter(|term| !vectors.contains_key(*term));
            unknown.cloned().collect()
        };
        if !unknown.is_empty() {
            let read = nlu.embed(&unknown).await?;
            self.vectors().extend(unknown.into_iter().zip(read));
        }
        let vectors = self.vectors();
        let mut sum: Vec<f32> = Vec::new();
        for vector in terms.iter().filter_map(|term| vectors.get(term)) {
            sum.resize(vector.len(), 0.0);
            for (sum, value) in sum.iter_mut().zip(vector) {
                *sum += value;
            }
        }
        let length = sum.iter().map(|value| value * value).sum::<f32>().sqrt();
        Ok((length > 0.0).then(|| sum.iter().map(|value| value / length).collect()))
    }

    fn vectors(&self) -> MutexGuard<'_, HashMap<String, Vec<f32>>> {
        self.vectors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A customer's text in the words of the catalog, as far as the glossary goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translated {
    /// The text with every known word replaced.
    pub text: String,
    /// The catalog's words in it.
    pub terms: Vec<String>,
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
        let translated = |text: &str| Some(glossary.translate(text, &mexican)?.text);
        assert_eq!(
            translated("¿Tenéis chaquetas impermeables?").as_deref(),
            Some("¿tenéis jacket waterproof?")
        );
        assert_eq!(
            translated("un saco de dormir Ostra").as_deref(),
            Some("un sleeping bag ostra")
        );
        assert_eq!(translated("quiero otra cosa"), None);
        assert_eq!(glossary.translate("chaqueta", &Language::ENGLISH), None);
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
