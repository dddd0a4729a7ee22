//! Products as they can be bought right now. The index only finds them; price and stock come from the shop (G4).

use std::collections::HashMap;

use doorstep_core::{
    Money, Sku,
    health::PortError,
    message::{Button, Card, FactSource},
    product::{COLOUR, COLOUR_NAMES, Product, StockLevel, Variant},
    search::SearchHit,
    understanding::{Entity, EntityKind},
};
use iso_currency::Currency;
use serde::Serialize;

use super::{
    Call, Outcome, narrowing,
    searching::{self, Wanted},
};
use crate::{
    dialogue::{memory::Search, press::Press, shown},
    flows::SlotKind,
    knowledge,
    templates::format,
};

/// So much of a product's title in a message names the product.
const NAMED: f32 = 0.5;
/// A stock this low is told as a number.
const FEW: u32 = 3;
/// How many products are looked at when one is meant.
const CANDIDATES: usize = 6;
/// How many are offered to choose from.
const MAX_CHOICES: usize = 3;

/// A product with the shop's prices and stock of this moment.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    pub(super) product: Product,
    levels: HashMap<Sku, StockLevel>,
    /// The colours that are wished, where it comes in one of them; else any will do.
    colours: Vec<String>,
}

/// The fact `product`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ProductFacts {
    title: String,
    description: String,
    price: Option<Money>,
    in_stock: bool,
    /// The sizes that can be had: `S, M, L`; empty when it has none.
    sizes: String,
    /// The colours it comes in: `pine, slate`; empty when none is known.
    colours: String,
}

impl Offer {
    /// Units that fit `size`; all when no size is meant.
    fn units<'a>(&'a self, size: Option<&'a str>) -> impl Iterator<Item = &'a StockLevel> {
        self.product
            .variants
            .iter()
            .filter(move |variant| size.is_none_or(|size| has_size(variant, size)))
            .filter(move |variant| self.is_in_colour(variant))
            .filter_map(|variant| self.levels.get(&variant.sku))
    }

    /// How many can be had.
    pub(super) fn quantity(&self, size: Option<&str>) -> u32 {
        self.units(size)
            .fold(0, |sum, level| sum.saturating_add(level.quantity))
    }

    /// The lowest price, of what can be had if anything can.
    pub(super) fn price(&self, size: Option<&str>) -> Option<Money> {
        let lowest = |only_available: bool| {
            self.units(size)
                .filter(|level| !only_available || level.quantity > 0)
                .map(|level| level.price)
                .min_by_key(|price| price.minor)
        };
        lowest(true).or_else(|| lowest(false))
    }

    /// Whether it comes in `size` at all.
    pub(super) fn comes_in(&self, size: &str) -> bool {
        let mut variants = self.product.variants.iter();
        variants.any(|variant| has_size(variant, size) && self.is_in_colour(variant))
    }

    fn is_in_colour(&self, variant: &Variant) -> bool {
        self.colours.is_empty() || has_colour(variant, &self.colours)
    }

    /// The same offer of its units in `colours` alone, if it has any.
    pub(super) fn in_colours(mut self, colours: &[String]) -> Self {
        let mut variants = self.product.variants.iter();
        if variants.any(|variant| has_colour(variant, colours)) {
            self.colours = colours.to_vec();
        }
        self
    }

    /// Whether it comes in sizes.
    pub(super) fn has_sizes(&self) -> bool {
        self.product
            .variants
            .iter()
            .any(|variant| variant.size.is_some())
    }

    /// The sizes that can be had, in the catalog's order.
    fn available_sizes(&self) -> String {
        let mut sizes: Vec<&str> = Vec::new();
        for variant in &self.product.variants {
            let Some(size) = variant.size.as_deref() else {
                continue;
            };
            let available = self.is_in_colour(variant)
                && self
                    .levels
                    .get(&variant.sku)
                    .is_some_and(|level| level.quantity > 0);
            if available && !sizes.contains(&size) {
                sizes.push(size);
            }
        }
        sizes.join(", ")
    }

    /// The colours it comes in, in the catalog's words and order.
    fn all_colours(&self) -> Vec<String> {
        let mut colours: Vec<String> = Vec::new();
        let variants = self.product.variants.iter();
        for colour in variants.filter_map(|variant| variant.colour.as_ref()) {
            if !colours.contains(colour) {
                colours.push(colour.clone());
            }
        }
        if colours.is_empty() {
            let mut attributes = self.product.attributes.iter();
            let is_colour = |name: &str| COLOUR_NAMES.contains(&name.to_lowercase().as_str());
            colours = attributes
                .find(|(name, _)| is_colour(name))
                .map(|(_, values)| values.clone())
                .unwrap_or_default();
        }
        colours
    }

