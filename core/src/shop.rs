//! The ports to shops and carriers.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Health, OrderNumber, ShopCustomerId, ShopOrderId, Sku, SourceName, TrackingNumber,
    event::CommerceEvent,
    health::PortError,
    order::{Order, OrderRef},
    product::{Product, StockLevel},
    webhook::{WebhookRejection, WebhookRequest},
};

/// Something that sends signed commerce events: a shop platform, a carrier, a tracking aggregator.
#[async_trait]
pub trait EventSource: Send + Sync {
    /// The configured name; webhooks arrive under `/webhooks/commerce/{name}`.
    fn name(&self) -> &SourceName;

    /// Verifies the signature, then parses. An empty list is a request of a kind that does not concern us: it is
    /// acknowledged and forgotten.
    ///
    /// # Errors
    /// A [`WebhookRejection`]; nothing is stored.
    fn receive_webhook(
        &self,
        request: &WebhookRequest,
    ) -> Result<Vec<CommerceEvent>, WebhookRejection>;
}

/// A carrier or aggregator that can be asked what it knows of parcels: for those that push nothing, or not everything. What
/// it answers counts as told by the source of its name, beside that source's webhooks: the same news under the same
/// external id.
#[async_trait]
pub trait TrackingLookup: Send + Sync {
    /// The configured name of the source.
    fn name(&self) -> &SourceName;

    /// How many parcels one call of [`Self::look_up`] takes at most.
    fn at_once(&self) -> usize;

    /// What is known of each parcel.
    ///
    /// # Errors
    /// The carrier did not answer, or refuses this account: nothing is known of any of them.
    async fn look_up(&self, parcels: &[TrackingNumber])
    -> Result<Vec<TrackingAnswer>, LookupError>;

    /// How the last question went.
    fn health(&self) -> Health;
}

/// What a carrier answered about one parcel.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackingAnswer {
    /// Which.
    pub parcel: TrackingNumber,
    /// What it knows, in any order, and nothing while it does not know the parcel; or why it refuses to tell, without the
    /// number.
    pub reports: Result<Vec<TrackingReport>, String>,
}

/// One thing that a carrier answered.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackingReport {
    /// The part of the answer that says it, as it came.
    pub raw: Vec<u8>,
    /// What was read in it.
    pub event: CommerceEvent,
}

/// A carrier did not answer at all.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct LookupError {
    /// What happened.
    pub error: PortError,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl From<PortError> for LookupError {
    fn from(error: PortError) -> Self {
        Self {
            error,
            retry_after: None,
        }
    }
}

/// A shop's own records, asked at answer time (G4). Not found is `Ok(None)`.
#[async_trait]
pub trait Shop: Send + Sync {
    /// The configured name.
    fn name(&self) -> &SourceName;

    /// One order.
    ///
    /// # Errors
    /// The shop did not answer.
    async fn find_order(&self, lookup: &OrderLookup) -> Result<Option<Order>, PortError>;

    /// The newest orders of a customer, newest first, `limit` at most.
    ///
    /// # Errors
    /// The shop did not answer.
    async fn list_orders(
        &self,
        customer: &ShopCustomerId,
        limit: usize,
    ) -> Result<Vec<Order>, PortError>;

    /// A page of products after the cursor `after` (a page's last product id); an empty page is the end.
    ///
    /// # Errors
    /// The shop did not answer.
    async fn list_products(&self, after: Option<&str>) -> Result<Vec<Product>, PortError>;

    /// Products by the shop's identifiers, in the order asked for; unknown ones are left out. This default walks
    /// through the whole catalog: a shop that can look products up does so instead.
    ///
    /// # Errors
    /// The shop did not answer.
    async fn find_products(&self, ids: &[String]) -> Result<Vec<Product>, PortError> {
        let mut found: Vec<Option<Product>> = vec![None; ids.len()];
        let mut after = None;
        while found.iter().any(Option::is_none) {
            let page = self.list_products(after.as_deref()).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            for product in page {
                if let Some(place) = ids.iter().position(|id| *id == product.id) {
                    found[place] = Some(product);
                }
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// Price and stock now. Unknown units are left out.
    ///
    /// # Errors
    /// The shop did not answer.
    async fn stock(&self, skus: &[Sku]) -> Result<Vec<StockLevel>, PortError>;

    /// Whether the shop can be reached.
    async fn healthcheck(&self) -> Health;
}

/// How an order is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderLookup {
    /// By the number customers know.
    Number(OrderNumber),
    /// By the shop's own identifier.
    ShopId(ShopOrderId),
    /// By one of its parcels.
    TrackingNumber(TrackingNumber),
}

impl From<OrderRef> for OrderLookup {
    fn from(order: OrderRef) -> Self {
        match order {
            OrderRef::Number(number) => Self::Number(number),
            OrderRef::ShopId { shop_id } => Self::ShopId(shop_id),
        }
    }
}
