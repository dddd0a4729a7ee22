//! What the dialogue remembers from one turn to the next.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use doorstep_core::{
    OrderNumber, Timestamp, message::Button, search::SearchSort, understanding::EntityKind,
};
use serde::{Deserialize, Serialize};

use crate::turn::Conversation;

/// How long a silent conversation is remembered.
const SESSION: TimeDelta = TimeDelta::minutes(30);
/// How many flows can be in hand at once: the one being answered and those it interrupted.
const MAX_FRAMES: usize = 3;
/// How many lines are kept for the person who may take over.
const MAX_LINES: usize = 8;
/// How much of each.
const MAX_LINE: usize = 240;

/// The memory of one session, kept as JSON with the conversation. Forgotten after 30 minutes of silence.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// Flows that wait for the customer; the last one asked last.
    pub(crate) frames: Vec<Frame>,
    /// The flow that was answered last, for "no, the other order".
    pub(crate) finished: Option<Frame>,
    /// How many messages in a row were not understood.
    pub(crate) fallbacks: u32,
    /// The buttons of the last answer: a typed label or a "yes" presses one.
    pub(crate) offered: Vec<Button>,
    /// What an ambiguous message named, for the flow that a button then starts.
    pub(crate) carried: Vec<(EntityKind, String)>,
    /// The order last spoken of.
    pub(crate) order: Option<OrderNumber>,
    /// Orders opened in this session by a second factor (G5).
    pub(crate) opened: Vec<OrderNumber>,
    /// Second factors in a row that did not fit.
    pub(crate) wrong_tries: u32,
    /// No second factor is tried before this.
    pub(crate) locked_until: Option<Timestamp>,
    /// Products last shown, best first.
    pub(crate) products: Vec<String>,
    /// The one of them that was spoken of last; else the first is meant.
    pub(crate) product: Option<String>,
    /// What was searched for last, for "cheaper" and "in blue?".
    pub(crate) search: Option<Search>,
    /// Whether the customer was told that their messages reach a person.
    pub(crate) acknowledged: bool,
    /// The last lines of both sides, oldest first.
    pub(crate) lines: Vec<Line>,
}

/// A search for products.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Search {
    /// The words.
    pub(crate) text: String,
    /// The most it may cost, in minor units of the shop's currency.
    pub(crate) max_price: Option<i64>,
    /// The least.
    pub(crate) min_price: Option<i64>,
    /// The size it must come in, if anything does.
    pub(crate) size: Option<String>,
    /// The brand it must be of.
    pub(crate) brand: Option<String>,
    /// Attributes of which it must have one of the values.
    pub(crate) attributes: BTreeMap<String, Vec<String>>,
    /// In which order it is shown.
    pub(crate) sort: SearchSort,
}

impl Search {
    /// The same with what was said since.
    pub(crate) fn narrowed_by(self, said: Self) -> Self {
        Self {
            text: format!("{} {}", self.text, said.text).trim().to_owned(),
            max_price: said.max_price.or(self.max_price),
            min_price: said.min_price.or(self.min_price),
            size: said.size.or(self.size),
            brand: said.brand.or(self.brand),
            attributes: self.attributes.into_iter().chain(said.attributes).collect(),
            sort: match said.sort {
                SearchSort::Relevance => self.sort,
                sort => sort,
            },
        }
    }
}

/// A flow in hand.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Frame {
    /// Its name.
    pub(crate) flow: String,
    /// The intent that led to it.
    pub(crate) intent: String,
    /// Values of its slots.
    pub(crate) slots: BTreeMap<String, String>,
    /// The step that comes next.
    pub(crate) step: usize,
    /// The slot it waits for.
    pub(crate) asked: Option<String>,
    /// How often it was asked again because the answer did not fit.
    pub(crate) retries: u32,
    /// The order that was told before, where another one is wished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) other_than: Option<OrderNumber>,
    /// What the same message asked for besides, in order: follows when this flow is done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) next: Vec<Wish>,
}

/// A wish that waits until those uttered before it are answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Wish {
    /// The flow that answers it.
    pub(crate) flow: String,
    /// The intent that leads there.
    pub(crate) intent: String,
    /// What the message named for the flow's slots.
    pub(crate) slots: BTreeMap<String, String>,
}

/// One line of the conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Whether the customer said it.
    pub(crate) customer: bool,
    /// The text, shortened.
    pub(crate) text: String,
}

impl Memory {
    /// The conversation's memory at `now`; nothing when it is older than a session or of a format no longer known.
    pub(crate) fn of(conversation: &Conversation, now: Timestamp) -> Self {
        let fresh = conversation.state_at.is_some_and(|at| now - at < SESSION);
        match &conversation.state {
            Some(state) if fresh => Self::deserialize(state).unwrap_or_default(),
            _ => Self::default(),
        }
    }

    /// What is kept when the customer begins another matter: what a person may need, what was proven, and how often it was
    /// tried in vain, so that nobody gets more tries by changing the subject.
    pub(crate) fn for_another_matter(self) -> Self {
        Self {
            opened: self.opened,
            wrong_tries: self.wrong_tries,
            locked_until: self.locked_until,
            acknowledged: self.acknowledged,
            lines: self.lines,
            ..Self::default()
        }
    }

    /// The product that "it" means.
    pub(crate) fn spoken_of(&self) -> Option<&String> {
        self.product.as_ref().or(self.products.first())
    }

    /// The flow that waits for an answer to its question, with the question's slot.
    pub(crate) fn asking(&self) -> Option<(&Frame, &str)> {
        let frame = self.frames.last()?;
        Some((frame, frame.asked.as_deref()?))
    }

    /// Whether our last words were a question.
    pub(crate) fn asked_last(&self) -> bool {
        let last = self.lines.last().filter(|line| !line.customer);
        last.is_some_and(|line| line.text.ends_with('?'))
    }

    /// Puts a flow on top of those it interrupts; the oldest is given up when there are too many.
    pub(crate) fn push(&mut self, frame: Frame) {
        self.frames.retain(|other| other.flow != frame.flow);
        self.frames.push(frame);
        if self.frames.len() > MAX_FRAMES {
            self.frames.remove(0);
        }
    }

    /// Keeps a line for a person who may take over.
    pub(crate) fn note(&mut self, customer: bool, text: &str) {
        let text: String = text.trim().chars().take(MAX_LINE).collect();
        if !text.is_empty() {
            self.lines.push(Line { customer, text });
            let surplus = self.lines.len().saturating_sub(MAX_LINES);
            self.lines.drain(..surplus);
        }
    }
}
