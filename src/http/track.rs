//! `/track/{token}`: where an order's parcels are. Whoever has the link sees states and days; what was ordered is shown
//! only to those who also name the postcode or the e-mail address of the order (G5).

use axum::{body::Bytes, http::StatusCode, response::Response};
use chrono_tz::Tz;
use doorstep_core::{
    Timestamp,
    order::{DateWindow, OrderStatus},
    shipment::{Shipment, TrackingStatus},
};
use doorstep_engine::{
    page_token::TrackingScope,
    second_factor::{self, Try},
    store::{OrderRecord, ParcelHistory},
    templates::format,
};
use serde::Serialize;
use url::form_urlencoded;

use super::{
    ApiError, Shared,
    html::{Page, Speech, fill},
    visit::Visit,
};

/// A longer factor is none.
const MAX_FACTOR: usize = 200;

/// The steps of a parcel that goes well.
const STEPS: [TrackingStatus; 4] = [
    TrackingStatus::PreTransit,
    TrackingStatus::InTransit,
    TrackingStatus::OutForDelivery,
    TrackingStatus::Delivered,
];

/// An order that a token opened.
struct Opened {
    scope: TrackingScope,
    record: OrderRecord,
}

/// Whether the page shows what was ordered.
enum Contents {
    /// Not asked yet.
    Closed,
    /// The factor fitted.
    Open,
    /// It did not; whether more tries are taken now.
    Refused { locked: bool },
}

#[derive(Serialize)]
struct TrackFacts {
    heading: String,
    order_status: Option<String>,
    /// What the steps of a parcel that goes well are called.
    steps: Vec<String>,
    parcels: Vec<ParcelFacts>,
    items: Vec<ItemFacts>,
    refused: Option<String>,
    /// Where they choose what to hear, from this page on.
    preferences: Option<String>,
    question: Option<String>,
}

#[derive(Serialize)]
struct ParcelFacts {
    /// Which of how many, where there are several.
    title: Option<String>,
    status: String,
    /// `bad` when something went wrong, else `good`.
    mood: &'static str,
    /// How far of the four [`STEPS`].
    step: u8,
    window: Option<String>,
    /// How probably it is one of those days, where somebody says.
    likely: Option<String>,
    carrier: Option<String>,
    tracking_number: Option<String>,
    scans: Vec<ScanFacts>,
}

#[derive(Serialize)]
struct ScanFacts {
    status: String,
    location: Option<String>,
    /// The carrier's own words, in its own language.
    message: Option<String>,
    /// For machines.
    instant: String,
    /// For people, in the customer's time zone.
    when: String,
}

#[derive(Serialize)]
struct ItemFacts {
    title: String,
    quantity: u32,
}

/// `GET /track/{token}`
pub(super) async fn show(visit: Visit) -> Result<Response, ApiError> {
    let Some(opened) = open(&visit).await? else {
        return visit.missing();
    };
    // The page stands without the statistic.
    if let Err(error) = visit.app.store.note_followed(&opened.scope).await {
        tracing::warn!(%error, "an opened tracking page was not counted");
    }
    page(&visit, &opened, Contents::Closed).await
}

/// `POST /track/{token}`: the second factor.
pub(super) async fn show_contents(visit: Visit, body: Bytes) -> Result<Response, ApiError> {
    let Some(opened) = open(&visit).await? else {
        return visit.missing();
    };
    let factor = form_urlencoded::parse(&body)
        .find(|(name, _)| name == "factor")
        .map(|(_, value)| value.into_owned())
        .filter(|value| value.len() <= MAX_FACTOR)
        .unwrap_or_default();
    let contents = try_factor(&visit.app, &opened, &factor).await?;
    page(&visit, &opened, contents).await
}

