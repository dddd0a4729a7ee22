//! What the router is given and what it gives back: one message in, one turn out.

use chrono_tz::Tz;
use doorstep_core::{
    ConversationId, HandoffId, InboundMessageId, Language, OrderNumber, Timestamp,
    customer::{Customer, Proof},
    message::{Address, Content},
    notification::Topic,
    understanding::Understanding,
};

/// A conversation as it stands before a turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// Our identifier.
    pub id: ConversationId,
    /// The one place it is held.
    pub address: Address,
    /// Whose address it is, once proven.
    pub customer: Option<Customer>,
    /// The language of the last turn.
    pub language: Option<Language>,
    /// Where the customer's device was by the clock when they last wrote, where their channel tells it.
    pub time_zone: Option<Tz>,
    /// The dialogue's memory, as the last turn left it: JSON of [`crate::dialogue`]'s own making.
    pub state: Option<serde_json::Value>,
    /// When `state` was written; older than 30 minutes is forgotten.
    pub state_at: Option<Timestamp>,
    /// How many of the customer's messages were handled.
    pub handled_count: i64,
    /// Whether a person was asked for and has not closed the case.
    pub handed_over: bool,
}

/// The next message to handle, with its conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Our identifier.
    pub id: InboundMessageId,
    /// The identifier the channel gave it.
    pub external_id: String,
    /// Its place among the customer's messages, from 1, without gaps.
    pub ordinal: i64,
    /// Its place among all entries.
    pub position: i64,
    /// Masked text.
    pub text: String,
    /// Value of a pressed button.
    pub button: Option<String>,
    /// What the channel knows of the language.
    pub language_hint: Option<Language>,
    /// What the channel proved of the sender with this message.
    pub proof: Option<Proof>,
    /// When it was written.
    pub sent_at: Timestamp,
    /// Whether it begins another matter: the dialogue's memory no longer counts.
    pub new_topic: bool,
    /// How many files came with it.
    pub files: i64,
    /// Whether later messages of the conversation waited too when this one was looked up.
    pub more: bool,
    /// The conversation before this turn.
    pub conversation: Conversation,
}

/// What the router decided: committed in one transaction, or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// What the message was understood as; kept beside it.
    pub understanding: Understanding,
    /// The language of the answer.
    pub language: Language,
    /// The dialogue's memory from now on.
    pub state: Option<serde_json::Value>,
    /// What is answered, in order.
    pub replies: Vec<Content>,
    /// What else changes.
    pub effects: Vec<Effect>,
}

/// A mail to the shop's people. It holds nothing of the customer: what was said stays where it can be erased.
#[derive(Debug, Clone, PartialEq)]
pub struct StaffMail {
    /// To whom.
    pub to: Address,
    /// Subject and text.
    pub content: Content,
    /// The merchant's language.
    pub language: Language,
}

/// A change besides the answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// A person is asked to take over.
    HandOff {
        /// Our identifier.
        id: HandoffId,
        /// Why: an intent or `urgent`.
        reason: String,
        /// What a person needs to know, in the merchant's language.
        summary: String,
        /// Whether it cannot wait.
        urgent: bool,
        /// Tells the shop's people, where they have an address.
        mail: Option<Box<StaffMail>>,
    },
    /// The address was proven to be the order's customer, by order number and second factor.
    Prove {
        /// The order that proved it.
        order: OrderNumber,
        /// The order's customer.
        proof: Proof,
    },
    /// The customer said what they want to hear (or no longer).
    SetPreference {
        /// About what.
        topic: Topic,
        /// Whether they want it.
        allowed: bool,
    },
}
