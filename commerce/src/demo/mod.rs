//! Fernweh Supply, the shop of `doorstep demo`: outdoor and travel goods, 40 orders in every state, customers in several
//! languages. The data are the files of `config/demo/`, compiled in; dates are relative, so that the demo never ages. Its
//! webhooks are those of the generic source.

mod data;

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use async_trait::async_trait;
use chrono::TimeDelta;
use doorstep_core::{
    Clock, Health, OrderNumber, ShopCustomerId, Sku, SourceName, Timestamp,
    event::{CommerceEvent, CommerceEventKind},
    health::PortError,
    order::{Order, OrderStatus},
    product::{Product, StockLevel},
    shipment::{Shipment, TrackingEvent, TrackingStatus},
    shop::{OrderLookup, Shop},
    time::Ambient,
};

pub use data::DemoCustomer;

use crate::{BuildError, registry::ShopSettings};
use data::{Records, StockRecord};

/// Products a page of [`Shop::list_products`] holds.
const PAGE: usize = 50;

/// The demo shop.
pub struct DemoShop {
    name: SourceName,
    clock: Arc<dyn Clock>,
    opened_at: Timestamp,
    records: Records,
    changes: RwLock<Changes>,
}

/// What happened since the shop was opened.
struct Changes {
    stock: BTreeMap<Sku, StockRecord>,
    orders: BTreeMap<OrderNumber, Order>,
}

/// Opens the shop, as the registry asks for it.
///
/// # Errors
/// As [`DemoShop::new`].
pub(crate) fn build(
    settings: &ShopSettings,
    ambient: &Ambient,
) -> Result<Arc<dyn Shop>, BuildError> {
    let name = settings.name.clone();
    Ok(Arc::new(DemoShop::new(name, ambient.clock.clone())?))
}

impl DemoShop {
    /// Opens the shop under `name`, conventionally `demo`.
    ///
    /// # Errors
    /// The files that were compiled in contradict each other; a test keeps that from being shipped.
    pub fn new(name: SourceName, clock: Arc<dyn Clock>) -> Result<Self, BuildError> {
        let (records, stock) = data::load()?;
        Ok(Self {
            name,
            opened_at: clock.now(),
            clock,
            records,
            changes: RwLock::new(Changes {
                stock,
                orders: BTreeMap::new(),
            }),
        })
    }

    /// Every product.
    pub fn products(&self) -> &[Product] {
        &self.records.products
    }

    /// Every customer with an order.
    pub fn customers(&self) -> &[DemoCustomer] {
        &self.records.customers
    }

    /// Every order as it stands, by number.
    pub fn orders(&self) -> Vec<Order> {
        let today = self.today();
        let changes = self.read();
        let mut orders: BTreeMap<OrderNumber, Order> = self
            .records
            .orders(today)
            .map(|order| (order.number.clone(), order))
            .collect();
        orders.extend(changes.orders.clone());
        orders.into_values().collect()
    }

    /// Changes how many of a unit can be bought. `false` when the shop does not know the unit.
    pub fn set_stock(&self, sku: &Sku, quantity: u32) -> bool {
        match self.write().stock.get_mut(sku) {
            Some(record) => {
                record.quantity = quantity;
                true
            }
            None => false,
        }
    }

    /// Takes in what was told about an order, as a real shop's own books would: parcels move, orders are returned and
    /// refunded. News about orders that the shop does not have are ignored.
    pub fn record_event(&self, event: &CommerceEvent) {
        if let CommerceEventKind::OrderUpdated { order }
        | CommerceEventKind::OrderCancelled { order, .. } = &event.kind
        {
            self.keep((**order).clone());
            return;
        }
        let Some(mut order) = self.order_of(&event.kind) else {
            return;
        };
        match &event.kind {
            CommerceEventKind::OrderUpdated { .. }
            | CommerceEventKind::OrderCancelled { .. }
            | CommerceEventKind::Due { .. }
            | CommerceEventKind::Remark { .. }
            | CommerceEventKind::ReturnRequested { .. }
            | CommerceEventKind::ReturnDeclined { .. }
            | CommerceEventKind::ReturnCancelled { .. }
            | CommerceEventKind::CustomerDataRequested { .. }
            | CommerceEventKind::CustomerRedacted { .. }
            | CommerceEventKind::ShopRedacted => return,
            CommerceEventKind::TakenBack {
                tracking_number, ..
            } => {
                let Some(number) = tracking_number else {
                    return;
                };
                order
                    .shipments
                    .retain(|shipment| shipment.tracking_number != *number);
                order.status = status_of_parcels(&order);
            }
            CommerceEventKind::ReturnReceived { .. } => order.status = OrderStatus::Returned,
            CommerceEventKind::RefundIssued { .. } => order.status = OrderStatus::Refunded,
            CommerceEventKind::Tracking {
                carrier,
                tracking_number,
                event,
                ..
            }
            | CommerceEventKind::Fulfilled {
                carrier,
                tracking_number,
                event,
                ..
            } => {
                let known = order.shipments.iter_mut().find(|shipment| {
                    tracking_number
                        .as_ref()
                        .is_none_or(|number| *number == shipment.tracking_number)
                });
                match (known, tracking_number) {
                    (Some(shipment), _) => move_parcel(shipment, event),
                    (None, Some(number)) => order.shipments.push(Shipment {
                        carrier: carrier.clone().unwrap_or_default(),
                        tracking_number: number.clone(),
                        status: event.status,
                        status_at: Some(event.occurred_at),
                        estimated: event.estimated,
                    }),
                    (None, None) => return,
                }
                order.status = status_of_parcels(&order);
            }
        }
        self.keep(order);
    }

