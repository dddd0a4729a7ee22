//! What every hit must fulfil.

use doorstep_core::search::{
    DocumentKind, SearchDocument, SearchFilters, SearchIndex, SearchQuery,
};

use super::{RAIN, ask, filled, ids, narrowed, passage, product};

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
            .map(|(name, value)| (name.to_string(), vec![value.to_string()]))
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

pub async fn one_of_several_values_is_enough(engine: &dyn SearchIndex) {
    filled(engine).await;
    let colours = |values: &[&str]| SearchFilters {
        attributes: [(
            "Colour".to_owned(),
            values.iter().map(ToString::to_string).collect(),
        )]
        .into(),
        ..SearchFilters::default()
    };
    let text = "waterproof";
    let either = narrowed(engine, text, colours(&["red", "green"])).await;
    assert_eq!(either, ["jacket", "poncho"]);
    let one = narrowed(engine, text, colours(&["GREEN", "violet"])).await;
    assert_eq!(one, ["poncho"]);
    assert!(narrowed(engine, text, colours(&[])).await.is_empty());
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
