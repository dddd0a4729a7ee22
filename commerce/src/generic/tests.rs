use std::sync::Arc;

use bytes::Bytes;
use doorstep_core::{
    event::{CommerceEvent, CommerceEventKind},
    order::{DateWindow, OrderStatus},
    shipment::TrackingStatus,
    shop::EventSource,
};
use http::HeaderValue;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    registry::build,
    testing::{now, request},
};

mod optional;

const SECRET: &str = "whsec_ZG9vcnN0ZXAtdGVzdC1zZWNyZXQtMDEyMzQ1";

fn seconds_later(seconds: i64) -> Timestamp {
    now() + chrono::TimeDelta::seconds(seconds)
}

fn config(secret: &str) -> SourceConfig {
    SourceConfig {
        kind: "generic".into(),
        name: "shop".into(),
        secret: secret.into(),
        tolerance_s: None,
    }
}

fn source() -> Arc<dyn EventSource> {
    build(&config(SECRET)).unwrap()
}

fn signed_by(secret: &str, sent_at: Timestamp, body: &[u8]) -> WebhookRequest {
    let headers = sign(&secret.into(), "evt_1", sent_at, body).unwrap();
    request(headers, body.to_vec())
}

fn signed(body: &[u8]) -> WebhookRequest {
    signed_by(SECRET, now(), body)
}

fn out_for_delivery() -> Vec<u8> {
    include_bytes!("../../../tests/fixtures/generic/shipment.out_for_delivery.json").to_vec()
}

fn receive(body: &Value) -> Result<CommerceEvent, WebhookRejection> {
    let mut events = source().receive_webhook(&signed(body.to_string().as_bytes()))?;
    assert_eq!(events.len(), 1);
    Ok(events.remove(0))
}

fn reason(body: &Value) -> String {
    match receive(body) {
        Err(WebhookRejection::Malformed { reason }) => reason,
        other => panic!("not malformed: {other:?}"),
    }
}

fn envelope(event_type: &str, payload: Value) -> Value {
    json!({
        "schema_version": 1, "event_type": event_type, "order_id": "10234", "customer_id": "C-1004",
        "timestamp": "2026-11-21T08:12:00Z", "payload": payload,
    })
}

fn order_payload() -> Value {
    json!({
        "placed_at": "2026-11-17T17:42:00Z",
        "status": "processing",
        "customer": {
            "name": "Marta Ruiz", "email": "Marta.Ruiz@example.com", "language": "es_ES",
            "time_zone": "Europe/Madrid"
        },
        "currency": "EUR",
        "lines": [
            {"sku": "BTS-402-38-CHE", "title": "Frostholm Winter Boots Women", "price": "169.00"},
            {"sku": "SCK-501-36-38-PIN", "title": "Tramp Hiking Socks", "quantity": 2, "price": 19.9}
        ],
        "shipping_address": {"postcode": 28012, "country": "es"},
        "promised_delivery": {"from": "2026-11-22", "to": "2026-11-24"},
        "shipments": [{"carrier": "Correos", "tracking_number": "pq 5731 8642 9es"}]
    })
}

// Signatures

#[test]
fn the_signature_is_that_of_the_standard_webhooks_libraries() {
    // Values of the reference libraries' own test of `sign`.
    let headers = sign(
        &"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(),
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        chrono::DateTime::from_timestamp(1_614_265_330, 0).unwrap(),
        br#"{"test": 2432232314}"#,
    )
    .unwrap();
    assert_eq!(headers["webhook-timestamp"], "1614265330");
    assert_eq!(
        headers["webhook-signature"],
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    );
}

#[test]
fn a_signed_event_is_accepted_under_its_webhook_id() {
    let events = source()
        .receive_webhook(&signed(&out_for_delivery()))
        .unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].external_id, "evt_1");
    assert_eq!(events[0].source.as_str(), "shop");
    assert_eq!(events[0].kind.label(), "out_for_delivery");
}

