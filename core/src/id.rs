//! Identifiers. Each is its own type, so that a customer can never be passed where a conversation is meant.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::{Clock, Entropy};

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new identifier: UUID version 7 (RFC 9562), so that rows sort by creation time.
            pub fn new(clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
                Self(time_ordered_uuid(clock, entropy))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

uuid_ids! {
    /// A customer of the shop, known by at least one [`crate::customer::Identity`] or address.
    CustomerId,
    /// The conversation with one address on one channel.
    ConversationId,
    /// A message that a customer sent.
    InboundMessageId,
    /// A message that we send.
    OutboundMessageId,
    /// A stored webhook event of a shop or a carrier.
    CommerceEventId,
    /// A decision to tell a customer something.
    NotificationId,
    /// The attempt chain of one outbound message on one channel.
    DeliveryId,
    /// A file that came with a message.
    AttachmentId,
    /// A request for a person to take over a conversation.
    HandoffId,
}

fn time_ordered_uuid(clock: &dyn Clock, entropy: &dyn Entropy) -> Uuid {
    let mut random = [0; 10];
    entropy.fill(&mut random);
    let millis = u64::try_from(clock.now().timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    )+};
}

text_ids! {
    /// A configured channel, for example `webchat` or `email`; several channels of one kind may be configured.
    ChannelName,
    /// A configured source of commerce events, for example `demo`, `generic` or `easypost`.
    SourceName,
    /// The shop's own number of an order, as customers write it, in upper case and without `#`.
    OrderNumber,
    /// The shop's own identifier of a customer.
    ShopCustomerId,
    /// A stock keeping unit: one buyable variant of a product.
    Sku,
    /// The carrier's number of a parcel, in upper case and without spaces.
    TrackingNumber,
}
