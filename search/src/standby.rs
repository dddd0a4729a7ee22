//! Two indexes as one: a server's, and the embedded one, which answers while the server is away.

mod missed;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
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

use crate::EmbeddedIndex;
use missed::Missed;

/// How long a customer waits for the server before the embedded index answers.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many documents are handed on together.
const CHUNK: usize = 500;

/// A [`SearchIndex`] over two that are kept in step. The first answers; while it is away the embedded one does, and of what
/// is written meanwhile the ids are kept, through a restart too. Once the first is back, the documents are read from the
/// embedded index and handed on; all of them, where it came back without its data. Whether it is back is looked at by
/// [`healthcheck`](SearchIndex::healthcheck), which is to be called every few seconds.
///
/// The gauge `doorstep_search_standby` is 1 while the embedded one answers.
#[derive(Clone)]
pub struct Standby {
    inner: Arc<Inner>,
}

struct Inner {
    first: Arc<dyn SearchIndex>,
    second: EmbeddedIndex,
    is_away: AtomicBool,
    /// Held during writes to the first, so that they reach it in order.
    behind: Mutex<Behind>,
}

/// How far the first is behind.
struct Behind {
    missed: Missed,
    /// What both held after the first had been handed everything and took less than half.
    in_vain: Option<Counts>,
}

/// How many documents both hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    first: u64,
    second: u64,
}

impl Counts {
    /// Whether the first lacks so many that it must have lost them: both have a few that the other has not while they are
    /// written.
    fn are_apart(self) -> bool {
        self.first.saturating_mul(2) < self.second
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, second } = self;
        write!(f, "the search server holds {first} of {second} documents")
    }
}

impl Standby {
    /// `second` stands in for `first`. What `first` missed before the program ended is handed on at the first look.
    pub fn new(first: Arc<dyn SearchIndex>, second: EmbeddedIndex) -> Self {
        let missed = Missed::read(second.directory()).unwrap_or_else(|error| {
            tracing::warn!(%error, "what the search server missed cannot be read; it is told everything");
            Missed::all(second.directory(), second.ids())
        });
        let is_away = !missed.is_empty();
        metrics::gauge!("doorstep_search_standby").set(f64::from(u8::from(is_away)));
        Self {
            inner: Arc::new(Inner {
                first,
                second,
                is_away: AtomicBool::new(is_away),
                behind: Mutex::new(Behind {
                    missed,
                    in_vain: None,
                }),
            }),
        }
    }
}

