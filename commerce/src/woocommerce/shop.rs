//! WooCommerce's REST API, version 3 (<https://woocommerce.github.io/woocommerce-rest-api-docs/>).

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use doorstep_core::{
    Clock, Health, ShopCustomerId, Sku, SourceName,
    health::PortError,
    order::Order,
    product::{COLOUR, Product, SIZE, StockLevel, Variant, add_value, attribute_name},
    shop::{OrderLookup, Shop},
    time::Ambient,
};
use http::{HeaderValue, header::AUTHORIZATION};
use iso_currency::Currency;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::order::OrderBody;
use crate::{
    BuildError,
    api::{Answer, Api, Endpoint},
    body::parse_json,
    money::Amount,
    registry::ShopSettings,
};

/// Entries a page holds, and products that one question asks for: the most that WooCommerce gives.
const PAGE: &str = "100";
const AT_ONCE: usize = 100;
/// Most orders that are read of a customer.
const MOST_ORDERS: usize = 100;
/// What can be bought of a unit whose stock the shop does not count.
const UNCOUNTED: u32 = 999;

/// `[shop.woocommerce]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WooCommerceConfig {
    /// The shop's address: `https://fernweh.example`.
    pub url: String,
    /// `ck_…`, from WooCommerce → Settings → Advanced → REST API.
    #[serde(default)]
    pub consumer_key: SecretString,
    /// `cs_…`, shown beside it once.
    #[serde(default)]
    pub consumer_secret: SecretString,
    /// How many seconds one request may take.
    #[serde(default = "default_timeout_s")]
    pub timeout_s: u64,
}

fn default_timeout_s() -> u64 {
    10
}

/// A WooCommerce shop's records.
pub struct WooCommerceShop {
    name: SourceName,
    api: Api,
    currency: Currency,
    clock: Arc<dyn Clock>,
    /// The page after the product with this identifier: WooCommerce counts pages, the port goes on after a product.
    pages: Mutex<HashMap<String, Option<String>>>,
}

/// Builds the shop from its section.
///
/// # Errors
/// The section is missing, or its address or keys cannot be used.
pub(crate) fn build_shop(
    settings: &ShopSettings,
    ambient: &Ambient,
) -> Result<Arc<dyn Shop>, BuildError> {
    let config = settings.woocommerce.as_ref();
    let config = config.ok_or_else(|| BuildError::Endpoint {
        name: settings.name.clone(),
        reason: "there is no section [shop.woocommerce]".to_owned(),
    })?;
    let shop = WooCommerceShop::new(settings, config, ambient.clock.clone())?;
    Ok(Arc::new(shop))
}

impl WooCommerceShop {
    fn new(
        settings: &ShopSettings,
        config: &WooCommerceConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BuildError> {
        let unusable = |reason: &str| BuildError::Endpoint {
            name: settings.name.clone(),
            reason: reason.to_owned(),
        };
        let key = config.consumer_key.expose_secret().trim();
        let secret = config.consumer_secret.expose_secret().trim();
        if key.is_empty() || secret.is_empty() {
            return Err(unusable("consumer_key or consumer_secret is empty"));
        }
        let basic = format!(
            "Basic {}",
            BASE64_STANDARD.encode(format!("{key}:{secret}"))
        );
        let value = HeaderValue::from_str(&basic).map_err(|_| unusable("the keys are no keys"))?;
        let base = format!("{}/wp-json/wc/v3", config.url.trim().trim_end_matches('/'));
        let api = Api::new(&Endpoint {
            name: &settings.name,
            role: "shop",
            base: &base,
            credentials: Some((AUTHORIZATION, value)),
            timeout: Duration::from_secs(config.timeout_s.max(1)),
            spacing: Duration::ZERO,
        })?;
        Ok(Self {
            name: settings.name.clone(),
            api,
            currency: settings.currency,
            clock,
            pages: Mutex::default(),
        })
    }

    #[cfg(test)]
    pub(super) fn at(url: &str, clock: Arc<dyn Clock>) -> Self {
        let config = WooCommerceConfig {
            url: url.to_owned(),
            consumer_key: "ck_key".into(),
            consumer_secret: "cs_secret".into(),
            timeout_s: 2,
        };
        let settings = ShopSettings {
            name: "woocommerce".into(),
            currency: Currency::EUR,
            shopify: None,
            woocommerce: None,
        };
        let mut shop = Self::new(&settings, &config, clock).unwrap();
        shop.api = shop.api.hurried();
        shop
    }

    fn read_order(&self, body: &[u8]) -> Result<Order, PortError> {
        let order = parse_json::<OrderBody>(body).and_then(OrderBody::into_order);
        order.map_err(|error| self.api.error(error))
    }

    async fn order_at(&self, id: &str) -> Result<Option<Order>, PortError> {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(None);
        }
        let answer = self.api.get(&format!("/orders/{id}"), &[]).await?;
        answer
            .map(|answer| self.read_order(answer.body()))
            .transpose()
    }

