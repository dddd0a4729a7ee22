//! The shipped model, on the backends that this machine has. A process has one backend, so what compares them runs this
//! binary again, once for each.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr
)]

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use doorstep_core::{
    nlu::{Nlu, NluContext, NluError},
    understanding::{Backend, EntityKind, Escalation},
};
use doorstep_nlu::{BackendChoice, Lesson, LocalNlu, Model, NluConfig, Session, Utterance};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::Digest;

const TEXTS: [&str; 8] = [
    "where is my order 10234?",
    "I want my money back, it arrived broken",
    "do you have waterproof boots under 100 €",
    "dónde está mi pedido",
    "wo bleibt mein Paket",
    "can I talk to a real person",
    "what's the weather in Rome",
    "is this jacket warm enough for winter, and does it have a hood that can be taken off?",
];

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models")
}

/// The shipped model, or `None` with a visible word where a checkout lacks it.
fn shipped() -> Option<Model> {
    let read = |name: &str| std::fs::read(models().join(name));
    match (
        read("understanding.onnx"),
        read("tokenizer.json"),
        read("understanding.json"),
    ) {
        (Ok(onnx), Ok(tokenizer), Ok(metadata)) => {
            let metadata = String::from_utf8(metadata).unwrap();
            Some(Model::new(onnx, tokenizer, &metadata).unwrap())
        }
        _ => {
            println!("skipped: models/ holds no model");
            None
        }
    }
}

fn context() -> NluContext {
    NluContext {
        language_hint: None,
        time_zone: chrono_tz::Europe::Madrid,
        now: "2026-11-21T09:00:00Z".parse().unwrap(),
    }
}

/// One instance for the tests of this process.
fn nlu() -> Option<&'static LocalNlu> {
    static NLU: OnceLock<Option<LocalNlu>> = OnceLock::new();
    NLU.get_or_init(|| Some(LocalNlu::start(shipped()?, NluConfig::default()).unwrap()))
        .as_ref()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

// In a process of its own

/// What a child process reports.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    backend: String,
    error: Option<String>,
    outputs: Vec<(String, Vec<f32>)>,
}

const MARK: &str = "REPORT ";

#[test]
#[ignore = "run by the tests below, each time in a process of its own"]
fn child() {
    let choice = match std::env::var("DOORSTEP_TEST_BACKEND").as_deref() {
        Ok("tract") => BackendChoice::Tract,
        Ok("onnxruntime") => BackendChoice::Onnxruntime,
        _ => BackendChoice::Auto,
    };
    let model = shipped().unwrap();
    let labels = model.metadata.labels.clone();
    let config = NluConfig {
        backend: choice,
        ..NluConfig::default()
    };
    let report = match Session::open(model, &config) {
        Ok(mut session) => Report {
            backend: session.backend().as_str().to_owned(),
            error: None,
            outputs: TEXTS
                .iter()
                .map(|text| {
                    let output = session.run(text).unwrap();
                    let (best, _) = output
                        .intents
                        .iter()
                        .enumerate()
                        .max_by(|a, b| a.1.total_cmp(b.1))
                        .unwrap();
                    (labels[best].clone(), output.embedding)
                })
                .collect(),
        },
        Err(error) => Report {
            backend: "none".to_owned(),
            error: Some(error.to_string()),
            outputs: vec![],
        },
    };
    println!("{MARK}{}", serde_json::to_string(&report).unwrap());
}

/// Runs [`child`] with `variables` set.
fn in_a_process(variables: &[(&str, &Path)]) -> Report {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let report = text
        .lines()
        .find_map(|line| line.split_once(MARK))
        .unwrap_or_else(|| {
            panic!(
                "no report: {text} {}",
                String::from_utf8_lossy(&output.stderr)
            )
        });
    serde_json::from_str(report.1).unwrap()
}

#[test]
fn both_backends_say_the_same() {
    if shipped().is_none() {
        return;
    }
    let tract = in_a_process(&[("DOORSTEP_TEST_BACKEND", Path::new("tract"))]);
    let onnxruntime = in_a_process(&[("DOORSTEP_TEST_BACKEND", Path::new("onnxruntime"))]);
    assert_eq!(tract.backend, "tract");
    if let Some(error) = onnxruntime.error {
        println!("skipped: {error}");
        return;
    }
    assert_eq!(onnxruntime.backend, "onnxruntime");
    for ((text, a), b) in TEXTS.iter().zip(&tract.outputs).zip(&onnxruntime.outputs) {
        // ONNX Runtime rounds what flows between the layers to eight bits, tract does not: short texts differ by 0.01.
        let likeness = cosine(&a.1, &b.1);
        println!("{likeness:.4} {text}");
        assert!(likeness > 0.98, "{text}: {likeness}");
        assert_eq!(a.0, b.0, "{text}");
    }
}

