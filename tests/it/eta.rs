//! `doorstep eval eta`: learns from a file of parcels and measures on a later one, as a merchant would.

use std::{fmt::Write, path::Path, process::Output};

use chrono::{Days, NaiveDateTime, TimeDelta};
use serde_json::Value;

use crate::support::server::doorstep_command;

fn eval(arguments: &[&str]) -> Output {
    doorstep_command()
        .args(["eval", "eta"])
        .args(arguments)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Eight parcels a day, to two places: three or six days, and one more for some.
fn parcels(file: &Path, days: std::ops::Range<u64>) {
    let start: NaiveDateTime = "2026-01-05T09:00:00".parse().unwrap();
    let mut text =
        "order_id,purchased_at,handed_over_at,promised_at,delivered_at,destination,carrier\n"
            .to_owned();
    for day in days {
        for place in 0..8_u64 {
            let handed_over =
                start + Days::new(day) + TimeDelta::minutes(i64::try_from(place * 50).unwrap());
            let (destination, usual) = if place % 2 == 0 {
                ("PT 10", 3)
            } else {
                ("FI 00", 6)
            };
            let late = u64::from((day * 7 + place * 3) % 5 == 0);
            let delivered = handed_over + Days::new(usual + late) + TimeDelta::hours(2);
            let promised = handed_over.date() + Days::new(9);
            writeln!(
                text,
                "{day}-{place},{},{handed_over},{promised},{delivered},{destination},",
                handed_over.date()
            )
            .unwrap();
        }
    }
    // Never handed over, and still on its way.
    text.push_str("x,2026-01-05,,,,,\ny,,2026-05-01T10:00:00Z,,,,\n");
    std::fs::write(file, text).unwrap();
}

#[test]
fn forecasts_are_measured_beside_plain_ones_and_the_promise() {
    let folder = tempfile::tempdir().unwrap();
    let (train, test) = (
        folder.path().join("train.csv"),
        folder.path().join("test.csv"),
    );
    parcels(&train, 0..90);
    parcels(&test, 90..115);
    let files = [
        "--train",
        train.to_str().unwrap(),
        "--test",
        test.to_str().unwrap(),
    ];
    let output = eval(&[&files[..], &["--json"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&figures["n"], &figures["skipped"]),
        (&200.into(), &2.into())
    );
    let figure = |path: &str| {
        let value = figures.pointer(path).and_then(Value::as_f64);
        value.unwrap_or_else(|| panic!("{path}: {figures}"))
    };
    assert_eq!(
        (figure("/windows/0/level"), figure("/windows/1/level")),
        (0.8, 0.9)
    );
    assert!(figure("/windows/0/coverage") >= 0.75, "{figures}");
    assert!(figure("/windows/0/mean_width_days") <= figure("/windows/1/mean_width_days"));
    assert!(figure("/median_mae_days") < 0.8, "{figures}");
    assert_eq!(figure("/promised/late_share"), 0.0);
    assert!(figure("/ratios/mae_to_promised") < 0.2, "{figures}");
    assert!(figure("/ratios/mae_to_last_28_days") < 0.6, "{figures}");
    assert!(figure("/ratios/width_to_last_28_days") < 0.8, "{figures}");

    let bounds = figures["bounds"].as_array().unwrap();
    let named = |name: &str| {
        let mut found = bounds.iter().filter(|bound| bound["figure"] == name);
        let bound = found.next();
        bound.unwrap_or_else(|| panic!("{name} is not in {bounds:?}"))
    };
    let promise = named("error / promise");
    assert_eq!(
        (&promise["bound"], &promise["met"]),
        (&"<= 0.27".into(), &true.into())
    );
    assert_eq!(promise["measured"], figures["ratios"]["mae_to_promised"]);
    assert_eq!(named("error / 28-day median")["bound"], "<= 0.9");
    assert_eq!(named("width / 28-day quantiles")["bound"], "<= 0.72");
    assert_eq!(named("80 % window: coverage")["bound"], ">= 0.78");
    assert_eq!(
        bounds.len(),
        7,
        "both ends of two windows, and three ratios"
    );

    let table = eval(&files);
    let text = String::from_utf8(table.stdout).unwrap();
    for words in [
        "200 parcels; 2 without",
        "80 % window: coverage",
        "mean error, days",
        "  error / promise                 <= 0.27 ",
        "  met\n",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn bad_files_are_told_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (
        folder.path().join("good.csv"),
        folder.path().join("bad.csv"),
    );
    std::fs::write(
        &good,
        "handed_over_at,delivered_at\n2026-01-05,2026-01-07\n",
    )
    .unwrap();
    let text = "handed_over_at,weight_g\n2026-01-05,heavy\nyesterday,1\n";
    std::fs::write(&bad, text).unwrap();
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    let output = eval(&["--train", good, "--test", bad]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(
        told.contains("bad.csv:2: weight_g: `heavy` is no amount"),
        "{told}"
    );
    assert!(
        told.contains("bad.csv:3: handed_over_at: `yesterday` is no time"),
        "{told}"
    );
    let output = eval(&["--train", good, "--test", "nowhere.csv"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("nowhere.csv"));
    // One parcel to learn from is little, not an error.
    let output = eval(&["--train", good, "--test", good, "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
}
