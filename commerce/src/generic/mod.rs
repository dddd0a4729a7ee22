//! The generic source: any shop that can send a signed request. Headers and signature are Standard Webhooks
//! (<https://www.standardwebhooks.com>, version 1.0.0); the body is described in `docs/shops/generic.md` and
//! `docs/shops/generic.schema.json`.

mod order;
mod parse;
mod signature;

use doorstep_core::{
    Timestamp,
    webhook::{WebhookRejection, WebhookRequest},
};
use http::HeaderMap;
use secrecy::SecretString;

pub use parse::{EVENT_TYPES, EventType, SCHEMA_VERSION};
pub use signature::InvalidSignatureInput;

use crate::{
    BuildError, SourceConfig,
    body::identifier,
    registry::{DEFAULT_TOLERANCE_S, Sending},
    source::{Told, Webhooks},
};
use signature::SigningKeys;

/// Of any shop that can send a request.
pub(crate) struct Generic {
    keys: SigningKeys,
    tolerance_s: u32,
}

impl Webhooks for Generic {
    fn of(config: &SourceConfig) -> Result<Self, BuildError> {
        let keys = SigningKeys::parse(&config.secret).map_err(|_| BuildError::InvalidSecret {
            name: config.name.clone(),
        })?;
        Ok(Self {
            keys,
            tolerance_s: config.tolerance_s.unwrap_or(DEFAULT_TOLERANCE_S),
        })
    }

    fn read(&self, request: &WebhookRequest) -> Result<Vec<Told>, WebhookRejection> {
        let id = signature::verify(&self.keys, self.tolerance_s, request)?;
        let external_id = identifier(signature::ID_HEADER, id)?;
        let event = parse::parse(&request.body)?;
        Ok(vec![Told {
            external_id,
            occurred_at: event.occurred_at,
            kind: event.kind,
        }])
    }

    fn sign(config: &SourceConfig, sending: &Sending<'_>) -> Result<HeaderMap, BuildError> {
        let Sending {
            id, sent_at, body, ..
        } = *sending;
        sign(&config.secret, id, sent_at, body).map_err(|error| match error {
            InvalidSignatureInput::Secret => BuildError::InvalidSecret {
                name: config.name.clone(),
            },
            InvalidSignatureInput::Id => BuildError::InvalidId { id: id.to_owned() },
        })
    }
}

/// The headers that make `body` a request which a generic source with this `secret` accepts: `webhook-id`,
/// `webhook-timestamp`, `webhook-signature` and `content-type`.
///
/// # Errors
/// The secret begins with `whsec_` but is not base64 after it, or the id cannot stand in a header.
pub fn sign(
    secret: &SecretString,
    id: &str,
    sent_at: Timestamp,
    body: &[u8],
) -> Result<HeaderMap, InvalidSignatureInput> {
    SigningKeys::parse(secret)?.sign(id, sent_at, body)
}

#[cfg(test)]
mod tests;
