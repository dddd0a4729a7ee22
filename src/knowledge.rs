//! The merchant's knowledge files in the search index: as they are at the start, and as they become.

use std::{
    collections::{BTreeMap, BTreeSet},
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
/// How many passages the model reads before changed files get their turn.
const CHUNK: usize = 16;

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

    /// Indexes the files in effect: all can be found by their words at once, and by their meaning as the model reads them,
    /// a few at a time, so that files that change meanwhile need not wait for all.
    ///
    /// # Errors
    /// Index or model.
    pub(crate) async fn index(&self) -> Result<(), IndexError> {
        let unread: Vec<String> = {
            let passages = self.in_effect.lock().await;
            let ids: BTreeSet<String> = ids_of(&passages);
            let known = self.search.known(&Vec::from_iter(ids.clone())).await?;
            self.search.upsert(passages.clone()).await?;
            let before = read_ids(&self.list)?;
            self.remove(before.difference(&ids).cloned().collect())
                .await?;
            keep_ids(&self.list, &ids)?;
            let is_unread =
                |passage: &&SearchDocument| known.get(&passage.id) != Some(&passage.content_hash());
            let unread = passages.iter().filter(is_unread);
            unread.map(|passage| passage.id.clone()).collect()
        };
        for ids in unread.chunks(CHUNK) {
            // As they are by now.
            let passages = self.in_effect.lock().await;
            let meant = passages.iter().filter(|passage| ids.contains(&passage.id));
            let read = read_all(&self.nlu, meant.cloned().collect()).await?;
            self.search.upsert(read).await?;
        }
        Ok(())
    }

    /// Puts the passages of other files in the place of those in effect. The model reads what changed first, so that it is
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
        let known: BTreeMap<&str, &SearchDocument> = in_effect
            .iter()
            .map(|passage| (passage.id.as_str(), passage))
            .collect();
        let changed = passages.iter().filter(|passage| {
            let before = known.get(passage.id.as_str());
            before.is_none_or(|before| !says_the_same(before, passage))
        });
        let read = read_all(&self.nlu, changed.cloned().collect()).await?;
        if !read.is_empty() {
            self.search.upsert(read).await?;
        }
        let ids = ids_of(&passages);
        let before = ids_of(&in_effect);
        self.remove(before.difference(&ids).cloned().collect())
            .await?;
        keep_ids(&self.list, &ids)?;
        *in_effect = passages;
        Ok(())
    }

    async fn remove(&self, ids: Vec<String>) -> Result<(), IndexError> {
        match ids.is_empty() {
            true => Ok(()),
            false => Ok(self.search.delete(&ids).await?),
        }
    }
}

/// Whether two passages differ in nothing but when they were read.
fn says_the_same(one: &SearchDocument, other: &SearchDocument) -> bool {
    let as_of = other.as_of;
    let one = SearchDocument {
        as_of,
        ..one.clone()
    };
    one == *other
}

fn ids_of(passages: &[SearchDocument]) -> BTreeSet<String> {
    passages.iter().map(|passage| passage.id.clone()).collect()
}
