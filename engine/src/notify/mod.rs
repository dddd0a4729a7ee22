//! Which news a customer hears: is it news, whose is it, where, in which language, allowed now?
//!
//! Every answer is written down with its reason, also "nobody". That a piece of news is told once, and none that the
//! parcel's state is past, is decided inside the transaction ([`Store::commit_decisions`]).

mod facts;
mod rules;

use std::{collections::HashMap, sync::Arc};

use chrono_tz::Tz;
use doorstep_core::{
    ChannelName, CommerceEventId, ConfigFiles, Language, OrderNumber, Problem, Timestamp,
    channel::Capabilities,
    customer::Customer,
    event::CommerceEventKind,
    message::{Address, Content, FactSource},
    notification::Topic,
    order::OrderRef,
    shipment::Shipment,
};

pub use rules::{EVENTS, OncePer, Rule, Rules, Send};

use crate::{
    eta::{Eta, EtaConfig, Forecasts},
    page_token::{PageLinks, TrackingScope},
    store::{
        Audience, Decided, Decision, News, OrderRecord, ParcelUpdate, Recipient, Store, StoreError,
        StoredEvent, Subject, Verdict,
    },
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

/// Decides who hears of an event.
pub struct Notifier {
    store: Store,
    rules: Rules,
    templates: Arc<Templates>,
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

/// All that is known about what an event is about.
struct Matter {
    event: StoredEvent,
    order: Option<OrderRecord>,
    order_number: Option<OrderNumber>,
    shipment: Option<Shipment>,
    customer: Option<Customer>,
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
            store,
            rules,
            templates,
            capabilities,
            config,
            pages: None,
        }
    }

    /// Tells where an order is followed, and in what sells where it is stopped.
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
        let decisions = self.apply_rules(&matter).await?;
        let subject = matter.subject();
        let decided = match self.store.commit_decisions(id, subject, decisions).await? {
            Verdict::Decided(decided) => decided,
            Verdict::Before => return Ok(Some(Outcome::Before)),
            Verdict::Outdated => return Ok(None),
        };
        for decision in &decided {
            let verdict = if decision.held.is_some() {
                "held"
            } else {
                "told"
            };
            metrics::counter!("doorstep_notifications_total", "template" => decision.template.clone(), "decision" => verdict)
                .increment(1);
            tracing::info!(event.id = %id, template = %decision.template, verdict, told = decision.told, reason = decision.held);
        }
        Ok(Some(Outcome::Decided(decided)))
    }

    async fn gather(&self, event: StoredEvent) -> Result<Matter, StoreError> {
        let (named, shipment) = match &event.event.kind {
            CommerceEventKind::OrderUpdated { order }
            | CommerceEventKind::OrderCancelled { order, .. } => {
                (Some(order.number.clone().into()), None)
            }
            CommerceEventKind::ReturnRequested { order }
            | CommerceEventKind::ReturnReceived { order }
            | CommerceEventKind::RefundIssued { order, .. } => (Some(order.clone()), None),
            CommerceEventKind::Fulfilled { order, .. } => {
                self.parcel_and_order(event.id, Some(order)).await?
            }
            CommerceEventKind::Tracking { order, .. } => {
                self.parcel_and_order(event.id, order.as_ref()).await?
            }
            CommerceEventKind::Remark { .. }
            | CommerceEventKind::CustomerDataRequested { .. }
            | CommerceEventKind::CustomerRedacted { .. }
            | CommerceEventKind::ShopRedacted => (None, None),
        };
        let order = match &named {
            Some(order) => self.store.resolve_order(order).await?,
            None => None,
        };
        let order_number = match (&order, named) {
            (Some(record), _) => Some(record.order.number.clone()),
            (None, Some(OrderRef::Number(number))) => Some(number),
            (None, _) => None,
        };
        let customer = match order.as_ref().and_then(|record| record.customer) {
            Some(id) => self.store.find_customer(id).await?,
            None => None,
        };
        Ok(Matter {
            event,
            order,
            order_number,
            shipment,
            customer,
        })
    }

    /// The parcel that an event is about, and its order: as the event names it, or as the parcel is known.
    async fn parcel_and_order(
        &self,
        event: CommerceEventId,
        named: Option<&OrderRef>,
    ) -> Result<(Option<OrderRef>, Option<Shipment>), StoreError> {
        let parcel = self.store.parcel_of_event(event).await?;
        let known = match &parcel {
            Some(number) => self.store.find_shipment(number).await?,
            None => None,
        };
        let (shipment, its_order) = known.unzip();
        let its_order = its_order.flatten().map(OrderRef::from);
        let order = match named {
            Some(OrderRef::Number(_)) => named.cloned(),
            _ => its_order.or_else(|| named.cloned()),
        };
        Ok((order, shipment))
    }

    async fn apply_rules(&self, matter: &Matter) -> Result<Vec<Decision>, NotifyError> {
        let label = matter.event.event.kind.label();
        let mut decisions = Vec::new();
        for rule in self.rules.on(label) {
            decisions.push(Decision {
                dedupe_key: matter.dedupe_key(rule),
                template: rule.template.clone(),
                topic: rule.topic,
                audience: self.find_audience(matter, rule).await?,
            });
        }
        if decisions.is_empty() {
            decisions.push(Decision {
                dedupe_key: String::new(),
                template: "none".to_owned(),
                topic: Topic::Order,
                audience: Audience::Held(format!("no rule on `{label}`")),
            });
        }
        Ok(decisions)
    }

    async fn find_audience(&self, matter: &Matter, rule: &Rule) -> Result<Audience, NotifyError> {
        let held = |reason: &str| Ok(Audience::Held(reason.to_owned()));
        let Some(order) = &matter.order else {
            return held("the order is not known");
        };
        let Some(customer) = &matter.customer else {
            return held("the order names no customer");
        };
        let addresses = self.store.addresses_of(customer.id).await?;
        let mut recipients = Vec::new();
        let mut reasons = Vec::new();
        for channel in &rule.channels {
            let there = self.choose(channel, &addresses, order);
            if there.is_empty() {
                reasons.push(format!("no address on {channel}"));
                continue;
            }
            let wish = self
                .store
                .preference(customer.id, rule.topic, channel)
                .await?;
            if !wish.unwrap_or(rule.topic == Topic::Order) {
                let reason = match wish {
                    Some(_) => "not wanted",
                    None => "no consent",
                };
                reasons.push(format!("{reason} on {channel}"));
                continue;
            }
            for address in there {
                recipients.push(
                    self.write_to(address, matter, order, customer, rule)
                        .await?,
                );
            }
            if rule.send == Send::First {
                break;
            }
        }
        if recipients.is_empty() {
            return Ok(Audience::Held(reasons.join("; ")));
        }
        Ok(Audience::Told(recipients))
    }

    /// The customer's addresses on a channel that hear of an order: all that fetch; of those we send to, the order's own
    /// or the one proven last.
    fn choose(
        &self,
        channel: &ChannelName,
        addresses: &[Address],
        order: &OrderRecord,
    ) -> Vec<Address> {
        let there: Vec<&Address> = addresses
            .iter()
            .filter(|address| address.channel == *channel)
            .collect();
        if !self.delivers(channel) {
            return there.into_iter().cloned().collect();
        }
        let email = order.order.customer.email.as_deref().map(str::to_lowercase);
        let own = there
            .iter()
            .find(|address| Some(&address.id) == email.as_ref());
        own.or(there.last())
            .map(|address| vec![(*address).clone()])
            .unwrap_or_default()
    }

    fn delivers(&self, channel: &ChannelName) -> bool {
        self.capabilities
            .get(channel)
            .is_none_or(|capabilities| !capabilities.mailbox)
    }

    async fn write_to(
        &self,
        address: Address,
        matter: &Matter,
        order: &OrderRecord,
        customer: &Customer,
        rule: &Rule,
    ) -> Result<Recipient, NotifyError> {
        let language = match &customer.language {
            Some(language) => language.clone(),
            None => self
                .store
                .language_of(&address)
                .await?
                .unwrap_or_else(|| self.config.default_language.clone()),
        };
        let now = self.store.ambient().now();
        let time_zone = customer.time_zone.unwrap_or(self.config.time_zone);
        let eta = self
            .forecasts
            .estimate(Some(order), matter.shipment.as_ref(), time_zone)
            .await?;
        let scope = TrackingScope {
            customer: customer.id,
            order: order.order.number.clone(),
        };
        let pages = self.pages.as_ref();
        let told = facts::Told {
            track_url: pages.map(|pages| pages.tracking_url(&scope, now)),
            now,
            time_zone,
            shop_name: &self.config.shop_name,
            event: &matter.event.event.kind,
            order: &order.order,
            shipment: matter.shipment.as_ref(),
            eta: eta.as_ref(),
            customer,
        };
        let mut content = self
            .templates
            .notification(&rule.template, &language, &told.facts())?;
        let selling = pages.filter(|_| rule.topic == Topic::Marketing);
        content.unsubscribe = selling.map(|pages| pages.preferences_url(customer.id, now));
        content.sources = matter.sources(order, eta.as_ref());
        Ok(Recipient {
            delivers: self.delivers(&address.channel),
            address,
            content,
            language,
        })
    }
}

