//! The channel with a mailbox: the simulator's, and a real one behind Dovecot and an independent SMTP server.

use std::{sync::Arc, time::Duration};

use doorstep_core::{
    Health, InboundMessageId, Language, OutboundMessageId,
    channel::{Channel, ReceiptStatus},
    customer::Proof,
    message::{Address, Content, InboundMessage, OutboundMessage, Thread},
};
use lettre::address::Envelope;
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    compose::Mail,
    simulator::{AUTHSERV_ID, EmailSimulator, Options},
    smtp::SmtpTransport,
    *,
};
use crate::{
    conformance::{Stage, front::Front},
    simulator::{Act, Simulator},
    testing::{Memory, TestClock, TestEntropy, ambient},
};

const SHOP: &str = "hello@shop.example";
const LONG: Duration = Duration::from_secs(20);

async fn provider(dir: &TempDir, clock: &Arc<TestClock>) -> EmailSimulator {
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        maildir: dir.path().join("mail"),
        shop: SHOP.to_owned(),
        login: Some(("shop".to_owned(), "a password".to_owned())),
        ambient: ambient(clock),
    };
    simulator::start(options).await.unwrap()
}

fn simulated(provider: &EmailSimulator, dir: &TempDir, clock: &Arc<TestClock>) -> Email {
    let config = Config {
        from_name: "Fernweh".to_owned(),
        from_address: SHOP.to_owned(),
        reply_tokens: true,
        reply_secret: "a key of the tests".into(),
        authserv_id: Some(AUTHSERV_ID.to_owned()),
        smtp: Some(Smtp {
            host: "127.0.0.1".to_owned(),
            port: Some(provider.smtp_address().port()),
            tls: Tls::None,
            ca_path: None,
            user: Some("shop".to_owned()),
            password: Some("a password".into()),
            timeout_seconds: 5,
            acceptance_timeout_seconds: 5,
        }),
        maildir: Some(Maildir {
            path: "mail".into(),
            poll_milliseconds: 10,
        }),
        ..Config::default()
    };
    Email::new(config, dir.path(), ambient(clock)).unwrap()
}

/// A stage with e-mail on it.
pub(crate) async fn stage() -> Stage {
    let clock = TestClock::new();
    let inbox = Memory::new(&clock);
    let front = Front::listen(&clock, &inbox).await;
    let dir = tempfile::tempdir().unwrap();
    let provider = provider(&dir, &clock).await;
    let email = Arc::new(simulated(&provider, &dir, &clock));
    let nobody = format!("nobody@{}", simulator::DOMAIN);
    Stage::open(
        email,
        Arc::new(provider),
        front,
        (inbox, clock),
        &nobody,
        dir,
    )
}

/// A listening channel and what it hands in.
struct Listening {
    email: Arc<Email>,
    inbox: Arc<Memory>,
    _stop: DropGuard,
}

fn listen(email: Email, inbox: &Arc<Memory>) -> Listening {
    let email = Arc::new(email);
    let stop = CancellationToken::new();
    let (channel, to, until) = (email.clone(), inbox.clone(), stop.clone());
    tokio::spawn(async move { channel.listen(to, until).await });
    Listening {
        email,
        inbox: inbox.clone(),
        _stop: stop.drop_guard(),
    }
}

impl Listening {
    /// Waits until the inbox holds what is wanted.
    async fn until<T>(&self, what: &str, mut look: impl FnMut(&Memory) -> Option<T>) -> T {
        let mut changes = self.inbox.changes();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = look(&self.inbox) {
                    return found;
                }
                changes.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(LONG, waiting).await;
        waited.unwrap_or_else(|_| {
            panic!(
                "waited in vain until {what}; admitted {:#?}; {:?}",
                self.inbox.admitted.lock().unwrap(),
                self.email.listener.as_ref().and_then(Listener::trouble)
            )
        })
    }

    async fn admitted(&self, number: usize) -> InboundMessage {
        let what = format!("message {number} is admitted");
        self.until(&what, |inbox| {
            inbox.admitted.lock().unwrap().get(number).cloned()
        })
        .await
    }
}

