//! The SMTP side: what a server's answers, silences and hang-ups make of a mail.

use doorstep_core::{
    Health,
    channel::{Channel, Receipt, SendError},
    message::Content,
};
use mail_parser::MessageParser;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::{
    tests::{config, message, to},
    *,
};
use crate::{
    conformance,
    testing::{TestClock, ambient},
};

pub(super) fn smtp(port: u16, change: impl FnOnce(&mut Smtp)) -> Smtp {
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
        Email::new(
            config,
            std::path::Path::new("."),
            ambient(&TestClock::new()),
        )
        .unwrap()
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
        let verb = line
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_uppercase();
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
        assert!(
            matches!(sent, Err(SendError::Retry { .. })),
            "{behaviour:?}: {sent:?}"
        );
    }
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = unused.local_addr().unwrap().port();
    drop(unused);
    let config = Config {
        smtp: Some(smtp(port, |_| ())),
        ..config()
    };
    let email = Email::new(
        config,
        std::path::Path::new("."),
        ambient(&TestClock::new()),
    )
    .unwrap();
    let sent = email
        .send(&to("ana@example.com"), &message(Content::text("x")))
        .await;
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
        assert!(
            matches!(sent, Err(SendError::Gone { .. })),
            "{answer}: {sent:?}"
        );
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
        assert!(
            matches!(sent, Err(SendError::Ambiguous { .. })),
            "{behaviour:?}: {sent:?}"
        );
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
