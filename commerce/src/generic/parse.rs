//! The body of a generic event → what happened.

use doorstep_core::{
    ShopCustomerId, Timestamp,
    event::{CommerceEventKind, DataSubject},
    order::{DateWindow, OrderRef, OrderStatus},
    shipment::{TrackingEvent, TrackingStatus},
    webhook::WebhookRejection,
};
use serde::Deserialize;

use super::order;
use crate::{
    body::{
        TextOrNumber, day, identifier, instant, malformed, order_number, parse_json, sentence,
        shown, tracking_number, unix_seconds, window,
    },
    money::{self, Amount},
};

/// The version of the body that is understood.
pub const SCHEMA_VERSION: u64 = 1;

/// What an event type makes of its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// The payload is an order; the status counts when the payload gives none.
    Order {
        /// Where the order stands if the payload does not say.
        default_status: Option<OrderStatus>,
        /// Whether the type says more than the payload's status: a cancelled order is cancelled.
        cancelled: bool,
    },
    /// The payload is news of a parcel.
    Shipment(TrackingStatus),
    /// The shop took a parcel back.
    TakenBack,
    /// The customer wants to send goods back.
    ReturnRequested,
    /// The shop does not take goods back that the customer wanted to return.
    ReturnDeclined,
    /// Goods will not come back after all.
    ReturnCancelled,
    /// Goods came back.
    ReturnReceived,
    /// Money was given back.
    RefundIssued,
    /// A customer asks what is stored about them.
    CustomerDataRequested,
    /// What is stored about a customer must be erased.
    CustomerRedacted,
}

/// Every known `event_type`; `docs/shops/generic.schema.json` lists the same.
pub const EVENT_TYPES: &[(&str, EventType)] = {
    use EventType::{
        CustomerDataRequested, CustomerRedacted, Order, RefundIssued, ReturnCancelled,
        ReturnDeclined, ReturnReceived, ReturnRequested, Shipment, TakenBack,
    };
    use TrackingStatus as Status;
    const PLACED: EventType = Order {
        default_status: Some(OrderStatus::Processing),
        cancelled: false,
    };
    const UPDATED: EventType = Order {
        default_status: None,
        cancelled: false,
    };
    const CANCELLED: EventType = Order {
        default_status: Some(OrderStatus::Cancelled),
        cancelled: true,
    };
    &[
        ("order.placed", PLACED),
        ("order.updated", UPDATED),
        ("order.cancelled", CANCELLED),
        ("shipment.label_created", Shipment(Status::PreTransit)),
        ("shipment.picked_up", Shipment(Status::InTransit)),
        ("shipment.in_transit", Shipment(Status::InTransit)),
        (
            "shipment.out_for_delivery",
            Shipment(Status::OutForDelivery),
        ),
        (
            "shipment.delivery_attempted",
            Shipment(Status::DeliveryAttempt),
        ),
        (
            "shipment.ready_for_pickup",
            Shipment(Status::ReadyForPickup),
        ),
        ("shipment.delivered", Shipment(Status::Delivered)),
        ("shipment.delayed", Shipment(Status::Delayed)),
        ("shipment.exception", Shipment(Status::Exception)),
        (
            "shipment.returned_to_sender",
            Shipment(Status::ReturnedToSender),
        ),
        ("shipment.lost", Shipment(Status::Lost)),
        ("shipment.damaged", Shipment(Status::Damaged)),
        ("shipment.cancelled", TakenBack),
        ("return.requested", ReturnRequested),
        ("return.declined", ReturnDeclined),
        ("return.cancelled", ReturnCancelled),
        ("return.received", ReturnReceived),
        ("refund.issued", RefundIssued),
        ("customer.data_requested", CustomerDataRequested),
        ("customer.redacted", CustomerRedacted),
    ]
};

/// What a body says.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) occurred_at: Timestamp,
    pub(super) kind: CommerceEventKind,
}

/// What decides how the rest is read; read first, so that an unknown kind is told as such whatever else it holds.
#[derive(Deserialize)]
struct Head {
    schema_version: u64,
    event_type: String,
}

/// The envelope around a payload of type `P`.
#[derive(Deserialize)]
struct Envelope<P> {
    order_id: Option<TextOrNumber>,
    customer_id: Option<TextOrNumber>,
    timestamp: Instant,
    payload: P,
}

