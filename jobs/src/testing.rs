//! A whole outbound road on a real database, with a shop and a mail provider that tests play.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::TimeDelta;
use doorstep_core::{
    Ambient, ChannelName, Clock, ConfigFiles, Entropy, Health, Language, Money, OrderNumber,
    ShopCustomerId, Sku, SourceName, Timestamp,
    channel::{Capabilities, Channel, Inbox, Mailbox, Receipt, SendError, WebhookOutcome},
    customer::Proof,
    event::{CommerceEvent, CommerceEventKind},
    health::PortError,
    message::{Address, MailboxEntry, OutboundMessage},
    order::{Order, OrderCustomer, OrderLine, OrderStatus},
    product::{Product, StockLevel},
    shipment::{TrackingEvent, TrackingStatus},
    shop::{OrderLookup, Shop},
    webhook::{WebhookRejection, WebhookRequest},
};
use doorstep_engine::{
    Store,
    attachments::{Attachments, AttachmentsConfig, Fetcher},
    delivery::{Delivery, DeliveryConfig},
    enrich::Enricher,
    eta::{EtaConfig, Forecasts},
    notify::{Notifier, NotifyConfig},
    store::{Database, DatabaseConfig, EventAdmission},
    templates::Templates,
};
use secrecy::SecretString;
use sqlx::Row;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Parts, Queue, Workers, WorkersConfig, schema::Tables};

/// apalis reads the system's clock, so these tests do too.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "apalis reads the system's clock")]
    fn now(&self) -> Timestamp {
        chrono::Utc::now()
    }
}

/// SplitMix64: other bytes on every call.
struct TestEntropy(AtomicU64);

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

/// Two instances must not draw the same identifiers.
static SEED: AtomicU64 = AtomicU64::new(1);

pub(crate) fn ambient() -> Ambient {
    let seed = SEED.fetch_add(0x1000_0000_0000_0001, Ordering::Relaxed);
    Ambient {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(TestEntropy(AtomicU64::new(seed))),
    }
}

/// A shop whose orders all are Ada's.
#[derive(Default)]
pub(crate) struct TestShop {
    pub(crate) down: AtomicBool,
    /// Questions are not answered while it does.
    pub(crate) hangs: watch::Sender<bool>,
    asked: watch::Sender<usize>,
}

#[async_trait]
impl Shop for TestShop {
    fn name(&self) -> &SourceName {
        static NAME: std::sync::LazyLock<SourceName> = std::sync::LazyLock::new(|| "test".into());
        &NAME
    }