    pub(super) fn facts(&self, size: Option<&str>) -> ProductFacts {
        ProductFacts {
            title: self.product.title.clone(),
            description: self.product.description.clone(),
            price: self.price(size),
            in_stock: self.quantity(size) > 0,
            sizes: self.available_sizes(),
            colours: self.all_colours().join(", "),
        }
    }
}

impl ProductFacts {
    pub(super) fn samples() -> Vec<Self> {
        let full = Self {
            title: "Rain Jacket".into(),
            description: "Keeps the rain out.".into(),
            price: Some(Money::new(12900, Currency::EUR)),
            in_stock: true,
            sizes: "S, M".into(),
            colours: "pine, slate".into(),
        };
        let bare = Self {
            price: None,
            in_stock: false,
            sizes: String::new(),
            colours: String::new(),
            ..full.clone()
        };
        vec![full, bare]
    }
}

fn has_size(variant: &Variant, size: &str) -> bool {
    let own = variant.size.as_deref();
    own.is_some_and(|own| is_size(own, size))
}

/// `EU 42` and `42` are one size.
pub(super) fn is_size(own: &str, size: &str) -> bool {
    let plain = |size: &str| {
        let size = size.trim().to_uppercase();
        size.strip_prefix("EU")
            .map_or(size.clone(), |rest| rest.trim().to_owned())
    };
    plain(own) == plain(size)
}

fn has_colour(variant: &Variant, colours: &[String]) -> bool {
    let own = variant.colour.as_deref().map(str::to_lowercase);
    own.is_some_and(|own| colours.iter().any(|colour| colour.to_lowercase() == own))
}

/// The products of `ids` with what they cost and how many there are now, in the same order.
pub(super) async fn offers(call: &Call<'_>, ids: &[String]) -> Result<Vec<Offer>, PortError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let products = call.scene.parts.shop.find_products(ids).await?;
    let skus: Vec<Sku> = products
        .iter()
        .flat_map(|product| product.variants.iter().map(|variant| variant.sku.clone()))
        .collect();
    let levels = call.scene.parts.shop.stock(&skus).await?;
    let by_sku: HashMap<Sku, StockLevel> = levels
        .into_iter()
        .map(|level| (level.sku.clone(), level))
        .collect();
    let offer = |product: Product| Offer {
        levels: product
            .variants
            .iter()
            .filter_map(|variant| by_sku.get_key_value(&variant.sku))
            .map(|(sku, level)| (sku.clone(), level.clone()))
            .collect(),
        product,
        colours: Vec::new(),
    };
    Ok(products.into_iter().map(offer).collect())
}

/// The products behind hits, with their live prices and stock.
pub(super) async fn offers_of(
    call: &Call<'_>,
    hits: &[SearchHit],
) -> Result<Vec<Offer>, PortError> {
    let ids: Vec<String> = hits
        .iter()
        .filter_map(|hit| knowledge::product_id(&hit.id))
        .map(str::to_owned)
        .collect();
    offers(call, &ids).await
}

/// What "it" means from now on. Of several that were shown, "the second one" stays the second.
pub(super) fn speak_of(call: &mut Call<'_>, offer: &Offer) {
    let id = &offer.product.id;
    if !call.memory.products.contains(id) {
        call.memory.products = vec![id.clone()];
    }
    call.memory.product = Some(id.clone());
}

/// Which product a message means.
pub(super) enum Meant {
    /// This one.
    One(Box<Offer>),
    /// One of these.
    Several(Vec<Offer>),
    /// None that we know.
    None,
}

