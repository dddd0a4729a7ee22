//! Mail from an IMAP server (RFC 3501), told by IDLE (RFC 2177) or looked for from time to time.
//!
//! The folder is opened for reading only. How far it was read is kept in our store: the folder's UIDVALIDITY, the last
//! UID that was handed in, and when that mail arrived. When the server numbers the folder anew, reading goes on with what
//! arrived since the day before; what was received already is known by its `Message-ID`.

use std::{fmt::Debug, future::Future, time::Duration};

use async_imap::{
    Client, Session,
    error::Error as ImapError,
    extensions::idle::IdleResponse,
    types::{Fetch, Mailbox, UnsolicitedResponse},
};
use doorstep_core::{Timestamp, channel::Inbox};
use futures::TryStreamExt;
use secrecy::ExposeSecret;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::{Diagnosed, Interruption, Listener};
use crate::{
    InvalidSetting,
    email::{
        NAME,
        config::{Begin, Imap, Tls},
        tls,
    },
};

/// Servers may hang up on who idles for half an hour (RFC 2177); NAT gateways forget sooner.
const IDLE: Duration = Duration::from_secs(9 * 60);

trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Debug {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + Debug> Stream for T {}

type Connection = Session<Box<dyn Stream>>;

pub(super) struct ImapMailbox {
    config: Imap,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    max_bytes: u32,
}

/// How far a folder was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    validity: u32,
    uid: u32,
    /// When that mail arrived, in Unix seconds.
    arrived: i64,
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(' ');
        Some(Self {
            validity: numbers.next()?.parse().ok()?,
            uid: numbers.next()?.parse().ok()?,
            arrived: numbers.next()?.parse().ok()?,
        })
    }

    fn text(self) -> String {
        format!("{} {} {}", self.validity, self.uid, self.arrived)
    }
}

impl ImapMailbox {
    pub(super) fn new(config: Imap, max_bytes: u32) -> Result<Self, InvalidSetting> {
        let tls = match config.tls {
            Tls::None => None,
            Tls::Starttls | Tls::Tls => {
                let ca = config.ca_path.as_deref();
                Some(tls::connector("imap", &config.host, ca)?)
            }
        };
        for (field, value) in [
            ("imap.poll_seconds", config.poll_seconds),
            ("imap.timeout_seconds", config.timeout_seconds),
        ] {
            if value == 0 {
                return Err(InvalidSetting::new(
                    NAME,
                    field,
                    "0 would never wait",
                    "write 1 or more",
                ));
            }
        }
        if config.user.is_empty() || config.password.expose_secret().is_empty() {
            return Err(InvalidSetting::new(
                NAME,
                "imap.password",
                "a mailbox is only opened with `user` and `password`",
                "write both; the password may be in password_file",
            ));
        }
        Ok(Self {
            config,
            tls,
            max_bytes,
        })
    }

    /// Receives until something fails.
    pub(super) async fn receive(&self, listener: &Listener, inbox: &dyn Inbox) -> Interruption {
        match self.receive_all(listener, inbox).await {
            Ok(never) => match never {},
            Err(interruption) => interruption,
        }
    }

    pub(super) async fn diagnose(&self) -> Diagnosed {
        let mut session = self.connect().await?;
        let can_idle = self.can_idle(&mut session).await?;
        let folder = self.open(&mut session).await?;
        let _ = timeout(self.patience(), session.logout()).await;
        let what = format!(
            "mailbox `{}` can be read ({} mails)",
            self.config.mailbox, folder.exists
        );
        let lacking = (!can_idle).then(|| {
            format!(
                "the server has no IDLE: mail is looked for every {} s",
                self.config.poll_seconds
            )
        });
        Ok((what, lacking))
    }

    async fn receive_all(
        &self,
        listener: &Listener,
        inbox: &dyn Inbox,
    ) -> Result<std::convert::Infallible, Interruption> {
        let mut session = self.connect().await?;
        let can_idle = self.can_idle(&mut session).await?;
        let folder = self.open(&mut session).await?;
        let mut cursor = self.begin(listener, inbox, &folder, &mut session).await?;
        listener.works();
        loop {
            self.receive_new(listener, inbox, &mut session, &mut cursor)
                .await?;
            if can_idle {
                session = self.idle(session).await?;
            } else {
                tokio::time::sleep(Duration::from_secs(self.config.poll_seconds.into())).await;
                self.step("NOOP", session.noop()).await?;
            }
        }
    }