    fn order_of(&self, kind: &CommerceEventKind) -> Option<Order> {
        match kind {
            CommerceEventKind::OrderUpdated { order }
            | CommerceEventKind::OrderCancelled { order, .. } => Some((**order).clone()),
            CommerceEventKind::ReturnRequested { order, .. }
            | CommerceEventKind::ReturnDeclined { order, .. }
            | CommerceEventKind::ReturnCancelled { order, .. }
            | CommerceEventKind::ReturnReceived { order, .. }
            | CommerceEventKind::RefundIssued { order, .. }
            | CommerceEventKind::Fulfilled { order, .. }
            | CommerceEventKind::Tracking {
                order: Some(order), ..
            }
            | CommerceEventKind::TakenBack {
                order: Some(order), ..
            } => self.find(&order.clone().into()),
            CommerceEventKind::Tracking {
                tracking_number, ..
            }
            | CommerceEventKind::TakenBack {
                tracking_number, ..
            } => self.find(&OrderLookup::TrackingNumber(tracking_number.clone()?)),
            // No shop tells what became due.
            CommerceEventKind::Due { .. }
            | CommerceEventKind::Remark { .. }
            | CommerceEventKind::CustomerDataRequested { .. }
            | CommerceEventKind::CustomerRedacted { .. }
            | CommerceEventKind::ShopRedacted => None,
        }
    }

    fn keep(&self, order: Order) {
        self.write().orders.insert(order.number.clone(), order);
    }

    fn find(&self, lookup: &OrderLookup) -> Option<Order> {
        let wanted = |order: &&Order| match lookup {
            OrderLookup::Number(number) => order.number == *number,
            OrderLookup::ShopId(id) => order.shop_id.as_ref() == Some(id),
            OrderLookup::TrackingNumber(number) => order
                .shipments
                .iter()
                .any(|shipment| shipment.tracking_number == *number),
        };
        let changes = self.read();
        let changed = changes.orders.values().find(wanted).cloned();
        changed.or_else(|| {
            let order = self.records.find(lookup, self.today())?;
            // What was changed is no longer what the records say.
            (!changes.orders.contains_key(&order.number)).then_some(order)
        })
    }

    /// The instant that relative dates count from. It moves in whole days after opening: facts stand still within a day, and
    /// a demo left running does not age.
    fn today(&self) -> Timestamp {
        let days = (self.clock.now() - self.opened_at).num_days().max(0);
        self.opened_at + TimeDelta::days(days)
    }

    // A poisoned lock only says that another thread panicked between two assignments; the maps are whole.
    fn read(&self) -> RwLockReadGuard<'_, Changes> {
        self.changes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Changes> {
        self.changes.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// News from before the last known state are history.
fn move_parcel(shipment: &mut Shipment, event: &TrackingEvent) {
    if shipment
        .status_at
        .is_some_and(|last| event.occurred_at < last)
    {
        return;
    }
    shipment.status = event.status;
    shipment.status_at = Some(event.occurred_at);
    shipment.estimated = event.estimated.or(shipment.estimated);
}

fn status_of_parcels(order: &Order) -> OrderStatus {
    let all = |status| order.shipments.iter().all(|parcel| parcel.status == status);
    match order.status {
        OrderStatus::Cancelled | OrderStatus::Returned | OrderStatus::Refunded => order.status,
        // All were taken back.
        _ if order.shipments.is_empty() => OrderStatus::Processing,
        _ if all(TrackingStatus::Delivered) => OrderStatus::Delivered,
        _ if all(TrackingStatus::ReturnedToSender) => OrderStatus::Returned,
        _ if all(TrackingStatus::PreTransit) => OrderStatus::Processing,
        _ => OrderStatus::Shipped,
    }
}

#[async_trait]
impl Shop for DemoShop {
    fn name(&self) -> &SourceName {
        &self.name
    }

    async fn find_order(&self, lookup: &OrderLookup) -> Result<Option<Order>, PortError> {
        Ok(self.find(lookup))
    }

    async fn list_orders(
        &self,
        customer: &ShopCustomerId,
        limit: usize,
    ) -> Result<Vec<Order>, PortError> {
        let mut orders = self.orders();
        orders.retain(|order| order.customer.id.as_ref() == Some(customer));
        orders.sort_by_key(|order| std::cmp::Reverse(order.placed_at));
        orders.truncate(limit);
        Ok(orders)
    }

    async fn list_products(&self, after: Option<&str>) -> Result<Vec<Product>, PortError> {
        let products = &self.records.products;
        let start = match after {
            None => 0,
            Some(id) => products
                .iter()
                .position(|product| product.id == id)
                .map_or(products.len(), |at| at + 1),
        };
        Ok(products.iter().skip(start).take(PAGE).cloned().collect())
    }

    async fn find_products(&self, ids: &[String]) -> Result<Vec<Product>, PortError> {
        let products = &self.records.products;
        let find = |id: &String| products.iter().find(|product| product.id == *id);
        Ok(ids.iter().filter_map(find).cloned().collect())
    }

    async fn stock(&self, skus: &[Sku]) -> Result<Vec<StockLevel>, PortError> {
        let as_of = self.clock.now();
        let changes = self.read();
        Ok(skus
            .iter()
            .filter_map(|sku| {
                let record = changes.stock.get(sku)?;
                Some(StockLevel {
                    sku: sku.clone(),
                    price: record.price,
                    quantity: record.quantity,
                    as_of,
                })
            })
            .collect())
    }

    async fn healthcheck(&self) -> Health {
        Health::Ok
    }
}

#[cfg(test)]
mod tests;
