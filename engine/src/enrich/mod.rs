//! From an event to what it is about: which order, which parcel.

mod asking;

use std::sync::Arc;

use doorstep_core::{
    ChannelName, CommerceEventId, SourceName, Timestamp, TrackingNumber,
    event::{CommerceEvent, CommerceEventKind},
    health::PortError,
    order::{Order, OrderRef},
    shipment::{TrackingEvent, TrackingStatus},
    shop::{OrderLookup, Shop},
};

use self::asking::Asking;
use crate::store::{Enrichment, ParcelTakenBack, ParcelUpdate, PrivacyRequest, Store, StoreError};

/// Brings order and parcel up to date with an event.
pub struct Enricher {
    store: Store,
    shop: Asking,
    /// Where an order's e-mail address is an address.
    email: Option<ChannelName>,
}

/// An event could not be enriched now. It waits and is tried again.
#[derive(Debug, thiserror::Error)]
pub enum EnrichError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The shop did not answer, or is not asked now because it did not answer before.
    #[error(transparent)]
    Shop(#[from] PortError),
}

/// What came of enriching an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enriched {
    /// Order and parcel are up to date, and the decision who hears of it is enqueued.
    Committed,
    /// It was enriched before.
    Before,
    /// There is no such event.
    Unknown,
}

impl Enricher {
    /// Over the store and the shop that knows the orders. `email` is the channel on which an order's e-mail address is
    /// an address, if one is configured.
    pub fn new(store: Store, shop: Arc<dyn Shop>, email: Option<ChannelName>) -> Self {
        let clock = Arc::clone(&store.ambient().clock);
        Self {
            shop: Asking::new(shop, clock),
            store,
            email,
        }
    }

    /// Finds the event's order (in the event, in our copy, or at the shop) and parcel, and commits what is new.
    ///
    /// # Errors
    /// Nothing was changed; try again later.
    pub async fn enrich(&self, id: CommerceEventId) -> Result<Enriched, EnrichError> {
        let Some(stored) = self.store.load_event(id).await? else {
            return Ok(Enriched::Unknown);
        };
        if stored.enriched_at.is_some() {
            return Ok(Enriched::Before);
        }
        let committed = match PrivacyRequest::of(&stored.event) {
            Some(request) => self.store.commit_privacy(id, request).await?,
            None => {
                let enrichment = self.look_at(id, stored.event).await?;
                let email = self.email.clone();
                self.store.commit_enrichment(enrichment, email).await?
            }
        };
        Ok(if committed {
            Enriched::Committed
        } else {
            Enriched::Before
        })
    }

    async fn look_at(
        &self,
        id: CommerceEventId,
        event: CommerceEvent,
    ) -> Result<Enrichment, EnrichError> {
        let CommerceEvent {
            source,
            occurred_at,
            kind,
            ..
        } = event;
        let mut enrichment = Enrichment {
            event: id,
            order: None,
            parcel: None,
            taken_back: None,
        };
        match kind {
            CommerceEventKind::OrderUpdated { order }
            | CommerceEventKind::OrderCancelled { order, .. } => {
                enrichment.order = Some((*order, source, occurred_at));
            }
            CommerceEventKind::Fulfilled {
                order,
                carrier,
                tracking_number,
                event,
            } => {
                let named = Named {
                    packed: true,
                    order: Some(order),
                    carrier,
                    tracking_number,
                };
                self.find_parcel(&mut enrichment, named, event).await?;
            }
            CommerceEventKind::Tracking {
                order,
                carrier,
                tracking_number,
                event,
            } => {
                let named = Named {
                    // Of an order that a source names, a label says as much.
                    packed: order.is_some() && event.status == TrackingStatus::PreTransit,
                    order,
                    carrier,
                    tracking_number,
                };
                self.find_parcel(&mut enrichment, named, event).await?;
            }
            CommerceEventKind::TakenBack {
                order,
                tracking_number,
            } => {
                let named = (order, tracking_number);
                enrichment.taken_back = self.find_taken_back(named, occurred_at).await?;
            }
            CommerceEventKind::ReturnRequested { order, .. }
            | CommerceEventKind::ReturnDeclined { order, .. }
            | CommerceEventKind::ReturnCancelled { order, .. }
            | CommerceEventKind::ReturnReceived { order, .. }
            | CommerceEventKind::RefundIssued { order, .. } => {
                if self.store.resolve_order(&order).await?.is_none() {
                    enrichment.order = self.ask_shop(order.into()).await?;
                }
            }
            // Nothing follows from them for orders and parcels.
            CommerceEventKind::Due { .. }
            | CommerceEventKind::Remark { .. }
            | CommerceEventKind::CustomerDataRequested { .. }
            | CommerceEventKind::CustomerRedacted { .. }
            | CommerceEventKind::ShopRedacted => {}
        }
        Ok(enrichment)
    }

