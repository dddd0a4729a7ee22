//! A Shopify webhook → what happened. Shapes: <https://shopify.dev/docs/api/webhooks>.

use doorstep_core::{
    Money, ShopCustomerId, Timestamp,
    event::{CommerceEventKind, DataSubject},
    order::{DateWindow, OrderRef},
    shipment::{ParcelFacts, TrackingEvent, TrackingStatus},
    webhook::WebhookRejection,
};
use serde::{Deserialize, de::IgnoredAny};

use super::{
    order::{CustomerBody, FulfillmentBody, OrderBody, SHIPMENT_STATUSES},
    signature::Delivery,
};
use crate::{
    body::{
        TextOrNumber, day, identifier, instant, malformed, parse_named, sentence, shown, window,
    },
    money::{Amount, currency},
    source::Told,
    tracking::{Meaning, meaning, place},
};

/// Most orders that one privacy request may name.
const MOST_ORDERS: usize = 10_000;

/// Reads a verified body; nothing for topics that do not concern us: they are acknowledged and forgotten.
pub(super) fn parse(delivery: &Delivery, body: &[u8]) -> Result<Vec<Told>, WebhookRejection> {
    match delivery.topic.as_str() {
        "orders/create"
        | "orders/updated"
        | "orders/cancelled"
        | "orders/paid"
        | "orders/fulfilled"
        | "orders/partially_fulfilled" => parse_order(delivery, body),
        "fulfillments/create" | "fulfillments/update" => parse_fulfillment(delivery, body),
        "fulfillment_events/create" => parse_fulfillment_event(delivery, body),
        "refunds/create" => parse_refund(delivery, body),
        "returns/request" | "returns/approve" | "returns/close" | "returns/reopen"
        | "returns/update" | "returns/decline" | "returns/cancel" => parse_return(delivery, body),
        "customers/data_request" | "customers/redact" => parse_person(delivery, body),
        "shop/redact" => parse_shop_redact(delivery, body),
        topic => {
            tracing::debug!(
                topic = shown(topic),
                "a Shopify topic that does not concern us"
            );
            Ok(Vec::new())
        }
    }
}

impl Delivery {
    fn told(&self, occurred_at: Timestamp, kind: CommerceEventKind) -> Told {
        self.part(0, occurred_at, kind)
    }

    /// One of several events of a delivery.
    fn part(&self, index: usize, occurred_at: Timestamp, kind: CommerceEventKind) -> Told {
        let external_id = match index {
            0 => self.id.clone(),
            _ => format!("{} {index}", self.id),
        };
        Told {
            external_id,
            occurred_at,
            kind,
        }
    }
}

fn parse_order(delivery: &Delivery, body: &[u8]) -> Result<Vec<Told>, WebhookRejection> {
    let body: OrderBody = parse_named("order", body)?;
    let occurred_at = body.changed_at()?;
    let cancelled = body.cancelled();
    let taken_back = body.taken_back()?;
    let order = Box::new(body.into_order()?);
    let number = order.number.clone();
    let kind = match cancelled {
        Some(reason) => CommerceEventKind::OrderCancelled { order, reason },
        None => CommerceEventKind::OrderUpdated { order },
    };
    let reference = OrderRef::Number(number);
    let mut events = vec![delivery.told(occurred_at, kind)];
    for (tracking_number, at) in taken_back {
        let kind = CommerceEventKind::TakenBack {
            order: Some(reference.clone()),
            tracking_number: Some(tracking_number),
        };
        events.push(delivery.part(events.len(), at, kind));
    }
    Ok(events)
}

fn by_shop_id(field: &str, id: TextOrNumber) -> Result<OrderRef, WebhookRejection> {
    Ok(OrderRef::shop_id(identifier(field, &id.into_text())?))
}

/// What Shopify calls a return or a refund.
fn own_id(id: Option<TextOrNumber>) -> Result<Option<String>, WebhookRejection> {
    id.map(|id| identifier("id", &id.into_text())).transpose()
}

