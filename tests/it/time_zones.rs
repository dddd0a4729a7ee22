//! Days are told as the customer's calendar has them: where their device is, while the shop does not say where they are.

use std::{net::SocketAddr, sync::Arc};

use doorstep::{
    ambient,
    app::App,
    cli::Role,
    config::{Config, Sources},
};
use doorstep_core::{Ambient, Clock, Timestamp};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::{
    chat::{Conversation, Reply, Visitor},
    server::{Kind, Place},
};

/// Half past nine in the evening of the 21st in Los Angeles; half past six in the morning of the 22nd at the shop in Berlin
/// and at Giulia Bianchi's in Bologna, whose order 10228 is expected on the 23rd.
const LATE_IN_LOS_ANGELES: &str = "2026-11-22T05:30:00Z";

/// A clock that stands.
struct Still(Timestamp);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// The demo shop at an instant that stays, until the guard is dropped.
async fn open_at(place: &Place, now: &str) -> (SocketAddr, DropGuard) {
    let sources = Sources {
        file: None,
        flags: place.settings(),
        environment: false,
    };
    let config = Config::load(&sources).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let listener = tokio::net::TcpListener::bind(config.http.listen).await;
    let listener = listener.unwrap();
    let address = listener.local_addr().unwrap();
    let ambient = Ambient {
        clock: Arc::new(Still(now.parse().unwrap())),
        ..ambient::system()
    };
    let app = App::start(config, ambient, Role::Web, false).await;
    let app = app.unwrap_or_else(|error| panic!("{error}"));
    let stop = CancellationToken::new();
    tokio::spawn(doorstep::serve(app, listener, stop.clone()));
    (address, stop.drop_guard())
}

async fn visitor(address: SocketAddr) -> Conversation {
    Visitor::anonymous(address, "en").await.talk(address).await
}

/// What a stranger whose browser says that it is in `zone` is told of the order once its postcode fits.
async fn status_told_in(address: SocketAddr, zone: &str) -> Reply {
    let mut conversation = visitor(address).await;
    let asked = conversation
        .ask_from(zone, "Where is my order 10228?")
        .await;
    asked.assert_says(&["postcode"]);
    // The conversation remembers where that was.
    conversation.ask("40124").await
}

#[tokio::test(flavor = "multi_thread")]
async fn late_in_the_evening_tomorrow_is_the_visitors_and_not_the_shops() {
    let place = Place::new(Kind::Sqlite).await.unwrap();
    let (address, _open) = open_at(&place, LATE_IN_LOS_ANGELES).await;

    let there = status_told_in(address, "America/Los_Angeles").await;
    there.assert_says(&["Expected delivery: Monday, November 23"]);
    there.assert_hides(&["tomorrow"]);
    // What no calendar knows tells nothing: the shop's own counts.
    for unknown in ["Mars/Olympus", ""] {
        let here = status_told_in(address, unknown).await;
        here.assert_says(&["Expected delivery: tomorrow"]);
    }

    // And so is what is meant by the word.
    let database = place.database().await;
    for (zone, day) in [
        ("America/Los_Angeles", "2026-11-22"),
        ("Mars/Olympus", "2026-11-23"),
    ] {
        let mut conversation = visitor(address).await;
        conversation
            .ask_from(zone, "Will my parcel arrive tomorrow?")
            .await;
        let sql = format!(
            "SELECT understanding FROM inbound_messages WHERE external_id = '{}:m1'",
            conversation.visitor.id
        );
        let understood = database.texts(&sql).await;
        assert!(understood[0].contains(day), "{zone}: {understood:?}");
    }
}
