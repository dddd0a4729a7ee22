//! AfterShip's tracking webhooks (<https://www.aftership.com/docs/tracking/webhook/webhook-overview>).

mod parse;
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

/// AfterShip repeats a delivery for up to 5.7 days (14 times, twice as long after each: 30 s · 2ⁿ) under the time of the event.
pub(crate) const TOLERANCE_S: u32 = 7 * 24 * 3600;

/// A configured AfterShip account.
pub struct AfterShipSource {
    name: SourceName,
    secret: SecretString,
    tolerance_s: u32,
}

/// Builds one from its config.
///
/// # Errors
/// None of its own; the registry's signature asks for it.
pub fn build(config: &SourceConfig) -> Result<Arc<dyn EventSource>, BuildError> {
    Ok(Arc::new(AfterShipSource::new(config)))
}

impl AfterShipSource {
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
impl EventSource for AfterShipSource {
    fn name(&self) -> &SourceName {
        &self.name
    }

    fn receive_webhook(
        &self,
        request: &WebhookRequest,
    ) -> Result<Vec<CommerceEvent>, WebhookRejection> {
        signature::verify(&self.secret, request)?;
        let event = parse::parse(request, self.tolerance_s)?;
        Ok(event
            .map(|event| event.of(&self.name))
            .into_iter()
            .collect())
    }
}

/// The headers that make a body a request which a source with this config accepts.
pub(crate) fn sign_request(
    config: &SourceConfig,
    sending: &Sending<'_>,
) -> Result<HeaderMap, BuildError> {
    Ok(signature::sign(&config.secret, sending.body))
}

#[cfg(test)]
mod tests;
