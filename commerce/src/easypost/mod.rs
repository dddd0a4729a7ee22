//! EasyPost's tracker events (<https://docs.easypost.com/docs/trackers>). The shape of the body is that of EasyPost's own client
//! libraries' fixtures; see `docs/shops/easypost.md`.

mod parse;
mod signature;

use doorstep_core::webhook::{WebhookRejection, WebhookRequest};
use http::HeaderMap;

use crate::{
    BuildError, SourceConfig,
    registry::Sending,
    source::{Told, Webhooks},
};
use signature::SigningKey;

/// EasyPost signs no time, so `tolerance_s` is not used: a replayed event is known by its id.
pub(crate) struct EasyPost {
    key: SigningKey,
}

impl Webhooks for EasyPost {
    fn of(config: &SourceConfig) -> Result<Self, BuildError> {
        Ok(Self {
            key: SigningKey::parse(&config.secret),
        })
    }

    fn read(&self, request: &WebhookRequest) -> Result<Vec<Told>, WebhookRejection> {
        signature::verify(&self.key, request)?;
        Ok(parse::parse(&request.body)?.into_iter().collect())
    }

    fn sign(config: &SourceConfig, sending: &Sending<'_>) -> Result<HeaderMap, BuildError> {
        Ok(SigningKey::parse(&config.secret).sign(sending.body))
    }
}

#[cfg(test)]
mod tests;
