//! Offers to narrow down a search that found much more than is shown: buttons such as "blue (12)" and "up to €50 (7)".
//!
//! A flow names what may be offered: `offer: [colour, price]`, attributes of the catalog, `brand` and `price`. Of each the
//! value is offered that parts what was found most evenly. How many there are is counted in the index; what each costs, and
//! whether it can be had, is looked up when it is shown (G4).

use std::collections::BTreeSet;

use doorstep_core::{
    Money,
    message::Button,
    search::{Facet, Facets},
};

use super::Call;
use crate::{
    dialogue::{memory::Search, press::Press},
    templates::Facts,
};

/// The label of a value. Facts: `value`, `count`.
pub(crate) const BY_VALUE: &str = "button_narrow_value";
/// The label of a price. Facts: `price`, `count`.
pub(crate) const BY_PRICE: &str = "button_narrow_price";

/// The argument of a flow that names what may be offered.
pub(super) const OFFER: &str = "offer";
/// The argument with the slot that a button fills.
pub(super) const NARROW: &str = "narrow";

/// How many are offered.
const MAX_OFFERED: usize = 3;
/// Found are so many times as many as are shown, or more: else looking is easier than choosing.
const MUCH_MORE: usize = 2;
/// How uneven the parts may be: 0 for halves, 1 for all or nothing.
const MAX_UNEVEN: f64 = 0.7;

/// What flows call the price and the brand; any other name is an attribute's.
const PRICE: &str = "price";
const BRAND: &str = "brand";

/// The leading digits of prices that people name.
const ROUND: [i64; 9] = [10, 15, 20, 25, 30, 40, 50, 60, 80];

/// One of the ways to narrow a search down.
#[derive(Debug, Clone, PartialEq)]
enum Narrower {
    /// A value of an attribute.
    Attribute(String, String),
    Brand(String),
    /// The most it may cost, in minor units.
    UpTo(i64),
}

/// What is to be counted for the offers of a flow.
pub(super) fn facets(call: &Call<'_>) -> Vec<Facet> {
    let names = call.words(OFFER).iter();
    // Prices are told with whatever is counted.
    let facets: BTreeSet<Facet> = names
        .map(|name| match name.as_str() {
            BRAND | PRICE => Facet::Brand,
            name => Facet::Attribute(name.to_owned()),
        })
        .collect();
    facets.into_iter().collect()
}

/// Buttons that narrow down `search`, which found `found` and shows `shown` of it.
pub(super) fn buttons(
    call: &Call<'_>,
    search: &Search,
    found: &Facets,
    shown: usize,
) -> Vec<Button> {
    let Some(slot) = call.slot_name(NARROW) else {
        return Vec::new();
    };
    if shown == 0 || found.count <= shown * MUCH_MORE {
        return Vec::new();
    }
    let currency = call.scene.parts.shop_profile.currency;
    let unit = 10_i64.pow(u32::from(currency.exponent().unwrap_or(2)));
    let mut offers: Vec<(Narrower, usize)> = call
        .words(OFFER)
        .iter()
        .filter_map(|name| most_even(name, search, found, unit))
        .collect();
    offers.sort_by(|a, b| uneven(a.1, found.count).total_cmp(&uneven(b.1, found.count)));
    let button = |(narrower, count): (Narrower, usize)| {
        let press = Press::Flow {
            flow: call.frame.flow.clone(),
            slots: vec![(slot.to_owned(), narrower.written())],
        };
        let value = press.to_string();
        // What a button cannot carry is not offered.
        (Press::parse(&value).as_ref() == Some(&press)).then(|| Button {
            label: label(call, &narrower, count),
            value,
        })
    };
    let buttons = offers.into_iter().filter_map(button);
    buttons.take(MAX_OFFERED).collect()
}

/// What a button's value adds to a search; `None` where it is not one of ours.
pub(super) fn read(value: &str) -> Option<Search> {
    let narrower = Narrower::read(value)?;
    let mut search = Search::default();
    match narrower {
        Narrower::Attribute(name, value) => {
            search.attributes.insert(name, vec![value]);
        }
        Narrower::Brand(brand) => search.brand = Some(brand),
        Narrower::UpTo(price) => search.max_price = Some(price),
    }
    Some(search)
}

impl Narrower {
    fn written(&self) -> String {
        match self {
            Self::Attribute(name, value) => format!("is:{name}:{value}"),
            Self::Brand(brand) => format!("brand:{brand}"),
            Self::UpTo(price) => format!("up_to:{price}"),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "is" => {
                let (name, value) = rest.split_once(':')?;
                Some(Self::Attribute(name.to_owned(), value.to_owned()))
            }
            "brand" => Some(Self::Brand(rest.to_owned())),
            "up_to" => rest.parse().ok().map(Self::UpTo),
            _ => None,
        }
    }
}

