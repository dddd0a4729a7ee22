//! A Shippo event → news of a parcel.

use doorstep_core::{
    Timestamp,
    order::DateWindow,
    shipment::{ParcelFacts, TrackingStatus as Status},
    webhook::{WebhookRejection, WebhookRequest},
};
use serde::Deserialize;

use crate::{
    body::{day, identity, if_readable, local_instant, parse_json, tracking_number, window},
    source::Told,
    tracking::{Meaning, Report, Vocabulary, facts, meaning, place},
};

/// The event that says something of a parcel; every other one of the account is no concern of ours.
const TRACK_UPDATED: &str = "track_updated";

/// Shippo's statuses (<https://docs.goshippo.com/docs/tracking/tracking>).
const STATUSES: Vocabulary = &[
    ("UNKNOWN", None),
    ("PRE_TRANSIT", Some(Status::PreTransit)),
    ("TRANSIT", Some(Status::InTransit)),
    ("DELIVERED", Some(Status::Delivered)),
    ("RETURNED", Some(Status::ReturnedToSender)),
    ("FAILURE", Some(Status::Exception)),
];

/// Where a substatus says more than its status. Every other one means what its status means.
const SUBSTATUSES: Vocabulary = &[
    ("address_issue", Some(Status::Exception)),
    ("contact_carrier", Some(Status::Exception)),
    ("delayed", Some(Status::Delayed)),
    ("delivery_attempted", Some(Status::DeliveryAttempt)),
    ("delivery_rescheduled", Some(Status::Delayed)),
    ("location_inaccessible", Some(Status::DeliveryAttempt)),
    ("notice_left", Some(Status::DeliveryAttempt)),
    ("out_for_delivery", Some(Status::OutForDelivery)),
    ("package_damaged", Some(Status::Damaged)),
    // The carrier destroyed it: nobody will see it again.
    ("package_disposed", Some(Status::Lost)),
    ("package_held", Some(Status::Exception)),
    ("package_lost", Some(Status::Lost)),
    ("package_unclaimed", Some(Status::Exception)),
    ("package_undeliverable", Some(Status::Exception)),
    ("pickup_available", Some(Status::ReadyForPickup)),
    ("reschedule_delivery", Some(Status::DeliveryAttempt)),
    ("return_to_sender", Some(Status::ReturnedToSender)),
];

/// Statuses after which a substatus tells only how the parcel got there.
const ENDS: [&str; 2] = ["DELIVERED", "RETURNED"];

#[derive(Deserialize)]
struct Head {
    event: String,
}

#[derive(Deserialize)]
struct Event {
    data: Track,
}

#[derive(Deserialize)]
struct Track {
    tracking_number: String,
    carrier: Option<String>,
    eta: Option<String>,
    tracking_status: Option<TrackingStatus>,
    #[serde(default, deserialize_with = "if_readable")]
    address_from: Option<Origin>,
    #[serde(default, deserialize_with = "if_readable")]
    servicelevel: Option<Service>,
}

#[derive(Deserialize)]
struct Origin {
    country: Option<String>,
    zip: Option<String>,
}

#[derive(Deserialize)]
struct Service {
    token: Option<String>,
}

#[derive(Deserialize)]
struct TrackingStatus {
    object_id: Option<String>,
    status: String,
    status_details: Option<String>,
    status_date: Option<String>,
    substatus: Option<Substatus>,
    location: Option<Location>,
}

#[derive(Deserialize)]
struct Substatus {
    code: Option<String>,
}

#[derive(Deserialize)]
struct Location {
    city: Option<String>,
    state: Option<String>,
    country: Option<String>,
}

/// Reads a verified body; nothing when the event is not about a parcel or says nothing of it yet.
pub(super) fn parse(request: &WebhookRequest) -> Result<Option<Told>, WebhookRejection> {
    let head: Head = parse_json(&request.body)?;
    if head.event != TRACK_UPDATED {
        return Ok(None);
    }
    let event: Event = parse_json(&request.body)?;
    let track = event.data;
    let Some(status) = &track.tracking_status else {
        return Ok(None);
    };
    let occurred_at = happened(status, request.received_at)?;
    let tracking_number = tracking_number("data.tracking_number", &track.tracking_number)?;
    let report = Report {
        order: None,
        carrier: track.carrier.clone(),
        tracking_number,
        meaning: read(status),
        word: status.status.clone(),
        occurred_at,
        message: status.status_details.clone(),
        location: status
            .location
            .as_ref()
            .and_then(|place_of| place(&[&place_of.city, &place_of.state, &place_of.country])),
        estimated: estimated(&track, status)?,
        parcel: parcel(&track),
    };
    let external_id = external_id(&track, status);
    Ok(report.into_kind().map(|kind| Told {
        external_id,
        occurred_at,
        kind,
    }))
}

fn parcel(track: &Track) -> ParcelFacts {
    let origin = track.address_from.as_ref();
    facts(
        origin.and_then(|origin| origin.country.as_deref()),
        origin.and_then(|origin| origin.zip.as_deref()),
        track
            .servicelevel
            .as_ref()
            .and_then(|service| service.token.as_deref()),
        None,
    )
}

fn happened(
    status: &TrackingStatus,
    received_at: Timestamp,
) -> Result<Timestamp, WebhookRejection> {
    match &status.status_date {
        Some(date) => local_instant("data.tracking_status.status_date", date),
        None => Ok(received_at),
    }
}

/// Shippo names no event. What it says names it: the status entry, its time, and the estimate that may change beside it.
fn external_id(track: &Track, status: &TrackingStatus) -> String {
    let substatus = status.substatus.as_ref();
    let parts = [
        Some(track.tracking_number.as_str()),
        track.carrier.as_deref(),
        track.eta.as_deref(),
        status.object_id.as_deref(),
        Some(status.status.as_str()),
        substatus.and_then(|substatus| substatus.code.as_deref()),
        status.status_date.as_deref(),
    ];
    identity(&parts.map(|part| part.unwrap_or_default().as_bytes()))
}

fn read(status: &TrackingStatus) -> Meaning {
    let general = meaning(STATUSES, &status.status);
    let code = status
        .substatus
        .as_ref()
        .and_then(|substatus| substatus.code.as_deref());
    match (general, code) {
        (Meaning::Status(_), Some(code)) if !ENDS.contains(&status.status.as_str()) => {
            match meaning(SUBSTATUSES, code) {
                Meaning::Unknown => general,
                special => special,
            }
        }
        _ => general,
    }
}

/// The estimate, while the parcel is under way.
fn estimated(
    track: &Track,
    status: &TrackingStatus,
) -> Result<Option<DateWindow>, WebhookRejection> {
    let Some(text) = track
        .eta
        .as_deref()
        .filter(|_| !ENDS.contains(&status.status.as_str()))
    else {
        return Ok(None);
    };
    let day = day("data.eta", text)?;
    window("data.eta", day, day).map(Some)
}