    async fn list(&self, query: &[(&str, &str)]) -> Result<Vec<Order>, PortError> {
        let Some(answer) = self.api.get("/orders", query).await? else {
            return Ok(Vec::new());
        };
        let list: Vec<serde_json::Value> = answer.json()?;
        list.iter()
            .map(|order| self.read_order(order.to_string().as_bytes()))
            .collect()
    }

    /// A page of products as the catalog describes them, and where the next one is.
    async fn page(&self, path: &str) -> Result<(Vec<Product>, Option<String>), PortError> {
        let query = [
            ("per_page", PAGE),
            ("orderby", "id"),
            ("order", "asc"),
            ("status", "publish"),
        ];
        let query = if path.contains('?') {
            &[][..]
        } else {
            &query[..]
        };
        let Some(answer) = self.api.get(path, query).await? else {
            return Ok((Vec::new(), None));
        };
        let products = self.products(&answer).await?;
        if let Some(last) = products.last() {
            let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
            pages.insert(last.id.clone(), answer.next.clone());
        }
        Ok((products, answer.next))
    }

    /// The products of an answer, each with its variations.
    async fn products(&self, answer: &Answer) -> Result<Vec<Product>, PortError> {
        let bodies: Vec<ProductBody> = answer.json()?;
        let mut products = Vec::with_capacity(bodies.len());
        for body in bodies {
            let variations = match body.kind.as_deref() {
                Some("variable") => self.variations(body.id).await?,
                _ => Vec::new(),
            };
            products.push(body.into_product(variations));
        }
        Ok(products)
    }

    async fn variations(&self, product: u64) -> Result<Vec<VariationBody>, PortError> {
        let mut variations = Vec::new();
        let mut path = format!("/products/{product}/variations?per_page={PAGE}");
        while let Some(answer) = self.api.get(&path, &[]).await? {
            variations.extend(answer.json::<Vec<VariationBody>>()?);
            match answer.next {
                Some(next) => path = next,
                None => break,
            }
        }
        Ok(variations)
    }

    /// The page after a product: as remembered, or found by walking through the catalog.
    async fn page_after(&self, product: &str) -> Result<Option<String>, PortError> {
        let remembered = {
            let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
            pages.get(product).cloned()
        };
        if let Some(next) = remembered {
            return Ok(next);
        }
        let mut next = Some("/products".to_owned());
        while let Some(path) = next {
            let (products, following) = self.page(&path).await?;
            if products.iter().any(|known| known.id == product) {
                return Ok(following);
            }
            next = following;
        }
        Ok(None)
    }
}

