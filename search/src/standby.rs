//! Two indexes as one: a server's, and the embedded one, which answers while the server is away.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
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
use tokio::{sync::Mutex, time::timeout};

/// How long a customer waits for the server before the embedded index answers.
const PATIENCE: Duration = Duration::from_secs(1);

/// A [`SearchIndex`] over two that are kept in step. The first answers; while it is away the other does, and what is
/// written meanwhile is kept in memory and handed on when the first is back. Whether it is back is looked at by
/// [`healthcheck`](SearchIndex::healthcheck), which is to be called every few seconds.
///
/// The gauge `doorstep_search_standby` is 1 while the second one answers.
#[derive(Clone)]
pub struct Standby {
    inner: Arc<Inner>,
}

struct Inner {
    first: Arc<dyn SearchIndex>,
    second: Arc<dyn SearchIndex>,
    is_away: AtomicBool,
    /// What the first has not been told, by id: a document, or that it was deleted. Held during writes to it, so that they
    /// reach it in order.
    missed: Mutex<BTreeMap<String, Option<SearchDocument>>>,
}

impl Standby {
    /// `second` stands in for `first`.
    pub fn new(first: Arc<dyn SearchIndex>, second: Arc<dyn SearchIndex>) -> Self {
        metrics::gauge!("doorstep_search_standby").set(0.0);
        Self {
            inner: Arc::new(Inner {
                first,
                second,
                is_away: AtomicBool::new(false),
                missed: Mutex::default(),
            }),
        }
    }
}

impl Inner {
    fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Acquire)
    }

    fn went(&self, error: &dyn std::fmt::Display) {
        if !self.is_away.swap(true, Ordering::AcqRel) {
            tracing::warn!(%error, "the embedded index stands in for the search server");
        }
        metrics::gauge!("doorstep_search_standby").set(1.0);
    }

    /// The first's answer, if it gives one in time.
    async fn first<T>(&self, answer: impl Future<Output = Result<T, PortError>>) -> Option<T> {
        if self.is_away() {
            return None;
        }
        match timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => self.went(&error),
            Err(elapsed) => self.went(&elapsed),
        }
        None
    }

    /// Tells the first what changed, together with what it missed.
    async fn tell(&self, changes: Vec<(String, Option<SearchDocument>)>) {
        let mut missed = self.missed.lock().await;
        missed.extend(changes);
        if !self.is_away()
            && let Err(error) = self.hand_on(&mut missed).await
        {
            self.went(&error);
        }
    }

    async fn hand_on(
        &self,
        missed: &mut BTreeMap<String, Option<SearchDocument>>,
    ) -> Result<(), PortError> {
        let is_gone =
            |(id, document): (&String, &Option<_>)| document.is_none().then(|| id.clone());
        let gone: Vec<String> = missed.iter().filter_map(is_gone).collect();
        if !gone.is_empty() {
            self.first.delete(&gone).await?;
        }
        let documents: Vec<SearchDocument> = missed.values().flatten().cloned().collect();
        if !documents.is_empty()
            && let Err(error) = self.first.upsert(documents).await
        {
            // Refused by a server that works is no reason to hand it on for ever.
            if self.first.healthcheck().await != Health::Ok {
                return Err(error);
            }
            tracing::warn!(%error, "the search server refused documents");
        }
        missed.clear();
        Ok(())
    }

    /// Uses the first again if it is back and has been told everything.
    async fn look(&self) -> Health {
        let health = self.first.healthcheck().await;
        if !self.is_away() && health == Health::Ok {
            return Health::Ok;
        }
        let reason = match health {
            Health::Down { reason } => reason,
            _ => {
                let mut missed = self.missed.lock().await;
                match self.hand_on(&mut missed).await {
                    Ok(()) => {
                        self.is_away.store(false, Ordering::Release);
                        metrics::gauge!("doorstep_search_standby").set(0.0);
                        tracing::info!("the search server is back");
                        return health;
                    }
                    Err(error) => error.to_string(),
                }
            }
        };
        self.went(&reason);
        match self.second.healthcheck().await {
            Health::Down { reason: second } => Health::Down {
                reason: format!("{reason}; the embedded index cannot stand in: {second}"),
            },
            _ => Health::Degraded {
                reason: format!("{reason}; the embedded index answers"),
            },
        }
    }
}

#[async_trait]
impl SearchIndex for Standby {
    async fn search(&self, query: &SearchQuery) -> Result<SearchAnswer, PortError> {
        let inner = &self.inner;
        match inner.first(inner.first.search(query)).await {
            Some(answer) => Ok(answer),
            None => inner.second.search(query).await,
        }
    }

