//! What the tests of this room share: a clock moved by hand, repeatable randomness, a job queue in memory, and a real
//! database: SQLite in a temporary folder and, where `DOORSTEP_TEST_POSTGRES_URL` names a server, a schema of its own
//! there.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use doorstep_core::{
    Ambient, ChannelName, Clock, CommerceEventId, CustomerId, Entropy, Health, Language, Money,
    ShopCustomerId, Sku, SourceName, Timestamp,
    channel::Capabilities,
    event::{CommerceEvent, CommerceEventKind},
    health::PortError,
    notification::Topic,
    order::{Order, OrderCustomer, OrderLine, OrderStatus},
    product::{Product, StockLevel},
    shipment::{Shipment, TrackingEvent, TrackingStatus},
    shop::{OrderLookup, Shop},
};
use sea_orm::DbErr;
use secrecy::SecretString;

use crate::{
    Store,
    enrich::Enricher,
    eta::EtaConfig,
    notify::{Notifier, NotifyConfig, rehearsal::Setting},
    queue::{Job, JobQueue, QueueName},
    store::{Database, DatabaseConfig, OrderRecord, Transaction},
};

/// A clock moved by hand.
pub(crate) struct TestClock(Mutex<Timestamp>);

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// SplitMix64: other bytes on every call, the same in every run.
#[derive(Default)]
pub(crate) struct TestEntropy(AtomicU64);

impl Entropy for TestEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes()[..chunk.len()]);
        }
    }
}

/// Remembers what was enqueued, so that a test can do it.
#[derive(Default)]
pub(crate) struct TestQueue {
    jobs: Mutex<Vec<Job>>,
}

impl TestQueue {
    /// What was enqueued since the last call, oldest first.
    pub(crate) fn take(&self) -> Vec<Job> {
        std::mem::take(&mut self.jobs.lock().unwrap())
    }
}

#[async_trait]
impl JobQueue for TestQueue {
    async fn enqueue(&self, _: &Transaction<'_>, jobs: &[Job]) -> Result<(), DbErr> {
        self.jobs.lock().unwrap().extend_from_slice(jobs);
        Ok(())
    }

    fn wake(&self) {}

    fn wake_one(&self, _: QueueName<'_>) {}
}

/// A store with everything a test moves by hand.
pub(crate) struct TestStore {
    pub(crate) store: Store,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) queue: Arc<TestQueue>,
    _folder: Option<tempfile::TempDir>,
}

/// A store on SQLite and, where a server is named, one on PostgreSQL: run every test on both.
pub(crate) async fn stores() -> Vec<TestStore> {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = DatabaseConfig::Sqlite {
        path: folder.path().join("doorstep.db"),
    };
    let mut stores = vec![open(sqlite, Some(folder)).await];
    match std::env::var("DOORSTEP_TEST_POSTGRES_URL") {
        Ok(url) => stores.push(open(postgres_schema(&url).await, None).await),
        Err(_) => {
            use std::io::Write;
            let _ = writeln!(
                std::io::stderr(),
                "skipped: PostgreSQL (DOORSTEP_TEST_POSTGRES_URL is not set)"
            );
        }
    }
    stores
}

/// A store on SQLite alone.
pub(crate) async fn sqlite_store() -> TestStore {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorstep.db");
    open(DatabaseConfig::Sqlite { path }, Some(folder)).await
}

/// A schema that no other test uses.
async fn postgres_schema(url: &str) -> DatabaseConfig {
    let pool = sqlx::PgPool::connect(url).await.unwrap();
    let name = "SELECT 'test_' || replace(gen_random_uuid()::text, '-', '')";
    let schema: String = sqlx::query_scalar(name).fetch_one(&pool).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}")))
        .execute(&pool)
        .await
        .unwrap();
    let separator = if url.contains('?') { '&' } else { '?' };
    DatabaseConfig::Postgres {
        url: SecretString::from(format!("{url}{separator}options=-csearch_path%3D{schema}")),
        connections: 5,
    }
}

async fn open(config: DatabaseConfig, folder: Option<tempfile::TempDir>) -> TestStore {
    let database = Database::open(&config).await.unwrap();
    database.migrate().await.unwrap();
    let clock = Arc::new(TestClock(Mutex::new(
        "2026-11-21T10:00:00Z".parse().unwrap(),
    )));
    let queue = Arc::new(TestQueue::default());
    let ambient = Ambient {
        clock: clock.clone(),
        entropy: Arc::new(TestEntropy(AtomicU64::new(1))),
    };
    let store = Store::new(database, queue.clone(), ambient).await.unwrap();
    TestStore {
        store,
        clock,
        queue,
        _folder: folder,
    }
}