    /// Where to go on reading.
    async fn begin(
        &self,
        listener: &Listener,
        inbox: &dyn Inbox,
        folder: &Mailbox,
        session: &mut Connection,
    ) -> Result<Cursor, Interruption> {
        let validity = folder.uid_validity.unwrap_or_default();
        let stored = inbox
            .cursor(&listener.hand.channel, &self.cursor_name())
            .await?;
        let cursor = match stored.as_deref().and_then(Cursor::parse) {
            Some(cursor) if cursor.validity == validity => return Ok(cursor),
            Some(old) => {
                tracing::warn!(mailbox = %self.config.mailbox, "the server numbers its mails anew; those since the day before the last are read again");
                let uid = match self.first_since(session, old.arrived).await? {
                    Some(first) => first.saturating_sub(1),
                    None => self.last_uid(folder, session).await?,
                };
                Cursor {
                    validity,
                    uid,
                    arrived: old.arrived,
                }
            }
            None => Cursor {
                validity,
                uid: match self.config.begin {
                    Begin::All => 0,
                    Begin::New => self.last_uid(folder, session).await?,
                },
                arrived: listener.hand.ambient.now().timestamp(),
            },
        };
        self.keep(listener, inbox, cursor).await?;
        Ok(cursor)
    }

    async fn last_uid(
        &self,
        folder: &Mailbox,
        session: &mut Connection,
    ) -> Result<u32, Interruption> {
        if let Some(next) = folder.uid_next {
            return Ok(next.saturating_sub(1));
        }
        let all = self.step("UID SEARCH", session.uid_search("ALL")).await?;
        Ok(all.into_iter().max().unwrap_or_default())
    }

    /// The first mail that arrived since the day before.
    async fn first_since(
        &self,
        session: &mut Connection,
        arrived: i64,
    ) -> Result<Option<u32>, Interruption> {
        let day = Timestamp::from_timestamp(arrived - 86_400, 0).unwrap_or_default();
        // English names whatever the language is (RFC 3501, `date-month`).
        let query = format!("SINCE {}", day.format("%d-%b-%Y"));
        let since = self.step("UID SEARCH", session.uid_search(query)).await?;
        Ok(since.into_iter().min())
    }

    async fn receive_new(
        &self,
        listener: &Listener,
        inbox: &dyn Inbox,
        session: &mut Connection,
        cursor: &mut Cursor,
    ) -> Result<(), Interruption> {
        // What the server told until now is found by the search.
        while session.unsolicited_responses.try_recv().is_ok() {}
        let query = format!("UID {}:*", cursor.uid.saturating_add(1));
        let found = self.step("UID SEARCH", session.uid_search(query)).await?;
        // "n:*" names the last mail even if it is below n.
        let mut uids: Vec<u32> = found.into_iter().filter(|uid| *uid > cursor.uid).collect();
        uids.sort_unstable();
        for uid in uids {
            if let Some(mail) = self.fetch(session, uid).await? {
                if let Some(arrived) = mail.internal_date() {
                    cursor.arrived = arrived.timestamp();
                }
                let raw = mail.body().or(mail.text()).unwrap_or_default();
                let whole = mail.size.is_none_or(|size| size <= self.max_bytes);
                let place = format!("{} {uid}", self.config.mailbox);
                listener.hand.over(inbox, raw, whole, &place).await?;
            }
            cursor.uid = uid;
            self.keep(listener, inbox, *cursor).await?;
        }
        Ok(())
    }

    /// One mail, or its beginning; `None` when it was deleted meanwhile.
    async fn fetch(
        &self,
        session: &mut Connection,
        uid: u32,
    ) -> Result<Option<Fetch>, Interruption> {
        let query = format!(
            "(UID INTERNALDATE RFC822.SIZE BODY.PEEK[]<0.{}>)",
            self.max_bytes
        );
        let fetching = async {
            let mails: Vec<Fetch> = session
                .uid_fetch(uid.to_string(), query)
                .await?
                .try_collect()
                .await?;
            Ok(mails)
        };
        let mails = self.step("UID FETCH", fetching).await?;
        Ok(mails.into_iter().find(|mail| mail.uid == Some(uid)))
    }

    async fn keep(
        &self,
        listener: &Listener,
        inbox: &dyn Inbox,
        cursor: Cursor,
    ) -> Result<(), Interruption> {
        let name = self.cursor_name();
        inbox
            .set_cursor(&listener.hand.channel, &name, &cursor.text())
            .await?;
        Ok(())
    }

