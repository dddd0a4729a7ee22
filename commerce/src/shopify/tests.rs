use doorstep_core::{
    Money,
    event::{CommerceEvent, CommerceEventKind},
    order::{OrderRef, OrderStatus},
    shipment::{ParcelFacts, TrackingStatus},
    webhook::WebhookRejection,
};
use serde_json::{Value, json};

use crate::testing::{lent, news, now, receive, signed, source};

macro_rules! fixture {
    ($name:literal) => {
        serde_json::from_slice::<Value>(include_bytes!(concat!(
            "../../../tests/fixtures/shopify/",
            $name,
            ".json"
        )))
        .unwrap()
    };
}

fn take(topic: &str, body: &Value) -> Vec<CommerceEvent> {
    receive("shopify", Some(topic), body.to_string().as_bytes()).unwrap()
}

fn only(topic: &str, body: &Value) -> CommerceEvent {
    let mut events = take(topic, body);
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0)
}

fn by_id() -> OrderRef {
    OrderRef::shop_id("5810234001")
}

fn euros(minor: i64) -> Money {
    Money::new(minor, iso_currency::Currency::EUR)
}

#[test]
fn an_order_says_who_what_and_where_to() {
    let event = only("orders/create", &fixture!("orders.create"));
    assert_eq!(event.occurred_at.to_rfc3339(), "2026-11-21T09:29:41+00:00");
    let CommerceEventKind::OrderUpdated { order } = event.kind else {
        panic!("no order");
    };
    assert_eq!(order.number.as_str(), "10234");
    assert!(by_id().names(&order));
    assert_eq!(order.customer.id, Some("7001004".into()));
    assert_eq!(order.customer.name.as_deref(), Some("Marta Ruiz"));
    assert_eq!(
        order.customer.email.as_deref(),
        Some("marta.ruiz@example.com")
    );
    assert_eq!(order.customer.language.unwrap().to_string(), "es-ES");
    assert_eq!(order.status, OrderStatus::Processing);
    assert_eq!(order.total, euros(20_880));
    assert_eq!(order.postcode.as_deref(), Some("28012"));
    assert_eq!(order.country.as_deref(), Some("ES"));
    assert_eq!(order.lines[0].sku.as_str(), "BTS-402-38-CHE");
    assert_eq!(
        order.lines[1].sku.as_str(),
        "802",
        "for want of a unit of its own"
    );
    assert_eq!(order.lines[1].price, euros(1_990));
}

#[test]
fn where_a_customer_is_follows_from_the_delivery_address() {
    for (address, expected) in [
        (
            json!({"zip": "28012", "country_code": "ES"}),
            Some("Europe/Madrid"),
        ),
        (
            json!({"province_code": "TF", "country_code": "ES"}),
            Some("Atlantic/Canary"),
        ),
        (
            json!({"zip": "K2P0S0", "province_code": "KY", "country_code": "US"}),
            Some("America/New_York"),
        ),
        (
            json!({"zip": 90210, "country_code": "US"}),
            Some("America/Los_Angeles"),
        ),
        (json!({"province_code": 7, "country_code": "US"}), None),
        (json!({"zip": "28012"}), None),
    ] {
        let mut body = fixture!("orders.create");
        body["shipping_address"] = address.clone();
        let CommerceEventKind::OrderUpdated { order } = only("orders/create", &body).kind else {
            panic!("no order");
        };
        let zone = order.customer.time_zone.map(|zone| zone.name());
        assert_eq!(zone, expected, "{address}");
    }
}

