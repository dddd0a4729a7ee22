//! The REST API, asked over loopback from a stand-in that answers in the documented shapes.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use doorstep_core::{
    Sku,
    shop::{OrderLookup, Shop},
};
use serde_json::{Value, json};

use super::WooCommerceShop;
use crate::testing::{FixedClock, serve};

const BASE: &str = "/wp-json/wc/v3";

type Shared = Arc<AtomicU32>;

fn order() -> Value {
    let bytes = include_bytes!("../../../tests/fixtures/woocommerce/order.updated.json");
    serde_json::from_slice(bytes).unwrap()
}

async fn one_order(Path(id): Path<String>) -> Response {
    match id.as_str() {
        "727" => Json(order()).into_response(),
        _ => {
            let error =
                json!({"code": "woocommerce_rest_shop_order_invalid_id", "data": {"status": 404}});
            (StatusCode::NOT_FOUND, Json(error)).into_response()
        }
    }
}

async fn orders(Query(query): Query<HashMap<String, String>>) -> Response {
    let found = match (query.get("search"), query.get("customer")) {
        (Some(text), _) if text == "10727" || text == "marta.ruiz@example.com" => vec![order()],
        (_, Some(id)) if id == "26" => vec![order()],
        _ => Vec::new(),
    };
    Json(found).into_response()
}

fn product(id: u32, kind: &str) -> Value {
    json!({"id": id, "name": format!("Boots {id}"), "type": kind, "sku": format!("B-{id}"),
        "description": "<p>Warm&nbsp;boots</p>", "short_description": "", "permalink": "https://shop.example/b",
        "categories": [{"id": 9, "name": "Boots"}], "images": [{"src": "https://shop.example/b.jpg"}],
        "attributes": [{"name": "Material", "options": ["wool"]}]})
}

async fn products(
    State(asked): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    // ck_key:cs_secret
    if headers["authorization"] != "Basic Y2tfa2V5OmNzX3NlY3JldA==" {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    asked.fetch_add(1, Ordering::SeqCst);
    if let Some(skus) = query.get("sku") {
        assert_eq!(skus, "B-1,B-2,B-3");
        return Json(json!([
            {"id": 1, "sku": "B-2", "price": "19.90", "stock_quantity": null, "stock_status": "instock"},
            {"id": 2, "sku": "B-1", "price": "169.00", "stock_quantity": 7, "stock_status": "instock"},
        ]))
        .into_response();
    }
    if let Some(ids) = query.get("include") {
        assert_eq!(query["status"], "publish");
        // Those that there are, the newest first.
        let known = [(13, "simple"), (12, "variable"), (11, "simple")];
        let asked = |id: u32| ids.split(',').any(|asked| asked == id.to_string());
        let found = known.iter().filter(|(id, _)| asked(*id));
        let found: Vec<Value> = found.map(|(id, kind)| product(*id, kind)).collect();
        return Json(found).into_response();
    }
    let page: u32 = query.get("page").map_or(1, |page| page.parse().unwrap());
    let host = headers["host"].to_str().unwrap();
    let bodies = match page {
        1 => vec![product(11, "simple"), product(12, "variable")],
        2 => vec![product(13, "simple")],
        other => panic!("page {other}"),
    };
    let link = match page {
        1 => format!(
            "<http://{host}{BASE}/products?page=1>; rel=\"first\", <http://{host}{BASE}/products?per_page=100&page=2>; rel=\"next\""
        ),
        _ => format!("<http://{host}{BASE}/products?page=1>; rel=\"prev\""),
    };
    ([("link", link)], Json(bodies)).into_response()
}

async fn variations(Path(id): Path<String>) -> Json<Value> {
    assert_eq!(id, "12");
    Json(json!([
        {"id": 121, "sku": "B-12-38", "attributes": [{"name": "Talla", "option": "38"}]},
        {"id": 122, "sku": "", "attributes": [{"name": "Colour", "option": "cherry"}]},
    ]))
}

async fn shop() -> (WooCommerceShop, String, Shared) {
    let asked = Shared::default();
    let routes = Router::new()
        .route(&format!("{BASE}/orders"), get(orders))
        .route(&format!("{BASE}/orders/{{id}}"), get(one_order))
        .route(&format!("{BASE}/products"), get(products))
        .route(
            &format!("{BASE}/products/{{id}}/variations"),
            get(variations),
        )
        .with_state(asked.clone());
    let url = serve(routes).await;
    (WooCommerceShop::at(&url, FixedClock::shared()), url, asked)
}

#[tokio::test]
async fn an_order_is_found_by_the_number_customers_know_and_by_its_identifier() {
    let (shop, ..) = shop().await;
    for lookup in [
        OrderLookup::Number("10727".into()),
        OrderLookup::ShopId("727".into()),
    ] {
        let order = shop.find_order(&lookup).await.unwrap().unwrap();
        assert_eq!(order.number.as_str(), "10727");
    }
    for unknown in [
        // An identifier is no number.
        OrderLookup::Number("727".into()),
        OrderLookup::Number("99999".into()),
        OrderLookup::ShopId("1".into()),
    ] {
        assert_eq!(
            shop.find_order(&unknown).await.unwrap(),
            None,
            "{unknown:?}"
        );
    }
}

#[tokio::test]
async fn customers_and_guests_have_their_orders() {
    let (shop, ..) = shop().await;
    for customer in ["26", "email:marta.ruiz@example.com"] {
        let orders = shop.list_orders(&customer.into(), 5).await.unwrap();
        assert_eq!(orders.len(), 1, "{customer}");
    }
    assert_eq!(shop.list_orders(&"27".into(), 5).await.unwrap(), []);
}

#[tokio::test]
async fn the_catalog_is_walked_through_by_its_links() {
    let (shop, url, asked) = shop().await;
    let mut ids = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = shop.list_products(after.as_deref()).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        ids.extend(page.iter().map(|product| product.id.clone()));
    }
    assert_eq!(ids, ["11", "12", "13"]);
    assert_eq!(asked.load(Ordering::SeqCst), 2, "each page once");
    // Another instance goes on after a product it never saw.
    let fresh = WooCommerceShop::at(&url, FixedClock::shared());
    let page = fresh.list_products(Some("12")).await.unwrap();
    assert_eq!(page[0].id, "13");
}

