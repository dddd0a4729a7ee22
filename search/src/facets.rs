//! Counts of values, however they are written.

use std::{cmp::Reverse, collections::BTreeMap};

use doorstep_core::search::{Facet, FacetValue};

use crate::analysis::filter_key;

/// As many values of one facet are told.
const MAX_VALUES: usize = 100;

/// What was counted so far.
pub(crate) struct Tally {
    /// For each wanted facet and normalised value, in which ways it is written and how often.
    counts: BTreeMap<Facet, BTreeMap<String, BTreeMap<String, usize>>>,
}

impl Tally {
    /// Of the facets `wanted`.
    pub(crate) fn of(wanted: &[Facet]) -> Self {
        let none = |facet: &Facet| (facet.clone(), BTreeMap::new());
        Self {
            counts: wanted.iter().map(none).collect(),
        }
    }

    /// `count` more documents that have `value`.
    pub(crate) fn add(&mut self, facet: &Facet, value: &str, count: usize) {
        if let Some(values) = self.counts.get_mut(facet) {
            let ways = values.entry(filter_key(value)).or_default();
            *ways.entry(value.to_owned()).or_default() += count;
        }
    }

    /// The values of each facet, the most frequent first.
    pub(crate) fn told(self) -> BTreeMap<Facet, Vec<FacetValue>> {
        let told = |(facet, values): (Facet, BTreeMap<_, _>)| {
            let mut values: Vec<FacetValue> = values.into_values().filter_map(told).collect();
            values.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
            values.truncate(MAX_VALUES);
            (facet, values)
        };
        self.counts.into_iter().map(told).collect()
    }
}

/// A value as it is written most often.
fn told(ways: BTreeMap<String, usize>) -> Option<FacetValue> {
    let count = ways.values().sum();
    let (value, _) = ways.into_iter().min_by_key(|(_, count)| Reverse(*count))?;
    Some(FacetValue { value, count })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_once_however_it_is_written() {
        let facet = Facet::Attribute("colour".to_owned());
        let mut tally = Tally::of(std::slice::from_ref(&facet));
        for (value, count) in [("blue", 2), ("Blue", 3), ("red", 1), ("grün", 5)] {
            tally.add(&facet, value, count);
        }
        tally.add(&Facet::Brand, "not asked for", 1);
        let told = tally.told();
        let told: Vec<(&str, usize)> = told[&facet]
            .iter()
            .map(|value| (value.value.as_str(), value.count))
            .collect();
        assert_eq!(told, [("Blue", 5), ("grün", 5), ("red", 1)]);
    }
}
