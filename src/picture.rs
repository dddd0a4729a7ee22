//! Pictures of pages, taken by a Chromium that is there or not: nothing else here needs it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What it is called on the systems there are.
const NAMES: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
];
/// As wide as a mail is on a desktop, and high enough for every one of ours, in CSS pixels.
const SIZE: &str = "720,960";
/// How long a page may take to be drawn, in milliseconds.
const PATIENCE_MS: u32 = 20_000;

/// No picture was taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PictureError {
    /// Nobody is there to take it.
    #[error(
        "there is no Chromium to take a picture with: install it (Debian: `apt install chromium`) or name it in CHROMIUM; \
         `--html FILE` works without"
    )]
    NoBrowser,
    /// It was not taken.
    #[error("{program} took no picture: {reason}")]
    Failed {
        /// The browser.
        program: String,
        /// What it said.
        reason: String,
    },
}

/// The page below a line with the mail's subject, as mail programs show it.
pub(crate) fn with_subject(page: &str, subject: &str) -> String {
    let body = page.find("<body").unwrap_or(0);
    let Some(end) = page[body..].find('>').map(|end| body + end + 1) else {
        return page.to_owned();
    };
    let subject = escape(subject);
    format!(
        "{}\n<h1 class=\"ink\" style=\"margin:0;padding:20px 28px;font:600 20px system-ui,sans-serif;color:#1b1f24;\">{subject}\
         </h1>{}",
        &page[..end],
        &page[end..]
    )
}

/// A text as it stands between tags.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Writes a picture of `page` to `file`, a PNG. Blocks until it is there.
///
/// # Errors
/// There is no browser, or it took none.
pub(crate) fn take(page: &str, file: &Path) -> Result<(), PictureError> {
    let program = find().ok_or(PictureError::NoBrowser)?;
    let failed = |reason: String| PictureError::Failed {
        program: program.display().to_string(),
        reason,
    };
    let folder = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
    let source = folder.path().join("page.html");
    std::fs::write(&source, page).map_err(|error| failed(error.to_string()))?;
    let taken = folder.path().join("page.png");
    let output = Command::new(&program)
        .args([
            "--headless=new",
            // The page is ours, without scripts and with all that comes from outside escaped; root may not run with a sandbox.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--hide-scrollbars",
        ])
        .arg(format!("--timeout={PATIENCE_MS}"))
        .arg(format!("--window-size={SIZE}"))
        .arg(format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        ))
        .arg(format!("--screenshot={}", taken.display()))
        .arg(&source)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !taken.exists() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        return Err(failed(
            last.unwrap_or("it says nothing about it").to_owned(),
        ));
    }
    std::fs::copy(&taken, file)
        .map(drop)
        .map_err(|error| failed(format!("{}: {error}", file.display())))
}

/// The one that CHROMIUM names, or the first in PATH.
fn find() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM").filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let mut candidates =
        std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name)));
    candidates.find(|candidate| candidate.is_file())
}
