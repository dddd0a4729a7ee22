//! A directory that mail is written to instead of sent: the demo's mail server, and a place to look without one.
//!
//! Laid out like a maildir: a mail is written to `tmp/`, synchronised, and renamed into `new/`, so that a reader sees
//! whole mails only. Its name is the message's identifier: the same message written again is the same file (G2).

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use doorstep_core::{Entropy, Health, OutboundMessageId, Timestamp, channel::SendError};
use mail_parser::MessageParser;
use serde::Serialize;
use tokio::{fs, io::AsyncWriteExt};

/// A mail in the outbox, as the customer would see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutboxMail {
    /// The outbound message's identifier.
    pub id: String,
    /// The recipient's address.
    pub to: String,
    /// Subject line.
    pub subject: String,
    /// Header `Date`.
    pub at: Timestamp,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// The mails in the outbox `dir`, newest first, `limit` at most. A directory that does not exist yet holds none; files
/// that are not ours are passed over.
///
/// # Errors
/// The directory could not be read.
pub async fn list(dir: &Path, limit: usize) -> io::Result<Vec<OutboxMail>> {
    let ids = ids(dir).await?;
    let mut mails = Vec::with_capacity(ids.len().min(limit));
    for id in ids.iter().rev().take(limit) {
        mails.extend(read(dir, id).await?);
    }
    Ok(mails)
}

/// The identifiers of the mails in the outbox `dir`, oldest first; nothing is read.
///
/// # Errors
/// The directory could not be read.
pub async fn ids(dir: &Path) -> io::Result<Vec<OutboundMessageId>> {
    let mut entries = match fs::read_dir(dir.join("new")).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut ids = Vec::new();
    while let Some(entry) = entries.next_entry().await? {
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(".eml"));
        ids.extend(id.and_then(|id| id.parse::<OutboundMessageId>().ok()));
    }
    // Identifiers begin with their time of creation.
    ids.sort_unstable();
    Ok(ids)
}

/// One mail of the outbox `dir`; `None` when it is not there, or is not ours.
///
/// # Errors
/// It could not be read.
pub async fn read(dir: &Path, id: &OutboundMessageId) -> io::Result<Option<OutboxMail>> {
    match fs::read(mail_path(dir, id)).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        raw => Ok(parse(id, &raw?)),
    }
}

fn parse(id: &OutboundMessageId, raw: &[u8]) -> Option<OutboxMail> {
    let mail = MessageParser::default().parse(raw)?;
    Some(OutboxMail {
        id: id.to_string(),
        to: mail.to()?.first()?.address()?.to_owned(),
        subject: mail.subject().unwrap_or_default().to_owned(),
        at: Timestamp::from_timestamp(mail.date()?.to_timestamp(), 0)?,
        text: mail.body_text(0)?.into_owned(),
        html: mail.body_html(0)?.into_owned(),
    })
}

fn mail_path(dir: &Path, id: &OutboundMessageId) -> PathBuf {
    dir.join("new").join(format!("{id}.eml"))
}

/// Writes mails.
pub(super) struct Outbox {
    dir: PathBuf,
    entropy: Arc<dyn Entropy>,
}

impl Outbox {
    pub(super) fn new(dir: PathBuf, entropy: Arc<dyn Entropy>) -> Self {
        Self { dir, entropy }
    }

    /// Writes a mail, unless it is there already.
    ///
    /// # Errors
    /// [`SendError::Retry`]: an unfinished mail is never seen.
    pub(super) async fn write(&self, id: &OutboundMessageId, mail: &[u8]) -> Result<(), SendError> {
        let written = self.write_once(id, mail).await;
        written.map_err(|error| SendError::Retry {
            after: None,
            reason: format!("writing to {}: {error}", self.dir.display()),
        })
    }

    async fn write_once(&self, id: &OutboundMessageId, mail: &[u8]) -> io::Result<()> {
        let finished = mail_path(&self.dir, id);
        if fs::try_exists(&finished).await? {
            return Ok(());
        }
        let unfinished = self.unfinished_path(&id.to_string()).await?;
        let renamed = write_synced(&unfinished, &finished, mail).await;
        if renamed.is_err() {
            // The error to tell is the first one; a left-over in tmp/ is harmless.
            let _ = fs::remove_file(&unfinished).await;
        }
        renamed
    }

    pub(super) async fn healthcheck(&self) -> Health {
        match self.probe().await {
            Ok(()) => Health::Ok,
            Err(error) => Health::Down {
                reason: format!("the outbox {} is not writable: {error}", self.dir.display()),
            },
        }
    }

    async fn probe(&self) -> io::Result<()> {
        let probe = self.unfinished_path("healthcheck").await?;
        fs::write(&probe, b"").await?;
        fs::remove_file(&probe).await
    }

    /// A new name in `tmp/`; two writers of one message do not meet there.
    async fn unfinished_path(&self, what: &str) -> io::Result<PathBuf> {
        let tmp = self.dir.join("tmp");
        fs::create_dir_all(&tmp).await?;
        fs::create_dir_all(self.dir.join("new")).await?;
        let mut random = [0; 8];
        self.entropy.fill(&mut random);
        Ok(tmp.join(format!("{what}.{:016x}", u64::from_be_bytes(random))))
    }
}

async fn write_synced(unfinished: &Path, finished: &Path, mail: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(unfinished)
        .await?;
    file.write_all(mail).await?;
    file.sync_all().await?;
    drop(file);
    fs::rename(unfinished, finished).await?;
    match finished.parent() {
        // The rename itself must survive a power failure too.
        Some(dir) if cfg!(unix) => fs::File::open(dir).await?.sync_all().await,
        _ => Ok(()),
    }
}
