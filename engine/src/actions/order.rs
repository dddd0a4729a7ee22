//! An order as templates tell it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use doorstep_core::{
    Money, Timestamp,
    order::{DateWindow, Order, OrderStatus},
    shipment::Shipment,
};
use iso_currency::Currency;
use serde::Serialize;

/// When an order and its parcels are expected.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Expected {
    /// The order, while it has no parcel.
    pub(crate) order: Option<DateWindow>,
    /// Its parcels, in their order.
    pub(crate) parcels: Vec<Option<DateWindow>>,
}

impl Expected {
    fn of_parcel(&self, order: &Order, parcel: &Shipment) -> Option<DateWindow> {
        let mut parcels = order.shipments.iter().zip(&self.parcels);
        let found = parcels.find(|(other, _)| other.tracking_number == parcel.tracking_number);
        found.and_then(|(_, window)| *window)
    }
}

/// The fact `order`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct OrderFacts {
    /// The number customers know.
    number: String,
    /// Where it stands, in one word: an order's own status while no parcel tells more, else the parcel's that matters
    /// most (a problem first, then what is still on its way).
    stage: &'static str,
    placed_at: Timestamp,
    total: Money,
    /// `Rain Jacket, 2 × Wool Socks`
    items: String,
    /// When it is expected; none when nobody says, or when it is there.
    eta: Option<DateWindow>,
    /// Whether it is expected later than the shop promised.
    late: bool,
    /// Carrier, number and time of the parcel that `stage` speaks of.
    carrier: Option<String>,
    tracking_number: Option<String>,
    status_at: Option<Timestamp>,
    parcels: Vec<ParcelFacts>,
}

/// One of `order.parcels`.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct ParcelFacts {
    carrier: String,
    tracking_number: String,
    stage: &'static str,
    status_at: Option<Timestamp>,
    eta: Option<DateWindow>,
}

impl OrderFacts {
    /// What is told of `order`.
    pub(crate) fn of(order: &Order, expected: &Expected) -> Self {
        let main = main_parcel(&order.shipments);
        let stage = stage(order, main);
        let of_parcel = |parcel: &Shipment| expected.of_parcel(order, parcel);
        let eta = main.map_or(expected.order, of_parcel);
        let eta = eta.filter(|_| !is_over(order, main));
        Self {
            number: order.number.to_string(),
            stage,
            placed_at: order.placed_at,
            total: order.total,
            items: items(order),
            late: is_late(order, eta),
            eta,
            carrier: main.map(|parcel| parcel.carrier.clone()),
            tracking_number: main.map(|parcel| parcel.tracking_number.to_string()),
            status_at: main.and_then(|parcel| parcel.status_at),
            parcels: order
                .shipments
                .iter()
                .map(|parcel| ParcelFacts::of(parcel, of_parcel(parcel)))
                .collect(),
        }
    }

    /// One sample for each stage and shape that templates must cope with.
    pub(crate) fn samples() -> Vec<Self> {
        let day = NaiveDate::default();
        let window = DateWindow { from: day, to: day };
        let bare = Self {
            number: "10234".into(),
            stage: "processing",
            placed_at: Timestamp::default(),
            total: Money::new(12900, Currency::EUR),
            items: "Rain Jacket".into(),
            eta: None,
            late: false,
            carrier: None,
            tracking_number: None,
            status_at: None,
            parcels: Vec::new(),
        };
        let parcel = |known: bool| ParcelFacts {
            carrier: "DHL".into(),
            tracking_number: "00340434161094042557".into(),
            stage: "in_transit",
            status_at: known.then(Timestamp::default),
            eta: known.then_some(window),
        };
        let mut samples = Vec::new();
        for stage in STAGES {
            samples.push(Self {
                stage,
                ..bare.clone()
            });
            samples.push(Self {
                stage,
                eta: Some(window),
                late: true,
                carrier: Some("DHL".into()),
                tracking_number: Some("00340434161094042557".into()),
                status_at: Some(Timestamp::default()),
                parcels: vec![parcel(true), parcel(false)],
                ..bare.clone()
            });
        }
        samples
    }
}

/// All values of `order.stage`.
const STAGES: [&str; 17] = [
    "awaiting_payment",
    "processing",
    "shipped",
    "delivered",
    "cancelled",
    "returned",
    "refunded",
    "pre_transit",
    "in_transit",
    "out_for_delivery",
    "delivery_attempt",
    "ready_for_pickup",
    "delayed",
    "exception",
    "returned_to_sender",
    "lost",
    "damaged",
];

impl ParcelFacts {
    fn of(parcel: &Shipment, eta: Option<DateWindow>) -> Self {
        Self {
            carrier: parcel.carrier.clone(),
            tracking_number: parcel.tracking_number.to_string(),
            stage: parcel.status.as_str(),
            status_at: parcel.status_at,
            eta,
        }
    }
}

/// The parcel with the news that matters most: a problem, then one on its way, then one that arrived; the newest first.
fn main_parcel(parcels: &[Shipment]) -> Option<&Shipment> {
    parcels.iter().max_by_key(|parcel| {
        let weight = match parcel.status {
            status if status.is_problem() => 2,
            status if !status.is_final() => 1,
            _ => 0,
        };
        (weight, parcel.status_at)
    })
}

fn stage(order: &Order, main: Option<&Shipment>) -> &'static str {
    match (order.status, main) {
        (
            OrderStatus::AwaitingPayment
            | OrderStatus::Cancelled
            | OrderStatus::Returned
            | OrderStatus::Refunded,
            _,
        )
        | (_, None) => order.status.as_str(),
        (_, Some(parcel)) => parcel.status.as_str(),
    }
}

/// Whether nothing more comes of an order, whatever was said of its parcels.
fn is_over(order: &Order, main: Option<&Shipment>) -> bool {
    match order.status {
        OrderStatus::AwaitingPayment
        | OrderStatus::Cancelled
        | OrderStatus::Returned
        | OrderStatus::Refunded => true,
        OrderStatus::Delivered => main.is_none(),
        OrderStatus::Processing | OrderStatus::Shipped => false,
    }
}

fn is_late(order: &Order, eta: Option<DateWindow>) -> bool {
    match (eta, order.promised) {
        (Some(eta), Some(promised)) => eta.to > promised.to,
        _ => false,
    }
}

fn items(order: &Order) -> String {
    let mut items: BTreeMap<&str, u32> = BTreeMap::new();
    let mut names = Vec::new();
    for line in &order.lines {
        if items.insert(&line.title, 0).is_none() {
            names.push(line.title.as_str());
        }
    }
    for line in &order.lines {
        *items.entry(&line.title).or_default() += line.quantity;
    }
    let described: Vec<String> = names
        .into_iter()
        .map(|name| match items.get(name) {
            Some(1) | None => name.to_owned(),
            Some(quantity) => format!("{quantity} × {name}"),
        })
        .collect();
    described.join(", ")
}

/// Joins what the shop says of an order's parcels with the tracking events we received: the newer word counts.
pub(crate) fn merge_news(order: &mut Order, news: Vec<Shipment>) {
    for parcel in news {
        let known = order
            .shipments
            .iter_mut()
            .find(|known| known.tracking_number == parcel.tracking_number);
        match known {
            Some(known) if parcel.status_at > known.status_at => {
                let estimated = parcel.estimated.or(known.estimated);
                *known = Shipment {
                    estimated,
                    ..parcel
                };
            }
            Some(_) => {}
            None => order.shipments.push(parcel),
        }
    }
}
