//! 17TRACK's push notifications, and its interface for parcels that it does not push
//! (<https://api.17track.net/en/doc?version=v2.4>).

mod lookup;
mod parse;
mod signature;

use doorstep_core::webhook::{WebhookRejection, WebhookRequest};
use http::HeaderMap;
use secrecy::SecretString;

pub(crate) use lookup::SeventeenTrackLookup;

use crate::{
    BuildError, SourceConfig,
    registry::Sending,
    source::{Told, Webhooks},
};

/// 17TRACK signs no time, so `tolerance_s` is not used: a replayed event is known by what it says.
pub(crate) struct SeventeenTrack {
    secret: SecretString,
}

impl Webhooks for SeventeenTrack {
    fn of(config: &SourceConfig) -> Result<Self, BuildError> {
        Ok(Self {
            secret: config.secret.clone(),
        })
    }

    fn read(&self, request: &WebhookRequest) -> Result<Vec<Told>, WebhookRejection> {
        signature::verify(&self.secret, request)?;
        Ok(parse::parse(request)?.into_iter().collect())
    }

    fn sign(config: &SourceConfig, sending: &Sending<'_>) -> Result<HeaderMap, BuildError> {
        Ok(signature::sign(&config.secret, sending.body))
    }
}

#[cfg(test)]
mod lookup_tests;
#[cfg(test)]
mod tests;
