//! Makes the index on the server as it has to be.

use std::collections::BTreeSet;

use doorstep_core::Language;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    documents::{EMBEDDER, FILTERED, NAMES, WORDS},
    server::{Server, ServerError},
};
use crate::analysis::Analyser;

/// How many documents are copied at once.
const PAGE: usize = 500;
/// The least letters of a word with a typo: five and the two of its language's tag.
const MIN_TYPO_LETTERS: u8 = 7;
/// The server counts hits up to here.
const MAX_COUNTED: u64 = 10_000_000;

#[derive(Deserialize)]
struct Page {
    results: Vec<Map<String, Value>>,
}

/// Creates `index` or brings it up to date. Vectors of another length cannot be changed in place (every later search by
/// meaning would fail): a second index is filled with the documents without their vectors and swapped in, so that they can
/// be found by their words all the time.
pub(super) async fn prepare(
    server: &Server,
    index: &str,
    dimensions: usize,
) -> Result<(), ServerError> {
    let found: Value = match server.get(&format!("/indexes/{index}/settings")).await {
        Ok(settings) => settings,
        Err(error) if error.is("index_not_found") => {
            return create(server, index, dimensions).await;
        }
        Err(error) => return Err(error),
    };
    let found_dimensions = &found["embedders"][EMBEDDER]["dimensions"];
    if found_dimensions.is_u64() && *found_dimensions != json!(dimensions) {
        tracing::warn!(index, found = %found_dimensions, dimensions, "the index is built anew for vectors of another model");
        return rebuild(server, index, dimensions).await;
    }
    let is_current = found_dimensions.is_u64()
        && found["searchableAttributes"] == json!(searched())
        && as_set(&found["filterableAttributes"])
            == FILTERED.iter().map(ToString::to_string).collect();
    if !is_current {
        set(server, index, dimensions).await?;
    }
    Ok(())
}

/// The languages of the documents.
pub(super) async fn analysers(
    server: &Server,
    index: &str,
) -> Result<BTreeSet<Analyser>, ServerError> {
    let query = json!({ "q": "", "limit": 0, "facets": ["language"] });
    let answer: Value = server
        .post(&format!("/indexes/{index}/search"), &query)
        .await?;
    let languages = answer["facetDistribution"]["language"].as_object();
    let languages = languages.into_iter().flat_map(Map::keys);
    let languages = languages.filter_map(|language| language.parse::<Language>().ok());
    Ok(languages.map(|language| Analyser::of(&language)).collect())
}

async fn create(server: &Server, index: &str, dimensions: usize) -> Result<(), ServerError> {
    let body = json!({ "uid": index, "primaryKey": "id" });
    match server.write(Method::POST, "/indexes", Some(&body)).await {
        // Another instance was faster.
        Err(error) if error.is("index_already_exists") => {}
        done => done?,
    }
    set(server, index, dimensions).await
}

async fn set(server: &Server, index: &str, dimensions: usize) -> Result<(), ServerError> {
    let settings = json!({
        "searchableAttributes": searched(),
        "filterableAttributes": FILTERED,
        "embedders": { EMBEDDER: { "source": "userProvided", "dimensions": dimensions } },
        "typoTolerance": {
            "minWordSizeForTypos": { "oneTypo": MIN_TYPO_LETTERS, "twoTypos": u8::MAX },
            "disableOnAttributes": [NAMES],
        },
        "pagination": { "maxTotalHits": MAX_COUNTED },
        // One value for every language there is.
        "faceting": { "maxValuesPerFacet": 300 },
    });
    let path = format!("/indexes/{index}/settings");
    server.write(Method::PATCH, &path, Some(&settings)).await
}

async fn rebuild(server: &Server, index: &str, dimensions: usize) -> Result<(), ServerError> {
    let next = format!("{index}-next");
    remove(server, &next).await?;
    create(server, &next, dimensions).await?;
    let (source, target) = (
        format!("/indexes/{index}/documents/fetch"),
        format!("/indexes/{next}/documents"),
    );
    for offset in (0..).step_by(PAGE) {
        let page: Page = server
            .post(&source, &json!({ "offset": offset, "limit": PAGE }))
            .await?;
        if page.results.is_empty() {
            break;
        }
        let documents: Vec<Value> = page.results.into_iter().map(without_vector).collect();
        server
            .write(Method::POST, &target, Some(&json!(documents)))
            .await?;
    }
    let swap = json!([{ "indexes": [index, next] }]);
    server
        .write(Method::POST, "/swap-indexes", Some(&swap))
        .await?;
    remove(server, &next).await
}

fn without_vector(mut document: Map<String, Value>) -> Value {
    document.insert("model".to_owned(), json!(""));
    document.insert("_vectors".to_owned(), json!({ EMBEDDER: null }));
    Value::Object(document)
}

async fn remove(server: &Server, index: &str) -> Result<(), ServerError> {
    match server
        .write(Method::DELETE, &format!("/indexes/{index}"), None)
        .await
    {
        Err(error) if error.is("index_not_found") => Ok(()),
        done => done,
    }
}

fn searched() -> Vec<&'static str> {
    WORDS.into_iter().chain([NAMES]).collect()
}

fn as_set(names: &Value) -> BTreeSet<String> {
    let names = names.as_array().into_iter().flatten();
    names
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect()
}
