//! What the demo page plays with: the shop's books, signed requests as a shop or carrier would send them, and the
//! mails as the customer would see them.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::TimeDelta;
use doorstep_commerce::{demo::DemoShop, registry};
use doorstep_core::{
    ChannelName, Health, OrderNumber, OutboundMessageId, Sku, Timestamp,
    channel::{Capabilities, Channel, Inbox, Receipt, SendError, WebhookOutcome},
    message::{Address, OutboundMessage},
    order::Order,
    product::StockLevel,
    shop::EventSource,
    webhook::{WebhookRejection, WebhookRequest},
};
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// How many units of a size are put back that had none from the beginning.
const PUT_BACK: u32 = 5;

/// The demo's own parts.
pub struct Demo {
    /// The shop, whose books the panel writes.
    pub shop: Arc<DemoShop>,
    /// Counts mails that left.
    pub mails: watch::Sender<u64>,
    /// Mails in the order in which the page was shown them: one that was made earlier and left later moves no other.
    numbered: Mutex<Vec<OutboundMessageId>>,
    /// How many there were of what the panel sold out.
    sold_out: Mutex<BTreeMap<Sku, u32>>,
}

impl Demo {
    /// A demo over an opened shop.
    pub fn new(shop: Arc<DemoShop>, mails: watch::Sender<u64>) -> Self {
        Self {
            shop,
            mails,
            numbered: Mutex::default(),
            sold_out: Mutex::default(),
        }
    }

    /// Numbers the mails that lie in the outbox from 1, each once and for good, and returns those after the n-th, `most`
    /// at most.
    pub fn mails_after(
        &self,
        lying: Vec<OutboundMessageId>,
        after: usize,
        most: usize,
    ) -> Vec<(usize, OutboundMessageId)> {
        let mut numbered = lock(&self.numbered);
        let known: HashSet<OutboundMessageId> = numbered.iter().copied().collect();
        numbered.extend(lying.into_iter().filter(|id| !known.contains(id)));
        let fresh = (1..).zip(numbered.iter().copied()).skip(after);
        fresh.take(most).collect()
    }

    /// Sells out units, of which there is so much `stock` now, and remembers how many there were.
    pub fn sell_out(&self, stock: &[StockLevel]) {
        let mut sold_out = lock(&self.sold_out);
        for level in stock.iter().filter(|level| level.quantity > 0) {
            sold_out.insert(level.sku.clone(), level.quantity);
            self.shop.set_stock(&level.sku, 0);
        }
    }

    /// Puts sold-out units back: as many as there were, or a few where there were none from the beginning.
    pub fn put_back(&self, stock: &[StockLevel]) {
        if stock.iter().any(|level| level.quantity > 0) {
            return;
        }
        let mut sold_out = lock(&self.sold_out);
        let by_hand = stock.iter().any(|level| sold_out.contains_key(&level.sku));
        for level in stock {
            let quantity = match sold_out.remove(&level.sku) {
                Some(quantity) => quantity,
                None if by_hand => continue,
                None => PUT_BACK,
            };
            self.shop.set_stock(&level.sku, quantity);
        }
    }
}

/// What a lock holds is whole also after a panic: every change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the panel's buttons do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Action {
    LabelCreated,
    PickedUp,
    Delayed,
    OutForDelivery,
    Delivered,
    ReturnReceived,
}

impl Action {
    fn event_type(self) -> &'static str {
        match self {
            Self::LabelCreated => "shipment.label_created",
            Self::PickedUp => "shipment.picked_up",
            Self::Delayed => "shipment.delayed",
            Self::OutForDelivery => "shipment.out_for_delivery",
            Self::Delivered => "shipment.delivered",
            Self::ReturnReceived => "return.received",
        }
    }

    /// EasyPost's `status` and `status_detail`; it knows nothing of returns that a shop received.
    fn easypost_status(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::LabelCreated => Some(("pre_transit", "label_created")),
            Self::PickedUp => Some(("in_transit", "received_at_origin_facility")),
            Self::Delayed => Some(("in_transit", "delayed")),
            Self::OutForDelivery => Some(("out_for_delivery", "out_for_delivery")),
            Self::Delivered => Some(("delivered", "arrived_at_destination")),
            Self::ReturnReceived => None,
        }
    }

    /// Days from now until the carrier expects to deliver.
    fn expected_in_days(self) -> Option<i64> {
        match self {
            Self::LabelCreated => Some(4),
            Self::PickedUp => Some(3),
            Self::Delayed => Some(5),
            Self::OutForDelivery => Some(0),
            Self::Delivered | Self::ReturnReceived => None,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::LabelCreated => "Shipment information received",
            Self::PickedUp => "Picked up from the sender",
            Self::Delayed => "Delayed: the van did not leave the depot in time",
            Self::OutForDelivery => "Out for delivery",
            Self::Delivered => "Delivered, handed to the resident",
            Self::ReturnReceived => "Return received",
        }
    }
}

/// A request as it goes over the wire.
pub struct SignedRequest {
    /// The configured source it is sent to.
    pub source: &'static str,
    /// The event's identifier, by which the source tells it apart.
    pub event: String,
    /// Headers, the signature among them.
    pub headers: HeaderMap,
    /// Body.
    pub body: String,
}

