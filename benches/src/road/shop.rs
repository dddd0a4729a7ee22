//! The shop and its carrier: signed orders and news of their parcels.

use std::{cell::RefCell, net::SocketAddr, ops::Range};

use doorstep_channels::email::simulator::DOMAIN;
use doorstep_commerce::generic;
use doorstep_core::Timestamp;
use futures::future::try_join_all;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{
    Outcome,
    http::Connection,
    server::{WEBHOOK_PATH, WEBHOOK_SECRET},
};

/// The customer of an order, by the name that the mail provider knows.
pub(super) fn customer(number: usize) -> String {
    format!("customer{number}")
}

/// Signs and sends.
pub(super) struct Shop {
    address: SocketAddr,
    secret: SecretString,
    now: Timestamp,
}

impl Shop {
    #[allow(
        clippy::disallowed_methods,
        reason = "signatures carry the time that the server's own clock must show"
    )]
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            secret: WEBHOOK_SECRET.into(),
            now: chrono::Utc::now(),
        }
    }

    /// The requests that tell of so many orders, each of a customer of its own.
    pub(super) fn orders(&self, count: usize) -> Outcome<Vec<Vec<u8>>> {
        (0..count)
            .map(|number| {
                let payload = json!({
                    "placed_at": self.now.to_rfc3339(),
                    "status": "processing",
                    "customer": {
                        "name": format!("Customer {number}"),
                        "email": format!("{}@{DOMAIN}", customer(number)),
                        "language": "en",
                        "time_zone": "Europe/Berlin",
                    },
                    "currency": "EUR",
                    "lines": [{"sku": "SKU-1", "title": "Rain jacket", "quantity": 1, "price": "129.90"}],
                    "total": "129.90",
                });
                self.request("order.placed", number, &payload)
            })
            .collect()
    }

    /// The requests that tell one thing of the parcels of these orders.
    pub(super) fn news(&self, what: &str, orders: Range<usize>) -> Outcome<Vec<Vec<u8>>> {
        orders
            .map(|number| {
                let payload = json!({
                    "carrier": "DHL",
                    "tracking_number": format!("JD{number:018}"),
                    "message": "Arrived",
                    "location": "Leipzig",
                });
                self.request(&format!("shipment.{what}"), number, &payload)
            })
            .collect()
    }

    /// Sends all over so many connections; each must be new to the server.
    pub(super) async fn send(&self, requests: Vec<Vec<u8>>, clients: usize) -> Outcome<()> {
        let requests = RefCell::new(requests.into_iter());
        let client = || async {
            let mut connection = Connection::open(self.address).await?;
            loop {
                let Some(request) = requests.borrow_mut().next() else {
                    return Outcome::Ok(());
                };
                let answer = connection.exchange(&request).await?;
                if !(200..300).contains(&answer.status) {
                    let body = String::from_utf8_lossy(answer.body);
                    return Err(format!("a webhook was answered {}: {body}", answer.status).into());
                }
            }
        };
        try_join_all((0..clients).map(|_| client())).await?;
        Ok(())
    }

    fn request(&self, event_type: &str, number: usize, payload: &Value) -> Outcome<Vec<u8>> {
        let body = json!({
            "schema_version": generic::SCHEMA_VERSION,
            "event_type": event_type,
            "order_id": (100_000 + number).to_string(),
            "customer_id": format!("C-{number}"),
            "timestamp": self.now.to_rfc3339(),
            "payload": payload,
        });
        let id = format!("{event_type}_{number}");
        signed(self.address, &self.secret, &id, self.now, &body)
    }
}

/// A signed request to the generic source, as bytes.
pub(crate) fn signed(
    address: SocketAddr,
    secret: &SecretString,
    id: &str,
    now: Timestamp,
    body: &Value,
) -> Outcome<Vec<u8>> {
    let body = body.to_string();
    let headers = generic::sign(secret, id, now, body.as_bytes())?;
    let mut request = format!("POST {WEBHOOK_PATH} HTTP/1.1\r\nhost: {address}\r\n").into_bytes();
    for (name, value) in &headers {
        request.extend_from_slice(name.as_str().as_bytes());
        request.extend_from_slice(b": ");
        request.extend_from_slice(value.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    request.extend_from_slice(body.as_bytes());
    Ok(request)
}
