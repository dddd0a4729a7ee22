//! Commerce events: anything a shop or a carrier tells us.

use serde::{Deserialize, Serialize};

use crate::{
    Money, OrderNumber, SourceName, Timestamp, TrackingNumber, order::Order,
    shipment::TrackingEvent,
};

/// One thing a shop or a carrier told us. (source, external id) makes it unique.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommerceEvent {
    /// Who told.
    pub source: SourceName,
    /// The source's identifier of the event.
    pub external_id: String,
    /// When it happened, by the source's clock.
    pub occurred_at: Timestamp,
    /// What happened.
    pub kind: CommerceEventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CommerceEventKind {
    /// An order was placed or changed; the whole order as it now is.
    OrderUpdated {
        /// The order.
        order: Box<Order>,
    },
    /// A parcel has news.
    Tracking {
        /// The order, when the source names it.
        order: Option<OrderNumber>,
        /// Carrier, when the source names it.
        carrier: Option<String>,
        /// The parcel, when the source names it.
        tracking_number: Option<TrackingNumber>,
        /// The news.
        event: TrackingEvent,
    },
    /// Goods of an order came back to the shop.
    ReturnReceived {
        /// The order.
        order: OrderNumber,
    },
    /// Money was given back.
    RefundIssued {
        /// The order.
        order: OrderNumber,
        /// How much, when the source says.
        amount: Option<Money>,
    },
}

impl CommerceEventKind {
    /// Its name in metrics and rules: `order_updated`, `return_received`, `refund_issued`, or the tracking status.
    pub fn label(&self) -> &'static str {
        match self {
            Self::OrderUpdated { .. } => "order_updated",
            Self::Tracking { event, .. } => event.status.as_str(),
            Self::ReturnReceived { .. } => "return_received",
            Self::RefundIssued { .. } => "refund_issued",
        }
    }
}
