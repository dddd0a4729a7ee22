//! Carriers that are asked, on real databases: how often, for which parcels, and that it is the same road as a webhook's.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use doorstep_core::{
    TrackingNumber,
    event::CommerceEvent,
    health::PortError,
    order::Order,
    shipment::{Shipment, TrackingEvent, TrackingStatus as Status},
};

use super::*;
use crate::{
    queue::Job,
    testing::{TestStore, order, stores},
};

const EVERY: Duration = Duration::from_hours(4);
const RULES: &str = "rules:
  - {on: in_transit, template: shipped, channels: [email]}
  - {on: out_for_delivery, template: late, channels: [email]}
";

/// When, and where a parcel stood then.
type Scans = Vec<(&'static str, Status)>;

/// A carrier that answers what a test wrote.
struct Carrier {
    name: SourceName,
    /// What it knows of each parcel.
    knows: Mutex<Vec<(&'static str, Scans)>>,
    refuses: Mutex<Option<String>>,
    away: Mutex<Option<Option<Duration>>>,
    asked: Mutex<Vec<String>>,
    questions: AtomicUsize,
}

impl Carrier {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            name: "ups".into(),
            knows: Mutex::default(),
            refuses: Mutex::default(),
            away: Mutex::default(),
            asked: Mutex::default(),
            questions: AtomicUsize::new(0),
        })
    }

    fn knows(&self, parcel: &'static str, scans: &[(&'static str, Status)]) {
        let mut knows = self.knows.lock().unwrap();
        knows.retain(|(known, _)| *known != parcel);
        knows.push((parcel, scans.to_vec()));
    }

    /// The parcels that were asked for since the last call.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// A scan as webhook and answer tell it.
fn scan(parcel: &str, at: &str, status: Status) -> CommerceEvent {
    let occurred_at = at.parse().unwrap();
    CommerceEvent {
        source: "ups".into(),
        external_id: format!("{parcel} {at} {status:?}"),
        occurred_at,
        kind: CommerceEventKind::Tracking {
            order: None,
            carrier: Some("UPS".to_owned()),
            tracking_number: Some(parcel.into()),
            event: TrackingEvent {
                status,
                occurred_at,
                message: None,
                location: None,
                estimated: None,
                parcel: Default::default(),
            },
        },
    }
}

#[async_trait]
impl TrackingLookup for Carrier {
    fn name(&self) -> &SourceName {
        &self.name
    }

    fn at_once(&self) -> usize {
        2
    }

    async fn look_up(
        &self,
        parcels: &[TrackingNumber],
    ) -> Result<Vec<TrackingAnswer>, LookupError> {
        self.questions.fetch_add(1, Ordering::SeqCst);
        if let Some(retry_after) = *self.away.lock().unwrap() {
            return Err(LookupError {
                error: PortError::new("carrier:ups", "too many requests"),
                retry_after,
            });
        }
        let mut asked = self.asked.lock().unwrap();
        asked.extend(parcels.iter().map(|parcel| parcel.to_string()));
        let refuses = self.refuses.lock().unwrap().clone();
        let knows = self.knows.lock().unwrap();
        let answers = parcels.iter().map(|parcel| {
            let known = knows.iter().find(|(known, _)| *known == parcel.as_str());
            let scans = known.map(|(_, scans)| scans.as_slice()).unwrap_or_default();
            let reports = scans.iter().map(|(at, status)| TrackingReport {
                raw: b"{}".to_vec(),
                event: scan(parcel.as_str(), at, *status),
            });
            TrackingAnswer {
                parcel: parcel.clone(),
                reports: match &refuses {
                    Some(reason) => Err(reason.clone()),
                    None => Ok(reports.collect()),
                },
            }
        });
        Ok(answers.collect())
    }

    fn health(&self) -> Health {
        Health::Ok
    }
}

fn poller(test: &TestStore, carrier: &Arc<Carrier>) -> Poller {
    Poller::new(
        test.store.clone(),
        Arc::new(test.enricher()),
        carrier.clone(),
        vec!["UPS".to_owned()],
        EVERY,
    )
}

async fn poll(poller: &Poller) -> Polled {
    poller.poll(&CancellationToken::new()).await.unwrap()
}

/// The shop tells of an order with these parcels; its customer is Ada.
async fn ordered(test: &TestStore, number: &str, parcels: &[(&str, &str)]) -> Order {
    let parcels = parcels.iter().map(|(carrier, number)| Shipment {
        carrier: (*carrier).to_owned(),
        tracking_number: (*number).into(),
        status: Status::PreTransit,
        status_at: None,
        estimated: None,
    });
    let order = Order {
        shipments: parcels.collect(),
        ..order(number)
    };
    tell(test, order.clone()).await;
    order
}

