//! Finds products that fit what a customer describes.

use async_trait::async_trait;
use doorstep_core::{
    Money,
    health::PortError,
    search::{SearchFilters, SearchHit},
    understanding::{Entity, EntityKind},
};
use iso_currency::Currency;
use serde_json::json;

use super::{
    Action, ArgumentSpec, Call, FactMap, Outcome, OutcomeSpec, Takes,
    catalog::{self, Offer},
    facts, json as fact,
};
use crate::{
    dialogue::{
        memory::Search,
        shown::{self, FollowUp},
    },
    flows::SlotKind,
    knowledge,
};

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
        let found = match wish(call).await {
            Ok(wish) => fitting(call, &wish).await.map(|offers| (wish, offers)),
            Err(error) => Err(error),
        };
        match found {
            Ok((wish, offers)) => tell(call, wish, &offers),
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

/// What is looked for.
#[derive(Default)]
struct Wish {
    search: Search,
    /// Whether the words are others than the message's.
    is_anew: bool,
    /// In minor units of the shop's currency.
    below: Option<i64>,
    /// The product that the others are to be like.
    except: Option<String>,
}

/// What the message asks for: by itself, or of what was shown before.
async fn wish(call: &Call<'_>) -> Result<Wish, PortError> {
    let before = call.memory.search.clone().unwrap_or_default();
    let followed = |search| Wish {
        search,
        is_anew: true,
        ..Wish::default()
    };
    Ok(match shown::follow_up(call.scene, call.memory) {
        Some(FollowUp::Like(id)) => Wish {
            except: Some(id.clone()),
            ..followed(Search {
                text: card_of(call, &id).await?,
                ..Search::default()
            })
        },
        Some(FollowUp::Cheaper) => Wish {
            below: price_spoken_of(call).await?,
            ..followed(before)
        },
        Some(FollowUp::Narrower) => {
            followed(before.narrowed_by(said(call, describing_words(call))))
        }
        Some(FollowUp::This) | None => {
            let text = match call.slot("query") {
                Some(query) => query.to_owned(),
                None => words_of(&call.scene.waiting.text, &call.scene.understanding.entities),
            };
            Wish {
                search: said(call, text),
                ..Wish::default()
            }
        }
    })
}

/// What the message itself says, with `text` as its words.
fn said(call: &Call<'_>, text: String) -> Search {
    let size = call.entity(EntityKind::Size);
    Search {
        text,
        max_price: catalog::max_price(call).map(|price| price.minor),
        min_price: catalog::min_price(call).map(|price| price.minor),
        size: size.map(|entity| entity.value.clone()),
    }
}

/// "Blue" of "and what about in blue?".
fn describing_words(call: &Call<'_>) -> String {
    let entities = call.scene.understanding.entities.iter();
    let describing = entities
        .filter(|entity| matches!(entity.kind, EntityKind::Colour | EntityKind::Attribute))
        .filter_map(|entity| call.scene.waiting.text.get(entity.start..entity.end));
    describing.collect::<Vec<_>>().join(" ")
}

/// A product in words.
async fn card_of(call: &Call<'_>, id: &String) -> Result<String, PortError> {
    let offer = catalog::offers(call, std::slice::from_ref(id)).await?.pop();
    Ok(offer.map_or_else(String::new, |offer| {
        format!("{}. {}", offer.product.title, offer.product.description)
    }))
}

/// What the product costs that was spoken of last.
async fn price_spoken_of(call: &Call<'_>) -> Result<Option<i64>, PortError> {
    let Some(id) = call.memory.spoken_of() else {
        return Ok(None);
    };
    let offer = catalog::offers(call, std::slice::from_ref(id)).await?.pop();
    Ok(offer
        .and_then(|offer| offer.price(None))
        .map(|price| price.minor))
}

async fn hits(
    call: &Call<'_>,
    wish: &Wish,
    filters: SearchFilters,
) -> Result<Vec<SearchHit>, PortError> {
    if let Some(id) = &wish.except {
        let document = knowledge::document_id(id);
        let index = &call.scene.parts.search;
        let alike = index.similar(&document, &filters, MAX_HITS).await?;
        if !alike.is_empty() {
            return Ok(alike);
        }
    }
    let text = &wish.search.text;
    match wish.is_anew {
        true => catalog::search_anew(call, text, filters, MAX_HITS).await,
        false => catalog::search(call, text, filters, MAX_HITS).await,
    }
}

/// Products that fit the words, the price and, if any does, the size; those that can be had come first.
async fn fitting(call: &Call<'_>, wish: &Wish) -> Result<Vec<Offer>, PortError> {
    let search = &wish.search;
    let below = wish.below.map(|price| price - 1);
    let max_price = search.max_price.into_iter().chain(below).min();
    let filters = SearchFilters {
        min_price: search.min_price,
        max_price,
        ..SearchFilters::default()
    };
    let hits = hits(call, wish, filters).await?;
    let mut offers = catalog::offers_of(call, &hits).await?;
    offers.retain(|offer| wish.except.as_ref() != Some(&offer.product.id));
    // The index's prices may be old; the shop's are not.
    offers.retain(|offer| {
        offer.price(None).is_none_or(|price| {
            max_price.is_none_or(|max| price.minor <= max)
                && search.min_price.is_none_or(|min| price.minor >= min)
        })
    });
    let size = search.size.as_deref();
    if let Some(size) = size
        && offers.iter().any(|offer| offer.comes_in(size))
    {
        offers.retain(|offer| offer.comes_in(size));
    }
    offers.sort_by_key(|offer| offer.quantity(size) == 0);
    offers.truncate(MAX_CARDS);
    Ok(offers)
}

fn tell(call: &mut Call<'_>, wish: Wish, offers: &[Offer]) -> Outcome {
    let size = wish.search.size.as_deref();
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
    let max_price = wish.search.max_price;
    let outcome = Outcome {
        cards,
        sources: vec![call.shop_source()],
        ..Outcome::of(name)
            .with(
                "max_price",
                max_price.map(|minor| catalog::money(call, minor)),
            )
            .with("size", size)
            .with("count", offers.len())
    };
    // Who hears that there is nothing cheaper still speaks of what there is.
    if !(offers.is_empty() && wish.is_anew) {
        let id = |offer: &Offer| offer.product.id.clone();
        call.memory.products = offers.iter().map(id).collect();
        call.memory.product = None;
        call.memory.search = Some(wish.search);
    }
    outcome
}
