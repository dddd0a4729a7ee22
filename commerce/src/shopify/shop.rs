//! Shopify's Admin API: orders by REST, in the shape of its webhooks; catalog and stock by GraphQL
//! (<https://shopify.dev/docs/api/admin-rest>, <https://shopify.dev/docs/api/admin-graphql>).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use doorstep_core::{
    Clock, Health, Money, ShopCustomerId, Sku, SourceName,
    health::PortError,
    order::Order,
    product::{Product, StockLevel, Variant},
    shop::{OrderLookup, Shop},
    time::Ambient,
};
use http::{HeaderName, HeaderValue};
use iso_currency::Currency;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::order::OrderBody;
use crate::{
    BuildError,
    api::{Api, Endpoint},
    body::parse_named,
    money::Amount,
    registry::ShopSettings,
};

/// Products a page holds, and units that one question asks for: both within Shopify's cost limit of one query.
const PAGE: usize = 50;
/// Most orders that are read of a customer.
const MOST_ORDERS: usize = 250;
/// What can be bought of a unit whose stock the shop does not count.
const UNCOUNTED: u32 = 999;
/// How often a throttled GraphQL query is asked.
const ATTEMPTS: u32 = 4;

/// `[shop.shopify]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShopifyConfig {
    /// The shop's own address at Shopify: `fernweh.myshopify.com`.
    pub shop: String,
    /// The Admin API access token of a custom app.
    #[serde(default)]
    pub access_token: SecretString,
    /// The version of the Admin API: `2026-10`. Shopify keeps each for a year.
    #[serde(default = "default_api_version")]
    pub api_version: String,
    /// How many seconds one request may take.
    #[serde(default = "default_timeout_s")]
    pub timeout_s: u64,
}

fn default_api_version() -> String {
    "2026-10".to_owned()
}

fn default_timeout_s() -> u64 {
    10
}

/// A Shopify shop's records.
pub struct ShopifyShop {
    name: SourceName,
    api: Api,
    currency: Currency,
    clock: Arc<dyn Clock>,
}

/// Builds the shop from its section.
///
/// # Errors
/// The section is missing, or its address or token cannot be used.
pub(crate) fn build_shop(
    settings: &ShopSettings,
    ambient: &Ambient,
) -> Result<Arc<dyn Shop>, BuildError> {
    let config = settings
        .shopify
        .as_ref()
        .ok_or_else(|| BuildError::Endpoint {
            name: settings.name.clone(),
            reason: "there is no section [shop.shopify]".to_owned(),
        })?;
    let shop = config.shop.trim().trim_end_matches('/');
    let host = match shop.contains("://") {
        true => shop.to_owned(),
        false => format!("https://{shop}"),
    };
    let base = format!("{host}/admin/api/{}", config.api_version);
    let shop = ShopifyShop::new(settings, config, &base, ambient.clock.clone())?;
    Ok(Arc::new(shop))
}

