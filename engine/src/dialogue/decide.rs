//! What a message means where the conversation stands. Pure: looks nothing up, changes nothing.

use doorstep_core::understanding::{EntityKind, ScoredIntent};

use super::{
    Scene, cues,
    memory::{Frame, Memory},
    press::Press,
    shown::{self, FollowUp},
    slots::Reading,
    sorting::Order,
};
use crate::flows::{Flow, SlotKind};

/// So much of the accepted confidence makes an intent worth asking about.
const PLAUSIBLE: f32 = 0.4;
/// The intent of looking for products.
pub(super) const SEARCH: &str = "product_search";
/// The intent of what a shop's messenger does not deal with.
const OUT_OF_SCOPE: &str = "out_of_scope";

/// With more words beside it, a kind of products is what a message mentions, not what it asks for.
const MAX_WORDS_BESIDE_KIND: usize = 3;
/// A longer message is about more than another order.
const MAX_WORDS_OF_ANOTHER_ORDER: usize = 6;
/// From this confidence on, what is out of scope is so whatever it names.
const QUITE_SURE: f32 = 0.9;

/// What a message means.
#[derive(Debug, PartialEq)]
pub(crate) enum Intention {
    /// A wish of its own.
    Start(Start),
    /// Several wishes, in the order in which they are uttered. Two or more.
    Several(Vec<Start>),
    /// The answer to the question in hand.
    Fill(String, String),
    /// Another value for a slot of the flow in hand, or of the one just answered.
    Correct(String, String),
    /// No answer to the question in hand.
    AskAgain,
    /// A question of the customer's own of which nothing is known, instead of an answer to the one in hand.
    Aside,
    /// "No" to a question or an offer.
    Decline,
    /// "Yes" to nothing in particular.
    GoOn,
    /// "Ok" to what was told.
    Note,
    /// Another order than this one, for the flow in hand or the one just answered.
    OtherOrder(String),
    /// A button whose conversation was forgotten.
    Expired,
    /// One of these flows, most likely first.
    Clarify(Vec<String>),
    /// Surely nothing that a shop deals with.
    OutOfScope,
    /// Nothing we know.
    NotUnderstood,
}

/// A flow to start.
#[derive(Debug, PartialEq)]
pub(crate) struct Start {
    pub(crate) flow: String,
    pub(crate) intent: String,
    /// Slots that a button fills.
    pub(crate) slots: Vec<(String, String)>,
    /// Whether a button starts it: then what the message before it named counts too.
    pub(crate) by_button: bool,
    /// What it wishes of the products that were shown.
    pub(crate) follow_up: Option<FollowUp>,
}

impl Start {
    pub(crate) fn new(flow: &Flow, intent: &str) -> Self {
        Self {
            flow: flow.name.clone(),
            intent: intent.to_owned(),
            slots: Vec::new(),
            by_button: false,
            follow_up: None,
        }
    }
}

/// What the model makes of a message alone.
pub(super) enum Guess<'a> {
    /// The flow, and the intent that leads there.
    Sure(&'a Flow, &'a str),
    /// As [`Guess::Sure`], more than once and in order; the flows differ.
    Several(Vec<(&'a Flow, &'a str)>),
    /// Perhaps these, most likely first; at least one.
    Unsure(Vec<&'a Flow>),
    Unknown,
}

impl<'a> Guess<'a> {
    /// The first flow that is surely wished for and is not `flow`.
    fn other_than(&self, flow: &Flow) -> Option<&'a Flow> {
        let wished = match self {
            Self::Sure(wished, _) => vec![*wished],
            Self::Several(wishes) => wishes.iter().map(|(wished, _)| *wished).collect(),
            Self::Unsure(_) | Self::Unknown => Vec::new(),
        };
        wished.into_iter().find(|wished| wished.name != flow.name)
    }
}

/// Decides what the message means.
pub(crate) fn decide(scene: &Scene<'_>, memory: &Memory, press: Option<&Press>) -> Intention {
    if let Some(press) = press {
        return of_press(scene, memory, press);
    }
    another_order(scene, memory)
        .or_else(|| answer_to_question(scene, memory))
        .or_else(|| answer_to_offer(scene, memory))
        .or_else(|| correction(scene, memory))
        .or_else(|| bare_entity(scene))
        .or_else(|| bare_title(scene))
        .or_else(|| of_shown(scene, memory))
        .or_else(|| help(scene))
        .unwrap_or_else(|| of_guess(scene, memory))
}

