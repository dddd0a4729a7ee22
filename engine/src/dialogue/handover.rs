//! What a person is told who takes over a conversation: who, which order, what for, what was said, in which language.

use serde_json::json;

use super::{
    Scene,
    memory::{Memory, Wish},
    replies,
};
use crate::{templates::Facts, turn::Effect};

/// Why and about what a person is asked.
pub(crate) struct Request<'a> {
    /// An intent, or what else led here.
    pub(crate) reason: &'a str,
    /// The flow that could not help further.
    pub(crate) flow: Option<&'a str>,
    /// What the customer asked for besides, and is not answered yet.
    pub(crate) next: &'a [Wish],
    /// What the flow found out.
    pub(crate) facts: &'a Facts,
}

/// The request for a person, with its summary in the merchant's language.
pub(crate) fn effect(scene: &Scene<'_>, memory: &Memory, request: &Request<'_>) -> Effect {
    let reason = if scene.is_urgent() {
        "urgent"
    } else {
        request.reason
    };
    Effect::HandOff {
        reason: reason.to_owned(),
        summary: summary(scene, memory, request),
        urgent: scene.is_urgent(),
    }
}

/// Two wishes of one message can lead to a person each; one person is asked.
pub(super) fn keep_one(effects: &mut Vec<Effect>) {
    let mut asked = false;
    effects.retain(|effect| {
        let is_first = !asked;
        let asks = matches!(effect, Effect::HandOff { .. });
        asked |= asks;
        is_first || !asks
    });
}

fn summary(scene: &Scene<'_>, memory: &Memory, request: &Request<'_>) -> String {
    let parts = scene.parts;
    let language = &parts.shop_profile.merchant_language;
    let customer = scene.waiting.conversation.customer.as_ref();
    let proof = scene.waiting.proof.as_ref();
    let email = customer
        .and_then(|customer| customer.email.clone())
        .or_else(|| proof.and_then(|proof| proof.email.clone()));
    let order = request.facts.get("order");
    let order_number = order
        .and_then(|order| order["number"].as_str().map(str::to_owned))
        .or_else(|| memory.order.as_ref().map(ToString::to_string));
    let labels: Vec<String> = request
        .flow
        .into_iter()
        .chain(request.next.iter().map(|wish| wish.flow.as_str()))
        .filter_map(|flow| parts.flows.get(flow))
        .filter_map(|flow| {
            parts
                .templates
                .reply(&flow.label, language, &scene.session_facts())
                .ok()
        })
        .collect();
    let wish = (!labels.is_empty()).then(|| labels.join("; "));
    let facts = scene
        .session_facts()
        .with("urgent", scene.is_urgent())
        .with("email", email)
        .with("order_number", order_number)
        .with("order_stage", order.map(|order| order["stage"].clone()))
        .with("wish", wish)
        .with("message", &scene.waiting.text)
        .with("customer_language", scene.language.to_string())
        .with(
            "channel",
            scene.waiting.conversation.address.channel.as_str(),
        )
        .with("lines", json!(memory.lines));
    parts
        .templates
        .reply(replies::SUMMARY, language, &facts)
        .unwrap_or_else(|error| {
            tracing::error!(%error, "a summary could not be written; the bare message is handed over");
            scene.waiting.text.clone()
        })
}
