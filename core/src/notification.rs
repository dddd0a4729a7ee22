//! What we tell a customer unasked.

use serde::{Deserialize, Serialize};

/// What a message is about, for consent and preferences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// The customer's own order, parcel, return or refund: part of the contract.
    Order,
    /// Anything that sells: needs consent.
    Marketing,
}

impl Topic {
    /// Its name in rules and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Marketing => "marketing",
        }
    }
}

/// Where a delivery stands. The arrows: `pending → sending → sent | ambiguous`, `sending → pending` (retry),
/// `sending → failed`; `ambiguous → sent | failed` by a receipt or a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Waits to be sent.
    Pending,
    /// A worker has claimed it and talks with the provider.
    Sending,
    /// The provider took it.
    Sent,
    /// Nobody knows (G2).
    Ambiguous,
    /// Given up.
    Failed,
}

impl DeliveryStatus {
    /// Its name in the store and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Ambiguous => "ambiguous",
            Self::Failed => "failed",
        }
    }
}
