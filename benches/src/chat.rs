//! Conversations: one, many at once, and many that are silent.
//!
//! Each message is timed until its answer, which the server sends once message, state and answer are committed. A
//! conversation that the server hands to a person gets no more answers. So a message without one within a patience far
//! beyond any bound is not timed, its visitor is replaced by a new one, and afterwards two things are checked: that no
//! answer came late, and that the server has handled every message that was sent.

use std::{
    cell::{Cell, RefCell},
    cmp::Reverse,
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use serde::Serialize;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::{Outcome, figures::Spread, machine, server::Server, socket::Socket};

/// How long an answer may take before a conversation counts as handed over, when the machine has nothing else to do.
pub(crate) const ALONE_PATIENCE: Duration = Duration::from_millis(500);
/// The same in a crowd.
const CROWD_PATIENCE: Duration = Duration::from_secs(2);
/// Messages before the clock starts.
const WARM_UP: usize = 20;
/// Sockets opened at once.
const BATCH: usize = 50;

/// How many of the messages that took longest are told.
const SLOWEST: usize = 12;

/// Messages and their answers.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Talk {
    pub(crate) ms: Spread,
    pub(crate) per_s: f64,
    /// Conversations that were handed to a person on the way.
    pub(crate) handed_over: usize,
    /// What took longest, to see why; as it was sent.
    pub(crate) slowest: Vec<Slow>,
}

/// A message that took long.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Slow {
    pub(crate) ms: f64,
    pub(crate) frame: String,
}

/// Silent sockets.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Idle {
    pub(crate) connect_per_s: f64,
    pub(crate) rss_before_mb: f64,
    pub(crate) rss_after_mb: f64,
    pub(crate) kb_each: f64,
}

/// What all clients of a phase share.
struct Tally<'a> {
    server: SocketAddr,
    frames: &'a [Utf8Bytes],
    patience: Duration,
    wanted: usize,
    next: Cell<usize>,
    /// With the number of the message.
    took: RefCell<Vec<(Duration, usize)>>,
    finished: Cell<Option<Instant>>,
    /// Sockets whose conversation a person has.
    silent: RefCell<Vec<Socket>>,
    handed_over: Cell<usize>,
}

/// `count` messages on one connection, each sent when the one before is answered.
pub(crate) async fn one(server: &Server, frames: &[Utf8Bytes], count: usize) -> Outcome<Talk> {
    let before = server.handled().await?;
    let mut socket = Socket::open(server.address).await?;
    for frame in frames.iter().rev().take(WARM_UP) {
        if socket.say(frame, ALONE_PATIENCE).await?.is_none() {
            socket = Socket::open(server.address).await?;
        }
    }
    let tally = Tally::new(server.address, frames, ALONE_PATIENCE, count);
    let started = Instant::now();
    tally.converse(socket).await?;
    tally.check(server, before, WARM_UP).await?;
    tally.talk(started)
}

/// `count` answers over `connections` conversations, each of which sends when it is answered.
pub(crate) async fn many(
    server: &Server,
    frames: &[Utf8Bytes],
    connections: usize,
    count: usize,
) -> Outcome<Talk> {
    let before = server.handled().await?;
    let sockets = open(server.address, connections).await?;
    let tally = Tally::new(server.address, frames, CROWD_PATIENCE, count);
    let started = Instant::now();
    try_join_all(sockets.into_iter().map(|socket| tally.converse(socket))).await?;
    tally.check(server, before, 0).await?;
    tally.talk(started)
}

impl<'a> Tally<'a> {
    fn new(server: SocketAddr, frames: &'a [Utf8Bytes], patience: Duration, wanted: usize) -> Self {
        Self {
            server,
            frames,
            patience,
            wanted,
            next: Cell::new(0),
            took: RefCell::new(Vec::with_capacity(wanted)),
            finished: Cell::new(None),
            silent: RefCell::default(),
            handed_over: Cell::new(0),
        }
    }

