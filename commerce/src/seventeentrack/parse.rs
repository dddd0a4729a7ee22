//! A 17TRACK event → news of a parcel.

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
        day, identity, if_readable, local_instant, number, parse_json, tracking_number, window,
    },
    source::Told,
    tracking::{Meaning, Report, Vocabulary, facts, meaning, place},
};

/// The event that says something of a parcel. The other, `TRACKING_STOPPED`, says that 17TRACK stops looking.
pub(super) const TRACKING_UPDATED: &str = "TRACKING_UPDATED";

/// 17TRACK's nine statuses.
const STATUSES: Vocabulary = &[
    ("NotFound", None),
    ("InfoReceived", Some(Status::PreTransit)),
    ("InTransit", Some(Status::InTransit)),
    // Long under way and not delivered.
    ("Expired", Some(Status::Delayed)),
    ("AvailableForPickup", Some(Status::ReadyForPickup)),
    ("OutForDelivery", Some(Status::OutForDelivery)),
    ("DeliveryFailure", Some(Status::DeliveryAttempt)),
    ("Delivered", Some(Status::Delivered)),
    ("Exception", Some(Status::Exception)),
];

/// Where a sub-status says more than its status. Every other one means what its status means.
const SUB_STATUSES: Vocabulary = &[
    (
        "InTransit_CustomsRequiringInformation",
        Some(Status::Exception),
    ),
    ("DeliveryFailure_Security", Some(Status::Exception)),
    ("DeliveryFailure_Rejected", Some(Status::Exception)),
    ("DeliveryFailure_InvalidAddress", Some(Status::Exception)),
    ("Exception_Returning", Some(Status::ReturnedToSender)),
    ("Exception_Returned", Some(Status::ReturnedToSender)),
    ("Exception_Damage", Some(Status::Damaged)),
    ("Exception_Delayed", Some(Status::Delayed)),
    ("Exception_Lost", Some(Status::Lost)),
    // The carrier destroyed it: nobody will see it again.
    ("Exception_Destroyed", Some(Status::Lost)),
];

#[derive(Deserialize)]
struct Head {
    event: String,
}

#[derive(Deserialize)]
struct Event {
    data: Tracked,
}

#[derive(Deserialize)]
struct Tracked {
    number: String,
    track_info: Option<TrackInfo>,
}

#[derive(Deserialize)]
struct TrackInfo {
    latest_status: Option<LatestStatus>,
    latest_event: Option<LatestEvent>,
    time_metrics: Option<TimeMetrics>,
    misc_info: Option<MiscInfo>,
    tracking: Option<Tracking>,
    #[serde(default, deserialize_with = "if_readable")]
    shipping_info: Option<ShippingInfo>,
}

#[derive(Deserialize)]
struct ShippingInfo {
    shipper_address: Option<Origin>,
}

#[derive(Deserialize)]
struct Origin {
    country: Option<String>,
    postal_code: Option<String>,
}

#[derive(Deserialize)]
struct LatestStatus {
    status: String,
    sub_status: Option<String>,
}

#[derive(Deserialize)]
struct LatestEvent {
    time_iso: Option<String>,
    time_utc: Option<String>,
    time_raw: Option<RawTime>,
    description: Option<String>,
    location: Option<String>,
    address: Option<Address>,
}

#[derive(Deserialize)]
struct RawTime {
    date: Option<String>,
    time: Option<String>,
    timezone: Option<String>,
}

#[derive(Deserialize)]
struct Address {
    city: Option<String>,
    state: Option<String>,
    country: Option<String>,
}

#[derive(Deserialize)]
struct TimeMetrics {
    estimated_delivery_date: Option<Span>,
}

#[derive(Deserialize)]
struct Span {
    from: Option<String>,
    to: Option<String>,
}

#[derive(Deserialize)]
struct MiscInfo {
    local_provider: Option<String>,
    #[serde(default, deserialize_with = "if_readable")]
    service_type: Option<String>,
    weight_kg: Option<Value>,
}

#[derive(Deserialize)]
struct Tracking {
    providers: Option<Vec<ProviderEvents>>,
}

#[derive(Deserialize)]
struct ProviderEvents {
    provider: Option<Provider>,
}

#[derive(Deserialize)]
struct Provider {
    name: Option<String>,
}

/// Reads a verified body; nothing when the event says nothing of a parcel yet.
pub(super) fn parse(request: &WebhookRequest) -> Result<Option<Told>, WebhookRejection> {
    read_push(&request.body, request.received_at)
}

