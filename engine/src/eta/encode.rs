//! A parcel as numbers: what it says itself, and how its like have fared so far.
//!
//! How long parcels of a carrier, a service, a route took is a mean of residuals, shrunk towards the mean of the wider
//! group (empirical Bayes), so that three parcels to a village say little and three thousand say much. It is read at
//! the moment of hand-over and from deliveries before it, in training as in use: no parcel ever explains itself.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::history::{Parcel, day_of, days, weekday};

/// How many numbers describe a parcel on one of its days.
pub(crate) const FEATURES: usize = 15;
/// Of them, those that differ from day to day come first.
const DAILY: usize = 3;
/// How many parcels a group needs until its own mean counts as much as the wider group's.
const SHRINKAGE: f64 = 12.0;
/// Parcels are compared with others whose promise left them about as long: classes of so many days, so many classes.
const LEAD_DAYS: f64 = 5.0;
const LEADS: usize = 12;

/// What was known of a parcel at its hand-over.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Encoded {
    values: [f32; FEATURES - DAILY],
    /// The day until which it was promised.
    promised_day: Option<i32>,
    /// How many days the promise gave when the order was placed, or when the parcel was handed over.
    pub(crate) lead: Option<f32>,
}

impl Encoded {
    /// The numbers of the day on which the parcel is `age` midnights old.
    pub(crate) fn on(&self, first_day: i32, age: i32) -> [f32; FEATURES] {
        let day = first_day + age;
        let mut row = [f32::NAN; FEATURES];
        row[0] = age as f32;
        row[1] = day_kind(day);
        row[2] = self
            .promised_day
            .map_or(f32::NAN, |promised| (promised - day) as f32);
        row[DAILY..].copy_from_slice(&self.values);
        row
    }
}

/// 0 Monday to 6 Sunday. Christmas and New Year, when nearly no carrier delivers, are Sundays.
fn day_kind(day: i32) -> f32 {
    use chrono::Datelike;
    let date = super::history::moment(f64::from(day)).date();
    match (date.month(), date.day()) {
        (12, 25) | (1, 1) => 6.0,
        _ => weekday(day) as f32,
    }
}

/// Whether it is a Saturday or a Sunday (or a day like one): 1 or 2; else 0.
pub(crate) fn rest(day: i32) -> usize {
    match day_kind(day) {
        kind if kind >= 6.0 => 2,
        kind if kind >= 5.0 => 1,
        _ => 0,
    }
}

/// The means so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Encoder {
    leads: Vec<Mean>,
    all: Mean,
    groups: [HashMap<String, Mean>; GROUPS],
}

/// Carrier, service, category, origin's region, origin, destination's region, destination, region to region, route.
const GROUPS: usize = 9;

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1.0;
    }

    /// The mean, drawn towards `wider` while there is little.
    fn shrunk(self, wider: f64) -> f64 {
        (self.sum + SHRINKAGE * wider) / (self.count + SHRINKAGE)
    }
}

impl Encoder {
    /// How a parcel compares with what was delivered so far.
    pub(crate) fn encode(&self, parcel: &Parcel) -> Encoded {
        let handed_over = days(parcel.handed_over);
        let purchased = parcel.purchased.map(days);
        let promised = parcel.promised.map(days);
        let told = |value: Option<f64>| value.map_or(f32::NAN, |value| value as f32);
        let groups = names(parcel);
        let mean = |group: usize, wider: f64| {
            let name = groups[group].as_ref()?;
            let mean = self.groups[group].get(name).copied().unwrap_or_default();
            Some(mean.shrunk(wider))
        };
        let origin = mean(4, mean(3, 0.0).unwrap_or_default());
        let destination = mean(6, mean(5, 0.0).unwrap_or_default());
        let regions = mean(7, destination.unwrap_or_default());
        let route = mean(8, regions.unwrap_or_default());
        let values = [
            told(promised.map(|at| at - handed_over)),
            told(promised.zip(purchased).map(|(to, from)| to - from)),
            told(purchased.map(|at| handed_over - at)),
            weekday(day_of(handed_over)) as f32,
            parcel.freight.unwrap_or(f32::NAN),
            parcel.weight_g.unwrap_or(f32::NAN),
            told(mean(0, 0.0)),
            told(mean(1, mean(0, 0.0).unwrap_or_default())),
            told(mean(2, 0.0)),
            told(origin),
            told(destination),
            told(route),
        ];
        Encoded {
            values,
            promised_day: promised.map(day_of),
            lead: promised.map(|at| (at - purchased.unwrap_or(handed_over)) as f32),
        }
    }

    pub(crate) fn observe_delivery(&mut self, parcel: &Parcel) {
        let Some(delivered) = parcel.delivered else {
            return;
        };
        let took = (days(delivered) - days(parcel.handed_over)).max(0.05).ln();
        let lead = lead_class(parcel);
        let residual = took - self.usual(lead);
        self.all.add(took);
        if self.leads.len() <= lead {
            self.leads.resize(LEADS + 1, Mean::default());
        }
        self.leads[lead].add(took);
        for (group, name) in self.groups.iter_mut().zip(names(parcel)) {
            if let Some(name) = name {
                group.entry(name).or_default().add(residual);
            }
        }
    }

    /// The usual logarithm of days on the way, of parcels with such a promise.
    fn usual(&self, lead: usize) -> f64 {
        let mean = self.leads.get(lead).copied().unwrap_or_default();
        mean.shrunk(self.all.shrunk(5_f64.ln()))
    }
}

fn lead_class(parcel: &Parcel) -> usize {
    let from = parcel.purchased.unwrap_or(parcel.handed_over);
    match parcel.promised {
        // Saturates at both ends.
        Some(to) => (((days(to) - days(from)) / LEAD_DAYS) as usize).min(LEADS - 1),
        None => LEADS,
    }
}

/// The groups a parcel belongs to, in the order of [`GROUPS`].
fn names(parcel: &Parcel) -> [Option<String>; GROUPS] {
    let origin = parcel.origin.as_deref();
    let destination = parcel.destination.as_deref();
    let region = |code: Option<&str>| {
        let first = code?.split([' ', '-', ',']).next()?;
        Some(first.to_owned())
    };
    let pair = |from: Option<String>, to: Option<String>| Some(format!("{}→{}", from?, to?));
    [
        parcel.carrier.clone(),
        pair(parcel.carrier.clone(), parcel.service.clone()).or_else(|| parcel.service.clone()),
        parcel.category.clone(),
        region(origin),
        origin.map(str::to_owned),
        region(destination),
        destination.map(str::to_owned),
        pair(region(origin), region(destination)),
        pair(parcel.origin.clone(), parcel.destination.clone()),
    ]
}
