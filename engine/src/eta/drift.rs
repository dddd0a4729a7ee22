//! What has changed since the model was learnt: how many parcels came lately, against how many it had expected.

use serde::{Deserialize, Serialize};

/// After so many days a day counts half.
const HALF_LIFE_DAYS: f64 = 10.0;
/// How much has to be seen until all parcels' ratio is half believed, and a class's own.
const CAUTION: f64 = 20.0;
const CLASS_CAUTION: f64 = 30.0;
/// Classes of promises.
pub(crate) const CLASSES: usize = 3;

/// Parcels that came and were expected, by class; older days fade.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Drift {
    came: [f64; CLASSES],
    expected: [f64; CLASSES],
}

/// What to add to the logarithm of the odds, by class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Odds([f64; CLASSES]);

impl Odds {
    pub(crate) fn of(&self, class: usize) -> f64 {
        self.0.get(class).copied().unwrap_or_default()
    }
}

impl Drift {
    /// A day has passed.
    pub(crate) fn fade(&mut self) {
        let kept = 0.5_f64.powf(1.0 / HALF_LIFE_DAYS);
        for figure in self.came.iter_mut().chain(&mut self.expected) {
            *figure *= kept;
        }
    }

    pub(crate) fn add(&mut self, class: usize, came: bool, expected: f64) {
        self.came[class] += f64::from(u8::from(came));
        self.expected[class] += expected;
    }

    /// The ratio of all parcels, and on it each class's own.
    pub(crate) fn odds(&self) -> Odds {
        let (came, expected): (f64, f64) = (self.came.iter().sum(), self.expected.iter().sum());
        let all = (came + CAUTION) / (expected + CAUTION);
        Odds(std::array::from_fn(|class| {
            let expected = self.expected[class] * all;
            let own = (self.came[class] + CLASS_CAUTION) / (expected + CLASS_CAUTION);
            (all * own).ln()
        }))
    }
}
