//! An AfterShip event → news of a parcel.

use chrono_tz::Tz;
use doorstep_core::{
    Timestamp,
    order::{DateWindow, OrderRef},
    shipment::{ParcelFacts, TrackingStatus as Status},
    time_zone,
    webhook::{WebhookRejection, WebhookRequest},
};
use serde::Deserialize;

use crate::{
    body::{
        TextOrNumber, day, identifier, identity, if_readable, local_instant, local_instant_in,
        order_number, parse_json, tracking_number, unix_seconds, window,
    },
    countries::alpha2,
    source::Told,
    tracking::{Meaning, Report, Vocabulary, meaning, place},
    window,
};

/// The events that say something of a parcel; every other one of the account is no concern of ours.
const EVENTS: [&str; 2] = ["tracking_update", "edd_revise"];

/// AfterShip's nine tags (<https://www.aftership.com/docs/tracking/enum/delivery-statuses>).
const TAGS: Vocabulary = &[
    ("Pending", None),
    ("InfoReceived", Some(Status::PreTransit)),
    ("InTransit", Some(Status::InTransit)),
    ("OutForDelivery", Some(Status::OutForDelivery)),
    ("AttemptFail", Some(Status::DeliveryAttempt)),
    ("AvailableForPickup", Some(Status::ReadyForPickup)),
    ("Delivered", Some(Status::Delivered)),
    ("Exception", Some(Status::Exception)),
    // AfterShip heard nothing for 30 days and stops asking.
    ("Expired", None),
];

/// Where the subtag says more than its tag (<https://www.aftership.com/docs/tracking/enum/delivery-sub-statuses>). Every
/// other subtag means what its tag means.
const SUBTAGS: Vocabulary = &[
    // The customer refused it.
    ("Exception_003", Some(Status::ReturnedToSender)),
    // Customs; external factors.
    ("Exception_004", Some(Status::Delayed)),
    ("Exception_005", Some(Status::Delayed)),
    ("Exception_010", Some(Status::ReturnedToSender)),
    ("Exception_011", Some(Status::ReturnedToSender)),
    ("Exception_012", Some(Status::Damaged)),
    ("Exception_013", Some(Status::Lost)),
    // Processing; extreme weather.
    ("Exception_016", Some(Status::Delayed)),
    ("Exception_017", Some(Status::Delayed)),
];

#[derive(Deserialize)]
struct Head {
    event: String,
}

#[derive(Deserialize)]
struct Event {
    event_id: Option<String>,
    ts: Option<f64>,
    msg: Tracking,
}

#[derive(Deserialize)]
struct Tracking {
    tracking_number: String,
    slug: Option<String>,
    tag: String,
    subtag: Option<String>,
    subtag_message: Option<String>,
    order_number: Option<TextOrNumber>,
    order_id: Option<TextOrNumber>,
    updated_at: Option<String>,
    expected_delivery: Option<String>,
    #[serde(default, deserialize_with = "if_readable")]
    destination_country_region: Option<String>,
    /// The same before version 2025-01.
    #[serde(default, deserialize_with = "if_readable")]
    destination_country_iso3: Option<String>,
    #[serde(default, deserialize_with = "if_readable")]
    destination_state: Option<String>,
    #[serde(default, deserialize_with = "if_readable")]
    destination_postal_code: Option<TextOrNumber>,
    courier_estimated_delivery_date: Option<Estimate>,
    aftership_estimated_delivery_date: Option<Estimate>,
    checkpoints: Option<Vec<Checkpoint>>,
}

#[derive(Deserialize)]
struct Estimate {
    estimated_delivery_date: Option<String>,
    estimated_delivery_date_min: Option<String>,
    estimated_delivery_date_max: Option<String>,
}

#[derive(Deserialize)]
struct Checkpoint {
    checkpoint_time: Option<String>,
    message: Option<String>,
    location: Option<String>,
    city: Option<String>,
    state: Option<String>,
    #[serde(default, deserialize_with = "if_readable")]
    postal_code: Option<TextOrNumber>,
    /// The same before version 2025-01.
    #[serde(default, deserialize_with = "if_readable")]
    zip: Option<TextOrNumber>,
    country_name: Option<String>,
    /// Three letters.
    #[serde(default, deserialize_with = "if_readable")]
    country_region: Option<String>,
    /// The same before version 2025-01.
    #[serde(default, deserialize_with = "if_readable")]
    country_iso3: Option<String>,
}

impl Tracking {
    /// The zone that the parcel goes to.
    fn destination(&self) -> Option<Tz> {
        let country = self.destination_country_region.as_ref();
        let country = country.or(self.destination_country_iso3.as_ref());
        let state = self.destination_state.as_deref();
        zone(country, state, self.destination_postal_code.as_ref())
    }
}

impl Checkpoint {
    fn time_zone(&self) -> Option<Tz> {
        let country = self.country_region.as_ref().or(self.country_iso3.as_ref());
        let postcode = self.postal_code.as_ref().or(self.zip.as_ref());
        zone(country, self.state.as_deref(), postcode)
    }
}

