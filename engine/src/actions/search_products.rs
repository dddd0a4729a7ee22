//! Finds products that fit what a customer describes.

use async_trait::async_trait;
use doorstep_core::{
    Money,
    health::PortError,
    search::SearchFilters,
    understanding::{Entity, EntityKind},
};
use iso_currency::Currency;
use serde_json::json;

use super::{
    Action, ArgumentSpec, Call, FactMap, Outcome, OutcomeSpec, Takes,
    catalog::{self, Offer},
    facts, json as fact,
};
use crate::flows::SlotKind;

/// How many cards are shown.
const MAX_CARDS: usize = 4;
/// How many hits are looked at, as some turn out to be too dear or sold out.
const MAX_HITS: usize = 12;

pub(super) struct SearchProducts;

#[async_trait]
impl Action for SearchProducts {
    fn name(&self) -> &'static str {
        "search_products"
    }

    fn arguments(&self) -> &'static [ArgumentSpec] {
        const ARGUMENTS: &[ArgumentSpec] = &[ArgumentSpec {
            name: "query",
            takes: Takes::Slot(&[SlotKind::Text, SlotKind::Product]),
            required: false,
        }];
        ARGUMENTS
    }

    fn outcomes(&self) -> &'static [OutcomeSpec] {
        const OUTCOMES: &[OutcomeSpec] = &[
            OutcomeSpec {
                name: "found",
                samples: wish_samples,
            },
            OutcomeSpec {
                name: "sold_out",
                samples: wish_samples,
            },
            OutcomeSpec {
                name: "nothing",
                samples: wish_samples,
            },
            OutcomeSpec::bare("unreachable"),
        ];
        OUTCOMES
    }

    async fn run(&self, call: &mut Call<'_>) -> Outcome {
        let size = call
            .entity(EntityKind::Size)
            .map(|entity| entity.value.clone());
        match fitting(call, size.as_deref()).await {
            Ok(offers) => tell(call, &offers, size.as_deref()),
            Err(error) => Outcome::unreachable(&error),
        }
    }
}

/// `max_price` and `size` are what the customer wished; none when they did not say.
fn wish_samples() -> Vec<FactMap> {
    let sample = |max_price, size, count| {
        facts([
            ("max_price", fact(max_price)),
            ("size", size),
            ("count", json!(count)),
        ])
    };
    vec![
        sample(Some(Money::new(5000, Currency::EUR)), json!("M"), 3),
        sample(None::<Money>, json!(null), 1),
    ]
}

/// The text without the price and size in it, which filter and would else be looked for as words: no torch called "150"
/// for who wants to pay 150 at most.
fn words_of(text: &str, entities: &[Entity]) -> String {
    let filters = entities.iter().filter(|entity| {
        use EntityKind::{MaxPrice, MinPrice, Size};
        matches!(entity.kind, MaxPrice | MinPrice | Size)
    });
    let mut words = text.to_owned();
    for entity in filters.collect::<Vec<_>>().into_iter().rev() {
        if words.get(entity.start..entity.end).is_some() {
            words.replace_range(entity.start..entity.end, " ");
        }
    }
    words
}

/// Products that fit the words, the price and, if any does, the size; those that can be had come first.
async fn fitting(call: &Call<'_>, size: Option<&str>) -> Result<Vec<Offer>, PortError> {
    let max_price = catalog::max_price(call);
    let min_price = catalog::min_price(call);
    let filters = SearchFilters {
        min_price: min_price.map(|price| price.minor),
        max_price: max_price.map(|price| price.minor),
        ..SearchFilters::default()
    };
    let text = match call.slot("query") {
        Some(query) => query.to_owned(),
        None => words_of(&call.scene.waiting.text, &call.scene.understanding.entities),
    };
    let hits = catalog::search(call, &text, filters, MAX_HITS).await?;
    let mut offers = catalog::offers_of(call, &hits).await?;
    // The index's prices may be old; the shop's are not.
    offers.retain(|offer| {
        offer.price(None).is_none_or(|price| {
            max_price.is_none_or(|max| price.minor <= max.minor)
                && min_price.is_none_or(|min| price.minor >= min.minor)
        })
    });
    if let Some(size) = size
        && offers.iter().any(|offer| offer.comes_in(size))
    {
        offers.retain(|offer| offer.comes_in(size));
    }
    offers.sort_by_key(|offer| offer.quantity(size) == 0);
    offers.truncate(MAX_CARDS);
    Ok(offers)
}

fn tell(call: &mut Call<'_>, offers: &[Offer], size: Option<&str>) -> Outcome {
    let size = size.filter(|size| offers.iter().any(|offer| offer.comes_in(size)));
    let name = if offers.is_empty() {
        "nothing"
    } else if offers.iter().all(|offer| offer.quantity(size) == 0) {
        "sold_out"
    } else {
        "found"
    };
    let cards = offers
        .iter()
        .map(|offer| catalog::card(call, offer, size))
        .collect();
    call.memory.products = offers
        .iter()
        .map(|offer| offer.product.id.clone())
        .collect();
    Outcome {
        cards,
        sources: vec![call.shop_source()],
        ..Outcome::of(name)
            .with("max_price", catalog::max_price(call))
            .with("size", size)
            .with("count", offers.len())
    }
}