#[test]
fn a_broken_library_means_the_built_in_backend_and_no_panic() {
    if shipped().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("libonnxruntime.so");
    std::fs::write(&library, "this is no library").unwrap();
    let report = in_a_process(&[
        ("ORT_DYLIB_PATH", &library),
        ("XDG_CACHE_HOME", folder.path()),
    ]);
    assert!(
        matches!(report.backend.as_str(), "tract" | "onnxruntime"),
        "{report:?}"
    );
    assert_eq!(report.outputs.len(), TEXTS.len());
}

#[test]
fn a_demanded_library_that_is_missing_is_an_error_that_says_where_it_was_looked_for() {
    if shipped().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("nowhere.so");
    let report = in_a_process(&[
        ("DOORSTEP_TEST_BACKEND", Path::new("onnxruntime")),
        ("ORT_DYLIB_PATH", &library),
        ("XDG_CACHE_HOME", folder.path()),
    ]);
    match report.error {
        Some(error) => {
            assert!(
                error.contains("nowhere.so") && error.contains("scripts/onnxruntime"),
                "{error}"
            );
        }
        None => println!("skipped: this system has ONNX Runtime in its library path"),
    }
}

// In this process

#[test]
fn the_metadata_carries_the_checksum_of_the_graph_beside_it() {
    let Some(model) = shipped() else { return };
    let sum: String = sha2::Sha256::digest(&model.onnx)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(model.metadata.sha256, sum);
    assert_eq!(model.metadata.labels, doorstep_core::understanding::INTENTS);
}

#[test]
fn a_message_is_understood_whole() {
    let Some(nlu) = nlu() else { return };
    let understanding = block_on(nlu.understand("where is my order 10234?", &context())).unwrap();
    assert_eq!(understanding.language.to_string(), "en");
    assert_eq!(
        understanding.entity(EntityKind::OrderNumber).unwrap().value,
        "10234"
    );
    assert_eq!(understanding.top_intent().unwrap().name, "order_status");
    assert_eq!(understanding.backend, nlu.backend());
    let vector = understanding.vector.unwrap();
    assert!((cosine(&vector, &vector) - 1.0).abs() < 1e-3);
    let sum: f32 = understanding
        .intents
        .iter()
        .map(|intent| intent.confidence)
        .sum();
    // Only the likeliest are told.
    assert!(sum > 0.9 && sum < 1.001, "{sum}");
    let order: Vec<f32> = understanding
        .intents
        .iter()
        .map(|intent| intent.confidence)
        .collect();
    assert!(order.is_sorted_by(|a, b| a >= b));
}

#[test]
fn hostile_texts_are_answered() {
    let Some(nlu) = nlu() else { return };
    let megabyte = "1Z9 ж🙂 where@is 10234 ".repeat(40_000);
    let one_word = "a".repeat(1_000_000);
    for text in [
        "",
        " ",
        "\0\u{1}\u{7f}",
        "🙂🙂🙂",
        "\u{202e}أين طلبي 10234",
        &megabyte,
        &one_word,
        "\u{200b}",
        "\u{fffd}",
        "[CLS] [SEP] [MASK]",
    ] {
        let understanding = block_on(nlu.understand(text, &context())).unwrap();
        assert_eq!(understanding.intents.is_empty(), text.trim().is_empty());
        assert!(
            understanding
                .entities
                .iter()
                .all(|entity| text.get(entity.start..entity.end).is_some())
        );
    }
}

#[test]
fn vectors_of_a_long_list_come_in_order_and_are_those_of_single_texts() {
    let Some(nlu) = nlu() else { return };
    let texts: Vec<String> = (0..12)
        .map(|number| format!("Jacket {number} with a hood"))
        .collect();
    let vectors = block_on(nlu.embed(&texts)).unwrap();
    assert_eq!(vectors.len(), texts.len());
    for (text, vector) in texts.iter().zip(&vectors) {
        let alone = block_on(nlu.embed(std::slice::from_ref(text))).unwrap();
        assert!(cosine(&alone[0], vector) > 0.9999, "{text}");
    }
    assert!(block_on(nlu.embed(&[])).unwrap().is_empty());
}

