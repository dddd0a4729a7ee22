//! The sections of the configuration. What each key means stands beside it in `config/default.toml`.

use std::{net::SocketAddr, path::PathBuf};

use chrono_tz::Tz;
use doorstep_commerce::{
    lookup::PollConfig, shopify::ShopifyConfig, woocommerce::WooCommerceConfig,
};
use doorstep_core::{
    Language,
    accent::{Accent, Colour},
};
use doorstep_engine::eta::Authority;
use secrecy::SecretString;
use serde::Deserialize;

/// `[shop]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ShopConfig {
    pub name: String,
    pub kind: ShopKind,
    pub shopify: Option<ShopifyConfig>,
    pub woocommerce: Option<WooCommerceConfig>,
    pub default_language: Language,
    pub languages: Vec<Language>,
    pub time_zone: Tz,
    pub currency: iso_currency::Currency,
    pub accent: String,
    pub handoff_mail: String,
}

impl ShopConfig {
    /// The shop's colour; none where it has not chosen one.
    pub fn accent(&self) -> Option<Accent> {
        let colour: Colour = self.accent.parse().ok()?;
        Accent::of(colour).ok()
    }
}

/// Where orders and products are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShopKind {
    /// The built-in demo shop.
    Demo,
    /// One that cannot be asked: what its webhooks and feeds told is what is known.
    Webhooks,
    /// A Shopify shop: `[shop.shopify]`.
    Shopify,
    /// A WooCommerce shop: `[shop.woocommerce]`.
    #[serde(rename = "woocommerce")]
    WooCommerce,
}

impl ShopKind {
    /// Its name in the registry of shops.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Webhooks => "webhooks",
            Self::Shopify => "shopify",
            Self::WooCommerce => "woocommerce",
        }
    }
}

/// `[http]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct HttpConfig {
    pub listen: SocketAddr,
    pub public_url: String,
    pub max_body_bytes: usize,
    pub webhooks_per_second: u32,
    pub webhook_burst: u32,
    pub request_timeout_s: u64,
    pub shutdown_grace_s: u64,
    pub trust_forwarded_for: bool,
}

/// `[database]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct DatabaseSection {
    pub kind: DatabaseKind,
    pub url: SecretString,
    pub connections: u32,
}

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseKind {
    /// A file of our own.
    Sqlite,
    /// A server.
    Postgres,
}

/// `[nlu]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct NluSection {
    pub backend: NluBackend,
    pub onnxruntime: PathBuf,
    pub threads: usize,
    pub queue: usize,
    pub cache: usize,
    pub max_wrong: f32,
    pub order_numbers: Vec<String>,
}

/// What runs the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NluBackend {
    /// ONNX Runtime if found, else tract.
    Auto,
    /// ONNX Runtime or nothing.
    Onnxruntime,
    /// The built-in one.
    Tract,
}

/// `[search]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct SearchSection {
    pub kind: SearchKind,
    pub url: String,
    pub key: SecretString,
    pub index: String,
    pub sweep_every_h: u32,
}

/// What searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchKind {
    /// The index inside the program.
    Embedded,
    /// A Meilisearch server, with the embedded index to stand in.
    Meilisearch,
}

/// `[phrasing]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct PhrasingSection {
    pub enabled: bool,
    pub url: String,
    pub key: SecretString,
    pub small_model: String,
    pub large_model: String,
    pub timeout_s: u64,
    pub max_chars: usize,
    pub tokens_per_day: u64,
    pub cost_per_day: f64,
    pub small_price: ModelPriceSection,
    pub large_price: ModelPriceSection,
}

/// What a model costs for a million tokens.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ModelPriceSection {
    pub prompt: f64,
    pub completion: f64,
}

/// `[delivery]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct DeliverySection {
    pub max_attempts: u32,
    pub timeout_s: u64,
    pub lease_s: u64,
}

/// `[eta]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct EtaSection {
    pub trust: Vec<Authority>,
    pub probability: f64,
    pub min_deliveries: usize,
    pub prior: bool,
    pub learn_every_h: u16,
}

/// `[sweep]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct SweepSection {
    pub every_s: u64,
    pub patience_s: u64,
    pub worker_lease_s: u64,
    pub jobs_at_once: usize,
}

/// `[attachments]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct AttachmentsSection {
    pub url: String,
    pub max_bytes: u64,
}

/// `[links]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinksSection {
    /// Signs link tokens; the same on every instance. Empty: made at the first start.
    pub secret: SecretString,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct LogSection {
    pub format: LogFormat,
    pub filter: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text in a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// `[commerce.<name>]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct CommerceSection {
    pub kind: String,
    #[serde(default)]
    pub secret: SecretString,
    pub tolerance_s: Option<u32>,
    pub poll: Option<PollConfig>,
}
