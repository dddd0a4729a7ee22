//! From YAML to flows; what needs only one place to judge is judged here, the rest in `check.rs`.

use std::collections::BTreeMap;

use doorstep_core::{
    ConfigFiles, Problem,
    understanding::{EntityKind, INTENTS},
};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Argument, Arguments, Branch, Choice, Flow, Slot, SlotKind, Step, Then};
use crate::{
    actions::{self, Action, Takes},
    dialogue::press::{Press, is_name},
    intents::OwnIntent,
    yaml::{self, Entries, suggestion},
};

/// A flow with the places of everything that other files decide about.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) flow: Flow,
    pub(super) on_entity: Vec<FoundEntity>,
    /// Lines of the intents, in their order.
    pub(super) intent_lines: Vec<usize>,
    /// Every name of a reply, with what may be said where it is used.
    pub(super) replies: Vec<ReplyUse>,
    /// Every flow that a button names.
    pub(super) presses: Vec<PressUse>,
}

#[derive(Debug)]
pub(super) struct FoundEntity {
    pub(super) kind: EntityKind,
    pub(super) line: usize,
}

/// A reply's name in a flow.
#[derive(Debug)]
pub(super) struct ReplyUse {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) field: String,
    /// Step and outcome that say it; none for questions and labels, which know only the session's facts.
    pub(super) said_at: Option<(usize, String)>,
}

