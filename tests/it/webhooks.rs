//! What shops and carriers tell: every piece of news becomes one chat message and one e-mail, whatever arrives how often
//! and in which order; what is not theirs, or not well-formed, costs a status and a counter and stores nothing.

use std::{net::SocketAddr, path::PathBuf};

use chrono::TimeDelta;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{
    chat::{Visitor, http},
    database::Database,
    hooks::{Hook, now, order_placed, parcel_news},
    server::{Kind, Launch, Place, Shared, shared},
    skip::skip_without_data,
    wait::eventually,
};

/// A signed-in customer whose order the generic source told, and how the news of it arrives.
struct Buyer {
    shared: &'static Shared,
    visitor: Visitor,
    email: String,
    order: String,
    parcel: String,
}

impl Buyer {
    async fn new(name: &str, order: &str, parcel: &str) -> Self {
        let shared = shared().await;
        let customer = format!("B-{name}");
        let email = format!("{name}@buyers.example");
        let visitor = Visitor::signed_in(shared.address, "en", &customer).await;
        let placed = order_placed(order, &customer, &email, parcel);
        Hook::generic(&format!("placed-{name}"), &placed)
            .deliver(shared.address)
            .await;
        let buyer = Self {
            shared,
            visitor,
            email,
            order: order.to_owned(),
            parcel: parcel.to_owned(),
        };
        buyer.all_events_decided().await;
        buyer
    }

    fn news(&self, event_type: &str, minutes_ago: i64) -> Value {
        parcel_news(event_type, &self.order, &self.parcel, minutes_ago)
    }

    async fn all_events_decided(&self) {
        let database = self.shared.database().await;
        let open = "SELECT COUNT(*) FROM commerce_events WHERE notified_at IS NULL";
        eventually("all events to be decided", async || {
            (database.number(open).await == 0).then_some(())
        })
        .await;
        let unsent = "SELECT COUNT(*) FROM deliveries WHERE settled_at IS NULL";
        eventually("all e-mails to be sent", async || {
            (database.number(unsent).await == 0).then_some(())
        })
        .await;
    }

