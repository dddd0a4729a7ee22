//! An EasyPost event → news of a parcel.

use doorstep_core::{
    Timestamp,
    order::DateWindow,
    shipment::{ParcelFacts, TrackingStatus as Status},
    webhook::{WebhookRejection, WebhookRequest},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    body::{
        day, identifier, if_readable, instant, malformed, number, parse_json, tracking_number,
        window,
    },
    source::Told,
    tracking::{Meaning, Report, Vocabulary, facts, meaning, place},
};

/// EasyPost weighs in ounces.
const GRAMS_AN_OUNCE: f64 = 28.349_523_125;

/// The descriptions that bring a tracker; every other event of the account is no concern of ours.
const TRACKER_DESCRIPTIONS: [&str; 2] = ["tracker.created", "tracker.updated"];

/// EasyPost's statuses (<https://docs.easypost.com/docs/trackers>). `unknown` says that the carrier has not spoken yet, `error`
/// that EasyPost could not ask.
const STATUSES: Vocabulary = &[
    ("unknown", None),
    ("error", None),
    ("pre_transit", Some(Status::PreTransit)),
    ("in_transit", Some(Status::InTransit)),
    ("out_for_delivery", Some(Status::OutForDelivery)),
    ("available_for_pickup", Some(Status::ReadyForPickup)),
    ("delivered", Some(Status::Delivered)),
    ("return_to_sender", Some(Status::ReturnedToSender)),
    ("failure", Some(Status::Exception)),
];

/// The status of a parcel whose label was given back.
const VOID: &str = "cancelled";

/// Where a `status_detail` names a problem that its status, one of [`VAGUE`], does not. Every other one means what its
/// status means.
const PROBLEMS: Vocabulary = &[
    ("delayed", Some(Status::Delayed)),
    ("weather_delay", Some(Status::Delayed)),
    ("missorted", Some(Status::Delayed)),
    ("lost", Some(Status::Lost)),
    ("damaged", Some(Status::Damaged)),
    ("delivery_exception", Some(Status::Exception)),
    ("transit_exception", Some(Status::Exception)),
    ("address_correction", Some(Status::Exception)),
    ("held", Some(Status::Exception)),
    ("refused", Some(Status::ReturnedToSender)),
    ("return", Some(Status::ReturnedToSender)),
];

/// Statuses that leave open whether something is wrong, and what.
const VAGUE: [&str; 2] = ["in_transit", "failure"];

#[derive(Deserialize)]
struct Head {
    description: String,
}

#[derive(Deserialize)]
struct Event {
    id: String,
    created_at: Option<String>,
    result: Tracker,
}

#[derive(Deserialize)]
struct Tracker {
    tracking_code: String,
    status: String,
    status_detail: Option<String>,
    carrier: Option<String>,
    updated_at: Option<String>,
    est_delivery_date: Option<String>,
    tracking_details: Option<Vec<Detail>>,
    carrier_detail: Option<CarrierDetail>,
    /// In ounces.
    weight: Option<Value>,
}

#[derive(Deserialize)]
struct Detail {
    message: Option<String>,
    description: Option<String>,
    datetime: Option<String>,
    tracking_location: Option<Location>,
}

#[derive(Deserialize)]
struct Location {
    city: Option<String>,
    state: Option<String>,
    country: Option<String>,
}

#[derive(Deserialize)]
struct CarrierDetail {
    est_delivery_date_local: Option<String>,
    #[serde(default, deserialize_with = "if_readable")]
    service: Option<String>,
    #[serde(default, deserialize_with = "if_readable")]
    origin_tracking_location: Option<Origin>,
}

#[derive(Deserialize)]
struct Origin {
    country: Option<String>,
    zip: Option<String>,
}

