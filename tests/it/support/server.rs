//! Doorstep as its users meet it: a process of its own, or the same server inside the test's process.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, Instant},
};

use doorstep::{
    ambient,
    app::App,
    cli::Role,
    config::{Config, Sources},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    database::{Database, PostgresDatabase},
    wait::within,
};

/// The shared secret of the generic source.
pub(crate) const GENERIC_SECRET: &str = "whsec_ZG9vcnN0ZXAtdGVzdC1zZWNyZXQtMDEyMzQ1";
/// The shared secret of the EasyPost source.
pub(crate) const EASYPOST_SECRET: &str = "an EasyPost secret of the tests";
/// Signs the shop's identity tokens.
pub(crate) const IDENTITY_SECRET: &str = "the shop signs identities with this in tests";
/// Signs sessions; the same on every instance.
pub(crate) const SIGNING_SECRET: &str = "sessions are signed with this in the tests";

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file of the server's own.
    Sqlite,
    /// A new database on the tests' server.
    Postgres,
}

/// What outlives a process: data directory and database.
pub(crate) struct Place {
    folder: TempDir,
    postgres: Option<Arc<PostgresDatabase>>,
}

impl Place {
    /// A new, empty place; `None`, said visibly, where the database is missing.
    pub(crate) async fn new(kind: Kind) -> Option<Self> {
        let postgres = match kind {
            Kind::Sqlite => None,
            Kind::Postgres => Some(Arc::new(PostgresDatabase::create().await?)),
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        Some(Self { folder, postgres })
    }

    /// Another instance's place over the same database.
    pub(crate) fn beside(&self) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self {
            folder,
            postgres: self.postgres.clone(),
        }
    }

    /// The data directory.
    pub(crate) fn data_dir(&self) -> &Path {
        self.folder.path()
    }

    /// Where e-mails are written.
    pub(crate) fn outbox(&self) -> PathBuf {
        self.data_dir().join("outbox")
    }

    /// The database, to look into.
    pub(crate) async fn database(&self) -> Database {
        match &self.postgres {
            None => Database::sqlite(self.data_dir()).await,
            Some(postgres) => Database::postgres(&postgres.url()).await,
        }
    }

    /// Settings of a server that lives here: short waits, known secrets, a port of the system's choice.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let mut settings = common_settings(self.data_dir());
        if let Some(postgres) = &self.postgres {
            settings.push(("database.kind".to_owned(), "postgres".to_owned()));
            settings.push(("database.url".to_owned(), postgres.url()));
        }
        settings
    }
}

fn common_settings(data_dir: &Path) -> Vec<(String, String)> {
    let data_dir = data_dir.display().to_string();
    [
        ("data_dir", data_dir.as_str()),
        ("http.listen", "127.0.0.1:0"),
        ("http.shutdown_grace_s", "5"),
        ("nlu.backend", "tract"),
        ("log.format", "json"),
        ("channels.webchat.signing_secret", SIGNING_SECRET),
        ("channels.webchat.identity_secret", IDENTITY_SECRET),
        // All visitors of the tests come from one address.
        ("channels.webchat.sessions_per_ip.burst", "100000"),
        ("commerce.generic.secret", GENERIC_SECRET),
        ("commerce.easypost.secret", EASYPOST_SECRET),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .to_vec()
}

/// How a process is started.
pub(crate) struct Launch {
    command: Vec<String>,
    settings: Vec<(String, String)>,
    crash_at: Option<String>,
}

impl Launch {
    /// `doorstep serve` in a place.
    pub(crate) fn serve(place: &Place) -> Self {
        Self {
            command: vec!["serve".to_owned()],
            settings: place.settings(),
            crash_at: None,
        }
    }

    /// With a role other than all.
    pub(crate) fn role(mut self, role: &str) -> Self {
        self.command.extend(["--role".to_owned(), role.to_owned()]);
        self
    }

    /// With one more setting.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Killing itself at `write:point:n`.
    pub(crate) fn crash_at(mut self, point: Option<String>) -> Self {
        self.crash_at = point;
        self
    }

    /// Starts it; it may end before it is ready.
    pub(crate) fn spawn(self) -> Process {
        let mut command = doorstep_command();
        for (key, value) in &self.settings {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        if let Some(point) = &self.crash_at {
            command.env("DOORSTEP_CRASH_AT", point);
        }
        command
            .args(&self.command)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        Process::new(command.spawn().expect("the program starts"))
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn start(self) -> Process {
        let process = self.spawn();
        if process.ready().await.is_none() {
            panic!("the server ended before it was ready:\n{}", process.log());
        }
        process
    }
}

/// The program, without the tester's own settings.
pub(crate) fn doorstep_command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorstep"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DOORSTEP_") {
            command.env_remove(name);
        }
    }
    command
}

/// Where a process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Starting,
    Ready(SocketAddr),
    Ended(ExitStatus),
}

/// A running (or ended) program. Dropping it kills it.
pub(crate) struct Process {
    child: Arc<Mutex<Child>>,
    life: watch::Receiver<Life>,
    log: Arc<Mutex<String>>,
}

