//! Which news a customer hears: is it news, whose is it, where, in which language, allowed now?
//!
//! Every answer is written down with its reason, also "nobody". That a piece of news is told once, and none that the
//! parcel's state is past, is decided inside the transaction ([`Store::commit_decisions`]).

mod again;
mod audience;
mod conditions;
mod experiments;
mod facts;
mod limits;
mod matter;
mod moved;
pub mod rehearsal;
mod rules;
mod schedule;
mod weigh;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use chrono_tz::Tz;
use doorstep_core::{
    ChannelName, CommerceEventId, ConfigFiles, Language, Problem, Timestamp, channel::Capabilities,
    message::Content, notification::Topic, shipment::Shipment,
};

pub use conditions::{Bounds, Condition, Fact, Test};
pub use experiments::{Estimate, Experiment, Share, Variant};
pub use limits::{Limits, QuietHours, duration};
use rules::ETA_MOVED;
pub use rules::{Arrival, EVENTS, OncePer, Rule, Rules, Send};

use self::{
    audience::{Asked, Stage},
    matter::Matter,
};
use crate::{
    eta::{EtaConfig, Forecasts},
    page_token::PageLinks,
    store::{Audience, Decided, Decision, DedupeKey, ParcelUpdate, Store, StoreError, Verdict},
    templates::{TemplateError, Templates},
};

/// What notifications need to know of the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyConfig {
    /// What customers call the shop.
    pub shop_name: String,
    /// Language of customers whose own is not known.
    pub default_language: Language,
    /// Time zone of customers whose own is not known.
    pub time_zone: Tz,
}

/// What a merchant writes about notifications: rules and the words they name, which change together.
struct Book {
    rules: Rules,
    templates: Arc<Templates>,
}

/// Decides who hears of an event.
pub struct Notifier {
    store: Store,
    /// What customers ordered before: the store itself, but for a rehearsal.
    past: Store,
    /// A decision keeps the book that it began with.
    book: RwLock<Arc<Book>>,
    capabilities: HashMap<ChannelName, Capabilities>,
    config: NotifyConfig,
    forecasts: Arc<Forecasts>,
    pages: Option<PageLinks>,
}

/// It could not be decided now. The event waits and is tried again.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A template could not be filled in.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

/// What came of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// What each rule decided.
    Decided(Vec<Decided>),
    /// It was decided before.
    Before,
    /// It is not enriched yet; its enrichment will have it decided.
    NotYet,
    /// There is no such event.
    Unknown,
}

impl Notifier {
    /// Over the store, the merchant's rules and words, and the channels there are.
    pub fn new(
        store: Store,
        rules: Rules,
        templates: Arc<Templates>,
        capabilities: HashMap<ChannelName, Capabilities>,
        config: NotifyConfig,
    ) -> Self {
        let forecasts = EtaConfig {
            time_zone: config.time_zone,
            ..EtaConfig::default()
        };
        Self {
            forecasts: Arc::new(Forecasts::new(store.clone(), forecasts)),
            past: store.clone(),
            store,
            book: RwLock::new(Arc::new(Book { rules, templates })),
            capabilities,
            config,
            pages: None,
        }
    }

    /// Decides by other rules and words from now on: all of them at once. What waits by a rule that is no more is not
    /// told.
    pub fn renew(&self, rules: Rules, templates: Arc<Templates>) {
        let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
        *book = Arc::new(Book { rules, templates });
    }

