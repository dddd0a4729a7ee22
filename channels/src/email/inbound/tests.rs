//! Mails as they arrive, and what becomes of them.

use std::{collections::BTreeMap, path::PathBuf};

use doorstep_core::{attachment::AttachmentKind, customer::Proof};
use proptest::prelude::*;

use super::*;

const OURS: &str = "01936c00-0000-7000-8000-000000000001";

fn reader() -> Reader {
    Reader {
        channel: "email".into(),
        domain: "shop.example".to_owned(),
        own_addresses: vec!["hello@shop.example".to_owned()],
        tokens: Some(ReplyTokens::new("a key".into())),
        authserv_id: Some("mx.shop.example".to_owned()),
        max_attachment_bytes: 1000,
    }
}

fn now() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

fn read(mail: &str) -> Mail {
    reader().read(mail.replace('\n', "\r\n").as_bytes(), true, now())
}

fn message(mail: &str) -> InboundMessage {
    match read(mail) {
        Mail::Message(message) => *message,
        other => panic!("{other:?} of {mail}"),
    }
}

fn mail(headers: &str, body: &str) -> String {
    format!(
        "From: Ana Ruiz <Ana@example.com>\nTo: hello@shop.example\nDate: Sat, 21 Nov 2026 09:00:00 +0000\nMessage-ID: <a1@example.com>\n{headers}\n{body}"
    )
}

#[test]
fn a_mail_is_a_message() {
    let found = message(&mail("Subject: My order\n", "Where is it?\n\n-- \nAna\n"));
    assert_eq!(found.from, Address::new("email", "ana@example.com"));
    assert_eq!(found.external_id, "a1@example.com");
    assert_eq!(found.text, "Where is it?");
    assert_eq!(found.subject.as_deref(), Some("My order"));
    assert_eq!(
        found.sent_at,
        "2026-11-21T09:00:00Z".parse::<Timestamp>().unwrap()
    );
    assert!(found.new_topic);
    assert_eq!(
        found.proof,
        Some(Proof::nobody()),
        "anyone can write a From"
    );
    let only_subject = message(&mail("Subject: Where is order 10234?\n", "\n"));
    assert_eq!(only_subject.text, "Where is order 10234?");
    assert_eq!(read(&mail("", " \n")), Mail::Skipped(Skip::Empty));
    let future = mail("", "x").replace("2026 09", "2036 09");
    assert_eq!(message(&future).sent_at, now());
}

