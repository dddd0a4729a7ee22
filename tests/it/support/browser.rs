//! Chromium, driven as a person uses it. Screenshots are kept in `target/screenshots/` for people to look at.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    server::{Shared, shared},
    skip::skip,
    wait::eventually,
    webdriver::{ENTER, WebDriver},
};

/// What the page is looked at on, in CSS pixels.
#[derive(Clone, Copy)]
pub(crate) struct Screen {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) phone: bool,
}

/// Chromium, driven by a chromedriver of its own.
pub(crate) struct Browser {
    pub(crate) driver: WebDriver,
    pub(crate) shared: &'static Shared,
    // Dropped in this order: the driver ends before its profile goes.
    _process: Driver,
    _profile: TempDir,
}

/// A running chromedriver; dropping it ends it.
struct Driver {
    child: Child,
    url: String,
}

impl Driver {
    /// Starts one on a port of its own choice, which it tells.
    fn start(program: &str) -> Self {
        let mut child = Command::new(program)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut lines = stdout.lines().map_while(Result::ok);
        let port = lines
            .find_map(|line| {
                Some(
                    line.split_once("started successfully on port ")?
                        .1
                        .trim_end_matches('.')
                        .to_owned(),
                )
            })
            .expect("chromedriver tells its port");
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            url: format!("http://127.0.0.1:{port}"),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Browser {
    /// Opens the demo page in a browser that speaks `language`; `None`, said visibly, without a driver.
    pub(crate) async fn open(language: &str, screen: Screen) -> Option<Self> {
        let program = std::env::var("DOORSTEP_TEST_CHROMEDRIVER").unwrap_or_default();
        if program.is_empty() {
            skip("DOORSTEP_TEST_CHROMEDRIVER is not set; see scripts/services");
            return None;
        }
        let shared = shared().await;
        let process = tokio::task::spawn_blocking(move || Driver::start(&program))
            .await
            .unwrap();
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            // Nothing but this page is talked with.
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--force-prefers-reduced-motion".to_owned(),
            format!("--lang={language}"),
            format!("--window-size={},{}", screen.width, screen.height),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let mut options =
            json!({ "args": arguments, "prefs": { "intl.accept_languages": language } });
        if screen.phone {
            let metrics = json!({ "width": screen.width, "height": screen.height, "pixelRatio": 2.0, "touch": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        let capabilities = json!({
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let driver = WebDriver::open(&process.url, &capabilities).await;
        let browser = Self {
            driver,
            shared,
            _process: process,
            _profile: profile,
        };
        browser.driver.go(&shared.url()).await;
        browser
            .until(
                "the shop window",
                "return document.querySelectorAll('#products .product').length >= 6",
            )
            .await;
        Some(browser)
    }

    pub(crate) async fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.driver.run(script, arguments).await
    }

    /// Waits until a script returns something true.
    pub(crate) async fn until(&self, what: &str, script: &str) -> Value {
        eventually(what, async || {
            let found = self.run(script, &[]).await;
            (found != Value::Null && found != json!(false)).then_some(found)
        })
        .await
    }

    /// Runs a script with `root` as the widget's shadow root.
    pub(crate) async fn in_widget(&self, script: &str, arguments: &[Value]) -> Value {
        let script =
            format!("const root = document.querySelector('doorstep-chat').shadowRoot; {script}");
        self.run(&script, arguments).await
    }

    pub(crate) async fn open_chat(&self) {
        self.until(
            "the widget",
            "return !!document.querySelector('doorstep-chat')?.shadowRoot",
        )
        .await;
        let closed = self
            .in_widget("return root.querySelector('.panel').hidden", &[])
            .await;
        if closed == json!(true) {
            self.in_widget("root.querySelector('.launcher').click()", &[])
                .await;
        }
    }

    /// Types and sends as a visitor does, and waits for the answer; its text.
    pub(crate) async fn say(&self, text: &str) -> String {
        let before = self.shop_messages().await.len();
        self.type_and_send(text).await;
        self.answer_after(before).await
    }

    pub(crate) async fn type_and_send(&self, text: &str) {
        let input =
            "return document.querySelector('doorstep-chat').shadowRoot.querySelector('textarea')";
        self.driver
            .type_into(input, &format!("{text}{ENTER}"))
            .await;
    }

    pub(crate) async fn answer_after(&self, before: usize) -> String {
        eventually("an answer", async || {
            let messages = self.shop_messages().await;
            (messages.len() > before).then(|| messages[before..].join("\n"))
        })
        .await
    }

    /// Texts of what the shop said, in the order shown.
    pub(crate) async fn shop_messages(&self) -> Vec<String> {
        self.texts(".msg:not(.own) .bubble").await
    }

    pub(crate) async fn texts(&self, selector: &str) -> Vec<String> {
        let script =
            "return [...root.querySelectorAll(arguments[0])].map((node) => node.textContent)";
        let found = self.in_widget(script, &[json!(selector)]).await;
        serde_json::from_value(found).unwrap()
    }

    /// The visitor's identifier, from what the widget keeps.
    pub(crate) async fn visitor(&self) -> String {
        let script =
            "const key = Object.keys(localStorage).find((key) => key.endsWith(':session'));
            return JSON.parse(localStorage.getItem(key)).visitor";
        self.run(script, &[])
            .await
            .as_str()
            .expect("a visitor")
            .to_owned()
    }

    pub(crate) async fn press_action(&self, action: &str) {
        self.run(
            "document.querySelector(`[data-action=${arguments[0]}]`).click()",
            &[json!(action)],
        )
        .await;
    }

    pub(crate) async fn choose(&self, field: &str, value: &str) {
        let script = "const field = document.getElementById(arguments[0]); field.value = arguments[1];
            field.dispatchEvent(new Event('change', { bubbles: true })); return field.value === arguments[1]";
        let chosen = self.run(script, &[json!(field), json!(value)]).await;
        assert_eq!(chosen, json!(true), "{field} has no {value}");
    }

    /// Keeps a picture of what is seen.
    pub(crate) async fn screenshot(&self, name: &str) {
        // Images and fonts that are still on their way would be missing.
        self.until("images", "return [...document.images].filter((i) => i.loading !== 'lazy').every((image) => image.complete)").await;
        keep(name, &self.driver.screenshot().await);
    }

    /// Keeps a picture of the page from its top to its end.
    pub(crate) async fn whole_page(&self, name: &str) {
        keep(name, &self.driver.whole_page().await);
    }

    /// Fails if the page's scripts or its content policy complained.
    pub(crate) async fn close(self) {
        let errors = self.driver.console_errors().await;
        assert!(errors.is_empty(), "the browser complained: {errors:#?}");
        self.driver.close().await;
    }
}

fn keep(name: &str, png: &str) {
    let png = STANDARD.decode(png).unwrap();
    let folder = screenshots();
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
}

/// `screenshots/` beside the build's profiles, wherever the build directory is.
fn screenshots() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("the build directory")
        .join("screenshots")
}

pub(crate) const DESKTOP: Screen = Screen {
    width: 1440,
    height: 1000,
    phone: false,
};
pub(crate) const TALL: Screen = Screen {
    height: 1600,
    ..DESKTOP
};
pub(crate) const PHONE: Screen = Screen {
    width: 390,
    height: 844,
    phone: true,
};
