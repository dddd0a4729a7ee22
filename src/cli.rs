//! The command line. Results go to stdout, everything else to stderr; exit code 0 is success, 1 a finding, 2 misuse.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A post-purchase messenger for shops.
#[derive(Debug, Parser)]
#[command(name = "doorstep", version, about, propagate_version = true)]
pub struct Cli {
    /// The configuration file; without it the built-in defaults hold.
    #[arg(
        long,
        short,
        global = true,
        env = "DOORSTEP_CONFIG",
        value_name = "FILE"
    )]
    pub config: Option<PathBuf>,
    /// Print results as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// Change one setting: `--set http.listen=0.0.0.0:8080`.
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = parse_setting)]
    pub set: Vec<(String, String)>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show everything on a demo shop: one address, nothing to install, gone when it ends.
    Demo(Demo),
    /// Run.
    Serve(Serve),
    /// Bring the database's schema up to date.
    Migrate,
    /// Check the configuration, flows, rules and templates; every problem with file, line and fix.
    Check,
    /// Talk with the shop as a customer would: the words given, or lines of standard input.
    Say(Say),
    /// Tell what texts mean: the ones given, or lines of standard input; one JSON object each.
    Classify(Classify),
    /// Measure on messages whose right answer is known.
    #[command(subcommand)]
    Eval(Eval),
    /// Commerce events.
    #[command(subcommand)]
    Events(Events),
    /// Tell why a customer got a message, or why nobody was told of an event.
    Explain(Explain),
    /// Take past events through changed rules and templates, without sending: who would have got what, before and after.
    Plan(Plan),
    /// Show a notification as a channel would send it.
    Preview(Preview),
    /// Channels.
    #[command(subcommand)]
    Channels(ChannelsCommand),
    /// Addresses that are proven to be a customer's.
    #[command(subcommand)]
    Links(Links),
    /// The catalog.
    #[command(subcommand)]
    Catalog(Catalog),
    /// Print a shell's completion script.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// `doorstep demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// Port to listen on.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
}

/// `doorstep serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// Which part of the work this instance does; several share one PostgreSQL.
    #[arg(long, value_enum, default_value_t = Role::All)]
    pub role: Role,
}

/// Which part of the work an instance does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Everything.
    All,
    /// HTTP and conversations.
    Web,
    /// Jobs: events, notifications, deliveries, sweeps. Answers /healthz, /readyz and /metrics too.
    Worker,
}

/// `doorstep explain`
#[derive(Debug, Args)]
pub struct Explain {
    /// The message's identifier, or the event's.
    pub id: String,
}

/// `doorstep plan`
#[derive(Debug, Args)]
pub struct Plan {
    /// How far back: `12h`, `7d`.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = parse_span)]
    pub since: std::time::Duration,
    /// The folder with the changed files; they are compared with the configured ones.
    #[arg(long, value_name = "FOLDER")]
    pub files_dir: Option<PathBuf>,
}

/// `doorstep preview`
#[derive(Debug, Args)]
pub struct Preview {
    /// The template: `out_for_delivery`.
    pub template: String,
    /// The channel; without it all that are configured.
    #[arg(long, value_name = "NAME")]
    pub channel: Option<String>,
    /// The language (BCP 47).
    #[arg(long, default_value = "en")]
    pub locale: doorstep_core::Language,
    /// Show what the provider would get, too.
    #[arg(long)]
    pub payload: bool,
}

/// `doorstep channels`
#[derive(Debug, Subcommand)]
pub enum ChannelsCommand {
    /// Say what works at the provider and what is missing, without writing to anyone.
    Test {
        /// The channel: `telegram`.
        name: String,
    },
}

/// `doorstep links`
#[derive(Debug, Subcommand)]
pub enum Links {
    /// List the addresses that belong to the same customer as this one.
    List {
        /// The channel: `telegram`.
        channel: String,
        /// The address on it.
        address: String,
    },
    /// Make an address nobody's again, until it is proven anew.
    Undo {
        /// The channel: `telegram`.
        channel: String,
        /// The address on it.
        address: String,
    },
}

