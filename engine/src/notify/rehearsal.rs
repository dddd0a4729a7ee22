//! What rules and templates would have done: past events taken through the whole road once more, in a store of their own
//! that is thrown away, with a clock that follows theirs. Nothing is sent, and the shop's own store is only read.
//!
//! It is the real road, not a copy of it: the same admission, enrichment and decisions, in the order and at the times of
//! the past, with what waited decided again when it was due. What a rehearsal cannot know: what customers asked in
//! chats, receipts (every message counts as arrived), and orders, wishes and learnt days as they were then instead of as
//! they are.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use async_trait::async_trait;
use doorstep_core::{
    Ambient, ChannelName, Clock, CommerceEventId, Entropy, Health, ShopCustomerId, Sku, SourceName,
    Timestamp,
    channel::Capabilities,
    health::PortError,
    order::{Order, OrderRef},
    product::{Product, StockLevel},
    shop::{OrderLookup, Shop},
};
use sea_orm::DbErr;
use serde::Serialize;

use super::{Notifier, NotifyConfig, NotifyError, Rules};
use crate::{
    enrich::{EnrichError, Enricher},
    eta::{EtaConfig, Forecasts},
    page_token::PageLinks,
    queue::{Job, JobQueue, QueueName},
    store::{Database, Explained, Store, StoreError, Transaction},
    templates::Templates,
};

/// What is rehearsed.
pub struct Setting {
    /// The rules.
    pub rules: Rules,
    /// The words.
    pub templates: Arc<Templates>,
    /// The channels there are.
    pub capabilities: HashMap<ChannelName, Capabilities>,
    /// What notifications need to know of the shop.
    pub config: NotifyConfig,
    /// Where an order's e-mail address is an address.
    pub email: Option<ChannelName>,
    /// How expected days are told.
    pub eta: EtaConfig,
    /// The customers' pages that messages name; none are named without.
    pub pages: Option<PageLinks>,
}

/// Which events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// What was admitted before is taken through the road too, for the state it left, but not reported.
    pub lead_in: Timestamp,
    /// From when on it is reported.
    pub since: Timestamp,
    /// The end; what waits longer is reported as waiting.
    pub until: Timestamp,
}

/// It could not be rehearsed.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// A store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An event could not be enriched.
    #[error(transparent)]
    Enrich(#[from] EnrichError),
    /// It could not be decided.
    #[error(transparent)]
    Notify(#[from] NotifyError),
}

/// What one rule would have done about one event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Foreseen {
    /// The event, as the shop's own store knows it.
    pub event: CommerceEventId,
    /// What happened: a rule's `on`.
    pub on: String,
    /// Who told of it.
    pub source: String,
    /// The source's identifier of the event.
    pub external_id: String,
    /// The rule's name; empty when there is none on the event.
    pub rule: String,
    /// What it would have done.
    pub deed: Deed,
}

/// What a rule would have done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Deed {
    /// `told`, `waits` or `held`.
    pub decision: String,
    /// Why.
    pub reason: String,
    /// What would have been said.
    pub messages: Vec<Said>,
}

/// A message that would have been sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// When.
    pub at: Timestamp,
    /// Where.
    pub channel: String,
    /// In which language.
    pub language: String,
    /// The subject, where the template has one.
    pub subject: Option<String>,
    /// The words.
    pub text: String,
}

/// Where two rehearsals differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The event.
    pub event: CommerceEventId,
    /// What happened.
    pub on: String,
    /// Who told of it.
    pub source: String,
    /// The source's identifier of the event.
    pub external_id: String,
    /// What was done before; `None`: the rule was not there.
    pub before: Option<Deed>,
    /// What would be done now; `None`: the rule is no more.
    pub after: Option<Deed>,
}

/// What changes at one rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RuleChange {
    /// How many events it treats alike.
    pub alike: usize,
    /// Where it differs, oldest first.
    pub different: Vec<Difference>,
}

