//! The arithmetic of ranking: cosine, the best of many, and the fusion of two lists.

use std::collections::HashMap;

/// How fast the weight of a rank falls: from the paper, and robust over collections.
const RANK_CONSTANT: f32 = 60.0;

/// Lanes of the dot product. Independent sums let the compiler use vector registers of any width; one running sum would
/// forbid it, because floating-point addition is not associative.
const LANES: usize = 16;

/// A document's number with its score.
pub(super) type Scored = (usize, f32);

/// The dot product, which is the cosine of unit vectors; 0 where their lengths differ.
pub(super) fn dot(left: &[f32], right: &[f32]) -> f32 {
    if left.len() != right.len() {
        return 0.0;
    }
    let (left, left_rest) = left.as_chunks::<LANES>();
    let (right, right_rest) = right.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for (left, right) in left.iter().zip(right) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(l, r)| l * r).sum();
    sums.iter().sum::<f32>() + rest
}

/// `vector` at length 1; `None` for one that points nowhere (empty, zero, not finite).
pub(super) fn unit(mut vector: Vec<f32>) -> Option<Box<[f32]>> {
    let length = dot(&vector, &vector).sqrt();
    if !length.is_finite() || length <= f32::EPSILON {
        return None;
    }
    for value in &mut vector {
        *value /= length;
    }
    Some(vector.into_boxed_slice())
}

/// The `limit` best, best first; equal scores in the order of their numbers, so that a list is always the same.
pub(super) fn best(mut scored: Vec<Scored>, limit: usize) -> Vec<Scored> {
    let order = |a: &Scored, b: &Scored| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if scored.len() > limit && limit > 0 {
        scored.select_nth_unstable_by(limit - 1, order);
    }
    scored.truncate(limit);
    scored.sort_unstable_by(order);
    scored
}

/// Reciprocal rank fusion: each list gives a document 1 / (60 + its rank, counted from 1). Scores of different kinds
/// never meet, so none has to be calibrated. Source: Cormack, Clarke, Buettcher, "Reciprocal Rank Fusion outperforms
/// Condorcet and individual Rank Learning Methods", SIGIR 2009.
pub(super) fn fuse(lists: &[Vec<Scored>], limit: usize) -> Vec<Scored> {
    let mut fused: HashMap<usize, f32> = HashMap::new();
    for list in lists {
        for (rank, (number, _)) in list.iter().enumerate() {
            *fused.entry(*number).or_default() += 1.0 / (RANK_CONSTANT + rank as f32 + 1.0);
        }
    }
    best(fused.into_iter().collect(), limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dot_product_covers_whole_lanes_and_the_rest() {
        let ones = vec![1.0; LANES * 2 + 3];
        assert_eq!(dot(&ones, &ones), ones.len() as f32);
        assert_eq!(dot(&ones, &ones[1..]), 0.0);
    }

    #[test]
    fn a_vector_without_direction_is_none() {
        assert!(unit(vec![0.0; 8]).is_none());
        assert!(unit(vec![f32::NAN; 8]).is_none());
        assert!(unit(vec![f32::MAX; 8]).is_none());
        assert!(unit(Vec::new()).is_none());
        assert_eq!(&*unit(vec![3.0, 4.0]).unwrap(), [0.6, 0.8]);
    }

    #[test]
    fn a_document_good_in_both_lists_beats_the_first_of_one() {
        let words = vec![(1, 9.0), (2, 8.0)];
        let meaning = vec![(3, 0.9), (2, 0.8)];
        let order: Vec<usize> = fuse(&[words, meaning], 3).iter().map(|hit| hit.0).collect();
        assert_eq!(order, [2, 1, 3]);
    }

    #[test]
    fn the_best_are_sorted_and_ties_keep_their_order() {
        let scored = vec![(3, 0.5), (1, 0.9), (2, 0.5), (0, 0.1)];
        let order: Vec<usize> = best(scored, 3).iter().map(|hit| hit.0).collect();
        assert_eq!(order, [1, 2, 3]);
        assert!(best(vec![(1, 1.0)], 0).is_empty());
    }
}
