//! Where customers and the shop talk: one folder a channel, each behind [`Channel`].
//!
//! # How to add a channel
//!
//! Four places, and nothing else changes:
//!
//! 1. **Its folder** `channels/src/<name>/` with, as in every other folder, a `Config` (serde, every key documented,
//!    unknown keys refused), the type that implements [`Channel`], and
//!    `fn open(config: Config, surroundings: &Surroundings, channels: &mut Channels) -> Result<(), InvalidSetting>`,
//!    which checks the section and calls [`Channels::add`], and `fn check(config: &Config) -> Result<(), InvalidSetting>`,
//!    which only checks, for `doorstep check`. Its types stay in the folder: callers see `core`'s words.
//!    `Config::unconnected()` are settings that reach nobody, with which `doorstep preview` and `doorstep check` show what
//!    messages would look like there. What it can and cannot show is its [`Capabilities`](doorstep_core::channel::Capabilities); nobody asks for its
//!    name.
//! 2. **One line** in the registry below.
//! 3. **One feature** in `channels/Cargo.toml` that takes its vendor crate in (and is passed on by the root package).
//! 4. **One section** `[channels.<name>]` in `config/default.toml`. A channel without a section is off.
//!
//! Beside it stands its [`simulator`](simulator::Simulator). Then run `conformance::check` on it in its tests (what every channel promises), and write `docs/channels/<name>.md`.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use doorstep_core::{
    Ambient, ChannelName,
    accent::Accent,
    channel::{Channel, Inbox, Mailbox},
};

use crate::templates::{TemplateCheck, TemplateUse, UnreadableList};

pub mod render;
pub mod simulator;
pub mod templates;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod testing;

/// Declares the channels: their modules, their configuration sections, and how they are opened.
macro_rules! registry {
    ($($feature:literal => $module:ident: $what:literal;)+) => {
        $(
            #[cfg(feature = $feature)]
            pub mod $module;
        )+

        /// The section `[channels]`: one optional section a channel. Without its section a channel is off.
        #[derive(Debug, Clone, Default, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct ChannelsConfig {
            $(
                #[cfg(feature = $feature)]
                #[doc = $what]
                pub $module: Option<$module::Config>,
            )+
        }

        impl ChannelsConfig {
            /// The names of the configured channels, which rules may use.
            pub fn names(&self) -> Vec<ChannelName> {
                let mut names = Vec::new();
                $(
                    #[cfg(feature = $feature)]
                    if self.$module.is_some() {
                        names.push($module::NAME.into());
                    }
                )+
                names
            }
        }

        impl ChannelsConfig {
            /// The channels that are not configured, with settings that reach nobody: to look at what messages would be there,
            /// never to listen or send.
            #[must_use]
            pub fn unconfigured(&self) -> Self {
                Self {
                    $(
                        #[cfg(feature = $feature)]
                        $module: match &self.$module {
                            Some(_) => None,
                            None => Some($module::Config::unconnected()),
                        },
                    )+
                }
            }
        }

        /// Opens every configured channel. Nothing is sent or received yet.
        ///
        /// # Errors
        /// The first setting that no channel can work with.
        pub fn open(
            config: ChannelsConfig,
            surroundings: &Surroundings,
        ) -> Result<Channels, InvalidSetting> {
            let mut channels = Channels::default();
            $(
                #[cfg(feature = $feature)]
                if let Some(section) = config.$module {
                    $module::open(section, surroundings, &mut channels)?;
                }
            )+
            Ok(channels)
        }

        /// What is wrong in the sections, without opening anything: one finding a channel at most. A secret that is
        /// left empty is no finding, because it is made at the first start.
        pub fn check(config: &ChannelsConfig) -> Vec<InvalidSetting> {
            let mut found = Vec::new();
            $(
                #[cfg(feature = $feature)]
                if let Some(section) = &config.$module {
                    found.extend($module::check(section).err());
                }
            )+
            found
        }
    };
}

registry! {
    "discord" => discord: "Discord: direct messages, and private threads below a support channel.";
    "email" => email: "E-mail: out by SMTP or into a local outbox.";
    "telegram" => telegram: "Telegram, by its Bot API.";
    "webchat" => webchat: "The widget on the shop's pages.";
    "whatsapp" => whatsapp: "WhatsApp by Meta's Cloud API.";
}

/// What providers' lists of approved templates, as they were last read, say of ours: one check for each configured channel
/// whose provider approves templates. Nobody is asked.
///
/// # Errors
/// A list that was kept is unreadable.
#[cfg_attr(not(feature = "whatsapp"), allow(unused_mut, unused_variables))]
pub fn check_templates(
    config: &ChannelsConfig,
    data_dir: &Path,
    ours: &[TemplateUse],
) -> Result<Vec<TemplateCheck>, UnreadableList> {
    let mut checks = Vec::new();
    #[cfg(feature = "whatsapp")]
    if config.whatsapp.is_some() {
        checks.push(whatsapp::list::check(data_dir, ours)?);
    }
    Ok(checks)
}

/// What channels are opened with.
#[derive(Clone)]
pub struct Surroundings {
    /// Takes what customers write.
    pub inbox: Arc<dyn Inbox>,
    /// Holds what they read, for channels that fetch.
    pub mailbox: Arc<dyn Mailbox>,
    /// Clock and randomness.
    pub ambient: Ambient,
    /// Where relative paths of the configuration begin.
    pub data_dir: PathBuf,
    /// The shop's colour, for channels with a look; their own without.
    pub accent: Option<Accent>,
}

/// The opened channels.
#[derive(Default, Clone)]
pub struct Channels {
    /// All of them by configured name.
    pub all: BTreeMap<ChannelName, Arc<dyn Channel>>,
    /// The web chat again as itself: the front door gives it sockets, which other channels do not have.
    #[cfg(feature = "webchat")]
    pub web_chat: Option<webchat::WebChat>,
}

impl Channels {
    /// Adds a channel under its name.
    pub fn add(&mut self, channel: Arc<dyn Channel>) {
        self.all.insert(channel.name().clone(), channel);
    }

    /// The channel of that name.
    pub fn get(&self, name: &ChannelName) -> Option<&Arc<dyn Channel>> {
        self.all.get(name)
    }
}

/// A setting that a channel cannot work with. The front door adds file and line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}; {fix}")]
pub struct InvalidSetting {
    /// The setting: `channels.webchat.signing_secret`.
    pub field: String,
    /// What is wrong and what was found (never a secret's value).
    pub message: String,
    /// What to write instead.
    pub fix: String,
}

impl InvalidSetting {
    /// `field` of the section `[channels.{channel}]` is wrong.
    pub(crate) fn new(
        channel: &str,
        field: &str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            field: format!("channels.{channel}.{field}"),
            message: message.into(),
            fix: fix.into(),
        }
    }
}
