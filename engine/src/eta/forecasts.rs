//! The model in use: learnt from the store's own parcels, kept there for all instances, and asked at answer time.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{Days, NaiveDateTime, NaiveTime, TimeDelta};
use chrono_tz::Tz;
use doorstep_core::{
    OrderNumber, Timestamp,
    health::PortError,
    order::Order,
    shipment::{ParcelFacts, Shipment, region},
};

use super::{Authority, Estimates, Eta, LEARNED, Model, PRIOR, Parcel, told};
use crate::{
    router::ParcelNews,
    store::{OrderRecord, Store, StoreError},
};

/// How far back is learnt from, and how many parcels at most: what is older or more tells nothing new.
const MEMORY_DAYS: i64 = 730;
const MEMORY_PARCELS: u32 = 30_000;
/// After so long an instance that began to learn and did not end is taken for dead.
const PATIENCE: TimeDelta = TimeDelta::minutes(30);

/// How expected days are told.
#[derive(Debug, Clone, PartialEq)]
pub struct EtaConfig {
    /// Whose word counts, first to last; who is not named is not asked.
    pub trust: Vec<Authority>,
    /// How probably a learnt window holds, from 0.5 to 0.99.
    pub probability: f64,
    /// Below so many deliveries nothing learnt is told beside what others say.
    pub min_deliveries: usize,
    /// Whether what parcels usually take, and the few that came, is told meanwhile where nobody else names a day.
    pub prior: bool,
    /// How often all is learnt anew.
    pub learn_every: Duration,
    /// Time zone of destinations whose own is not known.
    pub time_zone: Tz,
}

impl Default for EtaConfig {
    fn default() -> Self {
        Self {
            trust: vec![Authority::Carrier, Authority::Learned, Authority::Promised],
            probability: 0.8,
            min_deliveries: 200,
            prior: false,
            learn_every: Duration::from_hours(12),
            time_zone: Tz::UTC,
        }
    }
}

/// Tells when parcels are expected.
pub struct Forecasts {
    store: Store,
    config: EtaConfig,
    model: RwLock<Option<Learnt>>,
    /// What parcels usually take, before anything was learnt; none where that is not told.
    prior: Option<Arc<Model>>,
}

#[derive(Clone)]
struct Learnt {
    at: Timestamp,
    /// None when there was too little to learn from.
    model: Option<Arc<Model>>,
}

/// What forecasts are made by.
struct Basis {
    model: Arc<Model>,
    /// Whether it rests on enough deliveries to be told beside what others say.
    is_learnt: bool,
    as_of: Timestamp,
}

impl Forecasts {
    /// Over the store; without a learnt model until [`Forecasts::refresh`].
    pub fn new(store: Store, config: EtaConfig) -> Self {
        // Without parcels no moment is another.
        let prior = || Arc::new(Model::learn(&[], NaiveDateTime::default()));
        Self {
            prior: config.prior.then(prior),
            store,
            config,
            model: RwLock::default(),
        }
    }

    fn learnt(&self) -> Option<Learnt> {
        // A model is replaced whole: a panic elsewhere leaves a good one.
        let learnt = self.model.read().unwrap_or_else(PoisonError::into_inner);
        learnt.clone()
    }

    /// What was learnt, or what is told until enough is.
    fn basis(&self, now: Timestamp) -> Option<Basis> {
        let learnt = self.learnt();
        let learnt = learnt.and_then(|learnt| Some((learnt.model?, learnt.at)));
        let (model, as_of) = match (learnt, &self.prior) {
            (Some(learnt), _) => learnt,
            (None, Some(prior)) => (Arc::clone(prior), now),
            (None, None) => return None,
        };
        let is_learnt = model.deliveries() >= self.config.min_deliveries.max(1);
        (is_learnt || self.config.prior).then_some(Basis {
            model,
            is_learnt,
            as_of,
        })
    }

