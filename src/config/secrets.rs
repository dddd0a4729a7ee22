//! Secrets: configured, read from a file, or made once and kept.

use std::{
    collections::BTreeSet,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use doorstep_core::{Entropy, Problem};
use figment::value::{Dict, Value};
use secrecy::{ExposeSecret, SecretString};

use super::{Located, layers::IN_FILE, locate::place};

/// Finds secrets; makes and keeps those that nobody configured.
pub struct SecretStore<'a> {
    /// `data_dir/secrets`, readable by the owner alone.
    pub folder: PathBuf,
    /// Where new ones come from.
    pub entropy: &'a dyn Entropy,
}

/// A secret could not be read or kept.
#[derive(Debug, thiserror::Error)]
#[error("the secret {name} cannot be read from or kept in {path}: {reason}", path = path.display())]
pub struct SecretError {
    name: String,
    path: PathBuf,
    reason: std::io::Error,
}

impl SecretStore<'_> {
    /// The secret called `name`: `configured` if not empty, else the kept one, else a new one of 256 bits that is kept.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn find(&self, name: &str, configured: &SecretString) -> Result<SecretString, SecretError> {
        if !configured.expose_secret().is_empty() {
            return Ok(configured.clone());
        }
        let path = self.folder.join(name);
        self.kept_or_new(&path).map_err(|reason| SecretError {
            name: name.to_owned(),
            path,
            reason,
        })
    }

    /// The kept secret called `name`, if there is one.
    ///
    /// # Errors
    /// Its file cannot be read.
    pub fn kept(&self, name: &str) -> Result<Option<SecretString>, SecretError> {
        let path = self.folder.join(name);
        read(&path).map_err(|reason| SecretError {
            name: name.to_owned(),
            path,
            reason,
        })
    }

    fn kept_or_new(&self, path: &Path) -> std::io::Result<SecretString> {
        if let Some(kept) = read(path)? {
            return Ok(kept);
        }
        let secret = self.make();
        match self.keep(path, &secret) {
            // Another process was first; two of them would not know each other's links.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => read(path)?.ok_or(error),
            kept => kept.map(|()| secret),
        }
    }

    fn make(&self) -> SecretString {
        let mut bytes = [0; 32];
        self.entropy.fill(&mut bytes);
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
            .into()
    }

    /// Keeps a secret whole or not at all: it gets its name when all of it is on the disk. An empty file of that name makes
    /// way, for a process that was killed left it there.
    fn keep(&self, path: &Path, secret: &SecretString) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let written = self.folder.join(self.unused_name());
        let named = write(&written, secret).and_then(|()| {
            if path.exists() && read(path)?.is_none() {
                std::fs::remove_file(path)?;
            }
            match std::fs::hard_link(&written, path) {
                // Some file systems have no links. Renaming is as whole, but does not see who else was first.
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    std::fs::rename(&written, path)
                }
                named => named,
            }
        });
        // A failure leaves a file behind that nobody reads; after renaming there is none.
        let _ = std::fs::remove_file(&written);
        named?;
        std::fs::File::open(&self.folder)?.sync_all()
    }

    /// A name that no other process writes under.
    fn unused_name(&self) -> String {
        let mut random = [0; 8];
        self.entropy.fill(&mut random);
        format!(".new-{:016x}", u64::from_be_bytes(random))
    }
}

/// What a file holds; an empty one holds nothing.
fn read(path: &Path) -> std::io::Result<Option<SecretString>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim())
            .filter(|text| !text.is_empty())
            .map(Into::into)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a new file that its owner alone may read.
fn write(path: &Path, secret: &SecretString) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(secret.expose_secret().as_bytes())?;
    file.sync_all()
}

/// Replaces every key that ends in `_file` by its twin with the file's first line, and tells the twins. Every secret has such
/// a twin; a key that no section knows is found later, under the name that was written.
pub(super) fn read_files(
    settings: &mut Dict,
    file: &Located<'_>,
    problems: &mut Vec<Problem>,
) -> BTreeSet<Vec<String>> {
    let mut read = BTreeSet::new();
    replace_files(settings, &mut Vec::new(), file, problems, &mut read);
    read
}