/// The product that a button or the message names; else the one spoken of last; else what the index finds.
pub(super) async fn meant(call: &Call<'_>) -> Result<Meant, PortError> {
    let slot = call.slot("product").map(str::to_owned);
    if let Some(id) = &slot
        && let Some(offer) = offers(call, std::slice::from_ref(id)).await?.pop()
    {
        return Ok(Meant::One(Box::new(offer)));
    }
    let text = slot.as_deref().unwrap_or(&call.scene.waiting.text);
    if text.trim() == call.scene.waiting.text.trim()
        && let Some(id) = only_named(call)
        && let Some(offer) = offers(call, &[id]).await?.pop()
    {
        return Ok(Meant::One(Box::new(offer)));
    }
    let words = searching::words_of_message(call, text).await;
    let wanted = Wanted {
        limit: CANDIDATES,
        ..Wanted::default()
    };
    let hits = searching::search(call, &words, wanted).await?.hits;
    let mut found = offers_of(call, &hits).await?;
    if let Some(place) = named(&found, &words.text) {
        return Ok(Meant::One(Box::new(found.swap_remove(place))));
    }
    if slot.is_none()
        && let Some(last) = call.memory.spoken_of()
        && let Some(offer) = offers(call, std::slice::from_ref(last)).await?.pop()
    {
        return Ok(Meant::One(Box::new(offer)));
    }
    found.truncate(MAX_CHOICES);
    Ok(match found.len() {
        0 => Meant::None,
        1 => found
            .pop()
            .map_or(Meant::None, |offer| Meant::One(Box::new(offer))),
        _ => Meant::Several(found),
    })
}

/// The product that the message names by its title, if that is one: nothing has to be searched for then.
fn only_named(call: &Call<'_>) -> Option<String> {
    let mut named = all_named(call);
    let only = named.pop()?;
    named.is_empty().then_some(only)
}

/// The products that the message names by their titles, each once.
pub(super) fn all_named(call: &Call<'_>) -> Vec<String> {
    let mut named: Vec<String> = Vec::new();
    for entity in &call.scene.understanding.entities {
        if entity.kind == EntityKind::Product && !named.contains(&entity.value) {
            named.push(entity.value.clone());
        }
    }
    named
}

/// A colour that a message wishes a product in.
pub(super) struct WishedColour {
    /// As the customer wrote it.
    pub(super) said: String,
    /// The colours of the product that are it; none when it does not come in it.
    pub(super) own: Vec<String>,
}

/// The colour that the message wishes the product in, if it names one and the product has colours.
pub(super) fn wished_colour(call: &Call<'_>, offer: &Offer) -> Option<WishedColour> {
    let entities = &call.scene.understanding.entities;
    let is_of_a_title = |entity: &Entity| {
        entities.iter().any(|other| {
            other.kind == EntityKind::Product
                && other.start < entity.end
                && entity.start < other.end
        })
    };
    let entity = entities
        .iter()
        .find(|entity| shown::is_colour(entity) && !is_of_a_title(entity))?;
    let colours: Vec<(String, String)> = offer
        .all_colours()
        .into_iter()
        .map(|colour| (COLOUR.to_owned(), colour))
        .collect();
    if colours.is_empty() {
        return None;
    }
    let own = match entity.value.split_once('=') {
        Some((_, value)) => colours
            .into_iter()
            .filter(|(_, colour)| colour.to_lowercase() == value.to_lowercase())
            .collect(),
        None => narrowing::of_colour(call, &colours, &entity.value),
    };
    let text = &call.scene.waiting.text;
    let said = text.get(entity.start..entity.end).unwrap_or(&entity.value);
    Some(WishedColour {
        said: said.to_owned(),
        own: own.into_iter().map(|(_, colour)| colour).collect(),
    })
}

/// The product whose title the text names best, if it names one at all.
fn named(offers: &[Offer], text: &str) -> Option<usize> {
    let text = text.to_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    let share = |title: &str| {
        let title = title.to_lowercase();
        let title_words: Vec<&str> = title
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| word.chars().count() > 2)
            .collect();
        let found = title_words
            .iter()
            .filter(|word| words.contains(word))
            .count();
        found as f32 / title_words.len().max(1) as f32
    };
    offers
        .iter()
        .enumerate()
        .map(|(place, offer)| (place, share(&offer.product.title)))
        .filter(|(_, share)| *share >= NAMED)
        // Of equals the index's first one is meant.
        .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
        .map(|(place, _)| place)
}

/// The source of what offers say. It is as old as the oldest look-up: what a feed told is of the time of its import.
pub(super) fn source(call: &Call<'_>, offers: &[Offer]) -> FactSource {
    let source = call.shop_source();
    let levels = offers.iter().flat_map(|offer| offer.levels.values());
    let oldest = levels.map(|level| level.as_of).min();
    FactSource {
        as_of: oldest.map_or(source.as_of, |oldest| oldest.min(source.as_of)),
        ..source
    }
}

