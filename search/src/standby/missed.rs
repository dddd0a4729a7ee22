//! What a search server has not been told.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use tokio::task::spawn_blocking;

/// Its name beside the embedded index.
const FILE: &str = "missed-by-the-server";

/// The ids of the documents that the server has not been told of. Whether one changed or is gone says the embedded index,
/// so ids are all that is kept, and all that a file beside it keeps through a restart.
#[derive(Debug, Default)]
pub(super) struct Missed {
    ids: BTreeSet<String>,
    /// Those that are not in the file yet.
    unwritten: Vec<String>,
    /// `None` beside an index in memory.
    file: Option<PathBuf>,
    has_file: bool,
}

impl Missed {
    /// What the program that ran before in `directory` left untold.
    ///
    /// # Errors
    /// There is a file that cannot be read.
    pub(super) fn read(directory: Option<&Path>) -> io::Result<Self> {
        let Some(file) = directory.map(|directory| directory.join(FILE)) else {
            return Ok(Self::default());
        };
        let (text, has_file) = match fs::read_to_string(&file) {
            Ok(text) => (text, true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (String::new(), false),
            Err(error) => return Err(error),
        };
        // A line that is not whole was being written when the program died; nobody was told that it is kept.
        let ids = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        Ok(Self {
            ids: ids.collect(),
            has_file,
            file: Some(file),
            ..Self::default()
        })
    }

    /// All of `ids`, because what the program before left untold cannot be read.
    pub(super) fn all(directory: Option<&Path>, ids: Vec<String>) -> Self {
        Self {
            ids: ids.into_iter().collect(),
            file: directory.map(|directory| directory.join(FILE)),
            has_file: true,
            ..Self::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(super) fn add(&mut self, ids: impl IntoIterator<Item = String>) {
        for id in ids {
            if self.ids.insert(id.clone()) && self.file.is_some() {
                self.unwritten.push(id);
            }
        }
    }

    /// The first `count` of them at most.
    pub(super) fn first(&self, count: usize) -> Vec<String> {
        self.ids.iter().take(count).cloned().collect()
    }

    /// The server was told of these.
    pub(super) fn told(&mut self, ids: &[String]) {
        for id in ids {
            self.ids.remove(id);
        }
    }

    /// Has the file say what is missed, so that a restart does not forget it. A failure is in the log: only a restart before
    /// the server is back would notice it.
    pub(super) async fn keep(&mut self) {
        let Some(file) = self.file.clone() else {
            return;
        };
        let unwritten = std::mem::take(&mut self.unwritten);
        let work: Box<dyn FnOnce() -> io::Result<()> + Send> = match self.ids.is_empty() {
            true if !self.has_file => return,
            true => {
                self.has_file = false;
                Box::new(move || fs::remove_file(file))
            }
            false if unwritten.is_empty() => return,
            false => {
                self.has_file = true;
                Box::new(move || append(&file, &unwritten))
            }
        };
        let done = spawn_blocking(work)
            .await
            .unwrap_or_else(|panic| Err(io::Error::other(panic)));
        if let Err(error) = done {
            tracing::warn!(%error, "what the search server misses is not kept through a restart");
        }
    }
}

/// Each begins a line, so that one that was written in part spoils no other.
fn append(file: &Path, ids: &[String]) -> io::Result<()> {
    let mut text = String::new();
    for id in ids {
        text.push('\n');
        // As JSON, because an identifier may hold anything.
        text.push_str(&serde_json::to_string(id).map_err(io::Error::other)?);
    }
    let mut file = File::options().create(true).append(true).open(file)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(missed: &Missed) -> Vec<String> {
        missed.first(usize::MAX)
    }

    #[tokio::test]
    async fn what_is_missed_is_read_again_until_the_server_was_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = Some(directory.path());
        let mut missed = Missed::read(path).unwrap();
        assert!(missed.is_empty());
        missed.add(["a\nb".to_owned(), "c".to_owned()]);
        missed.keep().await;
        missed.add(["c".to_owned(), "d".to_owned()]);
        missed.keep().await;
        let mut again = Missed::read(path).unwrap();
        assert_eq!(ids(&again), ["a\nb", "c", "d"]);

        again.told(&ids(&again));
        again.keep().await;
        assert!(Missed::read(path).unwrap().is_empty());
        assert!(!directory.path().join(FILE).exists());
    }

    #[tokio::test]
    async fn a_line_that_was_written_in_part_spoils_no_other() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), "\n\"a\"\n\"b").unwrap();
        let mut missed = Missed::read(Some(directory.path())).unwrap();
        missed.add(["c".to_owned()]);
        missed.keep().await;
        let again = Missed::read(Some(directory.path())).unwrap();
        assert_eq!(ids(&again), ["a", "c"]);
    }
}
