use std::sync::Arc;

use doorstep_core::{
    event::{CommerceEvent, CommerceEventKind},
    shipment::{ParcelFacts, TrackingStatus},
    shop::EventSource,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    registry,
    testing::{lent, news, now, request},
};

const SECRET: &str = "sécret of the post";
const FIXTURE: &[u8] = include_bytes!("../../../tests/fixtures/easypost/tracker.updated.json");

fn config(secret: &str) -> SourceConfig {
    SourceConfig {
        kind: "easypost".into(),
        name: "easypost".into(),
        secret: secret.into(),
        tolerance_s: None,
    }
}

fn source(secret: &str) -> Arc<dyn EventSource> {
    registry::build(&config(secret)).unwrap()
}

fn sign(secret: &str, body: &[u8]) -> HeaderMap {
    registry::sign(&config(secret), "", now(), body).unwrap()
}

fn signed(body: &[u8]) -> WebhookRequest {
    request(sign(SECRET, body), body.to_vec())
}

fn receive(body: &Value) -> Result<Vec<CommerceEvent>, WebhookRejection> {
    source(SECRET).receive_webhook(&signed(body.to_string().as_bytes()))
}

fn fixture() -> Value {
    serde_json::from_slice(FIXTURE).unwrap()
}

#[test]
fn a_trackers_news_keep_the_carriers_words() {
    let events = source(SECRET).receive_webhook(&signed(FIXTURE)).unwrap();
    assert_eq!(events.len(), 1);
    let event = &events[0];
    assert_eq!(event.external_id, "evt_7d0c1e52f0a94b6c");
    assert_eq!(event.occurred_at.to_rfc3339(), "2026-11-21T09:06:00+00:00");
    let CommerceEventKind::Tracking {
        order,
        carrier,
        tracking_number,
        event,
    } = &event.kind
    else {
        panic!("no tracking");
    };
    assert_eq!(*order, None);
    assert_eq!(carrier.as_deref(), Some("USPS"));
    assert_eq!(
        tracking_number.as_ref().unwrap().as_str(),
        "9400100136993458217048"
    );
    assert_eq!(event.status, TrackingStatus::OutForDelivery);
    assert_eq!(
        event.message.as_deref(),
        Some("Out for Delivery, Expected Delivery by 9:00pm")
    );
    assert_eq!(event.location.as_deref(), Some("BROOKLYN, NY, US"));
    let day = "2026-11-21".parse().unwrap();
    let estimated = event.estimated.unwrap();
    assert_eq!((estimated.from, estimated.to), (day, day));
}

#[test]
fn scans_out_of_order_do_not_hide_the_newest() {
    let mut body = fixture();
    body["result"]["tracking_details"]
        .as_array_mut()
        .unwrap()
        .reverse();
    assert_eq!(
        receive(&body).unwrap()[0].occurred_at.to_rfc3339(),
        "2026-11-21T09:06:00+00:00"
    );
}

#[test]
fn a_tracker_without_scans_counts_from_its_last_change() {
    let mut body = fixture();
    body["result"]["tracking_details"] = Value::Null;
    let events = receive(&body).unwrap();
    assert_eq!(
        events[0].occurred_at.to_rfc3339(),
        "2026-11-21T09:21:07+00:00"
    );
    assert_eq!(news(&events[0]).message, None);
}

#[test]
fn the_official_clients_signature_is_accepted() {
    let (Some(body), Some(fixtures)) = (
        lent("easypost/event-body.json"),
        lent("easypost/client-library-fixtures.json"),
    ) else {
        return;
    };
    let fixtures: Value = serde_json::from_slice(&fixtures).unwrap();
    let webhooks = &fixtures["webhooks"];
    // Their tests sign the body without the file's last line end.
    let body = body.trim_ascii_end().to_vec();
    let mut headers = HeaderMap::new();
    let signature = webhooks["hmac_signature"].as_str().unwrap();
    headers.insert("x-hmac-signature", signature.parse().unwrap());
    let mut request = request(headers, body);
    request.received_at = "2024-08-02T19:27:00Z".parse().unwrap();
    let events = source(webhooks["secret"].as_str().unwrap())
        .receive_webhook(&request)
        .unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].external_id, "evt_1");
    assert_eq!(
        events[0].occurred_at.to_rfc3339(),
        "2024-08-02T18:50:00+00:00"
    );
    assert_eq!(news(&events[0]).status, TrackingStatus::InTransit);
    assert_eq!(news(&events[0]).location.as_deref(), Some("EDISON, NJ, US"));
}

#[test]
fn a_merchant_may_choose_how_long_an_event_stays_good() {
    let strict = SourceConfig {
        tolerance_s: Some(60),
        ..config(SECRET)
    };
    let refused = registry::build(&strict)
        .unwrap()
        .receive_webhook(&signed(FIXTURE));
    assert_eq!(
        refused,
        Err(WebhookRejection::OutsideReplayWindow {
            seconds: 531,
            allowed: 60
        })
    );
}

#[test]
fn composed_and_decomposed_secrets_sign_alike() {
    let composed = sign("caf\u{e9}", b"{}");
    let decomposed = sign("cafe\u{301}", b"{}");
    assert_eq!(composed, decomposed);
}

#[test]
fn a_changed_byte_or_another_key_is_a_forgery() {
    let mut changed = FIXTURE.to_vec();
    changed[30] ^= 1;
    let forged = request(sign(SECRET, FIXTURE), changed);
    assert_eq!(
        source(SECRET).receive_webhook(&forged),
        Err(WebhookRejection::BadSignature)
    );
    assert_eq!(
        source("another secret").receive_webhook(&signed(FIXTURE)),
        Err(WebhookRejection::BadSignature)
    );
}

