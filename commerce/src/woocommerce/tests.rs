use doorstep_core::{
    Money,
    event::{CommerceEvent, CommerceEventKind},
    order::OrderStatus,
};
use http::HeaderMap;
use serde_json::{Value, json};

use crate::testing::{now, receive, request, signed, source};

fn fixture() -> Value {
    let bytes = include_bytes!("../../../tests/fixtures/woocommerce/order.updated.json");
    serde_json::from_slice(bytes).unwrap()
}

fn take(body: &Value) -> Vec<CommerceEvent> {
    let body = body.to_string();
    receive("woocommerce", Some("order.updated"), body.as_bytes()).unwrap()
}

fn euros(minor: i64) -> Money {
    Money::new(minor, iso_currency::Currency::EUR)
}

#[test]
fn an_order_brings_its_refunds_and_its_parcels() {
    let events = take(&fixture());
    let labels: Vec<_> = events.iter().map(|event| event.kind.label()).collect();
    assert_eq!(labels, ["order_updated", "refund_issued", "fulfilled"]);
    let CommerceEventKind::OrderUpdated { order } = &events[0].kind else {
        panic!("no order");
    };
    assert_eq!(order.number.as_str(), "10727");
    assert_eq!(order.shop_id, Some("727".into()));
    assert_eq!(order.status, OrderStatus::Shipped);
    assert_eq!(order.customer.id, Some("26".into()));
    assert_eq!(
        order.customer.email.as_deref(),
        Some("marta.ruiz@example.com")
    );
    assert_eq!(order.customer.language.as_ref().unwrap().to_string(), "es");
    assert_eq!(
        order.postcode.as_deref(),
        Some("28012"),
        "where it is sent to"
    );
    assert_eq!(order.lines[0].price, euros(16_900));
    assert_eq!(
        order.lines[1].price,
        euros(1_327),
        "rounded: 39.80 for three"
    );
    assert_eq!(order.lines[1].sku.as_str(), "95");
    assert_eq!(order.shipments[0].tracking_number.as_str(), "PQ573186429ES");
    assert_eq!(order.shipments[0].carrier, "Correos");
    let amount = Some(euros(1_327));
    let (order, id) = ("10727".into(), Some("801".to_owned()));
    assert_eq!(
        events[1].kind,
        CommerceEventKind::RefundIssued { order, amount, id }
    );
}

#[test]
fn a_parcel_was_packed_when_the_order_changed_where_its_own_time_cannot_be_believed() {
    let packed = |date_shipped: Value| {
        let mut body = fixture();
        body["meta_data"] = json!([{"id": 6, "key": "_wc_shipment_tracking_items", "value": [
            {"tracking_number": "PQ573186429ES", "date_shipped": date_shipped}
        ]}]);
        let events = take(&body);
        let parcel = events
            .iter()
            .find(|event| event.kind.label() == "fulfilled");
        parcel.unwrap().occurred_at.to_rfc3339()
    };
    let changed = "2026-11-21T09:29:41+00:00";
    assert_eq!(packed(json!("1795168800")), "2026-11-20T10:00:00+00:00");
    // Milliseconds would be the year 58857, and no later news would be newer.
    for odd in [
        json!("1795168800000"),
        json!("soon"),
        json!(""),
        json!(null),
    ] {
        assert_eq!(packed(odd.clone()), changed, "{odd}");
    }
}

#[test]
fn where_a_customer_is_follows_from_the_delivery_address() {
    let zone = |shipping: Value| {
        let mut body = fixture();
        body["shipping"] = shipping;
        let CommerceEventKind::OrderUpdated { order } = take(&body).remove(0).kind else {
            panic!("no order");
        };
        order.customer.time_zone.map(|zone| zone.name())
    };
    let canary = json!({"state": "TF", "postcode": "38001", "country": "ES"});
    assert_eq!(zone(canary), Some("Atlantic/Canary"));
    let nothing_to_send = json!({"state": "", "postcode": "", "country": ""});
    assert_eq!(zone(nothing_to_send), Some("Europe/Madrid"), "the bill's");
    let somewhere = json!({"state": "", "postcode": "", "country": "AQ"});
    assert_eq!(zone(somewhere), None, "and not the bill's");
}

