//! A Meilisearch server, by its SDK. It finds candidates by word and by meaning, each list asked for apart; which of them is
//! best is decided here, as in the embedded index.

mod documents;
mod http;
mod lists;
mod question;
mod ranking;
mod searching;
mod server;
mod setup;
#[cfg(any(test, feature = "stand-in"))]
pub mod stand_in;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transcripts;
mod writing;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use doorstep_core::{
    Health,
    health::PortError,
    search::{
        DocumentKind, SearchAnswer, SearchDocument, SearchFilters, SearchHit, SearchIndex,
        SearchQuery, Suggestion,
    },
};
use meilisearch_sdk::{
    documents::DocumentsQuery,
    search::{MatchingStrategies, Selectors},
};
use secrecy::SecretString;
use tokio::sync::Mutex;

use crate::{analysis::Analyser, synonyms::Synonyms};
use documents::{EMBEDDER, NAMES, SHOWN, Stored, among, conditions, key, keys, of_kind};
use server::{Index, Server, ServerError};

/// How many hits a query may ask for.
const MAX_LIMIT: usize = 1000;
const MAX_PREFIX_BYTES: usize = 256;
const MAX_PREFIX_WORDS: usize = 8;
const MAX_SUGGESTIONS: usize = 50;
/// How many titles are looked at for suggestions.
const SUGGESTION_DEPTH: usize = 200;
/// How many documents go into one task, and how many ids into one question.
const CHUNK: usize = 500;

/// Where the server is and what it is to hold.
#[derive(Debug, Clone)]
pub struct MeilisearchConfig {
    /// Its address: `http://127.0.0.1:7700`.
    pub url: String,
    /// A key that may search, write documents and change settings of the index; empty for a server without one.
    pub key: SecretString,
    /// The index's name; it is created.
    pub index: String,
    /// Who makes the vectors, such as `minilm-l6@3`: those of two models cannot be compared.
    pub model: String,
    /// The length of its vectors.
    pub dimensions: usize,
}

/// The configuration cannot work.
#[derive(Debug, thiserror::Error)]
#[error("search.{field}: {reason}")]
pub struct MeilisearchConfigError {
    field: &'static str,
    reason: String,
}

/// A [`SearchIndex`] on a Meilisearch server; cheap to clone. It connects when it is first asked, and again after an error.
#[derive(Clone)]
pub struct MeilisearchIndex {
    inner: Arc<Inner>,
}

struct Inner {
    server: Server,
    index: Index,
    config: MeilisearchConfig,
    /// Whether the index was seen to be as it has to be, and nothing failed since.
    is_prepared: AtomicBool,
    /// Held while it is looked at, so that one question does so for all.
    preparing: Mutex<()>,
    /// How the documents of each kind are read.
    analysers: RwLock<BTreeMap<DocumentKind, BTreeSet<Analyser>>>,
    synonyms: RwLock<Arc<Synonyms>>,
}

impl MeilisearchIndex {
    /// Speaks with the server of `config`. Nothing is sent yet.
    ///
    /// # Errors
    /// The address or the name of the index cannot work.
    pub fn new(config: MeilisearchConfig) -> Result<Self, MeilisearchConfigError> {
        let wrong = |field, reason: String| MeilisearchConfigError { field, reason };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if config.index.is_empty() || !config.index.bytes().all(is_name) {
            let reason = format!(
                "`{}` is no name for an index; it has letters, digits, hyphens and underscores",
                config.index
            );
            return Err(wrong("index", reason));
        }
        if !(config.url.starts_with("http://") || config.url.starts_with("https://")) {
            let reason = "must begin with http:// or https://".to_owned();
            return Err(wrong("url", reason));
        }
        let server = Server::new(&config.url, config.key.clone())
            .map_err(|error| wrong("url", error.to_string()))?;
        Ok(Self {
            inner: Arc::new(Inner {
                index: server.index(&config.index),
                server,
                config,
                is_prepared: AtomicBool::new(false),
                preparing: Mutex::default(),
                analysers: RwLock::default(),
                synonyms: RwLock::default(),
            }),
        })
    }

