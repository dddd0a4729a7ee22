//! Mail from a directory that a mail server delivers into (Maildir: `new`, `cur`, `tmp`).
//!
//! A file in `new` is moved to `cur` and marked as seen once it was handed in. After a crash in between it is handed in
//! again, and known by its `Message-ID`.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use doorstep_core::channel::Inbox;
use tokio::{fs, io::AsyncReadExt};

use super::{Diagnosed, Interruption, Listener};
use crate::{
    InvalidSetting,
    email::{NAME, config::Maildir},
};

/// As many are handed in before the directory is read again.
const BATCH: usize = 200;

pub(super) struct MaildirMailbox {
    dir: PathBuf,
    look: Duration,
    max_bytes: u64,
}

impl MaildirMailbox {
    pub(super) fn new(
        section: &Maildir,
        data_dir: &Path,
        max_bytes: u32,
    ) -> Result<Self, InvalidSetting> {
        if section.poll_milliseconds < 10 {
            return Err(InvalidSetting::new(
                NAME,
                "maildir.poll_milliseconds",
                format!("{} is too often", section.poll_milliseconds),
                "write 10 or more; 1000 is the default",
            ));
        }
        Ok(Self {
            dir: data_dir.join(&section.path),
            look: Duration::from_millis(section.poll_milliseconds.into()),
            max_bytes: max_bytes.into(),
        })
    }

    /// Receives until something fails.
    pub(super) async fn receive(&self, listener: &Listener, inbox: &dyn Inbox) -> Interruption {
        // What could not be moved away is not read again and again.
        let mut stuck = HashSet::new();
        loop {
            match self.receive_new(listener, inbox, &mut stuck).await {
                Ok(0) => {
                    listener.works();
                    tokio::time::sleep(self.look).await;
                }
                Ok(_) => {}
                Err(interruption) => return interruption,
            }
        }
    }

    pub(super) async fn diagnose(&self) -> Diagnosed {
        let new = self
            .new_names(&HashSet::new())
            .await
            .map_err(|error| self.failed(&error))?;
        let what = format!("the maildir can be read ({} waiting)", new.len());
        Ok((what, None))
    }

    async fn receive_new(
        &self,
        listener: &Listener,
        inbox: &dyn Inbox,
        stuck: &mut HashSet<String>,
    ) -> Result<usize, Interruption> {
        let names = self
            .new_names(stuck)
            .await
            .map_err(|error| self.failed(&error))?;
        for name in &names {
            let path = self.dir.join("new").join(name);
            let (raw, whole) = match self.read(&path).await {
                Ok(read) => read,
                // Somebody else took it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(self.failed(&error)),
            };
            listener.hand.over(inbox, &raw, whole, name).await?;
            if let Err(error) = self.move_away(&path, name).await {
                tracing::error!(file = name, %error, "a mail was read but cannot be moved to cur; it is passed over until the next start");
                stuck.insert(name.clone());
            }
        }
        Ok(names.len())
    }

    /// Names in `new`, oldest first: they begin with the time of delivery.
    async fn new_names(&self, stuck: &HashSet<String>) -> io::Result<Vec<String>> {
        let mut entries = match fs::read_dir(self.dir.join("new")).await {
            // It comes with the first mail.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.dir.exists() => {
                return Ok(Vec::new());
            }
            entries => entries?,
        };
        let mut names = Vec::new();
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') && !stuck.contains(&name) {
                names.push(name);
            }
        }
        names.sort_unstable();
        names.truncate(BATCH);
        Ok(names)
    }

    async fn read(&self, path: &Path) -> io::Result<(Vec<u8>, bool)> {
        let file = fs::File::open(path).await?;
        let size = file.metadata().await?.len();
        let mut raw = Vec::new();
        file.take(self.max_bytes).read_to_end(&mut raw).await?;
        Ok((raw, size <= self.max_bytes))
    }

    async fn move_away(&self, path: &Path, name: &str) -> io::Result<()> {
        let cur = self.dir.join("cur");
        fs::create_dir_all(&cur).await?;
        let base = name.split(":2,").next().unwrap_or(name);
        fs::rename(path, cur.join(format!("{base}:2,S"))).await
    }

    fn failed(&self, error: &io::Error) -> Interruption {
        Interruption::Mailbox(format!("reading {}: {error}", self.dir.display()))
    }
}
