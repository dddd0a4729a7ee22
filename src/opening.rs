//! Opening what a running program is made of (database, models, index, shop, sources of events, carriers that are asked), and
//! what the configuration tells each of them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use doorstep_channels::{Channels, Surroundings};
use doorstep_commerce::{SourceConfig, lookup, registry::ShopSettings};
use doorstep_core::{
    Ambient, ChannelName, Language, SourceName,
    channel::Inbox,
    message::Address,
    search::SearchIndex,
    shop::{EventSource, Shop},
};
use doorstep_engine::{
    Store, StoreError,
    delivery::DeliveryConfig,
    enrich::Enricher,
    eta::EtaConfig,
    notify::NotifyConfig,
    page_token::{PageKey, PageLinks},
    phrasing::{Budget, ModelPrice, Phrasing, PhrasingConfig},
    poll::Poller,
    router::ShopProfile,
    store::{Database, DatabaseConfig},
    told::ToldShop,
};
use doorstep_jobs::{Queue, WorkersConfig};
use doorstep_nlu::{
    BackendChoice, ChatCompletions, ChatCompletionsConfig, LocalNlu, Model, NluConfig,
    NluStartError,
};
use doorstep_search::{
    EmbeddedIndex, MeilisearchConfig, MeilisearchIndex, OpenError, Standby, Synonyms,
};
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;

use crate::{
    app::{StartError, part},
    assets,
    config::{
        Config, DatabaseKind, ModelPriceSection, NluBackend, NluSection, SearchKind, SecretStore,
        ShopKind,
    },
};

/// Opens the store, with the schema of today, and the queue whose jobs ride its transactions.
pub(crate) async fn open_store(
    config: &Config,
    ambient: &Ambient,
) -> Result<(Store, Queue), StartError> {
    let database = open_database(config).await?;
    database.migrate().await?;
    let migrated = Queue::migrate(&database).await;
    migrated.map_err(part("the job queue"))?;
    let queue = Queue::new(ambient.clone());
    let store = Store::new(database, Arc::new(queue.clone()), ambient.clone()).await?;
    Ok((store, queue))
}

/// Opens the configured channels; what customers write there is handed to `inbox`.
pub(crate) fn open_channels(
    config: &Config,
    store: &Store,
    inbox: &Arc<dyn Inbox>,
) -> Result<Channels, StartError> {
    let surroundings = Surroundings {
        inbox: inbox.clone(),
        mailbox: Arc::new(store.clone()),
        ambient: store.ambient().clone(),
        data_dir: config.data_dir.clone(),
        accent: config.shop.accent(),
    };
    doorstep_channels::open(config.channels.clone(), &surroundings).map_err(part("channels"))
}

/// The catalog's and the knowledge's index.
pub(crate) struct OpenedIndex {
    /// What searches.
    pub(crate) search: Arc<dyn SearchIndex>,
    /// What reads synonyms.
    pub(crate) engines: Engines,
    /// Where it lies.
    pub(crate) home: IndexHome,
}

/// Whether something else may run over the same data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    /// Nothing: a second one is refused.
    Nobody,
    /// A server, which holds the kept index.
    Server,
}

/// Where the embedded index lies, and what is remembered of what is in it.
pub(crate) enum IndexHome {
    /// In the data directory.
    Kept(PathBuf),
    /// In memory, beside a server: what is remembered goes with it.
    Temporary(TempDir),
}