#[test]
fn a_text_is_read_among_others_as_it_is_alone() {
    let Some(model) = shipped() else { return };
    let mut session = Session::open(model, &NluConfig::default()).unwrap();
    let long = "the zipper of my jacket broke on the very first day. ".repeat(12);
    let mut texts = TEXTS.to_vec();
    texts.extend(["hi", "", &long, "где мой заказ", "🙂"]);
    let together = session.run_many(&texts);
    assert_eq!(together.len(), texts.len());
    for (text, among) in texts.iter().zip(together) {
        let (alone, among) = (session.run(text).unwrap(), among.unwrap());
        // Sums are made in another order, and a value at the edge of a step may fall to its other side.
        let alike = cosine(&alone.embedding, &among.embedding);
        assert!(alike > 0.999, "{text}: {alike}");
        for (a, b) in alone.intents.iter().zip(&among.intents) {
            assert!((a - b).abs() < 0.02, "{text}: {a} {b}");
        }
    }
}

#[test]
fn a_text_that_was_announced_is_understood_the_same() {
    let Some(model) = shipped() else { return };
    let config = NluConfig {
        cache: 0,
        threads: 1,
        ..NluConfig::default()
    };
    let nlu = LocalNlu::start(model, config).unwrap();
    let text = "can I send back the boots?";
    let plain = block_on(nlu.understand(text, &context())).unwrap();
    nlu.expect(text);
    let announced = block_on(nlu.understand(text, &context())).unwrap();
    assert_eq!(announced, plain);
}

#[test]
fn results_are_the_same_with_and_without_the_cache() {
    let Some(cached) = nlu() else { return };
    let config = NluConfig {
        cache: 0,
        threads: 1,
        ..NluConfig::default()
    };
    let uncached = LocalNlu::start(shipped().unwrap(), config).unwrap();
    for text in TEXTS {
        let fresh = block_on(uncached.understand(text, &context())).unwrap();
        for _ in 0..2 {
            let other = block_on(cached.understand(text, &context())).unwrap();
            assert_eq!(other.intents, fresh.intents, "{text}");
        }
    }
}

#[test]
fn a_queue_without_room_is_overloaded_and_rules_answer_instead() {
    let Some(model) = shipped() else { return };
    let config = NluConfig {
        queue: 0,
        threads: 1,
        ..NluConfig::default()
    };
    let nlu = LocalNlu::start(model, config).unwrap();
    let refused = block_on(nlu.understand("where is my order 10234", &context()));
    assert!(matches!(refused, Err(NluError::Overloaded { .. })));
    let understanding = nlu.understand_by_rules("where is my order 10234", &context());
    assert_eq!(understanding.backend, Backend::Rules);
    assert_eq!(understanding.top_intent().unwrap().name, "order_status");
}

#[test]
fn an_own_intent_may_be_one_of_several_wishes() {
    let Some(model) = shipped() else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = NluConfig {
        model_folder: Some(folder.path().to_owned()),
        ..NluConfig::default()
    };
    let utterances = |intent: &str, texts: &[&str]| -> Vec<Utterance> {
        let utterance = |text: &&str| Utterance {
            intent: intent.to_owned(),
            text: (*text).to_owned(),
        };
        texts.iter().map(utterance).collect()
    };
    let gifts = [
        "do you gift wrap",
        "can you wrap it as a present",
        "what does gift wrapping cost",
        "is wrapping paper possible",
        "kann man das als Geschenk verpacken",
    ];
    let mut background = utterances(
        "order_status",
        &[
            "where is my order",
            "wo ist meine Bestellung",
            "track my parcel please",
            "has it shipped yet",
        ],
    );
    background.extend(utterances(
        "out_of_scope",
        &[
            "what's the weather",
            "tell me a joke",
            "who won the match",
            "sing a song",
        ],
    ));
    let lesson = Lesson {
        own: utterances("gift_wrapping", &gifts),
        background,
    };
    let nlu = LocalNlu::start(model, config).unwrap();
    let nlu = block_on(nlu.learn(&lesson)).unwrap();
    for text in [
        "do you gift wrap, and where is my order 10234?",
        "Kann man das als Geschenk verpacken? Wo ist meine Bestellung 10234?",
    ] {
        let understanding = block_on(nlu.understand(text, &context())).unwrap();
        assert_eq!(
            understanding.asks,
            ["gift_wrapping", "order_status"],
            "{text}"
        );
    }
    let alone = block_on(nlu.understand("do you gift wrap", &context())).unwrap();
    assert_eq!(alone.top_intent().unwrap().name, "gift_wrapping");
    assert!(alone.asks.is_empty());
}

