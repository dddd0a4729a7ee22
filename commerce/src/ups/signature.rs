//! What UPS Track Alert proves itself with: the credential that was given when subscribing comes back in the header
//! `credential` of every request. It proves who speaks, not what is said, so the address must be one of https.

use doorstep_core::webhook::{WebhookRejection, WebhookRequest};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};

use crate::{BuildError, SourceConfig, mac::equal};

const HEADER: &str = "credential";

pub(super) fn verify(
    secret: &SecretString,
    request: &WebhookRequest,
) -> Result<(), WebhookRejection> {
    let given = request.header(HEADER)?.trim();
    if equal(given.as_bytes(), secret.expose_secret().trim().as_bytes()) {
        Ok(())
    } else {
        Err(WebhookRejection::BadSignature)
    }
}

pub(super) fn sign(config: &SourceConfig) -> Result<HeaderMap, BuildError> {
    let mut credential =
        HeaderValue::from_str(config.secret.expose_secret().trim()).map_err(|_| {
            BuildError::UnsendableSecret {
                name: config.name.clone(),
            }
        })?;
    credential.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(HEADER, credential);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(headers)
}
