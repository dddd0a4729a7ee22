//! `doorstep eval search`: how well and how fast products are found.

mod catalog;
mod figures;
mod judgements;
mod questions;
mod vectors;

use std::{path::Path, sync::Arc, time::Instant};

use doorstep_core::{
    nlu::Nlu,
    search::{DocumentKind, SearchFilters, SearchIndex, SearchQuery, SearchSort},
};
use doorstep_engine::templates::Dictionary;
use doorstep_nlu::LocalNlu;
use doorstep_search::{EmbeddedIndex, MeilisearchConfig, MeilisearchIndex};
use serde_json::{Value, json};

use self::{
    catalog::Catalog,
    figures::{Worth, percentile},
    judgements::Judged,
    questions::{Asker, Question},
    vectors::Vectors,
};
use super::{
    bounds::{self, Bound, Limit},
    mean, merge, round, table,
};
use crate::{
    app::start_nlu,
    assets,
    cli::{Cli, EvalSearch, SearchBackend, SearchMode},
    commands::{
        Failure, load_named_config, print,
        progress::{self, Progress},
    },
    config::ShopKind,
};

/// So many products are read and written at once.
const CHUNK: usize = 256;
/// How many hits are asked for: as deep as the figures look.
const LIMIT: usize = 10;
/// The bound for a search's time is one for catalogs up to this size, in products, and another for larger ones.
const SMALL_CATALOG: u64 = 20_000;
/// So many queries are asked before the clock runs.
const WARM_UP: usize = 20;

/// `doorstep eval search`
pub(in crate::commands) async fn search(cli: &Cli, arguments: &EvalSearch) -> Result<(), Failure> {
    let judged = arguments.judgements.as_deref().map(judgements::read);
    let judged = judged.transpose()?;
    let questions = arguments.questions.as_deref().map(questions::read);
    let questions = questions.transpose()?;
    let folder = tempfile::tempdir().map_err(Failure::finding)?;
    let nlu = match arguments.mode {
        SearchMode::Keyword => None,
        SearchMode::Vector | SearchMode::Fused => Some(start(cli).await?),
    };
    let index = open(cli, arguments.backend, folder.path(), nlu.as_ref()).await?;
    let figures = measure(arguments, &*index.searched, nlu.as_ref(), judged, questions).await;
    let removed = match index.to_remove {
        Some(server) => server.remove().await,
        None => Ok(()),
    };
    let figures = figures?;
    removed.map_err(Failure::finding)?;
    match cli.json {
        true => print(figures),
        false => table(&figures),
    }
}

async fn measure(
    arguments: &EvalSearch,
    index: &dyn SearchIndex,
    nlu: Option<&LocalNlu>,
    judged: Option<Vec<Judged>>,
    questions: Option<Vec<Question>>,
) -> Result<Value, Failure> {
    let mut figures = fill(arguments, index, nlu).await?;
    if let Some(judged) = judged {
        let asked = ask(arguments.mode, index, nlu, &judged).await?;
        merge(&mut figures, asked);
    }
    if let Some(questions) = questions {
        let files = assets::merchant_files(None, ShopKind::Demo).map_err(Failure::finding)?;
        let dictionary = Dictionary::load(&files);
        let asker = Asker {
            mode: arguments.mode,
            index,
            nlu,
            dictionary,
        };
        merge(&mut figures, asker.overlap(&questions).await?);
    }
    let run = json!({
        "mode": name_of(arguments.mode),
        "backend": name_of(arguments.backend),
        "model_backend": nlu.map(Nlu::backend),
        "peak_rss_mb": peak_rss_mb(),
    });
    merge(&mut figures, run);
    if arguments.backend == SearchBackend::Embedded && arguments.mode == SearchMode::Fused {
        let bounds = held(&figures);
        merge(&mut figures, bounds);
    }
    Ok(figures)
}

