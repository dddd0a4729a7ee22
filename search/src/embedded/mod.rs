//! The index inside the program: tantivy for words, an exact scan for vectors.

mod contents;
mod facets;
mod question;
mod snapshot;
mod storage;
mod suggestions;
#[cfg(test)]
mod tests;
mod vectors;
mod words;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use doorstep_core::{
    Health,
    health::PortError,
    search::{
        SearchAnswer, SearchDocument, SearchFilters, SearchHit, SearchIndex, SearchQuery,
        Suggestion,
    },
};
use tokio::{sync::Mutex, task::spawn_blocking};

use snapshot::Snapshot;
pub use storage::OpenError;
use storage::{Storage, StorageError};
pub(crate) use storage::{attribute_fact, brand_fact, wanted_facts};
pub(crate) use vectors::unit;

use crate::synonyms::Synonyms;

/// As much of a query's text as is read.
const MAX_QUERY_BYTES: usize = 2048;

/// As much of what somebody began to type is read.
const MAX_PREFIX_BYTES: usize = 256;

/// An index of so many documents at most is searched where it is asked: in a fraction of a millisecond, less than it
/// takes to hand the question to another thread and wait for it.
const SEARCHED_IN_PLACE: usize = 2_000;

/// A [`SearchIndex`] in this process; cheap to clone, all clones are one index.
///
/// Every search works on one snapshot and never waits for a write. Writes go one after another on a blocking thread.
/// They take effect whole or not at all, also through a crash.
#[derive(Clone)]
pub struct EmbeddedIndex {
    inner: Arc<Inner>,
}

struct Inner {
    storage: Storage,
    snapshot: RwLock<Arc<Snapshot>>,
    /// One write at a time; a waiting one holds no thread.
    writing: Arc<Mutex<()>>,
    /// Why the index was begun anew when it was opened.
    rebuilt: Option<String>,
    /// Where it is kept, unless in memory.
    directory: Option<PathBuf>,
    synonyms: RwLock<Arc<Synonyms>>,
}

impl EmbeddedIndex {
    /// An empty index that is gone with the process.
    ///
    /// # Errors
    /// The engine could not be set up.
    pub fn in_memory() -> Result<Self, OpenError> {
        let storage = Storage::in_memory()?;
        let snapshot = Snapshot::load(&storage)?;
        Ok(Self::over(storage, snapshot, None, None))
    }

    /// The index kept in `directory`, which is created if needed. `model` names the maker of the vectors, such as
    /// `minilm-l6@3`: vectors of two models cannot be compared. An index that is damaged, of another model or of another
    /// version of this program is begun anew, and the log says why; it holds nothing that the shop and the policies do
    /// not, so filling it again is all that it needs.
    ///
    /// # Errors
    /// The directory cannot be written, or another process has it open.
    pub async fn open(directory: impl Into<PathBuf>, model: &str) -> Result<Self, OpenError> {
        let directory = directory.into();
        let model = model.to_owned();
        let lock = storage::lock(&directory)?;
        let home = storage::home(&directory);
        // A panic of the engine over damaged files ends here too.
        let found = {
            let (home, model) = (home.clone(), model.clone());
            spawn_blocking(move || load(&home, &model)).await
        };
        let reason = match found {
            Ok(Ok(Some((storage, snapshot)))) => {
                return Ok(Self::over(
                    storage.holding(lock),
                    snapshot,
                    None,
                    Some(directory),
                ));
            }
            Ok(Ok(None)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(panic) => Some(panic.to_string()),
        };
        if let Some(reason) = &reason {
            tracing::warn!(directory = %home.display(), %reason, "the search index is begun anew");
        }
        let created = spawn_blocking(move || {
            let storage = Storage::create(&home, &model)?;
            let snapshot = Snapshot::load(&storage)?;
            Ok((storage, snapshot))
        });
        let (storage, snapshot) = created
            .await
            .unwrap_or_else(|panic| Err(StorageError::Damaged(panic.to_string())))?;
        Ok(Self::over(
            storage.holding(lock),
            snapshot,
            reason,
            Some(directory),
        ))
    }

    fn over(
        storage: Storage,
        snapshot: Snapshot,
        rebuilt: Option<String>,
        directory: Option<PathBuf>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                storage,
                snapshot: RwLock::new(Arc::new(snapshot)),
                writing: Arc::default(),
                rebuilt,
                directory,
                synonyms: RwLock::default(),
            }),
        }
    }

    /// Looks for other synonyms from now on.
    pub fn use_synonyms(&self, synonyms: Arc<Synonyms>) {
        let used = self.inner.synonyms.write();
        *used.unwrap_or_else(PoisonError::into_inner) = synonyms;
    }

    /// Where it is kept; `None` in memory.
    pub(crate) fn directory(&self) -> Option<&Path> {
        self.inner.directory.as_deref()
    }

    /// The ids of all documents, in no order.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.inner.snapshot().contents.ids()
    }

    /// Those of the documents `ids` that there are, whole and with their vectors.
    ///
    /// # Errors
    /// What is stored cannot be read.
    pub(crate) async fn documents(&self, ids: &[String]) -> Result<Vec<SearchDocument>, PortError> {
        let (snapshot, ids) = (self.inner.snapshot(), ids.to_vec());
        blocking(move || snapshot.whole(&ids)).await
    }

    /// Runs one write on a blocking thread, after those before it.
    async fn change(
        &self,
        removed: Vec<String>,
        documents: Vec<SearchDocument>,
    ) -> Result<(), PortError> {
        let turn = Arc::clone(&self.inner.writing).lock_owned().await;
        let inner = Arc::clone(&self.inner);
        // The turn goes along: were the caller dropped, the next write would still wait for this one.
        blocking(move || {
            let _turn = turn;
            inner.write(&removed, documents)
        })
        .await
    }
}

