//! What the shop says of one product, with its live price and stock.

use async_trait::async_trait;

use super::{
    Action, ArgumentSpec, Call, FactMap, Outcome, OutcomeSpec, Takes,
    catalog::{self, Meant, ProductFacts},
    facts, json,
};
use crate::flows::SlotKind;

pub(super) struct DescribeProduct;

#[async_trait]
impl Action for DescribeProduct {
    fn name(&self) -> &'static str {
        "describe_product"
    }

    fn arguments(&self) -> &'static [ArgumentSpec] {
        const ARGUMENTS: &[ArgumentSpec] = &[ArgumentSpec {
            name: "product",
            takes: Takes::Slot(&[SlotKind::Product]),
            required: true,
        }];
        ARGUMENTS
    }

    fn outcomes(&self) -> &'static [OutcomeSpec] {
        const OUTCOMES: &[OutcomeSpec] = &[
            OutcomeSpec {
                name: "described",
                samples: described_samples,
            },
            OutcomeSpec::bare("choose"),
            OutcomeSpec::bare("not_found"),
            OutcomeSpec::bare("unreachable"),
        ];
        OUTCOMES
    }

    async fn run(&self, call: &mut Call<'_>) -> Outcome {
        match catalog::meant(call).await {
            Ok(Meant::One(offer)) => {
                catalog::speak_of(call, &offer);
                Outcome {
                    cards: vec![catalog::card(call, &offer, None)],
                    sources: vec![catalog::source(call, std::slice::from_ref(&*offer))],
                    ..Outcome::of("described").with("product", offer.facts(None))
                }
            }
            Ok(Meant::Several(offers)) => catalog::choose(call, &offers),
            Ok(Meant::None) => Outcome::of("not_found"),
            Err(error) => Outcome::unreachable(&error),
        }
    }
}

fn described_samples() -> Vec<FactMap> {
    ProductFacts::samples()
        .into_iter()
        .map(|product| facts([("product", json(product))]))
        .collect()
}
