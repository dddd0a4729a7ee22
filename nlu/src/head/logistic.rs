//! Multinomial logistic regression: rows of numbers in, a score for each class out.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis, linalg::general_mat_mul, s};

use super::lbfgs::{Limits, minimise};

/// Rows that are worked on at once: their scores stay in the processor's cache.
const ROWS: usize = 256;
/// So many rows cost little, and are fitted to the last.
const CHEAP: usize = 1000;

/// A trained regression.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Logistic {
    /// `[classes, width]`.
    weights: Array2<f32>,
}

impl Logistic {
    /// Fits `rows` (`[n, width]`, one of their columns a constant if a bias is wanted) to `classes` (one a row, below
    /// `count`): least mean cross-entropy plus `penalty / 2n` times the squared weights. The penalty is by sum, not by
    /// mean, so that the same one serves few rows and many: it is a prior on the weights, which the data outweighs.
    ///
    /// Runs on the caller's thread.
    pub(super) fn fit(
        rows: ArrayView2<'_, f32>,
        classes: &[usize],
        count: usize,
        penalty: f32,
    ) -> Self {
        let width = rows.ncols();
        let mut weights = vec![0.0; count * width];
        let limits = Limits {
            steps: 120,
            // With many rows, the last quarter of the steps changes fewer than one answer in two hundred.
            tolerance: match rows.nrows() <= CHEAP {
                true => 1e-5,
                false => 1e-4,
            },
        };
        let share = 1.0 / rows.nrows().max(1) as f64;
        minimise(&mut weights, &limits, |point, gradient| {
            let Ok(weights) = ArrayView2::from_shape((count, width), point) else {
                return f64::INFINITY; // Not reached: `point` is as long as `weights` above.
            };
            let (loss, sum) = loss(rows, classes, weights);
            let decay = penalty * share as f32;
            for ((gradient, sum), weight) in gradient.iter_mut().zip(&sum).zip(point) {
                *gradient = sum * share as f32 + decay * weight;
            }
            let squares: f64 = point.iter().map(|w| f64::from(w * w)).sum();
            loss * share + f64::from(decay) * squares / 2.0
        });
        Self {
            // As long as it was made above.
            weights: Array2::from_shape_vec((count, width), weights).unwrap_or_default(),
        }
    }

    /// The classes' scores (logits) for one row.
    pub(super) fn scores(&self, row: ArrayView1<'_, f32>) -> Vec<f32> {
        self.weights.dot(&row).to_vec()
    }
}

/// Cross-entropy and its gradient, both summed over the rows.
fn loss(
    rows: ArrayView2<'_, f32>,
    classes: &[usize],
    weights: ArrayView2<'_, f32>,
) -> (f64, Array2<f32>) {
    let mut gradient = Array2::zeros(weights.raw_dim());
    let mut scores = Array2::zeros((ROWS.min(rows.nrows()), weights.nrows()));
    let mut loss = 0.0;
    for (block, classes) in rows
        .axis_chunks_iter(Axis(0), ROWS)
        .zip(classes.chunks(ROWS))
    {
        let mut scores = scores.slice_mut(s![..block.nrows(), ..]);
        general_mat_mul(1.0, &block, &weights.t(), 0.0, &mut scores);
        for (mut scores, class) in scores.rows_mut().into_iter().zip(classes) {
            let own = scores[*class];
            let highest = scores.fold(f32::NEG_INFINITY, |a, b| a.max(*b));
            scores.mapv_inplace(|score| (score - highest).exp());
            let sum = scores.sum();
            loss += f64::from(sum.ln() + highest - own);
            scores.mapv_inplace(|share| share / sum);
            scores[*class] -= 1.0;
        }
        general_mat_mul(1.0, &scores.t(), &block, 1.0, &mut gradient);
    }
    (loss, gradient)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let rows = array![[1.0, 0.2, -0.4], [0.3, -1.0, 1.0], [0.1, 0.9, 1.0]];
        let weights = array![[0.1, -0.2, 0.3], [0.5, 0.4, -0.1]];
        let classes = [0, 1, 1];
        let (_, gradient) = loss(rows.view(), &classes, weights.view());
        for ((row, column), slope) in gradient.indexed_iter() {
            let at = |step: f32| {
                let mut moved = weights.clone();
                moved[(row, column)] += step;
                loss(rows.view(), &classes, moved.view()).0
            };
            let measured = (at(1e-2) - at(-1e-2)) / 2e-2;
            assert!((measured - f64::from(*slope)).abs() < 1e-3);
        }
    }

    #[test]
    fn rows_count_alike_in_whatever_block_they_stand() {
        let rows = Array2::from_shape_fn((700, 6), |(row, column)| {
            ((row * 31 + column * 17) % 101) as f32 / 101.0
        });
        let classes: Vec<usize> = (0..700).map(|row| row % 5).collect();
        let weights = Array2::from_shape_fn((5, 6), |(row, column)| {
            ((row + 3 * column) % 7) as f32 / 7.0
        });
        let (together, gradient) = loss(rows.view(), &classes, weights.view());
        let mut alone = 0.0;
        let mut sum = Array2::<f32>::zeros((5, 6));
        for (row, class) in rows.axis_chunks_iter(Axis(0), 1).zip(classes.chunks(1)) {
            let (loss, gradient) = loss(row, class, weights.view());
            alone += loss;
            sum += &gradient;
        }
        assert!((together - alone).abs() < 1e-2);
        assert!((gradient - sum).iter().all(|off| off.abs() < 1e-2));
    }
}
