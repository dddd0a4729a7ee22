//! A mail provider on loopback: an SMTP server that takes the shop's mail, and a maildir that customers' mail arrives in.
//!
//! After RFC 5321 (SMTP; replies with enhanced codes of RFC 3463), RFC 4954 (AUTH), RFC 5322 (mail), RFC 8601
//! (`Authentication-Results`, which the receiving server writes) and the Maildir description of qmail. Customers live at
//! [`DOMAIN`]; mail to anyone else there is refused as to an unknown user.

mod server;

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use doorstep_core::{Ambient, message::Address};
use lettre::message::{Attachment, Mailbox, Message, MultiPart, SinglePart, header::ContentType};
use mail_parser::MessageParser;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use super::{NAME, compose::parse_address, subject};
use crate::simulator::{Act, Chance, Counts, Faults, Shown, Simulator, SimulatorError};

/// Where the simulator's customers have their mailboxes.
pub const DOMAIN: &str = "customers.example";

/// The name of the simulator's receiving server: the channel's `authserv_id`.
pub const AUTHSERV_ID: &str = "mx.simulator.example";

/// How the simulator is started.
pub struct Options {
    /// Where the SMTP server listens; port 0 for any.
    pub listen: SocketAddr,
    /// The maildir that the channel reads.
    pub maildir: PathBuf,
    /// The shop's address.
    pub shop: String,
    /// The login that the SMTP server demands; none if it takes mail from anyone.
    pub login: Option<(String, String)>,
    /// Clock and randomness.
    pub ambient: Ambient,
}

/// A mail provider on loopback.
pub struct EmailSimulator {
    address: SocketAddr,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

/// What the server and the customers share.
struct State {
    options: Options,
    world: Mutex<World>,
    changes: watch::Sender<u64>,
}

struct World {
    /// By mail address.
    customers: BTreeMap<String, Customer>,
    faults: Faults,
    chance: Chance,
    counts: Counts,
    /// Mail that is told after the next one.
    held: Vec<Vec<u8>>,
    delivered: u64,
}

#[derive(Default)]
struct Customer {
    shown: Vec<Shown>,
    /// What was shown last, to answer it.
    last: Option<Received>,
}

#[derive(Clone)]
struct Received {
    message_id: String,
    subject: String,
    answer_to: String,
    text: String,
}

/// Starts the simulator.
///
/// # Errors
/// It cannot listen there, or the maildir cannot be made.
pub async fn start(options: Options) -> Result<EmailSimulator, SimulatorError> {
    for folder in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(options.maildir.join(folder)).map_err(|error| failed(&error))?;
    }
    parse_address(&options.shop).map_err(|error| failed(&error))?;
    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|error| failed(&error))?;
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    let state = Arc::new(State {
        options,
        world: Mutex::new(World {
            customers: BTreeMap::new(),
            faults: Faults::default(),
            chance: Chance::new(Faults::default().seed),
            counts: Counts::default(),
            held: Vec::new(),
            delivered: 0,
        }),
        changes: watch::Sender::new(0),
    });
    let serving = tokio::spawn(server::serve(listener, state.clone()));
    Ok(EmailSimulator {
        address,
        state,
        serving,
    })
}

impl EmailSimulator {
    /// Where the SMTP server listens.
    pub fn smtp_address(&self) -> SocketAddr {
        self.address
    }

    /// Puts a mail into the shop's mailbox as it is: for mails that no customer of the simulator writes.
    ///
    /// # Errors
    /// The maildir cannot be written.
    pub fn deliver(&self, raw: &[u8]) -> Result<(), SimulatorError> {
        self.state.put(raw).map_err(|error| failed(&error))
    }
}

impl Drop for EmailSimulator {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[async_trait]
impl Simulator for EmailSimulator {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn address_of(&self, customer: &str) -> Address {
        let mailbox = mailbox_of(customer);
        self.state
            .world()
            .customers
            .entry(mailbox.clone())
            .or_default();
        Address::new(NAME, mailbox)
    }