/// Makes the request that a shop or carrier would send, signed with the source's own secret.
///
/// # Errors
/// A sentence for the panel.
pub fn signed_request(
    app: &App,
    order: &Order,
    action: Action,
    easypost: bool,
) -> Result<SignedRequest, String> {
    let now = app.ambient.now();
    let mut random = [0; 8];
    app.ambient.entropy.fill(&mut random);
    let id = format!("evt_{:016x}", u64::from_be_bytes(random));
    let (source, body) = if easypost {
        ("easypost", easypost_body(order, action, &id, now)?)
    } else {
        ("generic", generic_body(order, action, now))
    };
    let config = app
        .source_config(source)
        .ok_or_else(|| format!("the source `{source}` is not configured"))?;
    let body = body.to_string();
    let headers =
        registry::sign(config, &id, now, body.as_bytes()).map_err(|error| error.to_string())?;
    Ok(SignedRequest {
        source,
        event: id,
        headers,
        body,
    })
}

/// The generic source's body (docs/shops/generic.md).
fn generic_body(order: &Order, action: Action, now: Timestamp) -> Value {
    let (carrier, tracking_number) = parcel(order);
    let mut payload = json!({
        "carrier": carrier,
        "tracking_number": tracking_number,
        "message": action.words(),
    });
    if action == Action::ReturnReceived {
        payload = json!({});
    } else if let Some(days) = action.expected_in_days() {
        payload["estimated_delivery"] = json!((now + TimeDelta::days(days)).date_naive());
    }
    json!({
        "schema_version": 1,
        "event_type": action.event_type(),
        "order_id": order.number,
        "customer_id": order.customer.id,
        "timestamp": now.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        "payload": payload,
    })
}

/// A tracker event in EasyPost's shape (docs/shops/easypost.md).
fn easypost_body(order: &Order, action: Action, id: &str, now: Timestamp) -> Result<Value, String> {
    let (status, detail) = action.easypost_status().ok_or(
        "EasyPost tells of parcels, not of returns; choose Standard Webhooks for this one",
    )?;
    let (carrier, tracking_number) = parcel(order);
    let at = now.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let expected = action.expected_in_days().map(|days| {
        (now + TimeDelta::days(days))
            .format("%Y-%m-%dT00:00:00Z")
            .to_string()
    });
    Ok(json!({
        "id": id,
        "object": "Event",
        "description": "tracker.updated",
        "mode": "test",
        "created_at": at,
        "updated_at": at,
        "result": {
            "id": format!("trk_{}", order.number),
            "object": "Tracker",
            "mode": "test",
            "tracking_code": tracking_number,
            "status": status,
            "status_detail": detail,
            "created_at": at,
            "updated_at": at,
            "est_delivery_date": expected,
            "carrier": carrier,
            "tracking_details": [{
                "object": "TrackingDetail",
                "message": action.words(),
                "status": status,
                "status_detail": detail,
                "datetime": at,
                "source": carrier,
                "tracking_location": { "object": "TrackingLocation", "city": null, "country": null },
            }],
        },
    }))
}

/// The order's newest parcel; one that was not sent yet gets a number of its own.
fn parcel(order: &Order) -> (String, String) {
    match order.shipments.last() {
        Some(shipment) => (
            shipment.carrier.clone(),
            shipment.tracking_number.to_string(),
        ),
        None => ("Fernweh Express".to_owned(), format!("FWX{}", order.number)),
    }
}

/// Writes what a request says into the shop's own books, as a real shop's would be.
pub fn record(demo: &Demo, source: &dyn EventSource, request: &SignedRequest, now: Timestamp) {
    let request = WebhookRequest {
        method: Method::POST,
        query: String::new(),
        headers: request.headers.clone(),
        body: request.body.clone().into(),
        received_at: now,
    };
    for event in source.receive_webhook(&request).unwrap_or_default() {
        demo.shop.record_event(&event);
    }
}

/// The order of that number, as the shop's books have it now.
pub fn find_order(demo: &Demo, number: &OrderNumber) -> Option<Order> {
    demo.shop
        .orders()
        .into_iter()
        .find(|order| order.number == *number)
}

/// A channel that says when something left, so that the page's inbox need not ask again and again.
pub struct Watched {
    channel: Arc<dyn Channel>,
    sent: watch::Sender<u64>,
}

impl Watched {
    /// `channel`, with every send counted in `sent`.
    pub fn new(channel: Arc<dyn Channel>, sent: watch::Sender<u64>) -> Self {
        Self { channel, sent }
    }
}

#[async_trait]
impl Channel for Watched {
    fn name(&self) -> &ChannelName {
        self.channel.name()
    }

    fn capabilities(&self) -> &Capabilities {
        self.channel.capabilities()
    }

    async fn listen(&self, inbox: Arc<dyn Inbox>, stop: CancellationToken) {
        self.channel.listen(inbox, stop).await;
    }

    async fn receive_webhook(
        &self,
        request: &WebhookRequest,
    ) -> Result<WebhookOutcome, WebhookRejection> {
        self.channel.receive_webhook(request).await
    }

    async fn send(
        &self,
        address: &Address,
        message: &OutboundMessage,
    ) -> Result<Receipt, SendError> {
        let receipt = self.channel.send(address, message).await?;
        self.sent.send_modify(|count| *count += 1);
        Ok(receipt)
    }

    async fn healthcheck(&self) -> Health {
        self.channel.healthcheck().await
    }
}
