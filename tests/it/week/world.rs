//! The shop's surroundings, played by the test: a clock moved by hand, providers that can be away, bounce or die with us,
//! and the shop's own books. Between them stands the program itself: its HTTP surface, where the shop's and the carriers'
//! signed webhooks arrive, its store, its jobs, its rules and words.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use chrono::TimeDelta;
use doorstep::{
    app::App,
    cli::Role,
    config::{Config, ShopKind, Sources},
};
use doorstep_core::{
    Ambient, ChannelName, Clock, CommerceEventId, Entropy, Health, Language, OrderNumber,
    OutboundMessageId, ShopCustomerId, Sku, SourceName, Timestamp,
    channel::{
        Capabilities, Channel, Inbox, Receipt, ReceiptStatus, ReceiptUpdate, SendError,
        WebhookOutcome,
    },
    health::PortError,
    message::{Address, OutboundMessage},
    order::Order,
    product::{Product, StockLevel},
    shop::{OrderLookup, Shop},
    webhook::{WebhookRejection, WebhookRequest},
};
use doorstep_engine::{
    Store,
    attachments::{Attachments, AttachmentsConfig, Fetcher},
    delivery::{Delivery, DeliveryConfig},
    enrich::Enricher,
    eta::{EtaConfig, Forecasts},
    notify::{Notifier, NotifyConfig, Rules, rehearsal::Setting},
    store::DatabaseConfig,
    templates::Templates,
};
use doorstep_jobs::{ByHand, Parts, Queue, WorkersConfig};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::{chat::http, hooks::Hook, server::GENERIC_SECRET};

/// How often the program looks for what was left behind and for what nobody tells.
const SWEEP: TimeDelta = TimeDelta::hours(1);

/// A clock moved by hand.
pub(crate) struct HandClock(Mutex<Timestamp>);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// SplitMix64: the same bytes in every run.
struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes()[..chunk.len()]);
        }
    }
}

/// What a provider took.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) at: Timestamp,
    pub(crate) channel: ChannelName,
    pub(crate) to: String,
    pub(crate) message: OutboundMessageId,
}

/// A provider, and what its customers' devices do.
pub(crate) struct Provider {
    name: ChannelName,
    capabilities: Capabilities,
    clock: Arc<HandClock>,
    taken: Arc<Mutex<Vec<Taken>>>,
    pub(crate) away: AtomicBool,
    /// Addresses that are no more.
    pub(crate) gone: Mutex<BTreeSet<String>>,
    /// Addresses whose device is off: nothing is told to have arrived there.
    pub(crate) off: Mutex<BTreeSet<String>>,
    /// Takes the next message to this address and never answers: we die meanwhile.
    pub(crate) deadly: Mutex<Option<String>>,
    died: Arc<Notify>,
}

#[async_trait]
impl Channel for Provider {
    fn name(&self) -> &ChannelName {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn listen(&self, _: Arc<dyn Inbox>, _: tokio_util::sync::CancellationToken) {}

    async fn receive_webhook(
        &self,
        _: &WebhookRequest,
    ) -> Result<WebhookOutcome, WebhookRejection> {
        Err(WebhookRejection::NotHere)
    }

    async fn send(&self, to: &Address, message: &OutboundMessage) -> Result<Receipt, SendError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(SendError::Retry {
                after: None,
                reason: "connection refused".to_owned(),
            });
        }
        if self.gone.lock().unwrap().contains(&to.id) {
            return Err(SendError::Gone {
                reason: "no such customer".to_owned(),
            });
        }
        {
            let mut taken = self.taken.lock().unwrap();
            // Whoever knows messages by our identifier delivers each once.
            let known = taken.iter().any(|one| one.message == message.id);
            assert!(
                !known || self.capabilities.idempotent,
                "{to:?} got {message:?} twice"
            );
            if !known {
                taken.push(Taken {
                    at: self.clock.now(),
                    channel: self.name.clone(),
                    to: to.id.clone(),
                    message: message.id,
                });
            }
        }
        let deadly = self
            .deadly
            .lock()
            .unwrap()
            .take_if(|deadly| *deadly == to.id);
        if deadly.is_some() {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
        Ok(Receipt {
            provider_id: message.id.to_string(),
        })
    }

    async fn healthcheck(&self) -> Health {
        Health::Ok
    }
}

/// The shop's own books.
pub(crate) struct Books {
    name: SourceName,
    pub(crate) away: AtomicBool,
    pub(crate) orders: Mutex<BTreeMap<OrderNumber, Order>>,
}

#[async_trait]
impl Shop for Books {
    fn name(&self) -> &SourceName {
        &self.name
    }

