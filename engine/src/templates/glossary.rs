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

    /// `text` in the words of a catalog in the language `catalog`, as far as they are known; `None` when none of it is. What
    /// the merchant's words became is not translated again: `tent` is no form of the Portuguese `tento`.
    pub fn translate(&self, text: &str, language: &Language, catalog: &Language) -> Option<String> {
        let pieces = self.by_merchant(text, language);
        let is_general = catalog.matches(&Language::ENGLISH);
        let mut is_known = false;
        let mut translated = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let text = match piece {
                Piece::Translated(text) => {
                    is_known = true;
                    text
                }
                Piece::Written(text) => {
                    let general = is_general
                        .then(|| self.dictionary.translate(&text, language))
                        .flatten();
                    is_known |= general.is_some();
                    general.unwrap_or(text)
                }
            };
            translated.push(text.trim().to_owned());
        }
        translated.retain(|piece| !piece.is_empty());
        is_known.then(|| translated.join(" "))
    }

    /// Whether `text` holds a word that the merchant wrote down.
    pub fn knows(&self, text: &str, language: &Language) -> bool {
        let text = text.to_lowercase();
        let mut terms = self.terms.get(language.primary()).into_iter().flatten();
        terms.any(|(theirs, _)| word_start(&text, theirs).is_some())
    }

    /// By the merchant's words, in lower case. The beginning of a word counts as the word: `chaqueta` is in `chaquetas` too.
    fn by_merchant(&self, text: &str, language: &Language) -> Vec<Piece> {
        let mut pieces = vec![Piece::Written(text.to_lowercase())];
        for (theirs, ours) in self.terms.get(language.primary()).into_iter().flatten() {
            pieces = pieces
                .into_iter()
                .flat_map(|piece| match piece {
                    Piece::Written(text) => parts(&text, theirs, ours),
                    translated @ Piece::Translated(_) => vec![translated],
                })
                .collect();
        }
        pieces
    }
}

/// A part of a text.
#[derive(Debug)]
enum Piece {
    /// As the customer wrote it.
    Written(String),
    /// In the catalog's words.
    Translated(String),
}

/// `text` with every word that begins with `theirs` replaced by `ours`.
fn parts(text: &str, theirs: &str, ours: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = word_start(rest, theirs) {
        let (before, found) = rest.split_at(start);
        let after = &found[theirs.len()..];
        let end = after.find(|c: char| !c.is_alphanumeric());
        pieces.push(Piece::Written(before.to_owned()));
        pieces.push(Piece::Translated(ours.to_owned()));
        rest = &after[end.unwrap_or(after.len())..];
    }
    pieces.push(Piece::Written(rest.to_owned()));
    pieces
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
            Some("¿tenéis jacket waterproof ?")
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
    fn what_the_merchant_wrote_is_not_translated_once_more() {
        let files = ConfigFiles::new([
            ("glossary/pt.yaml", "barraca: tent\n"),
            (
                "dictionary/everyday.tsv",
                "en\tpt\ntry\ttento|tentar\ncheap\tbarato\n",
            ),
        ]);
        let glossary = Glossary::load(&files).unwrap();
        let portuguese: Language = "pt".parse().unwrap();
        assert_eq!(
            glossary
                .translate("Barracas baratas", &portuguese, &Language::ENGLISH)
                .as_deref(),
            Some("tent cheap")
        );
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
