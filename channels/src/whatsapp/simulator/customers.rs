//! The customers of the simulator: who they are, when they wrote, and what their devices show.

use std::collections::HashMap;

use chrono::TimeDelta;
use doorstep_core::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::simulator::Shown;

/// Meta: "Customer service windows".
const WINDOW: TimeDelta = TimeDelta::hours(24);

/// One customer.
pub(super) struct Customer {
    name: String,
    /// `None`: they have a user name, and the shop is not told their number.
    pub(super) phone: Option<String>,
    pub(super) user_id: String,
    pub(super) blocked: bool,
    pub(super) last_written: Option<String>,
    pub(super) sent: Vec<Sent>,
    wrote_at: HashMap<String, Timestamp>,
}

/// A message of ours as a device holds it.
pub(super) struct Sent {
    pub(super) shown: Shown,
    pub(super) replies: Vec<Reply>,
}

/// Something to press.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    /// All that names it: the title of a row, and its description.
    pub(super) labels: Vec<String>,
    /// The customer's message when it is pressed.
    pub(super) message: Value,
}

impl Customer {
    /// The customer of this name, always the same.
    pub(super) fn named(name: &str) -> Self {
        let digest = Sha256::digest(name.as_bytes());
        let number = digest[..6]
            .iter()
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let phone = format!("4915{:09}", number % 1_000_000_000);
        Self {
            name: name.to_owned(),
            phone: (!name.starts_with('@')).then_some(phone),
            user_id: format!("DE.{number}"),
            blocked: false,
            last_written: None,
            sent: Vec::new(),
            wrote_at: HashMap::new(),
        }
    }

    /// As an address names them.
    pub(super) fn id(&self) -> &str {
        self.phone.as_deref().unwrap_or(&self.user_id)
    }

    pub(super) fn wrote(&mut self, phone_number_id: &str, at: Timestamp) {
        self.wrote_at.insert(phone_number_id.to_owned(), at);
    }

    pub(super) fn window_is_open(&self, phone_number_id: &str, now: Timestamp) -> bool {
        self.wrote_at
            .get(phone_number_id)
            .is_some_and(|at| now - *at < WINDOW)
    }

    /// One of `contacts` in a webhook.
    pub(super) fn contact(&self) -> Value {
        let mut contact = json!({
            "profile": { "name": self.name.trim_start_matches('@') },
            "user_id": self.user_id,
        });
        match &self.phone {
            Some(phone) => contact["wa_id"] = json!(phone),
            None => contact["profile"]["username"] = json!(self.name),
        }
        contact
    }

    /// The newest button of that name: the message that showed it, and what pressing it sends.
    pub(super) fn find_button(&self, label: &str) -> Option<(String, Value)> {
        self.sent.iter().rev().find_map(|sent| {
            let named = |reply: &&Reply| reply.labels.iter().any(|own| own == label);
            let reply = sent.replies.iter().find(named)?;
            Some((sent.shown.id.clone(), reply.message.clone()))
        })
    }
}

/// All customers by name.
#[derive(Default)]
pub(super) struct Customers(HashMap<String, Customer>);

impl Customers {
    /// The customer of that name, made at first sight.
    pub(super) fn named(&mut self, name: &str) -> &mut Customer {
        self.0
            .entry(name.to_owned())
            .or_insert_with(|| Customer::named(name))
    }

    /// The customer that a message is addressed to. A number that nobody was given yet is given to one of that name.
    pub(super) fn addressed(&mut self, recipient: &str) -> &mut Customer {
        let is = |customer: &Customer| {
            customer.phone.as_deref() == Some(recipient) || customer.user_id == recipient
        };
        let name = self
            .0
            .iter()
            .find(|(_, customer)| is(customer))
            .map(|(name, _)| name.clone());
        match name {
            Some(name) => self.named(&name),
            None => {
                let customer = self.named(recipient);
                customer.phone = Some(recipient.to_owned());
                customer
            }
        }
    }
}
