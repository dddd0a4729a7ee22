//! 17TRACK's interface, asked over loopback from a stand-in that answers in the documented shapes.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use doorstep_core::{
    Health, TrackingNumber, shipment::TrackingStatus as Status, shop::TrackingLookup,
};
use serde_json::{Value, json};

use crate::{
    lookup,
    testing::{SECRET, ambient, config, lent, news, poll_config, receive, serve},
};

/// An account there.
#[derive(Default)]
struct Account {
    registered: Mutex<Vec<String>>,
    /// Every request's path and how many numbers it named.
    asked: Mutex<Vec<(&'static str, usize)>>,
    /// Answers every request with this code.
    refuses: i64,
    busy: bool,
}

type Shared = Arc<Account>;

fn tracked() -> Value {
    let bytes = include_bytes!("../../../tests/fixtures/17track/tracking_updated.json");
    let push: Value = serde_json::from_slice(bytes).unwrap();
    push["data"].clone()
}

/// The numbers that a request names, or how it is refused.
fn numbers(
    account: &Account,
    path: &'static str,
    headers: &HeaderMap,
    body: &Value,
) -> Result<Vec<String>, Box<Response>> {
    if headers.get("17token").map(|key| key.as_bytes()) != Some(SECRET.as_bytes()) {
        let fault =
            json!({"code": 0, "data": {"errors": [{"code": -18010002, "message": "Invalid key"}]}});
        return Err(Box::new(
            (StatusCode::UNAUTHORIZED, Json(fault)).into_response(),
        ));
    }
    if account.busy {
        let refusal = (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "60")]);
        return Err(Box::new(refusal.into_response()));
    }
    let named = body.as_array().unwrap().iter();
    let named: Vec<_> = named
        .map(|item| item["number"].as_str().unwrap().to_owned())
        .collect();
    account.asked.lock().unwrap().push((path, named.len()));
    if account.refuses != 0 {
        let fault = json!({"code": account.refuses, "data": {"accepted": [], "rejected": []}});
        return Err(Box::new(Json(fault).into_response()));
    }
    Ok(named)
}

fn rejected(number: &str, code: i64) -> Value {
    let message = format!("The tracking number {number} is refused.");
    json!({"number": number, "error": {"code": code, "message": message}})
}

async fn info(
    State(account): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let named = match numbers(&account, "gettrackinfo", &headers, &body) {
        Ok(named) => named,
        Err(refusal) => return *refusal,
    };
    let (mut known, mut refused) = (Vec::new(), Vec::new());
    let registered = account.registered.lock().unwrap();
    for number in named {
        match number.as_str() {
            "PQ573186429ES" => known.push(tracked()),
            "SILENT12345" => refused.push(rejected(&number, -18_019_909)),
            "STRANGE12345" => known.push(json!({"number": number, "track_info": 7})),
            _ if registered.contains(&number) => refused.push(rejected(&number, -18_019_909)),
            _ => refused.push(rejected(&number, -18_019_902)),
        }
    }
    Json(json!({"code": 0, "data": {"accepted": known, "rejected": refused}})).into_response()
}

async fn register(
    State(account): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let named = match numbers(&account, "register", &headers, &body) {
        Ok(named) => named,
        Err(refusal) => return *refusal,
    };
    let (mut known, mut refused) = (Vec::new(), Vec::new());
    for number in named {
        match number.as_str() {
            "NOCARRIER123" => refused.push(rejected(&number, -18_019_903)),
            "KNOWN123456" => refused.push(rejected(&number, -18_019_901)),
            _ => {
                known.push(json!({"origin": 1, "number": number, "carrier": 3011}));
                account.registered.lock().unwrap().push(number);
            }
        }
    }
    Json(json!({"code": 0, "data": {"accepted": known, "rejected": refused}})).into_response()
}

async fn open(account: Account) -> (Arc<dyn TrackingLookup>, Shared) {
    let account = Arc::new(account);
    let routes = Router::new()
        .route("/gettrackinfo", post(info))
        .route("/register", post(register))
        .with_state(account.clone());
    let url = serve(routes).await;
    let lookup = lookup::build(&config("17track"), &poll_config(&url), &ambient()).unwrap();
    (lookup, account)
}

fn parcels(numbers: &[&str]) -> Vec<TrackingNumber> {
    numbers.iter().copied().map(TrackingNumber::from).collect()
}

