//! The order of hits: BM25 over the fields of the candidates, with the weights of the embedded index, then the same fusion.

use std::collections::BTreeMap;

use doorstep_core::search::SearchHit;

use super::{documents::Stored, lists::Lists, question::Wanted};
use crate::{
    analysis::Analyser,
    ranking::{Fusion, GoodEnough, K1, WEIGHTS, idf},
};

/// A candidate with its place among the others.
pub(super) struct Ranked<'a> {
    pub(super) stored: &'a Stored,
    pub(super) score: f32,
    similarity: Option<f32>,
    pub(super) share: f32,
}

impl Ranked<'_> {
    pub(super) fn hit(&self) -> SearchHit {
        SearchHit {
            id: self.stored.document.clone(),
            language: self.stored.language(),
            title: self.stored.title.clone(),
            body: self.stored.body.clone(),
            source: self.stored.source.clone(),
            score: self.score,
            similarity: self.similarity,
            word_share: self.share,
        }
    }
}

/// The candidates that words or meaning speak for, best first.
pub(super) fn ranked<'a>(
    lists: &'a Lists,
    wanted: &BTreeMap<Analyser, Vec<Wanted>>,
    by_meaning: bool,
) -> Vec<Ranked<'a>> {
    let words = Words::of(lists, wanted);
    let candidates: Vec<(&Stored, Score)> = lists
        .candidates
        .values()
        .map(|stored| (stored, words.score(stored)))
        .collect();
    let best = candidates
        .iter()
        .map(|(_, score)| score.words)
        .fold(0.0, f32::max);
    let fusion = Fusion::new(best, words.possible(), by_meaning);
    let ranked = candidates.into_iter().filter_map(|(stored, own)| {
        let similarity = lists.similarities.get(&stored.id).copied();
        // A list of the server may hold what neither words nor meaning speak for.
        let is_found = own.words > 0.0 || similarity.is_some();
        is_found.then(|| Ranked {
            stored,
            score: fusion.score(own.words, similarity),
            similarity,
            share: own.share,
        })
    });
    let mut ranked: Vec<Ranked<'a>> = ranked.collect();
    // Of equals the one with the smaller key stays first.
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    ranked
}

/// Those of `ranked`, which come best first, that are good enough to be sorted by price and counted.
pub(super) fn good_enough<'r, 'a>(ranked: &'r [Ranked<'a>]) -> Vec<&'r Ranked<'a>> {
    let Some(first) = ranked.first() else {
        return Vec::new();
    };
    let good = GoodEnough::beside(first.score, first.share);
    let takes = |one: &&Ranked<'a>| good.takes(one.score, one.share);
    ranked.iter().filter(takes).collect()
}

struct Score {
    words: f32,
    share: f32,
}

struct Words<'a> {
    lists: &'a Lists,
    wanted: &'a BTreeMap<Analyser, Vec<Wanted>>,
    /// The mean length of each field among the candidates, which stand for all documents.
    means: [f32; 4],
}

impl<'a> Words<'a> {
    fn of(lists: &'a Lists, wanted: &'a BTreeMap<Analyser, Vec<Wanted>>) -> Self {
        let mut means = [0.0; 4];
        for stored in lists.candidates.values() {
            for (mean, words) in means.iter_mut().zip(stored.words()) {
                *mean += words.split(' ').count() as f32;
            }
        }
        let count = lists.candidates.len().max(1) as f32;
        Self {
            lists,
            wanted,
            means: means.map(|sum: f32| (sum / count).max(1.0)),
        }
    }

    /// What stands for one another is one word, as frequent as the most frequent of them.
    fn idf(&self, wanted: &Wanted) -> f32 {
        let terms = wanted.terms.iter();
        let documents = terms.map(|(term, _)| self.lists.frequency(term)).max();
        idf(self.lists.count, documents.unwrap_or_default())
    }

    /// The most that a document of any language could have.
    fn possible(&self) -> f32 {
        let of = |wanted: &Vec<Wanted>| {
            let idfs = wanted.iter().map(|wanted| self.idf(wanted));
            idfs.sum::<f32>() * (K1 + 1.0)
        };
        self.wanted.values().map(of).fold(0.0, f32::max)
    }

    fn score(&self, stored: &Stored) -> Score {
        let wanted = stored
            .analyser()
            .and_then(|analyser| self.wanted.get(&analyser));
        let Some(wanted) = wanted else {
            return Score {
                words: 0.0,
                share: 0.0,
            };
        };
        let (mut sum, mut held) = (0.0, 0);
        for wanted in wanted {
            let scores = wanted.terms.iter().map(|(term, weight)| {
                let frequency = self.frequency(stored, term);
                weight * frequency * (K1 + 1.0) / (frequency + K1)
            });
            let best = scores.fold(0.0, f32::max);
            if best > 0.0 {
                held += 1;
                sum += self.idf(wanted) * best;
            }
        }
        let share = held as f32 / wanted.len().max(1) as f32;
        // Three words of four say more than thrice one.
        Score {
            words: sum * share.sqrt(),
            share,
        }
    }

    fn frequency(&self, stored: &Stored, term: &str) -> f32 {
        let fields = stored.words().into_iter().zip(WEIGHTS).zip(self.means);
        let weighted = fields.map(|((words, (weight, length_counts)), mean)| {
            let (mut mentions, mut length) = (0, 0);
            for word in words.split(' ') {
                length += 1;
                mentions += usize::from(word == term);
            }
            let relative = length as f32 / mean;
            mentions as f32 * weight / (1.0 - length_counts + length_counts * relative)
        });
        weighted.sum()
    }
}