#[test]
fn a_second_wish_that_the_message_leaves_in_doubt_is_found_by_its_clause() {
    let Some(nlu) = nlu() else { return };
    for (text, asks) in [
        (
            "two mugs are missing and another one is cracked",
            &["missing_item", "damaged_item"][..],
        ),
        (
            "wo ist mein geld und wann ruft mich mal jemand zurück",
            &["refund_status", "human_agent"],
        ),
        // Two clauses, one wish.
        ("do you have waterproof boots, under 100 € please", &[]),
    ] {
        let understanding = block_on(nlu.understand(text, &context())).unwrap();
        assert_eq!(understanding.asks, asks, "{text}");
    }
}

#[test]
fn a_file_that_is_no_model_is_refused_with_a_reason() {
    let Some(mut model) = shipped() else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = NluConfig {
        model_folder: Some(folder.path().to_owned()),
        ..NluConfig::default()
    };
    model.onnx = b"this is no model".to_vec().into();
    let error = LocalNlu::start(model.clone(), config.clone())
        .err()
        .unwrap();
    assert!(error.to_string().contains("understanding.onnx"), "{error}");
    model.tokenizer = b"{}".to_vec().into();
    let error = LocalNlu::start(model, config).err().unwrap();
    assert!(error.to_string().contains("tokenizer.json"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_text_is_understood(text in r"(\PC|\s|[0-9]|\x00){0,300}") {
        if let Some(nlu) = nlu() {
            let understanding = block_on(nlu.understand(&text, &context())).unwrap();
            prop_assert!(understanding.intents.is_empty() == text.trim().is_empty());
            let by_rules = nlu.understand_by_rules(&text, &context());
            prop_assert_eq!(by_rules.entities, understanding.entities);
        }
    }
}

/// A message of `training/utterances`: language, intents, text, escalation.
struct Written {
    language: String,
    intents: Vec<String>,
    text: String,
    needs_a_person: bool,
}

fn written(file: &str) -> Vec<Written> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../training/utterances")
        .join(file);
    let rows = std::fs::read_to_string(path).unwrap();
    let rows = rows.lines().filter(|line| !line.trim().is_empty());
    rows.map(|row| {
        let fields: Vec<&str> = row.split('\t').collect();
        Written {
            language: fields[0].to_owned(),
            intents: fields[1].split('|').map(str::to_owned).collect(),
            text: fields[2].to_owned(),
            needs_a_person: fields
                .get(3)
                .is_some_and(|level| level.contains("escalate") || level.contains("urgent")),
        }
    })
    .collect()
}

/// The share of those that hold.
fn share(held: impl Iterator<Item = bool>) -> f64 {
    let held: Vec<bool> = held.collect();
    held.iter().filter(|held| **held).count() as f64 / held.len().max(1) as f64
}

#[test]
fn messages_that_training_never_saw_are_read_as_well_as_the_card_says() {
    let Some(nlu) = nlu() else { return };
    // Every fifth, so that it takes seconds (they come in order of language and intent), and all that need a person, for
    // these are few.
    let all = written("test.tsv").into_iter().enumerate();
    let messages: Vec<Written> = all
        .filter(|(row, message)| row % 5 == 0 || message.needs_a_person)
        .map(|(_, message)| message)
        .collect();
    assert!(messages.len() > 200, "{} messages", messages.len());
    let read = |message: &Written| block_on(nlu.understand(&message.text, &context())).unwrap();
    let understood: Vec<_> = messages.iter().map(read).collect();
    let pairs = || messages.iter().zip(&understood);
    let intent = share(pairs().map(|(message, understood)| {
        understood
            .top_intent()
            .is_some_and(|top| message.intents.contains(&top.name))
    }));
    let language = share(
        pairs().map(|(message, understood)| understood.language.primary() == message.language),
    );
    let raised = share(
        pairs()
            .filter(|(message, _)| message.needs_a_person)
            .map(|(_, understood)| understood.escalation != Escalation::Normal),
    );
    assert!(intent >= 0.88, "intent: {intent}");
    assert!(language >= 0.95, "language: {language}");
    assert!(raised >= 0.9, "escalation: {raised}");
}

#[test]
fn messages_that_have_to_come_out_right_do() {
    let Some(nlu) = nlu() else { return };
    for message in written("must_pass.tsv") {
        let understood = block_on(nlu.understand(&message.text, &context())).unwrap();
        let top = understood.top_intent().map(|top| top.name.clone());
        let top = top.unwrap_or_default();
        assert!(message.intents.contains(&top), "{}: {top}", message.text);
        assert_eq!(
            understood.escalation != Escalation::Normal,
            message.needs_a_person,
            "{}: {:?}",
            message.text,
            understood.escalation
        );
    }
}