#[test]
fn a_raw_secret_is_accepted_as_it_stands_and_as_base64() {
    let unprefixed = SECRET.strip_prefix("whsec_").unwrap();
    let source = build(&config(unprefixed)).unwrap();
    for signer in [unprefixed, SECRET] {
        let request = signed_by(signer, now(), &out_for_delivery());
        assert!(source.receive_webhook(&request).is_ok());
    }
    let plain = build(&config("correct horse battery staple")).unwrap();
    let request = signed_by("correct horse battery staple", now(), &out_for_delivery());
    assert!(plain.receive_webhook(&request).is_ok());
}

#[test]
fn one_fitting_signature_among_several_is_enough() {
    let mut request = signed(&out_for_delivery());
    let good = request.headers["webhook-signature"]
        .to_str()
        .unwrap()
        .to_owned();
    let several = format!("v1a,AAAA v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= {good}");
    request
        .headers
        .insert("webhook-signature", several.parse().unwrap());
    assert!(source().receive_webhook(&request).is_ok());
}

#[test]
fn a_changed_byte_of_the_body_is_a_forgery() {
    let mut request = signed(&out_for_delivery());
    let mut body = request.body.to_vec();
    body[20] ^= 1;
    request.body = body.into();
    assert_eq!(
        source().receive_webhook(&request),
        Err(WebhookRejection::BadSignature)
    );
}

#[test]
fn a_changed_id_or_timestamp_is_a_forgery() {
    for (header, value) in [("webhook-id", "evt_2"), ("webhook-timestamp", "1795253401")] {
        let mut request = signed(&out_for_delivery());
        request
            .headers
            .insert(header, HeaderValue::from_static(value));
        assert_eq!(
            source().receive_webhook(&request),
            Err(WebhookRejection::BadSignature)
        );
    }
}

#[test]
fn another_shops_key_is_refused() {
    let request = signed_by(
        "whsec_b3RoZXItc2hvcC1zZWNyZXQtMDEyMzQ1Njc4",
        now(),
        &out_for_delivery(),
    );
    assert_eq!(
        source().receive_webhook(&request),
        Err(WebhookRejection::BadSignature)
    );
}

#[test]
fn a_missing_header_is_named() {
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let mut request = signed(&out_for_delivery());
        request.headers.remove(name);
        assert_eq!(
            source().receive_webhook(&request),
            Err(WebhookRejection::MissingHeader { name })
        );
    }
}

#[test]
fn a_timestamp_that_is_no_number_is_refused() {
    for wrong in ["yesterday", "", "99999999999999999999", "1795253400.5"] {
        let mut request = signed(&out_for_delivery());
        request
            .headers
            .insert("webhook-timestamp", wrong.parse().unwrap());
        assert!(source().receive_webhook(&request).is_err(), "{wrong}");
    }
}

#[test]
fn a_replayed_webhook_is_refused() {
    let request = signed_by(SECRET, seconds_later(-301), &out_for_delivery());
    assert_eq!(
        source().receive_webhook(&request),
        Err(WebhookRejection::OutsideReplayWindow {
            seconds: 301,
            allowed: 300
        })
    );
}

#[test]
fn a_sender_whose_clock_is_a_little_off_is_heard() {
    for seconds in [-300, 300] {
        let request = signed_by(SECRET, seconds_later(seconds), &out_for_delivery());
        assert!(source().receive_webhook(&request).is_ok(), "{seconds}");
    }
    let request = signed_by(SECRET, seconds_later(301), &out_for_delivery());
    assert!(source().receive_webhook(&request).is_err());
}

#[test]
fn a_prefixed_secret_that_is_not_base64_is_refused_at_start() {
    let error = build(&config("whsec_not base64!")).err().unwrap();
    assert!(
        error
            .to_string()
            .contains("begins with `whsec_` but is not base64")
    );
}

#[test]
fn an_id_that_no_header_can_carry_is_refused() {
    for id in ["", "evt 1", "évt", "evt\n1"] {
        assert_eq!(
            sign(&SECRET.into(), id, now(), b"{}"),
            Err(InvalidSignatureInput::Id)
        );
    }
}

// Bodies

