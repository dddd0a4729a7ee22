//! Who a customer is on WhatsApp, and by which of the shop's numbers they are reached.
//!
//! A customer is known by their telephone number (`wa_id`, digits), or where WhatsApp does not tell it (they took a user
//! name) by a business-scoped user id, `US.13491208655302741918` (Meta: "Business-scoped user IDs"). With several
//! numbers of the shop, an address begins with the one they wrote to: `106540352242922:4915112345678`.

use doorstep_core::{ChannelName, channel::SendError, message::Address};
use serde_json::{Value, json};

use super::config::Number;

/// The longest telephone number is 15 digits (E.164); Meta's test numbers are within it.
const LONGEST_NUMBER: usize = 15;

/// A message's way to a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route<'a> {
    /// Which of our numbers writes.
    pub(super) number: &'a Number,
    /// To whom.
    pub(super) customer: &'a str,
}

impl Route<'_> {
    /// Adds the recipient to a message: `to` holds a telephone number, `recipient` a user id.
    pub(super) fn address(&self, body: &mut Value) {
        let field = match is_phone(self.customer) {
            true => "to",
            false => "recipient",
        };
        body[field] = json!(self.customer);
    }
}

/// The shop's numbers.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    channel: ChannelName,
    all: Vec<Number>,
}

impl Numbers {
    /// `all` must not be empty.
    pub(super) fn new(channel: ChannelName, all: Vec<Number>) -> Self {
        Self { channel, all }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Number> {
        self.all.iter()
    }

    /// Whether `phone_number_id` is one of ours.
    pub(super) fn holds(&self, phone_number_id: &str) -> bool {
        self.all
            .iter()
            .any(|number| number.phone_number_id == phone_number_id)
    }

    /// The address of a customer who wrote to `phone_number_id`.
    pub(super) fn address_of(&self, phone_number_id: &str, customer: &str) -> Address {
        let id = match self.all.len() {
            1 => customer.to_owned(),
            _ => format!("{phone_number_id}:{customer}"),
        };
        Address::new(self.channel.clone(), id)
    }

    /// How the address is reached.
    pub(super) fn route<'a>(&'a self, address: &'a Address) -> Result<Route<'a>, SendError> {
        let (number, customer) = match address.id.split_once(':') {
            Some((wanted, customer)) => (
                self.all
                    .iter()
                    .find(|number| number.phone_number_id == wanted),
                customer,
            ),
            None => (self.all.first(), address.id.as_str()),
        };
        if !is_phone(customer) && !is_user_id(customer) {
            return Err(SendError::Fail {
                reason: "the address is neither a telephone number nor a user id of WhatsApp"
                    .to_owned(),
            });
        }
        let number = number.ok_or_else(|| SendError::Fail {
            reason: "the customer wrote to a number that [channels.whatsapp] no longer has"
                .to_owned(),
        })?;
        Ok(Route { number, customer })
    }
}

/// Whether the text is a `wa_id`.
pub(super) fn is_phone(text: &str) -> bool {
    (5..=LONGEST_NUMBER).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the text is a business-scoped user id: country, perhaps `ENT`, and up to 128 letters and digits.
pub(super) fn is_user_id(text: &str) -> bool {
    let Some((country, id)) = text.split_once('.') else {
        return false;
    };
    let id = id.strip_prefix("ENT.").unwrap_or(id);
    country.len() == 2
        && country.bytes().all(|byte| byte.is_ascii_uppercase())
        && (1..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The digits of a telephone number as people write it.
pub(super) fn digits(written: &str) -> Option<String> {
    let usual = |letter: char| letter.is_ascii_digit() || " +-()./".contains(letter);
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    (written.chars().all(usual) && is_phone(&digits)).then_some(digits)
}