    async fn act(&self, customer: &str, act: Act) -> Result<(), SimulatorError> {
        let from = self.address_of(customer).id;
        let mail = match act {
            Act::Write(text) => self.write(&from, customer, &text, None),
            Act::Send {
                name,
                media_type,
                bytes,
                caption,
            } => {
                let kind = ContentType::parse(&media_type).map_err(|error| failed(&error))?;
                let file = Attachment::new(name).body(bytes.to_vec(), kind);
                self.write(&from, customer, &caption.unwrap_or_default(), Some(file))
            }
            Act::DoSomethingElse => Ok(self.reading_receipt(&from)),
            Act::Edit(_) => return Err(not_there("change a mail they sent")),
            Act::Press(_) => return Err(not_there("press buttons")),
            Act::Follow(_) => {
                return Err(not_there("follow a link with a token into a conversation"));
            }
            Act::Block | Act::Unblock => {
                return Err(not_there("block the shop so that it is told"));
            }
        }?;
        self.state.tell(mail).map_err(|error| failed(&error))
    }

    fn shown(&self, customer: &str) -> Vec<Shown> {
        let world = self.state.world();
        let customer = world.customers.get(&mailbox_of(customer));
        customer
            .map(|customer| customer.shown.clone())
            .unwrap_or_default()
    }

    fn inject(&self, faults: Faults) {
        let mut world = self.state.world();
        world.chance = Chance::new(faults.seed);
        world.faults = faults;
    }

    fn counts(&self) -> Counts {
        self.state.world().counts
    }

    async fn changed(&self, seen: u64) -> u64 {
        let mut changes = self.state.changes.subscribe();
        // The sender lives as long as this simulator.
        let now = changes.wait_for(|count| *count != seen).await;
        now.map_or(seen, |count| *count)
    }
}

impl EmailSimulator {
    /// A mail of the customer, in answer to what they were shown last, quoted below as their program does.
    fn write(
        &self,
        from: &str,
        name: &str,
        text: &str,
        file: Option<SinglePart>,
    ) -> Result<Vec<u8>, SimulatorError> {
        let last = {
            let world = self.state.world();
            world
                .customers
                .get(from)
                .and_then(|customer| customer.last.clone())
        };
        let options = &self.state.options;
        let to = last.as_ref().map_or(&options.shop, |last| &last.answer_to);
        let mut builder = Message::builder()
            .from(Mailbox::new(Some(name.to_owned()), address(from)?))
            .to(Mailbox::new(None, address(to)?))
            .date(SystemTime::from(options.ambient.now()))
            .message_id(Some(format!("<{}@{DOMAIN}>", self.unique())));
        let mut text = text.to_owned();
        match &last {
            Some(last) => {
                let id = format!("<{}>", last.message_id);
                builder = builder
                    .subject(subject::reply_to(&last.subject))
                    .in_reply_to(id.clone())
                    .references(id);
                let day = options.ambient.now().format("%d %b %Y at %H:%M");
                text.push_str(&format!("\n\nOn {day}, {} wrote:\n\n", options.shop));
                text.extend(last.text.lines().map(|line| format!("> {line}\n")));
            }
            None => builder = builder.subject("A question"),
        }
        let mail = match file {
            Some(file) => builder.multipart(
                MultiPart::mixed()
                    .singlepart(SinglePart::plain(text))
                    .singlepart(file),
            ),
            None => builder.singlepart(SinglePart::plain(text)),
        };
        let mail = mail.map_err(|error| failed(&error))?;
        Ok(received(&mail.formatted()))
    }

    /// What a mail program sends when a mail was opened (RFC 8098): no message.
    fn reading_receipt(&self, from: &str) -> Vec<u8> {
        let mail = format!(
            "From: {from}\r\nTo: {}\r\nSubject: Read: your mail\r\nMessage-ID: <{}@{DOMAIN}>\r\nMIME-Version: 1.0\r\n\
Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n\r\n--b\r\n\r\nIt was read.\r\n--b\r\n\
Content-Type: message/disposition-notification\r\n\r\nFinal-Recipient: rfc822;{from}\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n--b--\r\n",
            self.state.options.shop,
            self.unique()
        );
        received(mail.as_bytes())
    }