/// An order of Ada, who reads English.
pub(crate) fn order(number: &str) -> Order {
    let price = Money::new(12900, iso_currency::Currency::EUR);
    Order {
        number: number.into(),
        shop_id: None,
        customer: OrderCustomer {
            id: Some("C-1".into()),
            name: Some("Ada Lovelace".to_owned()),
            marketing: None,
            email: Some("ada@example.org".to_owned()),
            language: Some(doorstep_core::Language::ENGLISH),
            time_zone: Some(chrono_tz::Europe::London),
        },
        placed_at: "2026-11-18T09:00:00Z".parse().unwrap(),
        status: OrderStatus::Shipped,
        lines: vec![OrderLine {
            sku: "JKT-1".into(),
            title: "Storm jacket".to_owned(),
            quantity: 1,
            price,
        }],
        total: price,
        postcode: Some("LS6 3HN".to_owned()),
        country: Some("GB".to_owned()),
        promised: None,
        shipments: Vec::new(),
    }
}

/// The same as the store keeps it, told by `test`.
pub(crate) fn order_record(number: &str) -> OrderRecord {
    OrderRecord {
        order: order(number),
        source: "test".into(),
        as_of: "2026-11-18T09:00:00Z".parse().unwrap(),
        customer: None,
    }
}

/// What a carrier tells of a parcel, at ten o'clock.
pub(crate) fn tracking(
    id: &str,
    order: Option<&str>,
    parcel: &str,
    status: TrackingStatus,
) -> CommerceEvent {
    let occurred_at = "2026-11-20T10:00:00Z".parse().unwrap();
    CommerceEvent {
        source: "test".into(),
        external_id: id.to_owned(),
        occurred_at,
        kind: CommerceEventKind::Tracking {
            order: order.map(Into::into),
            carrier: Some("DHL".to_owned()),
            tracking_number: Some(parcel.into()),
            event: TrackingEvent {
                status,
                occurred_at,
                message: None,
                location: None,
                estimated: None,
                parcel: Default::default(),
            },
        },
    }
}

/// The shop tells of an order of Ada's that it sends in these parcels.
pub(crate) fn sent_in(number: &str, parcels: &[&str]) -> CommerceEvent {
    let mut order = order(number);
    let shipments = parcels.iter().map(|parcel| Shipment {
        carrier: "DHL".to_owned(),
        tracking_number: (*parcel).into(),
        status: TrackingStatus::PreTransit,
        status_at: None,
        estimated: None,
    });
    order.shipments = shipments.collect();
    CommerceEvent {
        source: "test".into(),
        external_id: format!("sent {number}"),
        occurred_at: order.placed_at,
        kind: CommerceEventKind::OrderUpdated {
            order: Box::new(order),
        },
    }
}

/// The shop takes a parcel back, at noon.
pub(crate) fn taken_back(id: &str, order: &str, parcel: &str) -> CommerceEvent {
    CommerceEvent {
        source: "test".into(),
        external_id: id.to_owned(),
        occurred_at: "2026-11-20T12:00:00Z".parse().unwrap(),
        kind: CommerceEventKind::TakenBack {
            order: Some(order.into()),
            tracking_number: Some(parcel.into()),
        },
    }
}

/// A shop whose orders are all Ada's, and whose parcels are all of order 1001.
struct TestShop(SourceName);

#[async_trait]
impl Shop for TestShop {
    fn name(&self) -> &SourceName {
        &self.0
    }

    async fn find_order(&self, lookup: &OrderLookup) -> Result<Option<Order>, PortError> {
        Ok(Some(match lookup {
            OrderLookup::Number(number) => order(number.as_str()),
            OrderLookup::TrackingNumber(number) if number.as_str() == "T1" => order("1001"),
            OrderLookup::TrackingNumber(_) | OrderLookup::ShopId(_) => return Ok(None),
        }))
    }

    async fn list_orders(&self, _: &ShopCustomerId, _: usize) -> Result<Vec<Order>, PortError> {
        Ok(Vec::new())
    }

