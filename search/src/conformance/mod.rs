//! What every [`SearchIndex`] promises, as tests. Each case gets an empty index of [`DIMENSIONS`] dimensions;
//! [`search_index_conformance!`](crate::search_index_conformance) runs them all on one engine.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A case fails by panicking.
#![allow(missing_docs)] // The names of the cases are sentences.

mod facets;
mod filters;
mod meaning;
mod similar;
mod words;
mod writes;

use std::collections::BTreeMap;

use chrono::DateTime;
use doorstep_core::search::{
    DocumentKind, SearchDocument, SearchFilters, SearchHit, SearchIndex, SearchQuery, SearchSort,
};

pub use self::{facets::*, filters::*, meaning::*, similar::*, words::*, writes::*};

/// The length of the vectors of these cases.
pub const DIMENSIONS: usize = 4;

/// Directions that stand for what a text is about.
pub const RAIN: [f32; DIMENSIONS] = [1.0, 0.0, 0.0, 0.0];
pub const WALKING: [f32; DIMENSIONS] = [0.0, 1.0, 0.0, 0.0];
pub const COOKING: [f32; DIMENSIONS] = [0.0, 0.0, 1.0, 0.0];

/// Makes one test of every case. The expression gives a fresh, empty engine; what it returns may be a guard that
/// dereferences to one. An engine that needs more care hands the cases to a macro of its own: `each: my_macro`.
#[macro_export]
macro_rules! search_index_conformance {
    (each: $make_tests:ident) => {
        $crate::search_index_conformance! { @list [$make_tests] [] }
    };
    (@list [$($make_tests:tt)*] [$($first:tt)*]) => {
        $($make_tests)*! { $($first)*
            a_product_is_found_by_its_words
            a_text_is_found_whatever_its_case_and_accents
            a_typo_in_a_long_word_is_forgiven
            a_document_is_found_by_meaning_alone
            what_both_lists_name_comes_first
            similarity_is_the_cosine_and_absent_without_vectors
            word_share_counts_the_words_of_the_query
            a_price_range_holds_for_every_hit
            a_sold_out_product_is_left_out_when_asked
            brand_and_attributes_narrow_ignoring_case
            one_of_several_values_is_enough
            products_and_passages_never_mix
            passages_come_in_the_language_asked_for
            filters_hold_for_the_vector_list_too
            filters_alone_list_what_fulfils_them
            the_cheapest_and_the_dearest_of_what_fits_come_first
            what_fits_in_part_is_not_sorted_among_what_fits
            what_is_far_in_meaning_is_not_sorted_among_what_is_near
            all_there_is_can_be_sorted
            filters_hold_for_what_is_sorted
            values_and_prices_are_counted_over_all_that_fits
            what_is_counted_keeps_to_the_filters
            nothing_is_counted_unless_it_is_asked_for
            words_and_meaning_are_weighed_together
            a_compound_and_its_parts_find_each_other
            a_synonym_finds_what_the_word_does
            a_measure_is_found_with_and_without_a_space
            a_begun_word_suggests_products
            suggestions_are_products_that_are_still_there
            what_is_like_a_product_is_found
            a_query_without_words_finds_nothing
            a_hostile_query_is_only_words
            a_megabyte_of_query_is_answered
            the_limit_is_kept
            a_deleted_document_is_gone
            a_replaced_document_is_there_once_and_new
            writes_and_searches_at_once_leave_everything_there
            an_engine_that_works_says_so
        }
    };
    (@cases $engine:expr; $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let engine = $engine;
                $crate::conformance::$case(&*engine).await;
            }
        )*
    };
    ($engine:expr) => {
        $crate::search_index_conformance! {
            @list [$crate::search_index_conformance] [@cases $engine;]
        }
    };
}

/// A product in English, in stock, without vector.
pub fn product(id: &str, title: &str, body: &str) -> SearchDocument {
    SearchDocument {
        id: id.to_owned(),
        kind: DocumentKind::Product,
        language: "en".parse().unwrap(),
        title: title.to_owned(),
        body: body.to_owned(),
        brand: None,
        price: Some(5000),
        in_stock: true,
        attributes: BTreeMap::new(),
        source: format!("{id}.html"),
        as_of: DateTime::UNIX_EPOCH,
        vector: None,
    }
}

/// A passage of a policy.
pub fn passage(id: &str, language: &str, title: &str, body: &str) -> SearchDocument {
    SearchDocument {
        kind: DocumentKind::Passage,
        language: language.parse().unwrap(),
        price: None,
        in_stock: false,
        ..product(id, title, body)
    }
}

/// A question for products, without vector and filters.
pub fn ask(text: &str) -> SearchQuery {
    SearchQuery {
        text: text.to_owned(),
        vector: None,
        kind: DocumentKind::Product,
        language: None,
        filters: SearchFilters::default(),
        sort: SearchSort::Relevance,
        facets: Vec::new(),
        limit: 10,
    }
}

/// A small shop of outdoor goods.
pub fn shop() -> Vec<SearchDocument> {
    let attribute = |name: &str, value: &str| {
        BTreeMap::from([(name.to_owned(), vec![value.to_owned(), "Black".to_owned()])])
    };
    vec![
        SearchDocument {
            brand: Some("Fjordvik".to_owned()),
            price: Some(18_900),
            attributes: attribute("Colour", "Red"),
            vector: Some(RAIN.to_vec()),
            ..product(
                "jacket",
                "Waterproof jacket",
                "Keeps the rain out on long days. Taped seams and a hood.",
            )
        },
        SearchDocument {
            brand: Some("Bergström".to_owned()),
            price: Some(9_900),
            in_stock: false,
            attributes: attribute("Colour", "Green"),
            vector: Some(vec![0.8, 0.6, 0.0, 0.0]),
            ..product(
                "poncho",
                "Rain poncho",
                "A light cover that packs into its own pocket. Waterproof.",
            )
        },
        SearchDocument {
            brand: Some("Bergström".to_owned()),
            price: Some(14_500),
            language: "es".parse().unwrap(),
            attributes: attribute("Talla", "42"),
            vector: Some(WALKING.to_vec()),
            ..product(
                "boots",
                "Botas de montaña",
                "Botas de cuero para caminatas largas, con suela antideslizante.",
            )
        },
        SearchDocument {
            price: Some(3_900),
            vector: Some(COOKING.to_vec()),
            ..product(
                "stove",
                "Gas stove",
                "Boils a litre of water in four minutes.",
            )
        },
        product("mug", "Steel mug", "Half a litre, with a folding handle."),
    ]
}

async fn filled(engine: &dyn SearchIndex) {
    engine.upsert(shop()).await.unwrap();
}

async fn hits(engine: &dyn SearchIndex, query: SearchQuery) -> Vec<SearchHit> {
    engine.search(&query).await.unwrap().hits
}

async fn ids(engine: &dyn SearchIndex, query: SearchQuery) -> Vec<String> {
    let hits = hits(engine, query).await;
    hits.into_iter().map(|hit| hit.id).collect()
}

async fn narrowed(engine: &dyn SearchIndex, text: &str, filters: SearchFilters) -> Vec<String> {
    let query = SearchQuery {
        filters,
        ..ask(text)
    };
    let mut ids = ids(engine, query).await;
    ids.sort();
    ids
}