/// The zone of a place, as far as it is told.
fn zone(
    country: Option<&String>,
    state: Option<&str>,
    postcode: Option<&TextOrNumber>,
) -> Option<Tz> {
    let postcode = postcode.map(TextOrNumber::to_string);
    time_zone::of_address(&alpha2(country?)?, state, postcode.as_deref())
}

/// Reads a verified body; nothing when the event is not about a parcel or says nothing of it yet.
pub(super) fn parse(
    request: &WebhookRequest,
    tolerance_s: u32,
) -> Result<Option<Told>, WebhookRejection> {
    let head: Head = parse_json(&request.body)?;
    if !EVENTS.contains(&head.event.as_str()) {
        return Ok(None);
    }
    let event: Event = parse_json(&request.body)?;
    let sent_at = event.ts.map(|ts| unix_seconds("ts", ts)).transpose()?;
    if let Some(sent_at) = sent_at {
        window::check(request.received_at, sent_at, tolerance_s)?;
    }
    let external_id = match &event.event_id {
        Some(id) => identifier("event_id", id)?,
        None => identity(&[&request.body]),
    };
    let tracking = event.msg;
    let (occurred_at, scan) = newest_scan(&tracking, sent_at, request.received_at);
    let report = Report {
        order: order(&tracking)?,
        carrier: tracking.slug.clone(),
        tracking_number: tracking_number("msg.tracking_number", &tracking.tracking_number)?,
        meaning: read(&tracking),
        word: tracking.tag.clone(),
        occurred_at,
        message: scan
            .and_then(|scan| scan.message.clone())
            .or(tracking.subtag_message.clone()),
        location: scan.and_then(|scan| {
            let told = scan.location.clone();
            told.or_else(|| place(&[&scan.city, &scan.state, &scan.country_name]))
        }),
        estimated: estimated(&tracking)?,
        parcel: ParcelFacts::default(),
    };
    Ok(report.into_kind().map(|kind| Told {
        external_id,
        occurred_at,
        kind,
    }))
}

fn read(tracking: &Tracking) -> Meaning {
    let subtag = tracking.subtag.as_deref().unwrap_or_default();
    match meaning(SUBTAGS, subtag) {
        Meaning::Unknown => meaning(TAGS, &tracking.tag),
        known => known,
    }
}

/// The newest checkpoint and its time; without one, when AfterShip last touched the tracking. Carriers tell a checkpoint's time
/// by the clocks of its place, often without saying so; where the place is not told, the destination's are the nearest.
fn newest_scan(
    tracking: &Tracking,
    sent_at: Option<Timestamp>,
    received_at: Timestamp,
) -> (Timestamp, Option<&Checkpoint>) {
    let destination = tracking.destination();
    let scans = tracking.checkpoints.iter().flatten().filter_map(|scan| {
        let time = scan.checkpoint_time.as_deref()?;
        let zone = scan.time_zone().or(destination).unwrap_or(Tz::UTC);
        let at = local_instant_in("msg.checkpoints.checkpoint_time", time, zone).ok()?;
        Some((at, scan))
    });
    if let Some((at, scan)) = scans.max_by_key(|(at, _)| *at) {
        return (at, Some(scan));
    }
    let touched = tracking.updated_at.as_deref();
    let touched = touched.and_then(|time| local_instant("msg.updated_at", time).ok());
    (touched.or(sent_at).unwrap_or(received_at), None)
}

/// The order as the merchant told AfterShip, with the number customers know first.
fn order(tracking: &Tracking) -> Result<Option<OrderRef>, WebhookRejection> {
    let told = match (&tracking.order_number, &tracking.order_id) {
        (Some(number), _) => ("msg.order_number", number),
        (None, Some(id)) => ("msg.order_id", id),
        (None, None) => return Ok(None),
    };
    let text = match told.1 {
        TextOrNumber::Text(text) => text.clone(),
        TextOrNumber::Number(number) => number.to_string(),
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    Ok(Some(order_number(told.0, &text)?.into()))
}

/// The carrier's own estimate before AfterShip's.
fn estimated(tracking: &Tracking) -> Result<Option<DateWindow>, WebhookRejection> {
    let estimates = [
        &tracking.courier_estimated_delivery_date,
        &tracking.aftership_estimated_delivery_date,
    ];
    for estimate in estimates.into_iter().flatten() {
        let day_of = |text: &Option<String>| -> Result<_, WebhookRejection> {
            let text = text.as_deref().filter(|text| !text.is_empty());
            text.map(|text| day("msg.estimated_delivery_date", text))
                .transpose()
        };
        let only = day_of(&estimate.estimated_delivery_date)?;
        let from = day_of(&estimate.estimated_delivery_date_min)?.or(only);
        let to = day_of(&estimate.estimated_delivery_date_max)?.or(only);
        if let (Some(from), Some(to)) = (from, to) {
            return window("msg.estimated_delivery_date", from, to).map(Some);
        }
    }
    let Some(text) = tracking.expected_delivery.as_deref() else {
        return Ok(None);
    };
    let day = day("msg.expected_delivery", text)?;
    window("msg.expected_delivery", day, day).map(Some)
}
