//! A shop platform through the front door: its webhooks become orders, parcels and messages, and a customer's data go when
//! the platform says so.

use chrono::TimeDelta;
use doorstep_core::Timestamp;
use serde_json::{Value, json};

use crate::support::{
    database::Database,
    hooks::{Answer, Hook, now},
    server::{Kind, Launch, Place, Process},
    wait::eventually,
};

const SECRET: &str = "shpss_secret_of_the_tests";

macro_rules! body {
    ($name:literal) => {
        include_bytes!(concat!("../fixtures/shopify/", $name, ".json"))
    };
}

struct Shop {
    place: Place,
    server: Process,
    database: Database,
}

impl Shop {
    async fn open() -> Self {
        let place = Place::new(Kind::Sqlite).await.unwrap();
        let server = Launch::serve(&place)
            .set("commerce.shopify.kind", "shopify")
            .set("commerce.shopify.secret", SECRET)
            .start()
            .await;
        let database = place.database().await;
        Self {
            place,
            server,
            database,
        }
    }

    async fn send_at(&self, topic: &str, id: &str, at: Timestamp, body: &[u8]) -> Answer {
        Hook::topic("shopify", SECRET, topic, id, at, body)
            .send(self.server.address())
            .await
    }

    async fn tell(&self, topic: &str, id: &str, body: &[u8]) -> Answer {
        let answer = self.send_at(topic, id, now(), body).await;
        assert_eq!(answer.status, 200, "{topic}: {}", answer.body);
        answer
    }

    async fn all_decided(&self) {
        let open = "SELECT COUNT(*) FROM commerce_events WHERE notified_at IS NULL";
        eventually("all events to be decided", async || {
            (self.database.number(open).await == 0).then_some(())
        })
        .await;
        let unsent = "SELECT COUNT(*) FROM deliveries WHERE settled_at IS NULL";
        eventually("all e-mails to be sent", async || {
            (self.database.number(unsent).await == 0).then_some(())
        })
        .await;
    }

    async fn count(&self, table: &str, condition: &str) -> i64 {
        let sql = format!("SELECT COUNT(*) FROM {table} WHERE {condition}");
        self.database.number(&sql).await
    }
}

#[tokio::test]
async fn a_shopify_order_is_followed_and_forgotten_when_shopify_says_so() {
    let shop = Shop::open().await;
    // Out of order, and one of them twice: the carrier's news name the order by an identifier that nobody knows yet.
    let mut van: Value = serde_json::from_slice(body!("fulfillment_events.create")).unwrap();
    // A van of long ago is told to nobody.
    van["happened_at"] = json!(now() - TimeDelta::minutes(5));
    let van = van.to_string();
    shop.tell("fulfillment_events/create", "w3", van.as_bytes())
        .await;
    shop.tell("orders/create", "w1", body!("orders.create"))
        .await;
    let again = shop
        .tell("orders/create", "w1", body!("orders.create"))
        .await;
    assert_eq!(again.body["duplicates"], 1);
    shop.tell("refunds/create", "w4", body!("refunds.create"))
        .await;
    shop.all_decided().await;
    let mails = doorstep_channels::email::outbox::list(&shop.place.outbox(), usize::MAX)
        .await
        .unwrap();
    let mut subjects: Vec<_> = mails.iter().map(|mail| mail.subject.clone()).collect();
    subjects.sort();
    assert_eq!(
        subjects.len(),
        2,
        "out for delivery, refunded: {subjects:?}"
    );
    assert!(mails.iter().all(|mail| mail.to == "marta.ruiz@example.com"));

    shop.tell("customers/redact", "w5", body!("customers.redact"))
        .await;
    shop.all_decided().await;
    let left = "LIKE '%marta%'";
    for (table, column) in [
        ("customers", "LOWER(email)"),
        ("identities", "address"),
        ("orders", "LOWER(body)"),
        ("commerce_events", "LOWER(parsed)"),
        ("commerce_events", "LOWER(CAST(raw AS TEXT))"),
        ("outbound_messages", "LOWER(content)"),
        ("deliveries", "address"),
        ("conversations", "address"),
    ] {
        assert_eq!(
            shop.count(table, &format!("{column} {left}")).await,
            0,
            "{table}.{column}"
        );
    }
    assert_eq!(shop.count("orders", "number = '10234'").await, 1);
    assert_eq!(shop.count("audit", "action = 'erase_customer'").await, 1);
}

#[tokio::test]
async fn strangers_and_old_deliveries_are_refused_and_store_nothing() {
    let shop = Shop::open().await;
    let address = shop.server.address();
    let order = body!("orders.create");
    let forged = Hook::topic(
        "shopify",
        "another secret",
        "orders/create",
        "f1",
        now(),
        order,
    );
    assert_eq!(forged.send(address).await.status, 401);
    let stale = now() - TimeDelta::hours(6);
    assert_eq!(
        shop.send_at("orders/create", "f2", stale, order)
            .await
            .status,
        401
    );
    let early = now() + TimeDelta::minutes(6);
    assert_eq!(
        shop.send_at("orders/create", "f3", early, order)
            .await
            .status,
        401
    );
    let mut large = order.to_vec();
    large.resize(300_000, b' ');
    assert_eq!(
        shop.send_at("orders/create", "f4", now(), &large)
            .await
            .status,
        413
    );
    assert_eq!(
        shop.send_at("orders/create", "f5", now(), b"[1]")
            .await
            .status,
        400
    );
    assert_eq!(shop.count("commerce_events", "1 = 1").await, 0);
}