    async fn find_order(&self, lookup: &OrderLookup) -> Result<Option<Order>, PortError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(PortError::new("shop:books", "connection refused"));
        }
        Ok(match lookup {
            OrderLookup::Number(number) => self.orders.lock().unwrap().get(number).cloned(),
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

/// All that outlives the program.
pub(crate) struct World {
    pub(crate) clock: Arc<HandClock>,
    ambient: Ambient,
    config: Config,
    http: reqwest::Client,
    pub(crate) email: Arc<Provider>,
    pub(crate) whatsapp: Arc<Provider>,
    pub(crate) books: Arc<Books>,
    pub(crate) taken: Arc<Mutex<Vec<Taken>>>,
    died: Arc<Notify>,
    rules: String,
    webhooks: u64,
    next_sweep: Timestamp,
    receipts_given: usize,
    program: Option<Program>,
    _folder: tempfile::TempDir,
}

/// The program in its process: what serves HTTP, and the workers' work, done by the hand clock.
struct Program {
    app: Arc<App>,
    address: SocketAddr,
    jobs: ByHand,
    /// What serves ends with the process.
    _stop: DropGuard,
}

impl World {
    /// An empty database, and the program started over it by these rules (`rules/default.yaml`).
    pub(crate) async fn open(database: DatabaseConfig, rules: &str, now: Timestamp) -> Self {
        let clock = Arc::new(HandClock(Mutex::new(now)));
        let ambient = Ambient {
            clock: clock.clone(),
            entropy: Arc::new(Seeded(AtomicU64::new(7))),
        };
        let taken = Arc::new(Mutex::new(Vec::new()));
        let died = Arc::new(Notify::new());
        let provider = |name: &str, capabilities: Capabilities| {
            Arc::new(Provider {
                name: name.into(),
                capabilities,
                clock: clock.clone(),
                taken: taken.clone(),
                away: AtomicBool::new(false),
                gone: Mutex::default(),
                off: Mutex::default(),
                deadly: Mutex::default(),
                died: died.clone(),
            })
        };
        let email = provider(
            "email",
            Capabilities {
                subject: true,
                html: true,
                idempotent: true,
                ..Capabilities::default()
            },
        );
        let whatsapp = provider(
            "whatsapp",
            Capabilities {
                receipts: true,
                ..Capabilities::default()
            },
        );
        let folder = tempfile::tempdir().unwrap();
        let mut world = Self {
            config: config(&database, folder.path()),
            _folder: folder,
            http: http(),
            clock,
            ambient,
            email,
            whatsapp,
            books: Arc::new(Books {
                name: "books".into(),
                away: AtomicBool::new(false),
                orders: Mutex::default(),
            }),
            taken,
            died,
            rules: rules.to_owned(),
            webhooks: 0,
            next_sweep: now,
            receipts_given: 0,
            program: None,
        };
        world.start().await;
        world
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.running().app.store
    }

    fn running(&self) -> &Program {
        self.program.as_ref().expect("the program runs")
    }

    /// What a rehearsal is given to play by these rules.
    pub(crate) fn setting(&self, rules: &str) -> Setting {
        let (rules, templates) = words(rules);
        Setting {
            rules,
            templates,
            capabilities: self.capabilities(),
            config: notify_config(),
            email: Some("email".into()),
            eta: EtaConfig {
                time_zone: notify_config().time_zone,
                ..EtaConfig::default()
            },
            pages: None,
        }
    }

    fn capabilities(&self) -> HashMap<ChannelName, Capabilities> {
        let webchat = Capabilities {
            mailbox: true,
            ..Capabilities::default()
        };
        [
            ("webchat".into(), webchat),
            ("email".into(), self.email.capabilities.clone()),
            ("whatsapp".into(), self.whatsapp.capabilities.clone()),
        ]
        .into()
    }

    /// Starts the program over whatever the last one left.
    async fn start(&mut self) {
        let (config, ambient) = (self.config.clone(), self.ambient.clone());
        let app = App::start(config, ambient, Role::Web, false).await;
        let app = app.unwrap_or_else(|error| panic!("{error}"));
        let listener = tokio::net::TcpListener::bind(self.config.http.listen);
        let listener = listener.await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(doorstep::serve(app.clone(), listener, stop.clone()));
        let store = app.store.clone();
        let setting = self.setting(&self.rules);
        let notifier = Notifier::new(
            store.clone(),
            setting.rules,
            setting.templates,
            setting.capabilities,
            setting.config,
        );
        let channels: Vec<Arc<dyn Channel>> = vec![self.email.clone(), self.whatsapp.clone()];
        let storage = AttachmentsConfig {
            url: String::new(),
            max_bytes: 1,
        };
        let attachments = Attachments::open(&storage, &std::env::temp_dir()).unwrap();
        let parts = Parts {
            store: store.clone(),
            queue: Queue::new(self.ambient.clone()),
            enricher: Arc::new(Enricher::new(
                store.clone(),
                self.books.clone(),
                Some("email".into()),
            )),
            notifier: Arc::new(notifier),
            fetcher: Arc::new(Fetcher::new(store.clone(), attachments, channels.clone())),
            delivery: Arc::new(Delivery::new(
                store.clone(),
                channels,
                DeliveryConfig::default(),
            )),
            forecasts: Arc::new(Forecasts::new(store.clone(), EtaConfig::default())),
            pollers: Vec::new(),
            inbound: None,
            config: WorkersConfig::default(),
        };
        let jobs = ByHand::new(&parts).unwrap();
        jobs.begin().await;
        self.program = Some(Program {
            app,
            address,
            jobs,
            _stop: stop.drop_guard(),
        });
    }

    /// Lets time go on until `end`, and everything happen that is due meanwhile, each at its time. If the program dies, all
    /// that it held in memory is gone, and another one starts.
    pub(crate) async fn until(&mut self, end: Timestamp) {
        loop {
            let died = self.died.clone();
            let dead = tokio::select! {
                () = died.notified() => true,
                () = self.work_until(end) => false,
            };
            if !dead {
                return;
            }
            self.program = None;
            self.start().await;
        }
    }

    async fn work_until(&mut self, end: Timestamp) {
        loop {
            self.work().await;
            let next = self.running().jobs.next_due().await.unwrap();
            let next = next.unwrap_or(end).min(self.next_sweep).min(end);
            if next > self.now() {
                *self.clock.0.lock().unwrap() = next;
            }
            if self.now() >= self.next_sweep {
                self.next_sweep += SWEEP;
                self.running().jobs.sweep().await.unwrap();
            } else if next >= end {
                self.work().await;
                return;
            }
        }
    }

    /// Does what is due, and has devices tell what arrived.
    async fn work(&mut self) {
        loop {
            self.running().jobs.run_due().await.unwrap();
            let new: Vec<Taken> = {
                let taken = self.taken.lock().unwrap();
                taken[self.receipts_given..].to_vec()
            };
            if new.is_empty() {
                return;
            }
            self.receipts_given += new.len();
            for one in new {
                let off = self.whatsapp.off.lock().unwrap().contains(&one.to);
                if one.channel != *self.whatsapp.name() || off {
                    continue;
                }
                let receipt = ReceiptUpdate {
                    provider_id: Some(one.message.to_string()),
                    message: None,
                    status: ReceiptStatus::Delivered,
                    at: one.at,
                };
                let settled = self.store().settle_by_receipt(&one.channel, &receipt);
                settled.await.unwrap();
            }
        }
    }

    /// A signed webhook of the shop or a carrier, sent to the program: the first event in it.
    pub(crate) async fn webhook(&mut self, body: &Value) -> CommerceEventId {
        self.webhooks += 1;
        let (id, now) = (format!("hook-{}", self.webhooks), self.now());
        let hook = Hook::generic_at(&id, now, body.to_string().as_bytes());
        let url = format!(
            "http://{}/webhooks/commerce/generic",
            self.running().address
        );
        let request = self.http.post(url).headers(hook.headers).body(hook.body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
        let after = now + TimeDelta::milliseconds(1);
        let admitted = self.store().events_between(now, after).await.unwrap();
        let mut admitted = admitted.into_iter();
        let first = admitted.find(|past| past.event.external_id == id);
        first.expect("it was admitted").id
    }
}

/// The program's configuration. Its own shop is away: nobody asks it here, and there is no catalog to index.
fn config(database: &DatabaseConfig, folder: &Path) -> Config {
    let mut flags = vec![
        ("http.listen", "127.0.0.1:0".to_owned()),
        ("nlu.backend", "tract".to_owned()),
        ("nlu.threads", "1".to_owned()),
        ("shop.kind", "woocommerce".to_owned()),
        ("shop.woocommerce.url", "https://127.0.0.1:9".to_owned()),
        ("shop.woocommerce.consumer_key", "nobody".to_owned()),
        ("shop.woocommerce.consumer_secret", "nobody".to_owned()),
        ("commerce.generic.secret", GENERIC_SECRET.to_owned()),
    ];
    let data_dir = match database {
        DatabaseConfig::Sqlite { path } => path.parent().unwrap(),
        DatabaseConfig::Postgres { url, .. } => {
            flags.push(("database.kind", "postgres".to_owned()));
            flags.push(("database.url", url.expose_secret().to_owned()));
            folder
        }
    };
    flags.push(("data_dir", data_dir.display().to_string()));
    let flags = flags.into_iter();
    let sources = Sources {
        file: None,
        flags: flags.map(|(key, value)| (key.to_owned(), value)).collect(),
        environment: false,
    };
    Config::load(&sources).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn notify_config() -> NotifyConfig {
    NotifyConfig {
        shop_name: "Fernweh".to_owned(),
        default_language: Language::ENGLISH,
        time_zone: chrono_tz::Europe::London,
    }
}

/// The words we ship, and these rules.
fn words(rules: &str) -> (Rules, Arc<Templates>) {
    let mut files = doorstep::assets::merchant_files(None, ShopKind::Demo).unwrap();
    files
        .files
        .insert("rules/default.yaml".to_owned(), rules.to_owned());
    let templates = Templates::load(&files, &Language::ENGLISH).unwrap();
    let channels = ["webchat".into(), "email".into(), "whatsapp".into()];
    let rules = Notifier::load_rules(&files, &templates, &channels);
    let rules = rules.unwrap_or_else(|problems| panic!("{problems:#?}"));
    (rules, Arc::new(templates))
}

/// A database in a folder.
pub(crate) fn sqlite(folder: &Path) -> DatabaseConfig {
    DatabaseConfig::Sqlite {
        path: folder.join("doorstep.db"),
    }
}
