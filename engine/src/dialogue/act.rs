//! Doing what a message means: running flows, asking, handing over, and saying so.

use doorstep_core::{
    OrderNumber,
    message::Content,
    understanding::{EntityKind, ScoredIntent},
};

use super::{
    Scene, cues,
    decide::{Intention, Start, decide},
    handover,
    memory::{Frame, Memory, Wish},
    press::Press,
    replies,
    shown::FollowUp,
};
use crate::{
    actions::Call,
    flows::{Flow, Slot, Then},
    turn::{Effect, Turn},
};

/// An answer in the making.
pub(super) struct Answer<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) memory: Memory,
    /// What the message before this one named, when it was not clear what it meant.
    pub(super) carried: Vec<(EntityKind, String)>,
    pub(super) replies: Vec<Content>,
    effects: Vec<Effect>,
    /// What the press of a button asks for: an intent.
    pressed: Option<String>,
    /// Whether it was this message that asked for several things.
    pub(super) several_now: bool,
    /// What the message wishes of the products that were shown, for the flow that it starts.
    follow_up: Option<FollowUp>,
}

/// How the run of a flow ended.
enum Ended {
    Done(Frame),
    /// It waits for a slot; the question is not said yet.
    Asked(Frame, Box<Content>),
    /// With what was asked for besides.
    HandedOver(Vec<Wish>),
}

impl<'a> Answer<'a> {
    pub(super) fn new(scene: &'a Scene<'a>, mut memory: Memory) -> Self {
        Self {
            scene,
            carried: std::mem::take(&mut memory.carried),
            memory,
            replies: Vec::new(),
            effects: Vec::new(),
            pressed: None,
            several_now: false,
            follow_up: None,
        }
    }

    /// Decides what the message means and does it.
    pub(super) async fn give(mut self, press: Option<Press>) -> Turn {
        if let Some(start) = self.preference() {
            self.start(start).await;
        } else if self.scene.waiting.conversation.handed_over {
            self.acknowledge_once();
        } else if press.is_none() && self.scene.is_files_alone() {
            self.say_of_files();
        } else {
            self.memory.acknowledged = false;
            let intention = decide(self.scene, &self.memory, press.as_ref());
            self.act(intention).await;
            self.escalate();
            if press.is_none() {
                self.phrase().await;
            }
        }
        self.finish()
    }

    /// Has the one reply that tells facts put into words that fit the question. Questions of ours, and what a person takes
    /// over, stay as they are.
    async fn phrase(&mut self) {
        let Some(phrasing) = &self.scene.parts.phrasing else {
            return;
        };
        if self.needs_a_person() || self.memory.asking().is_some() {
            return;
        }
        let tells = |reply: &&mut Content| !reply.sources.is_empty() && !reply.text.is_empty();
        let mut telling = self.replies.iter_mut().filter(tells);
        let (Some(reply), None) = (telling.next(), telling.next()) else {
            return;
        };
        if let Some(phrased) = phrasing.phrase(self.scene, &self.memory, reply).await {
            reply.text = phrased.text;
            reply.sources.extend(phrased.sources);
        }
    }

    /// STOP and START work always, also while a person has the conversation.
    fn preference(&self) -> Option<Start> {
        let understood = self.scene.understanding.top_intent().filter(|top| {
            matches!(top.name.as_str(), "stop_messages" | "start_messages")
                && top.confidence >= self.scene.understanding.accept
        });
        let intent = cues::preference_intent(&self.scene.waiting.text)
            .or_else(|| understood.map(|top| top.name.as_str()))?;
        let flow = self.scene.parts.flows.of_intent(intent)?;
        Some(Start::new(flow, intent))
    }

    /// A picture without a word is kept, and asked about; what was in hand stays in hand.
    fn say_of_files(&mut self) {
        let count = self.scene.waiting.files;
        let facts = self.scene.session_facts().with("count", count);
        let text = self.reply(replies::FILES, &facts);
        self.replies.push(Content::text(text));
    }