/// Of the values of one name the one that parts what was found most evenly, with how many have it.
fn most_even(name: &str, search: &Search, found: &Facets, unit: i64) -> Option<(Narrower, usize)> {
    let ways: Vec<(Narrower, usize)> = match name {
        PRICE if search.max_price.is_some() => Vec::new(),
        PRICE => round_prices(unit)
            .map(|price| {
                let count = found.prices.partition_point(|own| *own <= price);
                (Narrower::UpTo(price), count)
            })
            .collect(),
        BRAND if search.brand.is_some() => Vec::new(),
        BRAND => {
            let values = found.values.get(&Facet::Brand).into_iter().flatten();
            values
                .map(|brand| (Narrower::Brand(brand.value.clone()), brand.count))
                .collect()
        }
        name if search.attributes.contains_key(name) || name.contains(':') => Vec::new(),
        name => {
            let facet = Facet::Attribute(name.to_owned());
            let values = found.values.get(&facet).into_iter().flatten();
            values
                .map(|value| {
                    let narrower = Narrower::Attribute(name.to_owned(), value.value.clone());
                    (narrower, value.count)
                })
                .collect()
        }
    };
    let uneven = |count| uneven(count, found.count);
    ways.into_iter()
        .filter(|(_, count)| *count > 0 && uneven(*count) <= MAX_UNEVEN)
        .min_by(|a, b| uneven(a.1).total_cmp(&uneven(b.1)))
}

/// By how much the two parts of `all` differ: 0 for halves, 1 for all or nothing.
fn uneven(part: usize, all: usize) -> f64 {
    let (part, all) = (part as f64, all.max(1) as f64);
    (2.0 * part - all).abs() / all
}

/// Prices as people name them, in minor units of which `unit` are a major one.
fn round_prices(unit: i64) -> impl Iterator<Item = i64> {
    let magnitudes = (0..9).map(|zeros| 10_i64.pow(zeros));
    magnitudes.flat_map(move |magnitude| ROUND.map(|digits| digits * magnitude * unit / 10))
}

fn label(call: &Call<'_>, narrower: &Narrower, count: usize) -> String {
    let facts: Facts = call.facts.clone().with("count", count);
    match narrower {
        Narrower::Attribute(_, value) | Narrower::Brand(value) => {
            call.label(BY_VALUE, &facts.with("value", value))
        }
        Narrower::UpTo(price) => {
            let currency = call.scene.parts.shop_profile.currency;
            let price = Money::new(*price, currency);
            call.label(BY_PRICE, &facts.with("price", price))
        }
    }
}

#[cfg(test)]
mod tests {
    use doorstep_core::search::FacetValue;

    use super::*;

    fn found() -> Facets {
        let value = |value: &str, count| FacetValue {
            value: value.to_owned(),
            count,
        };
        let colour = Facet::Attribute("colour".to_owned());
        let category = Facet::Attribute("category".to_owned());
        Facets {
            count: 20,
            prices: (1..=20).map(|n| n * 1_000).collect(),
            values: [
                (
                    colour,
                    vec![value("black", 18), value("blue", 9), value("red", 4)],
                ),
                (category, vec![value("jackets", 20)]),
                (Facet::Brand, vec![value("Halden", 2), value("Ostra", 1)]),
            ]
            .into(),
        }
    }

    #[test]
    fn the_value_that_parts_most_evenly_is_offered() {
        let offered = |name, search: &Search| most_even(name, search, &found(), 100);
        let nothing_yet = Search::default();
        let blue = Narrower::Attribute("colour".into(), "blue".into());
        assert_eq!(offered("colour", &nothing_yet), Some((blue, 9)));
        // All or almost nothing is no choice.
        assert_eq!(offered("category", &nothing_yet), None);
        assert_eq!(offered("brand", &nothing_yet), None);
        assert_eq!(offered("wheels", &nothing_yet), None);
        let half = (Narrower::UpTo(10_000), 10);
        assert_eq!(offered("price", &nothing_yet), Some(half));
        let narrowed = Search {
            max_price: Some(5_000),
            attributes: [("colour".to_owned(), vec!["red".to_owned()])].into(),
            ..Search::default()
        };
        assert_eq!(offered("colour", &narrowed), None);
        assert_eq!(offered("price", &narrowed), None);
    }

    #[test]
    fn prices_are_round_in_any_currency() {
        let prices: Vec<i64> = round_prices(100).take(11).collect();
        assert_eq!(
            prices,
            [100, 150, 200, 250, 300, 400, 500, 600, 800, 1_000, 1_500]
        );
        assert!(round_prices(1).all(|price| price > 0));
    }

    #[test]
    fn what_a_button_carries_is_read_again() {
        for narrower in [
            Narrower::Attribute("colour".into(), "blue: dark".into()),
            Narrower::Brand("Kestrel & Pike".into()),
            Narrower::UpTo(5_000),
        ] {
            assert_eq!(Narrower::read(&narrower.written()), Some(narrower));
        }
        for strange in ["", "blue", "is:colour", "up_to:x", "drop:table"] {
            assert_eq!(read(strange), None, "{strange}");
        }
    }
}
