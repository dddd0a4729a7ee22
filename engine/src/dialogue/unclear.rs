//! What is said where it is not clear what a message means: what the shop wrote about it, what the catalog calls so, which of
//! two things it is, the question in hand once more, and in the end a person.

use doorstep_core::{
    message::{Button, Content},
    understanding::{Entity, EntityKind},
};

use super::{
    act::Answer,
    decide::{SEARCH, Start},
    handover,
    press::Press,
    replies,
};
use crate::actions::{policy, searching};

/// How often a question is asked again before a person is offered.
const MAX_RETRIES: u32 = 2;
/// So sure the model must be at least that products are looked for, where only the catalog knows the word,
const HARDLY: f32 = 0.1;
/// in a message of so many words at most.
const MAX_WORDS_OF_A_TITLE: usize = 6;

impl Answer<'_> {
    /// What no flow is sure to be for, the shop may have written about all the same. Whether it has.
    pub(super) async fn answer_from_knowledge(&mut self) -> bool {
        let Some(outcome) = policy::answer_unasked(self.scene).await else {
            return false;
        };
        let reply = match outcome.name {
            policy::ANSWERED => replies::KNOWLEDGE,
            _ => replies::KNOWLEDGE_OTHER_LANGUAGE,
        };
        let mut facts = self.scene.session_facts();
        facts.extend(&outcome.facts);
        self.memory.fallbacks = 0;
        self.replies.push(Content {
            text: self.reply(reply, &facts),
            sources: outcome.sources,
            ..Content::default()
        });
        true
    }

    /// The search for what products are called, where the model takes a message for one, if hardly.
    pub(super) async fn search_for_a_title(&self) -> Option<Start> {
        let flow = self.scene.parts.flows.of_intent(SEARCH)?;
        let mut intents = self.scene.understanding.intents.iter();
        let hardly = intents.any(|intent| intent.name == SEARCH && intent.confidence >= HARDLY);
        let is_short = self.scene.reading().word_count() <= MAX_WORDS_OF_A_TITLE;
        if !hardly || !is_short || !searching::names_a_title(self.scene).await {
            return None;
        }
        Some(Start::new(flow, SEARCH))
    }

    /// Asks the question in hand once more. Who gave something else that is needed is not told that it does not fit.
    pub(super) fn ask_again(&mut self) {
        let Some(mut frame) = self.memory.frames.pop() else {
            return self.fall_back();
        };
        let Some(flow) = self.scene.parts.flows.get(&frame.flow) else {
            return self.fall_back();
        };
        let known = frame.slots.clone();
        self.volunteer(flow, &mut frame, None);
        let told_more = frame.slots != known;
        if !told_more {
            frame.retries += 1;
        }
        if frame.retries > MAX_RETRIES {
            return self.offer_person();
        }
        let asked = frame.asked.as_deref().and_then(|asked| flow.slot(asked));
        let reply = asked.and_then(|slot| match told_more {
            true => slot.ask.as_ref(),
            false => slot.retry.as_ref().or(slot.ask.as_ref()),
        });
        self.memory.frames.push(frame);
        match reply {
            Some(reply) => self.say_beside_person(reply),
            None => self.fall_back(),
        }
    }

    /// A question of which nothing is known: that is said once, and a person offered when it happens again.
    pub(super) fn answer_aside(&mut self) {
        metrics::counter!("doorstep_fallbacks_total").increment(1);
        self.memory.fallbacks += 1;
        if self.memory.fallbacks > 1 {
            return self.offer_person();
        }
        self.say(replies::NOT_KNOWN);
        self.resume();
    }

    /// Asks which of two flows is meant; what the message named is kept for the answer.
    pub(super) fn clarify(&mut self, flows: &[String]) {
        let facts = self.scene.session_facts();
        let known = flows
            .iter()
            .filter_map(|name| self.scene.parts.flows.get(name));
        let mut buttons: Vec<Button> = known
            .map(|flow| Button {
                label: self.reply(&flow.label, &facts),
                value: Press::Flow {
                    flow: flow.name.clone(),
                    slots: Vec::new(),
                }
                .to_string(),
            })
            .collect();
        buttons.push(self.person_button());
        let text = self.reply(replies::DID_YOU_MEAN, &facts);
        self.replies.push(Content {
            text,
            buttons,
            ..Content::default()
        });
        let reading = self.scene.reading();
        let entities = &self.scene.understanding.entities;
        // The button that is pressed for it would take it for a second factor.
        let proves = |entity: &&Entity| {
            entity.kind != EntityKind::Postcode || !reading.is_of_another_place(entity)
        };
        self.memory.carried = entities
            .iter()
            .filter(proves)
            .map(|entity| (entity.kind, entity.value.clone()))
            .collect();
    }

    /// Not understood: first examples, with a person to choose; then the person is offered; then they take over.
    pub(super) fn fall_back(&mut self) {
        metrics::counter!("doorstep_fallbacks_total").increment(1);
        self.memory.fallbacks += 1;
        match self.memory.fallbacks {
            1 => self.say_beside_person(replies::REPHRASE),
            2 => self.offer_person(),
            _ => {
                self.memory.fallbacks = 0;
                self.say(replies::GIVE_UP);
                let facts = self.scene.session_facts();
                let request = handover::Request {
                    reason: "not_understood",
                    flow: None,
                    next: &[],
                    facts: &facts,
                };
                self.hand_over(&request, true);
            }
        }
    }

    fn offer_person(&mut self) {
        self.say_beside_person(replies::OFFER_PERSON);
    }

    /// Says it, with a button to a person.
    fn say_beside_person(&mut self, reply: &str) {
        let facts = self.scene.session_facts();
        let text = self.reply(reply, &facts);
        self.replies.push(Content {
            text,
            buttons: vec![self.person_button()],
            ..Content::default()
        });
    }
}
