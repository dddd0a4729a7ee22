//! Ports that lead nowhere, for commands that look at channels without running them.

use std::sync::Arc;

use async_trait::async_trait;
use doorstep_channels::{Channels, ChannelsConfig, InvalidSetting, Surroundings};
use doorstep_core::{
    Ambient, ChannelName, Language,
    channel::{AdmitError, Inbox, Mailbox, ReceiptUpdate, Subscription},
    customer::Proof,
    message::{Address, Admission, InboundMessage, MailboxEntry},
};

use crate::config::Config;

/// The configured channels, which receive nothing.
///
/// # Errors
/// The first setting that no channel can work with.
pub(crate) fn open_channels(
    config: &Config,
    ambient: &Ambient,
) -> Result<Channels, InvalidSetting> {
    open(config.channels.clone(), config, ambient)
}

/// The channels that are not configured, with settings that reach nobody: what messages would look like there.
///
/// # Errors
/// The first setting that no channel can work with.
pub(crate) fn open_unconfigured(
    config: &Config,
    ambient: &Ambient,
) -> Result<Channels, InvalidSetting> {
    open(config.channels.unconfigured(), config, ambient)
}

/// A channel of every kind that there is, with settings that reach nobody: what each can do.
///
/// # Errors
/// The first setting that no channel can work with.
pub(crate) fn open_every_kind(
    config: &Config,
    ambient: &Ambient,
) -> Result<Channels, InvalidSetting> {
    open(ChannelsConfig::default().unconfigured(), config, ambient)
}

fn open(
    channels: ChannelsConfig,
    config: &Config,
    ambient: &Ambient,
) -> Result<Channels, InvalidSetting> {
    let nowhere = Arc::new(Nowhere);
    let surroundings = Surroundings {
        inbox: nowhere.clone(),
        mailbox: nowhere,
        ambient: ambient.clone(),
        data_dir: config.data_dir.clone(),
        accent: config.shop.accent(),
    };
    doorstep_channels::open(channels, &surroundings)
}

struct Nowhere;

fn nowhere<T>() -> Result<T, AdmitError> {
    Err(AdmitError::Unavailable(
        "this command receives no messages".to_owned(),
    ))
}

#[async_trait]
impl Inbox for Nowhere {
    async fn admit(&self, _: InboundMessage) -> Result<Admission, AdmitError> {
        nowhere()
    }

    async fn prove(&self, _: &Address, _: &Proof, _: Option<&Language>) -> Result<(), AdmitError> {
        nowhere()
    }

    async fn settle(&self, _: &ChannelName, _: ReceiptUpdate) -> Result<(), AdmitError> {
        nowhere()
    }

    async fn close(&self, _: &Address, _: &str) -> Result<(), AdmitError> {
        nowhere()
    }

    async fn cursor(&self, _: &ChannelName, _: &str) -> Result<Option<String>, AdmitError> {
        Ok(None)
    }

    async fn set_cursor(&self, _: &ChannelName, _: &str, _: &str) -> Result<(), AdmitError> {
        nowhere()
    }
}

#[async_trait]
impl Mailbox for Nowhere {
    async fn entries_after(
        &self,
        _: &Address,
        _: i64,
        _: u64,
    ) -> Result<Vec<MailboxEntry>, AdmitError> {
        Ok(Vec::new())
    }

    fn subscribe(&self, _: &Address) -> Subscription {
        let (_, news) = tokio::sync::watch::channel(doorstep_core::channel::News::default());
        Subscription {
            news,
            guard: Box::new(()),
        }
    }

    async fn mark_read(&self, _: &Address, _: i64) -> Result<(), AdmitError> {
        nowhere()
    }
}
