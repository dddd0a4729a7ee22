//! A server with a folder of the merchant's own files, which tests edit while it runs.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{
    chat::http,
    server::{Kind, Launch, Place, Process},
    wait::eventually,
};

/// A running server with a folder of the merchant's own files.
pub(crate) struct Shop {
    /// The merchant's files.
    pub(crate) folder: TempDir,
    place: Place,
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
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(Kind::Sqlite).await.expect("SQLite is built in");
        let files = folder.path().display().to_string();
        let mut launch = Launch::serve(&place).set("files_dir", &files);
        for (key, value) in settings {
            launch = launch.set(key, value);
        }
        let process = launch.start().await;
        Self {
            folder,
            place,
            process,
        }
    }

    /// The same shop after an end and a new start.
    pub(crate) async fn restarted(self) -> Self {
        self.process.kill().await;
        let files = self.folder.path().display().to_string();
        let launch = Launch::serve(&self.place).set("files_dir", &files);
        Self {
            process: launch.start().await,
            ..self
        }
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
            let metrics = self.get("/metrics").await;
            let documents = metrics
                .lines()
                .find_map(|line| line.strip_prefix("doorstep_documents "))?;
            (documents.parse::<f64>().ok()? > 200.0).then_some(())
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

/// Writes a file below a folder.
pub(crate) fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
