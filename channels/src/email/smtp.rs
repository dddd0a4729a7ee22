//! Handing a mail to an SMTP server (RFC 5321).
//!
//! lettre's pooled transport does not tell how far a failed delivery had come, and that is what matters: before the
//! message was handed over it certainly was not sent, afterwards nobody knows (G2). So the conversation is held here,
//! with lettre's connection and commands, and a small pool.

use std::{
    fmt::Display,
    future::Future,
    io,
    sync::{LazyLock, PoisonError},
    time::Duration,
};

use doorstep_core::{Health, channel::SendError};
use lettre::transport::smtp::{
    Error as SmtpError,
    authentication::{Credentials, DEFAULT_MECHANISMS},
    client::{AsyncSmtpConnection, AsyncTokioStream, TlsParameters},
    commands::{Data, Mail as MailFrom, Rcpt},
    extension::ClientId,
};
use regex::Regex;
use secrecy::ExposeSecret;
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::{
    NAME,
    compose::Mail,
    config::{Smtp, Tls},
    inbound::bounce::is_gone,
    smtp_stream, tls,
};
use crate::InvalidSetting;

/// Connections kept open between mails.
const MAX_IDLE: usize = 4;

/// How long saying goodbye on a failed connection may take.
const QUIT_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends mails through one server.
pub(super) struct SmtpTransport {
    config: Smtp,
    port: u16,
    encryption: Encryption,
    credentials: Option<Credentials>,
    hello: ClientId,
    idle: std::sync::Mutex<Vec<AsyncSmtpConnection>>,
}

/// How a connection is encrypted: by lettre when the server is asked for it, else here (`smtp_stream`).
enum Encryption {
    None,
    Starttls(Box<TlsParameters>),
    FromFirstByte((TlsConnector, ServerName<'static>)),
}

impl Encryption {
    fn new(config: &Smtp) -> Result<Self, InvalidSetting> {
        let (host, ca) = (&config.host, config.ca_path.as_deref());
        Ok(match config.tls {
            Tls::None => Self::None,
            Tls::Starttls => Self::Starttls(Box::new(tls::for_starttls(host, ca)?)),
            Tls::Tls => Self::FromFirstByte(tls::connector("smtp", host, ca)?),
        })
    }
}

/// A step of the conversation that went wrong.
enum StepError {
    Smtp(SmtpError),
    Io(io::Error),
    TimedOut,
}

impl From<SmtpError> for StepError {
    fn from(error: SmtpError) -> Self {
        Self::Smtp(error)
    }
}

impl From<io::Error> for StepError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl StepError {
    fn is_permanent(&self) -> bool {
        matches!(self, Self::Smtp(error) if error.is_permanent())
    }

    fn is_refusal(&self) -> bool {
        matches!(self, Self::Smtp(error) if error.is_permanent() || error.is_transient())
    }
}

impl Display for StepError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Smtp(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::TimedOut => f.write_str("no answer in time"),
        }
    }
}

impl SmtpTransport {
    pub(super) fn new(config: Smtp, hello: &str) -> Result<Self, InvalidSetting> {
        let encryption = Encryption::new(&config)?;
        if config.user.is_some() != config.password.is_some() {
            return Err(InvalidSetting::new(
                NAME,
                "smtp.password",
                "`user` and `password` go together, one of them is missing",
                "set both, or neither",
            ));
        }
        let credentials = config.user.clone().zip(
            config
                .password
                .as_ref()
                .map(|password| password.expose_secret().to_owned()),
        );
        Ok(Self {
            port: config.port.unwrap_or(config.tls.smtp_port()),
            encryption,
            credentials: credentials.map(|(user, password)| Credentials::new(user, password)),
            hello: ClientId::Domain(hello.to_owned()),
            idle: std::sync::Mutex::default(),
            config,
        })
    }

    /// Hands a mail over.
    ///
    /// # Errors
    /// `Retry` when the server could not be reached or asked to come back (4xx), `Fail` when it refused this mail for
    /// good (5xx), `Ambiguous` when the connection broke after the mail was handed over.
    pub(super) async fn send(&self, mail: &Mail) -> Result<(), SendError> {
        let mut connection = self.connection().await?;
        match self.hand_over(&mut connection, mail).await {
            Ok(()) => {
                self.park(connection);
                Ok(())
            }
            Err(error) => {
                // Whatever the server says to that does not change the outcome.
                let _ = timeout(QUIT_TIMEOUT, connection.abort()).await;
                Err(error)
            }
        }
    }

    pub(super) async fn healthcheck(&self) -> Health {
        match self.connection().await {
            Ok(connection) => {
                self.park(connection);
                Health::Ok
            }
            Err(error) => Health::Down {
                reason: error.to_string(),
            },
        }
    }