    fn book(&self) -> Arc<Book> {
        Arc::clone(&self.book.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells where an order is followed, and where the customer chooses what to hear.
    #[must_use]
    pub fn with_pages(mut self, pages: PageLinks) -> Self {
        self.pages = Some(pages);
        self
    }

    /// Tells expected days by these instead of by carriers and promises alone.
    #[must_use]
    pub fn with_forecasts(mut self, forecasts: Arc<Forecasts>) -> Self {
        self.forecasts = forecasts;
        self
    }

    /// Looks in another store for what customers ordered before: a rehearsal's own knows no past.
    #[must_use]
    fn with_past(mut self, past: Store) -> Self {
        self.past = past;
        self
    }

    /// Reads the rules and checks them and the templates they name.
    ///
    /// # Errors
    /// Everything that is wrong in them.
    pub fn load_rules(
        files: &ConfigFiles,
        templates: &Templates,
        channels: &[ChannelName],
    ) -> Result<Rules, Vec<Problem>> {
        Rules::load(files, templates, channels, facts::samples)
    }

    /// A template filled in for a customer who does not exist: what `doorstep preview` shows.
    ///
    /// # Errors
    /// The template cannot be filled in.
    pub fn preview(
        rules: &Rules,
        templates: &Templates,
        template: &str,
        language: &Language,
        now: Timestamp,
    ) -> Result<Content, TemplateError> {
        let event = rules.event_of(template).unwrap_or(template);
        Self::fill_in_sample(templates, template, event, language, now)
    }

    /// The same for a rule on this event.
    ///
    /// # Errors
    /// The template cannot be filled in.
    pub fn fill_in_sample(
        templates: &Templates,
        template: &str,
        event: &str,
        language: &Language,
        now: Timestamp,
    ) -> Result<Content, TemplateError> {
        templates.notification(template, language, &facts::sample(event, true, now))
    }

    /// Decides who hears of an event, and commits that with the messages.
    ///
    /// # Errors
    /// Nothing was changed; try again later.
    pub async fn decide(&self, id: CommerceEventId) -> Result<Outcome, NotifyError> {
        loop {
            if let Some(outcome) = self.decide_as_known(id).await? {
                return Ok(outcome);
            }
        }
    }

    /// Decides by what is known now; `None` when more became known meanwhile.
    async fn decide_as_known(&self, id: CommerceEventId) -> Result<Option<Outcome>, NotifyError> {
        let Some(event) = self.store.load_event(id).await? else {
            return Ok(Some(Outcome::Unknown));
        };
        if event.notified_at.is_some() {
            return Ok(Some(Outcome::Before));
        }
        if event.enriched_at.is_none() {
            return Ok(Some(Outcome::NotYet));
        }
        let matter = self.gather(event).await?;
        let decisions = self.apply_rules(&self.book(), &matter).await?;
        let subject = matter.subject();
        let decided = match self.store.commit_decisions(id, subject, decisions).await? {
            Verdict::Decided(decided) => decided,
            Verdict::Before => return Ok(Some(Outcome::Before)),
            Verdict::Outdated => return Ok(None),
        };
        for decision in &decided {
            report(decision);
        }
        tracing::debug!(event.id = %id, decisions = decided.len(), "decided");
        Ok(Some(Outcome::Decided(decided)))
    }

    async fn apply_rules(
        &self,
        book: &Book,
        matter: &Matter,
    ) -> Result<Vec<Decision>, NotifyError> {
        let label = matter.event.event.kind.label();
        let mut decisions = Vec::new();
        for rule in book.rules.on(label) {
            let key = matter.dedupe_key(rule, book.rules.place(rule));
            decisions.push(self.apply(book, rule, matter, key).await?);
        }
        let mut on_moved = book.rules.on(ETA_MOVED).peekable();
        if on_moved.peek().is_some()
            && let Some(key) = self.moved_window(matter).await?
        {
            for rule in on_moved {
                let key = DedupeKey {
                    now: format!("{ETA_MOVED}#{}:{key}", book.rules.place(rule)),
                    former: format!("{}:{key}", rule.template),
                };
                let decision = self.apply(book, rule, matter, key).await?;
                decisions.push(Decision {
                    only_alone: true,
                    ..decision
                });
            }
        }
        if decisions.is_empty() {
            decisions.push(Decision {
                dedupe_key: DedupeKey::default(),
                rule: String::new(),
                template: "none".to_owned(),
                topic: Topic::Order,
                urgent: false,
                at_most: None,
                only_alone: false,
                conditions: None,
                audience: Audience::Held(format!("no rule on `{label}`")),
                trial: None,
            });
        }
        Ok(decisions)
    }

    async fn apply(
        &self,
        book: &Book,
        rule: &Rule,
        matter: &Matter,
        dedupe_key: DedupeKey,
    ) -> Result<Decision, NotifyError> {
        let dealt = rule.dealt(matter.customer.as_ref());
        let asked = Asked {
            book,
            rule: &dealt.rule,
            channels: &dealt.rule.channels,
            matter,
            others: &[],
            stage: Stage::First,
        };
        let (audience, conditions) = self.find_audience(&asked).await?;
        let template = dealt.rule.template.clone();
        let (audience, trial) = dealt.settle(audience);
        Ok(Decision {
            // The news is the same in every variant.
            dedupe_key,
            rule: rule.name.clone(),
            template,
            topic: rule.topic,
            urgent: rule.urgent,
            at_most: self.at_most(book, rule, matter.customer.as_ref()),
            only_alone: false,
            conditions,
            audience,
            trial,
        })
    }
}

/// Counts and logs a decision.
fn report(decision: &Decided) {
    let verdict = match (&decision.held, decision.waits) {
        (Some(_), _) => "held",
        (None, Some(_)) => "waits",
        (None, None) => "told",
    };
    metrics::counter!("doorstep_notifications_total", "template" => decision.template.clone(), "decision" => verdict)
        .increment(1);
    tracing::info!(rule = %decision.rule, template = %decision.template, verdict, told = decision.told, reason = decision.held);
}

/// The number of a parcel that may be told.
fn public_number(shipment: &Shipment) -> Option<&str> {
    ParcelUpdate::is_named(&shipment.tracking_number).then(|| shipment.tracking_number.as_str())
}

#[cfg(test)]
mod conditions_tests;
#[cfg(test)]
mod late_tests;
#[cfg(test)]
mod later_tests;
#[cfg(test)]
mod once_tests;
#[cfg(test)]
mod rehearsal_tests;
#[cfg(test)]
mod schedule_tests;
#[cfg(test)]
mod shipped_tests;
#[cfg(test)]
mod split_tests;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod wishes_tests;
