//! What every [`SearchIndex`] promises, as tests. Each case gets an empty index of [`DIMENSIONS`] dimensions;
//! [`search_index_conformance!`](crate::search_index_conformance) runs them all on one engine.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A case fails by panicking.
#![allow(missing_docs)] // The names of the cases are sentences.

use std::collections::BTreeMap;

use chrono::DateTime;
use doorstep_core::{
    Health,
    search::{DocumentKind, SearchDocument, SearchFilters, SearchHit, SearchIndex, SearchQuery},
};

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
            products_and_passages_never_mix
            passages_come_in_the_language_asked_for
            filters_hold_for_the_vector_list_too
            filters_alone_list_what_fulfils_them
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
    engine.search(&query).await.unwrap()
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

pub async fn a_product_is_found_by_its_words(engine: &dyn SearchIndex) {
    filled(engine).await;
    let hits = hits(engine, ask("do you have a waterproof jacket?")).await;
    assert_eq!(hits[0].id, "jacket");
    assert_eq!(hits[0].title, "Waterproof jacket");
    assert_eq!(
        hits[0].body,
        "Keeps the rain out on long days. Taped seams and a hood."
    );
    assert_eq!(hits[0].source, "jacket.html");
}

pub async fn a_text_is_found_whatever_its_case_and_accents(engine: &dyn SearchIndex) {
    filled(engine).await;
    for text in ["botas de montaña", "BOTAS DE MONTAÑA", "botas de montana"] {
        assert_eq!(ids(engine, ask(text)).await, ["boots"], "{text}");
    }
}

pub async fn a_typo_in_a_long_word_is_forgiven(engine: &dyn SearchIndex) {
    filled(engine).await;
    assert_eq!(ids(engine, ask("watrproof jaket")).await[0], "jacket");
    assert_eq!(ids(engine, ask("stvoe")).await, ["stove"]);
}

pub async fn a_document_is_found_by_meaning_alone(engine: &dyn SearchIndex) {
    filled(engine).await;
    let query = SearchQuery {
        vector: Some(COOKING.to_vec()),
        ..ask("something for my dinner outside")
    };
    assert_eq!(ids(engine, query).await[0], "stove");
}

pub async fn what_both_lists_name_comes_first(engine: &dyn SearchIndex) {
    filled(engine).await;
    let query = SearchQuery {
        vector: Some(RAIN.to_vec()),
        ..ask("poncho")
    };
    let hits = hits(engine, query).await;
    assert_eq!(hits[0].id, "poncho");
    assert_eq!(hits[1].id, "jacket");
    assert!(hits.is_sorted_by(|better, worse| better.score >= worse.score));
}

pub async fn similarity_is_the_cosine_and_absent_without_vectors(engine: &dyn SearchIndex) {
    filled(engine).await;
    let query = SearchQuery {
        vector: Some(RAIN.to_vec()),
        ..ask("poncho mug")
    };
    let found = hits(engine, query).await;
    let of = |id: &str| found.iter().find(|hit| hit.id == id).unwrap().similarity;
    assert!((of("poncho").unwrap() - 0.8).abs() < 1e-3);
    assert!((of("jacket").unwrap() - 1.0).abs() < 1e-3);
    assert_eq!(of("mug"), None);
    let without = hits(engine, ask("poncho")).await;
    assert_eq!(without[0].similarity, None);
}

pub async fn word_share_counts_the_words_of_the_query(engine: &dyn SearchIndex) {
    filled(engine).await;
    let share = async |text: &str| hits(engine, ask(text)).await[0].word_share;
    assert_eq!(share("the waterproof jacket").await, 1.0);
    assert_eq!(share("jacket jacket jacket").await, 1.0);
    assert_eq!(share("waterproof jacket elephant piano").await, 0.5);
    let query = SearchQuery {
        vector: Some(COOKING.to_vec()),
        ..ask("dinner")
    };
    assert_eq!(hits(engine, query).await[0].word_share, 0.0);
}

pub async fn a_price_range_holds_for_every_hit(engine: &dyn SearchIndex) {
    filled(engine).await;
    let free = SearchDocument {
        price: None,
        ..product("leaflet", "Waterproof leaflet", "")
    };
    engine.upsert(vec![free]).await.unwrap();
    let range = |min_price, max_price| SearchFilters {
        min_price,
        max_price,
        ..SearchFilters::default()
    };
    let text = "waterproof";
    let below = narrowed(engine, text, range(None, Some(9_900))).await;
    assert_eq!(below, ["poncho"]);
    let above = narrowed(engine, text, range(Some(9_901), None)).await;
    assert_eq!(above, ["jacket"]);
    let between = narrowed(engine, text, range(Some(9_900), Some(18_900))).await;
    assert_eq!(between, ["jacket", "poncho"]);
}