impl Inner {
    fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Acquire)
    }

    fn went(&self, error: &dyn fmt::Display) {
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

    /// Tells the first of what changed in the second, together with what it missed.
    async fn tell(&self, ids: Vec<String>) {
        let mut behind = self.behind.lock().await;
        behind.missed.add(ids);
        if !self.is_away()
            && let Err(error) = self.hand_on(&mut behind.missed).await
        {
            self.went(&error);
        }
        behind.missed.keep().await;
    }

    /// Gives the first what it missed, as the second has it by now.
    async fn hand_on(&self, missed: &mut Missed) -> Result<(), PortError> {
        loop {
            let ids = missed.first(CHUNK);
            if ids.is_empty() {
                return Ok(());
            }
            let documents = self.second.documents(&ids).await?;
            let gone = absent(&ids, &documents);
            if !gone.is_empty() {
                self.first.delete(&gone).await?;
            }
            if !documents.is_empty()
                && let Err(error) = self.first.upsert(documents).await
            {
                // Refused by a server that works is no reason to hand it on for ever.
                if self.first.healthcheck().await != Health::Ok || self.has_just_lost_all().await? {
                    return Err(error);
                }
                tracing::warn!(%error, "the search server refused documents");
            }
            missed.told(&ids);
        }
    }

    async fn has_just_lost_all(&self) -> Result<bool, PortError> {
        Ok(!self.is_away() && self.counts().await?.are_apart())
    }

    async fn counts(&self) -> Result<Counts, PortError> {
        Ok(Counts {
            first: self.first.count().await?,
            second: self.second.count().await?,
        })
    }

    /// Uses the first, or uses it again, if it is there and has been told everything.
    async fn look(&self) -> Health {
        let health = self.first.healthcheck().await;
        let reason = match &health {
            Health::Down { reason } => {
                self.went(reason);
                reason.clone()
            }
            _ => match self.bring_back().await {
                Ok(()) => return health,
                Err(error) => error.reason,
            },
        };
        match self.second.healthcheck().await {
            Health::Down { reason: second } => Health::Down {
                reason: format!("{reason}; the embedded index cannot stand in: {second}"),
            },
            _ => Health::Degraded {
                reason: format!("{reason}; the embedded index answers"),
            },
        }
    }

    async fn bring_back(&self) -> Result<(), PortError> {
        // Who waited here would hold up `/readyz` for as long as it takes to fill a server.
        let Ok(mut behind) = self.behind.try_lock() else {
            return match self.is_away() {
                true => Err(PortError::new(
                    "search",
                    "the search server is being told what it missed",
                )),
                false => Ok(()),
            };
        };
        let caught_up = self.catch_up(&mut behind).await;
        if let Err(error) = &caught_up {
            self.went(&error.reason);
        }
        caught_up
    }

    /// Has the first hold what the second does: all of it, where it came back without its data.
    async fn catch_up(&self, behind: &mut Behind) -> Result<(), PortError> {
        let counts = self.counts().await?;
        if counts.are_apart() && behind.in_vain != Some(counts) {
            self.went(&counts);
            behind.missed.add(self.second.ids());
        }
        if !self.is_away() && behind.missed.is_empty() {
            return Ok(());
        }
        let handed_on = self.hand_on(&mut behind.missed).await;
        behind.missed.keep().await;
        handed_on?;
        let counts = self.counts().await?;
        if counts.are_apart() {
            behind.in_vain = Some(counts);
            return Err(PortError::new("search", counts));
        }
        behind.in_vain = None;
        if self.is_away.swap(false, Ordering::AcqRel) {
            metrics::gauge!("doorstep_search_standby").set(0.0);
            tracing::info!("the search server is back");
        }
        Ok(())
    }
}

