//! What no honest visitor sends: it is told what is wrong, counted, and costs nobody else anything.

use std::collections::HashSet;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    support::{
        chat::{Visitor, http},
        server::{Kind, Launch, Place, doorstep_command, shared},
        wait::within,
    },
    webhooks::metric,
};

const TOO_LARGE: &str = r#"doorstep_webchat_rejected_total{reason="too_large"}"#;
const INVALID: &str = r#"doorstep_webchat_rejected_total{reason="invalid"}"#;

#[tokio::test]
async fn a_chat_message_of_ten_megabytes_is_told_the_limit_and_not_stored() {
    let server = shared().await;
    let visitor = Visitor::anonymous(server.address, "en").await;
    let mut socket = visitor.connect(server.address, 0).await;
    let before = metric(server.address, TOO_LARGE).await;
    // The server may close while the rest is still on its way.
    let _ = socket
        .send(&json!({ "id": "big", "text": "a".repeat(10_000_000) }))
        .await;
    let (frames, _) = socket.until_closed().await;
    if let Some(frame) = frames.first() {
        assert_eq!(frame["code"], "too_large", "{frame}");
        assert!(
            frame["text"].as_str().unwrap().contains("allowed"),
            "{frame}"
        );
    }
    assert!(
        metric(server.address, TOO_LARGE).await > before,
        "it was not counted"
    );
    assert!(
        visitor.history(server.address, 0).await.is_empty(),
        "it was stored"
    );
    // The same visitor goes on with something shorter.
    let mut conversation = visitor.talk(server.address).await;
    assert!(!conversation.ask("Hello").await.text().is_empty());
}

#[tokio::test]
async fn a_chat_message_of_ten_megabytes_over_http_is_refused() {
    let server = shared().await;
    let visitor = Visitor::anonymous(server.address, "en").await;
    let frame = json!({ "id": "big", "text": "a".repeat(10_000_000) });
    let before = metric(server.address, TOO_LARGE).await;
    // The server may close while the rest is still on its way; an answer, if there is one, is a refusal.
    if let Ok((status, answer)) = visitor.post(server.address, &frame).await {
        assert_eq!(status, 413, "{answer}");
    }
    assert!(
        metric(server.address, TOO_LARGE).await > before,
        "it was not counted"
    );
    assert!(
        visitor.history(server.address, 0).await.is_empty(),
        "it was stored"
    );
}

