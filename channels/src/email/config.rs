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
    /// The domain of `Message-ID`s, when not that of `from_address`.
    pub domain: Option<String>,
    /// The directory that mail is written to when no SMTP server is set; relative to the data directory.
    pub outbox: PathBuf,
    /// The SMTP server that mail is handed to.
    pub smtp: Option<Smtp>,
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

/// How the connection to the SMTP server is encrypted.
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
    /// The port usual for it (RFC 8314; 25 for relays without encryption).
    pub(super) fn default_port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::Starttls => 587,
            Self::Tls => 465,
        }
    }
}

fn default_timeout() -> u32 {
    30
}

fn default_acceptance_timeout() -> u32 {
    120
}

impl Default for Config {
    fn default() -> Self {
        Self {
            from_name: "Doorstep".to_owned(),
            from_address: "shop@localhost.localdomain".to_owned(),
            reply_to: None,
            domain: None,
            outbox: "outbox".into(),
            smtp: None,
        }
    }
}
