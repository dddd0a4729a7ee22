//! What the server answered: lists of hits, each asked for apart, as one set of candidates.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;
use serde_json::{Value, json};

use super::documents::{EMBEDDER, SHOWN, Stored, WORDS};

/// A question that is part of a request.
enum Asked {
    /// How many documents there are.
    Count,
    /// One word as it is.
    Word(String),
    /// All of these words.
    All,
    /// A word with one edit.
    Typo(String),
    /// The nearest vectors.
    Meaning,
}

/// Several searches in one request.
pub(super) struct Batch<'a> {
    index: &'a str,
    filter: &'a [String],
    limit: usize,
    asked: Vec<Asked>,
    queries: Vec<Value>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(index: &'a str, filter: &'a [String], limit: usize) -> Self {
        Self {
            index,
            filter,
            limit,
            asked: Vec::new(),
            queries: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queries.is_empty()
    }

    pub(super) fn count(&mut self) {
        self.push(Asked::Count, json!({ "q": "", "limit": 0 }));
    }

    pub(super) fn word(&mut self, term: &str) {
        let query = json!({ "q": phrase(term), "attributesToSearchOn": WORDS });
        self.push(Asked::Word(term.to_owned()), query);
    }

    pub(super) fn all(&mut self, terms: &[&str]) {
        let phrases: Vec<String> = terms.iter().map(|term| phrase(term)).collect();
        let query = json!({
            "q": phrases.join(" "), "attributesToSearchOn": WORDS, "matchingStrategy": "all",
        });
        self.push(Asked::All, query);
    }

    /// The space after the word says that it is not only begun.
    pub(super) fn typo(&mut self, term: &str) {
        let query = json!({
            "q": format!("{term} "), "attributesToSearchOn": WORDS, "matchingStrategy": "all",
        });
        self.push(Asked::Typo(term.to_owned()), query);
    }

    /// Vectors alone: how the two lists become one is for us to decide.
    pub(super) fn meaning(&mut self, vector: &[f32], among: Option<String>) {
        let mut query = json!({
            "vector": vector,
            "hybrid": { "embedder": EMBEDDER, "semanticRatio": 1.0 },
            "showRankingScore": true,
        });
        if let Some(among) = among {
            let mut filter = self.filter.to_vec();
            filter.push(among);
            query["filter"] = json!(filter);
        }
        self.push(Asked::Meaning, query);
    }

    fn push(&mut self, asked: Asked, mut query: Value) {
        query["indexUid"] = json!(self.index);
        query["attributesToRetrieve"] = json!(SHOWN);
        if query.get("filter").is_none() {
            query["filter"] = json!(self.filter);
        }
        if query.get("limit").is_none() {
            query["limit"] = json!(self.limit);
        }
        self.asked.push(asked);
        self.queries.push(query);
    }

    pub(super) fn body(&self) -> Value {
        json!({ "queries": self.queries })
    }
}

/// The answer to a [`Batch`].
#[derive(Deserialize)]
pub(super) struct Answers {
    results: Vec<Answer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    hits: Vec<Hit>,
    #[serde(default)]
    estimated_total_hits: usize,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(flatten)]
    stored: Stored,
    #[serde(rename = "_rankingScore")]
    score: Option<f32>,
}

/// All that was found.
#[derive(Default)]
pub(super) struct Lists {
    /// How many documents fulfil the filters.
    pub(super) count: usize,
    /// By key; in the order of keys, so that a list is always the same.
    pub(super) candidates: BTreeMap<String, Stored>,
    /// Cosine by key.
    pub(super) similarities: HashMap<String, f32>,
    frequencies: HashMap<String, usize>,
    corrections: HashMap<String, BTreeSet<String>>,
}

impl Lists {
    /// Takes in the answers to `batch`. `model` made the vectors that may be compared.
    pub(super) fn take(&mut self, batch: &Batch<'_>, answers: Answers, model: &str) {
        for (asked, answer) in batch.asked.iter().zip(answers.results) {
            match asked {
                Asked::Count => self.count = answer.estimated_total_hits,
                Asked::Word(term) => {
                    self.frequencies
                        .insert(term.clone(), answer.estimated_total_hits);
                }
                Asked::Typo(term) => self.correct(term, &answer),
                Asked::All | Asked::Meaning => {}
            }
            for hit in answer.hits {
                let stored = hit.stored;
                if matches!(asked, Asked::Meaning) {
                    // Documents without a vector end the list, with no score worth the name.
                    let Some(score) = hit.score.filter(|_| stored.model == model) else {
                        continue;
                    };
                    // The server's score is (1 + cosine) / 2.
                    self.similarities
                        .insert(stored.id.clone(), 2.0 * score - 1.0);
                }
                self.candidates.insert(stored.id.clone(), stored);
            }
        }
    }

    fn correct(&mut self, term: &str, answer: &Answer) {
        let mut near = BTreeSet::new();
        for hit in &answer.hits {
            for word in hit
                .stored
                .words()
                .into_iter()
                .flat_map(str::split_whitespace)
            {
                if strsim::osa_distance(word, term) == 1 {
                    near.insert(word.to_owned());
                }
            }
        }
        for word in &near {
            self.frequencies
                .entry(word.clone())
                .or_insert(answer.estimated_total_hits);
        }
        self.corrections.insert(term.to_owned(), near);
    }

    /// In how many documents a term is.
    pub(super) fn frequency(&self, term: &str) -> usize {
        self.frequencies.get(term).copied().unwrap_or_default()
    }

    pub(super) fn hold(&self, term: &str) -> bool {
        self.frequency(term) > 0
    }

    /// Words of documents one edit away.
    pub(super) fn corrections(&self, term: &str, limit: usize) -> Vec<String> {
        let near = self.corrections.get(term).into_iter().flatten();
        near.take(limit).cloned().collect()
    }
}

/// A word exactly as it is: the server corrects no typo and completes nothing within quotation marks.
fn phrase(term: &str) -> String {
    format!("\"{term}\"")
}
