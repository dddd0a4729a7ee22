//! The demo in a real browser: the storefront, the widget, the carrier's desk. Screenshots are kept in
//! `target/screenshots/` for people to look at.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::pages::Follower;
use crate::support::{
    server::{Shared, shared},
    skip::skip,
    wait::eventually,
    webdriver::{ENTER, WebDriver},
};

/// What the page is looked at on, in CSS pixels.
#[derive(Clone, Copy)]
struct Screen {
    width: u32,
    height: u32,
    phone: bool,
}

/// Chromium, driven by a chromedriver of its own.
struct Browser {
    driver: WebDriver,
    shared: &'static Shared,
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
    async fn open(language: &str, screen: Screen) -> Option<Self> {
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

    async fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.driver.run(script, arguments).await
    }

    /// Waits until a script returns something true.
    async fn until(&self, what: &str, script: &str) -> Value {
        eventually(what, async || {
            let found = self.run(script, &[]).await;
            (found != Value::Null && found != json!(false)).then_some(found)
        })
        .await
    }

    /// Runs a script with `root` as the widget's shadow root.
    async fn in_widget(&self, script: &str, arguments: &[Value]) -> Value {
        let script =
            format!("const root = document.querySelector('doorstep-chat').shadowRoot; {script}");
        self.run(&script, arguments).await
    }

    async fn open_chat(&self) {
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
    async fn say(&self, text: &str) -> String {
        let before = self.shop_messages().await.len();
        self.type_and_send(text).await;
        self.answer_after(before).await
    }

    async fn type_and_send(&self, text: &str) {
        let input =
            "return document.querySelector('doorstep-chat').shadowRoot.querySelector('textarea')";
        self.driver
            .type_into(input, &format!("{text}{ENTER}"))
            .await;
    }

    async fn answer_after(&self, before: usize) -> String {
        eventually("an answer", async || {
            let messages = self.shop_messages().await;
            (messages.len() > before).then(|| messages[before..].join("\n"))
        })
        .await
    }

    /// Texts of what the shop said, in the order shown.
    async fn shop_messages(&self) -> Vec<String> {
        self.texts(".msg:not(.own) .bubble").await
    }

    async fn texts(&self, selector: &str) -> Vec<String> {
        let script =
            "return [...root.querySelectorAll(arguments[0])].map((node) => node.textContent)";
        let found = self.in_widget(script, &[json!(selector)]).await;
        serde_json::from_value(found).unwrap()
    }

    /// The visitor's identifier, from what the widget keeps.
    async fn visitor(&self) -> String {
        let script =
            "const key = Object.keys(localStorage).find((key) => key.endsWith(':session'));
            return JSON.parse(localStorage.getItem(key)).visitor";
        self.run(script, &[])
            .await
            .as_str()
            .expect("a visitor")
            .to_owned()
    }

    async fn press_action(&self, action: &str) {
        self.run(
            "document.querySelector(`[data-action=${arguments[0]}]`).click()",
            &[json!(action)],
        )
        .await;
    }

    async fn choose(&self, field: &str, value: &str) {
        let script = "const field = document.getElementById(arguments[0]); field.value = arguments[1];
            field.dispatchEvent(new Event('change', { bubbles: true })); return field.value === arguments[1]";
        let chosen = self.run(script, &[json!(field), json!(value)]).await;
        assert_eq!(chosen, json!(true), "{field} has no {value}");
    }

    async fn screenshot(&self, name: &str) {
        // Images and fonts that are still on their way would be missing.
        self.until("images", "return [...document.images].filter((i) => i.loading !== 'lazy').every((image) => image.complete)").await;
        let png = STANDARD.decode(self.driver.screenshot().await).unwrap();
        let folder = screenshots();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
    }

    /// Fails if the page's scripts or its content policy complained.
    async fn close(self) {
        let errors = self.driver.console_errors().await;
        assert!(errors.is_empty(), "the browser complained: {errors:#?}");
        self.driver.close().await;
    }
}

/// `screenshots/` beside the build's profiles, wherever the build directory is.
fn screenshots() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("the build directory")
        .join("screenshots")
}

