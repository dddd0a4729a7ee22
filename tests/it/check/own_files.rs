//! A merchant's own folder: files as other systems write them, files that are not read, and words that customers could not
//! read.

use super::{Broken, OWN_FILES, doorstep, folder_of, stderr, stdout};

/// `doorstep check` of these files beside the configuration finds nothing wrong; what it warns of.
fn warnings(files: &[(&str, &str)]) -> String {
    let all: Vec<_> = [OWN_FILES].into_iter().chain(files.to_vec()).collect();
    let folder = folder_of(&all);
    let output = doorstep(folder.path(), &["--config", "doorstep.toml", "check"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stderr(&output)
}

#[test]
fn files_written_on_windows_are_read_as_any_other() {
    let template =
        "\u{feff}---\r\nsubject: Hi {{ order.number }}\r\n---\r\nIt is there.\r\nEnjoy it!\r\n";
    let folder = folder_of(&[
        OWN_FILES,
        ("files/templates/delivered.en.md", template),
        (
            "files/rules/limits.yaml",
            "\u{feff}limits:\r\n  per_day: 3\r\n",
        ),
    ]);
    let output = doorstep(folder.path(), &["--config", "doorstep.toml", "check"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let arguments = [
        "--config",
        "doorstep.toml",
        "preview",
        "delivered",
        "--channel",
        "email",
    ];
    let shown = stdout(&doorstep(folder.path(), &arguments));
    assert!(shown.contains("Subject: Hi 1001\n"), "{shown}");
    assert!(shown.contains("It is there.\nEnjoy it!\n"), "{shown}");
}

#[test]
fn a_file_in_another_encoding_is_named_with_the_line() {
    let folder = folder_of(&[OWN_FILES]);
    let templates = folder.path().join("files/templates");
    std::fs::create_dir_all(&templates).unwrap();
    let latin_1 = b"---\nsubject: Hi\n---\nH\xe9llo\n";
    std::fs::write(templates.join("delivered.en.md"), latin_1).unwrap();
    let output = doorstep(folder.path(), &["--config", "doorstep.toml", "check"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "files/templates/delivered.en.md:4: this is not UTF-8; save the file in the encoding UTF-8, which editors offer at \
         \"Save as\"\n"
    );
}

#[test]
fn a_folder_that_is_not_there_is_named_where_it_is_written() {
    Broken {
        files: &[("doorstep.toml", "files_dir = \"filez\"\n")],
        said: &[
            "doorstep.toml:1: files_dir: there is no folder `filez`; make it, or correct the path; one without / at its \
             beginning counts from the folder you are in",
        ],
    }
    .check();
}

#[test]
fn files_that_are_not_read_are_warned_of_with_the_name_that_would_be() {
    let told = warnings(&[
        ("files/rules/limits.yml", "limits: {per_day: 3}\n"),
        (
            "files/template/delivered.en.md",
            "---\nsubject: Hi\n---\nHi\n",
        ),
        ("files/README.md", "What we changed.\n"),
        ("files/.git/notes.yaml", "a: b\n"),
    ]);
    assert_eq!(
        told,
        "warning: files/rules/limits.yml:0: file name: this file is not read: those in rules/ end in .yaml; name it \
         limits.yaml\nwarning: files/template/delivered.en.md:0: file name: this file is not read: nothing is, in a folder \
         `template`; did you mean `templates`?\n"
    );
}

#[test]
fn rules_that_tell_nobody_anything_are_warned_of() {
    let told = warnings(&[("files/rules/default.yaml", "")]);
    assert!(
        told.starts_with("warning: rules:0: there is no rule: no customer hears of their parcels; write rules, or remove"),
        "{told}"
    );
}

#[test]
fn a_channel_without_a_section_is_told_apart_from_a_misspelt_one() {
    Broken {
        files: &[
            OWN_FILES,
            (
                "files/rules/ours.yaml",
                "rules:\n  - on: delivered\n    template: delivered\n    channels: [whatsapp]\n",
            ),
        ],
        said: &[
            "files/rules/ours.yaml:4: rules[0].channels[0]: the channel `whatsapp` has no section in the configuration; add \
             [channels.whatsapp] (docs/channels/whatsapp.md), or take it out here",
        ],
    }
    .check();
}

#[test]
fn a_fact_that_can_be_missing_is_not_written_without_asking() {
    Broken {
        files: &[
            OWN_FILES,
            (
                "files/templates/delivered.en.md",
                "---\nsubject: Hi\n---\nYour parcel came.\nHello {{ customer.name }}!\n",
            ),
        ],
        said: &[
            "files/templates/delivered.en.md:5: text: `customer.name` can be missing, and nothing would stand in its place; \
             ask first: {% if customer.name %}… {{ customer.name }} …{% endif %}, or write {{ customer.name or \"other words\" }}",
        ],
    }
    .check();
}

#[test]
fn a_fact_that_is_no_text_is_not_written_without_a_filter() {
    Broken {
        files: &[
            OWN_FILES,
            (
                "files/templates/delivered.en.md",
                "---\nsubject: Hi\n---\nIn it: {{ order.items }}\n",
            ),
        ],
        said: &[
            "files/templates/delivered.en.md:4: text: `order.items` is no text that a customer could read; a filter writes \
             days and money, as in {{ window | window }} and {{ order.total | money }}; a list is gone through: {% for item in \
             order.items %}{{ item.quantity }} {{ item.title }} {% endfor %}",
        ],
    }
    .check();
}

#[test]
fn a_notification_without_words_is_refused() {
    Broken {
        files: &[
            OWN_FILES,
            ("files/templates/delivered.en.md", "---\nsubject: Hi\n---\n  \n"),
        ],
        said: &[
            "files/templates/delivered.en.md:4: text: there is no text; write below the second `---` what customers read; to \
             tell nothing, remove the rule",
        ],
    }
    .check();
}

#[test]
fn a_subject_that_begins_with_a_fact_is_to_stand_in_quotes() {
    Broken {
        files: &[
            OWN_FILES,
            (
                "files/templates/delivered.en.md",
                "---\nsubject: {{ order.number }}\n---\nIt is there.\n",
            ),
        ],
        said: &[
            "files/templates/delivered.en.md:2: subject: this is no text; a text that begins with { goes in quotes: \
             \"{{ … }}\"",
        ],
    }
    .check();
}

#[test]
fn one_reply_is_changed_without_the_others() {
    let files = [OWN_FILES, ("files/replies/en.yaml", "greeting: Ahoy!\n")];
    assert_eq!(warnings(&files[1..]), "");
    let folder = folder_of(&files);
    let say = |words: &str| {
        let output = doorstep(folder.path(), &["--config", "doorstep.toml", "say", words]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    assert!(say("hello").starts_with("Ahoy!\n"), "{}", say("hello"));
    assert!(
        say("thank you").starts_with("You are welcome!"),
        "{}",
        say("thank you")
    );
}
