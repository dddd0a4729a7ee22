//! The Admin API, asked over loopback from a stand-in that answers in the documented shapes.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use doorstep_core::{
    Health, Sku,
    order::OrderStatus,
    shop::{OrderLookup, Shop},
};
use serde_json::{Value, json};

use super::ShopifyShop;
use crate::testing::{FixedClock, serve};

const BASE: &str = "/admin/api/2026-10";

/// What goes wrong before an answer comes.
#[derive(Default)]
struct Moods {
    asked: AtomicU32,
    refuse_first: u32,
    status: u16,
}

type Shared = Arc<Moods>;

fn order() -> Value {
    let bytes = include_bytes!("../../../tests/fixtures/shopify/orders.create.json");
    serde_json::from_slice(bytes).unwrap()
}

/// A refusal while the mood lasts, or of whoever has no token.
fn refusal(moods: &Moods, headers: &HeaderMap) -> Option<Response> {
    if headers
        .get("x-shopify-access-token")
        .map(|token| token.as_bytes())
        != Some(b"shpat_secret")
    {
        return Some(StatusCode::UNAUTHORIZED.into_response());
    }
    let asked = moods.asked.fetch_add(1, Ordering::SeqCst);
    if asked >= moods.refuse_first {
        return None;
    }
    let status = StatusCode::from_u16(moods.status).unwrap();
    let headers = [("retry-after", "0.01"), ("x-request-id", "req-4711")];
    Some((status, headers, "shpat_secret in a page of the provider").into_response())
}

async fn orders(
    State(moods): State<Shared>,
    Query(query): Query<std::collections::HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = refusal(&moods, &headers) {
        return refusal;
    }
    assert_eq!(query["status"], "any");
    let mut similar = order();
    similar["name"] = json!("#102345");
    let found = match (query.get("name"), query.get("customer_id")) {
        (Some(name), _) if "10234".starts_with(name.as_str()) => vec![similar, order()],
        (_, Some(id)) if id == "7001004" => {
            let mut older = order();
            older["name"] = json!("#10100");
            older["created_at"] = json!("2026-10-01T00:00:00Z");
            vec![older, order()]
        }
        _ => Vec::new(),
    };
    // A bucket with room: nothing is slowed down.
    (
        [("x-shopify-shop-api-call-limit", "1/40")],
        Json(json!({"orders": found})),
    )
        .into_response()
}

async fn one_order(
    State(moods): State<Shared>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = refusal(&moods, &headers) {
        return refusal;
    }
    match file.as_str() {
        "5810234001.json" => Json(json!({"order": order()})).into_response(),
        _ => (StatusCode::NOT_FOUND, Json(json!({"errors": "Not Found"}))).into_response(),
    }
}

fn product(id: u64) -> Value {
    json!({"legacyResourceId": id.to_string(), "status": "ACTIVE", "title": format!("Boots {id}"),
        "description": "Warm.", "vendor": "Frostholm", "productType": "boots", "onlineStoreUrl": null,
        "updatedAt": "2026-11-20T10:00:00Z",
        "featuredMedia": {"preview": {"image": {"url": "https://cdn.example/1.jpg"}}},
        "variants": {"nodes": [{"legacyResourceId": "801", "sku": "B-1",
            "selectedOptions": [{"name": "Größe", "value": "38"}, {"name": "Color", "value": "cherry"}]},
            {"legacyResourceId": "802", "sku": "B-2",
            "selectedOptions": [{"name": "Größe", "value": "39"}, {"name": "Color", "value": "cherry"}]}]}})
}

/// Shopify gives every product an option.
fn without_options(id: u64) -> Value {
    let mut product = product(id);
    let title = json!([{"name": "Title", "value": "Default Title"}]);
    product["variants"]["nodes"] =
        json!([{"legacyResourceId": "803", "sku": "B-3", "selectedOptions": title}]);
    product
}

/// What stands under a global identifier: 404 was deleted, 405 is archived, all others are sold.
fn node(gid: &str) -> Value {
    let id = gid.strip_prefix("gid://shopify/Product/").unwrap();
    match id.parse().unwrap() {
        404 => Value::Null,
        405 => {
            let mut archived = product(405);
            archived["status"] = json!("ARCHIVED");
            archived
        }
        id => product(id),
    }
}