    async fn find_order(&self, lookup: &OrderLookup) -> Result<Option<Order>, PortError> {
        self.asked.send_modify(|asked| *asked += 1);
        if self.down.load(Ordering::SeqCst) {
            return Err(PortError::new("shop:test", "down"));
        }
        let mut hangs = self.hangs.subscribe();
        hangs.wait_for(|hangs| !hangs).await.unwrap();
        Ok(match lookup {
            OrderLookup::Number(number) => Some(order(number.clone())),
            OrderLookup::ShopId(_) | OrderLookup::TrackingNumber(_) => None,
        })
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

impl TestShop {
    pub(crate) fn times_asked(&self) -> usize {
        *self.asked.borrow()
    }

    /// Waits until it was asked at least `times`.
    pub(crate) async fn asked(&self, times: usize) {
        let mut asked = self.asked.subscribe();
        within(asked.wait_for(|asked| *asked >= times))
            .await
            .unwrap();
    }
}

fn order(number: OrderNumber) -> Order {
    let price = Money::new(12900, iso_currency::Currency::EUR);
    Order {
        shop_id: None,
        customer: OrderCustomer {
            id: Some("C-1".into()),
            name: Some("Ada Lovelace".to_owned()),
            marketing: None,
            email: Some("ada@example.org".to_owned()),
            language: Some(Language::ENGLISH),
            time_zone: None,
        },
        number,
        placed_at: Timestamp::UNIX_EPOCH,
        status: OrderStatus::Shipped,
        lines: vec![OrderLine {
            sku: "JKT-1".into(),
            title: "Storm jacket".to_owned(),
            quantity: 1,
            price,
        }],
        total: price,
        postcode: None,
        country: None,
        promised: None,
        shipments: Vec::new(),
    }
}

/// A channel that keeps what it sends.
pub(crate) struct TestChannel {
    name: ChannelName,
    capabilities: Capabilities,
    /// How many sends were begun.
    begun: watch::Sender<usize>,
    sent: watch::Sender<Vec<String>>,
    /// Sends go through while it is open.
    pub(crate) open: watch::Sender<bool>,
    /// What the next sends answer instead of a receipt.
    pub(crate) answers: Mutex<Vec<SendError>>,
}

impl TestChannel {
    pub(crate) fn new(name: &str, mailbox: bool) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            capabilities: Capabilities {
                mailbox,
                buttons: false,
                cards: false,
                html: false,
                subject: true,
                idempotent: false,
                max_text: 10_000,
                ..Capabilities::default()
            },
            begun: watch::Sender::default(),
            sent: watch::Sender::default(),
            open: watch::Sender::new(true),
            answers: Mutex::default(),
        })
    }

    /// Waits until at least `count` messages were sent; returns all.
    pub(crate) async fn sent(&self, count: usize) -> Vec<String> {
        let mut sent = self.sent.subscribe();
        let sent = within(sent.wait_for(|sent| sent.len() >= count)).await;
        sent.unwrap().clone()
    }

    /// Waits until at least `count` sends were begun.
    pub(crate) async fn begun(&self, count: usize) {
        let mut begun = self.begun.subscribe();
        within(begun.wait_for(|begun| *begun >= count))
            .await
            .unwrap();
    }

    pub(crate) fn sent_now(&self) -> Vec<String> {
        self.sent.borrow().clone()
    }
}

#[async_trait]
impl Channel for TestChannel {
    fn name(&self) -> &ChannelName {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn listen(&self, _: Arc<dyn Inbox>, _: CancellationToken) {}

    async fn receive_webhook(
        &self,
        _: &WebhookRequest,
    ) -> Result<WebhookOutcome, WebhookRejection> {
        Err(WebhookRejection::NotHere)
    }

    async fn send(&self, _: &Address, message: &OutboundMessage) -> Result<Receipt, SendError> {
        self.begun.send_modify(|begun| *begun += 1);
        let mut open = self.open.subscribe();
        open.wait_for(|open| *open).await.unwrap();
        if let Some(answer) = self.answers.lock().unwrap().pop() {
            return Err(answer);
        }
        let text = message.content.text.clone();
        self.sent.send_modify(|sent| sent.push(text));
        Ok(Receipt {
            provider_id: message.id.to_string(),
        })
    }

    async fn healthcheck(&self) -> Health {
        Health::Ok
    }
}

/// The road, ready to run.
pub(crate) struct Road {
    pub(crate) store: Store,
    pub(crate) queue: Queue,
    pub(crate) shop: Arc<TestShop>,
    pub(crate) mail: Arc<TestChannel>,
    pub(crate) tables: Tables,
    pub(crate) config: WorkersConfig,
    database: DatabaseConfig,
    _folder: Option<Arc<tempfile::TempDir>>,
}

/// A road on SQLite and, where a server is named, one on PostgreSQL: run every test on both.
pub(crate) async fn roads() -> Vec<Road> {
    let mut roads = vec![sqlite_road().await];
    roads.extend(postgres_road().await);
    roads
}

pub(crate) async fn sqlite_road() -> Road {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorstep.db");
    Road::open(DatabaseConfig::Sqlite { path }, Some(Arc::new(folder))).await
}

/// A road on a new database of the server that `DOORSTEP_TEST_POSTGRES_URL` names; a visible skip without it.
pub(crate) async fn postgres_road() -> Option<Road> {
    let Ok(url) = std::env::var("DOORSTEP_TEST_POSTGRES_URL") else {
        use std::io::Write;
        let skipped = "skipped: PostgreSQL (DOORSTEP_TEST_POSTGRES_URL is not set)";
        let _ = writeln!(std::io::stderr(), "{skipped}");
        return None;
    };
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    let name = "SELECT 'test_' || replace(gen_random_uuid()::text, '-', '')";
    let name: String = sqlx::query_scalar(name).fetch_one(&pool).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&pool)
        .await
        .unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    let config = DatabaseConfig::Postgres {
        url: SecretString::from(format!("{server}/{name}")),
        connections: 8,
    };
    Some(Road::open(config, None).await)
}