    /// While a person has the conversation, the customer is told once that their words arrive.
    fn acknowledge_once(&mut self) {
        if !self.memory.acknowledged {
            self.memory.acknowledged = true;
            self.say(replies::ACKNOWLEDGED);
        }
    }

    async fn act(&mut self, intention: Intention) {
        let unclear = matches!(
            intention,
            Intention::AskAgain
                | Intention::Aside
                | Intention::Clarify(_)
                | Intention::OutOfScope
                | Intention::NotUnderstood
        );
        if unclear && self.scene.needs_a_person() {
            return;
        }
        match intention {
            Intention::Start(start) => self.start(start).await,
            Intention::Several(starts) => self.start_several(starts).await,
            Intention::Fill(slot, value) => self.fill(slot, value).await,
            Intention::Correct(slot, value) => self.correct(slot, value).await,
            Intention::AskAgain => self.ask_again(),
            Intention::Aside => self.answer_aside(),
            Intention::Decline => self.decline().await,
            Intention::GoOn => self.say(replies::GO_ON),
            Intention::Note => {
                self.memory.fallbacks = 0;
                self.say(replies::NOTED);
            }
            Intention::OtherOrder(than) => self.other_order(than).await,
            Intention::Expired => self.say(replies::EXPIRED),
            Intention::Clarify(flows) => {
                if !self.answer_from_knowledge().await {
                    self.clarify(&flows);
                }
            }
            Intention::OutOfScope => {
                if !self.answer_from_knowledge().await {
                    if let Some(search) = self.search_for_a_title().await {
                        return self.start(search).await;
                    }
                    self.say(replies::OUT_OF_SCOPE);
                }
                self.memory.fallbacks = 0;
                self.resume();
            }
            Intention::NotUnderstood => {
                if !self.answer_from_knowledge().await {
                    if let Some(search) = self.search_for_a_title().await {
                        return self.start(search).await;
                    }
                    self.fall_back();
                }
            }
        }
    }

    async fn start(&mut self, start: Start) {
        let Some(flow) = self.scene.parts.flows.get(&start.flow) else {
            return self.say(replies::TROUBLE);
        };
        let mut frame = Frame {
            flow: start.flow,
            intent: start.intent,
            ..Frame::default()
        };
        self.volunteer(flow, &mut frame, None);
        if start.by_button {
            self.use_carried(flow, &mut frame);
            self.pressed = Some(frame.intent.clone()).filter(|intent| !intent.is_empty());
        }
        self.suppose_order(flow, &mut frame);
        self.suppose_product(flow, &mut frame);
        frame.slots.extend(start.slots);
        self.follow_up = start.follow_up;
        self.take_over_wishes(&mut frame);
        self.run(flow, frame).await;
    }

    async fn fill(&mut self, slot: String, value: String) {
        let Some(mut frame) = self.memory.frames.pop() else {
            return self.say(replies::EXPIRED);
        };
        let Some(flow) = self.scene.parts.flows.get(&frame.flow) else {
            return self.say(replies::EXPIRED);
        };
        self.volunteer(flow, &mut frame, Some(&value));
        frame.slots.insert(slot, value);
        frame.asked = None;
        frame.retries = 0;
        self.run(flow, frame).await;
    }

    async fn correct(&mut self, slot: String, value: String) {
        let in_hand = self.memory.frames.pop();
        let Some(mut frame) = in_hand.or_else(|| self.memory.finished.take()) else {
            return self.say(replies::EXPIRED);
        };
        let Some(flow) = self.scene.parts.flows.get(&frame.flow) else {
            return self.say(replies::EXPIRED);
        };
        self.volunteer(flow, &mut frame, Some(&value));
        frame.slots.insert(slot, value);
        frame.asked = None;
        frame.retries = 0;
        frame.step = 0;
        self.run(flow, frame).await;
    }

