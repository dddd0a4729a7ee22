//! EasyPost's tracker events (<https://docs.easypost.com/docs/trackers>). The shape of the body is that of EasyPost's own client
//! libraries' fixtures; see `docs/shops/easypost.md`.

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
use signature::SigningKey;

/// A configured EasyPost account.
pub struct EasyPostSource {
    name: SourceName,
    key: SigningKey,
}

/// Builds one from its config.
///
/// # Errors
/// None of its own; the registry's signature asks for it.
pub fn build(config: &SourceConfig) -> Result<Arc<dyn EventSource>, BuildError> {
    Ok(Arc::new(EasyPostSource::new(config)))
}

impl EasyPostSource {
    /// Builds one from its config. EasyPost signs no time, so `tolerance_s` is not used: a replayed event is known by its id.
    pub fn new(config: &SourceConfig) -> Self {
        Self {
            name: config.name.clone(),
            key: SigningKey::parse(&config.secret),
        }
    }
}

#[async_trait]
impl EventSource for EasyPostSource {
    fn name(&self) -> &SourceName {
        &self.name
    }

    fn receive_webhook(
        &self,
        request: &WebhookRequest,
    ) -> Result<Vec<CommerceEvent>, WebhookRejection> {
        signature::verify(&self.key, request)?;
        let event = parse::parse(&request.body)?;
        Ok(event
            .map(|event| event.of(&self.name))
            .into_iter()
            .collect())
    }
}

/// The headers that make `body` a request which a source with this `secret` accepts: `x-hmac-signature` and
/// `content-type`.
pub fn sign(secret: &SecretString, body: &[u8]) -> HeaderMap {
    SigningKey::parse(secret).sign(body)
}

/// [`sign`] as the registry calls it.
pub(crate) fn sign_request(
    config: &SourceConfig,
    sending: &Sending<'_>,
) -> Result<HeaderMap, BuildError> {
    Ok(sign(&config.secret, sending.body))
}

#[cfg(test)]
mod tests;