pub async fn a_sold_out_product_is_left_out_when_asked(engine: &dyn SearchIndex) {
    filled(engine).await;
    let in_stock = SearchFilters {
        in_stock: true,
        ..SearchFilters::default()
    };
    assert_eq!(narrowed(engine, "waterproof", in_stock).await, ["jacket"]);
    let all = narrowed(engine, "waterproof", SearchFilters::default()).await;
    assert_eq!(all, ["jacket", "poncho"]);
}

pub async fn brand_and_attributes_narrow_ignoring_case(engine: &dyn SearchIndex) {
    filled(engine).await;
    let brand = |brand: &str| SearchFilters {
        brand: Some(brand.to_owned()),
        ..SearchFilters::default()
    };
    let text = "waterproof";
    assert_eq!(narrowed(engine, text, brand("BERGSTRÖM")).await, ["poncho"]);
    assert!(narrowed(engine, text, brand("berg")).await.is_empty());
    let attributes = |pairs: &[(&str, &str)]| SearchFilters {
        attributes: pairs
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        ..SearchFilters::default()
    };
    let red = attributes(&[("colour", "red")]);
    assert_eq!(narrowed(engine, text, red).await, ["jacket"]);
    let black = attributes(&[("colour", "black")]);
    assert_eq!(narrowed(engine, text, black).await, ["jacket", "poncho"]);
    let both = attributes(&[("colour", "red"), ("size", "m")]);
    assert!(narrowed(engine, text, both).await.is_empty());
}

pub async fn products_and_passages_never_mix(engine: &dyn SearchIndex) {
    filled(engine).await;
    let washing = passage("care", "en", "Washing", "Wash your waterproof jacket cold.");
    engine.upsert(vec![washing]).await.unwrap();
    let found = ids(engine, ask("waterproof jacket")).await;
    assert!(!found.contains(&"care".to_owned()));
    let query = SearchQuery {
        kind: DocumentKind::Passage,
        ..ask("waterproof jacket")
    };
    assert_eq!(ids(engine, query).await, ["care"]);
}

pub async fn passages_come_in_the_language_asked_for(engine: &dyn SearchIndex) {
    let passages = vec![
        passage("en", "en", "Returns", "PayPal refunds take five days."),
        passage(
            "pt",
            "pt-BR",
            "Devoluções",
            "Reembolsos por PayPal levam cinco dias.",
        ),
    ];
    engine.upsert(passages).await.unwrap();
    let query = |language: Option<&str>| SearchQuery {
        kind: DocumentKind::Passage,
        language: language.map(|tag| tag.parse().unwrap()),
        ..ask("paypal")
    };
    assert_eq!(ids(engine, query(Some("pt"))).await, ["pt"]);
    assert_eq!(ids(engine, query(Some("en-GB"))).await, ["en"]);
    assert!(ids(engine, query(Some("de"))).await.is_empty());
    assert_eq!(ids(engine, query(None)).await.len(), 2);
}

pub async fn filters_hold_for_the_vector_list_too(engine: &dyn SearchIndex) {
    filled(engine).await;
    let query = SearchQuery {
        vector: Some(RAIN.to_vec()),
        filters: SearchFilters {
            max_price: Some(10_000),
            in_stock: true,
            ..SearchFilters::default()
        },
        ..ask("something against wet weather")
    };
    let found = ids(engine, query).await;
    assert!(!found.iter().any(|id| id == "jacket" || id == "poncho"));
}

pub async fn filters_alone_list_what_fulfils_them(engine: &dyn SearchIndex) {
    filled(engine).await;
    let filters = SearchFilters {
        brand: Some("bergström".to_owned()),
        ..SearchFilters::default()
    };
    assert_eq!(narrowed(engine, "", filters).await, ["boots", "poncho"]);
}

pub async fn words_and_meaning_are_weighed_together(engine: &dyn SearchIndex) {
    filled(engine).await;
    let query = SearchQuery {
        vector: Some(vec![0.9, 0.4, 0.0, 0.0]),
        ..ask("waterproof rain cover")
    };
    let found = hits(engine, query).await;
    // The poncho has all the words and nearly the meaning, the jacket the meaning and one word.
    assert_eq!(found[0].id, "poncho");
    assert_eq!(found[1].id, "jacket");
    assert_eq!(found.iter().filter(|hit| hit.id == "poncho").count(), 1);
}

