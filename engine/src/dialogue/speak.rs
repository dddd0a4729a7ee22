//! From the names of replies to what is said.

use doorstep_core::message::{Button, Content, FactSource};

use super::{act::Answer, press::Press, replies};
use crate::{
    actions::Outcome,
    flows::{Branch, Choice, Slot, Then},
    templates::Facts,
};

/// What is said when even the reply for trouble cannot be made.
const LAST_RESORT: &str =
    "Sorry, something went wrong on our side. Please try again in a few minutes.";

impl Answer<'_> {
    /// What a branch says, with the outcome's cards and buttons. Sources of silent outcomes go with the next words.
    pub(super) fn content(
        &self,
        branch: &Branch,
        outcome: Outcome,
        facts: &Facts,
        sources: &mut Vec<FactSource>,
    ) -> Content {
        let mut buttons = outcome.buttons;
        buttons.extend(
            branch
                .buttons
                .iter()
                .map(|choice| self.button(choice, facts)),
        );
        let text = branch.say.as_ref().map(|reply| self.reply(reply, facts));
        let speaks = text.is_some() || matches!(branch.then, Then::Ask(_));
        Content {
            text: text.unwrap_or_default(),
            buttons,
            cards: outcome.cards,
            sources: if speaks {
                std::mem::take(sources)
            } else {
                Vec::new()
            },
            ..Content::default()
        }
    }

    pub(super) fn question(&self, slot: &Slot, facts: &Facts) -> String {
        match &slot.ask {
            Some(reply) => self.reply(reply, facts),
            None => String::new(),
        }
    }

    pub(super) fn button(&self, choice: &Choice, facts: &Facts) -> Button {
        Button {
            label: self.reply(&choice.label, facts),
            value: choice.press.to_string(),
        }
    }

    pub(super) fn person_button(&self) -> Button {
        Button {
            label: self.reply(replies::BUTTON_PERSON, &self.scene.session_facts()),
            value: Press::HandOff.to_string(),
        }
    }

    pub(super) fn say(&mut self, reply: &str) {
        let text = self.reply(reply, &self.scene.session_facts());
        self.replies.push(Content::text(text));
    }

    pub(super) fn push(&mut self, content: Content) {
        if !content.text.is_empty() || !content.cards.is_empty() {
            self.replies.push(content);
        }
    }

    /// A reply in the customer's language. What cannot be said is logged, and the customer told that it is our fault.
    pub(super) fn reply(&self, name: &str, facts: &Facts) -> String {
        let templates = &self.scene.parts.templates;
        let language = self.scene.language;
        templates
            .reply(name, language, facts)
            .unwrap_or_else(|error| {
                tracing::error!(%error, "a reply could not be made");
                templates
                    .reply(replies::TROUBLE, language, &self.scene.session_facts())
                    .unwrap_or_else(|_| LAST_RESORT.to_owned())
            })
    }
}