async fn tell(test: &TestStore, order: Order) {
    let now = test.store.ambient().now();
    test.happen(CommerceEvent {
        source: "test".into(),
        external_id: format!("order {} {now}", order.number),
        occurred_at: now,
        kind: CommerceEventKind::OrderUpdated {
            order: Box::new(order),
        },
    })
    .await;
}

/// Does the jobs that were enqueued: brings parcels up to date, and decides who hears of it.
async fn work(test: &TestStore) {
    let notifier = test.notifier(RULES);
    loop {
        let jobs = test.queue.take();
        if jobs.is_empty() {
            return;
        }
        for job in jobs {
            match job {
                Job::EnrichEvent(event) => {
                    test.enricher().enrich(event).await.unwrap();
                }
                Job::Notify(event) => {
                    notifier.decide(event).await.unwrap();
                }
                _ => {}
            }
        }
    }
}

async fn status(test: &TestStore, parcel: &str) -> Status {
    let found = test.store.find_shipment(&parcel.into()).await.unwrap();
    found.unwrap().0.status
}

const MORNING: &str = "2026-11-20T06:00:00Z";
const NOON: &str = "2026-11-20T12:00:00Z";
const NIGHT: &str = "2026-11-20T23:00:00Z";

#[tokio::test]
async fn what_happened_over_hours_is_one_message_and_the_webhook_of_the_same_adds_none() {
    for test in stores().await {
        let carrier = Carrier::new();
        ordered(&test, "2001", &[("UPS", "1Z1")]).await;
        work(&test).await;
        carrier.knows(
            "1Z1",
            &[
                (MORNING, Status::PreTransit),
                (NOON, Status::InTransit),
                (NIGHT, Status::OutForDelivery),
            ],
        );
        let poller = poller(&test, &carrier);
        let polled = poll(&poller).await;
        assert_eq!((polled.known, polled.news), (1, 3));
        work(&test).await;
        assert_eq!(status(&test, "1Z1").await, Status::OutForDelivery);
        let once = [("email".to_owned(), "2001".to_owned())];
        assert_eq!(
            test.told().await,
            once,
            "not that it was on its way by noon"
        );
        // The carrier's webhook tells the same, late.
        let id = test
            .happen(scan("1Z1", NIGHT, Status::OutForDelivery))
            .await;
        work(&test).await;
        let history = test.store.parcel_histories(&"2001".into()).await.unwrap();
        assert_eq!(
            (history[0].scans.len(), test.told().await),
            (3, once.into())
        );
        assert_eq!(test.store.raw_event(id).await.unwrap().unwrap(), b"{}");
    }
}

