//! Parcels and what carriers say of them.

use serde::{Deserialize, Serialize};

use crate::{Timestamp, TrackingNumber, order::DateWindow};

/// One parcel of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shipment {
    /// Carrier as the shop or the carrier names it: `DHL`, `Correos`.
    pub carrier: String,
    /// The carrier's number of the parcel.
    pub tracking_number: TrackingNumber,
    /// Where it stands.
    pub status: TrackingStatus,
    /// When the carrier said so.
    pub status_at: Option<Timestamp>,
    /// The carrier's own estimate, in the destination's calendar.
    pub estimated: Option<DateWindow>,
}

/// Where a parcel stands: one vocabulary for all carriers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackingStatus {
    /// A label exists; the carrier does not have the parcel.
    PreTransit,
    /// The carrier has it.
    InTransit,
    /// On the van.
    OutForDelivery,
    /// Nobody was there.
    DeliveryAttempt,
    /// Waits in a shop or locker.
    ReadyForPickup,
    /// Handed over.
    Delivered,
    /// Later than the carrier had said.
    Delayed,
    /// Something went wrong that the carrier does not name better.
    Exception,
    /// Goes back, or is back.
    ReturnedToSender,
    /// The carrier gave up looking.
    Lost,
    /// The carrier says it is damaged.
    Damaged,
}

impl TrackingStatus {
    /// Its name in rules, templates and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreTransit => "pre_transit",
            Self::InTransit => "in_transit",
            Self::OutForDelivery => "out_for_delivery",
            Self::DeliveryAttempt => "delivery_attempt",
            Self::ReadyForPickup => "ready_for_pickup",
            Self::Delivered => "delivered",
            Self::Delayed => "delayed",
            Self::Exception => "exception",
            Self::ReturnedToSender => "returned_to_sender",
            Self::Lost => "lost",
            Self::Damaged => "damaged",
        }
    }

    /// Whether nothing more is expected of the carrier. News from before such a state is history, not news.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::ReturnedToSender | Self::Lost)
    }

    /// Whether it may happen to a parcel on several days, each of which is news.
    pub fn recurs(self) -> bool {
        matches!(self, Self::OutForDelivery | Self::DeliveryAttempt)
    }

    /// Whether the parcel has an open problem: no cross-sell, no cheerful tone.
    pub fn is_problem(self) -> bool {
        matches!(
            self,
            Self::Delayed | Self::Exception | Self::ReturnedToSender | Self::Lost | Self::Damaged
        )
    }
}

/// One thing a carrier said about a parcel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackingEvent {
    /// What it means.
    pub status: TrackingStatus,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// The carrier's own words.
    pub message: Option<String>,
    /// Where it happened.
    pub location: Option<String>,
    /// The carrier's estimate at that time.
    pub estimated: Option<DateWindow>,
    /// What it says of the parcel itself.
    #[serde(default, skip_serializing_if = "ParcelFacts::is_empty")]
    pub parcel: ParcelFacts,
}

/// What is known of a parcel itself, wherever it stands: how long such parcels take is learnt by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ParcelFacts {
    /// Where it comes from, as [`region`] writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The carrier's product, in its own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Its weight in grams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_g: Option<u32>,
}

impl ParcelFacts {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A country and the first two characters of a postcode, a region in most countries: `ES 28`; the country alone without one.
pub fn region(country: &str, postcode: Option<&str>) -> String {
    let area: String = postcode
        .unwrap_or_default()
        .trim()
        .chars()
        .take(2)
        .collect();
    format!("{} {area}", country.trim())
        .trim_end()
        .to_uppercase()
}
