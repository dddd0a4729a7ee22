//! A server with a folder of the merchant's own files, which tests edit while it runs.

use std::{path::Path, process::Stdio};

use doorstep_channels::email::outbox::{self, OutboxMail};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    chat::http,
    database::Database,
    server::{Kind, Launch, Place, Process, doorstep_command},
    wait::eventually,
};

/// A running server with a folder of the merchant's own files.
pub(crate) struct Shop {
    /// The merchant's files.
    pub(crate) folder: TempDir,
    place: Place,
    settings: Vec<(String, String)>,
    /// The program.
    pub(crate) process: Process,
}

impl Shop {
    /// Starts one without files.
    pub(crate) async fn open() -> Self {
        Self::with(&[]).await
    }

    /// Starts one with more settings.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        Self::with_files(settings, &[]).await
    }

    /// Starts one with more settings over these files.
    pub(crate) async fn with_files(settings: &[(&str, &str)], files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            write(folder.path(), path, text);
        }
        let place = Place::new(Kind::Sqlite).await.expect("SQLite is built in");
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let mut settings: Vec<_> = settings.iter().map(owned).collect();
        let files_dir = folder.path().display().to_string();
        settings.push(("files_dir".to_owned(), files_dir));
        let process = launch(&place, &settings).start().await;
        Self {
            folder,
            place,
            settings,
            process,
        }
    }

    /// The same shop after an end and a new start.
    pub(crate) async fn restarted(self) -> Self {
        self.process.kill().await;
        Self {
            process: launch(&self.place, &self.settings).start().await,
            ..self
        }
    }

    /// What a command of the program prints that looks at the same shop.
    pub(crate) async fn run(&self, arguments: &[&str]) -> String {
        let mut command = doorstep_command();
        let place = self.place.settings();
        for (key, value) in place.iter().chain(&self.settings) {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        command.args(arguments).stdin(Stdio::null());
        let ended = tokio::task::spawn_blocking(move || command.output()).await;
        let output = ended.unwrap().expect("the program starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Its database, to look into.
    pub(crate) async fn database(&self) -> Database {
        self.place.database().await
    }

    /// Waits until everything that was heard of is decided, and told to whom it is to be told.
    pub(crate) async fn told_everything(&self) {
        let database = self.database().await;
        for open in [
            "SELECT COUNT(*) FROM commerce_events WHERE notified_at IS NULL",
            "SELECT COUNT(*) FROM deliveries WHERE settled_at IS NULL",
        ] {
            eventually("the news to be told", async || {
                (database.number(open).await == 0).then_some(())
            })
            .await;
        }
    }

    /// E-mails that were written, newest first.
    pub(crate) async fn mails(&self) -> Vec<OutboxMail> {
        let mails = outbox::list(&self.place.outbox(), usize::MAX).await;
        mails.unwrap()
    }

    /// Writes a file of the merchant's.
    pub(crate) fn write(&self, path: &str, text: &str) {
        write(self.folder.path(), path, text);
    }

    /// The text at a path of the server.
    pub(crate) async fn get(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.process.address());
        let answer = http().get(url).send().await.expect("an answer");
        answer.text().await.expect("a text")
    }

    /// Waits until so many changes of files came to `result`.
    pub(crate) async fn reloads(&self, result: &str, count: usize) {
        let line = format!("doorstep_config_reloads_total{{result=\"{result}\"}} {count}");
        self.measures(&line).await;
    }

    /// Waits until catalog and knowledge of the demo shop can be found.
    pub(crate) async fn indexed(&self) {
        eventually("everything is indexed", async || {
            (self.part("catalog").await["status"] == "ok").then_some(())
        })
        .await;
    }

    /// What `/readyz` says of the merchant's files.
    pub(crate) async fn files_status(&self) -> Value {
        self.part("files").await
    }

    /// What `/readyz` says of a part.
    pub(crate) async fn part(&self, name: &str) -> Value {
        let ready: Value = serde_json::from_str(&self.get("/readyz").await).unwrap();
        ready["parts"][name].clone()
    }

    /// Waits until a line stands in `/metrics`.
    pub(crate) async fn measures(&self, line: &str) {
        eventually(line, async || {
            let metrics = self.get("/metrics").await;
            metrics.lines().any(|told| told == line).then_some(())
        })
        .await;
    }
}

fn launch(place: &Place, settings: &[(String, String)]) -> Launch {
    let launch = Launch::serve(place);
    let settings = settings.iter();
    settings.fold(launch, |launch, (key, value)| launch.set(key, value))
}

/// Writes a file below a folder.
pub(crate) fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