/// A button in a flow.
#[derive(Debug)]
pub(super) struct PressUse {
    pub(super) press: Press,
    pub(super) line: usize,
    pub(super) field: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFlow {
    flow: Spanned<String>,
    label: Spanned<String>,
    #[serde(default)]
    intents: Vec<Spanned<String>>,
    #[serde(default)]
    on_entity: Vec<Spanned<String>>,
    #[serde(default)]
    slots: Vec<RawSlot>,
    resume: Option<bool>,
    #[serde(rename = "do")]
    steps: Vec<RawStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSlot {
    name: Spanned<String>,
    #[serde(rename = "type")]
    kind: Spanned<String>,
    #[serde(default)]
    required: bool,
    ask: Option<Spanned<String>>,
    retry: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    action: Spanned<String>,
    #[serde(default, rename = "with")]
    arguments: Entries<Spanned<RawArgument>>,
    #[serde(default)]
    on: Entries<RawBranch>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawArgument {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBranch {
    say: Option<Spanned<String>>,
    #[serde(default)]
    buttons: Vec<RawButton>,
    ask: Option<Spanned<String>>,
    then: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawButton {
    label: Spanned<String>,
    value: Spanned<String>,
}

/// Reads `flows/*.yaml`. `own` are the merchant's own intents, which flows may answer like those of the taxonomy.
pub(super) fn parse(files: &ConfigFiles, own: &[OwnIntent]) -> Result<Vec<Parsed>, Vec<Problem>> {
    let mut flows = Vec::new();
    let mut problems = Vec::new();
    for (file, text) in files.under("flows", "yaml") {
        match yaml::read::<RawFlow>(file, text) {
            Ok(raw) => flows.push(Reader::new(file, own, &mut problems).flow(raw)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(flows)
    } else {
        Err(problems)
    }
}

/// Reads one file and collects what is wrong in it.
struct Reader<'a> {
    file: &'a str,
    own: &'a [OwnIntent],
    problems: &'a mut Vec<Problem>,
    replies: Vec<ReplyUse>,
    presses: Vec<PressUse>,
}

impl<'a> Reader<'a> {
    fn new(file: &'a str, own: &'a [OwnIntent], problems: &'a mut Vec<Problem>) -> Self {
        Self {
            file,
            own,
            problems,
            replies: Vec::new(),
            presses: Vec::new(),
        }
    }

    fn flow(mut self, raw: RawFlow) -> Parsed {
        let line = yaml::line(&raw.flow);
        if !is_name(&raw.flow.value) {
            self.problem(
                line,
                "flow",
                format!("`{}` cannot name a flow", raw.flow.value),
                "use lower-case letters, digits and `_`".into(),
            );
        }
        let label = self.reply(raw.label, "label", None);
        let intent_lines = raw.intents.iter().map(yaml::line).collect();
        let intents = self.intents(raw.intents);
        let on_entity = self.entities(raw.on_entity);
        let slots: Vec<Slot> = raw
            .slots
            .into_iter()
            .enumerate()
            .filter_map(|(place, slot)| self.slot(place, slot))
            .collect();
        if raw.steps.is_empty() {
            self.problem(
                line,
                "do",
                "the flow does nothing".into(),
                "list at least one action under `do:`".into(),
            );
        }
        let steps = raw
            .steps
            .into_iter()
            .enumerate()
            .filter_map(|(place, step)| self.step(place, step, &slots))
            .collect();
        let flow = Flow {
            name: raw.flow.value,
            label,
            intents,
            slots,
            resume: raw.resume.unwrap_or(true),
            steps,
        };
        Parsed {
            file: self.file.to_owned(),
            line,
            flow,
            on_entity,
            intent_lines,
            replies: self.replies,
            presses: self.presses,
        }
    }

    fn intents(&mut self, raw: Vec<Spanned<String>>) -> Vec<String> {
        let known: Vec<&str> = INTENTS
            .into_iter()
            .chain(self.own.iter().map(|own| own.name.as_str()))
            .collect();
        for (place, intent) in raw.iter().enumerate() {
            if !known.contains(&intent.value.as_str()) {
                self.problem(
                    yaml::line(intent),
                    &format!("intents[{place}]"),
                    format!("the intent `{}` is not in the taxonomy", intent.value),
                    suggestion(&intent.value, known.iter().copied()),
                );
            }
        }
        raw.into_iter().map(|intent| intent.value).collect()
    }

    fn entities(&mut self, raw: Vec<Spanned<String>>) -> Vec<FoundEntity> {
        const KINDS: [(&str, EntityKind); 2] = [
            ("order_number", EntityKind::OrderNumber),
            ("tracking_number", EntityKind::TrackingNumber),
        ];
        let mut found = Vec::new();
        for (place, name) in raw.iter().enumerate() {
            let line = yaml::line(name);
            match KINDS.iter().find(|(known, _)| *known == name.value) {
                Some((_, kind)) => found.push(FoundEntity { kind: *kind, line }),
                None => self.problem(
                    line,
                    &format!("on_entity[{place}]"),
                    format!(
                        "a message that names only a `{}` starts no flow",
                        name.value
                    ),
                    suggestion(&name.value, KINDS.map(|(known, _)| known)),
                ),
            }
        }
        found
    }

    fn slot(&mut self, place: usize, raw: RawSlot) -> Option<Slot> {
        let field = format!("slots[{place}]");
        let Some(kind) = SlotKind::ALL
            .into_iter()
            .find(|kind| kind.name() == raw.kind.value)
        else {
            self.problem(
                yaml::line(&raw.kind),
                &format!("{field}.type"),
                format!("`{}` is not a type of slot", raw.kind.value),
                suggestion(&raw.kind.value, SlotKind::ALL.map(SlotKind::name)),
            );
            return None;
        };
        if raw.required && raw.ask.is_none() {
            self.problem(
                yaml::line(&raw.name),
                &format!("{field}.ask"),
                format!("the required slot `{}` has no question", raw.name.value),
                "name the reply that asks for it: `ask: …`".into(),
            );
        }
        let ask = raw
            .ask
            .map(|reply| self.reply(reply, &format!("{field}.ask"), None));
        let retry = raw
            .retry
            .map(|reply| self.reply(reply, &format!("{field}.retry"), None));
        Some(Slot {
            name: raw.name.value,
            kind,
            required: raw.required,
            ask,
            retry,
        })
    }

    fn step(&mut self, place: usize, raw: RawStep, slots: &[Slot]) -> Option<Step> {
        let field = format!("do[{place}]");
        let Some(action) = actions::find(&raw.action.value) else {
            self.problem(
                yaml::line(&raw.action),
                &format!("{field}.action"),
                format!("there is no action `{}`", raw.action.value),
                suggestion(&raw.action.value, actions::names()),
            );
            return None;
        };
        let arguments = self.arguments(&field, &raw.action, action, raw.arguments, slots);
        self.outcomes(&field, &raw.action, action, &raw.on);
        let mut on = BTreeMap::new();
        for (outcome, branch) in raw.on.0 {
            let field = format!("{field}.on.{}", outcome.value);
            let branch = self.branch(&field, place, &outcome.value, branch, slots);
            on.insert(outcome.value, branch);
        }
        Some(Step {
            action,
            arguments,
            on,
        })
    }

    fn arguments(
        &mut self,
        field: &str,
        at: &Spanned<String>,
        action: &dyn Action,
        raw: Entries<Spanned<RawArgument>>,
        slots: &[Slot],
    ) -> Arguments {
        let specs = action.arguments();
        let mut arguments = Arguments::new();
        for (name, value) in raw.0 {
            let field = format!("{field}.with.{}", name.value);
            let Some(spec) = specs.iter().find(|spec| spec.name == name.value) else {
                self.problem(
                    yaml::line(&name),
                    &field,
                    format!("`{}` takes no argument `{}`", action.name(), name.value),
                    suggestion(&name.value, specs.iter().map(|spec| spec.name)),
                );
                continue;
            };
            if let Some(argument) = self.argument(&field, &spec.takes, value, slots) {
                arguments.insert(name.value, argument);
            }
        }
        for spec in specs.iter().filter(|spec| spec.required) {
            if !arguments.contains_key(spec.name) {
                self.problem(
                    yaml::line(at),
                    &format!("{field}.with"),
                    format!("`{}` needs the argument `{}`", action.name(), spec.name),
                    format!("add `{}: {}`", spec.name, spec.takes.example()),
                );
            }
        }
        arguments
    }

    fn argument(
        &mut self,
        field: &str,
        takes: &Takes,
        raw: Spanned<RawArgument>,
        slots: &[Slot],
    ) -> Option<Argument> {
        let line = yaml::line(&raw);
        let words = match raw.value {
            RawArgument::One(word) => vec![word],
            RawArgument::Many(words) => words,
        };
        match takes {
            Takes::Slot(kinds) => {
                let name = words.into_iter().next().unwrap_or_default();
                let fitting = || slots.iter().filter(|slot| kinds.contains(&slot.kind));
                if fitting().any(|slot| slot.name == name) {
                    return Some(Argument::Slot(name));
                }
                self.problem(
                    line,
                    field,
                    format!("`{name}` is no slot of this flow that fits here"),
                    suggestion(&name, fitting().map(|slot| slot.name.as_str())),
                );
                None
            }
            Takes::Words(allowed) => {
                for word in &words {
                    if !allowed.is_empty() && !allowed.contains(&word.as_str()) {
                        self.problem(
                            line,
                            field,
                            format!("`{word}` is not allowed here"),
                            suggestion(word, allowed.iter().copied()),
                        );
                    }
                }
                Some(Argument::Words(words))
            }
        }
    }

    /// All outcomes of the action are there, and no other.
    fn outcomes(
        &mut self,
        field: &str,
        at: &Spanned<String>,
        action: &dyn Action,
        on: &Entries<RawBranch>,
    ) {
        let known: Vec<&str> = action
            .outcomes()
            .iter()
            .map(|outcome| outcome.name)
            .collect();
        for (outcome, _) in &on.0 {
            if !known.contains(&outcome.value.as_str()) {
                self.problem(
                    yaml::line(outcome),
                    &format!("{field}.on.{}", outcome.value),
                    format!("`{}` has no outcome `{}`", action.name(), outcome.value),
                    suggestion(&outcome.value, known.iter().copied()),
                );
            }
        }
        for name in known {
            if !on.0.iter().any(|(outcome, _)| outcome.value == name) {
                self.problem(
                    yaml::line(at),
                    &format!("{field}.on"),
                    format!("the outcome `{name}` of `{}` is not covered", action.name()),
                    format!("add `{name}: {{say: …}}`"),
                );
            }
        }
    }

    fn branch(
        &mut self,
        field: &str,
        step: usize,
        outcome: &str,
        raw: RawBranch,
        slots: &[Slot],
    ) -> Branch {
        let then = self.then(field, &raw, slots);
        let silent_question = |slot: &Slot| raw.say.is_none() && slot.ask.is_none();
        if let (Then::Ask(name), Some(ask)) = (&then, &raw.ask)
            && slots
                .iter()
                .any(|slot| slot.name == *name && silent_question(slot))
        {
            self.problem(
                yaml::line(ask),
                &format!("{field}.ask"),
                format!("the slot `{name}` has no question and nothing else is said"),
                "give the slot an `ask:` or this outcome a `say:`".into(),
            );
        }
        let say = raw.say.map(|reply| {
            self.reply(
                reply,
                &format!("{field}.say"),
                Some((step, outcome.to_owned())),
            )
        });
        let buttons = raw
            .buttons
            .into_iter()
            .enumerate()
            .filter_map(|(place, button)| self.button(&format!("{field}.buttons[{place}]"), button))
            .collect();
        Branch { say, buttons, then }
    }

    fn then(&mut self, field: &str, raw: &RawBranch, slots: &[Slot]) -> Then {
        if let (Some(_), Some(then)) = (&raw.ask, &raw.then) {
            self.problem(
                yaml::line(then),
                &format!("{field}.then"),
                "an outcome either asks or goes on".into(),
                "remove `ask:` or `then:`".into(),
            );
        }
        if let Some(ask) = &raw.ask {
            if !slots.iter().any(|slot| slot.name == ask.value) {
                self.problem(
                    yaml::line(ask),
                    &format!("{field}.ask"),
                    format!("the flow declares no slot `{}`", ask.value),
                    suggestion(&ask.value, slots.iter().map(|slot| slot.name.as_str())),
                );
            }
            return Then::Ask(ask.value.clone());
        }
        match raw.then.as_ref().map(|then| (then, then.value.as_str())) {
            None | Some((_, "stop")) => Then::Stop,
            Some((_, "next")) => Then::Next,
            Some((_, "handoff")) => Then::HandOff,
            Some((then, other)) => {
                self.problem(
                    yaml::line(then),
                    &format!("{field}.then"),
                    format!("a flow cannot go on with `{other}`"),
                    suggestion(other, ["next", "stop", "handoff"]),
                );
                Then::Stop
            }
        }
    }

    fn button(&mut self, field: &str, raw: RawButton) -> Option<Choice> {
        let label = self.reply(raw.label, &format!("{field}.label"), None);
        let line = yaml::line(&raw.value);
        let field = format!("{field}.value");
        let Some(press) = Press::parse(&raw.value.value) else {
            self.problem(
                line,
                &field,
                format!("`{}` is no value of a button", raw.value.value),
                "write `handoff`, `flow:<name>` or `slot:<name>=<value>`".into(),
            );
            return None;
        };
        self.presses.push(PressUse {
            press: press.clone(),
            line,
            field,
        });
        Some(Choice { label, press })
    }

    fn reply(
        &mut self,
        name: Spanned<String>,
        field: &str,
        said_at: Option<(usize, String)>,
    ) -> String {
        self.replies.push(ReplyUse {
            line: yaml::line(&name),
            name: name.value.clone(),
            field: field.to_owned(),
            said_at,
        });
        name.value
    }

    fn problem(&mut self, line: usize, field: &str, message: String, fix: String) {
        self.problems.push(Problem {
            file: self.file.to_owned(),
            line,
            field: field.to_owned(),
            message,
            fix,
        });
    }
}
