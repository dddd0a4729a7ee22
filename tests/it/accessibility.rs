//! The customers' pages as everybody meets them: on a phone and at a desk, in three languages, by day and by night, with
//! JavaScript and without. Each is held against axe-core's rules, and its picture is kept for people to look at.

use std::net::SocketAddr;

use chrono::TimeDelta;
use doorstep_core::{CustomerId, OrderNumber};
use doorstep_engine::page_token::{PageKey, TrackingScope};
use serde_json::json;

use crate::support::{
    browser::{Browser, DESKTOP, PHONE, Screen},
    database::Database,
    hooks::{Hook, now, parcel_news},
    merchant::Shop,
    skip::skip,
    wait::eventually,
    webdriver::{DOWN, ENTER},
};

const LANGUAGES: [&str; 3] = ["en", "es", "ru"];
const POSTCODE: &str = "28012";

/// Addresses of the pages of a customer whose order comes in two parcels, one of them late.
struct Pages {
    track: String,
    preferences: String,
}

impl Pages {
    async fn of(server: SocketAddr, database: &Database, key: &PageKey, order: &str) -> Self {
        let (late, near) = (format!("L{order}"), format!("N{order}"));
        place_order(server, order, [&late, &near]).await;
        let news = [
            ("shipment.picked_up", &near, 3000, "Zaragoza"),
            (
                "shipment.in_transit",
                &near,
                1500,
                "Madrid, centro logístico de Villaverde",
            ),
            ("shipment.out_for_delivery", &near, 100, "Madrid"),
            ("shipment.picked_up", &late, 2900, "Zaragoza"),
            ("shipment.delayed", &late, 200, "Zaragoza"),
        ];
        for (at, (event_type, parcel, minutes_ago, place)) in news.into_iter().enumerate() {
            let mut told = parcel_news(event_type, order, parcel, minutes_ago);
            told["payload"]["location"] = json!(place);
            let expected = now() + TimeDelta::days(i64::from(parcel == &late) * 3);
            told["payload"]["estimated_delivery"] = json!(expected.date_naive());
            let hook = Hook::generic(&format!("news-{order}-{at}"), &told);
            hook.deliver(server).await;
        }
        eventually("the news to be told", async || {
            let open = "SELECT COUNT(*) FROM commerce_events WHERE notified_at IS NULL";
            (database.number(open).await == 0).then_some(())
        })
        .await;
        let theirs = format!(
            "SELECT lower(hex(id)) FROM customers WHERE email = '{}'",
            email_of(order)
        );
        let ids = database.texts(&theirs).await;
        let customer: CustomerId = serde_json::from_value(json!(ids[0])).unwrap();
        let order: OrderNumber = order.into();
        let scope = TrackingScope { customer, order };
        Self {
            track: format!(
                "http://{server}/track/{}",
                key.tracking_token(&scope, now())
            ),
            preferences: format!(
                "http://{server}/preferences/{}",
                key.preference_token(customer, now())
            ),
        }
    }
}

fn email_of(order: &str) -> String {
    format!("noa{order}@followers.example")
}

async fn place_order(server: SocketAddr, order: &str, parcels: [&str; 2]) {
    let at = now() - TimeDelta::days(3);
    let placed = json!({
        "schema_version": 1,
        "event_type": "order.placed",
        "order_id": order,
        "customer_id": format!("A-{order}"),
        "timestamp": at,
        "payload": {
            "placed_at": at,
            "customer": { "name": "Noa Test", "email": email_of(order), "time_zone": "Europe/Madrid" },
            "currency": "EUR",
            "lines": [
                { "sku": "JKT-101-M-PIN", "title": "Kolmar Rain Jacket (M, pine)", "quantity": 1, "price": "129.90" },
                { "sku": "SCK-102", "title": "Merino hiking socks", "quantity": 3, "price": "14.90" },
            ],
            "shipping_address": { "postcode": POSTCODE, "country": "ES" },
            "shipments": parcels.map(|number| json!({ "carrier": "Correos", "tracking_number": number })),
        },
    });
    let hook = Hook::generic(&format!("placed-{order}"), &placed);
    hook.deliver(server).await;
}

