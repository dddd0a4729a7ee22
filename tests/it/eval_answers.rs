//! `doorstep eval answers`: the demo shop's sixty questions, and mistakes in a file of questions.

use std::{
    path::Path,
    process::{Output, Stdio},
};

use serde_json::Value;

use crate::support::server::doorstep_command;

fn eval(questions: &Path) -> Output {
    doorstep_command()
        .args([
            "eval",
            "answers",
            "--json",
            "--set",
            "nlu.backend=tract",
            "--questions",
        ])
        .arg(questions)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn the_demo_shop_answers_from_the_right_source_makes_nothing_up_and_refuses_what_nobody_wrote() {
    let questions =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/answers/questions.csv");
    let output = eval(&questions);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(figures["questions"], 60);
    assert_eq!(figures["unanswerable"], 16);
    assert_eq!(figures["invented"], 0, "{figures:#}");
    let share = |name: &str| figures[name].as_f64().unwrap();
    // What holds today; docs/answers.md says how far it is from what is wanted.
    assert!(share("right") >= 0.7, "{figures:#}");
    assert!(share("refused") >= 0.8, "{figures:#}");
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
