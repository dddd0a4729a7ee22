//! What a head goes by: one row of numbers a text.

use ndarray::{Array1, Array2};

use super::{Example, HeadError};
use crate::Output;

/// Meaning and topic side by side, together of unit length, and a constant that gives every class its bias. A model
/// that does not tell the topic is gone by its meaning alone.
pub(super) fn row(output: &Output) -> Array1<f32> {
    let blocks: [&[f32]; 2] = [&output.embedding, &output.topic];
    let present = blocks.iter().filter(|block| !block.is_empty()).count();
    let share = 1.0 / (present.max(1) as f32).sqrt();
    blocks
        .into_iter()
        .flatten()
        .map(|value| value * share)
        .chain([1.0])
        .collect()
}

/// The rows of examples, `[n, width]`.
pub(super) fn rows(examples: &[Example]) -> Result<Array2<f32>, HeadError> {
    let expected = examples.first().map_or(0, |first| row(&first.output).len());
    let mut values = Vec::with_capacity(examples.len() * expected);
    for (place, example) in examples.iter().enumerate() {
        let row = row(&example.output);
        if row.len() != expected || expected < 2 {
            return Err(HeadError::Shape {
                example: place,
                expected: expected.saturating_sub(1),
                found: row.len().saturating_sub(1),
            });
        }
        values.extend(row);
    }
    let shape = HeadError::Shape {
        example: 0,
        expected,
        found: 0,
    };
    Array2::from_shape_vec((examples.len(), expected), values).map_err(|_| shape)
}