pub async fn a_compound_and_its_parts_find_each_other(engine: &dyn SearchIndex) {
    let documents = vec![
        product("together", "Hardshell trousers", ""),
        product("apart", "Head lamp", ""),
    ];
    engine.upsert(documents).await.unwrap();
    assert_eq!(ids(engine, ask("hard shell")).await, ["together"]);
    assert_eq!(ids(engine, ask("headlamp")).await, ["apart"]);
}

pub async fn a_synonym_finds_what_the_word_does(engine: &dyn SearchIndex) {
    let documents = vec![
        product("notebook", "Slim notebook, 8 GB", ""),
        product("laptop", "Slim laptop, 8 GB", ""),
        product("lamp", "Slim lamp", ""),
    ];
    engine.upsert(documents).await.unwrap();
    assert_eq!(ids(engine, ask("laptop")).await, ["laptop", "notebook"]);
    assert_eq!(ids(engine, ask("notebooks")).await, ["notebook", "laptop"]);
}

pub async fn a_measure_is_found_with_and_without_a_space(engine: &dyn SearchIndex) {
    let documents = vec![
        product("apart", "Cable 2 m", ""),
        product("together", "Cord 3m", ""),
    ];
    engine.upsert(documents).await.unwrap();
    assert_eq!(ids(engine, ask("2m")).await, ["apart"]);
    assert_eq!(ids(engine, ask("3 m")).await, ["together"]);
}

pub async fn a_begun_word_suggests_products(engine: &dyn SearchIndex) {
    filled(engine).await;
    let suggested = async |prefix: &str| {
        let suggestions = engine.suggest(prefix, 10).await.unwrap();
        let titles = suggestions.into_iter().map(|suggestion| suggestion.title);
        titles.collect::<Vec<String>>()
    };
    assert_eq!(suggested("wat").await, ["Waterproof jacket"]);
    assert_eq!(suggested("JACKET WAT").await, ["Waterproof jacket"]);
    assert_eq!(suggested("botas de mont").await, ["Botas de montaña"]);
    // What can be bought stands first.
    assert_eq!(suggested("s").await, ["Gas stove", "Steel mug"]);
    for nothing in ["jacket stove", "etproof", "", "  ", "*", "?!"] {
        assert!(suggested(nothing).await.is_empty(), "{nothing:?}");
    }
    assert_eq!(engine.suggest("s", 1).await.unwrap().len(), 1);
    assert!(engine.suggest("s", 0).await.unwrap().is_empty());
    engine.suggest(&"é ".repeat(50_000), 10).await.unwrap();
}