fn parse_fulfillment(delivery: &Delivery, body: &[u8]) -> Result<Vec<Told>, WebhookRejection> {
    let mut body: FulfillmentBody = parse_named("fulfillment", body)?;
    let order_id = body.order_id.take();
    let order_id = order_id.ok_or_else(|| malformed("missing field `order_id`"))?;
    let order = by_shop_id("order_id", order_id)?;
    let read = |field: &str, text: &Option<String>| -> Result<Timestamp, WebhookRejection> {
        text.as_deref()
            .map_or(Ok(delivery.triggered_at), |text| instant(field, text))
    };
    let packed_at = read("created_at", &body.created_at)?;
    let changed_at = read("updated_at", &body.updated_at)?;
    let carrier = sentence(body.tracking_company.clone());
    let mut parcels: Vec<_> = body.numbers()?.into_iter().map(Some).collect();
    if parcels.is_empty() {
        parcels.push(None);
    }
    let mut events = Vec::new();
    if body.is_void() {
        for tracking_number in parcels {
            let kind = CommerceEventKind::TakenBack {
                order: Some(order.clone()),
                tracking_number,
            };
            events.push(delivery.part(events.len(), changed_at, kind));
        }
        return Ok(events);
    }
    let facts = body.parcel(parcels.len());
    for tracking_number in parcels {
        let news = |status, occurred_at| TrackingEvent {
            status,
            occurred_at,
            message: None,
            location: None,
            estimated: None,
            parcel: facts.clone(),
        };
        let kind = CommerceEventKind::Fulfilled {
            order: order.clone(),
            carrier: carrier.clone(),
            tracking_number: tracking_number.clone(),
            event: news(TrackingStatus::PreTransit, packed_at),
        };
        events.push(delivery.part(events.len(), packed_at, kind));
        let word = body.shipment_status.as_deref().unwrap_or_default();
        let kind = match meaning(SHIPMENT_STATUSES, word) {
            Meaning::Status(status) => CommerceEventKind::Tracking {
                order: Some(order.clone()),
                carrier: carrier.clone(),
                tracking_number,
                event: news(status, changed_at),
            },
            Meaning::Unknown if !word.is_empty() => CommerceEventKind::Remark {
                carrier: carrier.clone(),
                tracking_number,
                words: shown(word),
            },
            Meaning::Unknown | Meaning::Void | Meaning::NoNews => continue,
        };
        events.push(delivery.part(events.len(), changed_at, kind));
    }
    Ok(events)
}

#[derive(Deserialize)]
struct FulfillmentEventBody {
    order_id: TextOrNumber,
    status: String,
    message: Option<String>,
    happened_at: Option<String>,
    city: Option<String>,
    province: Option<String>,
    country: Option<String>,
    estimated_delivery_at: Option<String>,
}

fn parse_fulfillment_event(
    delivery: &Delivery,
    body: &[u8],
) -> Result<Vec<Told>, WebhookRejection> {
    let body: FulfillmentEventBody = parse_named("fulfillment_event", body)?;
    let order = by_shop_id("order_id", body.order_id)?;
    let occurred_at = match &body.happened_at {
        Some(text) => instant("happened_at", text)?,
        None => delivery.triggered_at,
    };
    let message = sentence(body.message);
    let kind = match meaning(SHIPMENT_STATUSES, &body.status) {
        Meaning::Status(status) => CommerceEventKind::Tracking {
            order: Some(order),
            carrier: None,
            tracking_number: None,
            event: TrackingEvent {
                status,
                occurred_at,
                message,
                location: sentence(place(&[&body.city, &body.province, &body.country])),
                estimated: estimated(body.estimated_delivery_at.as_deref())?,
                parcel: ParcelFacts::default(),
            },
        },
        Meaning::NoNews | Meaning::Void | Meaning::Unknown => CommerceEventKind::Remark {
            carrier: None,
            tracking_number: None,
            words: message.unwrap_or_else(|| shown(&body.status)),
        },
    };
    Ok(vec![delivery.told(occurred_at, kind)])
}

fn estimated(text: Option<&str>) -> Result<Option<DateWindow>, WebhookRejection> {
    let Some(text) = text else { return Ok(None) };
    let day = day("estimated_delivery_at", text)?;
    window("estimated_delivery_at", day, day).map(Some)
}

#[derive(Deserialize)]
struct RefundBody {
    id: Option<TextOrNumber>,
    order_id: TextOrNumber,
    created_at: Option<String>,
    transactions: Option<Vec<TransactionBody>>,
}

#[derive(Deserialize)]
struct TransactionBody {
    kind: Option<String>,
    status: Option<String>,
    amount: Amount,
    currency: Option<String>,
}

/// A refund without a transaction that gives money back, for example one that only puts goods back on the shelf, is none
/// for a customer.
fn parse_refund(delivery: &Delivery, body: &[u8]) -> Result<Vec<Told>, WebhookRejection> {
    let body: RefundBody = parse_named("refund", body)?;
    let order = by_shop_id("order_id", body.order_id)?;
    let occurred_at = match &body.created_at {
        Some(text) => instant("created_at", text)?,
        None => delivery.triggered_at,
    };
    let amount = match body.transactions {
        None => None,
        Some(transactions) => {
            let given: Vec<Money> = transactions
                .iter()
                .filter(|transaction| transaction.gives_money())
                .map(|transaction| {
                    let unit = currency("transactions.currency", transaction.currency.as_deref())?;
                    transaction.amount.read("transactions.amount", unit)
                })
                .collect::<Result<_, _>>()?;
            if given.is_empty() {
                return Ok(Vec::new());
            }
            sum(&given)
        }
    };
    let id = own_id(body.id)?;
    let kind = CommerceEventKind::RefundIssued { order, amount, id };
    Ok(vec![delivery.told(occurred_at, kind)])
}

impl TransactionBody {
    fn gives_money(&self) -> bool {
        let is = |text: &Option<String>, known: &[&str]| {
            text.as_deref().is_none_or(|text| known.contains(&text))
        };
        is(&self.kind, &["refund"]) && is(&self.status, &["success", "pending"])
    }
}

