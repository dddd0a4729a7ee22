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
//! | `forecasts.rs` | the model in use: learnt from the store, kept there, asked |
//! | `measure.rs` | how good it is |

mod boost;
mod calibrate;
mod drift;
mod encode;
mod forecasts;
mod hazard;
mod history;
mod learn;
mod measure;
mod window;

pub use forecasts::{EtaConfig, Forecasts};
pub use history::Parcel;
pub use learn::{Forecast, Model};
pub use measure::{Baseline, Measured, Promised, Ratios, Window, measure};

use std::fmt;

use chrono::NaiveDate;
use doorstep_core::{
    Timestamp,
    order::DateWindow,
    shipment::{Shipment, TrackingStatus},
};
use serde::{Deserialize, Serialize};

use crate::store::OrderRecord;

/// When a parcel is expected, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eta {
    /// The days, in the destination's calendar.
    pub window: DateWindow,
    /// How probably it is one of these days, in percent; `None` where who says so does not say.
    pub probability: Option<u8>,
    /// Who says so: `carrier:DHL`, `shop:demo`, or `learned:80 %` with the window's probability; `prior:80 %` while there were
    /// too few deliveries to learn from.
    pub source: String,
    /// As of when they say so.
    pub as_of: Option<Timestamp>,
}

/// How the source of learnt days begins.
const LEARNED: &str = "learned:";
/// How the source of days begins that rest on what parcels usually take.
const PRIOR: &str = "prior:";

impl Eta {
    /// Whether it rests on what parcels usually take, and only on few of the shop's own.
    pub fn is_prior(&self) -> bool {
        self.source.starts_with(PRIOR)
    }
}

/// Who may say when a parcel comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authority {
    /// The carrier's own estimate.
    Carrier,
    /// What was learnt from the shop's own parcels.
    Learned,
    /// What the shop promised.
    Promised,
}

impl fmt::Display for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Carrier => "carrier",
            Self::Learned => "learned",
            Self::Promised => "promised",
        })
    }
}

/// What each says, side by side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Estimates {
    /// The carrier's estimate.
    pub carrier: Option<Eta>,
    /// What was learnt.
    pub learned: Option<Eta>,
    /// What the shop promised.
    pub promised: Option<Eta>,
    /// What parcels usually take, while too little was learnt.
    pub prior: Option<Eta>,
}

impl Estimates {
    /// What the first of these says who says anything. What parcels usually take counts last, where what is learnt counts.
    pub fn most_trusted(&self, trust: &[Authority]) -> Option<&Eta> {
        let named = trust.iter().find_map(|authority| match authority {
            Authority::Carrier => self.carrier.as_ref(),
            Authority::Learned => self.learned.as_ref(),
            Authority::Promised => self.promised.as_ref(),
        });
        let prior = self.prior.as_ref();
        named.or(prior.filter(|_| trust.contains(&Authority::Learned)))
    }
}

/// What carrier and shop say, as of `today` in the destination's calendar; nothing that was learnt.
pub(crate) fn told(
    order: Option<&OrderRecord>,
    shipment: Option<&Shipment>,
    today: NaiveDate,
) -> Estimates {
    Estimates {
        carrier: by_carrier(shipment, today),
        learned: None,
        promised: by_shop(order, shipment, today),
        prior: None,
    }
}

/// Whether a customer who was told one window should hear of another: it ends later, or begins earlier, by more than a
/// quarter of the days they were told. A window that only became narrower keeps what was said.
pub fn has_moved(told: DateWindow, now: DateWindow) -> bool {
    let length = (told.to - told.from).num_days() + 1;
    let later = (now.to - told.to).num_days();
    let earlier = (told.from - now.from).num_days();
    later.max(earlier) > length / 4
}

/// What the carrier estimates, as of `today` in the destination's calendar: nothing that would be in the past, or that a
/// problem made void.
fn by_carrier(shipment: Option<&Shipment>, today: NaiveDate) -> Option<Eta> {
    let shipment = shipment.filter(|shipment| !ended_or_unknown(shipment.status))?;
    let window = shipment.estimated.filter(|window| window.to >= today)?;
    Some(Eta {
        window,
        probability: None,
        source: format!("carrier:{}", shipment.carrier),
        as_of: shipment.status_at,
    })
}

/// What the shop promised, likewise. It promised before it knew of a delay, and less exactly than a parcel on the van is.
fn by_shop(
    order: Option<&OrderRecord>,
    shipment: Option<&Shipment>,
    today: NaiveDate,
) -> Option<Eta> {
    let is_void = |status: TrackingStatus| {
        ended_or_unknown(status) || status.is_problem() || status == TrackingStatus::OutForDelivery
    };
    if shipment.is_some_and(|shipment| is_void(shipment.status)) {
        return None;
    }
    let record = order?;
    let window = record.order.promised.filter(|window| window.to >= today)?;
    Some(Eta {
        window,
        probability: None,
        source: format!("shop:{}", record.source),
        as_of: Some(record.as_of),
    })
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
mod tests;
