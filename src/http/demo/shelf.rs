//! The shop window, and a hand that takes sizes out of it.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use doorstep_core::{
    Sku,
    product::{Product, StockLevel},
};
use doorstep_engine::templates::format;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, Shared, demo_of};
use crate::app::App;

/// How many products the shop window shows.
const SHOWN: usize = 24;

/// The first product of every category, then the second, and so on: a window with something of everything.
pub(super) fn window(products: &[Product]) -> Vec<&Product> {
    let mut by_category: BTreeMap<&str, Vec<&Product>> = BTreeMap::new();
    for product in products {
        by_category
            .entry(product.category.as_deref().unwrap_or_default())
            .or_default()
            .push(product);
    }
    let longest = by_category.values().map(Vec::len).max().unwrap_or(0);
    (0..longest)
        .flat_map(|row| {
            by_category
                .values()
                .filter_map(move |shelf| shelf.get(row).copied())
        })
        .take(SHOWN)
        .collect()
}

/// A product as the page shows it, with price and stock as the shop tells them now.
pub(super) async fn shown(app: &App, product: &Product) -> Result<Value, ApiError> {
    let stock = stock_of(app, product, None).await?;
    let quantity: u32 = stock.iter().map(|level| level.quantity).sum();
    let price = stock
        .iter()
        .map(|level| level.price)
        .min_by_key(|price| price.minor);
    Ok(json!({
        "id": product.id,
        "sku": product.variants.first().map(|variant| &variant.sku),
        "title": product.title,
        "category": product.category,
        "image": product.image,
        "price": price.map(|price| format::money(&app.config.shop.default_language, &price)),
        "stock": if quantity == 0 { "Sold out".to_owned() } else { format!("{quantity} in stock") },
        "sizes": sizes(product, &stock),
    }))
}

/// Each size once, in the order of the catalog, with how many there are in all colours.
fn sizes(product: &Product, stock: &[StockLevel]) -> Vec<Value> {
    let mut sizes: Vec<(&str, u32)> = Vec::new();
    for variant in &product.variants {
        let Some(size) = variant.size.as_deref() else {
            continue;
        };
        let level = stock.iter().find(|level| level.sku == variant.sku);
        let quantity = level.map_or(0, |level| level.quantity);
        match sizes.iter_mut().find(|(known, _)| *known == size) {
            Some((_, sum)) => *sum += quantity,
            None => sizes.push((size, quantity)),
        }
    }
    let shown = sizes.into_iter();
    shown
        .map(|(size, quantity)| json!({ "size": size, "stock": quantity }))
        .collect()
}

/// Stock of a product, or of one size of it.
async fn stock_of(
    app: &App,
    product: &Product,
    size: Option<&str>,
) -> Result<Vec<StockLevel>, ApiError> {
    let variants = product.variants.iter();
    let skus: Vec<Sku> = variants
        .filter(|variant| size.is_none() || variant.size.as_deref() == size)
        .map(|variant| variant.sku.clone())
        .collect();
    let stock = app.shop.stock(&skus).await;
    stock.map_err(|error| ApiError::internal("the shop did not answer", &error))
}

#[derive(Deserialize)]
pub(super) struct StockRequest {
    /// The product's identifier.
    product: String,
    size: String,
    sold_out: bool,
}

/// `POST /demo/stock`: sells out a size in all its colours, or puts it back; answers with the product as it is shown now.
pub(super) async fn change(
    State(app): State<Shared>,
    Json(request): Json<StockRequest>,
) -> Result<Json<Value>, ApiError> {
    let demo = demo_of(&app)?;
    let mut products = demo.shop.products().iter();
    let product = products
        .find(|product| product.id == request.product)
        .ok_or_else(|| ApiError::not_found("the demo shop has no such product"))?;
    let stock = stock_of(&app, product, Some(&request.size)).await?;
    if stock.is_empty() {
        return Err(ApiError::not_found(
            "the product is not made in that size; /demo/state lists its sizes",
        ));
    }
    if request.sold_out {
        demo.sell_out(&stock);
    } else {
        demo.put_back(&stock);
    }
    Ok(Json(shown(&app, product).await?))
}
