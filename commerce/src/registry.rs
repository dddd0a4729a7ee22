//! Which sources and shops exist: one line each.

use std::sync::Arc;

use doorstep_core::{
    SourceName, Timestamp,
    shop::{EventSource, Shop},
    time::Ambient,
};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// How far a sender's clock may be away, in seconds, when the config does not say (the Standard Webhooks libraries' value).
pub const DEFAULT_TOLERANCE_S: u32 = 300;

/// One configured source. Its webhooks arrive under `/webhooks/commerce/{name}`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Which source: a name of [`SOURCES`].
    pub kind: String,
    /// What it is called here; several of one kind may be configured.
    pub name: SourceName,
    /// What the sender signs with.
    pub secret: SecretString,
    /// How far a sender's timestamp may be away, in seconds; without it, what fits the way the source repeats deliveries.
    /// Sources that sign no time ignore it.
    pub tolerance_s: Option<u32>,
}

/// A request to be signed as its sender would.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// The event's identifier. Sources whose identifier stands in the body ignore it.
    pub id: &'a str,
    /// What kind of event, where the source tells that in a header: a topic.
    pub event_type: Option<&'a str>,
    /// When it is sent.
    pub sent_at: Timestamp,
    /// The body.
    pub body: &'a [u8],
}

/// A source or shop that cannot be built from its config.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No source has this name.
    #[error("`{kind}` is no kind of source; known: {known}")]
    UnknownKind {
        /// What the config says.
        kind: String,
        /// What it may say.
        known: String,
    },
    /// Nothing to check signatures with.
    #[error("the secret of source `{name}` is empty; copy it from where the webhook was set up")]
    EmptySecret {
        /// Which source.
        name: SourceName,
    },
    /// The secret does not have the form that its prefix promises.
    #[error(
        "the secret of source `{name}` begins with `whsec_` but is not base64 after it; copy it again, whole"
    )]
    InvalidSecret {
        /// Which source.
        name: SourceName,
    },
    /// The secret is sent as a header and cannot stand in one.
    #[error(
        "the secret of source `{name}` cannot be sent in a header: use visible ASCII characters"
    )]
    UnsendableSecret {
        /// Which source.
        name: SourceName,
    },
    /// The id to sign with cannot stand in a header.
    #[error("`{id}` cannot be an event's id: use visible ASCII characters")]
    InvalidId {
        /// The id.
        id: String,
    },
    /// A shop's or a carrier's interface cannot be asked.
    #[error("`{name}` cannot be asked: {reason}")]
    Endpoint {
        /// Which shop or source.
        name: SourceName,
        /// What is wrong with its section.
        reason: String,
    },
    /// Sources of this kind cannot be asked for parcels.
    #[error("a source of kind `{kind}` cannot be asked for parcels; those can: {known}")]
    NoLookup {
        /// The kind.
        kind: String,
        /// Which ones can.
        known: String,
    },
    /// The demo shop's files, compiled in, contradict each other.
    #[error("{file}: {reason}")]
    DemoData {
        /// Which file, with its line where one is known.
        file: String,
        /// What is wrong.
        reason: String,
    },
}