    async fn suggest(&self, prefix: &str, limit: usize) -> Result<Vec<Suggestion>, PortError> {
        let inner = &self.inner;
        match inner.first(inner.first.suggest(prefix, limit)).await {
            Some(suggestions) => Ok(suggestions),
            None => inner.second.suggest(prefix, limit).await,
        }
    }

    async fn similar(
        &self,
        id: &str,
        filters: &SearchFilters,
        limit: usize,
    ) -> Result<Vec<SearchHit>, PortError> {
        let inner = &self.inner;
        match inner.first(inner.first.similar(id, filters, limit)).await {
            Some(hits) => Ok(hits),
            None => inner.second.similar(id, filters, limit).await,
        }
    }

    async fn upsert(&self, documents: Vec<SearchDocument>) -> Result<(), PortError> {
        self.inner.second.upsert(documents.clone()).await?;
        let changes = documents.into_iter();
        let changes = changes.map(|document| (document.id.clone(), Some(document)));
        self.inner.tell(changes.collect()).await;
        Ok(())
    }

    async fn delete(&self, ids: &[String]) -> Result<(), PortError> {
        self.inner.second.delete(ids).await?;
        let changes = ids.iter().map(|id| (id.clone(), None));
        self.inner.tell(changes.collect()).await;
        Ok(())
    }

    /// What both hold: what either lacks is to be embedded again.
    async fn known(&self, ids: &[String]) -> Result<BTreeMap<String, String>, PortError> {
        let mut known = self.inner.second.known(ids).await?;
        if let Some(first) = self.inner.first(self.inner.first.known(ids)).await {
            known.retain(|id, hash| first.get(id) == Some(hash));
        }
        Ok(known)
    }

    async fn count(&self) -> Result<u64, PortError> {
        self.inner.second.count().await
    }

    async fn healthcheck(&self) -> Health {
        self.inner.look().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        EmbeddedIndex, MeilisearchConfig, MeilisearchIndex,
        conformance::{DIMENSIONS, ask, product, shop},
        meilisearch::stand_in::{KEY, StandIn},
    };

    async fn both() -> (Standby, Arc<MeilisearchIndex>, StandIn) {
        let server = StandIn::start().await;
        let config = MeilisearchConfig {
            url: server.url.clone(),
            key: KEY.to_owned().into(),
            index: "documents".to_owned(),
            model: "test@1".to_owned(),
            dimensions: DIMENSIONS,
        };
        let first = Arc::new(MeilisearchIndex::new(config).unwrap());
        let second = Arc::new(EmbeddedIndex::in_memory().unwrap());
        (Standby::new(first.clone(), second), first, server)
    }

    async fn found(index: &dyn SearchIndex, text: &str) -> Vec<String> {
        let found = index.search(&ask(text)).await.unwrap();
        found.hits.into_iter().map(|hit| hit.id).collect()
    }

    crate::search_index_conformance!(Arc::new(both().await.0));

    #[tokio::test]
    async fn a_server_that_goes_away_is_unnoticed_and_gets_what_it_missed_when_it_is_back() {
        let (standby, first, server) = both().await;
        standby.upsert(shop()).await.unwrap();
        assert_eq!(found(&standby, "jacket").await, ["jacket"]);
        assert_eq!(standby.healthcheck().await, Health::Ok);

        server.away(true);
        assert_eq!(found(&standby, "jacket").await, ["jacket"]);
        standby
            .upsert(vec![product("tent", "Dome tent", "")])
            .await
            .unwrap();
        standby.delete(&["mug".to_owned()]).await.unwrap();
        assert_eq!(found(&standby, "tent").await, ["tent"]);
        let Health::Degraded { reason } = standby.healthcheck().await else {
            panic!("nobody sees that the server is away");
        };
        assert!(reason.contains("Meilisearch cannot be reached"), "{reason}");
        assert!(reason.ends_with("the embedded index answers"), "{reason}");

        server.away(false);
        assert_eq!(standby.healthcheck().await, Health::Ok);
        assert_eq!(found(&*first, "tent").await, ["tent"]);
        assert!(found(&*first, "mug").await.is_empty());
        assert_eq!(found(&standby, "tent").await, ["tent"]);
    }

    #[tokio::test]
    async fn a_server_that_is_away_from_the_start_is_filled_when_it_comes() {
        let (standby, first, server) = both().await;
        server.away(true);
        standby.upsert(shop()).await.unwrap();
        assert_eq!(found(&standby, "jacket").await, ["jacket"]);
        server.away(false);
        assert_eq!(standby.healthcheck().await, Health::Ok);
        assert_eq!(first.count().await.unwrap(), 5);
    }
}
