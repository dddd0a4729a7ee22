//! `doorstep eval answers`: the questions about the demo shop, and mistakes in a file of questions.

use std::{
    path::Path,
    process::{Output, Stdio},
};

use serde_json::Value;

use crate::support::server::doorstep_command;

fn eval(questions: &Path) -> Output {
    eval_with(questions, &["--json", "--verbose"])
}

fn eval_with(questions: &Path, options: &[&str]) -> Output {
    doorstep_command()
        .args([
            "eval",
            "answers",
            "--set",
            "nlu.backend=tract",
            "--questions",
        ])
        .arg(questions)
        .args(options)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn the_demo_shop_answers_from_the_right_source_makes_nothing_up_and_refuses_what_nobody_wrote() {
    let output = doorstep_command()
        .args(["eval", "answers", "--set", "nlu.backend=tract"])
        .args(["--json", "--verbose"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(figures["questions"], 80);
    assert_eq!(figures["unanswerable"], 20);
    assert_eq!(figures["invented"], 0, "{figures:#}");
    let share = |name: &str| figures[name].as_f64().unwrap();
    assert!(share("right") >= 0.9, "{figures:#}");
    assert!(share("refused") >= 0.95, "{figures:#}");
    let bounds = figures["bounds"].as_array().unwrap();
    assert_eq!(bounds.len(), 3);
    assert!(
        bounds.iter().all(|bound| bound["met"] == true),
        "{figures:#}"
    );
    assert_eq!(figures["answers"].as_array().unwrap().len(), 80);
}

#[test]
fn questions_are_told_one_by_one_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("questions.csv");
    let questions = "language,question,source\nen,Who pays for the return?,returns.en.md#who-pays-for-the-return\nen,Who pays for the return?,\n";
    std::fs::write(&file, questions).unwrap();
    let told = |options: &[&str]| {
        let output = eval_with(&file, options);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let told_all = told(&["--verbose"]);
    assert_eq!(
        told_all.matches("Who pays for the return?").count(),
        2,
        "{told_all}"
    );
    let told_misses = told(&[]);
    assert_eq!(
        told_misses.matches("Who pays for the return?").count(),
        1,
        "{told_misses}"
    );
    for line in ["right", "refused", "missed", "met"] {
        assert!(told_misses.contains(line), "{line}: {told_misses}");
    }
}

#[test]
fn mistakes_in_the_questions_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("questions.csv");
    std::fs::write(&file, "language,question,source\nen,,returns.en.md#x\n").unwrap();
    let output = eval(&file);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("questions.csv:2: question: it is empty"),
        "{told}"
    );
    assert_eq!(
        eval(&folder.path().join("nowhere.csv")).status.code(),
        Some(2)
    );
}
