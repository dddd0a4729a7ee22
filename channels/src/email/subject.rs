//! Subject lines: what is left of one without the prefixes that answering and forwarding add, and its fingerprint.

use std::sync::LazyLock;

use regex::Regex;
use sha2::{Digest, Sha256};

/// What mail programs of the seven languages (and their neighbours) put before a subject that is answered or forwarded,
/// perhaps counted (`Re[2]:`, `RE(3):`); and the tags of gateways and lists (`[EXTERNAL]`).
#[allow(clippy::expect_used)] // constant, and read by a test
static PREFIX: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?ix)^\s*(?:
            (?: re | r | rv | aw | antw | wg | sv | vs | rif | i | tr | ref | res | enc | fw | отв | ответ | пересл | fwd )
            (?: \[\d{1,3}\] | \(\d{1,3}\) | \^\d{1,3} )? \s* [:：]
            | \[ [^\]\[]{1,40} \] )\s*",
    )
    .expect("a constant pattern")
});

/// The subject that all mails of a matter share.
pub(super) fn base(subject: &str) -> &str {
    let mut rest = subject.trim();
    while let Some(prefix) = PREFIX.find(rest) {
        // A subject that is only a tag is itself.
        if prefix.end() == rest.len() && rest.starts_with('[') {
            break;
        }
        rest = &rest[prefix.end()..];
    }
    rest.trim()
}

/// Whether the subject says that it answers another.
pub(super) fn is_reply(subject: &str) -> bool {
    let base = base(subject);
    !base.is_empty() && base.len() < subject.trim().len() && !subject.trim().starts_with('[')
}

/// The subject of an answer to `subject`.
pub(super) fn reply_to(subject: &str) -> String {
    format!("Re: {}", base(subject))
}

/// 32 bits that are the same for all mails of a matter, whatever their prefixes, case and white space.
pub(super) fn topic(subject: &str) -> u32 {
    let words: Vec<String> = base(subject)
        .split_whitespace()
        .map(str::to_lowercase)
        .collect();
    let hash = Sha256::digest(words.join(" ").as_bytes());
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_all_languages_go_and_words_stay() {
        for subject in [
            "Where is my parcel?",
            "Re: Where is my parcel?",
            "RE: Re[2]: Where is my parcel?",
            "AW: Where is my parcel?",
            "WG: AW: Where is my parcel?",
            "RV: Where is my parcel?",
            "Rif: R: Where is my parcel?",
            "TR : Where is my parcel?",
            "Enc: Res: Where is my parcel?",
            "Отв: Where is my parcel?",
            "[EXTERNAL] Re: Where is  my PARCEL?",
        ] {
            assert_eq!(topic(subject), topic("where is my parcel?"), "{subject}");
        }
        assert_eq!(base("Return: how?"), "Return: how?");
        assert_eq!(base("Re:"), "");
        assert_eq!(base("[Order 1]"), "[Order 1]");
        assert!(is_reply("Aw: Hallo") && !is_reply("Hallo") && !is_reply("[x] Hallo"));
        assert_eq!(reply_to("AW: Hallo"), "Re: Hallo");
        assert_ne!(topic("Size?"), topic("Colour?"));
    }
}
