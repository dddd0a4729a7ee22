//! The command line. Results go to stdout, everything else to stderr; exit code 0 is success, 1 a finding, 2 misuse.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A post-purchase messenger for shops.
#[derive(Debug, Parser)]
#[command(name = "doorstep", version, about, propagate_version = true)]
pub struct Cli {
    /// The configuration file. Without it, commands about your shop read ./doorstep.toml where there is one, and say so; else
    /// the built-in defaults hold. `say`, `classify` and `eval` take no file that is not named.
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
    /// Show everything on a demo shop: one address, nothing to install, gone when it ends. Your configuration is neither read
    /// nor used.
    Demo(Demo),
    /// Run.
    Serve(Serve),
    /// Bring the database's schema up to date.
    Migrate,
    /// Check the configuration, flows, rules and templates; every problem with file, line and fix.
    Check,
    /// Talk with the shop as a customer would: the words given, or lines of standard input. Without --config, with the demo
    /// shop.
    Say(Say),
    /// Tell what texts mean: the ones given, or lines of standard input; one JSON object each.
    Classify(Classify),
    /// Measure on messages, questions, parcels and searches whose right answer is known.
    #[command(subcommand)]
    Eval(Eval),
    /// Commerce events.
    #[command(subcommand)]
    Events(Events),
    /// Tell why a customer got a message, or why nobody was told of an event.
    Explain(Explain),
    /// Take past events through changed rules and templates, without sending: who would have got what, before and after.
    Plan(Plan),
    /// What it was worth.
    #[command(subcommand)]
    Report(Report),
    /// Show a notification as a channel would send it: on the terminal, as a page or as a picture.
    Preview(Preview),
    /// Channels.
    #[command(subcommand)]
    Channels(ChannelsCommand),
    /// Play a provider on this machine, with its customers: their messages from the terminal or a script.
    Simulate(Simulate),
    /// Addresses that are proven to be a customer's.
    #[command(subcommand)]
    Links(Links),
    /// Jobs that fail: what could not be done, and what to do about it.
    #[command(subcommand)]
    Jobs(Jobs),
    /// Customers who wait for a person: who they are, what for, and giving them back to the assistant.
    #[command(subcommand)]
    Handoffs(Handoffs),
    /// What was asked about customers' data, and what was done: requests for a copy wait here for a person.
    Privacy,
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
    /// HTTP, channels and conversations.
    Web,
    /// Jobs: events, notifications, deliveries, sweeps. Receives nothing, and answers /healthz, /readyz and /metrics alone.
    Worker,
}

impl Role {
    /// Whether customers, shops and carriers reach the instance: over HTTP, and over channels that it listens on.
    pub(crate) fn receives(self) -> bool {
        self != Self::Worker
    }
}

/// `doorstep explain`
#[derive(Debug, Args)]
pub struct Explain {
    /// The message's identifier, or the event's.
    #[arg(required_unless_present = "order")]
    pub id: Option<String>,
    /// All that was decided about this order and its parcels instead.
    #[arg(long, value_name = "NUMBER", conflicts_with = "id")]
    pub order: Option<String>,
}

/// `doorstep plan`
#[derive(Debug, Args)]
pub struct Plan {
    /// How far back: `12h`, `7d`.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = parse_span)]
    pub since: std::time::Duration,
    /// The folder with the changed files; they are compared with the configured ones. Without it, the configured files as
    /// they are now are compared with what was really decided in that time.
    #[arg(long, value_name = "FOLDER")]
    pub files_dir: Option<PathBuf>,
}

/// `doorstep report`
#[derive(Debug, Subcommand)]
pub enum Report {
    /// What the customers of each variant of each experiment did: asked anyway, opened, followed, bought, returned.
    Experiments(Experiments),
}

/// `doorstep report experiments`
#[derive(Debug, Args)]
pub struct Experiments {
    /// Count customers who were first in it so long ago at most: `12h`, `30d`.
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = parse_span)]
    pub since: std::time::Duration,
    /// How long after the first news what they did counts.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = parse_span)]
    pub within: std::time::Duration,
}