    /// Looks for other synonyms from now on.
    pub fn use_synonyms(&self, synonyms: Arc<Synonyms>) {
        let used = self.inner.synonyms.write();
        *used.unwrap_or_else(PoisonError::into_inner) = synonyms;
    }

    /// Removes the index from the server, with everything in it.
    ///
    /// # Errors
    /// It is still there.
    pub async fn remove(&self) -> Result<(), PortError> {
        let Inner { server, index, .. } = &*self.inner;
        let deletion = server.client().delete_index(&index.uid);
        self.told(server.done(deletion).await)?;
        self.inner.doubt();
        Ok(())
    }

    /// What the port tells of what the server did.
    fn told<T>(&self, done: Result<T, ServerError>) -> Result<T, PortError> {
        done.map_err(|error| {
            self.inner.doubt();
            PortError::new("search:meilisearch", error)
        })
    }
}

impl Inner {
    /// The index, once it was seen that it is as it has to be.
    async fn prepared(&self) -> Result<&Index, ServerError> {
        if self.is_prepared.load(Ordering::Acquire) {
            return Ok(&self.index);
        }
        let _turn = self.preparing.lock().await;
        if !self.is_prepared.load(Ordering::Acquire) {
            setup::prepare(&self.server, &self.index, self.config.dimensions).await?;
            for kind in [DocumentKind::Product, DocumentKind::Passage] {
                self.learn(kind, setup::analysers(&self.index, kind).await?);
            }
            self.is_prepared.store(true, Ordering::Release);
        }
        Ok(&self.index)
    }

    /// After an error the index is looked at again: a server that was away may have come back without it, or with one that
    /// lacks what we set.
    fn doubt(&self) {
        self.is_prepared.store(false, Ordering::Release);
    }

    fn learn(&self, kind: DocumentKind, analysers: impl IntoIterator<Item = Analyser>) {
        let mut known = self
            .analysers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        known.entry(kind).or_default().extend(analysers);
    }

    /// How the documents that a query may find are read.
    fn analysers(&self, query: &SearchQuery) -> Vec<Analyser> {
        let asked = query.language.as_ref().map(Analyser::of);
        let known = self
            .analysers
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let may = |analyser: &&Analyser| asked.is_none_or(|asked| asked == **analyser);
        let own = known.get(&query.kind).into_iter().flatten();
        own.filter(may).copied().collect()
    }

