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
            said: "--set delivery.max_attempts:0: delivery.max_attempts: found the text \"eight\"; write u32",
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
