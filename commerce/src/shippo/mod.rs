//! Shippo's tracking webhooks (<https://docs.goshippo.com/docs/tracking/webhooks>).

mod parse;
mod signature;

use doorstep_core::webhook::{WebhookRejection, WebhookRequest};
use http::HeaderMap;
use secrecy::SecretString;

use crate::{
    BuildError, SourceConfig,
    registry::{DEFAULT_TOLERANCE_S, Sending},
    source::{Told, Webhooks},
};

/// Of an account.
pub(crate) struct Shippo {
    secret: SecretString,
    tolerance_s: u32,
}

impl Webhooks for Shippo {
    fn of(config: &SourceConfig) -> Result<Self, BuildError> {
        Ok(Self {
            secret: config.secret.clone(),
            tolerance_s: config.tolerance_s.unwrap_or(DEFAULT_TOLERANCE_S),
        })
    }

    fn read(&self, request: &WebhookRequest) -> Result<Vec<Told>, WebhookRejection> {
        signature::verify(&self.secret, request, self.tolerance_s)?;
        Ok(parse::parse(request)?.into_iter().collect())
    }

    fn sign(config: &SourceConfig, sending: &Sending<'_>) -> Result<HeaderMap, BuildError> {
        Ok(signature::sign(
            &config.secret,
            sending.sent_at,
            sending.body,
        ))
    }
}

#[cfg(test)]
mod tests;
