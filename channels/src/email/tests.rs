//! E-mail as the recipient, the operator and a mail server see it.

use doorstep_core::{
    Health, InboundMessageId, Language,
    channel::{Channel, SendError},
    message::{Address, Button, Card, Content, OutboundMessage, Thread},
};
use mail_parser::{Message, MessageParser};
use tempfile::TempDir;

use super::{smtp_tests::smtp, *};
use crate::{
    conformance,
    testing::{TestClock, ambient},
};

pub(super) fn config() -> Config {
    Config {
        from_name: "Nørdlicht Straße".to_owned(),
        from_address: "hello@shop.example".to_owned(),
        ..Config::default()
    }
}

fn outbox() -> (TempDir, Email) {
    outbox_with(|_| ())
}

fn outbox_with(change: impl FnOnce(&mut Config)) -> (TempDir, Email) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config();
    change(&mut config);
    let email = Email::new(config, dir.path(), ambient(&TestClock::new())).unwrap();
    (dir, email)
}

pub(super) fn to(address: &str) -> Address {
    Address::new(NAME, address)
}

pub(super) fn message(content: Content) -> OutboundMessage {
    OutboundMessage {
        id: "01936c00-0000-7000-8000-000000000001".parse().unwrap(),
        content,
        language: Language::ENGLISH,
        in_reply_to: None,
        thread: Default::default(),
    }
}

fn only_file(dir: &TempDir) -> Vec<u8> {
    let files: Vec<_> = std::fs::read_dir(dir.path().join("outbox/new"))
        .unwrap()
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    std::fs::read(files[0].as_ref().unwrap().path()).unwrap()
}

fn header<'a>(mail: &'a Message, name: &'static str) -> &'a str {
    mail.header_raw(name).map(str::trim).unwrap_or_default()
}

#[tokio::test]
async fn the_outbox_keeps_the_promises_of_a_channel() {
    let (_dir, email) = outbox();
    conformance::check(&email, &to("ana@example.com")).await;
    assert!(email.capabilities().idempotent);
}