#[tokio::test]
async fn a_parcel_is_asked_for_at_most_so_often_and_not_after_it_arrived() {
    for test in stores().await {
        let carrier = Carrier::new();
        ordered(&test, "2002", &[("ups", "1Z2"), ("DHL", "JJD2")]).await;
        let poller = poller(&test, &carrier);
        assert_eq!(poll(&poller).await.unknown, 1);
        assert_eq!(poll(&poller).await, Polled::default());
        assert_eq!(
            carrier.asked(),
            ["1Z2"],
            "another carrier's is not asked for"
        );
        test.clock.advance(EVERY - Duration::from_secs(1));
        poll(&poller).await;
        assert_eq!(carrier.asked(), Vec::<String>::new());
        test.clock.advance(Duration::from_secs(1));
        carrier.knows("1Z2", &[(NOON, Status::Delivered)]);
        assert_eq!(poll(&poller).await.news, 1);
        work(&test).await;
        carrier.asked();
        test.clock.advance(EVERY * 2);
        assert_eq!(poll(&poller).await, Polled::default());
        assert_eq!(carrier.asked(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_parcel_is_given_up_after_sixty_days_and_one_without_a_customer_is_not_asked_for() {
    for test in stores().await {
        let carrier = Carrier::new();
        let known = ordered(&test, "2003", &[("UPS", "1Z3")]).await;
        let mut nobodys = order("2004");
        nobodys.shipments = vec![Shipment {
            tracking_number: "1Z4".into(),
            ..known.shipments[0].clone()
        }];
        nobodys.customer.id = None;
        nobodys.customer.email = None;
        tell(&test, nobodys).await;
        let poller = poller(&test, &carrier);
        for _ in 0..59 {
            assert_eq!(poll(&poller).await.unknown, 1);
            assert_eq!(carrier.asked(), ["1Z3"]);
            test.clock.advance(Duration::from_hours(24));
            // The shop goes on telling of the order.
            tell(&test, known.clone()).await;
        }
        test.clock.advance(Duration::from_hours(24));
        tell(&test, known).await;
        assert_eq!(poll(&poller).await, Polled::default());
    }
}

#[tokio::test]
async fn who_does_not_answer_is_left_alone_longer_each_time_and_as_long_as_it_asks() {
    for test in stores().await {
        let carrier = Carrier::new();
        ordered(&test, "2005", &[("UPS", "1Z5")]).await;
        let poller = poller(&test, &carrier);
        *carrier.away.lock().unwrap() = Some(None);
        let mut waits = Vec::new();
        for _ in 0..3 {
            let (until, reason) = poll(&poller).await.held.unwrap();
            assert!(reason.contains("too many requests"), "{reason}");
            let wait = (until - test.store.ambient().now()).to_std().unwrap();
            waits.push(wait.as_secs());
            test.clock.advance(wait - Duration::from_secs(1));
            assert_eq!(poll(&poller).await, Polled::default());
            test.clock.advance(Duration::from_secs(1));
        }
        assert_eq!(waits, [60, 120, 240]);
        *carrier.away.lock().unwrap() = Some(Some(Duration::from_hours(2)));
        let (until, _) = poll(&poller).await.held.unwrap();
        assert_eq!((until - test.store.ambient().now()).num_minutes(), 120);
        assert_eq!(carrier.questions.load(Ordering::SeqCst), 4);
        // It is there again: everything is as before.
        test.clock.advance(Duration::from_hours(2));
        *carrier.away.lock().unwrap() = None;
        assert_eq!(poll(&poller).await.unknown, 1);
        test.clock.advance(EVERY);
        *carrier.away.lock().unwrap() = Some(None);
        let (until, _) = poll(&poller).await.held.unwrap();
        assert_eq!((until - test.store.ambient().now()).num_seconds(), 60);
    }
}

#[tokio::test]
async fn a_parcel_that_is_refused_is_asked_for_less_and_less_often() {
    for test in stores().await {
        let carrier = Carrier::new();
        ordered(&test, "2006", &[("UPS", "1Z6")]).await;
        let poller = poller(&test, &carrier);
        *carrier.refuses.lock().unwrap() = Some("this is no number of ours".to_owned());
        for pause in [8, 16, 24, 24] {
            assert_eq!(poll(&poller).await.refused, 1);
            test.clock
                .advance(Duration::from_hours(pause) - Duration::from_secs(1));
            assert_eq!(poll(&poller).await, Polled::default(), "{pause}");
            test.clock.advance(Duration::from_secs(1));
        }
    }
}

#[tokio::test]
async fn one_instance_asks_at_a_time_and_the_turn_of_a_dead_one_ends() {
    for test in stores().await {
        let carrier = Carrier::new();
        let parcels: Vec<String> = (100..190).map(|number| format!("1Z{number}")).collect();
        let parcels: Vec<_> = parcels
            .iter()
            .map(|number| ("UPS", number.as_str()))
            .collect();
        ordered(&test, "2007", &parcels).await;
        let poller = poller(&test, &carrier);
        let plan = &poller.plan;
        // An instance takes a turn and dies.
        let turn = test.store.claim_polls(plan, BATCH).await.unwrap().unwrap();
        assert_eq!(turn.parcels.len(), 40);
        assert_eq!(test.store.claim_polls(plan, BATCH).await.unwrap(), None);
        assert_eq!(poll(&poller).await, Polled::default());
        test.clock.advance(Duration::from_mins(10));
        assert_eq!(poll(&poller).await.unknown, 90);
        let mut asked = carrier.asked();
        asked.sort_unstable();
        asked.dedup();
        assert_eq!(asked.len(), 90);
        // What the dead one would have written down comes too late.
        assert!(
            !test
                .store
                .settle_polls(&plan.source, Vec::new(), None, 0)
                .await
                .unwrap()
        );
    }
}

#[tokio::test]
async fn a_stop_ends_the_turn_at_once() {
    for test in stores().await {
        let carrier = Carrier::new();
        ordered(&test, "2008", &[("UPS", "1Z8")]).await;
        let poller = poller(&test, &carrier);
        let stop = CancellationToken::new();
        stop.cancel();
        assert_eq!(poller.poll(&stop).await.unwrap(), Polled::default());
        assert_eq!(carrier.asked(), Vec::<String>::new());
        // Whoever starts next need not wait.
        assert_eq!(poll(&poller).await.unknown, 1);
    }
}

/// Webhook and answers in any order of arrival lead to the same parcel, and the customer hears of it once.
#[tokio::test]
async fn a_webhook_before_the_answer_adds_nothing_either() {
    for test in stores().await {
        let carrier = Carrier::new();
        ordered(&test, "2009", &[("UPS", "1Z9")]).await;
        test.happen(scan("1Z9", NOON, Status::InTransit)).await;
        work(&test).await;
        carrier.knows(
            "1Z9",
            &[(MORNING, Status::PreTransit), (NOON, Status::InTransit)],
        );
        let polled = poll(&poller(&test, &carrier)).await;
        assert_eq!((polled.known, polled.news), (1, 1));
        work(&test).await;
        assert_eq!(status(&test, "1Z9").await, Status::InTransit);
        assert_eq!(test.told().await.len(), 1);
    }
}
