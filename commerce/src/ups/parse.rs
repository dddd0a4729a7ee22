//! A UPS tracking event → news of a parcel.

use doorstep_core::{
    Timestamp,
    order::DateWindow,
    shipment::TrackingStatus as Status,
    webhook::{WebhookRejection, WebhookRequest},
};
use serde::Deserialize;

use crate::{
    body::{day, identity, local_instant, parse_json, tracking_number, window},
    source::Told,
    tracking::{Meaning, Report, Vocabulary, meaning, place},
};

/// UPS's types of activity (`activityStatus.type` of the specification).
const TYPES: Vocabulary = &[
    ("M", Some(Status::PreTransit)),
    ("MV", Some(Status::Exception)),
    ("I", Some(Status::InTransit)),
    ("X", Some(Status::Exception)),
    // A new estimate, and no news of where the parcel is.
    ("U", None),
];

/// Type of what happens at the door: loaded, out for delivery, delivered.
const DELIVERY: &str = "D";

/// What the description says where it says more than the type, first fit first. UPS has hundreds of codes and one language
/// (`en_US`) for them: its sentences are steadier than its codes.
const SENTENCES: &[(&str, Status)] = &[
    ("out for delivery", Status::OutForDelivery),
    ("loaded on delivery vehicle", Status::OutForDelivery),
    ("on vehicle for delivery", Status::OutForDelivery),
    ("returned to the sender", Status::ReturnedToSender),
    ("returned to sender", Status::ReturnedToSender),
    ("returned to the shipper", Status::ReturnedToSender),
    ("returned to shipper", Status::ReturnedToSender),
    ("returning to", Status::ReturnedToSender),
    ("return to sender", Status::ReturnedToSender),
    ("return to shipper", Status::ReturnedToSender),
    ("being returned", Status::ReturnedToSender),
    ("damage", Status::Damaged),
    ("lost", Status::Lost),
    ("unable to locate", Status::Lost),
    ("access point", Status::ReadyForPickup),
    ("ready for pickup", Status::ReadyForPickup),
    ("ready for customer pickup", Status::ReadyForPickup),
    ("held for pickup", Status::ReadyForPickup),
    ("delivery attempt", Status::DeliveryAttempt),
    ("attempted", Status::DeliveryAttempt),
    ("receiver was not available", Status::DeliveryAttempt),
    ("business was closed", Status::DeliveryAttempt),
    ("business is closed", Status::DeliveryAttempt),
    ("delay", Status::Delayed),
    ("weather", Status::Delayed),
    ("rescheduled", Status::Delayed),
];

/// Codes that say more than their type, whatever the sentence.
const CODES: Vocabulary = &[
    ("OT", Some(Status::OutForDelivery)),
    ("OF", Some(Status::OutForDelivery)),
    ("FS", Some(Status::Delivered)),
    ("KB", Some(Status::Delivered)),
    ("KM", Some(Status::Delivered)),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    tracking_number: String,
    local_activity_date: Option<String>,
    local_activity_time: Option<String>,
    gmt_activity_date: Option<String>,
    gmt_activity_time: Option<String>,
    activity_location: Option<Location>,
    activity_status: Activity,
    scheduled_delivery_date: Option<String>,
    actual_delivery_date: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    city: Option<String>,
    state_province: Option<String>,
    country: Option<String>,
}

#[derive(Deserialize)]
struct Activity {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    description: Option<String>,
}

/// Reads a verified body; nothing when the event says nothing of where the parcel is.
pub(super) fn parse(request: &WebhookRequest) -> Result<Option<Told>, WebhookRejection> {
    let event: Event = parse_json(&request.body)?;
    let occurred_at = happened(&event)?.unwrap_or(request.received_at);
    let meaning = read(&event);
    let report = Report {
        order: None,
        carrier: Some("UPS".to_owned()),
        tracking_number: tracking_number("trackingNumber", &event.tracking_number)?,
        meaning,
        word: event.activity_status.kind.clone().unwrap_or_default(),
        occurred_at,
        message: event.activity_status.description.clone(),
        location: event
            .activity_location
            .as_ref()
            .and_then(|at| place(&[&at.city, &at.state_province, &at.country])),
        estimated: estimated(&event, meaning)?,
    };
    let external_id = external_id(&event);
    Ok(report.into_kind().map(|kind| Told {
        external_id,
        occurred_at,
        kind,
    }))
}

fn read(event: &Event) -> Meaning {
    let activity = &event.activity_status;
    let kind = activity.kind.as_deref().unwrap_or_default();
    let general = meaning(TYPES, kind);
    if general == Meaning::NoNews {
        return general;
    }
    let code = activity.code.as_deref().unwrap_or_default();
    if let Meaning::Status(status) = meaning(CODES, code) {
        return Meaning::Status(status);
    }
    let said = activity
        .description
        .as_deref()
        .unwrap_or_default()
        .to_lowercase();
    let told = SENTENCES.iter().find(|(words, _)| said.contains(words));
    if let Some((_, status)) = told {
        return Meaning::Status(*status);
    }
    let delivered = event.actual_delivery_date.is_some() || said.starts_with("delivered");
    match general {
        Meaning::Unknown if kind == DELIVERY && delivered => Meaning::Status(Status::Delivered),
        other => other,
    }
}

/// UPS tells days and times without separators: `20240423` and `091519`. GMT first; the local ones alone are taken as GMT.
fn happened(event: &Event) -> Result<Option<Timestamp>, WebhookRejection> {
    let pairs = [
        (&event.gmt_activity_date, &event.gmt_activity_time),
        (&event.local_activity_date, &event.local_activity_time),
    ];
    let Some((date, time)) = pairs.into_iter().find(|(date, _)| date.is_some()) else {
        return Ok(None);
    };
    let date = spelled_day(date.as_deref().unwrap_or_default());
    let time = time.as_deref().unwrap_or("000000");
    let time = match (time.get(..2), time.get(2..4), time.get(4..6)) {
        (Some(hour), Some(minute), Some(second)) => format!("{hour}:{minute}:{second}"),
        _ => time.to_owned(),
    };
    local_instant("gmtActivityDate", &format!("{date}T{time}")).map(Some)
}

/// `20240423` as `2024-04-23`; anything else as it stands, for the error to show.
fn spelled_day(text: &str) -> String {
    match (text.get(..4), text.get(4..6), text.get(6..)) {
        (Some(year), Some(month), Some(day)) if day.len() == 2 => format!("{year}-{month}-{day}"),
        _ => text.to_owned(),
    }
}

fn estimated(event: &Event, meaning: Meaning) -> Result<Option<DateWindow>, WebhookRejection> {
    let Some(text) = event
        .scheduled_delivery_date
        .as_deref()
        .filter(|text| !text.trim().is_empty() && meaning != Meaning::Status(Status::Delivered))
    else {
        return Ok(None);
    };
    let day = day("scheduledDeliveryDate", &spelled_day(text))?;
    window("scheduledDeliveryDate", day, day).map(Some)
}

/// UPS names no event. The parcel, what happened and when name it.
fn external_id(event: &Event) -> String {
    let activity = &event.activity_status;
    let parts = [
        Some(&event.tracking_number),
        activity.kind.as_ref(),
        activity.code.as_ref(),
        activity.description.as_ref(),
        event.gmt_activity_date.as_ref(),
        event.gmt_activity_time.as_ref(),
        event.local_activity_date.as_ref(),
        event.local_activity_time.as_ref(),
        event.scheduled_delivery_date.as_ref(),
    ];
    identity(&parts.map(|part| part.map(String::as_bytes).unwrap_or_default()))
}
