//! The kinds of the catalog's products: that which a search means, and those beside a product's own.

use std::{cmp::Reverse, collections::BTreeMap};

use doorstep_core::{
    health::PortError,
    search::{CATEGORY, Facet, SearchFilters, SearchSort},
};

use super::{
    Call, catalog,
    searching::{self, CatalogWords, Wanted},
};
use crate::{dialogue::shown, knowledge};

/// How many hits tell the kind.
const MAX_HITS: usize = 12;
/// So many of the best hits, one of this number, are of the kind that is meant, where the words do not say it.
const OF_A_KIND: usize = 3;

/// What is of another kind than `own`: of the kinds that the message names, else of any that the catalog has.
pub(super) async fn others(
    call: &Call<'_>,
    own: &str,
) -> Result<BTreeMap<String, Vec<String>>, PortError> {
    let is_other = |kind: &String| kind.to_lowercase() != own.to_lowercase();
    let named = call.scene.understanding.entities.iter();
    let named = named.filter(|entity| shown::is_kind(entity));
    let named = named.filter_map(|entity| Some(entity.value.split_once('=')?.1.to_owned()));
    let mut kinds: Vec<String> = named.filter(is_other).collect();
    if kinds.is_empty() {
        let words = searching::other_words(call, "").await;
        // Without words, only what is sorted is all there is.
        let all = Wanted {
            sort: SearchSort::PriceAscending,
            facets: vec![Facet::Attribute(CATEGORY.to_owned())],
            ..Wanted::default()
        };
        let found = searching::search(call, &words, all).await?;
        let values = found.facets.unwrap_or_default().values.into_values();
        let values = values.flatten().map(|counted| counted.value);
        kinds = values.filter(is_other).collect();
    }
    let kinds = (!kinds.is_empty()).then(|| (CATEGORY.to_owned(), kinds));
    Ok(kinds.into_iter().collect())
}

/// The same among things of one kind: a cheap spray for jackets is no cheap jacket, and a green rucksack no green tent. Of the
/// kinds of the best hits it is the one that the words name, else the most frequent one.
pub(super) async fn of_kind(
    call: &Call<'_>,
    words: &CatalogWords,
    mut wanted: Wanted,
) -> Result<Wanted, PortError> {
    if words.is_empty() || wanted.filters.attributes.contains_key(CATEGORY) {
        return Ok(wanted);
    }
    let best = Wanted {
        filters: SearchFilters {
            attributes: BTreeMap::new(),
            ..wanted.filters.clone()
        },
        limit: MAX_HITS,
        ..Wanted::default()
    };
    let hits = searching::search(call, words, best).await?.hits;
    let offers = catalog::offers_of(call, &hits).await?;
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for kind in offers
        .iter()
        .filter_map(|offer| offer.product.category.as_deref())
    {
        *kinds.entry(kind).or_default() += 1;
    }
    let mut kinds: Vec<(String, usize)> = kinds
        .into_iter()
        .map(|(kind, count)| (knowledge::category_words(kind), count))
        .collect();
    kinds.sort_by_key(|(kind, count)| (!names(&words.text, kind), Reverse(*count)));
    if let Some((kind, count)) = kinds.into_iter().next()
        && (names(&words.text, &kind) || count * OF_A_KIND >= offers.len())
    {
        let kinds = &mut wanted.filters.attributes;
        kinds.insert(CATEGORY.to_owned(), vec![kind]);
    }
    Ok(wanted)
}

/// Whether a text says all words of a kind, in singular or plural.
fn names(text: &str, kind: &str) -> bool {
    let text = text.to_lowercase();
    let said: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    let is_same = |a: &str, b: &str| {
        let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
        short.len() >= 3 && long.len() <= short.len() + 2 && long.starts_with(short)
    };
    let kind = kind.to_lowercase();
    let mut words = kind.split_whitespace();
    words.all(|word| said.iter().any(|said| is_same(said, word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_named_in_singular_and_plural() {
        for (text, kind) in [
            ("waterproof jacket", "jackets"),
            ("the cheapest Boots", "boots"),
            ("a hat", "hats"),
            ("sleeping bag for winter", "sleeping bags"),
        ] {
            assert!(names(text, kind), "{text}");
        }
        assert!(!names("travel towel", "travel accessories"));
        assert!(!names("headlamp", "lamps"));
        assert!(!names("", "hats"));
    }
}
