//! What rules and templates would have done: past events taken through the whole road once more, in a store of their own
//! that is thrown away, with a clock that follows theirs. Nothing is sent, and the shop's own store is only read.
//!
//! It is the real road, not a copy of it: the same admission, enrichment and decisions, in the order and at the times of
//! the past, with what waited decided again when it was due, and what rules on schedule wait for looked for as it is then. What
//! a rehearsal cannot know: what customers asked in chats, receipts (every message counts as arrived), and orders, wishes and
//! learnt days as they were then instead of as they are.

mod compared;
mod recorded;
mod world;

use std::{collections::HashMap, sync::Arc, time::Duration};

use doorstep_core::{
    Ambient, ChannelName, Clock, CommerceEventId, Entropy, Timestamp, channel::Capabilities,
    mask::mask_email,
};
use serde::Serialize;

use self::world::{Agenda, Records, Then};
pub use self::{
    compared::{Difference, RuleChange, compare, compare_with_past},
    recorded::recorded,
};
use super::{Notifier, NotifyConfig, NotifyError, Rules};
use crate::{
    enrich::{EnrichError, Enricher},
    eta::{EtaConfig, Forecasts},
    page_token::PageLinks,
    queue::Job,
    store::{Database, Explained, SCHEDULE_SOURCE, Store, StoreError},
    templates::Templates,
};

/// How often is looked at least before the time that is reported.
const BEFORE: Duration = Duration::from_hours(1);

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
    /// How often is looked for what rules on schedule wait for, as the program does.
    pub look_every: Duration,
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
    /// The event, as the shop's own store knows it; `None`: only the rehearsal found it to be due.
    pub event: Option<CommerceEventId>,
    /// When it was admitted, or became due.
    pub at: Timestamp,
    /// What happened: a rule's `on`.
    pub on: String,
    /// Who told of it.
    pub source: String,
    /// The source's identifier of the event.
    pub external_id: String,
    /// The order's number, where it is known.
    pub order: Option<String>,
    /// Whose it is: the e-mail address, masked.
    pub customer: Option<String>,
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
    let clock = Arc::new(Then::new(span.lead_in));
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
    let reported = stage.live(real, &store, span).await?;
    let mut foreseen = Vec::new();
    for event in reported {
        for decision in store.explain_event(event.rehearsed).await? {
            let customer = masked_customer(&store, &decision).await?;
            foreseen.push(tell(event.real, customer, decision));
        }
    }
    Ok(foreseen)
}

/// Whose the decision is, so that it can be found again but not read off a screen.
async fn masked_customer(
    store: &Store,
    decision: &Explained,
) -> Result<Option<String>, StoreError> {
    let Some(number) = &decision.order else {
        return Ok(None);
    };
    let Some(record) = store.find_order(number).await? else {
        return Ok(None);
    };
    let customer = match record.customer {
        Some(id) => store.find_customer(id).await?,
        None => None,
    };
    let email = customer.and_then(|customer| customer.email);
    let email = email.or(record.order.customer.email);
    Ok(email.as_deref().map(mask_email))
}

fn tell(event: Option<CommerceEventId>, customer: Option<String>, decision: Explained) -> Foreseen {
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
        at: decision.admitted_at,
        order: decision.order.map(|order| order.to_string()),
        customer,
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

/// When is looked next: as often as the program does where it is reported, and rarely before.
fn next_look(now: Timestamp, span: Span) -> Option<Timestamp> {
    let every = match now < span.since {
        true => span.look_every.max(BEFORE),
        false => span.look_every,
    };
    let every = i64::try_from(every.as_millis()).ok()?.max(1);
    let next = (now.timestamp_millis() / every + 1).checked_mul(every)?;
    Timestamp::from_timestamp_millis(next)
}

/// The road, and the time on it.
struct Stage {
    enricher: Enricher,
    notifier: Notifier,
    clock: Arc<Then>,
    agenda: Arc<Agenda>,
}

/// An event that is reported.
struct Reported {
    at: Timestamp,
    /// As the shop's own store knows it.
    real: Option<CommerceEventId>,
    /// As the rehearsal's does.
    rehearsed: CommerceEventId,
}

impl Stage {
    /// Takes all events of the past through the road; those to be reported, in the order of the past.
    async fn live(
        &self,
        real: &Store,
        store: &Store,
        span: Span,
    ) -> Result<Vec<Reported>, RehearsalError> {
        let mut reported = Vec::new();
        let mut known_due = HashMap::new();
        for past in real.events_between(span.lead_in, span.until).await? {
            self.look_until(past.admitted_at, span).await?;
            if past.event.source.as_str() == SCHEDULE_SOURCE {
                // Found anew, by the rules that are rehearsed.
                known_due.insert(past.event.external_id, past.id);
                continue;
            }
            self.play_until(past.admitted_at).await?;
            self.clock.set(past.admitted_at);
            let source = past.event.source.clone();
            let admitted = store.admit_events(&source, b"", vec![past.event]).await?;
            self.play_until(past.admitted_at).await?;
            if past.admitted_at >= span.since {
                reported.extend(admitted.iter().map(|admission| Reported {
                    at: past.admitted_at,
                    real: Some(past.id),
                    rehearsed: admission.id,
                }));
            }
        }
        self.look_until(span.until, span).await?;
        self.play_until(span.until).await?;
        for due in store.events_between(span.since, span.until).await? {
            if due.event.source.as_str() == SCHEDULE_SOURCE {
                reported.push(Reported {
                    at: due.admitted_at,
                    real: known_due.get(&due.event.external_id).copied(),
                    rehearsed: due.id,
                });
            }
        }
        // What only was found here comes last of its moment.
        reported.sort_by_key(|event| (event.at, event.real.is_none(), event.real));
        Ok(reported)
    }

    /// Looks for what is due by rules on schedule, whenever the program does until `end`, and does what follows.
    async fn look_until(&self, end: Timestamp, span: Span) -> Result<(), RehearsalError> {
        if !self.notifier.waits_on_schedule() {
            return Ok(());
        }
        while let Some(next) = next_look(self.clock.now(), span).filter(|next| *next <= end) {
            self.play_until(next).await?;
            self.clock.set(next);
            self.notifier.find_due().await?;
            self.play_until(next).await?;
        }
        Ok(())
    }

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
