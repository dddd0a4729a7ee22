//! Settings that stand elsewhere than in the file are blamed on where they stand.

use std::{
    path::Path,
    process::{Output, Stdio},
};

use crate::support::server::doorstep_command;

fn doorstep(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    doorstep_command()
        .current_dir(folder)
        .envs(environment.iter().copied())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A mistake that the file does not make, and what is said of it.
struct Mistake {
    environment: &'static [(&'static str, &'static str)],
    flags: &'static [&'static str],
    said: &'static str,
}

#[test]
fn a_mistake_in_a_flag_or_a_variable_is_named_by_it_and_not_by_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = "[delivery]\nmax_attempts = 5\n[nlu]\nqueue = 10\n";
    std::fs::write(folder.path().join("doorstep.toml"), file).unwrap();
    let mistakes = [
        Mistake {
            environment: &[],
            flags: &["--set", "htpp.listen=127.0.0.1:1"],
            said: "--set htpp.listen:0: htpp.listen: there is no such key; did you mean `http`?",
        },
        Mistake {
            environment: &[("DOORSTEP_HTPP__LISTEN", "127.0.0.1:1")],
            flags: &[],
            said: "environment variable DOORSTEP_HTPP__LISTEN:0: htpp.listen: there is no such key; did you mean `http`?",
        },
        Mistake {
            environment: &[("DOORSTEP_HTTP_LISTEN", "127.0.0.1:1")],
            flags: &[],
            said: "environment variable DOORSTEP_HTTP_LISTEN:0: http_listen: there is no such key; two underscores stand between \
             section and key: DOORSTEP_HTTP__LISTEN",
        },
        Mistake {
            environment: &[],
            flags: &["--set", "delivery.max_attempts=eight"],
            said: "--set delivery.max_attempts:0: delivery.max_attempts: found the text \"eight\"; write a whole number, such as 20",
        },
        Mistake {
            environment: &[],
            flags: &["--set", "delivery.attempts=8"],
            said: "--set delivery.attempts:0: delivery.attempts: there is no such key; did you mean `max_attempts`?",
        },
        Mistake {
            environment: &[("DOORSTEP_NLU__QUEUE", "0")],
            flags: &[],
            said: "environment variable DOORSTEP_NLU__QUEUE:0: nlu.queue: 0 would stop everything; write 1 or more",
        },
    ];
    for mistake in mistakes {
        let arguments = [&["--config", "doorstep.toml", "check"][..], mistake.flags].concat();
        let output = doorstep(folder.path(), mistake.environment, &arguments);
        assert_eq!(stderr(&output).trim_end(), mistake.said);
        assert_eq!(output.status.code(), Some(1));
    }
    // What others name so is none of ours: Kubernetes tells a service's address like this.
    let others = [
        ("DOORSTEP_SERVICE_HOST", "10.0.0.1"),
        ("DOORSTEP_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
    ];
    let output = doorstep(folder.path(), &others, &["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// What `doorstep check` says of this file, with these variables and flags, and how it ends.
fn checked(folder: &Path, environment: &[(&str, &str)], flags: &[&str]) -> (String, Option<i32>) {
    let arguments = [&["--config", "doorstep.toml", "check"][..], flags].concat();
    let output = doorstep(folder, environment, &arguments);
    (stderr(&output).to_owned(), output.status.code())
}

#[test]
fn a_secret_of_digits_is_taken_as_it_was_written_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let write = |text: &str| std::fs::write(folder.path().join("doorstep.toml"), text).unwrap();
    write("");
    let variable = [("DOORSTEP_COMMERCE__GENERIC__SECRET", "123456")];
    let (told, code) = checked(folder.path(), &variable, &[]);
    assert_eq!(code, Some(0), "{told}");
    let flag = ["--set", "commerce.generic.secret=123456"];
    let (told, code) = checked(folder.path(), &[], &flag);
    assert_eq!(code, Some(0), "{told}");
    // The zero counts, too.
    let variable = [("DOORSTEP_CHANNELS__WEBCHAT__SIGNING_SECRET", "0123456")];
    let (told, _) = checked(folder.path(), &variable, &[]);
    assert_eq!(
        told,
        "environment variable DOORSTEP_CHANNELS__WEBCHAT__SIGNING_SECRET:0: channels.webchat.signing_secret: 7 bytes are \
         too few, 32 are needed; make one with `openssl rand -base64 32`\n"
    );
    write("[commerce.generic]\nsecret = 123456\n");
    let (told, code) = checked(folder.path(), &[], &[]);
    assert_eq!(
        told,
        "doorstep.toml:2: commerce.generic.secret: found a number; write text in quotes, such as \"words\"\n"
    );
    assert_eq!(code, Some(1));
    // A secret in the place of a section.
    let variable = [("DOORSTEP_CHANNELS__TELEGRAM", "123456:token")];
    write("");
    let (told, code) = checked(folder.path(), &variable, &[]);
    assert_eq!(code, Some(1));
    assert!(told.contains("channels.telegram: found text; "), "{told}");
    assert!(!told.contains("123456"), "{told}");
}

#[test]
fn a_secrets_file_counts_where_it_is_named_and_gives_way_to_what_stands_above() {
    let folder = tempfile::tempdir().unwrap();
    let file = "[database]\nkind = \"postgres\"\nurl_file = \"address\"\n";
    std::fs::write(folder.path().join("doorstep.toml"), file).unwrap();
    std::fs::write(folder.path().join("address"), "nonsense\n").unwrap();
    let (told, code) = checked(folder.path(), &[], &[]);
    assert_eq!(
        told,
        "doorstep.toml:3: database.url: this is not a PostgreSQL address; write one like \
         \"postgres://user:password@host:5432/database\"\n"
    );
    assert_eq!(code, Some(1));
    let url = "postgres://nobody@127.0.0.1:9/none";
    let variable = [("DOORSTEP_DATABASE__URL", url)];
    let (told, code) = checked(folder.path(), &variable, &[]);
    assert_eq!(code, Some(0), "{told}");
    let (told, code) = checked(
        folder.path(),
        &[],
        &["--set", &format!("database.url={url}")],
    );
    assert_eq!(code, Some(0), "{told}");
    // And the other way round: a file that a variable names counts over what the configuration holds.
    std::fs::write(folder.path().join("better"), url).unwrap();
    let variable = [("DOORSTEP_DATABASE__URL_FILE", "better")];
    let (told, code) = checked(folder.path(), &variable, &[]);
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn a_misspelt_key_of_a_secrets_file_is_named_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = "[channels.email.smtp]\nhost = \"mail.example\"\npasword_file = \"secret\"\n";
    std::fs::write(folder.path().join("doorstep.toml"), file).unwrap();
    std::fs::write(folder.path().join("secret"), "word\n").unwrap();
    let (told, code) = checked(folder.path(), &[], &[]);
    assert_eq!(
        told,
        "doorstep.toml:3: channels.email.smtp.pasword_file: there is no such key; did you mean `password_file`?\n"
    );
    assert_eq!(code, Some(1));
}

#[test]
fn a_configuration_in_the_current_folder_is_read_and_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let file = "[http]\nlisten_on = \"127.0.0.1:8080\"\n";
    std::fs::write(folder.path().join("doorstep.toml"), file).unwrap();
    let said = "doorstep: the configuration is ./doorstep.toml; --config names another\n";
    let mistake = "doorstep.toml:2: http.listen_on: there is no such key; did you mean `listen`?\n";
    for command in ["check", "serve", "migrate"] {
        let output = doorstep(folder.path(), &[], &[command]);
        assert_eq!(stderr(&output), format!("{said}{mistake}"), "{command}");
        assert_eq!(output.status.code(), Some(1), "{command}");
    }
    // Who only tries the program out does so on the demo shop, and is told.
    let output = doorstep(folder.path(), &[], &["--json", "say", "hello"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        stderr(&output),
        "doorstep: this is the demo shop; --config doorstep.toml takes yours\n"
    );
    let output = doorstep(folder.path(), &[], &["classify", "hello"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "they leave nothing behind");
}

#[test]
fn secrets_that_instances_must_share_are_named_where_each_would_make_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = "[database]\nkind = \"postgres\"\nurl = \"postgres://nobody@127.0.0.1:9/none\"\n[links]\nsecret = \"set\"\n";
    std::fs::write(folder.path().join("doorstep.toml"), file).unwrap();
    let (told, code) = checked(folder.path(), &[], &[]);
    assert_eq!(code, Some(0), "{told}");
    let warning = "warning: doorstep.toml:2: database.kind: instances that share this database must have the same secrets, \
        and these are made by each in its own data_dir: channels.webchat.signing_secret, channels.webchat.identity_secret, \
        commerce.easypost.secret, commerce.generic.secret; set each of them, ";
    assert!(told.contains(warning), "{told}");
    let secret = "a secret that is long enough to sign with";
    let set = [
        ("DOORSTEP_CHANNELS__WEBCHAT__SIGNING_SECRET", secret),
        ("DOORSTEP_CHANNELS__WEBCHAT__IDENTITY_SECRET", secret),
        ("DOORSTEP_COMMERCE__EASYPOST__SECRET", secret),
        ("DOORSTEP_COMMERCE__GENERIC__SECRET", secret),
    ];
    let (told, code) = checked(folder.path(), &set, &[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(!told.contains("must have the same secrets"), "{told}");
    // One machine with its own database shares them with nobody.
    std::fs::write(folder.path().join("doorstep.toml"), "").unwrap();
    let (told, _) = checked(folder.path(), &[], &[]);
    assert!(!told.contains("must have the same secrets"), "{told}");
}
