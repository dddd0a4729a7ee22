//! What outsiders rely on beside the chat and the webhooks: status pages, headers, errors, and an orderly end.

use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{
    chat::{Visitor, http},
    server::{
        EASYPOST_SECRET, GENERIC_SECRET, IDENTITY_SECRET, Kind, Launch, Place, SIGNING_SECRET,
        shared,
    },
    wait::within,
};
use crate::webhooks::metric;

async fn get(path: &str) -> reqwest::Response {
    http()
        .get(format!("{}{path}", shared().await.url()))
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn the_program_says_that_it_lives_and_how_its_parts_are() {
    let health = get("/healthz").await;
    assert_eq!(health.status(), StatusCode::OK);
    assert_eq!(
        health.json::<Value>().await.unwrap(),
        json!({ "status": "ok" })
    );
    let ready = get("/readyz").await;
    assert_eq!(ready.status(), StatusCode::OK);
    let ready: Value = ready.json().await.unwrap();
    for part in [
        "database",
        "search",
        "shop:demo",
        "nlu",
        "channel:webchat",
        "channel:email",
    ] {
        assert_eq!(ready["parts"][part]["status"], "ok", "{part}: {ready}");
    }
}

#[tokio::test]
async fn metrics_are_in_prometheus_format_and_name_the_backend() {
    let shared = shared().await;
    let mut conversation = Visitor::anonymous(shared.address, "en")
        .await
        .talk(shared.address)
        .await;
    conversation.ask("Where is my order?").await;
    let answer = get("/metrics").await;
    let kind = answer.headers()[header::CONTENT_TYPE]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let text = answer.text().await.unwrap();
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let (_, value) = line.rsplit_once(' ').expect("name and value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    for name in [
        "doorstep_messages_total",
        "doorstep_nlu_queue_depth",
        "doorstep_http_requests_total",
    ] {
        assert!(text.contains(name), "{name} is missing");
    }
    assert!(text.contains("tract"), "the backend in use is not told");
    for secret in [
        GENERIC_SECRET,
        EASYPOST_SECRET,
        IDENTITY_SECRET,
        SIGNING_SECRET,
        conversation.visitor.session.as_str(),
    ] {
        assert!(!text.contains(secret), "a secret is in the metrics");
    }
}

#[tokio::test]
async fn a_press_is_no_message_that_the_model_could_not_read() {
    const BY_RULES: &str = "doorstep_nlu_by_rules_total";
    let shared = shared().await;
    let visitor = Visitor::anonymous(shared.address, "en").await;
    let mut conversation = visitor.talk(shared.address).await;
    let greeted = conversation.ask("Hello").await;
    let before = metric(shared.address, BY_RULES).await;
    conversation.press(&greeted.buttons()[0]).await;
    assert_eq!(metric(shared.address, BY_RULES).await, before);
}

#[tokio::test]
async fn the_description_of_the_surface_lists_every_page() {
    let document: Value = get("/openapi.json").await.json().await.unwrap();
    assert!(
        document["openapi"].as_str().unwrap().starts_with("3."),
        "{document}"
    );
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/widget.js",
        "/chat/ws",
        "/chat/session",
        "/chat/messages",
        "/search/suggest",
        "/track/{token}",
        "/preferences/{token}",
        "/webhooks/channels/{name}",
        "/webhooks/commerce/{name}",
    ] {
        assert!(document["paths"][path].is_object(), "{path} is missing");
    }
    for (path, method, refusals) in [
        ("/chat/session", "post", "400 401 403 413 415 422 429"),
        ("/chat/ws", "get", "400 401 403 429"),
        ("/chat/messages", "post", "400 401 413 429"),
        ("/chat/messages", "get", "400 401"),
        ("/webhooks/channels/{name}", "post", "401 413 429"),
        ("/webhooks/channels/{name}", "get", "404 429"),
        ("/webhooks/commerce/{name}", "post", "401 413 429"),
    ] {
        let told = &document["paths"][path][method]["responses"];
        for status in refusals.split(' ') {
            assert!(told[status].is_object(), "{method} {path} hides {status}");
        }
    }
}

#[tokio::test]
async fn the_widget_may_be_loaded_by_any_page_and_is_not_sent_again_unchanged() {
    let answer = get("/widget.js").await;
    assert_eq!(answer.status(), StatusCode::OK);
    let headers = answer.headers().clone();
    assert_eq!(
        headers[header::CONTENT_TYPE],
        "text/javascript; charset=utf-8"
    );
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert!(answer.text().await.unwrap().contains("doorstep-chat"));
    let again = http()
        .get(format!("{}/widget.js", shared().await.url()))
        .header(header::IF_NONE_MATCH, &headers[header::ETAG])
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn every_answer_carries_security_headers_and_a_request_id() {
    for path in ["/", "/healthz", "/widget.js", "/no/such/page"] {
        let answer = get(path).await;
        let headers = answer.headers();
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(headers[header::REFERRER_POLICY], "same-origin", "{path}");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("script-src 'self'"),
            "{path}"
        );
        assert!(!headers["x-request-id"].is_empty(), "{path}");
    }
}