fn load(home: &Path, model: &str) -> Result<Option<(Storage, Snapshot)>, StorageError> {
    let Some(storage) = Storage::open(home, model)? else {
        return Ok(None);
    };
    let snapshot = Snapshot::load(&storage)?;
    Ok(Some((storage, snapshot)))
}

impl Inner {
    fn snapshot(&self) -> Arc<Snapshot> {
        let snapshot = self.snapshot.read();
        Arc::clone(&snapshot.unwrap_or_else(PoisonError::into_inner))
    }

    fn synonyms(&self) -> Arc<Synonyms> {
        let synonyms = self.synonyms.read();
        Arc::clone(&synonyms.unwrap_or_else(PoisonError::into_inner))
    }

    fn write(
        &self,
        removed: &[String],
        documents: Vec<SearchDocument>,
    ) -> Result<(), StorageError> {
        let mut contents = self.snapshot().contents.clone();
        let mut gone = Vec::new();
        for id in removed {
            if contents.remove(id) {
                gone.push(id.clone());
            }
        }
        let mut changes = Vec::with_capacity(documents.len());
        let mut refused = None;
        for document in documents {
            match contents.put(document) {
                Ok(change) => changes.push(change),
                Err(error @ StorageError::Refused { .. }) => {
                    tracing::warn!(%error, "the others are taken");
                    refused = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(error) = refused.filter(|_| changes.is_empty()) {
            return Err(error);
        }
        if gone.is_empty() && changes.is_empty() {
            return Ok(());
        }
        self.storage.write(&gone, &changes)?;
        let searcher = self.storage.searcher()?;
        let next = Snapshot::new(searcher, self.storage.fields, contents)?;
        let mut snapshot = self
            .snapshot
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *snapshot = Arc::new(next);
        Ok(())
    }
}

#[async_trait]
impl SearchIndex for EmbeddedIndex {
    async fn search(&self, query: &SearchQuery) -> Result<SearchAnswer, PortError> {
        let snapshot = self.inner.snapshot();
        let synonyms = self.inner.synonyms();
        let read = query.text.floor_char_boundary(MAX_QUERY_BYTES);
        let query = SearchQuery {
            text: query.text[..read].to_owned(),
            vector: query.vector.clone(),
            language: query.language.clone(),
            filters: query.filters.clone(),
            facets: query.facets.clone(),
            ..*query
        };
        if snapshot.contents.len() <= SEARCHED_IN_PLACE {
            return in_place(|| snapshot.search(&query, &synonyms));
        }
        blocking(move || snapshot.search(&query, &synonyms)).await
    }

    async fn suggest(&self, prefix: &str, limit: usize) -> Result<Vec<Suggestion>, PortError> {
        let snapshot = self.inner.snapshot();
        let read = prefix.floor_char_boundary(MAX_PREFIX_BYTES);
        let prefix = prefix[..read].to_owned();
        if snapshot.contents.len() <= SEARCHED_IN_PLACE {
            return in_place(|| snapshot.suggest(&prefix, limit));
        }
        blocking(move || snapshot.suggest(&prefix, limit)).await
    }

    async fn similar(
        &self,
        id: &str,
        filters: &SearchFilters,
        limit: usize,
    ) -> Result<Vec<SearchHit>, PortError> {
        let snapshot = self.inner.snapshot();
        let (id, filters) = (id.to_owned(), filters.clone());
        if snapshot.contents.len() <= SEARCHED_IN_PLACE {
            return in_place(|| snapshot.similar(&id, &filters, limit));
        }
        blocking(move || snapshot.similar(&id, &filters, limit)).await
    }

    async fn upsert(&self, documents: Vec<SearchDocument>) -> Result<(), PortError> {
        self.change(Vec::new(), documents).await
    }

    async fn delete(&self, ids: &[String]) -> Result<(), PortError> {
        self.change(ids.to_vec(), Vec::new()).await
    }

    async fn known(&self, ids: &[String]) -> Result<BTreeMap<String, String>, PortError> {
        let snapshot = self.inner.snapshot();
        let contents = &snapshot.contents;
        let hash = |id: &String| {
            let number = contents.number(id)?;
            let entry = contents.get(number)?;
            let has_vector = contents.vectors.has(number);
            has_vector.then(|| (id.clone(), entry.hash.clone()))
        };
        Ok(ids.iter().filter_map(hash).collect())
    }

    async fn count(&self) -> Result<u64, PortError> {
        Ok(self.inner.snapshot().contents.len() as u64)
    }

    async fn healthcheck(&self) -> Health {
        match &self.inner.rebuilt {
            Some(reason) if self.inner.snapshot().contents.len() == 0 => Health::Degraded {
                reason: format!("the search index was begun anew and is still empty: {reason}"),
            },
            _ => Health::Ok,
        }
    }
}

/// Runs short `work` where it is called.
fn in_place<T>(work: impl FnOnce() -> Result<T, StorageError>) -> Result<T, PortError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| PortError::new("search", error)),
        Err(_) => Err(PortError::new("search", "the search panicked")),
    }
}

/// Runs `work` off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, PortError> {
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| PortError::new("search", error)),
        Err(panic) => Err(PortError::new("search", panic)),
    }
}
