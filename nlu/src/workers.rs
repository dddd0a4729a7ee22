//! The threads that run the model, and the two lanes of texts that wait for them.
//!
//! Inference blocks, so it has threads of its own, one session each. Conversations wait in a bounded lane: when it is
//! full the caller learns at once and answers by rules (G7). Long lists to be indexed wait in a second lane that is only
//! served when the first is empty, so that a catalog import never delays a customer by more than one text.
//!
//! What waits in conversations is shared out among the threads, and a thread reads its share at once if that is faster on
//! this machine ([`crate::Session::texts_at_once`] measures it): with int8 dot-product instructions it is, without them it
//! is not. Short texts beside a long one would be padded to its length, which is as much work as reading them again; so a
//! share is the text that waits longest and those most like it in length. Texts are cut into tokens before they wait.
//!
//! A thread that has nothing to do reads what will perhaps be asked for in a moment ([`Workers::read_ahead`]). To share out one
//! text to two threads gains nothing: the second must be woken, with cold caches, and what admits the message waits for both.

mod lanes;

use std::{
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    thread::JoinHandle,
};

use doorstep_core::nlu::NluError;
use lanes::{Job, Shared, report_depth};
use lru::LruCache;
use tokio::sync::{Semaphore, oneshot};

use crate::{
    NluStartError,
    session::{Output, Session, SessionError, SessionSource, Tokens},
};

/// How many texts to be indexed may wait or run for each thread: enough that none idles between two.
const INDEXING_PER_THREAD: usize = 4;

/// What a worker does with texts; a trait so that tests can watch the lanes without a model.
pub(crate) trait Reader {
    /// One result for each text, in order.
    fn read(&mut self, texts: &[&[i64]]) -> Vec<Result<Output, SessionError>>;
}

impl Reader for Session {
    fn read(&mut self, texts: &[&[i64]]) -> Vec<Result<Output, SessionError>> {
        Session::read(self, texts)
    }
}

/// Cuts a text into tokens.
type Cut = Box<dyn Fn(&str) -> Result<Tokens, SessionError> + Send + Sync>;

/// A text that waits for a thread, or is being read.
pub(crate) struct Reading(oneshot::Receiver<Result<Output, NluError>>);

impl Reading {
    /// What the model says of it.
    pub(crate) async fn finish(self) -> Result<Output, NluError> {
        self.0.await.unwrap_or_else(|_| Err(stopped()))
    }
}

/// The threads. Dropping it ends them; texts that still wait are answered with an error.
pub(crate) struct Workers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    indexing: Semaphore,
    indexing_places: usize,
    queue: usize,
    cut: Cut,
    /// Texts that are expected and not asked for yet. Old ones that nobody asks for make room for new ones.
    expected: Mutex<LruCache<String, Reading>>,
}

impl Workers {
    /// Starts `count` threads. The first session is opened here, so that a broken model is an error now; the others
    /// open their own on their threads meanwhile.
    pub(crate) fn start(
        source: &SessionSource,
        count: usize,
        queue: usize,
    ) -> Result<Self, NluStartError> {
        let mut workers = Self::new(count, queue, Box::new(source.cutter()));
        let mut first = source.open()?;
        workers.read_at_once(first.texts_at_once());
        workers.spawn(0, move || Some(first))?;
        for number in 1..count {
            let source = source.clone();
            workers.spawn(number, move || {
                source
                    .open()
                    .inspect_err(|error| tracing::error!(%error, number, "a thread for the model did not start; the others go on"))
                    .ok()
            })?;
        }
        Ok(workers)
    }

    fn new(count: usize, queue: usize, cut: Cut) -> Self {
        let indexing_places = count.max(1) * INDEXING_PER_THREAD;
        Self {
            shared: Arc::new(Shared::new(count)),
            threads: Vec::with_capacity(count),
            indexing: Semaphore::new(indexing_places),
            indexing_places,
            queue,
            cut,
            expected: Mutex::new(LruCache::new(
                NonZeroUsize::new(queue).unwrap_or(NonZeroUsize::MIN),
            )),
        }
    }

    /// Lets a thread read so many texts at once.
    fn read_at_once(&self, texts: usize) {
        self.shared.at_once.store(texts.max(1), Ordering::Relaxed);
    }