#[test]
fn charsets_and_transfer_encodings_are_read() {
    let plain = |kind: &str, body: &[u8]| {
        let mut raw = mail(&format!("Content-Type: text/plain; charset={kind}\n"), "").into_bytes();
        raw.extend_from_slice(body);
        match reader().read(&raw, true, now()) {
            Mail::Message(message) => message.text,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        plain("iso-8859-1", b"\xbfD\xf3nde est\xe1?"),
        "¿Dónde está?"
    );
    assert_eq!(plain("windows-1252", b"12 \x80"), "12 €");
    assert_eq!(plain("koi8-r", b"\xe7\xc4\xc5?"), "Где?");
    assert_eq!(plain("windows-1251", b"\xc3\xe4\xe5?"), "Где?");
    assert_eq!(plain("gb18030", b"\xc4\xe3\xba\xc3"), "你好");
    assert_eq!(plain("shift_jis", b"\x82\xb1\x82\xf1"), "こん");
    assert_eq!(plain("no-such-charset", b"Hello \xff"), "Hello \u{fffd}");
    let coded = mail(
        "Subject: =?iso-8859-1?q?Mi_pedido_lleg=F3?= =?utf-8?b?8J+Tpg==?=\nContent-Transfer-Encoding: quoted-printable\nContent-Type: text/plain; charset=utf-8\n",
        "=C2=BFD=C3=B3nde est=\n=C3=A1?\n",
    );
    let found = message(&coded);
    assert_eq!(found.subject.as_deref(), Some("Mi pedido llegó📦"));
    assert_eq!(found.text, "¿Dónde está?");
    let flowed = mail(
        "Content-Type: text/plain; format=flowed\n",
        "This is one \nline.\nAnother.\n",
    );
    assert_eq!(message(&flowed).text, "This is one line.\nAnother.");
    assert_eq!(message(&mail("", "a\u{0}b\u{7}c")).text, "abc");
}

#[test]
fn html_mail_is_read_as_text() {
    let html = mail(
        "Content-Type: text/html; charset=utf-8\n",
        "<p>Where <b>is</b> it?</p><script>x()</script><div>On Sat, 21 Nov 2026 at 10:00, Shop &lt;a@shop.example&gt; wrote:</div><blockquote>old</blockquote>\n",
    );
    assert_eq!(message(&html).text, "Where is it?");
    let both = mail(
        "Content-Type: multipart/alternative; boundary=b\n",
        "--b\nContent-Type: text/plain\n\n \n--b\nContent-Type: text/html\n\n<div>Only here</div>\n--b--\n",
    );
    assert_eq!(
        message(&both).text,
        "Only here",
        "an empty text part is nothing"
    );
}

#[test]
fn an_answer_is_threaded_and_another_subject_is_another_matter() {
    let ours = ids::message_id(
        &OURS.parse().unwrap(),
        subject::topic("Your order 10234"),
        "shop.example",
    );
    let answer = |headers: String, line: &str| {
        message(&mail(
            &format!("Subject: {line}\n{headers}\n"),
            "Thanks, and when?",
        ))
    };
    let reply = answer(format!("In-Reply-To: <{ours}>"), "AW: Your order 10234");
    assert_eq!(reply.answers.as_ref(), Some(&ours));
    assert!(!reply.new_topic);
    let references = answer(
        format!("References: <x@y.example>\n <{ours}> <z@y.example>"),
        "Re: your  order 10234",
    );
    assert_eq!(references.answers.as_ref(), Some(&ours));
    assert!(!references.new_topic);
    let other = answer(format!("In-Reply-To: <{ours}>"), "A bag");
    assert!(other.new_topic, "the same thread, another matter");
    let strange = answer(
        "In-Reply-To: <x@y.example>".to_owned(),
        "Re: Your order 10234",
    );
    assert_eq!((strange.answers, strange.new_topic), (None, false));
    assert!(answer(String::new(), "A bag").new_topic);
}

#[test]
fn the_token_in_the_address_is_as_good_as_a_reference() {
    let token = ReplyTokens::new("a key".into()).make(&OURS.parse().unwrap(), "ana@example.com");
    let to = |token: &str| {
        let mail = mail("Subject: Order\n", "M, please")
            .replace("To: hello@", &format!("To: x@y.example, hello+{token}@"));
        message(&mail)
    };
    let found = to(&token);
    assert!(!found.new_topic);
    assert_eq!(found.proof, None, "the conversation goes on as it was");
    let forged = to(&token.replace(&token[..2], "zz"));
    assert!(forged.new_topic);
    assert_eq!(forged.proof, Some(Proof::nobody()));
}

#[test]
fn only_the_receiving_server_proves_a_sender() {
    let proof = |headers: &str| message(&mail(headers, "Where is it?")).proof.unwrap();
    let pass = "Authentication-Results: mx.shop.example; dmarc=pass header.from=example.com\n";
    let proven = proof(pass);
    assert_eq!(proven.proven_mailbox(), Some("ana@example.com"));
    assert_eq!(proven.name.as_deref(), Some("Ana Ruiz"));
    for forged in [
        "Authentication-Results: mx.evil.example; dmarc=pass header.from=example.com\n".to_owned(),
        "Authentication-Results: mx.shop.example; dmarc=fail header.from=example.com\n".to_owned(),
        format!(
            "Received: from x\nAuthentication-Results: mx.shop.example; dmarc=fail\nReceived: from y\n{pass}"
        ),
        format!("From: Eve <eve@evil.example>\n{pass}"),
    ] {
        assert!(proof(&forged).is_nobody(), "{forged}");
    }
    let mut unconfigured = reader();
    unconfigured.authserv_id = None;
    let Mail::Message(found) = unconfigured.read(mail(pass, "x").as_bytes(), true, now()) else {
        panic!()
    };
    assert!(found.proof.unwrap().is_nobody());
}

#[test]
fn mail_that_no_person_wrote_is_skipped_and_so_is_our_own() {
    let skipped = |headers: &str| match read(&mail(headers, "I am away.")) {
        Mail::Skipped(skip) => skip.as_str(),
        other => panic!("{headers}: {other:?}"),
    };
    assert_eq!(skipped("Auto-Submitted: auto-replied\n"), "autoresponder");
    assert_eq!(skipped("Precedence: list\n"), "bulk");
    assert_eq!(skipped("List-Unsubscribe: <https://a.example>\n"), "bulk");
    assert_eq!(skipped("Return-Path: <>\n"), "no_return");
    assert_eq!(
        skipped("Subject: Abwesenheitsnotiz: Ihre Bestellung\n"),
        "autoresponder"
    );
    let own = mail("", "x").replace("Ana@example.com", "HELLO@shop.example");
    assert_eq!(read(&own), Mail::Skipped(Skip::Automatic(Automatic::Own)));
    let looped = mail("", "x").replace("a1@example.com", &format!("{OURS}.0000abcd@shop.example"));
    assert_eq!(
        read(&looped),
        Mail::Skipped(Skip::Automatic(Automatic::Own))
    );
    let nobody = "Subject: x\n\nHello\n";
    assert_eq!(read(nobody), Mail::Skipped(Skip::NoSender));
}

#[test]
fn files_come_along_within_limits() {
    let file = |size: usize| {
        format!(
            "--b\nContent-Type: image/jpeg; name=\"../a b.jpg\"\nContent-Disposition: attachment\nContent-Transfer-Encoding: 8bit\n\n{}\n",
            "x".repeat(size)
        )
    };
    let with = |files: &str| {
        mail(
            "Content-Type: multipart/mixed; boundary=b\n",
            &format!("--b\nContent-Type: text/plain\n\nLook\n{files}--b--\n"),
        )
    };
    let found = message(&with(&file(1000)));
    let [attachment] = &found.attachments[..] else {
        panic!("{found:?}")
    };
    assert_eq!(attachment.kind, AttachmentKind::Image);
    assert_eq!(attachment.name.as_deref(), Some("a b.jpg"));
    assert_eq!(attachment.size, Some(1000));
    assert_eq!(found.text, "Look");
    let large = message(&with(&file(1001)));
    assert_eq!((large.attachments.len(), large.text.as_str()), (0, "Look"));
    let many = message(&with(&file(10).repeat(30)));
    assert_eq!(many.attachments.len(), MAX_ATTACHMENTS);
    // A mail too large to be read whole: what was cut off is left out, its words are not.
    let raw = with(&(file(10) + &file(500)));
    let Mail::Message(cut) = reader().read(&raw.as_bytes()[..raw.len() - 300], false, now()) else {
        panic!()
    };
    assert_eq!((cut.attachments.len(), cut.text.as_str()), (1, "Look"));
}

#[test]
fn a_mail_without_an_identifier_is_known_by_its_content() {
    let raw = mail("Subject: x\n", "Hello").replace("Message-ID: <a1@example.com>\n", "");
    let first = message(&raw).external_id;
    let again = message(&format!("Received: from elsewhere\n{raw}")).external_id;
    assert!(first.starts_with("sha256:"));
    assert_eq!(first, again);
    assert_ne!(first, message(&raw.replace("Hello", "Hello!")).external_id);
}

// --- real mails --------------------------------------------------------------------------

/// The mails beside the repository.
fn collected() -> Vec<(PathBuf, Vec<u8>)> {
    collected_as(&[".eml", ".raw"])
}

/// Files beside the repository with these endings; none, said visibly, where they are not.
fn collected_as(endings: &[&str]) -> Vec<(PathBuf, Vec<u8>)> {
    let shared = std::env::var("DOORSTEP_SHARED").map_or_else(
        |_| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let mut found = Vec::new();
    let mut folders = vec![shared.join("mail")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push((path.clone(), std::fs::read(path).unwrap()));
            }
        }
    }
    if found.is_empty() {
        #[allow(clippy::print_stderr)]
        {
            eprintln!(
                "skipped: mails of other projects (DOORSTEP_SHARED names no folder with `mail`)"
            );
        }
    }
    found.sort();
    found
}