fn message(content: Content, answers: Option<&InboundMessage>) -> OutboundMessage {
    let id = OutboundMessageId::new(&*TestClock::new(), &TestEntropy::default());
    OutboundMessage {
        id,
        content,
        language: Language::ENGLISH,
        in_reply_to: answers.map(|_| InboundMessageId(id.0)),
        thread: Thread {
            answers: answers.map(|message| message.external_id.clone()),
            subject: answers.and_then(|message| message.subject.clone()),
            last_inbound_at: None,
        },
    }
}

#[tokio::test]
async fn a_conversation_by_mail_keeps_its_thread_and_its_proof() {
    let clock = TestClock::new();
    let dir = tempfile::tempdir().unwrap();
    let provider = provider(&dir, &clock).await;
    let shop = listen(simulated(&provider, &dir, &clock), &Memory::new(&clock));
    provider
        .act("ada", Act::Write("Where is it?".to_owned()))
        .await
        .unwrap();
    let asked = shop.admitted(0).await;
    assert!(asked.new_topic);
    assert_eq!(
        asked.proof,
        Some(Proof::mailbox(
            "ada@customers.example",
            Some("ada".to_owned())
        ))
    );
    let answer = message(Content::text("Near Madrid."), Some(&asked));
    let receipt = shop.email.send(&asked.from, &answer).await.unwrap();
    provider
        .act("ada", Act::Write("And when?".to_owned()))
        .await
        .unwrap();
    let again = shop.admitted(1).await;
    assert_eq!(again.text, "And when?", "what she quoted is cut off");
    assert_eq!(again.answers, Some(receipt.provider_id));
    assert!(!again.new_topic);
    assert_eq!(shop.email.healthcheck().await, Health::Ok);
    let found = shop.email.diagnose().await;
    assert!(
        found.iter().all(|one| one.health == Health::Ok),
        "{found:?}"
    );
}