/// The outcome `choose`: each with what it costs now, and a button to choose it by.
pub(super) fn choose(call: &mut Call<'_>, offers: &[Offer]) -> Outcome {
    let id = |offer: &Offer| offer.product.id.clone();
    call.memory.products = offers.iter().map(id).collect();
    call.memory.product = None;
    call.memory.search = Some(Search {
        text: call.scene.waiting.text.clone(),
        ..Search::default()
    });
    Outcome {
        cards: offers.iter().map(|offer| card(call, offer, None)).collect(),
        buttons: choices(call, offers),
        sources: vec![source(call, offers)],
        ..Outcome::of("choose")
    }
}

/// Buttons to choose a product by.
fn choices(call: &Call<'_>, offers: &[Offer]) -> Vec<Button> {
    let slot = call.slot_name("product").unwrap_or_default();
    let button = |offer: &Offer| Button {
        label: offer.product.title.clone(),
        value: Press::Slot {
            name: slot.to_owned(),
            value: offer.product.id.clone(),
        }
        .to_string(),
    };
    offers.iter().map(button).collect()
}

/// A product as a channel shows it.
pub(super) fn card(call: &Call<'_>, offer: &Offer, size: Option<&str>) -> Card {
    let product = &offer.product;
    let price = offer.price(size);
    Card {
        title: product.title.clone(),
        subtitle: product.brand.clone(),
        image: product.image.clone(),
        price: price.map(|price| format::money(call.scene.language, &price)),
        stock: Some(stock_label(call, offer.quantity(size))),
        url: product.url.clone(),
        buttons: sizes_button(call, offer).into_iter().collect(),
    }
}

fn stock_label(call: &Call<'_>, quantity: u32) -> String {
    let facts = call.facts.clone().with("count", quantity);
    match quantity {
        0 => call.label("card_sold_out", &facts),
        1..=FEW => call.label("card_few_left", &facts),
        _ => call.label("card_in_stock", &facts),
    }
}

/// Leads to the flow that tells stock by size.
fn sizes_button(call: &Call<'_>, offer: &Offer) -> Option<Button> {
    let flow = call.scene.parts.flows.of_intent("stock_check")?;
    let slot = flow.slot_of(SlotKind::Product)?;
    let press = Press::Flow {
        flow: flow.name.clone(),
        slots: vec![(slot.name.clone(), offer.product.id.clone())],
    };
    Some(Button {
        label: call.label("button_stock", call.facts),
        value: press.to_string(),
    })
}

/// The most a customer wants to pay, in minor units of the shop's currency; none when they speak of another one.
pub(super) fn max_price(call: &Call<'_>) -> Option<Money> {
    price_of(call, EntityKind::MaxPrice)
}

/// The least, likewise.
pub(super) fn min_price(call: &Call<'_>) -> Option<Money> {
    price_of(call, EntityKind::MinPrice)
}

/// An amount of the shop's currency.
pub(super) fn money(call: &Call<'_>, minor: i64) -> Money {
    Money::new(minor, call.scene.parts.shop_profile.currency)
}

fn price_of(call: &Call<'_>, kind: EntityKind) -> Option<Money> {
    let value = &call.entity(kind)?.value;
    let currency = call.scene.parts.shop_profile.currency;
    let amount = match value.split_once(' ') {
        Some((code, amount)) if code == currency.code() => amount,
        Some(_) => return None,
        None => value,
    };
    let minor = minor_units(amount, currency.exponent().unwrap_or(2))?;
    Some(Money::new(minor, currency))
}

/// `50.5` with two decimal digits is 5050.
fn minor_units(amount: &str, exponent: u16) -> Option<i64> {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let mut digits = whole.to_owned();
    let places = usize::from(exponent);
    digits.extend(fraction.chars().chain(std::iter::repeat('0')).take(places));
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_become_minor_units_of_any_currency() {
        assert_eq!(minor_units("50", 2), Some(5000));
        assert_eq!(minor_units("50.5", 2), Some(5050));
        assert_eq!(minor_units("1999", 0), Some(1999));
        assert_eq!(minor_units("abc", 2), None);
    }

    #[test]
    fn sizes_are_compared_without_their_system() {
        let variant = |size: &str| Variant {
            sku: "A".into(),
            size: Some(size.into()),
            colour: None,
        };
        assert!(has_size(&variant("EU 42"), "42"));
        assert!(has_size(&variant("m"), "M"));
        assert!(!has_size(&variant("M"), "L"));
    }
}
