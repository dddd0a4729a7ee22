use chrono::NaiveDate;
use doorstep_core::Clock;
use doorstep_core::{
    event::CommerceEventKind,
    order::DateWindow,
    shipment::TrackingStatus::{self, Delivered, Exception, InTransit},
};

use super::*;
use crate::testing::{TestStore, stores, tracking};

/// A carrier told that a parcel of its own order is somewhere.
async fn tell(store: &TestStore, parcel: &str, status: TrackingStatus, at: Timestamp) {
    tell_with(store, parcel, status, at, ParcelFacts::default()).await;
}

/// The same, and something of the parcel itself.
async fn tell_with(
    store: &TestStore,
    parcel: &str,
    status: TrackingStatus,
    at: Timestamp,
    facts: ParcelFacts,
) {
    let order = format!("O-{parcel}");
    let id = format!("{parcel} {} {at}", status.as_str());
    let mut event = tracking(&id, Some(&order), parcel, status);
    event.occurred_at = at;
    if let CommerceEventKind::Tracking { event, .. } = &mut event.kind {
        event.occurred_at = at;
        event.parcel = facts;
    }
    let source = "test".into();
    let admitted = store.store.admit_events(&source, b"{}", vec![event]).await;
    let enricher = store.enricher();
    enricher.enrich(admitted.unwrap()[0].id).await.unwrap();
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Sixty parcels of the last three weeks, delivered two days after their hand-over.
async fn with_history(store: &TestStore) {
    for place in 0..60 {
        let handed_over = time("2026-10-29T09:00:00Z") + TimeDelta::hours(8 * place);
        let parcel = format!("P{place}");
        tell(store, &parcel, InTransit, handed_over).await;
        tell(
            store,
            &parcel,
            Delivered,
            handed_over + TimeDelta::hours(49),
        )
        .await;
    }
}

fn config(min_deliveries: usize) -> EtaConfig {
    EtaConfig {
        min_deliveries,
        time_zone: chrono_tz::Europe::London,
        ..EtaConfig::default()
    }
}

async fn estimate(store: &TestStore, forecasts: &Forecasts, parcel: &str) -> Option<Eta> {
    let found = store.store.find_shipment(&parcel.into()).await.unwrap();
    let (shipment, order) = found.unwrap();
    let order = store.store.find_order(&order.unwrap()).await.unwrap();
    forecasts
        .estimate(order.as_ref(), Some(&shipment), chrono_tz::Europe::London)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_one_instance_learns_all_tell() {
    for store in stores().await {
        with_history(&store).await;
        tell(&store, "T9", InTransit, time("2026-11-21T08:00:00Z")).await;
        let learner = Forecasts::new(store.store.clone(), config(50));
        assert_eq!(learner.learn_if_due().await.unwrap(), Some(60));
        let teller = Forecasts::new(store.store.clone(), config(50));
        assert_eq!(teller.learn_if_due().await.unwrap(), None);
        assert_eq!(estimate(&store, &teller, "T9").await, None);
        teller.refresh().await.unwrap();
        let eta = estimate(&store, &teller, "T9").await.unwrap();
        assert_eq!(
            (eta.source.as_str(), eta.probability),
            ("learned:80 %", Some(80))
        );
        assert_eq!(eta.as_of, Some(store.clock.now()));
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert!(eta.window.from >= day("2026-11-21"), "{eta:?}");
        assert!(
            (day("2026-11-23")..=day("2026-11-26")).contains(&eta.window.to),
            "{eta:?}"
        );
        // After its time it is learnt anew.
        store.clock.advance(Duration::from_hours(13));
        assert_eq!(teller.learn_if_due().await.unwrap(), Some(60));
    }
}

#[tokio::test]
async fn what_parcels_usually_take_is_told_until_enough_is_learnt() {
    for store in stores().await {
        let new_shop = EtaConfig {
            prior: true,
            ..config(61)
        };
        let forecasts = Forecasts::new(store.store.clone(), new_shop);
        let eta = async |parcel| estimate(&store, &forecasts, parcel).await;
        tell(&store, "T9", InTransit, time("2026-11-21T08:00:00Z")).await;
        let usual = eta("T9").await.unwrap();
        assert_eq!((usual.probability, usual.is_prior()), (Some(80), true));
        assert_eq!(usual.source, "prior:80 %");
        assert_eq!(usual.as_of, Some(store.clock.now()));
        let length = |eta: &Eta| (eta.window.to - eta.window.from).num_days();
        assert!((3..=14).contains(&length(&usual)), "{usual:?}");

        // Sixty are too few to be told beside what others say, and say more than none.
        with_history(&store).await;
        assert_eq!(forecasts.learn_if_due().await.unwrap(), Some(60));
        forecasts.refresh().await.unwrap();
        let better = eta("T9").await.unwrap();
        assert!(better.is_prior(), "{better:?}");
        assert!(
            length(&better) < length(&usual),
            "{better:?} is no narrower than {usual:?}"
        );

        tell(&store, "T8", Exception, time("2026-11-21T08:00:00Z")).await;
        assert_eq!(eta("T8").await, None);
    }
}

#[tokio::test]
async fn nothing_learnt_is_told_after_an_exception_or_from_too_little() {
    for store in stores().await {
        with_history(&store).await;
        let now = time("2026-11-21T08:00:00Z");
        tell(&store, "T9", InTransit, now).await;
        let careful = Forecasts::new(store.store.clone(), config(61));
        assert_eq!(careful.learn_if_due().await.unwrap(), Some(60));
        careful.refresh().await.unwrap();
        assert_eq!(estimate(&store, &careful, "T9").await, None);

        store.clock.advance(Duration::from_hours(13));
        let forecasts = Forecasts::new(store.store.clone(), config(50));
        forecasts.learn_if_due().await.unwrap();
        forecasts.refresh().await.unwrap();
        assert!(estimate(&store, &forecasts, "T9").await.is_some());
        tell(&store, "T9", Exception, now + TimeDelta::hours(1)).await;
        assert_eq!(estimate(&store, &forecasts, "T9").await, None);
        // It moves again, but not as others do.
        tell(&store, "T9", InTransit, now + TimeDelta::hours(2)).await;
        assert_eq!(estimate(&store, &forecasts, "T9").await, None);
    }
}

#[tokio::test]
async fn the_order_of_trust_is_the_shops_and_all_words_are_kept() {
    let store = crate::testing::sqlite_store().await;
    with_history(&store).await;
    tell(&store, "T9", InTransit, time("2026-11-21T08:00:00Z")).await;
    let own = EtaConfig {
        trust: vec![Authority::Learned, Authority::Carrier],
        ..config(50)
    };
    let forecasts = Forecasts::new(store.store.clone(), own);
    forecasts.learn_if_due().await.unwrap();
    forecasts.refresh().await.unwrap();
    let found = store.store.find_shipment(&"T9".into()).await.unwrap();
    let (mut shipment, order) = found.unwrap();
    let mut order = store
        .store
        .find_order(&order.unwrap())
        .await
        .unwrap()
        .unwrap();
    let day = NaiveDate::from_ymd_opt(2026, 11, 25).unwrap();
    let window = DateWindow { from: day, to: day };
    shipment.estimated = Some(window);
    order.order.promised = Some(window);
    let zone = chrono_tz::Europe::London;
    let all = forecasts
        .estimates(Some(&order), Some(&shipment), zone)
        .await
        .unwrap();
    assert_eq!(all.carrier.unwrap().source, "carrier:DHL");
    assert_eq!(all.promised.unwrap().source, "shop:test");
    let told = forecasts
        .estimate(Some(&order), Some(&shipment), zone)
        .await
        .unwrap();
    assert_eq!(told, all.learned);
}

#[tokio::test]
async fn what_is_told_of_a_parcel_itself_is_learnt_from_whatever_came_first() {
    let facts = |origin: Option<&str>, service: Option<&str>, weight_g| ParcelFacts {
        origin: origin.map(str::to_owned),
        service: service.map(str::to_owned),
        weight_g,
    };
    let morning = time("2026-11-20T08:00:00Z");
    let noon = time("2026-11-20T12:00:00Z");
    let one = (
        TrackingStatus::PreTransit,
        morning,
        facts(Some("ES 28"), None, Some(500)),
    );
    let other = (InTransit, noon, facts(Some("ES 08"), Some("SEUR 24"), None));
    for store in stores().await {
        for (parcel, told) in [("P1", [&one, &other]), ("P2", [&other, &one])] {
            for (status, at, facts) in told {
                tell_with(&store, parcel, *status, *at, facts.clone()).await;
            }
            let known = store.store.on_its_way_since(&parcel.into()).await.unwrap();
            let expected = facts(Some("ES 08"), Some("SEUR 24"), Some(500));
            assert_eq!(known, Some((noon, expected)), "{parcel}");
        }
        let past = store.store.past_parcels(morning, 10).await.unwrap();
        for past in &past {
            let told = Told {
                carrier: &past.carrier,
                facts: &past.facts,
                order: past.order.as_ref(),
                handed_over_at: past.handed_over_at,
                delivered_at: past.delivered_at,
            };
            let parcel = told.parcel(chrono_tz::Europe::London);
            assert_eq!(
                (
                    parcel.origin.as_deref(),
                    parcel.service.as_deref(),
                    parcel.weight_g
                ),
                (Some("ES 08"), Some("seur 24"), Some(500.0))
            );
        }
        assert_eq!(past.len(), 2);
    }
}
