//! Merchants' files take effect while the program runs.
//!
//! Own intents are learnt beside everything else, right after the start: until then, the built-in ones stand in.
//!
//! The folder `files_dir` is looked at a few times a second (times and sizes only). Once a change has settled, everything
//! is read and checked as at the start, own intents are learnt on the model's threads after whatever customers wait for,
//! and only then is all of it put in the place of the old, at once. Files with a mistake change nothing: the log names file,
//! line and fix, `/readyz` says so, and `doorstep_config_reloads_total` counts it.
//!
//! Intents, flows, replies, glossaries, synonyms, taxonomy, knowledge, rules and notification templates take effect like
//! this.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use doorstep_core::{Ambient, Health, Problem};
use doorstep_engine::{
    notify::Notifier,
    router::{Renewal, Router},
};
use doorstep_nlu::{LearnError, Lesson, LocalNlu};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    catalog::IndexError, config::Config, knowledge::Knowledge, merchant::MerchantFiles,
    opening::Engines,
};

/// How often the folder is looked at. A change takes effect after it was seen unchanged twice.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// So many looks after files that could not be taken for a passing reason, they are tried again: ten seconds.
const LOOKS_UNTIL_AGAIN: u32 = 33;

/// What tells that a file changed: its length and when it was written.
type Stamp = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Why changed files were not taken.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error("{} problem(s), the first: {}", .0.len(), .0.first().map_or_else(String::new, ToString::to_string))]
    Problems(Vec<Problem>),
    #[error(transparent)]
    Learn(#[from] LearnError),
    #[error("the knowledge files could not be indexed: {0}")]
    Index(#[from] IndexError),
    #[error("the files could not be checked: {0}")]
    Stopped(#[from] tokio::task::JoinError),
}

impl ReloadError {
    /// Whether the same files may be taken a little later. A mistake in them stays one.
    fn may_pass(&self) -> bool {
        match self {
            Self::Problems(_) | Self::Learn(LearnError::Head(_)) => false,
            Self::Learn(_) | Self::Index(_) | Self::Stopped(_) => true,
        }
    }

    /// Its name in the metric.
    fn result(&self) -> &'static str {
        match self {
            Self::Problems(_) => "refused",
            Self::Learn(_) | Self::Index(_) | Self::Stopped(_) => "failed",
        }
    }
}

/// How far the merchant's files are in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Files {
    /// The program has begun, and own intents are still being learnt.
    Learning,
    /// All of them are.
    InEffect,
    /// Own intents are not understood, or changed files are not taken.
    Behind(String),
}

impl Files {
    pub(crate) fn health(&self) -> Health {
        let reason = match self {
            Self::InEffect => return Health::Ok,
            Self::Learning => "own intents are being learnt; until then the built-in ones stand in",
            Self::Behind(reason) => reason,
        };
        Health::Degraded {
            reason: reason.to_owned(),
        }
    }
}

/// What is renewed when files change.
pub(crate) struct Reloader {
    /// The configuration, which stays.
    pub(crate) config: Config,
    /// The model.
    pub(crate) nlu: LocalNlu,
    /// Answers by the files.
    pub(crate) router: Arc<Router>,
    /// Tells by the files what nobody asked for.
    pub(crate) notifier: Arc<Notifier>,
    /// Has what the knowledge files say found.
    pub(crate) knowledge: Arc<Knowledge>,
    /// Read questions with the files' synonyms.
    pub(crate) engines: Engines,
    /// When it is.
    pub(crate) ambient: Ambient,
}

impl Reloader {
    /// Learns own intents, and then watches the merchant's folder, if there is one, until `stop`. The start of the program
    /// need not wait for it. `seen` is the folder as the running program read it, with `lesson`.
    pub(crate) fn start(
        self,
        lesson: Lesson,
        seen: Seen,
        stop: CancellationToken,
    ) -> watch::Receiver<Files> {
        let (tell, files) = watch::channel(match lesson.own.is_empty() {
            true => Files::InEffect,
            false => Files::Learning,
        });
        tokio::spawn(async move {
            tokio::select! {
                () = self.run(lesson, seen, &tell) => {}
                () = stop.cancelled() => {}
            }
        });
        files
    }

    async fn run(&self, lesson: Lesson, seen: Seen, tell: &watch::Sender<Files>) {
        if !lesson.own.is_empty() {
            tell.send_replace(self.learn(&lesson).await);
            crate::memory::give_back();
        }
        let Some(folder) = &self.config.files_dir else {
            return;
        };
        let mut watched = Watched::new(seen.0);
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if !watched.is_due(Seen::look(folder).await.0) {
                continue;
            }
            let outcome = self.renew().await;
            crate::memory::give_back();
            if outcome.as_ref().is_err_and(ReloadError::may_pass) {
                watched.try_again();
            }
            tell.send_replace(report(&outcome));
        }
    }

    async fn learn(&self, lesson: &Lesson) -> Files {
        match self.nlu.learn(lesson).await {
            Ok(nlu) => {
                self.router.teach(Arc::new(nlu));
                Files::InEffect
            }
            Err(error) => {
                tracing::error!(%error, "own intents are not understood; the built-in ones stand in");
                Files::Behind(format!("own intents are not understood: {error}"))
            }
        }
    }

    async fn renew(&self) -> Result<usize, ReloadError> {
        let config = self.config.clone();
        let merchant = tokio::task::spawn_blocking(move || MerchantFiles::load(&config))
            .await?
            .map_err(ReloadError::Problems)?;
        let nlu = self.nlu.learn(&merchant.lesson()).await?;
        let own = merchant.flows.own_intents().len();
        // The last that can fail, so that all of it takes effect or none.
        self.knowledge
            .replace(&merchant.files, self.ambient.now())
            .await?;
        self.engines.use_synonyms(merchant.synonyms);
        let templates = Arc::new(merchant.templates);
        self.notifier.renew(merchant.rules, Arc::clone(&templates));
        self.router.renew(Renewal {
            nlu: Arc::new(nlu),
            flows: merchant.flows,
            templates,
        });
        Ok(own)
    }
}

