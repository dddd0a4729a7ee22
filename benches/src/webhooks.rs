//! Signed events from many senders at once. Requests are built and signed before the clock starts; a sender sends its
//! next when the last is answered, which the server does once the event is durable.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    time::{Duration, Instant},
};

use doorstep_commerce::generic;
use doorstep_core::Timestamp;
use futures::future::try_join_all;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Outcome,
    figures::Spread,
    http::{Answer, Connection},
    road::signed,
    server::{Server, WEBHOOK_SECRET},
    texts,
};

/// One event in so many is delivered twice, as providers do.
const DELIVERED_AGAIN: usize = 20;
/// Where the ids of events that are not measured begin.
const WARM_UP_IDS: usize = 1_000_000;
const FORGED_ID: usize = 2_000_000;

/// What became of the events.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Webhooks {
    pub(crate) ms: Spread,
    pub(crate) per_s: f64,
    /// How many the server took for new, and how many for known.
    pub(crate) admitted: usize,
    pub(crate) duplicates: usize,
}

#[derive(Deserialize)]
struct Admitted {
    admitted: usize,
    duplicates: usize,
}

/// What the senders share.
struct Tally {
    requests: Vec<Vec<u8>>,
    next: Cell<usize>,
    took: RefCell<Vec<Duration>>,
    admitted: Cell<usize>,
    duplicates: Cell<usize>,
}

/// Sends `events` distinct events, and one in twenty again, from `clients` connections.
pub(crate) async fn run(server: &Server, clients: usize, events: usize) -> Outcome<Webhooks> {
    let sender = Sender::new(server.address);
    let mut connections = sender.connect(clients).await?;
    let again = events / DELIVERED_AGAIN;
    let tally = Tally::new(sender.requests(events, again)?);
    let started = Instant::now();
    try_join_all(
        connections
            .iter_mut()
            .map(|connection| tally.send(connection)),
    )
    .await?;
    let wall = started.elapsed();
    tally.check(events, again)?;
    let took = tally.took.borrow();
    Ok(Webhooks {
        ms: Spread::of(&took).ok_or("there were no events")?,
        per_s: took.len() as f64 / wall.as_secs_f64(),
        admitted: tally.admitted.get(),
        duplicates: tally.duplicates.get(),
    })
}

/// Makes requests as the shop would.
struct Sender {
    address: SocketAddr,
    secret: SecretString,
    now: Timestamp,
}

impl Sender {
    #[allow(
        clippy::disallowed_methods,
        reason = "signatures carry the time that the server's own clock must show"
    )]
    fn new(address: SocketAddr) -> Self {
        Self {
            address,
            secret: WEBHOOK_SECRET.into(),
            now: chrono::Utc::now(),
        }
    }

    /// Opens connections, each used once; and sees that a forged event is refused.
    async fn connect(&self, count: usize) -> Outcome<Vec<Connection>> {
        let forged = Self {
            address: self.address,
            secret: "not-the-secret-of-this-server-0123456".into(),
            now: self.now,
        };
        let mut connections = Vec::with_capacity(count);
        for number in 0..count {
            let mut connection = Connection::open(self.address).await?;
            if number == 0 {
                let answer = connection.exchange(&forged.request(FORGED_ID)?).await?;
                if answer.status != 401 {
                    return Err(format!("a forged event was answered {}", answer.status).into());
                }
            }
            let warm_up = self.request(WARM_UP_IDS + number)?;
            read(&connection.exchange(&warm_up).await?)?;
            connections.push(connection);
        }
        Ok(connections)
    }

    /// All requests in the order in which they are sent; a repeated one may overtake its first.
    fn requests(&self, events: usize, again: usize) -> Outcome<Vec<Vec<u8>>> {
        let mut requests = (0..events)
            .map(|number| self.request(number))
            .collect::<Outcome<Vec<_>>>()?;
        requests.extend_from_within(..again);
        texts::shuffle(&mut requests);
        Ok(requests)
    }

    /// A parcel's news, signed, as bytes.
    fn request(&self, number: usize) -> Outcome<Vec<u8>> {
        let body = json!({
            "schema_version": generic::SCHEMA_VERSION,
            "event_type": "shipment.in_transit",
            "order_id": (100_000 + number % 1000).to_string(),
            "timestamp": self.now.to_rfc3339(),
            "payload": {
                "carrier": "DHL",
                "tracking_number": format!("JD{number:018}"),
                "message": "Arrived at the sorting centre",
                "location": "Leipzig",
            },
        });
        let id = format!("evt_bench_{number}");
        signed(self.address, &self.secret, &id, self.now, &body)
    }
}

impl Tally {
    fn new(requests: Vec<Vec<u8>>) -> Self {
        Self {
            took: RefCell::new(Vec::with_capacity(requests.len())),
            requests,
            next: Cell::new(0),
            admitted: Cell::new(0),
            duplicates: Cell::new(0),
        }
    }

    /// Sends one request after another until none is left.
    async fn send(&self, connection: &mut Connection) -> Outcome<()> {
        while let Some(request) = self.requests.get(self.next.replace(self.next.get() + 1)) {
            let started = Instant::now();
            let answer = connection.exchange(request).await?;
            let took = started.elapsed();
            let answer = read(&answer)?;
            self.took.borrow_mut().push(took);
            self.admitted.set(self.admitted.get() + answer.admitted);
            self.duplicates
                .set(self.duplicates.get() + answer.duplicates);
        }
        Ok(())
    }

    /// Every event must have been new once and only once.
    fn check(&self, events: usize, again: usize) -> Outcome<()> {
        let (admitted, duplicates) = (self.admitted.get(), self.duplicates.get());
        if (admitted, duplicates) == (events, again) {
            return Ok(());
        }
        Err(format!(
            "{events} events, {again} of them sent twice, were answered as {admitted} admitted and {duplicates} \
             duplicates"
        )
        .into())
    }
}

fn read(answer: &Answer<'_>) -> Outcome<Admitted> {
    if !(200..300).contains(&answer.status) {
        let body = String::from_utf8_lossy(answer.body);
        return Err(format!("a webhook was answered {}: {body}", answer.status).into());
    }
    Ok(serde_json::from_slice(answer.body)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_complete_and_repeats_are_identical() {
        let sender = Sender::new(([127, 0, 0, 1], 1).into());
        let requests = sender.requests(40, 2).unwrap();
        assert_eq!(requests.len(), 42);
        let distinct: std::collections::HashSet<_> = requests.iter().collect();
        assert_eq!(distinct.len(), 40);
        let text = String::from_utf8(requests[0].clone()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("webhook-signature: v1,"), "{head}");
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{head}"
        );
    }
}
