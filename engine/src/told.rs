//! A shop that only tells: what its webhooks and feeds said is what it knows.

use async_trait::async_trait;
use doorstep_core::{
    Health, ShopCustomerId, Sku, SourceName,
    health::PortError,
    order::{Order, OrderRef},
    product::{Product, StockLevel},
    shop::{OrderLookup, Shop},
};

use crate::store::{Store, StoreError};

/// A [`Shop`] that cannot be asked: its orders are those that it told, as last told. It lists no products; those of a feed are
/// answered for by [`WithImported`](crate::imported::WithImported).
pub struct ToldShop {
    name: SourceName,
    store: Store,
}

impl ToldShop {
    /// The orders of `store`.
    pub fn new(name: SourceName, store: Store) -> Self {
        Self { name, store }
    }

    /// The order without the parcels that were taken back since it was told.
    async fn as_it_is(&self, order: Order) -> Result<Order, PortError> {
        let mut parcels = Vec::with_capacity(order.shipments.len());
        for parcel in &order.shipments {
            let gone = self.store.was_taken_back(&parcel.tracking_number).await;
            if !gone.map_err(port)? {
                parcels.push(parcel.clone());
            }
        }
        Ok(Order {
            shipments: parcels,
            ..order
        })
    }
}

fn port(error: StoreError) -> PortError {
    PortError::new("store", error)
}

#[async_trait]
impl Shop for ToldShop {
    fn name(&self) -> &SourceName {
        &self.name
    }

    async fn find_order(&self, lookup: &OrderLookup) -> Result<Option<Order>, PortError> {
        let found = match lookup {
            OrderLookup::Number(number) => self.store.find_order(number).await,
            OrderLookup::ShopId(shop_id) => {
                let order = OrderRef::ShopId {
                    shop_id: shop_id.clone(),
                };
                self.store.resolve_order(&order).await
            }
            OrderLookup::TrackingNumber(parcel) => {
                let parcel = self.store.find_shipment(parcel).await.map_err(port)?;
                match parcel.and_then(|(_, order)| order) {
                    Some(order) => self.store.find_order(&order).await,
                    None => Ok(None),
                }
            }
        };
        match found.map_err(port)? {
            Some(record) => Ok(Some(self.as_it_is(record.order).await?)),
            None => Ok(None),
        }
    }

    async fn list_orders(
        &self,
        customer: &ShopCustomerId,
        limit: usize,
    ) -> Result<Vec<Order>, PortError> {
        let mut orders = Vec::new();
        for order in self.store.orders_of(customer, limit).await.map_err(port)? {
            orders.push(self.as_it_is(order).await?);
        }
        Ok(orders)
    }

    async fn list_products(&self, _after: Option<&str>) -> Result<Vec<Product>, PortError> {
        Ok(Vec::new())
    }

    async fn find_products(&self, _ids: &[String]) -> Result<Vec<Product>, PortError> {
        Ok(Vec::new())
    }

    async fn stock(&self, _skus: &[Sku]) -> Result<Vec<StockLevel>, PortError> {
        Ok(Vec::new())
    }

    /// There is nothing to be reached; the database has a part of its own.
    async fn healthcheck(&self) -> Health {
        Health::Ok
    }
}
