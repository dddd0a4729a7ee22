//! A Meilisearch server. It finds candidates by word and by meaning, each list asked for apart; which of them is best is
//! decided here, as in the embedded index.

mod documents;
mod lists;
mod question;
mod ranking;
mod server;
mod setup;
#[cfg(any(test, feature = "stand-in"))]
pub mod stand_in;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use doorstep_core::{
    Health,
    health::PortError,
    search::{DocumentKind, SearchDocument, SearchHit, SearchIndex, SearchQuery, Suggestion},
};
use reqwest::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{analysis::Analyser, synonyms::Synonyms};
use documents::{NAMES, Sent, Stored, among, conditions, is_key, key, of_kind};
use lists::{Answers, Batch, Lists};
use question::Question;
use server::{Server, ServerError};

/// How many hits a query may ask for, and how deep each list goes.
const MAX_LIMIT: usize = 1000;
const MIN_DEPTH: usize = 100;
/// As much of a query's text as is read.
const MAX_QUERY_BYTES: usize = 2048;
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
    config: MeilisearchConfig,
    prepared: OnceCell<()>,
    /// The languages of the documents.
    analysers: RwLock<BTreeSet<Analyser>>,
    synonyms: RwLock<Arc<Synonyms>>,
}

#[derive(Deserialize)]
struct Fetched {
    results: Vec<Stored>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    number_of_documents: u64,
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
                server,
                config,
                prepared: OnceCell::new(),
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
        let path = self.inner.path("");
        let removed = self.inner.server.write(Method::DELETE, &path, None).await;
        removed.map_err(port)
    }
}

impl Inner {
    fn path(&self, rest: &str) -> String {
        format!("/indexes/{}{rest}", self.config.index)
    }

    /// Sees once that the index is as it has to be.
    async fn prepared(&self) -> Result<&Server, ServerError> {
        let prepare = async || {
            let (server, config) = (&self.server, &self.config);
            setup::prepare(server, &config.index, config.dimensions).await?;
            self.learn(setup::analysers(server, &config.index).await?);
            Ok::<(), ServerError>(())
        };
        self.prepared.get_or_try_init(prepare).await?;
        Ok(&self.server)
    }

    fn learn(&self, analysers: BTreeSet<Analyser>) {
        let mut known = self
            .analysers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        known.extend(analysers);
    }