    /// The flow in hand, or the one just answered, for another order of the customer's.
    async fn other_order(&mut self, than: String) {
        let in_hand = self.memory.frames.pop();
        let Some(before) = in_hand.or_else(|| self.memory.finished.take()) else {
            return self.say(replies::EXPIRED);
        };
        let Some(flow) = self.scene.parts.flows.get(&before.flow) else {
            return self.say(replies::EXPIRED);
        };
        self.memory.order = None;
        let frame = Frame {
            flow: before.flow,
            intent: before.intent,
            next: before.next,
            other_than: Some(OrderNumber::from(than.as_str())),
            ..Frame::default()
        };
        self.run(flow, frame).await;
    }

    /// Runs a flow and, once it is done, those that the same message asked for besides.
    pub(super) async fn run(&mut self, flow: &'a Flow, frame: Frame) {
        self.run_all(flow, frame, false).await;
    }

    /// As [`Self::run`]; `recalled` when the flow answers what an earlier message asked for, which is said then.
    pub(super) async fn run_all(&mut self, flow: &'a Flow, frame: Frame, recalled: bool) {
        self.memory.fallbacks = 0;
        let mut recalled = recalled;
        let mut in_hand = Some((flow, frame));
        while let Some((flow, frame)) = in_hand.take() {
            let from = self.replies.len();
            let (next, waits) = match self.run_steps(flow, frame).await {
                Ended::Done(mut frame) => {
                    let next = std::mem::take(&mut frame.next);
                    self.memory.finished = Some(frame);
                    (next, false)
                }
                // A person takes over: a question whose answer nobody of ours would read is not asked.
                Ended::Asked(frame, _) if self.needs_a_person() => (frame.next, false),
                Ended::Asked(frame, question) => {
                    self.replies.push(*question);
                    self.memory.push(frame);
                    (Vec::new(), true)
                }
                Ended::HandedOver(next) => {
                    self.memory.frames.clear();
                    (next, false)
                }
            };
            if recalled {
                self.introduce(flow, from);
            }
            if waits {
                return;
            }
            in_hand = self.next_wish(next);
            recalled = !self.several_now;
        }
        if !self.needs_a_person() {
            self.resume();
        }
    }

    /// Whether somebody of the shop takes over with this turn.
    fn needs_a_person(&self) -> bool {
        self.scene.needs_a_person() || self.handed_over()
    }

    async fn run_steps(&mut self, flow: &'a Flow, mut frame: Frame) -> Ended {
        let mut facts = self.scene.session_facts();
        let mut sources = Vec::new();
        let follow_up = self.follow_up.take();
        if let Some(slot) = missing_slot(flow, &frame) {
            let question = self.question(slot, &facts);
            return self.asked(frame, slot, Content::text(question));
        }
        while let Some(step) = flow.steps.get(frame.step) {
            let mut call = Call {
                scene: self.scene,
                frame: &frame,
                arguments: &step.arguments,
                facts: &facts,
                follow_up: follow_up.as_ref(),
                memory: &mut self.memory,
            };
            let mut outcome = step.action.run(&mut call).await;
            facts.extend(&outcome.facts);
            self.effects.append(&mut outcome.effects);
            sources.append(&mut outcome.sources);
            let Some(branch) = step.on.get(outcome.name) else {
                tracing::error!(flow = %flow.name, outcome = outcome.name, "an outcome is not covered");
                self.say(replies::TROUBLE);
                return Ended::Done(frame);
            };
            let mut content = self.content(branch, outcome, &facts, &mut sources);
            match &branch.then {
                Then::Ask(name) => {
                    let Some(slot) = flow.slot(name) else {
                        return Ended::Done(frame);
                    };
                    if content.text.is_empty() {
                        content.text = self.question(slot, &facts);
                    }
                    return self.asked(frame, slot, content);
                }
                Then::Next => {
                    self.push(content);
                    frame.step += 1;
                }
                Then::Stop => {
                    self.push(content);
                    break;
                }
                Then::HandOff => {
                    let said = !content.text.is_empty();
                    self.push(content);
                    let request = handover::Request {
                        reason: &frame.intent,
                        flow: Some(&frame.flow),
                        next: &frame.next,
                        facts: &facts,
                    };
                    self.hand_over(&request, said);
                    return Ended::HandedOver(frame.next);
                }
            }
        }
        if self.handed_over() {
            Ended::HandedOver(frame.next)
        } else {
            Ended::Done(frame)
        }
    }

