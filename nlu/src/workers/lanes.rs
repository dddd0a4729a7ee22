//! What waits for the threads, and which of them takes what.

use std::{
    cmp::Reverse,
    collections::VecDeque,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use doorstep_core::nlu::NluError;
use tokio::sync::oneshot;

use crate::session::{Output, Tokens};

/// One text and who waits for it.
pub(super) struct Job {
    pub(super) tokens: Tokens,
    pub(super) reply: oneshot::Sender<Result<Output, NluError>>,
}

#[derive(Default)]
pub(super) struct Lanes {
    pub(super) conversations: VecDeque<Job>,
    pub(super) indexing: VecDeque<Job>,
    /// The threads that wait for work. The one that ran last is called first: its model is still in the processor's
    /// caches, which halves what a text takes that comes alone.
    idle: Vec<usize>,
    pub(super) is_closed: bool,
}

pub(super) struct Shared {
    lanes: Mutex<Lanes>,
    /// One for each thread.
    pub(super) bells: Vec<Condvar>,
    /// Most texts that a thread reads at once; found out when the first session is open.
    pub(super) at_once: AtomicUsize,
}

impl Shared {
    pub(super) fn new(threads: usize) -> Self {
        Self {
            lanes: Mutex::default(),
            bells: (0..threads).map(|_| Condvar::new()).collect(),
            at_once: AtomicUsize::new(1),
        }
    }

    pub(super) fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a thread has nothing to do.
    pub(super) fn has_time(&self) -> bool {
        let lanes = self.lanes();
        !lanes.idle.is_empty() && lanes.conversations.is_empty()
    }

    /// Puts texts into a lane and calls as many threads, if they wait.
    pub(super) fn add(
        &self,
        mut lanes: MutexGuard<'_, Lanes>,
        lane: impl FnOnce(&mut Lanes) -> &mut VecDeque<Job>,
        jobs: Vec<Job>,
    ) {
        let rest = lanes.idle.len().saturating_sub(jobs.len());
        lane(&mut lanes).extend(jobs);
        let called = lanes.idle.split_off(rest);
        drop(lanes);
        for bell in called
            .into_iter()
            .filter_map(|number| self.bells.get(number))
        {
            bell.notify_one();
        }
    }

    /// The next texts for the thread `number`, conversations first; nothing once closed.
    pub(super) fn next(&self, number: usize) -> Vec<Job> {
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

    /// Whether every thread waits for work.
    #[cfg(test)]
    pub(super) fn all_rest(&self) -> bool {
        self.lanes().idle.len() == self.bells.len()
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

pub(super) fn report_depth(depth: usize) {
    metrics::gauge!("doorstep_nlu_queue_depth").set(depth as f64);
}
