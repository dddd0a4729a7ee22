//! What is written, replaced and removed.

use doorstep_core::{
    Health,
    search::{SearchDocument, SearchIndex, SearchQuery},
};

use super::{RAIN, WALKING, ask, filled, hits, ids, product};

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
