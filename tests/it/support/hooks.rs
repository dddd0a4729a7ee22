//! Signed requests, as shops and carriers send them.

use std::net::SocketAddr;

use chrono::TimeDelta;
use doorstep_commerce::{
    SourceConfig,
    registry::{self, Sending},
};
use doorstep_core::Timestamp;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::{
    chat::http,
    server::{EASYPOST_SECRET, GENERIC_SECRET},
};

/// A request ready to be sent, again and again.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    source: &'static str,
    /// Headers, the signature among them.
    pub(crate) headers: HeaderMap,
    /// The signed bytes.
    pub(crate) body: Vec<u8>,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// JSON body.
    pub(crate) body: Value,
}

impl Hook {
    /// An event of the generic source, signed now.
    pub(crate) fn generic(id: &str, body: &Value) -> Self {
        Self::generic_at(id, now(), body.to_string().as_bytes())
    }

    /// Any bytes, signed as of `at`.
    pub(crate) fn generic_at(id: &str, at: Timestamp, body: &[u8]) -> Self {
        Self::signed("generic", GENERIC_SECRET, id, at, body)
    }

    /// An EasyPost event; its id stands in the body.
    pub(crate) fn easypost(body: &[u8]) -> Self {
        Self::signed("easypost", EASYPOST_SECRET, "", now(), body)
    }

    /// Signed with somebody else's secret.
    pub(crate) fn forged(id: &str, body: &Value) -> Self {
        Self::signed(
            "generic",
            "whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldA==",
            id,
            now(),
            body.to_string().as_bytes(),
        )
    }

    /// A webhook of a source that tells its topic in a header; the source is called as its kind.
    pub(crate) fn topic(
        source: &'static str,
        secret: &str,
        topic: &str,
        id: &str,
        at: Timestamp,
        body: &[u8],
    ) -> Self {
        let config = SourceConfig {
            kind: source.to_owned(),
            name: source.into(),
            secret: secret.into(),
            tolerance_s: None,
        };
        let sending = Sending {
            id,
            event_type: Some(topic),
            sent_at: at,
            body,
        };
        let headers = registry::sign_as(&config, &sending).expect("it can be signed");
        Self {
            source,
            headers,
            body: body.to_vec(),
        }
    }

    fn signed(source: &'static str, secret: &str, id: &str, at: Timestamp, body: &[u8]) -> Self {
        let config = SourceConfig {
            kind: source.to_owned(),
            name: source.into(),
            secret: secret.into(),
            tolerance_s: None,
        };
        let headers = registry::sign(&config, id, at, body).expect("it can be signed");
        Self {
            source,
            headers,
            body: body.to_vec(),
        }
    }

    /// Sends it; an error is that nobody answered.
    pub(crate) async fn try_send(&self, server: SocketAddr) -> reqwest::Result<Answer> {
        let url = format!("http://{server}/webhooks/commerce/{}", self.source);
        let request = http()
            .post(url)
            .headers(self.headers.clone())
            .body(self.body.clone());
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        Ok(Answer {
            status,
            body: answer.json().await.unwrap_or_default(),
        })
    }

    /// Sends it.
    pub(crate) async fn send(&self, server: SocketAddr) -> Answer {
        self.try_send(server).await.expect("an answer")
    }

    /// Sends it and expects it to be taken.
    pub(crate) async fn deliver(&self, server: SocketAddr) -> Answer {
        let answer = self.send(server).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer
    }
}

/// The current instant.
pub(crate) fn now() -> Timestamp {
    doorstep::ambient::system().now()
}

/// The body of a parcel's news, `minutes_ago`.
pub(crate) fn parcel_news(
    event_type: &str,
    order: &str,
    tracking_number: &str,
    minutes_ago: i64,
) -> Value {
    let at = now() - TimeDelta::minutes(minutes_ago);
    json!({
        "schema_version": 1,
        "event_type": event_type,
        "order_id": order,
        "timestamp": at,
        "payload": { "carrier": "Correos", "tracking_number": tracking_number },
    })
}

/// The body of a new order of a customer, with one parcel.
pub(crate) fn order_placed(
    order: &str,
    customer: &str,
    email: &str,
    tracking_number: &str,
) -> Value {
    json!({
        "schema_version": 1,
        "event_type": "order.placed",
        "order_id": order,
        "customer_id": customer,
        "timestamp": now() - TimeDelta::minutes(30),
        "payload": {
            "placed_at": now() - TimeDelta::minutes(30),
            "customer": { "name": "Robin Test", "email": email, "language": "en", "time_zone": "Europe/London" },
            "currency": "EUR",
            "lines": [{ "sku": "JKT-101-M-PIN", "title": "Kolmar Rain Jacket", "quantity": 1, "price": "129.90" }],
            "shipments": [{ "carrier": "Correos", "tracking_number": tracking_number }],
        },
    })
}
