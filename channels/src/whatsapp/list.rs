//! Meta's list of our templates as it was last read, kept in the data directory: `doorstep check` compares by it without
//! asking Meta. It is read anew by `doorstep channels test whatsapp`, and while the program runs whenever it is needed and
//! older than an hour.

use std::{
    io,
    path::{Path, PathBuf},
};

use doorstep_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    NAME,
    template::{self, Listed},
};
use crate::templates::{TemplateCheck, TemplateUse, UnreadableList};

/// Its name in the data directory.
const FILE: &str = "whatsapp-templates.json";

#[derive(Serialize, Deserialize)]
pub(super) struct KeptList {
    pub(super) read_at: Timestamp,
    pub(super) templates: Vec<Listed>,
}

pub(super) fn path_in(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

impl KeptList {
    /// Written beside and moved, so that nobody reads half of it.
    pub(super) async fn keep(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await?;
        }
        let unfinished = path.with_extension("new");
        tokio::fs::write(&unfinished, text).await?;
        tokio::fs::rename(unfinished, path).await
    }

    fn read(path: &Path) -> io::Result<Option<Self>> {
        let text = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        Ok(Some(serde_json::from_slice(&text)?))
    }
}

/// What the list says of ours.
pub(crate) fn check(
    data_dir: &Path,
    ours: &[TemplateUse],
) -> Result<TemplateCheck, UnreadableList> {
    let path = path_in(data_dir);
    let kept = KeptList::read(&path).map_err(|error| UnreadableList {
        path: path.display().to_string(),
        reason: error.to_string(),
        channel: NAME,
    })?;
    Ok(TemplateCheck {
        channel: NAME.into(),
        read_at: kept.as_ref().map(|kept| kept.read_at),
        mismatches: kept.map_or_else(Vec::new, |kept| template::compare(ours, &kept.templates)),
    })
}
