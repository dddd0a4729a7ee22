//! The router: one message in, one turn out. It never fails: a port that does not answer becomes an honest sentence
//! (G7), and every fact it tells was looked up for this answer (G4).

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use chrono_tz::Tz;
use doorstep_core::{
    Ambient, Language, OrderNumber,
    health::PortError,
    mask::mask_card_numbers,
    message::Address,
    nlu::{Nlu, NluContext},
    order::Order,
    search::SearchIndex,
    shipment::Shipment,
    shop::Shop,
    understanding::{Entity, Understanding},
};
use iso_currency::Currency;

use crate::{
    actions::searching,
    dialogue::{Heard, Scene},
    eta::Eta,
    flows::Flows,
    phrasing::Phrasing,
    second_factor::Tries,
    templates::Templates,
    turn::{Turn, Waiting},
};

/// What we were told of parcels by events, which can be fresher than the shop's own record, and when they are expected:
/// the same days that notifications and the tracking page tell.
#[async_trait]
pub trait ParcelNews: Send + Sync {
    /// The parcels of an order, as the newest events left them.
    ///
    /// # Errors
    /// The store could not be read; the shop's record is told then.
    async fn shipments_of(&self, order: &OrderNumber) -> Result<Vec<Shipment>, PortError>;

    /// When a parcel is expected, or an order that has none yet; `None` when nobody says, or when it is there.
    ///
    /// # Errors
    /// The store could not be read; no days are told then.
    async fn expected(
        &self,
        order: &Order,
        parcel: Option<&Shipment>,
        time_zone: Tz,
    ) -> Result<Option<Eta>, PortError>;
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
    /// Where its people are told that one of them is asked for; none: they look for themselves.
    pub staff: Option<Address>,
}

/// What a router is made of. Cheap to clone.
#[derive(Clone)]
pub struct RouterParts {
    /// Understands texts.
    pub nlu: Arc<dyn Nlu>,
    /// Knows orders, products, prices and stock.
    pub shop: Arc<dyn Shop>,
    /// Finds products and passages.
    pub search: Arc<dyn SearchIndex>,
    /// What is done about intents.
    pub flows: Arc<Flows>,
    /// The words.
    pub templates: Arc<Templates>,
    /// The shop.
    pub shop_profile: ShopProfile,
    /// By so much an intent must lead that of the next flow; else the customer is asked which of the two is meant. 0 to 1.
    pub margin: f32,
    /// Clock and randomness.
    pub ambient: Ambient,
    /// What events told of parcels.
    pub facts: Arc<dyn ParcelNews>,
    /// Counts second factors that were tried.
    pub tries: Arc<dyn Tries>,
    /// Puts answers into words that fit the question, where a language model is configured.
    pub phrasing: Option<Arc<Phrasing>>,
}

impl RouterParts {
    /// Where the customer is, as far as we know: as the shop says, else as their device does.
    pub(crate) fn time_zone_of(&self, waiting: &Waiting) -> Tz {
        let conversation = &waiting.conversation;
        let customer = conversation.customer.as_ref();
        customer
            .and_then(|customer| customer.time_zone)
            .or(conversation.time_zone)
            .unwrap_or(self.shop_profile.time_zone)
    }
}

/// What changes when a merchant's files do.
pub struct Renewal {
    /// Understands the merchant's own intents of these files.
    pub nlu: Arc<dyn Nlu>,
    /// What is done about intents.
    pub flows: Flows,
    /// The words.
    pub templates: Arc<Templates>,
}

/// Decides what is answered.
pub struct Router {
    /// A turn keeps the parts that it began with.
    parts: RwLock<Arc<RouterParts>>,
}

impl Router {
    /// A router of these parts.
    pub fn new(parts: RouterParts) -> Self {
        Self {
            parts: RwLock::new(Arc::new(parts)),
        }
    }

    /// Understands messages by another model from now on, or by one that learnt something.
    pub fn teach(&self, nlu: Arc<dyn Nlu>) {
        self.change(|parts| parts.nlu = nlu);
    }

    /// Answers by other files from now on: all of them at once. Turns that are under way end by the old ones, and a
    /// conversation whose flow is gone is told that its question is forgotten.
    pub fn renew(&self, renewal: Renewal) {
        self.change(|parts| {
            parts.nlu = renewal.nlu;
            parts.flows = Arc::new(renewal.flows);
            parts.templates = renewal.templates;
        });
    }

    fn change(&self, change: impl FnOnce(&mut RouterParts)) {
        let mut parts = self.parts.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut parts));
    }

    fn parts(&self) -> Arc<RouterParts> {
        Arc::clone(&self.parts.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has the model begin to read a message while it is being admitted: the disk and the model need not wait for each
    /// other.
    pub fn expect(&self, text: &str) {
        // As it will be stored and answered.
        self.parts().nlu.expect(&mask_card_numbers(text));
    }

    /// The answer to a message. Nothing is stored: the turn is committed by the store, or not at all.
    pub async fn answer(&self, waiting: &Waiting) -> Turn {
        let parts = self.parts();
        let now = parts.ambient.now();
        let heard = Heard::new(waiting, now);
        let understanding = understand(&parts, waiting, &heard).await;
        let language = heard.language(&parts, waiting, &understanding);
        let scene = Scene {
            parts: &parts,
            waiting,
            understanding: &understanding,
            language: &language,
            now,
        };
        let turn = heard.answer(&scene).await;
        count(&turn.understanding);
        turn
    }
}

/// The model reads texts; a press is no text, and when the model cannot, rules must do (G7).
async fn understand(parts: &RouterParts, waiting: &Waiting, heard: &Heard) -> Understanding {
    let context = NluContext {
        language_hint: waiting
            .conversation
            .language
            .clone()
            .or_else(|| waiting.language_hint.clone()),
        time_zone: parts.time_zone_of(waiting),
        now: waiting.sent_at,
    };
    let nlu = &parts.nlu;
    if heard.is_press() {
        // What a button says is our own wording: it names nothing for the customer.
        return Understanding {
            entities: Vec::new(),
            intents: Vec::new(),
            escalation: Default::default(),
            ..nlu.understand_by_rules(&waiting.text, &context)
        };
    }
    let foresight = |language: &Language, entities: &[Entity]| {
        let foreseen = searching::foreseen(parts, &waiting.text, language, entities);
        foreseen.into_iter().collect()
    };
    let understood = nlu.understand_with(&waiting.text, &context, &foresight);
    match understood.await {
        Ok(understanding) => understanding,
        Err(error) => {
            tracing::warn!(%error, "a message is read by rules");
            metrics::counter!("doorstep_nlu_by_rules_total").increment(1);
            nlu.understand_by_rules(&waiting.text, &context)
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
