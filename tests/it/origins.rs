//! The widget on a shop's own origin, which is not ours: what its page may read of our answers, refusals most of all.

use axum::{Router, response::Html, routing::get};
use doorstep_channels::webchat::{IdentityClaims, sign_identity};
use reqwest::{Method, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{
    browser::{Browser, DESKTOP},
    chat::{Visitor, http},
    hooks::now,
    server::{IDENTITY_SECRET, Kind, Launch, Place, Process},
    wait::eventually,
};

const FIRST: &str = "https://shop.example";
const SECOND: &str = "https://outlet.shop.example";
const FOREIGN: &str = "https://evil.example";

/// A server whose chat pages of these origins may use.
async fn server_for(place: &Place, origins: &[&str]) -> Process {
    Launch::serve(place)
        .set("channels.webchat.allowed_origins", &format!("{origins:?}"))
        .set("channels.webchat.messages.burst", "1")
        .set("channels.webchat.messages.per_minute", "1")
        .start()
        .await
}

/// An identity token that ended an hour ago, as a page from a cache holds one.
fn expired_identity() -> String {
    let claims = IdentityClaims {
        sub: "C-1001".to_owned(),
        email: None,
        name: None,
        exp: now().timestamp() - 3600,
        iat: None,
    };
    sign_identity(&IDENTITY_SECRET.into(), &claims)
}

/// What a page of `origin` asks at `path`, with the status it gets.
struct Asked {
    method: Method,
    path: &'static str,
    body: Option<String>,
    status: u16,
}

impl Asked {
    fn new(method: Method, path: &'static str, body: Option<String>, status: u16) -> Self {
        Self {
            method,
            path,
            body,
            status,
        }
    }

    async fn by(&self, url: &str, session: &str, origin: &str) -> reqwest::Response {
        let request = http()
            .request(self.method.clone(), format!("{url}{}", self.path))
            .header(header::ORIGIN, origin)
            .header(header::CONTENT_TYPE, "application/json")
            .bearer_auth(session);
        let request = match &self.body {
            Some(body) => request.body(body.clone()),
            None => request,
        };
        request.send().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_can_be_read_by_a_page_of_an_allowed_origin_and_by_no_other() {
    let place = Place::new(Kind::Sqlite).await.unwrap();
    let server = server_for(&place, &[FIRST, SECOND]).await;
    let url = format!("http://{}", server.address());
    let visitor = Visitor::anonymous(server.address(), "en").await;
    let message = json!({ "id": "m1", "text": "Hello" });
    let text = |value: Value| Some(value.to_string());
    let asked = [
        Asked::new(
            Method::POST,
            "/chat/session",
            text(json!({ "identity": expired_identity() })),
            401,
        ),
        Asked::new(Method::POST, "/chat/session", Some("{".to_owned()), 400),
        Asked::new(Method::OPTIONS, "/chat/messages", None, 204),
        Asked::new(Method::POST, "/chat/messages", text(message.clone()), 200),
        // The burst is one message.
        Asked::new(Method::POST, "/chat/messages", text(message), 429),
        Asked::new(
            Method::POST,
            "/chat/messages",
            text(json!({ "text": "a".repeat(20_000) })),
            413,
        ),
        Asked::new(Method::GET, "/chat/messages?after=never", None, 400),
        Asked::new(Method::GET, "/chat/ws?after=never", None, 400),
        Asked::new(Method::GET, "/search/suggest", None, 400),
        Asked::new(Method::DELETE, "/chat/session", None, 405),
    ];
    for wish in &asked {
        let what = format!("{} {}", wish.method, wish.path);
        let answer = wish.by(&url, &visitor.session, SECOND).await;
        assert_eq!(answer.status(), wish.status, "{what}");
        let headers = answer.headers();
        assert_eq!(
            headers[header::ACCESS_CONTROL_ALLOW_ORIGIN],
            SECOND,
            "{what}"
        );
        assert_eq!(
            headers[header::ACCESS_CONTROL_EXPOSE_HEADERS],
            "retry-after",
            "{what}"
        );
        assert_eq!(headers[header::VARY], "Origin", "{what}");
        if wish.status == 429 {
            assert!(headers.contains_key(header::RETRY_AFTER), "{what}");
        }
    }
    let unknown = Asked::new(Method::POST, "/chat/messages", Some("{}".to_owned()), 401);
    let answer = unknown.by(&url, "forged", FIRST).await;
    assert_eq!(answer.status(), unknown.status);
    assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], FIRST);

    for wish in &asked {
        let answer = wish.by(&url, &visitor.session, FOREIGN).await;
        let headers = answer.headers();
        let shared = headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        assert!(!shared, "{} {} is told to anybody", wish.method, wish.path);
        assert_eq!(headers[header::VARY], "Origin", "caches keep it apart");
    }
    // What no page of a shop asks for stays ours alone.
    let answer = Asked::new(Method::GET, "/readyz", None, 200);
    let answer = answer.by(&url, &visitor.session, SECOND).await;
    assert!(
        !answer
            .headers()
            .contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
    );
}

/// A shop's page on an origin of its own, with the widget of the server at `chat`.
async fn shop_page(listener: TcpListener, chat: String) {
    let page = move |options: String| {
        let tag = format!(r#"<script src="{chat}/widget.js" {options}></script>"#);
        Html(format!(
            r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title>
            <link rel="icon" href="data:,"></head><body>{tag}</body></html>"#
        ))
    };
    let signed_in = page(format!(r#"data-identity="{}""#, expired_identity()));
    let guest = page(String::new());
    let router = Router::new()
        .route("/signed-in", get(move || async move { signed_in }))
        .route("/guest", get(move || async move { guest }));
    axum::serve(listener, router).await.expect("a page");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_shops_own_origin_the_widget_recovers_from_refused_tokens() {
    let Some(browser) = Browser::open("en-GB", DESKTOP).await else {
        return;
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let shop = format!("http://{}", listener.local_addr().unwrap());
    let place = Place::new(Kind::Sqlite).await.unwrap();
    let server = Launch::serve(&place)
        .set(
            "channels.webchat.allowed_origins",
            &format!("{:?}", [&shop]),
        )
        .start()
        .await;
    tokio::spawn(shop_page(listener, format!("http://{}", server.address())));

    // Who is said to be signed in by a page that was kept too long is a guest.
    browser.driver.go(&format!("{shop}/signed-in")).await;
    browser.open_chat().await;
    assert!(!browser.say("Hello").await.is_empty());

    // A session that does not hold any more, as after a changed signing secret, becomes a new one.
    let before = browser.visitor().await;
    let spoil = "const key = Object.keys(localStorage).find((key) => key.endsWith(':session'));
        localStorage.setItem(key, JSON.stringify({ ...JSON.parse(localStorage.getItem(key)), session: 'spoilt' }))";
    browser.run(spoil, &[]).await;
    browser.driver.go(&format!("{shop}/guest")).await;
    browser.open_chat().await;
    assert!(!browser.say("Hello").await.is_empty());
    eventually("a new session", async || {
        (browser.visitor().await != before).then_some(())
    })
    .await;

    let refused = browser.driver.console_errors().await;
    let unread: Vec<_> = refused
        .iter()
        .filter(|error| error.contains("CORS") || error.contains("Access-Control"))
        .collect();
    assert!(unread.is_empty(), "{unread:#?}");
    browser.driver.close().await;
}
