//! Orders, as the shop tells them.

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::{
    Language, Money, OrderNumber, ShopCustomerId, ShopOrderId, Sku, Timestamp,
    customer::MarketingConsent, shipment::Shipment, time_zone,
};

/// An order. The shop owns it; we keep a copy of what it last told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The number customers know.
    pub number: OrderNumber,
    /// The shop's identifier, where it is another than the number: some of the shop's events name only it.
    #[serde(default)]
    pub shop_id: Option<ShopOrderId>,
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

impl Order {
    /// Where it goes by the clock: as the shop said of its customer, else as its delivery address says.
    pub fn time_zone(&self) -> Option<Tz> {
        self.customer.time_zone.or_else(|| {
            time_zone::of_address(self.country.as_deref()?, None, self.postcode.as_deref())
        })
    }
}

/// How a source names an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OrderRef {
    /// By the number customers know.
    Number(OrderNumber),
    /// By the shop's own identifier.
    ShopId {
        /// The identifier.
        shop_id: ShopOrderId,
    },
}

impl OrderRef {
    /// By the shop's own identifier.
    pub fn shop_id(id: impl Into<ShopOrderId>) -> Self {
        Self::ShopId { shop_id: id.into() }
    }

    /// Whether `order` is meant.
    pub fn names(&self, order: &Order) -> bool {
        match self {
            Self::Number(number) => *number == order.number,
            Self::ShopId { shop_id } => order.shop_id.as_ref() == Some(shop_id),
        }
    }
}

impl From<OrderNumber> for OrderRef {
    fn from(number: OrderNumber) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for OrderRef {
    fn from(number: &str) -> Self {
        Self::Number(number.into())
    }
}

/// `10234`, or `shop id 450789469`.
impl std::fmt::Display for OrderRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::ShopId { shop_id } => write!(f, "shop id {shop_id}"),
        }
    }
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
    /// Where they are, as the shop says or the delivery address.
    pub time_zone: Option<Tz>,
    /// What they told the shop about offers by e-mail, where it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marketing: Option<MarketingConsent>,
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

#[cfg(test)]
mod tests {
    use iso_currency::Currency;

    use super::*;

    #[test]
    fn an_order_goes_where_its_customer_is_told_to_be_or_else_where_it_is_sent() {
        let mut order = Order {
            number: "10234".into(),
            shop_id: None,
            customer: OrderCustomer {
                id: None,
                name: None,
                email: None,
                language: None,
                marketing: None,
                time_zone: None,
            },
            placed_at: Timestamp::UNIX_EPOCH,
            status: OrderStatus::Processing,
            lines: Vec::new(),
            total: Money::new(0, Currency::EUR),
            postcode: Some("35001".to_owned()),
            country: Some("ES".to_owned()),
            promised: None,
            shipments: Vec::new(),
        };
        assert_eq!(order.time_zone(), Some(Tz::Atlantic__Canary));
        order.customer.time_zone = Some(Tz::Europe__Berlin);
        assert_eq!(order.time_zone(), Some(Tz::Europe__Berlin));
        order.customer.time_zone = None;
        order.country = None;
        assert_eq!(order.time_zone(), None);
    }
}
