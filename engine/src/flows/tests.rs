use std::{fs, path::Path};

use doorstep_core::{ConfigFiles, Language, Problem};

use super::load;

/// The merchant's files as they are shipped.
pub(crate) fn shipped() -> ConfigFiles {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let mut files = ConfigFiles::default();
    for folder in ["flows", "replies"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            files.files.insert(
                format!("{folder}/{name}"),
                fs::read_to_string(path).unwrap(),
            );
        }
    }
    files
}

/// The shipped files with one of them replaced, or changed in one place.
fn with(change: &[(&str, &str, &str)]) -> Vec<Problem> {
    let mut files = shipped();
    for (file, old, new) in change {
        let text = files.files.get_mut(*file).unwrap();
        assert!(text.contains(old), "{file} no longer holds {old:?}");
        *text = text.replacen(old, new, 1);
    }
    match load(&files, &Language::ENGLISH) {
        Ok(_) => Vec::new(),
        Err(problems) => problems,
    }
}

#[test]
fn the_shipped_flows_and_replies_are_right() {
    let problems = with(&[]);
    assert!(problems.is_empty(), "{:#?}", lines(&problems));
}

#[test]
fn every_language_has_every_reply() {
    let files = shipped();
    let names = |language: &str| {
        let text = files.get(&format!("replies/{language}.yaml")).unwrap();
        let mut names: Vec<String> = text
            .lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
            .filter_map(|line| Some(line.split_once(':')?.0.to_owned()))
            .collect();
        names.sort();
        names
    };
    for language in ["es", "de", "fr", "it", "pt", "ru"] {
        assert_eq!(names(language), names("en"), "{language}");
    }
}

fn lines(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// A mistake in one place, and what must be said about it.
struct Mistake {
    file: &'static str,
    old: &'static str,
    new: &'static str,
    said: &'static [&'static str],
}

const STATUS: &str = "flows/order_status.yaml";

#[test]
fn every_mistake_is_named_with_file_line_field_and_fix() {
    let mistakes = [
        Mistake {
            file: STATUS,
            old: "label: flow_order_status",
            new: "lable: flow_order_status",
            said: &[
                "flows/order_status.yaml:3: lable: unknown field",
                "did you mean `label`?",
            ],
        },
        Mistake {
            file: STATUS,
            old: "[order_status]",
            new: "[order_statsu]",
            said: &[
                "order_status.yaml:4: intents[0]: the intent `order_statsu`",
                "did you mean `order_status`?",
            ],
        },
        Mistake {
            file: STATUS,
            old: "type: email_or_postcode",
            new: "type: email",
            said: &[
                "order_status.yaml:8: slots[1].type: `email`",
                "did you mean `email_or_postcode`?",
            ],
        },
        Mistake {
            file: STATUS,
            old: "action: find_order",
            new: "action: find_oder",
            said: &[
                "order_status.yaml:12: do[0].action",
                "did you mean `find_order`?",
            ],
        },
        Mistake {
            file: STATUS,
            old: "with: {order_number: order_number",
            new: "with: {order_number: ordernumber",
            said: &[
                "order_status.yaml:13: do[0].with.order_number: `ordernumber`",
                "did you mean `order_number`?",
            ],
        },
        Mistake {
            file: STATUS,
            old: "needs_second_factor: {ask: second_factor}",
            new: "needs_2nd_factor: {ask: second_factor}",
            said: &[
                "order_status.yaml:18: do[0].on.needs_2nd_factor: `find_order` has no outcome",
                "did you mean `needs_second_factor`?",
                "order_status.yaml:12: do[0].on: the outcome `needs_second_factor` of `find_order` is not covered",
                "add `needs_second_factor: {say: …}`",
            ],
        },
        Mistake {
            file: STATUS,
            old: "needs_second_factor: {ask: second_factor}",
            new: "needs_second_factor: {ask: secnd_factor}",
            said: &[
                "order_status.yaml:18: do[0].on.needs_second_factor.ask: the flow declares no slot",
                "did you mean `second_factor`?",
            ],
        },
        Mistake {
            file: STATUS,
            old: "then: handoff",
            new: "then: hand_off",
            said: &[
                "order_status.yaml:20: do[0].on.too_many_tries.then",
                "did you mean `handoff`?",
            ],
        },
        Mistake {
            file: STATUS,
            old: "value: handoff",
            new: "value: call me",
            said: &[
                "order_status.yaml:21: do[0].on.unreachable.buttons[0].value: `call me`",
                "write `handoff`",
            ],
        },
        Mistake {
            file: STATUS,
            old: "{say: order_status}",
            new: "{say: order_stauts}",
            said: &[
                "order_status.yaml:15: do[0].on.found.say: the shop's default language has no reply",
                "did you mean `order_status`?",
            ],
        },
        Mistake {
            file: "flows/invoice.yaml",
            old: "flow: invoice",
            new: "flow: order_status",
            said: &[
                "flows/order_status.yaml:2: flow: `order_status` is also the name of flows/invoice.yaml",
            ],
        },
        Mistake {
            file: "flows/invoice.yaml",
            old: "[invoice]",
            new: "[order_status]",
            said: &[
                "flows/order_status.yaml:4: intents[0]: the intent `order_status` is answered by flows/invoice.yaml too",
                "flows:0: intents: no flow answers invoice",
            ],
        },
        Mistake {
            file: "flows/greeting.yaml",
            old: "flow:return_policy",
            new: "flow:return_polcy",
            said: &[
                "flows/greeting.yaml:12: do[0].on.said.buttons[1].value",
                "did you mean `return_policy`?",
            ],
        },
        Mistake {
            file: "flows/cancel_order.yaml",
            old: "{then: next}",
            new: "{say: order_status}",
            said: &["flows/cancel_order.yaml:2: do[0].on: nothing leads to the action do[1]"],
        },
        Mistake {
            file: "flows/thanks.yaml",
            old: "{say: thanks}",
            new: "{say: order_status}",
            said: &[
                "flows/thanks.yaml:8: do[0].on.said.say: the reply `order_status` tells `order.",
                "say another reply here",
            ],
        },
        Mistake {
            file: "replies/es.yaml",
            old: "passage.text",
            new: "pasage.text",
            said: &[
                "replies/es.yaml:",
                "policy_answer: the variable `pasage.text`",
                "did you mean `passage.text`?",
            ],
        },
        Mistake {
            file: "flows/stop_messages.yaml",
            old: "messages: stop, ",
            new: "",
            said: &[
                "flows/stop_messages.yaml:6: do[0].with: `set_preference` needs the argument `messages`",
                "add `messages: start`",
            ],
        },
        Mistake {
            file: "flows/stop_messages.yaml",
            old: "[order, marketing]",
            new: "[orders, marketing]",
            said: &[
                "flows/stop_messages.yaml:7: do[0].with.about: `orders` is not allowed",
                "did you mean `order`?",
            ],
        },
    ];
    for mistake in mistakes {
        let problems = lines(&with(&[(mistake.file, mistake.old, mistake.new)])).join("\n");
        for said in mistake.said {
            assert!(
                problems.contains(said),
                "{}: {said}\n{problems}",
                mistake.new
            );
        }
    }
}

