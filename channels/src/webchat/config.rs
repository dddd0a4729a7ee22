//! The section `[channels.webchat]`.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{NAME, origin};
use crate::InvalidSetting;

/// HS256 wants a key at least as long as its hash (RFC 7518, section 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// The section `[channels.webchat]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Signs session tokens; at least 32 random bytes, the same on every instance. Changing it ends all sessions.
    pub signing_secret: SecretString,
    /// Shared with the shop's pages, which sign identity tokens with it; at least 32 random bytes. Without it no
    /// visitor can be signed in.
    pub identity_secret: Option<SecretString>,
    /// Origins whose pages may use the chat: `https://shop.example`, or `*` for any. Empty: only pages that this
    /// program serves itself.
    pub allowed_origins: Vec<String>,
    /// How fast one visitor may write.
    pub messages: RateLimit,
    /// How fast one network (IPv4 address or IPv6 /64) may make new sessions, anonymous sockets included.
    pub sessions_per_ip: RateLimit,
    /// Longest frame or request body, in bytes.
    pub max_frame_bytes: usize,
    /// Longest message, in characters.
    pub max_text_chars: usize,
    /// After how long a silent socket is pinged, in seconds; one that answers neither that nor a second ping is closed.
    pub ping_s: u64,
    /// How long a visitor is recognised after their last visit, in days.
    pub session_days: u32,
    /// How long a signed-in visitor stays signed in after the shop last said so, in hours.
    pub proof_hours: u32,
    /// Whether the widget suggests products while a visitor types.
    pub suggestions: bool,
}

/// So many at once, then so many a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// At once.
    pub burst: u32,
    /// A minute, after that.
    pub per_minute: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            signing_secret: SecretString::default(),
            identity_secret: None,
            allowed_origins: Vec::new(),
            messages: RateLimit {
                burst: 20,
                per_minute: 60,
            },
            sessions_per_ip: RateLimit {
                burst: 60,
                per_minute: 60,
            },
            max_frame_bytes: 16 * 1024,
            max_text_chars: 4000,
            ping_s: 30,
            session_days: 180,
            proof_hours: 12,
            suggestions: true,
        }
    }
}

impl Config {
    /// Settings that reach nobody, to look at messages before the channel is connected.
    pub(crate) fn unconnected() -> Self {
        Self {
            signing_secret: "unconnected".repeat(3).into(),
            ..Self::default()
        }
    }

    /// # Errors
    /// The first setting that would make the chat unsafe or useless.
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        check_secret("signing_secret", &self.signing_secret)?;
        if let Some(secret) = &self.identity_secret {
            check_secret("identity_secret", secret)?;
        }
        self.check_written()
    }

    /// As [`Self::check`], before secrets that nobody wrote are made.
    ///
    /// # Errors
    /// The first setting that would make the chat unsafe or useless.
    pub(super) fn check_written(&self) -> Result<(), InvalidSetting> {
        let secrets = [
            ("signing_secret", Some(&self.signing_secret)),
            ("identity_secret", self.identity_secret.as_ref()),
        ];
        for (field, secret) in secrets {
            if let Some(secret) = secret.filter(|secret| !secret.expose_secret().is_empty()) {
                check_secret(field, secret)?;
            }
        }
        for found in &self.allowed_origins {
            if let Err(fix) = origin::check(found) {
                let message = format!("`{found}` is not an origin");
                return Err(InvalidSetting::new(NAME, "allowed_origins", message, fix));
            }
        }
        check_rate("messages", self.messages)?;
        check_rate("sessions_per_ip", self.sessions_per_ip)?;
        check_positive("max_text_chars", self.max_text_chars)?;
        check_positive("ping_s", usize::try_from(self.ping_s).unwrap_or(usize::MAX))?;
        check_positive("session_days", self.session_days as usize)?;
        check_positive("proof_hours", self.proof_hours as usize)?;
        if self.max_frame_bytes < self.max_text_chars {
            return Err(InvalidSetting::new(
                NAME,
                "max_frame_bytes",
                format!(
                    "{} bytes cannot hold a message of {} characters",
                    self.max_frame_bytes, self.max_text_chars
                ),
                "write about four times max_text_chars, for example 16384",
            ));
        }
        Ok(())
    }
}

fn check_secret(field: &str, secret: &SecretString) -> Result<(), InvalidSetting> {
    let bytes = secret.expose_secret().len();
    if bytes >= MIN_SECRET_BYTES {
        return Ok(());
    }
    Err(InvalidSetting::new(
        NAME,
        field,
        format!("{bytes} bytes are too few, {MIN_SECRET_BYTES} are needed"),
        "make one with `openssl rand -base64 32`",
    ))
}

fn check_rate(field: &str, rate: RateLimit) -> Result<(), InvalidSetting> {
    check_positive(&format!("{field}.burst"), rate.burst as usize)?;
    check_positive(&format!("{field}.per_minute"), rate.per_minute as usize)
}

fn check_positive(field: &str, value: usize) -> Result<(), InvalidSetting> {
    if value > 0 {
        return Ok(());
    }
    Err(InvalidSetting::new(
        NAME,
        field,
        "0 would let nothing through",
        "write a number from 1 up",
    ))
}