#[tokio::test]
async fn what_it_answers_is_what_it_would_push() {
    let (lookup, _) = open(Account::default()).await;
    let answers = lookup.look_up(&parcels(&["PQ573186429ES"])).await.unwrap();
    let reports = answers[0].reports.as_ref().unwrap();
    assert_eq!(news(&reports[0].event).status, Status::OutForDelivery);
    // The part of the answer that is kept is a push's body.
    let pushed = receive("17track", None, &reports[0].raw).unwrap();
    assert_eq!(pushed, [reports[0].event.clone()]);
}

#[tokio::test]
async fn parcels_that_are_not_registered_are_and_once() {
    let (lookup, account) = open(Account::default()).await;
    let asked = parcels(&["PQ573186429ES", "NEW1234567", "KNOWN123456"]);
    for _ in 0..2 {
        let answers = lookup.look_up(&asked).await.unwrap();
        let known: usize = answers
            .iter()
            .map(|answer| answer.reports.as_ref().unwrap().len())
            .sum();
        assert_eq!((answers.len(), known), (3, 1));
    }
    assert_eq!(
        *account.asked.lock().unwrap(),
        [
            ("gettrackinfo", 3),
            ("register", 2),
            ("gettrackinfo", 3),
            ("register", 1)
        ]
    );
    assert_eq!(*account.registered.lock().unwrap(), ["NEW1234567"]);
}

#[tokio::test]
async fn a_parcel_that_is_refused_is_told_with_what_to_do_and_without_its_number() {
    let (lookup, _) = open(Account::default()).await;
    let asked = parcels(&[
        "SILENT12345",
        "NOCARRIER123",
        "STRANGE12345",
        "X",
        "MIT SPACE",
    ]);
    let answers = lookup.look_up(&asked).await.unwrap();
    let of = |number: &str| {
        let own = answers
            .iter()
            .find(|answer| answer.parcel.as_str() == number);
        own.unwrap().reports.clone()
    };
    assert_eq!(of("SILENT12345"), Ok(Vec::new()));
    for (number, reason) in [
        ("NOCARRIER123", "does not know which carrier's number it is"),
        ("STRANGE12345", "track_info"),
        ("X", "not the form"),
        ("MIT SPACE", "not the form"),
    ] {
        let told = of(number).unwrap_err();
        assert!(told.contains(reason) && !told.contains(number), "{told}");
    }
    assert_eq!(lookup.health(), Health::Ok);
}

#[tokio::test]
async fn an_account_that_is_refused_says_why() {
    let asked = parcels(&["PQ573186429ES"]);
    let (lookup, _) = open(Account {
        refuses: -18_010_001,
        ..Account::default()
    })
    .await;
    let error = lookup.look_up(&asked).await.unwrap_err();
    assert!(
        error.to_string().contains("allow this server's address"),
        "{error}"
    );
    let (lookup, _) = open(Account {
        busy: true,
        ..Account::default()
    })
    .await;
    let error = lookup.look_up(&asked).await.unwrap_err();
    assert_eq!(error.retry_after.map(|wait| wait.as_secs()), Some(60));
}

#[tokio::test]
async fn the_published_answers_become_the_right_events() {
    for (file, number, label) in [
        (
            "gettrackinfo_correios_2151.json",
            "AA123456789BR",
            "delivered",
        ),
        (
            "gettrackinfo_yanwen_190012.json",
            "YT2616912345678901",
            "in_transit",
        ),
        (
            "gettrackinfo_exception_returning.json",
            "AA555666777BR",
            "returned_to_sender",
        ),
    ] {
        let Some(bytes) = lent(&format!("17track/{file}")) else {
            return;
        };
        let answer: Value = serde_json::from_slice(&bytes).unwrap();
        let registered = json!({"code": 0, "data": {"accepted": [], "rejected": []}});
        let routes = Router::new()
            .route("/gettrackinfo", post(async move || Json(answer)))
            .route("/register", post(async move || Json(registered)));
        let poll = poll_config(&serve(routes).await);
        let lookup = lookup::build(&config("17track"), &poll, &ambient()).unwrap();
        let answers = lookup.look_up(&parcels(&[number])).await.unwrap();
        let own = answers
            .iter()
            .find(|answer| answer.parcel.as_str() == number);
        let reports = own.unwrap().reports.as_ref().unwrap();
        assert_eq!(reports[0].event.kind.label(), label, "{file}");
    }
}
