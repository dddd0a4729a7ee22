//! E-mail: out by SMTP or into a local outbox directory, in from an IMAP server or a maildir.
//!
//! What comes in is either a customer's message, news about a mail of ours (a bounce), or mail that no person wrote, which
//! is never answered (`inbound`). Its simulator is in [`simulator`].

mod compose;
mod config;
mod dkim;
mod ids;
mod inbound;
mod layout;
mod listen;
pub mod outbox;
#[cfg(test)]
pub(crate) mod receiving_tests;
pub mod simulator;
mod smtp;
mod smtp_stream;
#[cfg(test)]
mod smtp_tests;
mod subject;
#[cfg(test)]
mod tests;
mod tls;
#[cfg(test)]
mod volume_tests;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use doorstep_core::{
    Ambient, ChannelName, Health,
    accent::Accent,
    channel::{
        Capabilities, Channel, Diagnosis, Inbox, Preview, Receipt, SendError, WebhookOutcome,
    },
    message::{Address, OutboundMessage},
    webhook::{WebhookRejection, WebhookRequest},
};
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

pub use self::config::{Begin, Config, Dkim, Imap, Maildir, Smtp, Tls};
use self::{
    compose::Composer, inbound::Reader, listen::Listener, outbox::Outbox, smtp::SmtpTransport,
};
use crate::{Channels, InvalidSetting, Surroundings};

/// The configured name.
pub const NAME: &str = "email";

/// E-mail, both ways.
pub struct Email {
    name: ChannelName,
    capabilities: Capabilities,
    composer: Composer,
    transport: Transport,
    listener: Option<Listener>,
    ambient: Ambient,
}

enum Transport {
    Outbox(Outbox),
    Smtp(Box<SmtpTransport>),
}

impl Email {
    /// E-mail as configured; a relative outbox lies in `data_dir`. Connects to nothing yet.
    ///
    /// # Errors
    /// A setting with which no mail can be sent.
    pub fn new(config: Config, data_dir: &Path, ambient: Ambient) -> Result<Self, InvalidSetting> {
        let composer = Composer::new(&config)?;
        if config.reply_tokens && config.reply_secret.expose_secret().is_empty() {
            let message = "`reply_tokens` are signed with it, and it is empty";
            let fix = "write 32 random bytes or more, the same on every instance";
            return Err(InvalidSetting::new(NAME, "reply_secret", message, fix));
        }
        let reader = reader(&config, &composer);
        let listener = Listener::new(&config, reader, data_dir, &ambient)?;
        let transport = match config.smtp {
            Some(smtp) => Transport::Smtp(Box::new(SmtpTransport::new(smtp, composer.domain())?)),
            None => Transport::Outbox(Outbox::new(
                data_dir.join(config.outbox),
                ambient.entropy.clone(),
            )),
        };
        Ok(Self {
            name: NAME.into(),
            capabilities: Capabilities {
                mailbox: false,
                buttons: false,
                cards: true,
                html: true,
                subject: true,
                images: true,
                // A file's name is the message's identifier; a mail server takes the same message twice.
                idempotent: matches!(transport, Transport::Outbox(_)),
                max_text: 100_000,
                ..Capabilities::default()
            },
            composer,
            transport,
            listener,
            ambient,
        })
    }

    /// With links and buttons in the shop's colour.
    #[must_use]
    pub fn with_accent(mut self, accent: Option<Accent>) -> Self {
        self.composer = self.composer.with_accent(accent);
        self
    }

    async fn sending(&self) -> Health {
        match &self.transport {
            Transport::Outbox(outbox) => outbox.healthcheck().await,
            Transport::Smtp(smtp) => smtp.healthcheck().await,
        }
    }
}

fn reader(config: &Config, composer: &Composer) -> Reader {
    Reader {
        channel: NAME.into(),
        domain: composer.domain().to_owned(),
        own_addresses: composer.own_addresses(),
        tokens: compose::tokens(config),
        authserv_id: config.authserv_id.clone(),
        max_attachment_bytes: config.max_attachment_bytes as usize,
    }
}

