//! Products like a product, and products that somebody begins to type.

use doorstep_core::search::{SearchDocument, SearchFilters, SearchIndex};

use super::{RAIN, filled, passage};

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