#[test]
fn the_day_that_a_customer_chose_is_promised() {
    let promised = |key: &str, value: Value| {
        let mut body = fixture();
        body["meta_data"] = json!([{"id": 8, "key": key, "value": value}]);
        let CommerceEventKind::OrderUpdated { order } = take(&body).remove(0).kind else {
            panic!("no order");
        };
        order.promised.map(|days| {
            assert_eq!(days.from, days.to);
            days.to.to_string()
        })
    };
    for (key, value) in [
        ("_delivery_date", json!("2026-11-24")),
        ("jckwds_date_ymd", json!("20261124")),
        ("_orddd_timestamp", json!("1795478400")),
        ("_orddd_lite_timestamp", json!(1_795_478_400)),
    ] {
        let day = promised(key, value);
        assert_eq!(day.as_deref(), Some("2026-11-24"), "{key}");
    }
    for odd in [
        json!(""),
        json!("soon"),
        json!(null),
        json!([1]),
        json!("20261399"),
    ] {
        assert_eq!(promised("_delivery_date", odd.clone()), None, "{odd}");
    }
    assert_eq!(promised("gift_on", json!("2026-11-24")), None);
}

#[test]
fn the_box_of_the_newsletter_is_a_consent_where_it_was_ticked() {
    let marketing = |value: Value| {
        let mut body = fixture();
        let meta = json!({"id": 9, "key": "mailchimp_woocommerce_is_subscribed", "value": value});
        body["meta_data"].as_array_mut().unwrap().push(meta);
        let events = take(&body);
        let CommerceEventKind::OrderUpdated { order } = &events[0].kind else {
            panic!("no order");
        };
        let consent = order.customer.marketing;
        consent.map(|consent| (consent.granted, consent.at == order.placed_at))
    };
    assert_eq!(marketing(json!("1")), Some((true, true)));
    assert_eq!(marketing(json!("0")), None);
    assert_eq!(marketing(Value::Null), None);
}

#[test]
fn a_later_delivery_adds_only_what_is_new() {
    let first = take(&fixture());
    let mut body = fixture();
    body["date_modified_gmt"] = json!("2026-11-21T09:29:59");
    let second = take(&body);
    assert_ne!(first[0].external_id, second[0].external_id);
    assert_eq!(first[1].external_id, second[1].external_id);
    assert_eq!(first[2].external_id, second[2].external_id);
}

#[test]
fn two_orders_of_one_second_are_two_though_their_deliveries_share_an_identifier() {
    let mut other = fixture();
    other["id"] = json!(728);
    other["refunds"] = json!([]);
    let names = |events: Vec<CommerceEvent>| events[0].external_id.clone();
    assert_ne!(names(take(&fixture())), names(take(&other)));
}

#[test]
fn every_status_word_has_its_meaning() {
    for (word, expected) in [
        ("pending", Some(OrderStatus::AwaitingPayment)),
        ("on-hold", Some(OrderStatus::AwaitingPayment)),
        ("failed", Some(OrderStatus::AwaitingPayment)),
        ("processing", Some(OrderStatus::Processing)),
        ("completed", Some(OrderStatus::Shipped)),
        ("cancelled", Some(OrderStatus::Cancelled)),
        ("refunded", Some(OrderStatus::Refunded)),
        ("wc-packing", Some(OrderStatus::Processing)),
        ("checkout-draft", None),
    ] {
        let mut body = fixture();
        body["status"] = json!(word);
        let events = take(&body);
        let status = events.first().map(|event| match &event.kind {
            CommerceEventKind::OrderUpdated { order }
            | CommerceEventKind::OrderCancelled { order, .. } => order.status,
            other => panic!("{other:?}"),
        });
        assert_eq!(status, expected, "{word}");
    }
}

#[test]
fn the_ping_of_a_new_webhook_is_accepted_and_says_nothing() {
    let ping = |body: &'static str| {
        source("woocommerce").receive_webhook(&request(HeaderMap::new(), body))
    };
    assert_eq!(ping("webhook_id=41"), Ok(Vec::new()));
    assert!(ping("webhook_id=41&order=1").is_err());
    assert!(ping("webhook_id=").is_err());
}

#[test]
fn topics_about_other_things_are_acknowledged_and_forgotten() {
    let request = signed(
        "woocommerce",
        Some("product.updated"),
        now(),
        b"{\"id\": 3}",
    );
    assert_eq!(
        source("woocommerce").receive_webhook(&request),
        Ok(Vec::new())
    );
}
