//! WooCommerce: webhooks (<https://woocommerce.com/document/webhooks/>) and, as a [`Shop`](doorstep_core::shop::Shop), the
//! REST API, version 3.

mod order;
mod shop;
mod signature;

use doorstep_core::webhook::{WebhookRejection, WebhookRequest};
use http::HeaderMap;
use secrecy::SecretString;

use crate::{
    BuildError, SourceConfig,
    body::{parse_json, shown},
    registry::Sending,
    source::{Told, Webhooks},
};

pub(crate) use shop::build_shop;
pub use shop::{WooCommerceConfig, WooCommerceShop};

/// WooCommerce sends an order once, when it was last changed or as much later as the shop's own background jobs run: those of
/// a shop that nobody visits stand still.
pub(crate) const TOLERANCE_S: u32 = 7 * 24 * 3600;

/// Of a shop.
pub(crate) struct WooCommerce {
    secret: SecretString,
    tolerance_s: u32,
}

impl Webhooks for WooCommerce {
    fn of(config: &SourceConfig) -> Result<Self, BuildError> {
        Ok(Self {
            secret: config.secret.clone(),
            tolerance_s: config.tolerance_s.unwrap_or(TOLERANCE_S),
        })
    }

    fn read(&self, request: &WebhookRequest) -> Result<Vec<Told>, WebhookRejection> {
        if signature::is_ping(request) {
            return Ok(Vec::new());
        }
        let topic = signature::verify(&self.secret, request)?;
        match topic.as_str() {
            "order.created" | "order.updated" | "order.restored" => {
                let order: order::OrderBody = parse_json(&request.body)?;
                order.into_events(request.received_at, self.tolerance_s)
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

    /// The event's type is the topic.
    fn sign(config: &SourceConfig, sending: &Sending<'_>) -> Result<HeaderMap, BuildError> {
        signature::sign(&config.secret, sending)
    }
}

#[cfg(test)]
mod shop_tests;
#[cfg(test)]
mod tests;
