//! What only the whole of flows and templates can tell.

use std::collections::{BTreeMap, BTreeSet};

use doorstep_core::{Problem, understanding::INTENTS};

use super::{
    Flow, Then,
    load::{Parsed, PressUse, ReplyUse},
};
use crate::{
    actions::FactMap,
    dialogue::{press::Press, replies, session_samples},
    templates::{Facts, Templates},
    yaml::suggestion,
};

/// Intents that no flow needs to answer: they mean something only in answer to a question, or nothing at all.
const FREE_INTENTS: [&str; 3] = ["yes", "no", "out_of_scope"];

pub(super) fn check(flows: &[Parsed], templates: &Templates) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(names_used_twice(flows));
    problems.extend(intents_of_two(flows));
    problems.extend(entities_of_two(flows));
    problems.extend(unanswered_intents(flows));
    let names: BTreeSet<&str> = flows
        .iter()
        .map(|parsed| parsed.flow.name.as_str())
        .collect();
    for parsed in flows {
        problems.extend(steps_out_of_reach(parsed));
        for press in &parsed.presses {
            problems.extend(unknown_press(parsed, press, &names));
        }
    }
    problems.extend(replies_in_use(flows, templates));
    problems
}

fn names_used_twice(flows: &[Parsed]) -> Vec<Problem> {
    let mut seen: BTreeMap<&str, &Parsed> = BTreeMap::new();
    let mut problems = Vec::new();
    for parsed in flows {
        if let Some(other) = seen.insert(&parsed.flow.name, parsed) {
            problems.push(Problem {
                file: parsed.file.clone(),
                line: parsed.line,
                field: "flow".into(),
                message: format!("`{}` is also the name of {}", parsed.flow.name, other.file),
                fix: "give one of them another name".into(),
            });
        }
    }
    problems
}

fn intents_of_two(flows: &[Parsed]) -> Vec<Problem> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for parsed in flows {
        for (place, intent) in parsed.flow.intents.iter().enumerate() {
            if let Some(other) = seen.insert(intent, &parsed.file) {
                problems.push(Problem {
                    file: parsed.file.clone(),
                    line: parsed.intent_lines[place],
                    field: format!("intents[{place}]"),
                    message: format!("the intent `{intent}` is answered by {other} too"),
                    fix: "keep it in one of them".into(),
                });
            }
        }
    }
    problems
}

fn entities_of_two(flows: &[Parsed]) -> Vec<Problem> {
    let mut seen = Vec::new();
    let mut problems = Vec::new();
    for parsed in flows {
        for (place, found) in parsed.on_entity.iter().enumerate() {
            if let Some((_, other)) = seen.iter().find(|(kind, _)| *kind == found.kind) {
                problems.push(Problem {
                    file: parsed.file.clone(),
                    line: found.line,
                    field: format!("on_entity[{place}]"),
                    message: format!("a message of this kind starts {other} already"),
                    fix: "keep it in one of them".into(),
                });
            }
            seen.push((found.kind, &parsed.file));
        }
    }
    problems
}

fn unanswered_intents(flows: &[Parsed]) -> Option<Problem> {
    let answered: BTreeSet<&str> = flows
        .iter()
        .flat_map(|parsed| parsed.flow.intents.iter().map(String::as_str))
        .collect();
    let missing: Vec<&str> = INTENTS
        .into_iter()
        .filter(|intent| !answered.contains(intent) && !FREE_INTENTS.contains(intent))
        .collect();
    (!missing.is_empty()).then(|| Problem {
        file: "flows".into(),
        line: 0,
        field: "intents".into(),
        message: format!("no flow answers {}", missing.join(", ")),
        fix: "add each to the `intents:` of a flow".into(),
    })
}

/// A step that nothing leads to, and `then: next` after the last one.
fn steps_out_of_reach(parsed: &Parsed) -> Vec<Problem> {
    let steps = &parsed.flow.steps;
    let mut problems = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        let goes_on = step.on.values().any(|branch| branch.then == Then::Next);
        let last = place + 1 == steps.len();
        let (message, fix) = match (goes_on, last) {
            (true, true) => (
                "`then: next` stands in the last action".to_owned(),
                "end with `stop`, or add an action",
            ),
            (false, false) => (
                format!("nothing leads to the action do[{}]", place + 1),
                "let an outcome go on with `then: next`",
            ),
            _ => continue,
        };
        problems.push(Problem {
            file: parsed.file.clone(),
            line: parsed.line,
            field: format!("do[{place}].on"),
            message,
            fix: fix.into(),
        });
    }
    problems
}

fn unknown_press(parsed: &Parsed, used: &PressUse, flows: &BTreeSet<&str>) -> Option<Problem> {
    let slots = || parsed.flow.slots.iter().map(|slot| slot.name.as_str());
    let (what, name, fix) = match &used.press {
        Press::Flow { flow, .. } if !flows.contains(flow.as_str()) => {
            ("flow", flow, suggestion(flow, flows.iter().copied()))
        }
        Press::Slot { name, .. } if parsed.flow.slot(name).is_none() => {
            ("slot of this flow", name, suggestion(name, slots()))
        }
        _ => return None,
    };
    Some(Problem {
        file: parsed.file.clone(),
        line: used.line,
        field: used.field.clone(),
        message: format!("there is no {what} `{name}`"),
        fix,
    })
}

