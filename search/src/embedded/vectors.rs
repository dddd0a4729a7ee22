//! The vectors of all documents, quantised, in blocks that a scan runs through.
//!
//! A component is two bytes: a coarse one and what it leaves over. The scan reads the coarse ones only, which is all that
//! the memory's bandwidth is spent on; the best are then compared by both, which is exact to four digits.

use std::sync::Arc;

use pulp::{Arch, NullaryFnOnce};

use crate::ranking::{Best, Scored};

/// Vectors of one block: a write copies the blocks that it touches.
const BLOCK: usize = 1024;

/// Of `f32` lanes: independent sums let the compiler use vector registers; one running sum would forbid it, because
/// floating-point addition is not associative.
const LANES: usize = 16;

/// How many more are compared exactly than are wanted: the coarse scores of neighbours differ by less than their error.
const RERANKED: usize = 2;

/// Vectors by document number.
#[derive(Clone, Default)]
pub(super) struct Vectors {
    blocks: Vec<Arc<Block>>,
    /// The length of all vectors; 0 while there is none.
    dimensions: usize,
}

#[derive(Clone)]
struct Block {
    coarse: Vec<i8>,
    fine: Vec<i8>,
    /// What a coarse step is worth; 0 where there is no vector.
    steps: Vec<f32>,
}

impl Block {
    fn empty(dimensions: usize) -> Self {
        Self {
            coarse: vec![0; BLOCK * dimensions],
            fine: vec![0; BLOCK * dimensions],
            steps: vec![0.0; BLOCK],
        }
    }
}

/// A query's vector, ready to be compared.
pub(super) struct Asked {
    exact: Vec<f32>,
    coarse: Vec<i8>,
    step: f32,
}

impl Asked {
    /// `None` for a vector that points nowhere.
    pub(super) fn of(vector: &[f32]) -> Option<Self> {
        let exact = unit(vector)?;
        let step = step_of(&exact);
        let coarse = exact.iter().map(|value| whole(value / step)).collect();
        Some(Self {
            exact,
            coarse,
            step,
        })
    }
}

impl Vectors {
    pub(super) fn dimensions(&self) -> Option<usize> {
        (self.dimensions > 0).then_some(self.dimensions)
    }

    /// Takes a vector of unit length, or that there is none. The first one decides the length of all.
    pub(super) fn put(&mut self, number: usize, vector: Option<&[f32]>) {
        let (block, place) = (number / BLOCK, number % BLOCK);
        if let (0, Some(vector)) = (self.dimensions, vector) {
            self.dimensions = vector.len();
        }
        if self.dimensions == 0 || (vector.is_none() && block >= self.blocks.len()) {
            return;
        }
        while self.blocks.len() <= block {
            self.blocks.push(Arc::new(Block::empty(self.dimensions)));
        }
        let block = Arc::make_mut(&mut self.blocks[block]);
        let Some(vector) = vector.filter(|vector| vector.len() == self.dimensions) else {
            block.steps[place] = 0.0;
            return;
        };
        let step = step_of(vector);
        block.steps[place] = step;
        let at = place * self.dimensions;
        for (offset, value) in vector.iter().enumerate() {
            let steps = value / step;
            let coarse = whole(steps);
            block.coarse[at + offset] = coarse;
            block.fine[at + offset] = whole((steps - f32::from(coarse)) * FINE);
        }
    }

    /// Forgets all, the length of the vectors too.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// A document's vector, of unit length.
    pub(super) fn get(&self, number: usize) -> Option<Vec<f32>> {
        let (coarse, fine, step) = self.row(number)?;
        let values = coarse.iter().zip(fine);
        Some(
            values
                .map(|(coarse, fine)| value(*coarse, *fine) * step)
                .collect(),
        )
    }

    /// Whether a document has one.
    pub(super) fn has(&self, number: usize) -> bool {
        self.row(number).is_some()
    }

    /// The cosines of some documents, in their order; `None` for one without vector.
    pub(super) fn similarities(&self, numbers: &[usize], asked: &Asked) -> Vec<Option<f32>> {
        Arch::new().dispatch(Comparison {
            vectors: self,
            asked,
            numbers,
        })
    }

