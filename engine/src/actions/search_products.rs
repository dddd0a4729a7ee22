//! Finds products that fit what a customer describes.

use std::{cmp::Reverse, collections::BTreeMap};

use async_trait::async_trait;
use doorstep_core::{
    Money,
    health::PortError,
    search::{Facets, SearchAnswer, SearchFilters, SearchSort},
    understanding::EntityKind,
};
use iso_currency::Currency;
use serde_json::json;

use super::{
    Action, ArgumentSpec, Call, FactMap, Outcome, OutcomeSpec, Takes,
    catalog::{self, Offer},
    facts, json as fact, kinds, narrowing, offering,
    searching::{self, CatalogWords, Wanted},
};
use crate::{
    dialogue::{memory::Search, shown::FollowUp, sorting::Order},
    flows::SlotKind,
    knowledge,
};

/// How many cards are shown.
const MAX_CARDS: usize = 4;
/// How many hits are looked at, as some turn out to be too dear or sold out.
const MAX_HITS: usize = 12;

/// What narrows a search that was made before.
const ADDED: [EntityKind; 3] = [EntityKind::Colour, EntityKind::Attribute, EntityKind::Size];

pub(super) struct SearchProducts;

#[async_trait]
impl Action for SearchProducts {
    fn name(&self) -> &'static str {
        "search_products"
    }

    fn arguments(&self) -> &'static [ArgumentSpec] {
        const ARGUMENTS: &[ArgumentSpec] = &[
            ArgumentSpec {
                name: "query",
                takes: Takes::Slot(&[SlotKind::Text, SlotKind::Product]),
                required: false,
            },
            ArgumentSpec {
                name: offering::NARROW,
                takes: Takes::Slot(&[SlotKind::Text]),
                required: false,
            },
            ArgumentSpec {
                name: offering::OFFER,
                takes: Takes::Words(&[]),
                required: false,
            },
        ];
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
            Ok(wish) => find(call, wish).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(found) => tell(call, found),
            Err(error) => Outcome::unreachable(&error),
        }
    }
}

/// `max_price` and `size` are what the customer wished, `without` what nothing has that they wished, `sort` `cheapest` or
/// `dearest`; none when they did not say.
fn wish_samples() -> Vec<FactMap> {
    let sample = |max_price, size, count, without, sort| {
        facts([
            ("max_price", fact(max_price)),
            ("size", size),
            ("count", json!(count)),
            ("without", without),
            ("sort", sort),
        ])
    };
    let none = || json!(null);
    let price = Some(Money::new(5000, Currency::EUR));
    vec![
        sample(price, json!("M"), 3, none(), json!("cheapest")),
        sample(None::<Money>, none(), 3, none(), json!("dearest")),
        sample(None::<Money>, none(), 2, json!("blue"), none()),
        sample(None::<Money>, none(), 1, none(), none()),
    ]
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
    /// What the message names that is to become filters.
    added: &'static [EntityKind],
}

/// What was found.
struct Found {
    wish: Wish,
    offers: Vec<Offer>,
    /// What nothing has that was wished, as the customer wrote it.
    without: Option<String>,
    facets: Option<Facets>,
}

/// What the message asks for: by itself, or of what was shown before.
async fn wish(call: &Call<'_>) -> Result<Wish, PortError> {
    let before = call.memory.search.clone().unwrap_or_default();
    let followed = |search| Wish {
        search,
        is_anew: true,
        ..Wish::default()
    };
    if let Some(narrower) = call.slot(offering::NARROW).and_then(offering::read) {
        return Ok(followed(before.narrowed_by(narrower)));
    }
    let narrowed = |sort| Wish {
        added: &ADDED,
        ..followed(before.clone().narrowed_by(said(call, String::new(), sort)))
    };
    Ok(match call.follow_up {
        Some(FollowUp::Like(id)) => Wish {
            except: Some(id.clone()),
            ..followed(Search {
                text: card_of(call, id).await?.0,
                ..Search::default()
            })
        },
        Some(FollowUp::With(id)) => {
            let (text, kind) = card_of(call, id).await?;
            let attributes = match kind {
                Some(kind) => kinds::others(call, &kind).await?,
                None => BTreeMap::new(),
            };
            Wish {
                except: Some(id.clone()),
                ..followed(Search {
                    text,
                    attributes,
                    ..Search::default()
                })
            }
        }
        Some(FollowUp::Cheaper) => Wish {
            below: price_spoken_of(call).await?,
            ..followed(before)
        },
        Some(FollowUp::Sorted(sort)) => narrowed(*sort),
        Some(FollowUp::Narrower) => narrowed(SearchSort::Relevance),
        Some(FollowUp::This | FollowUp::Stock(_)) | None => of_its_own(call),
    })
}

