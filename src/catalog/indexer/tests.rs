use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use doorstep_core::{
    Clock, Entropy, Health, Money, ShopCustomerId, SourceName, Timestamp,
    nlu::{NluContext, NluError},
    order::Order,
    product::{StockLevel, Variant},
    search::{DocumentKind, SearchFilters, SearchQuery, SearchSort},
    shop::OrderLookup,
    understanding::{Backend, Understanding},
};
use doorstep_search::EmbeddedIndex;
use iso_currency::Currency;
use tempfile::TempDir;

use super::*;

/// Products a page of the shop holds.
const PAGE: usize = 2;

/// A shop whose catalog a test edits.
#[derive(Default)]
struct Shelf {
    products: Mutex<Vec<Product>>,
    prices: Mutex<BTreeMap<String, i64>>,
    /// After so many more questions for a page it is away.
    pages_left: Mutex<Option<usize>>,
    /// Left out of the lists, as a product that moves from page to page.
    moving: Mutex<Option<String>>,
    most_at_once: AtomicUsize,
    /// Units whose stock was asked for.
    asked: AtomicUsize,
}

fn product(id: &str, title: &str, description: &str) -> Product {
    Product {
        id: id.to_owned(),
        title: title.to_owned(),
        description: description.to_owned(),
        brand: None,
        category: None,
        attributes: BTreeMap::new(),
        url: None,
        image: None,
        variants: vec![Variant {
            sku: id.into(),
            size: None,
            colour: None,
        }],
        updated_at: None,
    }
}

fn gone() -> PortError {
    PortError::new("shop:shelf", "it is away")
}

#[async_trait]
impl Shop for Shelf {
    fn name(&self) -> &SourceName {
        unreachable!("nobody asks")
    }

    async fn find_order(&self, _: &OrderLookup) -> Result<Option<Order>, PortError> {
        Ok(None)
    }

    async fn list_orders(&self, _: &ShopCustomerId, _: usize) -> Result<Vec<Order>, PortError> {
        Ok(Vec::new())
    }

    async fn list_products(&self, after: Option<&str>) -> Result<Vec<Product>, PortError> {
        if let Some(left) = &mut *self.pages_left.lock().unwrap() {
            *left = left.checked_sub(1).ok_or_else(gone)?;
        }
        let moving = self.moving.lock().unwrap().clone();
        let products = self.products.lock().unwrap();
        let listed = products
            .iter()
            .filter(|product| Some(&product.id) != moving.as_ref());
        let rest = listed.skip_while(|product| after.is_some_and(|after| product.id != after));
        let skipped = usize::from(after.is_some());
        Ok(rest.skip(skipped).take(PAGE).cloned().collect())
    }

    async fn find_products(&self, ids: &[String]) -> Result<Vec<Product>, PortError> {
        let products = self.products.lock().unwrap();
        let found = products.iter().filter(|product| ids.contains(&product.id));
        Ok(found.cloned().collect())
    }

    async fn stock(&self, skus: &[Sku]) -> Result<Vec<StockLevel>, PortError> {
        self.most_at_once.fetch_max(skus.len(), Ordering::Relaxed);
        self.asked.fetch_add(skus.len(), Ordering::Relaxed);
        let prices = self.prices.lock().unwrap();
        let level = |sku: &Sku| StockLevel {
            sku: sku.clone(),
            price: Money::new(*prices.get(sku.as_str()).unwrap_or(&1000), Currency::EUR),
            quantity: 1,
            as_of: Timestamp::UNIX_EPOCH,
        };
        Ok(skus.iter().map(level).collect())
    }

    async fn healthcheck(&self) -> Health {
        Health::Ok
    }
}

/// Remembers what it read.
#[derive(Default)]
struct Reader(Mutex<Vec<String>>);

#[async_trait]
impl Nlu for Reader {
    async fn understand(&self, _: &str, _: &NluContext) -> Result<Understanding, NluError> {
        Err(NluError::Overloaded { waiting: 0 })
    }

