//! Runs on the demo shop use nothing of the merchant's, whatever is set.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

use crate::support::{chat::http, server::doorstep_command};

/// What would reach a merchant's systems; nobody listens there.
const MERCHANTS: [(&str, &str); 6] = [
    ("DOORSTEP_DATABASE__KIND", "postgres"),
    (
        "DOORSTEP_DATABASE__URL",
        "postgres://nobody@127.0.0.1:9/none",
    ),
    ("DOORSTEP_SHOP__KIND", "woocommerce"),
    ("DOORSTEP_SEARCH__KIND", "meilisearch"),
    ("DOORSTEP_CHANNELS__TELEGRAM__TOKEN", "1:token"),
    ("DOORSTEP_HTTP__PUBLIC_URL", "https://shop.example"),
];
const CONFIGURATION: &str = "data_dir = \"kept\"\n[database]\nkind = \"postgres\"\nurl = \"postgres://nobody@127.0.0.1:9/none\"\n\
    [channels.email.smtp]\nhost = \"127.0.0.1\"\nport = 9\ntls = \"none\"\n";

fn command(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = doorstep_command();
    command
        .current_dir(folder)
        .envs(environment.iter().copied())
        .args(arguments)
        // What a run leaves that is killed goes with the test.
        .env("TMPDIR", folder)
        .stdin(Stdio::null());
    command
}

fn doorstep(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    command(folder, environment, arguments).output().unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn who_talks_with_the_demo_shop_uses_nothing_of_the_merchants() {
    let folder = tempfile::tempdir().unwrap();
    let output = doorstep(
        folder.path(),
        &MERCHANTS,
        &["--json", "say", "Where", "is", "my", "order?"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("one answer in JSON");
    assert!(
        answer["text"].as_str().unwrap().contains("order number"),
        "{answer}"
    );
    let output = doorstep(
        folder.path(),
        &[],
        &["--set", "database.kind=postgres", "say", "hello"],
    );
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.starts_with("--set database.kind:0: database.kind: this run is apart"),
        "{said}"
    );
}

/// A running demo; dropping it ends it.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_demo_needs_and_uses_nothing_of_the_merchants() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("doorstep.toml"), CONFIGURATION).unwrap();
    let arguments = ["--config", "doorstep.toml", "demo", "--port", "0"];
    let mut command = command(folder.path(), &MERCHANTS, &arguments);
    command
        .env("DOORSTEP_NLU__BACKEND", "tract")
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    let mut demo = Demo(command.spawn().unwrap());
    let stdout = BufReader::new(demo.0.stdout.take().unwrap());
    let line = tokio::task::spawn_blocking(move || stdout.lines().next());
    let line = line.await.unwrap().expect("the demo starts").unwrap();
    let url = line
        .split_whitespace()
        .find(|word| word.starts_with("http://"));
    let url = url.expect("an address");
    let ready = http().get(format!("{url}readyz")).send().await.unwrap();
    let ready: Value = ready.json().await.unwrap();
    let parts: Vec<&String> = ready["parts"].as_object().unwrap().keys().collect();
    for part in ["database", "shop:demo", "channel:webchat", "channel:email"] {
        assert_eq!(ready["parts"][part]["status"], "ok", "{part}: {ready}");
    }
    assert!(
        !parts.iter().any(|part| part.contains("telegram")),
        "{parts:?}"
    );
    let page = http().get(url).send().await.unwrap();
    assert!(page.status().is_success());
    assert!(!folder.path().join("kept").exists());
}
