//! Scripted ports: what the shop, the index and the carriers know.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use chrono::{NaiveDate, TimeDelta};
use chrono_tz::Tz;
use doorstep_core::{
    Clock, Entropy, Health, Language, Money, OrderNumber, ShopCustomerId, Sku, SourceName,
    Timestamp,
    health::PortError,
    order::{DateWindow, Order, OrderCustomer, OrderLine, OrderStatus},
    product::{Product, StockLevel, Variant},
    search::{
        DocumentKind, Facets, SearchAnswer, SearchDocument, SearchFilters, SearchHit, SearchIndex,
        SearchQuery,
    },
    shipment::{Shipment, TrackingStatus},
    shop::{OrderLookup, Shop},
};
use iso_currency::Currency;

use super::fake_nlu::FakeNlu;
use crate::{
    eta::{self, Eta, EtaConfig},
    router::ParcelNews,
    second_factor::{COOL_DOWN, MAX_WRONG_TRIES, Tries, Try},
    store::OrderRecord,
};

/// Noon in Madrid, a Saturday.
pub(super) const NOW: &str = "2026-11-21T11:00:00Z";

pub(super) struct FakeClock(Mutex<Timestamp>);

impl FakeClock {
    pub(super) fn new() -> Self {
        Self(Mutex::new(NOW.parse().unwrap()))
    }

    pub(super) fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

pub(super) struct NoEntropy;

impl Entropy for NoEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// A shop of a few orders and products.
pub(super) struct FakeShop {
    name: SourceName,
    pub(super) down: AtomicBool,
    pub(super) order_look_ups: AtomicUsize,
    pub(super) orders: Mutex<Vec<Order>>,
    pub(super) stock: Mutex<HashMap<Sku, u32>>,
}

impl FakeShop {
    pub(super) fn new() -> Self {
        let stock = [
            ("JKT-S", 0),
            ("JKT-M", 2),
            ("JKT-L", 8),
            ("TENT", 5),
            ("SCF-PINE", 4),
            ("SCF-SLATE", 0),
        ];
        Self {
            name: "demo".into(),
            down: AtomicBool::new(false),
            order_look_ups: AtomicUsize::new(0),
            orders: Mutex::new(vec![marta(), emily()]),
            stock: Mutex::new(stock.map(|(sku, count)| (sku.into(), count)).into()),
        }
    }

    fn reach(&self) -> Result<(), PortError> {
        if self.down.load(Ordering::Relaxed) {
            return Err(PortError::new("shop:demo", "timed out"));
        }
        Ok(())
    }
}

/// Order 10234 of Marta in Madrid: in transit with Correos, expected on Monday.
pub(super) fn marta() -> Order {
    let day = |day| NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
    Order {
        number: "10234".into(),
        shop_id: None,
        customer: OrderCustomer {
            id: Some("C-1004".into()),
            name: Some("Marta Ruiz".into()),
            marketing: None,
            email: Some("marta.ruiz@example.com".into()),
            language: Some("es".parse().unwrap()),
            time_zone: Some(chrono_tz::Europe::Madrid),
        },
        placed_at: "2026-11-18T09:00:00Z".parse().unwrap(),
        status: OrderStatus::Shipped,
        lines: vec![OrderLine {
            sku: "JKT-M".into(),
            title: "Kolmar Rain Jacket".into(),
            quantity: 1,
            price: Money::new(12990, Currency::EUR),
        }],
        total: Money::new(12990, Currency::EUR),
        postcode: Some("28012".into()),
        country: Some("ES".into()),
        promised: Some(DateWindow {
            from: day(23),
            to: day(24),
        }),
        shipments: vec![Shipment {
            carrier: "Correos".into(),
            tracking_number: "PQ43A1".into(),
            status: TrackingStatus::InTransit,
            status_at: Some("2026-11-20T08:00:00Z".parse().unwrap()),
            estimated: Some(DateWindow {
                from: day(23),
                to: day(23),
            }),
        }],
    }
}

/// Order 10235 of Emily in Leeds: being packed.
pub(super) fn emily() -> Order {
    Order {
        number: "10235".into(),
        shop_id: None,
        customer: OrderCustomer {
            id: Some("C-1001".into()),
            name: Some("Emily Carter".into()),
            marketing: None,
            email: Some("emily.carter@example.com".into()),
            language: Some("en-GB".parse().unwrap()),
            time_zone: Some(chrono_tz::Europe::London),
        },
        status: OrderStatus::Processing,
        postcode: Some("LS6 3HN".into()),
        shipments: Vec::new(),
        promised: None,
        ..marta()
    }
}

#[async_trait]
impl Shop for FakeShop {
    fn name(&self) -> &SourceName {
        &self.name
    }

