//! What every engine promises, on the stand-in and on a real server, and what is Meilisearch's own.

use std::ops::Deref;

use doorstep_core::search::SearchQuery;

use super::{
    stand_in::{KEY, StandIn},
    *,
};
use crate::conformance::{DIMENSIONS, RAIN, ask, product, shop};

/// An index on a stand-in of its own.
struct Engine {
    index: MeilisearchIndex,
    server: StandIn,
}

impl Deref for Engine {
    type Target = MeilisearchIndex;

    fn deref(&self) -> &MeilisearchIndex {
        &self.index
    }
}

fn config(url: &str, key: &str, dimensions: usize) -> MeilisearchConfig {
    MeilisearchConfig {
        url: url.to_owned(),
        key: key.to_owned().into(),
        index: "documents".to_owned(),
        model: "test@1".to_owned(),
        dimensions,
    }
}

async fn engine() -> Engine {
    let server = StandIn::start().await;
    let index = MeilisearchIndex::new(config(&server.url, KEY, DIMENSIONS)).unwrap();
    Engine { index, server }
}

crate::search_index_conformance!(engine().await);

async fn found(index: &MeilisearchIndex, query: SearchQuery) -> Vec<String> {
    let found = index.search(&query).await.unwrap();
    found.hits.into_iter().map(|hit| hit.id).collect()
}

#[tokio::test]
async fn a_bad_document_never_blocks_its_neighbours() {
    let engine = engine().await;
    let mut documents: Vec<SearchDocument> = (0..20)
        .map(|number| product(&format!("product:{number}"), "Dome tent", ""))
        .collect();
    documents[7].vector = Some(vec![1.0, 0.0]);
    documents[13].id = String::new();
    engine.upsert(documents).await.unwrap();
    assert_eq!(engine.count().await.unwrap(), 18);

    let wrong = SearchDocument {
        vector: Some(vec![1.0, 0.0]),
        ..product("product:7", "Dome tent", "")
    };
    let error = engine.upsert(vec![wrong]).await.unwrap_err().to_string();
    assert!(error.contains("Invalid vector dimensions"), "{error}");
}

