//! What a text was understood to mean.

use serde::{Deserialize, Serialize};

use crate::Language;

/// The result of reading one message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Understanding {
    /// Language of the text; the hint when the text is too short to tell.
    pub language: Language,
    /// Intents, most likely first; empty only for an empty text.
    pub intents: Vec<ScoredIntent>,
    /// The intents of a message that asks for more than one thing, in the order in which it asks for them; else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<String>,
    /// The least confidence at which an intent of this message is acted on, 0 to 1: what its language needs for the share
    /// of wrong answers that the merchant accepts. Above 1 when nothing is sure enough.
    #[serde(default = "certain")]
    pub accept: f32,
    /// Whether a person should see it.
    pub escalation: Escalation,
    /// How the customer feels.
    #[serde(default)]
    pub sentiment: Sentiment,
    /// What the text names, in order of appearance.
    pub entities: Vec<Entity>,
    /// Sentence vector of unit length, when a model ran.
    #[serde(skip)]
    pub vector: Option<Vec<f32>>,
    /// What produced it.
    pub backend: Backend,
}

impl Understanding {
    /// The likeliest intent.
    pub fn top_intent(&self) -> Option<&ScoredIntent> {
        self.intents.first()
    }

    /// The first entity of `kind`.
    pub fn entity(&self, kind: EntityKind) -> Option<&Entity> {
        self.entities.iter().find(|entity| entity.kind == kind)
    }
}

/// What an understanding of before thresholds were kept beside it is taken to need.
fn certain() -> f32 {
    1.0
}

/// Every intent that the model tells apart, by its name in the taxonomy.
pub const INTENTS: [&str; 40] = [
    "product_search",
    "product_question",
    "stock_check",
    "size_help",
    "shipping_options",
    "payment_methods",
    "discount_code",
    "place_order",
    "order_status",
    "change_order",
    "cancel_order",
    "change_address",
    "invoice",
    "delivery_time",
    "not_received",
    "missing_item",
    "wrong_item",
    "damaged_item",
    "return_request",
    "return_policy",
    "return_status",
    "exchange_item",
    "refund_request",
    "refund_status",
    "warranty",
    "payment_problem",
    "account_help",
    "delete_account",
    "complaint",
    "praise",
    "greeting",
    "goodbye",
    "thanks",
    "stop_messages",
    "start_messages",
    "human_agent",
    "are_you_a_bot",
    "yes",
    "no",
    "out_of_scope",
];

/// An intent of the taxonomy (`config/taxonomy.yaml`) and how sure the model is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoredIntent {
    /// Name in the taxonomy.
    pub name: String,
    /// Calibrated probability, 0 to 1.
    pub confidence: f32,
}

/// Whether a person should see the message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Escalation {
    /// The bot may answer.
    #[default]
    Normal,
    /// A person should answer.
    Escalate,
    /// A person should answer now: threat, injury, fraud.
    Urgent,
}

/// How the customer feels about what the message speaks of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sentiment {
    /// Annoyed, disappointed, worried.
    Negative,
    /// Neither, or nothing tells.
    #[default]
    Neutral,
    /// Pleased, grateful.
    Positive,
}

/// Something the text names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: EntityKind,
    /// Normalised value: an order number in upper case, a date as `2026-11-21`, money as `EUR 50.00`.
    pub value: String,
    /// Byte offset of its first character in the text.
    pub start: usize,
    /// Byte offset after its last character.
    pub end: usize,
}

/// The kinds of [`Entity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    /// An order number in one of the merchant's formats.
    OrderNumber,
    /// A parcel number whose shape and check digit fit a carrier.
    TrackingNumber,
    /// An e-mail address, in lower case.
    Email,
    /// A telephone number in E.164: `+34600123456`.
    Phone,
    /// A day: `2026-11-21`.
    Date,
    /// Days from one to another, both of them included (an ISO 8601 interval): `2026-11-16/2026-11-22`.
    Period,
    /// An amount: `EUR 50.00`; without a named currency `50.00`.
    Money,
    /// The most a customer wants to pay, as [`EntityKind::Money`].
    MaxPrice,
    /// The least a customer wants to pay, as [`EntityKind::Money`].
    MinPrice,
    /// A size: `M`, `EU 42`, `W32/L34`, `one size`, `6-7 years`, `116 cm`.
    Size,
    /// A colour, by its English base word: `navy`, `red`.
    Colour,
    /// A value of one of the catalog's attributes: `material=wool`.
    Attribute,
    /// A product of the catalog, by its id.
    Product,
    /// A postcode.
    Postcode,
}

/// What read the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// ONNX Runtime, loaded at start.
    Onnxruntime,
    /// The built-in pure-Rust backend.
    Tract,
    /// Rules alone, because the model was overloaded or failed (G7).
    Rules,
}

impl Backend {
    /// Its name in metrics and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Onnxruntime => "onnxruntime",
            Self::Tract => "tract",
            Self::Rules => "rules",
        }
    }
}
