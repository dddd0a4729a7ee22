//! What the server answered: lists of hits, each asked for apart, as one set of candidates.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use meilisearch_sdk::search::{
    MatchingStrategies, MultiSearchQuery, MultiSearchResponse, SearchQuery, SearchResults,
    Selectors,
};

use super::{
    documents::{EMBEDDER, SHOWN, Stored, WORDS},
    http::Http,
    server::Index,
};

/// A question that is part of a request.
enum Asked {
    /// How many documents there are.
    Count,
    /// One word as it is, and how it is asked for.
    Word { term: String, text: String },
    /// All of some words, the best first.
    All { text: String },
    /// The same, by a field; `price:asc`.
    AllBy {
        text: String,
        order: [&'static str; 1],
    },
    /// A word with one edit.
    Typo { term: String, text: String },
    /// The nearest vectors.
    Meaning,
    /// The similarity of some documents.
    Similarity { among: String },
}

/// Several searches in one request.
pub(super) struct Batch<'a> {
    filter: Vec<&'a str>,
    vector: Option<&'a [f32]>,
    limit: usize,
    asked: Vec<Asked>,
}

/// The answers to a [`Batch`].
pub(super) type Answers = MultiSearchResponse<Stored>;

impl<'a> Batch<'a> {
    pub(super) fn new(filter: &'a [String], vector: Option<&'a [f32]>, limit: usize) -> Self {
        Self {
            filter: filter.iter().map(String::as_str).collect(),
            vector,
            limit,
            asked: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    pub(super) fn count(&mut self) {
        self.asked.push(Asked::Count);
    }

    pub(super) fn word(&mut self, term: &str) {
        self.asked.push(Asked::Word {
            term: term.to_owned(),
            text: phrase(term),
        });
    }

    pub(super) fn all(&mut self, terms: &[&str]) {
        self.asked.push(Asked::All {
            text: phrases(terms),
        });
    }

    /// The same in another order than the best first.
    pub(super) fn all_by(&mut self, terms: &[&str], order: &'static str) {
        self.asked.push(Asked::AllBy {
            text: phrases(terms),
            order: [order],
        });
    }

    /// The space after the word says that it is not only begun.
    pub(super) fn typo(&mut self, term: &str) {
        self.asked.push(Asked::Typo {
            term: term.to_owned(),
            text: format!("{term} "),
        });
    }

    /// Vectors alone: how the two lists become one is for us to decide.
    pub(super) fn meaning(&mut self) {
        self.asked.push(Asked::Meaning);
    }

    /// The same of the documents that fulfil one more condition.
    pub(super) fn similarity(&mut self, among: String) {
        self.asked.push(Asked::Similarity { among });
    }

    /// The questions as one request to the server of `index`.
    pub(super) fn request<'q>(&'q self, index: &'q Index) -> MultiSearchQuery<'q, 'q, Http> {
        let mut request = index.client.multi_search();
        for asked in &self.asked {
            request.with_search_query(self.query(asked, index));
        }
        request
    }

    fn query<'q>(&'q self, asked: &'q Asked, index: &'q Index) -> SearchQuery<'q, Http> {
        let mut query = index.search();
        let mut filter = self.filter.clone();
        query
            .with_limit(self.limit)
            .with_attributes_to_retrieve(Selectors::Some(&SHOWN));
        match asked {
            Asked::Count => {
                query.with_query("").with_limit(0);
            }
            Asked::Word { text, .. } => {
                query.with_query(text).with_attributes_to_search_on(&WORDS);
            }
            Asked::All { text } | Asked::Typo { text, .. } => {
                query
                    .with_query(text)
                    .with_attributes_to_search_on(&WORDS)
                    .with_matching_strategy(MatchingStrategies::ALL);
            }
            Asked::AllBy { text, order } => {
                query
                    .with_query(text)
                    .with_attributes_to_search_on(&WORDS)
                    .with_matching_strategy(MatchingStrategies::ALL)
                    .with_sort(order);
            }
            Asked::Meaning | Asked::Similarity { .. } => {
                query
                    .with_vector(self.vector.unwrap_or_default())
                    .with_hybrid(EMBEDDER, 1.0)
                    .with_show_ranking_score(true);
            }
        }
        if let Asked::Similarity { among } = asked {
            filter.push(among);
        }
        query.with_array_filter(filter).build()
    }
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
            let total = answer.estimated_total_hits.unwrap_or_default();
            match asked {
                Asked::Count => self.count = total,
                Asked::Word { term, .. } => {
                    self.frequencies.insert(term.clone(), total);
                }
                Asked::Typo { term, .. } => self.correct(term, total, &answer),
                Asked::All { .. }
                | Asked::AllBy { .. }
                | Asked::Meaning
                | Asked::Similarity { .. } => {}
            }
            let is_by_meaning = matches!(asked, Asked::Meaning | Asked::Similarity { .. });
            for hit in answer.hits {
                let stored = hit.result;
                if is_by_meaning {
                    // Documents without a vector end the list, with no score worth the name.
                    let score = hit.ranking_score.filter(|_| stored.model == model);
                    let Some(score) = score else {
                        continue;
                    };
                    self.similarities.insert(stored.id.clone(), cosine(score));
                }
                self.candidates.insert(stored.id.clone(), stored);
            }
        }
    }

    fn correct(&mut self, term: &str, total: usize, answer: &SearchResults<Stored>) {
        let mut near = BTreeSet::new();
        for hit in &answer.hits {
            for word in hit
                .result
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
            self.frequencies.entry(word.clone()).or_insert(total);
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

/// The server's score of a vector is (1 + cosine) / 2.
pub(super) fn cosine(score: f64) -> f32 {
    (2.0 * score - 1.0) as f32
}

fn phrases(terms: &[&str]) -> String {
    let phrases: Vec<String> = terms.iter().map(|term| phrase(term)).collect();
    phrases.join(" ")
}

/// A word exactly as it is: the server corrects no typo and completes nothing within quotation marks.
fn phrase(term: &str) -> String {
    format!("\"{term}\"")
}
