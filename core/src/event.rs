//! Commerce events: anything a shop or a carrier tells us.

use serde::{Deserialize, Serialize};

use crate::{
    Money, OrderNumber, SourceName, Timestamp, TrackingNumber,
    order::Order,
    shipment::{TrackingEvent, TrackingStatus},
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
    /// Something that should have happened did not, or enough time has passed. Nobody tells it: it is found in what we
    /// keep, and the event's time is when the waiting began.
    Due {
        /// What became due.
        what: Due,
        /// The order.
        order: OrderNumber,
        /// The parcel, when it is about one.
        tracking_number: Option<TrackingNumber>,
        /// Where the parcel stood since the event's time.
        status: Option<TrackingStatus>,
    },
}

/// What becomes due by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Due {
    /// No carrier said anything of a parcel for too long.
    NoScan,
    /// An order was not handed over for too long.
    LateDispatch,
    /// The promised day has passed and the order has not arrived.
    PromiseMissed,
    /// A parcel arrived some days ago: was it fine?
    ReviewRequest,
}

impl Due {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::NoScan,
        Self::LateDispatch,
        Self::PromiseMissed,
        Self::ReviewRequest,
    ];

    /// Its name in rules and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoScan => "no_scan",
            Self::LateDispatch => "late_dispatch",
            Self::PromiseMissed => "promise_missed",
            Self::ReviewRequest => "review_request",
        }
    }
}

impl CommerceEventKind {
    /// Its name in metrics and rules: `order_updated`, `return_received`, `refund_issued`, or the tracking status.
    pub fn label(&self) -> &'static str {
        match self {
            Self::OrderUpdated { .. } => "order_updated",
            Self::Tracking { event, .. } => event.status.as_str(),
            Self::ReturnReceived { .. } => "return_received",
            Self::RefundIssued { .. } => "refund_issued",
            Self::Due { what, .. } => what.as_str(),
        }
    }
}
