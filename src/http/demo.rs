//! The demo page's own routes; only `doorstep demo` has them.

mod decisions;
mod handoffs;
mod outbox;
mod shelf;

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, header},
    routing::{get, post},
};
use doorstep_channels::webchat::{IdentityClaims, sign_identity};
use doorstep_core::OrderNumber;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, Shared, pages};
use crate::{
    app::App,
    demo::{self, Action, Demo},
};

/// How often is looked for what nobody announces, while a page waits for it.
const LOOK: Duration = Duration::from_millis(250);
/// How long a request waits at most, in seconds.
const LONGEST_WAIT_S: u64 = 25;
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
        .route("/demo/decisions", get(decisions::list))
        .route("/demo/stock", post(shelf::change))
        .route("/demo/handoffs", get(handoffs::list))
        .route("/demo/handoffs/{id}/close", post(handoffs::close))
        .route("/demo/outbox", get(outbox::list))
        .route("/demo/outbox/{id}", get(outbox::show))
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
    for product in shelf::window(demo.shop.products()) {
        products.push(shelf::shown(&app, product).await?);
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
        // What came of it is asked for by this.
        "event": { "source": signed.source, "id": signed.event },
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

/// What `ask` finds, asked until there is something or `wait_s` seconds are over. For what is announced to nobody, since
/// only this page wants to hear of it.
async fn awaited<T, F>(app: &App, wait_s: u64, ask: impl Fn() -> F) -> Result<Option<T>, ApiError>
where
    F: Future<Output = Result<Option<T>, ApiError>>,
{
    if let Some(found) = ask().await? {
        return Ok(Some(found));
    }
    let looking = async {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            if let Some(found) = ask().await? {
                return Ok::<_, ApiError>(Some(found));
            }
        }
    };
    let wait = Duration::from_secs(wait_s.min(LONGEST_WAIT_S));
    tokio::select! {
        found = looking => found,
        () = tokio::time::sleep(wait) => Ok(None),
        () = app.stop.cancelled() => Ok(None),
    }
}