#[tokio::test]
async fn a_body_longer_than_the_server_reads_is_told_how_long_it_is_and_may_be() {
    let server = shared().await;
    let visitor = Visitor::anonymous(server.address, "en").await;
    // One byte more than it reads, and the rest never comes.
    let head = request_head(&visitor, 300_000);
    let request = [head.as_bytes(), &[b'a'; 262_145]].concat();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let told = answer_to(&mut stream, &request).await;
    assert!(told.starts_with("HTTP/1.1 413 "), "{told}");
    assert!(told.contains(r#""code":"too_large""#), "{told}");
    assert!(
        told.contains("300000 bytes, 16384 are allowed"),
        "the limit is missing: {told}"
    );
}

#[tokio::test]
async fn a_request_for_a_session_that_is_too_long_or_none_is_told_so_and_counted() {
    let server = shared().await;
    let before = metric(server.address, TOO_LARGE).await;
    let head = "POST /chat/session HTTP/1.1\r\nhost: doorstep\r\ncontent-type: application/json\r\n\
                content-length: 300000\r\nconnection: close\r\n\r\n";
    // One byte more than it reads, and the rest never comes.
    let request = [head.as_bytes(), &[b' '; 262_145]].concat();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let told = answer_to(&mut stream, &request).await;
    assert!(told.starts_with("HTTP/1.1 413 "), "{told}");
    assert!(
        told.contains("300000 bytes, 262144 are allowed"),
        "the limit is missing: {told}"
    );
    assert!(
        metric(server.address, TOO_LARGE).await > before,
        "it was not counted"
    );
    for (body, status) in [("{", 400), (r#"{"locale": 5}"#, 422)] {
        let before = metric(server.address, INVALID).await;
        let request = http()
            .post(format!("{}/chat/session", server.url()))
            .header("content-type", "application/json")
            .body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{body}");
        let told: Value = answer.json().await.unwrap();
        assert_eq!(told["error"]["code"], "invalid", "{told}");
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.ends_with(r#"send {"locale": "en"}"#), "{message}");
        assert!(metric(server.address, INVALID).await > before, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_is_counted_as_what_it_is() {
    let place = Place::new(Kind::Sqlite).await.unwrap();
    let server = Launch::serve(&place).start().await;
    let visitor = Visitor::anonymous(server.address(), "en").await;
    let head = request_head(&visitor, 100);
    let request = [head.as_bytes(), b"{\"text\": \"Hel"].concat();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(&request).await.unwrap();
    stream.shutdown().await.unwrap();
    let told = answer_to(&mut stream, b"").await;
    // Whoever hangs up may not hear it any more.
    assert!(
        told.is_empty() || told.starts_with("HTTP/1.1 400 "),
        "{told}"
    );
    crate::support::wait::eventually("the refusal to be counted", async || {
        (metric(server.address(), INVALID).await == 1.0).then_some(())
    })
    .await;
    assert_eq!(metric(server.address(), TOO_LARGE).await, 0.0);
    assert!(visitor.history(server.address(), 0).await.is_empty());
}

/// The head of a message over HTTP whose body is said to have so many bytes.
fn request_head(visitor: &Visitor, bytes: usize) -> String {
    format!(
        "POST /chat/messages HTTP/1.1\r\nhost: doorstep\r\nauthorization: Bearer {}\r\n\
         content-length: {bytes}\r\nconnection: close\r\n\r\n",
        visitor.session
    )
}

/// What is answered to these bytes, until the server closes.
async fn answer_to(stream: &mut TcpStream, request: &[u8]) -> String {
    // The server may close before it has read everything, and may have said why.
    let _ = stream.write_all(request).await;
    let mut told = Vec::new();
    let _ = within("the answer", stream.read_to_end(&mut told)).await;
    String::from_utf8_lossy(&told).into_owned()
}

#[tokio::test]
async fn a_query_that_is_not_understood_is_told_so_and_counted() {
    let server = shared().await;
    let visitor = Visitor::anonymous(server.address, "en").await;
    for path in ["/chat/ws?after=yesterday", "/chat/messages?wait=long"] {
        let before = metric(server.address, INVALID).await;
        let request = http().get(format!("{}{path}", server.url()));
        let answer = request.bearer_auth(&visitor.session).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{path}");
        let told: Value = answer.json().await.unwrap();
        assert_eq!(told["error"]["code"], "invalid", "{told}");
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.contains("invalid digit"), "{message}");
        assert!(metric(server.address, INVALID).await > before, "{path}");
    }
    let plain = http().get(format!("{}/chat/ws", server.url()));
    let told: Value = plain.send().await.unwrap().json().await.unwrap();
    assert!(
        told["error"]["message"]
            .as_str()
            .unwrap()
            .contains("WebSocket"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_an_invented_address_counts_for_nothing() {
    let place = Place::new(Kind::Sqlite).await.unwrap();
    let server = Launch::serve(&place)
        .set("http.trust_forwarded_for", "true")
        .set("channels.webchat.sessions_per_ip.burst", "1")
        .set("channels.webchat.sessions_per_ip.per_minute", "1")
        .start()
        .await;
    let url = format!("http://{}/chat/session", server.address());
    let ask = async |forwarded: &[&str]| {
        let mut request = http().post(&url).json(&json!({}));
        for line in forwarded {
            request = request.header("x-forwarded-for", *line);
        }
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(&["192.0.2.1"]).await, 200);
    // The caller's own words come before the proxy's, on its line or above it.
    assert_eq!(ask(&["198.51.100.7, 192.0.2.1"]).await, 429);
    assert_eq!(ask(&["198.51.100.8", "192.0.2.1"]).await, 429);
    assert_eq!(ask(&["192.0.2.2"]).await, 200);
}

/// Half of a surrogate pair (JSON `\ud83d` without its second half) is no character: it cannot be stored as text.
#[tokio::test]
async fn half_a_character_is_refused_and_its_sender_goes_on() {
    let server = shared().await;
    let visitor = Visitor::anonymous(server.address, "en").await;
    let halves = [
        r#"{"id": "half", "text": "\ud83d"}"#,
        r#"{"id": "half", "text": "Hello \ude00 there"}"#,
        r#"{"id": "\ud83d", "text": "Hello"}"#,
    ];
    let mut socket = visitor.connect(server.address, 0).await;
    for half in halves {
        socket.send_text(half).await.unwrap();
        let error = socket.next_of("error").await;
        assert_eq!(error["code"], "invalid", "{half}: {error}");

        let (status, told) = visitor.post_text(server.address, half).await.unwrap();
        assert_eq!(status, 400, "{half}: {told}");
        assert_eq!(told["error"]["code"], "invalid", "{half}: {told}");
    }
    assert!(visitor.history(server.address, 0).await.is_empty());
    socket
        .send(&json!({ "id": "whole", "text": "Hello \u{1f600}" }))
        .await
        .unwrap();
    assert_eq!(socket.next_of("receipt").await["id"], "whole");
}

#[tokio::test]
async fn a_message_a_little_too_long_is_told_so_on_an_open_socket() {
    let server = shared().await;
    let visitor = Visitor::anonymous(server.address, "en").await;
    let mut socket = visitor.connect(server.address, 0).await;
    socket
        .send(&json!({ "id": "long", "text": "a".repeat(4001) }))
        .await
        .unwrap();
    let error = socket.next_of("error").await;
    assert_eq!(
        (error["code"].as_str(), error["id"].as_str()),
        (Some("too_large"), Some("long"))
    );
    socket
        .send(&json!({ "id": "short", "text": "Hello" }))
        .await
        .unwrap();
    assert_eq!(socket.next_of("receipt").await["id"], "short");
}

#[tokio::test]
async fn binary_frames_and_nonsense_are_explained_and_the_socket_closes_after_ten() {
    let server = shared().await;
    let visitor = Visitor::anonymous(server.address, "en").await;
    let mut socket = visitor.connect(server.address, 0).await;
    for number in 0..10 {
        if number % 2 == 0 {
            socket.send_binary(vec![0, 159, 146, 150]).await.unwrap();
        } else {
            socket.send(&json!({ "type": "dance" })).await.unwrap();
        }
    }
    let (frames, code) = socket.until_closed().await;
    assert_eq!(frames.len(), 10, "{frames:?}");
    assert!(
        frames.iter().all(|frame| frame["code"] == "invalid"),
        "{frames:?}"
    );
    assert!(
        frames[0]["text"].as_str().unwrap().contains("Binary"),
        "{frames:?}"
    );
    assert_eq!(code.map(u16::from), Some(1008));
    assert!(visitor.history(server.address, 0).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_messages_of_one_visitor_the_admitted_are_answered_and_the_others_told_to_wait()
 {
    const MESSAGES: usize = 10_000;
    let place = Place::new(Kind::Sqlite).await.unwrap();
    let server = Launch::serve(&place).start().await;
    let visitor = Visitor::anonymous(server.address(), "en").await;
    let mut admitted = HashSet::new();
    let mut limited = 0;
    let flood = async {
        // A socket is closed after ten wrong frames in a row; a flooder comes back.
        let mut sent = 0;
        while sent < MESSAGES {
            let mut socket = visitor.connect(server.address(), 0).await;
            'socket: while sent < MESSAGES {
                let id = format!("f{sent}");
                sent += 1;
                if socket
                    .send(&json!({ "id": id, "text": "Hello" }))
                    .await
                    .is_err()
                {
                    break;
                }
                loop {
                    let Some(frame) = socket.next().await else {
                        break 'socket;
                    };
                    match frame["type"].as_str() {
                        Some("receipt") => {
                            admitted.insert(frame["id"].as_str().unwrap().to_owned());
                            break;
                        }
                        Some("error") => {
                            assert_eq!(frame["code"], "rate_limited", "{frame}");
                            assert!(frame["retry_after"].as_u64() >= Some(1), "{frame}");
                            limited += 1;
                            break;
                        }
                        _ => {}
                    }
                }
            }
        }
    };
    within("the flood", Box::pin(flood)).await;
    assert!(
        admitted.len() >= 20,
        "the burst is let through: {}",
        admitted.len()
    );
    assert!(limited > MESSAGES / 2, "{limited} were told to wait");
    let database = place.database().await;
    let unhandled = "SELECT COUNT(*) FROM inbound_messages WHERE handled_at IS NULL";
    crate::support::wait::eventually("every admitted message to be answered", async || {
        (database.number(unhandled).await == 0).then_some(())
    })
    .await;
    let stored: HashSet<String> = database
        .texts("SELECT external_id FROM inbound_messages")
        .await
        .into_iter()
        .map(|id| id.split_once(':').unwrap().1.to_owned())
        .collect();
    assert_eq!(
        stored, admitted,
        "what was admitted is stored, and nothing else"
    );
    let answered = "SELECT COUNT(DISTINCT in_reply_to) FROM outbound_messages";
    assert_eq!(database.number(answered).await, admitted.len() as i64);
    // Somebody else is served meanwhile.
    let mut other = Visitor::anonymous(server.address(), "en")
        .await
        .talk(server.address())
        .await;
    assert!(!other.ask("Hello").await.text().is_empty());
}

#[test]
fn a_half_written_configuration_stops_the_start_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("doorstep.toml"),
        "[http]\nlisten = \"127.0.0.1:0\"\nmax_body_by",
    )
    .unwrap();
    let output = doorstep_command()
        .current_dir(folder.path())
        .args(["--config", "doorstep.toml", "serve"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("doorstep.toml:3: "), "{stderr}");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "nothing was made beside the configuration");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dawdles_over_a_request_is_let_go_and_a_quiet_conversation_is_not() {
    const LATE: &str = "doorstep_http_late_total";
    let place = Place::new(Kind::Sqlite).await.unwrap();
    let server = Launch::serve(&place)
        .set("http.request_timeout_s", "1")
        .start()
        .await;
    let address = server.address();
    let visitor = Visitor::anonymous(address, "en").await;
    let mut conversation = visitor.talk(address).await;

    let head = request_head(&visitor, 100);
    let mut half_a_head = TcpStream::connect(address).await.unwrap();
    let told = answer_to(&mut half_a_head, &head.as_bytes()[..40]).await;
    assert_eq!(told, "");
    let half_a_body = [head.as_bytes(), b"{\"text\": \"Hel"].concat();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let told = answer_to(&mut stream, &half_a_body).await;
    assert!(told.starts_with("HTTP/1.1 400 "), "{told}");
    assert!(told.contains("took too long"), "{told}");
    let head_late = format!(r#"{LATE}{{part="head"}}"#);
    // The kept connections of this test's own client are let go too.
    assert!(metric(address, &head_late).await >= 1.0);
    let body_late = format!(r#"{LATE}{{part="body"}}"#);
    assert_eq!(metric(address, &body_late).await, 1.0);

    // Its socket was open all the while.
    let answer = conversation.ask("hello").await;
    assert!(!answer.text().is_empty());
}
