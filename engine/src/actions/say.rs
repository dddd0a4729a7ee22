//! Nothing but what the flow says.

use async_trait::async_trait;

use super::{Action, ArgumentSpec, Call, Outcome, OutcomeSpec};

pub(super) struct Say;

#[async_trait]
impl Action for Say {
    fn name(&self) -> &'static str {
        "say"
    }

    fn arguments(&self) -> &'static [ArgumentSpec] {
        &[]
    }

    fn outcomes(&self) -> &'static [OutcomeSpec] {
        const OUTCOMES: &[OutcomeSpec] = &[OutcomeSpec::bare("said")];
        OUTCOMES
    }

    async fn run(&self, _call: &mut Call<'_>) -> Outcome {
        Outcome::of("said")
    }
}
