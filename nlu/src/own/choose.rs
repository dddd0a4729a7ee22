//! Own intents against the built-in ones.
//!
//! | the own intent | the likeliest built-in one | then |
//! |---|---|---|
//! | reaches its threshold | is no wish, or is not clearly surer | the own one is acted on |
//! | reaches its threshold | is a wish, accepted and surer by [`CLEARLY`] | both are likely: the customer is asked, or the built-in one is acted on, as the margin says |
//! | does not | | the built-in ones decide; the own one is a reading among others |
//!
//! The own head has seen the built-in intents' examples, so its word counts more than that of the model, which never saw
//! the merchant's.

use doorstep_core::understanding::{ScoredIntent, Understanding};

/// By so much a built-in intent must be surer to hold its place, 0 to 1.
const CLEARLY: f32 = 0.3;
/// Built-in intents that wish for nothing, and so never stand in the way of one that does.
pub(super) const NO_WISHES: [&str; 6] =
    ["greeting", "thanks", "goodbye", "yes", "no", "out_of_scope"];

/// A confidence brought to another scale, on which `threshold` is `accept`; straight lines below and above it.
pub(super) fn mapped(confidence: f32, threshold: f32, accept: f32) -> f32 {
    let below = confidence < threshold;
    let mapped = if below {
        // Just under it may not be rounded up to it.
        (accept * confidence / threshold).min(accept - f32::EPSILON)
    } else if threshold < 1.0 {
        accept + (1.0 - accept).max(0.0) * (confidence - threshold) / (1.0 - threshold)
    } else {
        accept
    };
    mapped.clamp(0.0, accept.max(1.0))
}

/// Gives an own intent its place among the intents of a message. Those that it beats stay further behind than `margin`, so
/// that it is acted on.
pub(super) fn settle(own: ScoredIntent, margin: f32, understanding: &mut Understanding) {
    let is_sure = own.confidence >= understanding.accept;
    if is_sure && !is_beaten(&own, understanding) {
        let most = (own.confidence - margin - f32::EPSILON).max(0.0);
        for intent in &mut understanding.intents {
            intent.confidence = (intent.confidence * (1.0 - own.confidence)).min(most);
        }
        understanding.asks.clear();
        understanding.intents.insert(0, own);
        return;
    }
    let place = understanding
        .intents
        .iter()
        .position(|intent| intent.confidence < own.confidence)
        .unwrap_or(understanding.intents.len());
    understanding.intents.insert(place, own);
}

fn is_beaten(own: &ScoredIntent, understanding: &Understanding) -> bool {
    understanding.top_intent().is_some_and(|top| {
        !NO_WISHES.contains(&top.name.as_str())
            && top.confidence >= understanding.accept
            && top.confidence >= own.confidence + CLEARLY
    })
}

#[cfg(test)]
mod tests {
    use doorstep_core::{
        Language,
        understanding::{Backend, Escalation, Sentiment},
    };
    use proptest::prelude::*;

    use super::*;

    fn intent(name: &str, confidence: f32) -> ScoredIntent {
        ScoredIntent {
            name: name.to_owned(),
            confidence,
        }
    }

    /// What the built-in intents and an own one of this confidence come to, at a threshold of 0.5 and a margin of 0.15.
    fn settled(own: f32, built_in: &[(&str, f32)]) -> Vec<ScoredIntent> {
        let mut understanding = Understanding {
            language: Language::ENGLISH,
            intents: built_in
                .iter()
                .map(|(name, sure)| intent(name, *sure))
                .collect(),
            asks: Vec::new(),
            accept: 0.5,
            escalation: Escalation::Normal,
            sentiment: Sentiment::Neutral,
            entities: Vec::new(),
            vector: None,
            backend: Backend::Tract,
        };
        settle(intent("gifts", own), 0.15, &mut understanding);
        understanding.intents
    }

    #[test]
    fn an_own_intent_that_is_sure_is_acted_on() {
        for built_in in [
            ("discount_code", 0.6),
            ("out_of_scope", 0.99),
            ("stock_check", 0.2),
        ] {
            let intents = settled(0.55, &[built_in, ("warranty", 0.01)]);
            assert_eq!(intents[0].name, "gifts");
            assert!(
                intents[0].confidence - intents[1].confidence >= 0.15,
                "{intents:?}"
            );
        }
    }

    #[test]
    fn a_built_in_intent_that_is_clearly_surer_holds_its_place() {
        let intents = settled(0.55, &[("order_status", 0.9), ("warranty", 0.01)]);
        let names: Vec<&str> = intents.iter().map(|intent| intent.name.as_str()).collect();
        assert_eq!(names, ["order_status", "gifts", "warranty"]);
        let intents = settled(0.2, &[("order_status", 0.4)]);
        assert_eq!(intents[0].name, "order_status");
    }

    proptest! {
        #[test]
        fn mapping_keeps_the_order_and_what_is_acted_on(
            one in 0.0_f32..=1.0, other in 0.0_f32..=1.0,
            threshold in 0.01_f32..=1.01, accept in 0.05_f32..=1.0,
        ) {
            let (a, b) = (mapped(one, threshold, accept), mapped(other, threshold, accept));
            prop_assert!(one > other || a <= b + 1e-6);
            prop_assert_eq!(one >= threshold, a >= accept);
        }
    }
}
