//! The demo page's own routes; only `doorstep demo` has them.

use std::{path::PathBuf, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use doorstep_channels::{
    email::outbox,
    webchat::{IdentityClaims, sign_identity},
};
use doorstep_core::{OrderNumber, Sku, product::Product};
use doorstep_engine::templates::format;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, Shared, pages};
use crate::{
    app::App,
    demo::{self, Action, Demo},
};

/// How many products the shop window shows.
const SHOWN: usize = 24;
/// Mails that the inbox shows at most.
const MAILS: usize = 200;
/// How long a demo customer stays signed in.
const SIGNED_IN_HOURS: i64 = 12;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route(
            "/",
            get(async |headers: HeaderMap| pages::file("demo/index.html", &headers)),
        )
        .route("/demo/state", get(state))
        .route("/demo/identity", post(identity))
        .route("/demo/events", post(events))
        .route("/demo/outbox", get(emails))
        .route("/demo/outbox/{id}", get(email))
        .route(
            "/demo/{*path}",
            get(async |Path(path): Path<String>, headers: HeaderMap| {
                pages::file(&format!("demo/{path}"), &headers)
            }),
        )
}

fn demo_of(app: &App) -> Result<&Demo, ApiError> {
    app.demo
        .as_ref()
        .ok_or_else(|| ApiError::not_found("this is not the demo"))
}

/// The shop window, the customers and their orders.
async fn state(State(app): State<Shared>) -> Result<Json<Value>, ApiError> {
    let demo = demo_of(&app)?;
    let mut products = Vec::new();
    for product in shop_window(demo.shop.products()) {
        products.push(shown_product(&app, product).await?);
    }
    let customers: Vec<Value> = demo
        .shop
        .customers()
        .iter()
        .map(|customer| {
            json!({
                "id": customer.id,
                "name": customer.name,
                "city": city_of(customer.time_zone.name()),
                "language": customer.language,
                "time_zone": customer.time_zone.name(),
            })
        })
        .collect();
    let orders: Vec<Value> = demo.shop.orders().iter().map(|order| json!({
        "number": order.number,
        "customer_id": order.customer.id,
        "status": order.shipments.last().map_or(order.status.as_str(), |shipment| shipment.status.as_str()),
        "items": order.lines.iter().map(|line| line.title.as_str()).collect::<Vec<_>>().join(", "),
        "carrier": order.shipments.last().map(|shipment| &shipment.carrier),
        "tracking_number": order.shipments.last().map(|shipment| &shipment.tracking_number),
        "email": order.customer.email,
    })).collect();
    Ok(Json(json!({
        "shop": { "name": app.config.shop.name, "tagline": "Good things for going far" },
        "products": products,
        "customers": customers,
        "orders": orders,
    })))
}

/// The first product of every category, then the second, and so on: a window with something of everything.
fn shop_window(products: &[Product]) -> Vec<&Product> {
    let mut by_category: std::collections::BTreeMap<&str, Vec<&Product>> =
        std::collections::BTreeMap::new();
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

async fn shown_product(app: &App, product: &Product) -> Result<Value, ApiError> {
    let skus: Vec<Sku> = product
        .variants
        .iter()
        .map(|variant| variant.sku.clone())
        .collect();
    let stock = app
        .shop
        .stock(&skus)
        .await
        .map_err(|error| ApiError::internal("the shop did not answer", &error))?;
    let quantity: u32 = stock.iter().map(|level| level.quantity).sum();
    let price = stock
        .iter()
        .map(|level| level.price)
        .min_by_key(|price| price.minor);
    Ok(json!({
        "sku": skus.first(),
        "title": product.title,
        "category": product.category,
        "image": product.image,
        "price": price.map(|price| format::money(&app.config.shop.default_language, &price)),
        "stock": if quantity == 0 { "Sold out".to_owned() } else { format!("{quantity} in stock") },
    }))
}

/// `Europe/Madrid` → `Madrid`.
fn city_of(time_zone: &str) -> String {
    time_zone
        .rsplit('/')
        .next()
        .unwrap_or(time_zone)
        .replace('_', " ")
}

#[derive(Deserialize)]
struct IdentityRequest {
    customer_id: String,
}

/// Signs a customer in, as the shop's own server would.
async fn identity(
    State(app): State<Shared>,
    Json(request): Json<IdentityRequest>,
) -> Result<Json<Value>, ApiError> {
    let demo = demo_of(&app)?;
    let customer = demo
        .shop
        .customers()
        .iter()
        .find(|customer| customer.id.as_str() == request.customer_id)
        .ok_or_else(|| ApiError::not_found("the demo shop has no such customer"))?;
    let secret = app
        .config
        .channels
        .webchat
        .as_ref()
        .and_then(|webchat| webchat.identity_secret.as_ref())
        .ok_or_else(|| ApiError::not_found("the web chat is off"))?;
    let now = app.ambient.now();
    let claims = IdentityClaims {
        sub: customer.id.to_string(),
        email: Some(customer.email.clone()),
        name: Some(customer.name.clone()),
        exp: (now + chrono::TimeDelta::hours(SIGNED_IN_HOURS)).timestamp(),
        iat: Some(now.timestamp()),
    };
    Ok(Json(json!({ "identity": sign_identity(secret, &claims) })))
}

#[derive(Deserialize)]
struct EventRequest {
    order: OrderNumber,
    action: Action,
    source: String,
    #[serde(default)]
    twice: bool,
}

/// Plays the carrier: a really signed request, over HTTP, through the front door.
async fn events(
    State(app): State<Shared>,
    Json(request): Json<EventRequest>,
) -> Result<Json<Value>, ApiError> {
    let demo = demo_of(&app)?;
    let order = demo::find_order(demo, &request.order)
        .ok_or_else(|| ApiError::not_found("the demo shop has no such order"))?;
    let signed = demo::signed_request(&app, &order, request.action, request.source == "easypost")
        .map_err(ApiError::bad_request)?;
    if let Some(source) = app.sources.get(signed.source) {
        demo::record(demo, &**source, &signed, app.ambient.now());
    }
    let url = format!(
        "http://{}/webhooks/commerce/{}",
        app.config.http.listen, signed.source
    );
    let mut responses = Vec::new();
    for _ in 0..if request.twice { 2 } else { 1 } {
        responses.push(post_signed(&url, &signed).await?);
    }
    let headers: serde_json::Map<String, Value> = signed
        .headers
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into(),
            )
        })
        .collect();
    Ok(Json(json!({
        "request": { "method": "POST", "url": url, "headers": headers, "body": signed.body },
        "responses": responses,
    })))
}