#[test]
fn every_event_type_is_understood() {
    for (name, event_type) in EVENT_TYPES {
        let (payload, label) = match event_type {
            EventType::Order {
                cancelled: true, ..
            } => (order_payload(), "order_cancelled"),
            EventType::Order { .. } => (order_payload(), "order_updated"),
            EventType::Shipment(status) => (json!({"carrier": "Correos"}), status.as_str()),
            EventType::TakenBack => (json!({"tracking_number": "PQ1ES"}), "taken_back"),
            EventType::ReturnRequested => (json!({}), "return_requested"),
            EventType::ReturnDeclined => (json!({}), "return_declined"),
            EventType::ReturnCancelled => (json!({}), "return_cancelled"),
            EventType::ReturnReceived => (json!({}), "return_received"),
            EventType::CustomerDataRequested => (Value::Null, "customer_data_requested"),
            EventType::CustomerRedacted => (
                json!({"email": "Marta.Ruiz@example.com"}),
                "customer_redacted",
            ),
            EventType::RefundIssued => (
                json!({"amount": "39.80", "currency": "EUR"}),
                "refund_issued",
            ),
        };
        let event = receive(&envelope(name, payload)).unwrap();
        assert_eq!(event.kind.label(), label, "{name}");
        assert_eq!(event.occurred_at.to_rfc3339(), "2026-11-21T08:12:00+00:00");
    }
}