/// What the embedded index is held against. Times are those of an idle machine.
fn held(figures: &Value) -> Value {
    let mut bounds = Vec::new();
    if figures["documents"].as_u64() <= Some(SMALL_CATALOG) {
        bounds.push(Bound::of(figures, "search_p50_ms", Limit::AtMost(3.0)));
    } else {
        bounds.push(Bound::of(figures, "search_p50_ms", Limit::AtMost(15.0)));
        bounds.push(Bound::of(figures, "peak_rss_mb", Limit::AtMost(1000.0)));
    }
    bounds.push(Bound::relative(figures, "p50_ms", "embed_p50_ms", 2.0));
    if figures["vectors_reused"] == 0 {
        bounds.push(Bound::relative(figures, "index_s", "embed_s", 1.2));
    }
    let overlap = &figures["overlap_at_10"];
    for language in overlap.as_object().into_iter().flatten() {
        bounds.push(Bound::of(overlap, language.0, Limit::AtLeast(0.6)));
    }
    bounds::told(bounds.into_iter().flatten())
}

async fn start(cli: &Cli) -> Result<LocalNlu, Failure> {
    let section = load_named_config(cli)?.nlu;
    tokio::task::spawn_blocking(move || start_nlu(&section))
        .await
        .map_err(Failure::finding)?
        .map_err(Failure::finding)
}

/// An index of the run's own.
struct Opened {
    searched: Arc<dyn SearchIndex>,
    /// A server would keep it.
    to_remove: Option<MeilisearchIndex>,
}

async fn open(
    cli: &Cli,
    backend: SearchBackend,
    folder: &Path,
    nlu: Option<&LocalNlu>,
) -> Result<Opened, Failure> {
    let model = nlu.map_or("none", |nlu| nlu.metadata().version.as_str());
    if backend == SearchBackend::Embedded {
        let index = EmbeddedIndex::open(folder, model).await;
        return Ok(Opened {
            searched: Arc::new(index.map_err(Failure::finding)?),
            to_remove: None,
        });
    }
    let mut section = load_named_config(cli)?.search;
    // Where the room's own tests look for a server, too.
    if let (true, Ok(url)) = (section.url.is_empty(), std::env::var("MEILISEARCH_URL")) {
        section.url = url;
        section.key = std::env::var("MEILISEARCH_KEY").unwrap_or_default().into();
    }
    if section.url.is_empty() {
        return Err(Failure::Misuse(
            "--backend meilisearch: no server is named; write its address and key into [search], or add \
             --set search.url=http://127.0.0.1:7700"
                .to_owned(),
        ));
    }
    let config = MeilisearchConfig {
        url: section.url,
        key: section.key,
        index: format!("{}-eval-{}", section.index, std::process::id()),
        model: model.to_owned(),
        dimensions: nlu.map_or(1, |nlu| nlu.metadata().dimensions),
    };
    let index = MeilisearchIndex::new(config)
        .map_err(|error| Failure::Misuse(format!("--backend meilisearch: {error}")))?;
    // Asked first, so that a wrong key or a server that is away is told at once.
    index.count().await.map_err(Failure::finding)?;
    Ok(Opened {
        searched: Arc::new(index.clone()),
        to_remove: Some(index),
    })
}

