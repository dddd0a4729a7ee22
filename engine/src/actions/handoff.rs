//! Asks a person to take over, with a summary of what they need to know.

use async_trait::async_trait;
use serde_json::Value;

use super::{Action, ArgumentSpec, Call, FactMap, Outcome, OutcomeSpec, facts, json};
use crate::dialogue::handover;

pub(super) struct HandOff;

#[async_trait]
impl Action for HandOff {
    fn name(&self) -> &'static str {
        "handoff"
    }

    fn arguments(&self) -> &'static [ArgumentSpec] {
        &[]
    }

    fn outcomes(&self) -> &'static [OutcomeSpec] {
        const OUTCOMES: &[OutcomeSpec] = &[OutcomeSpec {
            name: "handed_over",
            samples: || [json("10234"), Value::Null].map(order_number).to_vec(),
        }];
        OUTCOMES
    }

    async fn run(&self, call: &mut Call<'_>) -> Outcome {
        let request = handover::Request {
            reason: &call.frame.intent,
            flow: Some(&call.frame.flow),
            next: &call.frame.next,
            facts: call.facts,
        };
        let known = handover::order_number(call.scene, call.memory, call.facts);
        let effect = handover::effect(call.scene, call.memory, &request);
        Outcome {
            effects: vec![effect],
            facts: order_number(json(known)),
            ..Outcome::of("handed_over")
        }
    }
}

/// The fact `order_number`: nobody is asked for what is known.
fn order_number(number: Value) -> FactMap {
    facts([("order_number", number)])
}
