//! What a notification template may say.
//!
//! | fact | what it is |
//! |---|---|
//! | `shop.name` | what customers call the shop |
//! | `customer.name` | full name, or `none` |
//! | `order.number`, `order.placed_at`, `order.total`, `order.items` | the order; `items` have `title` and `quantity` |
//! | `parcel` | `none` when the news is about no parcel; else `carrier`, `tracking_number`, `status`, `location`, and in its own words and language `message`: each may be `none`; where parcels share a message, `tracking_number` holds all, with commas |
//! | `parcel.count`, `parcel.of` | how many parcels this is the news of, and how many the order has as far as we know |
//! | `parcel.arrived`, `parcel.still_coming` | how many of the order's parcels were delivered, and how many may still be: neither delivered nor lost nor sent back |
//! | `window` | the expected days for the filter `window`, or `none` |
//! | `window_probability` | how probably it is one of those days, in percent, or `none`: carriers and shops do not say |
//! | `refund` | the amount given back for the filter `money`, or `none` |
//! | `track_url` | the order's tracking page, or `none` |
//! | `preferences_url` | where the customer chooses what to hear, or `none`; mails have it at their end anyway |

use chrono_tz::Tz;
use doorstep_core::{
    CustomerId, Money, Timestamp,
    customer::Customer,
    event::{CommerceEventKind, Due},
    order::{DateWindow, Order, OrderCustomer, OrderLine, OrderRef, OrderStatus},
    shipment::{Shipment, TrackingEvent, TrackingStatus},
};
use serde::Serialize;

use super::public_number;
use crate::{eta::Eta, templates::Facts};

/// What is told, before it is put into words.
pub(super) struct Told<'a> {
    pub(super) track_url: Option<String>,
    pub(super) preferences_url: Option<String>,
    pub(super) now: Timestamp,
    pub(super) time_zone: Tz,
    pub(super) shop_name: &'a str,
    pub(super) event: &'a CommerceEventKind,
    pub(super) order: &'a Order,
    /// The parcels that this is the news of; several when they share a message.
    pub(super) shipments: Vec<&'a Shipment>,
    /// All parcels of the order that we know of.
    pub(super) parcels: &'a [Shipment],
    pub(super) eta: Option<&'a Eta>,
    pub(super) customer: &'a Customer,
}

#[derive(Serialize)]
struct ShopFacts<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct CustomerFacts<'a> {
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct OrderFacts<'a> {
    number: &'a str,
    placed_at: Timestamp,
    total: Money,
    items: Vec<ItemFacts<'a>>,
}

#[derive(Serialize)]
struct ItemFacts<'a> {
    title: &'a str,
    quantity: u32,
}

#[derive(Serialize)]
struct ParcelFacts<'a> {
    carrier: Option<&'a str>,
    tracking_number: Option<String>,
    status: &'a str,
    location: Option<&'a str>,
    message: Option<&'a str>,
    count: usize,
    of: usize,
    arrived: usize,
    still_coming: usize,
}

/// What a carrier said of a parcel.
struct Word<'a> {
    status: TrackingStatus,
    location: Option<&'a str>,
    message: Option<&'a str>,
}

impl Told<'_> {
    pub(super) fn facts(&self) -> Facts {
        let order = OrderFacts {
            number: self.order.number.as_str(),
            placed_at: self.order.placed_at,
            total: self.order.total,
            items: self
                .order
                .lines
                .iter()
                .map(|line| ItemFacts {
                    title: &line.title,
                    quantity: line.quantity,
                })
                .collect(),
        };
        let event = match self.event {
            CommerceEventKind::Tracking { event, .. }
            | CommerceEventKind::Fulfilled { event, .. } => Some(Word {
                status: event.status,
                location: event.location.as_deref(),
                message: event.message.as_deref(),
            }),
            CommerceEventKind::Due { status, .. } => status.map(|status| Word {
                status,
                location: None,
                message: None,
            }),
            _ => None,
        };
        let refund = match self.event {
            CommerceEventKind::RefundIssued { amount, .. } => *amount,
            _ => None,
        };
        let shop = ShopFacts {
            name: self.shop_name,
        };
        let customer = CustomerFacts {
            name: self.customer.name.as_deref(),
        };
        Facts::new(self.now, self.time_zone)
            .with("shop", shop)
            .with("customer", customer)
            .with("order", order)
            .with("parcel", event.map(|word| self.parcel(&word)))
            .with("window", self.eta.map(|eta| eta.window))
            .with(
                "window_probability",
                self.eta.and_then(|eta| eta.probability),
            )
            .with("refund", refund)
            .with("track_url", self.track_url.as_deref())
            .with("preferences_url", self.preferences_url.as_deref())
    }

    fn parcel<'a>(&'a self, word: &Word<'a>) -> ParcelFacts<'a> {
        let numbers: Vec<&str> = self
            .shipments
            .iter()
            .filter_map(|shipment| public_number(shipment))
            .collect();
        let stand = |stands: fn(TrackingStatus) -> bool| {
            let parcels = self.parcels.iter();
            parcels.filter(|parcel| stands(parcel.status)).count()
        };
        // It is the news of one at least, also where nobody told its number.
        let count = self.shipments.len().max(1);
        let of = self.parcels.len().max(count);
        let told = match word.status {
            TrackingStatus::Delivered => count,
            _ => 0,
        };
        let arrived = stand(|status| status == TrackingStatus::Delivered).max(told);
        let given_up = stand(|status| status.is_final() && status != TrackingStatus::Delivered);
        ParcelFacts {
            carrier: self
                .shipments
                .first()
                .map(|shipment| shipment.carrier.as_str())
                .filter(|carrier| !carrier.is_empty()),
            tracking_number: (!numbers.is_empty()).then(|| numbers.join(", ")),
            status: word.status.as_str(),
            location: word.location,
            message: word.message,
            count,
            of,
            arrived,
            still_coming: of.saturating_sub(arrived + given_up),
        }
    }
}

