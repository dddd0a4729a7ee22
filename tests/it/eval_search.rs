//! `doorstep eval search`: fills an index with a catalog and measures it by judgements.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use doorstep_search::stand_in::{KEY, StandIn};
use serde_json::Value;

use crate::support::server::doorstep_command;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/search")
        .join(name)
}

fn eval(arguments: &[&str]) -> Output {
    doorstep_command()
        .env_remove("MEILISEARCH_URL")
        .args(["eval", "search", "--catalog"])
        .arg(fixture("products.jsonl"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn judged(arguments: &[&str]) -> Output {
    let judgements = fixture("judgements.csv");
    let judgements = ["--judgements", judgements.to_str().unwrap()];
    eval(&[&judgements[..], arguments].concat())
}

fn figures(output: &Output) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn figure(figures: &Value, name: &str) -> f64 {
    let figure = figures[name].as_f64();
    figure.unwrap_or_else(|| panic!("{name}: {figures}"))
}

#[test]
fn a_catalog_is_searched_by_words_without_a_model() {
    let found = figures(&judged(&["--mode", "keyword", "--json"]));
    assert_eq!(found["documents"], 8);
    assert_eq!(found["queries"], 6);
    assert_eq!(found["queries_without_answer"], 1, "nobody sells a sofa");
    assert_eq!(found["mode"], "keyword");
    assert!(found["model_backend"].is_null());
    assert_eq!(figure(&found, "mrr"), 1.0);
    assert_eq!(figure(&found, "recall_at_10"), 1.0);
    assert!(figure(&found, "ndcg_at_10") > 0.98, "{found}");
    for name in ["p50_ms", "p95_ms", "search_p50_ms", "search_p95_ms"] {
        assert!(figure(&found, name) > 0.0, "{name}");
    }
    assert!(figure(&found, "index_s") > 0.0);
}

#[test]
fn words_and_meaning_are_fused_and_vectors_are_kept_between_runs() {
    let folder = tempfile::tempdir().unwrap();
    let vectors = folder.path().join("vectors");
    let arguments = ["--vectors", vectors.to_str().unwrap(), "--json"];
    let first = figures(&judged(&arguments));
    let is_bound = |found: &Value| found["bounds"].to_string().contains("index_s / embed_s");
    assert_eq!(first["vectors_reused"], 0);
    assert!(is_bound(&first), "all was read in this run: {first}");
    let kept = std::fs::metadata(&vectors).unwrap().len();
    assert!(kept > 8 * 384 * 4, "{kept} bytes");
    let second = figures(&judged(&arguments));
    assert_eq!(second["vectors_reused"], 8);
    assert!(!is_bound(&second), "{second}");
    assert_eq!(std::fs::metadata(&vectors).unwrap().len(), kept);
    for name in ["ndcg_at_10", "mrr", "recall_at_10"] {
        assert_eq!(first[name], second[name], "{name}");
    }
    assert!(figure(&first, "ndcg_at_10") > 0.9, "{first}");
}

#[test]
fn a_question_finds_the_same_in_every_language() {
    let folder = tempfile::tempdir().unwrap();
    let questions = folder.path().join("questions.tsv");
    std::fs::write(
        &questions,
        "en\tes\tde\tru\nrain jacket\tchaqueta de lluvia\tRegenjacke\tдождевик\nbackpack\tmochila\tRucksack\tрюкзак\n",
    )
    .unwrap();
    let found = figures(&eval(&[
        "--questions",
        questions.to_str().unwrap(),
        "--json",
    ]));
    let overlap = found["overlap_at_10"].as_object().unwrap();
    assert_eq!(overlap.len(), 3);
    for (language, share) in overlap {
        assert!(share.as_f64().unwrap() >= 0.6, "{language}: {share}");
    }
}

#[test]
fn a_packed_catalog_is_measured_by_judgements_and_questions_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let questions = folder.path().join("questions.tsv");
    std::fs::write(&questions, "en\tde\nrain jacket\tRegenjacke\n").unwrap();
    let packed = folder.path().join("products.jsonl.gz");
    let plain = std::fs::read(fixture("products.jsonl")).unwrap();
    let file = std::fs::File::create(&packed).unwrap();
    let mut file = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    file.write_all(&plain).unwrap();
    file.finish().unwrap();
    let output = doorstep_command()
        .env_remove("MEILISEARCH_URL")
        .args(["eval", "search", "--mode", "keyword", "--json", "--catalog"])
        .arg(&packed)
        .arg("--judgements")
        .arg(fixture("judgements.csv"))
        .arg("--questions")
        .arg(&questions)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let found = figures(&output);
    assert_eq!(found["documents"], 8);
    assert_eq!(figure(&found, "mrr"), 1.0);
    assert_eq!(found["questions"], 1);
    assert!(found["overlap_at_10"]["de"].is_number(), "{found}");
    // Nobody looks at how far it is.
    assert!(!output.stderr.contains(&b'\r'));
}

#[tokio::test]
async fn a_server_finds_what_the_embedded_index_finds_and_keeps_nothing_of_it() {
    let server = StandIn::start().await;
    let url = format!("search.url={}", server.url);
    let key = format!("search.key={KEY}");
    let judged = |arguments: Vec<String>| {
        tokio::task::spawn_blocking(move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            figures(&judged(&arguments))
        })
    };
    let common = ["--mode", "keyword", "--json"].map(str::to_owned);
    let on_server = ["--backend", "meilisearch", "--set", &url, "--set", &key].map(str::to_owned);
    let embedded = judged(common.to_vec()).await.unwrap();
    let found = judged([&common[..], &on_server[..]].concat())
        .await
        .unwrap();
    assert_eq!(found["backend"], "meilisearch");
    for name in ["documents", "ndcg_at_10", "mrr", "recall_at_10"] {
        assert_eq!(found[name], embedded[name], "{name}: {found}");
    }
    assert!(server.indexes().is_empty(), "{:?}", server.indexes());
}

#[test]
fn what_cannot_be_measured_is_said() {
    let output = judged(&["--backend", "meilisearch"]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("no server is named"), "{stderr}");

    let output = eval(&["--judgements", "nowhere.csv"]);
    assert_eq!(output.status.code(), Some(2));

    let output = judged(&["--id-field", "number"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("products.jsonl:1: id:"), "{stderr}");
}