/// A search by the message alone.
fn of_its_own(call: &Call<'_>) -> Wish {
    let text = match call.slot("query") {
        Some(query) => query.to_owned(),
        None => {
            searching::without_filters(&call.scene.waiting.text, &call.scene.understanding.entities)
        }
    };
    let (text, sort) = match Order::of(&text) {
        // Without a word of what it is: all there is.
        Some(order) if !order.says_more() => (String::new(), order.sort),
        Some(order) => (order.what().to_owned(), order.sort),
        None => (text, SearchSort::Relevance),
    };
    Wish {
        search: said(call, text, sort),
        is_anew: sort != SearchSort::Relevance,
        added: &[EntityKind::Size],
        ..Wish::default()
    }
}

/// What the message itself says, with `text` as its words.
fn said(call: &Call<'_>, text: String, sort: SearchSort) -> Search {
    let size = call.entity(EntityKind::Size);
    Search {
        text,
        max_price: catalog::max_price(call).map(|price| price.minor),
        min_price: catalog::min_price(call).map(|price| price.minor),
        size: size.map(|entity| entity.value.clone()),
        sort,
        ..Search::default()
    }
}

/// A product in words, and of what kind it is.
async fn card_of(call: &Call<'_>, id: &String) -> Result<(String, Option<String>), PortError> {
    let offer = catalog::offers(call, std::slice::from_ref(id)).await?.pop();
    Ok(offer.map_or_else(Default::default, |offer| {
        let product = offer.product;
        let kind = product.category.as_deref().map(knowledge::category_words);
        (format!("{}. {}", product.title, product.description), kind)
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

/// Products that fit. What the message adds to a search of before and nothing has is left out again, and told.
async fn find(call: &Call<'_>, mut wish: Wish) -> Result<Found, PortError> {
    let mut words = match wish.is_anew {
        true => searching::other_words(call, &wish.search.text).await,
        false => searching::words_of_message(call, &wish.search.text).await,
    };
    let narrowing = narrowing::read(call, &mut wish.search, &words, wish.added).await?;
    if !narrowing.words.is_empty() {
        let text = format!("{} {}", wish.search.text, narrowing.words.join(" "));
        wish.search.text = text.trim().to_owned();
        words = searching::other_words(call, &wish.search.text).await;
    }
    let mut without = narrowing.lacking;
    let before = wish.search.attributes.clone();
    wish.search.attributes.extend(narrowing.attributes);
    let mut found = answer(call, &wish, &words).await?;
    if found.hits.is_empty() && wish.search.attributes != before {
        wish.search.attributes = before;
        without = without.or(narrowing.said);
        found = answer(call, &wish, &words).await?;
    }
    let offers = catalog::offers_of(call, &found.hits).await?;
    let (offers, lacks_size) = fitting(&wish, offers);
    if lacks_size {
        without = without.or_else(|| wish.search.size.clone());
    }
    Ok(Found {
        without: without.filter(|_| !offers.is_empty()),
        facets: found.facets,
        offers,
        wish,
    })
}

/// What the index finds for a wish.
async fn answer(
    call: &Call<'_>,
    wish: &Wish,
    words: &CatalogWords,
) -> Result<SearchAnswer, PortError> {
    let filters = SearchFilters {
        max_price: most(wish),
        ..searching::filters(&wish.search)
    };
    if let Some(id) = &wish.except {
        let document = knowledge::document_id(id);
        let index = &call.scene.parts.search;
        let hits = index.similar(&document, &filters, MAX_HITS).await?;
        if !hits.is_empty() {
            return Ok(SearchAnswer { hits, facets: None });
        }
    }
    let wanted = Wanted {
        filters,
        sort: wish.search.sort,
        facets: offering::facets(call),
        limit: MAX_HITS,
    };
    let is_by_price = wanted.sort != SearchSort::Relevance;
    if !is_by_price && wanted.filters.attributes.is_empty() {
        return searching::search(call, words, wanted).await;
    }
    let wanted = kinds::of_kind(call, words, wanted).await?;
    if !is_by_price {
        return searching::search(call, words, wanted).await;
    }
    // What can be had, if anything can.
    let mut in_stock = wanted.clone();
    in_stock.filters.in_stock = true;
    let found = searching::search(call, words, in_stock).await?;
    match found.hits.is_empty() {
        true => searching::search(call, words, wanted).await,
        false => Ok(found),
    }
}

/// The most it may cost.
fn most(wish: &Wish) -> Option<i64> {
    let below = wish.below.map(|price| price - 1);
    wish.search.max_price.into_iter().chain(below).min()
}

/// Those that fit the price and, if any does, the size, by the shop's own facts; those that can be had come first. Whether
/// none of them comes in the size, though they come in sizes.
fn fitting(wish: &Wish, offers: Vec<Offer>) -> (Vec<Offer>, bool) {
    let search = &wish.search;
    let colours = narrowing::colours(search);
    let mut offers: Vec<Offer> = offers
        .into_iter()
        .map(|offer| offer.in_colours(&colours))
        .collect();
    offers.retain(|offer| wish.except.as_ref() != Some(&offer.product.id));
    // The index's prices may be old; the shop's are not.
    let max_price = most(wish);
    offers.retain(|offer| {
        offer.price(None).is_none_or(|price| {
            max_price.is_none_or(|max| price.minor <= max)
                && search.min_price.is_none_or(|min| price.minor >= min)
        })
    });
    let size = search.size.as_deref();
    let comes_in = |offer: &Offer| size.is_none_or(|size| offer.comes_in(size));
    let lacks_size = !offers.iter().any(comes_in) && offers.iter().any(Offer::has_sizes);
    let comes_in_it = offers.iter().any(comes_in);
    if comes_in_it {
        offers.retain(comes_in);
    }
    let size = size.filter(|_| comes_in_it);
    let price = |offer: &Offer| offer.price(size).map(|price| price.minor);
    match search.sort {
        SearchSort::Relevance => {}
        SearchSort::PriceAscending => {
            offers.sort_by_key(|offer| price(offer).unwrap_or(i64::MAX));
        }
        SearchSort::PriceDescending => offers.sort_by_key(|offer| Reverse(price(offer))),
    }
    offers.sort_by_key(|offer| offer.quantity(size) == 0);
    (offers, lacks_size)
}

fn tell(call: &mut Call<'_>, found: Found) -> Outcome {
    let Found {
        wish,
        mut offers,
        without,
        facets,
    } = found;
    offers.truncate(MAX_CARDS);
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
    let buttons = facets.map_or_else(Vec::new, |facets| {
        offering::buttons(call, &wish.search, &facets, offers.len())
    });
    let sort = match wish.search.sort {
        SearchSort::Relevance => None,
        SearchSort::PriceAscending => Some("cheapest"),
        SearchSort::PriceDescending => Some("dearest"),
    };
    let max_price = wish.search.max_price;
    let outcome = Outcome {
        cards,
        buttons,
        sources: vec![catalog::source(call, &offers)],
        ..Outcome::of(name)
            .with(
                "max_price",
                max_price.map(|minor| catalog::money(call, minor)),
            )
            .with("size", size)
            .with("count", offers.len())
            .with("without", without)
            .with("sort", sort)
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