/// Facts that a template on this event may be given: everything known, and next to nothing.
pub(super) fn samples(event: &str) -> Vec<Facts> {
    [true, false]
        .map(|known| sample(event, known, Timestamp::UNIX_EPOCH))
        .into()
}

/// Facts that a template on this event may be given at `now`.
pub(super) fn sample(event: &str, known: bool, now: Timestamp) -> Facts {
    let amount = Money::new(12_900, iso_currency::Currency::EUR);
    let day = now.date_naive();
    let eta = Eta {
        window: DateWindow { from: day, to: day },
        probability: Some(80),
        source: "carrier:DHL".to_owned(),
        as_of: None,
    };
    let shipment = Shipment {
        carrier: "DHL".to_owned(),
        tracking_number: "T1".into(),
        status: TrackingStatus::InTransit,
        status_at: None,
        estimated: None,
    };
    let some = |text: &str| known.then(|| text.to_owned());
    let customer = Customer {
        id: CustomerId(uuid::Uuid::nil()),
        shop_id: None,
        name: some("Ada Lovelace"),
        email: None,
        language: None,
        time_zone: None,
    };
    Told {
        track_url: some("https://shop.example/track/sample"),
        preferences_url: some("https://shop.example/preferences/sample"),
        now,
        time_zone: Tz::UTC,
        shop_name: "Shop",
        event: &sample_event(event, some("Berlin"), known.then_some(amount)),
        order: &sample_order(amount, now),
        shipments: known.then_some(&shipment).into_iter().collect(),
        parcels: &[],
        eta: known.then_some(&eta),
        customer: &customer,
    }
    .facts()
}

fn sample_event(event: &str, location: Option<String>, amount: Option<Money>) -> CommerceEventKind {
    let order = || OrderRef::Number("1001".into());
    if let Some(what) = Due::ALL.into_iter().find(|due| due.as_str() == event) {
        let of_parcel = matches!(what, Due::NoScan | Due::WasItFine | Due::ReviewRequest);
        return CommerceEventKind::Due {
            what,
            order: "1001".into(),
            tracking_number: of_parcel.then(|| "T1".into()),
            status: of_parcel.then_some(TrackingStatus::InTransit),
        };
    }
    match event {
        "order_updated" | "order_cancelled" | "return_requested" | "return_declined"
        | "return_cancelled" | "return_received" => CommerceEventKind::ReturnReceived {
            order: order(),
            id: None,
        },
        "refund_issued" => CommerceEventKind::RefundIssued {
            order: order(),
            amount,
            id: None,
        },
        status => CommerceEventKind::Tracking {
            order: Some(order()),
            carrier: None,
            tracking_number: None,
            event: TrackingEvent {
                status: serde_json::from_value(status.into()).unwrap_or(TrackingStatus::InTransit),
                occurred_at: Timestamp::UNIX_EPOCH,
                message: location.as_ref().map(|_| "Sorted".to_owned()),
                location,
                estimated: None,
                parcel: Default::default(),
            },
        },
    }
}

fn sample_order(amount: Money, placed_at: Timestamp) -> Order {
    Order {
        number: "1001".into(),
        shop_id: None,
        customer: OrderCustomer {
            id: None,
            name: None,
            marketing: None,
            email: None,
            language: None,
            time_zone: None,
        },
        placed_at,
        status: OrderStatus::Shipped,
        lines: vec![OrderLine {
            sku: "S1".into(),
            title: "Jacket".to_owned(),
            quantity: 1,
            price: amount,
        }],
        total: amount,
        postcode: None,
        country: None,
        promised: None,
        shipments: Vec::new(),
    }
}