impl Road {
    async fn open(config: DatabaseConfig, folder: Option<Arc<tempfile::TempDir>>) -> Self {
        let database = Database::open(&config).await.unwrap();
        database.migrate().await.unwrap();
        Queue::migrate(&database).await.unwrap();
        let ambient = ambient();
        let queue = Queue::new(ambient.clone());
        let tables = Tables::of(&database).unwrap();
        let store = Store::new(database, Arc::new(queue.clone()), ambient)
            .await
            .unwrap();
        Self {
            store,
            queue,
            shop: Arc::default(),
            mail: TestChannel::new("email", false),
            tables,
            config: WorkersConfig {
                lease: Duration::from_secs(2),
                ..WorkersConfig::default()
            },
            database: config,
            _folder: folder,
        }
    }

    /// Another instance on the same PostgreSQL database, with the same shop and mail provider.
    pub(crate) async fn another(&self) -> Self {
        let mut other = Self::open(self.database.clone(), None).await;
        other.shop = Arc::clone(&self.shop);
        other.mail = Arc::clone(&self.mail);
        other
    }

    pub(crate) async fn start(&self) -> (Workers, CancellationToken) {
        let stop = CancellationToken::new();
        let workers = Workers::start(self.parts(), stop.clone()).await.unwrap();
        (workers, stop)
    }

    pub(crate) fn parts(&self) -> Parts {
        let (rules, templates) = words();
        let chat = TestChannel::new("webchat", true);
        let channels: Vec<Arc<dyn Channel>> = vec![self.mail.clone(), chat];
        let capabilities: HashMap<_, _> = channels
            .iter()
            .map(|channel| (channel.name().clone(), channel.capabilities().clone()))
            .collect();
        let config = NotifyConfig {
            shop_name: "Fernweh".to_owned(),
            default_language: Language::ENGLISH,
            time_zone: chrono_tz::UTC,
        };
        let notifier = Notifier::new(self.store.clone(), rules, templates, capabilities, config);
        let enricher = Enricher::new(self.store.clone(), self.shop.clone(), Some("email".into()));
        let delivery = DeliveryConfig {
            first_pause: Duration::from_millis(1),
            ..DeliveryConfig::default()
        };
        let storage = AttachmentsConfig {
            url: String::new(),
            max_bytes: 1 << 20,
        };
        let attachments = Attachments::open(&storage, &std::env::temp_dir()).unwrap();
        let fetcher = Fetcher::new(self.store.clone(), attachments, channels.clone());
        Parts {
            fetcher: Arc::new(fetcher),
            store: self.store.clone(),
            queue: self.queue.clone(),
            enricher: Arc::new(enricher),
            notifier: Arc::new(notifier),
            delivery: Arc::new(Delivery::new(self.store.clone(), channels, delivery)),
            forecasts: Arc::new(Forecasts::new(self.store.clone(), EtaConfig::default())),
            pollers: Vec::new(),
            inbound: None,
            config: self.config.clone(),
        }
    }

    /// Admits that an order's parcel was somewhere so many hours ago, as the shop's webhook `id` tells.
    pub(crate) async fn tell(
        &self,
        id: &str,
        order: &str,
        status: TrackingStatus,
        hours_ago: i64,
    ) -> EventAdmission {
        let event = tracking(id, order, status, hours_ago);
        let source = "test".into();
        let admitted = self.store.admit_events(&source, b"{}", vec![event]).await;
        admitted.unwrap()[0]
    }

