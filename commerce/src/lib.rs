//! Shops and carriers: signature check, event parsing, order look-up. Sees `core` only.
//!
//! A *source* is anything that sends signed commerce events ([`EventSource`](doorstep_core::shop::EventSource)); some sources
//! can also be asked what they know of a parcel ([`TrackingLookup`](doorstep_core::shop::TrackingLookup)); a *shop* also
//! answers questions about orders, products and stock ([`Shop`](doorstep_core::shop::Shop)). What exists is in
//! [`registry`] and [`lookup`]; one folder each:
//!
//! | folder | speaks |
//! |---|---|
//! | [`shopify`] | Shopify's webhooks and Admin API |
//! | [`woocommerce`] | WooCommerce's webhooks and REST API |
//! | [`generic`] | Standard Webhooks with our own documented body, for any shop that can send a request |
//! | [`easypost`], [`aftership`], [`shippo`], [`seventeentrack`] | what aggregators say of many carriers' parcels |
//! | [`ups`] | UPS Track Alert, and UPS's Track API |
//! | [`demo`] | the shop of `doorstep demo`, from files compiled in |
//!
//! # How to add a source
//!
//! 1. A folder with `signature.rs` (verify, and sign for tests and `doorstep events send`), `parse.rs` (body →
//!    [`CommerceEvent`](doorstep_core::event::CommerceEvent)s) and `mod.rs` (its `Webhooks`, see `source.rs`). Verify
//!    before anything is parsed; refuse with a
//!    [`WebhookRejection`](doorstep_core::webhook::WebhookRejection), never with a panic.
//! 2. One line in [`registry::SOURCES`].
//! 3. One feature in `Cargo.toml`.
//! 4. A carrier's words become ours by tables (`tracking.rs`): all words of the provider's specification, each with what it
//!    means. Unknown words are kept as a remark and never an error: providers add words without asking.
//! 5. One page in `docs/shops/`, with the config section and where the secret is found.
//! 6. Where the provider can be asked for parcels: `lookup.rs` (its `Lookup`, see [`lookup`]) and one line in
//!    [`lookup::LOOKUPS`]. It answers by the parser of the webhooks: one piece of news, one external id.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

#[cfg(feature = "aftership")]
pub mod aftership;
#[cfg(feature = "demo")]
pub mod demo;
#[cfg(feature = "easypost")]
pub mod easypost;
#[cfg(feature = "generic")]
pub mod generic;
#[cfg(feature = "api")]
#[cfg_attr(not(feature = "default"), allow(dead_code))]
pub mod lookup;
pub mod registry;
#[cfg(feature = "seventeentrack")]
pub mod seventeentrack;
#[cfg(feature = "shippo")]
pub mod shippo;
#[cfg(feature = "shopify")]
pub mod shopify;
#[cfg(feature = "ups")]
pub mod ups;
#[cfg(feature = "woocommerce")]
pub mod woocommerce;

// A build with few sources needs only a part of what they share.
#[cfg(feature = "api")]
#[cfg_attr(not(feature = "default"), allow(dead_code))]
mod api;
#[cfg_attr(not(feature = "default"), allow(dead_code))]
mod body;
#[cfg(test)]
mod conformance;
#[cfg_attr(not(feature = "default"), allow(dead_code))]
mod countries;
#[cfg_attr(not(feature = "default"), allow(dead_code))]
mod mac;
#[cfg_attr(not(feature = "default"), allow(dead_code))]
mod money;
#[cfg_attr(not(feature = "default"), allow(dead_code))]
mod source;
#[cfg(test)]
mod testing;
#[cfg_attr(not(feature = "default"), allow(dead_code))]
mod tracking;
#[cfg_attr(not(feature = "default"), allow(dead_code))]
mod window;

pub use registry::{BuildError, SourceConfig};