    async fn find_order(&self, lookup: &OrderLookup) -> Result<Option<Order>, PortError> {
        self.order_look_ups.fetch_add(1, Ordering::Relaxed);
        self.reach()?;
        let orders = self.orders.lock().unwrap();
        let found = orders.iter().find(|order| match lookup {
            OrderLookup::Number(number) => order.number == *number,
            OrderLookup::ShopId(_) => false,
            OrderLookup::TrackingNumber(number) => order
                .shipments
                .iter()
                .any(|parcel| parcel.tracking_number == *number),
        });
        Ok(found.cloned())
    }

    async fn list_orders(
        &self,
        customer: &ShopCustomerId,
        limit: usize,
    ) -> Result<Vec<Order>, PortError> {
        self.reach()?;
        let orders = self.orders.lock().unwrap();
        let own = orders
            .iter()
            .filter(|order| order.customer.id.as_ref() == Some(customer));
        Ok(own.take(limit).cloned().collect())
    }

    async fn list_products(&self, after: Option<&str>) -> Result<Vec<Product>, PortError> {
        self.reach()?;
        Ok(if after.is_none() {
            products()
        } else {
            Vec::new()
        })
    }

    async fn stock(&self, skus: &[Sku]) -> Result<Vec<StockLevel>, PortError> {
        self.reach()?;
        let stock = self.stock.lock().unwrap();
        let level = |sku: &Sku| {
            Some(StockLevel {
                sku: sku.clone(),
                price: Money::new(12990, Currency::EUR),
                quantity: *stock.get(sku)?,
                as_of: NOW.parse().unwrap(),
            })
        };
        Ok(skus.iter().filter_map(level).collect())
    }

    async fn healthcheck(&self) -> Health {
        Health::Ok
    }
}

pub(super) fn products() -> Vec<Product> {
    let variant = |sku: &str, size: Option<&str>| Variant {
        sku: sku.into(),
        size: size.map(str::to_owned),
        colour: None,
    };
    let coloured = |sku: &str, colour: &str| Variant {
        colour: Some(colour.to_owned()),
        ..variant(sku, None)
    };
    let product = |id: &str, title: &str, description: &str, variants| Product {
        id: id.into(),
        title: title.into(),
        description: description.into(),
        brand: Some("Sturmfels".into()),
        category: None,
        attributes: Default::default(),
        url: Some(format!("/#{id}")),
        image: None,
        variants,
        updated_at: None,
    };
    vec![
        product(
            "JKT-101",
            "Kolmar Rain Jacket",
            "Waterproof to 15,000 mm.",
            vec![
                variant("JKT-S", Some("S")),
                variant("JKT-M", Some("M")),
                variant("JKT-L", Some("L")),
            ],
        ),
        Product {
            category: Some("tents".into()),
            ..product(
                "TENT-1",
                "Lumen Tent",
                "For two.",
                vec![variant("TENT", None)],
            )
        },
        product(
            "SCF-1",
            "Ridge Scarf",
            "Seamless.",
            vec![coloured("SCF-PINE", "pine"), coloured("SCF-SLATE", "slate")],
        ),
    ]
}

/// Finds products by any word of their title, and the passages it was given by language.
#[derive(Default)]
pub(super) struct FakeIndex {
    pub(super) down: AtomicBool,
    pub(super) passages: Mutex<Vec<(Language, SearchHit)>>,
    /// What it counts.
    pub(super) facets: Mutex<Facets>,
    /// What it was asked for.
    pub(super) asked: Mutex<Vec<SearchQuery>>,
    /// By which documents others were asked for, and what these had to fulfil.
    pub(super) alike: Mutex<Vec<(String, SearchFilters)>>,
}

#[async_trait]
impl SearchIndex for FakeIndex {
    async fn search(&self, query: &SearchQuery) -> Result<SearchAnswer, PortError> {
        if self.down.load(Ordering::Relaxed) {
            return Err(PortError::new("search", "locked"));
        }
        self.asked.lock().unwrap().push(query.clone());
        let mut hits = match query.kind {
            DocumentKind::Product => product_hits(&query.text),
            DocumentKind::Passage => {
                let passages = self.passages.lock().unwrap();
                let spoken = |language: &Language| {
                    query
                        .language
                        .as_ref()
                        .is_none_or(|wanted| wanted.matches(language))
                };
                passages
                    .iter()
                    .filter(|(language, _)| spoken(language))
                    .map(|(_, hit)| hit.clone())
                    .collect()
            }
        };
        hits.truncate(query.limit);
        let counts = !query.facets.is_empty();
        let facets = counts.then(|| self.facets.lock().unwrap().clone());
        Ok(SearchAnswer { hits, facets })
    }

