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
        let mut taken = seen.0;
        let mut last = taken.clone();
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = Seen::look(folder).await.0;
            let settled = now == last;
            last = now;
            if !settled || last == taken {
                continue;
            }
            taken = last.clone();
            let outcome = self.renew().await;
            crate::memory::give_back();
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
        } else if crate::assets::is_merchant_file(&path) {
            stamp.insert(path, (metadata.len(), metadata.modified().ok()));
        }
    }
    Ok(())
}
