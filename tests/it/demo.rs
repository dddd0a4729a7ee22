//! What a visitor of the demo plays at its desk: the shop's people, the carrier, and a hand that empties the shelf.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Stdio},
};

use serde_json::{Value, json};

use crate::support::{
    chat::{Visitor, http},
    server::{doorstep_command, shared},
    wait::eventually,
};

async fn get(path: &str) -> Value {
    let url = format!("{}{path}", shared().await.url());
    let answer = http().get(url).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.json().await.unwrap()
}

async fn post(path: &str, body: &Value) -> (u16, Value) {
    let url = format!("{}{path}", shared().await.url());
    let answer = http().post(url).json(body).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

async fn say(visitor: &Visitor, id: &str, text: &str) {
    let frame = json!({ "id": id, "text": text });
    let (status, answer) = visitor.post(shared().await.address, &frame).await.unwrap();
    assert_eq!(status, 200, "{answer}");
}

/// The last of what the shop has said, once it has said so many things.
async fn answer(visitor: &Visitor, count: usize) -> String {
    let server = shared().await.address;
    eventually("the answer", async || {
        let mut messages = visitor.history(server, 0).await;
        messages.retain(|message| message["from"] == "shop");
        assert!(messages.len() <= count, "{messages:#?}");
        let last = messages.get(count - 1)?;
        Some(last["text"].as_str().expect("a text").to_owned())
    })
    .await
}

/// What the desk shows of a visitor who waits for a person.
async fn waiting(visitor: &Visitor) -> Option<Value> {
    let desk = get("/demo/handoffs").await;
    let mut waiting = desk["handoffs"].as_array().expect("a list").iter();
    waiting
        .find(|handoff| handoff["address"] == visitor.id.as_str())
        .cloned()
}

#[tokio::test]
async fn who_was_handed_over_stands_at_the_desk_and_is_given_back_to_the_assistant() {
    let visitor = Visitor::anonymous(shared().await.address, "es").await;
    let before = get("/demo/handoffs").await;
    say(&visitor, "1", "Quiero hablar con una persona").await;
    answer(&visitor, 1).await;
    // Somebody else may have come or gone too: what is new is told at once.
    let seen = before["seen"].as_str().unwrap();
    let after = get(&format!("/demo/handoffs?seen={seen}&wait=20")).await;
    assert_ne!(after["seen"], before["seen"]);
    let waits = waiting(&visitor).await.expect("the visitor waits");
    assert_eq!(waits["channel"], "webchat");
    assert_eq!(waits["language"], "es");
    let summary = waits["summary"].as_str().unwrap();
    assert!(
        summary.contains("Quiero hablar con una persona"),
        "{summary}"
    );

    let close = format!("/demo/handoffs/{}/close", waits["id"].as_str().unwrap());
    let (status, closed) = post(&close, &json!({})).await;
    assert_eq!(status, 200, "{closed}");
    let told = answer(&visitor, 2).await;
    assert!(told.contains("el asistente de la tienda"), "{told}");
    assert_eq!(waiting(&visitor).await, None);
    say(&visitor, "2", "¿Dónde está mi pedido?").await;
    let answered = answer(&visitor, 3).await;
    assert!(answered.contains("número"), "{answered}");

    let (status, again) = post(&close, &json!({})).await;
    assert_eq!(status, 409, "{again}");
    assert_eq!(again["error"]["code"], "closed_before");
    let (status, nobody) = post("/demo/handoffs/nobody/close", &json!({})).await;
    assert_eq!(status, 404, "{nobody}");
    assert_eq!(answer(&visitor, 3).await, answered, "it is said once");
}

/// Plays the carrier of an order that no other test tells about; what was decided.
async fn decided_on(action: &str) -> Value {
    let event = json!({ "order": "10236", "action": action, "source": "generic", "twice": true });
    let (status, exchange) = post("/demo/events", &event).await;
    assert_eq!(status, 200, "{exchange}");
    assert_eq!(exchange["responses"][0]["status"], 200, "{exchange}");
    let (source, id) = (&exchange["event"]["source"], &exchange["event"]["id"]);
    let (source, id) = (source.as_str().unwrap(), id.as_str().unwrap());
    let path = format!("/demo/decisions?source={source}&event={id}&wait=10");
    let decisions = eventually("the decision", async || {
        let decided = get(&path).await;
        let decisions = decided["decisions"].as_array().unwrap().clone();
        (!decisions.is_empty()).then_some(decisions)
    })
    .await;
    let [decision] = &decisions[..] else {
        panic!("one decision: {decisions:#?}");
    };
    decision.clone()
}

#[tokio::test]
async fn the_desk_shows_who_was_told_of_an_event_or_why_nobody_was() {
    let held = decided_on("label_created").await;
    assert_eq!(held["decision"], "held");
    assert_eq!(held["reason"], "no rule on `pre_transit`");
    assert_eq!(held["told"], json!([]));

    let told = decided_on("out_for_delivery").await;
    assert_eq!(told["decision"], "told", "{told}");
    assert_eq!(told["template"], "out_for_delivery");
    let mail = json!({ "channel": "email", "language": "de" });
    assert!(told["told"].as_array().unwrap().contains(&mail), "{told}");

    let again = decided_on("out_for_delivery").await;
    assert_eq!(again["decision"], "held", "{again}");
    assert_eq!(again["rule"], told["rule"]);
    assert_ne!(again["reason"], "");

    let unknown = get("/demo/decisions?source=generic&event=evt_unknown").await;
    assert_eq!(unknown["decisions"], json!([]));
}

/// Sells out a size or puts it back; how many there are then.
async fn stock_of(product: &str, size: &str, sold_out: bool) -> u64 {
    let change = json!({ "product": product, "size": size, "sold_out": sold_out });
    let (status, shown) = post("/demo/stock", &change).await;
    assert_eq!(status, 200, "{shown}");
    let mut sizes = shown["sizes"].as_array().unwrap().iter();
    let size = sizes.find(|shown| shown["size"] == size).expect("its size");
    size["stock"].as_u64().unwrap()
}

#[tokio::test]
async fn a_size_sold_out_at_the_desk_is_sold_out_in_the_chat_until_it_is_put_back() {
    let server = shared().await;
    let visitor = Visitor::anonymous(server.address, "en").await;
    let mut conversation = visitor.talk(server.address).await;
    let question = "Is the Pennine Fleece in stock in size M?";
    let there = conversation.ask(question).await;
    there.assert_says(&["in stock in M"]);

    assert_eq!(stock_of("JKT-111", "M", true).await, 0);
    // Pressed twice, it still remembers what there was.
    assert_eq!(stock_of("JKT-111", "M", true).await, 0);
    let gone = conversation.ask(question).await;
    gone.assert_says(&["sold out in M"]);
    gone.assert_hides(&["in stock in M"]);

    let back = stock_of("JKT-111", "M", false).await;
    assert_eq!(back, 41 + 48 + 20, "as many as the shop began with");
    let there = conversation.ask(question).await;
    there.assert_says(&["in stock in M"]);

    for (product, size) in [("JKT-111", "XXXXL"), ("NO-SUCH", "M")] {
        let change = json!({ "product": product, "size": size, "sold_out": true });
        let (status, answer) = post("/demo/stock", &change).await;
        assert_eq!(status, 404, "{answer}");
    }
}

/// `doorstep demo` as a program of its own; dropping it ends it.
struct Program {
    child: Child,
    url: String,
}

impl Program {
    /// Starts one whose data lie below `folder`.
    async fn start(folder: &Path) -> Self {
        let mut child = doorstep_command()
            .args(["--json", "demo", "--port", "0"])
            .current_dir(folder)
            .env("TMPDIR", folder)
            .env("DOORSTEP_NLU__BACKEND", "tract")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let line = tokio::task::spawn_blocking(move || stdout.lines().next());
        let line = line.await.unwrap().expect("the demo starts").unwrap();
        let told: Value = serde_json::from_str(&line).expect("one line of JSON");
        let url = told["url"].as_str().expect("an address").to_owned();
        Self { child, url }
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        let url = format!("{}{path}", self.url);
        http().get(url).send().await.unwrap()
    }

    async fn inbox(&self, after: usize) -> Value {
        let answer = self.get(&format!("demo/outbox?after={after}")).await;
        answer.json().await.unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mail_id(number: usize) -> String {
    format!("01900000-0000-7000-8000-{number:012x}")
}

fn write_mail(outbox: &Path, number: usize) {
    let mail = format!(
        "From: shop@example.com\r\nTo: mia@example.com\r\nSubject: Letter {number}\r\n\
         Date: Mon, 2 Mar 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=\"part\"\r\n\r\n\
         --part\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nText {number}.\r\n\
         --part\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Page {number}.</p>\r\n--part--\r\n"
    );
    std::fs::write(outbox.join(format!("{}.eml", mail_id(number))), mail).unwrap();
}

fn subjects(inbox: &Value) -> Vec<&str> {
    let mails = inbox["emails"].as_array().unwrap().iter();
    mails
        .map(|mail| mail["subject"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn the_inbox_goes_on_after_many_mails_and_the_demo_tells_its_address_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Program::start(folder.path()).await;
    // Looking whether the outbox can be written makes it.
    assert!(demo.get("readyz").await.status().is_success());
    let data = std::fs::read_dir(folder.path()).unwrap();
    let outbox = data
        .map(|entry| entry.unwrap().path().join("outbox/new"))
        .find(|outbox| outbox.is_dir())
        .expect("the outbox");
    for number in 1..=205 {
        write_mail(&outbox, number);
    }

    let first = demo.inbox(0).await;
    assert_eq!(first["last"], 200);
    assert_eq!(subjects(&first).len(), 200);
    assert_eq!(subjects(&first)[0], "Letter 1");
    let second = demo.inbox(200).await;
    assert_eq!(second["last"], 205);
    let rest: Vec<String> = (201..=205)
        .map(|number| format!("Letter {number}"))
        .collect();
    assert_eq!(subjects(&second), rest);

    // Made before all others, and late: it moves none of them.
    write_mail(&outbox, 0);
    let late = demo.inbox(205).await;
    assert_eq!(subjects(&late), ["Letter 0"]);
    assert_eq!(late["emails"][0]["n"], 206);
    let oldest = demo.get(&format!("demo/outbox/{}", mail_id(1))).await;
    assert!(oldest.text().await.unwrap().contains("Page 1."));
}
