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

/// EasyPost repeats a delivery for a day under the time of the event, and sends an event again when a merchant asks for it.
pub(crate) const TOLERANCE_S: u32 = 7 * 24 * 3600;

/// Of an account.
pub(crate) struct EasyPost {
    key: SigningKey,
    tolerance_s: u32,
}

impl Webhooks for EasyPost {
    fn of(config: &SourceConfig) -> Result<Self, BuildError> {
        Ok(Self {
            key: SigningKey::parse(&config.secret),
            tolerance_s: config.tolerance_s.unwrap_or(TOLERANCE_S),
        })
    }

    fn read(&self, request: &WebhookRequest) -> Result<Vec<Told>, WebhookRejection> {
        signature::verify(&self.key, request)?;
        let told = parse::parse(request, self.tolerance_s)?;
        Ok(told.into_iter().collect())
    }

    fn sign(config: &SourceConfig, sending: &Sending<'_>) -> Result<HeaderMap, BuildError> {
        Ok(SigningKey::parse(&config.secret).sign(sending.body))
    }
}

#[cfg(test)]
mod tests;
