//! Keeps the search index in step with the shop's catalog and the merchant's knowledge files.
//!
//! What changed is made findable by its words at once and by its meaning as soon as the model has read it; what did not
//! change is not read again. A shop that is away is asked again later.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use doorstep_core::{
    Problem, Sku,
    health::PortError,
    nlu::{Nlu, NluError},
    product::Product,
    search::SearchDocument,
    shop::Shop,
};
use doorstep_engine::knowledge::{document_id, product_document};
use doorstep_nlu::{LocalNlu, Vocabulary};
use tokio::sync::watch;

use crate::{app::App, feed::Feed, knowledge::Knowledge};

/// How many texts the model reads between two writes to the index.
const CHUNK: usize = 64;
/// How long a shop that is away is left alone.
const RETRY: Duration = Duration::from_secs(30);

/// Where the ids of imported products are kept, below the data directory.
const IMPORTED: &str = "imported-products";

/// How far the index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// Being read.
    Reading,
    /// Everything can be found by its words.
    Words,
    /// Everything can be found by its words and its meaning.
    Done,
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

/// Indexes catalog and knowledge in the background, until it has worked once.
pub(crate) fn keep_indexed(
    app: &Arc<App>,
    knowledge: Arc<Knowledge>,
    progress: watch::Sender<Progress>,
) {
    let app = app.clone();
    tokio::spawn(async move {
        while let Err(error) = index_all(&app, &knowledge, &progress).await {
            tracing::warn!(%error, retry_s = RETRY.as_secs(), "the catalog is not indexed yet");
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = app.stop.cancelled() => return,
            }
        }
        // Nothing of the start is needed any more.
        crate::memory::give_back();
        progress.send_replace(Progress::Done);
    });
}

async fn index_all(
    app: &App,
    knowledge: &Knowledge,
    progress: &watch::Sender<Progress>,
) -> Result<(), IndexError> {
    // First: a shop that is away is no reason not to know its rules.
    knowledge.index().await?;
    let products = list_products(app.shop.as_ref()).await?;
    learn_words(&app.nlu, &products).await;
    let documents = product_documents(app, &products).await?;
    let changed = write_words(app, documents).await?;
    progress.send_replace(Progress::Words);
    write_meanings(app, changed).await?;
    Ok(())
}

/// What an import changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Products that were new or read differently.
    pub changed: usize,
    /// Products that the feed no longer names.
    pub deleted: usize,
}

/// Brings the index in step with a feed: its products are written at once, and those that the import before brought and
/// that are not in it any more are removed. A product with a refused row is left as it was.
///
/// # Errors
/// Shop, index or model; or the list of imported products cannot be kept in the data directory.
pub async fn import_feed(app: &App, feed: &Feed) -> Result<Imported, IndexError> {
    let products: Vec<Product> = feed
        .products
        .iter()
        .map(|listed| listed.product.clone())
        .collect();
    let mut documents = product_documents(app, &products).await?;
    for (document, listed) in documents.iter_mut().zip(&feed.products) {
        // What the shop says counts for more.
        if document.price.is_none() {
            document.price = listed.price;
            document.in_stock = listed.in_stock;
        }
    }
    let named = documents.iter().map(|document| document.id.clone());
    let broken = feed.refused.iter().filter_map(|row| row.product.as_deref());
    let kept: BTreeSet<String> = named.chain(broken.map(document_id)).collect();
    let path = app.config.data_dir.join(IMPORTED);
    let before = read_ids(&path)?;
    // A row that does not say which product it is may be any of them: then nothing is removed.
    let is_certain = feed.refused.iter().all(|row| row.product.is_some());
    let (gone, remembered): (Vec<String>, Vec<String>) = before
        .into_iter()
        .partition(|id| is_certain && !kept.contains(id));
    let changed = write_words(app, documents).await?;
    if !gone.is_empty() {
        app.search.delete(&gone).await?;
    }
    keep_ids(&path, &remembered.into_iter().chain(kept).collect())?;
    let imported = Imported {
        changed: changed.len(),
        deleted: gone.len(),
    };
    write_meanings(app, changed).await?;
    Ok(imported)
}

/// A list of ids; empty where none was kept yet.
pub(crate) fn read_ids(path: &Path) -> Result<BTreeSet<String>, std::io::Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}

/// Written beside it and renamed, so that the list is whole at any moment.
pub(crate) fn keep_ids(path: &Path, ids: &BTreeSet<String>) -> Result<(), std::io::Error> {
    let new = path.with_extension("new");
    let lines: Vec<&str> = ids.iter().map(String::as_str).collect();
    std::fs::write(&new, lines.join("\n"))?;
    std::fs::rename(new, path)
}

/// Has messages about the catalog's products and attributes recognised. A large catalog takes a second, so on a thread of
/// its own.
pub(crate) async fn learn_words(nlu: &LocalNlu, products: &[Product]) {
    let values = products
        .iter()
        .flat_map(|product| &product.attributes)
        .flat_map(|(name, values)| values.iter().map(|value| (name.clone(), value.clone())));
    // `sleeping-bags` is written as customers write it.
    let category = |category: &String| ("category".to_owned(), category.replace(['-', '_'], " "));
    let categories = products
        .iter()
        .filter_map(|product| product.category.as_ref());
    let attributes: BTreeSet<(String, String)> = values.chain(categories.map(category)).collect();
    let titles: Vec<(String, String)> = products
        .iter()
        .map(|product| (product.title.clone(), product.id.clone()))
        .collect();
    let nlu = nlu.clone();
    let learning = tokio::task::spawn_blocking(move || {
        nlu.learn_vocabulary(Vocabulary::from_terms(attributes, titles));
    });
    if let Err(error) = learning.await {
        tracing::warn!(%error, "the catalog's words are not recognised in messages");
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

async fn product_documents(
    app: &App,
    products: &[Product],
) -> Result<Vec<SearchDocument>, PortError> {
    let mut documents = Vec::with_capacity(products.len());
    for products in products.chunks(CHUNK) {
        let skus: Vec<Sku> = products
            .iter()
            .flat_map(|product| product.variants.iter().map(|variant| variant.sku.clone()))
            .collect();
        let stock = app.shop.stock(&skus).await?;
        let language = &app.config.shop.default_language;
        documents.extend(
            products
                .iter()
                .map(|product| product_document(product, &stock, language, app.ambient.now())),
        );
    }
    Ok(documents)
}

/// Writes documents so that their words can be found; returns those whose meaning must be read.
async fn write_words(
    app: &App,
    documents: Vec<SearchDocument>,
) -> Result<Vec<SearchDocument>, PortError> {
    let ids: Vec<String> = documents
        .iter()
        .map(|document| document.id.clone())
        .collect();
    let known = app.search.known(&ids).await?;
    let changed = documents
        .iter()
        .filter(|document| known.get(&document.id) != Some(&document.content_hash()))
        .cloned()
        .collect();
    app.search.upsert(documents).await?;
    Ok(changed)
}

async fn write_meanings(app: &App, documents: Vec<SearchDocument>) -> Result<(), IndexError> {
    for chunk in documents.chunks(CHUNK) {
        let read = read_all(&app.nlu, chunk.to_vec()).await?;
        app.search.upsert(read).await?;
    }
    Ok(())
}

/// Documents with what the model reads in them.
pub(crate) async fn read_all(
    nlu: &LocalNlu,
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