impl ShopifyShop {
    fn new(
        settings: &ShopSettings,
        config: &ShopifyConfig,
        base: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BuildError> {
        let token = config.access_token.expose_secret().trim();
        let value = HeaderValue::from_str(token)
            .ok()
            .filter(|_| !token.is_empty());
        let value = value.ok_or_else(|| BuildError::Endpoint {
            name: settings.name.clone(),
            reason: "access_token is empty or not visible ASCII".to_owned(),
        })?;
        let api = Api::new(&Endpoint {
            name: &settings.name,
            role: "shop",
            base,
            credentials: Some((HeaderName::from_static("x-shopify-access-token"), value)),
            timeout: Duration::from_secs(config.timeout_s.max(1)),
            spacing: Duration::ZERO,
        })?;
        Ok(Self {
            name: settings.name.clone(),
            api,
            currency: settings.currency,
            clock,
        })
    }

    #[cfg(test)]
    pub(super) fn at(base: &str, clock: Arc<dyn Clock>) -> Self {
        let config = ShopifyConfig {
            shop: String::new(),
            access_token: "shpat_secret".into(),
            api_version: default_api_version(),
            timeout_s: 2,
        };
        let settings = ShopSettings {
            name: "shopify".into(),
            currency: Currency::EUR,
            shopify: None,
            woocommerce: None,
        };
        let mut shop = Self::new(&settings, &config, base, clock).unwrap();
        shop.api = shop.api.hurried();
        shop
    }

    fn read_order(&self, body: &[u8]) -> Result<Order, PortError> {
        let order = parse_named::<OrderBody>("order", body).and_then(OrderBody::into_order);
        order.map_err(|error| self.api.error(error))
    }

    /// Orders of a list, in its order.
    async fn list(&self, query: &[(&str, &str)]) -> Result<Vec<Order>, PortError> {
        let Some(answer) = self.api.get("/orders.json", query).await? else {
            return Ok(Vec::new());
        };
        let list: OrderList = answer.json()?;
        list.orders
            .iter()
            .map(|order| self.read_order(order.to_string().as_bytes()))
            .collect()
    }

    async fn graphql<T: DeserializeOwned>(
        &self,
        query: &str,
        variables: Value,
    ) -> Result<T, PortError> {
        let body = json!({"query": query, "variables": variables});
        for attempt in 1..=ATTEMPTS {
            let answer: GraphqlAnswer<T> = self.api.query("/graphql.json", &body).await?.json()?;
            let throttled = answer.errors.iter().any(GraphqlError::is_throttled);
            match answer.data {
                Some(data) if answer.errors.is_empty() => return Ok(data),
                _ if throttled && attempt < ATTEMPTS => {
                    // The bucket refills by at least 50 points a second; no query here costs more than 1,000.
                    self.api.rest(attempt).await;
                }
                _ => {
                    let said: Vec<String> = answer
                        .errors
                        .iter()
                        .map(|error| crate::body::shown(&error.message))
                        .collect();
                    return Err(self
                        .api
                        .error(format!("/graphql.json: {}", said.join("; "))));
                }
            }
        }
        Err(self.api.error("/graphql.json: throttled"))
    }
}

#[derive(Deserialize)]
struct OrderList {
    orders: Vec<Value>,
}

#[derive(Deserialize)]
struct GraphqlAnswer<T> {
    data: Option<T>,
    #[serde(default)]
    errors: Vec<GraphqlError>,
}

#[derive(Deserialize)]
struct GraphqlError {
    message: String,
    extensions: Option<Extensions>,
}

#[derive(Deserialize)]
struct Extensions {
    code: Option<String>,
}

impl GraphqlError {
    fn is_throttled(&self) -> bool {
        let code = self
            .extensions
            .as_ref()
            .and_then(|told| told.code.as_deref());
        code == Some("THROTTLED")
    }
}

const PRODUCTS: &str = "query Products($query: String!, $first: Int!) {
  products(first: $first, sortKey: ID, query: $query) {
    nodes {
      legacyResourceId title description vendor productType onlineStoreUrl updatedAt
      featuredMedia { preview { image { url } } }
      variants(first: 100) { nodes { legacyResourceId sku selectedOptions { name value } } }
    }
  }
}";

const STOCK: &str = "query Stock($query: String!, $first: Int!, $after: String) {
  productVariants(first: $first, query: $query, after: $after) {
    nodes { sku legacyResourceId price inventoryQuantity inventoryPolicy inventoryItem { tracked } }
    pageInfo { hasNextPage endCursor }
  }
}";