fn of_press(scene: &Scene<'_>, memory: &Memory, press: &Press) -> Intention {
    let flows = &scene.parts.flows;
    let start = |flow: &Flow, slots: &[(String, String)]| {
        let intent = flow.intents.first().map_or("", String::as_str);
        Intention::Start(Start {
            slots: slots.to_vec(),
            by_button: true,
            ..Start::new(flow, intent)
        })
    };
    match press {
        Press::HandOff => flows
            .of_intent("human_agent")
            .map_or(Intention::NotUnderstood, |flow| start(flow, &[])),
        Press::Flow { flow, slots } => match flows.get(flow) {
            Some(flow) if slots.iter().all(|(name, _)| flow.slot(name).is_some()) => {
                start(flow, slots)
            }
            _ => Intention::Expired,
        },
        Press::Slot { name, value } => of_slot_press(scene, memory, name, value)
            .or_else(|| {
                let flow = flows.of_entity(EntityKind::OrderNumber)?;
                let slot = flow
                    .slot(name)
                    .filter(|slot| slot.kind == SlotKind::OrderNumber)?;
                Some(start(flow, &[(slot.name.clone(), value.clone())]))
            })
            .unwrap_or(Intention::Expired),
    }
}

fn of_slot_press(scene: &Scene<'_>, memory: &Memory, name: &str, value: &str) -> Option<Intention> {
    let has_slot = |frame: &&Frame| {
        scene
            .parts
            .flows
            .get(&frame.flow)
            .is_some_and(|flow| flow.slot(name).is_some())
    };
    let frame = memory.frames.last().filter(has_slot);
    let frame = frame.or_else(|| memory.finished.as_ref().filter(has_slot))?;
    let (name, value) = (name.to_owned(), value.to_owned());
    Some(if frame.asked.as_deref() == Some(&name) {
        Intention::Fill(name, value)
    } else {
        Intention::Correct(name, value)
    })
}

/// Another order than the one spoken of, without its number: "and the other one?", "no, my other order".
fn another_order(scene: &Scene<'_>, memory: &Memory) -> Option<Intention> {
    const NUMBERS: [EntityKind; 2] = [EntityKind::OrderNumber, EntityKind::TrackingNumber];
    let reading = scene.reading();
    let is_numbered = NUMBERS
        .into_iter()
        .any(|kind| scene.understanding.entity(kind).is_some());
    if is_numbered
        || reading.word_count() > MAX_WORDS_OF_ANOTHER_ORDER
        || !cues::speaks_of_another_order(reading.text)
    {
        return None;
    }
    let frame = memory.frames.last().or(memory.finished.as_ref())?;
    let flow = scene.parts.flows.get(&frame.flow)?;
    let slot = flow.slot_of(SlotKind::OrderNumber)?;
    let told = memory.order.as_ref().map(ToString::to_string);
    let than = frame.slots.get(&slot.name).cloned().or(told)?;
    let wishes_something_else = guess(scene).other_than(flow).is_some();
    (!wishes_something_else).then_some(Intention::OtherOrder(than))
}

/// While a question is open, its answer is looked for first. A message that surely wishes something else and holds no
/// answer is left to that wish; a customer's own question that is not so sure is no failed answer either.
fn answer_to_question(scene: &Scene<'_>, memory: &Memory) -> Option<Intention> {
    let (frame, asked) = memory.asking()?;
    let flow = scene.parts.flows.get(&frame.flow)?;
    let slot = flow.slot(asked)?;
    let reading = scene.reading();
    let guess = guess(scene);
    let other = guess.other_than(flow);
    if let Some(value) = reading.volunteered(slot.kind) {
        let wants_it_elsewhere =
            other.is_some_and(|other| other.slot_of(slot.kind).is_some()) && !reading.is_bare();
        return (!wants_it_elsewhere).then(|| Intention::Fill(slot.name.clone(), value));
    }
    let takes_anything = matches!(slot.kind, SlotKind::Text | SlotKind::Product);
    let answer = reading.answer(slot.kind);
    if other.is_some() && (takes_anything || answer.is_none() || !reading.is_bare()) {
        return None;
    }
    if let Some(value) = answer {
        return Some(Intention::Fill(slot.name.clone(), value));
    }
    if let Some(correction) = correction(scene, memory) {
        return Some(correction);
    }
    if says(scene, "no") {
        return Some(Intention::Decline);
    }
    if says(scene, "yes") && offers_something_else(memory) {
        return None;
    }
    if !cues::is_question(&scene.waiting.text) {
        return Some(Intention::AskAgain);
    }
    Some(match guess {
        Guess::Unsure(flows) if flows[0].name != flow.name => clarify(flows),
        Guess::Unknown if is_out_of_scope(scene) => Intention::OutOfScope,
        Guess::Unknown => Intention::Aside,
        Guess::Sure(..) | Guess::Several(_) | Guess::Unsure(_) => Intention::AskAgain,
    })
}

