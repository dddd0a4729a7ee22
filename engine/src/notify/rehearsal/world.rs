//! What a rehearsal has instead of the world: a clock of the past, an agenda of its own, and the shop's orders as we keep them.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use async_trait::async_trait;
use doorstep_core::{
    Clock, Health, ShopCustomerId, Sku, SourceName, Timestamp,
    health::PortError,
    order::{Order, OrderRef},
    product::{Product, StockLevel},
    shop::{OrderLookup, Shop},
};
use sea_orm::DbErr;

use crate::{
    queue::{Job, JobQueue, QueueName},
    store::{Store, StoreError, Transaction},
};

/// A clock that stands at a moment of the past, in milliseconds since 1970.
pub(super) struct Then(AtomicI64);

impl Then {
    pub(super) fn new(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.timestamp_millis()))
    }

    pub(super) fn set(&self, now: Timestamp) {
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
pub(super) struct Agenda(Mutex<Jobs>);

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
    pub(super) fn next(&self, end: Timestamp) -> Option<(Timestamp, Job)> {
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
pub(super) struct Records {
    pub(super) name: SourceName,
    pub(super) store: Store,
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