/// `doorstep preview`
#[derive(Debug, Args)]
pub struct Preview {
    /// The template: `out_for_delivery`.
    pub template: String,
    /// The channel, configured or not; without it all that are configured.
    #[arg(long, value_name = "NAME")]
    pub channel: Option<String>,
    /// The language (BCP 47).
    #[arg(long, default_value = "en")]
    pub locale: doorstep_core::Language,
    /// Show what the provider would get, too.
    #[arg(long)]
    pub payload: bool,
    /// Write the page that the customer's program shows to this file instead, of the channel named or the first that has one;
    /// where messages are no pages, their words in bubbles.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Take a picture of that page, too: a PNG. Needs Chromium, named by CHROMIUM or found in PATH.
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
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

/// `doorstep simulate`
///
/// Prints the settings that point a channel at it. Then each line of standard input is what a customer writes, or one of
/// /as NAME, /press LABEL, /edit TEXT, /send FILE WORDS, /follow TOKEN, /other, /block, /unblock, and
/// /faults rate_limited=0.02,server_error=0.02,lost_answer=0.01,duplicate=0.05,reordered=0.05,seed=7 (without values: none).
#[derive(Debug, Args)]
pub struct Simulate {
    /// telegram, whatsapp, discord or email.
    pub provider: String,
    /// Where its API listens.
    #[arg(long, default_value = "127.0.0.1:8090")]
    pub listen: std::net::SocketAddr,
    /// The program under test: webhooks go to its /webhooks/channels/NAME.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub program: String,
    /// Where files lie that the channel reads (e-mail).
    #[arg(long, default_value = "simulated-mail", value_name = "FOLDER")]
    pub folder: PathBuf,
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

/// `doorstep jobs`
#[derive(Debug, Subcommand)]
pub enum Jobs {
    /// List jobs that failed: the dead first, then those that are tried again, with what they failed with.
    List,
    /// Try a failed job again, with as many attempts as a new one.
    Retry {
        /// The job, as `doorstep jobs list` names it.
        id: String,
    },
    /// Give a failed job up, and what it is about: its event is told to nobody, its message is not sent.
    Discard {
        /// The job, as `doorstep jobs list` names it.
        id: String,
    },
}

/// `doorstep handoffs`
#[derive(Debug, Subcommand)]
pub enum Handoffs {
    /// List who waits: what cannot wait first, then whoever waits longest.
    List,
    /// Show what a person needs to know of one of them.
    Show {
        /// The request, as `doorstep handoffs list` names it.
        #[arg(value_parser = parse_request)]
        id: doorstep_core::HandoffId,
    },
    /// Give the conversation back to the assistant; the customer is told so in their language.
    Close {
        /// The request, as `doorstep handoffs list` names it.
        #[arg(value_parser = parse_request)]
        id: doorstep_core::HandoffId,
        /// Tell the customer this first, in your own words.
        #[arg(long, value_name = "WORDS")]
        say: Option<String>,
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
    /// How well questions are answered: from the right source, with nothing made up, and not at all where nobody has written
    /// the answer. The shop, its knowledge files and everything else are those of the configuration.
    Answers(EvalAnswers),
    /// How well products are found, by people's judgements of which product answers which query.
    Search(EvalSearch),
    /// How good forecasts of deliveries are, and how they compare with plain ones.
    ///
    /// Both files are CSV with a first line that names its columns: order_id, purchased_at, handed_over_at, promised_at,
    /// delivered_at, origin, destination, carrier, service, freight, weight_g, category. Blanks are allowed, and all columns
    /// but handed_over_at may be missing. Times are by the clocks of the destination; a promised day means until its end, a
    /// promised time that time.
    ///
    /// Every parcel of the test is forecast once, at its hand-over, as it would have been in production: from the training
    /// file and from those test parcels that were handed over, or delivered, before that moment. All is learnt anew every 14
    /// days; drift is followed daily, calibration with every delivery. No parcel helps to forecast itself or one handed over
    /// before it was delivered.
    ///
    /// The width of a window is the time from its start to its end in days, and so is that of the plain quantiles it is
    /// compared with.
    Eta(EvalEta),
}

/// `doorstep eval eta`
#[derive(Debug, Args)]
pub struct EvalEta {
    /// Learn from these parcels.
    #[arg(long, value_name = "FILE")]
    pub train: PathBuf,
    /// Measure on these parcels.
    #[arg(long, value_name = "FILE")]
    pub test: PathBuf,
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
    /// Measure the built-in intents instead, with the own ones of `files_dir` beside them. Several labels of one message are
    /// joined by `|`, of which the first counts; the test may have the columns `language` (BCP 47) and `escalation` (normal,
    /// escalate, urgent).
    #[arg(long)]
    pub builtin: bool,
    /// Measure on these messages: CSV with the columns `text` and `label`, or a `.tsv` like the project's own: language, labels,
    /// text and perhaps escalation, tab-separated, without a header.
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

/// `doorstep eval answers`
#[derive(Debug, Args)]
pub struct EvalAnswers {
    /// The questions: CSV with the columns `language` (BCP 47), `question`, `source` and, if wished, `says`. `source` is the
    /// passage with the answer, like `returns.en.md#refunds`, or `shop`; several that are right are joined by `|`, and an
    /// empty one means that the question must not be answered. `says` are words that the answer must hold.
    /// Without it, the questions about the demo shop that are built in.
    #[arg(long, value_name = "FILE")]
    pub questions: Option<PathBuf>,
    /// Tell of every question what it was answered from, not only of the misses.
    #[arg(long)]
    pub verbose: bool,
}

/// `doorstep eval search`
#[derive(Debug, Args)]
pub struct EvalSearch {
    /// The products: JSON lines, one product a line; packed by gzip or not.
    #[arg(long, value_name = "FILE")]
    pub catalog: PathBuf,
    /// The judgements: CSV with the columns `query`, `docid` and `rating`, from 0 (no answer) to 3 (the best).
    #[arg(long, value_name = "FILE", required_unless_present = "questions")]
    pub judgements: Option<PathBuf>,
    /// Measure how far questions in other languages find what the English ones find: tab-separated, a column for each
    /// language, `en` among them.
    #[arg(long, value_name = "FILE")]
    pub questions: Option<PathBuf>,
    /// What searches.
    #[arg(long, value_enum, default_value_t = SearchBackend::Embedded)]
    pub backend: SearchBackend,
    /// By words, by meaning, or both.
    #[arg(long, value_enum, default_value_t = SearchMode::Fused)]
    pub mode: SearchMode,
    /// The language of the catalog (BCP 47).
    #[arg(long, value_name = "LANGUAGE", default_value = "en")]
    pub language: doorstep_core::Language,
    /// Keep what the model read in this file, and read only what is not in it. Then `index_s` is without the reading of the
    /// products that `vectors_reused` counts.
    #[arg(long, value_name = "FILE")]
    pub vectors: Option<PathBuf>,
    /// Which field means what.
    #[command(flatten)]
    pub fields: CatalogFields,
}

/// What searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SearchBackend {
    /// The index inside the program.
    Embedded,
    /// A Meilisearch server.
    Meilisearch,
}

/// By what is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SearchMode {
    /// By words alone.
    Keyword,
    /// By the query's vector alone.
    Vector,
    /// By both, fused.
    Fused,
}

/// The fields of a catalog's lines. Of several names the first that a line has counts.
#[derive(Debug, Args)]
#[command(next_help_heading = "Fields of the catalog")]
pub struct CatalogFields {
    /// What the judgements call it.
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "id,docid,product_id,sku"
    )]
    pub id_field: Vec<String>,
    /// Its title.
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "title,name,product_name"
    )]
    pub title_field: Vec<String>,
    /// Its description.
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "short_description,description,product_description,body,text,summary"
    )]
    pub text_field: Vec<String>,
    /// Its brand.
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "supplier,brand,vendor,manufacturer"
    )]
    pub brand_field: Vec<String>,
    /// Its price: a whole number in minor units, or text or a number with a point in whole units.
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "price"
    )]
    pub price_field: Vec<String>,
    /// Its attributes; `*` at the end stands for the attribute's name. An object holds attributes of its own.
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "attr_t_*,attr_n_*,attributes,category,categories,product_type,product_class,color,colour,size,material"
    )]
    pub attribute_field: Vec<String>,
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
    /// The event's type, like `shipment.out_for_delivery`; for a source that tells a topic in a header, that topic, like
    /// `orders/updated`.
    pub event_type: String,
    /// The order's number; only the generic source's events have it beside their payload.
    #[arg(long)]
    pub order: Option<String>,
    /// The payload as JSON, for example '{"tracking_number": "…", "carrier": "DHL"}'; for any other source than the generic
    /// one, the whole body as the provider would send it.
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
    /// Import the products of a feed, also while the program runs, which takes them up within seconds. Rows that cannot be
    /// read are named and left out; products that an earlier import brought and that the file no longer names are removed.
    Import(CatalogImport),
}

/// `doorstep catalog import`
#[derive(Debug, Args)]
pub struct CatalogImport {
    /// The file; one packed by gzip is unpacked.
    pub file: PathBuf,
    /// Its form.
    #[arg(long, value_enum, default_value_t = crate::feed::Format::Jsonl)]
    pub format: crate::feed::Format,
    /// Remove also more than half of the products that were imported before, or all of them. Without it such a file, or an
    /// empty one, is taken for one that was cut off, and changes nothing.
    #[arg(long)]
    pub allow_removals: bool,
}

fn parse_setting(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.to_owned()))
        .ok_or_else(|| format!("`{text}` has no `=`; write key=value"))
}

fn parse_request(text: &str) -> Result<doorstep_core::HandoffId, String> {
    let id = text.parse();
    id.map_err(|_| format!("`{text}` names no request; `doorstep handoffs list` does"))
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