/// Counts the try before it is looked at, so that tries at once count as tries one after the other.
/// The count is the order's, shared with the chat.
async fn try_factor(app: &Shared, opened: &Opened, factor: &str) -> Result<Contents, ApiError> {
    let order = opened.scope.order.as_str();
    let allowed = app.store.begin_try(order).await?;
    if allowed == Try::Refused {
        return Ok(Contents::Refused { locked: true });
    }
    if second_factor::opens(Some(&opened.record.order), factor) {
        app.store.forget_tries(order).await?;
        return Ok(Contents::Open);
    }
    metrics::counter!("doorstep_second_factor_misses_total").increment(1);
    Ok(Contents::Refused {
        locked: allowed == Try::Last,
    })
}

/// The order of a token, if it is (still) that customer's.
async fn open(visit: &Visit) -> Result<Option<Opened>, ApiError> {
    let app = &visit.app;
    let Some(scope) = app.page_key.open_tracking(&visit.token, visit.now()) else {
        return Ok(None);
    };
    let record = app.store.find_order(&scope.order).await?;
    Ok(record
        .filter(|record| record.customer == Some(scope.customer))
        .map(|record| Opened { scope, record }))
}

async fn page(visit: &Visit, opened: &Opened, contents: Contents) -> Result<Response, ApiError> {
    let (app, record) = (&visit.app, &opened.record);
    let customer = app.store.find_customer(opened.scope.customer).await?;
    let time_zone = customer
        .as_ref()
        .and_then(|customer| customer.time_zone)
        .or(record.order.customer.time_zone)
        .unwrap_or(app.config.shop.time_zone);
    let speech = visit.speech(customer.as_ref());
    let number = record.order.number.as_str();
    let words = speech.words;
    let sentence = |sentence: &str| fill(sentence, &[("order", number)]);
    let (status, refused) = match contents {
        Contents::Closed | Contents::Open => (StatusCode::OK, None),
        Contents::Refused { locked: false } => (StatusCode::FORBIDDEN, Some(words.missed.clone())),
        Contents::Refused { locked: true } => {
            (StatusCode::TOO_MANY_REQUESTS, Some(words.locked.clone()))
        }
    };
    let has_chat = app.channels.web_chat.is_some();
    let facts = TrackFacts {
        heading: sentence(&words.heading),
        order_status: order_status(record.order.status, speech),
        steps: STEPS
            .map(|step| words.status(step.as_str()).to_owned())
            .to_vec(),
        parcels: parcels(app, record, speech, time_zone).await?,
        items: match contents {
            Contents::Open => items(record),
            Contents::Closed | Contents::Refused { .. } => Vec::new(),
        },
        preferences: match contents {
            // Who has the link alone may be a neighbour.
            Contents::Open => {
                let customer = opened.scope.customer;
                let token = app.page_key.preference_token(customer, visit.now());
                Some(format!("../preferences/{token}?lang={}", speech.tag))
            }
            Contents::Closed | Contents::Refused { .. } => None,
        },
        refused,
        question: has_chat.then(|| sentence(&words.question)),
    };
    let title = sentence(&words.order);
    let scripts: &[&str] = match has_chat {
        true => &["/widget.js", "/pages/track.js"],
        false => &["/pages/track.js"],
    };
    let page = Page {
        status,
        template: "track.html",
        title: &title,
        scripts,
        facts,
    };
    visit.render(speech, page)
}

/// What the order's own status adds to its parcels'.
fn order_status(status: OrderStatus, speech: Speech<'_>) -> Option<String> {
    match status {
        OrderStatus::Cancelled | OrderStatus::Returned | OrderStatus::Refunded => {
            Some(speech.words.order_status(status.as_str()).to_owned())
        }
        OrderStatus::AwaitingPayment
        | OrderStatus::Processing
        | OrderStatus::Shipped
        | OrderStatus::Delivered => None,
    }
}

fn items(record: &OrderRecord) -> Vec<ItemFacts> {
    let lines = record.order.lines.iter();
    lines
        .map(|line| ItemFacts {
            title: line.title.clone(),
            quantity: line.quantity,
        })
        .collect()
}