#[test]
fn every_tracking_status_can_be_told() {
    let told: std::collections::HashSet<_> = EVENT_TYPES
        .iter()
        .filter_map(|(_, event_type)| match event_type {
            EventType::Shipment(status) => Some(*status),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 11);
}

#[test]
fn a_parcels_news_keep_the_carriers_words() {
    let event = receive(&envelope(
        "shipment.delayed",
        json!({
            "tracking_number": "pq 57318642 9es", "carrier": " Correos ", "message": "Retenido en aduana",
            "location": "Madrid", "estimated_delivery": {"from": "2026-11-23", "to": "2026-11-25"}
        }),
    ))
    .unwrap();
    let CommerceEventKind::Tracking {
        order,
        carrier,
        tracking_number,
        event,
    } = event.kind
    else {
        panic!("no tracking");
    };
    assert_eq!(order, Some("10234".into()));
    assert_eq!(carrier.as_deref(), Some("Correos"));
    assert_eq!(tracking_number.unwrap().as_str(), "PQ573186429ES");
    assert_eq!(event.status, TrackingStatus::Delayed);
    assert_eq!(event.message.as_deref(), Some("Retenido en aduana"));
    assert_eq!(event.location.as_deref(), Some("Madrid"));
    assert_eq!(
        event.estimated,
        Some(DateWindow {
            from: "2026-11-23".parse().unwrap(),
            to: "2026-11-25".parse().unwrap()
        })
    );
}

#[test]
fn an_order_arrives_whole() {
    let event = receive(&envelope("order.updated", order_payload())).unwrap();
    let CommerceEventKind::OrderUpdated { order } = event.kind else {
        panic!("no order");
    };
    assert_eq!(order.number.as_str(), "10234");
    assert_eq!(order.status, OrderStatus::Processing);
    assert_eq!(order.total.to_string(), "EUR 208.80");
    assert_eq!(order.customer.id.unwrap().as_str(), "C-1004");
    assert_eq!(
        order.customer.email.as_deref(),
        Some("marta.ruiz@example.com")
    );
    assert_eq!(order.customer.language.unwrap().to_string(), "es-ES");
    assert_eq!(order.postcode.as_deref(), Some("28012"));
    assert_eq!(order.country.as_deref(), Some("ES"));
    assert_eq!(order.shipments[0].tracking_number.as_str(), "PQ573186429ES");
    assert_eq!(order.shipments[0].status, TrackingStatus::PreTransit);
}

#[test]
fn a_cancelled_order_is_cancelled_whatever_its_payload_says() {
    let event = receive(&envelope("order.cancelled", order_payload())).unwrap();
    let CommerceEventKind::OrderCancelled { order, .. } = event.kind else {
        panic!("no cancelled order");
    };
    assert_eq!(order.status, OrderStatus::Cancelled);
}

#[test]
fn identifiers_and_times_may_be_numbers() {
    let mut body = envelope(
        "shipment.delivered",
        json!({"tracking_number": 123_456_789}),
    );
    body["order_id"] = json!(10234);
    body["timestamp"] = json!(1_795_253_400);
    let event = receive(&body).unwrap();
    assert_eq!(event.occurred_at, now());
    body["order_id"] = json!("#ab-10234");
    let CommerceEventKind::Tracking { order, .. } = receive(&body).unwrap().kind else {
        panic!("no tracking");
    };
    assert_eq!(order, Some("AB-10234".into()));
}

#[test]
fn a_refund_may_leave_the_amount_out() {
    for payload in [json!({}), Value::Null] {
        let event = receive(&envelope("refund.issued", payload)).unwrap();
        assert!(matches!(
            event.kind,
            CommerceEventKind::RefundIssued { amount: None, .. }
        ));
    }
}

#[test]
fn an_unknown_event_type_is_refused_with_the_known_ones() {
    let refused = receive(&envelope("order.exploded", json!({})));
    let Err(WebhookRejection::Unsupported { found, supported }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(found, "event_type order.exploded");
    assert!(supported.starts_with("order.placed, order.updated"));
    assert!(supported.ends_with("customer.redacted"));
}

#[test]
fn an_unknown_schema_version_is_refused_whatever_else_changed() {
    let body = json!({"schema_version": 2, "event_type": "parcel.moved", "data": []});
    assert_eq!(
        receive(&body),
        Err(WebhookRejection::Unsupported {
            found: "schema_version 2".into(),
            supported: "schema_version 1".into()
        })
    );
}

#[test]
fn a_malformed_body_is_told_with_its_field() {
    let shipment = |payload| envelope("shipment.delivered", payload);
    let order = |field: &str, value: Value| {
        let mut payload = order_payload();
        payload[field] = value;
        envelope("order.updated", payload)
    };
    let mut nameless = shipment(json!({}));
    nameless["order_id"] = Value::Null;
    let mut timeless = shipment(json!({}));
    timeless["timestamp"] = json!("last Tuesday");
    let mut milliseconds = shipment(json!({}));
    milliseconds["timestamp"] = json!(1_795_253_400_000_u64);
    for (body, expected) in [
        (json!([]), "invalid length 0"),
        (json!({"schema_version": "one"}), "`schema_version`"),
        (json!({"schema_version": 1}), "missing field `event_type`"),
        (nameless, "neither `order_id` nor `payload.tracking_number`"),
        (timeless, "`timestamp` is `last Tuesday`; write it like"),
        (milliseconds, "in seconds, not milliseconds"),
        (
            shipment(json!({"estimated_delivery": "soon"})),
            "`payload.estimated_delivery` is `soon`",
        ),
        (
            shipment(json!({"estimated_delivery": {"from": "2026-11-25", "to": "2026-11-23"}})),
            "ends before it begins",
        ),
        (shipment(json!({"message": 7})), "`payload.message`"),
        (order("status", Value::Null), "`payload.status` is missing"),
        (
            order("status", json!("lost at sea")),
            "`payload.status`: unknown variant",
        ),
        (order("currency", json!("DM")), "`payload.currency` is `DM`"),
        (order("total", json!("12,50")), "`payload.total` is `12,50`"),
        (order("total", json!(12.345)), "`payload.total` is `12.345`"),
        (
            order("customer", json!({"time_zone": "Mars/Olympus"})),
            "time_zone` is `Mars/Olympus`",
        ),
        (
            order("customer", json!({"language": "Klingon speak"})),
            "is not a language tag",
        ),
        (
            order("shipping_address", json!({"country": "Spain"})),
            "country` is `SPAIN`",
        ),
        (
            order("lines", json!([{"sku": "", "title": "x", "price": "1"}])),
            "`payload.lines[0].sku` is empty",
        ),
    ] {
        let reason = reason(&body);
        assert!(reason.contains(expected), "{reason} / {expected}");
    }
}

#[test]
fn bytes_that_are_no_json_are_refused_after_the_signature() {
    for (body, expected) in [
        (&b"{\"schema_version\": 1,"[..], "EOF"),
        (&b"\xff\xfe{}"[..], "not UTF-8 from byte 0 on"),
        (&b""[..], "EOF"),
        (&b"{} {}"[..], "missing field"),
    ] {
        let refused = source().receive_webhook(&signed(body));
        let Err(WebhookRejection::Malformed { reason }) = refused else {
            panic!("{refused:?}");
        };
        assert!(reason.contains(expected), "{reason} / {expected}");
        assert_eq!(
            source().receive_webhook(&request(HeaderMap::new(), body)),
            Err(WebhookRejection::MissingHeader { name: "webhook-id" })
        );
    }
}

#[test]
fn a_hostile_text_does_not_reach_the_log_whole() {
    let refused = receive(&envelope(
        &format!("order.\u{1b}[31m{}", "x".repeat(5_000)),
        json!({}),
    ));
    let Err(WebhookRejection::Unsupported { found, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(found.len() < 120 && !found.contains('\u{1b}'));
}

#[test]
fn deep_nesting_is_no_crash() {
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    assert!(source().receive_webhook(&signed(deep.as_bytes())).is_err());
    let order = envelope("order.placed", json!({"lines": "here"})).to_string();
    let order = order.replace("\"here\"", &deep);
    assert!(source().receive_webhook(&signed(order.as_bytes())).is_err());
    // What is not read is skipped without recursion.
    let ignored = envelope("return.received", json!({"note": null})).to_string();
    let ignored = ignored.replace("null", &deep);
    assert!(
        source()
            .receive_webhook(&signed(ignored.as_bytes()))
            .is_ok()
    );
}

// What is published

#[test]
fn the_published_schema_lists_exactly_the_known_event_types() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../docs/shops/generic.schema.json")).unwrap();
    let listed: Vec<&str> = schema["properties"]["event_type"]["enum"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    let known: Vec<&str> = EVENT_TYPES.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed, known);
    assert_eq!(
        schema["properties"]["schema_version"]["const"],
        json!(SCHEMA_VERSION)
    );
}

#[test]
fn the_page_for_merchants_names_every_event_type() {
    let page = include_str!("../../../docs/shops/generic.md");
    for (name, _) in EVENT_TYPES {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn the_committed_examples_are_understood() {
    for body in [
        include_str!("../../../tests/fixtures/generic/shipment.out_for_delivery.json"),
        include_str!("../../../tests/fixtures/generic/order.placed.json"),
        include_str!("../../../tests/fixtures/generic/refund.issued.json"),
    ] {
        receive(&serde_json::from_str(body).unwrap()).unwrap();
    }
}

proptest! {
    #[test]
    fn no_signed_bytes_panic_the_parser(body in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = source().receive_webhook(&signed(&body));
    }

    #[test]
    fn no_value_in_any_field_panics_the_parser(
        at in 0..EVENT_TYPES.len(),
        field in "(order_id|customer_id|timestamp|amount|currency|placed_at|status|total|lines|shipments|customer|estimated_delivery)",
        text in ".{0,40}",
        number in any::<f64>(),
        which in 0..4,
    ) {
        let value = match which {
            0 => json!(text),
            1 => json!(number),
            2 => json!([text]),
            _ => json!({"from": text, "to": number, "price": text}),
        };
        let mut payload = order_payload();
        payload[&field] = value.clone();
        let mut body = envelope(EVENT_TYPES[at].0, payload);
        let _ = receive(&body);
        body[&field] = value;
        let _ = receive(&body);
    }

    #[test]
    fn no_headers_panic_the_check(id in "[ -~]{0,60}", timestamp in "[ -~]{0,30}", signature in "[ -~]{0,90}") {
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", id.parse().unwrap());
        headers.insert("webhook-timestamp", timestamp.parse().unwrap());
        headers.insert("webhook-signature", signature.parse().unwrap());
        let refused = source().receive_webhook(&request(headers, Bytes::new()));
        prop_assert!(refused.is_err());
    }
}