impl Process {
    fn new(mut child: Child) -> Self {
        let stderr = child.stderr.take().expect("stderr is piped");
        let child = Arc::new(Mutex::new(child));
        let log = Arc::new(Mutex::new(String::new()));
        let (tell, life) = watch::channel(Life::Starting);
        std::thread::spawn({
            let (child, log) = (child.clone(), log.clone());
            move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    if let Some(address) = address_of_ready(&line) {
                        tell.send_replace(Life::Ready(address));
                    }
                    let _ = writeln!(log.lock().unwrap(), "{line}");
                }
                // Its end closed the pipe, so this waits for nothing.
                let status = child.lock().unwrap().wait().expect("a status");
                tell.send_replace(Life::Ended(status));
            }
        });
        Self { child, life, log }
    }

    /// Its address once it serves; `None` if it ended before.
    pub(crate) async fn ready(&self) -> Option<SocketAddr> {
        let mut life = self.life.clone();
        let now = within("starting", life.wait_for(|life| *life != Life::Starting)).await;
        match *now.expect("the watcher tells its end") {
            Life::Ready(address) => Some(address),
            _ => None,
        }
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        match *self.life.borrow() {
            Life::Ready(address) => address,
            other => panic!("the server is not ready but {other:?}:\n{}", self.log()),
        }
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Whether it ended.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(*self.life.borrow(), Life::Ended(_))
    }

    /// Waits for its end, however long that takes.
    pub(crate) async fn ended(&self) -> ExitStatus {
        let mut life = self.life.clone();
        let ended = life.wait_for(|life| matches!(life, Life::Ended(_))).await;
        match *ended.expect("the watcher tells the end") {
            Life::Ended(status) => status,
            _ => unreachable!("waited for the end"),
        }
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) async fn kill(&self) {
        // An error says that it is gone already.
        let _ = self.child.lock().unwrap().kill();
        within("being killed", self.ended()).await;
    }

    /// Asks it to stop, as a service manager does.
    pub(crate) fn terminate(&self) {
        let mut child = self.child.lock().unwrap();
        if child.try_wait().expect("a status").is_none() {
            let sent = Command::new("kill")
                .args(["-TERM", &child.id().to_string()])
                .status();
            assert!(sent.expect("kill runs").success());
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(mut child) = self.child.lock() {
            let _ = child.kill();
        }
    }
}

/// The address in the line that says that the server is ready.
fn address_of_ready(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    if line["message"] != "ready" {
        return None;
    }
    line["address"].as_str()?.parse().ok()
}

/// A demo server inside the test's process, one for all tests: the model is loaded once. Tests keep to visitors and
/// orders of their own.
pub(crate) struct Shared {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its data.
    pub(crate) data_dir: PathBuf,
    /// The program itself.
    pub(crate) app: Arc<App>,
}

impl Shared {
    /// `http://` and its address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its database, to look into.
    pub(crate) async fn database(&self) -> Database {
        Database::sqlite(&self.data_dir).await
    }
}

/// The shared server; the first caller waits for its start.
pub(crate) async fn shared() -> &'static Shared {
    static SHARED: LazyLock<Shared> = LazyLock::new(start_shared);
    // Starting blocks; other tests go on meanwhile.
    tokio::task::spawn_blocking(|| &*SHARED)
        .await
        .expect("the shared server starts")
}

fn start_shared() -> Shared {
    let began = Instant::now();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async move {
            let data_dir = fresh_shared_folder();
            let mut flags = common_settings(&data_dir);
            flags.extend(
                [
                    ("channels.webchat.messages.burst", "100000"),
                    ("sweep.every_s", "1"),
                ]
                .map(|(key, value)| (key.to_owned(), value.to_owned())),
            );
            let sources = Sources {
                file: None,
                flags,
                environment: false,
            };
            let mut config =
                Config::load(&sources).unwrap_or_else(|problems| panic!("{problems:#?}"));
            let listener = tokio::net::TcpListener::bind(config.http.listen)
                .await
                .expect("a port");
            config.http.listen = listener.local_addr().expect("an address");
            let address = config.http.listen;
            let app = App::start(config, ambient::system(), Role::All, true).await;
            let app = app.unwrap_or_else(|error| panic!("{error}"));
            doorstep::catalog::indexed(&app).await;
            tell.send(Shared {
                address,
                data_dir,
                app: app.clone(),
            })
            .expect("somebody waits");
            doorstep::serve(app, listener, CancellationToken::new()).await;
        });
    });
    let shared = told
        .recv_timeout(Duration::from_secs(120))
        .expect("the shared server starts");
    println!(
        "the shared server was ready after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    shared
}

/// A folder below the build directory; those of ended test runs are removed, because a static is never dropped.
fn fresh_shared_folder() -> PathBuf {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shared");
    for old in std::fs::read_dir(&base).into_iter().flatten().flatten() {
        let runs = Path::new("/proc").join(old.file_name()).exists();
        if !runs {
            let _ = std::fs::remove_dir_all(old.path());
        }
    }
    let folder = base.join(std::process::id().to_string());
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}
