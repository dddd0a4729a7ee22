//! Asking a carrier for parcels: what all carriers do alike. A provider's folder only says how its interface is asked; what
//! it answers is read by the same parser as its webhooks, so that the same news has the same external id.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use doorstep_core::{
    Ambient, Health, SourceName, TrackingNumber,
    event::CommerceEvent,
    shop::{LookupError, TrackingAnswer, TrackingLookup, TrackingReport},
};
use http::{HeaderName, HeaderValue};
use secrecy::SecretString;
use serde::Deserialize;

use crate::{
    BuildError, SourceConfig,
    api::{Api, Endpoint, Unanswered},
    source::Told,
};

/// `[commerce.<name>.poll]`: carriers are asked from time to time, beside or instead of their webhooks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PollConfig {
    /// How many hours pass at least before the same parcel is asked for again.
    pub every_h: u16,
    /// Whose parcels are asked for, as the shop names carriers, in upper or lower case; without it those of
    /// [`LookupKind::carriers`].
    pub carriers: Option<Vec<String>>,
    /// The OAuth client, where the provider knows one.
    #[serde(default)]
    pub client_id: String,
    /// Its secret.
    #[serde(default)]
    pub client_secret: SecretString,
    /// Where the interface is, if not where the provider has it: a test environment, a proxy.
    pub url: Option<String>,
    /// How many seconds one request may take.
    #[serde(default = "default_timeout_s")]
    pub timeout_s: u64,
}

fn default_timeout_s() -> u64 {
    10
}

impl PollConfig {
    /// Whose parcels are asked for; none: everybody's. `kind` is the source's.
    pub fn carriers(&self, kind: &str) -> Vec<String> {
        let own = LOOKUPS.iter().find(|known| known.name == kind);
        let own = own.map_or(&[][..], |known| known.carriers);
        match &self.carriers {
            Some(named) => named.clone(),
            None => own.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    /// The interface of the source `name`: where the section says, else at `url`. Requests are kept `spacing` apart, and
    /// `credentials` are on each of them.
    ///
    /// # Errors
    /// As [`Api::new`].
    pub(crate) fn api(
        &self,
        name: &SourceName,
        url: &str,
        spacing: Duration,
        credentials: Option<(HeaderName, HeaderValue)>,
    ) -> Result<Api, BuildError> {
        let base = self.url.as_deref().unwrap_or(url);
        let api = Api::new(&Endpoint {
            name,
            role: "carrier",
            base: base.trim_end_matches('/'),
            credentials,
            timeout: Duration::from_secs(self.timeout_s.max(1)),
            spacing,
        })?;
        #[cfg(test)]
        let api = api.hurried();
        Ok(api)
    }
}

/// How what asks a source's interface is built.
pub type BuildLookup =
    fn(&SourceConfig, &PollConfig, &Ambient) -> Result<Arc<dyn TrackingLookup>, BuildError>;

/// A kind of source whose interface can be asked for parcels.
pub struct LookupKind {
    /// The source's kind.
    pub name: &'static str,
    /// Whose parcels it knows, as shops name carriers; none: everybody's.
    pub carriers: &'static [&'static str],
    /// Whether it is asked as an OAuth client (`client_id`, `client_secret`) and not with the source's secret.
    pub has_client: bool,
    /// Builds one.
    pub build: BuildLookup,
}

impl LookupKind {
    const fn new<L: Lookup>(name: &'static str) -> Self {
        Self {
            name,
            carriers: &[],
            has_client: false,
            build: build_one::<L>,
        }
    }

    const fn of_carriers(mut self, carriers: &'static [&'static str]) -> Self {
        self.carriers = carriers;
        self
    }

    const fn with_client(mut self) -> Self {
        self.has_client = true;
        self
    }
}

/// Every source that can be asked for parcels.
pub const LOOKUPS: &[LookupKind] = &[
    #[cfg(feature = "seventeentrack")]
    LookupKind::new::<crate::seventeentrack::SeventeenTrackLookup>("17track"),
    #[cfg(feature = "ups")]
    LookupKind::new::<crate::ups::UpsLookup>("ups")
        .of_carriers(&["UPS"])
        .with_client(),
];