/// Takes the events of `span` from `real` through the road in `scratch`, an empty database that is thrown away.
///
/// # Errors
/// A store did not answer, or a template could not be filled in.
pub async fn rehearse(
    real: &Store,
    scratch: Database,
    setting: Setting,
    span: Span,
) -> Result<Vec<Foreseen>, RehearsalError> {
    scratch.migrate().await?;
    let clock = Arc::new(Then(AtomicI64::new(span.lead_in.timestamp_millis())));
    let agenda = Arc::new(Agenda::default());
    let ambient = Ambient {
        clock: clock.clone(),
        entropy: Arc::clone(&real.ambient().entropy) as Arc<dyn Entropy>,
    };
    let store = Store::new(scratch, agenda.clone(), ambient).await?;
    store.take_in(real.people().await?).await?;
    let shop = Arc::new(Records {
        name: "rehearsal".into(),
        store: real.clone(),
    });
    let forecasts = Forecasts::new(store.clone(), setting.eta);
    forecasts.refresh_from(real).await?;
    let mut notifier = Notifier::new(
        store.clone(),
        setting.rules,
        setting.templates,
        setting.capabilities,
        setting.config,
    )
    .with_forecasts(Arc::new(forecasts))
    .with_past(real.clone());
    if let Some(pages) = setting.pages {
        notifier = notifier.with_pages(pages);
    }
    let stage = Stage {
        enricher: Enricher::new(store.clone(), shop, setting.email),
        notifier,
        clock,
        agenda,
    };
    let mut reported = Vec::new();
    for past in real.events_between(span.lead_in, span.until).await? {
        stage.play_until(past.admitted_at).await?;
        stage.clock.set(past.admitted_at);
        let source = past.event.source.clone();
        let admitted = store.admit_events(&source, b"", vec![past.event]).await?;
        stage.play_until(past.admitted_at).await?;
        if past.admitted_at >= span.since {
            let ids = admitted.iter().map(|admission| admission.id);
            reported.extend(ids.map(|id| (past.id, id)));
        }
    }
    stage.play_until(span.until).await?;
    let mut foreseen = Vec::new();
    for (event, id) in reported {
        let explained = store.explain_event(id).await?;
        foreseen.extend(explained.into_iter().map(|decision| tell(event, decision)));
    }
    Ok(foreseen)
}

/// What changes, by rule. Only who gets what and when counts; that the same silence has another reason does not.
pub fn compare(before: Vec<Foreseen>, after: Vec<Foreseen>) -> BTreeMap<String, RuleChange> {
    type Key = (String, CommerceEventId);
    let by_key = |foreseen: Vec<Foreseen>| -> BTreeMap<Key, Foreseen> {
        let keyed = foreseen.into_iter();
        keyed
            .map(|one| ((one.rule.clone(), one.event), one))
            .collect()
    };
    let mut before = by_key(before);
    let mut changes: BTreeMap<String, RuleChange> = BTreeMap::new();
    let mut note = |was: Option<Foreseen>, is: Option<Foreseen>| {
        let Some(shown) = is.as_ref().or(was.as_ref()) else {
            return;
        };
        let said = |foreseen: &Option<Foreseen>| {
            foreseen
                .as_ref()
                .map(|foreseen| foreseen.deed.messages.clone())
                .unwrap_or_default()
        };
        let change = changes.entry(shown.rule.clone()).or_default();
        if said(&was) == said(&is) {
            change.alike += 1;
            return;
        }
        change.different.push(Difference {
            event: shown.event,
            on: shown.on.clone(),
            source: shown.source.clone(),
            external_id: shown.external_id.clone(),
            before: was.map(|foreseen| foreseen.deed),
            after: is.map(|foreseen| foreseen.deed),
        });
    };
    for (key, is) in by_key(after) {
        note(before.remove(&key), Some(is));
    }
    for (_, was) in before {
        note(Some(was), None);
    }
    for change in changes.values_mut() {
        // Identifiers sort by time.
        change.different.sort_by_key(|difference| difference.event);
    }
    changes
}

fn tell(event: CommerceEventId, decision: Explained) -> Foreseen {
    let messages = decision.messages.into_iter().map(|message| Said {
        at: message.created_at,
        channel: message.channel,
        language: message.language,
        subject: message.content.subject,
        text: message.content.text,
    });
    let mut messages: Vec<Said> = messages.collect();
    // Those of one moment come in no order of their own.
    messages.sort_by(|one, other| (one.at, &one.channel).cmp(&(other.at, &other.channel)));
    Foreseen {
        event,
        on: decision.event.kind.label().to_owned(),
        source: decision.event.source.to_string(),
        external_id: decision.event.external_id,
        rule: decision.rule.unwrap_or_default(),
        deed: Deed {
            messages,
            decision: decision.decision,
            reason: decision.reason,
        },
    }
}

