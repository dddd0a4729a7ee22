use doorstep_core::{event::CommerceEvent, shipment::TrackingStatus as Status};
use serde_json::{Map, Value, json};

use crate::testing::{lent, news, receive};

fn fixture() -> Value {
    serde_json::from_slice(include_bytes!("../../../tests/fixtures/ups/event.json")).unwrap()
}

fn take(body: &Value) -> Vec<CommerceEvent> {
    receive("ups", None, body.to_string().as_bytes()).unwrap()
}

#[test]
fn an_event_keeps_the_carriers_words() {
    let events = take(&fixture());
    assert_eq!(
        events[0].occurred_at.to_rfc3339(),
        "2026-11-21T13:10:00+00:00"
    );
    let news = news(&events[0]);
    assert_eq!(news.status, Status::OutForDelivery);
    assert_eq!(news.message.as_deref(), Some("Out For Delivery Today"));
    assert_eq!(news.location.as_deref(), Some("Brooklyn, NY, US"));
    assert_eq!(news.estimated.unwrap().from.to_string(), "2026-11-21");
}

#[test]
fn types_codes_and_sentences_have_their_meaning() {
    for (kind, code, description, expected) in [
        (
            "M",
            "MP",
            "Shipper created a label",
            Some(Status::PreTransit),
        ),
        ("I", "DP", "Departed from Facility", Some(Status::InTransit)),
        ("D", "KB", "DELIVERED", Some(Status::Delivered)),
        (
            "D",
            "ZZ",
            "Delivered, left at front door",
            Some(Status::Delivered),
        ),
        (
            "D",
            "2W",
            "Delivered to UPS Access Point",
            Some(Status::ReadyForPickup),
        ),
        (
            "D",
            "LD",
            "Loaded on Delivery Vehicle",
            Some(Status::OutForDelivery),
        ),
        (
            "X",
            "48",
            "The receiver was not available for delivery.",
            Some(Status::DeliveryAttempt),
        ),
        (
            "X",
            "WX",
            "Severe weather conditions have delayed delivery.",
            Some(Status::Delayed),
        ),
        (
            "X",
            "DM",
            "The package was damaged in transit.",
            Some(Status::Damaged),
        ),
        (
            "X",
            "RS",
            "The package is being returned to the sender.",
            Some(Status::ReturnedToSender),
        ),
        ("X", "ZZ", "Something else", Some(Status::Exception)),
        ("U", "UP", "The delivery date was updated.", None),
    ] {
        let mut body = fixture();
        body["activityStatus"] = json!({"type": kind, "code": code, "description": description});
        let events = take(&body);
        let got = events.first().map(|event| news(event).status);
        assert_eq!(got, expected, "{description}");
    }
    let mut body = fixture();
    body["activityStatus"] = json!({"type": "T", "code": "T1", "description": "Teleported"});
    assert_eq!(take(&body)[0].kind.label(), "remark");
}

/// The examples of the published specification: `key: value` lines, indented by what they belong to.
fn examples(specification: &str) -> Vec<Value> {
    let webhook = specification.split("\nwebhooks:").nth(1).unwrap();
    let mut examples = Vec::new();
    for part in webhook.split("                value:\n").skip(1) {
        let mut fields = Map::new();
        let mut parent = String::new();
        for line in part
            .lines()
            .take_while(|line| line.starts_with("                  "))
        {
            let (key, value) = line.trim().split_once(':').unwrap();
            let value = Value::from(value.trim().trim_matches('\''));
            let nested = line.starts_with("                    ");
            if nested {
                fields[&parent][key] = value;
            } else if value == "" {
                parent = key.to_owned();
                fields.insert(parent.clone(), json!({}));
            } else {
                fields.insert(key.to_owned(), value);
            }
        }
        examples.push(Value::Object(fields));
    }
    examples
}

#[test]
fn the_published_examples_become_the_right_events() {
    for file in ["UPSTrackAlert.yaml", "UPSTrackAlertEnhanced.yaml"] {
        let Some(bytes) = lent(&format!("ups-trackalert/{file}")) else {
            return;
        };
        let specification = String::from_utf8(bytes).unwrap().replace('\r', "");
        let examples = examples(&specification);
        let labels: Vec<_> = examples
            .iter()
            .map(|body| take(body)[0].kind.label())
            .collect();
        assert_eq!(labels, ["out_for_delivery", "delivered"], "{file}");
        assert_eq!(
            take(&examples[0])[0].occurred_at.to_rfc3339(),
            "2024-04-23T13:15:19+00:00"
        );
    }
}