    fn understand_by_rules(&self, _: &str, _: &NluContext) -> Understanding {
        unreachable!("nobody asks")
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, NluError> {
        self.0.lock().unwrap().extend_from_slice(texts);
        Ok(texts.iter().map(|_| vec![1.0, 0.0]).collect())
    }

    fn backend(&self) -> Backend {
        Backend::Tract
    }

    fn queue_depth(&self) -> usize {
        0
    }
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

impl Entropy for Still {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

struct World {
    shelf: Arc<Shelf>,
    reader: Arc<Reader>,
    index: EmbeddedIndex,
    indexer: Indexer,
    told: Mutex<Vec<Progress>>,
    _folder: TempDir,
}

impl World {
    fn with(products: Vec<Product>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Arc::new(Shelf::default());
        *shelf.products.lock().unwrap() = products;
        let reader = Arc::new(Reader::default());
        let index = EmbeddedIndex::in_memory().unwrap();
        let indexer = Indexer {
            shop: shelf.clone(),
            search: Arc::new(index.clone()),
            nlu: reader.clone(),
            ambient: Ambient {
                clock: Arc::new(Still),
                entropy: Arc::new(Still),
            },
            language: "en".parse().unwrap(),
            list: folder.path().join("indexed"),
        };
        Self {
            shelf,
            reader,
            index,
            indexer,
            told: Mutex::default(),
            _folder: folder,
        }
    }

    /// One walk and what comes of it; tells how many were written, how many the model read, and how many were removed.
    async fn pass(&self) -> Result<(usize, usize, usize), IndexError> {
        self.pass_with(Trust::Nobody).await
    }

    async fn pass_with(&self, trust: Trust) -> Result<(usize, usize, usize), IndexError> {
        let tell = |progress: Progress| self.told.lock().unwrap().push(progress);
        let walked = self.indexer.walk(trust, &tell).await?;
        self.indexer.read(&walked.unread, &tell).await?;
        let read = std::mem::take(&mut *self.reader.0.lock().unwrap());
        Ok((walked.written, read.len(), walked.removed))
    }

    fn edit(&self, edit: impl FnOnce(&mut Vec<Product>)) {
        edit(&mut self.shelf.products.lock().unwrap());
    }

    async fn found(&self, filters: SearchFilters) -> Vec<String> {
        let query = SearchQuery {
            text: String::new(),
            vector: None,
            kind: DocumentKind::Product,
            language: None,
            filters: SearchFilters {
                min_price: Some(0),
                ..filters
            },
            sort: SearchSort::PriceAscending,
            facets: Vec::new(),
            limit: 100,
        };
        let mut ids: Vec<String> = self
            .index
            .search(&query)
            .await
            .unwrap()
            .hits
            .into_iter()
            .filter_map(|hit| product_id(&hit.id).map(str::to_owned))
            .collect();
        ids.sort();
        ids
    }
}

fn five() -> Vec<Product> {
    ["a", "b", "c", "d", "e"]
        .map(|id| product(id, &format!("Mug {id}"), "Of clay."))
        .into()
}

#[tokio::test]
async fn a_pass_writes_what_changed_and_the_model_reads_what_reads_differently() {
    let world = World::with(five());
    assert_eq!(world.pass().await.unwrap(), (5, 5, 0));
    assert_eq!(world.pass().await.unwrap(), (0, 0, 0), "nothing changed");

    // Another title is on the card, a brand and a price are not.
    world.edit(|products| products[0].title = "Cup a".to_owned());
    world.edit(|products| products[1].brand = Some("Tonware".to_owned()));
    world.shelf.prices.lock().unwrap().insert("c".to_owned(), 1);
    world.edit(|products| products.push(product("f", "Bowl", "")));
    assert_eq!(world.pass().await.unwrap(), (4, 2, 0));
    let cheap = SearchFilters {
        max_price: Some(5),
        ..SearchFilters::default()
    };
    assert_eq!(world.found(cheap).await, ["c"]);
    let branded = SearchFilters {
        brand: Some("tonware".to_owned()),
        ..SearchFilters::default()
    };
    assert_eq!(world.found(branded).await, ["b"]);

    // What follows the first 200 bytes of a text is found by its words and not read again.
    let long = "A mug of clay, glazed twice. ".repeat(10);
    world.edit(|products| products[3].description = long.clone());
    assert_eq!(world.pass().await.unwrap(), (1, 1, 0));
    world.edit(|products| products[3].description = format!("{long} Dishwasher."));
    assert_eq!(world.pass().await.unwrap(), (1, 0, 0));
}

#[tokio::test]
async fn of_what_the_shop_did_not_change_nothing_is_asked_until_everything_is_compared() {
    let changed_at = |day: &str| format!("2026-11-{day}T00:00:00Z").parse().ok();
    let mut products = five();
    for product in &mut products {
        product.updated_at = changed_at("20");
    }
    let world = World::with(products);
    assert_eq!(world.pass().await.unwrap(), (5, 5, 0));
    world.shelf.asked.store(0, Ordering::Relaxed);
    world.edit(|products| products[0].title = "Cup a".to_owned());
    world.edit(|products| products[1].title = "Cup b".to_owned());
    world.edit(|products| products[1].updated_at = changed_at("21"));
    assert_eq!(world.pass_with(Trust::Shop).await.unwrap(), (1, 1, 0));
    let asked = world.shelf.asked.load(Ordering::Relaxed);
    assert_eq!(
        asked, 2,
        "`b` alone, before it was written and before it was read"
    );
    assert_eq!(world.pass_with(Trust::Shop).await.unwrap(), (0, 0, 0));
    // What the shop kept to itself is found when nobody is trusted.
    assert_eq!(world.pass().await.unwrap(), (1, 1, 0));
}

#[tokio::test]
async fn what_the_shop_no_longer_has_is_removed() {
    let world = World::with(five());
    world.pass().await.unwrap();
    world.edit(|products| drop(products.remove(1)));
    assert_eq!(world.pass().await.unwrap(), (0, 0, 1));
    assert_eq!(
        world.found(SearchFilters::default()).await,
        ["a", "c", "d", "e"]
    );
}

#[tokio::test]
async fn a_listing_that_is_not_whole_removes_nothing() {
    let world = World::with(five());
    world.pass().await.unwrap();
    world.edit(|products| drop(products.remove(4)));
    // The second page does not come.
    *world.shelf.pages_left.lock().unwrap() = Some(1);
    world.pass().await.unwrap_err();
    assert_eq!(world.found(SearchFilters::default()).await.len(), 5);
    *world.shelf.pages_left.lock().unwrap() = None;
    // A product that is on no page though the shop has it.
    *world.shelf.moving.lock().unwrap() = Some("b".to_owned());
    assert_eq!(world.pass().await.unwrap(), (0, 0, 1));
    assert_eq!(
        world.found(SearchFilters::default()).await,
        ["a", "b", "c", "d"]
    );
}

#[tokio::test]
async fn a_pass_goes_on_where_the_one_before_it_ended() {
    let world = World::with(five());
    // The shop goes away before anything was read: what was written is there, and read the next time.
    let tell = |_: Progress| {};
    let walked = world.indexer.walk(Trust::Nobody, &tell).await.unwrap();
    assert_eq!((walked.written, walked.unread.len()), (5, 5));
    assert_eq!(world.found(SearchFilters::default()).await.len(), 5);
    assert_eq!(world.pass().await.unwrap(), (5, 5, 0));
    assert_eq!(world.pass().await.unwrap(), (0, 0, 0));
}

#[tokio::test]
async fn an_index_that_was_begun_anew_is_filled_whatever_is_remembered() {
    let mut world = World::with(five());
    world.pass().await.unwrap();
    let index = EmbeddedIndex::in_memory().unwrap();
    world.indexer.search = Arc::new(index.clone());
    world.index = index;
    assert_eq!(world.pass().await.unwrap(), (5, 5, 0));
}

#[tokio::test]
async fn a_large_catalog_is_taken_in_parts_and_tells_how_far_it_is() {
    let many = (0..2_500).map(|id| product(&format!("{id:05}"), &format!("Mug {id}"), ""));
    let world = World::with(many.collect());
    assert_eq!(world.pass().await.unwrap(), (2_500, 2_500, 0));
    assert!(world.shelf.most_at_once.load(Ordering::Relaxed) <= STOCK_AT_ONCE);
    let told = world.told.lock().unwrap();
    let products = |products| Progress::Listing { products };
    assert_eq!(
        told[..3],
        [products(1_000), products(2_000), products(2_500)]
    );
    let of = 2_500;
    assert_eq!(told[3], Progress::Reading { read: 0, of });
    assert_eq!(told[4], Progress::Reading { read: 256, of });
    assert_eq!(told.last(), Some(&Progress::Reading { read: of, of }));
}

#[tokio::test]
async fn an_identifier_that_no_index_takes_holds_up_no_other() {
    let mut products = five();
    products[2].id = "x".repeat(600);
    let world = World::with(products);
    assert_eq!(world.pass().await.unwrap(), (4, 4, 0));
}