/// Reads a push.
pub(super) fn read_push(
    body: &[u8],
    received_at: Timestamp,
) -> Result<Option<Told>, WebhookRejection> {
    let head: Head = parse_json(body)?;
    if head.event != TRACKING_UPDATED {
        return Ok(None);
    }
    let event: Event = parse_json(body)?;
    let tracked = event.data;
    let Some(info) = &tracked.track_info else {
        return Ok(None);
    };
    let Some(status) = &info.latest_status else {
        return Ok(None);
    };
    let latest = info.latest_event.as_ref();
    let occurred_at = latest.and_then(happened).unwrap_or(received_at);
    let estimated = estimated(info)?;
    let report = Report {
        order: None,
        carrier: carrier(info),
        tracking_number: tracking_number("data.number", &tracked.number)?,
        meaning: read(status),
        word: status.status.clone(),
        occurred_at,
        message: latest.and_then(|latest| latest.description.clone()),
        location: latest.and_then(whereabouts),
        estimated,
        parcel: parcel(info),
    };
    let external_id = external_id(&tracked.number, status, latest, estimated);
    Ok(report.into_kind().map(|kind| Told {
        external_id,
        occurred_at,
        kind,
    }))
}

fn read(status: &LatestStatus) -> Meaning {
    let special = status.sub_status.as_deref().unwrap_or_default();
    match meaning(SUB_STATUSES, special) {
        Meaning::Unknown => meaning(STATUSES, &status.status),
        known => known,
    }
}

/// When the newest scan was made. 17TRACK's own reading of the time comes first; where it has none, the carrier's clock as
/// it stands, in its time zone if that is told.
fn happened(latest: &LatestEvent) -> Option<Timestamp> {
    let field = "data.track_info.latest_event";
    let read = |text: &Option<String>| local_instant(field, text.as_deref()?).ok();
    read(&latest.time_utc)
        .or_else(|| read(&latest.time_iso))
        .or_else(|| {
            let raw = latest.time_raw.as_ref()?;
            let time = raw.time.as_deref().unwrap_or("00:00:00");
            let zone = raw.timezone.as_deref().unwrap_or_default();
            local_instant(field, &format!("{}T{time}{zone}", raw.date.as_deref()?)).ok()
        })
}

fn whereabouts(latest: &LatestEvent) -> Option<String> {
    let told = latest
        .location
        .clone()
        .filter(|place| !place.trim().is_empty());
    told.or_else(|| {
        let address = latest.address.as_ref()?;
        place(&[&address.city, &address.state, &address.country])
    })
}

fn parcel(info: &TrackInfo) -> ParcelFacts {
    let shipping = info.shipping_info.as_ref();
    let origin = shipping.and_then(|shipping| shipping.shipper_address.as_ref());
    let misc = info.misc_info.as_ref();
    facts(
        origin.and_then(|origin| origin.country.as_deref()),
        origin.and_then(|origin| origin.postal_code.as_deref()),
        misc.and_then(|misc| misc.service_type.as_deref()),
        misc.and_then(|misc| number(misc.weight_kg.as_ref()))
            .map(|kilograms| kilograms * 1_000.0),
    )
}

/// The carrier's name; its number in 17TRACK's catalog tells customers nothing.
fn carrier(info: &TrackInfo) -> Option<String> {
    let mut providers = info
        .tracking
        .iter()
        .flat_map(|tracking| tracking.providers.iter().flatten());
    let named = providers.find_map(|events| events.provider.as_ref()?.name.clone());
    named.or_else(|| info.misc_info.as_ref()?.local_provider.clone())
}

fn estimated(info: &TrackInfo) -> Result<Option<DateWindow>, WebhookRejection> {
    let span = info.time_metrics.as_ref();
    let span = span.and_then(|metrics| metrics.estimated_delivery_date.as_ref());
    let field = "data.track_info.time_metrics.estimated_delivery_date";
    let Some(Span { from, to }) = span else {
        return Ok(None);
    };
    let (Some(first), Some(last)) = (from.as_ref().or(to.as_ref()), to.as_ref().or(from.as_ref()))
    else {
        return Ok(None);
    };
    window(field, day(field, first)?, day(field, last)?).map(Some)
}

/// 17TRACK names no event. What it says names it.
fn external_id(
    number: &str,
    status: &LatestStatus,
    latest: Option<&LatestEvent>,
    estimated: Option<DateWindow>,
) -> String {
    let at = latest
        .and_then(happened)
        .map(|at| at.timestamp_millis().to_string());
    let estimated = estimated.map(|days| format!("{}/{}", days.from, days.to));
    let parts = [
        Some(number),
        Some(status.status.as_str()),
        status.sub_status.as_deref(),
        at.as_deref(),
        latest.and_then(|latest| latest.description.as_deref()),
        estimated.as_deref(),
    ];
    identity(&parts.map(|part| part.unwrap_or_default().as_bytes()))
}