#[derive(Deserialize)]
struct ProductBody {
    id: u64,
    name: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    sku: Option<String>,
    description: Option<String>,
    short_description: Option<String>,
    permalink: Option<String>,
    #[serde(default)]
    categories: Vec<Named>,
    #[serde(default)]
    brands: Vec<Named>,
    #[serde(default)]
    images: Vec<Image>,
    #[serde(default)]
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Image {
    src: String,
}

/// An attribute of a product has `options`, that of a variation an `option`.
#[derive(Deserialize)]
struct Attribute {
    name: String,
    #[serde(default)]
    options: Vec<String>,
    option: Option<String>,
}

#[derive(Deserialize)]
struct VariationBody {
    id: u64,
    sku: Option<String>,
    #[serde(default)]
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
struct StockBody {
    sku: String,
    price: Option<String>,
    stock_quantity: Option<f64>,
    stock_status: Option<String>,
    backorders_allowed: Option<bool>,
}

fn unit(sku: Option<String>, id: u64) -> Sku {
    let sku = sku.filter(|sku| !sku.trim().is_empty());
    Sku(sku.unwrap_or_else(|| id.to_string()))
}

/// WooCommerce's texts are HTML; a catalog's are read and searched as words.
fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut inside = false;
    for character in html.chars() {
        match character {
            '<' => {
                inside = true;
                text.push(' ');
            }
            '>' => inside = false,
            other if !inside => text.push(other),
            _ => {}
        }
    }
    let text = text.replace("&nbsp;", " ").replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl ProductBody {
    fn into_product(self, variations: Vec<VariationBody>) -> Product {
        let attributes = self.attributes(&variations);
        let mut variants: Vec<Variant> = variations
            .into_iter()
            .map(VariationBody::into_variant)
            .collect();
        if variants.is_empty() {
            variants.push(Variant {
                sku: unit(self.sku, self.id),
                size: None,
                colour: None,
            });
        }
        let short = self.short_description.as_deref().map(plain);
        let short = short.filter(|text| !text.is_empty());
        let description = short.or_else(|| self.description.as_deref().map(plain));
        Product {
            id: self.id.to_string(),
            title: self.name,
            description: description.unwrap_or_default(),
            brand: self.brands.into_iter().next().map(|brand| brand.name),
            category: self
                .categories
                .into_iter()
                .next()
                .map(|category| category.name),
            attributes,
            url: self.permalink,
            image: self.images.into_iter().next().map(|image| image.src),
            variants,
            // `date_modified` says nothing of what a variation's stock does.
            updated_at: None,
        }
    }
}

impl ProductBody {
    /// Its attributes, with the values that variations have.
    fn attributes(&self, variations: &[VariationBody]) -> BTreeMap<String, Vec<String>> {
        let of_variations = variations.iter().flat_map(|body| &body.attributes);
        let mut attributes = BTreeMap::new();
        for attribute in self.attributes.iter().chain(of_variations) {
            let name = attribute_name(&attribute.name);
            for value in attribute.options.iter().chain(&attribute.option) {
                add_value(&mut attributes, &name, value);
            }
        }
        attributes
    }
}

impl VariationBody {
    fn into_variant(self) -> Variant {
        let option = |name: &str| {
            let mut attributes = self.attributes.iter();
            let found = attributes.find(|attribute| attribute_name(&attribute.name) == name);
            found?.option.clone()
        };
        Variant {
            size: option(SIZE),
            colour: option(COLOUR),
            sku: unit(self.sku, self.id),
        }
    }
}

impl StockBody {
    /// Uncounted but there, or sold beyond what is there: as much as anybody wants.
    fn quantity(&self) -> u32 {
        let there = self.stock_status.as_deref() == Some("instock");
        match self.stock_quantity {
            _ if self.backorders_allowed == Some(true) => UNCOUNTED,
            // `as` saturates, and negative stock is none.
            Some(quantity) => quantity.max(0.0) as u32,
            None if there => UNCOUNTED,
            None => 0,
        }
    }
}

#[async_trait]
impl Shop for WooCommerceShop {
    fn name(&self) -> &SourceName {
        &self.name
    }

