//! A carrier that is asked, through the front door: what it answers becomes one message, whatever dies meanwhile and
//! whatever its webhook tells besides.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{
    chat::http,
    hooks::{Hook, now, order_placed},
    server::{Kind, Launch, Place, Process},
    wait::{eventually, within},
};

const SECRET: &str = "a credential of the tests";
const PARCEL: &str = "1Z12345E0205271688";

/// UPS, which knows one parcel.
struct Ups {
    /// Newest first: type, code, sentence, minutes ago.
    scans: Vec<Value>,
    asked: AtomicUsize,
}

fn scan(kind: &str, code: &str, said: &str, minutes_ago: i64) -> Value {
    let at = now() - TimeDelta::minutes(minutes_ago);
    let (day, time) = (
        at.format("%Y%m%d").to_string(),
        at.format("%H%M%S").to_string(),
    );
    json!({"date": day, "time": time, "gmtDate": day, "gmtTime": time, "gmtOffset": "+00:00",
        "location": {"address": {"city": "Madrid", "countryCode": "ES"}},
        "status": {"type": kind, "code": code, "description": said}})
}

async fn token() -> Json<Value> {
    Json(json!({"token_type": "Bearer", "access_token": "t", "expires_in": "14399"}))
}

async fn track(State(ups): State<Arc<Ups>>, Path(number): Path<String>) -> Response {
    ups.asked.fetch_add(1, Ordering::SeqCst);
    if number != PARCEL {
        return StatusCode::NOT_FOUND.into_response();
    }
    Json(
        json!({"trackResponse": {"shipment": [{"inquiryNumber": PARCEL, "package": [{
        "trackingNumber": PARCEL, "activity": ups.scans}]}]}}),
    )
    .into_response()
}

impl Ups {
    /// Starts it; returns it with its address.
    async fn start() -> (Arc<Self>, String) {
        let ups = Arc::new(Self {
            scans: vec![
                scan("I", "OT", "Out For Delivery Today", 20),
                scan("I", "AR", "Arrived at Facility", 300),
                scan("M", "MP", "Shipper created a label", 900),
            ],
            asked: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/security/v1/oauth/token", post(token))
            .route("/api/track/v1/details/{number}", get(track))
            .with_state(ups.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (ups, url)
    }
}

fn launch(place: &Place, url: &str) -> Launch {
    Launch::serve(place)
        .set("sweep.every_s", "1")
        .set("sweep.patience_s", "1")
        .set("commerce.ups.kind", "ups")
        .set("commerce.ups.secret", SECRET)
        .set("commerce.ups.poll.every_h", "1")
        .set("commerce.ups.poll.client_id", "client-1")
        .set("commerce.ups.poll.client_secret", "hunter2")
        .set("commerce.ups.poll.url", url)
}

async fn order(server: &Process) {
    let mut body = order_placed("7001", "C-7001", "robin.7001@example.com", PARCEL);
    body["payload"]["shipments"][0]["carrier"] = json!("UPS");
    Hook::generic("order-7001", &body)
        .deliver(server.address())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_carrier_answers_is_one_message_through_every_crash() {
    let place = Place::new(Kind::Sqlite).await.unwrap();
    let (ups, url) = Ups::start().await;
    let mut placed = false;
    for point in [
        "claim_polls:before_commit:1",
        "claim_polls:after_commit:1",
        "settle_polls:before_commit:1",
        "settle_polls:after_commit:1",
    ] {
        let server = launch(&place, &url)
            .crash_at(Some(point.to_owned()))
            .spawn();
        if !placed {
            server.ready().await.expect("nothing is asked for yet");
            order(&server).await;
            placed = true;
        }
        within(point, server.ended()).await;
    }
    assert!(
        ups.asked.load(Ordering::SeqCst) >= 2,
        "before the last crash and after"
    );

    let server = launch(&place, &url).start().await;
    let database = place.database().await;
    let told = "SELECT COUNT(*) FROM notifications WHERE decision = 'told' AND template = 'out_for_delivery'";
    eventually("the customer to hear of it", async || {
        (database.number(told).await == 1).then_some(())
    })
    .await;
    // The carrier's own webhook tells the newest again.
    let at = now() - TimeDelta::minutes(20);
    let asked = ups.scans[0].clone();
    let pushed = json!({
        "trackingNumber": PARCEL,
        "localActivityDate": asked["date"], "localActivityTime": asked["time"],
        "gmtActivityDate": asked["gmtDate"], "gmtActivityTime": asked["gmtTime"],
        "activityLocation": {"city": "MADRID", "country": "ES"},
        "activityStatus": {"type": "I", "code": "OT", "description": "OUT FOR DELIVERY TODAY"},
    });
    let hook = Hook::topic("ups", SECRET, "", "", at, pushed.to_string().as_bytes());
    let answer = hook.deliver(server.address()).await;
    assert_eq!(answer.body, json!({"admitted": 0, "duplicates": 1}));

    let open = "SELECT COUNT(*) FROM commerce_events WHERE notified_at IS NULL";
    eventually("all to be decided", async || {
        (database.number(open).await == 0).then_some(())
    })
    .await;
    let events = "SELECT COUNT(*) FROM commerce_events WHERE source = 'ups'";
    assert_eq!(database.number(events).await, 3);
    let told = "SELECT COUNT(*) FROM notifications WHERE decision = 'told'";
    assert_eq!(
        database.number(told).await,
        1,
        "that it was on its way is history"
    );
    let due = "SELECT COUNT(*) FROM polled_parcels WHERE due_at > since";
    assert_eq!(database.number(due).await, 1);

    let ready: Value = http()
        .get(format!("http://{}/readyz", server.address()))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(ready["parts"]["carrier:ups"]["status"], "ok", "{ready}");
}
