//! What figures are held against: the bounds that this project set itself.

use serde_json::{Value, json};

use super::round;
use crate::commands::{Failure, print};

/// How a figure is bounded.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

/// A figure and its bound.
#[derive(Debug)]
pub(super) struct Bound {
    name: String,
    measured: f64,
    limit: Limit,
}

impl Bound {
    /// A figure of `figures`; nothing where it was not measured.
    pub(super) fn of(figures: &Value, name: &str, limit: Limit) -> Option<Self> {
        Some(Self {
            name: name.to_owned(),
            measured: figures[name].as_f64()?,
            limit,
        })
    }

    /// A figure at this place (a JSON pointer), under a name of its own; nothing where it was not measured.
    pub(super) fn at(figures: &Value, place: &str, name: &str, limit: Limit) -> Option<Self> {
        Some(Self {
            name: name.to_owned(),
            measured: figures.pointer(place)?.as_f64()?,
            limit,
        })
    }

    /// A figure that is measured by another one of the same run.
    pub(super) fn relative(figures: &Value, name: &str, to: &str, at_most: f64) -> Option<Self> {
        let (measured, measure) = (figures[name].as_f64()?, figures[to].as_f64()?);
        (measure > 0.0).then(|| Self {
            name: format!("{name} / {to}"),
            measured: round(measured / measure),
            limit: Limit::AtMost(at_most),
        })
    }

    fn is_met(&self) -> bool {
        match self.limit {
            Limit::AtLeast(bound) => self.measured >= bound,
            Limit::AtMost(bound) => self.measured <= bound,
        }
    }

    fn told(&self) -> Value {
        let (sign, bound) = match self.limit {
            Limit::AtLeast(bound) => (">=", bound),
            Limit::AtMost(bound) => ("<=", bound),
        };
        json!({
            "figure": self.name,
            "bound": format!("{sign} {bound}"),
            "measured": self.measured,
            "met": self.is_met(),
        })
    }
}

/// Bounds as they stand among the figures.
pub(super) fn told(bounds: impl IntoIterator<Item = Bound>) -> Value {
    let bounds: Vec<Value> = bounds.into_iter().map(|bound| bound.told()).collect();
    json!({ "bounds": bounds })
}

/// One bound a line.
pub(super) fn table(bounds: Option<&Value>) -> Result<(), Failure> {
    let bounds = bounds.and_then(Value::as_array).into_iter().flatten();
    for (place, bound) in bounds.enumerate() {
        if place == 0 {
            print(format!(
                "{:<30} {:>10} {:>10}",
                "bounds", "bound", "measured"
            ))?;
        }
        let text = |name: &str| bound[name].as_str().unwrap_or_default().to_owned();
        let verdict = match bound["met"] == true {
            true => "met",
            false => "missed",
        };
        print(format!(
            "  {:<28} {:>10} {:>10}  {verdict}",
            text("figure"),
            text("bound"),
            bound["measured"].to_string(),
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_held_against_bounds_and_what_was_not_measured_is_not() {
        let figures = json!({ "right": 0.9, "refused": 0.94, "p50_ms": 3.0, "embed_p50_ms": 1.2, "mrr": null });
        let bounds = [
            Bound::of(&figures, "right", Limit::AtLeast(0.9)),
            Bound::of(&figures, "refused", Limit::AtLeast(0.95)),
            Bound::of(&figures, "mrr", Limit::AtLeast(0.5)),
            Bound::relative(&figures, "p50_ms", "embed_p50_ms", 2.0),
        ];
        let told = told(bounds.into_iter().flatten());
        let met: Vec<bool> = told["bounds"]
            .as_array()
            .unwrap()
            .iter()
            .map(|bound| bound["met"] == true)
            .collect();
        assert_eq!(met, [true, false, false]);
        assert_eq!(told["bounds"][2]["figure"], "p50_ms / embed_p50_ms");
        assert_eq!(told["bounds"][2]["measured"], 2.5);
        assert_eq!(told["bounds"][0]["bound"], ">= 0.9");
    }
}