impl IndexHome {
    /// The folder for what is remembered.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Kept(folder) => folder,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

/// The engines of the index.
pub(crate) struct Engines {
    embedded: EmbeddedIndex,
    server: Option<MeilisearchIndex>,
}

impl Engines {
    /// Has questions read with the merchant's synonyms, those of the program and no others.
    pub(crate) fn use_synonyms(&self, groups: Vec<(Language, Vec<String>)>) {
        let synonyms = Arc::new(Synonyms::with(groups));
        self.embedded.use_synonyms(synonyms.clone());
        if let Some(server) = &self.server {
            server.use_synonyms(synonyms);
        }
    }
}

async fn open_embedded(
    config: &Config,
    model: &str,
    beside: Beside,
) -> Result<(EmbeddedIndex, IndexHome), StartError> {
    let kept = EmbeddedIndex::open(config.data_dir.join("search"), model).await;
    if beside == Beside::Server && matches!(kept, Err(OpenError::InUse(_))) {
        let index = EmbeddedIndex::in_memory().map_err(part("the search index"))?;
        let folder = tempfile::tempdir().map_err(part("the search index"))?;
        return Ok((index, IndexHome::Temporary(folder)));
    }
    let index = kept.map_err(part("the search index"))?;
    Ok((index, IndexHome::Kept(config.data_dir.clone())))
}

/// Opens the index; with a search server, the embedded one stands in for it.
pub(crate) async fn open_index(
    config: &Config,
    nlu: &LocalNlu,
    beside: Beside,
) -> Result<OpenedIndex, StartError> {
    let model = nlu.metadata();
    let (embedded, home) = open_embedded(config, &model.version, beside).await?;
    let section = &config.search;
    if section.kind == SearchKind::Embedded {
        return Ok(OpenedIndex {
            search: Arc::new(embedded.clone()),
            engines: Engines {
                embedded,
                server: None,
            },
            home,
        });
    }
    let server = MeilisearchConfig {
        url: section.url.clone(),
        key: section.key.clone(),
        index: section.index.clone(),
        model: model.version.clone(),
        dimensions: model.dimensions,
    };
    let server = MeilisearchIndex::new(server).map_err(part("the search index"))?;
    let search = Standby::new(Arc::new(server.clone()), embedded.clone());
    Ok(OpenedIndex {
        search: Arc::new(search),
        engines: Engines {
            embedded,
            server: Some(server),
        },
        home,
    })
}

/// The language model that phrases answers, where there is one.
pub(crate) fn open_phrasing(
    config: &Config,
    store: &Store,
) -> Result<Option<Arc<Phrasing>>, StartError> {
    let section = &config.phrasing;
    if !section.enabled {
        return Ok(None);
    }
    let large_model = match section.large_model.as_str() {
        "" => section.small_model.as_str(),
        name => name,
    };
    let model = ChatCompletions::new(ChatCompletionsConfig {
        url: section.url.clone(),
        key: section.key.clone(),
        small_model: section.small_model.clone(),
        large_model: large_model.to_owned(),
    })
    .map_err(part("the language model"))?;
    let price = |price: ModelPriceSection| ModelPrice {
        prompt: price.prompt,
        completion: price.completion,
    };
    let config = PhrasingConfig {
        timeout: Duration::from_secs(section.timeout_s),
        max_chars: section.max_chars,
        budget: Budget {
            tokens_per_day: section.tokens_per_day,
            cost_per_day: section.cost_per_day,
            small: price(section.small_price),
            large: price(section.large_price),
        },
    };
    let phrasing = Phrasing::new(Arc::new(model), Arc::new(store.clone()), config);
    Ok(Some(Arc::new(phrasing)))
}

/// The shop, and the demo's own books where it is the demo shop.
pub(crate) type OpenedShop = (
    Arc<dyn Shop>,
    Option<Arc<doorstep_commerce::demo::DemoShop>>,
);

/// A shop that is known by what it told the store.
pub(crate) fn told_shop(store: &Store) -> Arc<dyn Shop> {
    let name = ShopKind::Webhooks.as_str().into();
    Arc::new(ToldShop::new(name, store.clone()))
}

/// A shop that is asked itself.
pub(crate) fn open_shop(config: &Config, ambient: &Ambient) -> Result<OpenedShop, StartError> {
    let kind = config.shop.kind.as_str();
    if config.shop.kind == ShopKind::Demo {
        let shop = doorstep_commerce::demo::DemoShop::new(kind.into(), ambient.clock.clone())
            .map_err(part("the demo shop"))?;
        let shop = Arc::new(shop);
        return Ok((shop.clone(), Some(shop)));
    }
    let settings = ShopSettings {
        name: kind.into(),
        currency: config.shop.currency,
        shopify: config.shop.shopify.clone(),
        woocommerce: config.shop.woocommerce.clone(),
    };
    let shop = doorstep_commerce::registry::build_shop(kind, &settings, ambient);
    Ok((shop.map_err(part("the shop"))?, None))
}

pub(crate) type OpenedSources = (
    BTreeMap<String, Arc<dyn EventSource>>,
    BTreeMap<String, SourceConfig>,
);

pub(crate) fn open_sources(config: &Config) -> Result<OpenedSources, StartError> {
    let mut sources = BTreeMap::new();
    let mut configs = BTreeMap::new();
    for (name, section) in &config.commerce {
        let source = SourceConfig {
            kind: section.kind.clone(),
            name: SourceName::from(name.as_str()),
            secret: section.secret.clone(),
            tolerance_s: section.tolerance_s,
        };
        sources.insert(
            name.clone(),
            doorstep_commerce::registry::build(&source).map_err(part("commerce"))?,
        );
        configs.insert(name.clone(), source);
    }
    Ok((sources, configs))
}

/// What asks carriers for parcels: one for each source with a section `poll`.
pub(crate) fn open_pollers(
    config: &Config,
    sources: &BTreeMap<String, SourceConfig>,
    store: &Store,
    enricher: &Arc<Enricher>,
) -> Result<Vec<Arc<Poller>>, StartError> {
    let mut pollers = Vec::new();
    for (name, section) in &config.commerce {
        let (Some(poll), Some(source)) = (&section.poll, sources.get(name)) else {
            continue;
        };
        let lookup = lookup::build(source, poll, store.ambient()).map_err(part("commerce"))?;
        pollers.push(Arc::new(Poller::new(
            store.clone(),
            enricher.clone(),
            lookup,
            poll.carriers(&source.kind),
            Duration::from_hours(u64::from(poll.every_h.max(1))),
        )));
    }
    Ok(pollers)
}

pub(crate) fn delivery_config(config: &Config) -> DeliveryConfig {
    DeliveryConfig {
        max_attempts: config.delivery.max_attempts,
        timeout: Duration::from_secs(config.delivery.timeout_s),
        ..DeliveryConfig::default()
    }
}

pub(crate) fn workers_config(config: &Config) -> WorkersConfig {
    WorkersConfig {
        lease: Duration::from_secs(config.sweep.worker_lease_s),
        concurrency: config.sweep.jobs_at_once,
        sweep_every: Duration::from_secs(config.sweep.every_s),
        patience: Duration::from_secs(config.sweep.patience_s),
        claim_lease: Duration::from_secs(config.delivery.lease_s),
    }
}

/// Fills in secrets that nobody configured with ones that are made once and kept.
pub(crate) fn with_kept_secrets(
    mut config: Config,
    ambient: &Ambient,
) -> Result<Config, StartError> {
    let secrets = SecretStore {
        folder: config.data_dir.join("secrets"),
        entropy: &*ambient.entropy,
    };
    let find = |name: &str, configured: &SecretString| {
        secrets.find(name, configured).map_err(part("a secret"))
    };
    config.links.secret = find("link_secret", &config.links.secret)?;
    if let Some(webchat) = &mut config.channels.webchat {
        webchat.signing_secret = find("webchat_signing_secret", &webchat.signing_secret)?;
        let identity = webchat.identity_secret.clone().unwrap_or_default();
        webchat.identity_secret = Some(find("webchat_identity_secret", &identity)?);
    }
    let email = config.channels.email.as_mut();
    if let Some(email) = email.filter(|email| email.reply_tokens) {
        email.reply_secret = find("email_reply_secret", &email.reply_secret)?;
    }
    for (name, source) in &mut config.commerce {
        source.secret = find(&format!("commerce_{name}_secret"), &source.secret)?;
    }
    Ok(config)
}

/// Opens the configured database.
///
/// # Errors
/// It cannot be opened.
pub async fn open_database(config: &Config) -> Result<Database, StoreError> {
    let database = match config.database.kind {
        DatabaseKind::Sqlite => DatabaseConfig::Sqlite {
            path: config.data_dir.join("doorstep.db"),
        },
        DatabaseKind::Postgres => DatabaseConfig::Postgres {
            url: config.database.url.expose_secret().into(),
            connections: config.database.connections,
        },
    };
    Database::open(&database).await
}

/// Loads the model and starts its threads; blocks.
///
/// # Errors
/// The model or the wanted backend cannot be loaded.
pub fn start_nlu(section: &NluSection) -> Result<LocalNlu, NluStartError> {
    start_nlu_with(built_in_model()?, section)
}

/// The same with another model than the built-in one; blocks.
///
/// # Errors
/// The model or the wanted backend cannot be loaded.
pub fn start_nlu_with(model: Model, section: &NluSection) -> Result<LocalNlu, NluStartError> {
    LocalNlu::start(model, nlu_config(section))
}

/// The same for a server. The demo shop's index mostly begins anew with the program, so that what the model read for it is
/// kept apart; blocks.
pub(crate) fn start_nlu_of(config: &Config) -> Result<LocalNlu, NluStartError> {
    let settings = NluConfig {
        keep_indexed: config.shop.kind == ShopKind::Demo,
        ..nlu_config(&config.nlu)
    };
    LocalNlu::start(built_in_model()?, settings)
}

fn built_in_model() -> Result<Model, NluStartError> {
    Model::new(assets::MODEL, assets::TOKENIZER, assets::MODEL_METADATA)
}

fn nlu_config(section: &NluSection) -> NluConfig {
    NluConfig {
        threads: match section.threads {
            0 => usize::MAX,
            threads => threads,
        },
        queue: section.queue,
        onnxruntime: Some(section.onnxruntime.clone()).filter(|path| !path.as_os_str().is_empty()),
        backend: match section.backend {
            NluBackend::Auto => BackendChoice::Auto,
            NluBackend::Onnxruntime => BackendChoice::Onnxruntime,
            NluBackend::Tract => BackendChoice::Tract,
        },
        order_number_patterns: section.order_numbers.clone(),
        cache: section.cache,
        max_wrong: section.max_wrong,
        ..NluConfig::default()
    }
}

pub(crate) fn shop_profile(config: &Config) -> ShopProfile {
    ShopProfile {
        name: config.shop.name.clone(),
        default_language: config.shop.default_language.clone(),
        merchant_language: config.shop.default_language.clone(),
        time_zone: config.shop.time_zone,
        currency: config.shop.currency,
        staff: staff(config),
    }
}

/// Where the shop's people are told that a customer waits for one of them.
fn staff(config: &Config) -> Option<Address> {
    let channel = email_channel(config)?;
    let mail = config.shop.handoff_mail.trim().to_lowercase();
    (!mail.is_empty()).then(|| Address::new(channel, mail))
}

pub(crate) fn notify_config(config: &Config) -> NotifyConfig {
    NotifyConfig {
        shop_name: config.shop.name.clone(),
        default_language: config.shop.default_language.clone(),
        time_zone: config.shop.time_zone,
    }
}

pub(crate) fn email_channel(config: &Config) -> Option<ChannelName> {
    config
        .channels
        .email
        .as_ref()
        .map(|_| doorstep_channels::email::NAME.into())
}

pub(crate) fn eta_config(config: &Config) -> EtaConfig {
    EtaConfig {
        trust: config.eta.trust.clone(),
        probability: config.eta.probability,
        min_deliveries: config.eta.min_deliveries,
        prior: config.eta.prior,
        learn_every: Duration::from_hours(u64::from(config.eta.learn_every_h)),
        time_zone: config.shop.time_zone,
    }
}

pub(crate) fn page_key(config: &Config) -> PageKey {
    PageKey::new(config.links.secret.clone())
}

/// The customers' pages that messages name.
pub(crate) fn page_links(config: &Config) -> PageLinks {
    PageLinks::new(config.public_url(), page_key(config))
}
