//! From an event to what it is about: which order, which parcel.

use std::sync::Arc;

use doorstep_core::{
    ChannelName, CommerceEventId, OrderNumber, SourceName, Timestamp, TrackingNumber,
    event::{CommerceEvent, CommerceEventKind},
    health::PortError,
    order::Order,
    shipment::TrackingEvent,
    shop::{OrderLookup, Shop},
};

use crate::store::{Enrichment, ParcelUpdate, Store, StoreError};

/// Brings order and parcel up to date with an event.
pub struct Enricher {
    store: Store,
    shop: Arc<dyn Shop>,
    /// Where an order's e-mail address is an address.
    email: Option<ChannelName>,
}

/// An event could not be enriched now. It waits and is tried again.
#[derive(Debug, thiserror::Error)]
pub enum EnrichError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The shop did not answer.
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
        Self { store, shop, email }
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
        let enrichment = self.look_at(id, stored.event).await?;
        let committed = self
            .store
            .commit_enrichment(enrichment, self.email.clone())
            .await?;
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
        };
        match kind {
            CommerceEventKind::OrderUpdated { order } => {
                enrichment.order = Some((*order, source, occurred_at));
            }
            CommerceEventKind::Tracking {
                order,
                carrier,
                tracking_number,
                event,
            } => {
                let named = Named {
                    order,
                    carrier,
                    tracking_number,
                };
                self.find_parcel(&mut enrichment, named, event).await?;
            }
            CommerceEventKind::ReturnReceived { order }
            | CommerceEventKind::RefundIssued { order, .. } => {
                if self.store.find_order(&order).await?.is_none() {
                    enrichment.order = self.ask_shop(OrderLookup::Number(order)).await?;
                }
            }
            // Found in what we keep: there is nothing to learn from it.
            CommerceEventKind::Due { .. } => {}
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
        let mut order = named
            .order
            .or_else(|| known.as_ref().and_then(|(_, order)| order.clone()));
        let copy = match &order {
            Some(number) => self.store.find_order(number).await?,
            None => None,
        };
        if copy.is_none() {
            let lookup = match (&order, &named.tracking_number) {
                (Some(number), _) => Some(OrderLookup::Number(number.clone())),
                (None, Some(number)) => Some(OrderLookup::TrackingNumber(number.clone())),
                (None, None) => None,
            };
            if let Some(lookup) = lookup {
                enrichment.order = self.ask_shop(lookup).await?;
            }
        }
        let found = enrichment.order.as_ref().map(|(order, ..)| order);
        let record = found.or(copy.as_ref().map(|record| &record.order));
        if order.is_none() {
            order = record.map(|order| order.number.clone());
        }
        let number = match named.tracking_number {
            Some(number) => Some(number),
            None => match &order {
                Some(number) => Some(self.only_parcel_of(number, record).await?),
                None => None,
            },
        };
        let carrier = named.carrier.or_else(|| {
            let shipments = &record?.shipments;
            let shipment = shipments
                .iter()
                .find(|shipment| Some(&shipment.tracking_number) == number.as_ref())?;
            Some(shipment.carrier.clone())
        });
        enrichment.parcel = number.map(|tracking_number| ParcelUpdate {
            tracking_number,
            order,
            carrier,
            event,
        });
        Ok(())
    }

    /// The order's parcel, when the source named only the order and there is just one.
    async fn only_parcel_of(
        &self,
        number: &OrderNumber,
        order: Option<&Order>,
    ) -> Result<TrackingNumber, StoreError> {
        let mut parcels: Vec<TrackingNumber> = self
            .store
            .shipments_of(number)
            .await?
            .into_iter()
            .chain(
                order
                    .map(|order| order.shipments.clone())
                    .unwrap_or_default(),
            )
            .map(|shipment| shipment.tracking_number)
            .collect();
        parcels.sort_unstable();
        parcels.dedup();
        Ok(match parcels.as_slice() {
            [only] => only.clone(),
            _ => ParcelUpdate::nameless(number),
        })
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
    order: Option<OrderNumber>,
    carrier: Option<String>,
    tracking_number: Option<TrackingNumber>,
}

#[cfg(test)]
mod tests;