fn stock_page(wanted: &str, variables: &Value) -> Value {
    let unit = |sku: &str, quantity: i64, tracked: bool| {
        json!({"sku": sku, "legacyResourceId": "801", "price": "169.00", "inventoryQuantity": quantity,
            "inventoryPolicy": "DENY", "inventoryItem": {"tracked": tracked}})
    };
    assert!(wanted.contains("sku:\"B-1\""), "{wanted}");
    let page = match variables["after"].as_str() {
        None => json!({"nodes": [unit("B-1", 7, true), unit("B-10", 9, true)],
            "pageInfo": {"hasNextPage": true, "endCursor": "c1"}}),
        Some("c1") => json!({"nodes": [unit("B-2", -3, true), unit("B-3", 0, false)],
            "pageInfo": {"hasNextPage": false, "endCursor": "c2"}}),
        other => panic!("{other:?}"),
    };
    json!({"productVariants": page})
}

async fn graphql(
    State(moods): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if let Some(refusal) = refusal(&moods, &headers) {
        return refusal;
    }
    let query = body["query"].as_str().unwrap();
    let variables = &body["variables"];
    let wanted = variables["query"].as_str().unwrap_or_default();
    let data = if query.contains("productVariants") {
        stock_page(wanted, variables)
    } else if let Some(ids) = variables["ids"].as_array() {
        assert!(query.contains("nodes(ids: $ids)"), "{query}");
        assert!(ids.len() <= 250, "Shopify refuses longer lists");
        json!({"nodes": ids.iter().map(|id| node(id.as_str().unwrap())).collect::<Vec<_>>()})
    } else {
        let nodes = match wanted {
            "status:active" => vec![product(11), product(12)],
            "status:active id:>12" => vec![without_options(13)],
            _ => Vec::new(),
        };
        json!({"products": {"nodes": nodes}})
    };
    Json(json!({"data": data})).into_response()
}

async fn throttled_once(
    State(moods): State<Shared>,
    headers: HeaderMap,
    body: Json<Value>,
) -> Response {
    if moods.asked.fetch_add(1, Ordering::SeqCst) == 0 {
        let error = json!({"message": "Throttled", "extensions": {"code": "THROTTLED"}});
        return Json(json!({"errors": [error]})).into_response();
    }
    graphql(State(moods), headers, body).await
}

async fn shop_in(moods: Moods) -> (ShopifyShop, Shared) {
    let moods = Arc::new(moods);
    let routes = Router::new()
        .route(&format!("{BASE}/orders.json"), get(orders))
        .route(&format!("{BASE}/orders/{{file}}"), get(one_order))
        .route(&format!("{BASE}/graphql.json"), post(graphql))
        .route("/throttled/graphql.json", post(throttled_once))
        .with_state(moods.clone());
    let address = serve(routes).await;
    (
        ShopifyShop::at(&format!("{address}{BASE}"), FixedClock::shared()),
        moods,
    )
}

#[tokio::test]
async fn an_order_is_found_by_exactly_its_number_and_by_its_identifier() {
    let (shop, _) = shop_in(Moods::default()).await;
    let by_number = shop
        .find_order(&OrderLookup::Number("10234".into()))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(by_number.number.as_str(), "10234");
    assert_eq!(by_number.status, OrderStatus::Processing);
    let by_id = OrderLookup::ShopId("5810234001".into());
    assert_eq!(shop.find_order(&by_id).await.unwrap(), Some(by_number));
    for unknown in [
        OrderLookup::Number("99999".into()),
        OrderLookup::ShopId("1".into()),
        OrderLookup::ShopId("../shop".into()),
        OrderLookup::TrackingNumber("T1".into()),
    ] {
        assert_eq!(
            shop.find_order(&unknown).await.unwrap(),
            None,
            "{unknown:?}"
        );
    }
}

#[tokio::test]
async fn a_customers_orders_come_newest_first() {
    let (shop, _) = shop_in(Moods::default()).await;
    let orders = shop.list_orders(&"7001004".into(), 5).await.unwrap();
    let numbers: Vec<_> = orders.iter().map(|order| order.number.as_str()).collect();
    assert_eq!(numbers, ["10234", "10100"]);
}

#[tokio::test]
async fn the_catalog_is_walked_through_page_by_page() {
    let (shop, _) = shop_in(Moods::default()).await;
    let mut seen = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = shop.list_products(after.as_deref()).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        seen.extend(page);
    }
    let ids: Vec<_> = seen.iter().map(|product| product.id.as_str()).collect();
    assert_eq!(ids, ["11", "12", "13"]);
    let variant = &seen[0].variants[0];
    assert_eq!(variant.size.as_deref(), Some("38"));
    assert_eq!(variant.colour.as_deref(), Some("cherry"));
    assert_eq!(seen[0].image.as_deref(), Some("https://cdn.example/1.jpg"));
    let updated_at = seen[0].updated_at.map(|at| at.to_rfc3339());
    assert_eq!(updated_at.as_deref(), Some("2026-11-20T10:00:00+00:00"));
    let attributes = &seen[0].attributes;
    assert_eq!(attributes["size"], ["38", "39"]);
    assert_eq!(attributes["colour"], ["cherry"]);
    assert_eq!(seen[2].attributes.len(), 0, "a product without options");
}

