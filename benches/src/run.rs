//! One run: a fresh server with an empty folder, and one phase after another.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde::Serialize;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::{
    Outcome,
    bare::{self, Bare},
    chat::{self, Idle, Talk},
    machine::{self, Seen, Watch},
    options::Options,
    server::{self, Server},
    socket, texts,
    webhooks::{self, Webhooks},
};

/// Every figure of a run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run {
    pub(crate) bare: Bare,
    /// How long the disk takes to make a small write durable.
    pub(crate) sync_ms: f64,
    pub(crate) start: Start,
    pub(crate) one: Talk,
    pub(crate) idle: Idle,
    pub(crate) many: Talk,
    pub(crate) webhooks: Webhooks,
    /// How long the server went on working on the events after the last was acknowledged.
    pub(crate) worked_on_s: f64,
    pub(crate) rss_end_mb: f64,
    /// Who used the processor, by phase.
    pub(crate) processor: BTreeMap<&'static str, Seen>,
    /// Whether other work used too much of it, or the machine never became idle.
    pub(crate) disturbed: bool,
}

/// Start-up and memory before anybody came.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Start {
    /// On an empty folder.
    pub(crate) first_s: f64,
    /// On the folder that the first start left behind.
    pub(crate) again_s: f64,
    /// After the first start, with the catalog read and indexed.
    pub(crate) first_rss_mb: f64,
    /// After the second, with nothing to index.
    pub(crate) rss_mb: f64,
}

impl Run {
    /// The most cores that other work used in a phase.
    pub(crate) fn other_work(&self) -> f64 {
        self.processor
            .values()
            .map(|seen| seen.others_cores)
            .fold(0.0, f64::max)
    }
}

/// Does one.
pub(crate) async fn one(options: &Options) -> Outcome<Run> {
    let program = server::program(options)?;
    let frames: Vec<Utf8Bytes> = texts::load(options.texts.as_deref())?
        .iter()
        .map(|text| socket::frame(text))
        .collect();
    let folder = server::folder(options)?;
    let counts = options.counts();
    let was_idle = machine::wait_until_idle(Duration::from_secs(options.wait_quiet_s())).await?;
    let mut phases = Phases::default();

    let sync_ms = machine::sync_ms(folder.path())?;
    let watch = Watch::start(None)?;
    let before = bare::run()?;
    phases.note("bare", watch)?;

    let (server, start) = start(&program, folder.path()).await?;
    server.check_backend().await?;
    let pid = Some(server.pid());

    let watch = Watch::start(pid)?;
    let one = chat::one(&server, &frames, counts.sequential).await?;
    phases.note("one conversation", watch)?;

    let watch = Watch::start(None)?;
    let bare = Bare::between(before, bare::run()?);
    phases.note("bare again", watch)?;

    let watch = Watch::start(pid)?;
    let idle = chat::idle(&server, counts.idle as usize).await?;
    phases.note("idle sockets", watch)?;

    let watch = Watch::start(pid)?;
    let many = chat::many(&server, &frames, counts.connections, counts.messages).await?;
    phases.note("many conversations", watch)?;

    machine::settle(server.pid()).await?;
    let watch = Watch::start(pid)?;
    let webhooks = webhooks::run(&server, counts.clients, counts.events).await?;
    phases.note("webhooks", watch)?;
    let worked_on_s = machine::settle(server.pid()).await?.as_secs_f64();

    let rss_end_mb = machine::rss_mb(server.pid())?;
    server.stop().await?;
    let mut run = Run {
        bare,
        sync_ms,
        start,
        one,
        idle,
        many,
        webhooks,
        worked_on_s,
        rss_end_mb,
        processor: phases.0,
        disturbed: false,
    };
    run.disturbed = !was_idle || run.other_work() > options.max_others;
    Ok(run)
}

/// Starts a server on the empty `folder`, lets it set itself up, ends it, and starts it again.
async fn start(program: &Path, folder: &Path) -> Outcome<(Server, Start)> {
    let first = Server::start(program, folder).await?;
    machine::settle(first.pid()).await?;
    let first_rss_mb = machine::rss_mb(first.pid())?;
    let first_s = first.startup.as_secs_f64();
    first.stop().await?;
    let server = Server::start(program, folder).await?;
    machine::settle(server.pid()).await?;
    let start = Start {
        first_s,
        again_s: server.startup.as_secs_f64(),
        first_rss_mb,
        rss_mb: machine::rss_mb(server.pid())?,
    };
    Ok((server, start))
}

/// What each phase took of the processor.
#[derive(Default)]
struct Phases(BTreeMap<&'static str, Seen>);

impl Phases {
    fn note(&mut self, phase: &'static str, watch: Watch) -> Outcome<()> {
        self.0.insert(phase, watch.stop()?);
        Ok(())
    }
}
