use doorstep_core::{
    event::{CommerceEvent, CommerceEventKind},
    shipment::TrackingStatus as Status,
    webhook::WebhookRejection,
};
use serde_json::{Value, json};

use crate::testing::{news, receive};

fn fixture() -> Value {
    let bytes = include_bytes!("../../../tests/fixtures/aftership/tracking_update.json");
    serde_json::from_slice(bytes).unwrap()
}

fn take(body: &Value) -> Result<Vec<CommerceEvent>, WebhookRejection> {
    receive("aftership", None, body.to_string().as_bytes())
}

#[test]
fn a_trackings_news_keep_the_carriers_words() {
    let event = take(&fixture()).unwrap().remove(0);
    assert_eq!(event.external_id, "a5f0a1f6-1f0a-4d41-9e0c-3c1a4f3d2b10");
    assert_eq!(event.occurred_at.to_rfc3339(), "2026-11-21T07:10:00+00:00");
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
    assert_eq!(carrier.as_deref(), Some("correos"));
    assert_eq!(tracking_number.unwrap().as_str(), "PQ573186429ES");
    assert_eq!(event.status, Status::OutForDelivery);
    assert_eq!(event.message.as_deref(), Some("En reparto"));
    assert_eq!(event.location.as_deref(), Some("Madrid, Spain"));
    let estimated = event.estimated.unwrap();
    assert_eq!(estimated.from.to_string(), "2026-11-21");
    assert_eq!(estimated.to.to_string(), "2026-11-22");
}

/// When the news of a tracking is, of which this is the only checkpoint.
fn time_of(checkpoint: Value, destination: &[(&str, &str)]) -> String {
    let mut body = fixture();
    body["msg"]["checkpoints"] = json!([checkpoint]);
    for (field, value) in destination {
        body["msg"][*field] = json!(value);
    }
    take(&body).unwrap()[0].occurred_at.to_rfc3339()
}

#[test]
fn a_time_without_an_offset_is_by_the_clocks_of_its_place() {
    let at = "2026-11-20T18:02:00";
    let spain = json!({"checkpoint_time": at, "country_region": "ESP"});
    assert_eq!(time_of(spain, &[]), "2026-11-20T17:02:00+00:00");
    let canaries = json!({"checkpoint_time": at, "country_iso3": "ESP", "zip": "35001"});
    assert_eq!(time_of(canaries, &[]), "2026-11-20T18:02:00+00:00");
    let california = json!({"checkpoint_time": at, "country_region": "USA", "state": "CA"});
    assert_eq!(time_of(california, &[]), "2026-11-21T02:02:00+00:00");
    // In which of its zones is not told; the destination's are nearer than UTC.
    let states = || json!({"checkpoint_time": at, "country_region": "USA"});
    let destination = [
        ("destination_country_region", "USA"),
        ("destination_state", "NY"),
    ];
    assert_eq!(time_of(states(), &destination), "2026-11-20T23:02:00+00:00");
    let before = [
        ("destination_country_iso3", "USA"),
        ("destination_postal_code", "10001"),
    ];
    assert_eq!(time_of(states(), &before), "2026-11-20T23:02:00+00:00");
    assert_eq!(time_of(states(), &[]), "2026-11-20T18:02:00+00:00");
    // One that says its offset is believed.
    let told = json!({"checkpoint_time": "2026-11-20T18:02:00+08:00", "country_region": "ESP"});
    assert_eq!(time_of(told, &[]), "2026-11-20T10:02:00+00:00");
    // The clocks went from two to three.
    let skipped = json!({"checkpoint_time": "2026-03-29T02:30:00", "country_region": "ESP"});
    assert_eq!(time_of(skipped, &[]), "2026-03-29T01:30:00+00:00");
}

#[test]
fn tags_and_subtags_have_their_meaning() {
    for (tag, subtag, expected) in [
        ("Pending", "Pending_001", None),
        ("InfoReceived", "InfoReceived_001", Some(Status::PreTransit)),
        ("InTransit", "InTransit_003", Some(Status::InTransit)),
        (
            "OutForDelivery",
            "OutForDelivery_004",
            Some(Status::OutForDelivery),
        ),
        (
            "AttemptFail",
            "AttemptFail_002",
            Some(Status::DeliveryAttempt),
        ),
        (
            "AvailableForPickup",
            "AvailableForPickup_001",
            Some(Status::ReadyForPickup),
        ),
        ("Delivered", "Delivered_003", Some(Status::Delivered)),
        ("Exception", "Exception_001", Some(Status::Exception)),
        ("Exception", "Exception_005", Some(Status::Delayed)),
        ("Exception", "Exception_011", Some(Status::ReturnedToSender)),
        ("Exception", "Exception_012", Some(Status::Damaged)),
        ("Exception", "Exception_013", Some(Status::Lost)),
        ("Exception", "Exception_099", Some(Status::Exception)),
        ("Expired", "Expired_001", None),
    ] {
        let mut body = fixture();
        body["msg"]["tag"] = json!(tag);
        body["msg"]["subtag"] = json!(subtag);
        let events = take(&body).unwrap();
        let got = events.first().map(|event| news(event).status);
        assert_eq!(got, expected, "{subtag}");
    }
    let mut body = fixture();
    body["msg"]["tag"] = json!("Teleported");
    body["msg"]["subtag"] = Value::Null;
    assert_eq!(take(&body).unwrap()[0].kind.label(), "remark");
}

#[test]
fn an_event_stays_good_as_long_as_aftership_repeats_it() {
    let sent = |ts: i64| {
        let mut body = fixture();
        body["ts"] = json!(ts);
        take(&body)
    };
    let now = 1_795_253_400;
    assert!(sent(now - 604_800).is_ok());
    assert!(sent(now + 300).is_ok());
    for stale in [now - 604_801, now + 301] {
        let refused = sent(stale);
        assert!(matches!(
            refused,
            Err(WebhookRejection::OutsideReplayWindow { .. })
        ));
    }
}

#[test]
fn events_about_other_things_are_acknowledged_and_forgotten() {
    let mut body = fixture();
    body["event"] = json!("tracking_pending_time");
    assert_eq!(take(&body), Ok(Vec::new()));
}
