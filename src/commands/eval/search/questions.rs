//! Whether a question finds the same in every language.

use std::{collections::BTreeMap, path::Path};

use doorstep_core::{Language, search::SearchIndex};
use doorstep_engine::templates::Dictionary;
use doorstep_nlu::LocalNlu;
use serde_json::{Value, json};

use super::{LIMIT, query};
use crate::{
    cli::SearchMode,
    commands::{
        Failure,
        eval::{mean, round},
    },
};

/// One question in several languages.
pub(super) type Question = BTreeMap<String, String>;

/// Reads a tab-separated file whose first line names the languages, `en` among them.
///
/// # Errors
/// Misuse when the file cannot be read or has no English column.
pub(super) fn read(path: &Path) -> Result<Vec<Question>, Failure> {
    let misuse = |message: String| Failure::Misuse(format!("{}: {message}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| misuse(error.to_string()))?;
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let languages: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    if !languages.contains(&"en") {
        let message = "the first line names no `en`; write languages parted by tabs";
        return Err(misuse(message.to_owned()));
    }
    for language in &languages {
        language
            .parse::<Language>()
            .map_err(|error| misuse(error.to_string()))?;
    }
    let question = |line: &str| -> Question {
        let cells = languages.iter().zip(line.split('\t'));
        let cells = cells.filter(|(_, text)| !text.trim().is_empty());
        cells
            .map(|(language, text)| ((*language).to_owned(), text.trim().to_owned()))
            .collect()
    };
    Ok(lines.map(question).collect())
}

/// What asks questions of any language of an English catalog, as the conversation does.
pub(super) struct Asker<'a> {
    pub(super) mode: SearchMode,
    pub(super) index: &'a dyn SearchIndex,
    pub(super) nlu: Option<&'a LocalNlu>,
    pub(super) dictionary: Dictionary,
}

impl Asker<'_> {
    /// The share of the English question's first ten hits that are among the first ten in each other language.
    ///
    /// # Errors
    /// The model or the index failed.
    pub(super) async fn overlap(&self, questions: &[Question]) -> Result<Value, Failure> {
        let mut shares: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for question in questions {
            let Some(english) = question.get("en") else {
                continue;
            };
            let wanted = self.found(english).await?;
            if wanted.is_empty() {
                continue;
            }
            for (language, text) in question.iter().filter(|(language, _)| *language != "en") {
                let tag: Language = language.parse().map_err(Failure::finding)?;
                let translated = self.dictionary.translate(text, &tag);
                let found = self.found(translated.as_deref().unwrap_or(text)).await?;
                let common = wanted.iter().filter(|id| found.contains(id)).count();
                let share = common as f64 / wanted.len() as f64;
                tracing::info!(%language, text, ?translated, share, "asked");
                shares.entry(language).or_default().push(share);
            }
        }
        let means: BTreeMap<&str, f64> = shares
            .into_iter()
            .map(|(language, shares)| (language, round(mean(shares.into_iter()))))
            .collect();
        Ok(json!({ "questions": questions.len(), "overlap_at_10": means }))
    }

    async fn found(&self, text: &str) -> Result<Vec<String>, Failure> {
        let query = query(self.mode, self.nlu, text).await?;
        let found = self.index.search(&query).await.map_err(Failure::finding)?;
        let hits = found.hits.into_iter();
        Ok(hits.take(LIMIT).map(|hit| hit.id).collect())
    }
}