const DESKTOP: Screen = Screen {
    width: 1440,
    height: 1000,
    phone: false,
};
const TALL: Screen = Screen {
    height: 1600,
    ..DESKTOP
};
const PHONE: Screen = Screen {
    width: 390,
    height: 844,
    phone: true,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_holds_the_whole_conversation_in_english() {
    let Some(browser) = Browser::open("en-GB", DESKTOP).await else {
        return;
    };
    browser.screenshot("01-shop").await;
    browser.open_chat().await;
    browser.screenshot("02-chat-opened").await;

    browser
        .say("Do you have a waterproof jacket under €150?")
        .await;
    let prices = browser.texts(".card .price").await;
    let stocks = browser.texts(".card .stock").await;
    assert!(
        !prices.is_empty() && prices.iter().all(|price| price.contains('€')),
        "{prices:?}"
    );
    assert_eq!(prices.len(), stocks.len(), "every card tells its stock");
    browser.screenshot("03-product-cards").await;

    let asked = browser.say("Where is my order 10234?").await;
    assert!(asked.to_lowercase().contains("postcode"), "{asked}");
    let wrong = browser.say("99999").await;
    assert!(!wrong.contains("Correos"), "{wrong}");
    let status = browser.say("28012").await;
    assert!(status.contains("Correos"), "{status}");
    browser.screenshot("04-order-status").await;

    browser
        .say("This arrived broken, I want my money back")
        .await;
    let database = browser.shared.database().await;
    let visitor = browser.visitor().await;
    let sql = format!(
        "SELECT h.summary FROM handoffs h JOIN conversations c ON h.conversation_id = c.id WHERE c.address = '{visitor}'"
    );
    let summaries = eventually("the hand-over", async || {
        let found = database.texts(&sql).await;
        (!found.is_empty()).then_some(found)
    })
    .await;
    assert!(summaries[0].contains("arrived broken"), "{}", summaries[0]);
    browser.screenshot("05-handed-over").await;

    let before = browser.texts(".msg .bubble").await;
    browser.driver.reload().await;
    browser.open_chat().await;
    let wanted = before.len();
    eventually("the history", async || {
        (browser.texts(".msg .bubble").await.len() >= wanted).then_some(())
    })
    .await;
    assert_eq!(
        browser.texts(".msg .bubble").await,
        before,
        "the history is there once, in order"
    );
    browser.screenshot("06-after-reload").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_holds_the_same_conversation_in_spanish_on_a_phone() {
    let Some(browser) = Browser::open("es-ES", PHONE).await else {
        return;
    };
    browser.screenshot("10-phone-shop").await;
    browser.open_chat().await;
    browser
        .say("¿Tienen una chaqueta impermeable por menos de 150 €?")
        .await;
    assert!(!browser.texts(".card .price").await.is_empty());
    browser.screenshot("11-es-tarjetas").await;
    let asked = browser.say("¿Dónde está mi pedido 10234?").await;
    assert!(asked.to_lowercase().contains("código postal"), "{asked}");
    let status = browser.say("28012").await;
    assert!(status.contains("Correos"), "{status}");
    browser.screenshot("12-es-pedido").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_carriers_news_sent_twice_is_one_message_in_the_chat_and_one_email() {
    let Some(browser) = Browser::open("en-GB", TALL).await else {
        return;
    };
    // Emily Carter's rucksack, which nobody else's test tells about.
    browser.choose("customer", "C-1001").await;
    browser.choose("order", "10224").await;
    browser.open_chat().await;
    browser.say("Hello").await;
    let before = browser.shop_messages().await.len();
    browser
        .run("document.getElementById('twice').click()", &[])
        .await;
    browser.press_action("out_for_delivery").await;
    let news = browser.answer_after(before).await;
    assert!(
        news.to_lowercase().contains("out for delivery") || news.to_lowercase().contains("today"),
        "{news}"
    );
    let answers = browser.until("both answers", "const all = document.querySelectorAll('#wire .answer'); return all.length === 2 && [...all].map((a) => a.textContent)").await;
    assert!(answers.to_string().contains("200"), "{answers}");
    browser
        .until(
            "the e-mail",
            "return document.querySelectorAll('#letters li').length >= 1",
        )
        .await;
    browser.screenshot("21-carrier-and-news").await;
    // Whatever would come twice has come: the next action's news is there.
    browser.press_action("delivered").await;
    eventually("the delivery in the chat", async || {
        (browser.shop_messages().await.len() >= before + 2).then_some(())
    })
    .await;
    assert_eq!(
        browser.shop_messages().await.len(),
        before + 2,
        "each piece of news once"
    );
    let outbox = browser.shared.data_dir.join("outbox");
    let mails = eventually("both e-mails", async || {
        let mut mails = doorstep_channels::email::outbox::list(&outbox, usize::MAX)
            .await
            .unwrap();
        mails.retain(|mail| mail.to == "emily.carter@example.com" && mail.text.contains("10224"));
        (mails.len() >= 2).then_some(mails)
    })
    .await;
    assert_eq!(mails.len(), 2, "one e-mail a piece of news");
    browser
        .run("document.getElementById('inbox').scrollIntoView()", &[])
        .await;
    browser.screenshot("22-inbox").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_follows_the_parcel_on_a_phone_and_asks_about_it() {
    let Some(browser) = Browser::open("en-GB", PHONE).await else {
        return;
    };
    let follower = Follower::new("phone", "64109").await;
    browser.driver.go(&follower.track_url().await).await;
    let wide = "return document.documentElement.scrollWidth > innerWidth";
    assert_eq!(browser.run(wide, &[]).await, json!(false), "it fits");
    let offered = "return document.getElementById('ask').hidden === false";
    browser.until("the offer to ask", offered).await;
    browser.screenshot("30-tracking-phone").await;
    browser
        .run("document.getElementById('ask').click()", &[])
        .await;
    let answer = browser.answer_after(0).await;
    assert!(answer.to_lowercase().contains("postcode"), "{answer}");
    browser.screenshot("31-tracking-asked").await;
    browser.close().await;
}
