//! A source: what all of them do alike. A provider's folder only says how its webhooks are signed and what they say.

use std::sync::Arc;

use async_trait::async_trait;
use doorstep_core::{
    SourceName,
    event::{CommerceEvent, CommerceEventKind},
    shop::EventSource,
    time::Timestamp,
    webhook::{WebhookRejection, WebhookRequest},
};
use http::HeaderMap;

use crate::{
    BuildError, SourceConfig,
    registry::{Sending, SourceKind},
};

/// How a provider signs its webhooks, and what they say.
pub(crate) trait Webhooks: Send + Sync + Sized + 'static {
    /// Those of an account.
    ///
    /// # Errors
    /// The secret cannot be used.
    fn of(config: &SourceConfig) -> Result<Self, BuildError>;

    /// Checks who speaks, then reads what is said. What does not concern us is no event and no error.
    ///
    /// # Errors
    /// The request is forged, too old, or not what the provider's specification says.
    fn read(&self, request: &WebhookRequest) -> Result<Vec<Told>, WebhookRejection>;

    /// The headers that make a body a request which [`Self::read`] takes.
    ///
    /// # Errors
    /// Something that has to stand in a header cannot.
    fn sign(config: &SourceConfig, sending: &Sending<'_>) -> Result<HeaderMap, BuildError>;
}

/// What a webhook says: an event that does not know yet under which name its source is configured.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) external_id: String,
    pub(crate) occurred_at: Timestamp,
    pub(crate) kind: CommerceEventKind,
}

/// A configured account at a provider.
struct Source<W> {
    name: SourceName,
    webhooks: W,
}

#[async_trait]
impl<W: Webhooks> EventSource for Source<W> {
    fn name(&self) -> &SourceName {
        &self.name
    }

    fn receive_webhook(
        &self,
        request: &WebhookRequest,
    ) -> Result<Vec<CommerceEvent>, WebhookRejection> {
        let told = self.webhooks.read(request)?;
        Ok(told
            .into_iter()
            .map(|told| CommerceEvent {
                source: self.name.clone(),
                external_id: told.external_id,
                occurred_at: told.occurred_at,
                kind: told.kind,
            })
            .collect())
    }
}

fn build<W: Webhooks>(config: &SourceConfig) -> Result<Arc<dyn EventSource>, BuildError> {
    Ok(Arc::new(Source {
        name: config.name.clone(),
        webhooks: W::of(config)?,
    }))
}

impl SourceKind {
    /// A kind whose secret the merchant may choose.
    pub(crate) const fn new<W: Webhooks>(name: &'static str) -> Self {
        Self {
            name,
            build: build::<W>,
            sign: W::sign,
            generic_body: false,
            provider_makes_secret: false,
        }
    }

    /// Its bodies are those of `docs/shops/generic.md`.
    pub(crate) const fn with_generic_body(mut self) -> Self {
        self.generic_body = true;
        self
    }

    /// The provider makes the secret.
    pub(crate) const fn with_providers_secret(mut self) -> Self {
        self.provider_makes_secret = true;
        self
    }
}