async fn post_signed(url: &str, signed: &demo::SignedRequest) -> Result<Value, ApiError> {
    let failed =
        |error: reqwest::Error| ApiError::internal("the demo could not reach itself", &error);
    let response = crate::client::http()
        .map_err(failed)?
        .post(url)
        .headers(signed.headers.clone())
        .header(header::CONTENT_TYPE, "application/json")
        .body(signed.body.clone())
        .send()
        .await
        .map_err(failed)?;
    let status = response.status().as_u16();
    Ok(json!({ "status": status, "body": response.text().await.map_err(failed)? }))
}

#[derive(Deserialize)]
struct OutboxQuery {
    #[serde(default)]
    after: usize,
    #[serde(default)]
    wait: u64,
}

fn outbox_folder(app: &App) -> PathBuf {
    let folder = app
        .config
        .channels
        .email
        .as_ref()
        .map(|email| email.outbox.clone())
        .unwrap_or_default();
    app.config.data_dir.join(folder)
}

/// Mails after the n-th, oldest first; waits for one.
async fn emails(
    State(app): State<Shared>,
    Query(query): Query<OutboxQuery>,
) -> Result<Json<Value>, ApiError> {
    let mut mails = demo_of(&app)?.mails.subscribe();
    let mut fresh = mails_after(&app, query.after).await?;
    if fresh.is_empty() {
        tokio::select! {
            // Answered with what there is, however the wait ended.
            _ = tokio::time::timeout(Duration::from_secs(query.wait.min(25)), mails.changed()) => {}
            () = app.stop.cancelled() => {}
        }
        fresh = mails_after(&app, query.after).await?;
    }
    let last = query.after + fresh.len();
    Ok(Json(json!({ "emails": fresh, "last": last })))
}

async fn mails_after(app: &App, after: usize) -> Result<Vec<Value>, ApiError> {
    let mut mails = outbox::list(&outbox_folder(app), MAILS)
        .await
        .map_err(|error| ApiError::internal("the outbox cannot be read", &error))?;
    mails.reverse();
    Ok(mails
        .into_iter()
        .enumerate()
        .skip(after)
        .map(|(index, mail)| {
            json!({
                "n": index + 1,
                "id": mail.id,
                "to": mail.to,
                "subject": mail.subject,
                "at": mail.at,
                "text": mail.text,
                "html_url": format!("/demo/outbox/{}", mail.id),
            })
        })
        .collect())
}

/// One mail as HTML, to be shown in a sandboxed frame.
async fn email(State(app): State<Shared>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let mails = outbox::list(&outbox_folder(&app), MAILS)
        .await
        .map_err(|error| ApiError::internal("the outbox cannot be read", &error))?;
    let mail = mails
        .into_iter()
        .find(|mail| mail.id == id)
        .ok_or_else(|| ApiError::not_found("there is no such mail"))?;
    let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data: https:; frame-ancestors 'self'; sandbox";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    Ok((StatusCode::OK, headers, mail.html).into_response())
}
