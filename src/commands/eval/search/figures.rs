//! How good a list of hits is, by grades of 0 to 3. What nobody judged counts 0.

use std::collections::HashMap;

/// How deep a customer looks.
const DEPTH: usize = 10;

/// What one query's hits are worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Worth {
    /// Discounted cumulative gain (2^grade − 1, discount log2 of rank + 1) over the best possible one of what was judged.
    /// Source: Järvelin, Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002; gain as by Burges et
    /// al., ICML 2005.
    pub(super) ndcg: f64,
    /// One over the rank of the first product with a grade above 0 among the hits; 0 without one.
    pub(super) reciprocal_rank: f64,
    /// The share of the products with a grade above 0 that are among the first ten hits.
    pub(super) recall: f64,
}

impl Worth {
    /// `None` where no product has a grade above 0: no list is better than another then.
    pub(super) fn of(hits: &[String], ratings: &HashMap<String, f64>) -> Option<Self> {
        let mut ideal: Vec<f64> = ratings.values().copied().collect();
        ideal.sort_by(|a, b| b.total_cmp(a));
        let best = gain(ideal.iter().copied());
        if best <= 0.0 {
            return None;
        }
        let grade = |id: &String| ratings.get(id).copied().unwrap_or_default();
        let relevant = ideal.iter().filter(|grade| **grade > 0.0).count();
        let found = hits.iter().take(DEPTH).filter(|id| grade(id) > 0.0).count();
        let first = hits.iter().position(|id| grade(id) > 0.0);
        Some(Self {
            ndcg: gain(hits.iter().map(grade)) / best,
            reciprocal_rank: first.map_or(0.0, |place| 1.0 / (place as f64 + 1.0)),
            recall: found as f64 / relevant as f64,
        })
    }
}

fn gain(grades: impl Iterator<Item = f64>) -> f64 {
    let discounted =
        |(place, grade): (usize, f64)| (grade.exp2() - 1.0) / (place as f64 + 2.0).log2();
    grades.take(DEPTH).enumerate().map(discounted).sum()
}

/// The value below which `share` of them lie (nearest rank); 0 of none.
pub(super) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let rank = (share * values.len() as f64).ceil() as usize;
    values
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worth(hits: &[&str], ratings: &[(&str, f64)]) -> Option<Worth> {
        let hits: Vec<String> = hits.iter().map(ToString::to_string).collect();
        let ratings = ratings.iter().map(|(id, grade)| (id.to_string(), *grade));
        Worth::of(&hits, &ratings.collect())
    }

    #[test]
    fn figures_are_those_worked_out_by_hand() {
        let ratings = [("a", 3.0), ("b", 2.0), ("c", 0.0), ("d", 1.0)];
        let found = worth(&["x", "b", "c", "a"], &ratings).unwrap();
        let ideal = 7.0 + 3.0 / 3.0_f64.log2() + 1.0 / 2.0;
        let gained = 3.0 / 3.0_f64.log2() + 7.0 / 5.0_f64.log2();
        assert!((found.ndcg - gained / ideal).abs() < 1e-12);
        assert_eq!(found.reciprocal_rank, 0.5);
        assert_eq!(found.recall, 2.0 / 3.0);
        let best = worth(&["a", "b", "d"], &ratings).unwrap();
        assert!((best.ndcg - 1.0).abs() < 1e-12);
    }

    #[test]
    fn only_ten_hits_count_and_a_query_without_answer_says_nothing() {
        let mut hits = vec!["x"; 10];
        hits.push("a");
        let found = worth(&hits, &[("a", 3.0)]).unwrap();
        assert_eq!((found.ndcg, found.recall), (0.0, 0.0));
        assert_eq!(worth(&["a"], &[("a", 0.0)]), None);
    }

    #[test]
    fn percentiles_take_the_nearest_rank() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&values, 0.5), 50.0);
        assert_eq!(percentile(&values, 0.95), 95.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }
}
