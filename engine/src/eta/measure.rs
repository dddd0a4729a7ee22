//! How good the forecasts are on parcels whose delivery is known, forecast as they would have been in production.

use serde::Serialize;

use super::{
    history::{Parcel, Stream, days},
    learn::{Walk, nested},
};

/// The probabilities of the windows that are measured.
const LEVELS: [f64; 2] = [0.8, 0.9];
/// All is learnt anew after so many days.
const LEARN_DAYS: f64 = 14.0;
/// The plain baseline knows the deliveries of so many days.
const BASELINE_DAYS: f64 = 28.0;

/// What was measured. Times are in days.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// How many parcels were forecast and compared.
    pub n: usize,
    /// Mean distance from the forecast's median to the delivery.
    pub median_mae_days: Option<f64>,
    /// The windows.
    pub windows: Vec<Window>,
    /// What the shop promised.
    pub promised: Promised,
    /// Median and quantiles of the deliveries in the 28 days before each hand-over.
    pub last_28_days: Baseline,
    /// The forecasts' figures divided by those they are compared with.
    pub ratios: Ratios,
}

/// The windows of one probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Window {
    /// The stated probability.
    pub level: f64,
    /// The share of deliveries within.
    pub coverage: Option<f64>,
    /// Mean time from start to end.
    pub mean_width_days: Option<f64>,
}

/// How the shop's promise did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Promised {
    /// Of how many of the parcels it is known.
    pub n: usize,
    /// Mean distance from promise to delivery.
    pub mae_days: Option<f64>,
    /// The share delivered after it.
    pub late_share: Option<f64>,
}

/// How plain quantiles did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Baseline {
    /// Mean distance from the median to the delivery.
    pub median_mae_days: Option<f64>,
    /// Central quantiles.
    pub windows: Vec<Window>,
}

/// Below 1 is better.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ratios {
    /// Error against the promise's, over parcels with a promise.
    pub mae_to_promised: Option<f64>,
    /// Error against the 28-day median's.
    pub mae_to_last_28_days: Option<f64>,
    /// Mean width of all windows against the 28-day quantiles'.
    pub width_to_last_28_days: Option<f64>,
}

/// Sums over parcels.
#[derive(Default)]
struct Sums {
    n: usize,
    error: f64,
    held: [usize; LEVELS.len()],
    width: [f64; LEVELS.len()],
}

impl Sums {
    fn add(&mut self, median: f64, spans: &[(f64, f64)], delivered: f64) {
        self.n += 1;
        self.error += (median - delivered).abs();
        for (place, (from, to)) in spans.iter().enumerate().take(LEVELS.len()) {
            self.held[place] += usize::from((*from..=*to).contains(&delivered));
            self.width[place] += to - from;
        }
    }

    fn windows(&self) -> Vec<Window> {
        (0..LEVELS.len())
            .map(|place| Window {
                level: LEVELS[place],
                coverage: mean(self.held[place] as f64, self.n),
                mean_width_days: mean(self.width[place], self.n),
            })
            .collect()
    }
}

/// Forecasts each parcel of `test` at its hand-over, from `train` and from what became known in `test` before that
/// moment. Parcels that were not delivered, or before they left, are not compared.
pub fn measure(train: &[Parcel], test: &[Parcel]) -> Measured {
    let all: Vec<Parcel> = train.iter().chain(test).cloned().collect();
    let stream = Stream::new(&all);
    let mut tested: Vec<f64> = test.iter().map(|parcel| days(parcel.handed_over)).collect();
    tested.sort_unstable_by(f64::total_cmp);
    let mut arrivals: Vec<(f64, f64)> = stream
        .trips
        .iter()
        .filter_map(|trip| Some((trip.delivered?, trip.delivered? - trip.handed_over)))
        .collect();
    arrivals.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut own, mut plain) = (Sums::default(), Sums::default());
    let (mut own_of_promised, mut promised, mut late) = (0.0, Vec::new(), 0_usize);
    let (Some(start), Some(end)) = (tested.first().copied(), tested.last().copied()) else {
        return measured(&own, &plain, 0.0, &promised, late);
    };
    let mut walk = Walk::new(&stream);
    walk.calibrate_before(start);
    let mut from = start;
    while from <= end {
        if stream.between(from, from + LEARN_DAYS).is_empty() {
            from += LEARN_DAYS;
            continue;
        }
        walk.learn(from);
        walk.forecast_until(from, from + LEARN_DAYS, |trip, arrival, calibration| {
            let (true, Some(delivered)) = (trip.place >= train.len(), trip.delivered) else {
                return;
            };
            let now = trip.handed_over;
            let spans: Vec<(f64, f64)> = nested(arrival, calibration, &LEVELS, now)
                .iter()
                .map(|span| (span.from, span.to))
                .collect();
            own.add(arrival.median(), &spans, delivered);
            let (median, spans) = baseline(&arrivals, now);
            plain.add(median, &spans, delivered);
            if let Some(at) = all[trip.place].promised.map(days) {
                own_of_promised += (arrival.median() - delivered).abs();
                promised.push((at - delivered).abs());
                late += usize::from(delivered > at);
            }
        });
        from += LEARN_DAYS;
    }
    measured(&own, &plain, own_of_promised, &promised, late)
}

fn measured(
    own: &Sums,
    plain: &Sums,
    own_of_promised: f64,
    promised: &[f64],
    late: usize,
) -> Measured {
    let error: f64 = promised.iter().sum();
    Measured {
        n: own.n,
        median_mae_days: mean(own.error, own.n),
        windows: own.windows(),
        promised: Promised {
            n: promised.len(),
            mae_days: mean(error, promised.len()),
            late_share: mean(late as f64, promised.len()),
        },
        last_28_days: Baseline {
            median_mae_days: mean(plain.error, plain.n),
            windows: plain.windows(),
        },
        ratios: Ratios {
            mae_to_promised: ratio(own_of_promised, error),
            mae_to_last_28_days: ratio(own.error, plain.error),
            width_to_last_28_days: ratio(own.width.iter().sum(), plain.width.iter().sum()),
        },
    }
}

/// Median and central quantiles of how long the deliveries of the last 28 days took; of all before if there were none.
fn baseline(arrivals: &[(f64, f64)], now: f64) -> (f64, Vec<(f64, f64)>) {
    let known = &arrivals[..arrivals.partition_point(|(at, _)| *at < now)];
    let recent = &known[known.partition_point(|(at, _)| *at < now - BASELINE_DAYS)..];
    let chosen = if recent.is_empty() { known } else { recent };
    let mut took: Vec<f64> = chosen.iter().map(|(_, took)| *took).collect();
    took.sort_unstable_by(f64::total_cmp);
    let spans = LEVELS
        .iter()
        .map(|level| {
            let tail = (1.0 - level) / 2.0;
            (
                now + quantile(&took, tail),
                now + quantile(&took, 1.0 - tail),
            )
        })
        .collect();
    (now + quantile(&took, 0.5), spans)
}

/// Between the two nearest values, in proportion; 0 of none.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * sorted.len().saturating_sub(1) as f64;
    // Within the values.
    let below = place.floor() as usize;
    let value = |place: usize| sorted.get(place).or(sorted.last()).copied().unwrap_or(0.0);
    value(below) + (value(below + 1) - value(below)) * (place - place.floor())
}

fn mean(sum: f64, count: usize) -> Option<f64> {
    (count > 0).then(|| sum / count as f64)
}

fn ratio(of: f64, to: f64) -> Option<f64> {
    (to > 0.0).then(|| of / to)
}
