//! How likely a parcel that is not there yet comes today: a discrete hazard, learnt by boosting from every day that
//! every parcel was on its way. Parcels that are still on their way count as far as they have come, so that recent
//! hand-overs, of which only the fast have arrived, do not make carriers look fast.

use serde::{Deserialize, Serialize};

use super::{
    boost::{Forest, Rows, Settings, logistic},
    drift::{Drift, Odds},
    encode::{self, Encoded},
    history::{Parcel, Stream, Trip, day_of, days},
    window::Arrival,
};

/// Of the past, how much is learnt from: so many days.
const MEMORY_DAYS: f64 = 730.0;
/// How many days a parcel is followed, at least and at most.
const HORIZON: std::ops::RangeInclusive<i32> = 30..=120;
/// How many days of parcels at risk the prior counts for, at each age.
const PRIOR_ROWS: f64 = 20.0;
/// How many deliveries the prior of the hour counts for.
const PRIOR_HOURS: f64 = 20.0;
/// Before anything is known: half of the parcels take up to so many days, and this is the spread of the logarithm.
const PRIOR_MEDIAN_DAYS: f64 = 4.0;
const PRIOR_SPREAD: f64 = 0.7;
/// And how much less comes on Saturdays and Sundays.
const PRIOR_REST: [f64; 3] = [1.0, 0.5, 0.1];
/// Below so many days of parcels, trees would learn chance.
const MIN_ROWS: usize = 1000;

/// The model of one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hazard {
    /// After so many days nothing is expected any more.
    horizon: i32,
    /// The logarithm of the odds by age, on working days, Saturdays, Sundays.
    base: Vec<[f32; 3]>,
    forest: Forest,
    /// The share of deliveries in each hour of the day.
    hours: [f32; 24],
    /// Where promises are short, middling and long: drift is followed in each.
    leads: [f32; 2],
}

/// One day of one parcel on its way, and whether it came.
struct Day<'a> {
    trip: &'a Trip,
    age: i32,
    came: bool,
}

impl Hazard {
    /// From what was known at `now`.
    pub(crate) fn learn(stream: &Stream, now: f64, settings: &Settings) -> Self {
        let trips = stream.between(now - MEMORY_DAYS, now);
        let horizon = horizon(trips, now);
        let days: Vec<Day<'_>> = trips
            .iter()
            .flat_map(|trip| past_days(trip, now, horizon))
            .collect();
        let mut hazard = Self {
            horizon,
            base: base(&days, horizon),
            forest: Forest::default(),
            hours: hours(trips, now),
            leads: leads(trips),
        };
        if days.len() >= MIN_ROWS {
            let rows: Vec<_> = days
                .iter()
                .map(|day| day.trip.encoded.on(day.trip.first_day(), day.age))
                .collect();
            let scores: Vec<f32> = days
                .iter()
                .map(|day| hazard.base_on(day.trip.first_day() + day.age, day.age))
                .collect();
            let answers: Vec<bool> = days.iter().map(|day| day.came).collect();
            hazard.forest = Forest::grow(&Rows::new(&rows), &scores, &answers, settings);
        }
        hazard
    }

    pub(crate) fn horizon(&self) -> i32 {
        self.horizon
    }

    /// In which class of promises drift is followed for a parcel.
    pub(crate) fn class(&self, encoded: &Encoded) -> usize {
        match encoded.lead {
            Some(lead) if lead <= self.leads[0] => 0,
            Some(lead) if lead > self.leads[1] => 2,
            _ => 1,
        }
    }

    fn base_on(&self, day: i32, age: i32) -> f32 {
        // Ages are not negative.
        let age = (age.max(0) as usize).min(self.base.len().saturating_sub(1));
        self.base
            .get(age)
            .map_or(0.0, |by_day| by_day[encode::rest(day)])
    }

    /// The logarithm of the odds that a parcel of this age comes on its day, as in the times learnt from.
    fn score(&self, encoded: &Encoded, first_day: i32, age: i32) -> f64 {
        let base = self.base_on(first_day + age, age);
        f64::from(base) + self.forest.score(&encoded.on(first_day, age))
    }

    /// The probability of that.
    pub(crate) fn expected(&self, trip: &Trip, age: i32) -> f64 {
        logistic(self.score(&trip.encoded, trip.first_day(), age))
    }

    /// When a parcel comes that is not there at `now`.
    pub(crate) fn arrival(
        &self,
        encoded: &Encoded,
        handed_over: f64,
        now: f64,
        odds: &Odds,
    ) -> Arrival {
        let first_day = day_of(handed_over);
        let today = day_of(now.max(handed_over));
        let shift = odds.of(self.class(encoded));
        let mut left = 1.0;
        let end = (first_day + self.horizon).max(today + 1);
        let mut by_day: Vec<f64> = (today..=end)
            .map(|day| {
                let comes = logistic(self.score(encoded, first_day, day - first_day) + shift);
                let mass = left * comes;
                left -= mass;
                mass
            })
            .collect();
        // Whatever has not come by then is lost or comes too late to be told of.
        let told: f64 = by_day.iter().sum();
        if told > 0.0 {
            by_day.iter_mut().for_each(|mass| *mass /= told);
        }
        Arrival::new(today, &by_day, &self.hours, now.max(handed_over))
    }