    /// Takes up what any instance has learnt since the last time.
    ///
    /// # Errors
    /// The store could not be read; what was known stays.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        self.refresh_from(&self.store).await
    }

    /// As [`Forecasts::refresh`], with what was learnt in another store: a rehearsal's own has learnt nothing.
    ///
    /// # Errors
    /// That store could not be read; what was known stays.
    pub(crate) async fn refresh_from(&self, store: &Store) -> Result<(), StoreError> {
        let known = self.learnt().map(|learnt| learnt.at);
        let Some((at, body)) = store.eta_model(known).await? else {
            return Ok(());
        };
        let model = match body.is_empty() {
            true => None,
            false => {
                let model = Model::read(&body);
                if model.is_none() {
                    tracing::warn!(
                        "another version's forecasts are not used; ours are learnt in their turn"
                    );
                }
                model.map(Arc::new)
            }
        };
        *self.model.write().unwrap_or_else(PoisonError::into_inner) = Some(Learnt { at, model });
        Ok(())
    }

    /// Learns from the store's parcels if it is time and no other instance does, and keeps it for all. Tells how many
    /// deliveries it learnt from.
    ///
    /// # Errors
    /// The store did not answer; what was learnt before stays.
    pub async fn learn_if_due(&self) -> Result<Option<usize>, StoreError> {
        let now = self.store.ambient().now();
        let learned = now - self.config.learn_every;
        if !self.store.claim_learning(learned, now - PATIENCE).await? {
            return Ok(None);
        }
        let since = now - TimeDelta::days(MEMORY_DAYS);
        let past = self.store.past_parcels(since, MEMORY_PARCELS).await?;
        let zone = self.config.time_zone;
        let parcels: Vec<Parcel> = past
            .iter()
            .map(|past| {
                let told = Told {
                    carrier: &past.carrier,
                    facts: &past.facts,
                    order: past.order.as_ref(),
                    handed_over_at: past.handed_over_at,
                    delivered_at: past.delivered_at,
                };
                told.parcel(zone)
            })
            .collect();
        let deliveries = parcels.iter().filter(|parcel| parcel.delivered.is_some());
        let deliveries = deliveries.count();
        let body = match self.config.prior || deliveries >= self.config.min_deliveries {
            false => String::new(),
            true => {
                let as_of = now.with_timezone(&zone).naive_local();
                let learn = move || Model::learn(&parcels, as_of).write();
                tokio::task::spawn_blocking(learn)
                    .await
                    .unwrap_or_else(|error| {
                        tracing::error!(%error, "forecasts could not be learnt");
                        String::new()
                    })
            }
        };
        self.store.keep_eta_model(now, body).await?;
        Ok(Some(deliveries))
    }

    /// What each says of when a parcel (or an order that has none yet) comes.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn estimates(
        &self,
        order: Option<&OrderRecord>,
        shipment: Option<&Shipment>,
        time_zone: Tz,
    ) -> Result<Estimates, StoreError> {
        let now = self.store.ambient().now();
        let today = now.with_timezone(&time_zone).date_naive();
        let told = told(order, shipment, today);
        let by_history = self.by_history(order, shipment, now, time_zone).await?;
        Ok(match by_history {
            Some(eta) if eta.is_prior() => Estimates {
                prior: Some(eta),
                ..told
            },
            learned => Estimates { learned, ..told },
        })
    }

    /// What the most trusted of those says who say anything.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn estimate(
        &self,
        order: Option<&OrderRecord>,
        shipment: Option<&Shipment>,
        time_zone: Tz,
    ) -> Result<Option<Eta>, StoreError> {
        let estimates = self.estimates(order, shipment, time_zone).await?;
        Ok(estimates.most_trusted(&self.config.trust).cloned())
    }

    /// Only between hand-over and the van, and only while nothing went wrong: of what happens then nothing was learnt.
    async fn by_history(
        &self,
        order: Option<&OrderRecord>,
        shipment: Option<&Shipment>,
        now: Timestamp,
        time_zone: Tz,
    ) -> Result<Option<Eta>, StoreError> {
        use doorstep_core::shipment::TrackingStatus::InTransit;
        let (Some(basis), Some(shipment)) = (self.basis(now), shipment) else {
            return Ok(None);
        };
        if shipment.status != InTransit {
            return Ok(None);
        }
        let number = &shipment.tracking_number;
        let Some((handed_over_at, facts)) = self.store.on_its_way_since(number).await? else {
            return Ok(None);
        };
        let told = Told {
            carrier: &shipment.carrier,
            facts: &facts,
            order: order.map(|record| &record.order),
            handed_over_at,
            delivered_at: None,
        };
        let zone = order.map_or(time_zone, |record| told_zone(&record.order, time_zone));
        let local = now.with_timezone(&zone).naive_local();
        let parcel = told.parcel(zone);
        let forecast = basis
            .model
            .forecast(&parcel, self.config.probability, local);
        // From 50 to 99.
        let probability = (self.config.probability * 100.0).round() as u8;
        let whose = if basis.is_learnt { LEARNED } else { PRIOR };
        Ok(forecast.map(|forecast| Eta {
            window: forecast.days,
            probability: Some(probability),
            source: format!("{whose}{probability} %"),
            as_of: Some(basis.as_of),
        }))
    }
}

