//! Facts that merchants write out where answers look them up.

use serde_json::Value;

use super::{OWN_FILES, doorstep, folder_of, stderr, stdout};

const REPLIES: &str = include_str!("../../../config/replies/en.yaml");
const DELIVERED: &str = include_str!("../../../config/templates/delivered.en.md");

/// What `doorstep check` refuses, with these files beside the configuration.
fn refused(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<(&str, &str)> = [OWN_FILES]
        .into_iter()
        .chain(files.iter().copied())
        .collect();
    let folder = folder_of(&files);
    let output = doorstep(folder.path(), &["--config", "doorstep.toml", "check"]);
    let told = stderr(&output);
    let refused = told.lines().filter(|line| !line.starts_with("warning: "));
    let refused: Vec<String> = refused.map(str::to_owned).collect();
    let code = i32::from(!refused.is_empty());
    assert_eq!(output.status.code(), Some(code), "{told}");
    let is_in_order = stdout(&output).contains("are in order");
    assert_eq!(is_in_order, refused.is_empty(), "{told}");
    refused
}

#[test]
fn a_fact_that_a_reply_or_a_template_writes_out_is_named_with_what_to_say_instead() {
    let more = "club: |\n  Members pay €3 a month. Is it worth it?\n  The jacket is in stock until 24 December.\nsoon: Your order was shipped.\n";
    let replies = format!("{REPLIES}{more}");
    let first = REPLIES.lines().count();
    let delivered = format!("{DELIVERED}\nYour next parcel costs €1.\n");
    let found = refused(&[
        ("files/replies/en.yaml", &replies),
        ("files/templates/delivered.en.md", &delivered),
    ]);
    let stays = "is written out, and stays so whatever the shop says";
    let page = "or write it into a page of knowledge/, which answers quote with its source";
    let price = "say a fact, like {{ product.price | money }}";
    let expected = [
        format!(
            "files/replies/en.yaml:{}: club: the price `3` {stays}; {price}, {page}",
            first + 2
        ),
        format!(
            "files/replies/en.yaml:{}: club: the day `24 December` {stays}; say a fact, like {{{{ order.eta | window }}}}, {page}",
            first + 3
        ),
        format!(
            "files/replies/en.yaml:{}: club: the words `in stock` {stays}; say it of {{{{ product.title }}}} where a flow found it by \
             check_stock, {page}",
            first + 3
        ),
        format!(
            "files/replies/en.yaml:{}: soon: the words `shipped` {stays}; say it of {{{{ order.number }}}} where a flow found it by \
             find_order, {page}",
            first + 4
        ),
        format!(
            "files/templates/delivered.en.md:{}: text: the price `1` {stays}; {price}, {page}",
            delivered.lines().count()
        ),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_fact_that_an_own_answer_writes_out_is_named_and_one_in_a_page_is_not() {
    let own = "- name: gift_boxes\n  examples: [do you sell gift boxes, a box for a present please, boxes with a ribbon]\n  answer:\n    de: Ja.\n    en: Yes, for €3 an item.\n";
    assert_eq!(
        refused(&[("files/intents/own.yaml", own)]),
        [
            "files/intents/own.yaml:5: gift_boxes.answer.en: the price `3` is written out, and stays so whatever the shop says; write \
             it into a page of knowledge/, which answers quote with its source, or answer the intent by a flow that looks it up"
        ]
    );
    let page = "# Gifts\n\n## What does a gift box cost?\n€3 an item, and always in stock until 24 December.\n";
    assert_eq!(
        refused(&[("files/knowledge/en/gifts.md", page)]),
        Vec::<String>::new()
    );
}

#[test]
fn what_is_built_in_writes_no_fact_out() {
    let folder = folder_of(&[]);
    let output = doorstep(folder.path(), &["--json", "check"]);
    let checked: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(checked["problems"], serde_json::json!([]), "{checked}");
    assert_eq!(output.status.code(), Some(0), "{checked}");
}