    fn cursor_name(&self) -> String {
        let Imap {
            host,
            user,
            mailbox,
            ..
        } = &self.config;
        format!("imap:{user}@{host}/{mailbox}")
    }

    /// Waits until the server says that something changed, or for a while.
    async fn idle(&self, session: Connection) -> Result<Connection, Interruption> {
        let told = session.unsolicited_responses.clone();
        let mut idle = session.idle();
        self.step("IDLE", idle.init()).await?;
        // Mail that came after the search and before IDLE was told among other answers.
        let missed = std::iter::from_fn(|| told.try_recv().ok())
            .any(|told| matches!(told, UnsolicitedResponse::Exists(_)));
        if !missed {
            let (waiting, _stop) = idle.wait_with_timeout(IDLE);
            match waiting.await {
                Ok(IdleResponse::ManualInterrupt) => {
                    return Err(Interruption::Mailbox("the server hung up".to_owned()));
                }
                Ok(_) => {}
                Err(error) => return Err(self.failed("IDLE", &error)),
            }
        }
        self.step("DONE", idle.done()).await
    }

    async fn can_idle(&self, session: &mut Connection) -> Result<bool, Interruption> {
        let known = self.step("CAPABILITY", session.capabilities()).await?;
        Ok(known.has_str("IDLE"))
    }

    async fn open(&self, session: &mut Connection) -> Result<Mailbox, Interruption> {
        self.step("EXAMINE", session.examine(&self.config.mailbox))
            .await
    }

    /// A logged-in connection.
    async fn connect(&self) -> Result<Connection, Interruption> {
        let stream = self.reach().await?;
        let mut client = Client::new(stream);
        // After STARTTLS there is no second greeting.
        if self.config.tls != Tls::Starttls {
            self.greeting(&mut client).await?;
        }
        let user = &self.config.user;
        let password = self.config.password.expose_secret();
        let login = async {
            client
                .login(user, password)
                .await
                .map_err(|(error, _)| error)
        };
        self.step("LOGIN", login).await
    }

    async fn greeting(&self, client: &mut Client<Box<dyn Stream>>) -> Result<(), Interruption> {
        let greeting = async {
            client
                .read_response()
                .await?
                .map(drop)
                .ok_or(ImapError::ConnectionLost)
        };
        self.step("the greeting", greeting).await
    }

    /// A connection, encrypted as configured.
    async fn reach(&self) -> Result<Box<dyn Stream>, Interruption> {
        let port = self.config.port.unwrap_or(self.config.tls.imap_port());
        let connecting = async { Ok(TcpStream::connect((self.config.host.as_str(), port)).await?) };
        let plain = self.step("connecting", connecting).await?;
        let Some((connector, name)) = &self.tls else {
            return Ok(Box::new(plain));
        };
        let plain = match self.config.tls {
            Tls::Starttls => self.start_tls(plain).await?,
            _ => plain,
        };
        let shaking = async { Ok(connector.connect(name.clone(), plain).await?) };
        Ok(Box::new(self.step("TLS", shaking).await?))
    }

    async fn start_tls(&self, plain: TcpStream) -> Result<TcpStream, Interruption> {
        let mut client = Client::new(plain);
        let starting = async {
            client
                .read_response()
                .await?
                .ok_or(ImapError::ConnectionLost)?;
            client.run_command_and_check_ok("STARTTLS", None).await?;
            Ok(client.into_inner())
        };
        self.step("STARTTLS", starting).await
    }

    async fn step<T>(
        &self,
        what: &str,
        step: impl Future<Output = Result<T, ImapError>>,
    ) -> Result<T, Interruption> {
        match timeout(self.patience(), step).await {
            Ok(done) => done.map_err(|error| self.failed(what, &error)),
            Err(_) => Err(Interruption::Mailbox(self.told(what, "no answer in time"))),
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.config.timeout_seconds.into())
    }

    /// Servers repeat what they do not understand, so what could not be read is not told.
    fn failed(&self, what: &str, error: &ImapError) -> Interruption {
        let reason = match error {
            ImapError::Parse(_) => "an answer that cannot be read".to_owned(),
            error => error.to_string(),
        };
        Interruption::Mailbox(self.told(what, &reason))
    }

    fn told(&self, what: &str, reason: &str) -> String {
        format!("{}, {what}: {reason}", self.config.host)
    }
}
