//! Keeps the search index in step with the shop's catalog and the merchant's knowledge files, at the start and as long as
//! the program runs.
//!
//! | file | what it holds |
//! |---|---|
//! | `indexer` | one walk through the catalog |
//! | `lists` | what was indexed, for the next walk |
//!
//! What changed is made findable by its words at once and by its meaning as soon as the model has read it; what did not
//! change is not read again. A shop that is away is asked again later. Every instance has an index of its own (the embedded
//! one, which also stands in for a server), so every instance walks; one after another, because it is one shop that they ask.
//! The walk of a start waits for nobody: until it is done, a new instance finds nothing.

mod indexer;
mod lists;

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use doorstep_core::{
    Health, Problem, Timestamp,
    health::PortError,
    nlu::{Nlu, NluError},
    product::Product,
    search::SearchDocument,
    shop::Shop,
};
use doorstep_nlu::{LocalNlu, Vocabulary};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{app::App, knowledge::Knowledge};
use indexer::{Indexer, Terms, Trust, Walked};
pub(crate) use lists::{keep_ids, read_ids};

/// How many texts are handed to the model together.
const CHUNK: usize = 64;
/// How long a shop that is away is left alone.
const RETRY: Duration = Duration::from_secs(30);
/// How often is looked whether something was imported, or it is time to compare.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often an instance says that it is still at it.
const STILL_EVERY: Duration = Duration::from_mins(1);

/// How often everything is compared, also what the shop says it did not change.
const ALL_EVERY: TimeDelta = TimeDelta::days(1);

/// Where what is remembered of indexed products is kept, below the data directory.
const INDEXED: &str = "indexed-products";

/// How far the index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The catalog is being listed; what is listed can be found by its words.
    Listing {
        /// Products so far.
        products: usize,
    },
    /// Everything can be found by its words, and the model reads what is new to it.
    Reading {
        /// Products that it has read.
        read: usize,
        /// Products that it is to read.
        of: usize,
    },
    /// Everything can be found by its words and its meaning.
    Done,
}

impl Progress {
    /// What `/readyz` says.
    pub(crate) fn health(self) -> Health {
        let reason = match self {
            Self::Done => return Health::Ok,
            Self::Listing { products } => {
                format!("the catalog is being listed: {products} products so far")
            }
            Self::Reading { read, of } => format!(
                "the model has read {read} of {of} products; the others are found by their words alone"
            ),
        };
        Health::Degraded { reason }
    }
}

