//! Understanding on this machine: model, entities and language together.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use async_trait::async_trait;
use doorstep_core::{
    Timestamp,
    nlu::{Nlu, NluContext, NluError},
    understanding::{Backend, ScoredIntent, Understanding},
};
use futures::{StreamExt, stream};
use lru::LruCache;

use crate::{
    Metadata, Model, NluConfig, NluStartError,
    entities::EntityReader,
    language, rules,
    session::{Output, SessionSource, truncate},
    workers::{Reading, Workers},
};

/// A list up to this long is treated like a conversation's text; a longer one is being indexed and yields to them.
const SHORT_LIST: usize = 4;

/// How many intents of a message are told, the likeliest first; what comes after them is noise.
const MOST_INTENTS: usize = 10;

/// The model on this machine, behind the port. Cheap to clone; when the last clone is dropped, its threads end.
#[derive(Clone)]
pub struct LocalNlu {
    inner: Arc<Inner>,
}

struct Inner {
    workers: Workers,
    entities: EntityReader,
    metadata: Arc<Metadata>,
    backend: Backend,
    cache: Option<Mutex<LruCache<String, Arc<Output>>>>,
}

/// A text whose result is known, or on its way.
enum Begun {
    Known(Arc<Output>),
    Reading(Reading),
}

impl LocalNlu {
    /// Loads the model and starts its threads. Blocks for as long as one session takes to load.
    pub fn start(model: Model, config: NluConfig) -> Result<Self, NluStartError> {
        let entities = EntityReader::new(&config.order_number_patterns)?;
        let source = SessionSource::new(model, &config)?;
        let workers = Workers::start(&source, config.workers(), config.queue)?;
        let backend = source.backend();
        report_backend(backend);
        warm_up_rules(&entities);
        Ok(Self {
            inner: Arc::new(Inner {
                workers,
                entities,
                metadata: Arc::clone(source.metadata()),
                backend,
                cache: NonZeroUsize::new(config.cache).map(|size| Mutex::new(LruCache::new(size))),
            }),
        })
    }

    /// What the model says of itself: labels, thresholds, version.
    pub fn metadata(&self) -> &Metadata {
        &self.inner.metadata
    }
}

/// Compiles the rules' patterns, so that no customer waits for it.
fn warm_up_rules(entities: &EntityReader) {
    let context = NluContext {
        language_hint: None,
        time_zone: chrono_tz::Tz::UTC,
        now: Timestamp::default(),
    };
    rules::understand("warm-up 1/1 10 €", &context, entities);
}

fn report_backend(active: Backend) {
    for backend in [Backend::Onnxruntime, Backend::Tract] {
        let value = if backend == active { 1.0 } else { 0.0 };
        metrics::gauge!("doorstep_nlu_backend", "backend" => backend.as_str()).set(value);
    }
}

impl Inner {
    fn cached(&self, text: &str) -> Option<Arc<Output>> {
        let cache = self.cache.as_ref()?;
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(text).cloned()
    }

    fn remember(&self, text: &str, output: &Arc<Output>) {
        if let Some(cache) = &self.cache {
            let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
            cache.put(text.to_owned(), Arc::clone(output));
        }
    }

    /// Has the model read a text that somebody waits for.
    fn begin(&self, text: &str) -> Result<Begun, NluError> {
        let text = truncate(text);
        if let Some(output) = self.cached(text) {
            return Ok(Begun::Known(output));
        }
        self.workers.begin(text).map(Begun::Reading)
    }

    /// What the model says of it.
    async fn finish(&self, text: &str, begun: Begun) -> Result<Arc<Output>, NluError> {
        match begun {
            Begun::Known(output) => Ok(output),
            Begun::Reading(reading) => {
                let output = Arc::new(reading.finish().await?);
                self.remember(truncate(text), &output);
                Ok(output)
            }
        }
    }

    /// The vector of one of many texts. Not kept: an import would push every customer's text out of the cache.
    async fn vector_for_index(&self, text: &str) -> Result<Vec<f32>, NluError> {
        let output = self.workers.index(truncate(text).to_owned()).await?;
        Ok(output.embedding)
    }

    fn intents(&self, output: &Output) -> Vec<ScoredIntent> {
        let mut scored: Vec<(&String, f32)> = self
            .metadata
            .labels
            .iter()
            .zip(output.intents.iter().copied())
            .collect();
        scored.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        scored
            .into_iter()
            .take(MOST_INTENTS)
            .map(|(name, confidence)| ScoredIntent {
                name: name.clone(),
                confidence,
            })
            .collect()
    }
}

#[async_trait]
impl Nlu for LocalNlu {
    fn expect(&self, text: &str) {
        let inner = &self.inner;
        let text = truncate(text);
        if !text.trim().is_empty() && inner.cached(text).is_none() {
            inner.workers.expect(text);
        }
    }

    async fn understand(
        &self,
        text: &str,
        context: &NluContext,
    ) -> Result<Understanding, NluError> {
        let started = Instant::now();
        let inner = &self.inner;
        if text.trim().is_empty() {
            return Ok(self.understand_by_rules(text, context));
        }
        let begun = inner.begin(text)?;
        // The rules work while the model does.
        let language = language::detect(truncate(text), context.language_hint.as_ref());
        let entities = inner.entities.read(text, context, &language);
        let output = inner.finish(text, begun).await?;
        let understanding = Understanding {
            entities,
            intents: inner.intents(&output),
            escalation: output.likeliest_escalation(),
            vector: Some(output.embedding.clone()),
            backend: inner.backend,
            language,
        };
        metrics::histogram!("doorstep_nlu_seconds").record(started.elapsed().as_secs_f64());
        Ok(understanding)
    }

    fn understand_by_rules(&self, text: &str, context: &NluContext) -> Understanding {
        rules::understand(text, context, &self.inner.entities)
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, NluError> {
        let inner = &self.inner;
        let is_short = texts.len() <= SHORT_LIST;
        // As many at once as the lane admits; `buffered` keeps their order.
        let mut vectors = stream::iter(0..texts.len())
            .map(|place| async move {
                if is_short {
                    let text = &texts[place];
                    let output = inner.finish(text, inner.begin(text)?).await?;
                    Ok(output.embedding.clone())
                } else {
                    inner.vector_for_index(&texts[place]).await
                }
            })
            .buffered(inner.workers.indexing_places());
        let mut collected = Vec::with_capacity(texts.len());
        while let Some(vector) = vectors.next().await {
            collected.push(vector?);
        }
        Ok(collected)
    }

    fn backend(&self) -> Backend {
        self.inner.backend
    }

    fn queue_depth(&self) -> usize {
        self.inner.workers.depth()
    }
}
