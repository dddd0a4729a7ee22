//! Asking carriers for parcels: for those that push nothing, and beside the webhooks of those that do.
//!
//! What a carrier answers is admitted as its webhook's event would be, under the same external id, so that both together
//! are one piece of news. An answer tells at once what happened over hours: the newest of it is taken in first, and the rest
//! is history by then, which moves no state and tells nobody.

use std::{cmp::Reverse, sync::Arc, time::Duration};

use doorstep_core::{
    Health, SourceName, Timestamp,
    event::{CommerceEvent, CommerceEventKind},
    shop::{LookupError, TrackingAnswer, TrackingLookup, TrackingReport},
};
use tokio_util::sync::CancellationToken;

use crate::{
    enrich::{EnrichError, Enricher},
    store::{AskedParcel, DueParcel, EventAdmission, PollPlan, PollTurn, Store, StoreError, rank},
};

/// How many parcels one turn asks for at most.
const BATCH: u32 = 40;
/// How many turns one round takes at most.
const MOST_TURNS: usize = 25;
/// How long a source that does not answer is left alone at first; twice as long after each further time.
const FIRST_HOLD: Duration = Duration::from_mins(1);
/// How long it is left alone at most, unless it asks for more.
const LONGEST_HOLD: Duration = Duration::from_hours(6);
/// How long it is left alone at most whatever it asks for.
const LONGEST_WISH: Duration = Duration::from_hours(24);
/// A parcel of which nothing can be learnt is asked for half as often each time, and at least once in so long.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);

/// Asks one source for parcels.
pub struct Poller {
    store: Store,
    enricher: Arc<Enricher>,
    lookup: Arc<dyn TrackingLookup>,
    plan: PollPlan,
}

/// What came of a round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Polled {
    /// How many parcels were asked for and something is known of.
    pub known: usize,
    /// How many the carrier does not know, or not yet.
    pub unknown: usize,
    /// How many it refuses, or whose news could not be taken in.
    pub refused: usize,
    /// How many events were new.
    pub news: usize,
    /// Why the source is left alone for now, and until when.
    pub held: Option<(Timestamp, String)>,
}

impl Poller {
    /// Asks `lookup` for the parcels of `carriers` (none: everybody's), for each at most once in `every`.
    pub fn new(
        store: Store,
        enricher: Arc<Enricher>,
        lookup: Arc<dyn TrackingLookup>,
        carriers: Vec<String>,
        every: Duration,
    ) -> Self {
        let plan = PollPlan {
            source: lookup.name().clone(),
            carriers,
            every,
        };
        Self {
            store,
            enricher,
            lookup,
            plan,
        }
    }

    /// The source.
    pub fn source(&self) -> &SourceName {
        &self.plan.source
    }

    /// How the last question went.
    pub fn health(&self) -> Health {
        self.lookup.health()
    }

    /// Takes up the turn of a process that is gone, where that can be told.
    ///
    /// # Errors
    /// The turn ends by itself.
    pub async fn begin(&self) -> Result<(), StoreError> {
        self.store.end_left_turns().await
    }

    /// Asks for the parcels that are due, turn by turn, until none is, another instance asks, the source does not answer, or
    /// `stop`.
    ///
    /// # Errors
    /// The store did not answer. What was admitted stays; the rest is asked for again.
    pub async fn poll(&self, stop: &CancellationToken) -> Result<Polled, StoreError> {
        let mut polled = Polled::default();
        for _ in 0..MOST_TURNS {
            if self.store.parcels_to_poll(&self.plan).await? == 0 {
                break;
            }
            let Some(turn) = self.store.claim_polls(&self.plan, BATCH).await? else {
                break;
            };
            if turn.parcels.is_empty() || !self.take_turn(turn, &mut polled, stop).await? {
                break;
            }
        }
        Ok(polled)
    }

    /// Asks for a turn's parcels; whether there may be another turn.
    async fn take_turn(
        &self,
        turn: PollTurn,
        polled: &mut Polled,
        stop: &CancellationToken,
    ) -> Result<bool, StoreError> {
        let mut asked = Vec::new();
        for parcels in turn.parcels.chunks(self.lookup.at_once().max(1)) {
            let numbers: Vec<_> = parcels.iter().map(|due| due.number.clone()).collect();
            match stop
                .run_until_cancelled(self.lookup.look_up(&numbers))
                .await
            {
                None => {
                    self.end_turn(asked, None, turn.failures).await?;
                    return Ok(false);
                }
                Some(Err(error)) => {
                    let failures = turn.failures.saturating_add(1);
                    let until = self.store.ambient().now() + hold(&error, turn.failures);
                    self.count("unreachable", 1);
                    self.end_turn(asked, Some(until), failures).await?;
                    polled.held = Some((until, error.to_string()));
                    return Ok(false);
                }
                Some(Ok(answers)) => asked.extend(self.hear(parcels, answers, polled).await?),
            }
        }
        self.end_turn(asked, None, 0).await
    }

