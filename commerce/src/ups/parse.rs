//! A UPS tracking event → news of a parcel.

use doorstep_core::{
    Timestamp, TrackingNumber,
    order::DateWindow,
    shipment::{ParcelFacts, TrackingStatus as Status},
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
    ("I", Some(Status::InTransit)),
    ("X", Some(Status::Exception)),
    // A new estimate, and no news of where the parcel is.
    ("U", None),
];

/// Type of a label that the shipper made void.
const VOID: &str = "MV";
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
pub(super) struct Event {
    pub(super) tracking_number: String,
    pub(super) local_activity_date: Option<String>,
    pub(super) local_activity_time: Option<String>,
    pub(super) gmt_activity_date: Option<String>,
    pub(super) gmt_activity_time: Option<String>,
    pub(super) activity_location: Option<Location>,
    pub(super) activity_status: Activity,
    pub(super) scheduled_delivery_date: Option<String>,
    pub(super) actual_delivery_date: Option<String>,
    /// Track Alert does not say it, the Track API does.
    #[serde(skip)]
    pub(super) parcel: ParcelFacts,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Location {
    pub(super) city: Option<String>,
    pub(super) state_province: Option<String>,
    pub(super) country: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Activity {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) code: Option<String>,
    pub(super) description: Option<String>,
}

/// Reads a verified body; nothing when the event says nothing of where the parcel is.
pub(super) fn parse(request: &WebhookRequest) -> Result<Option<Told>, WebhookRejection> {
    let event: Event = parse_json(&request.body)?;
    tell(&event, request.received_at)
}

/// What an activity says, wherever it comes from.
pub(super) fn tell(
    event: &Event,
    received_at: Timestamp,
) -> Result<Option<Told>, WebhookRejection> {
    let happened_at = happened(event)?;
    let occurred_at = happened_at.unwrap_or(received_at);
    let meaning = read(event);
    let tracking_number = tracking_number("trackingNumber", &event.tracking_number)?;
    let estimated = estimated(event, meaning)?;
    let external_id = external_id(event, &tracking_number, happened_at, estimated);
    let report = Report {
        order: None,
        carrier: Some("UPS".to_owned()),
        tracking_number,
        meaning,
        word: event.activity_status.kind.clone().unwrap_or_default(),
        occurred_at,
        message: event.activity_status.description.clone(),
        location: event
            .activity_location
            .as_ref()
            .and_then(|at| place(&[&at.city, &at.state_province, &at.country])),
        estimated,
        parcel: event.parcel.clone(),
    };
    Ok(report.into_kind().map(|kind| Told {
        external_id,
        occurred_at,
        kind,
    }))
}

/// Whether it says where the parcel is, or that it is none.
pub(super) fn is_news(event: &Event) -> bool {
    matches!(read(event), Meaning::Status(_) | Meaning::Void)
}

fn read(event: &Event) -> Meaning {
    let activity = &event.activity_status;
    let kind = activity.kind.as_deref().unwrap_or_default();
    if kind == VOID {
        return Meaning::Void;
    }
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

/// UPS tells days and times without separators: `20240423` and `091519`; the Track API also leaves out a leading zero (`91519`).
/// GMT first; the local ones alone are taken as GMT.
pub(super) fn happened(event: &Event) -> Result<Option<Timestamp>, WebhookRejection> {
    let pairs = [
        (&event.gmt_activity_date, &event.gmt_activity_time),
        (&event.local_activity_date, &event.local_activity_time),
    ];
    let Some((date, time)) = pairs
        .into_iter()
        .find(|(date, _)| date.as_deref().is_some_and(|date| !date.trim().is_empty()))
    else {
        return Ok(None);
    };
    let date = spelled_day(date.as_deref().unwrap_or_default());
    let time = format!("{:0>6}", time.as_deref().unwrap_or_default().trim());
    let time = match (time.get(..2), time.get(2..4), time.get(4..6)) {
        (Some(hour), Some(minute), Some(second)) => format!("{hour}:{minute}:{second}"),
        _ => time,
    };
    local_instant("gmtActivityDate", &format!("{date}T{time}")).map(Some)
}

/// `20240423` as `2024-04-23`; anything else as it stands, for the error to show.
pub(super) fn spelled_day(text: &str) -> String {
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

/// UPS names no event. The parcel, what happened, when, and the estimate name it: the same whether UPS tells it or is asked.
/// The two write capitals and blanks of their sentences as they like, so a sentence counts only where there is no code.
fn external_id(
    event: &Event,
    tracking_number: &TrackingNumber,
    at: Option<Timestamp>,
    estimated: Option<DateWindow>,
) -> String {
    let activity = &event.activity_status;
    let trimmed = |part: &Option<String>| part.as_deref().unwrap_or_default().trim().to_owned();
    let code = trimmed(&activity.code);
    let said = match code.is_empty() {
        true => trimmed(&activity.description).to_lowercase(),
        false => code,
    };
    let parts = [
        tracking_number.as_str(),
        &trimmed(&activity.kind),
        &said,
        &at.map(|at| at.timestamp().to_string()).unwrap_or_default(),
        &estimated
            .map(|days| days.from.to_string())
            .unwrap_or_default(),
    ];
    identity(&parts.map(str::as_bytes))
}
