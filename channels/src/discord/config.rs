//! The section `[channels.discord]`.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::NAME;
use crate::InvalidSetting;

/// Where Discord's own HTTP API is (version 10, the current one).
pub const API_URL: &str = "https://discord.com/api/v10";

/// The section `[channels.discord]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The bot's token, from the page "Bot" of the developer portal.
    pub token: SecretString,
    /// The application's id, from the page "General Information".
    pub application_id: String,
    /// The application's public key, from the same page. With it interactions are taken at
    /// `/webhooks/channels/discord`, without it over the gateway alone.
    pub public_key: String,
    /// The channel of the shop's server in which a private thread is opened for each customer. Empty: none; customers
    /// who write on the server are answered in direct messages.
    pub support_channel: String,
    /// Whether to ask for the privileged message-content intent, so that in threads the bot also reads messages that do
    /// not mention it.
    pub message_content: bool,
    /// Whether this instance holds the connection to the gateway. One instance must, others need not.
    pub gateway: bool,
    /// Whether the slash commands are registered at the start.
    pub register_commands: bool,
    /// How long Discord may take for an answer, in seconds.
    pub timeout_seconds: u32,
    /// Where the HTTP API is; another address only for a simulator.
    pub api_url: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            token: SecretString::default(),
            application_id: String::new(),
            public_key: String::new(),
            support_channel: String::new(),
            message_content: false,
            gateway: true,
            register_commands: true,
            timeout_seconds: 8,
            api_url: API_URL.to_owned(),
        }
    }
}

impl Config {
    /// Settings that reach nobody, to look at messages before the channel is connected.
    pub(crate) fn unconnected() -> Self {
        Self {
            token: "unconnected".into(),
            application_id: "1".to_owned(),
            gateway: false,
            register_commands: false,
            ..Self::default()
        }
    }

    /// # Errors
    /// The first setting with which the channel cannot work.
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        let token = self.token.expose_secret();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let found = match token.is_empty() {
                true => "is empty",
                false => "has characters that no token has",
            };
            return Err(InvalidSetting::new(
                NAME,
                "token",
                found,
                "copy it from the page `Bot` of the developer portal",
            ));
        }
        check_id("application_id", &self.application_id)?;
        if !self.support_channel.is_empty() {
            check_id("support_channel", &self.support_channel)?;
        }
        if !self.public_key.is_empty() && parse_public_key(&self.public_key).is_none() {
            return Err(InvalidSetting::new(
                NAME,
                "public_key",
                "is not a key of 64 hexadecimal digits",
                "copy it from the page `General Information` of the developer portal",
            ));
        }
        if !(1..=25).contains(&self.timeout_seconds) {
            return Err(InvalidSetting::new(
                NAME,
                "timeout_seconds",
                format!("{} is not from 1 to 25", self.timeout_seconds),
                "write 8, so that a delivery can ask twice in its time",
            ));
        }
        let url = reqwest::Url::parse(&self.api_url).ok();
        if !url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            return Err(InvalidSetting::new(
                NAME,
                "api_url",
                format!("`{}` is not a web address", self.api_url),
                format!("leave it out, or write {API_URL}"),
            ));
        }
        Ok(())
    }
}

/// The bytes of an Ed25519 public key written in hexadecimal.
pub(super) fn parse_public_key(hex: &str) -> Option<[u8; 32]> {
    super::signature::from_hex(hex)
}

fn check_id(field: &str, found: &str) -> Result<(), InvalidSetting> {
    if found.parse::<std::num::NonZeroU64>().is_ok() {
        return Ok(());
    }
    Err(InvalidSetting::new(
        NAME,
        field,
        format!("`{found}` is not an id of Discord's"),
        "write the number of 17 to 20 digits that `Copy ID` gives in developer mode",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn working() -> Config {
        Config {
            token: "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.x".into(),
            application_id: "1100000000000000001".to_owned(),
            ..Config::default()
        }
    }

    #[test]
    fn each_setting_that_cannot_work_is_named() {
        working().check().unwrap();
        let wrong = |field: &str, change: fn(&mut Config)| {
            let mut config = working();
            change(&mut config);
            let found = config.check().unwrap_err();
            assert_eq!(found.field, format!("channels.discord.{field}"));
            assert!(!found.to_string().contains("MTk4"), "a secret is told");
        };
        wrong("token", |config| config.token = "".into());
        wrong("token", |config| config.token = "MTk4\r\nX: y".into());
        wrong("application_id", |config| {
            config.application_id = "shop".to_owned()
        });
        wrong("support_channel", |config| {
            config.support_channel = "#help".to_owned()
        });
        wrong("public_key", |config| config.public_key = "ff".to_owned());
        wrong("timeout_seconds", |config| config.timeout_seconds = 0);
        wrong("api_url", |config| {
            config.api_url = "discord.com".to_owned()
        });
    }
}
