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

use std::{
    cmp::Reverse,
    collections::VecDeque,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use doorstep_core::nlu::NluError;
use lru::LruCache;
use tokio::sync::{Semaphore, oneshot};

use crate::{
    NluStartError,
    session::{Output, SessionError, SessionSource, Tokens},
};

/// How many texts to be indexed may wait or run for each thread: enough that none idles between two.
const INDEXING_PER_THREAD: usize = 4;

/// What a worker does with texts; a trait so that tests can watch the lanes without a model.
pub(crate) trait Reader {
    /// One result for each text, in order.
    fn read(&mut self, texts: &[&[i64]]) -> Vec<Result<Output, SessionError>>;
}

impl Reader for crate::Session {
    fn read(&mut self, texts: &[&[i64]]) -> Vec<Result<Output, SessionError>> {
        crate::Session::read(self, texts)
    }
}

/// Cuts a text into tokens.
type Cut = Box<dyn Fn(&str) -> Result<Tokens, SessionError> + Send + Sync>;

/// One text and who waits for it.
struct Job {
    tokens: Tokens,
    reply: oneshot::Sender<Result<Output, NluError>>,
}

#[derive(Default)]
struct Lanes {
    conversations: VecDeque<Job>,
    indexing: VecDeque<Job>,
    /// The threads that wait for work. The one that ran last is called first: its model is still in the processor's
    /// caches, which halves what a text takes that comes alone.
    idle: Vec<usize>,
    is_closed: bool,
}

struct Shared {
    lanes: Mutex<Lanes>,
    /// One for each thread.
    bells: Vec<Condvar>,
    /// Most texts that a thread reads at once; found out when the first session is open.
    at_once: AtomicUsize,
}

impl Shared {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a text into a lane and calls a thread, if one waits.
    fn add(&self, mut lanes: MutexGuard<'_, Lanes>, lane: impl FnOnce(&mut Lanes)) {
        lane(&mut lanes);
        let called = lanes.idle.pop();
        drop(lanes);
        if let Some(bell) = called.and_then(|number| self.bells.get(number)) {
            bell.notify_one();
        }
    }

    /// The next texts for the thread `number`, conversations first; nothing once closed.
    fn next(&self, number: usize) -> Vec<Job> {
        let mut lanes = self.lanes();
        loop {
            if lanes.is_closed {
                return Vec::new();
            }
            let share = self.share(lanes.conversations.len());
            if share > 0 {
                let jobs = take_alike(&mut lanes.conversations, share);
                report_depth(lanes.conversations.len());
                return jobs;
            }
            // One by one, so that what is learnt from a list does not depend on how its texts fell together.
            if let Some(job) = lanes.indexing.pop_front() {
                return vec![job];
            }
            lanes.idle.push(number);
            lanes = self.bells[number]
                .wait(lanes)
                .unwrap_or_else(PoisonError::into_inner);
            // It may wake without being called.
            lanes.idle.retain(|idle| *idle != number);
        }
    }

    /// How many of the texts that wait one thread takes: so many that the others have as much to do.
    fn share(&self, waiting: usize) -> usize {
        let even = waiting.div_ceil(self.bells.len().max(1));
        even.min(self.at_once.load(Ordering::Relaxed))
    }
}

/// Takes so many texts: the one that waits longest, so that none waits for ever, and those most like it in length.
fn take_alike(waiting: &mut VecDeque<Job>, count: usize) -> Vec<Job> {
    let mut taken: Vec<Job> = waiting.pop_front().into_iter().collect();
    let length = taken.first().map_or(0, |first| first.tokens.len());
    let mut others: Vec<(usize, usize)> = waiting
        .iter()
        .enumerate()
        .map(|(place, job)| (job.tokens.len().abs_diff(length), place))
        .collect();
    others.sort_unstable();
    others.truncate(count.saturating_sub(1));
    // The last ones first, so that the places of the others stay true.
    others.sort_unstable_by_key(|(_, place)| Reverse(*place));
    taken.extend(
        others
            .into_iter()
            .filter_map(|(_, place)| waiting.remove(place)),
    );
    taken
}

fn report_depth(depth: usize) {
    metrics::gauge!("doorstep_nlu_queue_depth").set(depth as f64);
}

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
            shared: Arc::new(Shared {
                lanes: Mutex::default(),
                bells: (0..count).map(|_| Condvar::new()).collect(),
                at_once: AtomicUsize::new(1),
            }),
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
        if let Ok(reading) = self.submit(text) {
            self.expected().put(text.to_owned(), reading);
        }
    }

    /// Has a text read that somebody waits for, unless that was begun when it was expected.
    pub(crate) fn begin(&self, text: &str) -> Result<Reading, NluError> {
        let expected = self.expected().pop(text);
        expected.map_or_else(|| self.submit(text), Ok)
    }

    fn expected(&self) -> MutexGuard<'_, LruCache<String, Reading>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a text into the lane of those that somebody waits for. Dropping the result before a thread takes the text up
    /// takes it out again.
    fn submit(&self, text: &str) -> Result<Reading, NluError> {
        // Asked first, so that a flood is refused before anything is done for it.
        self.check_room(self.depth())?;
        let tokens = self.cut(text)?;
        let (reply, answer) = oneshot::channel();
        let lanes = self.shared.lanes();
        let waiting = lanes.conversations.len();
        self.check_room(waiting)?;
        report_depth(waiting + 1);
        let job = Job { tokens, reply };
        self.shared
            .add(lanes, |lanes| lanes.conversations.push_back(job));
        Ok(Reading(answer))
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
        self.begin(&text)?.finish().await
    }

    /// Reads a text of a long list, after everything that somebody waits for.
    pub(crate) async fn index(&self, text: &str) -> Result<Output, NluError> {
        let _place = self.indexing.acquire().await.map_err(|_| stopped())?;
        let tokens = self.cut(text)?;
        let (reply, answer) = oneshot::channel();
        let job = Job { tokens, reply };
        let lanes = self.shared.lanes();
        self.shared
            .add(lanes, |lanes| lanes.indexing.push_back(job));
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
