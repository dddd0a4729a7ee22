//! WooCommerce: webhooks (<https://woocommerce.com/document/webhooks/>) and, as a [`Shop`](doorstep_core::shop::Shop), the
//! REST API, version 3.

mod order;
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

use crate::{
    BuildError, SourceConfig,
    body::{parse_json, shown},
    registry::Sending,
};

pub(crate) use shop::build_shop;
pub use shop::{WooCommerceConfig, WooCommerceShop};

/// A configured WooCommerce shop's webhooks.
pub struct WooCommerceSource {
    name: SourceName,
    secret: SecretString,
}

/// Builds one from its config.
///
/// # Errors
/// None of its own; the registry's signature asks for it.
pub fn build(config: &SourceConfig) -> Result<Arc<dyn EventSource>, BuildError> {
    Ok(Arc::new(WooCommerceSource::new(config)))
}

impl WooCommerceSource {
    /// Builds one from its config. WooCommerce tells no time of sending, so `tolerance_s` is not used: a replayed event is
    /// known by what it says.
    pub fn new(config: &SourceConfig) -> Self {
        Self {
            name: config.name.clone(),
            secret: config.secret.clone(),
        }
    }
}

#[async_trait]
impl EventSource for WooCommerceSource {
    fn name(&self) -> &SourceName {
        &self.name
    }

    fn receive_webhook(
        &self,
        request: &WebhookRequest,
    ) -> Result<Vec<CommerceEvent>, WebhookRejection> {
        if signature::is_ping(request) {
            return Ok(Vec::new());
        }
        let topic = signature::verify(&self.secret, request)?;
        match topic.as_str() {
            "order.created" | "order.updated" | "order.restored" => {
                let body: order::OrderBody = parse_json(&request.body)?;
                let told = body.into_events()?;
                Ok(told.into_iter().map(|event| event.of(&self.name)).collect())
            }
            topic => {
                tracing::debug!(
                    topic = shown(topic),
                    "a WooCommerce topic that does not concern us"
                );
                Ok(Vec::new())
            }
        }
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
