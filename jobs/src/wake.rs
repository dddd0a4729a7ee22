//! Wakes workers when there is something to fetch, so that nobody polls.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
    time::Duration,
};

use doorstep_core::{Ambient, Timestamp};
use futures::task::AtomicWaker;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Wakes the workers of this instance.
#[derive(Clone, Default)]
pub(crate) struct Wake {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    listeners: Mutex<HashMap<String, Arc<Listener>>>,
    /// Seconds since 1970 at which jobs become due.
    alarms: Mutex<BTreeSet<i64>>,
    alarm_set: Notify,
}

/// What one worker listens to. It counts, so that news that came while a fetch was under way is not lost.
#[derive(Default)]
pub(crate) struct Listener {
    news: AtomicU64,
    waker: AtomicWaker,
}

impl Listener {
    /// How often there was news. Register the waker first.
    pub(crate) fn news(&self) -> u64 {
        self.news.load(Ordering::Acquire)
    }

    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    fn wake(&self) {
        self.news.fetch_add(1, Ordering::AcqRel);
        self.waker.wake();
    }
}

impl Wake {
    /// What the worker of a queue listens to.
    pub(crate) fn listen(&self, queue: &str) -> Arc<Listener> {
        let mut listeners = self.listeners();
        Arc::clone(listeners.entry(queue.to_owned()).or_default())
    }

    /// Wakes every worker.
    pub(crate) fn all(&self) {
        for listener in self.listeners().values() {
            listener.wake();
        }
    }

    /// Wakes the worker of one queue.
    pub(crate) fn one(&self, queue: &str) {
        if let Some(listener) = self.listeners().get(queue) {
            listener.wake();
        }
    }

    /// Wakes every worker at that second.
    pub(crate) fn at(&self, second: i64) {
        let mut alarms = self
            .inner
            .alarms
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        alarms.insert(second);
        if alarms.first() == Some(&second) {
            self.inner.alarm_set.notify_one();
        }
    }

    /// Rings the alarms until `stop`.
    pub(crate) async fn ring(self, ambient: Ambient, stop: CancellationToken) {
        loop {
            let pause = self.next_alarm(ambient.now());
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.inner.alarm_set.notified() => {}
                () = sleep(pause) => {
                    self.drop_alarms(ambient.now());
                    self.all();
                }
            }
        }
    }

    fn next_alarm(&self, now: Timestamp) -> Option<Duration> {
        let alarms = self
            .inner
            .alarms
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let due = Timestamp::from_timestamp(*alarms.first()?, 0)?;
        // A little later: apalis compares whole seconds, PostgreSQL with its own clock.
        let slack = Duration::from_millis(20);
        Some((due - now).to_std().unwrap_or_default() + slack)
    }

    fn drop_alarms(&self, now: Timestamp) {
        let mut alarms = self
            .inner
            .alarms
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *alarms = alarms.split_off(&(now.timestamp() + 1));
    }

    fn listeners(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Listener>>> {
        self.inner
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}