    async fn list_products(&self, _: Option<&str>) -> Result<Vec<Product>, PortError> {
        Ok(Vec::new())
    }

    async fn stock(&self, _: &[Sku]) -> Result<Vec<StockLevel>, PortError> {
        Ok(Vec::new())
    }

    async fn healthcheck(&self) -> Health {
        Health::Ok
    }
}

impl TestStore {
    pub(crate) fn enricher(&self) -> Enricher {
        let shop = Arc::new(TestShop("test".into()));
        Enricher::new(self.store.clone(), shop, Some("email".into()))
    }

    /// Decides by these rules, with a chat that is fetched from and mail that is sent.
    pub(crate) fn notifier(&self, rules: &str) -> Notifier {
        let setting = self.setting(rules);
        Notifier::new(
            self.store.clone(),
            setting.rules,
            setting.templates,
            setting.capabilities,
            setting.config,
        )
    }

    /// What [`Self::notifier`] decides by.
    pub(crate) fn setting(&self, rules: &str) -> Setting {
        let (rules, templates) = crate::notify::tests::words(rules);
        let capabilities = |mailbox| Capabilities {
            mailbox,
            buttons: false,
            cards: false,
            html: false,
            subject: true,
            idempotent: false,
            max_text: 10_000,
            ..Capabilities::default()
        };
        let channels: [(ChannelName, bool); 3] = [
            ("webchat".into(), true),
            ("email".into(), false),
            ("whatsapp".into(), false),
        ];
        let capabilities = channels.map(|(name, mailbox)| {
            let receipts = name.as_str() == "whatsapp";
            let capabilities = Capabilities {
                receipts,
                ..capabilities(mailbox)
            };
            (name, capabilities)
        });
        Setting {
            rules,
            templates,
            capabilities: capabilities.into(),
            config: NotifyConfig {
                shop_name: "Fernweh".to_owned(),
                default_language: Language::ENGLISH,
                time_zone: chrono_tz::UTC,
            },
            email: Some("email".into()),
            eta: EtaConfig::default(),
            pages: None,
        }
    }

    /// Admits an event and brings order and parcel up to date with it.
    pub(crate) async fn happen(&self, event: CommerceEvent) -> CommerceEventId {
        let source = event.source.clone();
        let admitted = self.store.admit_events(&source, b"{}", vec![event]).await;
        let id = admitted.unwrap()[0].id;
        self.enricher().enrich(id).await.unwrap();
        id
    }

    /// What all customers were told, oldest first: channel and words.
    pub(crate) async fn told(&self) -> Vec<(String, String)> {
        let sql = "SELECT c.channel, o.content FROM outbound_messages o JOIN conversations c ON c.id = o.conversation_id
            WHERE o.notification_id IS NOT NULL ORDER BY o.created_at, o.id";
        let rows = self.store.query(sql, []).await.unwrap();
        let told = rows.iter().map(|row| {
            let content: doorstep_core::message::Content = row.json("content").unwrap();
            (row.get("channel").unwrap(), content.text)
        });
        told.collect()
    }

    /// A customer says what they want to hear.
    pub(crate) async fn wish(
        &self,
        customer: CustomerId,
        topic: Topic,
        channel: &str,
        allowed: bool,
    ) {
        use sea_orm::{ConnectionTrait, Statement};
        let connection = &self.store.database().pool;
        let statement = Statement::from_sql_and_values(
            connection.get_database_backend(),
            "INSERT INTO preferences (customer_id, topic, channel, allowed, changed_at) VALUES ($1, $2, $3, $4, 0)",
            [
                customer.0.into(),
                topic.as_str().into(),
                channel.into(),
                allowed.into(),
            ],
        );
        connection.execute_raw(statement).await.unwrap();
    }
}

/// Has the news that an order is on its way decided: to the order's e-mail address.
pub(crate) async fn tell_shipped(test: &TestStore, id: &str, order: &str) {
    let event = tracking(id, Some(order), "T1", TrackingStatus::InTransit);
    let source = "test".into();
    let admitted = test.store.admit_events(&source, b"{}", vec![event]).await;
    let event = admitted.unwrap()[0].id;
    test.enricher().enrich(event).await.unwrap();
    let rules = "rules:\n  - {on: in_transit, template: shipped, channels: [email]}\n";
    test.notifier(rules).decide(event).await.unwrap();
}
