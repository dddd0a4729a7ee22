//! How each part of a running program is, for `/readyz`.

use doorstep_core::{Health, nlu::Nlu, understanding::Backend};

use super::App;
use crate::config::NluBackend;

impl App {
    /// How each part is. Only what nothing can be done without is ever down.
    pub async fn health(&self) -> Vec<(String, Health)> {
        let mut parts = vec![("database".to_owned(), self.database_health().await)];
        parts.push(("search".to_owned(), self.search.healthcheck().await));
        parts.push((
            format!("shop:{}", self.shop.name()),
            not_fatal(self.shop.healthcheck().await),
        ));
        parts.push(("nlu".to_owned(), self.nlu_health()));
        parts.push(("files".to_owned(), self.files.borrow().health()));
        parts.push(("catalog".to_owned(), self.indexed.borrow().health()));
        for (name, channel) in &self.channels.all {
            let health = not_fatal(channel.healthcheck().await);
            parts.push((format!("channel:{name}"), health));
        }
        for poller in &self.pollers {
            let health = not_fatal(poller.health());
            parts.push((format!("carrier:{}", poller.source()), health));
        }
        parts
    }

    async fn database_health(&self) -> Health {
        match self.store.ping().await {
            Ok(()) => Health::Ok,
            Err(error) => Health::Down {
                reason: error.to_string(),
            },
        }
    }

    /// The built-in backend is a lesser way only where the library was asked for.
    fn nlu_health(&self) -> Health {
        match self.nlu.backend() {
            Backend::Tract if self.config.nlu.backend == NluBackend::Auto => Health::Degraded {
                reason: "ONNX Runtime was not found; the built-in backend stands in and is slower"
                    .to_owned(),
            },
            _ => Health::Ok,
        }
    }
}

/// A part of somebody else's is no reason to be taken out of service: without the mail server the chat still answers and
/// webhooks are still taken, and another instance would find it away as well.
fn not_fatal(health: Health) -> Health {
    match health {
        Health::Down { reason } => Health::Degraded {
            reason: format!("it is away, the rest works: {reason}"),
        },
        other => other,
    }
}
