//! `doorstep events send`

use doorstep_commerce::{
    SourceConfig,
    registry::{self, Sending},
};
use doorstep_core::{SourceName, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{Failure, load_config, print};
use crate::{
    ambient,
    cli::{Cli, SendEvent},
    config::{Config, SecretStore},
};

pub(super) async fn send(cli: &Cli, event: &SendEvent) -> Result<(), Failure> {
    let config = load_config(cli)?;
    let source = source(&config, &event.source)?;
    let payload: Value = serde_json::from_str(&event.payload)
        .map_err(|error| Failure::Misuse(format!("--payload is not JSON: {error}")))?;
    let ambient = ambient::system();
    let now = ambient.now();
    let id = event.id.clone().unwrap_or_else(|| {
        let mut random = [0; 12];
        ambient.entropy.fill(&mut random);
        format!(
            "evt_{}",
            random
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        )
    });
    let body = if registry::has_generic_body(&source.kind) {
        generic_body(event, &payload, now).to_string()
    } else {
        payload.to_string()
    };
    let base = event.url.clone().unwrap_or_else(|| config.public_url());
    let url = format!(
        "{}/webhooks/commerce/{}",
        base.trim_end_matches('/'),
        event.source
    );
    let client = crate::client::http().map_err(Failure::finding)?;
    for _ in 0..if event.twice { 2 } else { 1 } {
        let sending = Sending {
            id: &id,
            event_type: Some(&event.event_type),
            sent_at: now,
            body: body.as_bytes(),
        };
        let headers = registry::sign_as(&source, &sending).map_err(Failure::finding)?;
        let response = client
            .post(&url)
            .headers(headers)
            .body(body.clone())
            .send()
            .await
            .map_err(|error| {
                Failure::Finding(format!(
                    "{url} did not answer: {error}; is the server running?"
                ))
            })?;
        let status = response.status();
        let answer = response.text().await.map_err(Failure::finding)?;
        print(json!({ "id": id, "status": status.as_u16(), "answer": parsed(&answer) }))?;
        if !status.is_success() {
            return Err(Failure::Finding(format!(
                "{url} refused the event with {status}"
            )));
        }
    }
    Ok(())
}

/// The generic source's body (docs/shops/generic.md).
fn generic_body(event: &SendEvent, payload: &Value, now: Timestamp) -> Value {
    json!({
        "schema_version": 1,
        "event_type": event.event_type,
        "order_id": event.order,
        "timestamp": now.to_rfc3339(),
        "payload": payload,
    })
}

fn parsed(answer: &str) -> Value {
    serde_json::from_str(answer).unwrap_or_else(|_| Value::String(answer.to_owned()))
}

fn source(config: &Config, name: &str) -> Result<SourceConfig, Failure> {
    let (_, section) = config
        .commerce
        .iter()
        .find(|(known, _)| known == name)
        .ok_or_else(|| {
            let known: Vec<&str> = config
                .commerce
                .iter()
                .map(|(name, _)| name.as_str())
                .collect();
            Failure::Misuse(format!(
                "there is no source `{name}`; configured: {}",
                known.join(", ")
            ))
        })?;
    Ok(SourceConfig {
        kind: section.kind.clone(),
        name: SourceName::from(name),
        secret: kept_secret(config, name, &section.secret)?,
        tolerance_s: section.tolerance_s,
    })
}

/// The configured secret, or the one the server made and keeps; never a new one, which no server would know.
fn kept_secret(
    config: &Config,
    name: &str,
    configured: &SecretString,
) -> Result<SecretString, Failure> {
    if !configured.expose_secret().is_empty() {
        return Ok(configured.clone());
    }
    let ambient = ambient::system();
    let secrets = SecretStore {
        folder: config.data_dir.join("secrets"),
        entropy: &*ambient.entropy,
    };
    let kept = secrets.kept(&format!("commerce_{name}_secret"));
    kept.map_err(Failure::finding)?.ok_or_else(|| {
        Failure::Finding(format!(
            "commerce.{name}.secret is not set and {} holds none; start the server once with this configuration, \
             or set it",
            secrets.folder.display()
        ))
    })
}
