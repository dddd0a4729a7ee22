//! Whether a product, in a size, can be had at this moment.

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

/// `size` is none when the customer named none.
fn stock_samples() -> Vec<FactMap> {
    let mut samples = Vec::new();
    for product in ProductFacts::samples() {
        for size in [Value::from("M"), Value::Null] {
            samples.push(facts([
                ("product", json(product.clone())),
                ("size", size),
                ("count", 2.into()),
            ]));
        }
    }
    samples
}

fn tell(call: &mut Call<'_>, offer: &Offer) -> Outcome {
    let size = call
        .slot("size")
        .filter(|_| offer.has_sizes())
        .map(str::to_owned);
    let size = size.as_deref();
    let unknown_size = size.is_some_and(|size| !offer.comes_in(size));
    let shown_size = size.filter(|_| !unknown_size);
    let count = offer.quantity(shown_size);
    let name = match count {
        _ if unknown_size => "no_such_size",
        0 => "sold_out",
        _ => "in_stock",
    };
    catalog::speak_of(call, offer);
    Outcome {
        cards: vec![catalog::card(call, offer, shown_size)],
        sources: vec![catalog::source(call, std::slice::from_ref(offer))],
        ..Outcome::of(name)
            .with("product", offer.facts(shown_size))
            .with("size", size)
            .with("count", count)
    }
}
