//! Customers' places on Discord: `dm:<user id>`, or `thread:<channel id>:<user id>` for a private thread below the
//! support channel.

use doorstep_core::{ChannelName, channel::SendError, message::Address};
use serenity::model::id::{ChannelId, UserId};

/// Where a customer is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// Direct messages with the customer.
    Dm(UserId),
    /// The customer's private thread.
    Thread {
        channel: ChannelId,
        customer: UserId,
    },
}

impl Place {
    /// # Errors
    /// [`SendError::Fail`]: no such place can exist.
    pub(super) fn of(address: &Address) -> Result<Self, SendError> {
        parse(&address.id).ok_or_else(|| SendError::Fail {
            reason: "the address is neither `dm:<user id>` nor `thread:<channel id>:<user id>`"
                .to_owned(),
        })
    }

    pub(super) fn address(self, channel: &ChannelName) -> Address {
        Address::new(channel.clone(), self.to_string())
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dm(customer) => write!(f, "dm:{customer}"),
            Self::Thread { channel, customer } => write!(f, "thread:{channel}:{customer}"),
        }
    }
}

fn parse(id: &str) -> Option<Place> {
    if let Some(customer) = id.strip_prefix("dm:") {
        return Some(Place::Dm(UserId::new(number(customer)?)));
    }
    let (channel, customer) = id.strip_prefix("thread:")?.split_once(':')?;
    Some(Place::Thread {
        channel: ChannelId::new(number(channel)?),
        customer: UserId::new(number(customer)?),
    })
}

/// A snowflake as Discord writes it: no sign, no leading zero, never 0.
fn number(text: &str) -> Option<u64> {
    if text.starts_with('0') || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_was_written_and_nothing_else_is_taken() {
        for id in [
            "dm:80351110224678912",
            "thread:41771983423143937:80351110224678912",
        ] {
            let place = Place::of(&Address::new("discord", id)).unwrap();
            assert_eq!(place.to_string(), id);
        }
        for id in [
            "",
            "dm:",
            "dm:0",
            "dm:+1",
            "dm:1\r\n",
            "dm:99999999999999999999",
            "thread:1",
            "thread:1:",
            "1",
        ] {
            let place = Place::of(&Address::new("discord", id));
            assert!(matches!(place, Err(SendError::Fail { .. })), "{id:?}");
        }
    }
}
