//! What the model promises, on parcels of a made-up carrier.

use chrono::{Days, NaiveDateTime, TimeDelta, Timelike};
use proptest::prelude::*;

use crate::eta::{Measured, Model, Parcel, measure};

/// Numbers from 0 to 1 that are always the same.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as f64 / f64::from(1_u32 << 31)
    }

    /// About normal, by the sum of twelve.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

fn at(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

/// `count` parcels, ten a day from 2 March 2026, that take about `usual(day)` days; those of the carrier `slow` twice as
/// long.
fn parcels(count: usize, seed: u64, usual: impl Fn(usize) -> f64) -> Vec<Parcel> {
    let mut draw = Draw(seed);
    (0..count)
        .map(|place| {
            let day = place / 10;
            let handed_over = at("2026-03-02T09:00:00")
                + Days::new(day as u64)
                + TimeDelta::minutes((draw.next() * 500.0) as i64);
            let carrier = if draw.next() < 0.5 { "slow" } else { "fast" };
            let factor = if carrier == "slow" { 2.0 } else { 1.0 };
            let took = usual(day) * factor * (0.35 * draw.normal()).exp();
            let delivered = handed_over + TimeDelta::minutes((took * 1440.0) as i64);
            Parcel {
                delivered: Some(delivered),
                carrier: Some(carrier.to_owned()),
                ..Parcel::handed_over(handed_over)
            }
        })
        .collect()
}

fn coverage(measured: &Measured) -> Vec<f64> {
    let windows = measured.windows.iter();
    windows.map(|window| window.coverage.unwrap()).collect()
}

#[test]
fn windows_hold_as_often_as_they_say_and_are_narrower_than_plain_ones() {
    let all = parcels(1800, 7, |_| 4.0);
    let measured = measure(&all[..1000], &all[1000..]);
    assert_eq!(measured.n, 800);
    let coverage = coverage(&measured);
    assert!((0.77..=0.83).contains(&coverage[0]), "{coverage:?}");
    assert!((0.87..=0.93).contains(&coverage[1]), "{coverage:?}");
    assert!(
        measured.ratios.width_to_last_28_days.unwrap() < 0.9,
        "{measured:?}"
    );
    assert!(
        measured.ratios.mae_to_last_28_days.unwrap() < 0.9,
        "{measured:?}"
    );
}

#[test]
fn drift_is_followed() {
    // Three weeks after all began to take two thirds longer.
    let all = parcels(1600, 11, |day| if day < 100 { 3.0 } else { 5.0 });
    let measured = measure(&all[..1210], &all[1210..]);
    let coverage = coverage(&measured);
    assert!((0.75..=0.85).contains(&coverage[0]), "{coverage:?}");
    assert!((0.85..=0.95).contains(&coverage[1]), "{coverage:?}");
}

#[test]
fn what_happens_later_changes_no_forecast() {
    let mut all = parcels(700, 3, |_| 3.0);
    let now = at("2026-04-20T12:00:00");
    let before = Model::learn(&all, now);
    for parcel in &mut all {
        if parcel.delivered > Some(now) {
            parcel.delivered = None;
        }
    }
    all.retain(|parcel| parcel.handed_over < now);
    assert!(before == Model::learn(&all, now));
}

#[test]
fn with_little_or_no_history_windows_are_wide_and_sane() {
    let now = at("2026-03-02T10:00:00");
    let asked = Parcel::handed_over(now);
    let none = Model::learn(&[], now);
    let wide = none.forecast(&asked, 0.8, now).unwrap();
    assert!(
        (2..=9).contains(&(wide.median - now).num_days()),
        "{wide:?}"
    );
    assert!(
        (5..=14).contains(&(wide.to - wide.from).num_days()),
        "{wide:?}"
    );
    // Fifty parcels that took a day say something, but not all.
    let few = parcels(50, 5, |_| 1.0);
    let later = at("2026-03-10T10:00:00");
    let asked = Parcel::handed_over(later);
    let learnt = Model::learn(&few, later)
        .forecast(&asked, 0.8, later)
        .unwrap();
    assert!(learnt.to - learnt.from < wide.to - wide.from, "{learnt:?}");
    let empty = measure(&[], &[]);
    assert_eq!((empty.n, empty.median_mae_days), (0, None));
    assert_eq!(measure(&[], &few).n, 50);
}

#[test]
fn parcels_that_cannot_be_are_left_out() {
    let mut all = parcels(300, 9, |_| 2.0);
    let sound = measure(&all[..200], &all[200..]);
    for parcel in &mut all[..20] {
        parcel.delivered = Some(parcel.handed_over - Days::new(3));
    }
    all[250].delivered = None;
    all[251].freight = Some(f32::MAX);
    let measured = measure(&all[..200], &all[200..]);
    assert_eq!(measured.n, sound.n - 1);
    assert!(measured.median_mae_days.unwrap().is_finite());
}

#[test]
fn a_model_is_read_as_it_was_kept_and_a_damaged_one_is_not() {
    let now = at("2026-05-10T10:00:00");
    let model = Model::learn(&parcels(600, 2, |_| 3.0), now);
    let kept = model.write();
    let read = Model::read(&kept).unwrap();
    let asked = Parcel::handed_over(now);
    assert_eq!(
        read.forecast(&asked, 0.9, now),
        model.forecast(&asked, 0.9, now)
    );
    assert_eq!(read.deliveries(), 600);
    assert!(Model::read(&kept[..kept.len() / 2]).is_none());
    assert!(Model::read("{}").is_none());
    let unsound = kept.replacen("\"horizon\":", "\"horizon\":-", 1);
    assert!(Model::read(&unsound).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is known of a parcel, and whenever one asks.
    #[test]
    fn no_window_begins_before_now_and_surer_ones_are_wider(
        hours in 0_i64..400,
        freight in proptest::option::of(0.0_f32..1e6),
        promised in proptest::option::of(-40_i64..4000),
        carrier in proptest::option::of("slow|fast|new"),
    ) {
        thread_local! {
            static MODEL: Model = Model::learn(&parcels(600, 2, |_| 3.0), at("2026-05-10T10:00:00"));
        }
        let handed_over = at("2026-05-10T10:00:00");
        let now = handed_over + TimeDelta::hours(hours);
        let parcel = Parcel {
            freight,
            promised: promised.map(|hours| handed_over + TimeDelta::hours(hours)),
            carrier,
            ..Parcel::handed_over(handed_over)
        };
        MODEL.with(|model| {
            let windows: Vec<_> = [0.5, 0.8, 0.9, 0.99]
                .iter()
                .filter_map(|level| model.forecast(&parcel, *level, now))
                .collect();
            for window in &windows {
                prop_assert!(window.from >= now.with_nanosecond(0).unwrap_or(now));
                prop_assert!(window.from <= window.to && window.days.from <= window.days.to);
                prop_assert!(window.days.from >= now.date());
                prop_assert!(window.median >= now);
            }
            for pair in windows.windows(2) {
                let width = |forecast: &crate::eta::Forecast| forecast.to - forecast.from;
                prop_assert!(width(&pair[0]) <= width(&pair[1]));
            }
            Ok(())
        })?;
    }
}