#[tokio::test]
async fn a_variable_product_has_its_variations_and_plain_words() {
    let (shop, ..) = shop().await;
    let page = shop.list_products(None).await.unwrap();
    assert_eq!(page[0].variants[0].sku.as_str(), "B-11");
    assert_eq!(page[0].description, "Warm boots");
    assert_eq!(page[0].category.as_deref(), Some("Boots"));
    assert_eq!(page[0].attributes["material"], ["wool"]);
    let units: Vec<_> = page[1]
        .variants
        .iter()
        .map(|variant| variant.sku.as_str())
        .collect();
    assert_eq!(units, ["B-12-38", "122"]);
    assert_eq!(page[1].variants[0].size.as_deref(), Some("38"));
    assert_eq!(page[1].variants[1].colour.as_deref(), Some("cherry"));
    let attributes = &page[1].attributes;
    assert_eq!(attributes["size"], ["38"], "as its variations say");
    assert_eq!(attributes["colour"], ["cherry"]);
    assert_eq!(attributes["material"], ["wool"]);
}

#[tokio::test]
async fn products_are_asked_for_by_their_identifiers_and_not_by_walking_the_catalog() {
    let (shop, _, asked) = shop().await;
    let ids = ["12", "404", "no-number", "11"].map(str::to_owned);
    let found = shop.find_products(&ids).await.unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|product| (product.id.as_str(), product.variants.len()))
        .collect();
    assert_eq!(told, [("12", 2), ("11", 1)], "with their variations");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let many: Vec<String> = (1_000..1_150).map(|id| id.to_string()).collect();
    assert_eq!(shop.find_products(&many).await.unwrap(), []);
    assert_eq!(asked.load(Ordering::SeqCst), 3, "a hundred at a time");
    assert_eq!(shop.find_products(&[]).await.unwrap(), []);
    assert_eq!(asked.load(Ordering::SeqCst), 3, "nothing to ask for");
}

#[tokio::test]
async fn stock_comes_in_the_order_asked_for() {
    let (shop, ..) = shop().await;
    let asked: Vec<Sku> = ["B-1", "B-2", "B-3"].map(Sku::from).into();
    let levels = shop.stock(&asked).await.unwrap();
    let told: Vec<_> = levels
        .iter()
        .map(|level| (level.sku.as_str(), level.quantity))
        .collect();
    assert_eq!(told, [("B-1", 7), ("B-2", 999)]);
}
