//! The Track API, asked over loopback from a stand-in that answers in the documented shapes.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use doorstep_core::{
    Health,
    shipment::TrackingStatus as Status,
    shop::{TrackingAnswer, TrackingLookup},
};
use serde_json::{Value, json};

use crate::{
    lookup,
    testing::{ambient, config, lent, news, poll_config, receive, serve},
};

const NUMBER: &str = "1Z12345E0205271688";

/// UPS's two services.
#[derive(Default)]
struct Ups {
    /// How many tokens were given; only the last one is good.
    tokens: AtomicU32,
    asked: AtomicU32,
    /// Refuses everything with this status, if it is one.
    refuses: u16,
    retry_after: Option<&'static str>,
    /// Calls every token old the first time.
    forgets_once: bool,
    knows_no_client: bool,
}

type Shared = Arc<Ups>;

async fn token(State(ups): State<Shared>, headers: HeaderMap, body: String) -> Response {
    if ups.knows_no_client {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let client = BASE64_STANDARD.encode("client-1:hunter2");
    assert_eq!(headers["authorization"], format!("Basic {client}"));
    assert_eq!(body, "grant_type=client_credentials");
    let number = ups.tokens.fetch_add(1, Ordering::SeqCst) + 1;
    // As text, like UPS.
    Json(
        json!({"token_type": "Bearer", "access_token": format!("token-{number}"),
        "expires_in": "14399", "status": "approved"}),
    )
    .into_response()
}

async fn track(
    State(ups): State<Shared>,
    Path(number): Path<String>,
    headers: HeaderMap,
) -> Response {
    let asked = ups.asked.fetch_add(1, Ordering::SeqCst);
    let good = format!("Bearer token-{}", ups.tokens.load(Ordering::SeqCst));
    if headers["authorization"] != good || (ups.forgets_once && asked == 0) {
        let error =
            json!({"response": {"errors": [{"code": "250002", "message": "Invalid token"}]}});
        return (StatusCode::UNAUTHORIZED, Json(error)).into_response();
    }
    assert!(headers["transid"].len() == 32 && headers["transactionsrc"] == "doorstep");
    if let Ok(status) = StatusCode::from_u16(ups.refuses) {
        let mut refusal = status.into_response();
        if let Some(wait) = ups.retry_after {
            let wait = HeaderValue::from_static(wait);
            refusal.headers_mut().insert(RETRY_AFTER, wait);
        }
        return refusal;
    }
    match number.as_str() {
        NUMBER => Json(answer()).into_response(),
        "1Z0000000000000000" => Json(json!({"trackResponse": {"shipment": [{
            "inquiryNumber": "1Z0000000000000000",
            "warnings": [{"code": "TW0001", "message": "Tracking Information Not Found"}]}]}}))
        .into_response(),
        "1Z0000000000000001" => Json(json!({"trackResponse": [7]})).into_response(),
        "1Z0000000000000002" => StatusCode::BAD_REQUEST.into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn activity(kind: &str, code: &str, said: &str, day: &str, time: &str) -> Value {
    json!({"date": day, "time": time, "gmtDate": day, "gmtTime": time, "gmtOffset": "+00:00",
        "location": {"address": {"city": "Brooklyn", "stateProvince": "NY", "countryCode": "US", "country": "US"},
            "slic": "1011"},
        "status": {"type": kind, "code": code, "description": said, "statusCode": "021"}})
}

/// Newest first, as UPS lists them; the time of the third has no leading zero.
fn answer() -> Value {
    json!({"trackResponse": {"shipment": [{"inquiryNumber": NUMBER, "package": [{
        "trackingNumber": NUMBER,
        "deliveryDate": [{"type": "RDD", "date": "20269999"}, {"type": "SDD", "date": "20261121"}, {"type": "RDD", "date": "20261123"}, {"type": "DEL", "date": ""}],
        "activity": [
            activity("U", "UP", "The delivery date was updated.", "20261121", "140000"),
            activity("I", "OT", "Out For Delivery Today ", "20261121", "131000"),
            activity("I", "AR", "Arrived at Facility", "20261121", "74700"),
            activity("M", "MP", "Shipper created a label", "20261119", "101500"),
            {"status": {"type": "I", "code": "XX", "description": "At a time that nobody told"}},
            {"date": 7},
        ],
        "packageAddress": [
            {"type": "DESTINATION", "name": "ADA LOVELACE", "address": {"city": "Brooklyn", "countryCode": "US"}},
            {"type": "ORIGIN", "address": {"city": "Madrid", "countryCode": "ES", "postalCode": "28012"}}],
        "service": {"code": "011", "levelCode": "011", "description": "UPS Standard"},
        "weight": {"unitOfMeasurement": "LBS", "weight": "2.20"},
    }]}]}})
}

async fn open(ups: Ups) -> (Arc<dyn TrackingLookup>, Shared) {
    let ups = Arc::new(ups);
    let routes = Router::new()
        .route("/security/v1/oauth/token", post(token))
        .route("/api/track/v1/details/{number}", get(track))
        .with_state(ups.clone());
    let url = serve(routes).await;
    let lookup = lookup::build(&config("ups"), &poll_config(&url), &ambient()).unwrap();
    (lookup, ups)
}

async fn ask(lookup: &dyn TrackingLookup, number: &str) -> TrackingAnswer {
    let mut answers = lookup.look_up(&[number.into()]).await.unwrap();
    answers.remove(0)
}

#[tokio::test]
async fn every_scan_is_told_with_the_estimate_at_the_newest() {
    let (lookup, _) = open(Ups::default()).await;
    let reports = ask(&*lookup, NUMBER).await.reports.unwrap();
    let told: Vec<_> = reports
        .iter()
        .map(|report| {
            let news = news(&report.event);
            let at = report.event.occurred_at.to_rfc3339();
            (
                at,
                news.status,
                news.estimated.map(|days| days.to.to_string()),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "2026-11-21T13:10:00+00:00".to_owned(),
                Status::OutForDelivery,
                Some("2026-11-23".to_owned())
            ),
            (
                "2026-11-21T07:47:00+00:00".to_owned(),
                Status::InTransit,
                None
            ),
            (
                "2026-11-19T10:15:00+00:00".to_owned(),
                Status::PreTransit,
                None
            ),
        ]
    );
    assert_eq!(
        news(&reports[0].event).location.as_deref(),
        Some("Brooklyn, NY, US")
    );
    assert_eq!(reports[0].event.source.as_str(), "ups");
    let parcel = &news(&reports[1].event).parcel;
    assert_eq!(
        (
            parcel.origin.as_deref(),
            parcel.service.as_deref(),
            parcel.weight_g
        ),
        (Some("ES 28"), Some("UPS Standard"), Some(998))
    );
    // What is kept says this and nothing of the customer.
    let raw = String::from_utf8(reports[0].raw.clone()).unwrap();
    assert!(
        raw.contains("Out For Delivery Today") && !raw.contains("LOVELACE"),
        "{raw}"
    );
}

#[tokio::test]
async fn what_track_alert_told_before_is_the_same_event() {
    let (lookup, _) = open(Ups::default()).await;
    let reports = ask(&*lookup, NUMBER).await.reports.unwrap();
    let pushed = json!({
        "trackingNumber": NUMBER, "localActivityDate": "20261121", "localActivityTime": "081000",
        "gmtActivityDate": "20261121", "gmtActivityTime": "131000",
        "activityLocation": {"city": "BROOKLYN", "stateProvince": "NY", "country": "US"},
        "activityStatus": {"type": "I", "code": "OT", "description": "OUT FOR DELIVERY TODAY"},
        "scheduledDeliveryDate": "20261123",
    });
    let pushed = receive("ups", None, pushed.to_string().as_bytes()).unwrap();
    assert_eq!(pushed[0].external_id, reports[0].event.external_id);
    // Asked again, it is what it was.
    let again = ask(&*lookup, NUMBER).await.reports.unwrap();
    assert_eq!(again, reports);
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_again_when_ups_does_not_take_it() {
    let (lookup, ups) = open(Ups::default()).await;
    for _ in 0..3 {
        ask(&*lookup, NUMBER).await.reports.unwrap();
    }
    assert_eq!(ups.tokens.load(Ordering::SeqCst), 1);
    let (lookup, ups) = open(Ups {
        forgets_once: true,
        ..Ups::default()
    })
    .await;
    ask(&*lookup, NUMBER).await.reports.unwrap();
    assert_eq!(ups.tokens.load(Ordering::SeqCst), 2);
    // A client that UPS does not take is no parcel's fault.
    let (lookup, _) = open(Ups {
        knows_no_client: true,
        ..Ups::default()
    })
    .await;
    let error = lookup.look_up(&[NUMBER.into()]).await.unwrap_err();
    assert!(
        error.to_string().contains("oauth/token answered 400"),
        "{error}"
    );
}

#[tokio::test]
async fn one_parcel_that_ups_does_not_know_or_take_is_no_trouble_for_the_others() {
    let (lookup, ups) = open(Ups::default()).await;
    for unknown in ["1Z9999999999999999", "1Z0000000000000000"] {
        assert_eq!(
            ask(&*lookup, unknown).await.reports,
            Ok(Vec::new()),
            "{unknown}"
        );
    }
    let asked = ups.asked.load(Ordering::SeqCst);
    for (refused, reason) in [
        ("1Z0000000000000001", "is not as documented"),
        ("1Z0000000000000002", "refuses the number"),
        // These are not even asked for.
        ("1Z", "the form of a UPS number"),
        ("../../SHIPMENTS", "the form of a UPS number"),
    ] {
        let told = ask(&*lookup, refused).await.reports.unwrap_err();
        assert!(told.contains(reason) && !told.contains(refused), "{told}");
    }
    assert_eq!(ups.asked.load(Ordering::SeqCst), asked + 2);
    assert_eq!(lookup.health(), Health::Ok);
}

#[tokio::test]
async fn who_has_no_time_now_is_left_alone_for_as_long_as_it_says() {
    let (lookup, ups) = open(Ups {
        refuses: 429,
        retry_after: Some("1800"),
        ..Ups::default()
    })
    .await;
    let error = lookup.look_up(&[NUMBER.into()]).await.unwrap_err();
    assert_eq!(error.retry_after.map(|wait| wait.as_secs()), Some(1800));
    assert_eq!(ups.asked.load(Ordering::SeqCst), 1);
    assert!(matches!(lookup.health(), Health::Degraded { .. }));

    let (lookup, ups) = open(Ups {
        refuses: 503,
        ..Ups::default()
    })
    .await;
    let error = lookup.look_up(&[NUMBER.into()]).await.unwrap_err();
    assert_eq!(
        (error.retry_after, ups.asked.load(Ordering::SeqCst)),
        (None, 4)
    );
    let said = error.to_string();
    assert!(
        said.starts_with("carrier:ups did not answer") && !said.contains("hunter2"),
        "{said}"
    );
}

/// All that is read of the answer stands in the published specification.
#[test]
fn the_specification_has_the_fields_that_are_read() {
    let Some(bytes) = lent("ups-trackalert/Tracking.yaml") else {
        return;
    };
    let specification = String::from_utf8(bytes).unwrap();
    for field in [
        "trackResponse",
        "shipment",
        "package",
        "trackingNumber",
        "activity",
        "deliveryDate",
        "date",
        "time",
        "gmtDate",
        "gmtTime",
        "location",
        "address",
        "city",
        "stateProvince",
        "countryCode",
        "status",
        "type",
        "code",
        "description",
    ] {
        let named = specification
            .lines()
            .any(|line| line.trim() == format!("{field}:"));
        assert!(named, "{field}");
    }
    for words in [
        "SDD - Scheduled",
        "RDD - Rescheduled",
        "DEL - Delivered",
        "name: transId",
        "name: transactionSrc",
    ] {
        assert!(specification.contains(words), "{words}");
    }
}