pub async fn suggestions_are_products_that_are_still_there(engine: &dyn SearchIndex) {
    filled(engine).await;
    let care = passage("care", "en", "Stove care", "Keep it dry.");
    engine.upsert(vec![care]).await.unwrap();
    let ids = async || {
        let suggestions = engine.suggest("sto", 10).await.unwrap();
        suggestions
            .into_iter()
            .map(|found| found.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids().await, ["stove"]);
    engine.delete(&["stove".to_owned()]).await.unwrap();
    assert!(ids().await.is_empty());
}

pub async fn what_is_like_a_product_is_found(engine: &dyn SearchIndex) {
    filled(engine).await;
    let care = SearchDocument {
        vector: Some(RAIN.to_vec()),
        ..passage("care", "en", "Washing", "Wash it cold.")
    };
    engine.upsert(vec![care]).await.unwrap();
    let similar = async |id: &str, filters: SearchFilters, limit: usize| {
        engine.similar(id, &filters, limit).await.unwrap()
    };
    let found = similar("jacket", SearchFilters::default(), 10).await;
    assert_eq!(found[0].id, "poncho");
    assert!((found[0].similarity.unwrap() - 0.8).abs() < 1e-3);
    let others = ["jacket", "mug", "care"];
    assert!(!found.iter().any(|hit| others.contains(&hit.id.as_str())));
    assert!(found.is_sorted_by(|better, worse| better.score >= worse.score));
    let in_stock = SearchFilters {
        in_stock: true,
        ..SearchFilters::default()
    };
    let found = similar("jacket", in_stock, 10).await;
    assert!(!found.is_empty() && !found.iter().any(|hit| hit.id == "poncho"));
    for (id, limit, expected) in [
        ("jacket", 1, 1),
        ("jacket", 0, 0),
        ("mug", 10, 0),
        ("piano", 10, 0),
    ] {
        let found = similar(id, SearchFilters::default(), limit).await;
        assert_eq!(found.len(), expected, "{id}");
    }
}

pub async fn a_query_without_words_finds_nothing(engine: &dyn SearchIndex) {
    filled(engine).await;
    for text in ["", "   \n\t", "?!… --- ###", "\u{0}\u{feff}", "🙂"] {
        assert!(ids(engine, ask(text)).await.is_empty(), "{text:?}");
    }
}

pub async fn a_hostile_query_is_only_words(engine: &dyn SearchIndex) {
    filled(engine).await;
    for text in [
        "jacket AND (",
        "title:\"jacket",
        "jacket^9999 ~~ {[*]}",
        "brand = x OR price > 0; jacket",
        "jacket \\\" \\u0000 %00 <script>",
        "*:* jacket",
    ] {
        assert_eq!(ids(engine, ask(text)).await[0], "jacket", "{text}");
    }
    assert!(ids(engine, ask("*:*")).await.is_empty());
}

pub async fn a_megabyte_of_query_is_answered(engine: &dyn SearchIndex) {
    filled(engine).await;
    let many: String = (0..150_000).map(|n| format!("w{n} ")).collect();
    let long = "ñ".repeat(500_000);
    for text in [&many, &long] {
        assert!(ids(engine, ask(text)).await.is_empty());
    }
    let text = format!("waterproof jacket {many}");
    assert_eq!(ids(engine, ask(&text)).await[0], "jacket");
}

pub async fn the_limit_is_kept(engine: &dyn SearchIndex) {
    filled(engine).await;
    for (limit, expected) in [(0, 0), (1, 1), (2, 2)] {
        let query = SearchQuery {
            limit,
            vector: Some(RAIN.to_vec()),
            ..ask("waterproof")
        };
        assert_eq!(ids(engine, query).await.len(), expected);
    }
    let query = SearchQuery {
        limit: usize::MAX,
        ..ask("waterproof")
    };
    assert_eq!(ids(engine, query).await.len(), 2);
}

pub async fn a_deleted_document_is_gone(engine: &dyn SearchIndex) {
    filled(engine).await;
    let gone = ["jacket".to_owned(), "never-there".to_owned()];
    engine.delete(&gone).await.unwrap();
    assert_eq!(engine.count().await.unwrap(), 4);
    let query = SearchQuery {
        vector: Some(RAIN.to_vec()),
        ..ask("waterproof jacket")
    };
    assert!(!ids(engine, query).await.contains(&"jacket".to_owned()));
    engine.delete(&gone).await.unwrap();
    assert_eq!(engine.count().await.unwrap(), 4);
}

pub async fn a_replaced_document_is_there_once_and_new(engine: &dyn SearchIndex) {
    filled(engine).await;
    let tent = SearchDocument {
        vector: Some(WALKING.to_vec()),
        ..product("jacket", "Dome tent", "Sleeps two.")
    };
    // The last of two in one batch is the one that stays.
    let draft = product("jacket", "Draft", "");
    engine.upsert(vec![draft, tent]).await.unwrap();
    assert_eq!(engine.count().await.unwrap(), 5);
    assert_eq!(ids(engine, ask("tent")).await, ["jacket"]);
    assert!(ids(engine, ask("draft seams")).await.is_empty());
    let query = SearchQuery {
        vector: Some(WALKING.to_vec()),
        ..ask("tent")
    };
    let similarity = hits(engine, query).await[0].similarity.unwrap();
    assert!((similarity - 1.0).abs() < 1e-3);
}

pub async fn writes_and_searches_at_once_leave_everything_there(engine: &dyn SearchIndex) {
    filled(engine).await;
    let write = |n: usize| {
        let tent = product(&format!("tent-{n}"), "Dome tent", "Sleeps two.");
        engine.upsert(vec![tent])
    };
    let search = async || assert_eq!(ids(engine, ask("stove")).await, ["stove"]);
    tokio::join!(
        async {
            let (a, b, c) = tokio::join!(write(1), write(2), write(3));
            a.and(b).and(c).unwrap();
        },
        async { engine.delete(&["mug".to_owned()]).await.unwrap() },
        async {
            for _ in 0..5 {
                search().await;
            }
        },
    );
    assert_eq!(engine.count().await.unwrap(), 7);
    assert_eq!(ids(engine, ask("tent")).await.len(), 3);
}

pub async fn an_engine_that_works_says_so(engine: &dyn SearchIndex) {
    assert_eq!(engine.healthcheck().await, Health::Ok);
    assert_eq!(engine.count().await.unwrap(), 0);
    assert!(ids(engine, ask("jacket")).await.is_empty());
    engine.upsert(Vec::new()).await.unwrap();
    engine.delete(&[]).await.unwrap();
    assert_eq!(engine.count().await.unwrap(), 0);
}
