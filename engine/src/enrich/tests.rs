//! Whatever arrives in whatever order: orders and parcels end alike.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use doorstep_core::{
    Health, ShopCustomerId, Sku, SourceName, TrackingNumber,
    event::{CommerceEvent, CommerceEventKind},
    health::PortError,
    order::{DateWindow, Order, OrderRef},
    product::{Product, StockLevel},
    shipment::{Shipment, TrackingEvent, TrackingStatus},
    shop::{OrderLookup, Shop},
};
use proptest::prelude::*;

use super::Enricher;
use crate::{
    queue::Job,
    store::{Enrichment, ParcelUpdate, Store, Subject, Verdict},
    testing::{TestStore, order, sent_in, sqlite_store, stores, tracking},
};

const STATUSES: [TrackingStatus; 6] = [
    TrackingStatus::PreTransit,
    TrackingStatus::InTransit,
    TrackingStatus::OutForDelivery,
    TrackingStatus::Delayed,
    TrackingStatus::Exception,
    TrackingStatus::Delivered,
];

/// News of a few minutes, so that many happen at one instant.
fn news() -> impl Strategy<Value = (TrackingEvent, Option<&'static str>)> {
    let carrier = prop::sample::select(vec![None, Some("DHL"), Some("Deutsche Post")]);
    (
        0..STATUSES.len(),
        0..4_i64,
        prop::option::of(21..25_u32),
        carrier,
    )
        .prop_map(|(status, minute, day, carrier)| {
            let day = day.and_then(|day| chrono::NaiveDate::from_ymd_opt(2026, 11, day));
            let event = TrackingEvent {
                status: STATUSES[status],
                occurred_at: doorstep_core::Timestamp::UNIX_EPOCH
                    + chrono::TimeDelta::minutes(minute),
                message: None,
                location: None,
                estimated: day.map(|day| DateWindow { from: day, to: day }),
                parcel: Default::default(),
            };
            (event, carrier)
        })
}

async fn apply(store: &Store, parcel: &str, news: &[(TrackingEvent, Option<&str>)]) -> Shipment {
    let source = "test".into();
    for (index, (event, carrier)) in news.iter().enumerate() {
        let id = format!("{parcel}-{index}");
        let admitted = CommerceEvent {
            source: "test".into(),
            external_id: id,
            occurred_at: event.occurred_at,
            kind: CommerceEventKind::ReturnReceived {
                order: "1001".into(),
                id: None,
            },
        };
        let admitted = store
            .admit_events(&source, b"", vec![admitted])
            .await
            .unwrap();
        let enrichment = Enrichment {
            event: admitted[0].id,
            order: None,
            parcel: Some(ParcelUpdate {
                tracking_number: parcel.into(),
                order: None,
                order_shop_id: None,
                packed: false,
                carrier: carrier.map(str::to_owned),
                event: event.clone(),
            }),
            taken_back: None,
        };
        assert!(
            store
                .commit_enrichment(enrichment.clone(), None)
                .await
                .unwrap()
        );
        assert!(!store.commit_enrichment(enrichment, None).await.unwrap());
    }
    let (mut shipment, _) = store.find_shipment(&parcel.into()).await.unwrap().unwrap();
    shipment.tracking_number = TrackingNumber(String::new());
    shipment
}

