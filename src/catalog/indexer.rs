//! One walk through the shop's catalog: what differs from what was indexed is written, what the shop no longer has is
//! removed, and what reads differently goes through the model. Of the catalog, a few hundred products at once are in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use doorstep_core::{
    Ambient, Language, Sku, Timestamp,
    health::PortError,
    nlu::Nlu,
    product::Product,
    search::{SearchDocument, SearchIndex},
    shop::Shop,
};
use doorstep_engine::knowledge::{document_id, product_document, product_id};
use sha2::{Digest, Sha256};

use super::{
    IndexError, Progress,
    lists::{Entry, Indexed},
    read_all,
};

/// How many products are compared and written together. Every write costs a little for each document that there is.
const WRITTEN_AT_ONCE: usize = 1_000;
/// How many products' stock is asked for together.
const STOCK_AT_ONCE: usize = 64;
/// How many products the model reads between two writes.
const READ_AT_ONCE: usize = 256;
/// The longest identifier of a document that both engines take, in bytes.
const MAX_ID_BYTES: usize = 500;

/// Keeps the index in step with a shop.
pub(crate) struct Indexer {
    pub(crate) shop: Arc<dyn Shop>,
    pub(crate) search: Arc<dyn SearchIndex>,
    pub(crate) nlu: Arc<dyn Nlu>,
    pub(crate) ambient: Ambient,
    /// The language of the catalog.
    pub(crate) language: Language,
    /// Where what was indexed is remembered.
    pub(crate) list: PathBuf,
}

/// Whose word counts for whether a product changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The shop's, where it says when it changed a product last: of one that is as it was, nothing is asked.
    Shop,
    /// Nobody's: everything is compared.
    Nobody,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// What customers may call things.
    pub(crate) terms: Terms,
    /// The products that the model has to read, by the shop's identifier.
    pub(crate) unread: Vec<String>,
    /// How many products the shop has.
    pub(crate) listed: usize,
    /// How many were written.
    pub(crate) written: usize,
    /// How many were removed.
    pub(crate) removed: usize,
}

/// The words of a catalog that are recognised in messages.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    /// Names of attributes with their values; categories among them.
    pub(crate) attributes: BTreeSet<(String, String)>,
    /// Titles with the products' identifiers.
    pub(crate) titles: Vec<(String, String)>,
}

impl Terms {
    pub(super) fn take(&mut self, products: &[Product]) {
        for product in products {
            for (name, values) in &product.attributes {
                let values = values.iter().map(|value| (name.clone(), value.clone()));
                self.attributes.extend(values);
            }
            // `sleeping-bags` is written as customers write it.
            let category = product.category.as_ref();
            let category = category.map(|category| category.replace(['-', '_'], " "));
            self.attributes
                .extend(category.map(|category| ("category".to_owned(), category)));
            self.titles
                .push((product.title.clone(), product.id.clone()));
        }
    }
}

impl Indexer {
    /// Compares the catalog with what was indexed: what differs can be found by its words when this returns, and what
    /// the shop no longer has is gone. Whatever ends it early removes nothing.
    ///
    /// # Errors
    /// Shop or index did not answer; what was written until then need not be written again.
    pub(crate) async fn walk(
        &self,
        trust: Trust,
        tell: &(dyn Fn(Progress) + Sync),
    ) -> Result<Walked, IndexError> {
        let mut indexed = Indexed::read(&self.list)?;
        let walked = self.compare(trust, &mut indexed, tell).await;
        indexed.keep(&self.list)?;
        walked
    }