#[test]
fn broken_yaml_is_named_with_its_line() {
    let problems = with(&[(STATUS, "slots:", "slots: [")]);
    assert!(
        problems[0].line > 0 && problems[0].file == STATUS,
        "{problems:?}"
    );
}

const GIFTS: &str = "intents/gifts.yaml";

/// The shipped files and one of own intents.
fn with_own(own: &str, more: &[(&str, &str)]) -> Result<(), Vec<String>> {
    let mut files = shipped();
    files.files.insert(GIFTS.into(), own.into());
    for (file, text) in more {
        files.files.insert((*file).into(), (*text).into());
    }
    match load(&files, &Language::ENGLISH) {
        Ok(_) => Ok(()),
        Err(problems) => Err(lines(&problems)),
    }
}

const BOWS: &str = "flow: bows\nlabel: flow_thanks\nintents: [bows]\ndo:\n  - action: say\n    on:\n      said: {say: thanks}\n";

#[test]
fn an_own_intent_is_answered_by_its_answer_or_by_a_flow() {
    let intent =
        |answer: &str| format!("- name: bows\n  examples: [a bow, bows, with a bow]\n{answer}");
    assert_eq!(with_own(&intent("  answer: {en: Yes.}\n"), &[]), Ok(()));
    assert_eq!(with_own(&intent(""), &[("flows/bows.yaml", BOWS)]), Ok(()));
    for (own, more, said) in [
        (
            intent(""),
            &[][..],
            "intents/gifts.yaml:1: bows.answer: the intent has no answer, and no flow answers it; add `answer: {en: …}`, or \
             name the intent in the `intents:` of a flow",
        ),
        (
            intent("  answer: {en: Yes.}\n"),
            &[("flows/bows.yaml", BOWS)],
            "intents/gifts.yaml:1: bows.answer: flows/bows.yaml answers the intent too; keep the answer, or the intent in \
             that flow",
        ),
        (
            intent("  answer: {es: Sí.}\n"),
            &[],
            "intents/gifts.yaml:1: bows.answer: the answer is neither in the shop's default language nor in English; add it \
             in the shop's default language",
        ),
        (
            intent("  answer: {en: Yes.}\n").replace("bows\n", "thanks_a_lot\n"),
            &[(
                "flows/silent.yaml",
                "flow: thanks_a_lot\nlabel: flow_thanks\ndo:\n  - action: say\n    on:\n      said: {say: thanks}\n",
            )],
            "intents/gifts.yaml:1: thanks_a_lot.name: flows/silent.yaml is a flow of this name; choose another name \
             for the intent",
        ),
    ] {
        assert_eq!(with_own(&own, more), Err(vec![said.to_owned()]));
    }
}