#[test]
fn every_collected_mail_is_a_message_or_a_skip_and_the_same_one_when_read_again() {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for (path, raw) in collected() {
        let first = reader().read(&raw, true, now());
        let again = reader().read(&raw, true, now());
        assert_eq!(first, again, "{}", path.display());
        let what = match &first {
            Mail::Message(message) => {
                assert!(message.from.id.contains('@'), "{}", path.display());
                assert!(!message.external_id.is_empty());
                let printable = |c: char| !c.is_control() || c == '\n' || c == '\t';
                assert!(message.text.chars().all(printable), "{}", path.display());
                assert!(!message.text.is_empty() || !message.attachments.is_empty());
                "message"
            }
            Mail::Settles(_) => panic!("{} names a mail of ours", path.display()),
            Mail::Skipped(skip) => skip.as_str(),
        };
        *counts.entry(what).or_default() += 1;
    }
    assert_eq!(counts.get("unreadable"), None, "{counts:?}");
    #[allow(clippy::print_stderr)]
    {
        eprintln!("collected mails: {counts:?}");
    }
}

#[test]
fn collected_answers_lose_what_they_quote() {
    for (path, raw) in collected_as(&[".txt"]) {
        if !path.to_string_lossy().contains("reply-github") || path.ends_with("SOURCE.txt") {
            continue;
        }
        let own = reply::own_words(&String::from_utf8_lossy(&raw));
        let name = path.display();
        assert!(!own.lines().any(|line| line.starts_with('>')), "{name}");
        let quotes = |line: &str| line.ends_with("wrote:") && line.contains('@');
        assert!(!own.lines().any(quotes), "{name}");
        assert!(!own.ends_with("---"), "{name}");
    }
}