/// Whether the last answer offered another matter or a person beside the question in hand.
fn offers_something_else(memory: &Memory) -> bool {
    let first = memory.offered.first();
    first
        .and_then(|button| Press::parse(&button.value))
        .is_some_and(|press| matches!(press, Press::Flow { .. } | Press::HandOff))
}

fn clarify(flows: Vec<&Flow>) -> Intention {
    Intention::Clarify(flows.into_iter().map(|flow| flow.name.clone()).collect())
}

/// "Yes" presses the first button offered, "no" none. "Ok" is a "yes" where that is what was asked; else it takes note of what
/// was told.
fn answer_to_offer(scene: &Scene<'_>, memory: &Memory) -> Option<Intention> {
    if says(scene, "no") && correction(scene, memory).is_none() {
        return Some(Intention::Decline);
    }
    let takes_note = memory.asking().is_none() && cues::takes_note(&scene.waiting.text);
    if takes_note && (memory.offered.is_empty() || !memory.asked_last()) {
        return Some(Intention::Note);
    }
    if !takes_note && !says(scene, "yes") {
        return None;
    }
    let first = memory.offered.first();
    let press = first.and_then(|button| Press::parse(&button.value));
    Some(press.map_or(Intention::GoOn, |press| of_press(scene, memory, &press)))
}

/// A new value for something the flow in hand, or the one just answered, was told before: "no, the other order 10235".
fn correction(scene: &Scene<'_>, memory: &Memory) -> Option<Intention> {
    const KINDS: [SlotKind; 3] = [
        SlotKind::OrderNumber,
        SlotKind::TrackingNumber,
        SlotKind::Size,
    ];
    let frame = memory.frames.last().or(memory.finished.as_ref())?;
    let flow = scene.parts.flows.get(&frame.flow)?;
    if guess(scene).other_than(flow).is_some() {
        return None;
    }
    let reading = scene.reading();
    flow.slots
        .iter()
        .filter(|slot| KINDS.contains(&slot.kind))
        .find_map(|slot| {
            let value = reading.volunteered(slot.kind)?;
            let before = frame.slots.get(&slot.name);
            let differs = before.is_some_and(|before| *before != value);
            let adds = before.is_none() && reading.is_bare();
            (differs || adds).then(|| Intention::Correct(slot.name.clone(), value))
        })
}

/// A message that is hardly more than an order's or a parcel's number, and says nothing else that we understand.
fn bare_entity(scene: &Scene<'_>) -> Option<Intention> {
    let reading: Reading<'_> = scene.reading();
    let says_more = match guess(scene) {
        Guess::Sure(..) | Guess::Several(_) => true,
        Guess::Unsure(_) => reading.words_outside_entities() > 1,
        Guess::Unknown => !reading.is_bare(),
    };
    if says_more {
        return None;
    }
    scene.understanding.entities.iter().find_map(|entity| {
        let flow = scene.parts.flows.of_entity(entity.kind)?;
        let intent = flow.intents.first().map_or("", String::as_str);
        Some(Intention::Start(Start::new(flow, intent)))
    })
}

/// A product's title and nothing else is looked for, unless the model surely knows better.
fn bare_title(scene: &Scene<'_>) -> Option<Intention> {
    let product = scene.understanding.entity(EntityKind::Product)?;
    let text = scene.reading().text;
    let around = [text.get(..product.start)?, text.get(product.end..)?];
    let says_more = around.concat().contains(char::is_alphanumeric);
    if says_more || matches!(guess(scene), Guess::Sure(..) | Guess::Several(_)) {
        return None;
    }
    let flow = scene.parts.flows.of_intent(SEARCH)?;
    Some(Intention::Start(Start::new(flow, SEARCH)))
}

/// More of what was shown, or about one of it.
fn of_shown(scene: &Scene<'_>, memory: &Memory) -> Option<Intention> {
    let follow_up = shown::follow_up(scene, memory)?;
    let intent = match follow_up {
        FollowUp::This => "product_question",
        FollowUp::Stock(_) => "stock_check",
        FollowUp::Like(_)
        | FollowUp::With(_)
        | FollowUp::Cheaper
        | FollowUp::Sorted(_)
        | FollowUp::Narrower => SEARCH,
    };
    let flow = scene.parts.flows.of_intent(intent)?;
    let mut start = Start::new(flow, intent);
    if let (FollowUp::Stock(product), Some(slot)) = (&follow_up, flow.slot_of(SlotKind::Product)) {
        start.slots.push((slot.name.clone(), product.clone()));
    }
    start.follow_up = Some(follow_up);
    Some(Intention::Start(start))
}