/// Builds what asks a source's interface for parcels.
///
/// # Errors
/// Sources of this kind cannot be asked, or its section cannot be used.
pub fn build(
    source: &SourceConfig,
    poll: &PollConfig,
    ambient: &Ambient,
) -> Result<Arc<dyn TrackingLookup>, BuildError> {
    match LOOKUPS.iter().find(|known| known.name == source.kind) {
        Some(kind) => (kind.build)(source, poll, ambient),
        None => Err(BuildError::NoLookup {
            kind: source.kind.clone(),
            known: LOOKUPS
                .iter()
                .map(|known| known.name)
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// How a provider's interface is asked for parcels.
#[async_trait]
pub(crate) trait Lookup: Send + Sync + Sized + 'static {
    /// How many parcels one question names at most.
    const AT_ONCE: usize;

    /// Of an account.
    ///
    /// # Errors
    /// The section cannot be used.
    fn of(source: &SourceConfig, poll: &PollConfig, ambient: &Ambient) -> Result<Self, BuildError>;

    /// Asks for up to [`Self::AT_ONCE`] parcels.
    ///
    /// # Errors
    /// The provider did not answer, or refuses this account.
    async fn ask(&self, parcels: &[TrackingNumber]) -> Result<Vec<Answer>, LookupError>;

    /// How the last question went.
    fn health(&self) -> Health;
}

/// What was answered about one parcel: what it says, or why the provider refuses to tell, without the number.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) parcel: TrackingNumber,
    pub(crate) heard: Result<Vec<Heard>, String>,
}

/// One thing that was answered, and the part of the answer that says it.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) raw: Vec<u8>,
    pub(crate) told: Told,
}

impl From<Unanswered> for LookupError {
    fn from(unanswered: Unanswered) -> Self {
        Self {
            error: unanswered.error,
            retry_after: unanswered.retry_after,
        }
    }
}

/// A configured account at a provider.
struct Account<L> {
    name: SourceName,
    lookup: L,
}

fn build_one<L: Lookup>(
    source: &SourceConfig,
    poll: &PollConfig,
    ambient: &Ambient,
) -> Result<Arc<dyn TrackingLookup>, BuildError> {
    Ok(Arc::new(Account {
        name: source.name.clone(),
        lookup: L::of(source, poll, ambient)?,
    }))
}

impl<L> Account<L> {
    fn report(&self, heard: Heard) -> TrackingReport {
        let told = heard.told;
        TrackingReport {
            raw: heard.raw,
            event: CommerceEvent {
                source: self.name.clone(),
                external_id: told.external_id,
                occurred_at: told.occurred_at,
                kind: told.kind,
            },
        }
    }
}

#[async_trait]
impl<L: Lookup> TrackingLookup for Account<L> {
    fn name(&self) -> &SourceName {
        &self.name
    }

    fn at_once(&self) -> usize {
        L::AT_ONCE
    }

    async fn look_up(
        &self,
        parcels: &[TrackingNumber],
    ) -> Result<Vec<TrackingAnswer>, LookupError> {
        let answers = self.lookup.ask(parcels).await?;
        let answers = answers.into_iter().map(|answer| TrackingAnswer {
            parcel: answer.parcel,
            reports: answer
                .heard
                .map(|heard| heard.into_iter().map(|heard| self.report(heard)).collect()),
        });
        Ok(answers.collect())
    }

    /// Nothing of ours fails with it: what it did not answer is asked again, and webhooks come all the same.
    fn health(&self) -> Health {
        match self.lookup.health() {
            Health::Down { reason } => Health::Degraded {
                reason: format!("{reason}; parcels are asked for again later"),
            },
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ambient, config, poll_config};

    #[test]
    fn a_source_that_cannot_be_asked_is_told_so() {
        let poll = poll_config("https://example.org");
        let error = build(&config("generic"), &poll, &ambient()).err().unwrap();
        assert_eq!(
            error.to_string(),
            "a source of kind `generic` cannot be asked for parcels; those can: 17track, ups"
        );
    }

    #[test]
    fn what_proves_us_is_never_sent_in_the_clear() {
        for kind in LOOKUPS {
            let poll = poll_config("http://carrier.example");
            let error = build(&config(kind.name), &poll, &ambient()).err().unwrap();
            assert!(
                error.to_string().contains("must begin with https://"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_carrier_is_asked_for_its_own_parcels_and_an_aggregator_for_all() {
        let poll = poll_config("https://example.org");
        assert_eq!(poll.carriers("ups"), ["UPS"]);
        assert_eq!(poll.carriers("17track"), Vec::<String>::new());
        let named = PollConfig {
            carriers: Some(vec!["Correos".to_owned()]),
            ..poll
        };
        assert_eq!(named.carriers("17track"), ["Correos"]);
    }
}