fn replace_files(
    table: &mut Dict,
    path: &mut Vec<String>,
    file: &Located<'_>,
    problems: &mut Vec<Problem>,
    read: &mut BTreeSet<Vec<String>>,
) {
    let twins: Vec<String> = table
        .keys()
        .filter(|key| key.ends_with(IN_FILE))
        .cloned()
        .collect();
    for key in twins {
        let named = table
            .remove(&key)
            .and_then(|value| value.into_string())
            .unwrap_or_default();
        if named.is_empty() {
            continue;
        }
        match std::fs::read_to_string(&named) {
            Ok(text) => {
                let secret = text.lines().next().unwrap_or_default().trim().to_owned();
                let twin = key.strip_suffix(IN_FILE).unwrap_or(&key).to_owned();
                path.push(twin.clone());
                read.insert(path.clone());
                path.pop();
                table.insert(twin, secret.into());
            }
            Err(error) => {
                path.push(key);
                let (set_in, line) = place(file, path);
                problems.push(Problem {
                    file: set_in,
                    line,
                    field: path.join("."),
                    message: format!("the file `{named}` cannot be read: {error}"),
                    fix: "correct the path, or make the file readable for this program".to_owned(),
                });
                path.pop();
            }
        }
    }
    for (key, value) in table {
        if let Value::Dict(_, inner) = value {
            path.push(key.clone());
            replace_files(inner, path, file, problems, read);
            path.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts up, so that no two secrets are alike.
    #[derive(Default)]
    struct Counting(std::sync::atomic::AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            let next = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            bytes.fill(next);
        }
    }

    #[test]
    fn a_secret_is_made_once_whole_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = SecretStore {
            folder: folder.path().join("secrets"),
            entropy: &Counting::default(),
        };
        let none = SecretString::default();
        assert!(secrets.kept("link_secret").unwrap().is_none());
        let made = secrets.find("link_secret", &none).unwrap();
        assert_eq!(made.expose_secret().len(), 64);
        let again = secrets.find("link_secret", &none).unwrap();
        assert_eq!(again.expose_secret(), made.expose_secret());
        let kept = secrets.kept("link_secret").unwrap().unwrap();
        assert_eq!(kept.expose_secret(), made.expose_secret());
        let names: Vec<_> = std::fs::read_dir(&secrets.folder)
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect();
        assert_eq!(names, ["link_secret"], "nothing else is left");
        #[cfg(unix)]
        {
            let file = std::fs::metadata(secrets.folder.join("link_secret")).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::mode(&file.permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn an_empty_file_is_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = SecretStore {
            folder: folder.path().to_owned(),
            entropy: &Counting::default(),
        };
        for left in ["", "\n"] {
            std::fs::write(folder.path().join("link_secret"), left).unwrap();
            assert!(secrets.kept("link_secret").unwrap().is_none());
            let made = secrets.find("link_secret", &SecretString::default());
            let made = made.unwrap();
            assert_eq!(made.expose_secret().len(), 64, "{left:?}");
            let kept = std::fs::read_to_string(folder.path().join("link_secret")).unwrap();
            assert_eq!(kept, made.expose_secret());
        }
    }

    #[test]
    fn who_comes_second_takes_the_secret_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = SecretStore {
            folder: folder.path().to_owned(),
            entropy: &Counting::default(),
        };
        let path = folder.path().join("link_secret");
        std::fs::write(&path, "the first one's").unwrap();
        let late = secrets.keep(&path, &"the second one's".into());
        assert_eq!(late.unwrap_err().kind(), ErrorKind::AlreadyExists);
        let kept = std::fs::read_to_string(&path).unwrap();
        assert_eq!(kept, "the first one's");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
