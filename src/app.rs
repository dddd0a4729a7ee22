//! Composition: the only place that sees all rooms and puts them together.

mod health;

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use doorstep_channels::Channels;
use doorstep_commerce::SourceConfig;
use doorstep_core::{
    Ambient, ChannelName, Problem,
    channel::{Capabilities, Inbox},
    message::Address,
    nlu::Nlu,
    search::SearchIndex,
    shop::{EventSource, Shop},
};
use doorstep_engine::{
    Store, StoreError,
    attachments::{Attachments, AttachmentsConfig, Fetcher},
    delivery::Delivery,
    enrich::Enricher,
    eta::Forecasts,
    imported::WithImported,
    inbound::Inbound,
    link::LinkKey,
    notify::Notifier,
    page_token::PageKey,
    poll::Poller,
    router::{Router, RouterParts},
};
use doorstep_jobs::{Parts, Workers, learn_eta};
use doorstep_nlu::LocalNlu;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use crate::opening::{open_database, start_nlu, start_nlu_with};
use crate::{
    catalog::Progress,
    cli::Role,
    config::{Config, SearchKind, ShopKind},
    demo::{Demo, Watched},
    http::{ApiError, Html},
    knowledge::Knowledge,
    limit::{PageLimits, WebhookLimits},
    merchant::MerchantFiles,
    opening::{
        Beside, IndexHome, OpenedIndex, delivery_config, email_channel, eta_config, notify_config,
        open_channels, open_index, open_phrasing, open_pollers, open_shop, open_sources,
        open_store, page_key, page_links, shop_profile, start_nlu_of, told_shop, with_kept_secrets,
        workers_config,
    },
    reload::{Files, Reloader, Seen},
    turns,
};

/// How often a search server is looked at.
const SEARCH_LOOK: Duration = Duration::from_secs(5);

/// A running program: what HTTP handlers and commands speak with.
pub struct App {
    /// Its configuration.
    pub config: Config,
    /// Clock and randomness.
    pub ambient: Ambient,
    /// Which part of the work it does.
    pub(crate) role: Role,
    /// What is durable.
    pub store: Store,
    /// Opened channels.
    pub channels: Channels,
    /// Sources of commerce events by name.
    pub sources: BTreeMap<String, Arc<dyn EventSource>>,
    /// The shop's records.
    pub shop: Arc<dyn Shop>,
    /// Catalog and knowledge.
    pub search: Arc<dyn SearchIndex>,
    /// The model.
    pub nlu: LocalNlu,
    /// Where messages are admitted.
    pub inbox: Arc<dyn Inbox>,
    /// What the demo page plays with; `None` outside the demo.
    pub demo: Option<Demo>,
    /// Cancelled when the program is to end.
    pub stop: CancellationToken,
    /// How far the index is.
    pub indexed: watch::Receiver<Progress>,
    /// Expected days.
    pub forecasts: Arc<Forecasts>,
    /// Opens customers' pages.
    pub page_key: PageKey,
    pub(crate) html: Html,
    pub(crate) page_limits: PageLimits,
    inbound: Inbound,
    workers: Option<Workers>,
    /// Where the index and what is remembered of it lie.
    pub(crate) index_home: IndexHome,
    /// What keeps the index in step.
    pub(crate) indexing: TaskTracker,
    /// Ask carriers for parcels, where workers run.
    pollers: Vec<Arc<Poller>>,
    limits: WebhookLimits,
    /// How far the merchant's files are in effect.
    files: watch::Receiver<Files>,
    source_configs: BTreeMap<String, SourceConfig>,
}

/// The program could not be started; the sentence says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The merchant's files do not hold together.
    #[error("the configuration has {} problem(s):\n{}", .0.len(), list(.0))]
    Problems(Vec<Problem>),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Anything else, with its part.
    #[error("{part} did not start: {reason}")]
    Part {
        /// `nlu`, `search`, …
        part: &'static str,
        /// What it said.
        reason: String,
    },
}