    fn asked(&self, mut frame: Frame, slot: &Slot, content: Content) -> Ended {
        frame.asked = Some(slot.name.clone());
        Ended::Asked(frame, Box::new(content))
    }

    /// An interrupted question is asked again once the interruption is dealt with, unless its flow lets it go.
    pub(super) fn resume(&mut self) {
        let Some((frame, asked)) = self.memory.asking() else {
            return;
        };
        let Some(flow) = self.scene.parts.flows.get(&frame.flow) else {
            return;
        };
        if !flow.resume {
            self.memory.frames.pop();
            return;
        }
        let Some(slot) = flow.slot(asked) else { return };
        let facts = self.scene.session_facts();
        let question = self.question(slot, &facts);
        let text = self.reply(replies::RESUME, &facts.with("question", question));
        self.replies.push(Content::text(text));
    }

    /// What is declined is let go, and not what was asked for besides.
    async fn decline(&mut self) {
        let next = self.memory.frames.pop().map(|frame| frame.next);
        // "No" to "anything else?" takes leave.
        if next.is_none()
            && self.memory.offered.is_empty()
            && self.memory.asked_last()
            && let Some(flow) = self.scene.parts.flows.of_intent("goodbye")
        {
            return self.start(Start::new(flow, "goodbye")).await;
        }
        self.say(replies::DECLINED);
        self.follow(next.unwrap_or_default()).await;
    }

    /// A message that a person should see is handed over, whatever could be answered.
    fn escalate(&mut self) {
        if !self.scene.needs_a_person() || self.handed_over() {
            return;
        }
        let top = self.scene.understanding.top_intent();
        let reason = top.map_or("escalated", |top| top.name.as_str()).to_owned();
        let flow = self.scene.parts.flows.of_intent(&reason);
        let facts = self.scene.session_facts();
        let request = handover::Request {
            reason: &reason,
            flow: flow.map(|flow| flow.name.as_str()),
            next: &[],
            facts: &facts,
        };
        self.hand_over(&request, false);
    }

    /// Asks a person to take over; `said` when the customer was told so already.
    pub(super) fn hand_over(&mut self, request: &handover::Request<'_>, said: bool) {
        if !said {
            self.say(if self.scene.is_urgent() {
                replies::HANDED_OVER_URGENT
            } else {
                replies::HANDED_OVER
            });
        }
        let effect = handover::effect(self.scene, &self.memory, request);
        self.effects.push(effect);
        self.memory.frames.clear();
    }

    fn handed_over(&self) -> bool {
        self.effects
            .iter()
            .any(|effect| matches!(effect, Effect::HandOff { .. }))
    }

    fn finish(mut self) -> Turn {
        self.memory.note(true, &self.scene.line());
        for content in &self.replies {
            self.memory.note(false, &content.text);
        }
        self.memory.offered = self
            .replies
            .iter()
            .flat_map(|content| content.buttons.iter().cloned())
            .collect();
        handover::keep_one(&mut self.effects);
        let mut understanding = self.scene.understanding.clone();
        if let Some(name) = self.pressed {
            let confidence = 1.0;
            understanding.intents = vec![ScoredIntent { name, confidence }];
        }
        Turn {
            understanding,
            language: self.scene.language.clone(),
            state: serde_json::to_value(&self.memory).ok(),
            replies: self.replies,
            effects: self.effects,
        }
    }
}

/// The first slot that must be known before anything is done.
fn missing_slot<'a>(flow: &'a Flow, frame: &Frame) -> Option<&'a Slot> {
    flow.slots
        .iter()
        .find(|slot| slot.required && !frame.slots.contains_key(&slot.name))
}