#[tokio::test]
async fn products_are_asked_for_by_their_identifiers_and_not_by_walking_the_catalog() {
    let (shop, moods) = shop_in(Moods::default()).await;
    let find = async |ids: &[&str]| {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let found = shop.find_products(&ids).await.unwrap();
        found
            .into_iter()
            .map(|product| product.id)
            .collect::<Vec<String>>()
    };
    let asked = ["13", "404", "405", "no-number", "11"];
    assert_eq!(find(&asked).await, ["13", "11"], "gone: 404 and 405");
    assert_eq!(moods.asked.load(Ordering::SeqCst), 1);
    assert_eq!(find(&["no-number"]).await, Vec::<String>::new());
    assert_eq!(moods.asked.load(Ordering::SeqCst), 1, "nothing to ask for");
    let many: Vec<String> = (1_000..1_120).map(|id| id.to_string()).collect();
    assert_eq!(shop.find_products(&many).await.unwrap().len(), 120);
    assert_eq!(moods.asked.load(Ordering::SeqCst), 4, "fifty at a time");
}

#[tokio::test]
async fn stock_is_told_of_exactly_the_units_asked_for() {
    let (shop, _) = shop_in(Moods::default()).await;
    let asked: Vec<Sku> = ["B-1", "B-2", "B-3", "B-9"].map(Sku::from).into();
    let levels = shop.stock(&asked).await.unwrap();
    let told: Vec<_> = levels
        .iter()
        .map(|level| (level.sku.as_str(), level.quantity))
        .collect();
    assert_eq!(told, [("B-1", 7), ("B-2", 0), ("B-3", 999)]);
    assert_eq!(levels[0].price.minor, 16_900);
}

#[tokio::test]
async fn who_is_asked_too_often_or_stumbles_is_asked_again() {
    for status in [429, 503] {
        let (shop, moods) = shop_in(Moods {
            refuse_first: 2,
            status,
            ..Moods::default()
        })
        .await;
        let found = shop.find_order(&OrderLookup::Number("10234".into())).await;
        assert!(found.unwrap().is_some(), "{status}");
        assert_eq!(moods.asked.load(Ordering::SeqCst), 3);
        assert_eq!(shop.healthcheck().await, Health::Ok);
    }
}

#[tokio::test]
async fn an_error_names_status_and_request_and_never_a_token() {
    let (shop, moods) = shop_in(Moods {
        refuse_first: 99,
        status: 500,
        ..Moods::default()
    })
    .await;
    let error = shop
        .find_order(&OrderLookup::Number("10234".into()))
        .await
        .unwrap_err();
    let said = format!("{error} {error:?}");
    for part in ["shop:shopify", "/orders.json", "500", "req-4711"] {
        assert!(said.contains(part), "{said} lacks {part}");
    }
    assert!(!said.contains("shpat"), "{said}");
    assert_eq!(moods.asked.load(Ordering::SeqCst), 4, "not for ever");
    assert!(matches!(shop.healthcheck().await, Health::Down { .. }));
}

#[tokio::test]
async fn a_wrong_token_is_not_tried_again() {
    let (shop, moods) = shop_in(Moods {
        refuse_first: 99,
        status: 403,
        ..Moods::default()
    })
    .await;
    let error = shop
        .find_order(&OrderLookup::Number("10234".into()))
        .await
        .unwrap_err();
    assert!(error.reason.contains("check the access token"), "{error}");
    assert_eq!(moods.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_throttled_query_is_asked_again() {
    let moods = Arc::new(Moods::default());
    let routes = Router::new()
        .route("/graphql.json", post(throttled_once))
        .with_state(moods.clone());
    let shop = ShopifyShop::at(&serve(routes).await, FixedClock::shared());
    assert_eq!(shop.list_products(None).await.unwrap().len(), 2);
    assert_eq!(
        moods.asked.load(Ordering::SeqCst),
        3,
        "throttled, asked again, counted twice"
    );
}

#[tokio::test]
async fn a_shop_that_is_not_there_is_told_as_such() {
    let shop = ShopifyShop::at("http://127.0.0.1:1", FixedClock::shared());
    let error = shop
        .find_order(&OrderLookup::Number("10234".into()))
        .await
        .unwrap_err();
    assert!(
        error.to_string().starts_with("shop:shopify did not answer"),
        "{error}"
    );
}
