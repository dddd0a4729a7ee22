//! The server under test, on a folder of its own.

use std::{
    env, fs,
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{Outcome, http, options::Options};

/// What it does otherwise than a merchant's.
const SETTINGS: &str = include_str!("../server.toml");
/// Where the source in those settings listens.
pub(crate) const WEBHOOK_PATH: &str = "/webhooks/commerce/generic";
/// Its secret.
pub(crate) const WEBHOOK_SECRET: &str = "doorstep-benchmark-secret-0123456789";

const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// How often a server that does not listen yet is asked again: short beside what is measured, long beside its cost.
const ASK_AGAIN: Duration = Duration::from_millis(2);
/// Lines of the log shown when it fails.
const LAST_LINES: usize = 15;

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    pub(crate) address: SocketAddr,
    /// From the start of the process to the first 200 of `/healthz`.
    pub(crate) startup: Duration,
}

/// Where the program is that is measured.
pub(crate) fn program(options: &Options) -> Outcome<PathBuf> {
    let path = match &options.server {
        Some(path) => path.clone(),
        None => env::current_exe()?.with_file_name(format!("doorstep{}", env::consts::EXE_SUFFIX)),
    };
    if path.is_file() {
        return Ok(path);
    }
    Err(format!(
        "there is no server to measure at {}; build it with `cargo build --release`",
        path.display()
    )
    .into())
}

/// Where data lie: beside this program, which is on a disk, while `/tmp` is often memory and makes durability free.
fn work_folder(options: &Options) -> Outcome<PathBuf> {
    let folder = match &options.dir {
        Some(folder) => folder.clone(),
        None => env::current_exe()?
            .parent()
            .map(Path::to_owned)
            .ok_or("this program has no folder")?,
    };
    fs::create_dir_all(&folder)?;
    // A server that runs elsewhere would not find a relative one.
    Ok(folder.canonicalize()?)
}

/// An empty folder on the disk that is to be measured; it goes when dropped.
pub(crate) fn folder(options: &Options) -> Outcome<TempDir> {
    let folder = tempfile::Builder::new()
        .prefix("doorstep-bench-")
        .tempdir_in(work_folder(options)?)?;
    Ok(folder)
}

impl Server {
    /// Starts one on the state in `folder`, which may be empty, and waits until it is healthy.
    pub(crate) async fn start(program: &Path, folder: &Path) -> Outcome<Self> {
        Self::start_with(program, folder, &[]).await
    }

    /// The same with further settings.
    pub(crate) async fn start_with(
        program: &Path,
        folder: &Path,
        further: &[(String, String)],
    ) -> Outcome<Self> {
        let settings = folder.join("doorstep.toml");
        fs::write(&settings, SETTINGS)?;
        let log = folder.join("server.log");
        let address = free_address()?;
        let mut command = Command::new(program);
        // The settings of whoever runs this are not the benchmark's.
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("DOORSTEP_") {
                command.env_remove(name);
            }
        }
        command
            .arg("--config")
            .arg(&settings)
            .arg(format!("--set=data_dir={}", folder.join("data").display()))
            .arg(format!("--set=http.listen={address}"))
            .args(
                further
                    .iter()
                    .map(|(key, value)| format!("--set={key}={value}")),
            )
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(File::create(folder.join("server.out"))?)
            .stderr(File::create(&log)?);
        let started = Instant::now();
        let child = command
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let mut server = Self {
            child,
            log,
            address,
            startup: Duration::ZERO,
        };
        tokio::time::timeout(START_LIMIT, server.answers())
            .await
            .map_err(|_| server.failed("did not become healthy in time"))??;
        server.startup = started.elapsed();
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the first 200 of `/healthz`.
    async fn answers(&mut self) -> Outcome<()> {
        loop {
            if let Ok((200, _)) = http::get(self.address, "/healthz").await {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(self.failed(&format!("ended with {status}")).into());
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    fn failed(&self, what: &str) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
        format!("the server {what}; the end of its log:\n{last}")
    }

    /// Refuses to measure a server that runs the model on its lesser backend.
    pub(crate) async fn check_backend(&self) -> Outcome<()> {
        let (_, body) = http::get(self.address, "/readyz").await?;
        let ready: Value = serde_json::from_str(&body)?;
        let nlu = &ready["parts"]["nlu"];
        if nlu["status"] == "ok" {
            return Ok(());
        }
        Err(format!(
            "the server does not run the model on ONNX Runtime ({nlu}); run scripts/onnxruntime"
        )
        .into())
    }

    /// How many customers' messages it has handled since it started.
    pub(crate) async fn handled(&self) -> Outcome<u64> {
        let (_, text) = http::get(self.address, "/metrics").await?;
        let counted: f64 = text
            .lines()
            .filter(|line| line.starts_with("doorstep_messages_total{"))
            .filter(|line| line.contains("direction=\"inbound\""))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum();
        Ok(counted as u64)
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(mut self) -> Outcome<()> {
        let told = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &self.child.id().to_string()])
            .status()?;
        if !told.success() {
            return Err(self.failed("could not be asked to end").into());
        }
        let asked = Instant::now();
        while self.child.try_wait()?.is_none() {
            if asked.elapsed() > STOP_LIMIT {
                return Err(self.failed("did not end when it was asked to").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, and there is nobody left to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that nobody listens on.
fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_hold_the_secret_that_events_are_signed_with() {
        assert!(SETTINGS.contains(&format!("\"{WEBHOOK_SECRET}\"")));
    }
}