/// Reads a verified body; nothing when the event is not about a parcel or says nothing of it yet.
pub(super) fn parse(
    request: &WebhookRequest,
    tolerance_s: u32,
) -> Result<Option<Told>, WebhookRejection> {
    let head: Head = parse_json(&request.body)?;
    if !TRACKER_DESCRIPTIONS.contains(&head.description.as_str()) {
        return Ok(None);
    }
    let event: Event = parse_json(&request.body)?;
    if let Some(text) = &event.created_at {
        let sent_at = instant("created_at", text)?;
        crate::window::check(request.received_at, sent_at, tolerance_s)?;
    }
    let (occurred_at, scan) = newest_scan(&event)?;
    let tracker = &event.result;
    let report = Report {
        order: None,
        carrier: tracker.carrier.clone(),
        tracking_number: tracking_number("result.tracking_code", &tracker.tracking_code)?,
        meaning: read(tracker),
        word: tracker.status.clone(),
        occurred_at,
        message: scan.and_then(Detail::words),
        location: scan.and_then(Detail::place),
        estimated: estimated(tracker)?,
        parcel: parcel(tracker),
    };
    let external_id = identifier("id", &event.id)?;
    Ok(report.into_kind().map(|kind| Told {
        external_id,
        occurred_at,
        kind,
    }))
}

/// The newest scan and its time; without scans, when EasyPost last touched the tracker.
fn newest_scan(event: &Event) -> Result<(Timestamp, Option<&Detail>), WebhookRejection> {
    let newest = event
        .result
        .tracking_details
        .iter()
        .flatten()
        .filter_map(|scan| {
            let at = instant(
                "result.tracking_details.datetime",
                scan.datetime.as_deref()?,
            )
            .ok()?;
            Some((at, scan))
        })
        .max_by_key(|(at, _)| *at);
    // That the label is void is no scan, and is later than all of them.
    if let Some((at, scan)) = newest
        && event.result.status != VOID
    {
        return Ok((at, Some(scan)));
    }
    let touched = (event.result.updated_at.as_deref())
        .or(event.created_at.as_deref())
        .ok_or_else(|| malformed("neither a tracking detail nor `result.updated_at` says when"))?;
    Ok((instant("result.updated_at", touched)?, None))
}

impl Detail {
    fn words(&self) -> Option<String> {
        self.message.clone().or_else(|| self.description.clone())
    }

    /// `Edison, NJ, US`, as far as the carrier says.
    fn place(&self) -> Option<String> {
        let location = self.tracking_location.as_ref()?;
        place(&[&location.city, &location.state, &location.country])
    }
}

/// The carrier's estimate in the destination's calendar; the UTC instant's day when EasyPost has no local one.
fn estimated(tracker: &Tracker) -> Result<Option<DateWindow>, WebhookRejection> {
    let local = tracker
        .carrier_detail
        .as_ref()
        .and_then(|detail| detail.est_delivery_date_local.as_deref());
    let Some(text) = local.or(tracker.est_delivery_date.as_deref()) else {
        return Ok(None);
    };
    let day = day("result.est_delivery_date", text)?;
    window("result.est_delivery_date", day, day).map(Some)
}

fn parcel(tracker: &Tracker) -> ParcelFacts {
    let detail = tracker.carrier_detail.as_ref();
    let origin = detail.and_then(|detail| detail.origin_tracking_location.as_ref());
    facts(
        origin.and_then(|origin| origin.country.as_deref()),
        origin.and_then(|origin| origin.zip.as_deref()),
        detail.and_then(|detail| detail.service.as_deref()),
        number(tracker.weight.as_ref()).map(|ounces| ounces * GRAMS_AN_OUNCE),
    )
}

fn read(tracker: &Tracker) -> Meaning {
    let detail = tracker.status_detail.as_deref().unwrap_or_default();
    match meaning(PROBLEMS, detail) {
        Meaning::Status(problem) if VAGUE.contains(&tracker.status.as_str()) => {
            Meaning::Status(problem)
        }
        _ if tracker.status == VOID => Meaning::Void,
        _ => meaning(STATUSES, &tracker.status),
    }
}