#[test]
fn news_of_a_parcel_leads_to_the_same_state_in_every_order() {
    static PARCEL: AtomicU32 = AtomicU32::new(0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let test = runtime.block_on(sqlite_store());
    let orders = prop::collection::vec(news(), 1..7)
        .prop_flat_map(|news| (Just(news.clone()), Just(news).prop_shuffle()));
    proptest!(ProptestConfig::with_cases(40), |((one, other) in orders)| {
        let parcel = PARCEL.fetch_add(2, Ordering::Relaxed);
        let store = &test.store;
        let one = runtime.block_on(apply(store, &format!("T{parcel}"), &one));
        let other = runtime.block_on(apply(store, &format!("T{}", parcel + 1), &other));
        prop_assert_eq!(one, other);
    });
}

/// A shop that is asked and knows nothing: all that is known was told.
struct SilentShop(SourceName);

#[async_trait]
impl Shop for SilentShop {
    fn name(&self) -> &SourceName {
        &self.0
    }

    async fn find_order(&self, _: &OrderLookup) -> Result<Option<Order>, PortError> {
        Ok(None)
    }

    async fn list_orders(&self, _: &ShopCustomerId, _: usize) -> Result<Vec<Order>, PortError> {
        Ok(Vec::new())
    }

    async fn list_products(&self, _: Option<&str>) -> Result<Vec<Product>, PortError> {
        Ok(Vec::new())
    }

    async fn stock(&self, _: &[Sku]) -> Result<Vec<StockLevel>, PortError> {
        Ok(Vec::new())
    }

    async fn healthcheck(&self) -> Health {
        Health::Ok
    }
}

/// What several sources may say of one order and its parcels, each in its own way of naming them.
#[derive(Debug, Clone)]
struct Telling {
    /// How the order is named: not at all, by its number, by the shop's identifier.
    order: u8,
    /// Which parcel is named: none, the first, the second.
    parcel: u8,
    what: What,
    minute: i64,
}

#[derive(Debug, Clone)]
enum What {
    /// The whole order, with so many parcels.
    Order(usize),
    Fulfilled,
    Tracking(usize),
    TakenBack,
    Remark,
}

fn telling() -> impl Strategy<Value = Telling> {
    let what = prop_oneof![
        2 => (0..3_usize).prop_map(What::Order),
        2 => Just(What::Fulfilled),
        5 => (0..STATUSES.len()).prop_map(What::Tracking),
        2 => Just(What::TakenBack),
        1 => Just(What::Remark),
    ];
    (0..3_u8, 0..3_u8, what, 0..5_i64).prop_map(|(order, parcel, what, minute)| Telling {
        order,
        parcel,
        what,
        minute,
    })
}

/// The telling as an event of story number `story`; nothing where it names nothing.
fn event_of(telling: &Telling, story: u32, id: usize) -> Option<CommerceEvent> {
    let at = doorstep_core::Timestamp::UNIX_EPOCH + chrono::TimeDelta::minutes(telling.minute);
    let number = format!("N{story}");
    let parcel = |which: u8| TrackingNumber(format!("P{story}-{which}"));
    let named = match telling.order {
        0 => None,
        1 => Some(OrderRef::Number(number.as_str().into())),
        _ => Some(OrderRef::shop_id(format!("id{story}"))),
    };
    let tracking_number = (telling.parcel > 0).then(|| parcel(telling.parcel));
    let news = |status| TrackingEvent {
        status,
        occurred_at: at,
        message: None,
        location: None,
        estimated: None,
        parcel: Default::default(),
    };
    let carrier = (telling.minute % 2 == 0).then(|| "DHL".to_owned());
    let kind = match telling.what {
        What::Order(parcels) => {
            let mut order = order(&number);
            order.shop_id = Some(format!("id{story}").into());
            order.postcode = Some(telling.minute.to_string());
            order.shipments = (1..=parcels)
                .map(|which| Shipment {
                    carrier: "Deutsche Post".to_owned(),
                    tracking_number: parcel(u8::try_from(which).unwrap()),
                    status: TrackingStatus::PreTransit,
                    status_at: None,
                    estimated: None,
                })
                .collect();
            let order = Box::new(order);
            CommerceEventKind::OrderUpdated { order }
        }
        What::Fulfilled => CommerceEventKind::Fulfilled {
            order: named?,
            carrier,
            tracking_number,
            event: news(TrackingStatus::PreTransit),
        },
        What::Tracking(status) => {
            if named.is_none() && tracking_number.is_none() {
                return None;
            }
            CommerceEventKind::Tracking {
                order: named,
                carrier,
                tracking_number,
                event: news(STATUSES[status]),
            }
        }
        What::TakenBack => {
            if named.is_none() && tracking_number.is_none() {
                return None;
            }
            CommerceEventKind::TakenBack {
                order: named,
                tracking_number,
            }
        }
        What::Remark => CommerceEventKind::Remark {
            carrier,
            tracking_number,
            words: "teleported".to_owned(),
        },
    };
    Some(CommerceEvent {
        source: ["shopify", "easypost", "ups"][id % 3].into(),
        external_id: format!("{story}-{id}"),
        occurred_at: at,
        kind,
    })
}

/// The order and everything that is known of every parcel, without the story's number.
async fn tell(store: &Store, story: u32, tellings: &[(usize, Telling)]) -> String {
    let enricher = Enricher::new(store.clone(), Arc::new(SilentShop("shop".into())), None);
    for (id, telling) in tellings {
        let Some(event) = event_of(telling, story, *id) else {
            continue;
        };
        let source = event.source.clone();
        // Every second one is delivered twice.
        for _ in 0..=(id % 2) {
            let admitted = store.admit_events(&source, b"", vec![event.clone()]).await;
            enricher.enrich(admitted.unwrap()[0].id).await.unwrap();
        }
    }
    let number = format!("N{story}");
    let order = store.find_order(&number.as_str().into()).await.unwrap();
    let mut parcels = Vec::new();
    for name in [
        format!("P{story}-1"),
        format!("P{story}-2"),
        format!("order {number}"),
        format!("order shop id id{story}"),
    ] {
        parcels.push(store.find_shipment(&name.into()).await.unwrap());
    }
    let order = order.map(|record| (record.order, record.as_of));
    format!("{order:?}\n{parcels:#?}").replace(&story.to_string(), "#")
}

#[test]
fn whatever_several_sources_say_leads_to_the_same_state_in_every_order() {
    static STORY: AtomicU32 = AtomicU32::new(700_000);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let test = runtime.block_on(sqlite_store());
    let stories = prop::collection::vec(telling(), 1..8)
        .prop_map(|tellings| tellings.into_iter().enumerate().collect::<Vec<_>>())
        .prop_flat_map(|story| (Just(story.clone()), Just(story).prop_shuffle()));
    proptest!(ProptestConfig::with_cases(60), |((one, other) in stories)| {
        let story = STORY.fetch_add(2, Ordering::Relaxed);
        let one = runtime.block_on(tell(&test.store, story, &one));
        let other = runtime.block_on(tell(&test.store, story + 1, &other));
        prop_assert_eq!(one, other);
    });
}

/// The parcels that count for order 1001, after these things happened, an hour after each other from ten o'clock on.
async fn parcels_after(test: &TestStore, kinds: Vec<(i64, CommerceEventKind)>) -> Vec<String> {
    let enricher = test.enricher();
    for (index, (hour, kind)) in kinds.into_iter().enumerate() {
        let event = CommerceEvent {
            source: "shopify".into(),
            external_id: format!("e{index}"),
            occurred_at: hours_past_ten(hour),
            kind,
        };
        let source = "shopify".into();
        let admitted = test.store.admit_events(&source, b"", vec![event]).await;
        enricher.enrich(admitted.unwrap()[0].id).await.unwrap();
    }
    let parcels = test.store.parcels_of(&"1001".into()).await.unwrap();
    let numbers = parcels
        .iter()
        .map(|parcel| parcel.tracking_number.to_string());
    numbers.collect()
}

fn hours_past_ten(hours: i64) -> doorstep_core::Timestamp {
    let ten: doorstep_core::Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
    ten + chrono::TimeDelta::hours(hours)
}

fn packed(hour: i64, parcel: &str) -> (i64, CommerceEventKind) {
    let kind = CommerceEventKind::Fulfilled {
        order: "1001".into(),
        carrier: None,
        tracking_number: Some(parcel.into()),
        event: TrackingEvent {
            status: TrackingStatus::PreTransit,
            occurred_at: hours_past_ten(hour),
            message: None,
            location: None,
            estimated: None,
            parcel: Default::default(),
        },
    };
    (hour, kind)
}

fn taken_back(hour: i64, order: Option<&str>, parcel: &str) -> (i64, CommerceEventKind) {
    let kind = CommerceEventKind::TakenBack {
        order: order.map(Into::into),
        tracking_number: Some(parcel.into()),
    };
    (hour, kind)
}

fn listed(hour: i64, number: &str, parcels: &[&str]) -> (i64, CommerceEventKind) {
    (hour, sent_in(number, parcels).kind)
}

#[tokio::test]
async fn a_parcel_that_was_taken_back_counts_no_more_until_it_is_packed_again() {
    for test in stores().await {
        let gone = vec![
            packed(1, "T1"),
            packed(1, "T2"),
            taken_back(2, Some("1001"), "T1"),
        ];
        assert_eq!(parcels_after(&test, gone).await, ["T2"]);
        let told = test.store.shipments_of(&"1001".into()).await.unwrap();
        assert_eq!(told.len(), 1, "{told:?}");
    }
    for test in stores().await {
        let late = vec![
            taken_back(2, Some("1001"), "T1"),
            packed(1, "T2"),
            packed(1, "T1"),
        ];
        assert_eq!(parcels_after(&test, late).await, ["T2"], "in any order");
    }
    for test in stores().await {
        let again = vec![
            packed(3, "T1"),
            taken_back(2, Some("1001"), "T1"),
            packed(1, "T1"),
        ];
        assert_eq!(parcels_after(&test, again).await, ["T1"]);
    }
}

#[tokio::test]
async fn a_number_that_the_shop_corrected_is_no_second_parcel() {
    for test in stores().await {
        let corrected = vec![listed(2, "1001", &["T2"]), listed(1, "1001", &["T1"])];
        assert_eq!(parcels_after(&test, corrected).await, ["T2"]);
    }
    for test in stores().await {
        let silent = vec![listed(1, "1001", &["T1"]), listed(2, "1001", &[])];
        assert_eq!(parcels_after(&test, silent).await, ["T1"], "it names none");
    }
}

#[tokio::test]
async fn a_parcel_that_was_packed_for_the_wrong_order_is_the_right_ones() {
    for test in stores().await {
        let kinds = vec![
            listed(1, "1001", &["T1"]),
            taken_back(2, Some("1001"), "T1"),
            listed(3, "1002", &["T1"]),
        ];
        assert_eq!(parcels_after(&test, kinds).await, Vec::<String>::new());
        let (_, order) = test
            .store
            .find_shipment(&"T1".into())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(order, Some("1002".into()));
    }
}

#[tokio::test]
async fn a_void_label_is_no_parcel_unless_its_carrier_moves_it_after_all() {
    for test in stores().await {
        let void = vec![taken_back(2, None, "T1"), listed(3, "1001", &["T1"])];
        assert_eq!(parcels_after(&test, void).await, Vec::<String>::new());
        let mut scan = tracking("scan", None, "T1", TrackingStatus::InTransit);
        if let CommerceEventKind::Tracking { event, .. } = &mut scan.kind {
            event.occurred_at = hours_past_ten(4);
        }
        admit_and_enrich(&test, scan).await;
        let parcels = test.store.parcels_of(&"1001".into()).await.unwrap();
        assert_eq!(parcels.len(), 1);
    }
}

#[tokio::test]
async fn news_of_an_order_alone_are_its_only_parcels_and_of_two_nobodys() {
    for test in stores().await {
        let enricher = test.enricher();
        let take = async |id: &str, kind: CommerceEventKind| {
            let event = CommerceEvent {
                source: "shopify".into(),
                external_id: id.to_owned(),
                occurred_at: "2026-11-20T12:00:00Z".parse().unwrap(),
                kind,
            };
            let source = "shopify".into();
            let admitted = test.store.admit_events(&source, b"", vec![event]).await;
            enricher.enrich(admitted.unwrap()[0].id).await.unwrap();
        };
        let status = async |parcel: &str| {
            let found = test.store.find_shipment(&parcel.into()).await.unwrap();
            found.unwrap().0.status
        };
        let fulfilled = |parcel: &str| CommerceEventKind::Fulfilled {
            order: "1001".into(),
            carrier: None,
            tracking_number: Some(parcel.into()),
            event: TrackingEvent {
                status: TrackingStatus::PreTransit,
                occurred_at: "2026-11-19T12:00:00Z".parse().unwrap(),
                message: None,
                location: None,
                estimated: None,
                parcel: Default::default(),
            },
        };
        let mut scan = tracking("e1", Some("1001"), "", TrackingStatus::Delivered);
        if let CommerceEventKind::Tracking {
            tracking_number, ..
        } = &mut scan.kind
        {
            *tracking_number = None;
        }
        take("e1", scan.kind).await;
        take("e2", fulfilled("T1")).await;
        assert_eq!(status("T1").await, TrackingStatus::Delivered);
        take("e3", fulfilled("T2")).await;
        assert_eq!(status("T1").await, TrackingStatus::PreTransit);
        assert_eq!(status("order 1001").await, TrackingStatus::Delivered);
    }
}

#[tokio::test]
async fn the_newest_word_on_an_order_stays_whichever_comes_last() {
    for test in stores().await {
        let mut newer = order("1001");
        newer.postcode = Some("NEW 1".to_owned());
        for (id, order, at) in [
            ("e2", newer.clone(), "2026-11-20T12:00:00Z"),
            ("e1", order("1001"), "2026-11-20T10:00:00Z"),
        ] {
            let event = CommerceEvent {
                source: "test".into(),
                external_id: id.to_owned(),
                occurred_at: at.parse().unwrap(),
                kind: CommerceEventKind::OrderUpdated {
                    order: Box::new(order),
                },
            };
            admit_and_enrich(&test, event).await;
        }
        let kept = test
            .store
            .find_order(&"1001".into())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(kept.order, newer);
        let addresses = test
            .store
            .addresses_of(kept.customer.unwrap())
            .await
            .unwrap();
        assert_eq!(addresses[0].id, "ada@example.org");
    }
}

#[tokio::test]
async fn a_decision_made_before_the_order_arrived_is_not_committed_after_it() {
    for test in stores().await {
        let event = tracking("e1", Some("1001"), "T9", TrackingStatus::InTransit);
        let news = admit_and_enrich(&test, event).await;
        let decided_without_the_order = Subject {
            order: Some("1001".into()),
            ..Subject::default()
        };
        let arrival = CommerceEvent {
            source: "test".into(),
            external_id: "e2".to_owned(),
            occurred_at: "2026-11-20T12:00:00Z".parse().unwrap(),
            kind: CommerceEventKind::OrderUpdated {
                order: Box::new(order("1001")),
            },
        };
        admit_and_enrich(&test, arrival).await;
        let verdict = test
            .store
            .commit_decisions(news, decided_without_the_order, Vec::new())
            .await
            .unwrap();
        assert_eq!(verdict, Verdict::Outdated);
        let stored = test.store.load_event(news).await.unwrap().unwrap();
        assert_eq!(stored.notified_at, None);
    }
}

#[tokio::test]
async fn a_carrier_who_names_only_the_parcel_is_understood_once_the_order_told_it() {
    for test in stores().await {
        let mut order = order("1001");
        order.shipments.push(Shipment {
            carrier: "DHL".to_owned(),
            tracking_number: "T9".into(),
            status: TrackingStatus::PreTransit,
            status_at: None,
            estimated: None,
        });
        let arrival = CommerceEvent {
            source: "test".into(),
            external_id: "e1".to_owned(),
            occurred_at: "2026-11-20T12:00:00Z".parse().unwrap(),
            kind: CommerceEventKind::OrderUpdated {
                order: Box::new(order),
            },
        };
        admit_and_enrich(&test, arrival).await;
        let told = test.store.shipments_of(&"1001".into()).await.unwrap();
        assert_eq!(told, [], "no carrier told of it yet");
        let event = tracking("e2", None, "T9", TrackingStatus::InTransit);
        admit_and_enrich(&test, event).await;
        let told = test.store.shipments_of(&"1001".into()).await.unwrap();
        assert_eq!(told[0].status, TrackingStatus::InTransit);
    }
}

#[tokio::test]
async fn an_order_that_comes_after_its_parcels_news_has_it_decided_again() {
    for test in stores().await {
        let event = tracking("e1", None, "T9", TrackingStatus::InTransit);
        let early = admit_and_enrich(&test, event).await;
        test.store
            .commit_decisions(early, Subject::default(), Vec::new())
            .await
            .unwrap();
        let mut order = order("1001");
        order.shipments.push(Shipment {
            carrier: "DHL".to_owned(),
            tracking_number: "T9".into(),
            status: TrackingStatus::PreTransit,
            status_at: None,
            estimated: None,
        });
        let event = CommerceEvent {
            source: "test".into(),
            external_id: "e2".to_owned(),
            occurred_at: "2026-11-20T12:00:00Z".parse().unwrap(),
            kind: CommerceEventKind::OrderUpdated {
                order: Box::new(order),
            },
        };
        test.queue.take();
        let late = admit_and_enrich(&test, event).await;
        let jobs = test.queue.take();
        assert!(jobs.contains(&Job::Notify(early)) && jobs.contains(&Job::Notify(late)));
        let shipments = test.store.shipments_of(&"1001".into()).await.unwrap();
        assert_eq!(shipments[0].tracking_number, "T9".into());
    }
}

#[tokio::test]
async fn many_callers_at_once_have_each_event_admitted_once() {
    for test in stores().await {
        let told = (0..200).map(|number| {
            let store = test.store.clone();
            async move {
                // Every event comes twice.
                let id = format!("e{}", number / 2);
                let event = tracking(&id, None, "T1", TrackingStatus::InTransit);
                let source = "test".into();
                store
                    .admit_events(&source, b"{}", vec![event])
                    .await
                    .unwrap()[0]
            }
        });
        let admitted = futures::future::join_all(told).await;
        let new = admitted.iter().filter(|admission| !admission.duplicate);
        assert_eq!(new.count(), 100);
        for pair in admitted.chunks(2) {
            assert_eq!(pair[0].id, pair[1].id);
        }
        assert_eq!(test.queue.take().len(), 100);
    }
}

#[tokio::test]
async fn card_numbers_are_masked_and_parcel_numbers_are_not() {
    for test in stores().await {
        // Fifteen digits that pass for a card's.
        let parcel = "378282246310005";
        let mut event = tracking("e1", None, parcel, TrackingStatus::InTransit);
        if let CommerceEventKind::Tracking { event, .. } = &mut event.kind {
            event.message = Some("paid with 4111 1111 1111 1111".to_owned());
        }
        let raw = b"{\"note\": \"4111 1111 1111 1111\"}";
        let source = "test".into();
        let admitted = test
            .store
            .admit_events(&source, raw, vec![event])
            .await
            .unwrap();
        let raw = test.store.raw_event(admitted[0].id).await.unwrap().unwrap();
        assert!(!String::from_utf8_lossy(&raw).contains("4111"));
        let stored = test
            .store
            .load_event(admitted[0].id)
            .await
            .unwrap()
            .unwrap();
        let CommerceEventKind::Tracking {
            event,
            tracking_number,
            ..
        } = stored.event.kind
        else {
            panic!("it is tracking")
        };
        assert_eq!(tracking_number, Some(parcel.into()));
        assert_eq!(event.message.as_deref(), Some("paid with •••• 1111"));
    }
}

async fn admit_and_enrich(
    test: &TestStore,
    event: CommerceEvent,
) -> doorstep_core::CommerceEventId {
    let source = "test".into();
    let admitted = test.store.admit_events(&source, b"{}", vec![event]).await;
    let id = admitted.unwrap()[0].id;
    test.enricher().enrich(id).await.unwrap();
    id
}
