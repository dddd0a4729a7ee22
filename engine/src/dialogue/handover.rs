//! What a person is told who takes over a conversation: who, which order, what for, what was said, in which language.

use doorstep_core::{
    HandoffId, Language, Timestamp,
    message::{Address, Content},
    understanding::EntityKind,
};
use serde_json::json;

use super::{
    Scene,
    memory::{Memory, Wish},
    replies,
};
use crate::{
    router::ShopProfile,
    store::Handoff,
    templates::{Facts, TemplateError, Templates},
    turn::{Effect, StaffMail},
};

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
    let ambient = &scene.parts.ambient;
    let id = HandoffId::new(&*ambient.clock, &*ambient.entropy);
    let wish = wish(scene, request);
    let staff = scene.parts.shop_profile.staff.as_ref();
    Effect::HandOff {
        id,
        reason: reason.to_owned(),
        mail: staff.and_then(|to| mail(scene, to, id, wish.as_deref())),
        summary: summary(scene, memory, request, wish),
        urgent: scene.is_urgent(),
    }
}

/// What the customer is told when a person gives the conversation back; `said` are that person's own words.
///
/// # Errors
/// The reply could not be made.
pub fn handed_back(
    templates: &Templates,
    profile: &ShopProfile,
    handoff: &Handoff,
    said: Option<&str>,
    now: Timestamp,
) -> Result<(Content, Language), TemplateError> {
    let language = handoff.language.as_ref();
    let language = language.unwrap_or(&profile.default_language).clone();
    let facts = Facts::new(now, profile.time_zone)
        .with("shop", json!({"name": profile.name}))
        .with("customer", json!({"name": handoff.name}));
    let told = templates.reply(replies::HANDED_BACK, &language, &facts)?;
    let text = match said {
        Some(said) => format!("{said}\n\n{told}"),
        None => told,
    };
    Ok((Content::text(text), language))
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

/// Tells the shop's people that somebody waits, and where to read what for. Not those who wrote it themselves.
fn mail(
    scene: &Scene<'_>,
    to: &Address,
    id: HandoffId,
    wish: Option<&str>,
) -> Option<Box<StaffMail>> {
    let address = &scene.waiting.conversation.address;
    if address == to {
        return None;
    }
    let parts = scene.parts;
    let language = &parts.shop_profile.merchant_language;
    let facts = scene
        .session_facts()
        .with("urgent", scene.is_urgent())
        .with("channel", address.channel.as_str())
        .with("wish", wish)
        .with("handoff", id.to_string());
    let reply = |name| parts.templates.reply(name, language, &facts);
    let written = reply(replies::MAIL_SUBJECT).and_then(|subject| {
        Ok(Content {
            subject: Some(subject),
            ..Content::text(reply(replies::MAIL)?)
        })
    });
    match written {
        Ok(content) => Some(Box::new(StaffMail {
            to: to.clone(),
            content,
            language: language.clone(),
        })),
        Err(error) => {
            tracing::error!(%error, "a mail about a hand-over could not be written");
            None
        }
    }
}

/// What the customer wants, by the labels of the flows.
fn wish(scene: &Scene<'_>, request: &Request<'_>) -> Option<String> {
    let parts = scene.parts;
    let language = &parts.shop_profile.merchant_language;
    let facts = scene.session_facts();
    let labels: Vec<String> = request
        .flow
        .into_iter()
        .chain(request.next.iter().map(|wish| wish.flow.as_str()))
        .filter_map(|flow| parts.flows.get(flow))
        .filter_map(|flow| parts.templates.reply(&flow.label, language, &facts).ok())
        .collect();
    (!labels.is_empty()).then(|| labels.join("; "))
}

/// The order that a person is asked about: what the flow found, else what the message names, else what was spoken of last.
pub(crate) fn order_number(scene: &Scene<'_>, memory: &Memory, facts: &Facts) -> Option<String> {
    let found = facts
        .get("order")
        .and_then(|order| order["number"].as_str());
    let named = || scene.understanding.entity(EntityKind::OrderNumber);
    let last = || memory.order.as_ref().map(ToString::to_string);
    found
        .map(str::to_owned)
        .or_else(|| named().map(|named| named.value.clone()))
        .or_else(last)
}

fn summary(
    scene: &Scene<'_>,
    memory: &Memory,
    request: &Request<'_>,
    wish: Option<String>,
) -> String {
    let parts = scene.parts;
    let language = &parts.shop_profile.merchant_language;
    let customer = scene.waiting.conversation.customer.as_ref();
    let proof = scene.waiting.proof.as_ref();
    let email = customer
        .and_then(|customer| customer.email.clone())
        .or_else(|| proof.and_then(|proof| proof.email.clone()));
    let order = request.facts.get("order");
    let facts = scene
        .session_facts()
        .with("urgent", scene.is_urgent())
        .with("email", email)
        .with("order_number", order_number(scene, memory, request.facts))
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