fn name_of(value: impl clap::ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// Fills the index and tells how long it took, the model's reading apart.
async fn fill(
    arguments: &EvalSearch,
    index: &dyn SearchIndex,
    nlu: Option<&LocalNlu>,
) -> Result<Value, Failure> {
    let mut vectors = Vectors::open(arguments.vectors.as_deref())?;
    let mut catalog = Catalog::open(&arguments.catalog, &arguments.fields, &arguments.language)?;
    let total = progress::is_shown().then(|| Catalog::count(&arguments.catalog));
    let mut progress = Progress::new("products indexed", total.flatten());
    let started = Instant::now();
    let mut embed_s = 0.0;
    loop {
        let mut documents = catalog.next(CHUNK)?;
        if documents.is_empty() {
            break;
        }
        if let Some(nlu) = nlu {
            let reading = Instant::now();
            vectors.give(&mut documents, nlu).await?;
            embed_s += reading.elapsed().as_secs_f64();
        }
        let read = documents.len();
        index.upsert(documents).await.map_err(Failure::finding)?;
        progress.add(read);
    }
    drop(progress);
    let documents = index.count().await.map_err(Failure::finding)?;
    if documents == 0 {
        let path = arguments.catalog.display();
        return Err(Failure::Misuse(format!("{path}: there is no product")));
    }
    Ok(json!({
        "documents": documents,
        "index_s": round(started.elapsed().as_secs_f64()),
        "embed_s": round(embed_s),
        "vectors_reused": vectors.reused(),
    }))
}

/// Asks every query once and tells what the hits are worth and how long they took.
async fn ask(
    mode: SearchMode,
    index: &dyn SearchIndex,
    nlu: Option<&LocalNlu>,
    judged: &[Judged],
) -> Result<Value, Failure> {
    warm_up(index, nlu).await?;
    let mut worth = Vec::new();
    let (mut whole_ms, mut embed_ms, mut search_ms) = (Vec::new(), Vec::new(), Vec::new());
    for judged in judged {
        let started = Instant::now();
        let query = query(mode, nlu, &judged.query).await?;
        embed_ms.push(milliseconds(started));
        let searching = Instant::now();
        let found = index.search(&query).await.map_err(Failure::finding)?;
        search_ms.push(milliseconds(searching));
        whole_ms.push(milliseconds(started));
        let ids: Vec<String> = found.hits.into_iter().map(|hit| hit.id).collect();
        worth.push(Worth::of(&ids, &judged.ratings));
    }
    let unanswerable = worth.iter().filter(|worth| worth.is_none()).count();
    let mean_of = |figure: fn(&Worth) -> f64| {
        let values: Vec<f64> = worth.iter().flatten().map(figure).collect();
        (!values.is_empty()).then(|| round(mean(values.into_iter())))
    };
    let judgements: usize = judged.iter().map(|judged| judged.ratings.len()).sum();
    Ok(json!({
        "ndcg_at_10": mean_of(|worth| worth.ndcg),
        "mrr": mean_of(|worth| worth.reciprocal_rank),
        "recall_at_10": mean_of(|worth| worth.recall),
        "p50_ms": round(percentile(&whole_ms, 0.5)),
        "p95_ms": round(percentile(&whole_ms, 0.95)),
        "embed_p50_ms": nlu.map(|_| round(percentile(&embed_ms, 0.5))),
        "search_p50_ms": round(percentile(&search_ms, 0.5)),
        "search_p95_ms": round(percentile(&search_ms, 0.95)),
        "queries": judged.len(),
        "queries_without_answer": unanswerable,
        "judgements": judgements,
    }))
}

/// The first searches read the index's files from the disk.
async fn warm_up(index: &dyn SearchIndex, nlu: Option<&LocalNlu>) -> Result<(), Failure> {
    for n in 0..WARM_UP {
        let query = query(SearchMode::Fused, nlu, &format!("warm up {n}")).await?;
        index.search(&query).await.map_err(Failure::finding)?;
    }
    Ok(())
}

async fn query(
    mode: SearchMode,
    nlu: Option<&LocalNlu>,
    text: &str,
) -> Result<SearchQuery, Failure> {
    let vector = match nlu {
        Some(nlu) => {
            let read = nlu.embed(&[text.to_owned()]).await;
            read.map_err(Failure::finding)?.pop()
        }
        None => None,
    };
    Ok(SearchQuery {
        text: match mode {
            SearchMode::Vector => String::new(),
            SearchMode::Keyword | SearchMode::Fused => text.to_owned(),
        },
        vector,
        kind: DocumentKind::Product,
        language: None,
        filters: SearchFilters::default(),
        sort: SearchSort::Relevance,
        facets: Vec::new(),
        limit: LIMIT,
    })
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// The most memory this process ever held, in units of 1,000,000 bytes; `None` where the system does not tell.
fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some((kibibytes * 1.024 / 100.0).round() / 10.0)
}
