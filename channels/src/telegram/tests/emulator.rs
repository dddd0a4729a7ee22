//! The channel against a Bot API server that others wrote: the npm package `telegram-test-api`.
//!
//! `scripts/services start` installs it and `eval "$(scripts/services env)"` says where it is; without it the test is
//! skipped visibly, and with `DOORSTEP_TEST_STRICT=1`, as in CI, it fails. It answers polls at once, refuses menus, and
//! says `null` where Telegram says `true`: a server that is not quite Telegram's, which the channel has to bear.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use doorstep_core::{Health, message::Address};

use super::{inbound::button, *};

/// Starts the server at a port and says so; ends with its standard input.
const PROGRAM: &str = "
const [path, port] = process.argv.slice(1);
const Server = require(path);
const server = new (Server.default || Server)({ port: Number(port), host: '127.0.0.1' });
server.start().then(() => console.log('ready'));
process.stdin.on('end', () => process.exit(0)).resume();
";

/// The running server; it ends when dropped.
struct Emulator {
    process: Child,
    url: String,
    http: reqwest::Client,
}

impl Emulator {
    fn start(package: &str) -> Self {
        // The server cannot choose a port itself.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut process = Command::new("node")
            .args(["-e", PROGRAM, package, &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
            http: crate::telegram::api::client().unwrap(),
        }
    }

    /// What the package's client class does.
    async fn post(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/{path}", self.url);
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    async fn write(&self, text: &str) {
        let message = json!({
            "botToken": TOKEN, "date": 1_795_255_200, "text": text,
            "from": {"id": 1, "first_name": "Test", "username": "tester", "is_bot": false},
            "chat": {"id": 1, "first_name": "Test", "username": "tester", "type": "private"},
        });
        self.post("sendMessage", message).await;
    }

    async fn press(&self, data: &str) {
        let press = json!({
            "botToken": TOKEN, "date": 1_795_255_200, "data": data,
            "from": {"id": 1, "first_name": "Test", "username": "tester", "is_bot": false},
            "message": {
                "from": {"id": 1, "first_name": "Test", "is_bot": false},
                "chat": {"id": 1, "first_name": "Test", "type": "private"},
            },
        });
        self.post("sendCallback", press).await;
    }

    /// What the customer was sent and did not read yet.
    async fn read(&self) -> Vec<Value> {
        let body = json!({"token": TOKEN, "chatId": 1});
        let answer = self.post("getUpdates", body).await;
        answer["result"].as_array().unwrap().clone()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where the package is, or a visible skip.
fn package() -> Option<String> {
    let package = std::env::var("DOORSTEP_TEST_TELEGRAM_API").ok();
    let package = package.filter(|path| std::path::Path::new(path).join("package.json").exists());
    if package.is_none() {
        let reason = "telegram-test-api (DOORSTEP_TEST_TELEGRAM_API names no package; run scripts/services start)";
        let strict = std::env::var("DOORSTEP_TEST_STRICT").is_ok_and(|value| value == "1");
        assert!(
            !strict,
            "skipped, which DOORSTEP_TEST_STRICT=1 forbids: {reason}"
        );
        eprintln!("skipped: {reason}");
    }
    package
}

#[tokio::test]
async fn an_independent_server_is_talked_with_from_end_to_end() {
    let Some(package) = package() else {
        return;
    };
    let emulator = Emulator::start(&package);
    let clock = TestClock::new();
    let memory = Memory::new(&clock);
    let mut config = config(&emulator.url);
    config.username = "TestNameBot".to_owned();
    let telegram = bot(&config, &memory, ambient(&clock));
    assert_eq!(telegram.healthcheck().await, Health::Ok);

    let stop = CancellationToken::new();
    let listening = {
        let (telegram, memory, stop) = (telegram.clone(), memory.clone(), stop.clone());
        tokio::spawn(async move { telegram.listen(memory, stop).await })
    };
    let admitted = async |count: usize| {
        let mut changes = memory.changes();
        let waiting = async {
            while memory.admitted.lock().unwrap().len() < count {
                changes.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
        assert!(waited.is_ok(), "waited in vain for message {count}");
        memory.admitted.lock().unwrap()[count - 1].clone()
    };

    emulator.write("Where is my order?").await;
    let first = admitted(1).await;
    assert_eq!(first.text, "Where is my order?");
    assert_eq!(first.from, Address::new("telegram", "1"));

    let entropy = TestEntropy::default();
    let long = format!("flow:stock_check;product={}", "x".repeat(90));
    let message = OutboundMessage {
        id: OutboundMessageId::new(&*clock, &entropy),
        content: Content {
            buttons: vec![button("A person", "handoff"), button("In stock?", &long)],
            ..Content::text("Which <order> & when?")
        },
        language: Language::ENGLISH,
        in_reply_to: None,
        thread: Default::default(),
    };
    let receipt = telegram.send(&first.from, &message).await.unwrap();
    assert!(receipt.provider_id.starts_with("1:"));
    let read = emulator.read().await;
    assert_eq!(read.len(), 1);
    let shown = &read[0]["message"];
    assert_eq!(shown["text"], "Which &lt;order&gt; &amp; when?");
    assert_eq!(shown["parse_mode"], "HTML");
    let keys = &shown["reply_markup"]["inline_keyboard"];
    for (number, value) in [(0, "handoff"), (1, long.as_str())] {
        assert!(keys[number][0]["text"].is_string());
        emulator
            .press(keys[number][0]["callback_data"].as_str().unwrap())
            .await;
        let pressed = admitted(2 + number).await;
        assert_eq!(pressed.button.as_deref(), Some(value));
    }

    emulator.write("/start token_from-the-web").await;
    assert_eq!(
        admitted(4).await.link.as_deref(),
        Some("token_from-the-web")
    );
    emulator.write("/human").await;
    assert_eq!(admitted(5).await.button.as_deref(), Some("handoff"));
    stop.cancel();
    listening.await.unwrap();
}
