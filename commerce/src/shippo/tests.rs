use doorstep_core::{
    event::CommerceEvent, shipment::TrackingStatus as Status, webhook::WebhookRejection,
};
use http::HeaderMap;
use serde_json::{Value, json};

use crate::testing::{SECRET, lent, news, receive, request, source};

fn fixture() -> Value {
    let bytes = include_bytes!("../../../tests/fixtures/shippo/track_updated.json");
    serde_json::from_slice(bytes).unwrap()
}

fn take(body: &Value) -> Vec<CommerceEvent> {
    receive("shippo", None, body.to_string().as_bytes()).unwrap()
}

#[test]
fn a_tracks_news_keep_the_carriers_words() {
    let events = take(&fixture());
    assert_eq!(
        events[0].occurred_at.to_rfc3339(),
        "2026-11-21T09:10:00+00:00"
    );
    let news = news(&events[0]);
    assert_eq!(news.status, Status::OutForDelivery);
    assert_eq!(
        news.message.as_deref(),
        Some("Your package is out for delivery.")
    );
    assert_eq!(news.location.as_deref(), Some("Brooklyn, NY, US"));
    assert_eq!(news.estimated.unwrap().to.to_string(), "2026-11-22");
}

#[test]
fn a_track_says_where_its_parcel_comes_from_and_how_it_goes() {
    let mut body = fixture();
    body["data"]["address_from"] = json!({"city": "Las Vegas", "country": "US", "zip": "89101"});
    body["data"]["servicelevel"] = json!({"token": "usps_priority", "name": "Priority Mail"});
    let events = take(&body);
    let parcel = &news(&events[0]).parcel;
    assert_eq!(
        (parcel.origin.as_deref(), parcel.service.as_deref()),
        (Some("US 89"), Some("usps_priority"))
    );
}

#[test]
fn statuses_and_substatuses_have_their_meaning() {
    for (status, substatus, expected) in [
        ("UNKNOWN", "other", None),
        (
            "PRE_TRANSIT",
            "information_received",
            Some(Status::PreTransit),
        ),
        ("TRANSIT", "package_accepted", Some(Status::InTransit)),
        ("TRANSIT", "delayed", Some(Status::Delayed)),
        ("TRANSIT", "pickup_available", Some(Status::ReadyForPickup)),
        ("TRANSIT", "notice_left", Some(Status::DeliveryAttempt)),
        ("TRANSIT", "a_new_one", Some(Status::InTransit)),
        ("DELIVERED", "delivered", Some(Status::Delivered)),
        (
            "RETURNED",
            "package_unclaimed",
            Some(Status::ReturnedToSender),
        ),
        ("FAILURE", "package_undeliverable", Some(Status::Exception)),
        ("FAILURE", "package_lost", Some(Status::Lost)),
        ("FAILURE", "package_damaged", Some(Status::Damaged)),
    ] {
        let mut body = fixture();
        body["data"]["tracking_status"]["status"] = json!(status);
        body["data"]["tracking_status"]["substatus"]["code"] = json!(substatus);
        let events = take(&body);
        let got = events.first().map(|event| news(event).status);
        assert_eq!(got, expected, "{status} / {substatus}");
    }
    let mut body = fixture();
    body["data"]["tracking_status"]["status"] = json!("TELEPORTED");
    assert_eq!(take(&body)[0].kind.label(), "remark");
}

#[test]
fn a_new_estimate_is_another_event() {
    let mut body = fixture();
    body["data"]["eta"] = json!("2026-11-24T00:00:00Z");
    assert_ne!(take(&fixture())[0].external_id, take(&body)[0].external_id);
}

#[test]
fn a_token_in_the_address_proves_the_sender_where_nothing_is_signed() {
    let with = |query: &str| {
        let mut request = request(HeaderMap::new(), fixture().to_string());
        request.query = query.to_owned();
        source("shippo").receive_webhook(&request)
    };
    assert!(with(&format!("token={SECRET}")).is_ok());
    assert!(with(&format!("a=b&token={SECRET}")).is_ok());
    assert_eq!(with("token=guess"), Err(WebhookRejection::BadSignature));
    assert!(matches!(
        with(""),
        Err(WebhookRejection::MissingHeader { .. })
    ));
}

#[test]
fn a_wrong_signature_is_not_made_good_by_a_token() {
    let mut request = request(HeaderMap::new(), fixture().to_string());
    request.query = format!("token={SECRET}");
    let forged = "t=1795253400,v1=00".parse().unwrap();
    request.headers.insert("shippo-auth-signature", forged);
    let refused = source("shippo").receive_webhook(&request);
    assert_eq!(refused, Err(WebhookRejection::BadSignature));
}

#[test]
fn the_published_envelope_becomes_the_right_event() {
    let Some(page) = lent("shippo/webhookpayloadtrack.md") else {
        return;
    };
    let page = String::from_utf8(page).unwrap();
    let field = |name: &str| {
        let start = page.find(&format!("{name}: \"")).unwrap() + name.len() + 3;
        page[start..].split('"').next().unwrap().to_owned()
    };
    assert_eq!(field("status"), "DELIVERED");
    // The page is written in the client library's spelling; on the wire names have underscores.
    let body = json!({"event": "track_updated", "data": {
        "carrier": field("carrier"), "tracking_number": field("trackingNumber"),
        "tracking_status": {"object_id": field("objectId"), "status": field("status"),
            "status_date": "2016-07-23T00:00:00Z", "status_details": "Your shipment has been delivered.",
            "substatus": {"code": field("code")}}}});
    assert_eq!(take(&body)[0].kind.label(), "delivered");
}

#[test]
fn published_tracks_become_the_right_events() {
    for file in ["shippo/test_get_status", "shippo/test_create"] {
        let Some(recording) = lent(file) else { return };
        let recording = String::from_utf8(recording).unwrap();
        for track in tracks(&recording) {
            let body = json!({"event": "track_updated", "data": track});
            let events = take(&body);
            assert_eq!(events[0].kind.label(), "delivered", "{file}");
            assert_eq!(
                events[0].occurred_at.to_rfc3339(),
                "2016-12-08T15:19:00+00:00"
            );
        }
    }
}

/// The answers that a recording holds, as base64 of gzip.
fn tracks(recording: &str) -> Vec<Value> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use std::io::Read;
    let mut tracks = Vec::new();
    for part in recording.split("!!binary |\n").skip(1) {
        let encoded: String = part
            .lines()
            .take_while(|line| line.starts_with("        "))
            .map(str::trim)
            .collect();
        let packed = BASE64_STANDARD.decode(encoded).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&packed[..])
            .read_to_string(&mut text)
            .unwrap();
        tracks.push(serde_json::from_str(&text).unwrap());
    }
    assert!(!tracks.is_empty());
    tracks
}
