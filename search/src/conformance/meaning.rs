//! Finding by meaning, and by both.

use doorstep_core::search::{SearchIndex, SearchQuery};

use super::{COOKING, RAIN, ask, filled, hits, ids};

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
