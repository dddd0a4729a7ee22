//! As much of WebDriver (<https://www.w3.org/TR/webdriver2/>) as the browser tests need. Plain JSON over HTTP, so no
//! client library, which would bring two dozen packages along.

use serde_json::{Value, json};

use super::{chat::http, wait::within};

/// The key under which WebDriver hands elements over, in scripts too.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// The Enter key.
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const ESCAPE: &str = "\u{e00c}";
pub(crate) const DOWN: &str = "\u{e015}";

/// A browser session.
pub(crate) struct WebDriver {
    http: reqwest::Client,
    session: String,
}

impl WebDriver {
    /// Opens a browser through the driver at `url`.
    pub(crate) async fn open(url: &str, capabilities: &Value) -> Self {
        let http = http();
        let body = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let answer = call(http.post(format!("{url}/session")).json(&body)).await;
        let id = answer["sessionId"].as_str().expect("a session");
        Self {
            session: format!("{url}/session/{id}"),
            http,
        }
    }

    /// Loads a page.
    pub(crate) async fn go(&self, url: &str) {
        self.post("url", json!({ "url": url })).await;
    }

    /// Loads the page again.
    pub(crate) async fn reload(&self) {
        self.post("refresh", json!({})).await;
    }

    /// Runs a script; what it returns.
    pub(crate) async fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.post(
            "execute/sync",
            json!({ "script": script, "args": arguments }),
        )
        .await
    }

    /// Types into the element that a script returns, as a keyboard does.
    pub(crate) async fn type_into(&self, script: &str, keys: &str) {
        let found = self.run(script, &[]).await;
        let element = found[ELEMENT]
            .as_str()
            .unwrap_or_else(|| panic!("{script} finds no element"));
        self.post(&format!("element/{element}/value"), json!({ "text": keys }))
            .await;
    }

    /// A command of the Chrome DevTools Protocol, by chromedriver's extension.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.post("goog/cdp/execute", body).await
    }

    /// The whole page, also what lies below the window's edge, as base64 of a PNG.
    pub(crate) async fn whole_page(&self) -> String {
        let how = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.devtools("Page.captureScreenshot", how).await;
        answer["data"].as_str().expect("base64").to_owned()
    }

    /// What is seen, as base64 of a PNG.
    pub(crate) async fn screenshot(&self) -> String {
        let answer = call(self.http.get(format!("{}/screenshot", self.session))).await;
        answer.as_str().expect("base64").to_owned()
    }

    /// What the browser's console shows in red (chromedriver's own command).
    pub(crate) async fn console_errors(&self) -> Vec<String> {
        let entries = self.post("se/log", json!({ "type": "browser" })).await;
        let entries = entries.as_array().cloned().unwrap_or_default();
        let severe = entries.iter().filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].to_string()).collect()
    }

    /// Closes the browser.
    pub(crate) async fn close(self) {
        call(self.http.delete(&self.session)).await;
    }

    async fn post(&self, command: &str, body: Value) -> Value {
        call(
            self.http
                .post(format!("{}/{command}", self.session))
                .json(&body),
        )
        .await
    }
}

/// The `value` of an answer.
async fn call(request: reqwest::RequestBuilder) -> Value {
    let answer = within("WebDriver", request.send())
        .await
        .expect("the driver answers");
    let status = answer.status();
    let mut answer: Value = answer.json().await.expect("JSON");
    assert!(
        status.is_success(),
        "{status}: {}",
        answer["value"]["message"]
    );
    answer["value"].take()
}
