//! The merchant's knowledge files in the search index: as they are at the start, and as they become.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use doorstep_core::{
    ConfigFiles, Problem, Timestamp,
    search::{SearchDocument, SearchIndex},
};
use doorstep_engine::knowledge;
use doorstep_nlu::LocalNlu;
use tokio::sync::Mutex;

use crate::catalog::{IndexError, keep_ids, read_all, read_ids};

/// Where the ids of indexed passages are kept, below the data directory.
const INDEXED: &str = "indexed-passages";

/// The passages of the knowledge files, in step with the index.
pub(crate) struct Knowledge {
    search: Arc<dyn SearchIndex>,
    nlu: LocalNlu,
    /// Where the list of indexed passages is kept.
    list: PathBuf,
    /// The passages of the files in effect. Held while the index is written, so that no file overtakes a later one.
    in_effect: Mutex<Vec<SearchDocument>>,
}

impl Knowledge {
    /// The passages of `files`; nothing is indexed yet.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub(crate) fn new(
        search: Arc<dyn SearchIndex>,
        nlu: LocalNlu,
        data_dir: &Path,
        files: &ConfigFiles,
        now: Timestamp,
    ) -> Result<Self, Vec<Problem>> {
        Ok(Self {
            search,
            nlu,
            list: data_dir.join(INDEXED),
            in_effect: Mutex::new(knowledge::passages(files, now)?),
        })
    }

    /// Indexes the files in effect: all can be found by their words at once, and by their meaning as soon as the model has
    /// read them.
    ///
    /// # Errors
    /// Index or model.
    pub(crate) async fn index(&self) -> Result<(), IndexError> {
        let passages = self.in_effect.lock().await;
        self.search.upsert(passages.clone()).await?;
        self.write(&passages).await
    }

    /// Puts the passages of other files in the place of those in effect. The model reads them first, so that they are
    /// found by words and meaning from one moment to the next, or, after an error, not at all.
    ///
    /// # Errors
    /// The files, the model or the index; the former passages stay in effect.
    pub(crate) async fn replace(
        &self,
        files: &ConfigFiles,
        now: Timestamp,
    ) -> Result<(), IndexError> {
        let passages = knowledge::passages(files, now).map_err(IndexError::Problems)?;
        let mut in_effect = self.in_effect.lock().await;
        if same(&passages, &in_effect) {
            return Ok(());
        }
        self.write(&passages).await?;
        *in_effect = passages;
        Ok(())
    }

    /// Writes passages with what the model reads in them, and removes those that are no more.
    async fn write(&self, passages: &[SearchDocument]) -> Result<(), IndexError> {
        let ids: Vec<String> = passages.iter().map(|passage| passage.id.clone()).collect();
        let known = self.search.known(&ids).await?;
        let (kept, changed): (Vec<_>, Vec<_>) = passages
            .iter()
            .cloned()
            .partition(|passage| known.get(&passage.id) == Some(&passage.content_hash()));
        let read = read_all(&self.nlu, changed).await?;
        self.search
            .upsert(kept.into_iter().chain(read).collect())
            .await?;
        let ids: BTreeSet<String> = ids.into_iter().collect();
        let before = read_ids(&self.list)?;
        let gone: Vec<String> = before.difference(&ids).cloned().collect();
        if !gone.is_empty() {
            self.search.delete(&gone).await?;
        }
        Ok(keep_ids(&self.list, &ids)?)
    }
}

/// Whether passages say the same, whenever they were read.
fn same(a: &[SearchDocument], b: &[SearchDocument]) -> bool {
    let text = |passage: &SearchDocument| (passage.id.clone(), passage.content_hash());
    a.len() == b.len() && a.iter().map(text).eq(b.iter().map(text))
}