/// Logs and counts how it went, and says how the files are now.
fn report(outcome: &Result<usize, ReloadError>) -> Files {
    let result = outcome
        .as_ref()
        .map_or_else(ReloadError::result, |_| "applied");
    metrics::counter!("doorstep_config_reloads_total", "result" => result).increment(1);
    let error = match outcome {
        Ok(own_intents) => {
            tracing::info!(
                own_intents,
                "the merchant's files changed and are in effect"
            );
            return Files::InEffect;
        }
        Err(error) => error,
    };
    if let ReloadError::Problems(problems) = error {
        for problem in problems {
            tracing::error!(%problem, "the merchant's files changed and have a problem; the former ones stay in effect");
        }
    } else {
        tracing::error!(%error, "the merchant's files changed and could not be taken; the former ones stay in effect");
    }
    Files::Behind(format!(
        "changed files are not in effect, the former ones are: {error}"
    ))
}

/// The folder as it was taken, and as it was last seen.
#[derive(Debug)]
struct Watched {
    taken: Stamp,
    last: Stamp,
    /// In how many looks what was taken is tried again.
    again_in: Option<u32>,
}

impl Watched {
    fn new(taken: Stamp) -> Self {
        Self {
            last: taken.clone(),
            taken,
            again_in: None,
        }
    }

    /// Whether the folder, which now looks so, is to be taken: it changed and has settled, or it is time to try again. What
    /// is due counts as taken.
    fn is_due(&mut self, now: Stamp) -> bool {
        let settled = now == self.last;
        self.last = now;
        let looks_left = self.again_in.map(|looks| looks.saturating_sub(1));
        self.again_in = looks_left;
        if !settled || (self.last == self.taken && looks_left != Some(0)) {
            return false;
        }
        self.taken = self.last.clone();
        self.again_in = None;
        true
    }

    /// What was taken could not be, for now.
    fn try_again(&mut self) {
        self.again_in = Some(LOOKS_UNTIL_AGAIN);
    }
}

/// A folder as it was at one time.
#[derive(Debug, Default)]
pub(crate) struct Seen(Stamp);

impl Seen {
    /// Looks at a folder. What cannot be looked at is passed over: reading it will say why.
    pub(crate) async fn look(folder: &Path) -> Self {
        let folder = folder.to_owned();
        let looked = tokio::task::spawn_blocking(move || {
            let mut stamp = Stamp::new();
            // A folder that vanishes meanwhile is an empty one.
            let _ = collect(&folder, &mut stamp);
            stamp
        });
        Self(looked.await.unwrap_or_default())
    }
}

fn collect(folder: &Path, stamp: &mut Stamp) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // Follows links, as reading does.
        let Ok(metadata) = fs::metadata(&path) else {
            continue;
        };
        if metadata.is_dir() {
            collect(&path, stamp)?;
        } else if crate::overlay::is_merchant_file(&path) {
            stamp.insert(path, (metadata.len(), metadata.modified().ok()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(length: u64) -> Stamp {
        Stamp::from([(PathBuf::from("intents/own.yaml"), (length, None))])
    }

    #[test]
    fn a_change_is_taken_once_it_has_settled_and_once_only() {
        let mut watched = Watched::new(folder(1));
        assert!(!watched.is_due(folder(1)));
        assert!(!watched.is_due(folder(2)));
        assert!(!watched.is_due(folder(3)));
        assert!(watched.is_due(folder(3)));
        for _ in 0..3 * LOOKS_UNTIL_AGAIN {
            assert!(!watched.is_due(folder(3)));
        }
    }

    #[test]
    fn what_failed_for_a_passing_reason_is_tried_again_after_a_pause() {
        let mut watched = Watched::new(folder(1));
        watched.is_due(folder(2));
        assert!(watched.is_due(folder(2)));
        for _ in 0..2 {
            watched.try_again();
            for _ in 1..LOOKS_UNTIL_AGAIN {
                assert!(!watched.is_due(folder(2)));
            }
            assert!(watched.is_due(folder(2)));
        }
        // A change needs no pause.
        watched.try_again();
        assert!(!watched.is_due(folder(4)));
        assert!(watched.is_due(folder(4)));
        assert!(!watched.is_due(folder(4)));
    }

    #[test]
    fn a_mistake_in_the_files_does_not_pass_and_a_model_without_time_does() {
        assert!(!ReloadError::Problems(Vec::new()).may_pass());
        assert!(!ReloadError::Learn(LearnError::Head("no example".to_owned())).may_pass());
        let overloaded = doorstep_core::nlu::NluError::Overloaded { waiting: 64 };
        assert!(ReloadError::Learn(LearnError::Nlu(overloaded)).may_pass());
    }
}