#[tokio::test]
async fn the_same_message_sent_twice_is_one_file() {
    let (dir, email) = outbox();
    let message = message(Content::text("Your parcel arrives today."));
    let first = email.send(&to("ana@example.com"), &message).await.unwrap();
    let again = email.send(&to("ana@example.com"), &message).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(
        first.provider_id,
        "01936c00-0000-7000-8000-000000000001.78aae7c1@shop.example"
    );
    only_file(&dir);
    assert_eq!(
        std::fs::read_dir(dir.path().join("outbox/tmp"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn a_mail_has_all_its_headers_in_ascii() {
    let (dir, email) = outbox_with(|config| config.reply_to = Some("help@shop.example".into()));
    let mut message = message(Content {
        subject: Some("Tu pedido llega mañana 📦".to_owned()),
        ..Content::text("¡Hola! Llega mañana.")
    });
    message.language = "es".parse().unwrap();
    message.in_reply_to = Some(InboundMessageId(message.id.0));
    email
        .send(&to("ana@bücher.example"), &message)
        .await
        .unwrap();

    let raw = only_file(&dir);
    assert!(raw.is_ascii());
    let mail = MessageParser::default().parse(&raw).unwrap();
    let from = mail.from().unwrap().first().unwrap();
    assert_eq!(from.name(), Some("Nørdlicht Straße"));
    assert_eq!(from.address(), Some("hello@shop.example"));
    let to = mail.to().unwrap().first().unwrap();
    assert_eq!(to.address(), Some("ana@xn--bcher-kva.example"));
    assert_eq!(mail.subject(), Some("Tu pedido llega mañana 📦"));
    assert_eq!(header(&mail, "Date"), "Sat, 21 Nov 2026 10:00:00 +0000");
    assert_eq!(
        header(&mail, "Message-ID"),
        "<01936c00-0000-7000-8000-000000000001.2d4f6bbb@shop.example>"
    );
    assert_eq!(header(&mail, "Auto-Submitted"), "auto-replied");
    assert_eq!(header(&mail, "Reply-To"), "help@shop.example");
    assert_eq!(header(&mail, "MIME-Version"), "1.0");
    assert!(header(&mail, "Content-Type").starts_with("multipart/alternative"));
    assert!(header(&mail, "References").starts_with("<conversation."));
    assert_eq!(header(&mail, "References"), header(&mail, "In-Reply-To"));
    assert_eq!(mail.body_text(0).unwrap().trim(), "¡Hola! Llega mañana.");
    assert!(mail.body_html(0).unwrap().contains("lang=\"es\""));
}

#[tokio::test]
async fn mails_of_one_conversation_share_their_thread_and_others_do_not() {
    let (dir, email) = outbox();
    let mut threads = Vec::new();
    for (number, address) in ["ana@example.com", "Ana@example.com", "ben@example.com"]
        .into_iter()
        .enumerate()
    {
        let mut message = message(Content::text("Hello"));
        message.id = format!("01936c00-0000-7000-8000-00000000001{number}")
            .parse()
            .unwrap();
        email.send(&to(address), &message).await.unwrap();
        let path = dir.path().join(format!("outbox/new/{}.eml", message.id));
        let raw = std::fs::read(path).unwrap();
        let mail = MessageParser::default().parse(&raw).unwrap();
        assert_eq!(header(&mail, "In-Reply-To"), "", "nothing was answered");
        threads.push(header(&mail, "References").to_owned());
    }
    assert_eq!(threads[0], threads[1]);
    assert_ne!(threads[0], threads[2]);
}

#[tokio::test]
async fn an_answer_stands_in_its_thread_and_asks_to_be_answered_at_its_own_address() {
    let (dir, email) = outbox_with(|config| {
        config.reply_to = Some("help@shop.example".into());
        config.reply_tokens = true;
        config.reply_secret = "a key".into();
    });
    let mut answer = message(Content {
        subject: Some("Your order".to_owned()),
        unsubscribe: Some("https://shop.example/stop?t=1".to_owned()),
        ..Content::text("It is on its way.")
    });
    answer.in_reply_to = Some(InboundMessageId(answer.id.0));
    answer.thread = Thread {
        answers: Some("a1@example.com".to_owned()),
        subject: Some("AW: Where is it?".to_owned()),
        last_inbound_at: None,
    };
    email.send(&to("ana@example.com"), &answer).await.unwrap();
    let raw = only_file(&dir);
    let mail = MessageParser::default().parse(&raw).unwrap();
    assert_eq!(mail.subject(), Some("Re: Where is it?"));
    assert_eq!(header(&mail, "In-Reply-To"), "<a1@example.com>");
    assert!(header(&mail, "References").ends_with("<a1@example.com>"));
    let reply_to = header(&mail, "Reply-To");
    assert!(
        reply_to.starts_with("help+") && reply_to.ends_with("@shop.example"),
        "{reply_to}"
    );
    assert_eq!(
        header(&mail, "List-Unsubscribe"),
        "<https://shop.example/stop?t=1>"
    );
    assert_eq!(
        header(&mail, "List-Unsubscribe-Post"),
        "List-Unsubscribe=One-Click"
    );
    assert!(
        mail.body_text(0)
            .unwrap()
            .contains("https://shop.example/stop?t=1")
    );

    // A message of our own accord begins a thread, whatever was written before.
    answer.in_reply_to = None;
    let preview = email.preview(&answer).unwrap().remove(0);
    assert!(preview.text.contains("It is on its way."));
    assert!(preview.payload.contains("Subject: Your order\r\n"));
    assert!(preview.payload.contains("Auto-Submitted: auto-generated"));
    assert!(!preview.payload.contains("In-Reply-To"));
}

#[tokio::test]
async fn hostile_thread_facts_add_no_header() {
    let (dir, email) = outbox();
    let mut answer = message(Content {
        unsubscribe: Some("https://shop.example/>\r\nBcc: all@shop.example".to_owned()),
        ..Content::text("x")
    });
    answer.in_reply_to = Some(InboundMessageId(answer.id.0));
    answer.thread = Thread {
        answers: Some("a@b>\r\nBcc: all@shop.example".to_owned()),
        subject: Some("Hi\r\nBcc: all@shop.example".to_owned()),
        last_inbound_at: None,
    };
    email.send(&to("ana@example.com"), &answer).await.unwrap();
    let raw = only_file(&dir);
    let mail = MessageParser::default().parse(&raw).unwrap();
    assert!(mail.bcc().is_none());
    assert_eq!(header(&mail, "List-Unsubscribe"), "");
    assert_eq!(mail.subject(), Some("Re: Hi Bcc: all@shop.example"));
}

#[test]
fn a_signed_mail_names_what_is_signed_and_a_wrong_key_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    // The private key of RFC 8463, appendix A.2.
    std::fs::write(&key, "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n").unwrap();
    let signed = |config: &mut Config| {
        config.dkim = Some(Dkim {
            selector: "shop1".to_owned(),
            domain: None,
            key_path: key.clone(),
        });
    };
    let (_dir, email) = outbox_with(signed);
    let mail = email
        .preview(&message(Content::text("Hello")))
        .unwrap()
        .remove(0)
        .payload;
    let unfolded = mail.replace("\r\n ", " ");
    let signature = unfolded
        .lines()
        .find(|line| line.starts_with("DKIM-Signature:"))
        .unwrap();
    for part in [
        "a=ed25519-sha256",
        "d=shop.example",
        "s=shop1",
        "c=relaxed/relaxed",
        "from:to:subject",
        "list-unsubscribe-post",
    ] {
        assert!(signature.contains(part), "{part} in {signature}");
    }
    std::fs::write(&key, "-----BEGIN PRIVATE KEY-----\nx\n").unwrap();
    let mut wrong = config();
    signed(&mut wrong);
    let error = check(&wrong).unwrap_err();
    assert_eq!(error.field, "channels.email.dkim.key_path");
    assert!(error.message.contains("PKCS#1"), "{error}");
}

#[tokio::test]
async fn no_text_can_add_a_header() {
    let (dir, email) = outbox_with(|config| {
        config.from_name = "Shop\r\nBcc: all@shop.example".to_owned();
    });
    let content = Content {
        subject: Some("Hi\r\nBcc: all@shop.example\r\n\r\nbody\u{2028}x\0".to_owned()),
        ..Content::text("Hello\r\n.\r\nMAIL FROM:<x@y.example>\r\n")
    };
    email
        .send(&to("ana@example.com"), &message(content))
        .await
        .unwrap();
    let raw = only_file(&dir);
    let mail = MessageParser::default().parse(&raw).unwrap();
    assert!(mail.bcc().is_none());
    assert_eq!(mail.subject(), Some("Hi Bcc: all@shop.example body x"));
    assert_eq!(
        mail.from().unwrap().first().unwrap().name(),
        Some("Shop Bcc: all@shop.example")
    );
}

#[tokio::test]
async fn a_very_long_subject_is_shortened_and_a_missing_one_is_the_first_line() {
    let (dir, email) = outbox();
    let mut long = message(Content {
        subject: Some("ñ".repeat(5000)),
        ..Content::text("x")
    });
    email.send(&to("ana@example.com"), &long).await.unwrap();
    let mails = outbox::list(&dir.path().join("outbox"), 10).await.unwrap();
    assert_eq!(mails[0].subject.chars().count(), 150);

    long.id = "01936c00-0000-7000-8000-000000000002".parse().unwrap();
    long.content = Content::text("\nYour parcel is here.\nBye");
    email.send(&to("ana@example.com"), &long).await.unwrap();
    let mails = outbox::list(&dir.path().join("outbox"), 10).await.unwrap();
    assert_eq!(mails[0].subject, "Your parcel is here.");
}

#[tokio::test]
async fn the_outbox_lists_what_the_customer_sees_newest_first() {
    let (dir, email) = outbox();
    let outbox_dir = dir.path().join("outbox");
    assert!(outbox::list(&outbox_dir, 10).await.unwrap().is_empty());
    let content = Content {
        subject: Some("Shipped".to_owned()),
        cards: vec![Card {
            title: "Jacket".to_owned(),
            subtitle: None,
            image: None,
            price: Some("12,95 €".to_owned()),
            stock: None,
            url: None,
            buttons: Vec::new(),
        }],
        buttons: vec![Button {
            label: "Track".to_owned(),
            value: "https://shop.example/t".to_owned(),
        }],
        ..Content::text("It is on its way.")
    };
    email
        .send(&to("ana@example.com"), &message(content))
        .await
        .unwrap();
    let mut newer = message(Content {
        html: Some("<p>made elsewhere</p>".to_owned()),
        ..Content::text("Second")
    });
    newer.id = "01936c00-0001-7000-8000-000000000000".parse().unwrap();
    email.send(&to("ben@example.com"), &newer).await.unwrap();
    std::fs::write(outbox_dir.join("new/stranger"), "?").unwrap();

    let mails = outbox::list(&outbox_dir, 10).await.unwrap();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].to, "ben@example.com");
    assert_eq!(mails[0].html.trim(), "<p>made elsewhere</p>");
    let first = &mails[1];
    assert_eq!(first.id, "01936c00-0000-7000-8000-000000000001");
    assert_eq!(first.subject, "Shipped");
    assert_eq!(
        first.at,
        "2026-11-21T10:00:00Z"
            .parse::<doorstep_core::Timestamp>()
            .unwrap()
    );
    for part in [
        "It is on its way.",
        "Jacket",
        "12,95 €",
        "https://shop.example/t",
    ] {
        assert!(first.text.contains(part), "{part}");
        assert!(first.html.contains(part), "{part}");
    }
    assert_eq!(outbox::list(&outbox_dir, 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_outbox_that_cannot_be_written_is_down_and_tried_again() {
    let (dir, email) = outbox();
    std::fs::write(dir.path().join("outbox"), "a file is in the way").unwrap();
    assert!(matches!(email.healthcheck().await, Health::Down { .. }));
    let sent = email
        .send(&to("ana@example.com"), &message(Content::text("x")))
        .await;
    assert!(matches!(sent, Err(SendError::Retry { .. })));
}

#[test]
fn wrong_settings_are_named() {
    let refused = |change: fn(&mut Config)| {
        let mut config = config();
        change(&mut config);
        let ambient = ambient(&TestClock::new());
        let email = Email::new(config, std::path::Path::new("."), ambient);
        email.err().unwrap().to_string()
    };
    assert!(
        refused(|c| c.from_address = "nobody".into()).starts_with("channels.email.from_address")
    );
    assert!(refused(|c| c.reply_to = Some("".into())).contains("reply_to"));
    assert!(refused(|c| c.reply_tokens = true).starts_with("channels.email.reply_secret"));
    assert!(
        refused(|c| {
            c.reply_tokens = true;
            c.reply_to = Some(format!("{}@shop.example", "x".repeat(30)));
        })
        .contains("reply_tokens")
    );
    assert!(refused(|c| c.domain = Some("a b".into())).contains("domain"));
    assert!(
        refused(|c| c.smtp = Some(smtp(25, |s| s.user = Some("u".into())))).contains("password")
    );
}
