//! The router: one message in, one turn out. It never fails: a port that does not answer becomes an honest sentence
//! (G7), and every fact it tells was looked up for this answer (G4).

use std::sync::Arc;

use async_trait::async_trait;
use chrono_tz::Tz;
use doorstep_core::{
    Ambient, Language, OrderNumber,
    health::PortError,
    mask::mask_card_numbers,
    nlu::{Nlu, NluContext},
    search::SearchIndex,
    shipment::Shipment,
    shop::Shop,
    understanding::Understanding,
};
use iso_currency::Currency;

use crate::{
    dialogue::{Heard, Scene},
    flows::Flows,
    templates::Templates,
    turn::{Turn, Waiting},
};

/// What we were told of parcels by events, which can be fresher than the shop's own record. Implemented by the store.
#[async_trait]
pub trait ParcelNews: Send + Sync {
    /// The parcels of an order, as the newest events left them.
    ///
    /// # Errors
    /// The store could not be read; the shop's record is told then.
    async fn shipments_of(&self, order: &OrderNumber) -> Result<Vec<Shipment>, PortError>;
}

/// The shop as it speaks to its customers.
#[derive(Debug, Clone)]
pub struct ShopProfile {
    /// Its name.
    pub name: String,
    /// The language spoken when nothing else is known.
    pub default_language: Language,
    /// The language of those who take over conversations.
    pub merchant_language: Language,
    /// Where customers are whose own time zone is not known.
    pub time_zone: Tz,
    /// What prices are in.
    pub currency: Currency,
}

/// How sure the model must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// From this confidence on an intent is acted upon, 0 to 1.
    pub accept: f32,
    /// By so much it must lead the next flow's intent; else the customer is asked.
    pub margin: f32,
}

/// What a router is made of.
pub struct RouterParts {
    /// Understands texts.
    pub nlu: Arc<dyn Nlu>,
    /// Knows orders, products, prices and stock.
    pub shop: Arc<dyn Shop>,
    /// Finds products and passages.
    pub search: Arc<dyn SearchIndex>,
    /// What is done about intents.
    pub flows: Flows,
    /// The words.
    pub templates: Arc<Templates>,
    /// The shop.
    pub shop_profile: ShopProfile,
    /// How sure is sure.
    pub thresholds: Thresholds,
    /// Clock and randomness.
    pub ambient: Ambient,
    /// What events told of parcels.
    pub facts: Arc<dyn ParcelNews>,
}

impl RouterParts {
    /// Where the customer is, as far as we know.
    pub(crate) fn time_zone_of(&self, waiting: &Waiting) -> Tz {
        let customer = waiting.conversation.customer.as_ref();
        customer
            .and_then(|customer| customer.time_zone)
            .unwrap_or(self.shop_profile.time_zone)
    }
}

/// Decides what is answered.
pub struct Router {
    parts: RouterParts,
}

impl Router {
    /// A router of these parts.
    pub fn new(parts: RouterParts) -> Self {
        Self { parts }
    }

    /// Has the model begin to read a message while it is being admitted: the disk and the model need not wait for each
    /// other.
    pub fn expect(&self, text: &str) {
        // As it will be stored and answered.
        self.parts.nlu.expect(&mask_card_numbers(text));
    }

    /// The answer to a message. Nothing is stored: the turn is committed by the store, or not at all.
    pub async fn answer(&self, waiting: &Waiting) -> Turn {
        let now = self.parts.ambient.now();
        let heard = Heard::new(waiting, now);
        let understanding = self.understand(waiting, &heard).await;
        let language = heard.language(&self.parts, waiting, &understanding);
        count(&understanding);
        let scene = Scene {
            parts: &self.parts,
            waiting,
            understanding: &understanding,
            language: &language,
            now,
        };
        heard.answer(&scene).await
    }

    /// The model reads texts; a press is no text, and when the model cannot, rules must do (G7).
    async fn understand(&self, waiting: &Waiting, heard: &Heard) -> Understanding {
        let context = NluContext {
            language_hint: waiting
                .conversation
                .language
                .clone()
                .or_else(|| waiting.language_hint.clone()),
            time_zone: self.parts.time_zone_of(waiting),
            now: waiting.sent_at,
        };
        let nlu = &self.parts.nlu;
        if heard.is_press() {
            // What a button says is our own wording: it names nothing for the customer.
            return Understanding {
                entities: Vec::new(),
                intents: Vec::new(),
                escalation: Default::default(),
                ..nlu.understand_by_rules(&waiting.text, &context)
            };
        }
        match nlu.understand(&waiting.text, &context).await {
            Ok(understanding) => understanding,
            Err(error) => {
                tracing::warn!(%error, "a message is read by rules");
                nlu.understand_by_rules(&waiting.text, &context)
            }
        }
    }
}

fn count(understanding: &Understanding) {
    let intent = understanding
        .top_intent()
        .map_or_else(|| "none".to_owned(), |intent| intent.name.clone());
    metrics::counter!(
        "doorstep_intents_total",
        "intent" => intent,
        "backend" => understanding.backend.as_str(),
    )
    .increment(1);
}

#[cfg(test)]
mod tests;
