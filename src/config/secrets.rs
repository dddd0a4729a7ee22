//! Secrets: configured, read from a file, or made once and kept.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use doorstep_core::{Entropy, Problem};
use figment::{
    Figment,
    providers::Serialized,
    value::{Dict, Value},
};
use secrecy::{ExposeSecret, SecretString};

use super::{Located, locate::place};

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
        let failed = |reason| SecretError {
            name: name.to_owned(),
            path: path.clone(),
            reason,
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().to_owned().into()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let secret = self.make();
                self.keep(&path, &secret).map_err(failed)?;
                Ok(secret)
            }
            Err(error) => Err(failed(error)),
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

    fn keep(&self, path: &Path, secret: &SecretString) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        file.write_all(secret.expose_secret().as_bytes())?;
        file.sync_all()
    }
}

/// Replaces every key that ends in `_file` by its twin with the file's first line. Every secret has such a twin; a key
/// that no section knows is found later, under its twin's name.
pub(super) fn read_files(
    figment: Figment,
    file: &Located<'_>,
    problems: &mut Vec<Problem>,
) -> Figment {
    let Ok(mut settings) = figment.extract::<Dict>() else {
        return figment;
    };
    replace_files(&mut settings, &mut Vec::new(), file, problems);
    Figment::from(Serialized::defaults(settings))
}

fn replace_files(
    table: &mut Dict,
    path: &mut Vec<String>,
    file: &Located<'_>,
    problems: &mut Vec<Problem>,
) {
    let twins: Vec<String> = table
        .keys()
        .filter(|key| key.ends_with("_file"))
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
                table.insert(key.trim_end_matches("_file").to_owned(), secret.into());
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
            replace_files(inner, path, file, problems);
            path.pop();
        }
    }
}
