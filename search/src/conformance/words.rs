//! Finding by words.

use doorstep_core::search::{SearchIndex, SearchQuery};

use super::{COOKING, ask, filled, hits, ids, product};

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
