//! UPS Track Alert's tracking events (<https://developer.ups.com/api/reference/trackalert>), and the Track API for parcels
//! that nobody subscribed.

mod lookup;
mod parse;
mod signature;

use doorstep_core::webhook::{WebhookRejection, WebhookRequest};
use http::HeaderMap;
use secrecy::SecretString;

pub(crate) use lookup::UpsLookup;

use crate::{
    BuildError, SourceConfig,
    registry::Sending,
    source::{Told, Webhooks},
};

/// UPS signs nothing, so `tolerance_s` is not used: a replayed event is known by what it says.
pub(crate) struct Ups {
    secret: SecretString,
}

impl Webhooks for Ups {
    fn of(config: &SourceConfig) -> Result<Self, BuildError> {
        Ok(Self {
            secret: config.secret.clone(),
        })
    }

    fn read(&self, request: &WebhookRequest) -> Result<Vec<Told>, WebhookRejection> {
        signature::verify(&self.secret, request)?;
        Ok(parse::parse(request)?.into_iter().collect())
    }

    fn sign(config: &SourceConfig, _: &Sending<'_>) -> Result<HeaderMap, BuildError> {
        signature::sign(config)
    }
}

#[cfg(test)]
mod lookup_tests;
#[cfg(test)]
mod tests;