/// A kind of source: how it is built, and how a request to it is signed.
pub struct SourceKind {
    /// The config's `kind`.
    pub name: &'static str,
    /// Builds one from its config.
    pub build: fn(&SourceConfig) -> Result<Arc<dyn EventSource>, BuildError>,
    /// The headers that make a body a request which the source accepts.
    pub sign: fn(&SourceConfig, &Sending<'_>) -> Result<HeaderMap, BuildError>,
    /// Whether its bodies are those of `docs/shops/generic.md`.
    pub generic_body: bool,
    /// Whether the provider makes the secret, so that none can be made here.
    pub provider_makes_secret: bool,
}

/// Every source that this program was built with.
pub const SOURCES: &[SourceKind] = &[
    #[cfg(feature = "generic")]
    SourceKind::new::<crate::generic::Generic>("generic").with_generic_body(),
    #[cfg(feature = "shopify")]
    SourceKind::new::<crate::shopify::Shopify>("shopify").with_providers_secret(),
    #[cfg(feature = "woocommerce")]
    SourceKind::new::<crate::woocommerce::WooCommerce>("woocommerce"),
    #[cfg(feature = "easypost")]
    SourceKind::new::<crate::easypost::EasyPost>("easypost"),
    #[cfg(feature = "aftership")]
    SourceKind::new::<crate::aftership::AfterShip>("aftership").with_providers_secret(),
    #[cfg(feature = "shippo")]
    SourceKind::new::<crate::shippo::Shippo>("shippo"),
    #[cfg(feature = "seventeentrack")]
    SourceKind::new::<crate::seventeentrack::SeventeenTrack>("17track").with_providers_secret(),
    #[cfg(feature = "ups")]
    SourceKind::new::<crate::ups::Ups>("ups"),
    #[cfg(feature = "demo")]
    SourceKind::new::<crate::generic::Generic>("demo").with_generic_body(),
];

/// What a shop is built from.
#[derive(Debug, Clone)]
pub struct ShopSettings {
    /// What the shop is called here; its health and its facts carry it.
    pub name: SourceName,
    /// Currency of the catalog, where the shop does not say.
    pub currency: iso_currency::Currency,
    /// `[shop.shopify]`
    #[cfg(feature = "shopify")]
    pub shopify: Option<crate::shopify::ShopifyConfig>,
    /// `[shop.woocommerce]`
    #[cfg(feature = "woocommerce")]
    pub woocommerce: Option<crate::woocommerce::WooCommerceConfig>,
}

/// How a shop is built.
pub type BuildShop = fn(&ShopSettings, &Ambient) -> Result<Arc<dyn Shop>, BuildError>;

/// Every shop that this program was built with.
pub const SHOPS: &[(&str, BuildShop)] = &[
    #[cfg(feature = "demo")]
    ("demo", crate::demo::build),
    #[cfg(feature = "shopify")]
    ("shopify", crate::shopify::build_shop),
    #[cfg(feature = "woocommerce")]
    ("woocommerce", crate::woocommerce::build_shop),
];

/// Builds a source.
///
/// # Errors
/// The kind is unknown or the secret cannot be used.
pub fn build(config: &SourceConfig) -> Result<Arc<dyn EventSource>, BuildError> {
    let kind = find_kind(config)?;
    (kind.build)(config)
}

/// Signs a body as the source's sender would: for `doorstep events send`, the demo's panel and tests.
///
/// # Errors
/// As [`build`], or the id cannot stand in a header.
pub fn sign(
    config: &SourceConfig,
    id: &str,
    sent_at: Timestamp,
    body: &[u8],
) -> Result<HeaderMap, BuildError> {
    let sending = Sending {
        id,
        event_type: None,
        sent_at,
        body,
    };
    sign_as(config, &sending)
}

/// The same with the kind of event, for sources that tell it in a header.
///
/// # Errors
/// As [`build`], or the id or the kind cannot stand in a header.
pub fn sign_as(config: &SourceConfig, sending: &Sending<'_>) -> Result<HeaderMap, BuildError> {
    let kind = find_kind(config)?;
    (kind.sign)(config, sending)
}

/// Whether a source's bodies are those of `docs/shops/generic.md`; `false` for an unknown kind.
pub fn has_generic_body(kind: &str) -> bool {
    SOURCES
        .iter()
        .any(|known| known.name == kind && known.generic_body)
}

/// Builds a shop.
///
/// # Errors
/// The kind is unknown, or its section is missing or cannot be used.
pub fn build_shop(
    kind: &str,
    settings: &ShopSettings,
    ambient: &Ambient,
) -> Result<Arc<dyn Shop>, BuildError> {
    match SHOPS.iter().find(|(known, _)| *known == kind) {
        Some((_, build)) => build(settings, ambient),
        None => Err(unknown_kind(kind, SHOPS.iter().map(|(known, _)| *known))),
    }
}

fn find_kind(config: &SourceConfig) -> Result<&'static SourceKind, BuildError> {
    if config.secret.expose_secret().trim().is_empty() {
        return Err(BuildError::EmptySecret {
            name: config.name.clone(),
        });
    }
    SOURCES
        .iter()
        .find(|kind| kind.name == config.kind)
        .ok_or_else(|| unknown_kind(&config.kind, SOURCES.iter().map(|kind| kind.name)))
}

fn unknown_kind<'a>(kind: &str, known: impl Iterator<Item = &'a str>) -> BuildError {
    BuildError::UnknownKind {
        kind: kind.to_owned(),
        known: known.collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(kind: &str, secret: &str) -> SourceConfig {
        SourceConfig {
            kind: kind.to_owned(),
            name: kind.into(),
            secret: secret.into(),
            tolerance_s: None,
        }
    }

    #[test]
    fn every_source_is_built_under_its_configured_name() {
        for kind in SOURCES {
            let source = build(&config(kind.name, "a secret of some length")).unwrap();
            assert_eq!(source.name().as_str(), kind.name);
        }
    }

    #[test]
    fn an_unknown_kind_is_refused_with_the_known_ones() {
        let error = build(&config("shopifi", "secret")).err().unwrap();
        assert_eq!(
            error.to_string(),
            "`shopifi` is no kind of source; known: generic, shopify, woocommerce, easypost, aftership, shippo, 17track, ups, demo"
        );
    }

    #[test]
    fn an_empty_secret_is_refused() {
        let error = build(&config("generic", " ")).err().unwrap();
        assert!(
            error
                .to_string()
                .contains("secret of source `generic` is empty")
        );
    }

    #[test]
    fn a_secret_never_shows_in_debug_output() {
        assert!(!format!("{:?}", config("generic", "hunter2")).contains("hunter2"));
    }
}
