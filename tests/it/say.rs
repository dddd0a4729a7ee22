//! `doorstep say` with a merchant's configuration: it talks, and leaves to the server what is the server's.

use std::{io::ErrorKind, net::TcpListener, process::Stdio};

use serde_json::Value;

use crate::{
    check::{doorstep, folder_of, stderr, stdout},
    support::server::{Kind, Launch, Place, doorstep_command},
};

#[test]
fn who_talks_with_their_shop_takes_no_customers_messages() {
    let provider = TcpListener::bind("127.0.0.1:0").unwrap();
    provider.set_nonblocking(true).unwrap();
    let address = provider.local_addr().unwrap();
    let configuration = format!(
        "[nlu]\nbackend = \"tract\"\n[channels.telegram]\ntoken = \"1:token\"\nusername = \"shop_bot\"\napi_url = \"http://{address}\"\n"
    );
    let folder = folder_of(&[("doorstep.toml", &configuration)]);
    let arguments = ["--config", "doorstep.toml", "say", "Where is my order?"];
    let output = doorstep(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("order number"),
        "{}",
        stdout(&output)
    );
    let asked = provider.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(asked, Err(ErrorKind::WouldBlock), "Telegram was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_is_talked_with_beside_its_running_server() {
    let place = Place::new(Kind::Sqlite).await.unwrap();
    let _server = Launch::serve(&place).start().await;
    let folder = folder_of(&[("doorstep.toml", "")]);
    let mut command = doorstep_command();
    command
        .current_dir(folder.path())
        .args(["--config", "doorstep.toml", "--json"])
        .stdin(Stdio::null());
    for (key, value) in place.settings() {
        command.arg("--set").arg(format!("{key}={value}"));
    }
    command.args(["say", "Where is my order?"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("one answer in JSON");
    assert!(
        answer["text"].as_str().unwrap().contains("order number"),
        "{answer}"
    );
}