/// The road, and the time on it.
struct Stage {
    enricher: Enricher,
    notifier: Notifier,
    clock: Arc<Then>,
    agenda: Arc<Agenda>,
}

impl Stage {
    /// Does all that is due until `end`, each at its time.
    async fn play_until(&self, end: Timestamp) -> Result<(), RehearsalError> {
        while let Some((due, job)) = self.agenda.next(end) {
            if due > self.clock.now() {
                self.clock.set(due);
            }
            match job {
                Job::EnrichEvent(event) => {
                    self.enricher.enrich(event).await?;
                }
                Job::Notify(event) => {
                    self.notifier.decide(event).await?;
                }
                Job::NotifyDue { notification, .. } => {
                    self.notifier.decide_due(notification).await?;
                }
                // Everything counts as arrived.
                Job::Deliver { .. } | Job::FallBack { .. } | Job::FetchAttachment { .. } => {}
            }
        }
        Ok(())
    }
}

/// A clock that stands at a moment of the past, in milliseconds since 1970.
struct Then(AtomicI64);

impl Then {
    fn set(&self, now: Timestamp) {
        self.0.store(now.timestamp_millis(), Ordering::SeqCst);
    }
}

impl Clock for Then {
    fn now(&self) -> Timestamp {
        Timestamp::from_timestamp_millis(self.0.load(Ordering::SeqCst)).unwrap_or_default()
    }
}

/// What is to be done, by when.
#[derive(Default)]
struct Agenda(Mutex<Jobs>);

/// Jobs by when they are due, in milliseconds since 1970, and in the order they came.
#[derive(Default)]
struct Jobs {
    waiting: BTreeMap<(i64, u64), Job>,
    count: u64,
}

impl Agenda {
    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next that is due until `end`.
    fn next(&self, end: Timestamp) -> Option<(Timestamp, Job)> {
        let mut jobs = self.jobs();
        let first = jobs.waiting.first_entry()?;
        let due = Timestamp::from_timestamp_millis(first.key().0)?;
        (due <= end).then(|| (due, first.remove()))
    }
}

#[async_trait]
impl JobQueue for Agenda {
    async fn enqueue(&self, _: &Transaction<'_>, jobs: &[Job]) -> Result<(), DbErr> {
        let mut agenda = self.jobs();
        for job in jobs {
            let due = match job {
                Job::NotifyDue { not_before, .. } => not_before.timestamp_millis(),
                Job::EnrichEvent(_) | Job::Notify(_) => 0,
                Job::Deliver { .. } | Job::FallBack { .. } | Job::FetchAttachment { .. } => {
                    continue;
                }
            };
            agenda.count += 1;
            let place = agenda.count;
            agenda.waiting.insert((due, place), job.clone());
        }
        Ok(())
    }

    fn wake(&self) {}

    fn wake_one(&self, _: QueueName<'_>) {}
}

/// The orders in the shop's own store, as if the shop told them.
struct Records {
    name: SourceName,
    store: Store,
}

#[async_trait]
impl Shop for Records {
    fn name(&self) -> &SourceName {
        &self.name
    }

    async fn find_order(&self, lookup: &OrderLookup) -> Result<Option<Order>, PortError> {
        let unavailable = |error: StoreError| PortError::new("rehearsal", error);
        let order = match lookup {
            OrderLookup::Number(number) => Some(OrderRef::Number(number.clone())),
            OrderLookup::ShopId(shop_id) => Some(OrderRef::ShopId {
                shop_id: shop_id.clone(),
            }),
            OrderLookup::TrackingNumber(number) => {
                let parcel = self.store.find_shipment(number).await;
                let order = parcel.map_err(unavailable)?.and_then(|(_, order)| order);
                order.map(OrderRef::Number)
            }
        };
        let Some(order) = order else {
            return Ok(None);
        };
        let record = self
            .store
            .resolve_order(&order)
            .await
            .map_err(unavailable)?;
        Ok(record.map(|record| record.order))
    }

    async fn list_orders(&self, _: &ShopCustomerId, _: usize) -> Result<Vec<Order>, PortError> {
        Ok(Vec::new())
    }

    async fn list_products(&self, _: Option<&str>) -> Result<Vec<Product>, PortError> {
        Ok(Vec::new())
    }

    async fn stock(&self, _: &[Sku]) -> Result<Vec<StockLevel>, PortError> {
        Ok(Vec::new())
    }

    async fn healthcheck(&self) -> Health {
        Health::Ok
    }
}
