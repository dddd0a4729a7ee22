//! Measures what `benches/README.md` promises: conversations, webhooks, memory and start-up of a real server, each
//! beside bare inference of the same texts in the same run.
//!
//! | module | |
//! |---|---|
//! | [`bare`] | the model alone, in a process of its own |
//! | [`server`] | the server under test: its files, its start, its end |
//! | [`chat`], [`webhooks`] | the load |
//! | [`run`] | one run: server and phases, one after another |
//! | [`beside`] | two builds beside one another |
//! | [`road`] | tracking events to mails, at scale |
//! | [`search`] | the embedded index at any size, without a server |
//! | [`understanding`] | the model's forms beside one another, without a server |
//! | [`report`], [`bounds`] | what came of it, and whether that is enough |
//! | [`machine`] | what the kernel says of processes and of other work |

// A command whose output is its purpose.
#![allow(clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod bare;
mod beside;
mod bounds;
mod chat;
mod figures;
mod http;
mod machine;
mod options;
mod report;
mod road;
mod run;
mod search;
mod server;
mod socket;
mod texts;
mod understanding;
mod webhooks;

use std::{error::Error, process::ExitCode};

use clap::Parser;

use crate::{options::Options, report::Report, run::Run};

/// What a step returns: a sentence for the person at the terminal when it fails.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How many runs are tried for each that is wanted, when other work disturbs them.
const MOST_ATTEMPTS: usize = 3;

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = if options.bare {
        bare::measure(&options).map(|()| ExitCode::SUCCESS)
    } else if let Some(documents) = options.search {
        search::measure(documents)
    } else if let Some(sizes) = &options.road {
        road::measure(&options, sizes)
    } else if let Some(other) = &options.beside {
        beside::measure(&options, other)
    } else if options.understanding {
        understanding::measure(&options)
    } else {
        bench(&options)
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("doorstep-bench: {error}");
        ExitCode::from(2)
    })
}

/// Measures, prints, and says by the exit code whether every bound is met.
fn bench(options: &Options) -> Outcome<ExitCode> {
    if cfg!(debug_assertions) {
        eprintln!("doorstep-bench: this is a debug build; measure with `cargo run --release`");
    }
    // One thread: the client shares two cores with the server and must not take more than it needs.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let runs = runtime.block_on(measure(options))?;
    let report = Report::new(options, runs)?;
    println!("{report}");
    if let Some(path) = &options.json {
        report.write_json(path)?;
    }
    Ok(if report.meets_all_bounds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs until enough runs were undisturbed; all of them, the disturbed ones marked.
async fn measure(options: &Options) -> Outcome<Vec<Run>> {
    machine::allow_open_files(u64::from(options.counts().idle) + 500)?;
    let wanted = options.runs();
    let attempts = if options.quick {
        wanted
    } else {
        wanted * MOST_ATTEMPTS
    };
    let mut runs: Vec<Run> = Vec::new();
    let quiet = |runs: &[Run]| runs.iter().filter(|run| !run.disturbed).count();
    while quiet(&runs) < wanted && runs.len() < attempts {
        let run = run::one(options).await?;
        eprintln!(
            "run {}: other work used {:.2} cores{}",
            runs.len() + 1,
            run.other_work(),
            if run.disturbed { ", disturbed" } else { "" },
        );
        runs.push(run);
    }
    Ok(runs)
}
