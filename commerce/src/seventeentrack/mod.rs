//! 17TRACK's push notifications (<https://api.17track.net/en/doc?version=v2.4>).

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

/// A configured 17TRACK account.
pub struct SeventeenTrackSource {
    name: SourceName,
    secret: SecretString,
}

/// Builds one from its config.
///
/// # Errors
/// None of its own; the registry's signature asks for it.
pub fn build(config: &SourceConfig) -> Result<Arc<dyn EventSource>, BuildError> {
    Ok(Arc::new(SeventeenTrackSource::new(config)))
}

impl SeventeenTrackSource {
    /// Builds one from its config. 17TRACK signs no time, so `tolerance_s` is not used: a
    /// replayed event is known by what it says.
    pub fn new(config: &SourceConfig) -> Self {
        Self {
            name: config.name.clone(),
            secret: config.secret.clone(),
        }
    }
}

#[async_trait]
impl EventSource for SeventeenTrackSource {
    fn name(&self) -> &SourceName {
        &self.name
    }

    fn receive_webhook(
        &self,
        request: &WebhookRequest,
    ) -> Result<Vec<CommerceEvent>, WebhookRejection> {
        signature::verify(&self.secret, request)?;
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
    Ok(signature::sign(&config.secret, sending.body))
}

#[cfg(test)]
mod tests;
