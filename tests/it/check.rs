//! `doorstep check` and the commands that work without a configuration: what is wrong is said with file, line, field and
//! what to do; results alone are on standard output.

mod own_files;
mod several;
mod written_out;

use std::{
    path::Path,
    process::{Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::server::doorstep_command;

/// A broken configuration and what is said of it.
pub(crate) struct Broken {
    /// Files by path; `doorstep.toml` is the configuration, `files/…` are the merchant's own.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// Standard error, line for line.
    pub(crate) said: &'static [&'static str],
}

/// The configuration that has the merchant's own files read.
pub(crate) const OWN_FILES: (&str, &str) = ("doorstep.toml", "files_dir = \"files\"\n");

pub(crate) fn folder_of(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

pub(crate) fn doorstep(folder: &Path, arguments: &[&str]) -> Output {
    doorstep_command()
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

impl Broken {
    /// `doorstep check` says exactly this, as text and as JSON, and ends with 1.
    pub(crate) fn check(&self) {
        let folder = folder_of(self.files);
        let output = doorstep(folder.path(), &["--config", "doorstep.toml", "check"]);
        let told: Vec<String> = stderr(&output).lines().map(str::to_owned).collect();
        assert_eq!(told, self.said);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(stdout(&output), "");
        let json = doorstep(
            folder.path(),
            &["--config", "doorstep.toml", "--json", "check"],
        );
        let problems: Value = serde_json::from_slice(&json.stdout).unwrap();
        let problems = problems["problems"].as_array().unwrap();
        assert_eq!(problems.len(), self.said.len());
        for problem in problems {
            assert!(
                problem["file"].is_string() && problem["line"].is_u64(),
                "{problem}"
            );
            assert!(!problem["fix"].as_str().unwrap().is_empty(), "{problem}");
        }
    }
}

#[test]
fn a_file_that_breaks_off_is_named_with_the_line() {
    Broken {
        files: &[("doorstep.toml", "[shop]\nname = \"Ferns\nkind = \"demo\"\n")],
        said: &[
            "doorstep.toml:2: this is not TOML: invalid basic string, expected `\"`; correct the line; a value is text \
             in quotes, a number, true, false or [a list]",
        ],
    }
    .check();
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_known_one() {
    Broken {
        files: &[(
            "doorstep.toml",
            "[http]\n# where\nlisten_on = \"127.0.0.1:8080\"\n",
        )],
        said: &["doorstep.toml:3: http.listen_on: there is no such key; did you mean `listen`?"],
    }
    .check();
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_the_right_one() {
    Broken {
        files: &[("doorstep.toml", "[delivery]\n\nmax_attempts = \"eight\"\n")],
        said: &["doorstep.toml:3: delivery.max_attempts: found the text \"eight\"; write a whole number, such as 20"],
    }
    .check();
}

#[test]
fn an_unknown_kind_is_named_with_the_known_ones() {
    Broken {
        files: &[("doorstep.toml", "[commerce.shop]\nkind = \"genric\"\n")],
        said: &["doorstep.toml:2: commerce.shop.kind: `genric` is not a kind of source; did you mean `generic`?"],
    }
    .check();
}

#[test]
fn a_shop_that_cannot_be_asked_is_named_with_what_is_missing() {
    Broken {
        files: &[("doorstep.toml", "[shop]\nkind = \"shopify\"\n")],
        said: &["doorstep.toml:1: shop.shopify: this kind of shop needs the section and there is none; add [shop.shopify] with shop and access_token"],
    }
    .check();
    Broken {
        files: &[(
            "doorstep.toml",
            "[shop]\nkind = \"woocommerce\"\n[shop.woocommerce]\nurl = \"http://shop.example\"\nconsumer_key = \"ck\"\n",
        )],
        said: &[
            "doorstep.toml:4: shop.woocommerce.url: `http://shop.example` is not an https address; write one like \
             \"https://shop.example\"; over plain http the keys could be read on their way",
            "doorstep.toml:3: shop.woocommerce.consumer_secret: this secret is missing; write it, or name its file as \
             consumer_secret_file; docs/shops/woocommerce.md says where it is found",
        ],
    }
    .check();
}

#[test]
fn a_colour_that_nobody_could_read_is_named_with_the_nearest_that_can_be() {
    Broken {
        files: &[("doorstep.toml", "[shop]\naccent = \"#0a6\"\n")],
        said: &["doorstep.toml:2: shop.accent: white on `#0a6` has a contrast of 3.03:1, and 4.5:1 is needed to be read; the nearest colour with enough is \"#008852\""],
    }
    .check();
    Broken {
        files: &[("doorstep.toml", "[shop]\naccent = \"green\"\n")],
        said: &["doorstep.toml:2: shop.accent: `green` is no colour like \"#0a6647\" or \"#064\"; write its red, green and blue as on the web, or leave it empty"],
    }
    .check();
}

#[test]
fn a_secret_that_only_the_provider_can_make_is_asked_for() {
    Broken {
        files: &[("doorstep.toml", "[commerce.shopify]\nkind = \"shopify\"\n")],
        said: &["doorstep.toml:1: commerce.shopify.secret: shopify makes this secret, and there is none; copy it from there, as secret or into the file that secret_file names; docs/shops/shopify.md says where"],
    }
    .check();
}

#[test]
fn a_carrier_that_cannot_be_asked_as_written_is_named_with_what_to_write() {
    Broken {
        files: &[(
            "doorstep.toml",
            "[commerce.ups]\nkind = \"ups\"\n[commerce.ups.poll]\nevery_h = 0\nurl = \"http://ups.example\"\n\
             [commerce.shop]\nkind = \"generic\"\n[commerce.shop.poll]\nevery_h = 4\n",
        )],
        said: &[
            "doorstep.toml:8: commerce.shop.poll: a source of kind `generic` cannot be asked for parcels; remove the \
             section; those that can: 17track, ups",
            "doorstep.toml:4: commerce.ups.poll.every_h: with 0 a parcel would be asked for without end; write how many \
             hours pass between two questions, 1 or more",
            "doorstep.toml:5: commerce.ups.poll.url: `http://ups.example` is not an https address; leave it out for the \
             provider's own; over plain http the credentials could be read on their way",
            "doorstep.toml:3: commerce.ups.poll.client_id: no OAuth client is named; copy its id; docs/shops/ups.md says \
             where it is found",
            "doorstep.toml:3: commerce.ups.poll.client_secret: this secret is missing; write it, or name its file as \
             client_secret_file; docs/shops/ups.md says where it is found",
        ],
    }
    .check();
    Broken {
        files: &[(
            "doorstep.toml",
            "[commerce.17track]\nkind = \"17track\"\nsecret = \"key\"\n[commerce.17track.poll]\nevery = 4\n",
        )],
        said: &["doorstep.toml:5: commerce.17track.poll.every: there is no such key; did you mean `every_h`?"],
    }
    .check();
}

#[test]
fn a_share_of_wrong_answers_that_is_none_is_named() {
    for (written, shown) in [("0", "0"), ("0.7", "0.7"), ("-0.1", "-0.1"), ("nan", "NaN")] {
        let file = format!("[nlu]\nmax_wrong = {written}\n");
        let folder = folder_of(&[("doorstep.toml", &file)]);
        let output = doorstep(folder.path(), &["--config", "doorstep.toml", "check"]);
        assert_eq!(
            stderr(&output),
            format!(
                "doorstep.toml:2: nlu.max_wrong: {shown} is no share of wrong answers to accept; write a number above 0 \
                 and up to 0.5; 0.03 lets 3 of 100 answers be wrong\n"
            )
        );
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn settings_that_exclude_each_other_are_named_with_the_way_out() {
    Broken {
        files: &[("doorstep.toml", "[database]\nkind = \"postgres\"\n\n[delivery]\nlease_s = 10\n")],
        said: &[
            "doorstep.toml:1: database.url: kind = \"postgres\" needs the server's address and there is none; add url = \
             \"postgres://user:password@host:5432/database\", or url_file",
            "doorstep.toml:5: delivery.lease_s: a lease of 10 s ends before an attempt may (30 s): a running attempt \
             would be taken for dead; write more than delivery.timeout_s",
        ],
    }
    .check();
}

#[test]
fn a_secret_that_would_be_guessed_is_refused_before_the_start() {
    Broken {
        files: &[("doorstep.toml", "[channels.webchat]\nsigning_secret = \"short\"\n")],
        said: &[
            "doorstep.toml:2: channels.webchat.signing_secret: 5 bytes are too few, 32 are needed; make one with \
             `openssl rand -base64 32`",
        ],
    }
    .check();
}

#[test]
fn a_channel_without_its_secrets_is_named_with_where_they_are_found() {
    Broken {
        files: &[
            ("token", "a-token\n"),
            ("doorstep.toml", "[channels.whatsapp]\naccess_token_file = \"token\"\napp_secret = \"\"\n"),
        ],
        said: &[
            "doorstep.toml:3: channels.whatsapp.app_secret: it is empty; copy it from the app's page \"App settings, Basic\"",
        ],
    }
    .check();
}

#[test]
fn a_bot_without_a_token_is_told_where_tokens_come_from() {
    Broken {
        files: &[("doorstep.toml", "[channels.telegram]\nusername = \"shop_bot\"\ntoken = \"secret\"\n")],
        said: &[
            "doorstep.toml:3: channels.telegram.token: this is not a bot's token; write what BotFather answered to \
             /newbot, like 123456789:AAE…, or name a file with `token_file`",
        ],
    }
    .check();
}

#[test]
fn a_flow_that_is_not_yaml_is_named_with_the_line() {
    Broken {
        files: &[
            OWN_FILES,
            (
                "files/flows/praise.yaml",
                "flow: praise\nlabel: flow_praise\nintents: [praise\ndo:\n",
            ),
        ],
        said: &[
            "files/flows/praise.yaml:4: do: illegal placement of ':' indicator; correct the YAML at this line",
        ],
    }
    .check();
}

#[test]
fn an_unknown_action_is_named_with_the_nearest_known_one() {
    Broken {
        files: &[
            OWN_FILES,
            (
                "files/flows/praise.yaml",
                "flow: praise\nlabel: flow_praise\nintents: [praise]\ndo:\n  - action: hand_off\n    on:\n      said: {say: praise}\n",
            ),
        ],
        said: &[
            "files/flows/praise.yaml:5: do[0].action: there is no action `hand_off`; did you mean `handoff`?",
        ],
    }
    .check();
}

#[test]
fn an_unknown_slot_is_named_with_the_nearest_known_one() {
    Broken {
        files: &[
            OWN_FILES,
            (
                "files/flows/order_status.yaml",
                "flow: order_status
label: flow_order_status
intents: [order_status]
on_entity: [order_number, tracking_number]
slots:
  - {name: order_number, type: order_number, ask: ask_order_number, retry: ask_order_number_again}
  - {name: second_factor, type: email_or_postcode, ask: ask_second_factor, retry: ask_second_factor_again}
do:
  - action: find_order
    with: {order_number: ordr_number, second_factor: second_factor}
    on:
      found: {say: order_status}
      choose: {say: choose_order, ask: order_number}
      needs_order_number: {ask: order_number}
      needs_second_factor: {ask: second_factor}
      not_matched: {say: order_not_matched, ask: second_factor}
      too_many_tries: {say: order_too_many_tries, then: handoff}
      unreachable: {say: shop_unreachable}
",
            ),
        ],
        said: &[
            "files/flows/order_status.yaml:10: do[0].with.order_number: `ordr_number` is no slot of this flow that fits here; did you mean `order_number`?",
            "files/flows/order_status.yaml:9: do[0].with: `find_order` needs the argument `order_number`; add `order_number: <name of a slot>`",
        ],
    }
    .check();
}

#[test]
fn an_unknown_reply_is_named_with_the_nearest_known_one() {
    Broken {
        files: &[
            OWN_FILES,
            (
                "files/flows/praise.yaml",
                "flow: praise\nlabel: flow_praise\nintents: [praise]\ndo:\n  - action: say\n    on:\n      said: {say: prais}\n",
            ),
        ],
        said: &[
            "files/flows/praise.yaml:7: do[0].on.said.say: the shop's default language has no reply `prais`; add it to the replies; did you mean `praise`?",
        ],
    }
    .check();
}

#[test]
fn an_unknown_fact_in_a_reply_is_named() {
    Broken {
        files: &[
            OWN_FILES,
            (
                "files/replies/fr.yaml",
                "# ours\npraise: Merci, {{ customer.nickname }} !\n",
            ),
        ],
        said: &[
            "files/replies/fr.yaml:2: praise: the variable `customer.nickname` does not exist here; did you mean \
             `customer.name`?",
        ],
    }
    .check();
}

#[test]
fn a_rule_on_something_that_never_happens_is_named() {
    Broken {
        files: &[
            OWN_FILES,
            (
                "files/rules/ours.yaml",
                "rules:\n  - on: out_for_delivry\n    template: out_for_delivery\n    channels: [webchat]\n",
            ),
        ],
        said: &[
            "files/rules/ours.yaml:2: rules[0].on: `out_for_delivry` is not known; did you mean `out_for_delivery`?",
        ],
    }
    .check();
}

#[test]
fn a_rule_with_an_unknown_template_or_channel_is_named() {
    Broken {
        files: &[
            OWN_FILES,
            (
                "files/rules/ours.yaml",
                "rules:\n  - on: delivered\n    template: deliverd\n    channels: [webchat]\n  - on: lost\n    \
                 template: exception\n    channels: [webcaht]\n",
            ),
        ],
        said: &[
            "files/rules/ours.yaml:3: rules[0].template: `deliverd` is not known; did you mean `delivered`?",
            "files/rules/ours.yaml:7: rules[1].channels[0]: `webcaht` is not known; did you mean `webchat`?",
        ],
    }
    .check();
}

#[test]
fn every_problem_of_every_section_is_said_at_once() {
    let folder = folder_of(&[(
        "doorstep.toml",
        "[shpo]\nname = \"x\"\n\n[http]\nlisten = \"everywhere\"\n\n[nlu]\nbackend = \"torch\"\n",
    )]);
    let output = doorstep(folder.path(), &["--config", "doorstep.toml", "check"]);
    let told = stderr(&output);
    for place in [
        "doorstep.toml:1: shpo: ",
        "doorstep.toml:5: http.listen: ",
        "doorstep.toml:8: nlu.backend: ",
    ] {
        assert!(told.contains(place), "{place} is missing in:\n{told}");
    }
}

#[test]
fn a_configuration_in_order_is_said_to_be_so() {
    let folder = folder_of(&[("doorstep.toml", "[shop]\nname = \"Ours\"\n")]);
    let output = doorstep(folder.path(), &["--config", "doorstep.toml", "check"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "configuration, flows, rules and templates are in order\n"
    );
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "a check leaves nothing behind");
}

#[test]
fn misuse_ends_with_two_and_a_finding_with_one() {
    let folder = tempfile::tempdir().unwrap();
    for misuse in [
        &["dance"][..],
        &["serve", "--role", "king"],
        &["--set", "nonsense", "check"],
        &[],
    ] {
        assert_eq!(
            doorstep(folder.path(), misuse).status.code(),
            Some(2),
            "{misuse:?}"
        );
    }
    let no_request = doorstep(folder.path(), &["handoffs", "show", "7"]);
    assert_eq!(no_request.status.code(), Some(2));
    assert!(
        stderr(&no_request).contains("`7` names no request; `doorstep handoffs list` does"),
        "{}",
        stderr(&no_request)
    );
    let missing = doorstep(folder.path(), &["--config", "nowhere.toml", "check"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        stderr(&missing).starts_with("nowhere.toml:0: "),
        "{}",
        stderr(&missing)
    );
}

#[test]
fn a_text_is_classified_without_a_configuration_and_only_the_result_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let output = doorstep(
        folder.path(),
        &[
            "classify",
            "Where is my order 10234?",
            "¿Dónde está mi pedido?",
        ],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stdout(&output);
    let lines: Vec<Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "{told}");
    for (line, language) in lines.iter().zip(["en", "es"]) {
        assert_eq!(line["language"], language, "{line}");
        assert_eq!(line["intents"][0]["name"], "order_status", "{line}");
        assert!(line["ms"].is_number(), "{line}");
        let sentiment = line["sentiment"].as_str().unwrap();
        assert!(
            ["negative", "neutral", "positive"].contains(&sentiment),
            "{line}"
        );
    }
    assert_eq!(lines[0]["entities"][0]["value"], "10234");
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "it left something behind"
    );
}

#[test]
fn the_shop_is_talked_with_without_a_configuration_and_only_the_answer_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let output = doorstep(
        folder.path(),
        &["--json", "say", "Where", "is", "my", "order?"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let answer: Value = serde_json::from_str(stdout(&output).trim()).expect("one answer in JSON");
    assert!(
        answer["text"].as_str().unwrap().contains("order number"),
        "{answer}"
    );
    assert_eq!(stderr(&output), "");
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "it left something behind"
    );
}

#[test]
fn every_shell_gets_its_completions() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = doorstep(folder.path(), &["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stdout(&output).contains("classify"), "{shell}");
    }
}

#[test]
fn completions_whose_reader_goes_away_end_without_a_panic() {
    let mut program = doorstep_command();
    program.args(["completions", "bash"]).stdin(Stdio::null());
    let program = program.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = program.spawn().unwrap();
    drop(running.stdout.take());
    let output = running.wait_with_output().unwrap();
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
}

#[test]
fn a_share_of_wrong_answers_at_which_nothing_is_answered_is_warned_of() {
    for (max_wrong, is_warned) in [("0.0001", true), ("0.05", false)] {
        let config = format!("[nlu]\nmax_wrong = {max_wrong}\n");
        let folder = folder_of(&[("doorstep.toml", &config)]);
        let output = doorstep(folder.path(), &["--config", "doorstep.toml", "check"]);
        let told = stderr(&output);
        assert!(output.status.success(), "{told}");
        assert_eq!(told.contains("nlu.max_wrong"), is_warned, "{told}");
    }
}
