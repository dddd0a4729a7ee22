//! `doorstep eval intents`: trains on a file and measures on another, as a merchant would.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use serde_json::Value;

use crate::support::server::doorstep_command;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/intents")
        .join(name)
}

fn eval(arguments: &[&str]) -> Output {
    doorstep_command()
        .args(["eval", "intents"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The figures, without those of time, which differ from run to run.
fn figures(arguments: &[&str]) -> Value {
    let output = eval(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let mut figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    for name in ["train_s", "p50_ms"] {
        let time = figures[name].take();
        assert!(time.as_f64().unwrap() > 0.0, "{name}: {time}");
    }
    figures
}

#[test]
fn a_head_is_trained_and_measured() {
    let (train, test) = (fixture("train.csv"), fixture("test.csv"));
    let files = [
        "--train",
        train.to_str().unwrap(),
        "--test",
        test.to_str().unwrap(),
        "--oos-label",
        "oos",
    ];
    let first = figures(&files);
    assert_eq!((&first["n"], &first["labels"]), (&80.into(), &20.into()));
    assert_eq!(first["threshold_rests_on"], "held_out_examples");
    let figure = |name: &str| {
        first[name]
            .as_f64()
            .unwrap_or_else(|| panic!("{name}: {first}"))
    };
    // Easy intents, and strangers' questions that have nothing to do with them.
    assert!(figure("in_scope_accuracy") >= 0.9, "{first}");
    assert!(figure("oos_auroc") >= 0.95, "{first}");
    assert!(figure("accuracy") >= 0.75, "{first}");
    assert!(figure("error") <= 0.1, "{first}");
    for name in ["coverage", "macro_f1", "threshold", "max_wrong"] {
        assert!((0.0..=1.01).contains(&figure(name)), "{name}: {first}");
    }
    assert!(first["confusions"].is_array());
    // The same files make the same head.
    assert_eq!(figures(&files), first);
    // Who accepts more wrong answers gets no fewer.
    let lenient = figures(&[&files[..], &["--max-wrong", "0.3"]].concat());
    assert!(lenient["coverage"].as_f64() >= first["coverage"].as_f64());
    assert_eq!(lenient["max_wrong"], 0.3);
    let few = figures(&[&files[..], &["--shots", "4", "--seeds", "2"]].concat());
    assert_eq!((&few["seeds"], &few["examples"]), (&2.into(), &80.into()));
    // For people.
    let output = eval(&files);
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("in_scope_accuracy")
    );
}

#[test]
fn the_built_in_intents_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let test = folder.path().join("test.csv");
    let rows = "text,label,language,escalation\n\
        where is my order?,order_status,en,normal\n\
        I want my money back or I call my lawyer,refund_request|complaint,en,escalate\n\
        ¿dónde está mi pedido?,order_status,es,normal\n\
        what's the capital of Peru,out_of_scope,en,normal\n";
    std::fs::write(&test, rows).unwrap();
    let output = eval(&["--builtin", "--test", test.to_str().unwrap(), "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(figures["n"], 4);
    for name in [
        "accuracy",
        "in_scope_accuracy",
        "likeliest_accuracy",
        "oos_auroc",
        "language_accuracy",
        "escalation_recall",
        "escalation_false_alarms",
    ] {
        let figure = figures[name].as_f64();
        assert!(
            figure.is_some_and(|f| (0.0..=1.0).contains(&f)),
            "{name}: {figures}"
        );
    }
    assert!(figures["languages"]["es"].is_number(), "{figures}");
    let spanish = &figures["thresholds"]["es"];
    let threshold = spanish["threshold"].as_f64();
    assert!(
        threshold.is_some_and(|t| (0.0..1.0).contains(&t)),
        "{spanish}"
    );
    let bounds = figures["bounds"].as_array().unwrap();
    assert!(
        bounds.iter().any(|b| b["figure"] == "language_accuracy"),
        "{figures}"
    );

    std::fs::write(&test, "text,label\nhello,greetings\n").unwrap();
    let output = eval(&["--builtin", "--test", test.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("`greetings` is neither in the taxonomy"));
}

#[test]
fn messages_with_several_wishes_are_measured_apart() {
    let folder = tempfile::tempdir().unwrap();
    let test = folder.path().join("test.csv");
    // In the first, what is broken is hardly heard beside what is missing; its clause says it.
    let rows = "text,label\n\
        two mugs are missing and another one is cracked,missing_item|damaged_item\n\
        has my return got there and when will the money go in,return_status|refund_status\n\
        where is my order 10234,order_status\n\
        hello,greeting\n";
    std::fs::write(&test, rows).unwrap();
    let output = eval(&["--builtin", "--test", test.to_str().unwrap(), "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let several = &told["several"];
    assert_eq!(several["messages"], 2, "{told}");
    assert_eq!(several["all_found"], 1.0, "{told}");
    assert_eq!(several["in_order"], 1.0, "{told}");
    assert_eq!(several["singles_taken_for_several"], 0.0, "{told}");
    let output = eval(&["--builtin", "--test", test.to_str().unwrap()]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("all_found"), "{table}");
}

#[test]
fn the_projects_own_messages_are_measured_as_they_lie_in_a_clone() {
    let messages = Path::new(env!("CARGO_MANIFEST_DIR")).join("training/utterances/must_pass.tsv");
    let rows = std::fs::read_to_string(&messages).unwrap();
    let output = eval(&["--builtin", "--test", messages.to_str().unwrap(), "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = rows.lines().filter(|line| !line.trim().is_empty()).count();
    assert_eq!(figures["n"], count);
    assert!(figures["languages"]["es"].is_number(), "{figures}");
}

#[test]
fn a_merchants_own_intents_are_measured_beside_the_built_in_ones() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "doorstep.toml",
        "files_dir = \"files\"\n[nlu]\nbackend = \"tract\"\n",
    );
    write(
        "files/intents/engraving.yaml",
        "- name: engraving
  examples:
    - do you engrave names
    - can you engrave my name on the knife
    - i want my initials engraved on a flask
    - is engraving possible
    - kann man einen namen eingravieren lassen
  answer: {en: We do.}
",
    );
    write(
        "test.csv",
        "text,label\nis engraving possible?,engraving\nwhere is my order?,order_status\n",
    );
    let output = doorstep_command()
        .current_dir(folder.path())
        .args(["--config", "doorstep.toml", "eval", "intents", "--builtin"])
        .args(["--test", "test.csv", "--json"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(figures["n"], 2);
    assert_eq!(figures["likeliest_accuracy"], 1.0, "{figures}");
}

#[test]
fn bad_files_are_told_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.csv");
    std::fs::write(&bad, "text,label\nhello,\n,greeting\na,b,c\n").unwrap();
    let bad = bad.to_str().unwrap();
    let output = eval(&["--train", bad, "--test", bad]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    let told = stderr(&output);
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            format!("{bad}:2: label: it is empty; fill it or drop the line"),
            format!("{bad}:3: text: it is empty; fill it or drop the line"),
            format!(
                "{bad}:4: the line: 3 fields where the first line has 2; put a text that contains commas between double quotes"
            ),
        ]
    );
}

#[test]
fn misuse_is_told_and_ends_with_two() {
    let test = fixture("test.csv");
    let test = test.to_str().unwrap();
    for (arguments, told) in [
        (vec!["--test", test], "--train"),
        (vec!["--train", test, "--test", "absent.csv"], "absent.csv"),
        (
            vec!["--train", test, "--test", test, "--max-wrong", "5"],
            "no share",
        ),
        (
            vec!["--train", test, "--builtin", "--test", test],
            "--builtin",
        ),
        (
            vec!["--train", test, "--test", test, "--model", "absent"],
            "understanding.json",
        ),
    ] {
        let output = eval(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            stderr(&output).contains(told),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn one_intent_cannot_be_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let one = folder.path().join("one.csv");
    std::fs::write(&one, "text,label\nhello,greeting\nhi,greeting\n").unwrap();
    let one = one.to_str().unwrap();
    let output = eval(&["--train", one, "--test", one]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("at least two"),
        "{}",
        stderr(&output)
    );
}
