//! Makes the index on the server as it has to be.

use std::collections::{BTreeSet, HashMap};

use doorstep_core::{Language, search::DocumentKind};
use meilisearch_sdk::{
    client::SwapIndexes,
    documents::DocumentsQuery,
    search::Selectors,
    settings::{
        Embedder, EmbedderSource, FacetSortValue, FacetingSettings, FilterableAttribute,
        MinWordSizeForTypos, PaginationSetting, Settings, TypoToleranceSettings,
    },
};
use serde_json::{Map, Value, json};

use super::{
    documents::{EMBEDDER, FILTERED, NAMES, SORTED, WORDS, of_kind},
    server::{Index, Server, ServerError},
};
use crate::analysis::Analyser;

/// How many documents are copied at once.
const PAGE: usize = 500;
/// The least letters of a word with a typo: five and the two of its language's tag.
const MIN_TYPO_LETTERS: u8 = 7;
/// The server counts hits up to here.
const MAX_COUNTED: usize = 10_000_000;
/// One value for every language there is, and more of a facet than anybody is told.
const MAX_COUNTED_VALUES: usize = 300;

/// Creates `index` or brings it up to date. Vectors of another length cannot be changed in place (every later search by
/// meaning would fail): a second index is filled with the documents without their vectors and swapped in, so that they can
/// be found by their words all the time.
pub(super) async fn prepare(
    server: &Server,
    index: &Index,
    dimensions: usize,
) -> Result<(), ServerError> {
    let found = match index.get_settings().await.map_err(ServerError::from) {
        Ok(settings) => settings,
        Err(error) if error.is("index_not_found") => {
            return create(server, index, dimensions).await;
        }
        Err(error) => return Err(error),
    };
    let embedder = found.embedders.as_ref().and_then(|all| all.get(EMBEDDER));
    let found_dimensions = embedder.and_then(|embedder| embedder.dimensions);
    if let Some(found) = found_dimensions
        && found != dimensions
    {
        tracing::warn!(
            index = index.uid,
            found,
            dimensions,
            "the index is built anew for vectors of another model"
        );
        return rebuild(server, index, dimensions).await;
    }
    if found_dimensions.is_none() || !is_current(found) {
        set(server, index, dimensions).await?;
    }
    Ok(())
}

/// How the documents of `kind` are read: the languages that they have.
pub(super) async fn analysers(
    index: &Index,
    kind: DocumentKind,
) -> Result<BTreeSet<Analyser>, ServerError> {
    let filter = of_kind(kind);
    let mut query = index.search();
    query
        .with_query("")
        .with_filter(&filter)
        .with_limit(0)
        .with_facets(Selectors::Some(&["language"]));
    let answer = query.execute::<Value>().await?;
    let languages = answer.facet_distribution.unwrap_or_default();
    let languages = languages
        .get("language")
        .into_iter()
        .flat_map(HashMap::keys);
    let languages = languages.filter_map(|language| language.parse::<Language>().ok());
    Ok(languages.map(|language| Analyser::of(&language)).collect())
}

async fn create(server: &Server, index: &Index, dimensions: usize) -> Result<(), ServerError> {
    let creation = server.client().create_index(&index.uid, Some("id"));
    match server.done(creation).await {
        // Another instance was faster.
        Err(error) if error.is("index_already_exists") => {}
        done => done?,
    }
    set(server, index, dimensions).await
}

async fn set(server: &Server, index: &Index, dimensions: usize) -> Result<(), ServerError> {
    let embedder = Embedder {
        source: EmbedderSource::UserProvided,
        dimensions: Some(dimensions),
        ..Embedder::default()
    };
    let typos = TypoToleranceSettings {
        min_word_size_for_typos: Some(MinWordSizeForTypos {
            one_typo: Some(MIN_TYPO_LETTERS),
            two_typos: Some(u8::MAX),
        }),
        disable_on_attributes: Some(vec![NAMES.to_owned()]),
        ..TypoToleranceSettings::default()
    };
    let settings = Settings::new()
        .with_searchable_attributes(searched())
        .with_filterable_attributes(FILTERED)
        .with_sortable_attributes(SORTED)
        .with_embedders(HashMap::from([(EMBEDDER, embedder)]))
        .with_typo_tolerance(typos)
        .with_pagination(PaginationSetting {
            max_total_hits: MAX_COUNTED,
        })
        .with_faceting(FacetingSettings {
            max_values_per_facet: MAX_COUNTED_VALUES,
            sort_facet_values_by: Some([("*".to_owned(), FacetSortValue::Count)].into()),
        });
    server.done(index.set_settings(&settings)).await
}

async fn rebuild(server: &Server, index: &Index, dimensions: usize) -> Result<(), ServerError> {
    let next = server.index(&format!("{}-next", index.uid));
    remove(server, &next).await?;
    create(server, &next, dimensions).await?;
    for offset in (0..).step_by(PAGE) {
        let mut page = DocumentsQuery::new(index);
        page.with_offset(offset).with_limit(PAGE);
        let page = page.execute::<Map<String, Value>>().await?.results;
        if page.is_empty() {
            break;
        }
        let documents: Vec<Value> = page.into_iter().map(without_vector).collect();
        server.done(next.add_or_replace(&documents, None)).await?;
    }
    let swap = SwapIndexes {
        indexes: (index.uid.clone(), next.uid.clone()),
        rename: None,
    };
    server.done(server.client().swap_indexes([&swap])).await?;
    remove(server, &next).await
}

fn without_vector(mut document: Map<String, Value>) -> Value {
    document.insert("model".to_owned(), json!(""));
    document.insert("_vectors".to_owned(), json!({ EMBEDDER: null }));
    Value::Object(document)
}

async fn remove(server: &Server, index: &Index) -> Result<(), ServerError> {
    let deletion = server.client().delete_index(&index.uid);
    match server.done(deletion).await {
        Err(error) if error.is("index_not_found") => Ok(()),
        done => done,
    }
}

/// Whether an index finds, narrows down and sorts by what it has to.
fn is_current(found: Settings) -> bool {
    let name = |attribute| match attribute {
        FilterableAttribute::Attribute(name) => Some(name),
        FilterableAttribute::Settings(_) => None,
    };
    let filtered = found.filterable_attributes.unwrap_or_default().into_iter();
    let filtered: Option<BTreeSet<String>> = filtered.map(name).collect();
    filtered == Some(FILTERED.iter().map(ToString::to_string).collect())
        && found
            .searchable_attributes
            .is_some_and(|found| found == searched())
        && found
            .sortable_attributes
            .is_some_and(|found| found == SORTED)
}

fn searched() -> Vec<&'static str> {
    WORDS.into_iter().chain([NAMES]).collect()
}