/// Catalog or knowledge could not be indexed.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The knowledge files do not hold together.
    #[error("{} problem(s), the first: {}", .0.len(), .0.first().map_or_else(String::new, ToString::to_string))]
    Problems(Vec<Problem>),
    /// Shop or index.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The list of what was indexed.
    #[error("the list of what was indexed cannot be kept in the data directory: {0}")]
    List(#[from] std::io::Error),
    /// The model.
    #[error(transparent)]
    Nlu(#[from] NluError),
}

/// Indexes catalog and knowledge in the background until it has worked once, and compares the catalog from then on: as
/// often as `[search] sweep_every_h` says, and whenever something was imported.
pub(crate) fn keep_indexed(
    app: &Arc<App>,
    knowledge: Arc<Knowledge>,
    progress: watch::Sender<Progress>,
) {
    let keeper = Keeper {
        indexer: Indexer {
            shop: app.shop.clone(),
            search: app.search.clone(),
            nlu: Arc::new(app.nlu.clone()),
            ambient: app.ambient.clone(),
            language: app.config.shop.default_language.clone(),
            list: app.index_home.path().join(INDEXED),
        },
        app: app.clone(),
        progress,
    };
    let stop = app.stop.clone();
    app.indexing.spawn(async move {
        stop.run_until_cancelled(keeper.run(&knowledge)).await;
    });
}

struct Keeper {
    app: Arc<App>,
    indexer: Indexer,
    progress: watch::Sender<Progress>,
}

impl Keeper {
    async fn run(&self, knowledge: &Knowledge) {
        let every = i64::from(self.app.config.search.sweep_every_h);
        let mut plan = Plan::new((every > 0).then(|| TimeDelta::hours(every)));
        while let Err(error) = self.begin(knowledge, &mut plan).await {
            tracing::warn!(%error, retry_s = RETRY.as_secs(), "the catalog is not indexed yet");
            sleep(RETRY).await;
        }
        // Nothing of the start is needed any more.
        crate::memory::give_back();
        self.progress.send_replace(Progress::Done);
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            self.look(&mut plan).await;
        }
    }

    /// Indexes everything for the first time, without waiting for a turn: another instance's comparison can take as long
    /// as its model reads, and until then this one would find nothing.
    async fn begin(&self, knowledge: &Knowledge, plan: &mut Plan) -> Result<(), IndexError> {
        // First: a shop that is away is no reason not to know its rules.
        knowledge.index().await?;
        let now = self.app.ambient.now();
        let imports = self.app.store.imports().await;
        let imports = imports.map_err(|error| PortError::new("store", error))?;
        let tell = |progress: Progress| self.tell(progress);
        let walked = self.indexer.walk(Trust::Nobody, &tell).await?;
        learn(&self.app.nlu, walked.terms).await;
        self.indexer.read(&walked.unread, &tell).await?;
        plan.compared(now, imports, Trust::Nobody);
        Ok(())
    }

    /// Compares the catalog if it is time and no other instance does.
    async fn look(&self, plan: &mut Plan) {
        let now = self.app.ambient.now();
        let imports = match self.app.store.imports().await {
            Ok(imports) => imports,
            // `/readyz` says so.
            Err(_) => return,
        };
        if !plan.is_due(now, imports) {
            return;
        }
        match self.app.store.claim_catalog().await {
            Ok(true) => {}
            Ok(false) | Err(_) => return,
        }
        let trust = plan.trust(now);
        let compared = tokio::select! {
            compared = self.compare(trust) => compared,
            () = self.keep_turn() => return,
        };
        if let Err(error) = self.app.store.release_catalog().await {
            tracing::warn!(%error, "the turn to compare the catalog ends by itself");
        }
        self.progress.send_replace(Progress::Done);
        let result = match compared {
            Ok(walked) => {
                plan.compared(now, imports, trust);
                let (written, removed) = (walked.written, walked.removed);
                let read = walked.unread.len();
                tracing::info!(
                    products = walked.listed,
                    written,
                    read,
                    removed,
                    "compared the catalog"
                );
                "done"
            }
            Err(error) => {
                plan.failed(now);
                tracing::warn!(%error, retry_s = RETRY.as_secs(), "the catalog is compared again later");
                "failed"
            }
        };
        metrics::counter!("doorstep_catalog_sweeps_total", "result" => result).increment(1);
    }

    async fn compare(&self, trust: Trust) -> Result<Walked, IndexError> {
        // Of what is findable already, the listing takes nothing away: only what is to be read is told.
        let mut walked = self.indexer.walk(trust, &|_| {}).await?;
        if walked.written + walked.removed > 0 {
            learn(&self.app.nlu, std::mem::take(&mut walked.terms)).await;
        }
        let tell = |progress: Progress| self.tell(progress);
        self.indexer.read(&walked.unread, &tell).await?;
        Ok(walked)
    }

    /// Keeps the turn for as long as this is waited for.
    async fn keep_turn(&self) {
        loop {
            sleep(STILL_EVERY).await;
            if let Err(error) = self.app.store.claim_catalog().await {
                tracing::warn!(%error, "another instance may compare the catalog at the same time");
            }
        }
    }

    fn tell(&self, progress: Progress) {
        self.progress.send_replace(progress);
        match progress {
            Progress::Listing { products } => {
                tracing::info!(products, "listing the catalog");
                metrics::gauge!("doorstep_catalog_products").set(products as f64);
            }
            Progress::Reading { read, of } => {
                tracing::info!(read, of, "the model reads the catalog");
                metrics::gauge!("doorstep_catalog_unread").set((of - read) as f64);
            }
            Progress::Done => {}
        }
    }
}

/// Has messages about these products and their attributes recognised, and about no others.
pub(crate) async fn learn_words(nlu: &LocalNlu, products: &[Product]) {
    let mut terms = Terms::default();
    terms.take(products);
    learn(nlu, terms).await;
}

/// A large catalog takes a second, so on a thread of its own.
async fn learn(nlu: &LocalNlu, terms: Terms) {
    let nlu = nlu.clone();
    let learning = tokio::task::spawn_blocking(move || {
        nlu.learn_vocabulary(Vocabulary::from_terms(terms.attributes, terms.titles));
    });
    if let Err(error) = learning.await {
        tracing::warn!(%error, "the catalog's words are not recognised in messages");
    }
}