#[test]
fn the_day_that_a_customer_chose_is_promised() {
    let promised = |attributes: Value| {
        let mut body = fixture!("orders.create");
        body["note_attributes"] = attributes;
        let CommerceEventKind::OrderUpdated { order } = only("orders/create", &body).kind else {
            panic!("no order");
        };
        order.promised.map(|days| (days.from.to_string(), days.to))
    };
    let chosen = json!([{"name": "Checkout-Method", "value": "delivery"},
        {"name": "Delivery-Date", "value": "2026-11-24"}]);
    let day: chrono::NaiveDate = "2026-11-24".parse().unwrap();
    assert_eq!(promised(chosen), Some((day.to_string(), day)));
    for odd in [
        json!([]),
        json!(null),
        json!("Delivery-Date"),
        json!([{"name": "Delivery-Date", "value": "as soon as possible"}]),
        json!([{"name": "Delivery-Date", "value": {"day": 24}}]),
        json!([{"name": "Gift", "value": "2026-11-24"}]),
    ] {
        assert_eq!(promised(odd.clone()), None, "{odd}");
    }
}

#[test]
fn where_an_order_stands_follows_from_money_and_parcels() {
    for (changes, expected) in [
        (
            json!({"financial_status": "pending"}),
            OrderStatus::AwaitingPayment,
        ),
        (
            json!({"financial_status": "authorized"}),
            OrderStatus::Processing,
        ),
        (
            json!({"fulfillment_status": "partial"}),
            OrderStatus::Shipped,
        ),
        (
            json!({"fulfillment_status": "fulfilled"}),
            OrderStatus::Shipped,
        ),
        (
            json!({"fulfillment_status": "fulfilled", "fulfillments": [
                {"status": "success", "shipment_status": "delivered", "tracking_number": "T1"}]}),
            OrderStatus::Delivered,
        ),
        (
            json!({"financial_status": "refunded"}),
            OrderStatus::Refunded,
        ),
    ] {
        let mut body = fixture!("orders.create");
        for (field, value) in changes.as_object().unwrap() {
            body[field] = value.clone();
        }
        let CommerceEventKind::OrderUpdated { order } = only("orders/updated", &body).kind else {
            panic!("no order");
        };
        assert_eq!(order.status, expected, "{changes}");
    }
}

#[test]
fn a_cancelled_order_says_why_under_whatever_topic() {
    let mut body = fixture!("orders.create");
    body["cancelled_at"] = json!("2026-11-21T10:00:00Z");
    body["cancel_reason"] = json!("customer");
    for topic in ["orders/cancelled", "orders/updated"] {
        let CommerceEventKind::OrderCancelled { order, reason } = only(topic, &body).kind else {
            panic!("not cancelled");
        };
        assert_eq!(order.status, OrderStatus::Cancelled);
        assert_eq!(reason.as_deref(), Some("customer"));
    }
}

#[test]
fn an_order_says_which_parcels_were_taken_back() {
    let mut body = fixture!("orders.create");
    body["fulfillments"] = json!([
        {"status": "success", "tracking_numbers": ["PQ2"]},
        {"status": "cancelled", "tracking_numbers": ["PQ1", "PQ2"], "updated_at": "2026-11-21T10:00:00Z"},
    ]);
    let events = take("orders/updated", &body);
    let CommerceEventKind::OrderUpdated { order } = &events[0].kind else {
        panic!("no order");
    };
    assert_eq!(order.shipments.len(), 1);
    let CommerceEventKind::TakenBack {
        order: Some(order),
        tracking_number: Some(number),
    } = &events[1].kind
    else {
        panic!("not taken back: {events:?}");
    };
    assert_eq!((order, number), (&"10234".into(), &"PQ1".into()));
    let at = events[1].occurred_at.to_rfc3339();
    assert_eq!(at, "2026-11-21T10:00:00+00:00");
    assert_eq!(events.len(), 2, "the other is sent still");
}

