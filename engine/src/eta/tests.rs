use super::*;
use crate::testing;

mod learning;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn window(from: &str, to: &str) -> DateWindow {
    DateWindow {
        from: day(from),
        to: day(to),
    }
}

fn parcel(status: TrackingStatus, estimated: Option<DateWindow>) -> Shipment {
    Shipment {
        carrier: "DHL".to_owned(),
        tracking_number: "T1".into(),
        status,
        status_at: None,
        estimated,
    }
}

fn both(order: &OrderRecord, shipment: Option<&Shipment>, today: &str) -> Estimates {
    Estimates {
        carrier: by_carrier(shipment, day(today)),
        learned: None,
        promised: by_shop(Some(order), shipment, day(today)),
        prior: None,
    }
}

#[test]
fn whoever_is_trusted_most_is_believed() {
    let mut order = testing::order_record("1001");
    order.order.promised = Some(window("2026-11-23", "2026-11-26"));
    let told = parcel(
        TrackingStatus::InTransit,
        Some(window("2026-11-24", "2026-11-24")),
    );
    let mut estimates = both(&order, Some(&told), "2026-11-21");
    estimates.learned = Some(Eta {
        window: window("2026-11-24", "2026-11-25"),
        probability: Some(80),
        source: "learned:80 %".to_owned(),
        as_of: None,
    });
    let source = |trust: &[Authority]| Some(estimates.most_trusted(trust)?.source.as_str());
    use Authority::{Carrier, Learned, Promised};
    assert_eq!(source(&[Carrier, Learned, Promised]), Some("carrier:DHL"));
    assert_eq!(source(&[Learned, Carrier]), Some("learned:80 %"));
    assert_eq!(source(&[Promised]), Some("shop:test"));
    assert_eq!(source(&[]), None);
    let untold = parcel(TrackingStatus::InTransit, None);
    let estimates = both(&order, Some(&untold), "2026-11-21");
    let eta = estimates
        .most_trusted(&[Carrier, Learned, Promised])
        .unwrap();
    assert_eq!(
        (eta.window.to, eta.source.as_str()),
        (day("2026-11-26"), "shop:test")
    );
}

#[test]
fn what_parcels_usually_take_counts_last_and_only_where_learnt_days_count() {
    use Authority::{Carrier, Learned, Promised};
    let prior = Eta {
        window: window("2026-11-23", "2026-11-30"),
        probability: Some(80),
        source: "prior:80 %".to_owned(),
        as_of: None,
    };
    let mut order = testing::order_record("1001");
    let untold = parcel(TrackingStatus::InTransit, None);
    let of = |order: &OrderRecord, trust: &[Authority]| {
        let estimates = Estimates {
            prior: Some(prior.clone()),
            ..both(order, Some(&untold), "2026-11-21")
        };
        estimates.most_trusted(trust).cloned()
    };
    assert_eq!(of(&order, &[Learned, Promised]), Some(prior.clone()));
    assert_eq!(of(&order, &[Carrier, Promised]), None);
    order.order.promised = Some(window("2026-11-23", "2026-11-26"));
    let told = of(&order, &[Learned, Promised]).unwrap();
    assert_eq!(told.source, "shop:test");
    assert!(!told.is_prior() && prior.is_prior());
}

#[test]
fn no_window_is_told_after_a_problem_or_once_it_has_passed() {
    let mut order = testing::order_record("1001");
    order.order.promised = Some(window("2026-11-23", "2026-11-26"));
    let estimated = Some(window("2026-11-24", "2026-11-24"));
    for status in [
        TrackingStatus::Exception,
        TrackingStatus::Lost,
        TrackingStatus::Delivered,
    ] {
        let shipment = parcel(status, estimated);
        assert_eq!(
            both(&order, Some(&shipment), "2026-11-21"),
            Estimates::default()
        );
    }
    let delayed = parcel(TrackingStatus::Delayed, None);
    assert_eq!(
        both(&order, Some(&delayed), "2026-11-21"),
        Estimates::default()
    );
    assert_eq!(both(&order, None, "2026-11-27"), Estimates::default());
}

#[test]
fn a_customer_hears_only_of_a_window_that_really_moved() {
    let told = window("2026-11-24", "2026-11-28");
    for (from, to, moved) in [
        ("2026-11-24", "2026-11-28", false),
        ("2026-11-25", "2026-11-27", false),
        ("2026-11-26", "2026-11-29", false),
        ("2026-11-26", "2026-11-30", true),
        ("2026-11-23", "2026-11-28", false),
        ("2026-11-22", "2026-11-25", true),
    ] {
        assert_eq!(has_moved(told, window(from, to)), moved, "{from} to {to}");
    }
    let day = window("2026-11-24", "2026-11-24");
    assert!(has_moved(day, window("2026-11-25", "2026-11-25")));
}
