//! Whether a product, in a size and a colour, can be had at this moment.

use async_trait::async_trait;
use serde_json::Value;

use super::{
    Action, ArgumentSpec, Call, FactMap, Outcome, OutcomeSpec, Takes,
    catalog::{self, Meant, Offer, ProductFacts},
    facts, json,
};
use crate::flows::SlotKind;

pub(super) struct CheckStock;

#[async_trait]
impl Action for CheckStock {
    fn name(&self) -> &'static str {
        "check_stock"
    }

    fn arguments(&self) -> &'static [ArgumentSpec] {
        const ARGUMENTS: &[ArgumentSpec] = &[
            ArgumentSpec {
                name: "product",
                takes: Takes::Slot(&[SlotKind::Product]),
                required: true,
            },
            ArgumentSpec {
                name: "size",
                takes: Takes::Slot(&[SlotKind::Size]),
                required: false,
            },
        ];
        ARGUMENTS
    }

    fn outcomes(&self) -> &'static [OutcomeSpec] {
        const OUTCOMES: &[OutcomeSpec] = &[
            OutcomeSpec {
                name: "in_stock",
                samples: stock_samples,
            },
            OutcomeSpec {
                name: "sold_out",
                samples: stock_samples,
            },
            OutcomeSpec {
                name: "no_such_size",
                samples: stock_samples,
            },
            OutcomeSpec::bare("choose"),
            OutcomeSpec::bare("not_found"),
            OutcomeSpec::bare("unreachable"),
        ];
        OUTCOMES
    }

    async fn run(&self, call: &mut Call<'_>) -> Outcome {
        match catalog::meant(call).await {
            Ok(Meant::One(offer)) => tell(call, &offer),
            Ok(Meant::Several(offers)) => catalog::choose(call, &offers),
            Ok(Meant::None) => Outcome::of("not_found"),
            Err(error) => Outcome::unreachable(&error),
        }
    }
}

/// `size` and `colour` are none when the customer named none. Where it is the colour that the product does not come in, `size`
/// is that colour too.
fn stock_samples() -> Vec<FactMap> {
    let mut samples = Vec::new();
    for product in ProductFacts::samples() {
        for (size, colour) in [("M".into(), Value::Null), (Value::Null, "slate".into())] {
            samples.push(facts([
                ("product", json(product.clone())),
                ("size", size),
                ("colour", colour),
                ("count", 2.into()),
            ]));
        }
    }
    samples
}

fn tell(call: &mut Call<'_>, offer: &Offer) -> Outcome {
    let wished = catalog::wished_colour(call, offer);
    let unknown_colour = wished.as_ref().filter(|colour| colour.own.is_empty());
    let in_colour = wished
        .as_ref()
        .map(|colour| offer.clone().in_colours(&colour.own));
    let offer = in_colour.as_ref().unwrap_or(offer);
    let size = call
        .slot("size")
        .filter(|_| offer.has_sizes())
        .map(str::to_owned);
    let unknown_size = size.as_deref().is_some_and(|size| !offer.comes_in(size));
    let shown_size = size.as_deref().filter(|_| !unknown_size);
    let count = offer.quantity(shown_size);
    let name = match count {
        _ if unknown_size || unknown_colour.is_some() => "no_such_size",
        0 => "sold_out",
        _ => "in_stock",
    };
    let colour = match (unknown_colour, &wished) {
        (Some(unknown), _) => Some(unknown.said.clone()),
        (None, Some(known)) if !unknown_size => Some(known.own.join(", ")),
        (None, _) => None,
    };
    let lacking = colour.as_deref().filter(|_| unknown_colour.is_some());
    catalog::speak_of(call, offer);
    Outcome {
        cards: vec![catalog::card(call, offer, shown_size)],
        sources: vec![catalog::source(call, std::slice::from_ref(offer))],
        ..Outcome::of(name)
            .with("product", offer.facts(shown_size))
            .with("size", lacking.or(size.as_deref()))
            .with("colour", colour.as_deref())
            .with("count", count)
    }
}
