//! Templates through the front door: `doorstep check` fills every one of them in, for every language and channel, and
//! `doorstep preview` shows them.

use crate::{
    check::{Broken, OWN_FILES, doorstep, folder_of, stderr, stdout},
    support::{server::doorstep_command, skip::skip},
};

#[test]
fn words_that_are_missing_in_a_language_are_named_unless_the_shop_does_not_speak_it() {
    let packed = |configuration: &'static str| {
        folder_of(&[
            ("doorstep.toml", configuration),
            (
                "files/rules/ours.yaml",
                "rules:\n  - {on: pre_transit, template: packed, channels: [webchat], name: packing}\n",
            ),
            (
                "files/templates/packed.en.md",
                "---\nsubject: Packed\n---\nOrder {{ order.number }} is packed.\n",
            ),
            (
                "files/templates/packed.de.md",
                "---\nsubject: Gepackt\n---\nBestellung {{ order.number }} ist gepackt.\n",
            ),
        ])
    };
    let missing = |language: &str| {
        format!(
            "files/templates/packed.{language}.md:0: rule `packing`: there are no words in {language}; write them, or name the \
             languages that your shop speaks in `languages` of the section [shop]\n"
        )
    };
    let folder = packed("files_dir = \"files\"\n");
    let output = doorstep(folder.path(), &["--config", "doorstep.toml", "check"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let all = ["es", "fr", "it", "pt", "ru"].map(missing);
    assert_eq!(stderr(&output), all.concat());

    let folder = packed("files_dir = \"files\"\n[shop]\nlanguages = [\"en\", \"de-AT\"]\n");
    let output = doorstep(folder.path(), &["--config", "doorstep.toml", "check"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let folder = packed("files_dir = \"files\"\n[shop]\nlanguages = [\"en\", \"fr\"]\n");
    let output = doorstep(folder.path(), &["--config", "doorstep.toml", "check"]);
    assert_eq!(stderr(&output), missing("fr"));
}

#[test]
fn templates_that_no_rule_names_are_filled_in_too() {
    Broken {
        files: &[
            OWN_FILES,
            (
                "files/templates/someday.de.md",
                "---\nsubject: Bald\n---\n{% if parcel %}{{ parcel.carier }}{% endif %}\n",
            ),
            (
                "files/templates/no_scan.en.md",
                "---\nsubject: Soon\n---\n{{ window | window }}\n",
            ),
        ],
        said: &[
            "files/templates/no_scan.en.md:4: text: this filter needs a span of days such as `order.eta`, not `none`; some \
             facts can be missing (`none`): ask `{% if … %}` before using them",
            "files/templates/someday.de.md:4: text: the variable `parcel.carier` does not exist here; did you mean \
             `parcel.carrier`?",
        ],
    }
    .check();
}

#[test]
fn what_a_rule_says_is_looked_at_on_each_of_its_channels() {
    let configuration = "files_dir = \"files\"\n[shop]\nlanguages = [\"en\"]\n[channels.whatsapp]\naccess_token = \
        \"token\"\napp_secret = \"secret\"\nverify_token = \"word\"\nnumbers = [{ phone_number_id = \"1\" }]\n";
    let long = format!(
        "---\nsubject: Packed\n---\n{{{{ order.number }}}} {}\n",
        "is packed. ".repeat(400)
    );
    let folder = folder_of(&[
        ("doorstep.toml", configuration),
        (
            "files/rules/ours.yaml",
            "rules:\n  - {on: pre_transit, template: packed, channels: [whatsapp], name: alone}\n  - {on: lost, template: \
             gone, channels: [whatsapp, email], name: first}\n",
        ),
        ("files/templates/packed.en.md", &long),
        (
            "files/templates/gone.en.md",
            "---\nsubject: Gone\n---\n{{ order.number }}\n",
        ),
    ]);
    let output = doorstep(folder.path(), &["--config", "doorstep.toml", "check"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let told = stderr(&output);
    for line in [
        "\nfiles/templates/packed.en.md:1: approved: `alone` tells it on whatsapp alone, where nobody hears it who has not just \
         written; name the approved template, see docs/channels/whatsapp.md\n",
        "warning: files/templates/gone.en.md:1: approved: `first` tells it on whatsapp first, which passes over who has not just \
         written; name the approved template, see docs/channels/whatsapp.md\n",
        "warning: files/templates/packed.en.md:1: text: has 4404 characters, whatsapp takes 4096 in a message; shorten it, or \
         customers get it in parts\n",
    ] {
        assert!(told.contains(line), "{line} is not in\n{told}");
    }
}

#[test]
fn approved_templates_are_compared_with_the_list_that_was_read_last() {
    let shipped = "---\nsubject: Shipped\napproved:\n  name: order_shipped\n  body: [\"{{ order.number }}\"]\n---\nShipped.\n";
    let configuration = "files_dir = \"files\"\ndata_dir = \"data\"\n[shop]\nlanguages = [\"en\", \"es\"]\n[channels.whatsapp]\naccess_token = \"token\"\n\
        app_secret = \"secret\"\nverify_token = \"word\"\nnumbers = [{ phone_number_id = \"1\" }]\n";
    let list = r#"{"read_at": "2026-11-01T10:00:00Z", "templates": [{"name": "order_shipped", "language": "en", "status": "PAUSED",
        "header_format": null, "header": [], "body": ["1"], "buttons": [], "named": false}]}"#;
    let folder = folder_of(&[
        ("doorstep.toml", configuration),
        ("files/templates/shipped.en.md", shipped),
        (
            "files/templates/plain.en.md",
            "---\nsubject: Here\n---\nHere.\n",
        ),
        (
            "files/templates/plain.es.md",
            "---\nsubject: Ya\n---\nYa.\n",
        ),
        (
            "files/rules/ours.yaml",
            "rules:\n  - {on: pre_transit, template: shipped, channels: [whatsapp, email]}\n  - {on: lost, template: plain, \
             channels: [email, whatsapp]}\n",
        ),
    ]);
    let check = || {
        let output = doorstep(folder.path(), &["--config", "doorstep.toml", "check"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stderr(&output)
    };
    let never = check();
    assert!(
        never.contains("the list of approved templates was never read"),
        "{never}"
    );
    assert!(
        never.contains("run `doorstep channels test whatsapp`"),
        "{never}"
    );

    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("whatsapp-templates.json"), list).unwrap();
    let told = check();
    let paused = "warning: files/templates/shipped.en.md:4: approved: whatsapp cannot send `order_shipped` (en): its status at Meta is PAUSED; ";
    assert!(told.contains(paused), "{told}");
    assert!(
        told.contains("its list of approved templates is of 2026-11-01 10:00 UTC"),
        "{told}"
    );
    assert!(
        told.contains("days old; run `doorstep channels test whatsapp`"),
        "{told}"
    );
    let missing = "approved: whatsapp cannot send `shipped` (es): Meta's list does not have it; ";
    assert!(told.contains(missing), "{told}");
    assert!(told.contains("customers write: plain (en, es); "), "{told}");
    assert!(!told.contains("delayed"), "no rule tells it there: {told}");
}

/// What `doorstep preview` ends with, with these arguments and this variable.
fn preview(
    folder: &std::path::Path,
    arguments: &[&str],
    chromium: Option<&str>,
) -> std::process::Output {
    let mut command = doorstep_command();
    command.current_dir(folder).arg("preview").args(arguments);
    if let Some(chromium) = chromium {
        command.env("CHROMIUM", chromium);
    }
    command.output().unwrap()
}

#[test]
fn a_mail_is_previewed_with_its_subject_and_as_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let shown = preview(
        folder.path(),
        &["refund_issued", "--channel", "email", "--locale", "es"],
        None,
    );
    assert_eq!(shown.status.code(), Some(0), "{}", stderr(&shown));
    let shown = stdout(&shown);
    assert!(shown.starts_with("== email\nSubject: "), "{shown}");
    assert!(shown.lines().nth(1).unwrap().contains("1001"), "{shown}");

    let page = ["out_for_delivery", "--html", "mail.html"];
    let written = preview(folder.path(), &page, None);
    assert_eq!(written.status.code(), Some(0), "{}", stderr(&written));
    assert_eq!(stdout(&written), "mail.html\n");
    let page = std::fs::read_to_string(folder.path().join("mail.html")).unwrap();
    for words in [
        "<html lang=\"en\"",
        ">Order 1001 is out for delivery</h1>",
        "Hi Ada, your order 1001",
        "href=\"https://shop.example/track/sample\"",
    ] {
        assert!(page.contains(words), "{words} is not in\n{page}");
    }

    let chat = [
        "out_for_delivery",
        "--channel",
        "webchat",
        "--html",
        "chat.html",
    ];
    let written = preview(folder.path(), &chat, None);
    assert_eq!(written.status.code(), Some(0), "{}", stderr(&written));
    let page = std::fs::read_to_string(folder.path().join("chat.html")).unwrap();
    for words in [
        "<html lang=\"en\">",
        "<h1>webchat</h1>",
        "<p dir=\"auto\">Hi Ada, your order 1001",
        "https://shop.example/track/sample",
    ] {
        assert!(page.contains(words), "{words} is not in\n{page}");
    }
}

#[test]
fn channels_that_are_not_configured_are_previewed_too() {
    let folder = tempfile::tempdir().unwrap();
    for channel in ["discord", "telegram", "whatsapp"] {
        let on = ["shipped", "--locale", "de", "--channel", channel];
        let shown = preview(folder.path(), &on, None);
        assert_eq!(shown.status.code(), Some(0), "{}", stderr(&shown));
        let shown = stdout(&shown);
        let head = format!("== {channel} (not configured)\n");
        assert!(shown.starts_with(&head), "{shown}");
        assert!(shown.contains("1001"), "{shown}");
        let page = [on.as_slice(), &["--html", "page.html"]].concat();
        let written = preview(folder.path(), &page, None);
        assert_eq!(written.status.code(), Some(0), "{}", stderr(&written));
        let page = std::fs::read_to_string(folder.path().join("page.html")).unwrap();
        assert!(
            page.contains("<html lang=\"de\">") && page.contains("1001"),
            "{page}"
        );
        std::fs::remove_file(folder.path().join("page.html")).unwrap();
    }
    let none = preview(folder.path(), &["shipped", "--channel", "pigeon"], None);
    assert_eq!(none.status.code(), Some(2));
    let told = stderr(&none);
    assert!(told.contains("there is no channel `pigeon`"), "{told}");
    assert!(told.contains("whatsapp"), "{told}");
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "it left something behind"
    );
}

#[test]
fn a_picture_needs_chromium_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let picture = ["out_for_delivery", "--picture", "mail.png"];
    let mut without = doorstep_command();
    without
        .current_dir(folder.path())
        .arg("preview")
        .args(picture);
    let without = without
        .env_remove("CHROMIUM")
        .env("PATH", "")
        .output()
        .unwrap();
    assert_eq!(without.status.code(), Some(1));
    let told = stderr(&without);
    assert!(told.contains("install it"), "{told}");
    assert!(told.contains("`--html FILE` works without"), "{told}");
    let wrong = preview(folder.path(), &picture, Some("/nowhere/chromium"));
    assert_eq!(wrong.status.code(), Some(1));
    assert!(stderr(&wrong).contains("/nowhere/chromium took no picture"));

    let taken = preview(folder.path(), &picture, None);
    if stderr(&taken).contains("there is no Chromium") {
        skip("there is no Chromium; see scripts/services");
        return;
    }
    assert_eq!(taken.status.code(), Some(0), "{}", stderr(&taken));
    let png = std::fs::read(folder.path().join("mail.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG"));
    assert!(png.len() > 5_000, "{} bytes are an empty page", png.len());
}