/// Instants may come as RFC 3339 or as Unix seconds.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a time in RFC 3339 or Unix seconds")]
pub(super) enum Instant {
    Text(String),
    Unix(f64),
}

impl Instant {
    pub(super) fn read(&self, field: &str) -> Result<Timestamp, WebhookRejection> {
        match self {
            Self::Text(text) => instant(field, text),
            Self::Unix(seconds) => unix_seconds(field, *seconds),
        }
    }
}

/// Days may come as one day or as a span.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a day like `2026-11-24` or {\"from\": …, \"to\": …}"
)]
pub(super) enum Days {
    One(String),
    Span { from: String, to: String },
}

impl Days {
    pub(super) fn read(&self, field: &str) -> Result<DateWindow, WebhookRejection> {
        let (from, to) = match self {
            Self::One(text) => (text, text),
            Self::Span { from, to } => (from, to),
        };
        window(field, day(field, from)?, day(field, to)?)
    }
}

#[derive(Deserialize, Default)]
struct ShipmentPayload {
    tracking_number: Option<TextOrNumber>,
    carrier: Option<String>,
    estimated_delivery: Option<Days>,
    message: Option<String>,
    location: Option<String>,
}

#[derive(Deserialize, Default)]
struct PersonPayload {
    email: Option<String>,
    phone: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ReturnPayload {
    id: Option<TextOrNumber>,
}

#[derive(Deserialize, Default)]
struct RefundPayload {
    id: Option<TextOrNumber>,
    amount: Option<Amount>,
    currency: Option<String>,
}

/// Reads a verified body.
pub(super) fn parse(body: &[u8]) -> Result<Parsed, WebhookRejection> {
    let head: Head = parse_json(body)?;
    if head.schema_version != SCHEMA_VERSION {
        return Err(WebhookRejection::Unsupported {
            found: format!("schema_version {}", head.schema_version),
            supported: format!("schema_version {SCHEMA_VERSION}"),
        });
    }
    match event_type(&head.event_type)? {
        EventType::Order {
            default_status,
            cancelled,
        } => parse_order(body, default_status, cancelled),
        EventType::Shipment(status) => parse_shipment(body, status),
        EventType::TakenBack => parse_taken_back(body),
        EventType::ReturnDeclined => parse_return(body, |order, id| {
            CommerceEventKind::ReturnDeclined { order, id }
        }),
        EventType::ReturnCancelled => parse_return(body, |order, id| {
            CommerceEventKind::ReturnCancelled { order, id }
        }),
        EventType::ReturnRequested => parse_return(body, |order, id| {
            CommerceEventKind::ReturnRequested { order, id }
        }),
        EventType::ReturnReceived => parse_return(body, |order, id| {
            CommerceEventKind::ReturnReceived { order, id }
        }),
        EventType::RefundIssued => parse_refund(body),
        EventType::CustomerDataRequested => parse_person(body, |person| {
            CommerceEventKind::CustomerDataRequested { person }
        }),
        EventType::CustomerRedacted => parse_person(body, |person| {
            CommerceEventKind::CustomerRedacted { person }
        }),
    }
}

fn event_type(name: &str) -> Result<EventType, WebhookRejection> {
    EVENT_TYPES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, event_type)| *event_type)
        .ok_or_else(|| WebhookRejection::Unsupported {
            found: format!("event_type {}", shown(name)),
            supported: EVENT_TYPES
                .iter()
                .map(|(known, _)| *known)
                .collect::<Vec<_>>()
                .join(", "),
        })
}

fn parse_order(
    body: &[u8],
    default_status: Option<OrderStatus>,
    cancelled: bool,
) -> Result<Parsed, WebhookRejection> {
    let event: Envelope<order::OrderPayload> = parse_json(body)?;
    let occurred_at = event.timestamp.read("timestamp")?;
    let outside = order::FromEnvelope {
        order_id: event.order_id.map(TextOrNumber::into_text),
        customer_id: event.customer_id.map(TextOrNumber::into_text),
        default_status,
        overrides: cancelled,
    };
    let order = event.payload.into_order(outside)?;
    let order = Box::new(order);
    Ok(Parsed {
        occurred_at,
        kind: if cancelled {
            CommerceEventKind::OrderCancelled {
                order,
                reason: None,
            }
        } else {
            CommerceEventKind::OrderUpdated { order }
        },
    })
}

