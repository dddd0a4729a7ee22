//! Shopify: webhooks (<https://shopify.dev/docs/api/webhooks>) and, as a [`Shop`](doorstep_core::shop::Shop), the Admin API.
//!
//! A webhook's signature covers its body alone: topic, identifier and time are headers that whoever holds a signed body
//! could change. So what a body means is decided by the body wherever it can be, an order keeps the newest state by the
//! time inside it, and the same news is told once however often it is admitted.

mod order;
mod parse;
mod shop;
mod signature;

use std::sync::Arc;

use async_trait::async_trait;
use doorstep_core::{
    SourceName,
    event::CommerceEvent,
    shop::EventSource,
    webhook::{WebhookRejection, WebhookRequest},
};
use http::HeaderMap;
use secrecy::SecretString;

use crate::{BuildError, SourceConfig, registry::Sending};

pub(crate) use shop::build_shop;
pub use shop::{ShopifyConfig, ShopifyShop};

/// Shopify repeats a delivery eight times within four hours, under the time of the event.
pub(crate) const TOLERANCE_S: u32 = 5 * 3600;

/// A configured Shopify shop's webhooks.
pub struct ShopifySource {
    name: SourceName,
    secret: SecretString,
    tolerance_s: u32,
}

/// Builds one from its config.
///
/// # Errors
/// None of its own; the registry's signature asks for it.
pub fn build(config: &SourceConfig) -> Result<Arc<dyn EventSource>, BuildError> {
    Ok(Arc::new(ShopifySource::new(config)))
}

impl ShopifySource {
    /// Builds one from its config.
    pub fn new(config: &SourceConfig) -> Self {
        Self {
            name: config.name.clone(),
            secret: config.secret.clone(),
            tolerance_s: config.tolerance_s.unwrap_or(TOLERANCE_S),
        }
    }
}

#[async_trait]
impl EventSource for ShopifySource {
    fn name(&self) -> &SourceName {
        &self.name
    }

    fn receive_webhook(
        &self,
        request: &WebhookRequest,
    ) -> Result<Vec<CommerceEvent>, WebhookRejection> {
        let delivery = signature::verify(&self.secret, request, self.tolerance_s)?;
        let events = parse::parse(&delivery, &request.body)?;
        Ok(events
            .into_iter()
            .map(|event| event.of(&self.name))
            .collect())
    }
}

/// The headers that make a body a request which a source with this config accepts; the event's type is the topic.
pub(crate) fn sign_request(
    config: &SourceConfig,
    sending: &Sending<'_>,
) -> Result<HeaderMap, BuildError> {
    signature::sign(&config.secret, sending)
}

#[cfg(test)]
mod shop_tests;
#[cfg(test)]
mod tests;