#[test]
fn every_parcel_of_a_fulfilment_is_told() {
    let mut body = fixture!("fulfillments.create");
    let events = take("fulfillments/create", &body);
    let numbers: Vec<_> = events
        .iter()
        .map(|event| match &event.kind {
            CommerceEventKind::Fulfilled {
                order,
                carrier,
                tracking_number,
                event,
            } => {
                assert_eq!(*order, by_id());
                assert_eq!(carrier.as_deref(), Some("Correos"));
                assert_eq!(event.status, TrackingStatus::PreTransit);
                tracking_number.as_ref().unwrap().to_string()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(numbers, ["PQ573186429ES", "PQ573186430ES"]);

    body["shipment_status"] = json!("delivered");
    let labels: Vec<_> = take("fulfillments/update", &body)
        .iter()
        .map(|event| event.kind.label())
        .collect();
    assert_eq!(labels, ["fulfilled", "delivered", "fulfilled", "delivered"]);

    body["status"] = json!("cancelled");
    let taken_back = take("fulfillments/update", &body);
    let numbers: Vec<_> = taken_back
        .iter()
        .map(|event| match &event.kind {
            CommerceEventKind::TakenBack {
                order: Some(order),
                tracking_number: Some(number),
            } => {
                assert_eq!(*order, by_id());
                number.to_string()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(numbers, ["PQ573186429ES", "PQ573186430ES"]);
}

#[test]
fn a_fulfilment_without_a_number_is_a_parcel_too() {
    let mut body = fixture!("fulfillments.create");
    body["tracking_number"] = Value::Null;
    body["tracking_numbers"] = json!([]);
    let event = only("fulfillments/create", &body);
    let CommerceEventKind::Fulfilled {
        tracking_number, ..
    } = event.kind
    else {
        panic!("not fulfilled");
    };
    assert_eq!(tracking_number, None);
}

#[test]
fn a_fulfilment_says_where_its_parcel_comes_from_and_what_it_weighs() {
    let mut body = fixture!("fulfillments.create");
    body["origin_address"] = json!({"city": "Madrid", "zip": "28012", "country_code": "ES"});
    body["line_items"] = json!([{"quantity": 2, "grams": 200}, {"quantity": 1, "grams": 350}]);
    let parcel = |body: &Value| news(&take("fulfillments/create", body)[0]).parcel.clone();
    let two = parcel(&body);
    assert_eq!((two.origin.as_deref(), two.weight_g), (Some("ES 28"), None));
    body["tracking_numbers"] = json!(["PQ573186429ES"]);
    assert_eq!(parcel(&body).weight_g, Some(750));
    body["line_items"][0]["grams"] = json!(0);
    assert_eq!(parcel(&body).weight_g, None, "nobody weighed it all");
    body["origin_address"] = json!("Madrid");
    body["line_items"] = json!({});
    assert_eq!(parcel(&body), ParcelFacts::default());
}

#[test]
fn a_fulfilment_event_keeps_the_carriers_words() {
    let event = only(
        "fulfillment_events/create",
        &fixture!("fulfillment_events.create"),
    );
    assert_eq!(event.occurred_at.to_rfc3339(), "2026-11-21T09:12:00+00:00");
    let news = news(&event);
    assert_eq!(news.status, TrackingStatus::OutForDelivery);
    assert_eq!(news.message.as_deref(), Some("En reparto"));
    assert_eq!(news.location.as_deref(), Some("Madrid, ES"));
    assert_eq!(news.estimated.unwrap().to.to_string(), "2026-11-21");
}

#[test]
fn every_word_of_the_vocabulary_has_its_meaning_and_new_ones_are_kept() {
    for (word, status) in super::order::SHIPMENT_STATUSES {
        let mut body = fixture!("fulfillment_events.create");
        body["status"] = json!(word);
        let event = only("fulfillment_events/create", &body);
        assert_eq!(Some(news(&event).status), *status, "{word}");
    }
    let mut body = fixture!("fulfillment_events.create");
    body["status"] = json!("teleported");
    body["message"] = Value::Null;
    let event = only("fulfillment_events/create", &body);
    let CommerceEventKind::Remark { words, .. } = event.kind else {
        panic!("no remark");
    };
    assert_eq!(words, "teleported");
}

#[test]
fn an_order_says_whether_its_customer_agreed_to_offers() {
    let agreed = |ticked: Value, record: Value| {
        let mut body = fixture!("orders.create");
        body["buyer_accepts_marketing"] = ticked;
        body["customer"]["email_marketing_consent"] = record;
        let event = only("orders/create", &body);
        let CommerceEventKind::OrderUpdated { order } = event.kind else {
            panic!("no order");
        };
        let marketing = order.customer.marketing?;
        Some((marketing.granted, marketing.at.to_rfc3339()))
    };
    let record = |state: &str| json!({"state": state, "opt_in_level": "single_opt_in", "consent_updated_at": "2026-10-01T08:00:00Z"});
    let then = "2026-10-01T08:00:00+00:00".to_owned();
    let checkout = "2026-11-17T17:42:00+00:00".to_owned();
    assert_eq!(agreed(json!(true), Value::Null), Some((true, checkout)));
    assert_eq!(
        agreed(json!(false), Value::Null),
        None,
        "not ticked is no word"
    );
    let yes = agreed(json!(false), record("subscribed"));
    assert_eq!(yes, Some((true, then.clone())));
    let no = agreed(json!(true), record("unsubscribed"));
    assert_eq!(no, Some((false, then)));
    let unconfirmed = agreed(json!(true), record("pending"));
    assert_eq!(unconfirmed, None);
}

#[test]
fn a_refund_is_what_was_given_back_and_not_what_failed() {
    let event = only("refunds/create", &fixture!("refunds.create"));
    let amount = Some(euros(16_900));
    assert_eq!(
        event.kind,
        CommerceEventKind::RefundIssued {
            order: by_id(),
            amount,
            id: Some("509001".to_owned()),
        }
    );
    let mut body = fixture!("refunds.create");
    body["transactions"] = json!([]);
    assert_eq!(
        take("refunds/create", &body),
        [],
        "goods back on the shelf are no refund"
    );
}

#[test]
fn a_return_is_requested_received_or_comes_to_nothing() {
    let mut body = fixture!("returns.request");
    for (topic, status, label) in [
        ("returns/request", "requested", Some("return_requested")),
        ("returns/approve", "open", Some("return_requested")),
        ("returns/close", "closed", Some("return_received")),
        ("returns/decline", "declined", Some("return_declined")),
        ("returns/cancel", "canceled", Some("return_cancelled")),
        ("returns/update", "processing", None),
    ] {
        body["status"] = json!(status);
        let events = take(topic, &body);
        let got = events.first().map(|event| event.kind.label());
        assert_eq!(got, label, "{topic}");
        let id = events.first().map(|event| match &event.kind {
            CommerceEventKind::ReturnRequested { id, .. }
            | CommerceEventKind::ReturnDeclined { id, .. }
            | CommerceEventKind::ReturnCancelled { id, .. }
            | CommerceEventKind::ReturnReceived { id, .. } => id.clone().unwrap(),
            kind => panic!("{kind:?}"),
        });
        let told = label.map(|_| body["id"].to_string());
        assert_eq!(id, told, "one return all the way: {topic}");
    }
}

#[test]
fn the_privacy_topics_say_whose_data() {
    let event = only(
        "customers/data_request",
        &fixture!("customers.data_request"),
    );
    let CommerceEventKind::CustomerDataRequested { person } = event.kind else {
        panic!("no request");
    };
    assert_eq!(person.shop_id, Some("7001004".into()));
    assert_eq!(person.email.as_deref(), Some("marta.ruiz@example.com"));
    assert_eq!(person.orders, [by_id()]);
    let event = only("customers/redact", &fixture!("customers.redact"));
    assert_eq!(event.kind, CommerceEventKind::CustomerRedacted { person });
    let event = only("shop/redact", &fixture!("shop.redact"));
    assert_eq!(event.kind, CommerceEventKind::ShopRedacted);
}

#[test]
fn a_captured_body_does_nothing_else_under_another_topic() {
    for (topic, body) in [
        ("shop/redact", fixture!("customers.redact")),
        ("shop/redact", fixture!("customers.data_request")),
        ("customers/redact", fixture!("customers.data_request")),
        ("customers/redact", fixture!("shop.redact")),
        ("refunds/create", fixture!("orders.create")),
        ("orders/cancelled", fixture!("refunds.create")),
        ("fulfillments/create", fixture!("orders.create")),
    ] {
        let outcome = receive("shopify", Some(topic), body.to_string().as_bytes());
        let refused = matches!(outcome, Err(WebhookRejection::Malformed { .. }));
        assert!(refused, "{topic}: {outcome:?}");
    }
}

#[test]
fn topics_about_other_things_are_acknowledged_and_forgotten() {
    for topic in [
        "products/update",
        "app/uninstalled",
        "orders/delete",
        "orders/edited",
    ] {
        assert_eq!(take(topic, &json!({"id": 1})), []);
    }
}

#[test]
fn events_under_several_topics_are_several() {
    let body = fixture!("orders.create").to_string();
    let id = |topic| {
        let mut request = signed("shopify", Some(topic), now(), body.as_bytes());
        request.headers.remove("x-shopify-webhook-id");
        let event_id = "98880550-7158-44d4-b7cd-2c97c8a091b5".parse().unwrap();
        request.headers.insert("x-shopify-event-id", event_id);
        let events = source("shopify").receive_webhook(&request).unwrap();
        events[0].external_id.clone()
    };
    assert_eq!(id("orders/create"), id("orders/create"));
    assert_ne!(id("orders/create"), id("orders/updated"));
}

/// Which topic a published sample is a body of, what it holds, and what it becomes.
const SAMPLES: &[(&str, &str, &str)] = &[
    (
        "shopify-go-fixtures/order.json",
        "orders/create",
        "order_cancelled",
    ),
    (
        "shopify-go-fixtures/orders.json",
        "orders/create",
        "order_cancelled",
    ),
    (
        "shopify-go-fixtures/order_with_transaction.json",
        "orders/create",
        "order_cancelled",
    ),
    (
        "shopify-go-fixtures/fulfillment.json",
        "fulfillments/create",
        "fulfilled",
    ),
    (
        "shopify-go-fixtures/fulfillment_event.json",
        "fulfillment_events/create",
        "in_transit",
    ),
    (
        "shopify-go-fixtures/fulfillment_events.json",
        "fulfillment_events/create",
        "in_transit",
    ),
    (
        "shopify-python-fixtures/order.json",
        "orders/create",
        "order_updated",
    ),
    (
        "shopify-python-fixtures/orders.json",
        "orders/create",
        "order_updated",
    ),
    (
        "shopify-python-fixtures/fulfillment.json",
        "fulfillments/create",
        "fulfilled",
    ),
    (
        "shopify-python-fixtures/fulfillment_event.json",
        "fulfillment_events/create",
        "pre_transit",
    ),
    (
        "shopify-python-fixtures/refund.json",
        "refunds/create",
        "refund_issued",
    ),
];

#[test]
fn every_published_sample_becomes_the_right_event() {
    for (file, topic, label) in SAMPLES {
        let Some(bytes) = lent(file) else { return };
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        let inner = document.as_object().unwrap().values().next().unwrap();
        let bodies: Vec<Value> = match inner {
            Value::Array(bodies) => bodies.clone(),
            // As the API answers it, and as a webhook brings it.
            body => vec![document.clone(), body.clone()],
        };
        assert!(!bodies.is_empty(), "{file}");
        for body in bodies {
            let events = take(topic, &body);
            assert_eq!(events[0].kind.label(), *label, "{file}");
        }
    }
}