fn list(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

pub(crate) fn part<E: std::fmt::Display>(part: &'static str) -> impl FnOnce(E) -> StartError {
    move |error| StartError::Part {
        part,
        reason: error.to_string(),
    }
}

/// Starts the workers of a role that does jobs; an instance without any follows what the others learn.
async fn start_workers(
    role: Role,
    parts: Parts,
    stop: CancellationToken,
) -> Result<Option<Workers>, StartError> {
    match role {
        Role::Web => {
            tokio::spawn(learn_eta::follow(parts.forecasts, stop));
            Ok(None)
        }
        Role::All | Role::Worker => {
            let workers = Workers::start(parts, stop).await;
            workers.map(Some).map_err(part("the workers"))
        }
    }
}

impl App {
    /// Opens everything and starts its work for `role`. Conversations and jobs that a crash left behind are taken up.
    /// Channels receive once it is [served](crate::serve).
    ///
    /// # Errors
    /// What could not be started, and why.
    pub async fn start(
        config: Config,
        ambient: Ambient,
        role: Role,
        demo: bool,
    ) -> Result<Arc<Self>, StartError> {
        Self::open(config, ambient, role, demo, Beside::Nobody).await
    }

    /// Opens everything for a command that asks and answers in this process, and may run beside a server over the same data:
    /// it does no jobs, and has an index of its own where the server holds the kept one.
    ///
    /// # Errors
    /// As [`App::start`].
    pub(crate) async fn start_for_command(
        config: Config,
        ambient: Ambient,
    ) -> Result<Arc<Self>, StartError> {
        Self::open(config, ambient, Role::Web, false, Beside::Server).await
    }

    async fn open(
        config: Config,
        ambient: Ambient,
        role: Role,
        demo: bool,
        beside: Beside,
    ) -> Result<Arc<Self>, StartError> {
        crate::observe::start_metrics();
        // Before anything speaks TLS. Whoever installed one before, keeps it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = with_kept_secrets(config, &ambient)?;
        // Before they are read: what changes meanwhile is seen.
        let seen = match &config.files_dir {
            Some(folder) => Seen::look(folder).await,
            None => Seen::default(),
        };
        let merchant = MerchantFiles::load(&config).map_err(StartError::Problems)?;
        let nlu = tokio::task::spawn_blocking({
            let config = config.clone();
            move || turns::with_long(|| start_nlu_of(&config))
        });
        let (store, queue) = open_store(&config, &ambient).await?;
        let nlu = nlu.await.map_err(part("nlu"))?.map_err(part("nlu"))?;
        let OpenedIndex {
            search,
            engines,
            home,
        } = open_index(&config, &nlu, beside).await?;
        engines.use_synonyms(merchant.synonyms.clone());
        let (shop, demo_shop) = match config.shop.kind {
            ShopKind::Webhooks => (told_shop(&store), None),
            _ => open_shop(&config, &ambient)?,
        };
        let shop: Arc<dyn Shop> = Arc::new(WithImported::new(shop, store.clone()));

        let knowledge = Knowledge::new(
            search.clone(),
            nlu.clone(),
            home.path(),
            &merchant.files,
            ambient.now(),
        );
        let knowledge = Arc::new(knowledge.map_err(StartError::Problems)?);
        let lesson = merchant.lesson();
        let templates = Arc::new(merchant.templates);
        let forecasts = Arc::new(Forecasts::new(store.clone(), eta_config(&config)));
        let router = Arc::new(Router::new(RouterParts {
            nlu: Arc::new(nlu.clone()),
            shop: shop.clone(),
            search: search.clone(),
            flows: Arc::new(merchant.flows),
            templates: templates.clone(),
            shop_profile: shop_profile(&config),
            margin: nlu.metadata().threshold.margin,
            ambient: ambient.clone(),
            facts: forecasts.clone(),
            tries: Arc::new(store.clone()),
            phrasing: open_phrasing(&config, &store)?,
        }));
        let links = LinkKey::new(config.links.secret.clone());
        let attachments = Attachments::open(
            &AttachmentsConfig {
                url: config.attachments.url.clone(),
                max_bytes: config.attachments.max_bytes,
            },
            &config.data_dir.join("attachments"),
        )
        .map_err(part("the storage of attachments"))?;
        let inbound = Inbound::new(store.clone(), router.clone(), links, attachments.clone());
        let inbox: Arc<dyn Inbox> = Arc::new(inbound.clone());
        let mut channels = open_channels(&config, &store, &inbox)?;
        let mails = watch::Sender::new(0);
        if demo {
            for channel in channels.all.values_mut() {
                *channel = Arc::new(Watched::new(channel.clone(), mails.clone()));
            }
        }
        let (sources, source_configs) = open_sources(&config)?;
        let enricher = Arc::new(Enricher::new(
            store.clone(),
            shop.clone(),
            email_channel(&config),
        ));
        let pollers = open_pollers(&config, &source_configs, &store, &enricher)?;
        let stop = CancellationToken::new();
        let capabilities: HashMap<ChannelName, Capabilities> = channels
            .all
            .iter()
            .map(|(name, channel)| (name.clone(), channel.capabilities().clone()))
            .collect();
        inbound.open_channels(capabilities.clone());
        let notifier = Arc::new(
            Notifier::new(
                store.clone(),
                merchant.rules,
                templates.clone(),
                capabilities,
                notify_config(&config),
            )
            .with_forecasts(forecasts.clone())
            .with_pages(page_links(&config)),
        );
        let parts = Parts {
            store: store.clone(),
            queue,
            enricher,
            notifier: notifier.clone(),
            delivery: Arc::new(Delivery::new(
                store.clone(),
                channels.all.values().cloned(),
                delivery_config(&config),
            )),
            fetcher: Arc::new(Fetcher::new(
                store.clone(),
                attachments,
                channels.all.values().cloned(),
            )),
            forecasts: forecasts.clone(),
            pollers: pollers.clone(),
            inbound: Some(inbound.clone()),
            config: workers_config(&config),
        };
        let workers = start_workers(role, parts, stop.child_token()).await?;
        let reloader = Reloader {
            config: config.clone(),
            nlu: nlu.clone(),
            router,
            knowledge: knowledge.clone(),
            engines,
            notifier,
            ambient: ambient.clone(),
        };
        let files = reloader.start(lesson, seen, stop.child_token());
        let (progress, indexed) = watch::channel(Progress::Listing { products: 0 });
        let app = Arc::new(Self {
            indexed,
            files,
            limits: WebhookLimits::new(&config.http),
            demo: demo_shop
                .filter(|_| demo)
                .map(|shop| Demo::new(shop, mails)),
            page_key: page_key(&config),
            config,
            ambient,
            role,
            store,
            forecasts,
            html: Html::new().map_err(part("the customers' pages"))?,
            page_limits: PageLimits::default(),
            channels,
            sources,
            source_configs,
            shop,
            search,
            nlu,
            inbox,
            inbound,
            workers,
            index_home: home,
            indexing: TaskTracker::new(),
            pollers,
            stop,
        });
        crate::catalog::keep_indexed(&app, knowledge, progress);
        app.watch_search();
        Ok(app)
    }

    /// Looks whether a search server that went away is back.
    fn watch_search(&self) {
        if self.config.search.kind == SearchKind::Embedded {
            return;
        }
        let (search, stop) = (self.search.clone(), self.stop.child_token());
        tokio::spawn(async move {
            let mut looks = tokio::time::interval(SEARCH_LOOK);
            while stop.run_until_cancelled(looks.tick()).await.is_some() {
                search.healthcheck().await;
            }
        });
    }

    /// Lets channels with connections of their own receive. Only what serves does, and no worker: what a customer wrote is
    /// read once.
    pub(crate) fn listen_on_channels(&self) {
        if !self.role.receives() {
            return;
        }
        for channel in self.channels.all.values() {
            let (channel, inbox, stop) =
                (channel.clone(), self.inbox.clone(), self.stop.child_token());
            tokio::spawn(async move { channel.listen(inbox, stop).await });
        }
    }

    /// Ends: no new work is begun, what runs is finished, what waits stays in the store.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        self.inbound.shut_down().await;
        self.indexing.close();
        self.indexing.wait().await;
        if let Some(workers) = &self.workers {
            workers.finished().await;
        }
    }

    /// Waits until the merchant's own intents are learnt, or cannot be.
    pub async fn taught(&self) {
        let mut files = self.files.clone();
        // An error says that nothing will be learnt any more.
        let _ = files.wait_for(|files| *files != Files::Learning).await;
    }

    /// Numbers that are read rather than counted.
    pub async fn refresh_gauges(&self) {
        if let Ok(documents) = self.search.count().await {
            metrics::gauge!("doorstep_documents").set(documents as f64);
        }
        if let Ok(open) = self.store.count_open_handoffs().await {
            metrics::gauge!("doorstep_handoffs_open").set(open as f64);
        }
        metrics::gauge!("doorstep_nlu_queue_depth").set(self.nlu.queue_depth() as f64);
    }

    /// Takes one of the webhooks that a source may send now.
    ///
    /// # Errors
    /// 429: it sends too many.
    pub fn take_webhook_token(&self, source: &str) -> Result<(), ApiError> {
        self.limits.take(source).map_err(|retry_after| {
            crate::http::count_rejected_webhook(source, "rate_limited");
            ApiError::rate_limited(
                "too many webhooks from this source; deliver this one again later",
                retry_after,
            )
        })
    }

    /// Lets an address visit a customer's page.
    ///
    /// # Errors
    /// 429: it visits too many.
    pub(crate) fn take_page_visit(&self, ip: IpAddr) -> Result<(), ApiError> {
        let taken = self.page_limits.visit(ip, self.ambient.now());
        taken.map_err(|retry_after| {
            ApiError::rate_limited("too many pages in a minute; wait a little", retry_after)
        })
    }

    /// Lets an address ask for suggestions.
    ///
    /// # Errors
    /// 429: it asks too often.
    pub(crate) fn take_suggestion(&self, ip: IpAddr) -> Result<(), ApiError> {
        let taken = self.page_limits.suggest(ip, self.ambient.now());
        taken.map_err(|retry_after| {
            ApiError::rate_limited(
                "too many suggestions in a minute; wait a little",
                retry_after,
            )
        })
    }

    /// Where the customer of an address can go on with the conversation: a link for each other channel that has one. All
    /// carry the same token, so the first that is used counts.
    ///
    /// # Errors
    /// The token could not be stored.
    pub async fn make_links(
        &self,
        address: &Address,
    ) -> Result<Vec<(ChannelName, String)>, StoreError> {
        let token = self.inbound.make_link(address).await?;
        let others = self.channels.all.iter();
        Ok(others
            .filter(|(name, _)| **name != address.channel)
            .filter_map(|(name, channel)| Some((name.clone(), channel.deep_link(&token)?)))
            .collect())
    }

    /// A source as configured, with its secret: to sign as its sender would.
    pub fn source_config(&self, name: &str) -> Option<&SourceConfig> {
        self.source_configs.get(name)
    }
}
