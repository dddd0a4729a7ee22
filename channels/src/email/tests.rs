//! E-mail as the recipient, the operator and a mail server see it.

use doorstep_core::{
    Health, InboundMessageId, Language,
    channel::{Channel, SendError},
    message::{Address, Button, Card, Content, OutboundMessage, Thread},
};
use mail_parser::{Message, MessageParser};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::*;
use crate::{
    conformance,
    testing::{TestClock, ambient},
};

fn config() -> Config {
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

fn to(address: &str) -> Address {
    Address::new(NAME, address)
}

fn message(content: Content) -> OutboundMessage {
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
    assert!(reply_to.starts_with("help+") && reply_to.ends_with("@shop.example"), "{reply_to}");
    assert_eq!(header(&mail, "List-Unsubscribe"), "<https://shop.example/stop?t=1>");
    assert_eq!(header(&mail, "List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    assert!(mail.body_text(0).unwrap().contains("https://shop.example/stop?t=1"));

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
    let mail = email.preview(&message(Content::text("Hello"))).unwrap().remove(0).payload;
    let unfolded = mail.replace("\r\n ", " ");
    let signature = unfolded.lines().find(|line| line.starts_with("DKIM-Signature:")).unwrap();
    for part in ["a=ed25519-sha256", "d=shop.example", "s=shop1", "c=relaxed/relaxed", "from:to:subject", "list-unsubscribe-post"] {
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
    assert_eq!(
        mail.subject(),
        Some("Hi Bcc: all@shop.example body x")
    );
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
    assert_eq!(first.at, "2026-11-21T10:00:00Z".parse::<doorstep_core::Timestamp>().unwrap());
    for part in ["It is on its way.", "Jacket", "12,95 €", "https://shop.example/t"] {
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
    assert!(refused(|c| c.from_address = "nobody".into()).starts_with("channels.email.from_address"));
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
    assert!(refused(|c| c.smtp = Some(smtp(25, |s| s.user = Some("u".into())))).contains("password"));
}

// --- SMTP ---------------------------------------------------------------------------------

fn smtp(port: u16, change: impl FnOnce(&mut Smtp)) -> Smtp {
    let mut smtp = Smtp {
        host: "127.0.0.1".to_owned(),
        port: Some(port),
        tls: Tls::None,
        ca_path: None,
        user: None,
        password: None,
        timeout_seconds: 5,
        acceptance_timeout_seconds: 5,
    };
    change(&mut smtp);
    smtp
}

/// How the responder behaves: what it says to each command, or nothing at all.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Behaviour {
    Accepts,
    Says {
        to: &'static str,
        answer: &'static str,
    },
    HangsUpAt(&'static str),
    FallsSilentAt(&'static str),
}

/// What the server calls the message itself, as if it were a command.
const MESSAGE: &str = ".";

/// A mail server of a few lines on the loopback interface.
struct Responder {
    port: u16,
    mails: mpsc::UnboundedReceiver<String>,
    connections: mpsc::UnboundedReceiver<()>,
}

impl Responder {
    async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (accepted, mails) = mpsc::unbounded_channel();
        let (connected, connections) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = connected.send(());
                tokio::spawn(serve(stream, behaviour, accepted.clone()));
            }
        });
        Self {
            port,
            mails,
            connections,
        }
    }

    fn email(&self, change: impl FnOnce(&mut Smtp)) -> Email {
        let config = Config {
            smtp: Some(smtp(self.port, change)),
            ..config()
        };
        Email::new(config, std::path::Path::new("."), ambient(&TestClock::new())).unwrap()
    }
}

async fn serve(
    stream: TcpStream,
    behaviour: Behaviour,
    accepted: mpsc::UnboundedSender<String>,
) -> Option<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 loopback\r\n").await.ok()?;
    while let Some(line) = lines.next_line().await.ok()? {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        answer(&verb, behaviour, &mut write).await?;
        if verb == "DATA" && !matches!(behaviour, Behaviour::Says { to: "DATA", .. }) {
            let mut mail = String::new();
            loop {
                let line = lines.next_line().await.ok()??;
                if line == "." {
                    break;
                }
                mail.push_str(&line);
                mail.push_str("\r\n");
            }
            let _ = accepted.send(mail);
            answer(MESSAGE, behaviour, &mut write).await?;
        }
    }
    Some(())
}

async fn answer(
    verb: &str,
    behaviour: Behaviour,
    write: &mut tokio::net::tcp::OwnedWriteHalf,
) -> Option<()> {
    let usual = match verb {
        "EHLO" => "250-loopback\r\n250 AUTH PLAIN LOGIN",
        "AUTH" => "235 welcome",
        "DATA" => "354 go on",
        "QUIT" => "221 bye",
        _ => "250 fine",
    };
    let said = match behaviour {
        Behaviour::Says { to, answer } if to == verb => answer,
        Behaviour::HangsUpAt(at) if at == verb => return None,
        Behaviour::FallsSilentAt(at) if at == verb => std::future::pending().await,
        _ => usual,
    };
    write.write_all(format!("{said}\r\n").as_bytes()).await.ok()
}

async fn send_to(behaviour: Behaviour) -> Result<Receipt, SendError> {
    let responder = Responder::start(behaviour).await;
    let email = responder.email(|smtp| {
        smtp.timeout_seconds = 1;
        smtp.acceptance_timeout_seconds = 1;
        smtp.user = Some("shop".to_owned());
        smtp.password = Some("a password".into());
    });
    let message = message(Content::text("Hello"));
    email.send(&to("ana@example.com"), &message).await
}

#[tokio::test]
async fn smtp_keeps_the_promises_of_a_channel() {
    let responder = Responder::start(Behaviour::Accepts).await;
    let email = responder.email(|_| ());
    conformance::check(&email, &to("ana@example.com")).await;
    assert!(!email.capabilities().idempotent);
}

#[tokio::test]
async fn a_mail_arrives_whole_and_connections_are_used_again() {
    let mut responder = Responder::start(Behaviour::Accepts).await;
    let email = responder.email(|_| ());
    let message = message(Content::text("One\n.\n..two\nñ"));
    for _ in 0..3 {
        email.send(&to("ana@example.com"), &message).await.unwrap();
        let mail = responder.mails.recv().await.unwrap();
        let mail = mail.replace("\r\n.", "\r\n"); // RFC 5321, section 4.5.2
        let mail = MessageParser::default().parse(mail.as_bytes()).unwrap();
        let text = mail.body_text(0).unwrap();
        assert_eq!(text.trim().replace("\r\n", "\n"), "One\n.\n..two\nñ");
    }
    responder.connections.recv().await.unwrap();
    assert!(responder.connections.try_recv().is_err(), "one connection");
}

#[tokio::test]
async fn an_idle_connection_that_the_server_closed_is_replaced() {
    let responder = Responder::start(Behaviour::HangsUpAt("NOOP")).await;
    let email = responder.email(|_| ());
    let message = message(Content::text("x"));
    for _ in 0..3 {
        email.send(&to("ana@example.com"), &message).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_certainly_not_sent_is_tried_again() {
    let says = |to, answer| Behaviour::Says { to, answer };
    for behaviour in [
        says("EHLO", "421 too busy"),
        says("AUTH", "535 wrong password"),
        says("MAIL", "451 try later"),
        says("RCPT", "450 greylisted"),
        says("DATA", "452 disk full"),
        says(MESSAGE, "451 try later"),
        Behaviour::HangsUpAt("RCPT"),
        Behaviour::HangsUpAt("DATA"),
        Behaviour::FallsSilentAt("MAIL"),
    ] {
        let sent = send_to(behaviour).await;
        assert!(matches!(sent, Err(SendError::Retry { .. })), "{behaviour:?}: {sent:?}");
    }
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = unused.local_addr().unwrap().port();
    drop(unused);
    let config = Config {
        smtp: Some(smtp(port, |_| ())),
        ..config()
    };
    let email = Email::new(config, std::path::Path::new("."), ambient(&TestClock::new())).unwrap();
    let sent = email.send(&to("ana@example.com"), &message(Content::text("x"))).await;
    assert!(matches!(sent, Err(SendError::Retry { .. })), "{sent:?}");
    assert!(matches!(email.healthcheck().await, Health::Down { .. }));
}

#[tokio::test]
async fn a_refused_mail_has_failed_for_good() {
    for (to, answer) in [
        ("MAIL", "550 not you"),
        ("RCPT", "552 5.2.2 mailbox full"),
        ("DATA", "554 no"),
        (MESSAGE, "552 too large"),
    ] {
        let sent = send_to(Behaviour::Says { to, answer }).await;
        let Err(SendError::Fail { reason }) = sent else {
            panic!("{to}: {sent:?}");
        };
        let text = answer.split_once(' ').unwrap().1;
        assert!(reason.contains(text), "{reason}");
    }
}

#[tokio::test]
async fn a_mailbox_that_is_no_more_is_gone() {
    for answer in ["550 5.1.1 unknown", "550 no such user"] {
        let sent = send_to(Behaviour::Says { to: "RCPT", answer }).await;
        assert!(matches!(sent, Err(SendError::Gone { .. })), "{answer}: {sent:?}");
    }
}

#[tokio::test]
async fn a_connection_lost_after_the_mail_was_handed_over_is_ambiguous() {
    for behaviour in [
        Behaviour::HangsUpAt(MESSAGE),
        Behaviour::FallsSilentAt(MESSAGE),
        Behaviour::Says {
            to: MESSAGE,
            answer: "gibberish",
        },
    ] {
        let sent = send_to(behaviour).await;
        assert!(matches!(sent, Err(SendError::Ambiguous { .. })), "{behaviour:?}: {sent:?}");
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_sent_when_it_is_demanded() {
    let mut responder = Responder::start(Behaviour::Accepts).await;
    let email = responder.email(|smtp| smtp.tls = Tls::Starttls);
    let sent = email
        .send(&to("ana@example.com"), &message(Content::text("x")))
        .await;
    assert!(matches!(sent, Err(SendError::Retry { .. })), "{sent:?}");
    assert!(responder.mails.try_recv().is_err());
}

#[test]
fn the_password_is_not_shown() {
    let smtp = smtp(25, |smtp| smtp.password = Some("very secret".into()));
    assert!(!format!("{smtp:?}").contains("very secret"));
}