#[test]
fn an_unsigned_request_is_refused() {
    assert_eq!(
        source(SECRET).receive_webhook(&request(HeaderMap::new(), FIXTURE)),
        Err(WebhookRejection::MissingHeader {
            name: "x-hmac-signature"
        })
    );
}

#[test]
fn every_status_word_has_its_meaning() {
    use TrackingStatus as Status;
    for (status, detail, expected) in [
        ("pre_transit", "label_created", Some(Status::PreTransit)),
        ("in_transit", "arrived_at_facility", Some(Status::InTransit)),
        ("in_transit", "weather_delay", Some(Status::Delayed)),
        ("in_transit", "transit_exception", Some(Status::Exception)),
        (
            "out_for_delivery",
            "out_for_delivery",
            Some(Status::OutForDelivery),
        ),
        (
            "available_for_pickup",
            "arrived_at_pickup_location",
            Some(Status::ReadyForPickup),
        ),
        (
            "delivered",
            "arrived_at_destination",
            Some(Status::Delivered),
        ),
        ("return_to_sender", "return", Some(Status::ReturnedToSender)),
        ("failure", "lost", Some(Status::Lost)),
        ("failure", "damaged", Some(Status::Damaged)),
        ("failure", "failure", Some(Status::Exception)),
        ("unknown", "unknown", None),
        ("error", "unknown", None),
    ] {
        let mut body = fixture();
        body["result"]["status"] = json!(status);
        body["result"]["status_detail"] = json!(detail);
        let events = receive(&body).unwrap();
        let got = events.first().map(|event| news(event).status);
        assert_eq!(got, expected, "{status} / {detail}");
    }
}

#[test]
fn a_label_that_was_given_back_is_no_problem_with_the_parcel() {
    let mut body = fixture();
    body["result"]["status"] = json!("cancelled");
    body["result"]["status_detail"] = json!("cancelled");
    body["result"]["updated_at"] = json!("2026-11-21T18:00:00Z");
    let events = receive(&body).unwrap();
    let CommerceEventKind::TakenBack {
        order: None,
        tracking_number: Some(_),
    } = &events[0].kind
    else {
        panic!("not taken back: {:?}", events[0].kind);
    };
    let at = events[0].occurred_at.to_rfc3339();
    assert_eq!(at, "2026-11-21T18:00:00+00:00", "later than its scans");
}

#[test]
fn a_word_that_nobody_knows_is_kept_and_moves_nothing() {
    let mut body = fixture();
    body["result"]["status"] = json!("teleported");
    let events = receive(&body).unwrap();
    let CommerceEventKind::Remark { words, .. } = &events[0].kind else {
        panic!("no remark: {:?}", events[0].kind);
    };
    assert_eq!(
        words,
        "teleported: Out for Delivery, Expected Delivery by 9:00pm"
    );
}

#[test]
fn events_about_other_things_are_acknowledged_and_forgotten() {
    let body =
        json!({"id": "evt_2", "description": "batch.updated", "result": {"object": "Batch"}});
    assert_eq!(receive(&body), Ok(Vec::new()));
}

#[test]
fn a_malformed_tracker_is_told_with_its_field() {
    let without = |field: &str| {
        let mut body = fixture();
        body["result"].as_object_mut().unwrap().remove(field);
        body
    };
    let mut blank = fixture();
    blank["result"]["tracking_code"] = json!("  ");
    for (body, expected) in [
        (json!({"id": "evt_2"}), "missing field `description`"),
        (without("tracking_code"), "missing field `tracking_code`"),
        (without("status"), "missing field `status`"),
        (blank, "`result.tracking_code` is empty"),
    ] {
        let refused = receive(&body);
        let Err(WebhookRejection::Malformed { reason }) = refused else {
            panic!("{refused:?}");
        };
        assert!(reason.contains(expected), "{reason} / {expected}");
    }
}

proptest! {
    #[test]
    fn no_signed_bytes_panic_the_parser(body in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = source(SECRET).receive_webhook(&signed(&body));
    }

    #[test]
    fn no_value_in_any_field_panics_the_parser(
        field in "(tracking_code|status|carrier|updated_at|est_delivery_date|tracking_details|carrier_detail)",
        text in ".{0,40}",
        which in 0..4,
    ) {
        let value = match which {
            0 => json!(text),
            1 => json!([{"datetime": text, "message": text}]),
            2 => json!({"est_delivery_date_local": text}),
            _ => json!(7),
        };
        let mut body = fixture();
        body["result"][&field] = value;
        let _ = receive(&body);
    }
}

#[test]
fn what_a_tracker_says_of_the_parcel_itself_is_kept_where_it_makes_sense() {
    let parcel = |body: &Value| news(&receive(body).unwrap()[0]).parcel.clone();
    let mut body = fixture();
    body["result"]["weight"] = json!(614.4);
    body["result"]["carrier_detail"] = json!({"service": "FEDEX_GROUND",
        "origin_tracking_location": {"city": "ORLANDO", "country": "US", "zip": "32809"}});
    assert_eq!(
        parcel(&body),
        ParcelFacts {
            origin: Some("US 32".to_owned()),
            service: Some("FEDEX_GROUND".to_owned()),
            weight_g: Some(17_418),
        }
    );
    for odd in [json!(-1), json!("heavy"), json!({}), json!(1e300)] {
        body["result"]["weight"] = odd.clone();
        body["result"]["carrier_detail"] = json!({"service": 7, "origin_tracking_location": odd});
        assert_eq!(parcel(&body), ParcelFacts::default(), "{odd}");
    }
}
