//! Merchants' own intents: learnt at the start and while the program runs, and reviewed by `doorstep check`.

use std::{
    path::Path,
    process::{Output, Stdio},
};

use serde_json::Value;

use crate::support::{
    chat::Visitor,
    hooks::{Hook, order_placed, parcel_news},
    merchant::{Shop, write},
    server::{doorstep_command, shared},
    wait::eventually,
};

/// Five examples, and what is answered.
const ENGRAVING: &str = "- name: engraving
  definition: Whether names are engraved.
  examples:
    - do you engrave names
    - can you engrave my name on the knife
    - i want my initials engraved on a flask
    - is engraving possible
    - kann man einen namen eingravieren lassen
  answer:
    en: We engrave up to 20 letters on knives and flasks.
    es: Grabamos hasta 20 letras en navajas y termos.
";

#[tokio::test]
async fn an_intent_that_is_added_while_the_program_runs_is_used_by_the_next_message() {
    let shop = Shop::open().await;
    let mut conversation = Visitor::anonymous(shop.process.address(), "en")
        .await
        .talk(shop.process.address())
        .await;
    let before = conversation.ask("Is engraving possible?").await;
    assert!(!before.text().contains("20 letters"), "{}", before.text());

    shop.write("intents/engraving.yaml", ENGRAVING);
    shop.reloads("applied", 1).await;
    let after = conversation.ask("Is ENGRAVING possible??").await;
    after.assert_says(&["We engrave up to 20 letters"]);
    // What was there before is answered as before.
    let order = conversation.ask("Where is my order?").await;
    order.assert_says(&["order number"]);
    order.assert_hides(&["20 letters"]);

    // A changed answer, and its intent taken out again.
    shop.write(
        "intents/engraving.yaml",
        &ENGRAVING.replace("up to 20 letters", "up to 30 letters"),
    );
    shop.reloads("applied", 2).await;
    let changed = conversation.ask("do you engrave names?").await;
    changed.assert_says(&["We engrave up to 30 letters"]);
    std::fs::remove_file(shop.folder.path().join("intents/engraving.yaml")).unwrap();
    shop.reloads("applied", 3).await;
    let gone = conversation.ask("do you engrave names?").await;
    gone.assert_hides(&["30 letters"]);
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_says_why() {
    let shop = Shop::open().await;
    shop.write("intents/engraving.yaml", ENGRAVING);
    shop.reloads("applied", 1).await;
    assert_eq!(shop.files_status().await["status"], "ok");

    shop.write(
        "intents/engraving.yaml",
        &ENGRAVING
            .replace("20 letters", "99 letters")
            .replace("  examples:", "  exmples:"),
    );
    shop.reloads("refused", 1).await;
    let status = shop.files_status().await;
    assert_eq!(status["status"], "degraded", "{status}");
    for told in [status["reason"].as_str().unwrap(), &shop.process.log()] {
        assert!(
            told.contains("intents/engraving.yaml:3: exmples: "),
            "{told}"
        );
    }
    let mut conversation = Visitor::anonymous(shop.process.address(), "en")
        .await
        .talk(shop.process.address())
        .await;
    let answer = conversation.ask("do you engrave names?").await;
    answer.assert_says(&["We engrave up to 20 letters"]);

    // A good change of one file does not take effect beside a mistake in another; both right, all of it does.
    shop.write(
        "flows/thanks.yaml",
        "flow: thanks\nlabel: flow_thanks\nintents: [thanks]\ndo:\n  - action: sya\n",
    );
    shop.write("intents/engraving.yaml", ENGRAVING);
    shop.reloads("refused", 2).await;
    std::fs::remove_file(shop.folder.path().join("flows/thanks.yaml")).unwrap();
    shop.reloads("applied", 2).await;
    assert_eq!(shop.files_status().await["status"], "ok");
}

#[tokio::test]
async fn rules_and_words_that_change_while_the_program_runs_tell_the_next_news() {
    let shop = Shop::open().await;
    let server = shop.process.address();
    let visitor = Visitor::signed_in(server, "en", "B-reload").await;
    let placed = order_placed("6900001", "B-reload", "reload@buyers.example", "RELOAD1");
    Hook::generic("reload-placed", &placed)
        .deliver(server)
        .await;
    let rule = "rules:\n  - {on: pre_transit, template: packed, channels: [webchat]}\n";
    let words = "---\nsubject: Packed\n---\nOrder {{ order.number }} is packed.\n";
    // A rule without its words is not taken, and changes nothing.
    shop.write("rules/ours.yaml", rule);
    shop.reloads("refused", 1).await;
    shop.write("templates/packed.en.md", words);
    shop.reloads("applied", 1).await;
    let packed = parcel_news("shipment.label_created", "6900001", "RELOAD1", 5);
    Hook::generic("reload-1", &packed).deliver(server).await;
    let told = eventually("the customer to hear of it", async || {
        let messages = visitor.history(server, 0).await;
        (!messages.is_empty()).then_some(messages)
    })
    .await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["text"], "Order 6900001 is packed.");
}