    async fn end_turn(
        &self,
        asked: Vec<AskedParcel>,
        held_until: Option<Timestamp>,
        failures: u32,
    ) -> Result<bool, StoreError> {
        self.store
            .settle_polls(self.source(), asked, held_until, failures)
            .await
    }

    /// Takes in what was answered; says when each parcel is asked for again.
    async fn hear(
        &self,
        parcels: &[DueParcel],
        mut answers: Vec<TrackingAnswer>,
        polled: &mut Polled,
    ) -> Result<Vec<AskedParcel>, StoreError> {
        let mut asked = Vec::with_capacity(parcels.len());
        for due in parcels {
            let own = answers
                .iter()
                .position(|answer| answer.parcel == due.number)
                .map(|place| answers.swap_remove(place).reports);
            let (outcome, failed) = match self.take_in(own.unwrap_or(Ok(Vec::new()))).await? {
                Ok(None) => {
                    polled.unknown += 1;
                    ("unknown", false)
                }
                Ok(Some(news)) => {
                    polled.known += 1;
                    polled.news += news;
                    ("known", false)
                }
                Err(reason) => {
                    polled.refused += 1;
                    tracing::info!(source = %self.source(), reason, "nothing was learnt of a parcel");
                    ("refused", true)
                }
            };
            self.count(outcome, 1);
            asked.push(self.again(due, failed));
        }
        Ok(asked)
    }

    fn again(&self, due: &DueParcel, failed: bool) -> AskedParcel {
        let failures = if failed {
            due.failures.saturating_add(1)
        } else {
            0
        };
        let pause = self.plan.every.saturating_mul(1 << failures.min(16));
        let pause = pause.min(LONGEST_PAUSE.max(self.plan.every));
        AskedParcel {
            number: due.number.clone(),
            due_at: self.store.ambient().now() + pause,
            failures,
        }
    }

    /// How many of a parcel's reports were news; `None`: there were none. Or why nothing was learnt.
    async fn take_in(
        &self,
        reports: Result<Vec<TrackingReport>, String>,
    ) -> Result<Result<Option<usize>, String>, StoreError> {
        let reports = match reports {
            Ok(reports) if reports.is_empty() => return Ok(Ok(None)),
            Ok(reports) => reports,
            Err(reason) => return Ok(Err(reason)),
        };
        match self.admit(reports).await {
            Ok(news) => Ok(Ok(Some(news))),
            Err(EnrichError::Store(error)) => Err(error),
            Err(EnrichError::Shop(error)) => Ok(Err(error.to_string())),
        }
    }

    /// Admits what is new, the newest first and the rest once the parcel stands there.
    async fn admit(&self, mut reports: Vec<TrackingReport>) -> Result<usize, EnrichError> {
        let ids: Vec<_> = reports
            .iter()
            .map(|report| report.event.external_id.as_str())
            .collect();
        let known = self.store.known_events(self.source(), &ids).await?;
        let is_new = |report: &TrackingReport| !known.contains(&report.event.external_id);
        if !reports.iter().any(is_new) {
            return Ok(0);
        }
        reports.sort_by_key(|report| Reverse(newness(&report.event)));
        let mut reports = reports.into_iter();
        let Some(newest) = reports.next() else {
            return Ok(0);
        };
        let rest: Vec<_> = reports.filter(is_new).collect();
        let newest = self.admit_one(newest).await?;
        let mut admitted = vec![newest];
        if !rest.is_empty() {
            self.enricher.enrich(newest.id).await?;
            let rest = rest.into_iter().map(|report| self.admit_one(report));
            admitted.extend(futures::future::try_join_all(rest).await?);
        }
        let news = admitted.iter().filter(|admission| !admission.duplicate);
        Ok(news.count())
    }

    async fn admit_one(&self, report: TrackingReport) -> Result<EventAdmission, StoreError> {
        let events = vec![report.event];
        let admitted = self.store.admit_events(self.source(), &report.raw, events);
        // One event, one admission.
        admitted.await?.pop().ok_or(StoreError::Closed)
    }

    fn count(&self, outcome: &'static str, parcels: u64) {
        metrics::counter!("doorstep_polls_total", "source" => self.source().to_string(), "outcome" => outcome)
            .increment(parcels);
    }
}

/// Later, and of one instant more telling, is newer; what moves no parcel is older than all that does.
fn newness(event: &CommerceEvent) -> (bool, Timestamp, usize) {
    match &event.kind {
        CommerceEventKind::Tracking { event, .. } => (true, event.occurred_at, rank(event.status)),
        _ => (false, event.occurred_at, 0),
    }
}

/// How long a source is left alone that did not answer, after `failures` times before.
fn hold(error: &LookupError, failures: u32) -> Duration {
    let pause = FIRST_HOLD
        .saturating_mul(1 << failures.min(16))
        .min(LONGEST_HOLD);
    let wish = error.retry_after.unwrap_or_default().min(LONGEST_WISH);
    pause.max(wish)
}

#[cfg(test)]
mod tests;
