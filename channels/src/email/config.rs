//! The section `[channels.email]`.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

/// The section `[channels.email]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The shop's name as customers see it in their inbox.
    pub from_name: String,
    /// The address mail comes from.
    pub from_address: String,
    /// Where answers go, when not to `from_address`.
    pub reply_to: Option<String>,
    /// Whether every mail gets an address of its own to answer to: `help+TOKEN@shop.example`, which must arrive in the
    /// same mailbox as `help@shop.example` (plus addressing, RFC 5233).
    pub reply_tokens: bool,
    /// Signs the tokens; the same on every instance. Needed with `reply_tokens`.
    pub reply_secret: SecretString,
    /// The domain of `Message-ID`s, when not that of `from_address`.
    pub domain: Option<String>,
    /// The directory that mail is written to when no SMTP server is set; relative to the data directory.
    pub outbox: PathBuf,
    /// The SMTP server that mail is handed to.
    pub smtp: Option<Smtp>,
    /// Signs mail, where the SMTP server does not.
    pub dkim: Option<Dkim>,
    /// The mailbox that is read, by IMAP.
    pub imap: Option<Imap>,
    /// The mailbox that is read, as a directory.
    pub maildir: Option<Maildir>,
    /// The receiving server's name in `Authentication-Results` (RFC 8601): what it says of a sender is believed. Without
    /// it no sender counts as proven.
    pub authserv_id: Option<String>,
    /// Of a larger mail only the beginning is read, in bytes.
    pub max_mail_bytes: u32,
    /// Larger files are left out, in bytes.
    pub max_attachment_bytes: u32,
}

/// The section `[channels.email.smtp]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// Host name; TLS certificates are checked against it.
    pub host: String,
    /// Port; 587 for `starttls`, 465 for `tls`, 25 for `none` when not set.
    pub port: Option<u16>,
    /// How the connection is encrypted.
    #[serde(default)]
    pub tls: Tls,
    /// A file of further certificates to trust (PEM), for a server with its own.
    pub ca_path: Option<PathBuf>,
    /// Login name; without it no login is tried.
    pub user: Option<String>,
    /// Password of `user`.
    pub password: Option<SecretString>,
    /// How long the server may take to connect and for each command, in seconds.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u32,
    /// How long the server may take to accept a message once it has it, in seconds. After that nobody knows whether
    /// it was sent, so it is generous (RFC 5321, section 4.5.3.2.6 suggests 600).
    #[serde(default = "default_acceptance_timeout")]
    pub acceptance_timeout_seconds: u32,
}

/// The section `[channels.email.dkim]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dkim {
    /// The key's name in DNS: its public half is published at `<selector>._domainkey.<domain>`.
    pub selector: String,
    /// The signing domain, when not that of `from_address`.
    pub domain: Option<String>,
    /// The file of the private key: RSA in PEM (PKCS#1, `openssl genrsa -traditional 2048`), or the 32 bytes of an
    /// Ed25519 key in base64.
    pub key_path: PathBuf,
}

/// The section `[channels.email.imap]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imap {
    /// Host name; TLS certificates are checked against it.
    pub host: String,
    /// Port; 993 for `tls`, 143 otherwise, when not set.
    pub port: Option<u16>,
    /// How the connection is encrypted.
    #[serde(default = "encrypted")]
    pub tls: Tls,
    /// A file of further certificates to trust (PEM), for a server with its own.
    pub ca_path: Option<PathBuf>,
    /// Login name.
    pub user: String,
    /// Password of `user`.
    pub password: SecretString,
    /// The folder that is read. It is only read: nothing in it is marked, moved or deleted.
    #[serde(default = "default_mailbox")]
    pub mailbox: String,
    /// Where reading begins the first time.
    #[serde(default)]
    pub begin: Begin,
    /// How often is looked for mail where the server cannot tell by itself (IDLE), in seconds.
    #[serde(default = "default_poll")]
    pub poll_seconds: u32,
    /// How long the server may take for each command, in seconds.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u32,
}

/// Where the reading of a mailbox begins the first time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Begin {
    /// With mail that comes from now on: nobody wants answers to last year's mail.
    #[default]
    New,
    /// With everything that is there.
    All,
}

/// The section `[channels.email.maildir]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maildir {
    /// The directory, which has `new`, `cur` and `tmp`; relative to the data directory. Mail in `new` is read and then
    /// moved to `cur`.
    pub path: PathBuf,
    /// How often is looked for mail, in milliseconds.
    #[serde(default = "default_look")]
    pub poll_milliseconds: u32,
}

/// How the connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Not at all: for a server on the same machine.
    None,
    /// By STARTTLS, without which nothing is sent.
    #[default]
    Starttls,
    /// From the first byte.
    Tls,
}

impl Tls {
    /// The port usual for SMTP with it (RFC 8314; 25 for relays without encryption).
    pub(super) fn smtp_port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::Starttls => 587,
            Self::Tls => 465,
        }
    }

    /// The port usual for IMAP with it (RFC 8314).
    pub(super) fn imap_port(self) -> u16 {
        match self {
            Self::None | Self::Starttls => 143,
            Self::Tls => 993,
        }
    }
}

fn encrypted() -> Tls {
    Tls::Tls
}

fn default_timeout() -> u32 {
    30
}

fn default_acceptance_timeout() -> u32 {
    120
}

fn default_mailbox() -> String {
    "INBOX".to_owned()
}

fn default_poll() -> u32 {
    60
}

fn default_look() -> u32 {
    1000
}

impl Config {
    /// Settings that reach nobody, to look at messages before the channel is connected.
    pub(crate) fn unconnected() -> Self {
        Self::default()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            from_name: "Doorstep".to_owned(),
            from_address: "shop@localhost.localdomain".to_owned(),
            reply_to: None,
            reply_tokens: false,
            reply_secret: SecretString::default(),
            domain: None,
            outbox: "outbox".into(),
            smtp: None,
            dkim: None,
            imap: None,
            maildir: None,
            authserv_id: None,
            max_mail_bytes: 30 << 20,
            max_attachment_bytes: 10 << 20,
        }
    }
}
