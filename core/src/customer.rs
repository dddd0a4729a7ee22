//! Customers, and what proves who they are.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::{CustomerId, Language, ShopCustomerId, Timestamp};

/// A customer of the shop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Customer {
    /// Our identifier.
    pub id: CustomerId,
    /// The shop's identifier, when an order or a signed token told it.
    pub shop_id: Option<ShopCustomerId>,
    /// Full name as the shop knows it.
    pub name: Option<String>,
    /// E-mail address, in lower case.
    pub email: Option<String>,
    /// The language they are written to in.
    pub language: Option<Language>,
    /// Where quiet hours and delivery windows are told.
    pub time_zone: Option<Tz>,
}

/// What a customer told the shop about offers by e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarketingConsent {
    /// Whether they agreed, or said no. A box that was left empty says neither.
    pub granted: bool,
    /// When they said so.
    pub at: Timestamp,
}

/// What a channel proved about a sender. Only a proof (or order number plus second factor) opens an order (G5).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// The shop's identifier of the customer; `None` when only an e-mail address was proven, or nothing
    /// ([`Self::nobody`]).
    #[serde(default)]
    pub customer: Option<ShopCustomerId>,
    /// E-mail address, when the proof carries one.
    pub email: Option<String>,
    /// Name, when the proof carries one.
    pub name: Option<String>,
}

impl Proof {
    /// The sender holds this mailbox; who they are at the shop is not said.
    pub fn mailbox(email: impl Into<String>, name: Option<String>) -> Self {
        Self {
            customer: None,
            email: Some(email.into()),
            name,
        }
    }

    /// The address was written by anyone, as senders of mail can: what is known of it counts for nothing in this
    /// message.
    pub fn nobody() -> Self {
        Self::default()
    }

    /// Whether this is [`Self::nobody`].
    pub fn is_nobody(&self) -> bool {
        self.customer.is_none() && self.email.is_none()
    }

    /// The e-mail address, when that alone was proven.
    pub fn proven_mailbox(&self) -> Option<&str> {
        self.email.as_deref().filter(|_| self.customer.is_none())
    }
}

/// An address that is proven to be a customer's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Whose it is.
    pub customer: CustomerId,
    /// The address.
    pub address: crate::message::Address,
    /// How it was proven: `signed_token`, `second_factor`, `shop_record`.
    pub proven_by: String,
}
