//! Orders, as the shop tells them.

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::{Language, Money, OrderNumber, ShopCustomerId, Sku, Timestamp, shipment::Shipment};

/// An order. The shop owns it; we keep a copy of what it last told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The number customers know.
    pub number: OrderNumber,
    /// Who ordered.
    pub customer: OrderCustomer,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// Where it stands.
    pub status: OrderStatus,
    /// What was ordered.
    pub lines: Vec<OrderLine>,
    /// What it cost altogether.
    pub total: Money,
    /// Postcode of the delivery address: a second factor (G5).
    pub postcode: Option<String>,
    /// Country of the delivery address, ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// The delivery days that the shop promised.
    pub promised: Option<DateWindow>,
    /// Its parcels.
    #[serde(default)]
    pub shipments: Vec<Shipment>,
}

/// Who ordered, as far as the order says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderCustomer {
    /// The shop's identifier.
    pub id: Option<ShopCustomerId>,
    /// Full name.
    pub name: Option<String>,
    /// E-mail address, in lower case: a second factor (G5).
    pub email: Option<String>,
    /// The language they chose in the shop.
    pub language: Option<Language>,
    /// Where they are.
    pub time_zone: Option<Tz>,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderLine {
    /// What.
    pub sku: Sku,
    /// Its title then.
    pub title: String,
    /// How many.
    pub quantity: u32,
    /// Price of one.
    pub price: Money,
}

/// Where an order stands. Parcels have their own [`crate::shipment::TrackingStatus`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Placed, not paid.
    AwaitingPayment,
    /// Paid, being packed.
    Processing,
    /// At least one parcel was handed over.
    Shipped,
    /// Everything arrived.
    Delivered,
    /// Cancelled before it was sent.
    Cancelled,
    /// On its way back, or back.
    Returned,
    /// The money was given back.
    Refunded,
}

impl OrderStatus {
    /// Its name in templates and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AwaitingPayment => "awaiting_payment",
            Self::Processing => "processing",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
            Self::Returned => "returned",
            Self::Refunded => "refunded",
        }
    }
}

/// A span of days, both included, in the destination's calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateWindow {
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
}