#[tokio::test]
async fn broken_mails_bounces_and_a_store_that_is_away_stop_nothing() {
    let clock = TestClock::new();
    let dir = tempfile::tempdir().unwrap();
    let provider = provider(&dir, &clock).await;
    let shop = listen(simulated(&provider, &dir, &clock), &Memory::new(&clock));
    let ours = "01936c00-0000-7000-8000-000000000001.0000abcd@shop.example";
    let bounce = format!(
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example\r\nSubject: failure notice\r\n\r\n<x@y.example>: 550 5.1.1 user unknown\r\n\r\nMessage-ID: <{ours}>\r\n"
    );
    for raw in [
        &b""[..],
        b"\xff\xfe\x00",
        b"Content-Type: multipart/mixed\r\n\r\n--",
        bounce.as_bytes(),
    ] {
        provider.deliver(raw).unwrap();
    }
    let settled = shop
        .until("the bounce is settled", |inbox| {
            inbox.receipts.lock().unwrap().first().cloned()
        })
        .await;
    assert_eq!(settled.provider_id.as_deref(), Some(ours));
    assert!(matches!(
        settled.status,
        ReceiptStatus::Failed { gone: true, .. }
    ));

    shop.inbox
        .away
        .store(true, std::sync::atomic::Ordering::Relaxed);
    provider
        .act("ada", Act::Write("Now?".to_owned()))
        .await
        .unwrap();
    let down = async {
        while shop.email.healthcheck().await == Health::Ok {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, down)
        .await
        .expect("it is told that nothing is received");
    shop.inbox
        .away
        .store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(shop.admitted(0).await.text, "Now?");
    assert_eq!(shop.inbox.admitted.lock().unwrap().len(), 1);
}

// --- real servers ------------------------------------------------------------------------

/// Dovecot and an SMTP server, as `scripts/services` starts them.
struct Servers {
    imap: (String, u16),
    imaps: (String, u16),
    smtp: (String, u16),
    ca: std::path::PathBuf,
}

/// The servers; none, said visibly (and forbidden by `DOORSTEP_TEST_STRICT=1`), where they are not.
fn servers() -> Option<Servers> {
    let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let place = |name: &str| {
        let text = read(name)?;
        let (host, port) = text.rsplit_once(':')?;
        Some((host.to_owned(), port.parse().ok()?))
    };
    let found = (|| {
        Some(Servers {
            imap: place("DOORSTEP_TEST_IMAP")?,
            imaps: place("DOORSTEP_TEST_IMAPS")?,
            smtp: place("DOORSTEP_TEST_SMTP")?,
            ca: read("DOORSTEP_TEST_MAIL_CA")?.into(),
        })
    })();
    if found.is_none() {
        let skipped = "skipped: Dovecot and SMTP (DOORSTEP_TEST_IMAP and others are not set; see scripts/services)";
        assert_ne!(
            read("DOORSTEP_TEST_STRICT").as_deref(),
            Some("1"),
            "{skipped}"
        );
        #[allow(clippy::print_stderr)]
        {
            eprintln!("{skipped}");
        }
    }
    found
}

impl Servers {
    /// A mailbox name that no other test and no other run has.
    fn new_name(what: &str, dir: &TempDir) -> String {
        let random = dir
            .path()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .to_lowercase();
        let random: String = random.chars().filter(char::is_ascii_alphanumeric).collect();
        format!("{what}-{}-{random}", std::process::id())
    }

    fn smtp(&self) -> Smtp {
        Smtp {
            host: self.smtp.0.clone(),
            port: Some(self.smtp.1),
            tls: Tls::Starttls,
            ca_path: Some(self.ca.clone()),
            user: Some("somebody".to_owned()),
            password: Some("test".into()),
            timeout_seconds: 10,
            acceptance_timeout_seconds: 10,
        }
    }

    fn imap(&self, user: &str, tls: Tls) -> Imap {
        let (host, port) = if tls == Tls::Tls {
            &self.imaps
        } else {
            &self.imap
        };
        // The certificate is for both names.
        Imap {
            host: host.clone(),
            port: Some(*port),
            tls,
            ca_path: (tls != Tls::None).then(|| self.ca.clone()),
            user: user.to_owned(),
            password: "test".into(),
            mailbox: "INBOX".to_owned(),
            begin: Begin::All,
            poll_seconds: 1,
            timeout_seconds: 10,
        }
    }

    fn shop(&self, name: &str, tls: Tls, dir: &TempDir) -> Email {
        let config = Config {
            from_address: format!("{name}@shop.example"),
            reply_tokens: true,
            reply_secret: "a key of the tests".into(),
            smtp: Some(self.smtp()),
            imap: Some(self.imap(name, tls)),
            ..Config::default()
        };
        let clock = TestClock::new();
        Email::new(config, dir.path(), ambient(&clock)).unwrap()
    }

    /// A person's mail program hands a mail to the server.
    async fn write(&self, from: &str, to: &str, id: &str, rest: &str) {
        let transport = SmtpTransport::new(self.smtp(), "customer.example").unwrap();
        let text =
            format!("From: {from}\nTo: {to}\nMessage-ID: <{id}>\n{rest}").replace('\n', "\r\n");
        let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
        let mail = Mail {
            message_id: id.to_owned(),
            envelope: Envelope::new(Some(from), vec![to]).unwrap(),
            bytes: text.into_bytes(),
            text: String::new(),
            html: String::new(),
        };
        transport.send(&mail).await.unwrap();
    }
}

#[tokio::test]
async fn mail_goes_out_and_comes_in_through_servers_that_are_not_ours() {
    let Some(servers) = servers() else { return };
    for tls in [Tls::None, Tls::Starttls, Tls::Tls] {
        let dir = tempfile::tempdir().unwrap();
        let clock = TestClock::new();
        let (name, ana) = (
            Servers::new_name("shop", &dir),
            Servers::new_name("ana", &dir),
        );
        let (at_shop, at_home) = (
            format!("{name}@shop.example"),
            format!("{ana}@customer.example"),
        );
        let shop = listen(servers.shop(&name, tls, &dir), &Memory::new(&clock));
        servers
            .write(
                &at_home,
                &at_shop,
                "a1@customer.example",
                "Subject: Hi\n\nWhere is it?\n",
            )
            .await;
        let asked = shop.admitted(0).await;
        assert_eq!(
            (asked.text.as_str(), asked.from.id.as_str()),
            ("Where is it?", at_home.as_str())
        );

        // Ana's mailbox is read by a channel of its own, which skips what programs wrote: the mail is in the maildir, and
        // what she answers goes to the address in it.
        let answer = message(Content::text("Near Madrid.\n.\nBye"), Some(&asked));
        let receipt = shop.email.send(&asked.from, &answer).await.unwrap();
        let token = ids::ReplyTokens::new("a key of the tests".into()).make(&answer.id, &at_home);
        let reply_to = format!("{name}+{token}@shop.example");
        let reply = format!(
            "Subject: Re: Hi\nIn-Reply-To: <{}>\n\nThanks\n",
            receipt.provider_id
        );
        servers
            .write(&at_home, &reply_to, "a2@customer.example", &reply)
            .await;
        let again = shop.admitted(1).await;
        assert_eq!(again.text, "Thanks");
        assert_eq!(again.answers, Some(receipt.provider_id));
        assert_eq!((again.new_topic, again.proof), (false, None));
        let found = shop.email.diagnose().await;
        assert!(
            found.iter().all(|one| one.health == Health::Ok),
            "{found:?}"
        );
    }
}

#[tokio::test]
async fn mail_is_received_once_over_restarts_and_when_the_server_numbers_anew() {
    let Some(servers) = servers() else { return };
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let inbox = Memory::new(&clock);
    let name = Servers::new_name("again", &dir);
    let to = format!("{name}@shop.example");
    let write = async |id: &str, text: &str| {
        let rest = format!("Subject: Hi\n\n{text}\n");
        servers.write("ana@customer.example", &to, id, &rest).await;
    };
    write("b1@customer.example", "One").await;
    {
        let shop = listen(servers.shop(&name, Tls::None, &dir), &inbox);
        assert_eq!(shop.admitted(0).await.text, "One");
    }
    write("b2@customer.example", "Two").await;
    {
        let shop = listen(servers.shop(&name, Tls::None, &dir), &inbox);
        assert_eq!(shop.admitted(1).await.text, "Two");
        // By IDLE: it waits by now, or finds it at once.
        write("b3@customer.example", "Three").await;
        assert_eq!(shop.admitted(2).await.text, "Three");
    }
    let cursor = inbox
        .cursors
        .lock()
        .unwrap()
        .values()
        .next()
        .cloned()
        .unwrap();
    let (_, rest) = cursor.split_once(' ').unwrap();
    let renumbered = format!("1 {rest}");
    for cursor in inbox.cursors.lock().unwrap().values_mut() {
        cursor.clone_from(&renumbered);
    }
    write("b4@customer.example", "Four").await;
    let shop = listen(servers.shop(&name, Tls::None, &dir), &inbox);
    assert_eq!(shop.admitted(3).await.text, "Four");
    assert_eq!(
        inbox.admitted.lock().unwrap().len(),
        4,
        "nothing came twice"
    );
}

#[tokio::test]
async fn a_wrong_login_and_an_unknown_recipient_are_told() {
    let Some(servers) = servers() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut imap = servers.imap("shop", Tls::None);
    imap.password = "wrong".into();
    let config = Config {
        from_address: "shop@shop.example".to_owned(),
        smtp: Some(servers.smtp()),
        imap: Some(imap),
        ..Config::default()
    };
    let clock = TestClock::new();
    let email = Email::new(config, dir.path(), ambient(&clock)).unwrap();
    let found = email.diagnose().await;
    let Health::Down { reason } = &found[1].health else {
        panic!("{found:?}")
    };
    assert!(
        reason.contains("LOGIN") && !reason.contains("wrong"),
        "{reason}"
    );
    let nobody = Address::new(NAME, "nobody@shop.example");
    let sent = email
        .send(&nobody, &message(Content::text("x"), None))
        .await;
    assert!(matches!(sent, Err(SendError::Gone { .. })), "{sent:?}");
}
