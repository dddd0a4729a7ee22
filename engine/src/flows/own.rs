//! Flows of the merchant's own questions and answers: one for each intent that has an `answer`.

use std::collections::BTreeMap;

use doorstep_core::Problem;

use super::{Argument, Arguments, Branch, Flow, Step, Then, load::Parsed};
use crate::{actions, intents::OwnIntent, templates::Templates};

/// The flow that says an intent's answer; none when one of the merchant's flows answers it.
pub(super) fn flow_of(intent: &OwnIntent) -> Option<Flow> {
    if intent.answer.is_empty() {
        return None;
    }
    let says = Branch {
        say: Some(intent.reply()),
        buttons: Vec::new(),
        then: Then::Stop,
    };
    let source = Argument::Words(vec![format!("{}#{}", intent.file, intent.name)]);
    Some(Flow {
        name: intent.name.clone(),
        label: intent.label_reply(),
        intents: vec![intent.name.clone()],
        slots: Vec::new(),
        resume: true,
        steps: vec![Step {
            action: actions::OWN_ANSWER,
            arguments: Arguments::from([(actions::OWN_SOURCE.to_owned(), source)]),
            on: BTreeMap::from([(actions::OWN_SAID.to_owned(), says)]),
        }],
    })
}

/// Every own intent is answered, once, and in words that everybody gets.
pub(super) fn check(own: &[OwnIntent], flows: &[Parsed], templates: &Templates) -> Vec<Problem> {
    let mut problems = Vec::new();
    for intent in own {
        let problem = |field: &str, message: String, fix: &str| Problem {
            file: intent.file.clone(),
            line: intent.line,
            field: format!("{}.{field}", intent.name),
            message,
            fix: fix.to_owned(),
        };
        let flow = flows
            .iter()
            .find(|parsed| parsed.flow.intents.contains(&intent.name));
        let namesake = flows.iter().find(|parsed| parsed.flow.name == intent.name);
        if intent.answer.is_empty() {
            if flow.is_none() {
                problems.push(problem(
                    "answer",
                    "the intent has no answer, and no flow answers it".to_owned(),
                    "add `answer: {en: …}`, or name the intent in the `intents:` of a flow",
                ));
            }
            continue;
        }
        if let Some(parsed) = flow {
            problems.push(problem(
                "answer",
                format!("{} answers the intent too", parsed.file),
                "keep the answer, or the intent in that flow",
            ));
        } else if let Some(parsed) = namesake {
            problems.push(problem(
                "name",
                format!("{} is a flow of this name", parsed.file),
                "choose another name for the intent",
            ));
        }
        if !templates.is_said_to_all(&intent.reply()) {
            problems.push(problem(
                "answer",
                "the answer is neither in the shop's default language nor in English".to_owned(),
                "add it in the shop's default language",
            ));
        }
    }
    problems
}