#[tokio::test]
async fn the_demo_shop_answers_its_own_question_in_the_customers_language() {
    let server = shared().await;
    server.app.taught().await;
    let server = server.address;
    for (language, text, answer) in [
        ("en", "Do you gift wrap?", "with a card in your own words"),
        (
            "de",
            "kann man das als Geschenk verpacken",
            "Recyclingpapier",
        ),
    ] {
        let visitor = Visitor::anonymous(server, language).await;
        let reply = visitor.talk(server).await.ask(text).await;
        reply.assert_says(&[answer]);
    }
}

fn check(folder: &Path, arguments: &[&str]) -> Output {
    write(
        folder,
        "doorstep.toml",
        "files_dir = \"files\"\n[nlu]\nbackend = \"tract\"\n",
    );
    doorstep_command()
        .current_dir(folder)
        .args(["--config", "doorstep.toml", "check"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Two intents that nobody can tell apart, one example of a third that belongs to the taxonomy's, and a good one.
const MUDDLE: &str = "- name: gift_card_balance
  examples: [how much is left on my gift card, gift card balance please, check my gift card]
  answer: {en: It is on the card's page.}
- name: gift_card_value
  examples: [what is left on the gift card, my gift card balance, check the gift card please]
  answer: {en: It is on the card's page.}
- name: engraving
  examples:
    - do you engrave names
    - can you engrave my name on the knife
    - i want my initials engraved
    - where is my order, it has not come
  answer: {en: We do.}
";

#[test]
fn check_warns_of_intents_that_will_be_confused_and_of_examples_that_look_misfiled() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "files/intents/own.yaml", MUDDLE);
    let output = check(folder.path(), &[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let pair = "warning: files/intents/own.yaml:1: gift_card_balance: `gift_card_balance` and `gift_card_value` will be confused: ";
    assert!(told.contains(pair), "{told}");
    let misfiled = "warning: files/intents/own.yaml:12: engraving.examples: “where is my order, it has not come” looks misfiled";
    assert!(told.contains(misfiled), "{told}");
    assert!(
        !told.contains("“do you engrave names” looks misfiled"),
        "{told}"
    );

    let json = check(folder.path(), &["--json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["problems"].as_array().unwrap().len(), 0, "{json}");
    for warning in json["warnings"].as_array().unwrap() {
        assert!(warning["line"].as_u64().unwrap() > 0, "{warning}");
    }
}

#[test]
fn check_warns_of_an_intent_that_holds_everything_and_so_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let everything = "- name: everything
  examples: [where is my parcel, i would like my money back, is the tent waterproof]
  answer: {en: We look into it.}
";
    write(folder.path(), "files/intents/own.yaml", everything);
    let output = check(folder.path(), &[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let lost = "warning: files/intents/own.yaml:1: everything: `everything` cannot be told from other intents: 3 of its 3 examples are read as ";
    assert!(told.contains(lost), "{told}");
    for other in ["`product_question`", "`refund_request`"] {
        assert!(told.contains(other), "{told}");
    }
}

#[test]
fn check_names_mistakes_in_own_intents_with_file_line_and_fix() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "files/intents/own.yaml",
        "- name: engraving\n  examples: [do you engrave, engrave it, is engraving possible]\n",
    );
    let output = check(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "files/intents/own.yaml:1: engraving.answer: the intent has no answer, and no flow answers it; add `answer: {en: …}`, or \
         name the intent in the `intents:` of a flow\n"
    );

    // A flow answers it.
    write(
        folder.path(),
        "files/flows/engraving.yaml",
        "flow: engraving\nlabel: flow_product_question\nintents: [engraving]\ndo:\n  - action: say\n    on:\n      said: {say: go_on}\n",
    );
    let output = check(folder.path(), &[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
}
