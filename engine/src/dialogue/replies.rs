//! What the dialogue itself says, beside the flows: names of replies, with samples of the facts each may use.

use doorstep_core::Money;
use iso_currency::Currency;
use serde_json::{Value, json};

use crate::actions::{FactMap, facts, json as fact, offering, policy};

/// The question of an interrupted flow is taken up again. Fact: `question`.
pub(crate) const RESUME: &str = "resume";
/// What a message asked for besides is taken up in a later turn. Fact: `wish`, the label of its flow.
pub(crate) const NEXT_WISH: &str = "next_wish";
/// Two intents are likely.
pub(crate) const DID_YOU_MEAN: &str = "did_you_mean";
/// A question in between of which nothing is known.
pub(crate) const NOT_KNOWN: &str = "not_known";
/// Understood, and nothing that a shop deals with: what can be asked instead.
pub(crate) const OUT_OF_SCOPE: &str = "out_of_scope";
/// Not understood for the first time: examples.
pub(crate) const REPHRASE: &str = "fallback_rephrase";
/// Not understood again: a person is offered.
pub(crate) const OFFER_PERSON: &str = "fallback_offer_person";
/// Not understood for the third time: a person takes over.
pub(crate) const GIVE_UP: &str = "fallback_hand_over";
/// A person takes over.
pub(crate) const HANDED_OVER: &str = "handed_over";
/// A person takes over at once.
pub(crate) const HANDED_OVER_URGENT: &str = "handed_over_urgent";
/// A message reached the person who has the conversation.
pub(crate) const ACKNOWLEDGED: &str = "acknowledged_for_person";
/// The person has given the conversation back.
pub(crate) const HANDED_BACK: &str = "handed_back";
/// Subject and text of the mail that tells the shop's people that one of them is asked for. Facts: `urgent`, `channel`, `wish`,
/// and `handoff`, its identifier.
pub(crate) const MAIL_SUBJECT: &str = "handover_mail_subject";
pub(crate) const MAIL: &str = "handover_mail";
/// What that person reads. In the merchant's language.
pub(crate) const SUMMARY: &str = "handover_summary";
/// What the shop has written about a question that no flow is for. Fact: `passage`.
pub(crate) const KNOWLEDGE: &str = "policy_answer";
/// The same, in another language than the customer's.
pub(crate) const KNOWLEDGE_OTHER_LANGUAGE: &str = "policy_answer_other_language";
/// The customer does not want what was offered.
pub(crate) const DECLINED: &str = "declined";
/// A "yes" that answers nothing.
pub(crate) const GO_ON: &str = "go_on";
/// A button of a conversation that was forgotten.
pub(crate) const EXPIRED: &str = "button_expired";
/// Files came without a word. Fact: `count`.
pub(crate) const FILES: &str = "files_received";
/// A reply could not be made.
pub(crate) const TROUBLE: &str = "trouble";
/// An "ok" that answers nothing.
pub(crate) const NOTED: &str = "noted";
/// The question that stands for the wish to send something back, and to exchange something: what the shop's pages are asked.
pub(crate) const QUESTION_RETURN: &str = "question_return";
pub(crate) const QUESTION_EXCHANGE: &str = "question_exchange";
/// Label of the button that asks for a person.
pub(crate) const BUTTON_PERSON: &str = "button_person";

/// All of them, and the labels on cards, each with samples of its facts.
pub(crate) fn samples() -> Vec<(&'static str, Vec<FactMap>)> {
    let bare = [
        DID_YOU_MEAN,
        NOT_KNOWN,
        OUT_OF_SCOPE,
        REPHRASE,
        OFFER_PERSON,
        GIVE_UP,
        HANDED_OVER,
        HANDED_OVER_URGENT,
        ACKNOWLEDGED,
        HANDED_BACK,
        DECLINED,
        GO_ON,
        EXPIRED,
        TROUBLE,
        BUTTON_PERSON,
        NOTED,
        QUESTION_RETURN,
        QUESTION_EXCHANGE,
        "today",
        "tomorrow",
        "button_stock",
    ];
    let mut samples: Vec<_> = bare
        .into_iter()
        .map(|name| (name, vec![FactMap::new()]))
        .collect();
    samples.push((RESUME, vec![facts([("question", json!("Which order?"))])]));
    samples.push((NEXT_WISH, vec![facts([("wish", json!("Warranty"))])]));
    for name in [KNOWLEDGE, KNOWLEDGE_OTHER_LANGUAGE] {
        samples.push((name, policy::passage_samples()));
    }
    samples.push((
        offering::BY_VALUE,
        vec![facts([("value", json!("blue")), ("count", json!(12))])],
    ));
    let price = fact(Money::new(5000, Currency::EUR));
    samples.push((
        offering::BY_PRICE,
        vec![facts([("price", price), ("count", json!(7))])],
    ));
    let counts = [1, 3].map(|count| facts([("count", json!(count))]));
    samples.push((FILES, counts.into()));
    samples.push((SUMMARY, summary_samples()));
    for name in [MAIL_SUBJECT, MAIL] {
        samples.push((name, mail_samples()));
    }
    for name in ["card_in_stock", "card_few_left", "card_sold_out"] {
        samples.push((name, vec![facts([("count", json!(2))])]));
    }
    samples
}

fn mail_samples() -> Vec<FactMap> {
    let sample = |urgent: bool, wish: Value| {
        facts([
            ("urgent", json!(urgent)),
            ("channel", json!("webchat")),
            ("wish", wish),
            ("handoff", json!("019ab7c0-0000-7000-8000-000000000000")),
        ])
    };
    vec![
        sample(true, json!(null)),
        sample(false, json!("Something broken")),
    ]
}

fn summary_samples() -> Vec<FactMap> {
    let sample = |known: Value, wish: Value, lines: Value| {
        facts([
            ("urgent", json!(known.is_null())),
            ("email", known.clone()),
            ("order_number", known.clone()),
            ("order_stage", known),
            ("wish", wish),
            ("message", json!("It is broken")),
            ("customer_language", json!("es")),
            ("channel", json!("webchat")),
            ("lines", lines),
        ])
    };
    vec![
        sample(
            json!("x"),
            json!("Something broken"),
            json!([{"customer": true, "text": "Hi"}, {"customer": false, "text": "Hello"}]),
        ),
        sample(json!(null), json!(null), json!([])),
    ]
}