/// Every reply that a flow or the dialogue itself says exists, and says only what is known where it is said.
fn replies_in_use(flows: &[Parsed], templates: &Templates) -> Vec<Problem> {
    let known: BTreeSet<&str> = templates.reply_names().collect();
    let uses = uses(flows);
    let facts_anywhere: BTreeSet<String> =
        uses.iter().flat_map(|used| paths(&used.facts)).collect();
    let mut samples: BTreeMap<&str, Vec<Facts>> = BTreeMap::new();
    let mut problems = Vec::new();
    for used in &uses {
        if !known.contains(used.reply) {
            problems.push(used.missing(&known));
            continue;
        }
        let here = paths(&used.facts);
        let needed = templates.variables_of_reply(used.reply);
        // A variable that is known elsewhere is not misspelt: the reply stands in the wrong place.
        let out_of_place = needed
            .iter()
            .find(|name| !here.contains(*name) && facts_anywhere.contains(*name));
        match (out_of_place, &used.place) {
            (Some(name), Some((parsed, place))) => {
                problems.push(out_of_place_reply(parsed, place, name));
            }
            _ => add_samples(samples.entry(used.reply).or_default(), &used.facts),
        }
    }
    for (name, facts) in &samples {
        problems.extend(templates.check_reply(name, facts));
    }
    problems
}

/// A reply where it is said, with the facts that may be known there. The dialogue's own replies stand in no file.
struct Use<'a> {
    reply: &'a str,
    facts: Vec<FactMap>,
    place: Option<(&'a Parsed, &'a ReplyUse)>,
}

impl Use<'_> {
    fn missing(&self, known: &BTreeSet<&str>) -> Problem {
        match self.place {
            Some((parsed, place)) => missing_reply(parsed, place, known),
            None => missing_own_reply(self.reply),
        }
    }
}

fn uses(flows: &[Parsed]) -> Vec<Use<'_>> {
    let mut uses = Vec::new();
    for parsed in flows {
        let said = facts_by_outcome(&parsed.flow);
        for place in &parsed.replies {
            let facts = match &place.said_at {
                Some(outcome) => said.get(outcome).cloned().unwrap_or_default(),
                None => vec![FactMap::new()],
            };
            uses.push(Use {
                reply: &place.name,
                facts,
                place: Some((parsed, place)),
            });
        }
    }
    for (reply, facts) in replies::samples() {
        uses.push(Use {
            reply,
            facts,
            place: None,
        });
    }
    uses
}

/// The names of all facts in samples, those of every session included.
fn paths(facts: &[FactMap]) -> BTreeSet<String> {
    let mut samples = Vec::new();
    add_samples(&mut samples, facts);
    samples.iter().flat_map(Facts::paths).collect()
}

fn out_of_place_reply(parsed: &Parsed, used: &ReplyUse, variable: &str) -> Problem {
    Problem {
        file: parsed.file.clone(),
        line: used.line,
        field: used.field.clone(),
        message: format!(
            "the reply `{}` tells `{variable}`, which is not known here",
            used.name
        ),
        fix: "say another reply here, or let an action find it out first".into(),
    }
}

fn missing_reply(parsed: &Parsed, used: &ReplyUse, known: &BTreeSet<&str>) -> Problem {
    Problem {
        file: parsed.file.clone(),
        line: used.line,
        field: used.field.clone(),
        message: format!("the shop's default language has no reply `{}`", used.name),
        fix: format!("add it to the replies; {}", nearest(&used.name, known)),
    }
}

/// All replies would be too long a list to print.
fn nearest(name: &str, known: &BTreeSet<&str>) -> String {
    let fix = suggestion(name, known.iter().copied());
    if fix.starts_with("did you mean") {
        fix
    } else {
        "or name one that is there".into()
    }
}

fn missing_own_reply(name: &str) -> Problem {
    Problem {
        file: "replies".into(),
        line: 0,
        field: name.to_owned(),
        message: format!(
            "the shop's default language has no reply `{name}`, which the dialogue itself says"
        ),
        fix: "copy it from the English replies and translate it".into(),
    }
}

fn add_samples(samples: &mut Vec<Facts>, facts: &[FactMap]) {
    for fact_map in facts {
        for mut sample in session_samples() {
            sample.extend(fact_map);
            if !samples.contains(&sample) {
                samples.push(sample);
            }
        }
    }
}

type SaidAt = (usize, String);

/// For every step and outcome, the facts that may be known there: those of the actions before it and its own.
fn facts_by_outcome(flow: &Flow) -> BTreeMap<SaidAt, Vec<FactMap>> {
    let mut known = BTreeMap::new();
    let mut before = vec![FactMap::new()];
    for (place, step) in flow.steps.iter().enumerate() {
        let mut after = Vec::new();
        for outcome in step.action.outcomes() {
            let here = combined(&before, &(outcome.samples)());
            if step
                .on
                .get(outcome.name)
                .is_some_and(|branch| branch.then == Then::Next)
            {
                after.extend(here.iter().cloned());
            }
            known.insert((place, outcome.name.to_owned()), here);
        }
        before = after;
    }
    known
}

fn combined(before: &[FactMap], own: &[FactMap]) -> Vec<FactMap> {
    let mut all = Vec::new();
    for earlier in before {
        for facts in own {
            let mut merged = earlier.clone();
            merged.extend(facts.clone());
            if !all.contains(&merged) {
                all.push(merged);
            }
        }
    }
    all
}
