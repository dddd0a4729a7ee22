//! Commerce events: anything a shop or a carrier tells us.

use serde::{Deserialize, Serialize};

use crate::{
    Money, OrderNumber, ShopCustomerId, SourceName, Timestamp, TrackingNumber,
    order::{Order, OrderRef},
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
    /// An order was cancelled; the whole order as it now is.
    OrderCancelled {
        /// The order.
        order: Box<Order>,
        /// Why, in the shop's own word.
        reason: Option<String>,
    },
    /// The shop packed a parcel and told its number, if it has one: one event a parcel.
    Fulfilled {
        /// The order.
        order: OrderRef,
        /// Carrier, when the shop names it.
        carrier: Option<String>,
        /// The parcel, when the shop names it.
        tracking_number: Option<TrackingNumber>,
        /// What that says of the parcel: its label exists.
        event: TrackingEvent,
    },
    /// A parcel has news.
    Tracking {
        /// The order, when the source names it.
        order: Option<OrderRef>,
        /// Carrier, when the source names it.
        carrier: Option<String>,
        /// The parcel, when the source names it.
        tracking_number: Option<TrackingNumber>,
        /// The news.
        event: TrackingEvent,
    },
    /// A parcel is none any more: the shop took it back, or its carrier says that its label is void. It is one again once
    /// the shop packs it again.
    TakenBack {
        /// The order, when the source names it: of other orders it may still be a parcel.
        order: Option<OrderRef>,
        /// The parcel, when the source names it.
        tracking_number: Option<TrackingNumber>,
    },
    /// A carrier said something about a parcel in words that no vocabulary of ours knows. They are kept; no state follows
    /// from them and no customer hears of them.
    Remark {
        /// Carrier, when the source names it.
        carrier: Option<String>,
        /// The parcel, when the source names it.
        tracking_number: Option<TrackingNumber>,
        /// The carrier's own words.
        words: String,
    },
    /// A customer wants to send goods back, or may now.
    ReturnRequested {
        /// The order.
        order: OrderRef,
        /// The shop's identifier of the return, where it tells one: an order may have several.
        #[serde(default)]
        id: Option<String>,
    },
    /// The shop does not take goods back that the customer wanted to return.
    ReturnDeclined {
        /// The order.
        order: OrderRef,
        /// The shop's identifier of the return, where it tells one.
        #[serde(default)]
        id: Option<String>,
    },
    /// Goods will not come back after all.
    ReturnCancelled {
        /// The order.
        order: OrderRef,
        /// The shop's identifier of the return, where it tells one.
        #[serde(default)]
        id: Option<String>,
    },
    /// Goods of an order came back to the shop.
    ReturnReceived {
        /// The order.
        order: OrderRef,
        /// The shop's identifier of the return, where it tells one.
        #[serde(default)]
        id: Option<String>,
    },
    /// Money was given back.
    RefundIssued {
        /// The order.
        order: OrderRef,
        /// How much, when the source says.
        amount: Option<Money>,
        /// The shop's identifier of the refund, where it tells one: an order may be refunded in parts.
        #[serde(default)]
        id: Option<String>,
    },
    /// A customer asks what is stored about them: a person has to answer.
    CustomerDataRequested {
        /// Who.
        person: DataSubject,
    },
    /// What is stored about a customer must be erased.
    CustomerRedacted {
        /// Who.
        person: DataSubject,
    },
    /// The shop has left its platform: all that the source told must be erased.
    ShopRedacted,
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
    /// A parcel is said to have arrived a while ago: did it, and was it fine?
    WasItFine,
    /// A parcel arrived some days ago: how does its customer like what was in it?
    ReviewRequest,
}

impl Due {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::NoScan,
        Self::LateDispatch,
        Self::PromiseMissed,
        Self::WasItFine,
        Self::ReviewRequest,
    ];

    /// Its name in rules and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoScan => "no_scan",
            Self::LateDispatch => "late_dispatch",
            Self::PromiseMissed => "promise_missed",
            Self::WasItFine => "was_it_fine",
            Self::ReviewRequest => "review_request",
        }
    }
}

/// Whose personal data are meant, as far as the source says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSubject {
    /// The shop's identifier of the customer.
    pub shop_id: Option<ShopCustomerId>,
    /// E-mail address, in lower case.
    pub email: Option<String>,
    /// Telephone number, as the shop writes it.
    pub phone: Option<String>,
    /// The orders that are meant; none: all of the customer's.
    #[serde(default)]
    pub orders: Vec<OrderRef>,
}

impl CommerceEventKind {
    /// Its name in metrics and rules: the tracking status for news of a parcel, else the kind itself.
    pub fn label(&self) -> &'static str {
        match self {
            Self::OrderUpdated { .. } => "order_updated",
            Self::OrderCancelled { .. } => "order_cancelled",
            Self::Fulfilled { .. } => "fulfilled",
            Self::Tracking { event, .. } => event.status.as_str(),
            Self::TakenBack { .. } => "taken_back",
            Self::Remark { .. } => "remark",
            Self::ReturnRequested { .. } => "return_requested",
            Self::ReturnDeclined { .. } => "return_declined",
            Self::ReturnCancelled { .. } => "return_cancelled",
            Self::ReturnReceived { .. } => "return_received",
            Self::RefundIssued { .. } => "refund_issued",
            Self::CustomerDataRequested { .. } => "customer_data_requested",
            Self::CustomerRedacted { .. } => "customer_redacted",
            Self::ShopRedacted => "shop_redacted",
            Self::Due { what, .. } => what.as_str(),
        }
    }
}
