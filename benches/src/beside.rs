//! Two builds beside one another: `--beside`.
//!
//! Both servers run, and the same messages go to the one and to the other in turn. So a machine whose speed drifts disturbs
//! both alike, and differences show that two runs one after the other would hide.

use std::{path::Path, process::ExitCode, time::Duration};

use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::{
    Outcome,
    chat::ALONE_PATIENCE,
    figures::Spread,
    machine,
    options::Options,
    server::{self, Server},
    socket::{self, Socket},
    texts,
};

/// Messages to one server before it is the other's turn.
const TURN: usize = 20;
/// The first of a turn are not timed: the processor's caches are full of the other server.
const COLD: usize = 2;
/// How often all messages are sent.
const ROUNDS: usize = 4;
/// Messages to each before the clock starts.
const WARM_UP: usize = 60;

/// One of the two.
struct Side {
    server: Server,
    socket: Socket,
    took: Vec<Duration>,
    _folder: TempDir,
}

impl Side {
    async fn start(program: &Path, options: &Options) -> Outcome<Self> {
        let folder = server::folder(options)?;
        let server = Server::start(program, folder.path()).await?;
        machine::settle(server.pid()).await?;
        server.check_backend().await?;
        Ok(Self {
            socket: Socket::open(server.address).await?,
            server,
            took: Vec::new(),
            _folder: folder,
        })
    }

    /// One after another; those from `timed` on are timed.
    async fn say(&mut self, frames: &[Utf8Bytes], timed: usize) -> Outcome<()> {
        for (place, frame) in frames.iter().enumerate() {
            match self.socket.say(frame, ALONE_PATIENCE).await? {
                Some(took) if place >= timed => self.took.push(took),
                Some(_) => {}
                // A person has the conversation.
                None => self.socket = Socket::open(self.server.address).await?,
            }
        }
        Ok(())
    }

    fn spread(&self) -> Outcome<Spread> {
        Spread::of(&self.took).ok_or_else(|| "there were no answers".into())
    }

    fn mean_ms(&self) -> f64 {
        let total: Duration = self.took.iter().sum();
        total.as_secs_f64() * 1e3 / self.took.len().max(1) as f64
    }
}

/// Measures and prints; there is no bound to miss.
pub(crate) fn measure(options: &Options, other: &Path) -> Outcome<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (this, other) = runtime.block_on(compare(options, other))?;
    let (ours, theirs) = (this.spread()?, other.spread()?);
    println!(
        "one conversation, {} answers of each, in turns of {TURN}\n",
        this.took.len()
    );
    println!("| | this | beside | this / beside |\n|---|---|---|---|");
    for (name, this, beside) in [
        ("p50", ours.p50, theirs.p50),
        ("p95", ours.p95, theirs.p95),
        ("p99", ours.p99, theirs.p99),
        ("mean", this.mean_ms(), other.mean_ms()),
    ] {
        println!(
            "| {name} | {this:.2} ms | {beside:.2} ms | {:.2} |",
            this / beside
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn compare(options: &Options, other: &Path) -> Outcome<(Side, Side)> {
    let frames: Vec<Utf8Bytes> = texts::load(options.texts.as_deref())?
        .iter()
        .take(options.counts().sequential)
        .map(|text| socket::frame(text))
        .collect();
    let mut this = Side::start(&server::program(options)?, options).await?;
    let mut other = Side::start(other, options).await?;
    for side in [&mut this, &mut other] {
        side.say(&frames[..WARM_UP.min(frames.len())], usize::MAX)
            .await?;
    }
    for round in 0..ROUNDS {
        for (number, turn) in frames.chunks(TURN).enumerate() {
            // Neither is always the first.
            let mut sides = [&mut this, &mut other];
            sides.rotate_left((round + number) % 2);
            for side in sides {
                side.say(turn, COLD).await?;
            }
        }
    }
    Ok((this, other))
}
