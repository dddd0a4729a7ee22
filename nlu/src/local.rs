//! Understanding on this machine: model, entities and language together.

use std::{
    collections::HashSet,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use async_trait::async_trait;
use doorstep_core::{
    Timestamp,
    nlu::{Foresight, Nlu, NluContext, NluError},
    understanding::{Backend, ScoredIntent, Sentiment, Understanding},
};
use futures::{StreamExt, stream};
use lru::LruCache;

use crate::{
    Metadata, Model, NluConfig, NluStartError, Vocabulary,
    asks::{Clauses, Heard},
    drift::Drift,
    entities::EntityReader,
    head::Basis,
    known::{Kind, Known},
    language,
    own::{self, LearnError, Lesson, OwnIntents, Review},
    rules,
    session::{Output, SessionSource, truncate},
    thresholds::Thresholds,
    workers::{Reading, Workers},
};

/// A list up to this long is treated like a conversation's text; a longer one is being indexed and yields to them.
const SHORT_LIST: usize = 4;

/// The intent that is none; held-out messages that were read as it stand with confidence 0 in the calibration.
const OUT_OF_SCOPE: &str = "out_of_scope";

/// How many intents of a message are told, the likeliest first; what comes after them is noise.
const MOST_INTENTS: usize = 10;

/// The model on this machine, behind the port. Cheap to clone; when the last clone is dropped, its threads end.
#[derive(Clone)]
pub struct LocalNlu {
    inner: Arc<Inner>,
    own: Option<Arc<OwnIntents>>,
}

struct Inner {
    workers: Workers,
    entities: EntityReader,
    metadata: Arc<Metadata>,
    thresholds: Thresholds,
    /// Nothing for a model that does not tell what to expect.
    drift: Option<Drift>,
    backend: Backend,
    cache: Option<Mutex<LruCache<String, Arc<Output>>>>,
    max_wrong: f32,
    /// Where what was read of examples is kept.
    folder: Option<PathBuf>,
    /// Whether what was read for an index is kept there too.
    keep_indexed: bool,
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
        let metadata = Arc::clone(source.metadata());
        let thresholds = Thresholds::new(
            &metadata.calibration,
            config.max_wrong,
            metadata.threshold.accept,
        );
        if !thresholds.allow_answers() {
            tracing::warn!(
                max_wrong = config.max_wrong,
                "the held-out messages prove no confidence sure enough for so few wrong answers: customers will be asked again or handed over; a larger nlu.max_wrong answers more"
            );
        }
        let drift = Drift::new(&metadata.calibration, &metadata.labels);
        report_backend(backend);
        warm_up_rules(&entities);
        Ok(Self {
            inner: Arc::new(Inner {
                workers,
                entities,
                metadata,
                thresholds,
                drift,
                backend,
                cache: NonZeroUsize::new(config.cache).map(|size| Mutex::new(LruCache::new(size))),
                max_wrong: config.max_wrong,
                folder: config.unpacking_folder(),
                keep_indexed: config.keep_indexed,
            }),
            own: None,
        })
    }

    /// What the model says of each of many texts, in order, on all of its threads. Yields to conversations, and is not
    /// kept in the cache.
    ///
    /// # Errors
    /// The model fails on a text, or was stopped.
    pub async fn read_all(&self, texts: &[String]) -> Result<Vec<Output>, NluError> {
        let workers = &self.inner.workers;
        // By place: over references, the compiler cannot prove that the future may change threads.
        let mut readings = stream::iter(0..texts.len())
            .map(|place| workers.index(&texts[place]))
            .buffered(workers.indexing_places());
        let mut outputs = Vec::with_capacity(texts.len());
        while let Some(output) = readings.next().await {
            outputs.push(output?);
        }
        Ok(outputs)
    }

    /// The same where some are known; what is read is known from now on.
    pub(crate) async fn read_unknown(
        &self,
        known: &mut Known,
        texts: &[String],
    ) -> Result<Vec<Arc<Output>>, NluError> {
        let mut seen = HashSet::new();
        let unknown = texts.iter().filter(|text| known.get(text).is_none());
        let new = unknown.filter(|text| seen.insert(text.as_str()));
        let new: Vec<String> = new.cloned().collect();
        let outputs = self.read_all(&new).await?;
        for (text, output) in new.into_iter().zip(outputs) {
            known.add(text, Arc::new(output));
        }
        // Every text is known now.
        Ok(texts.iter().filter_map(|text| known.get(text)).collect())
    }

    /// The vectors of a long list, in order. The cache of recent results does not take them: an import would push every
    /// customer's text out of it.
    async fn vectors_for_index(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, NluError> {
        let mut known = self.inner.indexed();
        let outputs = self.read_unknown(&mut known, texts).await?;
        known.keep_all();
        Ok(outputs
            .iter()
            .map(|output| output.embedding.clone())
            .collect())
    }

    /// Takes the catalog's words, in place of those it had; every clone understands them from the next message on.
    pub fn learn_vocabulary(&self, vocabulary: Vocabulary) {
        self.inner.entities.learn(vocabulary);
    }

    /// What the model says of itself: labels, thresholds, version.
    pub fn metadata(&self) -> &Metadata {
        &self.inner.metadata
    }

    /// The same model, which understands the merchant's own intents of this lesson too, and of no other. Customers' texts
    /// go before the examples; without own intents nothing is read.
    ///
    /// # Errors
    /// See [`LearnError`].
    pub async fn learn(&self, lesson: &Lesson) -> Result<Self, LearnError> {
        if lesson.own.is_empty() {
            return Ok(Self {
                inner: Arc::clone(&self.inner),
                own: None,
            });
        }
        let outputs = self.read_lesson(lesson).await?;
        let own = self.train(lesson, outputs).await?;
        Ok(Self {
            inner: Arc::clone(&self.inner),
            own: Some(Arc::new(own)),
        })
    }

    /// What would come of a lesson: see [`Review`].
    ///
    /// # Errors
    /// The model did not read the examples.
    pub async fn review(&self, lesson: &Lesson) -> Result<Review, LearnError> {
        if lesson.own.is_empty() {
            return Ok(Review {
                doubts: Vec::new(),
                learnt: Ok(Basis::TooFew),
            });
        }
        let outputs = self.read_lesson(lesson).await?;
        let doubts = own::review(lesson, &outputs);
        let learnt = self.train(lesson, outputs).await;
        Ok(Review {
            doubts,
            learnt: learnt.map(|own| own.basis()),
        })
    }

    async fn train(
        &self,
        lesson: &Lesson,
        outputs: Vec<Arc<Output>>,
    ) -> Result<OwnIntents, LearnError> {
        let (lesson, max_wrong) = (lesson.clone(), self.inner.max_wrong);
        tokio::task::spawn_blocking(move || OwnIntents::train(&lesson, &outputs, max_wrong))
            .await
            .map_err(|error| LearnError::Head(error.to_string()))?
    }

    /// The likeliest intent of each clause of a message, own ones among them.
    fn likeliest(
        &self,
        own: &OwnIntents,
        clauses: &[(&str, Arc<Output>)],
        whole: &Understanding,
    ) -> Vec<ScoredIntent> {
        let inner = &self.inner;
        let margin = inner.metadata.threshold.margin;
        let of_clause = |(clause, output): &(&str, Arc<Output>)| {
            let mut alone = Understanding {
                intents: inner.intents(output),
                asks: Vec::new(),
                ..whole.clone()
            };
            own.take_part(clause, &own.score(clause, output), margin, &mut alone);
            alone.intents.into_iter().next()
        };
        clauses.iter().filter_map(of_clause).collect()
    }

    async fn read_lesson(&self, lesson: &Lesson) -> Result<Vec<Arc<Output>>, NluError> {
        own::read(self, self.inner.folder.as_deref(), lesson).await
    }
}

/// Compiles the rules' patterns, so that no customer waits for it.
fn warm_up_rules(entities: &EntityReader) {
    let context = NluContext {
        language_hint: None,
        time_zone: chrono_tz::Tz::UTC,
        now: Timestamp::default(),
    };
    rules::understand(
        "warm-up 1/1 10 € +34 600123456 in 3 days 10115 Berlin K1A 0B1",
        &context,
        entities,
    );
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

    /// Has the model read texts that somebody waits for. One for each, in order.
    fn begin(&self, texts: &[&str]) -> Result<Vec<Begun>, NluError> {
        let known: Vec<Option<Arc<Output>>> = texts
            .iter()
            .map(|text| self.cached(truncate(text)))
            .collect();
        let others = texts.iter().zip(&known);
        let others = others.filter(|(_, known)| known.is_none());
        let others: Vec<&str> = others.map(|(text, _)| truncate(text)).collect();
        let mut begun = self.workers.begin(&others)?.into_iter();
        let both = known.into_iter().filter_map(|known| match known {
            Some(output) => Some(Begun::Known(output)),
            None => begun.next().map(Begun::Reading),
        });
        Ok(both.collect())
    }

    /// What the model says of texts that were begun, in order.
    async fn finish(
        &self,
        texts: &[&str],
        begun: Vec<Begun>,
    ) -> Result<Vec<Arc<Output>>, NluError> {
        let mut outputs = Vec::with_capacity(texts.len());
        for (text, begun) in texts.iter().zip(begun) {
            outputs.push(match begun {
                Begun::Known(output) => output,
                Begun::Reading(reading) => {
                    let output = Arc::new(reading.finish().await?);
                    self.remember(truncate(text), &output);
                    output
                }
            });
        }
        Ok(outputs)
    }

    /// What the model says of texts that somebody waits for, in order.
    async fn read(&self, texts: &[&str]) -> Result<Vec<Arc<Output>>, NluError> {
        let begun = self.begin(texts)?;
        self.finish(texts, begun).await
    }

    /// Has a thread that has nothing to do read what will perhaps be asked for in a moment.
    fn read_ahead(&self, texts: &[String]) {
        let texts = texts.iter().map(|text| truncate(text));
        let unknown = |text: &&str| !text.trim().is_empty() && self.cached(text).is_none();
        let texts: Vec<&str> = texts.filter(unknown).collect();
        self.workers.read_ahead(&texts);
    }

    /// What the model says of each clause of a message; nothing of one that is whole or too long, and when it has no time for
    /// more than the message. They are not read ahead: of most messages they are not needed, and the store, which waits for the
    /// processors too, would answer later.
    async fn read_clauses<'a>(&self, text: &'a str) -> Vec<(&'a str, Arc<Output>)> {
        let clauses = own::clauses(text);
        match self.read(&clauses).await {
            Ok(read) => clauses.into_iter().zip(read).collect(),
            Err(_) => Vec::new(),
        }
    }

    /// The built-in intents that a message asks for, if several; `clauses` are those that were read.
    fn asks(&self, heard: &Heard<'_>, text: &str, clauses: &[(&str, Arc<Output>)]) -> Vec<String> {
        if heard.is_one() {
            return Vec::new();
        }
        if !clauses.is_empty() {
            let likeliest: Vec<ScoredIntent> = clauses
                .iter()
                .filter_map(|(_, output)| self.intents(output).into_iter().next())
                .collect();
            return heard.asks(Clauses::Read(&likeliest));
        }
        heard.asks(if own::is_whole(text) {
            Clauses::Whole
        } else {
            Clauses::Unread
        })
    }

    /// The vectors of texts that somebody waits for, in order.
    async fn vectors(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, NluError> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let read = self.read(&texts).await?;
        Ok(read.iter().map(|output| output.embedding.clone()).collect())
    }

    /// What was read for an index before, where that is kept.
    fn indexed(&self) -> Known {
        match self.keep_indexed {
            true => Known::open(self.folder.as_deref(), Kind::Indexed, &self.metadata),
            false => Known::default(),
        }
    }

    /// Tells operators what customers write about and how sure the model is of it.
    fn report(&self, understanding: &Understanding) {
        let Some(top) = understanding.top_intent() else {
            return;
        };
        metrics::counter!("doorstep_nlu_intents_total", "intent" => top.name.clone()).increment(1);
        metrics::histogram!("doorstep_nlu_confidence").record(f64::from(top.confidence));
        if let Some(drift) = &self.drift {
            let is_answered = top.name != OUT_OF_SCOPE;
            let confidence = if is_answered { top.confidence } else { 0.0 };
            drift.note(&top.name, confidence);
        }
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

/// The likeliest sentiment; neutral for a model that does not tell.
fn sentiment(output: &Output) -> Sentiment {
    match output.sentiment {
        Some([negative, neutral, positive]) if negative > neutral && negative > positive => {
            Sentiment::Negative
        }
        Some([_, neutral, positive]) if positive > neutral => Sentiment::Positive,
        _ => Sentiment::Neutral,
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
        self.understand_with(text, context, &|_, _| Vec::new())
            .await
    }

    async fn understand_with(
        &self,
        text: &str,
        context: &NluContext,
        foresight: &Foresight<'_>,
    ) -> Result<Understanding, NluError> {
        let started = Instant::now();
        let inner = &self.inner;
        if text.trim().is_empty() {
            return Ok(self.understand_by_rules(text, context));
        }
        let begun = inner.begin(&[text])?;
        // The rules work while the model does.
        let language = language::detect(truncate(text), context.language_hint.as_ref());
        let entities = inner.entities.read(text, context, &language);
        if inner.workers.have_time() {
            inner.read_ahead(&foresight(&language, &entities));
        }
        let outputs = inner.finish(&[text], begun).await?;
        let Some(output) = outputs.first() else {
            return Err(NluError::Failed {
                reason: "it was not asked".to_owned(),
            });
        };
        let intents = inner.intents(output);
        let heard = Heard::new(&inner.metadata, output, &intents);
        let of_own = self.own.as_ref().map(|own| (own, own.score(text, output)));
        let may_be_own = of_own
            .as_ref()
            .is_some_and(|(own, scored)| own.may_be_asked_for(scored));
        // They cost as much as the message itself, so most messages must do without.
        let clauses = if may_be_own || heard.is_in_doubt() {
            inner.read_clauses(truncate(text)).await
        } else {
            Vec::new()
        };
        let mut understanding = Understanding {
            entities,
            asks: inner.asks(&heard, truncate(text), &clauses),
            accept: inner.thresholds.of(&language),
            intents,
            sentiment: sentiment(output),
            escalation: output.likeliest_escalation(),
            vector: Some(output.embedding.clone()),
            backend: inner.backend,
            language,
        };
        if let Some((own, scored)) = of_own {
            let clauses = if may_be_own {
                self.likeliest(own, &clauses, &understanding)
            } else {
                Vec::new()
            };
            let is_heard = |name: &str| heard.has(name);
            if !own.join(clauses, is_heard, &mut understanding) {
                let margin = inner.metadata.threshold.margin;
                own.take_part(text, &scored, margin, &mut understanding);
            }
        }
        metrics::histogram!("doorstep_nlu_seconds").record(started.elapsed().as_secs_f64());
        inner.report(&understanding);
        Ok(understanding)
    }

    fn understand_by_rules(&self, text: &str, context: &NluContext) -> Understanding {
        rules::understand(text, context, &self.inner.entities)
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, NluError> {
        match texts.len() <= SHORT_LIST {
            true => self.inner.vectors(texts).await,
            false => self.vectors_for_index(texts).await,
        }
    }

    fn backend(&self) -> Backend {
        self.inner.backend
    }

    fn queue_depth(&self) -> usize {
        self.inner.workers.depth()
    }
}
