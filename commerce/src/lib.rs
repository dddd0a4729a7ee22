//! Shops and carriers: signature check, event parsing, order look-up. Sees `core` only.
//!
//! A *source* is anything that sends signed commerce events ([`EventSource`](doorstep_core::shop::EventSource)); a *shop* also
//! answers questions about orders, products and stock ([`Shop`](doorstep_core::shop::Shop)). What exists is in
//! [`registry`]; one folder each:
//!
//! | folder | speaks |
//! |---|---|
//! | [`generic`] | Standard Webhooks with our own documented body, for any shop that can send a request |
//! | [`easypost`] | EasyPost's tracker events |
//! | [`demo`] | the shop of `doorstep demo`, from files compiled in |
//!
//! # How to add a source
//!
//! 1. A folder with `signature.rs` (verify, and sign for tests and `doorstep events send`), `parse.rs` (body →
//!    [`CommerceEvent`](doorstep_core::event::CommerceEvent)s) and `mod.rs` (the [`EventSource`](doorstep_core::shop::EventSource)
//!    and `build`). Verify before anything is parsed; refuse with a
//!    [`WebhookRejection`](doorstep_core::webhook::WebhookRejection), never with a panic.
//! 2. One line in [`registry::SOURCES`].
//! 3. One feature in `Cargo.toml`.
//! 4. One page in `docs/shops/`, with the config section and where the secret is found.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

#[cfg(feature = "demo")]
pub mod demo;
#[cfg(feature = "easypost")]
pub mod easypost;
#[cfg(feature = "generic")]
pub mod generic;
pub mod registry;

#[cfg(any(feature = "generic", feature = "easypost"))]
mod body;
#[cfg(any(feature = "generic", feature = "easypost"))]
mod mac;

pub use registry::{BuildError, SourceConfig};