    fn unique(&self) -> String {
        let mut random = [0; 16];
        self.state.options.ambient.entropy.fill(&mut random);
        format!("{:032x}", u128::from_be_bytes(random))
    }
}

/// What the receiving server puts on top: that the sender is who they say.
fn received(mail: &[u8]) -> Vec<u8> {
    let mut whole = format!(
        "Return-Path: <customer@{DOMAIN}>\r\nAuthentication-Results: {AUTHSERV_ID};\r\n\tdmarc=pass (p=reject) header.from={DOMAIN}\r\n\
Received: from {DOMAIN} by {AUTHSERV_ID} with ESMTPS\r\n"
    )
    .into_bytes();
    whole.extend_from_slice(mail);
    whole
}

impl State {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Lets the shop have a customer's mail: at once, twice, or after the next one.
    fn tell(&self, mail: Vec<u8>) -> io::Result<()> {
        let mut deliveries = Vec::new();
        {
            let mut guard = self.world();
            let world = &mut *guard;
            if world.chance.happens(world.faults.reordered) && world.held.is_empty() {
                world.held.push(mail);
                return Ok(());
            }
            if world.chance.happens(world.faults.duplicate) {
                world.counts.duplicates += 1;
                deliveries.push(mail.clone());
            }
            deliveries.push(mail);
            deliveries.append(&mut world.held);
        }
        deliveries.iter().try_for_each(|mail| self.put(mail))?;
        self.changed();
        Ok(())
    }

    /// Delivers into the maildir: written to `tmp`, then moved to `new`.
    fn put(&self, mail: &[u8]) -> io::Result<()> {
        let number = {
            let mut world = self.world();
            world.delivered += 1;
            world.delivered
        };
        let dir: &Path = &self.options.maildir;
        let seconds = self.options.ambient.now().timestamp();
        let name = format!("{seconds}.{number:09}.simulator");
        let unfinished = dir.join("tmp").join(&name);
        std::fs::write(&unfinished, mail)?;
        std::fs::rename(unfinished, dir.join("new").join(name))
    }

    /// Shows a mail to a customer.
    fn show(&self, mailbox: &str, raw: &[u8]) {
        if let Some((shown, received)) = read(raw) {
            let mut world = self.world();
            world.counts.shown += 1;
            if let Some(customer) = world.customers.get_mut(mailbox) {
                customer.shown.push(shown);
                customer.last = Some(received);
            }
        }
        self.changed();
    }
}

/// A mail as a mail program without HTML shows it, and the pictures that one with HTML would load.
fn read(raw: &[u8]) -> Option<(Shown, Received)> {
    let mail = MessageParser::default().parse(raw)?;
    let text = mail
        .body_text(0)?
        .replace("\r\n", "\n")
        .trim_end()
        .to_owned();
    let html = mail.body_html(0).unwrap_or_default();
    let sources = html.split("<img src=\"").skip(1);
    let images = sources
        .filter_map(|rest| rest.split('"').next())
        .map(|url| url.replace("&amp;", "&"));
    let answer_to = mail.reply_to().or(mail.from())?.first()?.address()?;
    let id = mail.message_id()?;
    let shown = Shown {
        id: id.to_owned(),
        text: text.clone(),
        buttons: Vec::new(),
        images: images.collect(),
    };
    let received = Received {
        message_id: id.to_owned(),
        subject: mail.subject().unwrap_or_default().to_owned(),
        answer_to: answer_to.to_owned(),
        text,
    };
    Some((shown, received))
}

fn mailbox_of(customer: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let local: String = customer.chars().map(plain).take(60).collect();
    format!("{local}@{DOMAIN}")
}

fn address(text: &str) -> Result<lettre::Address, SimulatorError> {
    parse_address(text).map_err(|error| failed(&error))
}

fn not_there(what: &str) -> SimulatorError {
    SimulatorError::NotThere {
        provider: NAME,
        what: what.to_owned(),
    }
}

fn failed(error: &impl ToString) -> SimulatorError {
    SimulatorError::Failed {
        reason: error.to_string(),
    }
}

/// By [`crate::simulator::start`].
pub(crate) async fn by_name(
    how: crate::simulator::Start,
) -> Result<(Arc<dyn Simulator>, Vec<(&'static str, String)>), SimulatorError> {
    let shop = "hello@fernweh.example";
    let simulator = start(Options {
        listen: how.listen,
        maildir: how.folder.clone(),
        shop: shop.to_owned(),
        login: None,
        ambient: how.ambient,
    })
    .await?;
    let settings = vec![
        ("from_address", shop.to_owned()),
        ("authserv_id", AUTHSERV_ID.to_owned()),
        ("smtp.host", "127.0.0.1".to_owned()),
        ("smtp.port", simulator.smtp_address().port().to_string()),
        ("smtp.tls", "none".to_owned()),
        ("maildir.path", how.folder.display().to_string()),
        ("maildir.poll_milliseconds", "100".to_owned()),
    ];
    Ok((Arc::new(simulator), settings))
}