/// Those of `ids` that none of `documents` has.
fn absent(ids: &[String], documents: &[SearchDocument]) -> Vec<String> {
    let there: BTreeSet<&str> = documents.iter().map(|one| one.id.as_str()).collect();
    let absent = ids.iter().filter(|id| !there.contains(id.as_str()));
    absent.cloned().collect()
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
        let ids = documents.iter().map(|document| document.id.clone());
        let ids = ids.collect();
        self.inner.second.upsert(documents).await?;
        self.inner.tell(ids).await;
        Ok(())
    }

    async fn delete(&self, ids: &[String]) -> Result<(), PortError> {
        self.inner.second.delete(ids).await?;
        self.inner.tell(ids.to_vec()).await;
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
    use std::path::Path;

    use super::*;
    use crate::{
        EmbeddedIndex, MeilisearchConfig, MeilisearchIndex,
        conformance::{DIMENSIONS, ask, product, shop},
        meilisearch::stand_in::{KEY, StandIn},
    };

    async fn both() -> (Standby, Arc<MeilisearchIndex>, StandIn) {
        let server = StandIn::start().await;
        let first = client(&server);
        let second = EmbeddedIndex::in_memory().unwrap();
        (Standby::new(first.clone(), second), first, server)
    }

    fn client(server: &StandIn) -> Arc<MeilisearchIndex> {
        let config = MeilisearchConfig {
            url: server.url.clone(),
            key: KEY.to_owned().into(),
            index: "documents".to_owned(),
            model: "test@1".to_owned(),
            dimensions: DIMENSIONS,
        };
        Arc::new(MeilisearchIndex::new(config).unwrap())
    }

    /// A server's stand-in on the disk, as a program finds it that starts.
    async fn started(server: &StandIn, directory: &Path) -> Standby {
        let second = EmbeddedIndex::open(directory, "test@1").await.unwrap();
        Standby::new(client(server), second)
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
    #[tokio::test]
    async fn a_server_that_comes_back_without_its_data_is_filled_again() {
        let (standby, first, server) = both().await;
        standby.upsert(shop()).await.unwrap();
        assert_eq!(standby.healthcheck().await, Health::Ok);

        // Seen by a customer's question, which the embedded index answers.
        server.forget();
        assert_eq!(found(&standby, "jacket").await, ["jacket"]);
        assert_eq!(standby.healthcheck().await, Health::Ok);
        assert_eq!(first.count().await.unwrap(), 5);
        assert_eq!(found(&*first, "jacket").await, ["jacket"]);
        assert_eq!(found(&standby, "jacket").await, ["jacket"]);

        // Seen by the look itself.
        server.forget();
        let looked = standby.healthcheck().await;
        assert!(matches!(looked, Health::Degraded { .. }), "{looked:?}");
        assert_eq!(found(&standby, "jacket").await, ["jacket"]);
        assert_eq!(standby.healthcheck().await, Health::Ok);
        assert_eq!(first.count().await.unwrap(), 5);

        // Seen by nobody before it is written to.
        server.forget();
        let tent = product("tent", "Dome tent", "");
        standby.upsert(vec![tent]).await.unwrap();
        assert_eq!(found(&standby, "jacket").await, ["jacket"]);
        standby.healthcheck().await;
        assert_eq!(standby.healthcheck().await, Health::Ok);
        assert_eq!(first.count().await.unwrap(), 6);
        assert_eq!(found(&*first, "jacket").await, ["jacket"]);
    }

    #[tokio::test]
    async fn a_server_gets_what_it_missed_before_a_restart() {
        let server = StandIn::start().await;
        let directory = tempfile::tempdir().unwrap();
        let before = started(&server, directory.path()).await;
        before.upsert(shop()).await.unwrap();
        assert_eq!(before.healthcheck().await, Health::Ok);
        server.away(true);
        before.delete(&["mug".to_owned()]).await.unwrap();
        let tent = product("tent", "Dome tent", "");
        before.upsert(vec![tent]).await.unwrap();
        drop(before);

        server.away(false);
        let after = started(&server, directory.path()).await;
        assert!(found(&after, "mug").await.is_empty());
        assert_eq!(after.healthcheck().await, Health::Ok);
        let server_itself = client(&server);
        assert!(found(&*server_itself, "mug").await.is_empty());
        assert_eq!(found(&*server_itself, "tent").await, ["tent"]);
        drop(after);

        // It was told: whoever starts next uses the server at once.
        let writes = server.writes().0.len();
        let again = started(&server, directory.path()).await;
        assert_eq!(again.healthcheck().await, Health::Ok);
        assert_eq!(server.writes().0.len(), writes);
        assert_eq!(found(&again, "tent").await, ["tent"]);
    }

    #[tokio::test]
    async fn what_the_server_missed_is_handed_on_as_it_is_by_then() {
        let (standby, first, server) = both().await;
        standby.upsert(shop()).await.unwrap();
        server.away(true);
        standby
            .upsert(vec![product("mug", "Copper mug", "")])
            .await
            .unwrap();
        standby
            .upsert(vec![product("tent", "Dome tent", "")])
            .await
            .unwrap();
        standby
            .upsert(vec![product("mug", "Tin mug", "")])
            .await
            .unwrap();
        standby.delete(&["tent".to_owned()]).await.unwrap();
        server.away(false);
        assert_eq!(standby.healthcheck().await, Health::Ok);
        assert_eq!(found(&*first, "tin").await, ["mug"]);
        assert!(found(&*first, "copper tent").await.is_empty());
    }
}