/// When the catalog is compared.
#[derive(Debug)]
struct Plan {
    /// How often; `None`: only when something was imported.
    every: Option<TimeDelta>,
    compared_at: Timestamp,
    /// When nobody's word was taken.
    all_compared_at: Timestamp,
    /// How many imports there had been then.
    imports: i64,
    /// Until then it is left alone.
    held_until: Timestamp,
}

impl Plan {
    fn new(every: Option<TimeDelta>) -> Self {
        Self {
            every,
            compared_at: Timestamp::UNIX_EPOCH,
            all_compared_at: Timestamp::UNIX_EPOCH,
            imports: 0,
            held_until: Timestamp::UNIX_EPOCH,
        }
    }

    fn is_due(&self, now: Timestamp, imports: i64) -> bool {
        let is_time = self
            .every
            .is_some_and(|every| now - self.compared_at >= every);
        now >= self.held_until && (is_time || imports != self.imports)
    }

    /// Once a day everything is compared, whatever the shop says of when it changed.
    fn trust(&self, now: Timestamp) -> Trust {
        match now - self.all_compared_at >= ALL_EVERY {
            true => Trust::Nobody,
            false => Trust::Shop,
        }
    }

    fn compared(&mut self, now: Timestamp, imports: i64, trust: Trust) {
        self.compared_at = now;
        if trust == Trust::Nobody {
            self.all_compared_at = now;
        }
        self.imports = imports;
    }

    fn failed(&mut self, now: Timestamp) {
        self.held_until = now + RETRY;
    }
}

/// All products of the shop.
pub(crate) async fn list_products(shop: &dyn Shop) -> Result<Vec<Product>, PortError> {
    let mut products: Vec<Product> = Vec::new();
    loop {
        let page = shop
            .list_products(products.last().map(|product| product.id.as_str()))
            .await?;
        if page.is_empty() {
            return Ok(products);
        }
        products.extend(page);
    }
}

/// Documents with what the model reads in them.
pub(crate) async fn read_all(
    nlu: &dyn Nlu,
    mut documents: Vec<SearchDocument>,
) -> Result<Vec<SearchDocument>, NluError> {
    for chunk in documents.chunks_mut(CHUNK) {
        let texts: Vec<String> = chunk.iter().map(SearchDocument::card).collect();
        for (document, vector) in chunk.iter_mut().zip(nlu.embed(&texts).await?) {
            document.vector = Some(vector);
        }
    }
    Ok(documents)
}

/// Waits until everything can be found by its words and its meaning.
pub async fn indexed(app: &App) {
    let mut progress = app.indexed.clone();
    // The sender lives as long as the task that indexes.
    let _ = progress
        .wait_for(|progress| *progress == Progress::Done)
        .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_catalog_is_compared_in_time_after_an_import_and_not_at_once_after_a_failure() {
        let mut plan = Plan::new(Some(TimeDelta::hours(6)));
        plan.compared(at("2026-11-22T00:00:00Z"), 3, Trust::Nobody);
        assert!(!plan.is_due(at("2026-11-22T05:59:59Z"), 3));
        assert!(plan.is_due(at("2026-11-22T06:00:00Z"), 3));
        assert!(plan.is_due(at("2026-11-22T00:00:02Z"), 4), "imported");
        plan.failed(at("2026-11-22T06:00:00Z"));
        assert!(!plan.is_due(at("2026-11-22T06:00:29Z"), 4));
        assert!(plan.is_due(at("2026-11-22T06:00:30Z"), 4));
        plan.compared(
            at("2026-11-22T06:00:30Z"),
            4,
            plan.trust(at("2026-11-22T06:00:30Z")),
        );
        assert_eq!(plan.trust(at("2026-11-22T23:59:59Z")), Trust::Shop);
        assert_eq!(plan.trust(at("2026-11-23T00:00:00Z")), Trust::Nobody);

        let mut never = Plan::new(None);
        never.compared(at("2026-11-22T00:00:00Z"), 3, Trust::Nobody);
        assert!(!never.is_due(at("2027-11-22T00:00:00Z"), 3));
        assert!(never.is_due(at("2026-11-22T00:00:02Z"), 4), "imported");
    }
}