#[derive(Deserialize)]
struct ProductsData {
    products: Nodes<ProductBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VariantsData {
    product_variants: Nodes<StockBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Nodes<T> {
    nodes: Vec<T>,
    page_info: Option<PageInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProductBody {
    legacy_resource_id: String,
    title: String,
    description: Option<String>,
    vendor: Option<String>,
    product_type: Option<String>,
    online_store_url: Option<String>,
    featured_media: Option<Media>,
    updated_at: Option<String>,
    variants: Nodes<VariantBody>,
}

#[derive(Deserialize)]
struct Media {
    preview: Option<Preview>,
}

#[derive(Deserialize)]
struct Preview {
    image: Option<Image>,
}

#[derive(Deserialize)]
struct Image {
    url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VariantBody {
    legacy_resource_id: String,
    sku: Option<String>,
    #[serde(default)]
    selected_options: Vec<SelectedOption>,
}

#[derive(Deserialize)]
struct SelectedOption {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StockBody {
    sku: Option<String>,
    legacy_resource_id: String,
    price: Amount,
    inventory_quantity: Option<i64>,
    inventory_policy: Option<String>,
    inventory_item: Option<InventoryItem>,
}

#[derive(Deserialize)]
struct InventoryItem {
    tracked: Option<bool>,
}

fn unit(sku: Option<String>, id: String) -> Sku {
    Sku(sku.filter(|sku| !sku.trim().is_empty()).unwrap_or(id))
}

impl ProductBody {
    fn into_product(self) -> Product {
        let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let image = self
            .featured_media
            .and_then(|media| media.preview?.image?.url);
        // Shopify counts inventory among what changes a product; an instant that cannot be read is none.
        let updated_at = self.updated_at.and_then(|text| text.parse().ok());
        Product {
            updated_at,
            id: self.legacy_resource_id,
            title: self.title,
            description: self.description.unwrap_or_default(),
            brand: filled(self.vendor),
            category: filled(self.product_type),
            attributes: Default::default(),
            url: self.online_store_url,
            image,
            variants: self
                .variants
                .nodes
                .into_iter()
                .map(VariantBody::into_variant)
                .collect(),
        }
    }
}

impl VariantBody {
    fn into_variant(self) -> Variant {
        let option = |names: &[&str]| {
            let wanted =
                |option: &&SelectedOption| names.contains(&option.name.to_lowercase().as_str());
            let found = self.selected_options.iter().find(wanted);
            found.map(|option| option.value.clone())
        };
        Variant {
            size: option(SIZE_OPTIONS),
            colour: option(COLOUR_OPTIONS),
            sku: unit(self.sku, self.legacy_resource_id),
        }
    }
}

/// What merchants call these options, in the languages that Doorstep speaks.
const SIZE_OPTIONS: &[&str] = &[
    "size",
    "talla",
    "tamanho",
    "taille",
    "pointure",
    "größe",
    "grösse",
    "taglia",
    "misura",
    "размер",
];
const COLOUR_OPTIONS: &[&str] = &[
    "color", "colour", "cor", "couleur", "farbe", "colore", "цвет",
];

impl StockBody {
    /// Uncounted, or sold beyond what is there: as much as anybody wants.
    fn quantity(&self) -> u32 {
        let counted = self
            .inventory_item
            .as_ref()
            .and_then(|item| item.tracked)
            .unwrap_or(true);
        let oversold = self.inventory_policy.as_deref() == Some("CONTINUE");
        if !counted || oversold {
            return UNCOUNTED;
        }
        u32::try_from(self.inventory_quantity.unwrap_or(0).max(0)).unwrap_or(u32::MAX)
    }
}

/// A text in Shopify's search syntax: within quotes.
fn searched(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[async_trait]
impl Shop for ShopifyShop {
    fn name(&self) -> &SourceName {
        &self.name
    }

    /// Orders cannot be looked up by a parcel; those are found through what the shop told of its fulfilments.
    async fn find_order(&self, lookup: &OrderLookup) -> Result<Option<Order>, PortError> {
        match lookup {
            OrderLookup::Number(number) => {
                let query = [
                    ("name", number.as_str()),
                    ("status", "any"),
                    ("limit", "10"),
                ];
                let found = self.list(&query).await?;
                Ok(found.into_iter().find(|order| order.number == *number))
            }
            OrderLookup::ShopId(id) => {
                if !id.as_str().bytes().all(|byte| byte.is_ascii_digit()) {
                    return Ok(None);
                }
                let answer = self.api.get(&format!("/orders/{id}.json"), &[]).await?;
                answer
                    .map(|answer| self.read_order(answer.body()))
                    .transpose()
            }
            OrderLookup::TrackingNumber(_) => Ok(None),
        }
    }

    async fn list_orders(
        &self,
        customer: &ShopCustomerId,
        limit: usize,
    ) -> Result<Vec<Order>, PortError> {
        let limit = limit.clamp(1, MOST_ORDERS).to_string();
        let (field, value) = match customer.as_str().strip_prefix("email:") {
            Some(email) => ("email", email),
            None => ("customer_id", customer.as_str()),
        };
        let query = [
            (field, value),
            ("status", "any"),
            ("limit", &limit),
            ("order", "created_at desc"),
        ];
        let mut orders = self.list(&query).await?;
        orders.sort_by_key(|order| std::cmp::Reverse(order.placed_at));
        Ok(orders)
    }

    async fn list_products(&self, after: Option<&str>) -> Result<Vec<Product>, PortError> {
        let after = after.filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()));
        let query = match after {
            Some(id) => format!("status:active id:>{id}"),
            None => "status:active".to_owned(),
        };
        let variables = json!({"query": query, "first": PAGE});
        let data: ProductsData = self.graphql(PRODUCTS, variables).await?;
        let products = data.products.nodes;
        Ok(products
            .into_iter()
            .map(ProductBody::into_product)
            .collect())
    }

    async fn stock(&self, skus: &[Sku]) -> Result<Vec<StockLevel>, PortError> {
        let mut levels: Vec<StockLevel> = Vec::new();
        for asked in skus.chunks(PAGE) {
            let terms: Vec<String> = asked
                .iter()
                .map(|sku| format!("sku:{}", searched(sku.as_str())))
                .collect();
            let query = terms.join(" OR ");
            let mut after: Option<String> = None;
            loop {
                let variables = json!({"query": query, "first": PAGE, "after": after});
                let data: VariantsData = self.graphql(STOCK, variables).await?;
                let page = data.product_variants;
                for body in page.nodes {
                    let price = body.price.read("price", self.currency);
                    let price: Money = price.map_err(|error| self.api.error(error))?;
                    let quantity = body.quantity();
                    levels.push(StockLevel {
                        sku: unit(body.sku, body.legacy_resource_id),
                        price,
                        quantity,
                        as_of: self.clock.now(),
                    });
                }
                after = page
                    .page_info
                    .filter(|info| info.has_next_page)
                    .and_then(|info| info.end_cursor);
                if after.is_none() {
                    break;
                }
            }
        }
        // The search also finds units whose names begin alike.
        Ok(skus
            .iter()
            .filter_map(|sku| levels.iter().find(|level| level.sku == *sku).cloned())
            .collect())
    }

    async fn healthcheck(&self) -> Health {
        self.api.health()
    }
}
