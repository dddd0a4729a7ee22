//! Learning as it goes on in production: at some moments all is learnt anew, in between drift and calibration are
//! followed, and nothing is used before the moment at which it became known.

use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};

use super::{
    boost::Settings,
    calibrate::Calibration,
    drift::{Drift, Odds},
    encode::Encoder,
    hazard::{Hazard, handed_over},
    history::{Parcel, Stream, Trip, day_of, days, moment},
    window::{Arrival, Span, days_of},
};
use doorstep_core::order::DateWindow;

/// Before a model is used, forecasts of so many periods of so many days are made in retrospect, each by a model of its
/// time, to calibrate it.
const PERIODS: i32 = 4;
const PERIOD_DAYS: f64 = 28.0;
/// How far back drift is counted when a model is new: what is older has faded.
const DRIFT_DAYS: i32 = 60;

/// What was learnt from the shop's own parcels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    hazard: Hazard,
    encoder: Encoder,
    odds: Odds,
    calibration: Calibration,
    /// As of when, in days since 1970.
    as_of: f64,
    /// How many deliveries it rests on.
    deliveries: usize,
}

/// When a parcel is expected, by the clocks of its destination.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// The moment by which it is there with even odds.
    pub median: NaiveDateTime,
    /// The start of the window.
    pub from: NaiveDateTime,
    /// Its end.
    pub to: NaiveDateTime,
    /// Its days.
    pub days: DateWindow,
}

impl Model {
    /// Learns from parcels as known at `now`. Takes seconds for ten thousand parcels; do not call it where others wait.
    pub fn learn(parcels: &[Parcel], now: NaiveDateTime) -> Self {
        let now = days(now);
        let known: Vec<Parcel> = parcels
            .iter()
            .filter(|parcel| handed_over(parcel) < now)
            .map(|parcel| Parcel {
                delivered: parcel.delivered.filter(|at| days(*at) < now),
                ..parcel.clone()
            })
            .collect();
        let stream = Stream::new(&known);
        let mut walk = Walk::new(&stream);
        walk.calibrate_before(now);
        walk.learn(now);
        walk.advance(now);
        Self {
            odds: walk.drift.odds(),
            as_of: now,
            deliveries: known
                .iter()
                .filter(|parcel| parcel.delivered.is_some())
                .count(),
            hazard: walk.hazard,
            calibration: walk.calibration,
            encoder: stream.encoder,
        }
    }

    /// How many deliveries it rests on.
    pub fn deliveries(&self) -> usize {
        self.deliveries
    }

    /// When a parcel that is not there at `now` is expected, with a window that holds with probability `level`.
    /// None when it should have come long ago: of such parcels nothing was learnt.
    pub fn forecast(&self, parcel: &Parcel, level: f64, now: NaiveDateTime) -> Option<Forecast> {
        let age = day_of(days(now)) - day_of(handed_over(parcel));
        if age >= self.hazard.horizon() {
            return None;
        }
        let arrival = self.hazard.arrival(
            &self.encoder.encode(parcel),
            handed_over(parcel),
            days(now),
            &self.odds,
        );
        let span = arrival.narrowest(self.calibration.level(level, self.as_of));
        let (first, last) = days_of(span);
        let date = |day: i32| moment(f64::from(day)).date();
        Some(Forecast {
            median: moment(arrival.median()),
            from: moment(span.from),
            to: moment(span.to),
            days: DateWindow {
                from: date(first),
                to: date(last),
            },
        })
    }

    /// As it is kept.
    pub(crate) fn write(&self) -> String {
        // Its maps have keys of text and its numbers are finite: nothing in it has no form in JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a model as it was kept; none when another version wrote it or it is damaged.
    pub fn read(json: &str) -> Option<Self> {
        let model: Self = serde_json::from_str(json).ok()?;
        let is_sound =
            model.hazard.is_sound() && model.calibration.is_sound() && model.as_of.is_finite();
        is_sound.then_some(model)
    }
}

/// A walk through the stream in the order of time.
pub(crate) struct Walk<'a> {
    stream: &'a Stream,
    hazard: Hazard,
    drift: Drift,
    calibration: Calibration,
    settings: Settings,
    /// Drift is counted up to this day.
    today: i32,
    /// Arrivals that were forecast and are not known yet: when they become known and how surprising they are.
    ahead: Vec<(f64, f64)>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(stream: &'a Stream) -> Self {
        let settings = Settings::default();
        let start = stream.trips.first().map_or(0.0, |trip| trip.handed_over);
        Self {
            stream,
            hazard: Hazard::learn(stream, start, &settings),
            drift: Drift::default(),
            calibration: Calibration::default(),
            settings,
            today: day_of(start),
            ahead: Vec::new(),
        }
    }

    /// Forecasts in retrospect what was handed over in the periods before `now`.
    pub(crate) fn calibrate_before(&mut self, now: f64) {
        for period in (1..=PERIODS).rev() {
            let start = now - PERIOD_DAYS * f64::from(period);
            self.learn(start);
            self.forecast_until(start, start + PERIOD_DAYS, |_, _, _| {});
        }
    }

    /// Learns anew from what is known at `now`.
    pub(crate) fn learn(&mut self, now: f64) {
        self.hazard = Hazard::learn(self.stream, now, &self.settings);
        self.drift = Drift::default();
        self.today = day_of(now) - DRIFT_DAYS;
        self.advance(now);
    }

    /// Forecasts what was handed over in `[start, end)`, each parcel at its hand-over.
    pub(crate) fn forecast_until(
        &mut self,
        start: f64,
        end: f64,
        mut told: impl FnMut(&Trip, &Arrival, &Calibration),
    ) {
        for trip in self.stream.between(start, end) {
            let now = trip.handed_over;
            self.advance(now);
            let odds = self.drift.odds();
            let arrival = self.hazard.arrival(&trip.encoded, now, now, &odds);
            told(trip, &arrival, &self.calibration);
            if let Some(delivered) = trip.delivered {
                self.ahead.push((delivered, arrival.surprise(delivered)));
            }
        }
    }

    /// Takes note of all that became known before `now`: whole days for drift, single arrivals for calibration.
    fn advance(&mut self, now: f64) {
        while self.today < day_of(now) {
            let midnight = f64::from(self.today + 1);
            self.drift.fade();
            let oldest = f64::from(self.today - self.hazard.horizon());
            for trip in self.stream.between(oldest, midnight) {
                self.drift.count(&self.hazard, trip, self.today, midnight);
            }
            self.today += 1;
            self.calibration.forget(midnight);
        }
        let calibration = &mut self.calibration;
        self.ahead.retain(|(known_at, surprise)| {
            let is_ahead = *known_at >= now;
            if !is_ahead {
                calibration.add(*known_at, *surprise);
            }
            is_ahead
        });
    }
}

/// The windows of several levels, the surer ones around the others.
pub(crate) fn nested(
    arrival: &Arrival,
    calibration: &Calibration,
    levels: &[f64],
    now: f64,
) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::with_capacity(levels.len());
    for level in levels {
        let span = arrival.narrowest(calibration.level(*level, now));
        spans.push(match spans.last() {
            Some(inner) => span.around(*inner),
            None => span,
        });
    }
    spans
}