    /// Admits an order as the shop tells it, whole.
    pub(crate) async fn tell_order(&self, id: &str, number: &str) {
        let event = CommerceEvent {
            source: "test".into(),
            external_id: id.to_owned(),
            occurred_at: Timestamp::UNIX_EPOCH,
            kind: CommerceEventKind::OrderUpdated {
                order: Box::new(order(number.into())),
            },
        };
        let source = "test".into();
        let admitted = self.store.admit_events(&source, b"{}", vec![event]).await;
        admitted.unwrap();
    }

    /// Ada opens the chat.
    pub(crate) async fn open_chat(&self) -> Address {
        let visitor = Address::new("webchat", "visitor-1");
        let ada = Proof {
            customer: Some("C-1".into()),
            email: None,
            name: None,
        };
        self.store.prove(&visitor, &ada, None).await.unwrap();
        visitor
    }

    pub(crate) async fn chat(&self, address: &Address) -> Vec<MailboxEntry> {
        self.store.entries_after(address, 0, 100).await.unwrap()
    }

    /// How many jobs stand in a status.
    pub(crate) async fn count(&self, status: &str) -> i64 {
        match &self.tables {
            Tables::Sqlite(writer) => {
                let sql = "SELECT COUNT(*) FROM Jobs WHERE status = $1";
                let row = sqlx::query(sql).bind(status).fetch_one(writer).await;
                row.unwrap().get(0)
            }
            Tables::Postgres(pool) => {
                let sql = "SELECT COUNT(*) FROM apalis.jobs WHERE status = $1";
                let row = sqlx::query(sql).bind(status).fetch_one(pool).await;
                row.unwrap().get(0)
            }
        }
    }

    /// What the one job there is ended with.
    pub(crate) async fn result(&self) -> String {
        match &self.tables {
            Tables::Sqlite(writer) => {
                let sql = "SELECT last_result FROM Jobs";
                sqlx::query_scalar(sql).fetch_one(writer).await.unwrap()
            }
            Tables::Postgres(pool) => {
                let sql = "SELECT last_result::text FROM apalis.jobs";
                sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
            }
        }
    }

    /// Runs a statement on the queue's tables.
    pub(crate) async fn meddle(&self, sqlite: &'static str, postgres: &'static str) {
        match &self.tables {
            Tables::Sqlite(writer) => {
                sqlx::query(sqlite).execute(writer).await.unwrap();
            }
            Tables::Postgres(pool) => {
                sqlx::query(postgres).execute(pool).await.unwrap();
            }
        }
    }
}

fn words() -> (doorstep_engine::notify::Rules, Arc<Templates>) {
    let files = ConfigFiles::new([
        (
            "rules/test.yaml",
            "rules:
  - {on: in_transit, template: shipped, channels: [webchat, email]}
  - {on: delivered, template: delivered, channels: [webchat, email]}
",
        ),
        ("replies/en.yaml", "today: today\ntomorrow: tomorrow\n"),
        (
            "templates/shipped.en.md",
            "---\nsubject: On its way\n---\n{{ order.number }} is on its way\n",
        ),
        (
            "templates/delivered.en.md",
            "---\nsubject: There\n---\n{{ order.number }} is there\n",
        ),
    ]);
    let templates = Templates::load(&files, &Language::ENGLISH).unwrap();
    let channels = ["webchat".into(), "email".into()];
    let rules = Notifier::load_rules(&files, &templates, &channels).unwrap();
    (rules, Arc::new(templates))
}

/// Fails a test that waits in vain.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("it happens within 30 s")
}

/// What the shop's webhook tells of an order's parcel, of so many hours ago.
pub(crate) fn tracking(
    id: &str,
    order: &str,
    status: TrackingStatus,
    hours_ago: i64,
) -> CommerceEvent {
    let occurred_at = SystemClock.now() - TimeDelta::hours(hours_ago);
    CommerceEvent {
        source: "test".into(),
        external_id: id.to_owned(),
        occurred_at,
        kind: CommerceEventKind::Tracking {
            order: Some(order.into()),
            carrier: Some("DHL".to_owned()),
            tracking_number: Some(format!("T{order}").as_str().into()),
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
