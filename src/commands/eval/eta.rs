//! `doorstep eval eta`: how good forecasts of deliveries are, on parcels whose delivery is known.

use std::time::Instant;

use doorstep_engine::eta::{self, Measured, Window};
use serde_json::{Value, json};

use super::{
    bounds::{self, Bound, Limit},
    merge, parcels, round,
};
use crate::{
    cli::{Cli, EvalEta},
    commands::{Failure, print},
};

/// `doorstep eval eta`
pub(in crate::commands) async fn run(cli: &Cli, arguments: &EvalEta) -> Result<(), Failure> {
    let train = parcels::read(&arguments.train)?;
    let test = parcels::read(&arguments.test)?;
    let given = test.parcels.len() + test.never_left;
    let started = Instant::now();
    let measured = tokio::task::spawn_blocking(move || eta::measure(&train.parcels, &test.parcels))
        .await
        .map_err(Failure::finding)?;
    let took_s = started.elapsed().as_secs_f64();
    let mut figures = rounded(serde_json::to_value(&measured).map_err(Failure::finding)?);
    let more = json!({ "skipped": given - measured.n, "took_s": round(took_s) });
    merge(&mut figures, more);
    let bounds = held(&figures);
    merge(&mut figures, bounds);
    match cli.json {
        true => print(figures),
        false => {
            table(&measured, given)?;
            bounds::table(figures.get("bounds"))
        }
    }
}

/// The figures against their bounds: windows that hold what they state within two points and are narrower than plain
/// quantiles, and errors below the promise's and the plain median's.
fn held(figures: &Value) -> Value {
    let mut bounds = Vec::new();
    let windows = figures["windows"].as_array().into_iter().flatten();
    for (place, window) in windows.enumerate() {
        let level = window["level"].as_f64().unwrap_or_default();
        let coverage = format!("/windows/{place}/coverage");
        let percent = level * 100.0;
        for limit in [
            Limit::AtLeast(round(level - 0.02)),
            Limit::AtMost(round(level + 0.02)),
        ] {
            let name = format!("{percent:.0} % window: coverage");
            bounds.push(Bound::at(figures, &coverage, &name, limit));
        }
    }
    for (ratio, name, at_most) in [
        ("width_to_last_28_days", "width / 28-day quantiles", 0.72),
        ("mae_to_promised", "error / promise", 0.27),
        ("mae_to_last_28_days", "error / 28-day median", 0.9),
    ] {
        let place = format!("/ratios/{ratio}");
        bounds.push(Bound::at(figures, &place, name, Limit::AtMost(at_most)));
    }
    bounds::told(bounds.into_iter().flatten())
}

/// Numbers as they are meant to be read.
fn rounded(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => number
            .as_f64()
            .map_or(Value::Null, |number| json!(round(number))),
        Value::Array(values) => values.into_iter().map(rounded).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, rounded(value)))
            .collect(),
        other => other,
    }
}

fn table(measured: &Measured, given: usize) -> Result<(), Failure> {
    let figure =
        |figure: Option<f64>| figure.map_or("–".to_owned(), |figure| format!("{figure:.3}"));
    print(format!(
        "{} parcels; {} without hand-over or delivery, or delivered before they left, were left out",
        measured.n,
        given - measured.n
    ))?;
    let line = |name: &str, own: String, plain: String, promise: String| {
        print(format!("{name:<30} {own:>10} {plain:>14} {promise:>10}"))
    };
    let texts = |texts: [&str; 3]| texts.map(str::to_owned);
    let [own, plain, promise] = texts(["forecast", "last 28 days", "promise"]);
    line("", own, plain, promise)?;
    let baseline = &measured.last_28_days;
    line(
        "mean error, days",
        figure(measured.median_mae_days),
        figure(baseline.median_mae_days),
        figure(measured.promised.mae_days),
    )?;
    line(
        "late, share",
        String::new(),
        String::new(),
        figure(measured.promised.late_share),
    )?;
    for (own, plain) in measured.windows.iter().zip(&baseline.windows) {
        let percent = own.level * 100.0;
        for (name, of) in [
            ("coverage", (|window| window.coverage) as fn(&Window) -> _),
            ("mean width, days", |window| window.mean_width_days),
        ] {
            let name = format!("{percent:.0} % window: {name}");
            line(&name, figure(of(own)), figure(of(plain)), String::new())?;
        }
    }
    let ratios = &measured.ratios;
    print(format!(
        "error: {} × the promise's, {} × the 28-day median's; windows: {} × the 28-day quantiles'",
        figure(ratios.mae_to_promised),
        figure(ratios.mae_to_last_28_days),
        figure(ratios.width_to_last_28_days)
    ))
}