/// Who asks what they can ask is greeted once more: the greeting says it.
fn help(scene: &Scene<'_>) -> Option<Intention> {
    let is_sure = matches!(guess(scene), Guess::Sure(..) | Guess::Several(_));
    if is_sure || !cues::asks_for_help(&scene.waiting.text) {
        return None;
    }
    let flow = scene.parts.flows.of_intent("greeting")?;
    Some(Intention::Start(Start::new(flow, "greeting")))
}

fn of_guess(scene: &Scene<'_>, memory: &Memory) -> Intention {
    match guess(scene) {
        Guess::Sure(flow, intent) => Intention::Start(Start::new(flow, intent)),
        Guess::Several(wishes) => Intention::Several(
            wishes
                .into_iter()
                .map(|(flow, intent)| Start::new(flow, intent))
                .collect(),
        ),
        Guess::Unsure(flows) => match of_an_order(scene, memory, &flows) {
            Some(flow) => {
                let intent = flow.intents.first().map_or("", String::as_str);
                Intention::Start(Start::new(flow, intent))
            }
            None => clarify(flows),
        },
        Guess::Unknown if is_out_of_scope(scene) => Intention::OutOfScope,
        Guess::Unknown => Intention::NotUnderstood,
    }
}

/// How an order stands, where that is one of what is likely and an order is in question: one that the message names, or the one
/// whose state was just told ("when will it arrive?"). Telling it once more is harmless; whatever else may be meant to be done
/// with an order is asked about.
fn of_an_order<'a>(scene: &Scene<'_>, memory: &Memory, likely: &[&'a Flow]) -> Option<&'a Flow> {
    let of_number = scene.parts.flows.of_entity(EntityKind::OrderNumber)?;
    let place = likely.iter().position(|flow| flow.name == of_number.name)?;
    let names = |kind| scene.understanding.entity(kind).is_some();
    let is_named = names(EntityKind::OrderNumber) || names(EntityKind::TrackingNumber);
    let last = memory.finished.as_ref();
    let was_told = memory.order.is_some() && last.is_some_and(|last| last.flow == of_number.name);
    let takes_order = |flow: &&&Flow| flow.slot_of(SlotKind::OrderNumber).is_some();
    let is_only_one = likely.iter().filter(takes_order).count() == 1;
    let is_meant = is_only_one && (is_named || was_told) || place == 0 && was_told;
    is_meant.then(|| likely[place])
}

/// Whether the message is surely nothing that a shop deals with. A word alone tells too little; what names an order, a parcel
/// or a product is the shop's matter whatever the model says; what comes with a file is not told by its words.
fn is_out_of_scope(scene: &Scene<'_>) -> bool {
    const MATTERS: [EntityKind; 3] = [
        EntityKind::OrderNumber,
        EntityKind::TrackingNumber,
        EntityKind::Product,
    ];
    let understanding = scene.understanding;
    let Some(top) = understanding.top_intent() else {
        return false;
    };
    let next = understanding.intents.get(1);
    let lead = top.confidence - next.map_or(0.0, |next| next.confidence);
    let names = |kind: &EntityKind| understanding.entity(*kind).is_some();
    top.name == OUT_OF_SCOPE
        && top.confidence >= understanding.accept
        && lead >= scene.parts.margin
        && scene.reading().words_outside_entities() > 1
        && scene.waiting.files == 0
        && !MATTERS.iter().any(names)
}

/// Whether the message is a "yes" or a "no" and nothing else.
fn says(scene: &Scene<'_>, intent: &str) -> bool {
    scene
        .understanding
        .top_intent()
        .is_some_and(|top| top.name == intent && top.confidence >= scene.understanding.accept)
}

/// What the model makes of the message:
///
/// | the best intent | and the next flow's | |
/// |---|---|---|
/// | is accepted | is further away than the margin | sure |
/// | is accepted, or at least plausible | is closer | unsure: both are offered |
/// | is plausible | is further away, or there is none | unsure: it is offered |
/// | is not even plausible | | unknown |
///
/// A message that asks for several things shares its confidence among them, so they are accepted together. Where it names a
/// product of the catalog (or, for a search, a kind of them), flows about it need only be plausible, and are not held against
/// each other.
pub(super) fn guess<'a>(scene: &'a Scene<'_>) -> Guess<'a> {
    if let Some(guess) = several(scene) {
        return guess;
    }
    let accept = scene.understanding.accept;
    let intents = &scene.understanding.intents;
    let mut flows: Vec<(&Flow, &ScoredIntent)> = Vec::new();
    for intent in intents {
        if let Some(flow) = scene.parts.flows.of_intent(&intent.name)
            && !flows.iter().any(|(known, _)| known.name == flow.name)
        {
            flows.push((flow, intent));
        }
        // They come by their confidence, and only the first two count.
        if flows.len() == 2 {
            break;
        }
    }
    let Some(&(best, intent)) = flows.first() else {
        return Guess::Unknown;
    };
    // Out of scope, or an answer to nothing, came before it.
    if intents.first().is_some_and(|top| top.name != intent.name) {
        return search_for_named_kind(scene).unwrap_or(Guess::Unknown);
    }
    let lead = flows
        .get(1)
        .map_or(1.0, |(_, second)| intent.confidence - second.confidence);
    let plausible = accept * PLAUSIBLE;
    let names = |kind| scene.understanding.entity(kind).is_some();
    let names_product = names(EntityKind::Product);
    let names_kind = names(EntityKind::Attribute) || glossary_knows(scene);
    let is_about_it = |flow: &Flow| {
        names_product && flow.slot_of(SlotKind::Product).is_some()
            || (names_product || names_kind) && flow.intents.iter().any(|own| own == SEARCH)
    };
    let is_close = lead < scene.parts.margin
        && !(is_about_it(best) && flows.get(1).is_some_and(|(second, _)| is_about_it(second)));
    let needed = if is_about_it(best) { plausible } else { accept };
    if intent.confidence >= needed && !is_close {
        return Guess::Sure(best, &intent.name);
    }
    if intent.confidence < plausible {
        return Guess::Unknown;
    }
    let likely = flows
        .iter()
        .enumerate()
        .filter(|(place, (_, intent))| *place == 0 || intent.confidence >= plausible * PLAUSIBLE)
        .map(|(_, (flow, _))| *flow)
        .collect();
    Guess::Unsure(likely)
}

/// A search, where the message names a kind of the shop's products, in the catalog's words or in those of the merchant's
/// glossary, and says hardly more: "У вас есть дождевики?". What the model hardly knows it takes for nothing of a shop's;
/// the merchant knows better, unless the model is quite sure.
fn search_for_named_kind<'a>(scene: &'a Scene<'_>) -> Option<Guess<'a>> {
    let flow = scene.parts.flows.of_intent(SEARCH)?;
    if scene.understanding.top_intent()?.confidence >= QUITE_SURE {
        return None;
    }
    let reading = scene.reading();
    let is_short = if scene.understanding.entity(EntityKind::Attribute).is_some() {
        reading.words_outside_entities() <= MAX_WORDS_BESIDE_KIND
    } else {
        // "Show me the dearest" is no more than an order of what is looked for.
        let order = Order::of(reading.text);
        let wished = order.as_ref().map_or(reading.text, Order::what);
        wished.split_whitespace().count() <= MAX_WORDS_BESIDE_KIND + 1 && glossary_knows(scene)
    };
    is_short.then_some(Guess::Sure(flow, SEARCH))
}

/// Whether the message holds a word that the merchant's glossary translates.
fn glossary_knows(scene: &Scene<'_>) -> bool {
    let glossary = scene.parts.templates.glossary();
    glossary.knows(scene.reading().text, scene.language)
}

/// The flows of everything that the message asks for, each once; none when it asks for one thing, or when what it asks for
/// is not sure enough even together.
fn several<'a>(scene: &'a Scene<'_>) -> Option<Guess<'a>> {
    let understanding = scene.understanding;
    let together: f32 = understanding
        .intents
        .iter()
        .filter(|intent| understanding.asks.contains(&intent.name))
        .map(|intent| intent.confidence)
        .sum();
    if together < understanding.accept {
        return None;
    }
    let mut wishes: Vec<(&Flow, &str)> = Vec::new();
    for intent in &understanding.asks {
        if let Some(flow) = scene.parts.flows.of_intent(intent)
            && !wishes.iter().any(|(known, _)| known.name == flow.name)
        {
            wishes.push((flow, intent));
        }
    }
    match wishes.as_slice() {
        [] => None,
        [(flow, intent)] => Some(Guess::Sure(flow, intent)),
        _ => Some(Guess::Several(wishes)),
    }
}
