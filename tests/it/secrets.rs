//! Secrets that nobody configured are made once and kept whole.

use std::collections::BTreeSet;

use crate::check::{doorstep, stderr};

/// What the program makes for the default configuration.
const MADE: [&str; 5] = [
    "commerce_easypost_secret",
    "commerce_generic_secret",
    "link_secret",
    "webchat_identity_secret",
    "webchat_signing_secret",
];

/// A process that was killed while it kept a secret left such a file: whoever signs with an empty secret signs like anybody.
#[test]
fn an_empty_file_is_taken_for_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("data/secrets");
    std::fs::create_dir_all(&secrets).unwrap();
    for name in MADE {
        std::fs::write(secrets.join(name), "").unwrap();
    }
    let sent = doorstep(
        folder.path(),
        &[
            "events",
            "send",
            "order.placed",
            "--url",
            "http://127.0.0.1:9",
        ],
    );
    assert_eq!(sent.status.code(), Some(1));
    let told = stderr(&sent);
    assert!(
        told.contains("commerce.generic.secret is not set"),
        "{told}"
    );

    doorstep(folder.path(), &["channels", "test", "webchat"]);
    let kept: Vec<(String, String)> = std::fs::read_dir(&secrets)
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            (name, std::fs::read_to_string(file.path()).unwrap())
        })
        .collect();
    let names: BTreeSet<&str> = kept.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(MADE), "nothing else is left behind");
    let values: BTreeSet<&str> = kept.iter().map(|(_, secret)| secret.as_str()).collect();
    assert_eq!(values.len(), MADE.len(), "each is its own");
    for (name, secret) in &kept {
        assert_eq!(secret.len(), 64, "{name}");
    }
}
