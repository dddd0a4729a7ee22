//! What the kernel says: memory and processor time of processes, and how much other work the machine does. Linux
//! (`proc(5)`).

use std::{
    env,
    fs::{self, File},
    io::{Seek, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{self, Command},
    time::{Duration, Instant},
};

use crate::Outcome;

/// How much of the machine may be busy while it counts as idle.
const IDLE_SHARE: f64 = 0.1;
/// How long it must be so.
const IDLE_SECONDS: u32 = 3;
/// Cores that a process may use and count as settled: background timers of an idle server.
const SETTLED_CORES: f64 = 0.03;
/// The kernel tells processor time in these, a second's (`USER_HZ`, the same wherever Rust and Linux meet).
const TICKS: f64 = 100.0;
/// Longest wait for a server to settle.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);

/// Resident memory of a process in MiB, shared pages included.
pub(crate) fn rss_mb(pid: u32) -> Outcome<f64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix("Rss:"))
        .and_then(|rest| rest.trim().split(' ').next()?.parse::<f64>().ok())
        .ok_or_else(|| format!("{path} has no line `Rss:`"))?;
    Ok(kib / 1024.0)
}

/// Processor seconds of a process, and of those of its children that have ended.
fn cpu_s(pid: u32) -> Outcome<(f64, f64)> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    // The name in parentheses may hold anything; what follows it is numbers.
    let numbers: Vec<f64> = text
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0.0))
        .collect();
    let [user, system, children_user, children_system] = numbers
        .get(11..15)
        .and_then(|fields| fields.try_into().ok())
        .ok_or_else(|| format!("{path} is shorter than it should be"))?;
    Ok((
        (user + system) / TICKS,
        (children_user + children_system) / TICKS,
    ))
}

/// Processor seconds that everything on this machine used, and what a hypervisor took away.
fn busy_s() -> Outcome<f64> {
    let text = fs::read_to_string("/proc/stat").map_err(|error| format!("/proc/stat: {error}"))?;
    let fields: Vec<f64> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .take(8)
        .filter_map(|field| field.parse().ok())
        .collect();
    let [_, _, _, idle, waiting, ..] = fields[..] else {
        return Err("the first line of /proc/stat is shorter than it should be".into());
    };
    Ok((fields.iter().sum::<f64>() - idle - waiting) / TICKS)
}

/// How many cores there are for us.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The processor's name.
pub(crate) fn processor() -> String {
    fs::read_to_string("/proc/cpuinfo")
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or_else(
            || "unknown processor".to_owned(),
            |(_, name)| name.to_owned(),
        )
}

/// Waits, `limit` at most, until the machine was idle for three seconds; whether it came to that.
pub(crate) async fn wait_until_idle(limit: Duration) -> Outcome<bool> {
    let started = Instant::now();
    let mut calm = 0;
    while calm < IDLE_SECONDS {
        if started.elapsed() > limit {
            return Ok(false);
        }
        let (second, before) = (Instant::now(), busy_s()?);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let share = (busy_s()? - before) / second.elapsed().as_secs_f64() / cores() as f64;
        calm = if share < IDLE_SHARE { calm + 1 } else { 0 };
    }
    Ok(true)
}

/// Waits until a process has nothing left to do for a second, and says how long that took.
pub(crate) async fn settle(pid: u32) -> Outcome<Duration> {
    settle_within(pid, SETTLE_LIMIT).await
}

/// The same after more work than usual.
pub(crate) async fn settle_within(pid: u32, limit: Duration) -> Outcome<Duration> {
    let started = Instant::now();
    while started.elapsed() < limit {
        let (second, before) = (Instant::now(), cpu_s(pid)?.0);
        tokio::time::sleep(Duration::from_secs(1)).await;
        if (cpu_s(pid)?.0 - before) / second.elapsed().as_secs_f64() < SETTLED_CORES {
            return Ok(second.duration_since(started));
        }
    }
    Err(format!(
        "the server was still busy {} s after it should have had nothing to do",
        limit.as_secs()
    )
    .into())
}

/// Processor time from its making on: the server's, ours, and everybody else's.
pub(crate) struct Watch {
    server: Option<u32>,
    started: Instant,
    busy: f64,
    served: f64,
    ours: f64,
}

/// What a [`Watch`] saw.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Seen {
    pub(crate) server_cpu_s: f64,
    /// This program and its children that have ended.
    pub(crate) client_cpu_s: f64,
    /// Cores that other work used.
    pub(crate) others_cores: f64,
}

impl Watch {
    /// Without a server, only this program's own work is not other work.
    pub(crate) fn start(server: Option<u32>) -> Outcome<Self> {
        Ok(Self {
            server,
            started: Instant::now(),
            busy: busy_s()?,
            served: server_cpu_s(server)?,
            ours: our_cpu_s()?,
        })
    }

    pub(crate) fn stop(self) -> Outcome<Seen> {
        let server_cpu_s = server_cpu_s(self.server)? - self.served;
        let client_cpu_s = our_cpu_s()? - self.ours;
        let others = busy_s()? - self.busy - server_cpu_s - client_cpu_s;
        Ok(Seen {
            server_cpu_s,
            client_cpu_s,
            // The kernel counts in ticks of a hundredth of a second: a little less than nothing is nothing.
            others_cores: others.max(0.0) / self.started.elapsed().as_secs_f64(),
        })
    }
}

fn server_cpu_s(server: Option<u32>) -> Outcome<f64> {
    server.map_or(Ok(0.0), |pid| Ok(cpu_s(pid)?.0))
}

fn our_cpu_s() -> Outcome<f64> {
    let (own, children) = cpu_s(process::id())?;
    Ok(own + children)
}

/// Lets this program, and the server that inherits it, hold `count` sockets: a shell that raises the limit becomes this
/// program anew.
pub(crate) fn allow_open_files(count: u64) -> Outcome<()> {
    if open_files()? >= count {
        return Ok(());
    }
    let script = format!("ulimit -n {count} && exec \"$0\" \"$@\"");
    let error = Command::new("sh")
        .args(["-c", &script])
        .arg(env::current_exe()?)
        .args(env::args_os().skip(1))
        .exec();
    Err(format!("{count} sockets are needed and cannot be had: {error}").into())
}

/// How many files this process may have open.
fn open_files() -> Outcome<u64> {
    let text = fs::read_to_string("/proc/self/limits")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .unwrap_or_default();
    match line.split_whitespace().next() {
        Some("unlimited") => Ok(u64::MAX),
        soft => soft
            .and_then(|soft| soft.parse().ok())
            .ok_or_else(|| "/proc/self/limits does not tell how many files may be open".into()),
    }
}

/// How long the disk takes to make a small write durable: the floor under every acknowledgement, in milliseconds. The
/// file has its size already, as a write-ahead log that is used again.
pub(crate) fn sync_ms(folder: &Path) -> Outcome<f64> {
    const WRITES: usize = 100;
    const BLOCK: [u8; 4096] = [0x5a; 4096];
    let path = folder.join("sync");
    let mut file = File::create(&path)?;
    file.write_all(&BLOCK.repeat(WRITES))?;
    file.sync_all()?;
    file.rewind()?;
    let mut took = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let started = Instant::now();
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        took.push(started.elapsed().as_secs_f64() * 1e3);
    }
    fs::remove_file(path)?;
    crate::figures::median(&took).ok_or_else(|| "nothing was written".into())
}