    /// Texts of the chat messages, oldest first.
    async fn chat(&self) -> Vec<String> {
        let messages = self.visitor.history(self.shared.address, 0).await;
        messages
            .iter()
            .map(|message| message["text"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Subjects of the e-mails, oldest first.
    async fn mails(&self) -> Vec<String> {
        let outbox = self.shared.data_dir.join("outbox");
        let mut mails = doorstep_channels::email::outbox::list(&outbox, usize::MAX)
            .await
            .unwrap();
        mails.retain(|mail| mail.to == self.email);
        mails.reverse();
        mails.into_iter().map(|mail| mail.subject).collect()
    }
}

#[tokio::test]
async fn a_shops_event_sent_twice_is_one_chat_message_and_one_email() {
    let buyer = Buyer::new("twice", "6100001", "TWICE1").await;
    let hook = Hook::generic("twice-news", &buyer.news("shipment.out_for_delivery", 5));
    let first = hook.deliver(buyer.shared.address).await;
    let second = hook.deliver(buyer.shared.address).await;
    assert_eq!(first.body, json!({ "admitted": 1, "duplicates": 0 }));
    assert_eq!(second.body, json!({ "admitted": 0, "duplicates": 1 }));
    buyer.all_events_decided().await;
    let (chat, mails) = (buyer.chat().await, buyer.mails().await);
    assert_eq!(chat.len(), 1, "{chat:?}");
    assert_eq!(mails.len(), 1, "{mails:?}");
}

#[tokio::test]
async fn the_same_news_under_two_event_ids_is_told_once() {
    let buyer = Buyer::new("two-ids", "6100002", "TWOIDS1").await;
    let news = buyer.news("shipment.out_for_delivery", 5);
    Hook::generic("two-ids-a", &news)
        .deliver(buyer.shared.address)
        .await;
    buyer.all_events_decided().await;
    Hook::generic("two-ids-b", &news)
        .deliver(buyer.shared.address)
        .await;
    buyer.all_events_decided().await;
    assert_eq!(buyer.chat().await.len(), 1);
    assert_eq!(buyer.mails().await.len(), 1);
}

#[tokio::test]
async fn news_that_arrives_late_is_history_and_not_told() {
    let buyer = Buyer::new("late", "6100003", "LATE1").await;
    let address = buyer.shared.address;
    Hook::generic("late-delivered", &buyer.news("shipment.delivered", 5))
        .deliver(address)
        .await;
    buyer.all_events_decided().await;
    Hook::generic(
        "late-on-the-van",
        &buyer.news("shipment.out_for_delivery", 90),
    )
    .deliver(address)
    .await;
    buyer.all_events_decided().await;
    let chat = buyer.chat().await;
    assert_eq!(chat.len(), 1, "only the delivery is told: {chat:?}");
    assert_eq!(buyer.mails().await.len(), 1);
}

#[tokio::test]
async fn news_of_a_parcel_whose_order_comes_later_is_told_once_the_order_is_known() {
    let shared = shared().await;
    let visitor = Visitor::signed_in(shared.address, "en", "B-early").await;
    let news = parcel_news("shipment.out_for_delivery", "6100004", "EARLY1", 5);
    Hook::generic("early-news", &news)
        .deliver(shared.address)
        .await;
    let buyer = Buyer {
        shared,
        visitor,
        email: "early@buyers.example".to_owned(),
        order: "6100004".to_owned(),
        parcel: "EARLY1".to_owned(),
    };
    buyer.all_events_decided().await;
    assert_eq!(
        buyer.chat().await.len(),
        0,
        "whose order it is, nobody knows yet"
    );
    let placed = order_placed(&buyer.order, "B-early", &buyer.email, &buyer.parcel);
    Hook::generic("early-placed", &placed)
        .deliver(shared.address)
        .await;
    buyer.all_events_decided().await;
    assert_eq!(buyer.chat().await.len(), 1);
    assert_eq!(buyer.mails().await.len(), 1);
}

#[tokio::test]
async fn an_easypost_event_sent_twice_and_out_of_order_is_one_chat_message_and_one_email() {
    let own = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/easypost/tracker.updated.json"
    );
    tell_by_easypost("own", "6100005", &[std::fs::read(own).unwrap()]).await;
}

#[tokio::test]
async fn the_carriers_own_example_events_are_told_once_each() {
    let Some(folder) = shared_payloads() else {
        return skip_without_data("no payloads of EasyPost's own; set DOORSTEP_SHARED");
    };
    let mut bodies = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(text) = std::fs::read(&path) else {
            continue;
        };
        let Ok(body) = serde_json::from_slice::<Value>(&text) else {
            continue;
        };
        if body["object"] == "Event" && body["description"] == "tracker.updated" {
            bodies.push(text);
        }
    }
    assert!(
        !bodies.is_empty(),
        "the folder holds no tracker.updated event"
    );
    for (index, body) in bodies.iter().enumerate() {
        tell_by_easypost(
            &format!("theirs-{index}"),
            &format!("{}", 6_100_100 + index),
            std::slice::from_ref(body),
        )
        .await;
    }
}

fn shared_payloads() -> Option<PathBuf> {
    let root = std::env::var_os("DOORSTEP_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    Some(root.join("payloads/easypost")).filter(|path| path.is_dir())
}

/// Sends an event of the carrier (with a parcel of the test's own and of today) before an older one, and both twice.
async fn tell_by_easypost(name: &str, order: &str, bodies: &[Vec<u8>]) {
    let parcel = format!("EASY{order}");
    let buyer = Buyer::new(name, order, &parcel).await;
    let address = buyer.shared.address;
    for (index, body) in bodies.iter().enumerate() {
        let newest: Value = serde_json::from_slice(body).unwrap();
        let newest = moved(
            newest,
            &parcel,
            &format!("evt_{name}_{index}"),
            "out_for_delivery",
            0,
        );
        let older = moved(
            newest.clone(),
            &parcel,
            &format!("evt_{name}_{index}_older"),
            "in_transit",
            26,
        );
        let (newest, older) = (
            Hook::easypost(newest.to_string().as_bytes()),
            Hook::easypost(older.to_string().as_bytes()),
        );
        newest.deliver(address).await;
        newest.deliver(address).await;
        buyer.all_events_decided().await;
        older.deliver(address).await;
        older.deliver(address).await;
        newest.deliver(address).await;
    }
    buyer.all_events_decided().await;
    let (chat, mails) = (buyer.chat().await, buyer.mails().await);
    assert_eq!(chat.len(), 1, "{chat:?}");
    assert_eq!(mails.len(), 1, "{mails:?}");
}

/// The event about another parcel, with its newest scan `hours_ago`; real shape, dates that are not stale.
fn moved(mut event: Value, parcel: &str, id: &str, status: &str, hours_ago: i64) -> Value {
    let at = now() - TimeDelta::hours(hours_ago) - TimeDelta::minutes(5);
    event["id"] = json!(id);
    event["created_at"] = json!(at);
    event["result"]["tracking_code"] = json!(parcel);
    event["result"]["status"] = json!(status);
    event["result"]["status_detail"] = json!(status);
    let scans = event["result"]["tracking_details"]
        .as_array_mut()
        .expect("scans");
    let count = scans.len() as i64;
    for (index, scan) in scans.iter_mut().enumerate() {
        scan["datetime"] = json!(at - TimeDelta::hours(count - 1 - index as i64));
    }
    event
}

/// A request that must be refused: status, and the counter's reason.
struct Refused {
    hook: Hook,
    status: u16,
    reason: &'static str,
}

impl Refused {
    /// Sends it: it is answered with the status and a sentence, counted, and stored nowhere.
    async fn check(self, server: SocketAddr, database: &Database, id: &str) {
        let counter = format!(
            r#"doorstep_webhooks_rejected_total{{source="generic",reason="{}"}}"#,
            self.reason
        );
        let before = metric(server, &counter).await;
        let answer = self.hook.send(server).await;
        assert_eq!(answer.status, self.status, "{}", answer.body);
        let sentence = answer.body["error"]["message"]
            .as_str()
            .expect("a sentence");
        assert!(sentence.len() > 20, "{sentence}");
        assert!(
            metric(server, &counter).await > before,
            "{counter} did not count"
        );
        let stored = format!("SELECT COUNT(*) FROM commerce_events WHERE external_id = '{id}'");
        assert_eq!(database.number(&stored).await, 0, "it was stored");
    }
}

/// A counter's value; 0 when it was never counted. Labels may come in any order.
pub(crate) async fn metric(server: SocketAddr, wanted: &str) -> f64 {
    let text = http()
        .get(format!("http://{server}/metrics"))
        .send()
        .await
        .unwrap();
    let text = text.text().await.unwrap();
    let (name, labels) = wanted.split_once('{').unwrap_or((wanted, "}"));
    let labels: Vec<&str> = labels
        .trim_end_matches('}')
        .split(',')
        .filter(|label| !label.is_empty())
        .collect();
    text.lines()
        .filter(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

#[tokio::test]
async fn a_webhook_under_a_name_that_nobody_has_is_told_so_and_counted() {
    const COUNTER: &str = r#"doorstep_webhooks_rejected_total{source="unknown",reason="not_here"}"#;
    let shared = shared().await;
    for path in [
        "commerce/nobody",
        "commerce/%FF",
        "channels/nobody",
        "channels/%FF",
    ] {
        let before = metric(shared.address, COUNTER).await;
        let url = format!("{}/webhooks/{path}", shared.url());
        let answer = http().post(url).body("{}").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 404, "{path}");
        let told: Value = answer.json().await.unwrap();
        let sentence = told["error"]["message"].as_str().unwrap();
        assert!(sentence.contains("nothing receives webhooks"), "{sentence}");
        assert!(metric(shared.address, COUNTER).await > before, "{path}");
    }
}

async fn refuse(id: &str, hook: Hook, status: u16, reason: &'static str) {
    let shared = shared().await;
    let database = shared.database().await;
    Refused {
        hook,
        status,
        reason,
    }
    .check(shared.address, &database, id)
    .await;
}

#[tokio::test]
async fn a_forged_event_is_refused_counted_and_not_stored() {
    let news = parcel_news("shipment.delivered", "10234", "PQ573186429ES", 5);
    refuse(
        "forged",
        Hook::forged("forged", &news),
        401,
        "bad_signature",
    )
    .await;
}

#[tokio::test]
async fn an_event_changed_on_its_way_is_refused() {
    let news = parcel_news("shipment.delivered", "10234", "PQ573186429ES", 5);
    let mut hook = Hook::generic("changed", &news);
    hook.body = String::from_utf8(hook.body)
        .unwrap()
        .replace("10234", "10235")
        .into_bytes();
    refuse("changed", hook, 401, "bad_signature").await;
}

#[tokio::test]
async fn an_event_without_a_signature_is_refused() {
    let mut hook = Hook::generic(
        "unsigned",
        &parcel_news("shipment.delivered", "10234", "X1", 5),
    );
    hook.headers.remove("webhook-signature");
    refuse("unsigned", hook, 401, "missing_header").await;
}

#[tokio::test]
async fn a_replayed_event_outside_the_window_is_refused() {
    let body = parcel_news("shipment.delivered", "10234", "X2", 5).to_string();
    for (id, at) in [
        ("stale", now() - TimeDelta::minutes(6)),
        ("early", now() + TimeDelta::minutes(6)),
    ] {
        refuse(
            id,
            Hook::generic_at(id, at, body.as_bytes()),
            401,
            "outside_replay_window",
        )
        .await;
    }
}

#[tokio::test]
async fn an_oversized_event_is_refused_before_it_is_read() {
    let mut news = parcel_news("shipment.delivered", "10234", "X3", 5);
    news["payload"]["message"] = json!("x".repeat(300_000));
    refuse(
        "oversized",
        Hook::generic("oversized", &news),
        413,
        "too_large",
    )
    .await;
}

#[tokio::test]
async fn an_event_that_is_not_json_is_refused() {
    let hook = Hook::generic_at(
        "not-json",
        now(),
        br#"{"schema_version": 1, "event_type": "#,
    );
    refuse("not-json", hook, 400, "malformed").await;
}

#[tokio::test]
async fn an_event_that_is_not_utf8_is_refused() {
    let hook = Hook::generic_at(
        "not-utf8",
        now(),
        b"{\"schema_version\": 1, \"event_type\": \"\xff\xfe\"}",
    );
    refuse("not-utf8", hook, 400, "malformed").await;
}

#[tokio::test]
async fn an_event_of_an_unknown_type_is_refused_with_the_known_ones() {
    let hook = Hook::generic(
        "unknown-type",
        &parcel_news("shipment.teleported", "10234", "X4", 5),
    );
    let answer = hook.send(shared().await.address).await;
    let sentence = answer.body["error"]["message"].as_str().unwrap();
    assert!(
        sentence.contains("shipment.teleported") && sentence.contains("shipment.delivered"),
        "{sentence}"
    );
    refuse("unknown-type", hook, 422, "unsupported").await;
}

#[tokio::test]
async fn an_unknown_source_is_not_found() {
    let shared = shared().await;
    let answer = http()
        .post(format!("{}/webhooks/commerce/nobody", shared.url()))
        .body("{}")
        .send()
        .await;
    assert_eq!(answer.unwrap().status(), 404);
}

/// Meta's app secret.
const APP_SECRET: &str = "app-secret-of-the-tests";

/// A WhatsApp webhook of this size with one message, signed as Meta signs (`X-Hub-Signature-256`).
async fn post_to_whatsapp(server: SocketAddr, id: &str, size: usize) -> u16 {
    let message = json!({
        "id": id, "from": "4915112345678", "timestamp": now().timestamp().to_string(),
        "type": "text", "text": { "body": "Hello" },
    });
    let value = json!({
        "messaging_product": "whatsapp", "metadata": { "phone_number_id": "106540352242922" },
        "contacts": [{ "wa_id": "4915112345678" }], "messages": [message],
    });
    let mut body = json!({
        "object": "whatsapp_business_account",
        "entry": [{ "id": "1", "changes": [{ "field": "messages", "value": value }] }],
        "more": "",
    });
    let more = size - body.to_string().len();
    body["more"] = "x".repeat(more).into();
    let body = body.to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(APP_SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let answer = http()
        .post(format!("http://{server}/webhooks/channels/whatsapp"))
        .header("x-hub-signature-256", format!("sha256={signature}"))
        .body(body)
        .send()
        .await;
    answer.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_webhook_of_meta_is_taken_as_large_as_meta_sends_it() {
    let place = Place::new(Kind::Sqlite).await.unwrap();
    let numbers = r#"[{ phone_number_id = "106540352242922", number = "+15550783881" }]"#;
    let process = Launch::serve(&place)
        .set("channels.whatsapp.access_token", "token")
        .set("channels.whatsapp.app_secret", APP_SECRET)
        .set("channels.whatsapp.verify_token", "word")
        .set("channels.whatsapp.numbers", numbers)
        .set("channels.whatsapp.api_url", "http://127.0.0.1:9")
        .start()
        .await;
    let largest = 3 << 20;
    for (id, size, status) in [("wamid.1", largest, 200), ("wamid.2", largest + 1, 413)] {
        let answered = post_to_whatsapp(process.address(), id, size).await;
        assert_eq!(answered, status, "{size} bytes");
    }
    let sql = "SELECT external_id FROM inbound_messages WHERE channel = 'whatsapp'";
    assert_eq!(place.database().await.texts(sql).await, ["wamid.1"]);
}