/// `doorstep say`
#[derive(Debug, Args)]
pub struct Say {
    /// The words; several arguments are one message.
    pub text: Vec<String>,
    /// Speak as this customer of the shop, as if signed in.
    #[arg(long)]
    pub customer: Option<String>,
    /// The customer's language (BCP 47), as their browser would tell it.
    #[arg(long)]
    pub language: Option<doorstep_core::Language>,
}

/// `doorstep classify`
#[derive(Debug, Args)]
pub struct Classify {
    /// Texts, one an argument.
    pub text: Vec<String>,
    /// The customer's language (BCP 47), as their browser would tell it.
    #[arg(long)]
    pub language: Option<doorstep_core::Language>,
}

/// `doorstep eval`
#[derive(Debug, Subcommand)]
pub enum Eval {
    /// How well intents are told apart: those of a file of examples, or the built-in ones.
    Intents(EvalIntents),
}

/// `doorstep eval intents`
#[derive(Debug, Args)]
pub struct EvalIntents {
    /// Train on these examples: CSV with the columns `text` and `label`.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "builtin",
        conflicts_with = "builtin"
    )]
    pub train: Option<PathBuf>,
    /// Measure the built-in intents instead. Several labels of one message are joined by `|`, of which the first counts;
    /// the test may have the columns `language` (BCP 47) and `escalation` (normal, escalate, urgent).
    #[arg(long)]
    pub builtin: bool,
    /// Measure on these messages: CSV with the columns `text` and `label`.
    #[arg(long, value_name = "FILE")]
    pub test: PathBuf,
    /// The label of messages that no intent covers. Examples with it are learnt from and never answered; messages with it
    /// should be refused. With --builtin it is `out_of_scope`.
    #[arg(long, value_name = "LABEL", conflicts_with = "builtin")]
    pub oos_label: Option<String>,
    /// Largest share of wrong answers to accept among those given. Default: 0.05; with --builtin the configuration's.
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub max_wrong: Option<f32>,
    /// Train on this many examples an intent, drawn anew with each seed; the figures are means.
    #[arg(long, value_name = "N", conflicts_with = "builtin", value_parser = clap::value_parser!(u32).range(1..))]
    pub shots: Option<u32>,
    /// How many seeds to draw with.
    #[arg(long, value_name = "S", requires = "shots", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub seeds: u32,
    /// Use the model in this folder (understanding.onnx, tokenizer.json, understanding.json).
    #[arg(long, value_name = "FOLDER")]
    pub model: Option<PathBuf>,
}

/// `doorstep events`
#[derive(Debug, Subcommand)]
pub enum Events {
    /// Sign a commerce event and send it to a running server, as a shop or carrier would.
    Send(SendEvent),
}

/// `doorstep events send`
#[derive(Debug, Args)]
pub struct SendEvent {
    /// The event's type, like `shipment.out_for_delivery`.
    pub event_type: String,
    /// The order's number.
    #[arg(long)]
    pub order: String,
    /// The payload as JSON, for example '{"tracking_number": "…", "carrier": "DHL"}'.
    #[arg(long, default_value = "{}")]
    pub payload: String,
    /// Which configured source to send as.
    #[arg(long, default_value = "generic")]
    pub source: String,
    /// The event's id; the same id again is the same event. Default: a new one.
    #[arg(long)]
    pub id: Option<String>,
    /// The server. Default: the configured public address.
    #[arg(long)]
    pub url: Option<String>,
    /// Send it twice, to see that it counts once.
    #[arg(long)]
    pub twice: bool,
}

/// `doorstep catalog`
#[derive(Debug, Subcommand)]
pub enum Catalog {
    /// Import products from a file of JSON lines into the search index.
    Import {
        /// The file; one product a line.
        file: PathBuf,
    },
}

fn parse_setting(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.to_owned()))
        .ok_or_else(|| format!("`{text}` has no `=`; write key=value"))
}

fn parse_span(text: &str) -> Result<std::time::Duration, String> {
    doorstep_engine::notify::duration(text).ok_or_else(|| {
        format!("`{text}` is no time; write one like 90s, 30m, 12h or 7d, up to 90d")
    })
}

/// A share above 0 and below 1.
fn parse_share(text: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|share| *share > 0.0 && *share < 1.0)
        .ok_or_else(|| {
            format!("`{text}` is no share; write a number above 0 and below 1, like 0.05")
        })
}