    async fn hand_over(
        &self,
        connection: &mut AsyncSmtpConnection,
        mail: &Mail,
    ) -> Result<(), SendError> {
        let sender = MailFrom::new(mail.envelope.from().cloned(), Vec::new());
        let sender = self.step(connection.command(sender)).await;
        sender.map_err(|error| self.not_sent("MAIL FROM", &error))?;
        for recipient in mail.envelope.to() {
            let recipient = Rcpt::new(recipient.clone(), Vec::new());
            let recipient = self.step(connection.command(recipient)).await;
            recipient.map_err(|error| self.not_taken(&error))?;
        }
        let data = self.step(connection.command(Data)).await;
        data.map_err(|error| self.not_sent("DATA", &error))?;

        let patience = Duration::from_secs(self.config.acceptance_timeout_seconds.into());
        let accepted = within(patience, connection.message(&mail.bytes)).await;
        match accepted {
            Ok(_) => Ok(()),
            Err(error) if error.is_refusal() => Err(self.not_sent("the message", &error)),
            Err(error) => Err(SendError::Ambiguous {
                reason: self.told("the message", &error),
            }),
        }
    }

    /// A connection that answers: an idle one, else a new one, logged in.
    async fn connection(&self) -> Result<AsyncSmtpConnection, SendError> {
        while let Some(mut connection) = self.unpark() {
            // Servers drop idle connections; that is found out here and not half-way through a mail.
            let alive = timeout(self.patience(), connection.test_connected()).await;
            if alive == Ok(true) {
                return Ok(connection);
            }
        }
        // Whatever is wrong here is wrong for every mail, so none of them is given up for it.
        let retry = |what: &str, error: StepError| SendError::Retry {
            after: None,
            reason: self.told(what, &error),
        };
        let stream = self
            .step(self.stream())
            .await
            .map_err(|error| retry("connecting", error))?;
        let greeting = AsyncSmtpConnection::connect_with_transport(stream, &self.hello);
        let mut connection = self
            .step(greeting)
            .await
            .map_err(|error| retry("the greeting", error))?;
        if let Encryption::Starttls(tls) = &self.encryption {
            self.step(connection.starttls(tls.as_ref().clone(), &self.hello))
                .await
                .map_err(|error| retry("STARTTLS", error))?;
        }
        if let Some(credentials) = &self.credentials {
            self.step(connection.auth(DEFAULT_MECHANISMS, credentials))
                .await
                .map_err(|error| retry("the login", error))?;
        }
        Ok(connection)
    }

    async fn stream(&self) -> io::Result<Box<dyn AsyncTokioStream>> {
        let (host, port) = (&self.config.host, self.port);
        match &self.encryption {
            Encryption::FromFirstByte(tls) => smtp_stream::encrypted(host, port, tls).await,
            Encryption::None | Encryption::Starttls(_) => smtp_stream::plain(host, port).await,
        }
    }

    fn unpark(&self) -> Option<AsyncSmtpConnection> {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    fn park(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE && !connection.has_broken() {
            idle.push(connection);
        }
    }

    async fn step<T, E: Into<StepError>>(
        &self,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, StepError> {
        within(self.patience(), step).await
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.config.timeout_seconds.into())
    }

    /// The server does not take mail for this recipient.
    fn not_taken(&self, error: &StepError) -> SendError {
        match self.not_sent("RCPT TO", error) {
            SendError::Fail { reason } if is_gone(&error.to_string()) => SendError::Gone { reason },
            other => other,
        }
    }

    fn not_sent(&self, what: &str, error: &StepError) -> SendError {
        let reason = self.told(what, error);
        if error.is_permanent() {
            SendError::Fail { reason }
        } else {
            SendError::Retry {
                after: time_to_wait(&error.to_string()),
                reason,
            }
        }
    }

    fn told(&self, what: &str, error: &StepError) -> String {
        format!("{}:{}, {what}: {error}", self.config.host, self.port)
    }
}

async fn within<T, E: Into<StepError>>(
    patience: Duration,
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, StepError> {
    match timeout(patience, step).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(StepError::TimedOut),
    }
}

/// The time that a server names when it asks to come back; SMTP has no field for it, only words ("greylisted, try again in
/// 300 seconds").
fn time_to_wait(answer: &str) -> Option<Duration> {
    #[allow(clippy::expect_used)] // constant, and read by a test
    static NAMED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)\b(?:in|for|after) (\d{1,5}) ?(s|sec|second|m|min|minute)s?\b")
            .expect("a constant pattern")
    });
    let named = NAMED.captures(answer)?;
    let number: u64 = named[1].parse().ok()?;
    let seconds = match named[2].to_lowercase().starts_with('m') {
        true => number * 60,
        false => number,
    };
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_wait_is_read_from_words() {
        let seconds = |text: &str| time_to_wait(text).map(|time| time.as_secs());
        assert_eq!(
            seconds("451 4.7.1 Greylisted, try again in 300 seconds"),
            Some(300)
        );
        assert_eq!(seconds("450 come back in 5 minutes"), Some(300));
        assert_eq!(seconds("451 try later"), None);
    }
}