// --- broken mails ------------------------------------------------------------------------

/// Seeds of the mutations: one mail of each kind.
fn seeds() -> Vec<Vec<u8>> {
    let bounce = "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <01936c00-0000-7000-8000-000000000001.0000abcd@shop.example>\r\n\r\nx\r\n--b--\r\n";
    let html = mail(
        "Authentication-Results: mx.shop.example; dkim=pass (\"x\") header.d=example.com\nContent-Type: text/html; charset=koi8-r\nContent-Transfer-Encoding: base64\n",
        "PHA+V2hlcmU/PC9wPjxibG9ja3F1b3RlPm9sZDwvYmxvY2txdW90ZT4=\n",
    );
    let mixed = mail(
        "Subject: =?utf-8?q?=C2=BFD=C3=B3nde?=\nTo: hello+abcdefghijklmnopqrstuvwxyz234567abcdefghij@shop.example\nContent-Type: multipart/mixed; boundary=\"b\"\n",
        "--b\nContent-Type: text/plain; format=flowed; delsp=yes\n\nOn Sat, 21 Nov 2026 at 10:00, A <a@b.example> \nwrote:\n> x\n\nFrom: a\nSent: b\nTo: c\nSubject: d\n\n--b\nContent-Type: image/png; name*=utf-8''%e2%82%ac.png\nContent-Disposition: attachment\n\nx\n--b--\n",
    );
    vec![bounce.into(), html.into_bytes(), mixed.into_bytes()]
}

proptest! {
    /// Bytes of mails (ours, and the collected ones where they are) are changed, cut out and doubled: nothing stops.
    #[test]
    fn broken_mails_stop_nothing(
        pick in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4, 1usize..40), 1..12),
    ) {
        static CORPUS: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(|| {
            let mut corpus = seeds();
            corpus.extend(collected().into_iter().map(|(_, raw)| raw).filter(|raw| raw.len() < 64 * 1024));
            corpus
        });
        let mut raw = pick.get(&CORPUS).clone();
        for (place, byte, kind, length) in changes {
            if raw.is_empty() {
                break;
            }
            let at = place.index(raw.len());
            let end = (at + length).min(raw.len());
            match kind {
                0 => raw[at] = byte,
                1 => drop(raw.drain(at..end)),
                2 => raw.insert(at, byte),
                _ => {
                    let piece = raw[at..end].to_vec();
                    raw.splice(at..at, piece);
                }
            }
        }
        // Past the net that catches a parser's faults, so that a fault is seen.
        let _ = reader().read_mail(&raw, byte_is_even(&raw), now());
    }

    #[test]
    fn strange_texts_are_cut_without_a_fault(text in "(\\PC|[>:\n\r @<_-]|On |wrote:|Von: |Gesendet: |-- ){0,200}") {
        let own = reply::own_words(&text);
        prop_assert!(own.len() <= text.len());
        let _ = subject::topic(&text);
        let _ = bounce::is_gone(&text);
    }
}

fn byte_is_even(raw: &[u8]) -> bool {
    raw.len().is_multiple_of(2)
}
