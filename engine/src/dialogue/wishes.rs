//! What a message wishes for: the values that it names for a flow, and several wishes in one message.
//!
//! The first wish's flow runs, the others wait in its [`Frame::next`] until it is done: in the same turn when nothing need
//! be asked, else once the customer has answered.

use doorstep_core::understanding::EntityKind;

use super::{
    act::Answer,
    decide::Start,
    memory::{Frame, Wish},
    replies, shown,
};
use crate::flows::{Flow, SlotKind};

impl<'a> Answer<'a> {
    /// Answers several wishes in order.
    pub(super) async fn start_several(&mut self, starts: Vec<Start>) {
        let mut frames: Vec<Frame> = starts
            .into_iter()
            .filter_map(|start| {
                let flow = self.scene.parts.flows.get(&start.flow)?;
                let mut frame = Frame {
                    flow: start.flow,
                    intent: start.intent,
                    ..Frame::default()
                };
                self.volunteer(flow, &mut frame, None);
                Some(frame)
            })
            .collect();
        self.share_orders(&mut frames);
        let mut frames = frames.into_iter();
        let Some(mut frame) = frames.next() else {
            return self.say(replies::TROUBLE);
        };
        frame.next = frames
            .map(|frame| Wish {
                flow: frame.flow,
                intent: frame.intent,
                slots: frame.slots,
            })
            .collect();
        let Some(flow) = self.scene.parts.flows.get(&frame.flow) else {
            return self.say(replies::TROUBLE);
        };
        self.suppose_order(flow, &mut frame);
        self.take_over_wishes(&mut frame);
        self.several_now = true;
        self.run(flow, frame).await;
    }

    /// "Where is 10234, and cancel 10235": when as many orders are named as wishes need one, each has its own.
    fn share_orders(&self, frames: &mut [Frame]) {
        let numbers: Vec<&str> = self
            .scene
            .understanding
            .entities
            .iter()
            .filter(|entity| entity.kind == EntityKind::OrderNumber)
            .map(|entity| entity.value.as_str())
            .collect();
        let mut takers: Vec<(&mut Frame, &str)> = frames
            .iter_mut()
            .filter_map(|frame| {
                let flow = self.scene.parts.flows.get(&frame.flow)?;
                Some((frame, flow.slot_of(SlotKind::OrderNumber)?.name.as_str()))
            })
            .collect();
        if numbers.len() < 2 || numbers.len() != takers.len() {
            return;
        }
        for ((frame, slot), number) in takers.iter_mut().zip(&numbers) {
            // The second number is an order here, and no postcode.
            frame
                .slots
                .retain(|_, value| !numbers.contains(&value.as_str()));
            frame.slots.insert((*slot).to_owned(), (*number).to_owned());
        }
    }

    /// A flow that is begun anew is in hand once; what waited for it goes on waiting.
    pub(super) fn take_over_wishes(&mut self, frame: &mut Frame) {
        for other in &mut self.memory.frames {
            if other.flow == frame.flow {
                let waiting = std::mem::take(&mut other.next).into_iter();
                let known: Vec<String> = frame.next.iter().map(|wish| wish.flow.clone()).collect();
                frame
                    .next
                    .extend(waiting.filter(|wish| !known.contains(&wish.flow)));
            }
        }
        self.memory.frames.retain(|other| other.flow != frame.flow);
    }

    /// The wish that follows, with those after it.
    pub(super) fn next_wish(&self, wishes: Vec<Wish>) -> Option<(&'a Flow, Frame)> {
        let mut wishes = wishes.into_iter();
        // A flow that the merchant took away meanwhile is passed over.
        let (flow, wish) =
            wishes.find_map(|wish| Some((self.scene.parts.flows.get(&wish.flow)?, wish)))?;
        let mut frame = Frame {
            flow: wish.flow,
            intent: wish.intent,
            slots: wish.slots,
            next: wishes.collect(),
            ..Frame::default()
        };
        self.suppose_order(flow, &mut frame);
        Some((flow, frame))
    }

    /// Answers wishes that waited for something which is dealt with.
    pub(super) async fn follow(&mut self, wishes: Vec<Wish>) {
        if let Some((flow, frame)) = self.next_wish(wishes) {
            self.run_all(flow, frame, true).await;
        }
    }

    /// Says what the replies from place `from` on are about: a wish of an earlier message.
    pub(super) fn introduce(&mut self, flow: &Flow, from: usize) {
        let facts = self.scene.session_facts();
        let label = self.reply(&flow.label, &facts);
        let introduction = self.reply(replies::NEXT_WISH, &facts.with("wish", label));
        if let Some(first) = self.replies.get_mut(from) {
            first.text = format!("{introduction}\n{}", first.text);
        }
    }

    /// Everything that the message plainly names is used, asked for or not. `taken` already answers a question: a postcode
    /// of five digits is no order number besides.
    pub(super) fn volunteer(&self, flow: &Flow, frame: &mut Frame, taken: Option<&str>) {
        let reading = self.scene.reading();
        for slot in &flow.slots {
            let asked = frame.asked.as_deref() == Some(&slot.name);
            if let Some(value) = reading.volunteered(slot.kind).filter(|_| !asked)
                && taken != Some(value.as_str())
            {
                frame.slots.insert(slot.name.clone(), value);
            }
        }
    }

    /// What the message named that a "did you mean" was about.
    pub(super) fn use_carried(&self, flow: &Flow, frame: &mut Frame) {
        for (kind, value) in &self.carried {
            let slot_kind = match kind {
                EntityKind::OrderNumber => SlotKind::OrderNumber,
                EntityKind::TrackingNumber => SlotKind::TrackingNumber,
                EntityKind::Email | EntityKind::Postcode => SlotKind::EmailOrPostcode,
                EntityKind::Size => SlotKind::Size,
                EntityKind::Date
                | EntityKind::Period
                | EntityKind::Phone
                | EntityKind::Money
                | EntityKind::MaxPrice
                | EntityKind::MinPrice
                | EntityKind::Colour
                | EntityKind::Attribute
                | EntityKind::Product => continue,
            };
            if let Some(slot) = flow.slot_of(slot_kind) {
                frame
                    .slots
                    .entry(slot.name.clone())
                    .or_insert_with(|| value.clone());
            }
        }
    }

    /// "The second one" is a product that was shown, unless the message names one of the catalog's.
    pub(super) fn suppose_product(&self, flow: &Flow, frame: &mut Frame) {
        let Some(slot) = flow.slot_of(SlotKind::Product) else {
            return;
        };
        let understanding = self.scene.understanding;
        if understanding.entity(EntityKind::Product).is_some() {
            return;
        }
        let shown = &self.memory.products;
        let place = shown::only_place(&self.scene.waiting.text, shown.len());
        if let Some(product) = place.and_then(|place| shown.get(place)) {
            frame
                .slots
                .entry(slot.name.clone())
                .or_insert_with(|| product.clone());
        }
    }

    /// A customer who names no order means the one last spoken of.
    pub(super) fn suppose_order(&self, flow: &Flow, frame: &mut Frame) {
        let names_parcel = flow
            .slot_of(SlotKind::TrackingNumber)
            .is_some_and(|slot| frame.slots.contains_key(&slot.name));
        let (Some(slot), Some(order), false) = (
            flow.slot_of(SlotKind::OrderNumber),
            &self.memory.order,
            names_parcel,
        ) else {
            return;
        };
        frame
            .slots
            .entry(slot.name.clone())
            .or_insert_with(|| order.to_string());
    }
}
