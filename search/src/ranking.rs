//! The arithmetic of ranking: the best of many, the fusion of two lists, and which of it is good enough to be sorted by price.

use doorstep_core::search::SearchSort;

/// A document's number with its score.
pub(super) type Scored = (usize, f32);

/// Keeps the best of what it is offered; of equals those with the smaller numbers, so that a list is always the same.
pub(super) struct Best {
    kept: Vec<Scored>,
    limit: usize,
    /// What does not exceed it is not among the best.
    threshold: f32,
}

impl Best {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            kept: Vec::new(),
            limit,
            threshold: f32::NEG_INFINITY,
        }
    }

    /// Whether a score may be among the best.
    #[inline(always)]
    pub(super) fn takes(&self, score: f32) -> bool {
        score > self.threshold
    }

    /// In the order of numbers, so that the first of equals is the one that is kept.
    #[inline(always)]
    pub(super) fn offer(&mut self, number: usize, score: f32) {
        if self.takes(score) {
            self.take(number, score);
        }
    }

    fn take(&mut self, number: usize, score: f32) {
        self.kept.push((number, score));
        if self.limit > 0 && self.kept.len() >= self.limit * 2 {
            self.kept.select_nth_unstable_by(self.limit - 1, order);
            self.kept.truncate(self.limit);
            self.threshold = self.kept[self.limit - 1].1;
        }
    }

    /// The best, best first.
    pub(super) fn sorted(mut self) -> Vec<Scored> {
        self.kept.sort_unstable_by(order);
        self.kept.truncate(self.limit);
        self.kept
    }
}

fn order(a: &Scored, b: &Scored) -> std::cmp::Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// How soon more of the same word counts no more. Short texts, where a second mention says little.
pub(super) const K1: f32 = 0.8;

/// The weight of a field and how much its length counts, in the order of [`WEIGHTS`]. Chosen on queries made from a
/// catalog, see `docs/search.md`.
const TITLE: (f32, f32) = (2.0, 0.75);
const BODY: (f32, f32) = (0.5, 0.75);
const BRAND: (f32, f32) = (0.8, 0.3);
const ATTRIBUTES: (f32, f32) = (0.5, 0.75);
/// Of title, text, brand and attributes.
pub(super) const WEIGHTS: [(f32, f32); 4] = [TITLE, BODY, BRAND, ATTRIBUTES];

/// How much a word says that so many of `count` documents have.
pub(super) fn idf(count: usize, documents: usize) -> f32 {
    let without = count.saturating_sub(documents) as f32 + 0.5;
    (1.0 + without / (documents as f32 + 0.5)).ln()
}

/// How much of a fused score is the meaning's; the words have the rest. Chosen on queries made from a catalog, see
/// `docs/search.md`.
const MEANING: f32 = 0.5;

/// Below this share of what the words of a query could give at most, its best document is no measure for the others.
const LEAST_MEASURE: f32 = 0.5;

/// How a document's two scores become one: a weighted sum, each score on a scale of its own that ends at about 1. It keeps
/// what ranks throw away, namely by how much one document is better than the next. Source: Bruch, Gai, Ingber, "An
/// Analysis of Fusion Functions for Hybrid Retrieval", TOIS 2023.
pub(super) struct Fusion {
    words: f32,
    meaning: f32,
}

impl Fusion {
    /// `best` is the highest score by words, `possible` what a document could have at most.
    pub(super) fn new(best: f32, possible: f32, by_meaning: bool) -> Self {
        let measure = best.max(possible * LEAST_MEASURE);
        let meaning = if by_meaning { MEANING } else { 0.0 };
        Self {
            words: if measure > 0.0 {
                (1.0 - meaning) / measure
            } else {
                0.0
            },
            meaning,
        }
    }

    pub(super) fn score(&self, words: f32, similarity: Option<f32>) -> f32 {
        words * self.words + similarity.unwrap_or_default().max(0.0) * self.meaning
    }
}