    async fn find_parcel(
        &self,
        enrichment: &mut Enrichment,
        named: Named,
        event: TrackingEvent,
    ) -> Result<(), EnrichError> {
        let known = match &named.tracking_number {
            Some(number) => self.store.find_shipment(number).await?,
            None => None,
        };
        let told = named.order.or_else(|| {
            let (_, order) = known.as_ref()?;
            order.clone().map(OrderRef::from)
        });
        let copy = match &told {
            Some(order) => self.store.resolve_order(order).await?,
            None => None,
        };
        if copy.is_none() {
            let lookup = match (&told, &named.tracking_number) {
                (Some(order), _) => Some(OrderLookup::from(order.clone())),
                (None, Some(number)) => Some(OrderLookup::TrackingNumber(number.clone())),
                (None, None) => None,
            };
            if let Some(lookup) = lookup {
                enrichment.order = self.ask_shop(lookup).await?;
            }
        }
        let found = enrichment.order.as_ref().map(|(order, ..)| order);
        let record = found.or(copy.as_ref().map(|record| &record.order));
        let order_as_told = || told.clone().or_else(|| Some(record?.number.clone().into()));
        let number = named
            .tracking_number
            .or_else(|| Some(ParcelUpdate::nameless(&order_as_told()?)));
        let of_record = record.map(|order| order.number.clone());
        let (order, order_shop_id) = match told {
            Some(OrderRef::Number(number)) => (Some(number), None),
            Some(OrderRef::ShopId { shop_id }) => (of_record, Some(shop_id)),
            None => (of_record, None),
        };
        enrichment.parcel = number.map(|tracking_number| ParcelUpdate {
            tracking_number,
            order,
            order_shop_id,
            packed: named.packed,
            carrier: named.carrier,
            event,
        });
        Ok(())
    }

    /// The parcel that is none any more; of an order alone that whose number nobody told.
    async fn find_taken_back(
        &self,
        (order, tracking_number): (Option<OrderRef>, Option<TrackingNumber>),
        at: Timestamp,
    ) -> Result<Option<ParcelTakenBack>, EnrichError> {
        let record = match &order {
            Some(order) => self.store.resolve_order(order).await?,
            None => None,
        };
        let nameless = || order.as_ref().map(ParcelUpdate::nameless);
        let Some(tracking_number) = tracking_number.or_else(nameless) else {
            return Ok(None);
        };
        let of_record = record.map(|record| record.order.number);
        let (order, order_shop_id) = match order {
            Some(OrderRef::Number(number)) => (Some(number), None),
            Some(OrderRef::ShopId { shop_id }) => (of_record, Some(shop_id)),
            None => (None, None),
        };
        Ok(Some(ParcelTakenBack {
            tracking_number,
            order,
            order_shop_id,
            at,
        }))
    }

    async fn ask_shop(
        &self,
        lookup: OrderLookup,
    ) -> Result<Option<(Order, SourceName, Timestamp)>, EnrichError> {
        let order = self.shop.find_order(&lookup).await?;
        let now = self.store.ambient().now();
        Ok(order.map(|order| (order, self.shop.name().clone(), now)))
    }
}

/// What the source named.
struct Named {
    /// Whether it says that the parcel was packed for the order.
    packed: bool,
    order: Option<OrderRef>,
    carrier: Option<String>,
    tracking_number: Option<TrackingNumber>,
}

#[cfg(test)]
mod tests;
