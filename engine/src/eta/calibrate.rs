//! Split-conformal calibration that follows drift: how surprising recent arrivals were to forecasts made at their
//! hand-over, by models that had not seen them (Vovk et al. 2005; weights that fade as in Barber et al. 2023).

use serde::{Deserialize, Serialize};

/// After so many days an arrival counts half.
const HALF_LIFE_DAYS: f64 = 25.0;
/// Arrivals older than this are forgotten.
const MEMORY_DAYS: f64 = 240.0;
/// How many arrivals the belief counts for that the model needs no correction.
const PRIOR: f64 = 10.0;

/// Surprises of arrivals that are known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calibration {
    /// When each became known, and how surprising it was; least surprising first.
    known: Vec<(f64, f32)>,
}

impl Calibration {
    pub(crate) fn add(&mut self, at: f64, surprise: f64) {
        let surprise = surprise as f32;
        let place = self.known.partition_point(|(_, other)| *other < surprise);
        self.known.insert(place, (at, surprise));
    }

    pub(crate) fn forget(&mut self, now: f64) {
        self.known.retain(|(at, _)| *at > now - MEMORY_DAYS);
    }

    /// The level to ask of the model so that its window holds with probability `wanted`.
    pub(crate) fn level(&self, wanted: f64, now: f64) -> f64 {
        let weight = |at: f64| 0.5_f64.powf((now - at).max(0.0) / HALF_LIFE_DAYS);
        let all = PRIOR + self.known.iter().map(|(at, _)| weight(*at)).sum::<f64>();
        let mut seen = 0.0;
        for (at, surprise) in &self.known {
            let surprise = f64::from(*surprise);
            // The prior's surprises are spread evenly.
            let enough = (wanted * all - seen) / PRIOR;
            if enough <= surprise {
                return enough.clamp(0.0, 1.0);
            }
            seen += weight(*at);
            if seen + PRIOR * surprise >= wanted * all {
                return surprise;
            }
        }
        ((wanted * all - seen) / PRIOR).clamp(0.0, 1.0)
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.known
            .iter()
            .all(|(at, surprise)| at.is_finite() && (0.0..=1.0).contains(surprise))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overconfident_model_is_asked_for_more_and_the_past_fades() {
        let mut calibration = Calibration::default();
        assert!((calibration.level(0.8, 0.0) - 0.8).abs() < 1e-9);
        // All was more surprising than it should have been.
        for place in 0..200 {
            calibration.add(0.0, f64::from(place).mul_add(0.0025, 0.5));
        }
        let asked = calibration.level(0.8, 0.0);
        assert!((0.87..0.91).contains(&asked), "{asked}");
        let later = calibration.level(0.8, 250.0);
        assert!((0.79..0.82).contains(&later), "{later}");
        calibration.forget(250.0);
        assert_eq!(calibration, Calibration::default());
    }
}
