//! Every code of Meta's leads to the next step, and nothing secret is told.

use doorstep_core::channel::ReceiptStatus;

use super::super::error::{CODES, Step};
use super::*;
use crate::simulator::Faults;

#[tokio::test]
async fn each_code_leads_to_its_step() {
    let fixture = Fixture::new().await;
    fixture.ada_writes().await;
    for known in CODES {
        fixture.simulator.refuse_next(known.code);
        let message = fixture.answer(Content::text("Soon."));
        let refused = fixture
            .channel
            .send(&fixture.ada(), &message)
            .await
            .unwrap_err();
        let as_told = match (&refused, known.step) {
            (SendError::Retry { after, .. }, Step::Retry(seconds)) => {
                *after == seconds.map(Duration::from_secs)
            }
            (SendError::Fail { .. }, Step::Fail | Step::Template) => true,
            (SendError::Gone { .. }, Step::Gone) => true,
            _ => false,
        };
        assert!(as_told, "{}: {refused:?}", known.code);
        let told = refused.to_string();
        assert!(told.contains(&known.code.to_string()), "{told}");
        assert!(told.contains(known.meaning), "{told}");
        assert!(told.contains("fbtrace_id ASimulatedTraceId"), "{told}");
    }
    assert!(fixture.simulator.shown(ADA).is_empty());
    let mut codes: Vec<i64> = CODES.iter().map(|known| known.code).collect();
    codes.dedup();
    assert!(
        codes.is_sorted() && codes.len() == CODES.len(),
        "in order, each once"
    );
}

#[tokio::test]
async fn each_code_that_comes_later_settles_the_message() {
    let fixture = Fixture::new().await.open().await;
    fixture.ada_writes().await;
    for known in CODES {
        fixture.simulator.fail_later(known.code);
        let message = fixture.answer(Content::text("Soon."));
        fixture
            .channel
            .send(&fixture.ada(), &message)
            .await
            .unwrap();
        let settled = fixture
            .until(|| {
                let receipts = fixture.inbox.receipts.lock().unwrap();
                receipts
                    .iter()
                    .find(|receipt| receipt.message == Some(message.id))
                    .cloned()
            })
            .await;
        let ReceiptStatus::Failed { reason, gone } = settled.status else {
            panic!("{}: {settled:?}", known.code);
        };
        assert_eq!(gone, known.step == Step::Gone, "{}", known.code);
        assert!(reason.contains(&known.code.to_string()), "{reason}");
    }
}

/// Answers every request with these bytes.
async fn answering(answer: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 16 * 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    url
}

async fn sent_to(url: String) -> SendError {
    let fixture = Fixture::with(
        |_| (),
        |config| {
            config.api_url = url;
            config.access_token = "EAAsecret".into();
            config.timeout_s = 1;
        },
    )
    .await;
    let message = fixture.answer(Content::text("Soon."));
    fixture
        .channel
        .send(&fixture.ada(), &message)
        .await
        .unwrap_err()
}

#[tokio::test]
async fn what_is_no_answer_of_metas_is_told_apart() {
    // Nothing listens: it never left.
    let gone = sent_to("http://127.0.0.1:9".to_owned()).await;
    assert!(matches!(gone, SendError::Retry { .. }), "{gone:?}");
    // Whatever came after the request left is unknown.
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"messages\"",
        "HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 3\r\n\r\n<p>",
    ] {
        let unknown = sent_to(answering(answer).await).await;
        assert!(
            matches!(unknown, SendError::Ambiguous { .. }),
            "{answer:?}: {unknown:?}"
        );
    }
    let busy = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n";
    let busy = sent_to(answering(busy).await).await;
    assert!(
        matches!(busy, SendError::Retry { after: Some(after), .. } if after == Duration::from_secs(30)),
        "{busy:?}"
    );
    let down = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    let down = sent_to(answering(down).await).await;
    assert!(matches!(down, SendError::Retry { .. }), "{down:?}");
}

#[tokio::test]
async fn an_error_tells_code_subcode_and_trace_and_never_the_token() {
    let body = r#"{"error":{"message":"Malformed access token EAAsecret","type":"OAuthException","code":190,"error_subcode":463,"fbtrace_id":"AbC"}}"#;
    let answer = format!(
        "HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let told = sent_to(answering(answer.leak()).await).await.to_string();
    for wanted in ["190/463", "AbC", "get a new one"] {
        assert!(told.contains(wanted), "{told}");
    }
    assert!(!told.contains("EAAsecret"), "{told}");
}

#[tokio::test]
async fn a_diagnosis_names_what_works_and_what_does_not() {
    let fixture = Fixture::new().await;
    let found = fixture.channel.diagnose().await;
    let of = |found: &[Diagnosis], what: &str| {
        let one = found.iter().find(|one| one.what.contains(what));
        one.unwrap_or_else(|| panic!("{what}: {found:?}"))
            .health
            .clone()
    };
    assert_eq!(of(&found, "may use number"), Health::Ok);
    assert_eq!(of(&found, "app secret"), Health::Ok);
    assert_eq!(of(&found, "subscribed"), Health::Ok);
    assert!(
        matches!(of(&found, "webhook"), Health::Down { .. }),
        "another address"
    );
    assert!(
        matches!(of(&found, "templates"), Health::Degraded { .. }),
        "there are none"
    );

    let other = Fixture::with(|_| (), |config| config.app_secret = "another".into()).await;
    let found = other.channel.diagnose().await;
    assert!(matches!(of(&found, "app secret"), Health::Down { .. }));

    fixture.simulator.inject(Faults {
        revoked: true,
        ..Faults::default()
    });
    let found = fixture.channel.diagnose().await;
    assert!(
        matches!(of(&found, "may use number"), Health::Down { reason } if reason.contains("190"))
    );
    assert_eq!(fixture.simulator.counts().shown, 0, "nobody was written to");
}
