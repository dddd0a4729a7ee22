//! The merchants' page does what it says: its files are written and its commands run as they stand there, one after the
//! other in an empty folder, and they print what the page shows.
//!
//! Fences say what they are: `sh` is run; `sh again` until it prints what follows; `sh server` in the second terminal;
//! `text` is what the commands before it print, with `…` for anything; a language with a name is a file. Others are read
//! by people only.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use chrono::Timelike;
use tempfile::TempDir;

use crate::support::{chat::http, hooks::now, wait::eventually};

const PAGE: &str = include_str!("../../docs/merchant/README.md");

/// A fenced block of the page.
struct Block<'a> {
    /// What stands behind the fence.
    kind: &'a str,
    text: String,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else {
            continue;
        };
        let inside = lines.by_ref().take_while(|line| *line != "```");
        let text = inside.map(|line| format!("{line}\n")).collect();
        blocks.push(Block { kind, text });
    }
    blocks
}

/// The merchant at two terminals.
struct Merchant {
    folder: TempDir,
    address: String,
    server: Option<Server>,
}

/// The second terminal; what runs there ends with it.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Merchant {
    fn new() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            address: free.local_addr().unwrap().to_string(),
            server: None,
        }
    }

    /// A shell in the folder, with the program in its path.
    fn shell(&self, script: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_doorstep"));
        let mut path = vec![program.parent().unwrap().to_owned()];
        path.extend(std::env::split_paths(
            &std::env::var_os("PATH").unwrap_or_default(),
        ));
        let mut shell = Command::new("bash");
        shell
            .args(["-c", script])
            .current_dir(self.folder.path())
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("DOORSTEP_CONFIG", "doorstep.toml")
            .env("DOORSTEP_HTTP__LISTEN", &self.address)
            .env("DOORSTEP_NLU__BACKEND", "tract")
            .stdin(Stdio::null());
        shell
    }

    /// What a script prints, errors too.
    async fn run(&self, script: &str) -> String {
        let mut shell = self.shell(&format!("exec 2>&1\n{script}"));
        let output = tokio::task::spawn_blocking(move || shell.output());
        let output = output.await.unwrap().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    async fn serve(&mut self, script: &str) {
        // The former one ends before the next one takes its port.
        self.server = None;
        let mut shell = self.shell(&format!("exec {script}"));
        let child = shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.server = Some(Server(child.unwrap()));
        let ready = format!("http://{}/readyz", self.address);
        eventually("the server", async || {
            http()
                .get(&ready)
                .send()
                .await
                .ok()
                .filter(|answer| answer.status().is_success())
        })
        .await;
    }

    fn write(&self, name: &str, text: &str) {
        let path: PathBuf = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// Whether what was printed is what the page shows.
fn fits(printed: &str, shown: &str) -> bool {
    let mut rest = printed.trim();
    let parts: Vec<&str> = shown.trim().split('…').collect();
    let open_end = parts.last().is_some_and(|last| last.is_empty());
    for (place, part) in parts.iter().enumerate() {
        // Whole lines may be left out, with the ends of lines around them.
        let part = part.trim_matches('\n');
        match rest.find(part) {
            Some(at) if place > 0 || at == 0 => rest = &rest[at + part.len()..],
            _ => return false,
        }
    }
    open_end || rest.is_empty()
}

#[test]
fn what_differs_may_be_left_out_and_nothing_else() {
    assert!(fits("a 1 b\nc\nd\n", "a … b\n…\nd\n"));
    assert!(fits("x\na 1 b\n", "…\na … b\n"));
    assert!(!fits("a 1 b\nc\n", "a … b\n"));
    assert!(!fits("x a\n", "a\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_merchants_page_does_what_the_page_shows() {
    let there = now().with_timezone(&chrono_tz::Europe::Madrid);
    if matches!((there.hour(), there.minute()), (23, 50..) | (0, 0..2)) {
        println!("skipped: the page's quiet hours leave out this minute of the day");
        return;
    }
    let mut merchant = Merchant::new();
    let blocks = blocks(PAGE);
    let mut run = 0;
    for (place, block) in blocks.iter().enumerate() {
        let shown = blocks.get(place + 1).filter(|next| next.kind == "text");
        let shown = shown.map(|next| next.text.as_str());
        let text = &block.text;
        match block.kind {
            "sh server" => merchant.serve(text).await,
            "sh again" => {
                let shown = shown.expect("what it prints follows");
                eventually(text, async || {
                    let printed = merchant.run(text).await;
                    let done = fits(&printed, shown);
                    if !done {
                        println!("not yet:\n{printed}");
                    }
                    done.then_some(())
                })
                .await;
                run += 1;
            }
            "sh" => {
                let printed = merchant.run(text).await;
                if let Some(shown) = shown {
                    assert!(
                        fits(&printed, shown),
                        "{text}\nprinted:\n{printed}\nnot:\n{shown}"
                    );
                }
                run += 1;
            }
            file => {
                if let Some((_, name)) = file.split_once(' ') {
                    merchant.write(name, text);
                }
            }
        }
    }
    assert!(run >= 10, "only {run} commands were found");
}