    /// How the documents that a query may find are read.
    fn analysers(&self, query: &SearchQuery) -> Vec<Analyser> {
        let asked = query.language.as_ref().map(Analyser::of);
        let known = self
            .analysers
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let may = |analyser: &&Analyser| asked.is_none_or(|asked| asked == **analyser);
        known.iter().filter(may).copied().collect()
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

    async fn search(&self, query: &SearchQuery) -> Result<Vec<SearchHit>, ServerError> {
        let server = self.prepared().await?;
        let limit = query.limit.min(MAX_LIMIT);
        let read = query.text.floor_char_boundary(MAX_QUERY_BYTES);
        let question = Question::read(
            &query.text[..read],
            self.analysers(query).into_iter(),
            &self.synonyms(),
        );
        let vector = self.comparable(query);
        let filter = conditions(query);
        if limit == 0 {
            return Ok(Vec::new());
        }
        if question.is_empty() && vector.is_none() {
            return self.by_filters_alone(server, query, &filter, limit).await;
        }
        let batch = || Batch::new(&self.config.index, &filter, limit.max(MIN_DEPTH));
        let mut lists = Lists::default();
        let mut first = batch();
        first.count();
        for term in question.terms() {
            first.word(term);
        }
        if let Some(vector) = vector {
            first.meaning(vector, None);
        }
        self.ask(server, first, &mut lists).await?;

        let guesses = question.guesses(&lists);
        let mut second = batch();
        for held in question
            .held(&lists)
            .into_iter()
            .filter(|held| held.len() > 1)
        {
            second.all(&held);
        }
        let mut parts = BTreeSet::new();
        for guess in &guesses {
            if guess.is_typo {
                second.typo(&guess.term);
            }
            parts.extend(guess.parts.iter().flatten());
        }
        for part in parts {
            second.word(part);
        }
        self.ask(server, second, &mut lists).await?;

        if let Some(vector) = vector {
            self.compare(server, vector, batch(), &mut lists).await?;
        }
        let wanted = question.wanted(&lists, &guesses);
        Ok(ranking::ranked(&lists, &wanted, vector.is_some(), limit))
    }

    /// The similarity of what the words found and the vector list did not reach.
    async fn compare(
        &self,
        server: &Server,
        vector: &[f32],
        mut batch: Batch<'_>,
        lists: &mut Lists,
    ) -> Result<(), ServerError> {
        let is_without = |stored: &&Stored| {
            stored.model == self.config.model && !lists.similarities.contains_key(&stored.id)
        };
        let without = lists.candidates.values().filter(is_without);
        let without: Vec<&str> = without.map(|stored| stored.id.as_str()).collect();
        for keys in without.chunks(MIN_DEPTH) {
            batch.meaning(vector, Some(among(keys.iter().copied())));
        }
        self.ask(server, batch, lists).await
    }

    async fn ask(
        &self,
        server: &Server,
        batch: Batch<'_>,
        lists: &mut Lists,
    ) -> Result<(), ServerError> {
        if batch.is_empty() {
            return Ok(());
        }
        let answers: Answers = server.post("/multi-search", &batch.body()).await?;
        lists.take(&batch, answers, &self.config.model);
        Ok(())
    }

    /// Without words and vector, filters alone choose; what can be bought stands first.
    async fn by_filters_alone(
        &self,
        server: &Server,
        query: &SearchQuery,
        filter: &[String],
        limit: usize,
    ) -> Result<Vec<SearchHit>, ServerError> {
        let filters = &query.filters;
        let is_narrow = filters.min_price.is_some()
            || filters.max_price.is_some()
            || filters.in_stock
            || filters.brand.is_some()
            || !filters.attributes.is_empty();
        if !is_narrow {
            return Ok(Vec::new());
        }
        let body = json!({ "filter": filter, "limit": limit });
        let path = self.path("/documents/fetch");
        let mut found: Fetched = server.post(&path, &body).await?;
        found.results.sort_by_key(|stored| !stored.in_stock);
        let hit = |stored: Stored| SearchHit {
            language: stored.language(),
            id: stored.document,
            title: stored.title,
            body: stored.body,
            source: stored.source,
            score: f32::from(u8::from(stored.in_stock)),
            similarity: None,
            word_share: 0.0,
        };
        Ok(found.results.into_iter().map(hit).collect())
    }

    async fn suggest(&self, prefix: &str, limit: usize) -> Result<Vec<Suggestion>, ServerError> {
        let server = self.prepared().await?;
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
        let body = json!({
            "q": format!("{}{end}", words.join(" ")),
            "matchingStrategy": "all",
            "attributesToSearchOn": [NAMES],
            "attributesToRetrieve": ["id", "document", "title", "in_stock"],
            "filter": [of_kind(DocumentKind::Product)],
            "limit": SUGGESTION_DEPTH,
        });
        #[derive(Deserialize)]
        struct Found {
            hits: Vec<Stored>,
        }
        let mut found: Found = server.post(&self.path("/search"), &body).await?;
        // What is in stock first, then the shortest title, which is mostly that word.
        let rank = |stored: &Stored| {
            let length = stored.title.split_whitespace().count();
            (!stored.in_stock, length, stored.title.clone())
        };
        found.hits.sort_by_cached_key(rank);
        found.hits.truncate(limit.min(MAX_SUGGESTIONS));
        let suggestion = |stored: Stored| Suggestion {
            id: stored.document,
            title: stored.title,
        };
        Ok(found.hits.into_iter().map(suggestion).collect())
    }

    async fn upsert(&self, documents: Vec<SearchDocument>) -> Result<(), ServerError> {
        if documents.is_empty() {
            return Ok(());
        }
        let server = self.prepared().await?;
        let analysers = documents
            .iter()
            .map(|document| Analyser::of(&document.language));
        self.learn(analysers.collect());
        let without = documents
            .iter()
            .filter(|document| document.vector.is_none());
        let without: Vec<String> = without.map(|document| document.id.clone()).collect();
        let known = self.known(&without).await?;
        // Of two with one id the last counts.
        let mut sent: BTreeMap<String, Sent> = BTreeMap::new();
        for document in documents {
            let document = Sent::of(document, &known, &self.config.model);
            sent.insert(document.stored.id.clone(), document);
        }
        let (refused, sent): (Vec<Sent>, Vec<Sent>) = sent
            .into_values()
            .partition(|sent| !is_key(&sent.stored.id));
        let mut last = None;
        for refused in &refused {
            let error = ServerError::Refused {
                code: "invalid_document_id".to_owned(),
                message: "an id has 1 byte to about 500".to_owned(),
            };
            last = Some(told(&refused.stored.document, error));
        }
        // A task that replaces a document drops its vector, one that updates it keeps it.
        let (kept, replaced): (Vec<Sent>, Vec<Sent>) =
            sent.into_iter().partition(|sent| sent.keeps_vector);
        let mut taken = 0;
        for (method, documents) in [(Method::POST, replaced), (Method::PUT, kept)] {
            for chunk in documents.chunks(CHUNK) {
                let (some, error) = self.put(server, &method, chunk).await?;
                taken += some;
                last = error.or(last);
            }
        }
        match last {
            Some(error) if taken == 0 => Err(error),
            _ => Ok(()),
        }
    }

    /// Writes documents; where the task fails, each half apart, until what is refused stands alone and its neighbours are
    /// written. Returns how many were taken, and why one was not.
    async fn put(
        &self,
        server: &Server,
        method: &Method,
        documents: &[Sent],
    ) -> Result<(usize, Option<ServerError>), ServerError> {
        let (mut taken, mut last) = (0, None);
        let mut waiting = vec![documents];
        let path = self.path("/documents");
        while let Some(documents) = waiting.pop() {
            let body: Vec<Value> = documents.iter().map(Sent::json).collect();
            let body = json!(body);
            let done = server.write(method.clone(), &path, Some(&body)).await;
            match (done, documents) {
                (Ok(()), _) => taken += documents.len(),
                (Err(error @ ServerError::Refused { .. }), [one]) => {
                    last = Some(told(&one.stored.document, error));
                }
                (Err(ServerError::Refused { .. }), _) => {
                    let (first, second) = documents.split_at(documents.len() / 2);
                    waiting.extend([second, first]);
                }
                (Err(error), _) => return Err(error),
            }
        }
        Ok((taken, last))
    }

    async fn delete(&self, ids: &[String]) -> Result<(), ServerError> {
        let server = self.prepared().await?;
        let keys: Vec<String> = ids
            .iter()
            .map(|id| key(id))
            .filter(|key| is_key(key))
            .collect();
        for chunk in keys.chunks(CHUNK) {
            let path = self.path("/documents/delete-batch");
            server
                .write(Method::POST, &path, Some(&json!(chunk)))
                .await?;
        }
        Ok(())
    }

    async fn known(&self, ids: &[String]) -> Result<BTreeMap<String, String>, ServerError> {
        let server = self.prepared().await?;
        let keys: Vec<String> = ids
            .iter()
            .map(|id| key(id))
            .filter(|key| is_key(key))
            .collect();
        let mut known = BTreeMap::new();
        for chunk in keys.chunks(CHUNK) {
            let body = json!({
                "filter": [among(chunk.iter().map(String::as_str))],
                "fields": ["id", "document", "hash", "model"],
                "limit": CHUNK,
            });
            let found: Fetched = server.post(&self.path("/documents/fetch"), &body).await?;
            let own = found.results.into_iter();
            let own = own.filter(|stored| stored.model == self.config.model);
            known.extend(own.map(|stored| (stored.document, stored.hash)));
        }
        Ok(known)
    }

    async fn count(&self) -> Result<u64, ServerError> {
        let stats: Stats = self.prepared().await?.get(&self.path("/stats")).await?;
        Ok(stats.number_of_documents)
    }
}

/// Says in the log which document the server refused.
fn told(id: &str, error: ServerError) -> ServerError {
    let id: String = id.chars().take(80).collect();
    tracing::warn!(%id, %error, "a document is not searchable");
    error
}

fn port(error: ServerError) -> PortError {
    PortError::new("search:meilisearch", error)
}

#[async_trait]
impl SearchIndex for MeilisearchIndex {
    async fn search(&self, query: &SearchQuery) -> Result<Vec<SearchHit>, PortError> {
        self.inner.search(query).await.map_err(port)
    }

    async fn suggest(&self, prefix: &str, limit: usize) -> Result<Vec<Suggestion>, PortError> {
        self.inner.suggest(prefix, limit).await.map_err(port)
    }

    async fn upsert(&self, documents: Vec<SearchDocument>) -> Result<(), PortError> {
        self.inner.upsert(documents).await.map_err(port)
    }

    async fn delete(&self, ids: &[String]) -> Result<(), PortError> {
        self.inner.delete(ids).await.map_err(port)
    }

    async fn known(&self, ids: &[String]) -> Result<BTreeMap<String, String>, PortError> {
        self.inner.known(ids).await.map_err(port)
    }

    async fn count(&self) -> Result<u64, PortError> {
        self.inner.count().await.map_err(port)
    }

    async fn healthcheck(&self) -> Health {
        match self.inner.count().await {
            Ok(_) => Health::Ok,
            Err(error) => Health::Down {
                reason: error.to_string(),
            },
        }
    }
}