    /// The cosine; `None` for a document without vector.
    #[inline(always)]
    pub(super) fn similarity(&self, number: usize, asked: &Asked) -> Option<f32> {
        let (coarse, fine, step) = self.row(number)?;
        Some(exact_dot(coarse, fine, &asked.exact) * step)
    }

    /// The `limit` documents nearest to `asked` among those for which `allowed` holds, best first.
    pub(super) fn nearest(
        &self,
        asked: &Asked,
        limit: usize,
        allowed: impl Fn(usize) -> bool,
    ) -> Vec<Scored> {
        if asked.coarse.len() != self.dimensions || limit == 0 {
            return Vec::new();
        }
        let best = Arch::new().dispatch(Scan {
            vectors: self,
            asked,
            limit: limit * RERANKED,
            allowed,
        });
        let numbers: Vec<usize> = best.into_iter().map(|(number, _)| number).collect();
        let mut exact = Best::new(limit);
        for (number, similarity) in numbers.iter().zip(self.similarities(&numbers, asked)) {
            if let Some(similarity) = similarity {
                exact.offer(*number, similarity);
            }
        }
        exact.sorted()
    }

    #[inline(always)]
    fn row(&self, number: usize) -> Option<(&[i8], &[i8], f32)> {
        let block = self.blocks.get(number / BLOCK)?;
        let place = number % BLOCK;
        let step = block.steps[place];
        let range = place * self.dimensions..(place + 1) * self.dimensions;
        (step > 0.0).then(|| (&block.coarse[range.clone()], &block.fine[range], step))
    }
}

/// A scan over the coarse bytes. It is compiled for what the processor has, and with it all that is inlined into it: plain
/// loops become its widest instructions. A closure would not do, because it is not inlined for certain.
struct Scan<'a, F> {
    vectors: &'a Vectors,
    asked: &'a Asked,
    limit: usize,
    allowed: F,
}

impl<F: Fn(usize) -> bool> NullaryFnOnce for Scan<'_, F> {
    type Output = Vec<Scored>;

    #[inline(always)]
    fn call(self) -> Vec<Scored> {
        let mut best = Best::new(self.limit);
        for (place, block) in self.vectors.blocks.iter().enumerate() {
            let rows = block.coarse.chunks_exact(self.vectors.dimensions);
            for (row, (codes, step)) in rows.zip(&block.steps).enumerate() {
                let steps = coarse_dot(codes, &self.asked.coarse);
                let score = steps as f32 * step * self.asked.step;
                let number = place * BLOCK + row;
                // Few come as far as to be asked whether they may be shown.
                if best.takes(score) && *step > 0.0 && (self.allowed)(number) {
                    best.offer(number, score);
                }
            }
        }
        best.sorted()
    }
}

/// Exact comparisons, compiled as [`Scan`] is.
struct Comparison<'a> {
    vectors: &'a Vectors,
    asked: &'a Asked,
    numbers: &'a [usize],
}

impl NullaryFnOnce for Comparison<'_> {
    type Output = Vec<Option<f32>>;

    #[inline(always)]
    fn call(self) -> Vec<Option<f32>> {
        let mut similarities = Vec::with_capacity(self.numbers.len());
        for number in self.numbers {
            similarities.push(self.vectors.similarity(*number, self.asked));
        }
        similarities
    }
}

/// Fine steps in a coarse one.
const FINE: f32 = 254.0;

/// The step with which the largest component just fits.
fn step_of(vector: &[f32]) -> f32 {
    let largest = vector
        .iter()
        .fold(0.0_f32, |max, value| max.max(value.abs()));
    largest.max(f32::MIN_POSITIVE) / 127.0
}

/// Saturates.
fn whole(steps: f32) -> i8 {
    steps.round() as i8
}

#[inline(always)]
fn value(coarse: i8, fine: i8) -> f32 {
    f32::from(coarse) + f32::from(fine) / FINE
}