async fn parcels(
    app: &Shared,
    record: &OrderRecord,
    speech: Speech<'_>,
    time_zone: Tz,
) -> Result<Vec<ParcelFacts>, ApiError> {
    let histories = app.store.parcel_histories(&record.order.number).await?;
    let total = histories.len();
    let mut parcels = Vec::new();
    for (index, history) in histories.iter().enumerate() {
        let shipment = newest(record, history);
        let eta = match is_expected(shipment.status) {
            true => {
                let forecasts = &app.forecasts;
                forecasts
                    .estimate(Some(record), Some(&shipment), time_zone)
                    .await?
            }
            false => None,
        };
        let (n, of) = ((index + 1).to_string(), total.to_string());
        let title = fill(&speech.words.parcel, &[("n", &n), ("total", &of)]);
        let scans = history.scans.iter().map(|scan| ScanFacts {
            status: speech.words.status(scan.status.as_str()).to_owned(),
            location: scan.location.clone(),
            message: scan.message.clone(),
            instant: scan.occurred_at.to_rfc3339(),
            when: moment(scan.occurred_at, time_zone, speech),
        });
        parcels.push(ParcelFacts {
            title: (total > 1).then_some(title),
            status: speech.words.status(shipment.status.as_str()).to_owned(),
            mood: if shipment.status.is_problem() {
                "bad"
            } else {
                "good"
            },
            step: step(shipment.status),
            window: eta.as_ref().map(|eta| days(eta.window, speech)),
            likely: eta.and_then(|eta| Some(likely(eta.probability?, speech))),
            tracking_number: history.tracking_number().map(str::to_owned),
            carrier: Some(shipment.carrier).filter(|carrier| !carrier.is_empty()),
            scans: scans.collect(),
        });
    }
    Ok(parcels)
}

/// The parcel as carriers told it; while they have not, as the shop's order says it.
fn newest(record: &OrderRecord, history: &ParcelHistory) -> Shipment {
    let shops = || {
        let mut all = record.order.shipments.iter();
        all.find(|shipment| shipment.tracking_number == history.shipment.tracking_number)
    };
    match history.scans.is_empty() {
        true => shops().unwrap_or(&history.shipment).clone(),
        false => history.shipment.clone(),
    }
}

/// Whether days can be told: not once it arrived or waits, nor after something went wrong.
fn is_expected(status: TrackingStatus) -> bool {
    match status {
        TrackingStatus::PreTransit
        | TrackingStatus::InTransit
        | TrackingStatus::OutForDelivery
        | TrackingStatus::DeliveryAttempt
        | TrackingStatus::Delayed => true,
        TrackingStatus::ReadyForPickup
        | TrackingStatus::Delivered
        | TrackingStatus::Exception
        | TrackingStatus::ReturnedToSender
        | TrackingStatus::Lost
        | TrackingStatus::Damaged => false,
    }
}

fn step(status: TrackingStatus) -> u8 {
    match status {
        TrackingStatus::PreTransit => 1,
        TrackingStatus::OutForDelivery
        | TrackingStatus::DeliveryAttempt
        | TrackingStatus::ReadyForPickup => 3,
        TrackingStatus::Delivered => 4,
        TrackingStatus::InTransit
        | TrackingStatus::Delayed
        | TrackingStatus::Exception
        | TrackingStatus::ReturnedToSender
        | TrackingStatus::Lost
        | TrackingStatus::Damaged => 2,
    }
}

fn days(window: DateWindow, speech: Speech<'_>) -> String {
    let language = speech.language();
    let from = format::date(&language, window.from);
    if window.from == window.to {
        return from;
    }
    format!("{from} – {}", format::date(&language, window.to))
}

/// How probably it is one of the days: in tenths where that is exact, for most people read those more easily.
fn likely(percent: u8, speech: Speech<'_>) -> String {
    let (n, total) = match percent % 10 {
        0 => (percent / 10, 10),
        _ => (percent, 100),
    };
    let (n, total) = (n.to_string(), total.to_string());
    fill(&speech.words.likely, &[("n", &n), ("total", &total)])
}

fn moment(at: Timestamp, time_zone: Tz, speech: Speech<'_>) -> String {
    let there = at.with_timezone(&time_zone);
    let day = format::date(&speech.language(), there.date_naive());
    format!("{day}, {}", there.format("%H:%M"))
}
