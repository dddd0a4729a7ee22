//! What a merchant wrote as the answer to an intent of their own (G4: their file is its source). Not for flows: they say
//! replies.

use async_trait::async_trait;
use doorstep_core::message::FactSource;

use super::{Action, ArgumentSpec, Call, Outcome, OutcomeSpec};

/// The argument that names where the answer stands.
pub(crate) const SOURCE: &str = "source";
/// The only outcome.
pub(crate) const SAID: &str = "said";

pub(super) struct OwnAnswer;

#[async_trait]
impl Action for OwnAnswer {
    fn name(&self) -> &'static str {
        "own_answer"
    }

    fn arguments(&self) -> &'static [ArgumentSpec] {
        &[]
    }

    fn outcomes(&self) -> &'static [OutcomeSpec] {
        const OUTCOMES: &[OutcomeSpec] = &[OutcomeSpec::bare(SAID)];
        OUTCOMES
    }

    async fn run(&self, call: &mut Call<'_>) -> Outcome {
        let sources = call.words(SOURCE).iter().map(|file| FactSource {
            name: format!("policy:{file}"),
            as_of: call.scene.now,
        });
        Outcome {
            sources: sources.collect(),
            ..Outcome::of(SAID)
        }
    }
}
