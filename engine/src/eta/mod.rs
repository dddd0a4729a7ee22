//! When a parcel will be there: never a guess, always with the one who said so (G4).
//!
//! | file | what it holds |
//! |---|---|
//! | `history.rs` | parcels, in the order in which they became known |
//! | `encode.rs` | a parcel as numbers: itself, and how its like have fared |
//! | `boost.rs` | gradient boosting of small trees |
//! | `hazard.rs` | how likely a parcel comes on each day |
//! | `drift.rs` | what has changed since |
//! | `window.rs` | the narrowest window that holds so much |
//! | `calibrate.rs` | what windows must ask for so that they keep what they say |
//! | `learn.rs` | all that, as time goes on |
//! | `measure.rs` | how good it is |

mod boost;
mod calibrate;
mod drift;
mod encode;
mod hazard;
mod history;
mod learn;
mod measure;
mod window;

pub use history::Parcel;
pub use learn::{Forecast, Model};
pub use measure::{Baseline, Measured, Promised, Ratios, Window, measure};

use chrono::NaiveDate;
use doorstep_core::{
    order::DateWindow,
    shipment::{Shipment, TrackingStatus},
};

use crate::store::OrderRecord;

/// When a parcel is expected, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eta {
    /// The days, in the destination's calendar.
    pub window: DateWindow,
    /// Who says so: `carrier:DHL`, `shop:demo`.
    pub source: String,
}

/// The expected days of a parcel (or of an order that has none yet), as of `today` in the destination's calendar.
/// `None` when nobody said, when it would be in the past, or when a problem made void what was said before it.
pub fn estimate(
    order: Option<&OrderRecord>,
    shipment: Option<&Shipment>,
    today: NaiveDate,
) -> Option<Eta> {
    let status = shipment.map(|shipment| shipment.status);
    if status.is_some_and(ended_or_unknown) {
        return None;
    }
    let by_carrier = || {
        let shipment = shipment?;
        Some(Eta {
            window: shipment.estimated?,
            source: format!("carrier:{}", shipment.carrier),
        })
    };
    let by_shop = || {
        // The shop promised before it knew of the delay, and less exactly than a parcel on the van is.
        if matches!(status, Some(s) if s.is_problem() || s == TrackingStatus::OutForDelivery) {
            return None;
        }
        let record = order?;
        Some(Eta {
            window: record.order.promised?,
            source: format!("shop:{}", record.source),
        })
    };
    by_carrier()
        .filter(|eta| eta.window.to >= today)
        .or_else(|| by_shop().filter(|eta| eta.window.to >= today))
}

/// States after which no day can be told.
fn ended_or_unknown(status: TrackingStatus) -> bool {
    status.is_final()
        || matches!(
            status,
            TrackingStatus::Exception | TrackingStatus::Damaged | TrackingStatus::ReadyForPickup
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

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

    #[test]
    fn the_carrier_is_believed_before_the_shop() {
        let mut order = testing::order_record("1001");
        order.order.promised = Some(window("2026-11-23", "2026-11-26"));
        let today = day("2026-11-21");
        let told = parcel(
            TrackingStatus::InTransit,
            Some(window("2026-11-24", "2026-11-24")),
        );
        let eta = estimate(Some(&order), Some(&told), today).unwrap();
        assert_eq!(
            (eta.window.to, eta.source.as_str()),
            (day("2026-11-24"), "carrier:DHL")
        );
        let untold = parcel(TrackingStatus::InTransit, None);
        let eta = estimate(Some(&order), Some(&untold), today).unwrap();
        assert_eq!(
            (eta.window.to, eta.source.as_str()),
            (day("2026-11-26"), "shop:test")
        );
    }

    #[test]
    fn no_window_is_told_after_a_problem_or_once_it_has_passed() {
        let mut order = testing::order_record("1001");
        order.order.promised = Some(window("2026-11-23", "2026-11-26"));
        let estimated = Some(window("2026-11-24", "2026-11-24"));
        let today = day("2026-11-21");
        for status in [
            TrackingStatus::Exception,
            TrackingStatus::Lost,
            TrackingStatus::Delivered,
        ] {
            assert_eq!(
                estimate(Some(&order), Some(&parcel(status, estimated)), today),
                None
            );
        }
        let delayed = parcel(TrackingStatus::Delayed, None);
        assert_eq!(estimate(Some(&order), Some(&delayed), today), None);
        assert_eq!(estimate(Some(&order), None, day("2026-11-27")), None);
    }
}