fn parse_shipment(body: &[u8], status: TrackingStatus) -> Result<Parsed, WebhookRejection> {
    let event: Envelope<Option<ShipmentPayload>> = parse_json(body)?;
    let occurred_at = event.timestamp.read("timestamp")?;
    let order = event
        .order_id
        .map(|id| order_number("order_id", &id.into_text()))
        .transpose()?
        .map(OrderRef::from);
    let payload = event.payload.unwrap_or_default();
    let tracking_number = payload
        .tracking_number
        .map(|number| tracking_number("payload.tracking_number", &number.into_text()))
        .transpose()?;
    if order.is_none() && tracking_number.is_none() {
        return Err(malformed(
            "neither `order_id` nor `payload.tracking_number` says which parcel is meant",
        ));
    }
    let estimated = payload
        .estimated_delivery
        .map(|days| days.read("payload.estimated_delivery"))
        .transpose()?;
    Ok(Parsed {
        occurred_at,
        kind: CommerceEventKind::Tracking {
            order,
            carrier: sentence(payload.carrier),
            tracking_number,
            event: TrackingEvent {
                status,
                occurred_at,
                message: sentence(payload.message),
                location: sentence(payload.location),
                estimated,
                parcel: Default::default(),
            },
        },
    })
}

fn parse_taken_back(body: &[u8]) -> Result<Parsed, WebhookRejection> {
    // What is to be read of it is what is to be read of any news of a parcel.
    let news = parse_shipment(body, TrackingStatus::PreTransit)?;
    let kind = match news.kind {
        CommerceEventKind::Tracking {
            order,
            tracking_number,
            ..
        } => CommerceEventKind::TakenBack {
            order,
            tracking_number,
        },
        other => other,
    };
    Ok(Parsed { kind, ..news })
}

fn parse_return(
    body: &[u8],
    kind: fn(OrderRef, Option<String>) -> CommerceEventKind,
) -> Result<Parsed, WebhookRejection> {
    // What else the payload holds stays in the raw body.
    let event: Envelope<Option<ReturnPayload>> = parse_json(body)?;
    let id = event.payload.and_then(|payload| payload.id);
    Ok(Parsed {
        occurred_at: event.timestamp.read("timestamp")?,
        kind: kind(required_order(event.order_id)?, own_id(id)?),
    })
}

/// What the shop calls a return or a refund.
fn own_id(id: Option<TextOrNumber>) -> Result<Option<String>, WebhookRejection> {
    id.map(|id| identifier("payload.id", &id.into_text()))
        .transpose()
}

fn parse_person(
    body: &[u8],
    kind: fn(DataSubject) -> CommerceEventKind,
) -> Result<Parsed, WebhookRejection> {
    let event: Envelope<Option<PersonPayload>> = parse_json(body)?;
    let payload = event.payload.unwrap_or_default();
    let id = event
        .customer_id
        .map(|id| identifier("customer_id", &id.into_text()))
        .transpose()?;
    let person = DataSubject {
        shop_id: id.map(ShopCustomerId),
        email: sentence(payload.email).map(|email| email.to_lowercase()),
        phone: sentence(payload.phone),
        orders: Vec::new(),
    };
    if person.shop_id.is_none() && person.email.is_none() {
        return Err(malformed(
            "neither `customer_id` nor `payload.email` says whose data are meant",
        ));
    }
    Ok(Parsed {
        occurred_at: event.timestamp.read("timestamp")?,
        kind: kind(person),
    })
}

fn parse_refund(body: &[u8]) -> Result<Parsed, WebhookRejection> {
    let event: Envelope<Option<RefundPayload>> = parse_json(body)?;
    let payload = event.payload.unwrap_or_default();
    let amount = match payload.amount {
        Some(amount) => {
            let currency = money::currency("payload.currency", payload.currency.as_deref())?;
            Some(amount.read("payload.amount", currency)?)
        }
        None => None,
    };
    Ok(Parsed {
        occurred_at: event.timestamp.read("timestamp")?,
        kind: CommerceEventKind::RefundIssued {
            order: required_order(event.order_id)?,
            amount,
            id: own_id(payload.id)?,
        },
    })
}

fn required_order(id: Option<TextOrNumber>) -> Result<OrderRef, WebhookRejection> {
    let id = id.ok_or_else(|| malformed("`order_id` is missing"))?;
    order_number("order_id", &id.into_text()).map(OrderRef::from)
}