/// A hit that holds the words must have this share of the best hit's score; one whose category alone holds them has.
const GOOD_BY_WORDS: f32 = 0.4;
/// Where no hit holds a word, one must be nearly as near as the nearest.
const GOOD_BY_MEANING: f32 = 0.85;

/// Which hits are good enough to be sorted by price, and to be counted: [`SearchSort`] says it in words.
pub(super) struct GoodEnough {
    score: f32,
    share: f32,
}

impl GoodEnough {
    /// Measured by the score of the best hit and the share of the words that it holds.
    pub(super) fn beside(score: f32, share: f32) -> Self {
        let part = if share > 0.0 {
            GOOD_BY_WORDS
        } else {
            GOOD_BY_MEANING
        };
        Self {
            score: score * part,
            // Shares of different counts of words are hardly ever equal to the last bit.
            share: share - f32::EPSILON,
        }
    }

    pub(super) fn takes(&self, score: f32, share: f32) -> bool {
        score >= self.score && share >= self.share
    }
}

/// Puts hits, which come best first, in the wanted order. Of one price the better stays before the other; what has no price
/// comes last.
pub(super) fn sort<T>(hits: &mut [T], order: SearchSort, price: impl Fn(&T) -> Option<i64>) {
    let by = |hit: &T, sign: i64| match price(hit) {
        Some(price) => (false, price.saturating_mul(sign)),
        None => (true, 0),
    };
    match order {
        SearchSort::Relevance => {}
        SearchSort::PriceAscending => hits.sort_by_key(|hit| by(hit, 1)),
        SearchSort::PriceDescending => hits.sort_by_key(|hit| by(hit, -1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(scored: &[Scored], limit: usize) -> Vec<usize> {
        let mut best = Best::new(limit);
        for (number, score) in scored {
            best.offer(*number, *score);
        }
        best.sorted().into_iter().map(|found| found.0).collect()
    }

    #[test]
    fn the_best_are_sorted_and_ties_keep_their_order() {
        let scored = [
            (0, 0.1),
            (1, 0.9),
            (2, 0.5),
            (3, 0.5),
            (4, 0.5),
            (5, 0.5),
            (6, 0.4),
        ];
        assert_eq!(best(&scored, 3), [1, 2, 3]);
        assert_eq!(best(&scored, 100).len(), 7);
        assert!(best(&scored, 0).is_empty());
    }

    #[test]
    fn a_document_good_in_both_beats_the_first_of_one() {
        let fusion = Fusion::new(9.0, 10.0, true);
        let both = fusion.score(8.0, Some(0.7));
        assert!(both > fusion.score(9.0, Some(0.2)));
        assert!(both > fusion.score(0.0, Some(0.8)));
    }

    #[test]
    fn what_lacks_a_word_of_the_best_hit_or_comes_nowhere_near_it_is_not_good_enough() {
        let good = GoodEnough::beside(0.8, 1.0);
        assert!(good.takes(0.8, 1.0) && good.takes(0.4, 1.0));
        assert!(!good.takes(0.7, 0.5) && !good.takes(0.3, 1.0));
        let by_meaning = GoodEnough::beside(0.8, 0.0);
        assert!(by_meaning.takes(0.7, 0.0) && !by_meaning.takes(0.6, 0.0));
    }

    #[test]
    fn what_has_no_price_comes_last_in_both_orders() {
        let sorted = |order| {
            let mut hits = [(0, Some(5)), (1, None), (2, Some(3)), (3, Some(5))];
            sort(&mut hits, order, |hit| hit.1);
            hits.map(|hit| hit.0)
        };
        assert_eq!(sorted(SearchSort::Relevance), [0, 1, 2, 3]);
        assert_eq!(sorted(SearchSort::PriceAscending), [2, 0, 3, 1]);
        assert_eq!(sorted(SearchSort::PriceDescending), [0, 3, 2, 1]);
    }

    #[test]
    fn chance_words_weigh_little_against_the_meaning() {
        let fusion = Fusion::new(1.0, 10.0, true);
        assert!(fusion.score(0.0, Some(0.8)) > fusion.score(1.0, Some(0.2)));
    }
}
