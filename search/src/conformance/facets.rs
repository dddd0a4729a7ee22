//! Orders by price, and counts of values and prices.

use std::collections::BTreeMap;

use doorstep_core::search::{
    Facet, Facets, SearchDocument, SearchFilters, SearchIndex, SearchQuery, SearchSort,
};

use super::{RAIN, ask, ids, product};

/// Four waterproof jackets, and what has to do with one.
fn goods() -> Vec<SearchDocument> {
    let jacket = |id: &str, price: Option<i64>, brand: &str, colours: &[&str]| SearchDocument {
        price,
        brand: Some(brand.to_owned()),
        attributes: BTreeMap::from([(
            "Colour".to_owned(),
            colours.iter().map(ToString::to_string).collect(),
        )]),
        vector: Some(vec![0.9, 0.4, 0.0, 0.0]),
        ..product(id, &format!("Waterproof jacket {id}"), "")
    };
    vec![
        jacket("middle", Some(9_000), "Bergström", &["Blue"]),
        jacket("cheap", Some(5_000), "BERGSTRÖM", &["blue", "Black"]),
        jacket("dear", Some(20_000), "Fjordvik", &["Red"]),
        jacket("sample", None, "Fjordvik", &[]),
        SearchDocument {
            price: Some(900),
            vector: Some(RAIN.to_vec()),
            ..product("wash", "Jacket wash", "Cleans what you wear.")
        },
        SearchDocument {
            price: Some(90_000),
            vector: Some(vec![0.3, 0.0, 0.9, 0.0]),
            ..product("stove", "Gas stove", "Boils a litre of water.")
        },
    ]
}

fn sorted(text: &str, sort: SearchSort) -> SearchQuery {
    SearchQuery { sort, ..ask(text) }
}

fn colour() -> Facet {
    Facet::Attribute("colour".to_owned())
}

fn counting(text: &str) -> SearchQuery {
    SearchQuery {
        facets: vec![Facet::Brand, colour()],
        ..ask(text)
    }
}

async fn facets(engine: &dyn SearchIndex, query: SearchQuery) -> Facets {
    engine.search(&query).await.unwrap().facets.unwrap()
}

/// Values in lower case with their counts.
fn counts(facets: &Facets, facet: &Facet) -> Vec<(String, usize)> {
    let values = facets.values[facet].iter();
    values
        .map(|value| (value.value.to_lowercase(), value.count))
        .collect()
}

pub async fn the_cheapest_and_the_dearest_of_what_fits_come_first(engine: &dyn SearchIndex) {
    engine.upsert(goods()).await.unwrap();
    let text = "waterproof jacket";
    let cheapest = ids(engine, sorted(text, SearchSort::PriceAscending)).await;
    assert_eq!(cheapest, ["cheap", "middle", "dear", "sample"]);
    // What has no price is neither cheap nor dear.
    let dearest = ids(engine, sorted(text, SearchSort::PriceDescending)).await;
    assert_eq!(dearest, ["dear", "middle", "cheap", "sample"]);
    let query = SearchQuery {
        limit: 2,
        ..sorted(text, SearchSort::PriceAscending)
    };
    assert_eq!(ids(engine, query).await, ["cheap", "middle"]);
}

pub async fn what_fits_in_part_is_not_sorted_among_what_fits(engine: &dyn SearchIndex) {
    engine.upsert(goods()).await.unwrap();
    let query = SearchQuery {
        vector: Some(RAIN.to_vec()),
        ..sorted("waterproof jacket", SearchSort::PriceAscending)
    };
    let found = ids(engine, query.clone()).await;
    assert_eq!(found, ["cheap", "middle", "dear", "sample"]);
    let by_relevance = SearchQuery {
        sort: SearchSort::Relevance,
        ..query
    };
    let found = ids(engine, by_relevance).await;
    assert!(found.contains(&"wash".to_owned()), "{found:?}");
}

pub async fn what_is_far_in_meaning_is_not_sorted_among_what_is_near(engine: &dyn SearchIndex) {
    engine.upsert(goods()).await.unwrap();
    let query = SearchQuery {
        vector: Some(RAIN.to_vec()),
        ..sorted("something for bad weather", SearchSort::PriceDescending)
    };
    let found = ids(engine, query).await;
    assert_eq!(found, ["dear", "middle", "cheap", "wash", "sample"]);
}

pub async fn all_there_is_can_be_sorted(engine: &dyn SearchIndex) {
    engine.upsert(goods()).await.unwrap();
    let all = ids(engine, sorted("", SearchSort::PriceAscending)).await;
    assert_eq!(all, ["wash", "cheap", "middle", "dear", "stove", "sample"]);
}

pub async fn filters_hold_for_what_is_sorted(engine: &dyn SearchIndex) {
    engine.upsert(goods()).await.unwrap();
    let filters = SearchFilters {
        min_price: Some(5_001),
        ..SearchFilters::default()
    };
    for (text, expected) in [
        ("waterproof jacket", &["middle", "dear"][..]),
        ("", &["middle", "dear", "stove"]),
    ] {
        let query = SearchQuery {
            filters: filters.clone(),
            ..sorted(text, SearchSort::PriceAscending)
        };
        assert_eq!(ids(engine, query).await, expected, "{text}");
    }
}

pub async fn values_and_prices_are_counted_over_all_that_fits(engine: &dyn SearchIndex) {
    engine.upsert(goods()).await.unwrap();
    for limit in [0, 1, 10] {
        let query = SearchQuery {
            limit,
            ..counting("waterproof jacket")
        };
        let answer = engine.search(&query).await.unwrap();
        assert!(answer.hits.len() <= limit);
        let facets = answer.facets.unwrap();
        assert_eq!(facets.count, 4);
        assert_eq!(facets.prices, [5_000, 9_000, 20_000]);
        let brands = counts(&facets, &Facet::Brand);
        assert_eq!(brands, [("bergström".into(), 2), ("fjordvik".into(), 2)]);
        let colours = counts(&facets, &colour());
        let expected = [("blue".into(), 2), ("black".into(), 1), ("red".into(), 1)];
        assert_eq!(colours, expected);
    }
    let nothing = facets(engine, counting("elephant")).await;
    assert_eq!(nothing.count, 0);
    assert!(nothing.prices.is_empty() && nothing.values[&colour()].is_empty());
}

pub async fn what_is_counted_keeps_to_the_filters(engine: &dyn SearchIndex) {
    engine.upsert(goods()).await.unwrap();
    let filters = SearchFilters {
        attributes: [("colour".to_owned(), vec!["blue".to_owned()])].into(),
        ..SearchFilters::default()
    };
    for text in ["waterproof jacket", ""] {
        let query = SearchQuery {
            filters: filters.clone(),
            ..counting(text)
        };
        let facets = facets(engine, query).await;
        assert_eq!(facets.count, 2, "{text}");
        assert_eq!(facets.prices, [5_000, 9_000], "{text}");
        let expected = [("bergström".into(), 2)];
        assert_eq!(counts(&facets, &Facet::Brand), expected, "{text}");
    }
}

pub async fn nothing_is_counted_unless_it_is_asked_for(engine: &dyn SearchIndex) {
    engine.upsert(goods()).await.unwrap();
    let answer = engine.search(&ask("jacket")).await.unwrap();
    assert_eq!(answer.facets, None);
    let unknown = Facet::Attribute("wheels".to_owned());
    let query = SearchQuery {
        facets: vec![unknown.clone()],
        ..ask("jacket")
    };
    let facets = facets(engine, query).await;
    assert!(facets.count > 0 && facets.values[&unknown].is_empty());
}