    async fn compare(
        &self,
        trust: Trust,
        indexed: &mut Indexed,
        tell: &(dyn Fn(Progress) + Sync),
    ) -> Result<Walked, IndexError> {
        let mut walked = Walked::default();
        let mut listed: BTreeSet<String> = BTreeSet::new();
        let mut waiting: Vec<Product> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.shop.list_products(after.as_deref()).await?;
            let is_end = page.is_empty();
            after = page.last().map(|product| product.id.clone());
            listed.extend(page.iter().map(|product| product.id.clone()));
            walked.terms.take(&page);
            waiting.extend(page);
            if is_end || waiting.len() >= WRITTEN_AT_ONCE {
                let products = std::mem::take(&mut waiting);
                self.write(&products, trust, indexed, &mut walked).await?;
                walked.listed = listed.len();
                tell(Progress::Listing {
                    products: walked.listed,
                });
            }
            if is_end {
                break;
            }
        }
        walked.removed = self.remove_others(&listed, indexed).await?;
        Ok(walked)
    }

    async fn write(
        &self,
        products: &[Product],
        trust: Trust,
        indexed: &mut Indexed,
        walked: &mut Walked,
    ) -> Result<(), IndexError> {
        let ids = products.iter().map(|product| document_id(&product.id));
        let known = self.search.known(&ids.collect::<Vec<_>>()).await?;
        let is_as_before = |product: &Product| {
            let before = indexed.0.get(&product.id);
            trust == Trust::Shop
                && product.updated_at.is_some()
                && before.is_some_and(|before| before.updated_at == product.updated_at)
                && known.contains_key(&document_id(&product.id))
        };
        let stale: Vec<Product> = products
            .iter()
            .filter(|product| !is_as_before(product))
            .cloned()
            .collect();
        let updated_at: BTreeMap<&str, Option<Timestamp>> = stale
            .iter()
            .map(|product| (product.id.as_str(), product.updated_at))
            .collect();
        let mut changed = Vec::new();
        let mut entries = Vec::new();
        for document in self.documents(&stale).await? {
            let Some(id) = product_id(&document.id).map(str::to_owned) else {
                continue;
            };
            let hash = known.get(&document.id);
            if hash != Some(&document.content_hash()) {
                walked.unread.push(id.clone());
            }
            let print = print(&document);
            // An index that was begun anew holds nothing, whatever is remembered.
            let before = indexed.0.get(&id);
            if hash.is_none() || before.is_none_or(|before| before.print != print) {
                changed.push(document);
            }
            let updated_at = updated_at.get(id.as_str()).copied().flatten();
            entries.push((id, Entry { print, updated_at }));
        }
        if !changed.is_empty() {
            walked.written += changed.len();
            self.search.upsert(changed).await?;
        }
        indexed.0.extend(entries);
        Ok(())
    }

    /// Removes what was indexed and is not `listed`, unless the shop still knows it: a product that moved to another page
    /// while the pages were read is on none of them.
    async fn remove_others(
        &self,
        listed: &BTreeSet<String>,
        indexed: &mut Indexed,
    ) -> Result<usize, IndexError> {
        let missing = indexed.0.keys().filter(|id| !listed.contains(*id));
        let missing: Vec<String> = missing.cloned().collect();
        let mut removed = 0;
        for ids in missing.chunks(READ_AT_ONCE) {
            let there = self.shop.find_products(ids).await?;
            let is_gone = |id: &&String| there.iter().all(|product| product.id != **id);
            let gone: Vec<&String> = ids.iter().filter(is_gone).collect();
            let documents: Vec<String> = gone.iter().map(|id| document_id(id)).collect();
            if documents.is_empty() {
                continue;
            }
            self.search.delete(&documents).await?;
            removed += gone.len();
            for id in gone {
                indexed.0.remove(id);
            }
        }
        Ok(removed)
    }

    /// Has the model read the products `unread`, so that they can be found by their meaning. What it read stays read,
    /// whatever ends this early.
    ///
    /// # Errors
    /// Shop, model or index did not answer.
    pub(crate) async fn read(
        &self,
        unread: &[String],
        tell: &(dyn Fn(Progress) + Sync),
    ) -> Result<(), IndexError> {
        let of = unread.len();
        for (place, ids) in unread.chunks(READ_AT_ONCE).enumerate() {
            let read = place * READ_AT_ONCE;
            tell(Progress::Reading { read, of });
            // As they are by now.
            let products = self.shop.find_products(ids).await?;
            let documents = self.documents(&products).await?;
            let documents = read_all(&*self.nlu, documents).await?;
            if !documents.is_empty() {
                self.search.upsert(documents).await?;
            }
        }
        if of > 0 {
            tell(Progress::Reading { read: of, of });
        }
        Ok(())
    }

    /// Products with what they cost and whether they can be had now.
    async fn documents(&self, products: &[Product]) -> Result<Vec<SearchDocument>, PortError> {
        let mut documents = Vec::with_capacity(products.len());
        for products in products.chunks(STOCK_AT_ONCE) {
            let variants = products.iter().flat_map(|product| &product.variants);
            let skus: Vec<Sku> = variants.map(|variant| variant.sku.clone()).collect();
            let stock = self.shop.stock(&skus).await?;
            let now = self.ambient.now();
            for product in products {
                let document = product_document(product, &stock, &self.language, now);
                match document.id.len() <= MAX_ID_BYTES {
                    true => documents.push(document),
                    false => {
                        let id: String = product.id.chars().take(80).collect();
                        tracing::warn!(
                            id,
                            MAX_ID_BYTES,
                            "a product's identifier is too long to be indexed"
                        );
                    }
                }
            }
        }
        // Of two with one identifier the last counts.
        let by_id: BTreeMap<String, SearchDocument> = documents
            .into_iter()
            .map(|document| (document.id.clone(), document))
            .collect();
        Ok(by_id.into_values().collect())
    }
}

/// Tells a document from another with the same identifier, price and stock included, whenever it was looked up.
fn print(document: &SearchDocument) -> u64 {
    let mut hasher = Sha256::new();
    let mut take = |text: &str| {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    };
    take(&document.language.to_string());
    take(&document.title);
    take(&document.body);
    take(document.brand.as_deref().unwrap_or_default());
    take(&format!("{:?} {}", document.price, document.in_stock));
    take(&document.source);
    for (name, values) in &document.attributes {
        take(name);
        take(&values.len().to_string());
        for value in values {
            take(value);
        }
    }
    let digest = hasher.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests;