#[async_trait]
impl Channel for Email {
    fn name(&self) -> &ChannelName {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn listen(&self, inbox: Arc<dyn Inbox>, stop: CancellationToken) {
        if let Some(listener) = &self.listener {
            listener.listen(&*inbox, stop).await;
        }
    }

    async fn receive_webhook(
        &self,
        _request: &WebhookRequest,
    ) -> Result<WebhookOutcome, WebhookRejection> {
        Err(WebhookRejection::NotHere)
    }

    /// The receipt's identifier is the `Message-ID` without its brackets: bounces name it.
    async fn send(
        &self,
        address: &Address,
        message: &OutboundMessage,
    ) -> Result<Receipt, SendError> {
        let mail = self
            .composer
            .compose(address, message, self.ambient.now())?;
        match &self.transport {
            Transport::Outbox(outbox) => outbox.write(&message.id, &mail.bytes).await?,
            Transport::Smtp(smtp) => smtp.send(&mail).await?,
        }
        Ok(Receipt {
            provider_id: mail.message_id,
        })
    }

    fn preview(&self, message: &OutboundMessage) -> Result<Vec<Preview>, SendError> {
        let somebody = Address::new(self.name.clone(), "customer@example.com");
        let mail = self
            .composer
            .compose(&somebody, message, self.ambient.now())?;
        Ok(vec![Preview {
            text: mail.text,
            html: Some(mail.html),
            payload: String::from_utf8_lossy(&mail.bytes).into_owned(),
        }])
    }

    async fn healthcheck(&self) -> Health {
        let sending = self.sending().await;
        let trouble = self.listener.as_ref().and_then(Listener::trouble);
        match (sending, trouble) {
            (Health::Ok, Some(reason)) => Health::Degraded {
                reason: format!("mail is sent but not received: {reason}"),
            },
            (sending, _) => sending,
        }
    }

    async fn diagnose(&self) -> Vec<Diagnosis> {
        let what = match &self.transport {
            Transport::Outbox(_) => "the outbox directory can be written",
            Transport::Smtp(_) => "the SMTP server takes our login",
        };
        let mut found = vec![Diagnosis {
            what: what.to_owned(),
            health: self.sending().await,
        }];
        match &self.listener {
            Some(listener) => found.push(listener.diagnose().await),
            None => found.push(Diagnosis {
                what: "mail is received".to_owned(),
                health: Health::Degraded {
                    reason: "neither `imap` nor `maildir` is set: answers go to `reply_to` unread"
                        .to_owned(),
                },
            }),
        }
        found
    }
}

/// Whether mail could be sent and received with the section.
pub(crate) fn check(config: &Config) -> Result<(), InvalidSetting> {
    let composer = Composer::new(config)?;
    listen::check(config, Path::new("."))?;
    for (field, bytes) in [
        ("max_mail_bytes", config.max_mail_bytes),
        ("max_attachment_bytes", config.max_attachment_bytes),
    ] {
        if bytes == 0 {
            let message = "with 0 nothing could be received";
            return Err(InvalidSetting::new(
                NAME,
                field,
                message,
                "leave it out for the default",
            ));
        }
    }
    match &config.smtp {
        Some(smtp) => SmtpTransport::new(smtp.clone(), composer.domain()).map(drop),
        None => Ok(()),
    }
}

/// Opens the e-mail channel of the configuration.
pub(crate) fn open(
    config: Config,
    surroundings: &Surroundings,
    channels: &mut Channels,
) -> Result<(), InvalidSetting> {
    let email = Email::new(config, &surroundings.data_dir, surroundings.ambient.clone())?;
    channels.add(Arc::new(email.with_accent(surroundings.accent)));
    Ok(())
}
