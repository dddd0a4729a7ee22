//! Asks a person to take over, with a summary of what they need to know.

use async_trait::async_trait;

use super::{Action, ArgumentSpec, Call, Outcome, OutcomeSpec};
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
        const OUTCOMES: &[OutcomeSpec] = &[OutcomeSpec::bare("handed_over")];
        OUTCOMES
    }

    async fn run(&self, call: &mut Call<'_>) -> Outcome {
        let request = handover::Request {
            reason: &call.frame.intent,
            flow: Some(&call.frame.flow),
            next: &call.frame.next,
            facts: call.facts,
        };
        let effect = handover::effect(call.scene, call.memory, &request);
        Outcome {
            effects: vec![effect],
            ..Outcome::of("handed_over")
        }
    }
}