/// A browser that looks at the pages.
struct Reader {
    browser: Browser,
    axe: String,
    /// Of pictures' names.
    screen: &'static str,
}

impl Reader {
    /// `None`, said visibly, without a browser or axe-core.
    async fn open(screen: Screen) -> Option<Self> {
        let Ok(file) = std::env::var("DOORSTEP_TEST_AXE") else {
            skip("DOORSTEP_TEST_AXE is not set; see scripts/services");
            return None;
        };
        let axe = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        Some(Self {
            browser: Browser::open("en-GB", screen).await?,
            axe,
            screen: if screen.phone { "phone" } else { "desktop" },
        })
    }

    async fn allow_scripts(&self, allowed: bool) {
        let disabled = json!({ "value": !allowed });
        let driver = &self.browser.driver;
        driver
            .devtools("Emulation.setScriptExecutionDisabled", disabled)
            .await;
    }

    async fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]});
        self.browser
            .driver
            .devtools("Emulation.setEmulatedMedia", features)
            .await;
    }

    /// Looks at what is open, keeps its picture and holds it against axe-core's rules.
    async fn look(&self, name: &str) {
        let name = format!("{name}-{}", self.screen);
        self.browser.whole_page(&name).await;
        let fits = "return document.documentElement.scrollWidth <= innerWidth";
        assert_eq!(
            self.browser.run(fits, &[]).await,
            json!(true),
            "{name} is too wide"
        );
        let script = format!(
            "{}; return axe.run(document, {{ resultTypes: ['violations'] }}).then((found) => found.violations.map(
                (rule) => [rule.id, rule.help, ...rule.nodes.map((node) => node.html + ': ' + node.failureSummary)]))",
            self.axe
        );
        let violations = self.browser.run(&script, &[]).await;
        assert_eq!(violations, json!([]), "{name}: {violations:#}");
    }

    /// Looks by day and by night; words do not depend on the hour, so one language will do for the night.
    async fn look_in(&self, name: &str, language: &str) {
        self.look(name).await;
        if language == "en" {
            self.prefer("dark").await;
            self.look(&format!("{name}-dark")).await;
            self.prefer("light").await;
        }
    }

    /// The tracking page before and after the second factor, and the preference page before and after it is changed.
    /// axe-core is a script too: where none may run, they are allowed again once the page stands, for it alone.
    async fn read(&self, pages: &Pages, language: &str, scripts: bool) {
        let how = if scripts { "live" } else { "plain" };
        let driver = &self.browser.driver;
        let wait_for = async |what: &str| {
            let there = format!(
                "return document.readyState === 'complete' && !!document.querySelector('{what}')"
            );
            self.browser.until(what, &there).await;
            let offered = "return document.getElementById('ask')?.hidden ?? null";
            let offered_at_once = async || self.browser.run(offered, &[]).await;
            if scripts && what.starts_with("#news") {
                eventually("the chat", async || {
                    (offered_at_once().await == json!(false)).then_some(())
                })
                .await;
            }
            if !scripts {
                assert_ne!(offered_at_once().await, json!(false), "a script ran");
                self.allow_scripts(true).await;
            }
        };

        self.allow_scripts(scripts).await;
        driver.go(&format!("{}?lang={language}", pages.track)).await;
        wait_for("#news .timeline").await;
        assert_eq!(self.count(".items li").await, 0, "the contents are closed");
        self.look_in(&format!("40-track-{language}-{how}"), language)
            .await;

        self.allow_scripts(scripts).await;
        driver
            .type_into(
                "return document.getElementById('factor')",
                &format!("99999{ENTER}"),
            )
            .await;
        wait_for("#news ~ section [role=alert]").await;
        self.look_in(&format!("41-refused-{language}-{how}"), language)
            .await;

        self.allow_scripts(scripts).await;
        driver
            .type_into(
                "return document.getElementById('factor')",
                &format!("{POSTCODE}{ENTER}"),
            )
            .await;
        wait_for("#news ~ section .items").await;
        assert_eq!(self.count(".items li").await, 2, "both lines are shown");
        self.look_in(&format!("42-opened-{language}-{how}"), language)
            .await;

        self.allow_scripts(scripts).await;
        driver
            .go(&format!("{}?lang={language}", pages.preferences))
            .await;
        wait_for("form fieldset").await;
        self.look_in(&format!("43-preferences-{language}-{how}"), language)
            .await;

        self.allow_scripts(scripts).await;
        let save = "return document.querySelector('form.sheet button')";
        driver.type_into(save, ENTER).await;
        wait_for("[role=status]").await;
        self.look_in(&format!("44-saved-{language}-{how}"), language)
            .await;
    }

    /// The wrong factor is answered by 403, which the console shows; nothing else may be there.
    async fn assert_no_complaints(&self) {
        let mut errors = self.browser.driver.console_errors().await;
        errors.retain(|error| !error.contains("403"));
        assert!(errors.is_empty(), "the browser complained: {errors:#?}");
    }

    async fn count(&self, selector: &str) -> u64 {
        let script = "return document.querySelectorAll(arguments[0]).length";
        let found = self.browser.run(script, &[json!(selector)]).await;
        found.as_u64().unwrap()
    }
}

