//! What is known of parcels, told in the order in which it became known.

use chrono::{DateTime, NaiveDateTime};
use serde::{Deserialize, Serialize};

use super::encode::{Encoded, Encoder};

const SECONDS_A_DAY: f64 = 86_400.0;

/// One parcel, past or on its way. All times are by the clocks of its destination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parcel {
    /// When its order was placed.
    pub purchased: Option<NaiveDateTime>,
    /// When the carrier got it.
    pub handed_over: NaiveDateTime,
    /// Until when the shop promised it.
    pub promised: Option<NaiveDateTime>,
    /// When it was there; none while it is on its way.
    pub delivered: Option<NaiveDateTime>,
    /// Where it comes from: a code whose first word is its region, like `SP` or `DE 10`.
    pub origin: Option<String>,
    /// Where it goes; likewise.
    pub destination: Option<String>,
    /// Who carries it.
    pub carrier: Option<String>,
    /// The carrier's product.
    pub service: Option<String>,
    /// What kind of thing is in it.
    pub category: Option<String>,
    /// What sending it cost, in the shop's currency.
    pub freight: Option<f32>,
    /// Its weight in grams.
    pub weight_g: Option<f32>,
}

impl Parcel {
    /// A parcel of which only the hand-over is known.
    pub fn handed_over(at: NaiveDateTime) -> Self {
        Self {
            purchased: None,
            handed_over: at,
            promised: None,
            delivered: None,
            origin: None,
            destination: None,
            carrier: None,
            service: None,
            category: None,
            freight: None,
            weight_g: None,
        }
    }

    /// Whether it can be learnt from: it did not arrive before it left.
    pub(crate) fn is_sound(&self) -> bool {
        self.delivered.is_none_or(|at| at > self.handed_over)
    }
}

/// A time as days since 1970, by the same clocks.
pub(crate) fn days(at: NaiveDateTime) -> f64 {
    let at = at.and_utc();
    // Exact for some hundred thousand years.
    at.timestamp() as f64 / SECONDS_A_DAY
}

/// The time of so many days since 1970, to the second.
pub(crate) fn moment(days: f64) -> NaiveDateTime {
    let seconds = (days * SECONDS_A_DAY).round();
    DateTime::from_timestamp(seconds as i64, 0)
        .unwrap_or_default()
        .naive_utc()
}

/// The whole days in a time.
pub(crate) fn day_of(at: f64) -> i32 {
    // Saturates, far outside any calendar.
    at.floor() as i32
}

/// 0 for Monday.
pub(crate) fn weekday(day: i32) -> i32 {
    // 1970 began on a Thursday.
    (day + 3).rem_euclid(7)
}

/// A parcel as the model reads it.
#[derive(Debug, Clone)]
pub(crate) struct Trip {
    /// Which of the parcels that were given.
    pub(crate) place: usize,
    /// Days since 1970.
    pub(crate) handed_over: f64,
    pub(crate) delivered: Option<f64>,
    /// What was known of it and its like when it was handed over.
    pub(crate) encoded: Encoded,
}

impl Trip {
    pub(crate) fn first_day(&self) -> i32 {
        day_of(self.handed_over)
    }

    /// When it was there, if that was known at `now`.
    pub(crate) fn delivered_by(&self, now: f64) -> Option<f64> {
        self.delivered.filter(|at| *at < now)
    }

    /// The midnights between hand-over and delivery, if that was known at `now`.
    pub(crate) fn age_at_delivery(&self, now: f64) -> Option<i32> {
        Some(day_of(self.delivered_by(now)?) - self.first_day())
    }
}

/// Parcels by their hand-over; of each, only what was known then is encoded.
pub(crate) struct Stream {
    pub(crate) trips: Vec<Trip>,
    /// What is known when all has been told.
    pub(crate) encoder: Encoder,
}

impl Stream {
    /// Leaves out parcels that cannot be learnt from.
    pub(crate) fn new(parcels: &[Parcel]) -> Self {
        let mut sound: Vec<usize> = (0..parcels.len())
            .filter(|place| parcels[*place].is_sound())
            .collect();
        sound.sort_by_key(|place| (parcels[*place].handed_over, *place));
        let mut arrivals: Vec<usize> = sound.clone();
        arrivals.retain(|place| parcels[*place].delivered.is_some());
        arrivals.sort_by_key(|place| (parcels[*place].delivered, *place));
        let mut arrivals = arrivals.into_iter().peekable();
        let mut encoder = Encoder::default();
        let mut trips = Vec::with_capacity(sound.len());
        for place in sound {
            let parcel = &parcels[place];
            while let Some(arrived) =
                arrivals.next_if(|arrived| parcels[*arrived].delivered < Some(parcel.handed_over))
            {
                encoder.observe_delivery(&parcels[arrived]);
            }
            trips.push(Trip {
                place,
                handed_over: days(parcel.handed_over),
                delivered: parcel.delivered.map(days),
                encoded: encoder.encode(parcel),
            });
        }
        for arrived in arrivals {
            encoder.observe_delivery(&parcels[arrived]);
        }
        Self { trips, encoder }
    }

    /// The parcels handed over in `[from, to)`.
    pub(crate) fn between(&self, from: f64, to: f64) -> &[Trip] {
        let start = self.trips.partition_point(|trip| trip.handed_over < from);
        let end = self.trips.partition_point(|trip| trip.handed_over < to);
        &self.trips[start..end.max(start)]
    }
}
