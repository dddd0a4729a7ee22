//! An EasyPost event → news of a parcel.

use doorstep_core::{
    Timestamp,
    event::CommerceEventKind,
    order::DateWindow,
    shipment::{TrackingEvent, TrackingStatus},
    webhook::WebhookRejection,
};
use serde::Deserialize;

use crate::body::{
    day, identifier, instant, malformed, parse_json, sentence, shown, tracking_number, window,
};

/// The descriptions that bring a tracker; every other event of the account is no concern of ours.
const TRACKER_DESCRIPTIONS: [&str; 2] = ["tracker.created", "tracker.updated"];

/// What an event says.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) id: String,
    pub(super) occurred_at: Timestamp,
    pub(super) kind: CommerceEventKind,
}

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
}

/// Reads a verified body; nothing when the event is not about a parcel or says nothing of it yet.
pub(super) fn parse(body: &[u8]) -> Result<Option<Parsed>, WebhookRejection> {
    let head: Head = parse_json(body)?;
    if !TRACKER_DESCRIPTIONS.contains(&head.description.as_str()) {
        return Ok(None);
    }
    let event: Event = parse_json(body)?;
    let Some(status) = status(&event.result) else {
        tracing::debug!(
            status = shown(&event.result.status),
            "an EasyPost tracker without news of its parcel"
        );
        return Ok(None);
    };
    let (occurred_at, scan) = newest_scan(&event)?;
    let tracker = &event.result;
    let tracking = TrackingEvent {
        status,
        occurred_at,
        message: sentence(scan.and_then(Detail::words)),
        location: sentence(scan.and_then(Detail::place)),
        estimated: estimated(tracker)?,
    };
    Ok(Some(Parsed {
        id: identifier("id", &event.id)?,
        occurred_at,
        kind: CommerceEventKind::Tracking {
            order: None,
            carrier: sentence(tracker.carrier.clone()),
            tracking_number: Some(tracking_number(
                "result.tracking_code",
                &tracker.tracking_code,
            )?),
            event: tracking,
        },
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
    if let Some((at, scan)) = newest {
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
        let parts: Vec<&str> = [&location.city, &location.state, &location.country]
            .into_iter()
            .flatten()
            .map(|part| part.trim())
            .filter(|part| !part.is_empty())
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
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

/// EasyPost's `status` and, where it says more, `status_detail`, in our words. Nothing for `unknown` (the carrier has not
/// spoken yet), `error` (EasyPost could not ask) and words that EasyPost may add: silence is better than a false alarm.
fn status(tracker: &Tracker) -> Option<TrackingStatus> {
    let detail = tracker.status_detail.as_deref().unwrap_or_default();
    let status = match tracker.status.as_str() {
        "pre_transit" => TrackingStatus::PreTransit,
        "in_transit" => problem(detail).unwrap_or(TrackingStatus::InTransit),
        "out_for_delivery" => TrackingStatus::OutForDelivery,
        "delivered" => TrackingStatus::Delivered,
        "available_for_pickup" => TrackingStatus::ReadyForPickup,
        "return_to_sender" => TrackingStatus::ReturnedToSender,
        "failure" => problem(detail).unwrap_or(TrackingStatus::Exception),
        "cancelled" => TrackingStatus::Exception,
        _ => return None,
    };
    Some(status)
}

/// The problem that a `status_detail` names.
fn problem(detail: &str) -> Option<TrackingStatus> {
    match detail {
        "delayed" | "weather_delay" | "missorted" => Some(TrackingStatus::Delayed),
        "lost" => Some(TrackingStatus::Lost),
        "damaged" => Some(TrackingStatus::Damaged),
        "delivery_exception" | "transit_exception" | "address_correction" | "held" => {
            Some(TrackingStatus::Exception)
        }
        "refused" | "return" => Some(TrackingStatus::ReturnedToSender),
        _ => None,
    }
}