    /// Orders cannot be looked up by a parcel; those are found through what the shop told of its orders.
    async fn find_order(&self, lookup: &OrderLookup) -> Result<Option<Order>, PortError> {
        let number = match lookup {
            OrderLookup::ShopId(id) => return self.order_at(id.as_str()).await,
            OrderLookup::TrackingNumber(_) => return Ok(None),
            OrderLookup::Number(number) => number,
        };
        // The number is the identifier unless an extension counts otherwise.
        let order = self.order_at(number.as_str()).await?;
        if let Some(order) = order.filter(|order| order.number == *number) {
            return Ok(Some(order));
        }
        let query = [("search", number.as_str()), ("per_page", "20")];
        let found = self.list(&query).await?;
        Ok(found.into_iter().find(|order| order.number == *number))
    }

    async fn list_orders(
        &self,
        customer: &ShopCustomerId,
        limit: usize,
    ) -> Result<Vec<Order>, PortError> {
        let limit = limit.clamp(1, MOST_ORDERS);
        let per_page = limit.to_string();
        let guest = customer.as_str().strip_prefix("email:");
        let by = match guest {
            Some(email) => ("search", email),
            None => ("customer", customer.as_str()),
        };
        let query = [
            by,
            ("per_page", &per_page),
            ("orderby", "date"),
            ("order", "desc"),
        ];
        let mut orders = self.list(&query).await?;
        if let Some(email) = guest {
            orders.retain(|order| order.customer.email.as_deref() == Some(email));
        }
        orders.truncate(limit);
        Ok(orders)
    }

    async fn list_products(&self, after: Option<&str>) -> Result<Vec<Product>, PortError> {
        let path = match after {
            None => Some("/products".to_owned()),
            Some(id) => self.page_after(id).await?,
        };
        match path {
            Some(path) => Ok(self.page(&path).await?.0),
            None => Ok(Vec::new()),
        }
    }

    async fn find_products(&self, ids: &[String]) -> Result<Vec<Product>, PortError> {
        let ours = ids.iter().map(String::as_str);
        let ours: Vec<&str> = ours.filter(|id| id.parse::<u64>().is_ok()).collect();
        let mut found: HashMap<String, Product> = HashMap::new();
        for asked in ours.chunks(AT_ONCE) {
            let include = asked.join(",");
            let query = [
                ("include", include.as_str()),
                ("per_page", PAGE),
                ("status", "publish"),
            ];
            if let Some(answer) = self.api.get("/products", &query).await? {
                for product in self.products(&answer).await? {
                    found.insert(product.id.clone(), product);
                }
            }
        }
        Ok(ids.iter().filter_map(|id| found.get(id).cloned()).collect())
    }

    async fn stock(&self, skus: &[Sku]) -> Result<Vec<StockLevel>, PortError> {
        let mut levels: Vec<StockLevel> = Vec::new();
        for asked in skus.chunks(50) {
            let list: Vec<&str> = asked.iter().map(Sku::as_str).collect();
            let query = [("sku", list.join(",")), ("per_page", PAGE.to_owned())];
            let query = query
                .each_ref()
                .map(|(name, value)| (*name, value.as_str()));
            let mut answer = self.api.get("/products", &query).await?;
            while let Some(page) = answer {
                for body in page.json::<Vec<StockBody>>()? {
                    let quantity = body.quantity();
                    let price = body.price.filter(|price| !price.is_empty());
                    let Some(price) = price else { continue };
                    let price = Amount::Text(price).read("price", self.currency);
                    levels.push(StockLevel {
                        sku: Sku(body.sku),
                        price: price.map_err(|error| self.api.error(error))?,
                        quantity,
                        as_of: self.clock.now(),
                    });
                }
                answer = match page.next {
                    Some(next) => self.api.get(&next, &[]).await?,
                    None => None,
                };
            }
        }
        Ok(skus
            .iter()
            .filter_map(|sku| levels.iter().find(|level| level.sku == *sku).cloned())
            .collect())
    }

    async fn healthcheck(&self) -> Health {
        self.api.health()
    }
}