#[inline(always)] // Else it would not be compiled for the processor that `dispatch` found.
fn coarse_dot(left: &[i8], right: &[i8]) -> i32 {
    left.iter()
        .zip(right)
        .map(|(left, right)| i32::from(*left) * i32::from(*right))
        .sum()
}

#[inline(always)]
fn exact_dot(coarse: &[i8], fine: &[i8], asked: &[f32]) -> f32 {
    let (coarse, coarse_rest) = coarse.as_chunks::<LANES>();
    let (fine, fine_rest) = fine.as_chunks::<LANES>();
    let (asked, asked_rest) = asked.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for ((coarse, fine), asked) in coarse.iter().zip(fine).zip(asked) {
        for lane in 0..LANES {
            sums[lane] += value(coarse[lane], fine[lane]) * asked[lane];
        }
    }
    let rest = coarse_rest.iter().zip(fine_rest).zip(asked_rest);
    let rest = rest.map(|((coarse, fine), asked)| value(*coarse, *fine) * asked);
    sums.iter().sum::<f32>() + rest.sum::<f32>()
}

/// `vector` at length 1; `None` for one that points nowhere (empty, zero, not finite).
pub(crate) fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let (lanes, rest) = vector.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for lane in lanes {
        for (sum, value) in sums.iter_mut().zip(lane) {
            *sum += value * value;
        }
    }
    let rest: f32 = rest.iter().map(|value| value * value).sum();
    let length = (sums.iter().sum::<f32>() + rest).sqrt();
    if !length.is_finite() || length <= f32::EPSILON {
        return None;
    }
    Some(vector.iter().map(|value| value / length).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Repeatable vectors that point anywhere.
    fn some(count: usize, dimensions: usize) -> Vec<Vec<f32>> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            (state >> 40) as f32 / 8_388_608.0 - 1.0
        };
        let vector = |_| unit(&(0..dimensions).map(|_| next()).collect::<Vec<f32>>()).unwrap();
        (0..count).map(vector).collect()
    }

    fn dot(left: &[f32], right: &[f32]) -> f32 {
        left.iter().zip(right).map(|(l, r)| l * r).sum()
    }

    #[test]
    fn a_vector_without_direction_is_none() {
        assert!(unit(&[0.0; 8]).is_none());
        assert!(unit(&[f32::NAN; 8]).is_none());
        assert!(unit(&[f32::MAX; 8]).is_none());
        assert!(unit(&[]).is_none());
        assert_eq!(unit(&[3.0, 4.0]).unwrap(), [0.6, 0.8]);
    }

    #[test]
    fn the_nearest_are_those_of_an_exact_scan() {
        let documents = some(3000, 48);
        let mut vectors = Vectors::default();
        for (number, vector) in documents.iter().enumerate() {
            vectors.put(number, Some(vector));
        }
        for query in some(20, 48).iter().rev() {
            let allowed = |number: usize| !number.is_multiple_of(3);
            let mut exact: Vec<Scored> = documents
                .iter()
                .enumerate()
                .filter(|(number, _)| allowed(*number))
                .map(|(number, vector)| (number, dot(vector, query)))
                .collect();
            exact.sort_by(|a, b| b.1.total_cmp(&a.1));
            let asked = Asked::of(query).unwrap();
            let found = vectors.nearest(&asked, 10, allowed);
            for (found, exact) in found.iter().zip(&exact) {
                assert_eq!(found.0, exact.0);
                assert!((found.1 - exact.1).abs() < 1e-4);
            }
            assert_eq!(found.len(), 10);
        }
    }

    #[test]
    fn a_vector_is_replaced_and_forgotten_and_older_states_keep_it() {
        let [one, two] = [vec![1.0, 0.0], vec![0.0, 1.0]];
        let mut vectors = Vectors::default();
        vectors.put(5, None);
        vectors.put(1500, Some(&one));
        let before = vectors.clone();
        vectors.put(1500, Some(&two));
        assert_eq!(vectors.get(1500), Some(two));
        vectors.put(1500, None);
        assert!(!vectors.has(1500) && !vectors.has(5));
        assert_eq!(before.get(1500), Some(one));
    }
}