/// Chats tell the same days.
#[async_trait]
impl ParcelNews for Forecasts {
    async fn shipments_of(&self, order: &OrderNumber) -> Result<Vec<Shipment>, PortError> {
        let shipments = self.store.shipments_of(order).await;
        shipments.map_err(|error| PortError::new("store", error))
    }

    async fn expected(
        &self,
        order: &Order,
        parcel: Option<&Shipment>,
        time_zone: Tz,
    ) -> Result<Option<Eta>, PortError> {
        // Asked of the shop just now.
        let record = OrderRecord {
            order: order.clone(),
            source: "shop".into(),
            as_of: self.store.ambient().now(),
            customer: None,
        };
        let eta = self.estimate(Some(&record), parcel, time_zone).await;
        eta.map_err(|error| PortError::new("store", error))
    }
}

/// What was told of a parcel.
struct Told<'a> {
    carrier: &'a str,
    facts: &'a ParcelFacts,
    order: Option<&'a Order>,
    handed_over_at: Timestamp,
    delivered_at: Option<Timestamp>,
}

fn told_zone(order: &Order, otherwise: Tz) -> Tz {
    order.time_zone().unwrap_or(otherwise)
}

impl Told<'_> {
    /// As the model reads it; `zone` is the destination's where the order does not name it.
    fn parcel(&self, zone: Tz) -> Parcel {
        let zone = self.order.map_or(zone, |order| told_zone(order, zone));
        let local = |at: Timestamp| at.with_timezone(&zone).naive_local();
        let promised = |order: &Order| {
            let after = order.promised?.to.checked_add_days(Days::new(1))?;
            Some(after.and_time(NaiveTime::MIN))
        };
        Parcel {
            purchased: self.order.map(|order| local(order.placed_at)),
            promised: self.order.and_then(promised),
            delivered: self.delivered_at.map(local),
            destination: self.order.and_then(destination),
            carrier: (!self.carrier.is_empty()).then(|| self.carrier.to_lowercase()),
            origin: self.facts.origin.clone(),
            service: self.facts.service.as_deref().map(str::to_lowercase),
            // Exact up to 16 t.
            weight_g: self.facts.weight_g.map(|grams| grams as f32),
            ..Parcel::handed_over(local(self.handed_over_at))
        }
    }
}

/// The country, and the first two characters of the postcode: a region in most countries.
fn destination(order: &Order) -> Option<String> {
    let country = order.country.as_deref()?;
    Some(region(country, order.postcode.as_deref()))
}

#[cfg(test)]
mod tests;
