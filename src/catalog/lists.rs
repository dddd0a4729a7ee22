//! What was indexed, kept below the data directory: the index itself does not tell whose document is whose.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

use doorstep_core::Timestamp;

/// A list of ids; empty where none was kept yet.
pub(crate) fn read_ids(path: &Path) -> Result<BTreeSet<String>, io::Error> {
    Ok(read(path)?.lines().map(str::to_owned).collect())
}

/// Written beside it and renamed, so that the list is whole at any moment.
pub(crate) fn keep_ids(path: &Path, ids: &BTreeSet<String>) -> Result<(), io::Error> {
    let lines: Vec<&str> = ids.iter().map(String::as_str).collect();
    keep(path, &lines.join("\n"))
}

/// The indexed products by id.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Indexed(pub(super) BTreeMap<String, Entry>);

/// What is remembered of an indexed product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// A print of its document: where it is the same, there is nothing to write.
    pub(super) print: u64,
    /// When the shop had changed it last, where it says so.
    pub(super) updated_at: Option<Timestamp>,
}

impl Indexed {
    /// As it was kept; a line that is no such entry is passed over, and its product written anew.
    pub(super) fn read(path: &Path) -> Result<Self, io::Error> {
        let text = read(path)?;
        let entry = |line: &str| {
            let mut parts = line.splitn(3, ' ');
            let print = u64::from_str_radix(parts.next()?, 16).ok()?;
            let updated_at = parts.next()?.parse().ok();
            let updated_at = updated_at.and_then(Timestamp::from_timestamp_millis);
            let id: String = serde_json::from_str(parts.next()?).ok()?;
            Some((id, Entry { print, updated_at }))
        };
        Ok(Self(text.lines().filter_map(entry).collect()))
    }

    pub(super) fn keep(&self, path: &Path) -> Result<(), io::Error> {
        let mut text = String::new();
        for (id, Entry { print, updated_at }) in &self.0 {
            // As JSON, because an identifier may hold anything.
            let id = serde_json::to_string(id).map_err(io::Error::other)?;
            let updated_at = updated_at.map(|at| at.timestamp_millis().to_string());
            let updated_at = updated_at.as_deref().unwrap_or("-");
            text.push_str(&format!("{print:016x} {updated_at} {id}\n"));
        }
        keep(path, &text)
    }
}

fn read(path: &Path) -> Result<String, io::Error> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

fn keep(path: &Path, text: &str) -> Result<(), io::Error> {
    let new = path.with_extension("new");
    std::fs::write(&new, text)?;
    std::fs::rename(new, path)
}