/// The sum, unless it is in several currencies.
fn sum(amounts: &[Money]) -> Option<Money> {
    let first = amounts.first()?;
    let minor = amounts.iter().try_fold(0i64, |sum, amount| {
        let same = amount.currency == first.currency;
        same.then(|| sum.checked_add(amount.minor)).flatten()
    })?;
    Some(Money::new(minor, first.currency))
}

#[derive(Deserialize)]
struct ReturnBody {
    id: Option<TextOrNumber>,
    status: Option<String>,
    order: Option<ReturnedOrder>,
    order_id: Option<TextOrNumber>,
    created_at: Option<String>,
    updated_at: Option<String>,
    closed_at: Option<String>,
}

#[derive(Deserialize)]
struct ReturnedOrder {
    id: TextOrNumber,
}

/// A return is asked for (`requested`), granted (`open`), complete (`closed`), or comes to nothing (`declined`, `canceled`).
fn parse_return(delivery: &Delivery, body: &[u8]) -> Result<Vec<Told>, WebhookRejection> {
    let body: ReturnBody = parse_named("return", body)?;
    let status = match &body.status {
        Some(status) => status.to_ascii_lowercase(),
        None => match delivery.topic.as_str() {
            "returns/request" => "requested".to_owned(),
            "returns/approve" => "open".to_owned(),
            "returns/close" => "closed".to_owned(),
            "returns/decline" => "declined".to_owned(),
            "returns/cancel" => "canceled".to_owned(),
            _ => String::new(),
        },
    };
    let order = body.order.map(|order| order.id).or(body.order_id);
    let order = order.ok_or_else(|| malformed("missing field `order.id`"))?;
    let order = by_shop_id("order.id", order)?;
    let id = own_id(body.id)?;
    let (time, kind) = match status.as_str() {
        "requested" | "open" => (
            body.created_at,
            CommerceEventKind::ReturnRequested { order, id },
        ),
        "closed" => (
            body.closed_at.or(body.updated_at),
            CommerceEventKind::ReturnReceived { order, id },
        ),
        "declined" => (
            body.updated_at,
            CommerceEventKind::ReturnDeclined { order, id },
        ),
        "canceled" | "cancelled" => (
            body.updated_at,
            CommerceEventKind::ReturnCancelled { order, id },
        ),
        _ => return Ok(Vec::new()),
    };
    let occurred_at = match time {
        Some(text) => instant("created_at", &text)?,
        None => delivery.triggered_at,
    };
    Ok(vec![delivery.told(occurred_at, kind)])
}

#[derive(Deserialize)]
struct PersonBody {
    customer: CustomerBody,
    /// Only a request for a copy has it.
    data_request: Option<IgnoredAny>,
    #[serde(default)]
    orders_requested: Vec<TextOrNumber>,
    #[serde(default)]
    orders_to_redact: Vec<TextOrNumber>,
}

fn parse_person(delivery: &Delivery, body: &[u8]) -> Result<Vec<Told>, WebhookRejection> {
    let body: PersonBody = parse_named("", body)?;
    let asks = delivery.topic == "customers/data_request";
    if asks != body.data_request.is_some() {
        return Err(malformed(format!(
            "the body is not that of `{}`",
            shown(&delivery.topic)
        )));
    }
    let orders = if asks {
        body.orders_requested
    } else {
        body.orders_to_redact
    };
    if orders.len() > MOST_ORDERS {
        return Err(malformed(format!(
            "more than {MOST_ORDERS} orders are named"
        )));
    }
    let id = body.customer.id;
    let id = id
        .map(|id| identifier("customer.id", &id.into_text()))
        .transpose()?;
    let person = DataSubject {
        shop_id: id.map(ShopCustomerId),
        email: sentence(body.customer.email).map(|email| email.to_lowercase()),
        phone: sentence(body.customer.phone),
        orders: orders
            .into_iter()
            .map(|id| by_shop_id("orders", id))
            .collect::<Result<_, _>>()?,
    };
    let kind = if asks {
        CommerceEventKind::CustomerDataRequested { person }
    } else {
        CommerceEventKind::CustomerRedacted { person }
    };
    Ok(vec![delivery.told(delivery.triggered_at, kind)])
}

#[derive(Deserialize)]
struct ShopBody {
    #[serde(rename = "shop_id")]
    _shop_id: TextOrNumber,
    #[serde(rename = "shop_domain")]
    _shop_domain: String,
    customer: Option<IgnoredAny>,
}

fn parse_shop_redact(delivery: &Delivery, body: &[u8]) -> Result<Vec<Told>, WebhookRejection> {
    let body: ShopBody = parse_named("", body)?;
    // The topic is not signed: a customer's request must not be turned into the whole shop's.
    if body.customer.is_some() {
        return Err(malformed("the body is not that of `shop/redact`"));
    }
    let kind = CommerceEventKind::ShopRedacted;
    Ok(vec![delivery.told(delivery.triggered_at, kind)])
}