    /// Whether it can be used: what is stored may come from elsewhere.
    pub(crate) fn is_sound(&self) -> bool {
        let figures = self.base.iter().flatten().chain(&self.hours);
        !self.base.is_empty()
            && (1..=*HORIZON.end()).contains(&self.horizon)
            && figures.into_iter().all(|figure| figure.is_finite())
            && self.forest.is_sound()
    }
}

/// The whole days before `now` on which a parcel was on its way.
fn past_days(trip: &Trip, now: f64, horizon: i32) -> impl Iterator<Item = Day<'_>> {
    let first_day = trip.first_day();
    let delivered = trip.age_at_delivery(f64::from(day_of(now)));
    let yesterday = day_of(now) - 1 - first_day;
    let last = delivered.unwrap_or(yesterday).min(yesterday).min(horizon);
    (0..=last).map(move |age| Day {
        trip,
        age,
        came: delivered == Some(age),
    })
}

/// A quarter more than all but the slowest of 200 parcels took.
fn horizon(trips: &[Trip], now: f64) -> i32 {
    let mut took: Vec<i32> = trips
        .iter()
        .filter_map(|trip| trip.age_at_delivery(now))
        .collect();
    took.sort_unstable();
    let slow = took.get(took.len().saturating_sub(1) * 199 / 200);
    let horizon = slow.map_or(60, |slow| slow + slow / 4);
    horizon.clamp(*HORIZON.start(), *HORIZON.end())
}

/// The odds by age and kind of day, with the prior's.
fn base(days: &[Day<'_>], horizon: i32) -> Vec<[f32; 3]> {
    let ages = 0..=horizon;
    let mut came: Vec<[f64; 3]> = ages.clone().map(|_| [0.0; 3]).collect();
    let mut at_risk = came.clone();
    for day in days {
        // From 0 to the horizon.
        let age = day.age as usize;
        let rest = encode::rest(day.trip.first_day() + day.age);
        at_risk[age][rest] += 1.0;
        came[age][rest] += f64::from(u8::from(day.came));
    }
    ages.map(|age| {
        let place = age as usize;
        std::array::from_fn(|rest| {
            let prior = prior(age) * PRIOR_REST[rest];
            let share =
                (came[place][rest] + PRIOR_ROWS * prior) / (at_risk[place][rest] + PRIOR_ROWS);
            let share = share.clamp(1e-5, 0.99);
            (share / (1.0 - share)).ln() as f32
        })
    })
    .collect()
}

/// The prior's probability that a parcel comes at this age if it has not come before: log-logistic, which is nearly
/// log-normal and has a hazard in closed form.
fn prior(age: i32) -> f64 {
    // A logistic distribution with this scale has that spread.
    let scale = PRIOR_SPREAD * 3_f64.sqrt() / std::f64::consts::PI;
    let there = |days: f64| match days > 0.0 {
        true => logistic((days / PRIOR_MEDIAN_DAYS).ln() / scale),
        false => 0.0,
    };
    let (before, after) = (there(f64::from(age)), there(f64::from(age) + 1.0));
    // Weekends take away a fifth.
    (1.25 * (after - before) / (1.0 - before)).min(0.9)
}

/// At which hours parcels come. The prior: from eight to eight.
fn hours(trips: &[Trip], now: f64) -> [f32; 24] {
    let mut counts: [f64; 24] = std::array::from_fn(|hour| match (8..20).contains(&hour) {
        true => PRIOR_HOURS / 12.0,
        false => 0.0,
    });
    for at in trips.iter().filter_map(|trip| trip.delivered_by(now)) {
        // Below 24.
        let hour = (at.rem_euclid(1.0) * 24.0) as usize;
        counts[hour.min(23)] += 1.0;
    }
    let all: f64 = counts.iter().sum();
    counts.map(|count| (count / all) as f32)
}

/// The ends of the shorter and the middling third of promises.
fn leads(trips: &[Trip]) -> [f32; 2] {
    let mut leads: Vec<f32> = trips.iter().filter_map(|trip| trip.encoded.lead).collect();
    leads.sort_unstable_by(f32::total_cmp);
    let third = |part: usize| leads.get(part * leads.len() / 3).copied().unwrap_or(0.0);
    [third(1), third(2)]
}

/// A parcel's hand-over in days, for callers that hold one.
pub(crate) fn handed_over(parcel: &Parcel) -> f64 {
    days(parcel.handed_over)
}

impl Drift {
    /// Counts one day of a parcel that was on its way.
    pub(crate) fn count(&mut self, hazard: &Hazard, trip: &Trip, day: i32, now: f64) {
        let age = day - trip.first_day();
        let delivered = trip.age_at_delivery(now);
        if age < 0 || age > hazard.horizon() || delivered.is_some_and(|at| at < age) {
            return;
        }
        let class = hazard.class(&trip.encoded);
        self.add(class, delivered == Some(age), hazard.expected(trip, age));
    }
}
