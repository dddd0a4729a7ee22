//! A minimiser for smooth convex functions of many variables.

use std::collections::VecDeque;

use ndarray::ArrayView1;

/// How many steps the curvature is remembered of.
const MEMORY: usize = 10;
/// Least share of the promised descent that a step has to deliver (Armijo).
const DELIVERED: f64 = 1e-4;
/// How often a step is halved before there is nothing left to gain.
const HALVINGS: usize = 25;

/// When to stop.
pub(super) struct Limits {
    /// Most steps.
    pub(super) steps: usize,
    /// A step that lowers the value by less than this share of it is the last, unless nothing was known of the curvature:
    /// then its length was a guess.
    pub(super) tolerance: f64,
}

/// Moves `point` to where `function` is least, by limited-memory BFGS (Nocedal and Wright, "Numerical Optimization",
/// algorithms 7.4 and 7.5). `function` writes its gradient at a point and returns its value there.
pub(super) fn minimise(
    point: &mut Vec<f32>,
    limits: &Limits,
    mut function: impl FnMut(&[f32], &mut [f32]) -> f64,
) {
    let mut gradient = vec![0.0; point.len()];
    let mut value = function(point, &mut gradient);
    let mut past: VecDeque<Step> = VecDeque::with_capacity(MEMORY);
    for _ in 0..limits.steps {
        let mut direction = descent(&gradient, &past);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 {
            // Rounding has spoilt what was remembered.
            past.clear();
            direction = descent(&gradient, &past);
            slope = dot(&direction, &gradient);
        }
        // Without a memory the length of the gradient says nothing about the step's.
        let is_blind = past.is_empty();
        let mut length = match is_blind {
            true => 1.0 / (-slope).sqrt().max(1.0),
            false => 1.0,
        };
        let mut next = vec![0.0; point.len()];
        let mut next_gradient = vec![0.0; point.len()];
        let mut lower = None;
        for _ in 0..HALVINGS {
            for ((next, point), direction) in next.iter_mut().zip(&*point).zip(&direction) {
                *next = point + length as f32 * direction;
            }
            let there = function(&next, &mut next_gradient);
            if there <= value + DELIVERED * length * slope {
                lower = Some(there);
                break;
            }
            length *= 0.5;
        }
        let Some(there) = lower else { return };
        let step = Step::between(point, &next, &gradient, &next_gradient);
        if let Some(step) = step {
            if past.len() == MEMORY {
                past.pop_front();
            }
            past.push_back(step);
        }
        let gained = value - there;
        *point = next;
        gradient = next_gradient;
        value = there;
        if !is_blind && gained <= limits.tolerance * value.abs() {
            return;
        }
    }
}

/// What one step taught of the curvature.
struct Step {
    moved: Vec<f32>,
    turned: Vec<f32>,
    curvature: f64,
}

impl Step {
    /// `None` where the function is flat.
    fn between(from: &[f32], to: &[f32], gradient: &[f32], next: &[f32]) -> Option<Self> {
        let difference =
            |a: &[f32], b: &[f32]| -> Vec<f32> { b.iter().zip(a).map(|(b, a)| b - a).collect() };
        let (moved, turned) = (difference(from, to), difference(gradient, next));
        let curvature = dot(&moved, &turned);
        (curvature > f64::EPSILON * dot(&turned, &turned)).then_some(Self {
            moved,
            turned,
            curvature,
        })
    }
}

/// The direction to go: the negative gradient, bent by what the past steps taught.
fn descent(gradient: &[f32], past: &VecDeque<Step>) -> Vec<f32> {
    let mut direction: Vec<f32> = gradient.iter().map(|value| -value).collect();
    let mut shares = Vec::with_capacity(past.len());
    for step in past.iter().rev() {
        let share = dot(&step.moved, &direction) / step.curvature;
        add(&mut direction, -share, &step.turned);
        shares.push(share);
    }
    if let Some(last) = past.back() {
        let scale = (last.curvature / dot(&last.turned, &last.turned)) as f32;
        direction.iter_mut().for_each(|value| *value *= scale);
    }
    for (step, share) in past.iter().zip(shares.into_iter().rev()) {
        let other = dot(&step.turned, &direction) / step.curvature;
        add(&mut direction, share - other, &step.moved);
    }
    direction
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    // Short sums in f32 are fast, all the more as ndarray adds several at a time; long ones in f64 are exact enough.
    a.chunks(256)
        .zip(b.chunks(256))
        .map(|(a, b)| f64::from(ArrayView1::from(a).dot(&ArrayView1::from(b))))
        .sum()
}

fn add(to: &mut [f32], share: f64, what: &[f32]) {
    let share = share as f32;
    for (to, what) in to.iter_mut().zip(what) {
        *to += share * what;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_step_that_gains_little_is_not_the_last() {
        // So flat that the gradient, taken for a step, hardly moves; the bottom is at 1.
        let mut point = vec![0.0];
        let limits = Limits {
            steps: 50,
            tolerance: 1e-4,
        };
        minimise(&mut point, &limits, |x, gradient| {
            let off = f64::from(x[0]) - 1.0;
            gradient[0] = (0.01 * off) as f32;
            1.0 + 0.005 * off * off
        });
        assert!((point[0] - 1.0).abs() < 0.2, "{point:?}");
    }

    #[test]
    fn the_bottom_of_a_narrow_valley_is_found() {
        // Curvatures from 1 to 1000; the bottom is at 1, 2, 3, …
        let mut point = vec![0.0; 20];
        let limits = Limits {
            steps: 200,
            tolerance: 1e-12,
        };
        minimise(&mut point, &limits, |x, gradient| {
            let mut value = 1.0;
            for (place, (x, gradient)) in x.iter().zip(gradient).enumerate() {
                let curvature = 1000_f32.powf(place as f32 / 19.0);
                let off = x - (place + 1) as f32;
                *gradient = curvature * off;
                value += f64::from(curvature * off * off) / 2.0;
            }
            value
        });
        for (place, x) in point.iter().enumerate() {
            assert!((x - (place + 1) as f32).abs() < 0.02, "{point:?}");
        }
    }
}
