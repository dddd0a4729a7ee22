//! What is wrong with a merchant's files (G8), and the files themselves.

use std::{collections::BTreeMap, fmt, path::Path};

/// One thing wrong in one place. `doorstep check` prints all of them; nothing half-valid is ever applied.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// File, as it can be opened; a built-in one, relative to the configuration directory.
    pub file: String,
    /// Line, from 1; 0 when the whole file is meant.
    pub line: usize,
    /// The field: `slots[0].type`; empty when the whole line or file is meant.
    pub field: String,
    /// What is wrong and what was found.
    pub message: String,
    /// What to do: what is allowed, or the nearest known word.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        write!(f, "{}; {}", self.message, self.fix)
    }
}

/// A merchant's text files by path relative to the configuration directory, with `/` between parts: the embedded
/// ones, overlaid by those on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigFiles {
    /// Path → text.
    pub files: BTreeMap<String, String>,
}

impl ConfigFiles {
    /// Files from path and text.
    pub fn new<P: Into<String>, T: Into<String>>(files: impl IntoIterator<Item = (P, T)>) -> Self {
        Self {
            files: files
                .into_iter()
                .map(|(path, text)| (path.into(), text.into()))
                .collect(),
        }
    }

    /// Files whose path begins with `folder` and ends with `.extension`, in order of path.
    pub fn under<'a>(
        &'a self,
        folder: &'a str,
        extension: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .iter()
            .filter(move |(path, _)| {
                Path::new(path).starts_with(folder)
                    && Path::new(path)
                        .extension()
                        .is_some_and(|found| found == extension)
            })
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// One file's text.
    pub fn get(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }
}