async fn everybody_reads_the_pages(screen: Screen, order: &str) {
    let Some(reader) = Reader::open(screen).await else {
        return;
    };
    let shared = reader.browser.shared;
    let (database, key) = (shared.database().await, &shared.app.page_key);
    let pages = Pages::of(shared.address, &database, key, order).await;
    for language in LANGUAGES {
        for scripts in [true, false] {
            reader.read(&pages, language, scripts).await;
        }
    }
    reader.assert_no_complaints().await;
    reader.allow_scripts(true).await;
    reader.browser.driver.go(&pages.track).await;
    let offered = "return document.getElementById('ask').hidden === false";
    reader.browser.until("the offer to ask", offered).await;
    let ask = "document.getElementById('ask').click()";
    reader.browser.run(ask, &[]).await;
    reader.browser.answer_after(0).await;
    reader.look_in("45-asked", "en").await;
    let input =
        "return document.querySelector('doorstep-chat').shadowRoot.querySelector('textarea')";
    reader.browser.driver.type_into(input, "rain").await;
    let open =
        "return !!document.querySelector('doorstep-chat').shadowRoot.querySelector('.suggestion')";
    reader.browser.until("suggestions", open).await;
    reader.browser.driver.type_into(input, DOWN).await;
    reader.look_in("46-suggested", "en").await;
    reader.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_can_read_the_pages_on_a_phone() {
    everybody_reads_the_pages(PHONE, "64201").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_can_read_the_pages_at_a_desk() {
    everybody_reads_the_pages(DESKTOP, "64202").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shops_own_colour_can_be_read_by_day_and_by_night() {
    const SECRET: &str = "signs the links of the shop with a colour";
    let Some(reader) = Reader::open(PHONE).await else {
        return;
    };
    let reader = Reader {
        screen: "phone-own-colour",
        ..reader
    };
    // As bright as `doorstep check` lets a colour be.
    let shop = Shop::with(&[("shop.accent", "#008852"), ("links.secret", SECRET)]).await;
    let (server, database) = (shop.process.address(), shop.database().await);
    let key = PageKey::new(SECRET.into());
    let pages = Pages::of(server, &database, &key, "64203").await;
    reader.read(&pages, "en", true).await;
    reader.assert_no_complaints().await;
    reader.browser.close().await;
}
