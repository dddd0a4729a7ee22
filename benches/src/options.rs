//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Prints every performance bound with its ratio to bare inference; exits with 1 if one is missed.
#[derive(Debug, Clone, Parser)]
#[command(name = "doorstep-bench", version)]
pub(crate) struct Options {
    /// One run with smaller counts: to see that everything works, not to judge by.
    #[arg(long)]
    pub(crate) quick: bool,
    /// How many undisturbed runs, each with a fresh server and database [default: 3; 1 with --quick].
    #[arg(long)]
    runs: Option<usize>,
    /// Write every figure of every run to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Take the messages from the column `utterance` or `text` of a CSV file instead of the built-in ones.
    #[arg(long, value_name = "FILE")]
    pub(crate) texts: Option<PathBuf>,
    /// The program to measure [default: `doorstep` beside this program].
    #[arg(long, value_name = "FILE")]
    pub(crate) server: Option<PathBuf>,
    /// Send the same messages to this program too, in turns, and print how long both take to answer; nothing else.
    #[arg(long, value_name = "FILE")]
    pub(crate) beside: Option<PathBuf>,
    /// Where the servers' data lie while they run; on the disk that is to be measured [default: beside this program].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) dir: Option<PathBuf>,
    /// Longest wait for an idle machine before a run, in seconds [default: 300; 20 with --quick].
    #[arg(long, value_name = "SECONDS")]
    wait_quiet: Option<u64>,
    /// A run counts as disturbed if other work used more cores than this in one of its phases.
    #[arg(long, value_name = "CORES", default_value_t = 0.15)]
    pub(crate) max_others: f64,
    /// Measure what understanding a message costs beside the bare model, and the model's forms beside one another.
    #[arg(long)]
    pub(crate) understanding: bool,
    /// Measure the embedded search index with so many made-up products; the bounds are for 200000.
    #[arg(long, value_name = "DOCUMENTS")]
    pub(crate) search: Option<usize>,
    /// Drive so many tracking events to the customers' mailboxes; the bounds are for 10000,30000,100000.
    #[arg(long, value_name = "EVENTS", value_delimiter = ',')]
    pub(crate) road: Option<Vec<usize>>,
    /// With --understanding: the float32 graph, as `training/make.py` leaves it in `training/build/plain.onnx`.
    #[arg(long, value_name = "FILE", requires = "understanding")]
    pub(crate) plain: Option<PathBuf>,
    /// Measure tract in this process, for the run that started it.
    #[arg(long, hide = true)]
    pub(crate) tract: bool,
    /// Measure bare inference in this process, for the run that started it.
    #[arg(long, hide = true)]
    pub(crate) bare: bool,
}

/// How much of everything a run does.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Counts {
    /// Messages one after another on one connection; bare inference reads as many texts.
    pub(crate) sequential: usize,
    /// Conversations at once.
    pub(crate) connections: usize,
    /// Answers over all of them.
    pub(crate) messages: usize,
    /// Connections that say nothing.
    pub(crate) idle: u32,
    /// Webhook senders at once.
    pub(crate) clients: usize,
    /// Distinct events; one in twenty is delivered again.
    pub(crate) events: usize,
}

impl Options {
    pub(crate) fn runs(&self) -> usize {
        self.runs.unwrap_or(if self.quick { 1 } else { 3 }).max(1)
    }

    pub(crate) fn wait_quiet_s(&self) -> u64 {
        self.wait_quiet.unwrap_or(if self.quick { 20 } else { 300 })
    }

    pub(crate) fn counts(&self) -> Counts {
        if self.quick {
            return Counts {
                sequential: 150,
                connections: 64,
                messages: 600,
                idle: 500,
                clients: 32,
                events: 600,
            };
        }
        Counts {
            sequential: 500,
            connections: 64,
            messages: 3000,
            idle: 2000,
            clients: 32,
            events: 2000,
        }
    }
}
