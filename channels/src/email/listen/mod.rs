//! Receives mail, from an IMAP server or a directory, and hands it in.

mod imap;
mod maildir;

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use doorstep_core::{
    Ambient, ChannelName, Health,
    channel::{AdmitError, Diagnosis, Inbox},
};
use tokio_util::sync::CancellationToken;

use self::{imap::ImapMailbox, maildir::MaildirMailbox};
use super::{
    config::Config,
    inbound::{Mail, Reader},
};
use crate::InvalidSetting;

/// How long after a failure is tried again: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// Why receiving stopped for now. Nothing is lost: what was not admitted is read again.
#[derive(Debug, thiserror::Error)]
enum Interruption {
    /// The mail server or the directory.
    #[error("{0}")]
    Mailbox(String),
    /// Our own store.
    #[error(transparent)]
    Store(#[from] AdmitError),
}

/// Receives from the configured mailbox.
pub(super) struct Listener {
    source: Source,
    hand: Hand,
    /// Why nothing is received at the moment.
    trouble: Mutex<Option<String>>,
}

enum Source {
    Imap(Box<ImapMailbox>),
    Maildir(MaildirMailbox),
}

/// Hands mail in.
struct Hand {
    channel: ChannelName,
    reader: Reader,
    ambient: Ambient,
}

impl Listener {
    /// A listener, if a mailbox is configured.
    pub(super) fn new(
        config: &Config,
        reader: Reader,
        data_dir: &Path,
        ambient: &Ambient,
    ) -> Result<Option<Self>, InvalidSetting> {
        let Some(source) = source(config, data_dir)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            source,
            hand: Hand {
                channel: reader.channel.clone(),
                reader,
                ambient: ambient.clone(),
            },
            trouble: Mutex::default(),
        }))
    }

    /// Receives until `stop`.
    pub(super) async fn listen(&self, inbox: &dyn Inbox, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        loop {
            let received = async {
                match &self.source {
                    Source::Imap(mailbox) => Box::pin(mailbox.receive(self, inbox)).await,
                    Source::Maildir(mailbox) => Box::pin(mailbox.receive(self, inbox)).await,
                }
            };
            let interruption = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                interruption = received => interruption,
            };
            // Whoever worked in between is not punished for an earlier failure.
            if self.set_trouble(Some(interruption.to_string())).is_none() {
                pause = FIRST_PAUSE;
            }
            tracing::warn!(channel = %self.hand.channel, error = %interruption, pause_s = pause.as_secs(), "mail is not received");
            metrics::counter!("doorstep_email_interruptions_total").increment(1);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// What is wrong with receiving, if anything.
    pub(super) fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone()
    }

    /// Mail is being received.
    fn works(&self) {
        self.set_trouble(None);
    }

    fn set_trouble(&self, trouble: Option<String>) -> Option<String> {
        let mut held = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut held, trouble)
    }

    /// Tries the mailbox, reading nothing.
    pub(super) async fn diagnose(&self) -> Diagnosis {
        let tried = match &self.source {
            Source::Imap(mailbox) => Box::pin(mailbox.diagnose()).await,
            Source::Maildir(mailbox) => mailbox.diagnose().await,
        };
        let (what, health) = match tried {
            Ok((what, None)) => (what, Health::Ok),
            Ok((what, Some(reason))) => (what, Health::Degraded { reason }),
            Err(error) => {
                let reason = error.to_string();
                ("mail can be received".to_owned(), Health::Down { reason })
            }
        };
        Diagnosis { what, health }
    }
}

/// Whether a mailbox could be read with the section.
pub(super) fn check(config: &Config, data_dir: &Path) -> Result<(), InvalidSetting> {
    source(config, data_dir).map(drop)
}

fn source(config: &Config, data_dir: &Path) -> Result<Option<Source>, InvalidSetting> {
    if config.imap.is_some() && config.maildir.is_some() {
        return Err(InvalidSetting::new(
            super::NAME,
            "maildir",
            "mail is read from one place, and `imap` is set too",
            "keep one of the two sections",
        ));
    }
    if let Some(section) = &config.imap {
        let mailbox = ImapMailbox::new(section.clone(), config.max_mail_bytes)?;
        return Ok(Some(Source::Imap(Box::new(mailbox))));
    }
    let maildir = config.maildir.as_ref();
    maildir
        .map(|section| {
            let mailbox = MaildirMailbox::new(section, data_dir, config.max_mail_bytes)?;
            Ok(Source::Maildir(mailbox))
        })
        .transpose()
}

impl Hand {
    /// Reads a mail and hands in what it says. `place` names it in logs (never its sender).
    async fn over(
        &self,
        inbox: &dyn Inbox,
        raw: &[u8],
        whole: bool,
        place: &str,
    ) -> Result<(), AdmitError> {
        match self.reader.read(raw, whole, self.ambient.now()) {
            Mail::Message(message) => {
                let admission = inbox.admit(*message).await?;
                if admission.duplicate {
                    tracing::debug!(place, "the mail was received before");
                }
            }
            Mail::Settles(receipts) => {
                for receipt in receipts {
                    inbox.settle(&self.channel, receipt).await?;
                }
                metrics::counter!("doorstep_email_bounces_total").increment(1);
            }
            Mail::Skipped(skip) => {
                tracing::info!(place, reason = skip.as_str(), "the mail is not answered");
                metrics::counter!("doorstep_email_skipped_total", "reason" => skip.as_str())
                    .increment(1);
            }
        }
        Ok(())
    }
}

/// What was looked at and found, and what is lacking.
type Diagnosed = Result<(String, Option<String>), Interruption>;
