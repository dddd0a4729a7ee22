//! What the shop says of one product, or of each of those that a message compares, with its live price and stock.

use async_trait::async_trait;
use doorstep_core::health::PortError;

use super::{
    Action, ArgumentSpec, Call, FactMap, Outcome, OutcomeSpec, Takes,
    catalog::{self, Meant, Offer, ProductFacts},
    facts, json,
};
use crate::{dialogue::shown, flows::SlotKind};

/// How many products are described beside each other.
const MAX_COMPARED: usize = 4;

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
        match compared(call).await {
            Ok(offers) if offers.len() > 1 => return describe_all(call, &offers),
            Ok(_) => {}
            Err(error) => return Outcome::unreachable(&error),
        }
        match catalog::meant(call).await {
            Ok(Meant::One(offer)) => {
                catalog::speak_of(call, &offer);
                Outcome {
                    cards: vec![catalog::card(call, &offer, None)],
                    sources: vec![catalog::source(call, std::slice::from_ref(&*offer))],
                    ..Outcome::of("described")
                        .with("product", offer.facts(None))
                        .with("others", Vec::<ProductFacts>::new())
                }
            }
            Ok(Meant::Several(offers)) => catalog::choose(call, &offers),
            Ok(Meant::None) => Outcome::of("not_found"),
            Err(error) => Outcome::unreachable(&error),
        }
    }
}

/// The products that a message names or means, where it compares several: "what is the difference between the two?"
async fn compared(call: &Call<'_>) -> Result<Vec<Offer>, PortError> {
    if call.slot("product").is_some() {
        return Ok(Vec::new());
    }
    let mut meant = catalog::all_named(call);
    if meant.is_empty() {
        meant = shown::compared(&call.scene.waiting.text, call.memory);
    }
    meant.truncate(MAX_COMPARED);
    match meant.len() {
        0 | 1 => Ok(Vec::new()),
        _ => catalog::offers(call, &meant).await,
    }
}

fn describe_all(call: &mut Call<'_>, offers: &[Offer]) -> Outcome {
    call.memory.products = offers
        .iter()
        .map(|offer| offer.product.id.clone())
        .collect();
    call.memory.product = None;
    let mut facts = offers.iter().map(|offer| offer.facts(None));
    let first = facts.next();
    let others: Vec<ProductFacts> = facts.collect();
    Outcome {
        cards: offers
            .iter()
            .map(|offer| catalog::card(call, offer, None))
            .collect(),
        sources: vec![catalog::source(call, offers)],
        ..Outcome::of("described")
            .with("product", first)
            .with("others", others)
    }
}

/// `others` are the products that the message names besides.
fn described_samples() -> Vec<FactMap> {
    let all = ProductFacts::samples();
    let others = [Vec::new(), all.clone()];
    all.into_iter()
        .zip(others)
        .map(|(product, others)| facts([("product", json(product)), ("others", json(others))]))
        .collect()
}
