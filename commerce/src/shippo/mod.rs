//! Shippo's tracking webhooks (<https://docs.goshippo.com/docs/tracking/webhooks>).

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

use crate::{
    BuildError, SourceConfig,
    registry::{DEFAULT_TOLERANCE_S, Sending},
};

/// A configured Shippo account.
pub struct ShippoSource {
    name: SourceName,
    secret: SecretString,
    tolerance_s: u32,
}

/// Builds one from its config.
///
/// # Errors
/// None of its own; the registry's signature asks for it.
pub fn build(config: &SourceConfig) -> Result<Arc<dyn EventSource>, BuildError> {
    Ok(Arc::new(ShippoSource::new(config)))
}

impl ShippoSource {
    /// Builds one from its config.
    pub fn new(config: &SourceConfig) -> Self {
        Self {
            name: config.name.clone(),
            secret: config.secret.clone(),
            tolerance_s: config.tolerance_s.unwrap_or(DEFAULT_TOLERANCE_S),
        }
    }
}

#[async_trait]
impl EventSource for ShippoSource {
    fn name(&self) -> &SourceName {
        &self.name
    }

    fn receive_webhook(
        &self,
        request: &WebhookRequest,
    ) -> Result<Vec<CommerceEvent>, WebhookRejection> {
        signature::verify(&self.secret, request, self.tolerance_s)?;
        let event = parse::parse(request)?;
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
    Ok(signature::sign(
        &config.secret,
        sending.sent_at,
        sending.body,
    ))
}

#[cfg(test)]
mod tests;