    /// Takes one message after another until enough are answered.
    async fn converse(&self, mut socket: Socket) -> Outcome<()> {
        while self.finished.get().is_none() {
            let number = self.next.replace(self.next.get() + 1);
            let frame = &self.frames[number % self.frames.len()];
            match socket.say(frame, self.patience).await? {
                Some(took) => self.count(took, number),
                None => {
                    let fresh = Socket::open(self.server).await?;
                    let silent = std::mem::replace(&mut socket, fresh);
                    self.silent.borrow_mut().push(silent);
                    self.handed_over.set(self.handed_over.get() + 1);
                    if self.handed_over.get() > self.wanted {
                        return Err("most messages are not answered".into());
                    }
                }
            }
        }
        Ok(())
    }

    /// Answers after the last one that counts are left out: so the rate is that of a full house.
    fn count(&self, duration: Duration, number: usize) {
        let mut took = self.took.borrow_mut();
        if took.len() < self.wanted {
            took.push((duration, number));
            if took.len() == self.wanted {
                self.finished.set(Some(Instant::now()));
            }
        }
    }

    /// Whether a message that was not answered was at least handled, and not just answered late.
    async fn check(&self, server: &Server, before: u64, others: usize) -> Outcome<()> {
        for mut socket in self.silent.take() {
            if socket.answered_late().await? {
                return Err(format!("an answer took longer than {:?}", self.patience).into());
            }
        }
        let sent = (self.next.get() + others) as u64;
        let mut handled = 0;
        // The counter follows the commit, so it may come a little after the answer.
        for _ in 0..20 {
            handled = server.handled().await?.saturating_sub(before);
            if handled == sent {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(format!("{sent} messages were sent and {handled} handled").into())
    }

    fn slow(&self, (duration, number): (Duration, usize)) -> Slow {
        Slow {
            ms: duration.as_secs_f64() * 1e3,
            frame: self.frames[number % self.frames.len()].to_string(),
        }
    }

    fn talk(&self, started: Instant) -> Outcome<Talk> {
        let mut took = self.took.take();
        took.sort_unstable_by_key(|(duration, _)| Reverse(*duration));
        let durations: Vec<Duration> = took.iter().map(|(duration, _)| *duration).collect();
        let ms = Spread::of(&durations).ok_or("there were no messages")?;
        let finished = self.finished.get().ok_or("the messages did not end")?;
        Ok(Talk {
            ms,
            per_s: took.len() as f64 / finished.duration_since(started).as_secs_f64(),
            handed_over: self.handed_over.get(),
            slowest: took
                .iter()
                .take(SLOWEST)
                .map(|slow| self.slow(*slow))
                .collect(),
        })
    }
}

/// Opens `count` sockets that stay silent, and sees what they cost.
pub(crate) async fn idle(server: &Server, count: usize) -> Outcome<Idle> {
    machine::settle(server.pid()).await?;
    let rss_before_mb = machine::rss_mb(server.pid())?;
    let started = Instant::now();
    let mut sockets = open(server.address, count).await?;
    let connect_per_s = count as f64 / started.elapsed().as_secs_f64();
    machine::settle(server.pid()).await?;
    let rss_after_mb = machine::rss_mb(server.pid())?;
    if !sockets.iter_mut().all(Socket::is_open) {
        return Err("the server closed idle sockets".into());
    }
    drop(sockets);
    machine::settle(server.pid()).await?;
    Ok(Idle {
        connect_per_s,
        rss_before_mb,
        rss_after_mb,
        kb_each: (rss_after_mb - rss_before_mb) * 1024.0 / count as f64,
    })
}

async fn open(server: SocketAddr, count: usize) -> Outcome<Vec<Socket>> {
    let mut sockets = Vec::with_capacity(count);
    while sockets.len() < count {
        let some = BATCH.min(count - sockets.len());
        sockets.extend(try_join_all((0..some).map(|_| Socket::open(server))).await?);
    }
    Ok(sockets)
}
