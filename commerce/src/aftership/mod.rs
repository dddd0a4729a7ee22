//! AfterShip's tracking webhooks (<https://www.aftership.com/docs/tracking/webhook/webhook-overview>).

mod parse;
mod signature;

use doorstep_core::webhook::{WebhookRejection, WebhookRequest};
use http::HeaderMap;
use secrecy::SecretString;

use crate::{
    BuildError, SourceConfig,
    registry::Sending,
    source::{Told, Webhooks},
};

/// AfterShip repeats a delivery for up to 5.7 days (14 times, twice as long after each: 30 s · 2ⁿ) under the time of the event.
pub(crate) const TOLERANCE_S: u32 = 7 * 24 * 3600;

/// Of an account.
pub(crate) struct AfterShip {
    secret: SecretString,
    tolerance_s: u32,
}

impl Webhooks for AfterShip {
    fn of(config: &SourceConfig) -> Result<Self, BuildError> {
        Ok(Self {
            secret: config.secret.clone(),
            tolerance_s: config.tolerance_s.unwrap_or(TOLERANCE_S),
        })
    }

    fn read(&self, request: &WebhookRequest) -> Result<Vec<Told>, WebhookRejection> {
        signature::verify(&self.secret, request)?;
        let told = parse::parse(request, self.tolerance_s)?;
        Ok(told.into_iter().collect())
    }

    fn sign(config: &SourceConfig, sending: &Sending<'_>) -> Result<HeaderMap, BuildError> {
        Ok(signature::sign(&config.secret, sending.body))
    }
}

#[cfg(test)]
mod tests;
