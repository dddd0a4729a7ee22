//! Shopify: webhooks (<https://shopify.dev/docs/api/webhooks>) and, as a [`Shop`](doorstep_core::shop::Shop), the Admin API.
//!
//! A webhook's signature covers its body alone: topic, identifier and time are headers that whoever holds a signed body
//! could change. So what a body means is decided by the body wherever it can be, an order keeps the newest state by the
//! time inside it, and the same news is told once however often it is admitted.

mod order;
mod parse;
mod product;
mod shop;
mod signature;

use doorstep_core::webhook::{WebhookRejection, WebhookRequest};
use http::HeaderMap;
use secrecy::SecretString;

use crate::{
    BuildError, SourceConfig,
    registry::Sending,
    source::{Told, Webhooks},
};

pub(crate) use shop::build_shop;
pub use shop::{ShopifyConfig, ShopifyShop};

/// Shopify repeats a delivery eight times within four hours, under the time of the event.
pub(crate) const TOLERANCE_S: u32 = 5 * 3600;

/// Of a shop.
pub(crate) struct Shopify {
    secret: SecretString,
    tolerance_s: u32,
}

impl Webhooks for Shopify {
    fn of(config: &SourceConfig) -> Result<Self, BuildError> {
        Ok(Self {
            secret: config.secret.clone(),
            tolerance_s: config.tolerance_s.unwrap_or(TOLERANCE_S),
        })
    }

    fn read(&self, request: &WebhookRequest) -> Result<Vec<Told>, WebhookRejection> {
        let delivery = signature::verify(&self.secret, request, self.tolerance_s)?;
        parse::parse(&delivery, &request.body)
    }

    /// The event's type is the topic.
    fn sign(config: &SourceConfig, sending: &Sending<'_>) -> Result<HeaderMap, BuildError> {
        signature::sign(&config.secret, sending)
    }
}

#[cfg(test)]
mod shop_tests;
#[cfg(test)]
mod tests;