    fn spawn<R: Reader>(
        &mut self,
        number: usize,
        open: impl FnOnce() -> Option<R> + Send + 'static,
    ) -> Result<(), NluStartError> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name(format!("nlu-{number}"))
            .spawn(move || {
                if let Some(reader) = open() {
                    serve(&shared, number, reader);
                }
            })?;
        self.threads.push(thread);
        Ok(())
    }

    /// How many conversations' texts wait.
    pub(crate) fn depth(&self) -> usize {
        self.shared.lanes().conversations.len()
    }

    /// How many texts of long lists may wait or run at once.
    pub(crate) fn indexing_places(&self) -> usize {
        self.indexing_places
    }

    /// Has a text read that somebody will ask for in a moment. A full lane is told to whoever asks.
    pub(crate) fn expect(&self, text: &str) {
        if self.expected().contains(text) {
            return;
        }
        let reading = self.submit(&[text]).ok().and_then(|mut begun| begun.pop());
        if let Some(reading) = reading {
            self.expected().put(text.to_owned(), reading);
        }
    }

    /// Whether a thread has nothing to do.
    pub(crate) fn have_time(&self) -> bool {
        self.shared.has_time()
    }

    /// Has texts read that may be asked for in a moment, if a thread has nothing else to do.
    pub(crate) fn read_ahead(&self, texts: &[&str]) {
        if !self.have_time() {
            return;
        }
        let is_new = |text: &&&str| !self.expected().contains(**text);
        let texts: Vec<&str> = texts.iter().filter(is_new).copied().collect();
        let Ok(readings) = self.submit(&texts) else {
            return;
        };
        let mut expected = self.expected();
        for (text, reading) in texts.into_iter().zip(readings) {
            expected.put(text.to_owned(), reading);
        }
    }

    /// Has texts read that somebody waits for, those not that were begun when they were expected. One reading for each text,
    /// in order.
    pub(crate) fn begin(&self, texts: &[&str]) -> Result<Vec<Reading>, NluError> {
        let known: Vec<Option<Reading>> = {
            let mut expected = self.expected();
            texts.iter().map(|text| expected.pop(*text)).collect()
        };
        let others = texts.iter().zip(&known);
        let others = others.filter(|(_, known)| known.is_none());
        let others: Vec<&str> = others.map(|(text, _)| *text).collect();
        let mut begun = self.submit(&others)?.into_iter();
        let readings = known.into_iter();
        Ok(readings
            .filter_map(|known| known.or_else(|| begun.next()))
            .collect())
    }

    fn expected(&self) -> MutexGuard<'_, LruCache<String, Reading>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts texts into the lane of those that somebody waits for: together, so that the threads share them out. Dropping a
    /// result before a thread takes its text up takes it out again.
    fn submit(&self, texts: &[&str]) -> Result<Vec<Reading>, NluError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        // Asked first, so that a flood is refused before anything is done for it.
        self.check_room(self.depth())?;
        let (mut jobs, mut readings) = (Vec::new(), Vec::new());
        for text in texts {
            let tokens = self.cut(text)?;
            let (reply, answer) = oneshot::channel();
            jobs.push(Job { tokens, reply });
            readings.push(Reading(answer));
        }
        let lanes = self.shared.lanes();
        let waiting = lanes.conversations.len();
        self.check_room(waiting)?;
        report_depth(waiting + jobs.len());
        self.shared
            .add(lanes, |lanes| &mut lanes.conversations, jobs);
        Ok(readings)
    }

    fn check_room(&self, waiting: usize) -> Result<(), NluError> {
        if waiting < self.queue {
            return Ok(());
        }
        metrics::counter!("doorstep_nlu_overloaded_total").increment(1);
        Err(NluError::Overloaded { waiting })
    }

    /// A text's tokens. A panic fails this text alone: whoever has one read may be admitting a message.
    fn cut(&self, text: &str) -> Result<Tokens, NluError> {
        match catch_unwind(AssertUnwindSafe(|| (self.cut)(text))) {
            Ok(cut) => cut.map_err(|error| failed(error.to_string())),
            Err(_) => Err(failed(PANICKED)),
        }
    }

    /// Reads a text that somebody waits for.
    #[cfg(test)]
    async fn converse(&self, text: String) -> Result<Output, NluError> {
        let reading = self.begin(&[&text])?.pop();
        reading.unwrap().finish().await
    }

    /// Reads a text of a long list, after everything that somebody waits for.
    pub(crate) async fn index(&self, text: &str) -> Result<Output, NluError> {
        let _place = self.indexing.acquire().await.map_err(|_| stopped())?;
        let tokens = self.cut(text)?;
        let (reply, answer) = oneshot::channel();
        let job = Job { tokens, reply };
        let lanes = self.shared.lanes();
        self.shared
            .add(lanes, |lanes| &mut lanes.indexing, vec![job]);
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        {
            let mut lanes = self.shared.lanes();
            lanes.is_closed = true;
            // Dropping a job tells whoever waits for it.
            lanes.conversations.clear();
            lanes.indexing.clear();
        }
        for bell in &self.shared.bells {
            bell.notify_all();
        }
        for thread in self.threads.drain(..) {
            // A thread ends after at most the text that it reads now; its panics were caught.
            let _ = thread.join();
        }
    }
}

const PANICKED: &str = "it panicked";

fn failed(reason: impl Into<String>) -> NluError {
    NluError::Failed {
        reason: reason.into(),
    }
}

fn stopped() -> NluError {
    failed("the model was stopped")
}

/// A thread's life: its share of what waits until the lanes close.
fn serve(shared: &Shared, number: usize, mut reader: impl Reader) {
    loop {
        let mut jobs = shared.next(number);
        if jobs.is_empty() {
            return;
        }
        // Whoever asked may be gone.
        jobs.retain(|job| !job.reply.is_closed());
        let texts: Vec<&[i64]> = jobs.iter().map(|job| job.tokens.as_slice()).collect();
        let results = read_all(&mut reader, &texts);
        for (job, result) in jobs.into_iter().zip(results) {
            // The receiver may have gone meanwhile.
            let _ = job.reply.send(result);
        }
    }
}

/// Reads texts together; if that panics, each alone, so that it fails only the text to blame.
fn read_all(reader: &mut impl Reader, texts: &[&[i64]]) -> Vec<Result<Output, NluError>> {
    if texts.is_empty() {
        return Vec::new();
    }
    match catch_unwind(AssertUnwindSafe(|| reader.read(texts))) {
        Ok(results) => results
            .into_iter()
            .map(|result| result.map_err(|error| failed(error.to_string())))
            .collect(),
        Err(_) if texts.len() == 1 => vec![Err(failed(PANICKED))],
        Err(_) => texts
            .iter()
            .flat_map(|text| read_all(reader, &[text]))
            .collect(),
    }
}

#[cfg(test)]
mod tests;
