use doorstep_core::{
    event::{CommerceEvent, CommerceEventKind},
    shipment::TrackingStatus as Status,
};
use serde_json::{Value, json};

use crate::testing::{lent, news, receive};

fn fixture() -> Value {
    let bytes = include_bytes!("../../../tests/fixtures/17track/tracking_updated.json");
    serde_json::from_slice(bytes).unwrap()
}

fn take(body: &Value) -> Vec<CommerceEvent> {
    receive("17track", None, body.to_string().as_bytes()).unwrap()
}

#[test]
fn a_parcels_news_keep_the_carriers_words() {
    let event = take(&fixture()).remove(0);
    assert_eq!(event.occurred_at.to_rfc3339(), "2026-11-21T07:10:00+00:00");
    let CommerceEventKind::Tracking {
        carrier,
        tracking_number,
        event,
        ..
    } = event.kind
    else {
        panic!("no tracking");
    };
    assert_eq!(carrier.as_deref(), Some("Correos Spain"));
    assert_eq!(tracking_number.unwrap().as_str(), "PQ573186429ES");
    assert_eq!(event.status, Status::OutForDelivery);
    assert_eq!(event.message.as_deref(), Some("En reparto"));
    assert_eq!(event.location.as_deref(), Some("MADRID"));
    assert_eq!(event.estimated.unwrap().to.to_string(), "2026-11-22");
}

#[test]
fn statuses_and_sub_statuses_have_their_meaning() {
    for (status, sub_status, expected) in [
        ("NotFound", "NotFound_Other", None),
        ("InfoReceived", "InfoReceived", Some(Status::PreTransit)),
        ("InTransit", "InTransit_PickedUp", Some(Status::InTransit)),
        (
            "InTransit",
            "InTransit_SomethingNew",
            Some(Status::InTransit),
        ),
        (
            "InTransit",
            "InTransit_CustomsRequiringInformation",
            Some(Status::Exception),
        ),
        ("Expired", "Expired_Other", Some(Status::Delayed)),
        (
            "AvailableForPickup",
            "AvailableForPickup_Other",
            Some(Status::ReadyForPickup),
        ),
        (
            "OutForDelivery",
            "OutForDelivery_Other",
            Some(Status::OutForDelivery),
        ),
        (
            "DeliveryFailure",
            "DeliveryFailure_NoBody",
            Some(Status::DeliveryAttempt),
        ),
        (
            "DeliveryFailure",
            "DeliveryFailure_InvalidAddress",
            Some(Status::Exception),
        ),
        ("Delivered", "Delivered_Other", Some(Status::Delivered)),
        ("Exception", "Exception_Other", Some(Status::Exception)),
        (
            "Exception",
            "Exception_Returned",
            Some(Status::ReturnedToSender),
        ),
        ("Exception", "Exception_Damage", Some(Status::Damaged)),
        ("Exception", "Exception_Delayed", Some(Status::Delayed)),
        ("Exception", "Exception_Lost", Some(Status::Lost)),
    ] {
        let mut body = fixture();
        body["data"]["track_info"]["latest_status"] =
            json!({"status": status, "sub_status": sub_status});
        let events = take(&body);
        let got = events.first().map(|event| news(event).status);
        assert_eq!(got, expected, "{sub_status}");
    }
    let mut body = fixture();
    body["data"]["track_info"]["latest_status"] =
        json!({"status": "Teleported", "sub_status": null});
    assert_eq!(take(&body)[0].kind.label(), "remark");
}

#[test]
fn a_push_says_where_its_parcel_comes_from_how_it_goes_and_what_it_weighs() {
    let mut body = fixture();
    let info = &mut body["data"]["track_info"];
    info["shipping_info"] = json!({"shipper_address": {"country": "ES", "postal_code": "08001"}});
    info["misc_info"] = json!({"service_type": "Paq Premium", "weight_kg": "1.25"});
    let events = take(&body);
    let parcel = &news(&events[0]).parcel;
    assert_eq!(
        (
            parcel.origin.as_deref(),
            parcel.service.as_deref(),
            parcel.weight_g
        ),
        (Some("ES 08"), Some("Paq Premium"), Some(1_250))
    );
}

#[test]
fn a_time_without_a_zone_is_taken_as_it_stands() {
    let mut body = fixture();
    body["data"]["track_info"]["latest_event"]["time_utc"] = Value::Null;
    body["data"]["track_info"]["latest_event"]["time_iso"] = Value::Null;
    assert_eq!(
        take(&body)[0].occurred_at.to_rfc3339(),
        "2026-11-21T07:10:00+00:00"
    );
    body["data"]["track_info"]["latest_event"]["time_raw"]["timezone"] = Value::Null;
    assert_eq!(
        take(&body)[0].occurred_at.to_rfc3339(),
        "2026-11-21T08:10:00+00:00"
    );
}

#[test]
fn the_published_pushes_become_the_right_events() {
    let Some(stopped) = lent("17track/webhook_tracking_stopped.json") else {
        return;
    };
    assert_eq!(receive("17track", None, &stopped), Ok(Vec::new()));
    for (file, label, at) in [
        (
            "gettrackinfo_correios_2151.json",
            "delivered",
            "2026-06-30T14:23:00+00:00",
        ),
        (
            "gettrackinfo_yanwen_190012.json",
            "in_transit",
            "2026-06-29T13:05:00+00:00",
        ),
        (
            "gettrackinfo_exception_returning.json",
            "returned_to_sender",
            "2026-06-27T14:15:00+00:00",
        ),
    ] {
        let Some(bytes) = lent(&format!("17track/{file}")) else {
            return;
        };
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        // A push brings what the interface answers for one number.
        for data in document["data"]["accepted"].as_array().unwrap() {
            let events = take(&json!({"event": "TRACKING_UPDATED", "data": data}));
            assert_eq!(events[0].kind.label(), label, "{file}");
            assert_eq!(events[0].occurred_at.to_rfc3339(), at, "{file}");
        }
    }
}
