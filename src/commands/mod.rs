//! One file a command.

mod catalog;
mod channels;
mod check;
mod classify;
mod conversation;
mod eval;
mod events;
mod explain;
mod handoffs;
mod jobs;
mod links;
mod migrate;
mod plan;
mod preview;
mod privacy;
mod progress;
mod report;
mod say;
mod serve;
mod simulate;

use std::{
    fmt::Display,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::CommandFactory;
use doorstep_core::Problem;
use doorstep_engine::Store;

use crate::{
    app::StartError,
    cli::{Catalog, Cli, Command, Eval, Events, Report},
    config::{Config, Sources},
};

/// How a command ended.
#[derive(Debug)]
pub enum Failure {
    /// It found something: exit code 1.
    Finding(String),
    /// It was asked for something that cannot be: exit code 2.
    Misuse(String),
    /// The merchant's files do not hold together: exit code 1, one line each.
    Problems(Vec<Problem>),
}

impl Failure {
    fn finding(error: impl Display) -> Self {
        Self::Finding(error.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Problems(problems) => Self::Problems(problems),
            other => Self::finding(other),
        }
    }
}

/// Runs the command; errors go to stderr.
pub async fn run(cli: Cli) -> ExitCode {
    match dispatch(&cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Finding(error)) => failed(&error),
        Err(Failure::Misuse(error)) => {
            report(&format!("doorstep: {error}"));
            ExitCode::from(2)
        }
        Err(Failure::Problems(problems)) => {
            for problem in &problems {
                report(&problem.to_string());
            }
            ExitCode::FAILURE
        }
    }
}

/// Reports an error and ends with exit code 1.
pub fn failed(error: &dyn Display) -> ExitCode {
    report(&format!("doorstep: {error}"));
    ExitCode::FAILURE
}

async fn dispatch(cli: &Cli) -> Result<(), Failure> {
    match &cli.command {
        Command::Demo(demo) => serve::demo(cli, demo).await,
        Command::Serve(serve) => serve::serve(cli, serve).await,
        Command::Migrate => migrate::run(cli).await,
        Command::Check => check::run(cli).await,
        Command::Explain(explain) => explain::run(cli, explain).await,
        Command::Plan(plan) => plan::run(cli, plan).await,
        Command::Preview(preview) => preview::run(cli, preview).await,
        Command::Channels(command) => channels::run(cli, command).await,
        Command::Simulate(simulate) => simulate::run(cli, simulate).await,
        Command::Links(command) => links::run(cli, command).await,
        Command::Jobs(command) => jobs::run(cli, command).await,
        Command::Handoffs(command) => handoffs::run(cli, command).await,
        Command::Say(say) => say::run(cli, say).await,
        Command::Classify(classify) => classify::run(cli, classify).await,
        Command::Eval(Eval::Intents(intents)) => eval::intents(cli, intents).await,
        Command::Eval(Eval::Eta(eta)) => eval::eta::run(cli, eta).await,
        Command::Eval(Eval::Answers(answers)) => eval::answers::run(cli, answers).await,
        Command::Eval(Eval::Search(search)) => eval::search(cli, search).await,
        Command::Events(Events::Send(event)) => events::send(cli, event).await,
        Command::Report(Report::Experiments(arguments)) => {
            report::experiments(cli, arguments).await
        }
        Command::Privacy => privacy::run(cli).await,
        Command::Catalog(Catalog::Import(feed)) => catalog::import(cli, feed).await,
        Command::Completions { shell } => {
            // Not straight to stdout: a reader that goes away, as `head` does, would be a panic.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "doorstep", &mut script);
            print(String::from_utf8_lossy(&script).trim_end())
        }
    }
}

/// The merchant's file where the command line names none, below the current folder.
const USUAL_FILE: &str = "doorstep.toml";

/// Whether the current folder has a configuration that nobody named.
fn has_unnamed_config(cli: &Cli) -> bool {
    cli.config.is_none() && Path::new(USUAL_FILE).is_file()
}

/// Where the shop's configuration comes from: the file that the command line names, else `./doorstep.toml`. Without either
/// the defaults hold.
fn sources(cli: &Cli) -> Sources {
    let unnamed = has_unnamed_config(cli).then(|| PathBuf::from(USUAL_FILE));
    Sources {
        file: cli.config.clone().or(unnamed),
        flags: cli.set.clone(),
        environment: true,
    }
}

/// Loads the shop's configuration, and says of a file that nobody named that it is used.
fn load_config(cli: &Cli) -> Result<Config, Failure> {
    if has_unnamed_config(cli) {
        report(&format!(
            "doorstep: the configuration is ./{USUAL_FILE}; --config names another"
        ));
    }
    Config::load(&sources(cli)).map_err(Failure::Problems)
}

/// Loads the configuration that the command line names, or the defaults: for commands that need no shop.
fn load_named_config(cli: &Cli) -> Result<Config, Failure> {
    let sources = Sources {
        file: cli.config.clone(),
        ..sources(cli)
    };
    Config::load(&sources).map_err(Failure::Problems)
}

/// Opens the configured store, to read in it.
async fn open_store(config: &Config) -> Result<Store, Failure> {
    let database = crate::app::open_database(config).await;
    let database = database.map_err(Failure::finding)?;
    let ambient = crate::ambient::system();
    let queue = std::sync::Arc::new(doorstep_jobs::Queue::new(ambient.clone()));
    Store::new(database, queue, ambient)
        .await
        .map_err(Failure::finding)
}

/// The configuration, or without a file the defaults over a folder that is gone when the command ends. So commands
/// that only ask work anywhere and leave nothing behind.
fn config_or_temporary(cli: &Cli) -> Result<(Config, Option<tempfile::TempDir>), Failure> {
    let is_shops = cli.config.is_some() || has_unnamed_config(cli);
    let mut config = load_config(cli)?;
    if is_shops {
        return Ok((config, None));
    }
    let folder = tempfile::tempdir().map_err(Failure::finding)?;
    config.data_dir = folder.path().to_owned();
    Ok((config, Some(folder)))
}

/// The configuration that the command line names, or without one that of the demo shop over a folder that is gone when the
/// command ends: whatever the environment and the current folder hold, nothing of a merchant's is used or changed.
fn config_or_demo(cli: &Cli) -> Result<(Config, Option<tempfile::TempDir>), Failure> {
    if cli.config.is_some() {
        return Ok((load_named_config(cli)?, None));
    }
    if has_unnamed_config(cli) {
        report(&format!(
            "doorstep: this is the demo shop; --config {USUAL_FILE} takes yours"
        ));
    }
    let (config, folder) = config_of_demo(cli)?;
    Ok((config, Some(folder)))
}

/// The demo shop over a folder that is gone when it is dropped.
fn config_of_demo(cli: &Cli) -> Result<(Config, tempfile::TempDir), Failure> {
    let folder = tempfile::tempdir().map_err(Failure::finding)?;
    let config = Config::apart(&cli.set, folder.path()).map_err(Failure::Problems)?;
    Ok((config, folder))
}

/// Writes a line to stdout; a reader that went away ends the program quietly.
fn print(line: impl Display) -> Result<(), Failure> {
    writeln!(std::io::stdout().lock(), "{line}").map_err(Failure::finding)
}

fn report(line: &str) {
    // Nothing can be done when even stderr is gone.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// The texts of the command line, or the lines of standard input.
fn texts(arguments: &[String]) -> Box<dyn Iterator<Item = std::io::Result<String>> + '_> {
    if arguments.is_empty() {
        Box::new(std::io::stdin().lines())
    } else {
        Box::new(arguments.iter().cloned().map(Ok))
    }
}