    async fn similar(
        &self,
        id: &str,
        filters: &SearchFilters,
        _limit: usize,
    ) -> Result<Vec<SearchHit>, PortError> {
        let asked = (id.to_owned(), filters.clone());
        self.alike.lock().unwrap().push(asked);
        let mut hits: Vec<SearchHit> = products().into_iter().map(hit).collect();
        hits.retain(|hit| hit.id != id);
        Ok(hits)
    }

    async fn upsert(&self, _documents: Vec<SearchDocument>) -> Result<(), PortError> {
        Ok(())
    }

    async fn delete(&self, _ids: &[String]) -> Result<(), PortError> {
        Ok(())
    }

    async fn count(&self) -> Result<u64, PortError> {
        Ok(0)
    }

    async fn healthcheck(&self) -> Health {
        Health::Ok
    }
}

fn product_hits(text: &str) -> Vec<SearchHit> {
    let text = text.to_lowercase();
    products()
        .into_iter()
        .filter(|product| {
            let title = product.title.to_lowercase();
            title.split(' ').any(|word| text.contains(word))
        })
        .map(hit)
        .collect()
}

fn hit(product: Product) -> SearchHit {
    SearchHit {
        id: format!("product:{}", product.id),
        language: Language::ENGLISH,
        title: product.title,
        body: product.description,
        source: String::new(),
        score: 1.0,
        similarity: Some(0.6),
        word_share: 0.5,
    }
}

/// What carriers told us of parcels.
pub(super) struct FakeNews {
    pub(super) clock: Arc<FakeClock>,
    pub(super) down: AtomicBool,
    pub(super) parcels: Mutex<Vec<Shipment>>,
    /// What was learnt of every parcel; else carrier and shop are asked.
    pub(super) learned: Mutex<Option<Eta>>,
}

impl FakeNews {
    pub(super) fn new(clock: Arc<FakeClock>) -> Self {
        Self {
            clock,
            down: AtomicBool::default(),
            parcels: Mutex::default(),
            learned: Mutex::default(),
        }
    }
}

#[async_trait]
impl ParcelNews for FakeNews {
    async fn shipments_of(&self, _order: &OrderNumber) -> Result<Vec<Shipment>, PortError> {
        if self.down.load(Ordering::Relaxed) {
            return Err(PortError::new("store", "busy"));
        }
        Ok(self.parcels.lock().unwrap().clone())
    }

    async fn expected(
        &self,
        order: &Order,
        parcel: Option<&Shipment>,
        time_zone: Tz,
    ) -> Result<Option<Eta>, PortError> {
        let record = OrderRecord {
            order: order.clone(),
            source: "fake".into(),
            as_of: self.clock.now(),
            customer: None,
        };
        let today = self.clock.now().with_timezone(&time_zone).date_naive();
        let trust = EtaConfig::default().trust;
        let mut told = eta::told(Some(&record), parcel, today);
        told.learned = self.learned.lock().unwrap().clone();
        Ok(told.most_trusted(&trust).cloned())
    }
}

/// All doubles, as a test turns their knobs.
pub(super) struct Ports {
    pub(super) clock: Arc<FakeClock>,
    pub(super) nlu: Arc<FakeNlu>,
    pub(super) shop: Arc<FakeShop>,
    pub(super) index: Arc<FakeIndex>,
    pub(super) news: Arc<FakeNews>,
    pub(super) tries: Arc<FakeTries>,
}

/// Counts second factors in memory.
pub(super) struct FakeTries {
    clock: Arc<FakeClock>,
    /// How many were tried for an order, and when first.
    made: Mutex<HashMap<String, (u32, Timestamp)>>,
}

impl FakeTries {
    pub(super) fn new(clock: Arc<FakeClock>) -> Self {
        Self {
            clock,
            made: Mutex::default(),
        }
    }
}

#[async_trait]
impl Tries for FakeTries {
    async fn begin_try(&self, order: &str) -> Result<Try, PortError> {
        let now = self.clock.now();
        let mut made = self.made.lock().unwrap();
        let entry = made.entry(order.to_owned()).or_insert((0, now));
        if now >= entry.1 + COOL_DOWN {
            *entry = (0, now);
        }
        entry.0 += 1;
        Ok(match entry.0.cmp(&MAX_WRONG_TRIES) {
            std::cmp::Ordering::Less => Try::Allowed,
            std::cmp::Ordering::Equal => Try::Last,
            std::cmp::Ordering::Greater => Try::Refused,
        })
    }

    async fn forget_tries(&self, order: &str) -> Result<(), PortError> {
        self.made.lock().unwrap().remove(order);
        Ok(())
    }
}