#[tokio::test]
async fn a_plain_request_id_of_the_caller_is_kept_and_a_strange_one_is_not() {
    let url = format!("{}/healthz", shared().await.url());
    let plain = http()
        .get(&url)
        .header("x-request-id", "abc-123")
        .send()
        .await
        .unwrap();
    assert_eq!(plain.headers()["x-request-id"], "abc-123");
    let strange = http()
        .get(&url)
        .header("x-request-id", "a b;c")
        .send()
        .await
        .unwrap();
    assert_ne!(strange.headers()["x-request-id"], "a b;c");
}

#[tokio::test]
async fn unknown_pages_and_wrong_methods_are_answered_with_a_code_and_a_sentence() {
    let url = shared().await.url();
    let cases = [
        (
            Method::GET,
            "/no/such/page",
            StatusCode::NOT_FOUND,
            "not_found",
        ),
        (
            Method::DELETE,
            "/healthz",
            StatusCode::METHOD_NOT_ALLOWED,
            "wrong_method",
        ),
        (
            Method::POST,
            "/widget.js",
            StatusCode::METHOD_NOT_ALLOWED,
            "wrong_method",
        ),
        (
            Method::GET,
            "/webhooks/commerce/generic",
            StatusCode::METHOD_NOT_ALLOWED,
            "wrong_method",
        ),
    ];
    for (method, path, status, code) in cases {
        let answer = http()
            .request(method.clone(), format!("{url}{path}"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{method} {path}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error"]["code"], code, "{method} {path}: {body}");
        assert!(
            body["error"]["message"].as_str().unwrap().len() > 20,
            "{body}"
        );
    }
}

#[tokio::test]
async fn pages_of_foreign_origins_may_not_use_the_chat() {
    let url = format!("{}/chat/session", shared().await.url());
    let foreign = http()
        .post(&url)
        .header(header::ORIGIN, "https://evil.example")
        .json(&json!({}));
    let answer = foreign.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(
        !answer
            .headers()
            .contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_stop_it_finishes_a_running_turn_and_ends_with_success() {
    let place = Place::new(Kind::Sqlite).await.unwrap();
    // A debug build on a busy machine reads its first message slowly.
    let server = Launch::serve(&place)
        .set("http.shutdown_grace_s", "40")
        .start()
        .await;
    let visitor = Visitor::anonymous(server.address(), "en").await;
    let mut socket = visitor.connect(server.address(), 0).await;
    socket
        .send(&json!({ "id": "last", "text": "Where is my order 10234?" }))
        .await
        .unwrap();
    assert_eq!(socket.next_of("receipt").await["status"], "admitted");
    server.terminate();
    let status = within("the orderly end", server.ended()).await;
    assert!(status.success(), "{status}\n{}", server.log());
    let database = place.database().await;
    let answered =
        "SELECT COUNT(*) FROM inbound_messages i JOIN outbound_messages o ON o.in_reply_to = i.id
        WHERE i.handled_at IS NOT NULL";
    assert_eq!(
        database.number(answered).await,
        1,
        "the turn was cut off\n{}",
        server.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_card_number_is_logged_or_stored() {
    let place = Place::new(Kind::Sqlite).await.unwrap();
    let server = Launch::serve(&place)
        .set("log.filter", "debug,tract_core=warn")
        .start()
        .await;
    let visitor = Visitor::signed_in(server.address(), "en", "C-1004").await;
    let mut conversation = visitor.talk(server.address()).await;
    conversation
        .ask("My card is 4111 1111 1111 1111, please refund it")
        .await;
    let told =
        crate::support::hooks::parcel_news("shipment.delivered", "10234", "PQ573186429ES", 1);
    crate::support::hooks::Hook::generic("logged", &told)
        .deliver(server.address())
        .await;
    crate::support::hooks::Hook::forged("logged-forged", &told)
        .send(server.address())
        .await;
    server.terminate();
    within("the end", server.ended()).await;
    let log = server.log();
    for secret in [
        GENERIC_SECRET,
        EASYPOST_SECRET,
        IDENTITY_SECRET,
        SIGNING_SECRET,
        visitor.session.as_str(),
        "4111 1111",
        "411111111",
    ] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
    let database = place.database().await;
    let cards = "SELECT COUNT(*) FROM inbound_messages WHERE text LIKE '%4111%'";
    assert_eq!(database.number(cards).await, 0);
}