impl Matter {
    fn subject(&self) -> Subject {
        let parcel = match (&self.event.event.kind, &self.shipment) {
            (
                CommerceEventKind::Tracking { event, .. }
                | CommerceEventKind::Fulfilled { event, .. },
                Some(shipment),
            ) => Some(News {
                tracking_number: shipment.tracking_number.clone(),
                status: event.status,
                occurred_at: event.occurred_at,
            }),
            _ => None,
        };
        Subject {
            customer: self.customer.as_ref().map(|customer| customer.id),
            order: self.order_number.clone(),
            order_known: self.order.is_some(),
            parcel,
        }
    }

    /// Names the news: the template and the parcel or order it is about.
    fn dedupe_key(&self, rule: &Rule) -> String {
        let template = &rule.template;
        let order = self.order_number.as_ref();
        match (rule.once_per, &self.shipment, order) {
            (OncePer::Parcel, Some(shipment), _) => {
                format!("{template}:parcel:{}", shipment.tracking_number)
            }
            (_, _, Some(order)) => format!("{template}:order:{order}"),
            _ => format!("{template}:event:{}", self.event.id),
        }
    }

    /// Where the facts of the message come from (G4).
    fn sources(&self, order: &OrderRecord, eta: Option<&Eta>) -> Vec<FactSource> {
        let mut sources = vec![
            FactSource {
                name: format!("event:{}", self.event.event.source),
                as_of: self.event.event.occurred_at,
            },
            FactSource {
                name: format!("shop:{}", order.source),
                as_of: order.as_of,
            },
        ];
        // The shop's own word stands there already.
        let told = eta.filter(|eta| !eta.source.starts_with("shop:"));
        if let Some((eta, as_of)) = told.and_then(|eta| Some((eta, eta.as_of?))) {
            sources.push(FactSource {
                name: eta.source.clone(),
                as_of,
            });
        }
        sources
    }
}

/// The number of a parcel that may be told.
fn public_number(shipment: &Shipment) -> Option<&str> {
    ParcelUpdate::is_named(&shipment.tracking_number).then(|| shipment.tracking_number.as_str())
}

#[cfg(test)]
pub(crate) mod tests;
