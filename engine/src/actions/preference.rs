//! What a customer wants to hear of us unasked.

use async_trait::async_trait;
use doorstep_core::notification::Topic;

use super::{Action, ArgumentSpec, Call, Outcome, OutcomeSpec, Takes};
use crate::turn::Effect;

pub(super) struct SetPreference;

#[async_trait]
impl Action for SetPreference {
    fn name(&self) -> &'static str {
        "set_preference"
    }

    fn arguments(&self) -> &'static [ArgumentSpec] {
        const ARGUMENTS: &[ArgumentSpec] = &[
            ArgumentSpec {
                name: "messages",
                takes: Takes::Words(&["start", "stop"]),
                required: true,
            },
            ArgumentSpec {
                name: "about",
                takes: Takes::Words(&["order", "marketing"]),
                required: true,
            },
        ];
        ARGUMENTS
    }

    fn outcomes(&self) -> &'static [OutcomeSpec] {
        const OUTCOMES: &[OutcomeSpec] = &[OutcomeSpec::bare("set")];
        OUTCOMES
    }

    async fn run(&self, call: &mut Call<'_>) -> Outcome {
        let allowed = call
            .words("messages")
            .first()
            .is_some_and(|word| word == "start");
        let effect = |about: &String| Effect::SetPreference {
            topic: match about.as_str() {
                "marketing" => Topic::Marketing,
                _ => Topic::Order,
            },
            allowed,
        };
        Outcome {
            effects: call.words("about").iter().map(effect).collect(),
            ..Outcome::of("set")
        }
    }
}