    /// The query's vector, if it can be compared with those of the documents.
    fn comparable<'a>(&self, query: &'a SearchQuery) -> Option<&'a [f32]> {
        let vector = query.vector.as_deref()?;
        if vector.len() != self.config.dimensions {
            tracing::warn!(
                query = vector.len(),
                index = self.config.dimensions,
                "the query's vector is of another model than the index; words alone decide"
            );
            return None;
        }
        let has_direction = crate::embedded::unit(vector).is_some();
        has_direction.then_some(vector)
    }

    fn synonyms(&self) -> Arc<Synonyms> {
        let synonyms = self.synonyms.read();
        Arc::clone(&synonyms.unwrap_or_else(PoisonError::into_inner))
    }

    /// The products nearest to the product `id`.
    async fn similar(
        &self,
        id: &str,
        filters: &SearchFilters,
        limit: usize,
    ) -> Result<Vec<SearchHit>, ServerError> {
        let index = self.prepared().await?;
        let limit = limit.min(MAX_LIMIT);
        if limit == 0 || self.known(&[id.to_owned()]).await?.is_empty() {
            return Ok(Vec::new());
        }
        let key = key(id);
        let filter = conditions(DocumentKind::Product, None, filters);
        let mut query = index.similar_search(&key, EMBEDDER);
        query
            .with_array_filter(filter.iter().map(String::as_str).collect())
            .with_attributes_to_retrieve(Selectors::Some(&SHOWN))
            .with_show_ranking_score(true)
            .with_limit(limit);
        let found = query.execute::<Stored>().await?.hits.into_iter();
        let own = found.filter(|found| found.result.model == self.config.model);
        let hits = own.filter_map(|found| {
            let similarity = lists::cosine(found.ranking_score?);
            Some(found.result.into_hit(similarity, Some(similarity)))
        });
        Ok(hits.collect())
    }

    async fn suggest(&self, prefix: &str, limit: usize) -> Result<Vec<Suggestion>, ServerError> {
        let index = self.prepared().await?;
        let read = prefix.floor_char_boundary(MAX_PREFIX_BYTES);
        let words = Analyser::Plain.words(&prefix[..read], usize::MAX);
        let words: Vec<String> = words
            .into_iter()
            .map(|word| word.term)
            .take(MAX_PREFIX_WORDS)
            .collect();
        if words.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        // The server takes the last word for one that is only begun, unless something follows it.
        let end = if prefix.ends_with(char::is_whitespace) {
            " "
        } else {
            ""
        };
        let asked = format!("{}{end}", words.join(" "));
        let products = of_kind(DocumentKind::Product);
        let mut query = index.search();
        query
            .with_query(&asked)
            .with_matching_strategy(MatchingStrategies::ALL)
            .with_attributes_to_search_on(&[NAMES])
            .with_attributes_to_retrieve(Selectors::Some(&["id", "document", "title", "in_stock"]))
            .with_array_filter(vec![&products])
            .with_limit(SUGGESTION_DEPTH);
        let found = query.execute::<Stored>().await?;
        let mut found: Vec<Stored> = found.hits.into_iter().map(|hit| hit.result).collect();
        // What is in stock first, then the shortest title, which is mostly that word.
        let rank = |stored: &Stored| {
            let length = stored.title.split_whitespace().count();
            (!stored.in_stock, length, stored.title.clone())
        };
        found.sort_by_cached_key(rank);
        found.truncate(limit.min(MAX_SUGGESTIONS));
        let suggestion = |stored: Stored| Suggestion {
            id: stored.document,
            title: stored.title,
        };
        Ok(found.into_iter().map(suggestion).collect())
    }

    async fn known(&self, ids: &[String]) -> Result<BTreeMap<String, String>, ServerError> {
        let index = self.prepared().await?;
        let mut known = BTreeMap::new();
        for chunk in keys(ids).chunks(CHUNK) {
            let filter = among(chunk.iter().map(String::as_str));
            let mut fetch = DocumentsQuery::new(index);
            fetch
                .with_filter(&filter)
                .with_fields(["id", "document", "hash", "model"])
                .with_limit(CHUNK);
            let found = fetch.execute::<Stored>().await?;
            let own = found.results.into_iter();
            let own = own.filter(|stored| stored.model == self.config.model);
            known.extend(own.map(|stored| (stored.document, stored.hash)));
        }
        Ok(known)
    }

    async fn count(&self) -> Result<u64, ServerError> {
        let stats = self.prepared().await?.get_stats().await?;
        Ok(stats.number_of_documents as u64)
    }
}

#[async_trait]
impl SearchIndex for MeilisearchIndex {
    async fn search(&self, query: &SearchQuery) -> Result<SearchAnswer, PortError> {
        self.told(self.inner.search(query).await)
    }

    async fn suggest(&self, prefix: &str, limit: usize) -> Result<Vec<Suggestion>, PortError> {
        self.told(self.inner.suggest(prefix, limit).await)
    }

    async fn similar(
        &self,
        id: &str,
        filters: &SearchFilters,
        limit: usize,
    ) -> Result<Vec<SearchHit>, PortError> {
        self.told(self.inner.similar(id, filters, limit).await)
    }

    async fn upsert(&self, documents: Vec<SearchDocument>) -> Result<(), PortError> {
        self.told(self.inner.upsert(documents).await)
    }

    async fn delete(&self, ids: &[String]) -> Result<(), PortError> {
        self.told(self.inner.delete(ids).await)
    }

    async fn known(&self, ids: &[String]) -> Result<BTreeMap<String, String>, PortError> {
        self.told(self.inner.known(ids).await)
    }

    async fn count(&self) -> Result<u64, PortError> {
        self.told(self.inner.count().await)
    }

    async fn healthcheck(&self) -> Health {
        match self.inner.count().await {
            Ok(_) => Health::Ok,
            Err(error) => {
                self.inner.doubt();
                Health::Down {
                    reason: error.to_string(),
                }
            }
        }
    }
}
