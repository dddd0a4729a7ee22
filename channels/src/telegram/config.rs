//! The section `[channels.telegram]`.

use std::collections::BTreeMap;

use doorstep_core::Language;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{NAME, commands};
use crate::InvalidSetting;

/// Where Telegram's own servers are.
const API_URL: &str = "https://api.telegram.org";

/// Most seconds a long poll may last.
const MAX_POLL_S: u32 = 90;

/// The section `[channels.telegram]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The bot's token, as BotFather gave it: `123456789:AAE…`.
    pub token: SecretString,
    /// The bot's user name, as BotFather gave it, without `@`: it is how groups mention it and how links open it.
    pub username: String,
    /// Where Telegram sends updates: this program's public address and `/webhooks/channels/telegram`. Empty: they are
    /// fetched by long polling, by one instance.
    pub webhook_url: String,
    /// The Bot API server.
    pub api_url: String,
    /// How many seconds the server may hold a long poll open.
    pub poll_timeout_s: u32,
    /// The menu of commands. Empty: the built-in one.
    pub commands: Vec<Command>,
}

/// One command of the bot's menu.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// What customers type after the slash: 1 to 32 of a-z, 0-9 and underscore.
    pub name: String,
    /// The value of the button that the command stands for.
    pub value: String,
    /// What the menu says, by language; `en` for all others. 1 to 256 characters.
    pub description: BTreeMap<String, String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            token: SecretString::default(),
            username: String::new(),
            webhook_url: String::new(),
            api_url: API_URL.to_owned(),
            poll_timeout_s: 50,
            commands: Vec::new(),
        }
    }
}

/// The section, checked.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) token: SecretString,
    /// The bot's own identifier: what stands before the colon of its token.
    pub(super) bot_id: i64,
    pub(super) username: String,
    pub(super) webhook_url: Option<Url>,
    pub(super) api_url: Url,
    pub(super) poll_timeout_s: u32,
    pub(super) commands: Vec<Command>,
}

impl Config {
    /// Settings that reach nobody, to look at messages before the channel is connected.
    pub(crate) fn unconnected() -> Self {
        Self {
            token: "1:unconnected".into(),
            username: "unconnected".to_owned(),
            ..Self::default()
        }
    }

    /// The section, checked.
    pub(super) fn settings(&self) -> Result<Settings, InvalidSetting> {
        if !(1..=MAX_POLL_S).contains(&self.poll_timeout_s) {
            return Err(InvalidSetting::new(
                NAME,
                "poll_timeout_s",
                format!("{} s cannot be waited for", self.poll_timeout_s),
                format!("write a number from 1 to {MAX_POLL_S}"),
            ));
        }
        let commands = match self.commands.is_empty() {
            true => commands::built_in(),
            false => self.commands.clone(),
        };
        check_commands(&commands)?;
        Ok(Settings {
            bot_id: bot_id(&self.token)?,
            token: self.token.clone(),
            username: username(&self.username)?,
            webhook_url: webhook_url(&self.webhook_url)?,
            api_url: api_url(&self.api_url)?,
            poll_timeout_s: self.poll_timeout_s,
            commands,
        })
    }
}

fn bot_id(token: &SecretString) -> Result<i64, InvalidSetting> {
    let (id, key) = token.expose_secret().split_once(':').unwrap_or_default();
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let readable = !key.is_empty() && key.bytes().all(is_key);
    id.parse::<i64>()
        .ok()
        .filter(|id| readable && *id > 0)
        .ok_or_else(|| {
            InvalidSetting::new(
                NAME,
                "token",
                "this is not a bot's token",
                "write what BotFather answered to /newbot, like 123456789:AAE…, or name a file with `token_file`",
            )
        })
}

fn username(written: &str) -> Result<String, InvalidSetting> {
    let name = written.trim().trim_start_matches('@');
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if (4..=32).contains(&name.len()) && name.bytes().all(is_name) {
        return Ok(name.to_owned());
    }
    Err(InvalidSetting::new(
        NAME,
        "username",
        format!("`{written}` is not a bot's user name"),
        "write the name that BotFather shows as t.me/<name>",
    ))
}

/// Telegram only calls HTTPS; a simulator on this machine may call without.
fn webhook_url(written: &str) -> Result<Option<Url>, InvalidSetting> {
    if written.trim().is_empty() {
        return Ok(None);
    }
    let url = Url::parse(written).ok().filter(|url| {
        let here = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        url.scheme() == "https" || (url.scheme() == "http" && here)
    });
    url.map(Some).ok_or_else(|| {
        InvalidSetting::new(
            NAME,
            "webhook_url",
            format!("Telegram cannot call `{written}`"),
            "write https://<your host>/webhooks/channels/telegram, or leave it empty for long polling",
        )
    })
}

fn api_url(written: &str) -> Result<Url, InvalidSetting> {
    let url = Url::parse(written).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
        .ok_or_else(|| {
            InvalidSetting::new(
                NAME,
                "api_url",
                format!("`{written}` is not the address of a Bot API server"),
                format!("leave it out for {API_URL}"),
            )
        })
}

/// As <https://core.telegram.org/bots/api#botcommand> says.
fn check_commands(commands: &[Command]) -> Result<(), InvalidSetting> {
    let wrong = |message: String| {
        let fix = "write name, value and description.en as docs/channels/telegram.md shows";
        Err(InvalidSetting::new(NAME, "commands", message, fix))
    };
    if commands.len() > 100 {
        return wrong(format!("{} commands; 100 are allowed", commands.len()));
    }
    for command in commands {
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let name = &command.name;
        if !(1..=32).contains(&name.len()) || !name.bytes().all(is_name) {
            return wrong(format!("`{name}` cannot be a command"));
        }
        if command.value.is_empty() {
            return wrong(format!("`/{name}` stands for nothing"));
        }
        if !command.description.contains_key("en") {
            return wrong(format!("`/{name}` has no English description"));
        }
        for (language, text) in &command.description {
            if language.parse::<Language>().is_err() || language.len() != 2 {
                return wrong(format!("`/{name}`: `{language}` is no two-letter language"));
            }
            if !(1..=256).contains(&text.chars().count()) {
                return wrong(format!("`/{name}` in `{language}`: 1 to 256 characters"));
            }
        }
    }
    Ok(())
}