/// Waits until so many writes of documents wait at the server.
async fn waiting(server: &StandIn, count: usize) {
    while server.writes().1 < count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn another_instances_bad_document_blocks_none_of_ours() {
    let engine = engine().await;
    engine.upsert(shop()).await.unwrap();
    let bad = SearchDocument {
        vector: Some(vec![1.0, 0.0]),
        ..product("theirs", "Dome tent", "")
    };
    // The server takes what waits in one batch, which fails as a whole.
    engine.server.hold(true);
    let (theirs, ours, ()) = tokio::join!(
        engine.upsert(vec![bad]),
        engine.upsert(vec![product("ours", "Dome tent", "")]),
        async {
            waiting(&engine.server, 2).await;
            engine.server.hold(false);
        },
    );
    assert!(theirs.is_err());
    ours.unwrap();
    assert_eq!(found(&engine, ask("tent")).await, ["ours"]);
}

#[tokio::test]
async fn a_cancelled_task_is_told() {
    let engine = engine().await;
    engine.upsert(shop()).await.unwrap();
    engine.server.hold(true);
    let (written, ()) = tokio::join!(
        engine.upsert(vec![product("tent", "Dome tent", "")]),
        async {
            waiting(&engine.server, 1).await;
            engine.server.cancel();
        },
    );
    let error = written.unwrap_err().to_string();
    assert!(error.ends_with("is canceled"), "{error}");
}

#[tokio::test]
async fn a_document_that_reads_as_before_keeps_its_vector() {
    let engine = engine().await;
    engine.upsert(shop()).await.unwrap();
    let ids = [
        "jacket".to_owned(),
        "mug".to_owned(),
        "never-there".to_owned(),
    ];
    let known = engine.known(&ids).await.unwrap();
    assert_eq!(known.keys().collect::<Vec<_>>(), ["jacket"]);

    let cheaper: Vec<SearchDocument> = shop()
        .into_iter()
        .map(|document| SearchDocument {
            vector: None,
            price: Some(100),
            ..document
        })
        .collect();
    engine.upsert(cheaper).await.unwrap();
    let query = SearchQuery {
        vector: Some(RAIN.to_vec()),
        ..ask("something")
    };
    assert_eq!(found(&engine, query).await[0], "jacket");
    assert!(
        engine
            .server
            .writes()
            .0
            .contains(&"PUT documents".to_owned())
    );
}

#[tokio::test]
async fn vectors_of_another_length_are_swapped_in_and_words_are_found_all_the_time() {
    let engine = engine().await;
    engine.upsert(shop()).await.unwrap();
    let longer = MeilisearchIndex::new(config(&engine.server.url, KEY, 6)).unwrap();
    assert_eq!(found(&longer, ask("jacket")).await, ["jacket"]);
    assert_eq!(longer.count().await.unwrap(), 5);
    // The meaning is to be read again.
    assert!(
        longer
            .known(&["jacket".to_owned()])
            .await
            .unwrap()
            .is_empty()
    );
    let jacket = SearchDocument {
        vector: Some(vec![1.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        ..shop().remove(0)
    };
    longer.upsert(vec![jacket]).await.unwrap();
    let query = SearchQuery {
        vector: Some(vec![1.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        ..ask("something")
    };
    assert_eq!(found(&longer, query).await, ["jacket"]);
    assert_eq!(engine.server.indexes(), ["documents"]);
}

#[tokio::test]
async fn a_server_that_is_away_says_so_and_is_used_again_when_it_is_back() {
    let engine = engine().await;
    engine.server.away(true);
    assert!(matches!(engine.healthcheck().await, Health::Down { .. }));
    let error = engine.search(&ask("jacket")).await.unwrap_err().to_string();
    assert!(error.contains("cannot be reached"), "{error}");
    engine.server.away(false);
    engine.upsert(shop()).await.unwrap();
    assert_eq!(engine.healthcheck().await, Health::Ok);
    engine.server.away(true);
    assert!(engine.search(&ask("jacket")).await.is_err());
    engine.server.away(false);
    assert_eq!(found(&engine, ask("jacket")).await, ["jacket"]);
}

#[tokio::test]
async fn a_server_that_forgot_the_index_is_given_it_again() {
    let engine = engine().await;
    engine.upsert(shop()).await.unwrap();
    engine.server.forget();
    let error = engine.search(&ask("jacket")).await.unwrap_err().to_string();
    assert!(error.contains("index_not_found"), "{error}");
    assert_eq!(engine.healthcheck().await, Health::Ok);
    assert_eq!(engine.count().await.unwrap(), 0);
    engine.upsert(shop()).await.unwrap();
    let near = SearchQuery {
        vector: Some(RAIN.to_vec()),
        filters: SearchFilters {
            in_stock: true,
            ..SearchFilters::default()
        },
        ..ask("something")
    };
    assert_eq!(found(&engine, near).await[0], "jacket");
}

#[tokio::test]
async fn a_wrong_key_is_told_and_never_shown() {
    let server = StandIn::start().await;
    let index = MeilisearchIndex::new(config(&server.url, "some-other-key", DIMENSIONS)).unwrap();
    let Health::Down { reason } = index.healthcheck().await else {
        panic!("a wrong key works");
    };
    assert!(
        reason.contains("invalid_api_key") && !reason.contains("some-other-key"),
        "{reason}"
    );
}

#[test]
fn a_configuration_that_cannot_work_is_told() {
    let refused = |url: &str, index: &str| {
        let config = MeilisearchConfig {
            index: index.to_owned(),
            ..config(url, KEY, DIMENSIONS)
        };
        MeilisearchIndex::new(config).err().unwrap().to_string()
    };
    assert!(refused("localhost:7700", "documents").starts_with("search.url: "));
    assert!(refused("http://localhost:7700", "a/b").starts_with("search.index: "));
}

/// The whole suite on a real server: every case gets an index of its own, which is removed afterwards.
mod on_a_real_server {
    use crate::conformance;

    use super::*;

    async fn fresh(name: &str) -> Option<MeilisearchIndex> {
        let (Ok(url), Ok(key)) = (
            std::env::var("MEILISEARCH_URL"),
            std::env::var("MEILISEARCH_KEY"),
        ) else {
            eprintln!("skipped: no MEILISEARCH_URL and MEILISEARCH_KEY");
            return None;
        };
        let index = format!("doorstep-test-{}-{name}", std::process::id());
        let config = MeilisearchConfig {
            index,
            ..config(&url, &key, DIMENSIONS)
        };
        Some(MeilisearchIndex::new(config).unwrap())
    }

    macro_rules! cases {
        ($($case:ident)*) => {
            $(
                #[tokio::test]
                async fn $case() {
                    if let Some(index) = fresh(stringify!($case)).await {
                        conformance::$case(&index).await;
                        index.remove().await.unwrap();
                    }
                }
            )*
        };
    }

    crate::search_index_conformance! { each: cases }
}
